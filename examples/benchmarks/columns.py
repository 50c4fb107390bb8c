"""How columns are seen: one wild training cell, an odd new one, rows beyond the range.

"mean and deviation" is the autoencoder at defaults with columns centred and scaled by
those alone and shown to the encoder as they are; "default" sees them as `skae._data.body`
does. PCA gets standardised columns. Test rows (a quarter) are clean; three seeds, of
split, cell and training.

"columns": explained variance in units of the clean training rows' deviations, cells
beyond 15 of them taken to be there; "raw": in the data's units, where all columns are of
one unit. "wild": a cell of the training
rows lies 999 deviations off.

"odd_cells": digits of which one pixel was never inked but once, by .01, in training, and
is 5 in odd rows: mean squared error of the other 63 pixels in odd and in other rows.

"beyond": digits by order, the first half to learn from, the others to judge.
"""

import itertools

import numpy as np
from _common import Judge, Table, explained
from _data import load
from quality import DATASETS as FOR_QUALITY
from quality import ONE_UNIT, _some, _there
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae.likelihoods import Gaussian

SIZES = {
    "wine": 4, "breast cancer": 4, "diabetes": 4, "digits": 8, "California": 3,
    "satellite": 4, "MNIST": 32, "thyroid": 3, "shuttle": 3, "SpamBase": 12,
}  # fmt: skip
ANOMALIES = "thyroid", "shuttle", "SpamBase"  # sets of normal and abnormal rows
WILD, FAR = 999.0, 15.0  # deviations


def _rows(name):
    if name in ANOMALIES:
        return _some(load("anomaly")[f"{name}__X"])
    return FOR_QUALITY[name]()


class MeanAndDeviation(Gaussian):
    """The Gaussian likelihood without bodies, tails and ends of columns."""

    def build(self, stats):
        """Return the module for columns of these statistics."""
        deviation, none = np.sqrt(stats.variance), np.zeros(len(stats.mean), dtype=bool)
        plain = stats._replace(centre=stats.mean, spread=deviation, is_wild=none)
        module = super().build(plain)
        module.reach = None
        return module


def _reducer(arm, k, seed, make=skae.Autoencoder):
    if arm == "PCA":
        return make_pipeline(StandardScaler(), PCA(k, random_state=seed))
    likelihood = Gaussian() if arm == "default" else MeanAndDeviation()
    return make(k, likelihood=likelihood, random_state=seed, device="cpu")


def _back(model, X):
    return model.inverse_transform(model.transform(X))


ARMS = "PCA", "mean and deviation", "default"


def evaluate(arm, name, is_wild, seed):
    """Return the explained variance of clean test rows, and that in the data's units."""
    X, test = train_test_split(_rows(name), test_size=0.25, random_state=seed)
    judge, mean = Judge(X, test, far=FAR), X.mean(0)
    if is_wild:
        rng = np.random.default_rng(seed)
        j = rng.choice(np.flatnonzero(judge.keep))
        X[rng.integers(len(X)), j] = mean[j] + WILD * judge.scale[j]
    back = _back(_reducer(arm, SIZES[name], seed).fit(X), test)
    return judge(back), explained(test, back, mean)


def columns(options):
    """Judge each arm on each data set, clean and with a wild cell."""
    there = [*_there([n for n in SIZES if n not in ANOMALIES])]
    there += ANOMALIES if "MNIST" in there else ()
    names, seeds = options.few(there, ["wine"]), range(options.n_seeds())
    cases = list(itertools.product(names, (False, True)))
    tasks = [(arm, *case, seed) for case in cases for arm in ARMS for seed in seeds]
    found = np.reshape(options.each(evaluate, tasks), (len(cases), len(ARMS), -1, 2))
    rows = []
    for (name, is_wild), scores in zip(cases, found.mean(2), strict=True):
        raw = scores[:, 1] if name in ONE_UNIT else ()
        cells = *scores[:, 0], *(raw if len(raw) else [None] * len(ARMS))
        cells = ("" if value is None else f"{value:.3f}" for value in cells)
        rows.append((name, str(SIZES[name]), "wild" if is_wild else "clean", *cells))
    header = "data", "k", "cell", *ARMS, *(f"{arm}, raw" for arm in ARMS)
    yield Table("columns", header, rows, len(seeds))


FAMILIES = {
    "Autoencoder": skae.Autoencoder,
    "DenoisingAutoencoder": skae.DenoisingAutoencoder,
    "VariationalAutoencoder": skae.VariationalAutoencoder,
    "SparseAutoencoder": skae.SparseAutoencoder,
    "AdversarialAutoencoder": skae.AdversarialAutoencoder,
}


def odd(family, arm, seed):
    """Return the error of the other pixels in odd rows and in other ones."""
    X = datasets.load_digits().data
    train, test = train_test_split(X, test_size=0.25, random_state=seed)
    train[:, 0] = test[:, 0] = 0
    train[0, 0], test[:50, 0] = 0.01, 5
    model = _reducer(arm, 8, seed, FAMILIES[family]).fit(train)
    error = np.square(_back(model, test) - test)[:, 1:].mean(1)
    return error[:50].mean(), error[50:].mean()


def odd_cells(options):
    """Judge each family with and without the column's body and ends."""
    seeds = range(options.n_seeds())
    names = options.few(list(FAMILIES), ["Autoencoder"])
    tasks = [(n, arm, s) for n in names for arm in ARMS[1:] for s in seeds]
    found = np.reshape(options.each(odd, tasks), (len(names), 2, -1, 2)).mean(2)
    rows = [(n, *(float(v) for v in f.ravel())) for n, f in zip(names, found, strict=True)]
    parts = itertools.product(ARMS[1:], ("odd rows", "other rows"))
    yield Table("odd_cells", ("", *map(", ".join, parts)), rows, len(seeds))


def by_order(arm, k, seed):
    """Return how much of the later digits is explained, by deviations and raw."""
    X = datasets.load_digits().data
    X, later = X[: len(X) // 2], X[len(X) // 2 :]
    back = _back(_reducer(arm, k, seed).fit(X), later)
    return Judge(X, later, far=FAR)(back), explained(later, back, X.mean(0))


def beyond(options):
    """Judge each arm on rows that come later."""
    seeds, sizes = range(options.n_seeds()), options.few((4, 8, 16), (4,))
    tasks = [(arm, k, seed) for k in sizes for arm in ARMS for seed in seeds]
    found = np.reshape(options.each(by_order, tasks), (len(sizes), len(ARMS), -1, 2))
    rows = [
        (str(k), *(f"{v:.3f}" for v in (*f[:, 0], *f[:, 1])))
        for k, f in zip(sizes, found.mean(2), strict=True)
    ]
    yield Table("beyond", ("k", *ARMS, *(f"{a}, raw" for a in ARMS)), rows, len(seeds))


PARTS = {"columns": columns, "odd_cells": odd_cells, "beyond": beyond}
