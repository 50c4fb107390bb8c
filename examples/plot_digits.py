"""
How few numbers hold a handwritten digit?
=========================================

An autoencoder has the methods of PCA, so the two can stand in one grid. Here one
``GridSearchCV`` compares them at four small code sizes, by the share of the pixels'
variance that they explain in folds they have not seen, and picks the smallest code
within 10 % of the best.
"""

# %%
# The data: 1797 pictures of 8 x 8 pixels, a quarter of which nobody trains on.

import sys
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from skae import Autoencoder
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_scorer, smallest_within
from skae.model_selection import GridSearchCV

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# All columns are pixels, of one unit: neither the autoencoder, which would standardise
# each column, nor the score has reason to blow up those in the corners that are nearly
# always white. PCA does not scale. With ``verbose=1`` an autoencoder tells how far it is.

sizes = [2, 4, 8, 16]
autoencoder = Autoencoder(likelihood=Gaussian(scale="global"), random_state=0, verbose=1)
scoring = partial(explained_variance_scorer, standardize=False)

# %%
# Two grids over the same step, one list, one search. It is scikit-learn's, but trains the
# autoencoders of a fold together. ``best_index_`` would nearly always be the largest code;
# ``smallest_within`` takes the smallest that is nearly as good.

search = GridSearchCV(
    Pipeline([("reduce", "passthrough")]),
    [
        {"reduce": [PCA(random_state=0)], "reduce__n_components": sizes},
        {"reduce": [autoencoder], "reduce__n_components": sizes},
    ],
    scoring=scoring,
    cv=3,
    refit=smallest_within(0.1),
)
print(f"Sizes {sizes} in three folds, then one of them on all training rows")
search.fit(X_train)

# %%
# The smaller the code, the more the autoencoder has over PCA.

pca_scores, autoencoder_scores = search.cv_results_["mean_test_score"].reshape(2, -1)
print("n_components     PCA  autoencoder   (explained variance, held-out folds)")
for row in zip(sizes, pca_scores, autoencoder_scores, strict=True):
    print("{:12d}  {:6.3f}  {:11.3f}".format(*row))

# %%
# What that means to the eye: test digits, each rebuilt from as few numbers as were chosen.

chosen = search.best_estimator_["reduce"]
n_components = chosen.n_components
models = {"PCA": PCA(n_components, random_state=0).fit(X_train)}
models[type(chosen).__name__] = chosen
shown = [(y_test == digit).argmax() for digit in range(10)]  # the first of each
rows = {"Original\n64 pixels": X_test[shown]}
for name, model in models.items():
    share = scoring(model, X_test)
    codes = model.transform(X_test[shown])
    rows[f"{name}\n{share:.0%} explained"] = model.inverse_transform(codes)

fig, axes = plt.subplots(3, 10, figsize=(10, 3.1), layout="constrained")
fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, rect=(0.01, 0.01, 0.98, 0.98))
for row, (label, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
fig.suptitle(f"Digits of the test set, each rebuilt from {n_components} numbers")
if "sphinx_gallery" not in sys.modules:  # which keeps the figure itself
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "skae-digits.png").resolve()
    fig.savefig(path, dpi=150)
    print(f"The picture is {path}")

print(
    f"Smallest within 10 % of the best: {type(chosen).__name__} with {n_components} "
    f"numbers for 64 pixels; on the test set it explains {search.score(X_test):.3f}."
)
