"""How a missing number is distributed: over ranks, of which each could have been there.

n is the number of cells, s the knots of a column's map.
"""

import numpy as np
from scipy.special import ndtr

from skae.impute._head import BINS

NEIGHBORS = 200  # errors of the nearest predictions that one is drawn among
STRIDE = NEIGHBORS // 4
LEAST_ERRORS = 10  # fewer say nothing of a distribution
NODES = 128  # ranks at which two distributions are compared
LARGE_ATOM = 0.2  # share of the values that are one
LEAST_WITHIN = 0.01  # of a distribution within bounds; of less, the nearest value is taken
PRIOR_CELLS = 20.0  # that the share of all columns counts as, in that of one


class Errors:
    """A column's errors by what was predicted, in units of their expected width."""

    def __init__(self, predicted, errors):
        order = np.argsort(predicted, kind="stable")
        self.predicted, errors = predicted[order], errors[order]
        self.size = size = min(NEIGHBORS, len(errors))
        starts = np.arange(0, len(errors) - size + 1, STRIDE)
        self.windows = np.sort(np.stack([errors[s : s + size] for s in starts]), axis=1)

    def near(self, predicted):
        """Return the sorted errors near what is predicted (n,); (n, size)."""
        start = np.searchsorted(self.predicted, predicted) - self.size // 2
        window = (start / STRIDE).round().astype(int).clip(0, len(self.windows) - 1)
        return self.windows[window]


