"""Guesses to start from are conditional means."""

import numpy as np
import pytest
import torch

from skae.impute._guesses import FactorGuess, GaussianGuess, factors_of


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


def few_rows(d, n_factors, noise, seed=0, n=40):
    """Standardised rows of a factor model, the same with holes, and 100 new ones."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(n_factors, d))
    X = rng.normal(size=(n + 100, n_factors)) @ weight
    X = (X + noise * rng.normal(size=X.shape)) / (n_factors + noise**2) ** 0.5
    holed = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    return X, holed[:n], holed[n:]


def error(guess, X, new):
    seen = torch.from_numpy(~np.isnan(new))
    expected = guess(torch.from_numpy(np.nan_to_num(new)).float(), seen).numpy()
    return np.square(expected - X[-len(new) :])[~seen.numpy()].mean() ** 0.5


def test_few_rows_of_near_collinear_columns_are_guessed_by_their_factors():
    X, holed, new = few_rows(60, 6, 0.05)
    best = 0.05 / 6**0.5  # the noise
    assert error(FactorGuess(holed), X, new) < 1.8 * best
    assert error(GaussianGuess(holed), X, new) < 1.8 * best
    assert error(GaussianGuess(holed, try_factors=False), X, new) > 3 * best
    X, holed, new = few_rows(160, 6, 0.05)
    assert error(FactorGuess(holed), X, new) < 1.8 * best


@pytest.mark.parametrize(("n_factors", "found"), [(4, 4), (8, 8), (11, 12)])
def test_rows_left_out_say_how_many_factors_there_are(n_factors, found):
    _, holed, _ = few_rows(100, n_factors, 0.1)
    assert factors_of(holed) == found


def test_factors_are_for_few_rows_that_have_them():
    noise = np.random.default_rng(0).normal(size=(40, 30))

    def shrunk(x):
        return GaussianGuess(x, try_factors=False)

    correlated = noise + noise @ np.random.default_rng(1).normal(size=(30, 30)) / 9
    assert factors_of(correlated, shrunk) == 0
    _, many, _ = few_rows(8, 2, 0.1)
    assert factors_of(many) == 0  # five rows for each column
    assert factors_of(np.tile([0.0, 1.0], (12, 8)) * (noise[:12, :1] > 0)) == 0  # levels
    assert factors_of(noise[:7]) == 0


def test_factors_are_not_drawn_towards_each_other_unless_pooled():
    X, holed, new = few_rows(200, 8, 0.1, n=60)
    alone = error(FactorGuess(holed, n_factors=8), X, new)
    together = error(FactorGuess(holed, n_factors=8, pooled=True), X, new)
    assert alone < 0.1 < 0.3 < together
