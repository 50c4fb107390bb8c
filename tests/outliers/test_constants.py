"""Values of columns that were constant in training."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.outliers._constants import Constants
from tests.outliers.rows import CLEAN, X, quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_deviations_by_hand():
    likelihood = SimpleNamespace(
        active=np.array([True, False, False, False]),
        scale=np.array([2.0, 0, 0, 0]),
        location=np.array([1.0, 100, 0, 0]),
        categories=None,
    )
    nan = np.nan
    constants = Constants(likelihood, np.array([[0.0, 100, 0, nan], [4, 100, 0, nan]]))
    rows = np.array(
        [
            [9.0, 100.0009, 1e-10, nan],  # 100 / 1e5 is as good as 0
            [9, 100.01, 0, 0],  # ten times that is not; a value where none was
            [9, -100, 1e-3, nan],
            [9, 100.0055, nan, 5],  # halfway between 0.001 and 0.01
            [9, 1e300, -1e300, nan],
        ]
    )
    expected = np.array(
        [[0, 0, 0, 0], [0, 20, 0, 20], [0, 20, 20, 0], [0, 10, 0, 20], [0, 20, 20, 0]]
    )
    np.testing.assert_allclose(constants.away(rows), expected, atol=1e-6)


def test_a_second_value_of_a_category_of_one_by_hand():
    likelihood = SimpleNamespace(
        active=np.array([True, True]),
        scale=np.array([1.0, 1]),
        location=np.zeros(2),
        n_levels=np.array([1, 2]),
        categories=(0, 1),
    )
    constants = Constants(likelihood, np.zeros((2, 2)))
    rows = np.array([[0, 1], [np.inf, np.inf], [np.nan, np.nan]])
    np.testing.assert_array_equal(constants.away(rows), [[0, 0], [20, 0], [0, 0]])


@pytest.mark.parametrize("purify", [True, False])
@pytest.mark.parametrize(
    ("constant", "others"),
    [(0, [50.0, -1, 1e-3]), (100, [101.0, -100]), (1.7e9, [1.71e9]), (0.1, [0.2])],
)
def test_rows_that_move_a_constant_are_outliers(purify, constant, others):
    def beside(value):
        return np.c_[CLEAN[:50], np.full(50, value)]

    rows = np.c_[X, np.full(len(X), constant)]
    detector = quick(purify=purify, max_iter=20).fit(rows)
    usual = detector.score_samples(beside(constant))
    for value in others:
        assert (detector.predict(beside(value)) == -1).all()
        reasons = detector.explain(beside(value)[:5], top=1)
        assert (reasons["feature"] == "x6").all()
        np.testing.assert_allclose(reasons["observed"], value)
        np.testing.assert_allclose(reasons["expected"], constant)
    for same in (np.float32(constant), constant * (1 + 1e-9), constant * (1 + 1e-6)):
        np.testing.assert_array_equal(detector.score_samples(beside(same)), usual)
    np.testing.assert_array_equal(  # a moved cell leaves the others what they are
        detector._abnormality_.expected(beside(others[0]))[0][:, :6],
        detector._abnormality_.expected(beside(constant))[0][:, :6],
    )


@pytest.mark.parametrize("criterion", ["reconstruction", "code", "neighbors"])
def test_each_criterion_sees_a_moved_constant(criterion):
    rows = np.c_[X, np.zeros(len(X))]
    detector = quick(criteria=(criterion,), max_iter=20).fit(rows)
    moved = np.c_[CLEAN, np.ones(len(CLEAN))]
    assert (detector.predict(moved) == -1).all()


def test_a_moved_constant_is_one_more_coordinate():
    rows = np.c_[X, np.zeros(len(X))]
    detector = quick(criteria=("neighbors",), purify=False).fit(rows)
    (measure,) = detector._abnormality_.measures
    fresh = np.c_[CLEAN[:20], np.zeros(20)]
    near = -detector.score_samples(fresh) * measure.unit
    fresh[:, -1] = 7
    far = -detector.score_samples(fresh) * measure.unit
    np.testing.assert_allclose(far, np.hypot(near, 20), rtol=1e-6)


def test_sparse_rows():
    counts = np.random.default_rng(0).poisson(1, size=(200, 10)).astype(float)
    counts[:, 3] = 0
    detector = quick(max_iter=20).fit(sp.csr_array(counts))
    moved = counts.copy()
    moved[:, 3] = 1
    assert (detector.predict(sp.csr_array(moved)) == -1).all()
    assert (detector.explain(sp.csr_array(moved[:5]), top=1)["feature"] == "x3").all()


@pytest.mark.parametrize("column", ["word", "empty", "number", "flag"])
def test_tables_of_numbers_and_categories(column):
    n = 200
    frame = pd.DataFrame(CLEAN[:n, :4], columns=list("abcd"))
    frame["kind"] = np.where(frame["a"] > frame["a"].median(), "high", "low")
    frame = frame.assign(word="same", number=3, flag=False, empty=np.full(n, np.nan))
    inner = Autoencoder(2, likelihood="mixed", max_iter=5, random_state=0)
    detector = quick(autoencoder=inner).fit(frame)
    usual = detector.score_samples(frame)
    value = {"word": "other", "empty": 1.5, "number": 4, "flag": True}[column]
    moved = frame.assign(**{column: value})
    assert (detector.predict(moved) == -1).all()
    first = detector.explain(moved[:5], top=1)
    assert (first["feature"] == column).all()
    assert (first["observed"] == value).all()
    if column == "empty":
        assert first["expected"].isna().all()
    else:
        assert (first["expected"] == frame[column][0]).all()
        gone = frame.assign(**{column: None})
        assert (detector.score_samples(gone) > usual - 0.5).mean() > 0.95


def test_a_lit_pixel_at_the_border_does_not_make_all_digits_outliers():
    rows = np.random.default_rng(0).permutation(load_digits().data)
    detector = AutoencoderOutlierDetector(
        n_estimators=2, purify=False, max_iter=30, random_state=0
    ).fit(rows[:300])
    fresh = rows[300:]
    constant = np.ptp(rows[:300], axis=0) == 0
    lit = (fresh[:, constant] != rows[0, constant]).any(1)
    alarm = detector.predict(fresh) == -1
    assert 0 < lit.mean() < 0.05
    assert (alarm & lit).mean() < 0.03
    assert alarm[~lit].mean() < 0.25
