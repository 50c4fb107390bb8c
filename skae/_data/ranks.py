"""A column's values and their ranks: what could have been in it.

n is the number of values.
"""

from typing import NamedTuple

import numpy as np

KNOTS, KNOT_CELLS = 1024, 2**20  # order statistics that are kept: of a column, and in all
FEW_VALUED = 0.5  # share of the values that differ, up to which no others are put in
GAP = 0.25  # spreads between neighbours, up to which there may be values between them
DECIMALS = range(-6, 7)  # of a column whose values are all rounded
MOST_COUNTED = 10_000  # values, of which a share differ


class ColumnMap(NamedTuple):
    """Between ranks, in [0, 1], and values of a column, in its units.

    A value that is often there takes as much of the ranks (a flat step). Between two
    neighbours others are put only where values lie as near to one another as a column
    of many values has them, rounded as all are; nothing is put beyond the ends.
    """

    knots: np.ndarray  # (s,) sorted values, float64
    joined: np.ndarray  # (s,) bool: whether there may be values before the next one
    decimals: int | None  # that all values are rounded to
    counts: tuple  # of the values, and of those that differ
    is_single: bool = False  # whether they are rounded as float32 has it

    @classmethod
    def learn(cls, values, spread, most=KNOTS, weight=None, counts=None):
        """Return the map of a column.

        Parameters
        ----------
        values : ndarray of shape (n,)
            Those that are there: not one is NaN, and there is one.
        spread : float
            Of the column's body.
        most : int, default=1024
            Number of knots.
        weight : ndarray of shape (n,), default=None
            Of each value, above 0.
        counts : tuple, default=None
            How many there are and how many differ, where these values stand for more.
        """
        values = np.asarray(values, dtype=np.float64)
        order = np.argsort(values)
        values = values[order]
        n, knots = len(values), values
        if weight is not None and np.ptp(weight) > 1e-9 * weight.max():
            weight = weight[order]
            up = np.cumsum(weight)
            at = (np.arange(most) + 0.5) * (up[-1] / most)
            knots = values[np.searchsorted(up, at).clip(max=n - 1)]
            knots[[0, -1]] = values[[0, -1]]
        elif n > most:
            knots = values[np.rint(np.linspace(0, n - 1, most)).astype(int)]
        counts = counts or (n, _n_distinct(values))
        step = np.diff(knots, append=knots[-1])
        is_dense = counts[1] > FEW_VALUED * counts[0]
        joined = (step > 0) & (step <= GAP * spread) & is_dense
        decimals, is_single = _decimals(values), False
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        if decimals is None and (values == single).all():
            decimals, is_single = _decimals(values, np.float32), True
        return cls(knots, joined, decimals, counts, is_single)

    def merged(self, other, weights, spread, most=KNOTS):
        """Return the map of this one's values and another's, which weigh so much."""
        pair = self, other
        weight = [np.full(len(m.knots), w) for m, w in zip(pair, weights, strict=True)]
        weight = np.concatenate([w / len(w) for w in weight])
        new = ~np.isin(other.knots, self.knots)
        share = _n_distinct(other.knots[new]) / _n_distinct(other.knots)
        n = self.counts[0] + other.counts[0]
        n_distinct = self.counts[1] + round(share * other.counts[1])
        # of a long stream: values of a fine grid repeat, and are not few for that
        n = min(n, MOST_COUNTED)
        knots = np.concatenate([self.knots, other.knots])
        return self.learn(knots, spread, most, weight, (n, min(n, n_distinct)))

    def value(self, rank):
        """Return the values at ranks, any shape; float64."""
        last = len(self.knots) - 1
        place = np.clip(np.asarray(rank) * (last + 1) - 0.5, 0, last)
        low = place.astype(int)
        share = place - low
        a, b = self.knots[low], self.knots[np.minimum(low + 1, last)]
        between = a + share * (b - a)
        if self.decimals is not None:
            between = np.round(between, self.decimals)
        if self.is_single:
            between = between.astype(np.float32)
        return np.where(self.joined[low], between.clip(a, b), np.where(share < 0.5, a, b))

    def nearest(self, values):
        """Return what is nearest to values, any shape, of all that may be in the column."""
        values = np.clip(values, self.knots[0], self.knots[-1])
        last = len(self.knots) - 1
        low = np.searchsorted(self.knots, values, "right").clip(1, last + 1) - 1
        a, b = self.knots[low], self.knots[np.minimum(low + 1, last)]
        between = values
        if self.decimals is not None:
            between = np.round(between, self.decimals)
        if self.is_single:
            between = between.astype(np.float32)
        ends = np.where(values - a < b - values, a, b)
        return np.where(self.joined[low], between.clip(a, b), ends)

    def ranks(self, values):
        """Return the first and the last rank of values; two arrays of their shape."""
        size = len(self.knots)
        first, last = (np.searchsorted(self.knots, values, s) for s in ("left", "right"))
        return first / size, last / size


def most_knots(d, cells=KNOT_CELLS):
    """Return how many knots each of d columns may have, of so many in all."""
    return int(np.clip(cells // max(d, 1), 64, KNOTS))


def _n_distinct(values):
    """Return how many of sorted values differ."""
    return min(len(values), 1 + np.count_nonzero(np.diff(values)))


def _decimals(values, kind=np.float64):
    """Return the decimals that all values are rounded to, the fewest; None if to none.

    `kind` is the dtype in which they were rounded.
    """
    largest = max(abs(values[0]), abs(values[-1]))
    some = values[:: max(1, len(values) // 64)]
    for decimals in DECIMALS:
        if largest * 10.0**decimals > 2**52:
            return None
        if all((np.round(v, decimals).astype(kind) == v).all() for v in (some, values)):
            return decimals
    return None
