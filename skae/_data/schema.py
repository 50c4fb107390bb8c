"""What `fit` learns of a table's columns, by which others are read as numbers.

n is the number of rows, d the columns. A table's numbers are an (n, d) float64 array,
NaN where a cell is missing: numbers as they are, categories as codes.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np

from skae._data.frames import Table, frame_like, without_rows
from skae._data.refusals import DATES

KINDS = ("number", "integer", "category", "passthrough")


class Column(NamedTuple):
    """What `fit` learns of a column."""

    name: object
    kind: str  # one of KINDS
    levels: object = None  # list of a category's values, in their order
    low: float = -np.inf  # of what is put in
    high: float = np.inf
    is_empty: bool = False  # without any value in training
    dtype: object = None  # in training


class Coded(NamedTuple):
    """Rows as numbers."""

    codes: np.ndarray  # (n, d), NaN where nothing is known
    missing: np.ndarray  # (n, d) bool: not a category's value that training has not seen
    source: object  # the `Table`, the array or the sparse matrix


def learn_columns(table, asked, can_pass=True):
    """Return the columns of a table in training, told by their types and `asked`.

    Parameters
    ----------
    table : Table
    asked : dict
        By name: one of KINDS, or (low, high), or (kind, low, high).
    can_pass : bool, default=True
        Whether an error may advise that columns be passed through.
    """
    names = [series.name for series in table.series]
    kinds = parse(asked, names)
    columns, refused = [], []
    for name, series in zip(names, table.series, strict=True):
        kind, low, high = kinds.get(name, (None, -np.inf, np.inf))
        kind = kind or series.kind
        if kind not in KINDS or (kind in ("number", "integer") and not series.is_number):
            refused.append(f"{name!r} ({series.dtype})")
            continue
        seen = ~series.missing
        levels = None
        if kind == "category":
            levels = series.levels
            if levels is None:
                levels = _levels(series.values[seen], name)
                if series.kind == "integer":
                    levels = [int(v) for v in levels]
        elif kind != "passthrough":
            infinite = np.isinf(series.values[seen])
            if infinite.any():
                raise ValueError(
                    f"X: column {name!r} holds infinity. Replace it, for instance by "
                    "numpy.nan."
                )
        if kind == "integer":
            least, most = bounds_of(series.dtype)
            low, high = max(low, least), min(high, most)
        check_bounds(name, kind, low, high)
        columns.append(Column(name, kind, levels, low, high, not seen.any(), series.dtype))
    if refused:
        ways = "or drop them."
        if can_pass:
            first = refused[0].split(" (")[0]
            ways = f"drop them, or have them passed through: columns={{{first}: " + (
                "'passthrough'}."
            )
        raise ValueError(
            f"X: neither numbers nor categories in column {', '.join(refused)}. {DATES}, "
            f"{ways}"
        )
    return columns


def check_bounds(name, kind, low, high):
    """Raise a ``ValueError`` if no integer lies within the bounds of integers."""
    if kind == "integer" and np.ceil(low) > np.floor(high):
        raise ValueError(
            f"columns: there is no integer in the bounds ({low}, {high}) of {name!r}, "
            "those of its dtype included."
        )


def _levels(values, name):
    """Return the different values of a category, sorted where that can be done."""
    try:
        levels = list(dict.fromkeys(values.tolist()))
    except TypeError as error:
        raise ValueError(
            f"X: column {name!r} holds values that cannot be told apart ({error}). "
            "Convert them to strings or numbers."
        ) from error
    try:
        return sorted(levels)
    except TypeError:
        return sorted(levels, key=lambda value: (type(value).__name__, str(value)))


def parse(asked, names):
    """Return {name: (kind or None, low, high)} from the parameter `columns`."""
    parsed = {}
    for name, value in (asked or {}).items():
        if name not in names:
            raise ValueError(
                f"columns: there is no column {name!r} in X. Its columns are {names[:20]}."
            )
        parts = value if isinstance(value, tuple) else (value,)
        kind = None
        if parts and isinstance(parts[0], str):
            kind, parts = parts[0], parts[1:]
        bounds = parts or (None, None)
        if (
            (kind is not None and kind not in KINDS)
            or len(bounds) != 2
            or not all(b is None or isinstance(b, Real) for b in bounds)
        ):
            raise ValueError(
                f"columns: {name!r} must be one of {KINDS}, (low, high) or (kind, low, "
                f"high), where a bound may be None. Got {value!r}."
            )
        low, high = bounds
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        if low > high:
            raise ValueError(f"columns: {name!r} has bounds the wrong way: {value!r}.")
        parsed[name] = kind, low, high
    return parsed


def codes_of(table, columns):
    """Return a table as numbers, by what training learnt of its columns."""
    n = len(table.frame)
    X = np.full((n, len(columns)), np.nan)
    missing = np.zeros((n, len(columns)), dtype=bool)
    for j, (column, series) in enumerate(zip(columns, table.series, strict=True)):
        if column.kind == "passthrough":
            continue
        missing[:, j], seen = series.missing, ~series.missing
        if column.kind == "category":
            code = {level: i for i, level in enumerate(column.levels)}
            X[seen, j] = [code.get(v, np.nan) for v in series.values[seen].tolist()]
        elif seen.any():
            if not series.is_number:
                raise ValueError(
                    f"X: column {column.name!r} held numbers in fit, and is now "
                    f"{series.dtype}. Convert it."
                )
            X[seen, j] = series.values[seen]
            if np.isinf(X[:, j]).any():
                raise ValueError(
                    f"X: column {column.name!r} holds infinity. Replace it, for "
                    "instance by numpy.nan."
                )
    return Coded(X, missing, table)


def cells_of(column, values):
    """Return what is put into a column's missing cells, from numbers."""
    if column.kind == "category":
        return [column.levels[int(code)] for code in values]
    low, high = column.low, column.high
    if column.kind == "integer":
        return [int(v) for v in np.clip(np.rint(values), np.ceil(low), np.floor(high))]
    return np.clip(values, low, high)


