"""Likelihoods in numbers that are worked out by hand."""

import numpy as np
import pytest
import torch

from skae._data.statistics import column_statistics
from skae.likelihoods import Bernoulli, Gaussian, Mixed

HALF_LOG_2PI = 0.9189385332046727


class Ones:
    """A source of noise that is one everywhere."""

    def standard_normal(self, shape):
        return np.ones(shape)

    def uniform(self, size):
        return np.full(size, 0.7)


def module_of(likelihood, X, shape=None):
    X = np.array(X, float)
    shape = X.shape[1:] if shape is None else shape
    return likelihood.build(column_statistics(X, None, shape, likelihood.check))


@pytest.fixture
def mixed():
    """Numbers of the deviations 2 and 6, around 3 and 6; a category of two levels."""
    module = module_of(
        Mixed({1: 2}), [[1, 0, 0], [5, 1, 12], [1, 0, np.nan], [5, 0, np.nan]]
    )
    module.set_noise(np.array([0.25, 1, 4]))
    return module


def test_a_scale_of_columns_together_holds_the_distances_of_their_means():
    X = [[-1, 4 - 3**0.5], [1, 4 + 3**0.5]]  # means of 0 and 4, variances of 1 and 3
    for module in (
        module_of(Gaussian("global"), X),
        module_of(Gaussian(), np.array(X), (1, 2)),  # a picture
    ):
        # around 2 they are 1 + 2^2 and 3 + 2^2: 6 in the mean
        np.testing.assert_allclose(module.location, [2, 2])
        np.testing.assert_allclose(module.scale, [6**0.5] * 2)
    own = module_of(Gaussian("column"), X)
    np.testing.assert_allclose(own.location, [0, 4], atol=1e-12)
    np.testing.assert_allclose(own.scale, [1, 3**0.5])


def test_a_log_density_is_in_data_units_and_of_columns_that_vary():
    module = module_of(Gaussian(), [[0, 5, 1], [4, 5, 7]])  # deviations of 2, 0 and 3
    module.set_noise(np.array([0.25, 1, 4]))
    params, x = torch.zeros(1, 3), torch.tensor([[0.5, 9, 4]])
    # half of 0.5^2 / 0.25 and of 4^2 / 4; the logs of the deviations 0.5 * 2 and 2 * 3
    expected = -(0.5 + 2) - (np.log(1) + np.log(6)) - 2 * HALF_LOG_2PI
    assert float(module.log_prob(params, x)) == pytest.approx(expected)
    drawn = module.sample(params, Ones())
    np.testing.assert_allclose(drawn, [[2 + 1, 5, 4 + 6]])


def test_bounded_links_start_between_the_extremes():
    X = [[1, 0], [3, 8]]
    sigmoid, tanh = (module_of(Gaussian(link=link), X) for link in ("sigmoid", "tanh"))
    assert (sigmoid.location.tolist(), sigmoid.scale.tolist()) == ([1, 0], [2, 8])
    assert (tanh.location.tolist(), tanh.scale.tolist()) == ([2, 4], [1, 4])


def test_mixed_cells_by_hand(mixed):
    nan = np.nan
    x = torch.tensor([[1.0, 0, 2], [nan, 1, 1], [0, nan, nan]])
    params = torch.tensor([[0, 0, float(np.log(3)), 0]]).expand(3, -1)
    # the levels are 3 to 1
    cost = np.array([[0.5, -np.log(0.75), 2], [0, -np.log(0.25), 0.5], [0, 0, 0]])
    # knowing nothing of the two levels would cost log(2), and 1/2 of a number
    np.testing.assert_allclose(
        mixed.nll(params, x), cost * [1, 0.5 / np.log(2), 1], atol=1e-6
    )
    mixed.learn_noise(np.ones(4))
    unit_noise = HALF_LOG_2PI * np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(mixed.nll(params, x).detach(), cost + unit_noise, atol=1e-4)
    # of levels it is (1 - 0.75)^2 twice, or 0.75^2
    error = [[1, 0.125, 4], [0, 1.125, 1], [0, 0, 0]]
    np.testing.assert_allclose(mixed.squared_error(params, x), error, atol=1e-6)
    # the deviations of the noise are 0.5 * 2 and 2 * 6
    first, second = HALF_LOG_2PI + np.log(1), HALF_LOG_2PI + np.log(12)
    highest = [-first - second, -second, -first]
    np.testing.assert_allclose(mixed.highest(x), highest)
    # 1 / 0.25 and 4 / 4, halved; 1 / 4, halved
    log_prob = [
        -first - second - 2 - 0.5 + np.log(0.75),
        -second - 0.125 + np.log(0.25),
        -first,
    ]
    np.testing.assert_allclose(mixed.log_prob(params, x), log_prob, rtol=1e-6)


def test_mixed_draws_by_hand(mixed):
    params = torch.tensor([[1.0, -1, np.log(9), 0], [0, 0, 0, np.log(3)]])
    # 3 + 2 * 1 + 1 and 6 - 6 + 12; a normal draw of 1 has the rank 0.84, between the
    # levels' shares of 0.9 and 0.25
    np.testing.assert_allclose(mixed.sample(params, Ones()), [[6, 0, 12], [4, 1, 18]])
    around = mixed.noise_around(np.array([0, 0, 0.75, 0.001]), np.array([2.0, 3, 9, 9]))
    # p (1 - p), of a p between 0.02 and 0.98
    np.testing.assert_allclose(around, [2, 3, 0.1875, 0.0196])


def test_levels_are_balanced_by_hand(mixed):
    params = torch.zeros(4, 4)
    shift = mixed.balance(params, [None, np.array([3.0, 1]), None])
    # odds of 3 to 1, whatever is added to both
    assert float(shift[2] - shift[3]) == pytest.approx(np.log(3), abs=5e-3)
    assert shift[:2].tolist() == [0, 0]
    shift = mixed.balance(params, [None, np.array([0.0, 2]), None])
    assert (mixed.draw(params + shift, np.random.RandomState(0))[:, 1] == 1).all()
    params[:2, 2] = 2.0  # half of the rows lean to the first
    shift = mixed.balance(params, [None, np.array([1.0, 1]), None])
    share = (params[:, 2:] + shift[2:]).softmax(1).mean(0)
    np.testing.assert_allclose(share, [0.5, 0.5], atol=1e-3)
    for sure in (5, 40, 1000):  # six rows of ten, to so many
        to = sure * np.where(np.arange(10) < 6, 1, -1) + 0.1 * np.arange(10)
        params = torch.tensor(np.column_stack([0 * to, 0 * to, to, -to])).float()
        shift = mixed.balance(params, [None, np.array([3.0, 7]), None])
        share = (params[:, 2:] + shift[2:]).softmax(1).mean(0)
        np.testing.assert_allclose(share, [0.3, 0.7], atol=0.01)


def test_ones_are_drawn_with_their_probabilities():
    module = module_of(Bernoulli(), [[0, 1], [1, 1]])
    drawn = module.sample(torch.tensor([[0.9, 0.8]]), Ones())  # sigmoids of 0.711 and 0.69
    assert drawn.tolist() == [[1, 0]]
    around = module.noise_around(np.array([0.25, 1]), None)
    np.testing.assert_allclose(around, [0.1875, 0.0196])
