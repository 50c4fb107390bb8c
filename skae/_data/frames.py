"""Tables of any container: read column by column, and built again.

The one place that knows containers. narwhals reads them all; what pandas alone has
(labels of rows, nullable dtypes, levels that are no strings) is written by pandas.

n is the number of rows, d the columns.
"""

from collections import Counter
from copy import deepcopy
from numbers import Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skae._data.arrays import bounds_of, is_nan
from skae._data.objects import Decimals, flags_of, is_flag, numbers_of
from skae._data.texts import look_of
from skae._data.times import (
    OBJECTS,
    Times,
    array_of,
    column_of,
    first,
    is_time,
    is_time_value,
    remade,
)

TEXTS = nw.String, nw.Categorical, nw.Enum
CATEGORIES = *TEXTS, nw.Boolean
OBJECT = np.dtype(object)  # of pandas, for columns of strings or of anything


def is_frame(X):
    """Tell whether X is a table with named and typed columns (pandas, polars, pyarrow)."""
    return nw.dependencies.is_into_dataframe(X)


def row_labels(X):
    """Return the labels of a table's rows, None where they have none."""
    return X.index if nw.dependencies.is_pandas_like_dataframe(X) else None


def column_labels(X, names):
    """Return names of columns as an Index, whose levels are called as those of X are."""
    labels = pd.Index(names)
    if nw.dependencies.is_pandas_like_dataframe(X) and X.columns.nlevels == labels.nlevels:
        labels = labels.set_names(X.columns.names)
    return labels


def names_of(X):
    """Return the names of a table's columns, None of what is none."""
    if not is_frame(X):
        return None
    if nw.dependencies.is_pandas_like_dataframe(X):
        return X.columns.tolist()
    if nw.dependencies.is_pyarrow_table(X):  # which may have names twice
        return X.column_names
    return nw.from_native(X, eager_only=True).columns


def check_names(X):
    """Raise a ``ValueError`` for a table whose columns cannot be told by their names."""
    names = names_of(X) or ()
    if len(set(names)) < len(names):
        twice = [name for name, n in Counter(names).items() if n > 1]
        raise ValueError(f"X: columns {twice} are there more than once. Rename them.")


class NoNumbers(NamedTuple):
    """A column that cannot be numbers as it is."""

    name: object
    dtype: object
    is_time: bool  # dates or durations
    look: object  # of texts that are no category, None of others


def has_other_than_numbers(X):
    """Tell whether X is a table with categories, texts or times in some column.

    It goes by the columns' types, not by what cells hold, so that parts of a table are
    taken for the same: "1" is a text, and a number without a value is a number.
    """
    return is_frame(X) and any(
        column.dtype in TEXTS or not _is_numeric(column) for column in _columns(X)
    )


def not_numbers(X):
    """Return the columns of a table that cannot be numbers, as `NoNumbers`."""
    return [
        NoNumbers(_name(column), _dtype(column), _is_time(column), _look(column))
        for column in _columns(X)
        if not _is_numeric(column)
    ]


def _columns(X):
    """Yield the columns of a table."""
    if nw.dependencies.is_pandas_like_dataframe(X):  # which may have names twice
        parts = (X.iloc[:, i] for i in range(X.shape[1]))
        yield from (nw.from_native(part, series_only=True) for part in parts)
    else:
        check_names(X)
        yield from nw.from_native(X, eager_only=True).iter_columns()


def _is_pandas(column):
    return column.implementation.is_pandas_like()


def _name(column):
    return column.to_native().name if _is_pandas(column) else column.name


def _dtype(column):
    """Return pandas' own dtype; else narwhals', but where that says less."""
    if _is_pandas(column):
        return column.to_native().dtype
    if column.dtype not in (nw.Decimal, nw.Categorical, nw.Unknown):
        return column.dtype
    native = column.to_native()
    return native.type if column.implementation.is_pyarrow() else native.dtype


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
    return pd.api.types.infer_dtype(column.to_list(), skipna=True) in OBJECTS


def _look(column):
    """Return what a column of texts looks like, None for what may be a category."""
    values = column.drop_nulls().to_list()
    if not all(isinstance(value, str) for value in values):
        return None
    return look_of(sorted(set(values)), len(values))


# Reading


