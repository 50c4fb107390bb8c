"""Python's objects in columns: numbers among them, and how they go back.

n is the number of rows.
"""

from decimal import Decimal
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd


class Decimals(NamedTuple):
    """The dtype of a column of `decimal.Decimal`."""

    dtype: object  # of its container
    places: int  # behind the point

    def __str__(self):
        return str(self.dtype)

    def of(self, values):
        """Return numbers as decimals; None stays."""
        return [v if v is None else Decimal(f"{v:.{self.places}f}") for v in values]


def is_flag(value):
    """Tell whether a value is True or False."""
    return isinstance(value, bool | np.bool_)


def numbers_of(values, missing):
    """Return Python's numbers (n,) as float64, and their dtype: or None for other values.

    Returns
    -------
    numbers : ndarray of shape (n,) or None
    kind : str
        "integer" or "number".
    places : int or None
        Of `Decimals`, where there is a decimal.
    """
    seen = values[~missing]
    if not len(seen) or not all(
        isinstance(v, Real | Decimal) and not is_flag(v) for v in seen
    ):
        return None, "category", None
    decimals = [v for v in seen if isinstance(v, Decimal)]
    numbers = np.full(len(values), np.nan)
    numbers[~missing] = seen.astype(np.float64)
    kind = "integer" if all(isinstance(v, Integral) for v in seen) else "number"
    exponents = [v.as_tuple().exponent for v in decimals if v.is_finite()]
    places = max(0, -min(exponents, default=0)) if decimals else None
    return numbers, kind, places


def flags_of(values, missing):
    """Return True and False (n,) as float64, None if there are other values."""
    seen = values[~missing]
    if not len(seen) or not all(map(is_flag, seen)):
        return None
    numbers = np.full(len(values), np.nan)
    numbers[~missing] = seen.astype(np.float64)
    return numbers


def told_apart(values):
    """Return a function of values by which those are alike that are one level.

    1 and 1.0 are, and so is True, unless there are other values than True and False.
    """
    flags = [is_flag(v) for v in values]
    if any(flags) and not all(flags):
        return lambda value: (is_flag(value), value)
    return lambda value: value


def brief(value, longest=40):
    """Return one of a table's values as a short text."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    text = str(value)
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