def below(errors, z):
    """Return the share of sorted errors (n, size) below z (n,); of normal ones, if None."""
    if errors is None:
        return ndtr(z)
    size = errors.shape[1]
    rows, number = np.arange(len(z)), (errors < z[:, None]).sum(1)
    a = errors[rows, (number - 1).clip(0)]
    b = errors[rows, number.clip(max=size - 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(b > a, (z - a) / (b - a), 1.0)
    inner = (number + np.nan_to_num(share)) / (size + 1)
    return np.where(number == 0, 0.0, np.where(number == size, 1.0, inner))


class Cells:
    """What is predicted of a column's missing cells.

    Parameters
    ----------
    expected, width : ndarray of shape (n,)
        Standardised: the mean, and the unit of errors.
    bins : ndarray of shape (n, BINS)
        Probabilities of equal shares of the ranks; (n, 0) if there is nothing of these.
    """

    def __init__(self, expected, width, bins):
        self.expected, self.width = expected.astype(np.float64), width.astype(np.float64)
        self.cumulated = None
        if bins.shape[1]:
            total = np.cumsum(bins, axis=1, dtype=np.float64)
            self.cumulated = np.pad(total / total[:, -1:], ((0, 0), (1, 0)))

    def of_bins(self, rank):
        """Return the probability below ranks (n,) by the bins."""
        place = (rank * BINS).clip(0, BINS)
        low = place.astype(int).clip(max=BINS - 1)
        a, b = (np.take_along_axis(self.cumulated, i[:, None], 1)[:, 0]
                for i in (low, low + 1))  # fmt: skip
        return a + (place - low) * (b - a)


class Predictive:
    """The distribution of a column's missing cells, a mixture of two.

    One is of bins of ranks, the other what is expected plus errors as they were near it,
    taken to the nearest value that could have been there.

    Parameters
    ----------
    map : ColumnMap
    standardize : callable
        Of values of the column.
    low, high : float
        Bounds of what may be put in.
    """

    def __init__(self, column_map, standardize, low, high):
        self.map, self.errors, self.share = column_map, None, 0.5
        knots = column_map.knots
        middle = standardize((knots[:-1] + knots[1:]) / 2)
        self.borders = np.concatenate([[-np.inf], middle, [np.inf]])  # (s + 1,)
        self.first = column_map.ranks(low)[0]
        self.last = column_map.ranks(high)[1]

    @property
    def has_atoms(self):
        """Whether most of the values are there more than once, or stand alone."""
        return bool(self.map.joined.mean() < 0.5)

    @property
    def edges(self):
        """What lies below the bins' ends, standardised; (3, BINS + 1).

        Two values, and how much of what is between these counts: ranks of a value that is
        often there are alike.
        """
        place = np.arange(BINS + 1) * len(self.map.knots) / BINS
        _, number = np.unique(self.map.knots, return_counts=True)
        if number.max() > LARGE_ATOM * len(self.map.knots):
            # what is expected, a mean, says little of such a value: bins start alike
            ends = np.full((2, BINS + 1), [[-np.inf], [np.inf]])
            return np.vstack([ends, np.arange(BINS + 1) / BINS])
        value = self.map.knots[place.astype(int).clip(max=len(self.map.knots) - 1)]
        first, last = (np.searchsorted(self.map.knots, value, s) for s in ("left", "right"))
        share = (place - first) / (last - first)
        return np.stack([self.borders[first], self.borders[last], share])

    def below(self, cells, errors, node):
        """Return the probability of `cells` below the node-th rank of s + 1 (n,)."""
        share, total = self.share if cells.cumulated is not None else 0.0, 0.0
        if share:
            total = share * cells.of_bins(node / len(self.map.knots))
        if share < 1:
            z = (self.borders[node] - cells.expected) / cells.width
            total = total + (1 - share) * below(errors, z)
        return total

    def quantile(self, cells, q):
        """Return the q-th (n,) quantiles of `cells`, in the column's units; (n,)."""
        errors = self.errors and self.errors.near(cells.expected)
        n, size = len(q), len(self.map.knots)
        low, high = np.zeros(n, dtype=int), np.full(n, size)
        at_low, at_high = np.zeros(n), np.ones(n)
        first, last = (self._below_rank(cells, errors, r) for r in (self.first, self.last))
        q = first + q * (last - first)
        for _ in range(size.bit_length()):
            middle = (low + high) // 2
            at = self.below(cells, errors, middle)
            right = (at <= q) & (high - low > 1)
            left = (at > q) & (high - low > 1)
            low, at_low = np.where(right, middle, low), np.where(right, at, at_low)
            high, at_high = np.where(left, middle, high), np.where(left, at, at_high)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(at_high > at_low, (q - at_low) / (at_high - at_low), 0.5)
        rank = ((low + share) / size).clip(self.first, self.last)
        nearest = np.where(first > 1 - last, self.first, self.last)
        return self.map.value(np.where(last - first < LEAST_WITHIN, nearest, rank))

    def _below_rank(self, cells, errors, rank):
        """Return the probability of `cells` below one of the knots' ranks; (n,)."""
        node = round(rank * len(self.map.knots))
        return self.below(cells, errors, np.full(len(cells.expected), node))

    # What hidden cells say of it

    def learn(self, cells, truth):
        """Take the errors of hidden cells, of which the truth is known, standardised."""
        if len(truth) >= LEAST_ERRORS:
            self.errors = Errors(cells.expected, (truth - cells.expected) / cells.width)

    def compared(self, cells, truth, first, last):
        """Return what the best share of the bins is a quotient of, over hidden cells.

        The continuous ranked probability score of a mixture w F + (1 - w) G is a square
        in w, least at -sum (F - G)(G - H) / sum (F - G)², where H is the truth's step.
        Ranks weigh as the root of how wide they are, between the score's own weight and
        one in which tails count for nothing. Errors are those of the other half of the
        cells. Returns 0, 0 for fewer.
        """
        n, size = len(truth), len(self.map.knots)
        if n < 2 * LEAST_ERRORS or cells.cumulated is None:
            return 0.0, 0.0
        nodes = np.unique(np.rint(np.linspace(0, size, NODES + 1)).astype(int))
        error = (truth - cells.expected) / cells.width
        of_errors = np.empty((n, len(nodes)))
        for half in (np.arange(n) % 2 == 0, np.arange(n) % 2 == 1):
            others = Errors(cells.expected[half], error[half])
            near = others.near(cells.expected[~half])
            for k, node in enumerate(nodes):
                z = self.borders[node] - cells.expected[~half]
                of_errors[~half, k] = below(near, z / cells.width[~half])
        rank = nodes / size
        of_bins = np.stack([cells.of_bins(np.full(n, r)) for r in rank], axis=1)
        step = ((rank - first[:, None]) / (last - first)[:, None]).clip(0, 1)
        apart = of_bins - of_errors
        ends = np.clip(self.borders[nodes], *self.borders[[1, -2]])
        width = np.sqrt(
            np.gradient(ends)
        )  # of what a node stands for, in the column's units
        product = -(apart * (of_errors - step)).sum(0) @ width
        return product, np.square(apart).sum(0) @ width


def weigh(predictives, compared, counts):
    """Set how much columns' bins are trusted: a column's share is drawn to its kind's.

    `compared` has (column, product, square), as `Predictive.compared` returns these.
    """
    for kind in (True, False):
        own = [
            (j, np.clip(product / square, 0, 1), counts[j])
            for j, product, square in compared
            if predictives[j].has_atoms is kind and square > 0
        ]
        if own:
            _, best, n = zip(*own, strict=True)
            common = np.average(best, weights=n)
        for j, share, n in own:
            drawn = (n * share + PRIOR_CELLS * common) / (n + PRIOR_CELLS)
            predictives[j].share = float(drawn)
