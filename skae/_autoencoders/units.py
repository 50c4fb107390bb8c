"""Which units of its code a row has on, and by which of its columns.

n is the number of rows, k of units, d of columns.
"""

import numpy as np
import pandas as pd

from skae._data.rows import densify


def in_units(codes, rows, directions, names, labels, weights, n_units, n_features):
    """Return a row for each unit that is on in each row, the largest part first.

    Parameters
    ----------
    codes : ndarray of shape (n, k)
    rows : {ndarray, sparse matrix} of shape (n, d)
    directions : ndarray of shape (k, d)
    names : ndarray of shape (d,)
    labels : Index of shape (n,) or None
    weights : ndarray of shape (k,) or None
        Of each unit in a sum that is to be explained.
    n_units : int or None
    n_features : int
    """
    index, found = [], []
    labels = pd.RangeIndex(len(codes)) if labels is None else labels
    for i, (label, code) in enumerate(zip(labels, codes.astype(np.float64), strict=True)):
        has = np.flatnonzero(np.nan_to_num(densify(rows[[i]]).ravel()))
        part = code if weights is None else code * weights
        on = np.flatnonzero(part)
        on = on[np.argsort(-np.abs(part[on]), kind="stable")][:n_units]
        for rank, unit in enumerate(on.tolist(), 1):
            added = code[unit] * directions[unit, has]
            most = np.argsort(-added, kind="stable")[:n_features]
            most = has[most[added[most] > 0]]
            index.append((label, rank))
            found.append((unit, code[unit], part[unit], ", ".join(map(str, names[most]))))
    index = pd.MultiIndex.from_tuples(index or [], names=["row", "rank"])
    table = pd.DataFrame(found, index, columns=["unit", "code", "contribution", "features"])
    return table.drop(columns="contribution") if weights is None else table
