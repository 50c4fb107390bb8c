"""Sizes found by the share of the variance they explain: ``n_components=0.9`` and PCA.

Of each table 70 % of the rows, at most 2,000, are learnt from, and fresh rows judge. What
is explained is of standardised columns, in which cells beyond 15 deviations are cut off.
"PCA(share)" is scikit-learn's, whose share is that of the rows it is fitted to; "PCA, held
out" takes the fewest components of nine tenths of the rows that explain the share of the
last tenth, as the autoencoder does. "one fewer" is what a whole fit of one component less
than was found explains: where that is the share, too, the short fits that find a size have
asked for more than is needed. Times are CPU seconds of the search and the whole fit, over
those of the same whole fit alone.
"""

import time

import numpy as np
from _common import Judge, MissingError, Table, spread
from _data import load
from _tables import table
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder

SHARES = (0.8, 0.9, 0.95)
MOST_ROWS, FAR = 2000, 15.0
SKLEARN = {
    "wine": datasets.load_wine,
    "diabetes": datasets.load_diabetes,
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
FILES = {"California": "california_housing", "abalone": "abalone"}
SETS = [*SKLEARN, *FILES, "blood cells", "faces"]


def rows_of(name):
    """Return the rows of a table."""
    if name in SKLEARN:
        return SKLEARN[name]().data
    if name in FILES:
        return table(FILES[name]).select_dtypes("number").to_numpy()
    if name == "faces":  # of 16 x 16 pixels
        faces = load("olivetti")["X"].reshape(400, 16, 4, 16, 4)
        return faces.mean((2, 4)).reshape(400, -1)
    return load("pbmc68k_reduced")["X"].astype(float)


def cpu(function):
    """Return the CPU seconds a call takes, and what it returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def by_pca(X, share, seed):
    """Return how many components of nine tenths explain a share of the last tenth."""
    train, judges = train_test_split(X, test_size=0.1, random_state=seed)
    pca = PCA(svd_solver="full").fit(train)
    away = judges - pca.mean_
    codes = away @ pca.components_.T
    explained = np.square(codes).sum(0).cumsum() / np.square(away).sum()
    enough = np.flatnonzero(explained >= share)
    return enough[0] + 1 if len(enough) else np.nan


def choose(name, seed):
    """Return for each share what is found, reached and how long it takes."""
    X, fresh = train_test_split(rows_of(name), test_size=0.3, random_state=seed)
    X, found = X[:MOST_ROWS], []
    scaler = StandardScaler().fit(X)
    units, judge = scaler.transform(X).clip(-FAR, FAR), Judge(X, fresh, FAR)

    def reached(model):
        return judge(model.inverse_transform(model.transform(fresh)))

    Autoencoder(2, max_iter=2, device="cpu").fit(X)  # first calls are not timed
    for share in SHARES:

        def fitted(n_components):
            autoencoder = Autoencoder(n_components, random_state=seed, device="cpu")
            return cpu(lambda: autoencoder.fit(X))

        whole, model = fitted(share)
        k = model.n_components_
        alone, _ = fitted(k)
        pca = make_pipeline(StandardScaler(), PCA(share, svd_solver="full")).fit(X)
        found.append(
            {
                "components": k,
                "share": reached(model),
                "fewer": reached(fitted(k - 1)[1]) if k > 1 else np.nan,
                "PCA": pca[-1].n_components_,
                "PCA share": reached(pca),
                "PCA held out": by_pca(units, share, seed),
                "time": whole / alone,
                "tried": len(model.size_curve_["share"]),
            }
        )
    return found


def ends(values):
    """Return the median of sizes, and the least and the largest."""
    known = [value for value in values if not np.isnan(value)]
    if len(known) < len(values) / 2:
        return "none"
    low, high = f"{min(known):.0f}", f"{max(known):.0f}"
    if len(known) < len(values):
        high = "none"
    return f"{np.median(known):.0f} ({low} to {high})" if low != high else low


def component_share(options):
    """Find the sizes of each share of each table, in each split."""
    seeds, rows, times = range(options.n_seeds(5)), [], []
    for name in options.few(SETS, ["wine"]):
        try:
            n, d = rows_of(name).shape
        except MissingError as error:
            print(f"{name} is left out: {error}", flush=True)
            continue
        runs = options.each(choose, [(name, seed) for seed in seeds])
        for i, share in enumerate(SHARES):
            of = {key: [run[i][key] for run in runs] for key in runs[0][i]}
            times += of["time"]
            rows.append(
                (
                    f"{name}, {n:,} x {d:,}",
                    share,
                    ends(of["components"]),
                    spread(of["share"], 3),
                    f"{np.mean(of['fewer']):.3f}".replace("nan", ""),
                    ends(of["PCA"]),
                    spread(of["PCA share"], 3),
                    ends(of["PCA held out"]),
                    f"{np.mean(of['tried']):.1f}",
                    spread(of["time"], 1),
                )
            )
    header = (
        "data", "share", "components", "of fresh rows", "one fewer", "PCA(share)",
        "PCA(share) of fresh rows", "PCA, held out", "short fits", "times a whole fit",
    )  # fmt: skip
    note = f"times a whole fit: median {np.median(times):.2f}, at most {max(times):.2f}"
    title = "Sizes: median (least to most) over splits; shares and times: mean ± deviation"
    yield Table("component_share", header, rows, len(seeds), title, note)


PARTS = {"component_share": component_share}
