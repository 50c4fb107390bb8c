"""Columns chosen greedily, by a linear model.

n is the number of rows, d the columns, k of them chosen.
"""

import numpy as np
from sklearn.linear_model import RidgeCV

from skae._codes.columns import RIDGES

NEGLIGIBLE = 1e-8  # of the largest column's sum of squares: nothing is left to explain by
GREEDY_RIDGES = 0.0, 1.0, 3.0, 10.0  # of a greedy choice, in mean variances of a column
FOLDS = 5  # that choose one of them
LARGEST = 2**22  # k times d: above, there is neither that choice nor a search


def best_ridge(x, k):
    """Return the ridge with which k greedy columns rebuild rows left out best."""
    if len(x) < 2 * FOLDS or k * x.shape[1] > LARGEST:
        return GREEDY_RIDGES[0]
    fold, errors = np.arange(len(x)) % FOLDS, np.zeros(len(GREEDY_RIDGES))
    for i in range(FOLDS):
        rows, left_out = x[fold != i], x[fold == i]
        mean = rows.mean(0)
        for r, ridge in enumerate(GREEDY_RIDGES):
            columns = greedy_columns(rows - mean, k, ridge)[0]
            model = RidgeCV(RIDGES).fit(rows[:, columns], rows)
            errors[r] += np.square(left_out - model.predict(left_out[:, columns])).sum()
    return GREEDY_RIDGES[errors.argmin()]


def greedy_columns(x, k, ridge=0.0):
    """Return k columns, and what each adds to the variance that is explained.

    Each is the one from which, with those before, a linear model explains most of all
    columns. With E the residuals of x, it maximises f / (g + r), where f_j = |E' E_j|^2
    and g_j = |E_j|^2; both follow each choice in O(n d), as Farahat et al. (2011) have
    it. The ridge r takes a part of a column for noise, so that a few rows do not mislead.
    Where nothing is left to explain, it starts anew among the others.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Centred rows.
    k : int
    ridge : float, default=0.0
        In mean variances of a column.

    Returns
    -------
    columns : ndarray of shape (k,)
    gains : ndarray of shape (k,)
        Sums of squares; 0 where nothing was left.
    """
    if len(x) > x.shape[1]:
        x = np.linalg.qr(x, mode="r")
    all_squares = np.square(x).sum(0)
    ridge = ridge * all_squares.mean()
    least = max(NEGLIGIBLE * all_squares.max(), np.finfo(float).tiny)
    all_explained = (x @ x.T @ x * x).sum(0)
    f, g, is_anew = all_explained.copy(), all_squares.copy(), False
    free, columns, gains = np.ones(x.shape[1], dtype=bool), [], []
    steps, n_steps = np.empty((k, x.shape[1])), 0
    for _ in range(k):
        if not (free & (g > least)).any():
            f, g, n_steps, is_anew = all_explained.copy(), all_squares.copy(), 0, True
        left = free & (g > least)
        score = np.where(left, f / np.maximum(g + ridge, least), -1.0)
        j = int(np.where(free, score, -np.inf).argmax())
        columns.append(j)
        gains.append(0.0 if is_anew else score[j])
        free[j] = False
        if left[j]:
            before = steps[:n_steps]
            covariance = x.T @ x[:, j] - before.T @ before[:, j]
            step = covariance / np.sqrt(covariance[j] + ridge)
            ahead = x.T @ (x @ step) - before.T @ (before @ step)
            f -= 2 * step * ahead - (step @ step) * step**2
            g -= step**2
            steps[n_steps] = step
            n_steps += 1
    return np.array(columns), np.array(gains)
