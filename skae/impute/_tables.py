"""What an imputer reads and gives back.

n is the number of rows, d the columns, r the rows with cells to fill, u the columns that
are learnt from.
"""

import numpy as np

from skae._data.frames import Table, as_array, is_nan, of_array
from skae._data.refusals import FRAME, check_columns, validated
from skae._data.schema import Coded, Column, bounds_of, cells_of, check_bounds, parse


def read_array(owner, X, columns, ensure_min_samples, missing_values, asked):
    """Return an array or sparse matrix as `read_frame` returns a frame."""
    check_columns(X, reads_tables=True)
    remedies = {
        "contains infinity": "Replace such cells by numpy.nan, to have them filled.",
        "contains NaN": (
            f"Replace it by missing_values={missing_values!r} first, or use "
            "missing_values=numpy.nan."
        ),
        "could not convert": FRAME,
        "float() argument": FRAME,
    }
    X = validated(
        owner,
        X,
        remedies,
        reset=columns is None,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan" if is_nan(missing_values) else True,
        ensure_min_samples=ensure_min_samples,
    )
    codes, missing = of_array(X, missing_values)
    if columns is None:
        columns = columns_of(codes, asked)
    for j, column in enumerate(columns):
        if column.kind == "passthrough":
            codes[:, j], missing[:, j] = np.nan, False
        elif column.kind == "category":
            codes[:, j] = _codes(codes[:, j], column.levels)
    return Coded(codes, missing, X), columns


def columns_of(X, asked):
    """Return the columns of an array in training, as `learn_columns` those of a table."""
    asked, columns = parse(asked, list(range(X.shape[1]))), []
    for j in range(X.shape[1]):
        kind, low, high = asked.get(j, ("number", -np.inf, np.inf))
        seen = X[:, j][~np.isnan(X[:, j])]
        levels = np.unique(seen).tolist() if kind == "category" else None
        if kind == "time":
            raise ValueError(f"columns: {j} is a number in an array. {FRAME}")
        check_bounds(j, kind, low, high)
        columns.append(Column(j, kind or "number", levels, low, high, not len(seen)))
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
    out = as_array(read.source).astype(read.source.dtype)
    for j, values in enumerate(filled):
        if values is not None:
            out[read.missing[:, j], j] = values
    return out[:, kept]


def _as_given(read, j, column):
    """Return a column of numbers as one of integers where these rows hold nothing else."""
    if not isinstance(read.source, Table) or column.kind != "number":
        return column
    series = read.source.series[j]
    if series.kind != "integer" or series.missing.all():
        return column
    low, high = bounds_of(series.dtype)
    return column._replace(
        kind="integer", low=max(low, column.low), high=min(high, column.high)
    )
