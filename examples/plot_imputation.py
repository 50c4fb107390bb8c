"""
Fill missing cells, and say how surely
======================================

A fifth of the cells of a table of tumours is gone. Rows that no imputer has learnt from are
completed by `skae.AutoencoderImputer`, which also says how far each cell is to be trusted,
and by two of scikit-learn's imputers.
"""

# %%
# The data
# --------
# 569 tumours, 30 measurements of each. Holes are made at random, so that what was there is
# known. A third of the rows is kept for the end.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skae import AutoencoderImputer
from skae.plotting import ImputationDisplay

whole = load_breast_cancer(as_frame=True).data
holed = whole.mask(np.random.default_rng(0).random(whole.shape) < 0.2)
train, test = train_test_split(holed, test_size=1 / 3, random_state=0)
truth, gone = whole.loc[test.index], test.isna()

# %%
# Three imputers
# --------------
# They learn from the same rows and complete the others. The error is in standard deviations
# of the columns: 1 is what the mean makes of a cell.

imputers = {
    "SimpleImputer": SimpleImputer(),
    "IterativeImputer": IterativeImputer(max_iter=30, tol=0.01, random_state=0),
    "AutoencoderImputer": AutoencoderImputer(random_state=0),
}
error = {}
for name, imputer in imputers.items():
    completed = imputer.set_output(transform="pandas").fit(train).transform(test)
    errors = ((completed - truth) / whole.std()).where(gone)
    error[name] = np.sqrt(np.nanmean(errors**2))

# %%
# How surely
# ----------
# What the last of them knows of its errors: which columns can be imputed, as measured in
# ``fit``, and within which values each cell lies, nine times out of ten.

scores = imputer.column_scores_["score"]
intervals = imputer.predict_quantiles(test, quantiles=(0.05, 0.95))
inside = [low <= truth.loc[cell] <= high for cell, low, high in intervals.itertuples()]
print(f"{np.mean(inside):.0%} of the cells are in their interval of 90 %")

# %%
# What that looks like, for the columns that are imputed best and worst, by
# `~skae.plotting.ImputationDisplay`.

fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
for ax, column, label in zip(
    axes, (scores.idxmax(), scores.idxmin()), ("best", "worst"), strict=True
):
    ImputationDisplay(
        test[[column]], completed[[column]], X_true=truth[[column]], intervals=intervals
    ).plot(ax=[ax])
    ax.set_title(f"Imputed {label}: {column} (score {scores[column]:.3f})")
fig.suptitle("Missing cells of rows that were not learnt from")
plt.show()

# %%
# The number
# ----------

print("Error of the filled cells, in standard deviations:")
print(", ".join(f"{name} {value:.2f}" for name, value in error.items()))
