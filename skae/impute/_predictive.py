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
ATOM, PRIOR_OF_ATOM = 0.03, 20.0  # the same, of one that errors leave apart; and its cells
LEAST_WITHIN = 0.01  # of a distribution within bounds; of less, the nearest value is taken
PRIOR_CELLS = 20.0  # that the share of all columns counts as, in that of one


class Errors:
    """A column's errors by what was predicted, in units of their expected width.

    Cells that hold the column's commonest value, where that is often there, are left out
    and counted: `is_atom` (n,) says which they are, `share` how often it is there.
    """

    def __init__(self, predicted, errors, is_atom=None, share=0.0):
        order = np.argsort(predicted, kind="stable")
        is_atom = np.zeros(len(order), bool) if is_atom is None else is_atom[order]
        predicted, errors = predicted[order], errors[order]
        self.all_predicted, size = predicted, min(NEIGHBORS, len(errors))
        counts = [is_atom[s : s + size].sum() for s in _starts(len(errors), size)]
        shares = (np.array(counts) + PRIOR_OF_ATOM * share) / (size + PRIOR_OF_ATOM)
        self.shares = shares * (share > 0)
        self.predicted, errors = predicted[~is_atom], errors[~is_atom]
        self.size = size = min(NEIGHBORS, len(errors))
        windows = [errors[s : s + size] for s in _starts(len(errors), size)]
        self.windows = np.sort(np.stack(windows), axis=1)

    def near(self, predicted):
        """Return the sorted errors near what is predicted (n,); (n, size)."""
        return self.windows[_window(self.predicted, predicted, self.size, self.windows)]

    def share(self, predicted):
        """Return how often the commonest value is there, near what is predicted; (n,)."""
        size = min(NEIGHBORS, len(self.all_predicted))
        return self.shares[_window(self.all_predicted, predicted, size, self.shares)]


def _starts(n, size):
    """Return where windows of n errors start, the last of them included."""
    return np.unique(np.append(np.arange(0, n - size + 1, STRIDE), n - size))


def _window(known, predicted, size, windows):
    """Return the places of the windows around what is predicted (n,)."""
    start = np.searchsorted(known, predicted) - size // 2
    return (start / STRIDE).round().astype(int).clip(0, len(windows) - 1)


def below(errors, z):
    """Return the share of sorted errors (n, size) below z (n,); of normal ones, if none."""
    size = 0 if errors is None else errors.shape[1]
    if not size:
        return ndtr(z)
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
        self.inner, self.atom, self.atom_share = self.borders, None, 0.0
        self.step = np.zeros(len(knots) + 1)  # below the commonest value, by node
        values, number = np.unique(knots, return_counts=True)
        if number.max() > max(1, ATOM * len(knots)):
            self._set_apart(values[number.argmax()], standardize)
        self.first = column_map.ranks(low)[0]
        self.last = column_map.ranks(high)[1]

    def _set_apart(self, value, standardize):
        """Let errors, which are of all other values, leave the commonest one out."""
        knots = self.map.knots
        first, last = (np.searchsorted(knots, value, s) for s in ("left", "right"))
        self.atom_share = (last - first) / len(knots)
        self.atom = np.float32(standardize(np.array([value]))[0])
        self.step = ((np.arange(len(knots) + 1) - first) / (last - first)).clip(0, 1)
        between = knots[[first - 1]] / 2 + knots[[min(last, len(knots) - 1)]] / 2
        ends = {0: -np.inf, len(knots) - (last - first): np.inf}
        self.inner = self.borders.copy()
        self.inner[first : last + 1] = ends.get(first, standardize(between)[0])

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
            total = total + (1 - share) * self._by_errors(cells, errors, node)
        return total

    def _by_errors(self, cells, errors, node):
        """Return the probability of `cells` below a node, by what `_near` returns; (n,)."""
        near, share = errors
        z = (self.inner[node] - cells.expected) / cells.width
        return share * self.step[node] + (1 - share) * below(near, z)

    def _near(self, cells, errors):
        """Return the errors near what is expected of `cells`, and the share of the atom."""
        if errors is None:
            return None, np.full(len(cells.expected), self.atom_share)
        return errors.near(cells.expected), errors.share(cells.expected)

    def quantile(self, cells, q):
        """Return the q-th (n,) quantiles of `cells`, in the column's units; (n,)."""
        errors = self._near(cells, self.errors)
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
            self.errors = self._errors(cells, truth, slice(None))

    def _errors(self, cells, truth, some):
        """Return the errors of some cells, of which the truth is known."""
        error = (truth[some] - cells.expected[some]) / cells.width[some]
        is_atom = truth[some] == self.atom  # never, if there is none
        return Errors(cells.expected[some], error, is_atom, self.atom_share)

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
        of_errors = np.empty((n, len(nodes)))
        for half in (np.arange(n) % 2 == 0, np.arange(n) % 2 == 1):
            rest = Cells(cells.expected[~half], cells.width[~half], np.empty((n, 0)))
            near = self._near(rest, self._errors(cells, truth, half))
            for k, node in enumerate(nodes):
                of_errors[~half, k] = self._by_errors(rest, near, node)
        rank = nodes / size
        of_bins = np.stack([cells.of_bins(np.full(n, r)) for r in rank], axis=1)
        step = ((rank - first[:, None]) / (last - first)[:, None]).clip(0, 1)
        apart = of_bins - of_errors
        ends = np.clip(self.borders[nodes], *self.borders[[1, -2]])
        width = np.sqrt(np.gradient(ends))  # of what a node stands for
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
