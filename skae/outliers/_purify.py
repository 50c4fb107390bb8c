"""Which training rows are not to be learnt from, as they may be outliers."""

import numpy as np
import torch
from sklearn.ensemble import IsolationForest

from skae._data.rows import blocks, densify
from skae._data.statistics import column_statistics

PURIFIED = 0.25  # share of the rows that are dropped


def learnt_from(X, seed, mixed=None):
    """Return which rows X (n, d) to learn from; (n,) bool.

    `mixed` is the likelihood of rows that hold codes of categories.
    """
    scores = opinion(X if mixed is None else as_points(X, mixed), seed)
    return with_varying(X, most_normal(scores), scores)


def as_points(X, mixed):
    """Return rows X (n, d) of numbers and codes as points without a missing cell."""
    module = mixed.build(column_statistics(X, None, X.shape[1:], mixed.check))
    return module.spread(torch.from_numpy(module.standardize(X))).numpy()


def opinion(X, seed):
    """Return how normal an isolation forest takes rows to be; (n,)."""
    forest = IsolationForest(random_state=seed)
    index = np.arange(X.shape[0])
    most = forest.n_estimators * 256  # as many as its trees see
    if len(index) > most:
        index = np.sort(np.random.RandomState(seed).permutation(len(index))[:most])
    rows = np.concatenate([block for _, block in blocks(X, index)]).astype(np.float64)
    # its trees are of float32, where 1.7e9 and 1.7e9 + 10 are the same
    with np.errstate(over="ignore", invalid="ignore"):
        centre, scale = rows.mean(0), rows.std(0)
    if not np.isfinite(scale).all():  # training refuses such columns by name
        return np.zeros(X.shape[0])
    # nor does it split where values differ by rounding errors only
    scale[scale <= 100 * np.finfo(np.float64).eps * np.abs(rows).max(0)] = np.inf
    forest.fit((rows - centre) / scale)
    out = np.empty(X.shape[0])
    for part, block in blocks(X):
        out[part] = forest.score_samples((block - centre) / scale)
    return out


def with_varying(X, keep, scores):
    """Return `keep` with a row more for each column that varies in dropped rows only.

    Else it would count nothing, and a row that is abnormal there would not be noticed.
    The row is the one of the highest score.
    """
    keep = keep.copy()
    first = densify(X[np.flatnonzero(keep)[:1]])
    differs = np.zeros(X.shape[1], dtype=bool)
    best = np.full(X.shape[1], -np.inf)
    row = np.zeros(X.shape[1], dtype=int)
    for rows, block in blocks(X):
        other = (block != first) & ~(np.isnan(block) & np.isnan(first))
        differs |= other[keep[rows]].any(0)
        among = np.where(other & ~keep[rows, None], scores[rows, None], -np.inf)
        at = among.argmax(0)
        found = among[at, np.arange(X.shape[1])]
        row = np.where(found > best, rows.start + at, row)
        best = np.maximum(best, found)
    keep[row[~differs & (best > -np.inf)]] = True
    return keep


def most_normal(scores):
    """Return which rows are not among the quarter of the lowest scores."""
    keep = scores >= np.quantile(scores, PURIFIED)
    return keep if keep.sum() > 1 else np.ones_like(keep)
