"""
What handwritten digits are made of
===================================

A sparse autoencoder writes each picture as a sum of a few directions out of many more
than there are pixels. Here it learns 128 of them for 64 pixels, of which each digit uses
six, and shows the ones that are used most, and the digits that it uses them for.
"""

# %%
# The data: 1797 pictures of 8 x 8 pixels, a quarter of which nobody trains on.

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import SparseAutoencoder

X, y = load_digits().images, load_digits().target  # (1797, 8, 8)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

autoencoder = SparseAutoencoder(
    128, n_nonzero_coefs=6, sparse_output=True, random_state=0
).fit(X_train)
codes = autoencoder.transform(X_test)

# %%
# Six numbers out of 128 say more than the first six principal components do, as each
# digit has six of its own. Codes are CSR matrices, whose zeros take no space.


def explained(reconstruction):
    """Return the share of the test pixels' variance."""
    squares = [np.square(X_test - m).sum() for m in (reconstruction, X_train.mean(0))]
    return 1 - squares[0] / squares[1]


flat, flat_test = X_train.reshape(-1, 64), X_test.reshape(-1, 64)
print("Explained variance of pictures not seen")
print(f"  {'six of 128 units':28} {explained(autoencoder.inverse_transform(codes)):6.3f}")
for k in (6, 12, 24):
    pca = PCA(k).fit(flat)
    projected = pca.inverse_transform(pca.transform(flat_test)).reshape(X_test.shape)
    print(f"  {f'{k} principal components':28} {explained(projected):6.3f}")
print(f"units on in a picture: {codes.getnnz(axis=1).mean():.2f}")
print(f"units that no picture uses: {autoencoder.dead_units_.sum()}")

# %%
# Many units belong to one or two digits, though nobody told which digit a picture shows.

used = np.argsort(-autoencoder.activation_frequency_)[:20]
for unit in used[:5]:
    rows = autoencoder.top_samples(unit, X_test, n_samples=8).index
    print(f"unit {unit}: the digits that use it most are {y_test[rows].tolist()}")

# %%
# Above, the directions of the twenty units that are used most (blue adds ink, red takes
# it away); below, one digit as the sum of its six.

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

directions = autoencoder.components_.reshape(-1, 8, 8)
shown = int(np.argmax(y_test == 3))
(row,) = codes[[shown]].toarray()
parts = np.argsort(-np.abs(row))[:6]

fig, axes = plt.subplots(3, 10, figsize=(8, 3), layout="constrained")
fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, rect=(0.01, 0.01, 0.98, 0.98))
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.8")
for ax, direction in zip(axes[:2].flat, directions[used], strict=True):
    limit = np.abs(direction).max()
    ax.imshow(direction, cmap="RdBu", vmin=-limit, vmax=limit)
base = autoencoder.inverse_transform(np.zeros((1, 128)))[0]
pictures = [
    ("digit", X_test[shown]),
    ("no unit", base),
    *((f"+ {row[unit]:.1f}", row[unit] * directions[unit]) for unit in parts),
    ("sum", autoencoder.inverse_transform(codes[[shown]])[0]),
]
for ax, (label, picture) in zip(axes[2], pictures, strict=False):
    grey = label in ("digit", "no unit", "sum")
    limits = {"vmin": 0, "vmax": 16} if grey else {"vmin": -8, "vmax": 8}
    ax.imshow(picture, cmap="gray_r" if grey else "RdBu", **limits)
    ax.set_xlabel(label, fontsize=8)
axes[2, -1].set_visible(False)
fig.suptitle("Directions that digits are made of, and a digit made of six")
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "skae-sparse.png", dpi=110)
