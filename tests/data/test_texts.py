"""What texts are that are no categories, and what is said of them."""

import numpy as np
import pytest

from skae._data.texts import is_mark, look_of

RNG = np.random.default_rng(0)
AMOUNTS = RNG.lognormal(3, 1, 400)
NUMBERS = RNG.integers(0, 1000, 300)


def look(texts):
    texts = list(texts)
    return look_of(sorted(set(texts), key=str), len(texts))


def european(value):
    return f"{100 * value:,.2f} EUR".translate(str.maketrans(",.", ".,"))


@pytest.mark.parametrize(
    ("texts", "what", "remedy"),
    [
        ((f"${v:.2f}" for v in AMOUNTS), "money", "strip '$' and use pd.to_numeric"),
        ((f"-${v:.2f}" for v in AMOUNTS), "money", "strip '$' and use pd.to_numeric"),
        ((f"${v:,.2f}" for v in 99 * AMOUNTS), "money", "strip '$' and the commas"),
        ((f"{v:.2f} zł" for v in AMOUNTS[:8]), "money", "strip 'zł'"),
        (map(european, AMOUNTS), "money", "strip 'EUR' and the points, make ',' a '.'"),
        ((f"{v:.0f}%" for v in AMOUNTS), "percent", "strip '%' and use pd.to_numeric"),
        (map(str, NUMBERS), "numbers as texts", "use pd.to_numeric"),
        ((f"{v:.2f}" for v in AMOUNTS), "numbers as texts", "use pd.to_numeric"),
        ((f"0,{v}" for v in NUMBERS), "numbers as texts", "make ',' a '.'"),
        ((f"{v:.1f} kg" for v in AMOUNTS), "a unit", "strip 'kg'"),
        ((f"2026-{1 + v % 12:02d}-{1 + v % 28:02d}" for v in NUMBERS), "dates", "datetime"),
        ((f"r{v}" for v in range(50)), "50 different values in 50 cells", ""),
        ([*("12.5", "13.1", "14", "7.25", "9.5") * 2, "?", "NA"], "numbers", "='coerce'"),
        ([*AMOUNTS.tolist(), "?"], "numbers", "use pd.to_numeric with errors='coerce'"),
        ([*map(str, NUMBERS), *NUMBERS.tolist()], "numbers as texts", "to_numeric"),
        ((f"{v % 24:02d}:{v % 60:02d}" for v in NUMBERS), "times as", "pd.to_timedelta"),
    ],
    ids=lambda v: v if isinstance(v, str) else "texts",
)
def test_what_is_no_category(texts, what, remedy):
    found = look(texts)
    assert what in found.what
    assert remedy in found.remedy
    assert not found.is_category


@pytest.mark.parametrize(
    "texts",
    [
        [f"shop {v}" for v in RNG.integers(0, 200, 1500)],
        [f"name {v}" for v in range(30)],
        [f"{v:02d}" for v in RNG.integers(0, 60, 200)],  # codes
        [str(v) for v in RNG.integers(0, 5, 30)],
        [f"{5 * v}%" for v in RNG.integers(0, 6, 500)],  # doses
        ["under $5", "$5-$10", "above $10"] * 20,
        ["a", "b"] * 4,
        [True, False] * 50,
        [1, 2, 3, "?"] * 9,
        [*range(9)] * 2,
        ["", "a", "b"] * 9,
    ],
    ids=lambda texts: str(texts[0]),
)
def test_what_is_a_category(texts):
    assert look(texts) is None


def test_whole_numbers_that_recur_may_be_codes():
    found = look(map(str, RNG.integers(18, 90, 1500)))
    assert found.is_category
    assert "if they are quantities, use pd.to_numeric" in found.remedy


def test_marks_of_missing_cells():
    assert all(map(is_mark, ["", " ", "nan", "NA", "?", "None", "N/A", "null"]))
    assert not any(map(is_mark, ["a", "Nancy", "no", "0", 0, None, False]))
