"""
Walk from one picture to another, and see what a code means
============================================================

Halfway between two pictures, pixel by pixel, is a double exposure. Halfway between their
codes is a picture of its own. A `skae.VariationalAutoencoder` is fitted to handwritten
digits to walk between them, and to show what each number of its code does.
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
from skae.plotting import TraversalDisplay

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images / 16, digits.target, stratify=digits.target, random_state=0
)
vae = VariationalAutoencoder(8, likelihood="bernoulli", max_iter=100, random_state=0)
vae.fit(X_train)

# %%
# On the way
# ----------
# ``interpolate`` decodes the steps between the codes of two rows. Here it goes from each of
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
# Above, two pictures and the way between them, decoded and faded, twice; and digits that
# nobody wrote. Below, by `~skae.plotting.TraversalDisplay`, one number of the code moves
# while the others stay: the four that say most of a digit.

fade = np.linspace(0, 1, 9)[:, None, None]
rows = {}
for i in (0, 1):
    rows[f"decoded {i + 1}"] = ways[i]
    rows[f"faded {i + 1}"] = (1 - fade) * A[i] + fade * B[i]
rows["drawn"] = vae.sample(9, random_state=0)

fig = plt.figure(figsize=(7.5, 7.6), layout="constrained")
above, below = fig.subfigures(2, 1)
axes = above.subplots(5, 9)
for row, (label, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
above.suptitle("From one digit to another, and new ones")
TraversalDisplay.from_estimator(
    vae, X_test, components=4, row=0, cmap="gray_r", ax=below.subplots()
)
plt.show()

# %%
# The number
# ----------

print("Distance from the nearest real picture, halfway between two new ones:")
print("{decoded:.3f} (faded: {faded:.3f}; real pictures: {real:.3f})".format(**distance))
