"""Numbers that stand for missing cells: -999 among ages.

Such a number occurs more than once, and lies far from all others.
"""

import re
from itertools import product
from typing import NamedTuple

import numpy as np

from skae._data.schema import Column, cells_of
from skae._data.told import tell

MOST_ROWS = 20_000  # that are looked at
MOST_TOLD = 10  # marks in one warning
FEWEST = 3  # cells that hold a mark, and different values of the others
MOST = 3  # marks below the others, and above them
FAR = 3.0  # from the others, in distances of their median to their end
FAR_OF_CODES = 1.0  # the same of numbers that people choose as marks
FAR_OF_STEPS = 100.0  # the same beside few different values, which may be 1, 10, 100
FEW = 20  # different values
CODES = re.compile(r"-?(9+[789]|8{2,}|7{2,})")
NEGATIVE = re.compile(r"-9+[789]")  # a mark, however near, where no other is negative


class Mark(NamedTuple):
    """A number that may stand for missing cells."""

    value: float
    count: int  # of cells that hold it
    nearest: float  # of the other values


def tell_of_marks(X, columns, remedy):
    """Warn of numbers that may stand for missing cells.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    columns : list of Column or of names
    remedy : str
        What to do about them, with a place for one of them: ``{mark}``.
    """
    X = X[:: max(1, -(-len(X) // MOST_ROWS))]
    said, shown = [], set()
    for j, column in enumerate(columns):
        column = column if isinstance(column, Column) else Column(column, "number")
        if column.kind not in ("number", "integer", "time"):
            continue
        values = np.asarray(X[:, j], dtype=np.float64)
        values = values[np.isfinite(values)]
        for mark in marks_of(values, zero_too=column.kind == "time"):
            value, nearest = _shown(column, mark.value), _shown(column, mark.nearest)
            side = "above" if mark.value < mark.nearest else "below"
            said.append(
                f"{value} in column {column.name!r} (in {mark.count} of {len(values)} "
                f"cells; all others are {nearest} or {side})"
            )
            shown.add(value)
    if said:
        more = [f"and {len(said) - MOST_TOLD} more"] * (len(said) > MOST_TOLD)
        tell(
            "X: values that look like marks of missing cells are taken as they are: "
            f"{', '.join([*said[:MOST_TOLD], *more])}. If nothing is known there, "
            + remedy.format(mark=min(shown, key=len))
        )


def _shown(column, value):
    return str(cells_of(column, [value])[0]) if column.clock else f"{value:.15g}"


def marks_of(values, zero_too=False):
    """Return the `Mark` of each of a column's numbers (n,) that may stand for nothing.

    Zero is a quantity, but where `zero_too` says that it is as good as any other.
    """
    ends = (values.min(), values.max()) if len(values) else ()
    if not any(FEWEST <= (values == end).sum() < len(values) for end in ends):
        return []
    levels, counts = np.unique(values, return_counts=True)
    may_be = (counts >= FEWEST) & (zero_too | (levels != 0))
    below, above = (
        range(int(may[:MOST].cumprod().sum()) + 1) for may in (may_be, may_be[::-1])
    )
    for low, high in sorted(product(below, above), key=sum, reverse=True):
        core, number = (a[low : len(a) - high] for a in (levels, counts))
        if len(core) < FEWEST:
            continue
        found = [Mark(levels[j], counts[j], core[0]) for j in range(low)]
        found += [Mark(levels[j], counts[j], core[-1]) for j in range(-high, 0)]
        if all(_is_far(mark, core, number) for mark in found):
            return found
    return []


def _is_far(mark, core, number):
    """Tell whether a mark is out of the question among values and their numbers."""
    middle = core[np.searchsorted(number.cumsum(), number.sum() / 2)]
    spread = np.average(np.abs(core - middle), weights=number)
    text, least = f"{mark.value:.15g}", FAR if len(core) >= FEW else FAR_OF_STEPS
    if NEGATIVE.fullmatch(text) and core[0] >= 0:
        least = 0.0
    elif CODES.fullmatch(text):
        least = FAR_OF_CODES
    gap = abs(mark.value - mark.nearest)
    return gap > least * max(spread, abs(mark.nearest - middle))
