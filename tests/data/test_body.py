"""How columns are seen: bodies and tails."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from skae._data.body import KNEE, bend, straighten
from skae._data.statistics import column_statistics

RNG = np.random.default_rng(0)


def statistics(X, weight=None):
    return column_statistics(X, weight, X.shape[1:], lambda block: None)


def test_a_bend_by_hand():
    u = np.array([-8.0, 0.0, 7.9, 8.0, 8 + np.e - 1, -(8 + np.expm1(3))])
    np.testing.assert_allclose(bend(u), [-8, 0, 7.9, 8, 9, -11])


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e12, 1e12))
def test_a_bend_can_be_undone_and_keeps_the_order(u):
    u = np.array([u, u + 1e-3 * abs(u) + 1e-3])
    np.testing.assert_allclose(straighten(bend(u)), u, rtol=1e-9)
    assert bend(u)[0] < bend(u)[1]
    assert np.abs(bend(u)).max() < KNEE + 28


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes", "iris"])
def test_ordinary_columns_are_seen_by_mean_and_deviation_to_the_last_bit(name):
    X = getattr(datasets, f"load_{name}")().data
    stats = statistics(X)
    np.testing.assert_array_equal(stats.centre, stats.mean)
    np.testing.assert_array_equal(stats.spread, np.sqrt(stats.variance))
    assert not stats.is_wild.any()


def test_heavy_tails_are_ordinary():
    X = np.column_stack(
        [RNG.exponential(size=1000), RNG.lognormal(size=1000), RNG.standard_t(3, 1000)]
    )
    assert not statistics(X).is_wild.any()


@pytest.mark.parametrize("n", [20, 300, 30_000])
@pytest.mark.parametrize("wild", [999.0, -1e9])
def test_one_wild_cell_does_not_move_a_columns_centre_and_spread(n, wild):
    X = RNG.normal(5, 2, size=(n, 3))
    clean = statistics(X)
    X[n // 2, 1] = wild
    stats = statistics(X)
    assert stats.is_wild.tolist() == [False, True, False]
    spread = np.sqrt(clean.variance)
    assert abs(stats.centre[1] - clean.mean[1]) < 0.7 * spread[1]
    assert spread[1] * 0.9 < stats.spread[1] < 2 * spread[1]
    np.testing.assert_array_equal(stats.spread[[0, 2]], spread[[0, 2]])


def test_centre_and_spread_by_hand():
    # middle 3, distances 2 1 0 1 97: typical 1.5, within 6 * 1.4826 * 1.5 = 13.3434
    stats = statistics(np.array([[1.0], [2], [3], [4], [100]]))
    kept = np.array([1, 2, 3, 4, 16.3434])
    assert stats.is_wild.all()
    assert stats.centre == pytest.approx(kept.mean())
    assert stats.spread == pytest.approx(kept.std())
    # middle 1, typical 1, two of ten may be wild: within twice the third farthest, 14
    stats = statistics(np.array([[2.0, 0, 0, 0, 1, 1, 2, 15, 1000, -2000]]).T)
    kept = np.array([2, 0, 0, 0, 1, 1, 2, 15, 29, -27])
    assert stats.is_wild.all()
    assert stats.spread == pytest.approx(kept.std())


def test_a_column_that_hardly_varies_has_a_tenth_of_its_step():
    X = np.zeros((1000, 2))
    X[3, 0], X[4:14, 1] = 0.01, 5
    stats = statistics(X)
    np.testing.assert_allclose(stats.spread, [0.001, 0.5])
    assert not stats.is_wild.any()
    X[7:, 1] = 0  # three in a thousand: their deviation would be .27
    assert statistics(X).spread[1] == pytest.approx(0.5)


def test_what_is_missing_or_weighs_nothing_plays_no_part():
    X = RNG.normal(size=(200, 2))
    X[7, 0] = 5000
    with_gaps = np.vstack([X, np.full((50, 2), np.nan)])
    stats, holed = statistics(X), statistics(with_gaps)
    np.testing.assert_allclose(holed.spread, stats.spread)
    np.testing.assert_array_equal(holed.is_wild, [True, False])
    weight = np.r_[np.ones(200), np.zeros(9)]
    weighed = statistics(np.vstack([X, np.full((9, 2), 1e5)]), weight)
    np.testing.assert_allclose(weighed.spread, stats.spread)
    weight = np.ones(200)
    weight[:100] = 3
    thrice = statistics(np.vstack([X[:100]] * 3 + [X[100:]]))
    np.testing.assert_allclose(statistics(X, weight).spread, thrice.spread, rtol=0.02)


def test_sparse_matrices_are_seen_by_deviation():
    X = np.zeros((300, 2))
    X[:, 0], X[3, 1] = RNG.normal(size=300), 1e6
    X[5, 0] = 1e6
    stats = statistics(sp.csr_matrix(X))
    np.testing.assert_array_equal(stats.spread, np.sqrt(stats.variance))
    assert not stats.is_wild.any()


@pytest.mark.parametrize("n", [4, 5, 6, 10])
@pytest.mark.parametrize("value", [1e4, -1e30])
def test_a_wild_cell_of_a_small_table_is_told(n, value):
    X = np.random.default_rng(0).normal(5, 2, size=(n, 2))
    X[1, 0] = value
    stats = statistics(X)
    assert stats.is_wild.tolist() == [True, False]
    assert (
        np.delete(X[:, 0], 1).min() - 10
        < stats.centre[0]
        < np.delete(X[:, 0], 1).max() + 10
    )
    assert stats.spread[0] < 20
