"""Why a row is abnormal: what each of its columns adds to that."""

import numpy as np
import pandas as pd

from skae._data.rows import BLOCK_BYTES


def contributions(abnormality, X, expected):
    """Return each column's share of the rows' abnormality; (n, d), rows sum to 1.

    It is how much less abnormal the row is with what is expected in the column's
    place, or 0 if it is not or if the cell is missing.
    """
    expected = np.where(np.isnan(X), np.nan, expected)
    X = X.astype(np.float64)
    n, d = X.shape
    whole, shares = abnormality(X), np.empty((n, d))
    of_rows = abnormality.likelihood.is_of_rows
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


def heat_map(members, inverse_scale, X):
    """Return each pixel's share of the squared residuals of the members; (n, d)."""
    total = 0.0
    for member in members:
        residual = X - member.reconstruct(X).reshape(X.shape)
        total = total + np.square(residual * inverse_scale)
    return normalized(total)


def ranked(shares, observed, expected, top):
    """Return the columns of the largest shares (n, d), a DataFrame, row by row."""
    order = np.argsort(-shares.to_numpy(), axis=1, kind="stable")[:, :top]
    parts = {
        "feature": np.asarray(shares.columns)[order],
        "contribution": np.take_along_axis(shares.to_numpy(), order, 1),
        "observed": np.take_along_axis(observed, order, 1),
        "expected": np.take_along_axis(expected, order, 1),
    }
    ranks = np.arange(1, order.shape[1] + 1)
    index = pd.MultiIndex.from_product([shares.index, ranks], names=["row", "rank"])
    return pd.DataFrame({k: v.ravel() for k, v in parts.items()}, index=index)
