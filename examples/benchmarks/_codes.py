"""How the benchmarks of the adversarial autoencoder judge codes: from the outside."""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skae.priors import as_prior


def energy_coefficient(a, b):
    """Return (2 E|a-b| - E|a-a'| - E|b-b'|) / (2 E|a-b|) of two samples, without bias.

    Pairs of a row with itself are left out, so that it is about 0, perhaps below, where
    both are draws of one distribution.
    """
    between = cdist(a, b).mean()
    within = sum(cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return 1 - 0.5 * within / between


def permutation_p(a, b, seed, *, rows=1000, times=500):
    """Return how often samples that were mixed are as far apart: a p-value.

    Of `rows` of each, at most; the distance is the energy statistic.
    """
    rng = np.random.default_rng(seed)
    a, b = (x[rng.permutation(len(x))[:rows]] for x in (a, b))
    both = np.concatenate([a, b])
    distance = cdist(both, both)
    is_a = np.arange(len(both)) < len(a)
    sides = np.stack([is_a, *(rng.permutation(is_a) for _ in range(times))]).astype(float)
    sign = sides / len(a) - (1 - sides) / len(b)
    statistic = -np.einsum("ti,ti->t", sign @ distance, sign)
    return (1 + (statistic[1:] >= statistic[0]).sum()) / (1 + times)


def told_apart(a, b, seed, rows=1000):
    """Return the area under the curve of a forest that tells two samples apart.

    Of `rows` of each, at most, as many of one as of the other, half to learn from.
    """
    rng, n = np.random.default_rng(seed), min(rows, len(a), len(b))
    X = np.concatenate([x[rng.permutation(len(x))[:n]] for x in (a, b)])
    X, X_test, y, y_test = train_test_split(
        X,
        np.repeat([0, 1], n),
        test_size=0.5,
        stratify=np.repeat([0, 1], n),
        random_state=seed,
    )
    forest = RandomForestClassifier(200, random_state=seed).fit(X, y)
    return roc_auc_score(y_test, forest.predict_proba(X_test)[:, 1])


def explained(X, reconstruction, mean):
    """Return 1 - sum((X - R)^2) / sum((X - m)^2), m being the training rows' mean."""
    X, R = (
        np.asarray(rows, np.float64).reshape(len(X), -1) for rows in (X, reconstruction)
    )
    return 1 - np.square(X - R).sum() / np.square(X - np.ravel(mean)).sum()


def draws(prior, n, k, seed):
    """Return draws (n, k) of a prior, by a seed that no training uses."""
    return as_prior(prior).sample(n, k, 10_000 + seed)