def _with_gaps(column, values):
    """Return a column's values for numbers (n,), None where these are NaN."""
    gone = np.isnan(values)
    if column.is_empty or gone.all():
        return [None] * len(values)
    if not gone.any():
        return cells_of(column, values)
    cells = np.full(len(values), None)
    cells[~gone] = cells_of(column, values[~gone])
    return list(cells)


def bounds_of(dtype):
    """Return the least and the greatest integer that a dtype holds."""
    try:
        info = np.iinfo(str(dtype).lower().split("[")[0])
    except ValueError:
        return -np.inf, np.inf
    high = float(info.max)  # which may be the next larger one
    return info.min, np.nextafter(high, 0) if high > info.max else high


class Schema(NamedTuple):
    """A frame's columns, as which numbers become a frame again."""

    columns: list  # of Column
    empty: object  # the frame without rows: its container and names

    @classmethod
    def of(cls, columns, table):
        """Return the schema of a table whose columns have been learnt."""
        return cls(columns, without_rows(table.frame))

    def cells(self, codes):
        """Return the columns' values for numbers (n, d): an array or a list for each."""
        parts = zip(self.columns, codes.T, strict=True)
        return [_with_gaps(column, values) for column, values in parts]

    def labels(self, codes):
        """Return the columns' values for numbers (n, d) as one array (n, d)."""
        return np.array([list(values) for values in self.cells(codes)], dtype=object).T

    def values(self, X):
        """Return a frame's own values (n, d), None where they are missing."""
        return np.stack(
            [
                np.where(series.missing, None, series.values.astype(object))
                for series in Table.read(X).series
            ],
            axis=1,
        )

    def frame(self, codes, index=None):
        """Return numbers (n, d) as a frame like the one that `fit` saw."""
        dtypes = [column.dtype for column in self.columns]
        return frame_like(self.empty, dtypes, self.cells(codes), index)

    def filled(self, X, codes, gone):
        """Return the frame X with numbers (n, d) in the cells of `gone` (n, d)."""
        table = Table.read(X)
        series = [s._replace(missing=gone[:, j]) for j, s in enumerate(table.series)]
        values = [
            list(np.asarray(cells, dtype=object)[gone[:, j]])
            for j, cells in enumerate(self.cells(codes))
        ]
        dtypes = [column.dtype for column in self.columns]
        keep = np.ones(len(series), dtype=bool)
        return table._replace(series=series).put(values, keep, dtypes)
