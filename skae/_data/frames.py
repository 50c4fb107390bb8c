"""Tables of any container: read column by column, and built again.

The one place that knows containers. narwhals reads them all; what pandas alone has
(labels of rows, nullable dtypes, levels that are no strings) is written by pandas.

n is the number of rows, d the columns.
"""

from copy import deepcopy
from numbers import Integral, Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils._missing import is_scalar_nan

CATEGORIES = nw.String, nw.Categorical, nw.Enum, nw.Boolean
OBJECT = np.dtype(object)  # of pandas, for columns of strings or of anything


def is_frame(X):
    """Tell whether X is a table with named and typed columns (pandas, polars, pyarrow)."""
    return nw.dependencies.is_into_dataframe(X)


def is_lazy(X):
    """Tell whether X is a table that is yet to be computed."""
    return nw.dependencies.is_polars_lazyframe(X)


def row_labels(X):
    """Return the labels of a table's rows, None where they have none."""
    return X.index if nw.dependencies.is_pandas_like_dataframe(X) else None


def check_names(X):
    """Raise a ``ValueError`` for a table whose columns cannot be told by their names."""
    if nw.dependencies.is_pandas_like_dataframe(X) and not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()].unique().tolist()
        raise ValueError(f"X: columns {twice} are there more than once. Rename them.")


class NoNumbers(NamedTuple):
    """A column that cannot be numbers as it is."""

    name: object
    dtype: object
    is_time: bool  # dates or durations


def not_numbers(X):
    """Return the columns of a table that cannot be numbers, as `NoNumbers`."""
    if nw.dependencies.is_pandas_like_dataframe(X):  # which may have names twice
        parts = (X.iloc[:, i] for i in range(X.shape[1]))
        columns = (nw.from_native(part, series_only=True) for part in parts)
    else:
        columns = nw.from_native(X, eager_only=True).iter_columns()
    return [
        NoNumbers(_name(column), _dtype(column), _is_time(column))
        for column in columns
        if not _is_numeric(column)
    ]


def _is_pandas(column):
    return column.implementation.is_pandas_like()


def _name(column):
    return column.to_native().name if _is_pandas(column) else column.name


def _dtype(column):
    return column.to_native().dtype if _is_pandas(column) else column.dtype


def _is_numeric(column):
    dtype = column.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        return True
    values = np.asarray(column.to_native())
    if values.dtype.kind in "OUST":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            return False
    return values.dtype.kind in "biufc"


def _is_time(column):
    """Tell whether a column holds dates or durations, as Python's objects too."""
    if column.dtype.is_temporal():
        return True
    kind = pd.api.types.infer_dtype(column.to_list(), skipna=True)
    return kind in ("datetime64", "datetime", "date", "timedelta64", "timedelta", "period")


# Reading


class Series(NamedTuple):
    """A column's values as Python or numpy ones, and which of them are missing."""

    name: object
    dtype: object  # pandas' own; else narwhals', which then says as much
    kind: str  # "number", "integer" or "category"; else the name of the dtype
    levels: list | None  # that the dtype declares
    values: np.ndarray  # (n,)
    missing: np.ndarray  # (n,) bool

    @classmethod
    def read(cls, column, missing_values):
        """Return a narwhals column as a series, or raise a ``ValueError``."""
        told = column.dtype
        dtype = _dtype(column)
        kind, levels = str(told), None
        if isinstance(dtype, pd.SparseDtype):
            raise ValueError("is sparse. Convert it by column.sparse.to_dense().")
        missing = column.is_null().to_numpy().astype(bool)
        if told.is_integer() or told.is_float():
            kind = "integer" if told.is_integer() else "number"
            values = column.to_numpy().astype(np.float64)
            missing = missing | np.isnan(values)
        elif told in CATEGORIES or dtype == OBJECT:
            kind = "category"
            if isinstance(dtype, pd.CategoricalDtype | nw.Enum):
                levels = list(dtype.categories)
            values = np.fromiter(column.to_list(), dtype=object, count=len(column))
            if dtype == OBJECT:
                kind, values = _numbers_of_objects(kind, values, missing)
        else:
            values = np.empty(len(column), dtype=object)
        return cls(column.name, dtype, kind, levels, values, missing).marked(missing_values)

    def marked(self, missing_values):
        """Return the series with those cells missing that equal `missing_values`."""
        if is_nan(missing_values):
            return self
        if self.missing.any():
            raise ValueError(
                f"holds missing cells other than missing_values={missing_values!r}. "
                "Replace them by it first, or use missing_values=numpy.nan."
            )
        number = isinstance(missing_values, Real) and not isinstance(missing_values, bool)
        if self.is_number and not number:
            return self
        equal = [type(v) is not bool and v == missing_values for v in self.values]
        return self._replace(missing=np.array(equal, dtype=bool))

    @property
    def is_number(self):
        """Whether the values are float64."""
        return self.kind in ("number", "integer")


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


