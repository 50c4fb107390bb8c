"""Signs of trouble on clean data: who is warned of what at defaults, and is it so?

All data sets that scikit-learn bundles and its generators, at several shapes. Each is
fitted on three quarters of its rows at defaults; the rest says what is true of new rows.
"Overfitted" is true if they have twice the unexplained variance of the rows trained on, and
a tenth of the variance more; "Underfitted" if as many principal components reconstruct them
better; "No epoch was better than the start" if without a judge, by early_stopping=False, no
more than .02 beyond PCA would have been explained of them.
"""

import functools
import warnings

import numpy as np
from _common import Table
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skae import Autoencoder, DenoisingAutoencoder

ESTIMATORS = {
    "Autoencoder()": Autoencoder,
    "Autoencoder(2)": lambda **params: Autoencoder(2, **params),
    "DenoisingAutoencoder()": DenoisingAutoencoder,
}


def clean_sets(seed=0):
    """Return data sets by name, a function of no arguments each."""
    made = {}
    for name in ("iris", "wine", "breast_cancer", "diabetes", "linnerud", "digits"):
        made[name] = getattr(datasets, f"load_{name}")
    generators = [
        ("blobs", {"n_samples": 100}),
        ("blobs", {"n_samples": 500, "n_features": 10, "centers": 5}),
        ("moons", {"n_samples": 100}),
        ("moons", {"n_samples": 500, "noise": 0.1}),
        ("circles", {"n_samples": 300, "noise": 0.05, "factor": 0.5}),
        ("swiss_roll", {"n_samples": 100}),
        ("swiss_roll", {"n_samples": 1000, "noise": 0.1}),
        ("s_curve", {"n_samples": 100}),
        ("s_curve", {"n_samples": 1000, "noise": 0.1}),
        ("regression", {"n_samples": 200, "n_features": 10}),
        ("regression", {"n_samples": 1000, "n_features": 50, "effective_rank": 8}),
        ("friedman1", {"n_samples": 100}),
        ("friedman1", {"n_samples": 1000}),
        ("friedman2", {"n_samples": 200}),
        ("biclusters", {"shape": (200, 20), "n_clusters": 4}),
        ("classification", {"n_samples": 100}),
        ("classification", {"n_samples": 1000, "n_informative": 5}),
        ("low_rank_matrix", {"n_samples": 100, "n_features": 100}),
        ("low_rank_matrix", {"n_samples": 1000, "n_features": 30, "effective_rank": 5}),
        ("sparse_uncorrelated", {"n_samples": 100}),
        ("sparse_uncorrelated", {"n_samples": 1000, "n_features": 20}),
        ("gaussian_quantiles", {"n_samples": 200, "n_features": 5}),
        ("hastie_10_2", {"n_samples": 600}),
        ("multilabel_classification", {"n_samples": 300}),
    ]
    for name, params in generators:
        sizes = [params[key] for key in ("n_samples", "n_features") if key in params]
        make = functools.partial(getattr(datasets, f"make_{name}"), random_state=seed)
        made[f"{name} ({' x '.join(map(str, sizes))})"] = functools.partial(make, **params)
    return made


def rows_of(made):
    """Return the rows X of what a loader or generator gives."""
    made = made()
    if isinstance(made, dict):
        return np.asarray(made["data"], dtype=float)
    return np.asarray(made[0] if isinstance(made, tuple) else made, dtype=float)


def explained(X, R, train):
    """Return the share of variance explained, in standard deviations of the columns."""
    scale = train.std(0)
    scale[scale == 0] = np.inf
    left = np.square((X - R) / scale).sum(1).mean()
    return 1 - left / np.square((train - train.mean(0)) / scale).sum(1).mean()


def _free(name, seed, train, new):
    """Return what the estimator explains of new rows if nobody judges it."""
    free = ESTIMATORS[name](random_state=seed).set_params(early_stopping=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return explained(new, free.fit(train).reconstruct(new), train)


def warned(name, make, seed):
    """Fit, and return (sign, is it true, explained in training, of new rows, by PCA)."""
    train, new = train_test_split(rows_of(make), random_state=seed)
    estimator = ESTIMATORS[name](random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(train)
    found = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    seen, unseen = (explained(X, estimator.reconstruct(X), train) for X in (train, new))
    scale = train.std(0)
    scale[scale == 0] = 1
    k = min(estimator.n_components_, *train.shape)
    pca = PCA(k, random_state=0).fit(train / scale)
    linear = pca.inverse_transform(pca.transform(new / scale)) * scale
    linear = explained(new, linear, train)
    truth = {
        "Overfitted": lambda: 1 - unseen > max(2 * (1 - seen), 0.1 + 1 - seen),
        "Underfitted": lambda: unseen < linear,
        "No epoch was better than the start": lambda: (
            _free(name, seed, train, new) < linear + 0.02
        ),
    }
    for sign in found:
        word = sign.split(":")[0]
        shares = (f"{share:.2f}" for share in (seen, unseen, linear))
        yield word, truth.get(word, lambda: False)(), *shares


def silence(options):
    """Tell who is warned."""
    seeds, sets = options.n_seeds(3), clean_sets()
    sets = dict(list(sets.items())[: options.few(None, 6)])
    rows, total = [], []
    for name in ESTIMATORS:
        told = [
            (data, name, seed, sign, "yes" if true else "no", *shares)
            for data, make in sets.items()
            for seed in range(seeds)
            for sign, true, *shares in warned(name, make, seed)
        ]
        false = sum(row[4] == "no" for row in told)
        total.append((name, len(sets), len(sets) * seeds, len(told), false))
        rows += told
    header = "data", "estimator", "seed", "sign", "true", "trained on", "new", "PCA, new"
    yield Table("signs_told", header, rows)
    header = "estimator", "data sets", "fits", "warnings", "false ones"
    yield Table("signs_total", header, total, note=f"{seeds} seeds")


PARTS = {"silence": silence}
