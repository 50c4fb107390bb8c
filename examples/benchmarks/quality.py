"""Held-out reconstruction at defaults: `skae.Autoencoder` against PCA and MLPRegressor.

Explained variance of the test rows (a quarter), in units of the training rows' standard
deviations, columns constant in training left out: see `_common.Judge`. The autoencoder
gets raw columns and only `n_components` (and a seed); `PCA(k)` and
`MLPRegressor((128, k, 128))` from the columns to themselves, otherwise at defaults, get
standardised ones. Values are means over seeds, of split and training; "smallest margin"
is the smallest difference to PCA over the seeds; "no judge" is the autoencoder with
early_stopping=False; "at the start" counts the seeds at which no epoch was better than
PCA; "in the data's units" compares sums over columns as they are, where all are of one
unit; "time ratio" is the Autoencoder's median fit time over the MLPRegressor's (with --jobs
above 1 these times are rough).

Data: scikit-learn's digits, breast cancer, wine and diabetes, and a noisy curved
manifold (2,000 rows of 20 columns, sines of a random linear map of two uniform variables,
with noise of 0.1); where their files are, 1,500 rows each of MNIST (flat, 784 pixels),
faces (flat, 16 x 16), satellite pixels, Californian districts and blood cells (100 genes).
Defaults were tuned on digits, cancer, wine, the manifold and California, but not on the
others. "small": few rows of independent normal columns, or of normal factors and noise,
where nothing is better than PCA.
"""

import itertools

import numpy as np
import pandas as pd
from _common import Judge, MissingError, MLPAutoencoder, Table, explained, seconds
from _data import folder, load
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae

COMPONENTS = (2, 4, 8, 16, 24, 32)
ROWS = 1500


def _curved(seed=0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1, 1, size=(2000, 2))
    X = np.sin(z @ rng.normal(scale=3, size=(2, 20)) + rng.uniform(0, 2 * np.pi, 20))
    return X + 0.1 * rng.normal(size=X.shape)


def _some(X):
    return X[np.random.default_rng(0).permutation(len(X))[:ROWS]].astype(np.float64)


def _faces():
    pictures = load("olivetti")["X"].astype(np.float64)
    return pictures.reshape(-1, 16, 4, 16, 4).mean((2, 4)).reshape(len(pictures), -1)


def _districts():
    path = folder() / "california_housing.csv.gz"
    if not path.is_file():
        raise MissingError(f"There is no {path}. Set SKAE_DATA to a folder with it.")
    return _some(pd.read_csv(path).dropna().select_dtypes("number").to_numpy())


DATASETS = {
    "digits": lambda: datasets.load_digits().data,
    "noisy curved manifold": _curved,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "wine": lambda: datasets.load_wine().data,
    "diabetes": lambda: datasets.load_diabetes().data,
    "MNIST": lambda: _some(load("mnist")["X_train"].reshape(-1, 784) / 255.0),
    "faces": _faces,
    "satellite": lambda: _some(load("anomaly")["satellite__X"]),
    "California": _districts,
    "blood cells": lambda: _some(load("pbmc68k_reduced")["X"][:, :100]),
}
ONE_UNIT = ("digits", "MNIST", "faces", "satellite", "blood cells")


def _autoencoder(k, seed, **params):
    return skae.Autoencoder(k, random_state=seed, device="cpu", **params)


RIVALS = {
    "PCA": lambda k, seed: make_pipeline(StandardScaler(), PCA(k, random_state=seed)),
    "MLPRegressor": lambda k, seed: MLPAutoencoder(k, random_state=seed),
    "Autoencoder": _autoencoder,
    "no judge": lambda k, seed: _autoencoder(k, seed, early_stopping=False),
}


def evaluate(rival, dataset, k, seed):
    """Return the explained variance, that of raw units, seconds, and if it is the start."""
    X = DATASETS[dataset]()
    X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
    time, model = seconds(lambda: RIVALS[rival](k, seed).fit(X_train))
    if rival == "PCA":
        back = model.inverse_transform(model.transform(X_test))
    else:
        back = model.reconstruct(X_test)
    stays = False
    if rival == "Autoencoder":
        stays = model.net_.kept_start_
    raw = explained(X_test, back, X_train.mean(0))
    return float(Judge(X_train, X_test)(back)), raw, time, stays


