"""More columns than rows: `AutoencoderImputer` beside other imputers.

Sixty rows, 42 of which are learnt from; 30 % of the cells are missing at random, and the
root mean squared error is of those of the other rows, in standard deviations. The tables:
smooth simulated spectra (sums of twelve Gaussian bumps of eight factors, and noise),
near-infrared spectra of coffee (of the package chemotools, left out where it is not
installed), digits and rows of low rank. IterativeImputer takes the 30 nearest columns, for
speed.

No number beyond those seen is put in by ours, so rows beyond them cost it more than the
rivals, which extrapolate: "truth in range" is the error of the truth itself when bounded by
what training rows hold, and "in range" compares with rivals that are bounded likewise.
"""

from functools import partial

import numpy as np
from _common import Table, optional
from sklearn.datasets import load_digits, make_low_rank_matrix
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from skae import AutoencoderImputer

ROWS, TRAINING, MISSING, NEAREST = 60, 42, 0.3, 30
OURS = "skae"


def spectra(d, noise, seed):
    """Return smooth spectra on a slope."""
    rng, t = np.random.default_rng(seed), np.linspace(0, 1, d)
    centre, width = rng.uniform(size=12), rng.uniform(0.02, 0.15, size=12)
    bumps = np.exp(-0.5 * ((t - centre[:, None]) / width[:, None]) ** 2)
    height = np.exp(0.2 * rng.normal(size=(ROWS, 8)) @ rng.normal(size=(8, 12)))
    X = height @ bumps + 0.3 * rng.normal(size=(ROWS, 2)) @ np.stack([np.ones(d), t])
    return X + noise * X.std() * rng.normal(size=X.shape)


def coffee(step, seed):
    """Return every so many wavelengths of the coffee spectra."""
    data = optional("chemotools.datasets", "chemotools", "chemotools")
    return data and data.load_coffee()[0].to_numpy()[:, ::step]


TABLES = {
    "spectra, 116": partial(spectra, 116, 0.01),
    "spectra, 231": partial(spectra, 231, 0.01),
    "noisy spectra, 231": partial(spectra, 231, 0.1),
    "coffee, 116": partial(coffee, 16),
    "coffee, 231": partial(coffee, 8),
    "digits": lambda seed: load_digits().data[:ROWS],
    "low rank, 200": lambda seed: make_low_rank_matrix(ROWS, 200, random_state=seed),
}


def imputers(seed):
    """Return ours and the rivals."""
    nearest = partial(IterativeImputer, n_nearest_features=NEAREST, random_state=seed)
    trees = ExtraTreesRegressor(10, random_state=seed)
    return {
        OURS: AutoencoderImputer(random_state=seed),
        "KNN": KNNImputer(),
        "BayesianRidge": nearest(),
        "ExtraTrees": nearest(trees, max_iter=2),
    }


def complete(name, seed):
    """Return {imputer: (RMSE, RMSE within the range)}, the truth's too; None: no table."""
    X = TABLES[name](seed)
    if X is None:
        return None
    rng = np.random.default_rng(seed)
    X = X[rng.permutation(len(X))].astype(float)
    X = X[:, X[:TRAINING].std(0) > 0]
    X = (X - X[:TRAINING].mean(0)) / X[:TRAINING].std(0)
    gone = rng.random(X.shape) < MISSING
    holed = np.where(gone, np.nan, X)
    train, test, gone, truth = (
        holed[:TRAINING],
        holed[TRAINING:],
        gone[TRAINING:],
        X[TRAINING:],
    )
    low, high = np.nanmin(train, 0), np.nanmax(train, 0)

    def errors(done):
        both = done, done.clip(low, high)
        return [float(np.square(d - truth)[gone].mean() ** 0.5) for d in both]

    found = {"truth": errors(truth)}
    for method, imputer in imputers(seed).items():
        found[method] = errors(imputer.fit(train).transform(test))
    return found


def wide(options):
    """Complete all tables."""
    names = options.few(list(TABLES), ["spectra, 116"])
    seeds, rows = range(options.n_seeds(2)), []
    runs = iter(options.each(complete, [(name, seed) for name in names for seed in seeds]))
    for name in names:
        found = [run for _ in seeds if (run := next(runs))]
        if not found:
            continue
        mean = {method: np.mean([run[method] for run in found], 0) for method in found[0]}
        truth, ours = mean.pop("truth"), mean[OURS]
        best = np.min([error for method, error in mean.items() if method != OURS], 0)
        plain = [float(error[0]) for error in mean.values()]
        rows.append([name, *plain, float(truth[1]), *(ours / best).tolist()])
    header = "table", *mean, "truth in range", "ours / best", "ours / best, in range"
    yield Table("wide_tables", header, rows, options.n_seeds(2))


PARTS = {"wide": wide}
