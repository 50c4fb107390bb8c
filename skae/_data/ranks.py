"""A column's values and their ranks: what could have been in it.

n is the number of values.
"""

from typing import NamedTuple

import numpy as np

KNOTS, KNOT_CELLS = 1024, 2**20  # order statistics that are kept: of a column, and in all
FEW_VALUED = 0.2  # share of the values that differ, up to which no others are put in
GAP = 1.0  # spreads between neighbours, up to which there may be values between them
DECIMALS = range(-6, 7)  # of a column whose values are all rounded


class ColumnMap(NamedTuple):
    """Between ranks, in [0, 1], and values of a column, in its units.

    A value that is often there takes as much of the ranks (a flat step). Between two
    neighbours others are put only where values lie as near to one another as a column
    of many values has them, rounded as all are; nothing is put beyond the ends.
    """

    knots: np.ndarray  # (s,) sorted values, float64
    joined: np.ndarray  # (s,) bool: whether there may be values before the next one
    decimals: int | None  # that all values are rounded to

    @classmethod
    def learn(cls, values, spread, most=KNOTS):
        """Return the map of a column.

        Parameters
        ----------
        values : ndarray of shape (n,)
            Those that are there: not one is NaN, and there is one.
        spread : float
            Of the column's body.
        most : int, default=1024
            Number of knots.
        """
        values = np.sort(np.asarray(values, dtype=np.float64))
        n = len(values)
        n_distinct = 1 + np.count_nonzero(np.diff(values))
        knots = values
        if n > most:
            knots = values[np.rint(np.linspace(0, n - 1, most)).astype(int)]
        step = np.diff(knots, append=knots[-1])
        joined = (step > 0) & (step <= GAP * spread) & (n_distinct > FEW_VALUED * n)
        return cls(knots, joined, _decimals(values))

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
        return np.where(self.joined[low], between.clip(a, b), np.where(share < 0.5, a, b))

    def ranks(self, values):
        """Return the first and the last rank of values; two arrays of their shape."""
        size = len(self.knots)
        first, last = (np.searchsorted(self.knots, values, s) for s in ("left", "right"))
        return first / size, last / size


def most_knots(d):
    """Return how many knots each of d columns may have."""
    return int(np.clip(KNOT_CELLS // max(d, 1), 64, KNOTS))


def _decimals(values):
    """Return the decimals that all values are rounded to, the fewest; None if to none."""
    largest = max(abs(values[0]), abs(values[-1]))
    for decimals in DECIMALS:
        if largest * 10.0**decimals > 2**52:
            return None
        if (np.round(values, decimals) == values).all():
            return decimals
    return None
