"""
Choose the size of the code
===========================

How many numbers does a code need? PCA takes a share of the variance instead of a number,
and so does a `skae.Autoencoder`: ``Autoencoder(0.9)`` finds the fewest components that
explain nine tenths of rows that it has held out.
"""

# %%
# The data
# --------
# 1,797 handwritten digits of 64 pixels, a quarter of which is kept for the end. All columns
# are grey values, so that they are scaled together.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_ratio

X, y = load_digits(return_X_y=True)
X_train, X_test = train_test_split(X, stratify=y, random_state=0)

autoencoder = Autoencoder(0.9, likelihood=Gaussian(scale="global"), random_state=0)
autoencoder.fit(X_train)
print(f"{autoencoder.n_components_} components were chosen.")

# %%
# How it was found
# ----------------
# Each size that was tried, what it explained of the held-out rows, and what as many
# principal components do.

print(pd.DataFrame(autoencoder.size_curve_).round(3).to_string(index=False))

# %%
# New rows
# --------
# What the chosen size explains of rows that had no say in the choice, and how many
# principal components it takes for as much.


def explained(reconstruction):
    """Return the share of the variance of new rows."""
    return explained_variance_ratio(
        X_test, reconstruction, standardize=False, X_train=X_train
    )


ours = explained(autoencoder.reconstruct(X_test))
sizes = np.arange(1, 41)
pca = PCA(40).fit(X_train)
codes = pca.transform(X_test)
by_pca = np.array(
    [explained(codes[:, :k] @ pca.components_[:k] + pca.mean_) for k in sizes]
)
as_much = sizes[np.argmax(by_pca >= ours)]

fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
ax.plot(sizes, by_pca, color="0.45", label="PCA, new rows")
tried = autoencoder.size_curve_
ax.plot(tried["n_components"], tried["share"], "|", color="tab:blue", markersize=14,
        label="Autoencoder, sizes tried on held-out rows")  # fmt: skip
chosen = autoencoder.n_components_
ax.plot(chosen, ours, "o", color="tab:blue", markersize=9, label="Autoencoder, new rows")
ax.axhline(0.9, color="tab:orange", linestyle="--", zorder=0)
ax.text(0.5, 0.905, "asked for: 90 %", color="tab:orange", va="bottom")
ax.annotate(
    f"{as_much} principal components\nfor what {chosen} numbers say",
    (as_much, ours),
    (as_much + 3, 0.72),
    arrowprops={"arrowstyle": "->", "color": "0.3"},
)
ax.set(xlabel="size of the code", ylabel="variance explained", xlim=(0, 40), ylim=(0, 1))
ax.set_title("The fewest numbers that explain nine tenths")
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# The number
# ----------

print(f"{chosen} numbers explain {ours:.1%} of the variance of new rows", end=" ")
print(f"(PCA: {as_much} for as much, and {by_pca[chosen - 1]:.1%} with {chosen})")