def _tasks(names, seeds):
    """Yield what is to be judged: sizes below the number of columns."""
    for name, k, seed in itertools.product(names, COMPONENTS, seeds):
        if k < DATASETS[name]().shape[1]:
            for rival in RIVALS:
                yield rival, name, k, seed


def _there(names):
    """Return the names of the data that are there."""
    there = []
    for name in names:
        try:
            DATASETS[name]()
            there.append(name)
        except MissingError as error:
            print(f"{name} is left out. {error}")
    return there


HEADER = (
    "data", "k", *RIVALS, "its minimum", "smallest margin, PCA", "smallest margin, MLP",
    "at the start", "PCA, in the data's units", "Autoencoder, so", "fit s",
    "time ratio to MLP",
)  # fmt: skip


def quality(options):
    """Judge each rival on each data set, size and seed."""
    for rival in ("Autoencoder", "MLPRegressor"):  # first calls are not timed
        evaluate(rival, "wine", 2, 0)
    names = _there(options.few(list(DATASETS), ["wine", "diabetes"]))
    seeds = range(options.n_seeds(5))
    tasks = list(_tasks(names, seeds))
    cells = dict(zip(tasks, options.each(evaluate, tasks), strict=True))
    rows = []
    for name, k in dict.fromkeys((name, k) for _, name, k, _ in tasks):
        found = {r: np.array([cells[r, name, k, seed] for seed in seeds]) for r in RIVALS}
        score = {rival: values[:, 0] for rival, values in found.items()}
        raw = [found[rival][:, 1].mean() for rival in ("PCA", "Autoencoder")]
        fit = {rival: np.median(values[:, 2]) for rival, values in found.items()}
        ours = score["Autoencoder"]
        rows.append(
            (
                name,
                str(k),
                *(f"{score[rival].mean():.3f}" for rival in RIVALS),
                f"{ours.min():.3f}",
                f"{(ours - score['PCA']).min():+.3f}",
                f"{(ours - score['MLPRegressor']).min():+.3f}",
                f"{found['Autoencoder'][:, 3].sum():.0f} of {len(seeds)}",
                *(f"{share:.3f}" if name in ONE_UNIT else "" for share in raw),
                float(fit["Autoencoder"]),
                float(fit["Autoencoder"] / fit["MLPRegressor"]),
            )
        )
    yield Table("quality", HEADER, rows, len(seeds))


SMALL = (  # rows, columns, components, factors (0: nothing but noise)
    (20, 8, 2, 3), (50, 10, 2, 0), (50, 10, 6, 0), (50, 20, 2, 3), (100, 20, 2, 3),
    (200, 10, 6, 0), (400, 10, 6, 0),
)  # fmt: skip


def by_few_rows(n, d, k, n_factors, seed):
    """Return the autoencoder's explained variance less PCA's, and if it is the start."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + 500, d))
    if n_factors:
        factors = rng.normal(size=(len(X), n_factors))
        X += factors @ rng.normal(size=(n_factors, d))
    train, test = X[:n], X[n:]
    judge, model = Judge(train, test), _autoencoder(k, seed).fit(train)
    pca = RIVALS["PCA"](k, seed).fit(train)
    back = pca.inverse_transform(pca.transform(test))
    return judge(model.reconstruct(test)) - judge(back), model.net_.kept_start_


def small(options):
    """Compare with PCA on few rows of normal factors and noise, where PCA is right."""
    cases, seeds = options.few(SMALL, SMALL[:1]), range(options.n_seeds(8))
    tasks = [(*case, seed) for case in cases for seed in seeds]
    found = np.reshape(options.each(by_few_rows, tasks), (len(cases), -1, 2))
    rows = [
        (
            *map(str, case),
            f"{more[:, 0].mean():+.3f}",
            f"{more[:, 0].min():+.3f}",
            f"{more[:, 1].sum():.0f} of {len(seeds)}",
        )
        for case, more in zip(cases, found, strict=True)
    ]
    header = "rows", "columns", "k", "factors", "Autoencoder - PCA", "smallest", "start"
    yield Table("quality_small", header, rows, len(seeds))


PARTS = {"quality": quality, "small": small}
