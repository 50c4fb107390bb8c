"""Dates, durations and times of day as numbers, and back.

A number is in days: since 1970, by the clock on the wall of the column's time zone, of a
date; long, of a duration; since midnight, of a time of day. n is the number of values.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

#: what pandas calls Python's objects, and what they are here
OBJECTS = {
    **dict.fromkeys(("datetime", "datetime64", "date", "period"), "date"),
    **dict.fromkeys(("timedelta", "timedelta64"), "duration"),
    "time": "time",
}
NAMES = {"date": "dates", "duration": "durations", "time": "times of day"}
DAY = np.timedelta64(1, "D")
TICKS = {"D": 1, "h": 24, "m": 1440, "s": 86400}  # in a day
TICKS.update(ms=86400 * 10**3, us=86400 * 10**6, ns=86400 * 10**9)


def first(values):
    """Return the first of some values that is not None, or None."""
    return next((value for value in values if value is not None), None)


def is_time_value(value):
    """Tell whether a value is a date, a duration or a time of day."""
    kinds = date, timedelta, time, np.datetime64, np.timedelta64, pd.Period
    return isinstance(value, kinds)


class Times(NamedTuple):
    """A column of times as it was read."""

    what: str  # "date", "duration" or "time"
    ticks: np.ndarray  # (n,) datetime64 (of UTC, if there is a zone) or timedelta64
    zone: object  # a time zone or its name, None of naive ones
    made: object  # the class of Python's objects, if the column holds such
    freq: object  # of periods
    column: object  # narwhals'

    @classmethod
    def read(cls, column, dtype, missing):
        """Return a narwhals column as times, or None if it holds none.

        `dtype` is its own in pandas, else narwhals'.
        """
        if isinstance(dtype, pd.PeriodDtype):
            start = column.to_native().dt.to_timestamp(how="start")
            return cls("date", start.to_numpy(), None, None, dtype.freq, column)
        if isinstance(dtype, pd.DatetimeTZDtype):  # narwhals does not know all zones
            instants = pd.DatetimeIndex(column.to_native()).tz_convert("UTC")
            ticks = instants.tz_localize(None).to_numpy()
            return cls("date", ticks, dtype.tz, None, None, column)
        is_object = isinstance(dtype, np.dtype) and dtype.kind == "O"
        if not (column.dtype.is_temporal() or is_object or is_date64(column)):
            return None
        values = column.to_numpy()
        if values.dtype.kind in "mM":
            zone = column.dtype.time_zone if column.dtype == nw.Datetime else None
            what = "date" if values.dtype.kind == "M" else "duration"
            return cls(what, values, zone, None, None, column)
        seen = values[~missing]
        kind = pd.api.types.infer_dtype(seen, skipna=False)
        if kind not in OBJECTS:
            nothing = np.full(len(values), np.datetime64("NaT", "us"))
            is_none = column.dtype.is_temporal()  # a dtype of times, and no cell is one
            return cls("date", nothing, None, None, None, column) if is_none else None
        zones = {zone_of(v) is None for v in seen}
        if len(zones) > 1:
            raise ValueError(
                "holds times with a time zone and times without. Localise these first."
            )
        parts = np.array([numpy_of(v) for v in seen])
        ticks = np.full(len(values), "NaT", dtype=parts.dtype)
        ticks[~missing] = parts
        kinds = {type(v) for v in seen}
        made = kinds.pop() if len(kinds) == 1 else _common(kinds)
        freq = seen[0].freq if kind == "period" else None
        return cls(OBJECTS[kind], ticks, zone_of(seen[0]), made, freq, column)

    def objects(self):
        """Return the column's own values; (n,)."""
        values = self.column.to_list()
        return np.fromiter(values, dtype=object, count=len(values))

    def on_the_wall(self, zone):
        """Return the ticks by the clocks of a time zone; (n,)."""
        if zone is None:
            return self.ticks
        instants = pd.DatetimeIndex(self.ticks).tz_localize("UTC")
        return instants.tz_convert(zone).tz_localize(None).to_numpy()


def zone_of(value):
    """Return the time zone of one of Python's objects, None without one."""
    return value.tzinfo if isinstance(value, datetime) else None


def _common(kinds):
    """Return the class that objects of several classes are put in as."""
    return next((k for k in (pd.Timestamp, pd.Timedelta, datetime) if k in kinds), None)


def numpy_of(value):
    """Return one of Python's or pandas' objects as numpy's, of UTC if it has a zone."""
    if isinstance(value, pd.Period):
        value = value.to_timestamp(how="start")
    if isinstance(value, pd.Timestamp):
        return value.to_datetime64()  # of UTC, if there is a zone
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, pd.Timedelta):
        return value.to_timedelta64()
    if isinstance(value, time):
        at = datetime.combine(date.min, value.replace(tzinfo=None)) - datetime.min
        return np.timedelta64(at)
    return np.timedelta64(value) if isinstance(value, timedelta) else np.datetime64(value)


def days_of(ticks):
    """Return datetime64 or timedelta64 values as days, NaN of NaT; (n,) float64."""
    if ticks.dtype.kind == "m":
        return ticks / DAY
    whole = ticks.astype("M8[D]")
    days = whole.astype(np.int64) + (ticks - whole) / DAY
    return np.where(np.isnat(ticks), np.nan, days)


