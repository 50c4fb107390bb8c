"""Tables of any container as numbers, and back: dtypes, names and order kept.

n is the number of rows, d the columns. A table's numbers are an (n, d) float64 array,
NaN where a cell is missing: numbers as they are, categories as codes.
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pandas.api import types
from sklearn.utils._missing import is_scalar_nan

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


def is_frame(X):
    """Tell whether X is a table with named and typed columns (pandas, polars)."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


class Series(NamedTuple):
    """A column's values as Python or numpy ones, and which of them are missing."""

    values: np.ndarray  # (n,)
    missing: np.ndarray  # (n,) bool
    kind: str  # one of KINDS, or the name of the dtype if it is none of them
    levels: list | None  # that the dtype declares


def _pandas_series(column, missing_values):
    dtype, missing = column.dtype, column.isna().to_numpy(dtype=bool)
    kind, levels = str(dtype), None
    if isinstance(dtype, pd.SparseDtype):
        raise ValueError("is sparse. Convert it by column.sparse.to_dense().")
    if isinstance(dtype, pd.CategoricalDtype):
        kind, levels = "category", list(dtype.categories)
        values = column.astype(object).to_numpy()
    elif types.is_bool_dtype(dtype):
        kind, values = "category", column.astype(object).to_numpy()
    elif types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        kind = "integer" if types.is_integer_dtype(dtype) else "number"
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    elif types.is_string_dtype(dtype) or types.is_object_dtype(dtype):
        kind, values = "category", column.astype(object).to_numpy()
        kind, values = _numbers_of_objects(kind, values, missing)
    else:
        values = np.empty(len(column), dtype=object)
    return _marked(Series(values, missing, kind, levels), missing_values)


def _numbers_of_objects(kind, values, missing):
    """Return Python numbers as such, where a column holds nothing else."""
    seen = values[~missing]
    if not len(seen) or not all(
        isinstance(v, Real) and not isinstance(v, bool | np.bool_) for v in seen
    ):
        return kind, values
    numbers = np.full(len(values), np.nan)
    numbers[~missing] = seen.astype(np.float64)
    is_integer = all(isinstance(v, Integral) for v in seen)
    return ("integer" if is_integer else "number"), numbers


def _polars_series(column, missing_values):
    dtype, missing = column.dtype, column.is_null().to_numpy().astype(bool)
    kind, levels = str(dtype), None
    if dtype.is_integer() or dtype.is_float():
        kind = "integer" if dtype.is_integer() else "number"
        values = column.cast(float).to_numpy().astype(np.float64)
        missing = missing | np.isnan(values)
    elif str(dtype).split("(")[0] in ("String", "Categorical", "Enum", "Boolean"):
        kind = "category"
        values = np.array(column.to_list(), dtype=object)
        if hasattr(dtype, "categories") and str(dtype).startswith("Enum"):
            levels = dtype.categories.to_list()
    else:
        values = np.empty(len(column), dtype=object)
    return _marked(Series(values, missing, kind, levels), missing_values)


def _marked(series, missing_values):
    """Return a series whose missing cells are those that equal `missing_values`."""
    if is_nan(missing_values):
        return series
    if series.missing.any():
        raise ValueError(
            f"holds missing cells other than missing_values={missing_values!r}. Replace "
            "them by it first, or use missing_values=numpy.nan."
        )
    number = isinstance(missing_values, Real) and not isinstance(missing_values, bool)
    if series.kind in ("integer", "number") and not number:
        return series
    equal = [type(v) is not bool and v == missing_values for v in series.values]
    return series._replace(missing=np.array(equal, dtype=bool))