class Series(NamedTuple):
    """A column's values as Python or numpy ones, and which of them are missing."""

    name: object
    dtype: object  # pandas' own; else narwhals', which then says as much
    kind: str  # "number", "integer", "category" or "time"; else the name of the dtype
    levels: list | None  # that the dtype declares
    values: np.ndarray  # (n,)
    missing: np.ndarray  # (n,) bool
    is_declared: bool = False  # whether the dtype says that it is a category
    times: Times | None = None  # of kind "time", which has no other values

    @classmethod
    def read(cls, column, missing_values):
        """Return a narwhals column as a series, or raise a ``ValueError``."""
        told = column.dtype
        dtype = _dtype(column)
        kind, levels = str(told), None
        if isinstance(dtype, pd.SparseDtype):
            raise ValueError("is sparse. Convert it by column.sparse.to_dense().")
        missing = column.is_null().to_numpy().astype(bool)
        times = Times.read(column, dtype, missing)
        if times is not None:
            kind, values = "time", np.empty(len(column), dtype=object)
        elif told.is_integer() or told.is_float():
            kind = "integer" if told.is_integer() else "number"
            values = column.to_numpy().astype(np.float64)
            missing = missing | np.isnan(values)
        elif told == nw.Decimal:
            values, kind, places = numbers_of(_objects(column), missing)
            if values is None:  # without a value
                values, kind, places = np.full(len(column), np.nan), "number", 0
            dtype = Decimals(dtype, places)
        elif told in CATEGORIES or dtype == OBJECT or missing.all():
            kind = "category"
            if isinstance(dtype, pd.CategoricalDtype | nw.Enum):
                levels = list(dtype.categories)
            values = _objects(column)
            if dtype == OBJECT:
                numbers, kind, places = numbers_of(values, missing)
                values = values if numbers is None else numbers
                dtype = dtype if places is None else Decimals(dtype, places)
        else:
            values = np.empty(len(column), dtype=object)
        is_declared = told in (nw.Categorical, nw.Enum)
        of = column.name, dtype, kind, levels, values, missing, is_declared, times
        series = cls(*of)
        return series.marked(missing_values)

    def marked(self, missing_values):
        """Return the series with those cells missing that equal `missing_values`."""
        if is_nan(missing_values):
            return self
        number = isinstance(missing_values, Real) and not isinstance(missing_values, bool)
        if self.times is not None or (self.is_number and not number):
            return self
        seen = np.flatnonzero(~self.missing)
        equal = [not is_flag(v) and v == missing_values for v in self.values[seen]]
        missing = self.missing.copy()
        missing[seen] = equal
        return self._replace(missing=missing)

    def flags_as_numbers(self):
        """Return a series of True and False as one of 1 and 0, any other as it is."""
        numbers = None if self.is_number else flags_of(self.values, self.missing)
        return self if numbers is None else self._replace(kind="integer", values=numbers)

    def own(self, values):
        """Return values as a list of what the series holds, where it holds something."""
        if self.missing.all():
            return list(values)
        if isinstance(self.dtype, Decimals):
            return self.dtype.of(values)
        if flags_of(self.values, self.missing) is not None:
            return [bool(v) for v in values]
        return list(values)

    def objects(self):
        """Return the values as the column holds them; (n,)."""
        return self.values if self.times is None else self.times.objects()

    @property
    def is_number(self):
        """Whether the values are float64."""
        return self.kind in ("number", "integer")


def _objects(column):
    """Return a column's values as Python's; (n,)."""
    return np.fromiter(column.to_list(), dtype=object, count=len(column))


class Table(NamedTuple):
    """A frame read column by column."""

    frame: nw.DataFrame
    series: list

    @classmethod
    def read(cls, X, missing_values=np.nan):
        """Return the table, or raise a ``ValueError`` that names the column."""
        frame, series = nw.from_native(X, eager_only=True), []
        for name, column in zip(names_of(X), frame.iter_columns(), strict=True):
            try:
                read = Series.read(column, missing_values)
            except ValueError as error:
                raise ValueError(f"X: column {name!r} {error}") from error
            series.append(read._replace(name=name))
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
                made = series.times and series.times.made
                column = _filled(column, series.missing, series.own(new), dtype, made)
            done.append(column)
        return _built(self.frame, done, keep, row_labels(self.frame.to_native()))


# Building


