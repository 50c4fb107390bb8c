"""Why a row is abnormal: what each of its columns adds to that."""

import numpy as np
import pandas as pd

from skae._data.rows import BLOCK_BYTES

MOST_COLUMNS = 500  # of a row that are tried, the oddest


def parts_of(abnormality, rows, labels, names):
    """Return what columns add to rows (n, d), a DataFrame, and what is expected there."""
    if abnormality.cells is not None:
        parts, expected = abnormality.cells.reasons(rows)
    else:
        expected, away = abnormality.expected(rows)
        parts = contributions(abnormality, rows, expected, away)
    return pd.DataFrame(parts, index=labels, columns=names), expected


def contributions(abnormality, X, expected, away):
    """Return how much less abnormal rows X (n, d) are with what is expected of a cell.

    That is 0 if they are not, if the cell is missing, or if `MOST_COLUMNS` others of the
    row are farther `away` (n, d) from what is expected of them.
    """
    X, d = X.astype(np.float64), X.shape[1]
    whole, parts = abnormality(X), np.zeros(X.shape)
    oddest = np.argsort(-away, axis=1, kind="stable")[:, :MOST_COLUMNS]
    tried = np.zeros(X.shape, dtype=bool)
    np.put_along_axis(tried, oddest, True, axis=1)
    row, column = np.nonzero(tried & ~np.isnan(X))
    at_a_time = max(1, BLOCK_BYTES // (8 * d))
    for start in range(0, len(row), at_a_time):
        i, j = row[start : start + at_a_time], column[start : start + at_a_time]
        replaced = X[i]
        replaced[np.arange(len(i)), j] = expected[i, j]
        if abnormality.likelihood.is_of_rows:  # the others keep their proportions
            replaced /= np.maximum(replaced.sum(1, keepdims=True), 1e-12)
        parts[i, j] = whole[i] - abnormality(replaced)
    return np.maximum(parts, 0)


def normalized(parts):
    """Return non-negative parts (n, d) of 1: all alike where there are none."""
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


def ranked(parts, observed, expected, top):
    """Return the columns of the largest parts (n, d), a DataFrame, row by row.

    A column without a part is none of them.
    """
    rows, columns, parts = parts.index, parts.columns, parts.to_numpy()
    shares = normalized(parts)
    order = np.argsort(-parts, axis=1, kind="stable")[:, :top]
    row, rank = np.nonzero(np.take_along_axis(parts, order, 1) > 0)
    at = row, order[row, rank]
    labels = rows.to_flat_index()[row], rank + 1
    index = pd.MultiIndex.from_arrays(labels, names=["row", "rank"])
    return pd.DataFrame(
        {
            "feature": columns[at[1]],
            "contribution": shares[at],
            "observed": observed[at],
            "expected": expected[at],
        },
        index=index,
    )
