"""What `fit` learns of a table's columns, by which others are read as numbers.

n is the number of rows, d the columns. A table's numbers are an (n, d) float64 array,
NaN where a cell is missing: numbers as they are, categories as codes, times in days.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np

from skae._data.arrays import bounds_of
from skae._data.clock import Clock
from skae._data.frames import OBJECT, Table, frame_like, is_frame, row_labels, without_rows
from skae._data.objects import told_apart
from skae._data.texts import FEW_CODES, is_mark, look_of, twins_of
from skae._data.times import is_time_value
from skae._data.told import tell_of_texts

ENDS = -np.inf, np.inf  # of columns without bounds
KINDS = ("number", "integer", "category", "time", "passthrough")


class Column(NamedTuple):
    """What `fit` learns of a column."""

    name: object
    kind: str  # one of KINDS
    levels: object = None  # list of a category's values, in their order
    low: float = -np.inf  # of what is put in
    high: float = np.inf
    is_empty: bool = False  # without any value in training
    dtype: object = None  # in training
    clock: Clock | None = None  # of times, if there are any

    @property
    def ends(self):
        """The least and the greatest number that is put in."""
        return (self.low, self.high) if self.clock is None else self.clock.ends


class Coded(NamedTuple):
    """Rows as numbers."""

    codes: np.ndarray  # (n, d), NaN where nothing is known
    missing: np.ndarray  # (n, d) bool: not a category's value that training has not seen
    source: object  # the `Table`, the array or the sparse matrix


def learn_columns(table, asked, can_pass=True, only_seen=True):
    """Return the columns of a table in training, told by their types and `asked`.

    Parameters
    ----------
    table : Table
    asked : dict
        By name: one of KINDS, or (low, high), or (kind, low, high); bounds of times are
        such.
    can_pass : bool, default=True
        Whether an error may advise that columns be passed through.
    only_seen : bool, default=True
        Whether levels that a dtype declares and no cell has are left out.
    """
    names = [series.name for series in table.series]
    kinds = parse(asked, names)
    columns, refused, looks, marks, twins = [], [], {}, {}, {}
    for name, series in zip(names, table.series, strict=True):
        told, low, high = kinds.get(name, (None, -np.inf, np.inf))
        kind = _usual(series, told)
        if kind in ("number", "integer"):
            flags = series.flags_as_numbers()
            if flags is not series:
                series, kind = flags, "integer"
                low, high = max(low, 0), min(high, 1)
        if kind not in KINDS or (kind in ("number", "integer") and not series.is_number):
            refused.append(f"{name!r} ({series.dtype})")
            continue
        seen = ~series.missing
        levels = clock = None
        if kind == "time":
            asked_for = (None if b in ENDS else b for b in (low, high))
            clock = Clock.of(series, name, *asked_for)
            low, high = clock.ends if clock else ENDS
        elif not all(isinstance(b, Real) for b in (low, high)):
            raise ValueError(
                f"columns: the bounds of {name!r}, which holds no times, must be numbers."
            )
        elif kind == "category":
            levels = _levels(series, name, only_seen)
            if told is None and not series.is_declared:
                look = look_of(levels, seen.sum())
                if look is not None:
                    looks[name] = look
                if look is not None and not look.is_category:
                    kind, levels = "passthrough", None
                else:
                    marks.update((name, v) for v in levels if is_mark(v))
                    twins.update((name, t) for t in [twins_of(levels)] if t)
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
        of = name, kind, levels, low, high, not seen.any(), series.dtype, clock
        columns.append(Column(*of))
    if refused:
        ways = "or drop them."
        if can_pass:
            first = refused[0].split(" (")[0]
            ways = f"drop them, or have them passed through: columns={{{first}: " + (
                "'passthrough'}."
            )
        raise ValueError(
            f"X: neither numbers nor categories in column {', '.join(refused)}. Convert "
            f"them, {ways}"
        )
    tell_of_texts(looks, marks, twins, can_pass)
    return columns


def _usual(series, told):
    """Return the kind of a column of which nothing has been said, but maybe by `told`."""
    if told or series.kind != "integer" or series.dtype != OBJECT:
        return told or series.kind
    seen, (most, each) = series.values[~series.missing], FEW_CODES
    number = len(np.unique(seen))  # few integers among Python's objects are codes
    return "category" if number <= min(most, len(seen) / each) else "integer"


def check_bounds(name, kind, low, high):
    """Raise a ``ValueError`` if no integer lies within the bounds of integers."""
    if kind == "integer" and np.ceil(low) > np.floor(high):
        raise ValueError(
            f"columns: there is no integer in the bounds ({low}, {high}) of {name!r}, "
            "those of its dtype included."
        )


def _levels(series, name, only_seen):
    """Return the different values of a category, sorted where that can be done.

    Those that a dtype declares are in its order; they are all of them if none is seen.
    """
    values = series.objects()[~series.missing].tolist()
    if series.kind == "integer":
        values = [int(v) for v in values]
    try:
        alike = told_apart(values)
        levels = list({alike(value): value for value in reversed(values)}.values())
    except TypeError as error:
        raise ValueError(
            f"X: column {name!r} holds values that cannot be told apart ({error}). "
            "Convert them to strings or numbers."
        ) from error
    if series.levels is not None:
        seen = set(levels)
        is_all = not (only_seen and seen)
        return [level for level in series.levels if is_all or level in seen]
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
            or not all(
                b is None or isinstance(b, Real) or is_time_value(b) or kind == "time"
                for b in bounds
            )
        ):
            raise ValueError(
                f"columns: {name!r} must be one of {KINDS}, (low, high) or (kind, low, "
                f"high), where a bound may be None. Got {value!r}."
            )
        low, high = bounds
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        if all(isinstance(b, Real) for b in (low, high)) and low > high:
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
            alike = told_apart(column.levels)
            code = {alike(level): i for i, level in enumerate(column.levels)}
            codes = [code.get(alike(v), np.nan) for v in series.objects()[seen].tolist()]
            X[seen, j] = codes
            if seen.any() and column.levels and np.isnan(codes).all():
                _check_same_sort(column, series)
        elif column.kind == "time":
            if seen.any() and column.clock is not None:
                X[:, j] = column.clock.days(series, column.name)
        elif seen.any():
            series = series.flags_as_numbers()
            if not series.is_number:
                raise ValueError(
                    f"X: column {column.name!r} held numbers in fit, and is now "
                    f"{series.dtype}. Convert it, texts with pd.to_numeric."
                )
            X[seen, j] = series.values[seen]
            if np.isinf(X[:, j]).any():
                raise ValueError(
                    f"X: column {column.name!r} holds infinity. Replace it, for "
                    "instance by numpy.nan."
                )
    return Coded(X, missing, table)


def _check_same_sort(column, series):
    """Raise a ``ValueError`` for numbers of which fit has seen texts, or the reverse."""
    values = series.objects()[~series.missing]
    was, now = (
        {isinstance(v, str) for v in some} for some in (column.levels, values.tolist())
    )
    if len(was | now) == 2 and len(was) == len(now) == 1:
        example = column.levels[0]
        raise ValueError(
            f"X: column {column.name!r} is now {series.dtype}, and not one of its values, "
            f"such as {values.tolist()[0]!r}, is among those that fit has seen, such as "
            f"{example!r}. Convert it to what it was: .astype({type(example).__name__!r}), "
            "or read the file with dtype= of that column."
        )


def cells_of(column, values):
    """Return what is put into a column's missing cells, from numbers."""
    if column.kind == "category":
        return [column.levels[int(code)] for code in values]
    if column.kind == "time":
        return [None] * len(values) if column.is_empty else column.clock.put(values)
    low, high = column.low, column.high
    if column.kind == "integer":
        return [int(v) for v in np.clip(np.rint(values), np.ceil(low), np.floor(high))]
    return np.clip(values, low, high)


