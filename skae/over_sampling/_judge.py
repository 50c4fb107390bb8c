"""Whether rows that were made help to tell a class from the others.

The judge's rows are held out from all: from the autoencoder that makes rows, from what
scales them, and from the classifiers.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import _safe_indexing

from skae.over_sampling._strategy import joined

LEAST_GAIN = 0.002  # in the score: less is as good as none
N_TREES, N_NEIGHBORS = 50, 10


class Verdict(NamedTuple):
    """What held-out rows say of one class."""

    without: float  # mean score over folds and classifiers
    with_samples: float
    gain: float
    error: float  # standard error of the gain
    worst: float  # gain of the classifier that gains least
    is_kept: bool


def judged(make, X, labels, wanted, folds, classifier, scoring, seed):
    """Return a `Verdict` on each class that has a row in each fold.

    Parameters
    ----------
    make : callable
        Fits an autoencoder to rows and labels; returns it, and a function that draws so
        many rows of a class.
    X : rows of any container
    labels : ndarray of shape (n,)
    wanted : dict
        How many rows each class is to get.
    folds : int
    classifier : estimator or None
        None: several, that read rows as the autoencoder does.
    scoring : str or callable
    seed : int

    Returns
    -------
    verdicts : dict
    """
    codes = np.unique(labels, return_inverse=True)[1]
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = {c: [] for c in wanted if np.count_nonzero(labels == c) >= folds}
    if not scores:
        return {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        parts = list(split.split(codes, codes))
    for train, test in parts:
        rows, mine, theirs = _safe_indexing(X, train), labels[train], labels[test]
        autoencoder, draw = make(rows, mine)
        known, held_out = rows, _safe_indexing(X, test)
        if classifier is None:
            known, held_out = map(autoencoder.__skae_points__, (known, held_out))
        for c, found in scores.items():
            new = draw(c, max(1, round(wanted[c] * len(train) / len(labels))))
            if classifier is None:
                new = autoencoder.__skae_points__(new)
            is_c, target = mine == c, theirs == c
            more = joined(known, new), np.r_[is_c, np.ones(new.shape[0], dtype=bool)]
            judges = _classifiers(len(train), seed) if classifier is None else [classifier]
            found.append(
                [
                    [_score(judge, *told, held_out, target, scoring) for judge in judges]
                    for told in ((known, is_c), more)
                ]
            )
    return {c: verdict_of(np.array(found)) for c, found in scores.items()}


def _classifiers(n, seed):
    return [
        LogisticRegression(max_iter=1000),
        KNeighborsClassifier(min(N_NEIGHBORS, n)),
        RandomForestClassifier(N_TREES, random_state=seed),
    ]


def _score(classifier, X, y, X_test, y_test, scoring):
    """Return a fitted classifier's score, its classes being 0 and 1."""
    fitted = clone(classifier).fit(X, y.astype(int))
    return get_scorer(scoring)(fitted, X_test, y_test.astype(int))


def verdict_of(scores):
    """Return the verdict on scores (folds, without and with, classifiers).

    Folds share training rows, and differ less than independent ones would: the error is
    corrected for that (Nadeau and Bengio, 2003).
    """
    gains = scores[:, 1] - scores[:, 0]  # (folds, classifiers)
    n = len(gains)
    shared = np.sqrt(1 / n + 1 / (n - 1))
    error, errors = (shared * g.std(0, ddof=1) for g in (gains.mean(1), gains))
    gain, each = gains.mean(), gains.mean(0)
    is_kept = gain > error + LEAST_GAIN and (each >= -errors - LEAST_GAIN).all()
    without, with_samples = scores.mean((0, 2))
    return Verdict(
        *map(float, (without, with_samples, gain, error, each.min())), bool(is_kept)
    )
