"""Held-out reconstruction at defaults: `skae.Autoencoder` against PCA and MLPRegressor.

Explained variance of the test rows (a quarter), in units of the training rows' standard
deviations, columns constant in training left out: see `_common.Judge`. The autoencoder
gets raw columns and only `n_components` (and a seed); `PCA(k)` and
`MLPRegressor((128, k, 128))` from the columns to themselves, otherwise at defaults, get
standardised ones. Values are means over seeds, of split and training; "smallest margin"
is the smallest difference to PCA over the seeds; "time ratio" is the Autoencoder's
median fit time over the MLPRegressor's (with --jobs above 1 these times are rough).

Data: scikit-learn's digits, breast cancer, wine and diabetes, and a noisy
curved manifold: 2,000 rows of
20 columns, sines of a random linear map of two uniform variables, with noise of 0.1.
"""

import itertools

import numpy as np
from _common import Judge, MLPAutoencoder, Table, seconds
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae

COMPONENTS = (2, 4, 8)


def _curved(seed=0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1, 1, size=(2000, 2))
    X = np.sin(z @ rng.normal(scale=3, size=(2, 20)) + rng.uniform(0, 2 * np.pi, 20))
    return X + 0.1 * rng.normal(size=X.shape)


DATASETS = {
    "digits": lambda: datasets.load_digits().data,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "wine": lambda: datasets.load_wine().data,
    "diabetes": lambda: datasets.load_diabetes().data,
    "noisy curved manifold": _curved,
}


RIVALS = {
    "PCA": lambda k, seed: make_pipeline(StandardScaler(), PCA(k, random_state=seed)),
    "MLPRegressor": lambda k, seed: MLPAutoencoder(k, random_state=seed),
    "Autoencoder": lambda k, seed: skae.Autoencoder(k, random_state=seed, device="cpu"),
}


def evaluate(rival, dataset, k, seed):
    """Return the held-out explained variance, and the seconds of `fit`."""
    X = DATASETS[dataset]()
    X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
    time, model = seconds(lambda: RIVALS[rival](k, seed).fit(X_train))
    if rival == "PCA":
        back = model.inverse_transform(model.transform(X_test))
    else:
        back = model.reconstruct(X_test)
    return float(Judge(X_train, X_test)(back)), time


HEADER = (
    "data", "k", *RIVALS, "its minimum", "smallest margin, PCA", "smallest margin, MLP",
    "fit s", "time ratio to MLP",
)  # fmt: skip


def quality(options):
    """Judge each rival on each data set, size and seed."""
    for rival in ("Autoencoder", "MLPRegressor"):  # first calls are not timed
        evaluate(rival, "wine", 2, 0)
    names = options.few(list(DATASETS), ["wine", "diabetes"])
    seeds = range(options.n_seeds())
    tasks = list(itertools.product(RIVALS, names, COMPONENTS, seeds))
    cells = dict(zip(tasks, options.each(evaluate, tasks), strict=True))
    rows = []
    for name, k in itertools.product(names, COMPONENTS):
        found = {r: np.array([cells[r, name, k, seed] for seed in seeds]) for r in RIVALS}
        score = {rival: values[:, 0] for rival, values in found.items()}
        ours, fit = score["Autoencoder"], {r: np.median(v[:, 1]) for r, v in found.items()}
        rows.append(
            (
                name,
                str(k),
                *(f"{score[rival].mean():.4f}" for rival in RIVALS),
                f"{ours.min():.4f}",
                f"{(ours - score['PCA']).min():+.4f}",
                f"{(ours - score['MLPRegressor']).min():+.4f}",
                float(fit["Autoencoder"]),
                float(fit["Autoencoder"] / fit["MLPRegressor"]),
            )
        )
    yield Table("quality", HEADER, rows, len(seeds))


PARTS = {"quality": quality}
