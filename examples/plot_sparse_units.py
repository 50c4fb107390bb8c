"""
Read what the units of a sparse autoencoder stand for
=====================================================

Each number of PCA's codes stands for a bit of everything. A `skae.SparseAutoencoder` has
many units, of which each picture uses a few, so that a unit can be looked at: what it adds
to a picture, which pixels it goes by, which pictures use it most.
"""

# %%
# The data
# --------
# 1,797 handwritten digits, a quarter of which is kept for the end: 128 units for 64 pixels,
# of which each picture uses six. Columns are scaled together, as all of them are grey
# values.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import SparseAutoencoder
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_ratio

X, y = load_digits(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

sparse = SparseAutoencoder(
    128, n_nonzero_coefs=6, likelihood=Gaussian(scale="global"), random_state=0
).fit(X_train)
codes = sparse.transform(X_test)
print(f"units on in a new picture: {(codes != 0).sum(axis=1).mean():.1f}")
print(f"units that no picture uses: {sparse.dead_units_.sum()}")

# %%
# One unit
# --------
# Which pixels has the unit that is used most, by name? Which new pictures use it most, and
# which digits are these? Nobody has told the autoencoder.

used = np.argsort(-sparse.activation_frequency_)
print(sparse.top_features(used[0], n_features=3).round(2))
print(y_test[sparse.top_samples(used[0], X_test, n_samples=8).index].tolist())

# %%
# Many units
# ----------
# The ten units that are used most. Above, what each adds to a picture (blue adds ink, red
# takes it away); below, the four new pictures that use it most.

fig, axes = plt.subplots(5, 10, figsize=(8, 4.7), layout="constrained")
fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, rect=(0.01, 0.01, 0.98, 0.98))
for column, unit in zip(axes.T, used, strict=False):
    direction = sparse.components_[unit].reshape(8, 8)
    limit = np.abs(direction).max()
    column[0].imshow(direction, cmap="RdBu", vmin=-limit, vmax=limit)
    column[0].set_title(f"unit {unit}", fontsize=9)
    rows = sparse.top_samples(unit, X_test, n_samples=4).index
    for ax, row in zip(column[1:], rows, strict=True):
        ax.imshow(X_test.loc[row].to_numpy().reshape(8, 8), cmap="gray_r")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_color("0.8")
axes[0, 0].set_ylabel("it adds")
axes[2, 0].set_ylabel("used most by", y=0, labelpad=4)
fig.suptitle("What units add, and who uses them")
plt.show()

# %%
# The number
# ----------
# Six numbers of one's own choice out of 128 say more than the same six for everybody. (To
# know which six they are takes some bytes as well.)


def explained(reconstruction):
    """Return the share of new pictures' variance."""
    return explained_variance_ratio(
        X_test, reconstruction, standardize=False, X_train=X_train
    )


by_pca = {}
for k in (6, 12):
    pca = PCA(k).fit(X_train)
    by_pca[k] = explained(pca.inverse_transform(pca.transform(X_test)))
print(f"Explained by 6 of 128 units: {explained(sparse.reconstruct(X_test)):.1%}", end=" ")
print(f"(6 principal components: {by_pca[6]:.1%}; 12: {by_pca[12]:.1%})")
