"""Arrays and sparse matrices with missing cells, and by what these are marked."""

from numbers import Real

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils._missing import is_scalar_nan


def as_array(X):
    """Return an array, or a sparse matrix as one with NaN where nothing is stored."""
    if not sp.issparse(X):
        return X
    X = sp.csr_array(X)
    if not X.has_canonical_format:  # cells that are stored twice are their sums
        X = X.copy()
        X.sum_duplicates()
    out = np.full(X.shape, np.nan, dtype=X.dtype)
    out[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices] = X.data
    return out


def is_nan(missing_values):
    """Tell whether missing cells are marked by NaN, and by what containers have for it."""
    return (
        missing_values is None or missing_values is pd.NA or is_scalar_nan(missing_values)
    )


def of_array(X, missing_values):
    """Return an array's or sparse matrix's numbers (n, d), and which are missing."""
    X = np.array(as_array(X), dtype=np.float64)
    if not is_nan(missing_values):
        if not isinstance(missing_values, Real):
            raise ValueError(
                f"missing_values={missing_values!r} is no number, and X holds numbers. "
                "Use numpy.nan, or pass a DataFrame."
            )
        X[missing_values == X] = np.nan
    return X, np.isnan(X)


def bounds_of(dtype):
    """Return the least and the greatest integer that a dtype holds."""
    if str(dtype).lower().split("[")[0] in ("bool", "boolean"):
        return 0, 1
    try:
        info = np.iinfo(str(dtype).lower().split("[")[0])
    except ValueError:
        return -np.inf, np.inf
    high = float(info.max)  # which may be the next larger one
    return info.min, np.nextafter(high, 0) if high > info.max else high
