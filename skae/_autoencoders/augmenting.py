"""Rows that vary those that there are.

n is the number of rows, m of new ones, d of columns, k of components of the code.
"""

from numbers import Real

import numpy as np
from scipy.sparse import issparse

from skae._data.checks import check_count
from skae._data.ranks import ColumnMap, most_knots
from skae._data.rows import densify

LOOKED_AT = 2**20  # values of pictures, that say which values pixels may have


def check_augment(n_samples, strength, most=np.inf):
    """Raise a ``ValueError`` if arguments of `augment` cannot be."""
    check_count("n_samples", n_samples)
    is_number = isinstance(strength, Real) and not isinstance(strength, bool)
    if not is_number or not 0 <= strength <= most or np.isinf(strength):
        among = "a number of at least 0" if np.isinf(most) else f"in [0, {most}]"
        raise ValueError(f"strength must be {among}. Got {strength!r}.")


def moved(codes, index, strength, random_state):
    """Return codes (n, k) of `index` (m,), each a random step away; (m, k).

    Steps are normal with the covariance of the codes, and as long as the rule of thumb has
    it for a kernel density of n points in k dimensions (Silverman, 1986), times `strength`.
    """
    codes = np.asarray(codes, dtype=np.float64)
    n, k = codes.shape
    _, scale, axes = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    root = (axes.T * scale) @ axes / np.sqrt(max(n - 1, 1))  # whatever the axes' signs
    width = strength * (4 / ((k + 2) * n)) ** (1 / (k + 4))
    return codes[index] + width * random_state.standard_normal((len(index), k)) @ root


def varied(rows, before, after, categories):
    """Return rows (m, d), changed as their reconstructions change from `before` to `after`.

    Numbers move as far, a category becomes another where its reconstruction does, and a
    missing cell stays missing.
    """
    change = after - before
    out = rows + change
    kept = ~np.isnan(rows[:, categories]) & (change[:, categories] != 0)
    out[:, categories] = np.where(kept, after[:, categories], rows[:, categories])
    return out


def possible(new, among, spread, categories, shape):
    """Return rows (m, d) with the values nearest to theirs that could have been there.

    Pixels of pictures share the values that they may have.

    Parameters
    ----------
    new : ndarray of shape (m, d)
    among : {ndarray, sparse matrix} of shape (n, d)
        The rows in which values were.
    spread : ndarray of shape (d,)
        Of the columns' bodies.
    categories : sequence of int
        Columns that are left as they are.
    shape : tuple of int
        Of a row.
    """
    if len(shape) > 1:
        values = np.ravel(densify(among))
        ends = values.min(), values.max()
        values = np.r_[values[:: -(-len(values) // LOOKED_AT)], ends]
        return ColumnMap.learn(values, values.std()).nearest(new)
    by_column = among.tocsc() if issparse(among) else among
    knots = most_knots(among.shape[1])
    for j in sorted({*range(among.shape[1])} - {*categories}):
        values = np.ravel(densify(by_column[:, [j]]))
        values, there = values[~np.isnan(values)], ~np.isnan(new[:, j])
        if len(values):
            column = ColumnMap.learn(values, spread[j], knots)
            new[there, j] = column.nearest(new[there, j])
    return new
