"""Texts that are no categories: amounts, numbers, dates, names of single rows.

A category's values recur, and are no quantities.
"""

import re
from numbers import Real
from typing import NamedTuple

import numpy as np

from skae._data.objects import is_flag

MOST_READ = 1000  # of a column's different texts
SHARE = 0.9  # of them that must be of a form
FEW_QUANTITIES = 5, 12, 4  # different ones: at least, more than which or a cell in so many
FEW_WHOLE = 8, 5  # the same of whole numbers, which are codes as often
MANY_WHOLE = 24  # different ones of which it is told, if they are taken for codes
FEW_NAMES = 30, 2  # different texts at most, or one for so many cells, in a category
FEW_CODES = 20, 2  # different whole numbers among Python's objects, likewise

MARKS = frozenset(
    ("", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "nat", "<na>", "none", "null",
     "nil", "missing")
)  # fmt: skip
NUMBER = r"(?:\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?|[.,]\d+"
CURRENCY = (
    r"[A-Z]{0,3}[$\u00a2-\u00a5\u20a0-\u20cf]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|"
    r"SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|MXN|ZAR|KRW|RUB|TRY|SGD|HKD|ILS|THB|UAH|"
    r"[Kk]r\.?|z\u0142|Fr\.?|Rs\.?"
)
MONEY = re.compile(
    rf"\(?[+-]?\s?(?:(?P<before>{CURRENCY})\s?[+-]?(?:{NUMBER})|"
    rf"(?:{NUMBER})\s?(?P<after>{CURRENCY}))\s?(?:[kKM]|bn)?\)?[+-]?"
)
PERCENT = re.compile(rf"[+-]?(?:{NUMBER})\s?%")
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}.*)?|"
    r"\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?:[T ]\d{1,2}:\d{2}.*)?"
)
TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?")
QUANTITY = re.compile(rf"[+-]?(?:{NUMBER})(?:[eE][+-]?\d+)?")
WHOLE = re.compile(r"[+-]?(?:[1-9]\d*|0)")  # "01" is a code
CODE = re.compile(r"0\d+")
UNIT = re.compile(rf"[+-]?(?:{NUMBER})\s?(?P<unit>[^\d\s.,+-]{{1,5}})")


class Look(NamedTuple):
    """What texts look like that may be no category."""

    what: str
    remedy: str  # empty for names of single rows
    is_category: bool = False  # whether they are taken for one all the same


def is_mark(value):
    """Tell whether a value is a text by which people mark a missing cell."""
    return isinstance(value, str) and value.strip().lower() in MARKS


def twins_of(levels):
    """Return the first of a category's texts that differ in capitals or spaces only."""
    alike = {}
    for level in levels:
        if isinstance(level, str):
            alike.setdefault(level.strip().casefold(), []).append(level)
    return next((texts for texts in alike.values() if len(texts) > 1), None)


def look_of(levels, n_cells):
    """Return the `Look` of a column's different values, None for a category.

    Parameters
    ----------
    levels : list
        The different values in so many cells.
    n_cells : int
    """
    has_marks = any(map(is_mark, levels))
    has_texts = any(isinstance(v, str) for v in levels)
    levels = [v for v in levels if not is_mark(v)]
    number = len(levels)
    is_read = (isinstance(v, str | Real) and not is_flag(v) for v in levels)
    if has_texts and number >= FEW_QUANTITIES[0] and all(is_read):
        places = np.linspace(0, number - 1, min(number, MOST_READ)).round().astype(int)
        texts = [str(levels[i]).strip() for i in places]
        quantity = _quantity(texts, number, n_cells, has_marks)
        if quantity is not None:
            return quantity
    most, each = FEW_NAMES
    if number > most and number > n_cells / each:
        return Look(f"{number} different values in {n_cells} cells", "")
    return None


def _quantity(texts, number, n_cells, has_marks):
    """Return the `Look` of quantities, of which there is such a number, or None.

    `has_marks` says whether there are marks of missing cells beside them.
    """

    def matches(pattern):
        found = [match for match in map(pattern.fullmatch, texts) if match]
        return found if len(found) >= SHARE * len(texts) else []

    def to_numbers(found, *signs):
        other = " with errors='coerce'" * (has_marks or len(found) < len(texts))
        return _to_numbers([match[0] for match in found], *signs) + other

    _, most, each = FEW_QUANTITIES
    is_varied = number > min(most, n_cells / each)
    example = f"such as {texts[0]!r}"
    found = matches(MONEY)
    if found and is_varied:
        sign = found[0]["before"] or found[0]["after"]
        return Look(f"amounts of money {example}", to_numbers(found, sign))
    found = matches(PERCENT)
    if found and is_varied:
        return Look(f"percentages {example}", to_numbers(found, "%"))
    found = matches(DATE)
    if found and is_varied:
        first = (
            "" if found[0][0][:4].isdigit() else ", with dayfirst=True if days come first"
        )
        return Look(f"dates as texts {example}", f"use pd.to_datetime{first}")
    if matches(TIME) and is_varied:
        way = "make it hh:mm:ss and use pd.to_timedelta"
        return Look(f"times as texts {example}", way)
    if any(map(CODE.fullmatch, texts)):
        return None
    least, each = FEW_WHOLE
    is_many = number >= least and number > n_cells / each
    is_whole = bool(matches(WHOLE))
    found = matches(QUANTITY)
    if found and (is_many if is_whole else is_varied):
        return Look(f"numbers as texts {example}", to_numbers(found))
    if is_whole and number > MANY_WHOLE:
        what = f"{number} whole numbers as texts {example}"
        return Look(what, f"if they are quantities, {to_numbers(found)}", is_category=True)
    found = matches(UNIT)
    if found and is_many and len({match["unit"] for match in found}) == 1:
        return Look(f"numbers with a unit {example}", to_numbers(found, found[0]["unit"]))
    return None


def _to_numbers(texts, *signs):
    """Return how such texts are made numbers; some signs are to be stripped."""
    parts = [
        re.sub(r"[^\d., \u00a0\u202f]", "", text).strip(".,\u00a0\u202f ") for text in texts
    ]
    is_decimal = any(re.search(r"^0,|,(\d{1,2}|\d{4,})$", part) for part in parts)
    separators = {"points": r"\.\d"} if is_decimal else {"commas": r","}
    separators["spaces"] = r"\s"
    strips = [*map(repr, signs)] + [
        f"the {name}"
        for name, sign in separators.items()
        if any(re.search(sign, p) for p in parts)
    ]
    steps = [f"strip {' and '.join(strips)}"] * bool(strips) + [
        "make ',' a '.'"
    ] * is_decimal
    return " and ".join(
        [", ".join(steps), "use pd.to_numeric"] if steps else ["use pd.to_numeric"]
    )
