"""
Compress pictures of one kind, beside JPEG
==========================================

JPEG writes each block of 8 x 8 pixels as waves, the same for all pictures of the world. An
autoencoder learns what its own kind of pictures is made of. Where that kind is narrow, and
its decoder is on both sides already, much fewer bytes will do.
"""

# %%
# Handwritten digits of 8 x 8 pixels: 1,347 to learn from, and 448 others as one sheet,
# on which each digit is one of JPEG's blocks.

import io
import zlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.likelihoods import Gaussian

X, y = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X * 255 / 16, stratify=y, random_state=0)
X_test = X_test[:448].round()

# %%
# Bytes and pictures of JPEG or WebP: a file is counted less that of an empty sheet.


def by_file(kind, quality):
    sheet = X_test.reshape(16, 28, 8, 8).transpose(0, 2, 1, 3).reshape(128, 224)
    files = io.BytesIO(), io.BytesIO()
    for pixels, file in zip((sheet, np.full_like(sheet, 128)), files, strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(file, kind, quality=quality)
    back = np.asarray(Image.open(files[0]).convert("L"), dtype=float)
    rows = back.reshape(16, 8, 28, 8).transpose(0, 2, 1, 3).reshape(448, 64)
    return files[0].tell() - files[1].tell(), rows


# %%
# A code becomes bytes by rounding: the coarser, the fewer. So that a step means the same
# for each number, all are scaled by how far they move the pixels of training pictures.


def by_code(model, step):
    codes = model.transform(X_train)
    moves = LinearRegression().fit(codes, model.inverse_transform(codes)).coef_
    scale = np.linalg.norm(moves, axis=0) / step
    rounded = np.rint(model.transform(X_test) * scale).clip(-127, 127)
    n_bytes = len(zlib.compress(rounded.astype(np.int8).T.tobytes(), 9))
    return n_bytes, model.inverse_transform(rounded / scale).clip(0, 255)


ours = Autoencoder(16, likelihood=Gaussian(scale="global"), random_state=0).fit(X_train)
pca, steps = PCA(32).fit(X_train), 256 / 2 ** np.arange(0, 3, 0.25)
made = {
    "JPEG": [by_file("JPEG", quality) for quality in (5, 10, 20, 30, 40)],
    "WebP": [by_file("WebP", quality) for quality in (0, 5, 10)],
    "PCA": [by_code(pca, step) for step in steps],
    "Autoencoder": [by_code(ours, step) for step in steps[:-1]],
}

# %%
# On the left the first curve point of three kilobytes or more; on the right how close the
# pictures come for how many bytes, as peak signal-to-noise ratio.

shown = {"As it was": X_test}
for name in ("JPEG", "Autoencoder"):
    n_bytes, rows = next(pair for pair in made[name] if pair[0] >= 3000)
    shown[f"{name}, {n_bytes / 1000:.1f} kB"] = rows

fig = plt.figure(figsize=(9, 4.2), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1, 1.1))
for ax, (title, rows) in zip(left.subplots(3, 1), shown.items(), strict=True):
    sheet = np.pad(rows[:56].reshape(4, 14, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    ax.imshow(sheet.transpose(0, 2, 1, 3).reshape(40, 140), cmap="gray_r", vmin=0, vmax=255)
    ax.set(title=title, xticks=[], yticks=[])
ax = right.subplots()
colours = ["tab:red", "tab:orange", "0.5", "tab:blue"]
at_21_dB = []
for (name, tries), colour, marker in zip(made.items(), colours, "sD^o", strict=True):
    kB = [n_bytes / 1000 for n_bytes, _ in tries]
    dB = [10 * np.log10(255**2 / np.mean((rows - X_test) ** 2)) for _, rows in tries]
    at_21_dB.append(f"{name} {np.interp(21, dB, kB):.1f}")
    ax.plot(kB, dB, color=colour, marker=marker, markersize=5, label=name)
ax.set(xlabel="kilobytes for 448 digits", ylabel="PSNR in dB", title="Higher is closer")
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# The decoder's weights are not counted: a JPEG reader has its tables, too. Pictures of
# other kinds would come back badly, and the more bits are spent, the less is won.

print("Kilobytes at 21 dB:", ", ".join(at_21_dB[::-1]))
