"""What was in a table's cells, so that rows that are drawn could have been in it.

n is the number of rows, d the columns. Nothing is kept of rows as such: columns are known
one by one, and of rows only which cells are missing together.
"""

from typing import NamedTuple

import numpy as np

from skae._data.ranks import ColumnMap

ROWS, CELLS = 10_000, 2**22  # that are looked at
KNOT_CELLS, KNOTS = 2**18, (64, 1024)  # that are kept in all, and of a column
PATTERN_BYTES = 2**18  # that are kept of which cells are missing together


class Margins(NamedTuple):
    """The columns of a table, one by one, and its gaps."""

    columns: list  # (d,) a `ColumnMap`; weights (levels,) of a category; None if empty
    total: np.ndarray  # (d,) weight of the cells that are there
    gaps: np.ndarray  # (p, bytes) packed bits: which cells of a row are missing
    gap_weight: np.ndarray  # (p,) of the rows with such gaps

    @classmethod
    def of(cls, X, weight, index, spread, levels):
        """Return those of some rows.

        Parameters
        ----------
        X : ndarray or memmap of shape (n, d)
            NaN where a cell is missing.
        weight : ndarray of shape (n,) or None
        index : ndarray of int
            The rows that count; weights are relative to their mean.
        spread : ndarray of shape (d,)
            Of the columns' bodies.
        levels : dict
            How many levels each category has, by its place.
        """
        d, n = X.shape[1], len(index)
        most = min(ROWS, max(1000, CELLS // d))
        if n > most:
            index = np.sort(np.random.RandomState(0).permutation(index)[:most])
        rows = np.asarray(X[index], dtype=np.float64)
        weight = np.ones(len(index)) if weight is None else weight[index]
        weight = weight * (n / weight.sum())
        there, columns = ~np.isnan(rows), []
        for j, (values, seen) in enumerate(zip(rows.T, there.T, strict=True)):
            values, w = values[seen], weight[seen]
            if j in levels:
                columns.append(np.bincount(values.astype(int), w, levels[j]))
            elif len(values):
                columns.append(ColumnMap.learn(values, spread[j], _most_knots(d), w))
            else:
                columns.append(None)
        gaps = _together(np.packbits(~there, axis=1), weight)
        return cls(columns, weight @ there, *gaps)

    def merged(self, now, spread):
        """Return those of the rows before and of these; spread (d,) of all of them."""
        columns = []
        for j, pair in enumerate(zip(self.columns, now.columns, strict=True)):
            column, other = pair
            if column is None or other is None:
                column = other if column is None else column
            elif isinstance(column, ColumnMap):
                weights = self.total[j], now.total[j]
                most = _most_knots(len(self.columns))
                column = column.merged(other, weights, spread[j], most)
            else:
                column = column + other
            columns.append(column)
        gaps = np.concatenate([self.gaps, now.gaps])
        gaps = _together(gaps, np.concatenate([self.gap_weight, now.gap_weight]))
        return Margins(columns, self.total + now.total, *gaps)

    def draw_gaps(self, n, random_state):
        """Return which cells of n rows are missing, as in rows that were there; (n, d)."""
        share = self.gap_weight / self.gap_weight.sum()
        drawn = self.gaps[random_state.choice(len(share), n, p=share)]
        return np.unpackbits(drawn, axis=1, count=len(self.columns)).astype(bool)


def _most_knots(d):
    """Return how many knots each of d columns may have."""
    return int(np.clip(KNOT_CELLS // d, *KNOTS))


def _together(gaps, weight):
    """Return the different patterns of packed gaps (n, bytes), and what each weighs."""
    gaps, place = np.unique(gaps, axis=0, return_inverse=True)
    weight = np.bincount(place.ravel(), weight)
    most = max(64, PATTERN_BYTES // gaps.shape[1])
    if len(gaps) > most:
        chosen = np.random.RandomState(0).permutation(len(gaps))
        up = np.cumsum(weight[chosen])
        at = (np.arange(most) + 0.5) * up[-1] / most
        chosen = chosen[np.searchsorted(up, at)]
        return _together(gaps[chosen], np.full(most, up[-1] / most))
    return gaps, weight
