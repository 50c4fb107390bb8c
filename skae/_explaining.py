"""Why a row is abnormal: what each of its columns adds to that."""

import numpy as np
from sklearn.covariance import LedoitWolf

from skae._rows import BLOCK_BYTES


class Expectation:
    """A column's expected value given the others: that of a normal distribution.

    E[x_j | x_-j] = m_j - sum_{i != j} P_ji (x_i - m_i) / P_jj, where P is the inverse
    of the standardised reference rows' covariance; never beyond the rows' own range.
    """

    def __init__(self, rows, active):
        self.mean, self.active = rows.mean(0, dtype=np.float64), active
        self.low, self.high = rows.min(0), rows.max(0)
        self.precision = np.eye(rows.shape[1])
        if active.any():
            precision = LedoitWolf().fit(rows[:, active]).get_precision()
            self.precision[np.ix_(active, active)] = precision

    def __call__(self, x):
        """Return what is expected in place of each cell of x (n, d), standardised."""
        x = x.astype(np.float64)
        step = (x - self.mean) @ self.precision / np.diag(self.precision)
        return np.where(self.active, (x - step).clip(self.low, self.high), x)


def contributions(abnormality, X, expected):
    """Return each column's share of the rows' abnormality; (n, d), rows sum to 1.

    It is how much less abnormal the row is with what is expected in the column's
    place, or 0 if it is not.
    """
    n, d = X.shape
    whole, shares = abnormality(X), np.empty((n, d))
    of_rows = getattr(abnormality.likelihood.likelihood, "is_of_rows", False)
    at_a_time = max(1, BLOCK_BYTES // (8 * d * d))
    column = np.arange(d)
    for start in range(0, n, at_a_time):
        rows = slice(start, start + at_a_time)
        replaced = np.repeat(X[rows, None], d, axis=1)  # (rows, d, d)
        replaced[:, column, column] = expected[rows]
        if of_rows:  # what is put in leaves the others their proportions
            replaced /= np.maximum(replaced.sum(2, keepdims=True), 1e-12)
        without = abnormality(replaced.reshape(-1, d)).reshape(-1, d)
        shares[rows] = normalized(whole[rows, None] - without)
    return shares


def normalized(parts):
    """Return non-negative parts (n, d) of 1: all alike where there are none."""
    parts = np.maximum(parts, 0)
    total = parts.sum(1, keepdims=True)
    return np.divide(parts, total, out=np.full(parts.shape, 1 / parts.shape[1]),
                     where=total > 0)  # fmt: skip
