"""What a value should be, given the others of its row."""

import numpy as np
from sklearn.covariance import LedoitWolf


class Expectation:
    """A column's expected value given the others: that of a normal distribution.

    E[x_j | x_-j] = m_j - sum_{i != j} P_ji (x_i - m_i) / P_jj, where P is the inverse
    of the standardised reference rows' covariance; never beyond the rows' own range.
    A category's levels are a column together: P_jj is then a matrix.

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
        self.mean, self.active = rows.mean(0, dtype=np.float64), active
        levels = [
            np.flatnonzero(owner == j) for j in np.flatnonzero(np.bincount(owner) > 1)
        ]
        self.categories = levels
        self.low, self.high = rows.min(0), rows.max(0)
        self.precision = np.eye(rows.shape[1])
        if active.any():
            precision = LedoitWolf().fit(rows[:, active]).get_precision()
            self.precision[np.ix_(active, active)] = precision

    def __call__(self, x):
        """Return what is expected in place of each number of x (n, P), NaN if missing."""
        x = np.where(np.isnan(x), self.mean, x.astype(np.float64))
        slope = (x - self.mean) @ self.precision
        step = slope / np.diag(self.precision)
        for levels in self.categories:
            own = self.precision[np.ix_(levels, levels)]
            step[:, levels] = np.linalg.solve(own, slope[:, levels].T).T
        return np.where(self.active, (x - step).clip(self.low, self.high), x)
