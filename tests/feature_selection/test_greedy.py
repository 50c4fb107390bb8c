"""Columns chosen one by one, by what a linear model explains."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from skae.feature_selection._greedy import best_ridge, greedy_columns

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def explained_by(x, columns):
    return np.square(LinearRegression(fit_intercept=False).fit(
        x[:, columns], x).predict(x[:, columns])).sum()  # fmt: skip


@pytest.mark.parametrize("shape", [(50, 9), (9, 50)])
def test_greedy_columns_are_those_of_forward_selection(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1]))
    x -= x.mean(0)
    columns, gains = greedy_columns(x, 5)
    chosen = []
    for j, total in zip(columns, gains.cumsum(), strict=True):
        free = [i for i in range(shape[1]) if i not in chosen]
        best = max(free, key=lambda i: explained_by(x, [*chosen, i]))
        chosen.append(int(j))
        assert j == best
        assert total == pytest.approx(explained_by(x, chosen))


def test_greedy_columns_are_distinct_when_nothing_is_left():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 6))
    x = np.hstack([x, np.zeros((40, 2))])
    columns, gains = greedy_columns(x - x.mean(0), 8)
    assert sorted(columns) == list(range(8))
    assert set(columns[-2:]) == {6, 7}  # constant ones last
    assert (gains[2:] < 1e-6 * gains[0]).all()
    assert greedy_columns(np.zeros((3, 4)), 2)[1].tolist() == [0, 0]


def test_a_ridge_where_rows_are_few():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 2))
    noisy = z @ rng.normal(size=(2, 200)) + 2 * rng.normal(size=(40, 200))
    assert best_ridge(noisy - noisy.mean(0), 10) > 0
    clean = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 12))
    assert best_ridge(clean - clean.mean(0), 6) == 0
    assert best_ridge(clean[:9], 6) == 0
