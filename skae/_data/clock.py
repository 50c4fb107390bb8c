"""What `fit` learns of a column of times: what its values are, and how they step.

n is the number of values.
"""

from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from skae._data.times import (
    NAMES,
    OBJECTS,
    TICKS,
    Times,
    as_made,
    days_of,
    numpy_of,
    zone_of,
)

#: steps that columns go by, in seconds: of so many different values at least
STEPS = (7 * 86400, 4), *((60 * m, 2) for m in (1440, 720, 60, 30, 15, 10, 5, 1)), (1, 2)
FRACTIONS = 10**3, 10**6, 10**9  # of a second, then
LEAST_MONTHS = 3  # different dates of one day of the month, that are taken for months
CYCLES = {"day": 1.0, "week": 7.0, "month": 30.44, "year": 365.24}  # in days


class Clock(NamedTuple):
    """What `fit` learns of a column of times: what its values are, and how they step.

    Ticks are whole numbers of `unit`, counted as days are.
    """

    what: str
    zone: object
    made: object
    freq: object
    unit: str
    low: int  # ticks, of what is put in
    high: int
    anchor: int  # a tick that is a step
    step: int  # ticks
    months: int  # between steps: 0 unless they are of months
    at_end: bool  # of a month
    cycles: tuple  # of the names in `CYCLES`, that the values can show

    @classmethod
    def of(cls, series, name, low, high):
        """Return the clock of a series, with bounds or None, and None if it is empty."""
        if series.times is None:
            raise ValueError(
                f"columns: {name!r} is to be of times, and holds {series.dtype}. Convert "
                "it, in pandas with pandas.to_datetime or to_timedelta."
            )
        if series.missing.all():
            return None
        return cls.learn(series.times, ~series.missing).bounded(low, high, name)

    @classmethod
    def learn(cls, times, seen):
        """Return the clock of a column, some of whose cells are seen; (n,) bool."""
        ticks = times.on_the_wall(times.zone)[seen]
        kind, unit = ticks.dtype.kind, np.datetime_data(ticks.dtype)[0]
        if unit not in TICKS:  # years, months or weeks
            ticks, unit = ticks.astype(f"{kind}8[D]"), "D"
        ticks = np.unique(ticks)
        counts = ticks.astype(f"{kind}8[{unit}]").astype(np.int64)
        low, high = int(counts[0]), int(counts[-1])
        step = _step(counts - low, TICKS[unit])
        is_daily = times.what == "date" and step % TICKS[unit] == 0
        months, at_end = _months(ticks) if is_daily else (0, False)
        is_date = unit == "D" and times.what == "date" and times.freq is None
        made = times.made or (date if is_date else None)
        least = 2 * (31 * months or step / TICKS[unit])
        most = (high / TICKS[unit] - low / TICKS[unit]) / 2
        shown = tuple(c for c, period in CYCLES.items() if least < period < most)
        cycles = {"date": shown, "duration": (), "time": ("day",)}[times.what]
        of = times.what, times.zone, made, times.freq, unit
        return cls(*of, low, high, low, step, months, at_end, cycles)

    def bounded(self, low, high, name):
        """Return the clock with bounds that were asked for, None as it is."""
        low = low if low is None else self._bound(low, name, upward=True)
        high = high if high is None else self._bound(high, name)
        if None not in (low, high) and low > high:
            raise ValueError(f"columns: {name!r} has bounds the wrong way.")
        least = self.low if low is None else low
        most = max(self.high, least) if high is None else high
        return self._replace(low=min(least, most), high=most)

    def _bound(self, value, name, upward=False):
        """Return a bound in ticks."""
        if isinstance(value, str) and self.what != "time":
            parsed = pd.Timedelta if self.what == "duration" else pd.Timestamp
            try:
                value = parsed(value)
            except ValueError as error:
                raise ValueError(
                    f"columns: {name!r} holds {NAMES[self.what]}, and its bound {value!r} "
                    "cannot be read as such."
                ) from error
        kind = pd.api.types.infer_dtype([value], skipna=False)
        if OBJECTS.get(kind) != self.what:
            raise ValueError(
                f"columns: {name!r} holds {NAMES[self.what]}, and so must its bounds. Got "
                f"{value!r}."
            )
        zone, ticks = zone_of(value), np.array([numpy_of(value)])
        if zone is not None and self.zone is None:
            raise ValueError(
                f"columns: {name!r} has no time zone, but its bound {value!r} has. Use "
                "one without."
            )
        if zone is not None:
            ticks = Times(self.what, ticks, zone, None, None, None).on_the_wall(self.zone)
        unit = f"{ticks.dtype.kind}8[{self.unit}]"
        whole = ticks.astype(unit)
        if upward and (whole < ticks).any():
            whole = whole + np.ones(1, dtype=f"m8[{self.unit}]")
        return int(whole.astype(np.int64)[0])

    def widened(self, series):
        """Return the clock with what is seen in more rows within its bounds."""
        if series.times is None or series.missing.all():
            return self
        ticks = series.times.on_the_wall(self.zone)[~series.missing]
        counts = ticks.astype(f"{ticks.dtype.kind}8[{self.unit}]").astype(np.int64)
        low, high = min(self.low, int(counts.min())), max(self.high, int(counts.max()))
        return self._replace(low=low, high=high)

    @property
    def ends(self):
        """What is put in lies between these days, (low, high)."""
        return self.low / TICKS[self.unit], self.high / TICKS[self.unit]

    def days(self, series, name):
        """Return other values as days; (n,)."""
        if series.times is None:
            raise ValueError(
                f"X: column {name!r} held times in fit, and is now {series.dtype}. Convert "
                "it, in pandas with pandas.to_datetime or to_timedelta."
            )
        times = series.times
        if times.what != self.what or (times.zone is None) != (self.zone is None):
            same = times.what == self.what
            way = (
                ", in pandas with column.dt.tz_localize(zone), or the other way with "
                "column.dt.tz_convert(zone).dt.tz_localize(None)."
            )
            raise ValueError(
                f"X: column {name!r} held {_described(self.what, self.zone)} in fit, and "
                f"holds {_described(times.what, times.zone)} now. Convert it"
                f"{way if same else '.'}"
            )
        return days_of(times.on_the_wall(self.zone))

    def put(self, days):
        """Return numbers as values that the column could hold: a list, (n,)."""
        days = np.clip(np.asarray(days, dtype=np.float64), *self.ends)
        counts = np.rint(days * TICKS[self.unit]).astype(np.int64)
        counts = counts.clip(self.low, self.high)
        if self.months:
            return self._values(_nearest(self._months_between(), counts))
        least = -((self.anchor - self.low) // self.step)
        most = (self.high - self.anchor) // self.step
        if least <= most:  # else there is no step between the bounds
            steps = np.rint((counts - self.anchor) / self.step).astype(np.int64)
            counts = self.anchor + steps.clip(least, most) * self.step
        return self._values(counts)

    def _months_between(self):
        """Return the steps of months between the bounds, or these if there is none."""
        ticks = np.array([self.anchor, self.low, self.high]).astype(f"M8[{self.unit}]")
        anchor, low, high = ticks.astype("M8[M]")
        months = np.arange(low - 1, high + 2)
        months = months[(months - anchor).astype(int) % self.months == 0]
        whole = (months + self.at_end).astype("M8[D]") - int(self.at_end)
        start = (anchor + self.at_end).astype("M8[D]") - int(self.at_end)
        steps = (whole.astype(ticks.dtype) + (ticks[0] - start)).astype(np.int64)
        steps = steps[(steps >= self.low) & (steps <= self.high)]
        return steps if len(steps) else np.array([self.low, self.high])

    def _values(self, counts):
        """Return ticks as values of the column's own kind: a list."""
        if self.what == "time":
            ticks = counts.astype(f"m8[{self.unit}]").astype("m8[us]").tolist()
            return [(datetime.min + tick).time() for tick in ticks]
        if self.what == "duration":
            index = pd.TimedeltaIndex(counts.astype(f"m8[{self.unit}]"))
            return [as_made(value, self.made) for value in index]
        index = pd.DatetimeIndex(counts.astype(f"M8[{self.unit}]"))
        if self.freq is not None:
            return list(index.to_period(self.freq))
        if self.zone is not None:  # the first of two instants, the next if there is none
            first = np.ones(len(index), dtype=bool)
            index = index.tz_localize(
                self.zone, ambiguous=first, nonexistent="shift_forward"
            )
        return [as_made(value, self.made) for value in index]


def _nearest(steps, counts):
    """Return the nearest of steps, in order, to each count; (n,)."""
    after = np.searchsorted(steps, counts).clip(max=len(steps) - 1)
    before = steps[(after - 1).clip(min=0)]
    after = steps[after]
    return np.where(np.abs(after - counts) < np.abs(before - counts), after, before)


def _months(ticks):
    """Return how many months dates are apart, 0 if they are not, and if at their ends."""
    days = ticks.astype("M8[D]")
    months = days.astype("M8[M]")
    if len(ticks) < LEAST_MONTHS:
        return 0, False
    apart = (months - months[0]).astype(int)
    step = next(m for m in (12, 6, 3, 1) if not (apart % m).any())
    if len(np.unique(days - months.astype("M8[D]"))) == 1:
        return step, False
    at_end = bool((days + 1 == (months + 1).astype("M8[D]")).all())
    return (step if at_end else 0), at_end


def _described(what, zone):
    if what != "date":
        return NAMES[what]
    return "dates " + ("without a time zone" if zone is None else "with a time zone")


def _step(counts, per_day):
    """Return the largest step, in ticks, that counts from the first are multiples of."""
    for seconds, least in STEPS:
        step, rest = divmod(seconds * per_day, 86400)
        if step and not rest and len(counts) >= least and not (counts % step).any():
            return int(step)
    for parts in FRACTIONS:
        step = per_day // (86400 * parts)
        if step and not (counts % step).any():
            return int(step)
    return 1
