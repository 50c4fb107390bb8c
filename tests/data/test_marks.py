"""Numbers that stand for missing cells are told of, and what is none is not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from skae import Autoencoder, AutoencoderImputer, AutoencoderOutlierDetector
from skae._data.marks import marks_of

RNG = np.random.default_rng(0)
N = 300
SIZE = RNG.normal(size=N)
COLUMNS = {
    "age": RNG.integers(18, 90, N),
    "normal": SIZE,
    "amount": np.exp(3 + SIZE).round(2),
    "rating": RNG.integers(1, 6, N),
    "fee": np.where(RNG.random(N) < 0.7, 0, np.exp(2 + SIZE).round(2)),
    "count": RNG.poisson(1, N),
    "degrees": (15 + 8 * SIZE).round(1),
}
CLEAN = {
    **COLUMNS,
    "half zero": RNG.choice([0, 5000.0], N, p=[0.9, 0.1]),
    "rent": np.where(RNG.random(N) < 0.5, 0, 5000 + 200 * SIZE),
    "doses": RNG.choice([0, 0.5, 1, 5, 50, 500], N),
    "powers": 10.0 ** RNG.integers(-3, 4, N),
    "powers of two": 2.0 ** RNG.integers(0, 30, N),
    "zip": RNG.choice([1067, 10115, 20095, 80331], N),
    "pareto": RNG.pareto(1.2, N).round(),
    "cauchy": RNG.standard_cauchy(N).round(),
    "zipf": RNG.zipf(1.6, N).clip(max=10**9),
    "capped": np.minimum(np.exp(3 + SIZE), 60),
    "days": 7 * RNG.integers(-2, 5, N),
    "two groups": np.where(RNG.random(N) < 0.05, 1000 + SIZE, SIZE),
    "signs": RNG.choice([-1, 0, 1], N),
    "9 to 99": RNG.integers(9, 100, N),
}


def with_mark(values, mark, count=9):
    values = np.array(values, dtype=float)
    values[20 : 20 + count] = mark
    return values


@pytest.mark.parametrize("mark", [-999, -99, 999, 9999, -9999, 99999, -200, -1e30, -32768])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_mark_is_found_and_counted(name, mark):
    values = with_mark(COLUMNS[name], mark)
    others = values[values != mark]
    nearest = others.min() if mark < 0 else others.max()
    assert marks_of(values) == [(mark, 9, nearest)]


def test_several_marks_are_found():
    values = with_mark(COLUMNS["age"], -999)
    values[:5], values[40:43] = 999, -9999
    found = marks_of(values)
    assert [(m.value, m.count) for m in found] == [(-9999, 3), (-999, 9), (999, 5)]
    survey = with_mark(COLUMNS["rating"], 99)
    survey[:6] = 98
    assert [(m.value, m.count) for m in marks_of(survey)] == [(98, 6), (99, 9)]


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_no_mark_is_not_found(name):
    assert marks_of(np.asarray(CLEAN[name], dtype=float)) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "linnerud"])
def test_real_columns_hold_no_marks(name):
    X = getattr(datasets, f"load_{name}")().data
    assert [marks_of(column) for column in X.T] == [[]] * X.shape[1]


def test_one_wild_cell_is_no_mark_nor_two():
    for count in (1, 2):
        assert marks_of(with_mark(COLUMNS["age"], 999, count)) == []


@pytest.fixture
def table():
    visit = pd.Series(pd.date_range("2024-01-01", periods=N))
    visit[:7] = pd.Timestamp("1900-01-01")
    age = with_mark(COLUMNS["age"], -999)
    return pd.DataFrame({"age": age, "amount": COLUMNS["amount"], "visit": visit})


def told(fit, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        fit(X)
    return [str(w.message) for w in caught if "marks of missing" in str(w.message)]


def test_the_warning_names_column_value_count_and_remedy(table):
    least = int(COLUMNS["age"].min())
    of_age = f"-999 in column 'age' (in 9 of 300 cells; all others are {least} or above)"
    of_visit = (
        "1900-01-01 00:00:00 in column 'visit' (in 7 of 300 cells; all others are 2024"
    )
    for fit, remedy in (
        (AutoencoderImputer(max_iter=1).fit, "missing_values=-999 does so"),
        (Autoencoder(2, likelihood="mixed", max_iter=1).fit, "replace them by NaN."),
    ):
        (text,) = told(fit, table)
        assert [part in text for part in (of_age, of_visit, remedy)] == [True] * 3
    numbers = table[["age", "amount"]]
    one = Autoencoder(1, max_iter=1)
    for fit in (one.fit, AutoencoderOutlierDetector(one).fit):
        (text,) = told(fit, numbers)
        remedies = "AutoencoderImputer(missing_values=-999)", "likelihood='mixed'"
        assert [part in text for part in (of_age, *remedies)] == [True] * 3
    (text,) = told(one.fit, numbers.to_numpy())
    assert of_age.replace("'age'", "0") in text


def test_the_remedies_work(table):
    numbers = table[["age", "amount"]]
    imputer = AutoencoderImputer(max_iter=1, missing_values=-999)
    assert told(imputer.fit, numbers) == []
    assert imputer.transform(numbers)["age"].min() >= 18
    mixed = Autoencoder(1, likelihood="mixed", max_iter=1)
    assert told(mixed.fit, numbers.replace({"age": -999}, np.nan)) == []


def test_a_category_may_hold_any_number(table):
    imputer = AutoencoderImputer(max_iter=1, columns={"age": "category"})
    assert told(imputer.fit, table[["age", "amount"]]) == []
