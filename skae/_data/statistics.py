"""What `fit` learns of the columns, in one pass and in float64.

d is the number of columns.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skae._data.body import BEYOND, bodies, few
from skae._data.rows import blocks


class OverflowingColumn(ValueError):
    """A column whose squares overflow, by its position."""

    def __init__(self, column, text):
        super().__init__(text)
        self.column = column

    def called(self, names):
        """Return the error of columns of such names, where they have other places."""
        text = str(self).replace(
            f"column {self.column} ", f"column {names[self.column]!r} "
        )
        return ValueError(text)


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
    total: np.ndarray | float = 1.0  # (d,) weight of the cells that are not missing
    n_rows: int = 1

    def ordinary(self):
        """Return means and standard deviations, 0 of constant columns; (d,) each."""
        return self.mean, np.where(self.constant, 0.0, np.sqrt(self.variance))

    def of_bodies(self, is_wild):
        """Return them with the mean and variance of the body of some columns (d,)."""
        mean = np.where(is_wild, self.centre, self.mean)
        variance = np.where(is_wild, np.square(self.spread), self.variance)
        return self._replace(mean=mean, variance=variance)


class _Sums(NamedTuple):
    """What is summed over some rows."""

    total: np.ndarray | float  # (d,) weights; a number where no cell is missing
    mean: np.ndarray  # (d,)
    m2: np.ndarray  # (d,) squares of the deviations
    low: np.ndarray  # (d,)
    high: np.ndarray  # (d,)


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
    sums = _Sums(total, mean, m2, low, high)
    more = sample_shape, sp.issparse(X), has_missing, clash
    stats = _statistics(sums, X.shape[0], *more)
    if stats.is_sparse:
        return stats
    return _with_body(stats, *bodies(X, sample_weight, *stats.ordinary(), low, high))


def merged(before, now):
    """Return the `ColumnStatistics` of the rows of both, as if of all of them at once.

    But for columns with wild cells, whose bodies are merged as they are. What kind of
    container rows came in is that of the first.
    """
    pair = before, now
    with np.errstate(over="ignore", invalid="ignore"):
        moments = ((s.total, s.mean, s.variance * s.total) for s in pair)
        total, mean, m2 = _merged(*next(moments), *next(moments))
    ends = [(s.minimum, s.maximum, np.asarray(s.total) > 0) for s in pair]
    low = np.minimum(*(np.where(there, low, np.inf) for low, _, there in ends))
    high = np.maximum(*(np.where(there, high, -np.inf) for _, high, there in ends))
    stats = _statistics(
        _Sums(total, mean, m2, low, high),
        before.n_rows + now.n_rows,
        before.sample_shape,
        before.is_sparse,
        before.has_missing | now.has_missing,
        None if before.clash is None else np.maximum(before.clash, now.clash),
    )
    return stats if stats.is_sparse else _with_body(stats, *_merged_bodies(pair, stats))


def _merged_bodies(pair, stats):
    """Return centres and spreads (d,) of two samples together, and what is wild."""
    before, now = pair
    # few rows that are far from the others may be a wild cell or two, the first ones, too
    are_far = [_are_far(*p, few(stats.n_rows)) for p in ((before, now), (now, before))]
    is_wild = before.is_wild | now.is_wild | are_far[0] | are_far[1]
    m2 = [np.square(s.spread) for s in pair]
    # and then say nothing of the body
    of = [np.where(far, 0.0, s.total) for s, far in zip(pair, are_far, strict=True)]
    total, centre, m2 = _merged(
        of[0], before.centre, m2[0] * of[0], of[1], now.centre, m2[1] * of[1]
    )
    spread = np.sqrt(m2 / np.where(total > 0, total, 1))
    centre, deviation = np.where(is_wild, centre, stats.mean), np.sqrt(stats.variance)
    least = [np.where(s.spread > np.sqrt(s.variance), s.spread, 0.0) for s in pair]
    deviation = np.maximum(deviation, np.where(is_wild, 0.0, np.maximum(*least)))
    return centre, np.where(is_wild, spread, deviation), is_wild


def _are_far(some, others, most):
    """Return in which columns at most so many rows are far from all the others; (d,)."""
    reach = np.maximum(some.maximum - others.centre, others.centre - some.minimum)
    return (reach > BEYOND * others.spread) & ~others.constant & (some.n_rows <= most)


def _with_body(stats, centre, spread, is_wild):
    return stats._replace(centre=centre, spread=spread, is_wild=is_wild)


def _statistics(sums, n_rows, sample_shape, is_sparse, has_missing, clash):
    """Return what sums over the rows make of them."""
    total, mean, m2, low, high = sums
    seen = total = np.broadcast_to(total, mean.shape)
    empty = seen == 0
    if empty.any():  # columns without a value are constants
        total, low, high = np.where(empty, 1, total), low * 1, high * 1
        low[empty] = high[empty] = 0
    variance = m2 / total
    if not np.isfinite(variance).all():
        column = int(np.flatnonzero(~np.isfinite(variance))[0])
        raise OverflowingColumn(
            column,
            f"X: the values of column {column} are too large to be standardised in "
            "float64 (their squares overflow). Rescale that column, or remove it.",
        )
    eps = np.finfo(np.float64).eps  # as scikit-learn's scalers: rounding error only
    n = min(n_rows, 1000)  # by blocks, the mean's error does not grow further
    constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    mean = np.where(low == high, low, mean)  # without the mean's rounding error
    more = sample_shape, is_sparse, mean, np.sqrt(variance), np.zeros(len(mean), dtype=bool)
    return ColumnStatistics(
        mean, variance, low, high, constant, *more, has_missing, clash, seen, n_rows
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
