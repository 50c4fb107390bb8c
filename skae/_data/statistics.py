"""What `fit` learns of the columns, in one pass and in float64.

d is the number of columns.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skae._data.body import bodies
from skae._data.rows import blocks


class ColumnStatistics(NamedTuple):
    """What ``fit`` learns of the columns in one pass, in float64."""

    mean: np.ndarray  # (d,)
    variance: np.ndarray  # (d,)
    minimum: np.ndarray  # (d,)
    maximum: np.ndarray  # (d,)
    constant: np.ndarray  # (d,) bool
    sample_shape: tuple  # (d,), (H, W) or (C, H, W)
    is_sparse: bool
    centre: np.ndarray  # (d,) the mean, but for wild cells
    spread: np.ndarray  # (d,) the standard deviation, but for these; see `bodies`
    is_wild: np.ndarray  # (d,) bool: whether cells beyond the body are to be bent
    has_missing: np.ndarray | bool = False  # (d,) bool
    # (d,) of zeros and ones: the last column before it that has a one in the same row, or
    # -1; of other columns: their own place. Of two samples together it is the larger one
    clash: np.ndarray | None = None


def column_statistics(X, sample_weight, sample_shape, check):
    """Return the columns' `ColumnStatistics`, by blocks and in float64.

    `check` sees each block, so that rows outside of a likelihood's support are an
    error before anything is trained.
    """
    d = X.shape[1]
    total, mean, m2 = 0.0, np.zeros(d), np.zeros(d)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    has_missing, clash = np.zeros(d, dtype=bool), np.full(d, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, block in blocks(X):
            check(block)
            w = None
            if sample_weight is not None:
                w = sample_weight[rows]
                block, w = block[w > 0], w[w > 0]
                if not len(w):
                    continue
            block = np.asarray(block, dtype=np.float64)
            clash = _clash(block, clash)
            if (gone := np.isnan(block)).any():
                has_missing |= gone.any(0)
                total, mean, m2 = _add_seen(block, ~gone, w, total, mean, m2)
                low = np.fmin(low, np.fmin.reduce(block, 0))
                high = np.fmax(high, np.fmax.reduce(block, 0))
                continue
            n = len(block) if w is None else w.sum()
            block_mean = np.average(block, axis=0, weights=w)
            deviation = np.square(block - block_mean)
            block_m2 = deviation.sum(0) if w is None else w @ deviation
            total, mean, m2 = _merged(total, mean, m2, n, block_mean, block_m2)
            low = np.minimum(low, block.min(0))
            high = np.maximum(high, block.max(0))
    if np.ndim(total):  # columns without a value are constants
        empty = total == 0
        total, low, high = np.where(empty, 1, total), low * 1, high * 1
        low[empty] = high[empty] = 0
    variance = m2 / total
    if not np.isfinite(variance).all():
        column = np.flatnonzero(~np.isfinite(variance))[0]
        raise ValueError(
            f"X: the values of column {column} are too large to be standardised in "
            "float64 (their squares overflow). Rescale that column, or remove it."
        )
    eps = np.finfo(np.float64).eps  # as scikit-learn's scalers: rounding error only
    n = min(X.shape[0], 1000)  # by blocks, the mean's error does not grow further
    constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    mean = np.where(low == high, low, mean)  # without the mean's rounding error
    is_sparse = sp.issparse(X)
    body = mean, np.sqrt(variance), np.zeros(d, dtype=bool)
    if not is_sparse:
        deviation = np.where(constant, 0.0, body[1])
        body = bodies(X, sample_weight, mean, deviation, low, high)
    return ColumnStatistics(
        mean,
        variance,
        low,
        high,
        constant,
        sample_shape,
        is_sparse,
        *body,
        has_missing,
        clash,
    )


def _clash(block, clash):
    """Return with which column before it each has a one in the same row, so far; (d,)."""
    own = np.arange(block.shape[1])
    columns = np.flatnonzero(clash < own)
    if not len(columns):
        return clash
    block, clash = block[:, columns], clash.copy()
    is_bit = ((block == 0) | (block == 1) | np.isnan(block)).all(0)
    clash[columns[~is_bit]] = columns[~is_bit]
    columns, one = columns[is_bit], block[:, is_bit] == 1
    if len(columns):
        latest = np.maximum.accumulate(np.where(one, columns, -1), axis=1)
        before = np.where(one[:, 1:], latest[:, :-1], -1).max(0)
        clash[columns[1:]] = np.maximum(clash[columns[1:]], before)
    return clash


def _merged(total, mean, m2, n, block_mean, block_m2):
    """Return the count, mean and sum of squares of two samples together."""
    delta, whole = block_mean - mean, total + n
    share = n / np.maximum(whole, np.finfo(np.float64).tiny)
    mean = mean + delta * share
    return whole, mean, m2 + block_m2 + delta**2 * (total * share)


def _add_seen(block, seen, w, total, mean, m2):
    """Return the same, of cells that are not missing."""
    weight = seen * (1.0 if w is None else w[:, None])
    n = weight.sum(0)
    block = np.where(seen, block, 0.0)
    block_mean = np.divide((weight * block).sum(0), n, out=np.zeros(len(n)), where=n > 0)
    block_m2 = (weight * np.square(block - block_mean)).sum(0)
    return _merged(total, mean, m2, n, block_mean, block_m2)