class Table(NamedTuple):
    """A frame read column by column."""

    frame: object
    series: list

    @classmethod
    def read(cls, X, missing_values):
        """Return the table, or raise a ``ValueError`` that names the column."""
        columns = list(X.columns)
        read = _pandas_series if hasattr(X, "iloc") else _polars_series
        series = []
        for name in columns:
            try:
                series.append(read(X[name], missing_values))
            except ValueError as error:
                raise ValueError(f"X: column {name!r} {error}") from error
        return cls(X, series)

    def with_indicator(self, frame, names, gone):
        """Return a frame with the columns of `gone` (n, c) behind its own."""
        if not names:
            return frame
        if hasattr(frame, "iloc"):
            more = pd.DataFrame(gone, index=frame.index, columns=names)
            return pd.concat([frame, more], axis=1)
        import polars as pl

        return frame.with_columns([pl.Series(n, gone[:, i]) for i, n in enumerate(names)])

    def put(self, values, keep, columns):
        """Return the frame with values (a list of arrays or None) in missing cells.

        A column without a value has whatever dtype its container gave it: it gets that
        of training, and a category the levels that its dtype lacks.
        """
        frame = self.frame
        if hasattr(frame, "iloc"):
            out = {}
            for i in np.flatnonzero(keep):
                column, missing = frame.iloc[:, i], self.series[i].missing
                if values[i] is not None and missing.all():
                    array = pd.array(list(values[i]), dtype=columns[i].dtype)
                    column = pd.Series(array, index=frame.index)
                elif values[i] is not None and missing.any():
                    column = column.copy()
                    if isinstance(column.dtype, pd.CategoricalDtype):
                        more = [v for v in dict.fromkeys(values[i])
                                if v not in column.cat.categories]  # fmt: skip
                        column = column.cat.add_categories(more)
                    column.iloc[np.flatnonzero(missing)] = pd.array(
                        list(values[i]), dtype=column.dtype
                    )
                out[frame.columns[i]] = column
            result = pd.DataFrame(out, index=frame.index, copy=True)
            result.columns = frame.columns[keep]
            return result
        import polars as pl

        result = []
        for i, new in enumerate(values):
            column, missing = frame[frame.columns[i]], self.series[i].missing
            if not keep[i]:
                continue
            if new is not None:
                cells, dtype = column.to_list(), column.dtype
                for place, value in zip(np.flatnonzero(missing), new, strict=True):
                    cells[place] = value
                if missing.all():
                    dtype = columns[i].dtype
                elif isinstance(dtype, pl.Enum):
                    levels = dtype.categories.to_list()
                    more = [v for v in dict.fromkeys(new) if v not in levels]
                    dtype = pl.Enum(levels + more)
                column = pl.Series(column.name, cells, dtype=dtype)
            result.append(column)
        return pl.DataFrame(result)


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
    names = list(table.frame.columns)
    kinds = parse(asked, names)
    columns, refused = [], []
    for name, series in zip(names, table.series, strict=True):
        kind, low, high = kinds.get(name, (None, -np.inf, np.inf))
        kind = kind or series.kind
        if kind not in KINDS or (kind in ("number", "integer") and _is_not_number(series)):
            refused.append(f"{name!r} ({_dtype(table.frame, name)})")
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
        dtype = _dtype(table.frame, name)
        if kind == "integer":
            least, most = bounds_of(dtype)
            low, high = max(low, least), min(high, most)
        check_bounds(name, kind, low, high)
        columns.append(Column(name, kind, levels, low, high, not seen.any(), dtype))
    if refused:
        ways = "or drop them."
        if can_pass:
            first = refused[0].split(" (")[0]
            ways = f"drop them, or have them passed through: columns={{{first}: " + (
                "'passthrough'}."
            )
        raise ValueError(
            f"X: neither numbers nor categories in column {', '.join(refused)}. Convert "
            f"such columns (dates to days since a first one), {ways}"
        )
    return columns


def check_bounds(name, kind, low, high):
    """Raise a ``ValueError`` if no integer lies within the bounds of integers."""
    if kind == "integer" and np.ceil(low) > np.floor(high):
        raise ValueError(
            f"columns: there is no integer in the bounds ({low}, {high}) of {name!r}, "
            "those of its dtype included."
        )


def _is_not_number(series):
    return series.kind not in ("number", "integer")


def _dtype(frame, name):
    return frame[name].dtype


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
    """Return a table's numbers (n, d) and which of its cells are missing.

    A category's value that training has not seen is NaN, yet not missing.
    """
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
            if _is_not_number(series):
                raise ValueError(
                    f"X: column {column.name!r} held numbers in fit, and is now "
                    f"{_dtype(table.frame, column.name)}. Convert it."
                )
            X[seen, j] = series.values[seen]
            if np.isinf(X[:, j]).any():
                raise ValueError(
                    f"X: column {column.name!r} holds infinity. Replace it, for "
                    "instance by numpy.nan."
                )
    return X, missing


def cells_of(column, values):
    """Return what is put into a column's missing cells, from numbers."""
    if column.kind == "category":
        return [column.levels[int(code)] for code in values]
    low, high = column.low, column.high
    if column.kind == "integer":
        return [int(v) for v in np.clip(np.rint(values), np.ceil(low), np.floor(high))]
    return np.clip(values, low, high)


def as_array(X):
    """Return an array, or a sparse matrix as one with NaN where nothing is stored."""
    if not sp.issparse(X):
        return X
    X = sp.csr_array(X)
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
    try:
        info = np.iinfo(str(dtype).lower().split("[")[0])
    except ValueError:
        return -np.inf, np.inf
    high = float(info.max)  # which may be the next larger one
    return info.min, np.nextafter(high, 0) if high > info.max else high
