"""What was in a table's cells, so that rows that are drawn could have been in it.

n is the number of rows, d the columns. Nothing is kept of rows as such: columns are known
one by one, and of rows only which cells are missing together.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.special import ndtri

from skae._data.ranks import ColumnMap, most_knots

ROWS, CELLS = 10_000, 2**22  # that are looked at
KNOT_CELLS = 2**18  # that are kept in all
PATTERN_BYTES = 2**18  # that are kept of which cells are missing together
MOST_RELATED = 256  # numbers of which it is kept how they go together
LEAST = 1e-4  # eigenvalue of their correlations
APART = 0.25  # deviations between two neighbours of a model's draws, over a gap


class Margins(NamedTuple):
    """The columns of a table, one by one, and its gaps."""

    columns: list  # (d,) a `ColumnMap`; weights (levels,) of a category; None if empty
    total: np.ndarray  # (d,) weight of the cells that are there
    gaps: np.ndarray  # (p, bytes) packed bits: which cells of a row are missing
    gap_weight: np.ndarray  # (p,) of the rows with such gaps
    relations: np.ndarray | None  # (c, c) correlations of the numbers' normal scores

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
        most = min(ROWS, max(200, CELLS // d))
        if n > most:
            index = np.sort(np.random.RandomState(0).permutation(index)[:most])
        rows = np.asarray(X[index], dtype=np.float64)
        weight = np.ones(len(index)) if weight is None else weight[index]
        weight = weight * (n / weight.sum())
        there, columns, knots = ~np.isnan(rows), [], most_knots(d, KNOT_CELLS)
        for j, (values, seen) in enumerate(zip(rows.T, there.T, strict=True)):
            values, w = values[seen], weight[seen]
            if j in levels:
                columns.append(np.bincount(values.astype(int), w, levels[j]))
            elif len(values):
                columns.append(ColumnMap.learn(values, spread[j], knots, w))
            else:
                columns.append(None)
        gaps = _together(np.packbits(~there, axis=1), weight)
        return cls(columns, weight @ there, *gaps, _relations(columns, rows, weight))

    def merged(self, now, spread):
        """Return those of the rows before and of these; spread (d,) of all of them."""
        columns = []
        for j, pair in enumerate(zip(self.columns, now.columns, strict=True)):
            column, other = pair
            if column is None or other is None:
                column = other if column is None else column
            elif isinstance(column, ColumnMap):
                weights = self.total[j], now.total[j]
                most = most_knots(len(self.columns), KNOT_CELLS)
                column = column.merged(other, weights, spread[j], most)
            else:
                column = column + other
            columns.append(column)
        gaps = np.concatenate([self.gaps, now.gaps])
        weights = self.gap_weight, now.gap_weight
        gaps = _together(gaps, np.concatenate(weights))
        relations = _merged_relations(columns, (self, now))
        return Margins(columns, self.total + now.total, *gaps, relations)

    def values(self, drawn, known):
        """Return the numbers that draws stand for, by their ranks among known draws.

        Numbers are to go together as they did: the known draws' normal scores are moved, by
        as little as can be and over no gap of theirs, to the correlations of the rows'.

        Parameters
        ----------
        drawn : ndarray of shape (n, c)
            Of the columns that are numbers, in any units.
        known : ndarray of shape (m, c)

        Returns
        -------
        values : ndarray of shape (n, c)
        """
        maps = self.maps
        edges = [_edges(column) for column in known.T]
        ranks, known = _ranks(drawn, known), _ranks(known, known)
        if self.relations is not None:
            there = _values(maps, known)
            now = _relations(maps, there, np.ones(len(there)))
            move = _transport(now, self.relations)
            scores = ndtri(ranks) @ move, ndtri(known) @ move
            for j, (new, old) in enumerate(zip(*(s.T for s in scores), strict=True)):
                ranks[:, j] = _ranks_within(edges[j], new, old, ranks[:, j], known[:, j])
        return _values(maps, ranks)

    @property
    def maps(self):
        """The maps of those columns that are numbers."""
        return [column for column in self.columns if isinstance(column, ColumnMap)]

    def draw_gaps(self, n, random_state):
        """Return which cells of n rows are missing, as in rows that were there; (n, d)."""
        share = self.gap_weight / self.gap_weight.sum()
        drawn = self.gaps[random_state.choice(len(share), n, p=share)]
        return np.unpackbits(drawn, axis=1, count=len(self.columns)).astype(bool)


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


def _values(maps, ranks):
    """Return the values at ranks (n, c), column by column."""
    parts = zip(maps, ranks.T, strict=True)
    return np.column_stack([column.value(r) for column, r in parts])


def _ranks(drawn, known):
    """Return the ranks of draws (n, c) among others (m, c), column by column."""
    parts = zip(drawn.T, known.T, strict=True)
    return np.column_stack([_rank(*pair) for pair in parts])


def _rank(drawn, known):
    at = (np.arange(len(known)) + 0.5) / len(known)
    return np.interp(drawn, np.sort(known), at)


def _edges(known):
    """Return the ranks of the gaps between a model's draws (m,), and 0 and 1."""
    known = np.sort(known)
    edges = np.flatnonzero(np.diff(known) > APART * known.std()) + 1
    return np.r_[0, edges / len(known), 1]


