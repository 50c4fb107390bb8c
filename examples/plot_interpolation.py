"""
Walk from one picture to another, and see what a code means
============================================================

Halfway between two pictures, pixel by pixel, is a double exposure. Halfway between their
codes is a picture of its own. A `VariationalAutoencoder` is fitted to handwritten digits to
walk between them, and to show what each number of its code does.
"""

# %%
# The data
# --------
# 1,797 pictures of 8 x 8 pixels, a quarter of which is kept for the end. Grey values
# between 0 and 1 are taken as probabilities of ink: the Bernoulli likelihood.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import VariationalAutoencoder

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, stratify=digits.target, random_state=0
)
vae = VariationalAutoencoder(8, likelihood="bernoulli", max_iter=100, random_state=0)
vae.fit(X_train)

# %%
# On the way
# ----------
# `interpolate` decodes the steps between the codes of two rows. Here it goes from each of
# 225 new pictures to another one; the rival fades one into the other.

A, B = X_test[:225], X_test[225:]
ways = vae.interpolate(A, B, 9, kind="spherical")  # (225, 9, 8, 8)
halfway = {"decoded": ways[:, 4], "faded": (A + B) / 2, "real": B}

# %%
# Does a picture look like one that somebody wrote? Then a real one is near it: of the
# pictures for training, the nearest has this distance (root mean square, ink being 1).

real = NearestNeighbors(n_neighbors=1).fit(X_train.reshape(-1, 64))
distance = {
    name: real.kneighbors(pictures.reshape(-1, 64))[0].mean() / 8
    for name, pictures in halfway.items()
}

# %%
# What the numbers of a code do
# -----------------------------
# The code of one picture, of which one number at a time is moved from -2 to 2. (The numbers
# are standard normal.) Shown are the three that carry most, in nats.

carried = vae.kl_divergence(X_train).mean(axis=0)
most = np.argsort(-carried)[:3]
codes = np.repeat(vae.transform(X_test[:1]), 9, axis=0)
moved = {}
for component in most:
    steps = codes.copy()
    steps[:, component] = np.linspace(-2, 2, 9)
    moved[f"number {component}"] = vae.inverse_transform(steps)

# %%
# Above, two pictures and the way between them, as it is decoded and as it is faded; in the
# middle the moved numbers; below, digits that nobody wrote.

fade = np.linspace(0, 1, 9)[:, None, None]
rows = {}
for i in (0, 1):
    rows[f"decoded {i + 1}"] = ways[i]
    rows[f"faded {i + 1}"] = (1 - fade) * A[i] + fade * B[i]
rows |= moved | {"drawn": vae.sample(9, random_state=0)}

fig, axes = plt.subplots(8, 9, figsize=(6.4, 6), layout="constrained")
fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, rect=(0.01, 0.01, 0.98, 0.98))
for row, (label, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
fig.suptitle("From one digit to another, by way of the code")
plt.show()

# %%
# The number
# ----------

print("Distance from the nearest real picture, halfway between two new ones:")
print("{decoded:.3f} (faded: {faded:.3f}; real pictures: {real:.3f})".format(**distance))
