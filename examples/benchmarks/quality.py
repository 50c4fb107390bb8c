"""Held-out reconstruction at defaults: `skae.Autoencoder` against PCA and MLPRegressor.

Explained variance of the test rows (a quarter), in units of the training rows' standard
deviations, columns constant in training left out: see `_common.Judge`. The autoencoder
gets raw columns and only `n_components` (and a seed); `PCA(k)` and
`MLPRegressor((128, k, 128))` from the columns to themselves, otherwise at defaults, get
standardised ones. Values are means over seeds, of split and training; "smallest margin"
is the smallest difference to PCA over the seeds; "time ratio" is the Autoencoder's
median fit time over the MLPRegressor's (with --jobs above 1 these times are rough).

Data: scikit-learn's digits, breast cancer, wine and diabetes, and "curved": 2,000 rows of
20 columns, sines of a random linear map of two uniform variables, with noise of 0.1.

`evaluate(factory, ...)` judges any other estimator on the same cells.
"""

import time

import numpy as np
from _common import Judge, MLPAutoencoder, machine, parser, quiet, table, use_threads
from joblib import Parallel, delayed
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
    "curved": _curved,
}


def autoencoder(n_components, seed):
    """Return ours, at defaults."""
    return skae.Autoencoder(n_components, random_state=seed, device="cpu")


def pca(n_components, seed):
    """Return PCA of standardised columns."""
    return make_pipeline(StandardScaler(), PCA(n_components, random_state=seed))


def mlp(n_components, seed):
    """Return an MLPRegressor from standardised columns to themselves."""
    return MLPAutoencoder(n_components, random_state=seed)


def reconstruct(estimator, X):
    """Return X encoded and decoded, in its own units."""
    if hasattr(estimator, "reconstruct"):
        return estimator.reconstruct(X)
    return estimator.inverse_transform(estimator.transform(X))


def evaluate_one(estimator_factory, dataset, n_components, seed, threads=1):
    """Return one cell: the held-out explained variance and the seconds of `fit`."""
    X = DATASETS[dataset]()
    X_train, X_test = train_test_split(X, test_size=0.25, random_state=seed)
    with use_threads(threads), quiet():
        estimator = estimator_factory(n_components, seed)
        start = time.perf_counter()
        estimator.fit(X_train)
        elapsed = time.perf_counter() - start
        explained = Judge(X_train, X_test)(reconstruct(estimator, X_test))
    return {
        "dataset": dataset,
        "n_components": n_components,
        "seed": seed,
        "explained": float(explained),
        "seconds": elapsed,
    }


def evaluate(
    estimator_factory,
    dataset_names=tuple(DATASETS),
    components=COMPONENTS,
    seeds=range(3),
    jobs=1,
    threads=1,
):
    """Return the cells of an estimator, as a list of dicts (see `evaluate_one`).

    `estimator_factory(n_components, seed)` returns an unfitted estimator that has `fit`
    and either `reconstruct`, or `transform` and `inverse_transform`.
    """
    return Parallel(jobs)(
        delayed(evaluate_one)(estimator_factory, name, k, seed, threads)
        for name in dataset_names
        for k in components
        for seed in seeds
    )


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--datasets", nargs="+", choices=DATASETS, default=None)
    options.add_argument("--components", nargs="+", type=int, default=None)
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--jobs", type=int, default=1)
    args = options.parse_args()
    names = args.datasets or (["wine", "diabetes"] if args.quick else list(DATASETS))
    components = args.components or COMPONENTS
    n_seeds = args.seeds or (2 if args.quick else 3)
    with use_threads(args.threads), quiet():  # imports and first calls are not timed
        for factory in (autoencoder, mlp):
            factory(2, 0).fit(DATASETS["wine"]())
    rivals = {"PCA": pca, "MLPRegressor": mlp, "Autoencoder": autoencoder}
    tasks = [
        (name, k, seed, rival)
        for name in names
        for k in components
        for seed in range(n_seeds)
        for rival in rivals
    ]
    results = Parallel(args.jobs)(
        delayed(evaluate_one)(rivals[rival], name, k, seed, args.threads)
        for name, k, seed, rival in tasks
    )
    cells = dict(zip(tasks, results, strict=True))
    rows, margins = [], []
    for name in names:
        for k in components:
            explained, taken = (
                {
                    rival: np.array([cells[name, k, s, rival][key] for s in range(n_seeds)])
                    for rival in rivals
                }
                for key in ("explained", "seconds")
            )
            margin = explained["Autoencoder"] - explained["PCA"]
            against_mlp = explained["Autoencoder"] - explained["MLPRegressor"]
            margins += [(value, name, k, seed) for seed, value in enumerate(margin)]
            means = (f"{explained[rival].mean():.4f}" for rival in rivals)
            middle = {rival: float(np.median(value)) for rival, value in taken.items()}
            rows.append(
                (
                    name,
                    k,
                    *means,
                    f"{explained['Autoencoder'].min():.4f}",
                    f"{margin.min():+.4f}",
                    f"{against_mlp.min():+.4f}",
                    middle["Autoencoder"],
                    f"{middle['Autoencoder'] / middle['MLPRegressor']:.2f}",
                )
            )
    machine(args.threads)
    header = (
        "data", "k", *rivals, "its minimum", "smallest margin, PCA",
        "smallest margin, MLP", "fit s", "time ratio to MLP",
    )  # fmt: skip
    table(header, rows)
    value, name, k, seed = min(margins)
    print(
        f"Worst margin to PCA over {len(margins)} cells: {value:+.4f} ({name}, "
        f"k = {k}, seed {seed}); {sum(m[0] < 0 for m in margins)} below PCA."
    )


if __name__ == "__main__":
    main()