class Table(NamedTuple):
    """A frame read column by column."""

    frame: nw.DataFrame
    series: list

    @classmethod
    def read(cls, X, missing_values=np.nan):
        """Return the table, or raise a ``ValueError`` that names the column."""
        frame, series = nw.from_native(X, eager_only=True), []
        for column in frame.iter_columns():
            try:
                series.append(Series.read(column, missing_values))
            except ValueError as error:
                raise ValueError(f"X: column {column.name!r} {error}") from error
        return cls(frame, series)

    def put(self, values, keep, dtypes):
        """Return the frame with values (a list of arrays or None) in missing cells.

        A column without a value has whatever dtype its container gave it: it gets that
        of training, and a category the levels that its dtype lacks.
        """
        done = []
        parts = zip(self.frame.iter_columns(), self.series, values, dtypes, strict=True)
        for column, series, new, dtype in parts:
            if new is not None and series.missing.any():
                column = _filled(column, series.missing, list(new), dtype)
            done.append(column)
        return _built(self.frame, done, keep, row_labels(self.frame.to_native()))


# Building


def _filled(column, missing, new, dtype):
    """Return a column with new values in its missing cells, which may be all."""
    if missing.all():
        return _column(column, new, dtype, nw.maybe_get_index(column))
    if _is_pandas(column):
        native = column.to_native().copy()
        if isinstance(native.dtype, pd.CategoricalDtype):
            levels = native.cat.categories
            more = [v for v in dict.fromkeys(new) if v not in levels]
            native = native.cat.add_categories(more)
        native.iloc[np.flatnonzero(missing)] = pd.array(new, dtype=native.dtype)
        return nw.from_native(native, series_only=True)
    cells, dtype = column.to_list(), column.dtype
    for place, value in zip(np.flatnonzero(missing), new, strict=True):
        cells[place] = value
    if dtype == nw.Enum:
        dtype = nw.Enum(dict.fromkeys([*dtype.categories, *new]))
    return _column(column, cells, dtype)


def _column(like, values, dtype, index=None):
    """Return values as a column of the name and container of another."""
    if _is_pandas(like):
        series = pd.Series(values, index=index, dtype=dtype, name=like.name)
        return nw.from_native(series, series_only=True)
    return nw.new_series(like.name, values, dtype, backend=like.implementation)


def _built(like, columns, keep, index):
    """Return some of the columns of a frame as one, under row labels if there are any."""
    kept = [column for column, is_kept in zip(columns, keep, strict=True) if is_kept]
    if not _is_pandas(like):
        return like.select(kept).to_native()
    native = {i: column.to_native() for i, column in enumerate(kept)}
    frame = pd.DataFrame(native, index=index, copy=True)
    frame.columns = like.to_native().columns[keep]
    return frame


def frame_like(empty, dtypes, cells, index=None):
    """Return columns' values as a frame like one without rows, under row labels if any."""
    like = nw.from_native(empty, eager_only=True)
    parts = zip(like.iter_columns(), cells, dtypes, strict=True)
    columns = [_column(*part, index) for part in parts]
    return _built(like, columns, np.ones(len(columns), dtype=bool), index)


def named(empty, X, as_it_was):
    """Return rows (n, d) as a frame like one without rows: of its dtypes, or of X's."""
    columns = []
    for like, values in zip(
        nw.from_native(empty, eager_only=True).iter_columns(), X.T, strict=True
    ):
        keeps = as_it_was and (like.dtype.is_numeric() or like.dtype == nw.Boolean)
        dtype = _dtype(like) if keeps else None
        if dtype is None and not _is_pandas(like):
            dtype = nw.Float32 if X.dtype == np.float32 else nw.Float64
        columns.append(_column(like, values, dtype))
    like = nw.from_native(empty, eager_only=True)
    return _built(like, columns, np.ones(len(columns), dtype=bool), None)


def without_rows(X):
    """Return a frame's container, names and dtypes, as a frame of its own."""
    return deepcopy(nw.from_native(X, eager_only=True).head(0).to_native())


def beside(X, names, values):
    """Return a frame or an array with further columns, values (n, c), behind its own."""
    if not is_frame(X):
        return np.hstack([X, values])
    if nw.dependencies.is_pandas_like_dataframe(X):
        return pd.concat([X, pd.DataFrame(values, index=X.index, columns=names)], axis=1)
    frame = nw.from_native(X, eager_only=True)
    columns = zip(names, values.T, strict=True)
    more = [nw.new_series(n, v, backend=frame.implementation) for n, v in columns]
    return frame.with_columns(more).to_native()


# Arrays and sparse matrices with missing cells


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
