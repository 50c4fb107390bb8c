"""
Clean pictures, and fill in what is hidden
==========================================

A denoising autoencoder is trained on clean pictures that are spoilt anew in each batch,
and learns to undo that. Here it takes noise out of handwritten digits, and another one
paints in what a hole has hidden.
"""

# %%
# 1,797 pictures of 8 x 8 pixels, between 0 and 1. They are passed as pictures, not as rows:
# the strength of a corruption then is in their own units.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import DenoisingAutoencoder
from skae.corruption import Gaussian, RegionMasking

X, y = load_digits().images / 16, load_digits().target
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)


def psnr(pictures):
    """Return the mean peak signal-to-noise ratio on the test pictures, in dB."""
    error = np.square(np.clip(pictures, 0, 1) - X_test).mean(axis=(1, 2))
    return -10 * np.log10(error).mean()


# %%
# Noise
# -----
# The same object that training uses also spoils the test pictures.

noise = Gaussian(0.3)
noisy = noise.corrupt(X_test, random_state=0)

denoiser = DenoisingAutoencoder(32, corruption=noise, random_state=0).fit(X_train)
denoised = denoiser.denoise(noisy)

# %%
# PCA, too, takes noise out: that of the components that it leaves out. It is given the
# best number of them, as judged by the training pictures under the same noise.


def project(pca, pictures):
    codes = pca.transform(pictures.reshape(-1, 64))
    return pca.inverse_transform(codes).reshape(-1, 8, 8)


again = noise.corrupt(X_train, random_state=1)
candidates = [PCA(k).fit(X_train.reshape(-1, 64)) for k in range(4, 33, 2)]
errors = [np.square(project(pca, again) - X_train).mean() for pca in candidates]
pca = candidates[np.argmin(errors)]
projected = project(pca, noisy)

# %%
# Holes
# -----
# Where it is known which pixels are lost, ``reconstruct`` takes a mask: those are filled
# in, and all others stay as they are. Training shows it pictures with holes.

holes = RegionMasking(4, fill=0.0)
inpainter = DenoisingAutoencoder(32, corruption=holes, random_state=0).fit(X_train)

lost = holes.corrupt(np.ones(X_test.shape), random_state=0) == 0
filled = inpainter.reconstruct(np.where(lost, 0.0, X_test), mask=lost)
for name, guess in (("the mean", X_train.mean(axis=0)), ("filled in", filled)):
    error = np.sqrt(np.square(guess - X_test)[lost].mean())
    print(f"error of the lost pixels, {name}: {error:.3f} (ink: 1)")

# %%
# What that means to the eye.

shown = [(y_test == digit).argmax() for digit in range(10)]  # the first of each
rows = {
    "Test digits": X_test,
    f"Noise\n{psnr(noisy):.1f} dB": noisy,
    f"PCA\n{psnr(projected):.1f} dB": projected,
    f"Denoised\n{psnr(denoised):.1f} dB": denoised,
    "Holes": np.where(lost, np.nan, X_test),
    "Filled in": filled,
}
fig, axes = plt.subplots(6, 10, figsize=(8, 5), layout="constrained")
colours = plt.get_cmap("gray_r").with_extremes(bad="tab:blue")
for row, (label, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures[shown], strict=True):
        ax.imshow(picture, cmap=colours, vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
fig.suptitle("Denoising and inpainting digits that nobody trained on")
plt.show()

print(f"PSNR of new noisy digits: {psnr(denoised):.1f} dB", end=" ")
print(f"(PCA of {pca.n_components_}: {psnr(projected):.1f}, noisy: {psnr(noisy):.1f})")
