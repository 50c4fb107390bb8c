"""Columns that were constant in training, and values of them that are not that."""

import numpy as np

from skae._data.rows import blocks

MOVED = 20.0  # deviations: as the farthest that a cell of another column can be
ROUNDING = 1e-5  # of a constant: what float32 and other units may do to it


class Constants:
    """How far cells are from what their columns always were, in deviations.

    A column that never varied has no deviation of its own: a cell that has moved by
    anything counts `MOVED` of them, as does a second value of a category of one. What is
    within rounding of a constant is that. A column without any value has moved where there
    is one.

    Parameters
    ----------
    likelihood : LikelihoodModule
    reference : ndarray or CSR matrix of shape (n, d)
        Rows of training.

    Attributes
    ----------
    at : ndarray
        The columns.
    empty : ndarray
        Those of them without any value.
    """

    def __init__(self, likelihood, reference):
        active = likelihood.active
        self.at = np.flatnonzero(~active & (likelihood.scale == 0))
        self.value = likelihood.location[self.at]
        unit = likelihood.scale[active].min() if active.any() else 0.0
        self.near = ROUNDING * np.maximum(np.abs(self.value), ROUNDING * unit)
        self.never = np.ones(len(self.at), dtype=bool)
        for _, block in blocks(reference):
            self.never &= np.isnan(block[:, self.at]).all(0)
        self.empty = self.at[self.never]
        self.of_one = np.zeros(0, dtype=int)
        if likelihood.categories is not None:
            few = [j for j in likelihood.categories if likelihood.n_levels[j] < 2]
            self.of_one = np.array(few, dtype=int)

    def away(self, X):
        """Return by how many deviations cells of rows X have moved; (n, d).

        A category's value that no row of training had is infinite.
        """
        away = np.zeros(X.shape)
        x = X[:, self.at].astype(np.float64)
        with np.errstate(over="ignore"):
            move = np.abs(x - self.value) / np.maximum(self.near, np.finfo(float).tiny)
        share = ((move - 1) / 9).clip(0, 1)  # not at once, lest the last bit decides
        share[:, self.never] = 1
        away[:, self.at] = MOVED * np.where(np.isnan(x), 0, share)
        away[:, self.of_one] = MOVED * np.isinf(X[:, self.of_one])
        return away
