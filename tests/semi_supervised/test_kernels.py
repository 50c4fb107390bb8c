"""Kernel ridge regressions, pooled by numbers left out."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from skae.semi_supervised import _kernels as module
from skae.semi_supervised._kernels import KernelPool


def rows(n=30, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=n)


def test_one_member_is_a_kernel_ridge_regression(monkeypatch):
    X, y = rows()
    monkeypatch.setattr(module, "RIDGES", (0.3,))
    weight = np.linspace(1, 3, 30)
    weight /= weight.mean()
    pool = KernelPool("linear").fit(X, y, weight)
    center = np.average(y, weights=weight)
    plain = KernelRidge(alpha=0.3, kernel="precomputed")
    plain.fit(X @ X.T / 3 + 1, y - center, sample_weight=weight)
    new = rows(10, seed=1)[0]
    np.testing.assert_allclose(pool.predict(new), center + plain.predict(new @ X.T / 3 + 1))


def test_weights_are_by_numbers_left_out(monkeypatch):
    X, y = rows(12)
    ridges = (0.1, 30.0)
    monkeypatch.setattr(module, "RIDGES", ridges)
    pool = KernelPool("linear").fit(X, y, np.ones(12))
    u = (y - y.mean()) / y.std()
    losses = []
    for ridge in ridges:
        errors = []
        for i in range(12):
            left = np.arange(12) != i
            plain = KernelRidge(alpha=ridge, kernel="precomputed")
            plain.fit((X[left] @ X[left].T) / 3 + 1, u[left])
            errors.append(u[i] - plain.predict(X[i : i + 1] @ X[left].T / 3 + 1)[0])
        losses.append(np.mean(np.square(errors)))
    ratio = (losses[1] / losses[0]) ** -6  # of likelihoods of 12 normal errors
    shares = dict(zip(ridges, (1 / (1 + ratio), ratio / (1 + ratio)), strict=True))
    found = [share for _, share in pool.pool]
    expected = [s for s in shares.values() if s > module.NEGLIGIBLE]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_lines_and_curves_are_told_apart():
    X, y = rows(60)
    assert KernelPool().fit(X, y, np.ones(60)).linear_share > 0.6
    curve = np.sin(3 * X[:, 0]) + X[:, 1] ** 2
    assert KernelPool().fit(X, curve, np.ones(60)).linear_share < 0.01
    assert KernelPool("rbf").fit(X, y, np.ones(60)).linear_share == 0


def test_many_numbers_are_learnt_from_in_part(monkeypatch):
    X, y = rows(60)
    monkeypatch.setattr(module, "MOST_LABELS", 20)
    pool = KernelPool(seed=3).fit(X, y, np.ones(60))
    assert len(pool.points) == 20
    some = np.random.RandomState(3).permutation(60)[:20]
    same = KernelPool().fit(X[some], y[some], np.ones(20))
    np.testing.assert_allclose(pool.predict(X), same.predict(X))


def test_blocks_and_wild_and_missing_cells(monkeypatch):
    X, y = rows()
    pool = KernelPool().fit(X, y, np.ones(30))
    whole = pool.predict(X)
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(pool.predict(X), whole)
    wild = np.array([[1e9, np.nan, -1e9]])
    np.testing.assert_allclose(pool.predict(wild), pool.predict(np.array([[5.0, 0, -5]])))


@pytest.mark.parametrize("kind", ["auto", "linear", "rbf"])
def test_rows_that_are_all_the_same(kind):
    y = np.array([1.0, 2.0, 6.0])
    found = KernelPool(kind).fit(np.ones((3, 2)), y, np.ones(3)).predict(np.ones((1, 2)))
    np.testing.assert_allclose(found, 3.0, atol=0.05)
