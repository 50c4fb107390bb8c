"""What an imputer reads and gives back.

n is the number of rows, d the columns, r the rows with cells to fill, u the columns that
are learnt from.
"""

from numbers import Real

import numpy as np

from skae._data.arrays import as_array, bounds_of, of_array
from skae._data.frames import Table
from skae._data.refusals import FRAME, check_columns, validated, without_na
from skae._data.schema import Coded, Column, cells_of, check_bounds, parse

INDICATOR = "missingindicator_"  # as scikit-learn calls such columns


def read_array(owner, X, columns, ensure_min_samples, missing_values, asked):
    """Return an array or sparse matrix as `read_frame` returns a frame."""
    check_columns(X, reads_tables=True)
    of_texts = [c.name for c in columns or () if _is_of_others(c)]
    if of_texts:
        raise ValueError(
            f"X is no DataFrame, and fit saw one with categories in columns {of_texts}. "
            "Pass a DataFrame with the same columns."
        )
    remedies = {
        "contains infinity": "Replace such cells by numpy.nan, to have them filled.",
        "could not convert": FRAME,
        "float() argument": FRAME,
    }
    X = without_na(X)
    if isinstance(missing_values, str) and isinstance(X, np.ndarray):
        if X.dtype.kind in "OU":
            X = np.where(missing_values == X, np.nan, X.astype(object))
            missing_values = np.nan
    given, is_kept = X, isinstance(X, np.ndarray) and X.dtype.kind in "biuf"
    X = validated(
        owner,
        X,
        remedies,
        reset=columns is None,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_samples=ensure_min_samples,
    )
    codes, missing = of_array(X, missing_values)
    if columns is None:
        columns = columns_of(codes, asked, given.dtype if is_kept else X.dtype)
    for j, column in enumerate(columns):
        if column.kind == "passthrough":
            codes[:, j], missing[:, j] = np.nan, False
        elif column.kind == "category":
            codes[:, j] = _codes(codes[:, j], column.levels)
    return Coded(codes, missing, given if is_kept else X), columns


def _is_of_others(column):
    """Tell whether a column is a category of other values than numbers."""
    return column.kind == "category" and not all(
        isinstance(level, Real) for level in column.levels
    )


def columns_of(X, asked, dtype):
    """Return the columns of an array in training, as `learn_columns` those of a table.

    X (n, d) are its numbers; `dtype` is what it came in.
    """
    asked, columns = parse(asked, list(range(X.shape[1]))), []
    least, most = bounds_of(dtype)
    for j in range(X.shape[1]):
        kind, low, high = asked.get(j, (None, -np.inf, np.inf))
        kind = kind or ("integer" if dtype.kind in "biu" else "number")
        if kind == "integer":
            low, high = max(low, least), min(high, most)
        seen = X[:, j][~np.isnan(X[:, j])]
        levels = np.unique(seen).tolist() if kind == "category" else None
        if kind == "time":
            raise ValueError(f"columns: {j} is a number in an array. {FRAME}")
        check_bounds(j, kind, low, high)
        columns.append(Column(j, kind, levels, low, high, not len(seen)))
    return columns


def _codes(values, levels):
    """Return the codes of an array's values, NaN for those that are no level."""
    levels = np.asarray(levels)
    code = np.searchsorted(levels, values).clip(max=max(0, len(levels) - 1))
    known = levels[code] == values if len(levels) else np.zeros(len(values), bool)
    return np.where(known, code, np.nan)


def completed(read, columns, used, kept, rows, numbers):
    """Return a table, array or sparse matrix (`Coded`) with its missing cells filled.

    Parameters
    ----------
    read : Coded
    columns : list of Column
    used : ndarray of shape (u,)
        The columns that are learnt from.
    kept : ndarray of shape (d,), dtype bool
        Those that come back.
    rows : ndarray of shape (r,)
    numbers : ndarray of shape (r, u)
        What is put into cells of these rows.
    """
    place = {j: i for i, j in enumerate(used)}
    filled = [None] * len(columns)
    for j in np.flatnonzero(read.missing.any(0) & kept):
        gone, column = read.missing[:, j], _as_given(read, j, columns[j])
        if j in place:
            filled[j] = cells_of(column, numbers[gone[rows], place[j]])
        elif column.kind != "time" and (column.kind != "category" or column.levels):
            filled[j] = cells_of(column, np.zeros(gone.sum()))
    if isinstance(read.source, Table):
        return read.source.put(filled, kept, [column.dtype for column in columns])
    out = as_array(read.source).copy()
    for j, values in enumerate(filled):
        if values is not None:
            out[read.missing[:, j], j] = values
    return out[:, kept]


def check_indicator(names, features):
    """Raise a ``ValueError`` if an indicator would be called as a column is."""
    both = set(names.tolist()) & set(indicator_names(names, features).tolist())
    if both:
        raise ValueError(
            f"add_indicator: columns {sorted(both, key=str)} are in X already. Rename "
            "them, or use add_indicator=False."
        )


def indicator_names(names, features):
    """Return what columns that say where some features' cells are missing are called."""
    called = [
        (f"{INDICATOR}{name[0]}", *name[1:])
        if isinstance(name, tuple)
        else f"{INDICATOR}{name}"
        for name in names[features]
    ]
    return np.fromiter(called, dtype=object, count=len(called))


def _as_given(read, j, column):
    """Return a column of numbers as one of integers where these rows hold nothing else."""
    if column.kind != "number":
        return column
    if isinstance(read.source, Table):
        series = read.source.series[j].flags_as_numbers()
        dtype = series.dtype
        if series.kind != "integer" or series.missing.all():
            return column
        low, high = (0, 1) if read.source.series[j].kind != "integer" else bounds_of(dtype)
    elif read.source.dtype.kind in "biu":
        low, high = bounds_of(read.source.dtype)
    else:
        return column
    return column._replace(
        kind="integer", low=max(low, column.low), high=min(high, column.high)
    )


def shown_of(column, values):
    """Return what is said of a column's missing cells (n, c), from numbers (n, c).

    Numbers are within bounds, but not rounded; times are such.
    """
    if column.kind != "time":
        return values.clip(column.low, column.high)
    shown = np.empty(values.shape, dtype=object)
    for place, of_place in enumerate(values.T):
        shown[:, place] = cells_of(column, of_place)
    return shown
