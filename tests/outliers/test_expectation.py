"""What is expected of a cell given the others."""

import time

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from skae.outliers._expectation import Expectation, shrunk


def given(rows, x, among):
    """Return mean and deviation of each cell of x (d,) given those of some columns."""
    fitted = LedoitWolf().fit(rows)
    mean, C, out = fitted.location_, fitted.covariance_, []
    for j in range(len(x)):
        others = [i for i in among if i != j]
        weights = np.linalg.solve(C[np.ix_(others, others)], C[others, j])
        expected = mean[j] + (x - mean)[others] @ weights
        out.append((expected, (C[j, j] - C[j, others] @ weights) ** 0.5))
    return np.array(out).T


def table(n, d, seed=0):
    rng = np.random.default_rng(seed)
    factors = np.random.default_rng(9).normal(size=(3, d))
    return 0.5 * rng.normal(size=(n, 3)) @ factors + 0.3 * rng.normal(size=(n, d))


@pytest.mark.parametrize(("n", "d"), [(300, 8), (60, 100), (40, 40)])
def test_fewer_factors_are_the_whole_covariance(n, d):
    rows = table(n, d)
    W, rest = shrunk(rows - rows.mean(0))
    assert W.shape == (d, min(n, d))
    expected = LedoitWolf().fit(rows).get_precision()
    np.testing.assert_allclose((np.eye(d) - W @ W.T) / rest, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(300, 8), (60, 100)])
@pytest.mark.parametrize("missing", [[], [1, 4], [0, 1, 2, 3, 4, 5, 6]])
def test_what_is_expected_is_conditional_on_the_cells_that_are_there(n, d, missing):
    rows = table(n, d)
    expectation = Expectation(rows, np.ones(d, bool), np.arange(d))
    x = rows[:5] * 0.5
    for row in x:
        row[missing] = np.nan
    got, away = expectation(x)
    for i in range(5):
        mean, deviation = given(rows, x[i], [j for j in range(d) if j not in missing])
        mean = mean.clip(rows.min(0), rows.max(0))
        np.testing.assert_allclose(got[i], mean, atol=1e-9)
        off = np.nan_to_num(np.abs(x[i] - mean) / deviation)
        np.testing.assert_allclose(away[i], off, atol=1e-6)


def test_two_columns_by_hand():
    # of variance 1 and 1, covariance 0.6 (shrunk a little)
    rows = np.array([[2.0, 2], [-2, -2], [1, -1], [-1, 1]]) / np.sqrt([2.5, 2.5])
    expectation = Expectation(rows, np.ones(2, bool), np.arange(2))
    # beta: squared lengths 3.2, 3.2, .8, .8; (21.76 / 4 - 2.72) / 4 = .68, of a delta of
    # 2.72 - 2 = .72: nearly all is shrunk away
    slope = 0.6 * (1 - 0.68 / 0.72)
    got, _ = expectation(np.array([[1.0, -0.5], [np.nan, 1]]))
    np.testing.assert_allclose(got, [[-0.5 * slope, slope], [slope, 0]], atol=1e-9)


@pytest.mark.parametrize("d", [8, 100])
def test_cells_outside_lead_nowhere(d):
    rows, fresh = table(60, d), table(20, d, seed=1) * 0.7
    expectation = Expectation(rows, np.ones(d, bool), np.arange(d))
    wild = fresh.copy()
    wild[:, [2, 5]] = 20
    holed = fresh.copy()
    holed[:, [2, 5]] = np.nan
    np.testing.assert_allclose(expectation(wild)[0], expectation(holed)[0], atol=1e-9)
    assert (expectation(wild)[1][:, [2, 5]] > 20).all()
    wild[:, 2] = np.inf
    np.testing.assert_allclose(expectation(wild)[0], expectation(holed)[0], atol=1e-9)
    assert (expectation(holed)[1][:, [2, 5]] == 0).all()


def test_an_odd_cell_within_the_range_leads_nowhere():
    rows, fresh = table(300, 8), table(50, 8, seed=1)
    fresh = fresh[abs(fresh[:, 3]) > 1]
    expectation = Expectation(rows, np.ones(8, bool), np.arange(8))
    odd, holed = fresh.copy(), fresh.copy()
    odd[:, 3] = -fresh[:, 3]  # as likely by itself, but not beside the others
    holed[:, 3] = np.nan
    away = expectation(odd)[1]
    assert (away.argmax(1) == 3).all()
    np.testing.assert_allclose(expectation(odd)[0], expectation(holed)[0], atol=1e-9)


def test_a_category_is_expected_as_a_whole():
    rng = np.random.default_rng(0)
    level = rng.integers(3, size=400)
    number = level - 1 + 0.2 * rng.normal(size=400)
    rows = np.c_[number, np.eye(3)[level]]
    expectation = Expectation(rows, np.ones(4, bool), np.array([0, 1, 1, 1]))
    x = np.array([[0.6, 0, 0, 1], [-0.6, 1, 0, 0], [0.6, np.nan, np.nan, np.nan]])
    got, away = expectation(x)
    assert away.shape == (3, 2)
    np.testing.assert_allclose(got[:2, 0], [1, -1], atol=0.1)
    # 1/3, and more or less by cov / var = 1/3 / (2/3 + .04) for each 1 of the number
    more = 0.6 / 3 / (2 / 3 + 0.04)
    level = [1 / 3 - more, 1 / 3, 1 / 3 + more]
    np.testing.assert_allclose(got[:, 1:], [level, level[::-1], level], atol=0.05)
    assert got[:, 1:].argmax(1).tolist() == [2, 0, 2]
    assert away[2, 1] == 0


def test_columns_that_do_not_vary_are_expected_to_stay():
    rows = table(50, 3)
    rows[:, 1] = 4
    expectation = Expectation(rows, np.array([True, False, True]), np.arange(3))
    got, _ = expectation(np.array([[0.1, 7.0, 0.2], [0.1, 4, 0.2]]))
    assert (got[:, 1] == 4).all()
    np.testing.assert_array_equal(got[0], got[1])
    nothing = Expectation(np.ones((5, 2)), np.zeros(2, bool), np.arange(2))
    np.testing.assert_array_equal(nothing(np.array([[3.0, 1]]))[0], [[1, 1]])


def test_columns_that_are_the_same_tell_each_other():
    x = np.tile([1.0, -1], 20)  # all as far from the mean, so that nothing is shrunk
    expectation = Expectation(np.c_[x, x], np.ones(2, bool), np.arange(2))
    np.testing.assert_allclose(
        expectation(np.array([[0.5, 0.5]]))[0], [[0.5, 0.5]], rtol=1e-5
    )


def test_twenty_thousand_columns_take_no_time():
    rows = table(200, 20_000)
    start = time.process_time()
    expectation = Expectation(rows, np.ones(20_000, bool), np.arange(20_000))
    odd = rows[:1].copy()
    odd[0, 7] += 30
    got, away = expectation(odd)
    assert time.process_time() - start < 3
    assert away[0].argmax() == 7
    assert abs(got[0, 7] - rows[0, 7]) < 1
