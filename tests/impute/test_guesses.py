"""Guesses to start from are conditional means."""

import numpy as np
import torch

from skae.impute._guesses import FactorGuess, GaussianGuess


def test_a_gaussian_guess_is_the_conditional_mean():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 4))
    covariance = A @ A.T + np.eye(4)
    X = rng.multivariate_normal(np.arange(4), covariance, size=5000)
    gone = rng.random(X.shape) < 0.3
    guess = GaussianGuess(np.where(gone, np.nan, X), iterations=200)
    np.testing.assert_allclose(guess.mean[:4], np.arange(4), atol=0.15)
    np.testing.assert_allclose(guess.covariance, covariance, rtol=0.12, atol=0.25)

    x = torch.from_numpy(X[:50]).float()
    seen = torch.from_numpy(~gone[:50])
    expected, (_, sd) = guess(x, seen), guess.noise(x, seen)
    C, mean = guess.covariance.double().numpy(), guess.mean.double().numpy()
    for i in range(50):
        o, m = np.flatnonzero(~gone[i]), np.flatnonzero(gone[i])
        slope = C[np.ix_(m, o)] @ np.linalg.pinv(C[np.ix_(o, o)])
        np.testing.assert_allclose(
            expected[i, m], mean[m] + slope @ (X[i, o] - mean[o]), rtol=1e-3, atol=1e-3
        )
        left = C[np.ix_(m, m)] - slope @ C[np.ix_(o, m)]
        np.testing.assert_allclose(sd[i, m] ** 2, np.diag(left), rtol=1e-3, atol=1e-3)
        assert (sd[i, o] == 0).all()


def test_a_gaussian_guess_of_complete_rows_is_their_shrunk_covariance():
    X = np.random.default_rng(0).normal(size=(50, 5))
    C = np.cov(X.T, bias=True)
    shrunk = 0.99 * C + 0.01 * np.diag(np.diag(C))
    np.testing.assert_allclose(GaussianGuess(X).covariance[:5, :5], shrunk, atol=1e-4)


def test_draws_around_a_guess_have_its_covariance():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(4, 4))
    guess = GaussianGuess(rng.normal(size=(2000, 4)) @ A)
    seen = torch.tensor([[True, False, False, False]]).expand(20000, -1)
    e = torch.randn(20000, guess.n_normals, generator=torch.Generator().manual_seed(0))
    drawn, sd = guess.noise(torch.zeros(20000, 4), seen, e)
    C = guess.covariance.numpy()
    left = C - np.outer(C[0], C[0]) / C[0, 0]
    np.testing.assert_allclose(np.cov(drawn.T.numpy()), left, atol=0.1 * C.max())
    np.testing.assert_allclose(sd[0] ** 2, np.diag(left), rtol=1e-3, atol=1e-4)


def test_a_factor_guess_meets_the_full_one_in_a_factor_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2)) @ rng.normal(size=(2, 8)) + 0.5 * rng.normal(
        size=(3000, 8)
    )
    X = (X - X.mean(0)) / X.std(0)
    gone = rng.random(X.shape) < 0.3
    holed = np.where(gone, np.nan, X)
    x, seen = torch.from_numpy(X).float(), torch.from_numpy(~gone)
    full, factor = GaussianGuess(holed), FactorGuess(holed, n_factors=2)
    error = [float((g(x, seen) - x)[~seen].square().mean().sqrt()) for g in (full, factor)]
    assert error[1] < 1.03 * error[0]
    (_, a), (_, b) = (g.noise(x[:100], seen[:100]) for g in (full, factor))
    np.testing.assert_allclose(a, b, atol=0.1)