def _filled(column, missing, new, dtype, made=None):
    """Return a column with new values in its missing cells, which may be all.

    `made` is the class of times that a column of objects holds.
    """
    if missing.all():
        return _column(column, new, dtype, nw.maybe_get_index(column))
    if _is_pandas(column):
        native = column.to_native().copy()
        if isinstance(native.dtype, pd.CategoricalDtype):
            levels = native.cat.categories
            more = [v for v in dict.fromkeys(new) if v not in levels]
            native = native.cat.add_categories(more)
        new = _values(remade(new, made), native.dtype)
        native.iloc[np.flatnonzero(missing)] = new
        return nw.from_native(native, series_only=True)
    if is_time_value(new[0]):  # others stay as they are, to the nanosecond
        # taken from both, as older versions of narwhals cannot put in Arrow's durations
        both = nw.concat([column.to_frame(), column_of(column, new, dtype).to_frame()])
        place = np.where(
            missing, len(column) + np.cumsum(missing) - 1, np.arange(len(column))
        )
        return both[column.name][place]
    cells, dtype = column.to_list(), _dtype(column)
    for place, value in zip(np.flatnonzero(missing), new, strict=True):
        cells[place] = value
    if dtype == nw.Enum:
        dtype = nw.Enum(dict.fromkeys([*dtype.categories, *new]))
    return _column(column, cells, dtype)


def _values(new, dtype):
    """Return values as an array of a dtype of pandas."""
    return array_of(new, dtype) if is_time(dtype) else pd.array(new, dtype=dtype)


def _column(like, values, dtype, index=None):
    """Return values as a column of the name and container of another.

    A dtype of another library is replaced by what the values suggest.
    """
    if isinstance(dtype, Decimals):
        values, dtype = dtype.of(values), dtype.dtype
    if _is_pandas(like):
        is_own = isinstance(dtype, np.dtype | pd.api.extensions.ExtensionDtype)
        is_whole = isinstance(dtype, np.dtype) and dtype.kind in "iub"
        if not is_own or (is_whole and any(v is None for v in values)):
            dtype = None  # of another library, or one that has no gaps
        values = array_of(values, dtype) if is_time(dtype) and len(values) else values
        series = pd.Series(values, index=index, dtype=dtype, name=like.name)
        return nw.from_native(series, series_only=True)
    if is_time_value(first(values)):
        return column_of(like, values, dtype)
    library = like.implementation.to_native_namespace()
    is_own = type(dtype).__module__.startswith(f"{library.__name__}.")
    if not is_own:
        dtype = dtype if isinstance(dtype, nw.dtypes.DType) else None
        new = nw.new_series(like.name, values, dtype, backend=like.implementation)
        return _of_type(like, new) if dtype == like.dtype else new
    if like.implementation.is_pyarrow():
        native = library.chunked_array([library.array(values, dtype)])
    else:
        native = library.Series(like.name, values, dtype=dtype)
    return nw.from_native(native, series_only=True).alias(like.name)


def _of_type(like, column):
    """Return a column in the type of another, where Arrow has several for one dtype."""
    if not like.implementation.is_pyarrow():
        return column
    native = column.to_native().cast(like.to_native().type)
    return nw.from_native(native, series_only=True).alias(like.name)


def _built(like, columns, keep, index):
    """Return some of the columns of a frame as one, under row labels if there are any."""
    kept = [column for column, is_kept in zip(columns, keep, strict=True) if is_kept]
    if not _is_pandas(like):
        return like.select(kept).to_native()
    native = {i: column.to_native() for i, column in enumerate(kept)}
    frame = pd.DataFrame(native, index=index, copy=True)
    frame.columns = like.to_native().columns[keep]
    frame.attrs = dict(like.to_native().attrs)
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
        low, high = bounds_of(dtype)
        if np.isfinite(low):  # draws of some likelihoods are no such numbers
            values = np.rint(values).clip(low, high)
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
        if X.columns.nlevels > 1:
            names = pd.MultiIndex.from_tuples(names, names=X.columns.names)
        more = pd.DataFrame(values, index=X.index, columns=names)
        return pd.concat([X, more], axis=1)
    frame = nw.from_native(X, eager_only=True)
    columns = zip(names, values.T, strict=True)
    more = [nw.new_series(n, v, backend=frame.implementation) for n, v in columns]
    return frame.with_columns(more).to_native()


def stacked(X, new):
    """Return a frame with another's rows behind its own, of its dtypes; labels anew."""
    if nw.dependencies.is_pandas_like_dataframe(X):
        new = new.set_axis(X.columns, axis=1)
        return pd.concat([X, new.astype(dict(X.dtypes))], ignore_index=True)
    frames = [nw.from_native(part, eager_only=True) for part in (X, new)]
    casts = [nw.col(c).cast(dtype) for c, dtype in frames[0].schema.items()]
    return nw.concat([frames[0], frames[1].select(casts)]).to_native()


def wrappable(X):
    """Return a table as one that scikit-learn's `set_output` knows."""
    return X.to_pandas() if nw.dependencies.is_pyarrow_table(X) else X
