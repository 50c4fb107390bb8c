"""What a stream loses: `partial_fit`, pass after pass over six chunks, against `fit`.

Explained variance of the test rows (a quarter) as in "quality". Chunks are drawn at
random ("shuffled") or cut from rows that are sorted: digits and breast cancer by class,
the drift by time. "first scales" are those of the first chunk, kept for ever. 30 passes
at defaults; means over seeds, of split and training.

The drift: 3,000 rows of 20 columns, a bent surface of four variables and noise, whose
columns move up to some 20 of their first deviations and spread up to fivefold; one is
constant in the first sixth.
"""

import numpy as np
from _common import Judge, Table
from sklearn import datasets
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.likelihoods import Gaussian

CHUNKS, PASSES = 6, 30


def _drift(n=3000):
    rng = np.random.default_rng(5)
    t, z = np.linspace(0, 1, n)[:, None], rng.normal(size=(n, 4))
    X = np.tanh(z @ rng.normal(size=(4, 20))) + 0.25 * z**2 @ rng.normal(size=(4, 20))
    X += 0.2 * rng.normal(size=X.shape)
    X = X * (1 + 4 * t * rng.uniform(size=20)) + 6 * t * rng.normal(size=20)
    X[: n // CHUNKS, 3] = 2.0
    return X, t[:, 0]


DATASETS = {
    "digits": (lambda: datasets.load_digits(return_X_y=True), 8),
    "breast cancer": (lambda: datasets.load_breast_cancer(return_X_y=True), 4),
    "drift": (_drift, 4),
}


class FirstScales(Gaussian):
    """The Gaussian likelihood, its columns scaled by the first rows for ever."""

    def build(self, stats):
        """Return the module for columns of these statistics."""
        module = super().build(stats)
        module.goes_along = False
        return module


def evaluate(dataset, order, likelihood, n_passes, seed):
    """Return the held-out explained variance; the order None is `fit`."""
    load, k = DATASETS[dataset]
    X, X_test, y, _ = train_test_split(*load(), test_size=0.25, random_state=seed)
    model = Autoencoder(k, likelihood=likelihood(), random_state=seed, device="cpu")
    if order is None:
        model.fit(X)
    else:
        index = np.argsort(y, kind="stable") if order == "sorted" else np.arange(len(X))
        for _ in range(n_passes):
            for chunk in np.array_split(index, CHUNKS):
                model.partial_fit(X[chunk])
    return float(Judge(X, X_test)(model.reconstruct(X_test)))


ARMS = {
    "fit": (None, Gaussian),
    "shuffled": ("shuffled", Gaussian),
    "first scales": ("shuffled", FirstScales),
    "sorted": ("sorted", Gaussian),
    "sorted, first scales": ("sorted", FirstScales),
}


def streams(options):
    """Judge each arm on each data set and seed."""
    seeds, n_passes = range(options.n_seeds()), options.few(PASSES, 2)
    names = options.few(list(DATASETS), ["breast cancer"])
    tasks = [(n, *arm, n_passes, s) for n in names for arm in ARMS.values() for s in seeds]
    found = np.reshape(options.each(evaluate, tasks), (len(names), len(ARMS), -1))
    rows = [
        (name, str(DATASETS[name][1]), *(f"{score:.3f}" for score in scores.mean(1)))
        for name, scores in zip(names, found, strict=True)
    ]
    yield Table("streams", ("data", "k", *ARMS), rows, len(seeds))


PARTS = {"streams": streams}