def _with_gaps(column, values):
    """Return a column's values for numbers (n,), None where these are NaN."""
    gone = np.isnan(values)
    if column.is_empty or column.kind == "passthrough" or gone.all():
        return [None] * len(values)
    if not gone.any():
        return cells_of(column, values)
    cells = np.full(len(values), None)
    cells[~gone] = cells_of(column, values[~gone])
    return list(cells)


class Schema(NamedTuple):
    """A frame's columns, as which numbers become a frame again."""

    columns: list  # of Column
    empty: object  # the frame without rows: its container and names

    @classmethod
    def of(cls, columns, table):
        """Return the schema of a table whose columns have been learnt."""
        return cls(columns, without_rows(table.frame))

    def widened(self, table):
        """Return the schema of more rows: times of theirs may be put in as well."""
        pairs = zip(self.columns, table.series, strict=True)
        columns = [c._replace(clock=c.clock and c.clock.widened(s)) for c, s in pairs]
        return self._replace(columns=columns)

    def check_codes(self):
        """Raise a ``ValueError`` if an array cannot stand for the frame that `fit` saw."""
        no_codes = [
            column.name
            for column in self.columns
            if column.levels and column.levels != [*range(len(column.levels))]
        ]
        if no_codes:
            raise ValueError(
                "X is no DataFrame, and fit saw one with categories in columns "
                f"{no_codes}. Pass a DataFrame with the same columns."
            )

    def cells(self, codes):
        """Return the columns' values for numbers (n, d): an array or a list for each."""
        parts = zip(self.columns, codes.T, strict=True)
        return [_with_gaps(column, values) for column, values in parts]

    def unseen(self, X):
        """Return which cells (n, d) of a frame hold a second value of a category of one.

        None if there is no such category.
        """
        of_one = [c.kind == "category" and len(c.levels) < 2 for c in self.columns]
        if not any(of_one):
            return None
        read = codes_of(Table.read(X), self.columns)
        return of_one & np.isnan(read.codes) & ~read.missing

    def labels(self, codes):
        """Return the columns' values for numbers (n, d) as one array (n, d)."""
        return np.array([list(values) for values in self.cells(codes)], dtype=object).T

    def values(self, X):
        """Return a frame's own values (n, d), None where they are missing."""
        return np.stack(
            [
                np.where(series.missing, None, series.objects().astype(object))
                for series in Table.read(X).series
            ],
            axis=1,
        )

    def frame(self, codes, like=None):
        """Return numbers (n, d) as a frame like the one that `fit` saw.

        Under the row labels of the rows `like`, if they have any; what is passed through
        is theirs, and missing without them.
        """
        cells, dtypes = self.cells(codes), [column.dtype for column in self.columns]
        passed = [j for j, c in enumerate(self.columns) if c.kind == "passthrough"]
        if passed and is_frame(like):
            given = Table.read(like).series
            for j in passed:
                cells[j] = np.where(given[j].missing, None, given[j].values).tolist()
        return frame_like(self.empty, dtypes, cells, row_labels(like))

    def filled(self, X, codes, gone):
        """Return the frame X with numbers (n, d) in the cells of `gone` (n, d)."""
        table = Table.read(X)
        gone = gone & [column.kind != "passthrough" for column in self.columns]
        series = [s._replace(missing=gone[:, j]) for j, s in enumerate(table.series)]
        values = [
            list(np.asarray(cells, dtype=object)[gone[:, j]])
            for j, cells in enumerate(self.cells(codes))
        ]
        dtypes = [column.dtype for column in self.columns]
        keep = np.ones(len(series), dtype=bool)
        return table._replace(series=series).put(values, keep, dtypes)