def _ranks_within(edges, scores, known_scores, ranks, known):
    """Return the ranks (n,) of scores among known ones (m,), none moved over an edge.

    On which side a row is of a gap, between two classes for instance, is what a model knows
    best; `ranks` and `known` say on which.
    """
    moved = ranks.copy()
    for low, high in pairwise(edges):
        here, there = ((r >= low) & (r < high) for r in (ranks, known))
        if here.any():
            rank = _rank(scores[here], known_scores[there])
            moved[here] = low + (high - low) * rank
    return moved


def _relations(columns, rows, weight):
    """Return the correlations of the normal scores of numbers; None of too many.

    Missing cells are left out, pair by pair. A column of one value has none.
    """
    numbers = [j for j, column in enumerate(columns) if isinstance(column, ColumnMap)]
    if not 1 < len(numbers) <= MOST_RELATED:
        return None
    rows = rows[:, numbers]
    there = ~np.isnan(rows)
    scores = np.zeros(rows.shape)
    for i, j in enumerate(numbers):
        scores[there[:, i], i] = _scores(columns[j], rows[there[:, i], i])
    total = np.maximum(weight @ there, 1e-12)
    scores = np.where(there, scores - (weight @ scores) / total, 0.0)
    weighted, seen = weight[:, None] * scores, there.astype(float)
    both = (weight[:, None] * seen).T @ seen
    return _scaled((weighted.T @ scores) / np.maximum(both, 1e-12))


def _merged_relations(columns, pair):
    """Return the same of the rows of two `Margins`, that are `columns` together.

    Where rows of one lie among all is known from its knots, so that numbers go together
    that rise from the first rows to the second.
    """
    numbers = [j for j, column in enumerate(columns) if isinstance(column, ColumnMap)]
    if not 1 < len(numbers) <= MOST_RELATED:
        return None
    size, parts = len(numbers), []
    for part in pair:
        own, mean, spread = np.eye(size), np.zeros(size), np.zeros(size)
        known = [i for i, j in enumerate(numbers) if part.columns[j] is not None]
        if part.relations is not None:
            own[np.ix_(known, known)] = part.relations
        for i in known:
            scores = _scores(columns[numbers[i]], part.columns[numbers[i]].knots)
            mean[i], spread[i] = scores.mean(), scores.std()
        parts.append((own * np.outer(spread, spread), mean))
    share = np.stack([part.total[numbers] for part in pair])
    share = share / share.sum(0)
    middle = sum(w * mean for w, (_, mean) in zip(share, parts, strict=True))
    products, total = np.zeros((2, size, size))
    for w, (own, mean) in zip(np.sqrt(share), parts, strict=True):
        products += np.outer(w, w) * (own + np.outer(mean - middle, mean - middle))
        total += np.outer(w, w)
    return _scaled(products / np.maximum(total, 1e-12))


def _scores(column, values):
    """Return the normal scores of a column's values (n,)."""
    first, last = column.ranks(values)
    return ndtri(((first + last) / 2).clip(1e-4, 1 - 1e-4))


def _scaled(products):
    """Return the correlations of covariances (c, c): 0 for what does not vary."""
    scale = np.sqrt(np.diag(products))
    scale[scale < 1e-6] = np.inf
    relations = products / np.outer(scale, scale)
    np.fill_diagonal(relations, 1.0)
    return relations.clip(-1, 1)


def _root(matrix, power):
    """Return a power of a symmetric matrix (c, c), its eigenvalues above a least one."""
    values, vectors = eigh(matrix)
    return (vectors * np.maximum(values, LEAST) ** power) @ vectors.T


def _transport(now, wanted):
    """Return the symmetric matrix that gives correlations `now` those wanted; (c, c)."""
    root, back = _root(now, 0.5), _root(now, -0.5)
    return back @ _root(root @ _root(wanted, 1.0) @ root, 0.5) @ back