# Writing


def is_date64(column):
    """Tell whether a column of narwhals is of Arrow's dates in milliseconds."""
    native = column.to_native()
    dtype = native.type if column.implementation.is_pyarrow() else native.dtype
    return str(dtype).startswith("date64")


def is_time(dtype):
    """Tell whether a dtype of pandas is of times."""
    if isinstance(dtype, pd.ArrowDtype):
        return dtype.kind in "mM" or str(dtype).startswith(("date", "time"))
    is_native = isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtype.kind in "mM"
    return is_native or isinstance(dtype, pd.PeriodDtype)


def unit_of(dtype, otherwise):
    """Return the unit that a dtype is counted in, by its name."""
    found = re.search(r"\[(day|s|ms|us|ns)\b", str(dtype))
    return found[1].replace("day", "D") if found else otherwise


def ticks_of(values, unit):
    """Return times as datetime64 (of UTC, if they have a zone) or timedelta64; (n,)."""
    ticks = np.array([numpy_of(value) for value in values])
    return ticks.astype(f"{ticks.dtype.kind}8[{unit}]")


def _counts_of(values, unit):
    """Return times as whole numbers of a unit, None where there is none: a list, (n,)."""
    there = np.array([value is not None for value in values])
    counts = np.full(len(there), None)
    counts[there] = ticks_of([v for v in values if v is not None], unit).astype(np.int64)
    return counts.tolist()


def array_of(values, dtype):
    """Return times as an array of a dtype of pandas that is of times, None as they are."""
    if any(value is None for value in values):
        return pd.array(values, dtype=dtype)
    if isinstance(dtype, pd.PeriodDtype):
        if not isinstance(values[0], pd.Period):
            values = pd.DatetimeIndex(ticks_of(values, "s")).to_period(dtype.freq)
        return pd.PeriodIndex(values).asfreq(dtype.freq).array
    ticks = ticks_of(values, unit_of(dtype, "us"))
    name = str(dtype)
    if name.startswith(("date32", "date64", "time32", "time64")):
        made = ticks.astype(f"{ticks.dtype.kind}8[us]").tolist()
        made = [
            (datetime.min + tick).time() if name.startswith("time") else tick.date()
            for tick in made
        ]
        return pd.array(made, dtype=dtype)
    if ticks.dtype.kind == "m":
        index = pd.TimedeltaIndex(ticks)
    else:
        index = pd.DatetimeIndex(ticks)
        if isinstance(dtype, pd.DatetimeTZDtype):
            index = index.tz_localize("UTC").tz_convert(dtype.tz)
        elif "tz=" in name:
            index = index.tz_localize("UTC")
    is_arrow = isinstance(dtype, pd.ArrowDtype)
    return pd.array(list(index), dtype=dtype) if is_arrow else index.astype(dtype).array


def remade(values, made):
    """Return times as objects of another class, as far as pandas can make such."""
    if made in (None, time, pd.Period) or isinstance(values[0], time | pd.Period | None):
        return values
    duration = timedelta, np.timedelta64
    return [
        as_made((pd.Timedelta if isinstance(v, duration) else pd.Timestamp)(v), made)
        for v in values
    ]


def as_made(value, made):
    """Return a value of pandas as Python's or numpy's object of a class."""
    if made is date:
        return value.date()
    if made is datetime:
        return value.to_pydatetime()
    if made is timedelta:
        return value.to_pytimedelta()
    if made is np.datetime64:
        return value.to_datetime64()
    return value.to_timedelta64() if made is np.timedelta64 else value


def column_of(like, values, dtype):
    """Return times as a column of the name, container and dtype of another.

    `dtype` is narwhals', in place of one that is not of times.
    """
    if like.dtype.is_temporal():
        dtype = like.dtype
    native = like.to_native()
    is_arrow, is_date = like.implementation.is_pyarrow(), dtype == nw.Date
    if is_arrow and (like.dtype.is_temporal() or is_date64(like)):
        ticks = _counts_of(values, unit_of(native.type, "us"))
        whole = nw.Int32 if native.type.bit_width == 32 else nw.Int64
        new = nw.new_series(like.name, ticks, nw.Int64, backend="pyarrow").cast(whole)
        new = nw.from_native(new.to_native().cast(native.type), series_only=True)
        return new.alias(like.name)
    if not isinstance(dtype, nw.dtypes.DType):  # of another library
        dtype = _dtype_of(first(values))
        is_date = dtype == nw.Date
    unit = "D" if is_date else "ns" if dtype == nw.Time else dtype.time_unit
    ticks = _counts_of(values, unit)
    new = nw.new_series(like.name, ticks, nw.Int64, backend=like.implementation)
    return (new.cast(nw.Int32) if is_date else new).cast(dtype)


def _dtype_of(value):
    """Return narwhals' dtype of a column of times such as one."""
    if isinstance(value, time):
        return nw.Time()
    if isinstance(value, timedelta | np.timedelta64):
        return nw.Duration("us")
    if isinstance(value, datetime | np.datetime64 | pd.Period):
        zone = value.tzinfo if isinstance(value, datetime) else None
        return nw.Datetime("us", zone and str(zone))
    return nw.Date()
