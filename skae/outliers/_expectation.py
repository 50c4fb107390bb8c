"""What a value should be, given the others of its row.

n is the number of rows, d of the columns, P of the numbers that stand for a row, r of the
factors.
"""

import numpy as np

LEAST_SHRINKAGE = 1e-6  # where the rows ask for less, columns may be sums of each other
WIDE, FEW = 2000, 500  # columns, beyond which so many rows are enough
OUTSIDE = 1.0  # deviations beyond the reference rows' range
ODD, RARE = 3.0, 0.01  # deviations from what is expected, share of the rows that have more
MOST_ODD = 10  # cells of a row, beside those outside


class Expectation:
    """A column's expected value given the others: that of a normal distribution.

    E[x_j | x_-j] = m_j + z_j - (P z)_j / P_jj, where z = x - m, and P is the inverse of
    the standardised reference rows' covariance, shrunk as Ledoit and Wolf do: C = B B' +
    t I, so P = (I - W W') / t with W of as many columns as there are rows or columns,
    whichever are fewer. It is never beyond the rows' own range. A category's levels are a
    column together: P_jj is then a matrix.

    It is given those of the others only that are neither missing nor odd themselves: far
    outside of the reference rows' range, or (one by one, the oddest first) farther from
    what the rest says than nearly all of the reference rows are. Given without columns M,
    W W' becomes W inv(I - W_M' W_M) W'.

    Parameters
    ----------
    rows : ndarray of shape (n, P)
        Standardised numbers, and ones among zeros for categories.
    active : ndarray of shape (P,), dtype bool
        Which of them vary.
    owner : ndarray of shape (P,)
        Which column each of them is of.
    """

    def __init__(self, rows, active, owner):
        self.mean, self.active, self.owner = rows.mean(0, dtype=np.float64), active, owner
        n_of = np.bincount(owner)
        self.categories = [np.flatnonzero(owner == j) for j in np.flatnonzero(n_of > 1)]
        self.numbers = np.flatnonzero(active & (n_of[owner] == 1))
        self.low, self.high = rows.min(0), rows.max(0)
        z = (rows if active.sum() <= WIDE else some(rows)) - self.mean
        factors, self.rest = shrunk(z[:, active])
        self.factors = np.zeros((len(active), factors.shape[1]))  # W
        self.factors[active] = factors
        away = self._given(np.where(active, some(z), 0), np.zeros(len(n_of), dtype=bool))[1]
        self.limit = np.maximum(ODD, np.quantile(away, 1 - RARE, axis=0))

    def __call__(self, x):
        """Return what is expected of x, and how far columns are from that.

        Parameters
        ----------
        x : ndarray of shape (n, P)
            NaN if missing.

        Returns
        -------
        expected : ndarray of shape (n, P)
        away : ndarray of shape (n, d)
            In conditional standard deviations, 0 of a missing cell.
        """
        x, missing = x.astype(np.float64), np.isnan(x)
        z = np.where(missing | ~self.active, 0, x - self.mean)
        outside = (x < self.low - OUTSIDE) | (x > self.high + OUTSIDE)
        gone = self._columns(missing | outside & self.active)
        expected, away = np.empty_like(z), np.empty(gone.shape)
        again = np.arange(len(x))
        for _ in range(MOST_ODD + 1):
            patterns, which = np.unique(gone[again], axis=0, return_inverse=True)
            for i, pattern in enumerate(patterns):
                rows = again[which == i]
                expected[rows], away[rows] = self._given(z[rows], pattern)
            odd = np.where(gone[again], 0, away[again] / self.limit)
            worst = odd.argmax(1)
            is_odd = odd[np.arange(len(again)), worst] > 1
            again = again[is_odd]
            if not len(again):
                break
            gone[again, worst[is_odd]] = True
        away[self._columns(missing)] = 0
        expected = (self.mean + expected).clip(self.low, self.high)
        return np.where(self.active, expected, self.mean), away

    def _columns(self, cells):
        """Return which columns (n, d) have any of some cells (n, P)."""
        columns = np.zeros((len(cells), len(self.limit)), dtype=bool)
        row, place = np.nonzero(cells)
        columns[row, self.owner[place]] = True
        return columns

    def _given(self, z, gone):
        """Return what is expected of z (n, P) without columns (d,), and how far it is."""
        hidden, W = gone[self.owner], self.factors
        turn = np.zeros((W.shape[1], 0))  # inv(I - W_M' W_M) = I + turn turn'
        if hidden.any():
            _, s, directions = np.linalg.svd(W[hidden], full_matrices=False)
            turn = directions.T * (s / np.sqrt(1 - np.square(s)))
        turned = W @ turn
        t = np.where(hidden, 0, z) @ W
        fitted = t @ W.T + (t @ turn) @ turned.T
        slope = z - fitted  # rest (P z)_j
        known = np.square(W).sum(1) + np.square(turned).sum(1)
        precision = np.where(hidden, 1 / (1 + known), 1 - known)  # rest P_jj
        step = np.where(hidden, slope, slope / precision)
        square = np.square(step) * precision
        away = np.zeros((len(z), len(gone)))
        away[:, self.owner[self.numbers]] = square[:, self.numbers]
        for levels in self.categories:
            known = W[levels] @ W[levels].T + turned[levels] @ turned[levels].T
            if hidden[levels[0]]:
                precision = np.linalg.inv(np.eye(len(levels)) + known)
            else:
                precision = np.eye(len(levels)) - known
                step[:, levels] = np.linalg.solve(precision, slope[:, levels].T).T
            own = step[:, levels]
            away[:, self.owner[levels[0]]] = ((own @ precision) * own).sum(1)
        fitted[:, ~hidden] = z[:, ~hidden] - step[:, ~hidden]  # z may be infinite elsewhere
        return fitted, np.sqrt(np.maximum(away, 0) / self.rest)


def some(rows):
    """Return not too many of rows (n, P), from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(FEW, len(rows))).astype(int)]


def shrunk(z):
    """Return W (P, r) and t of the precision (I - W W') / t of centred rows z (n, P).

    The covariance is shrunk towards a multiple of I by what Ledoit and Wolf estimate, in
    the smaller of the two spaces.
    """
    n, p = z.shape
    if n <= p:
        values, vectors = np.linalg.eigh(z @ z.T / n)
    else:
        values, vectors = np.linalg.eigh(z.T @ z / n)
    values = values.clip(0)
    if values.sum() == 0:
        return np.zeros((p, 0)), 1.0
    mean, squares = values.sum() / p, np.square(values).sum()
    delta = squares - p * mean**2
    beta = (np.square(np.square(z).sum(1)).sum() / n - squares) / n
    share = np.clip(beta / delta, LEAST_SHRINKAGE, 1) if delta > 0 else 1.0
    rest = share * mean
    of_all = (1 - share) / ((1 - share) * values + rest)
    if n <= p:  # unit vectors times the root of their value
        return z.T @ vectors * np.sqrt(of_all / n), rest
    return vectors * np.sqrt(of_all * values), rest
