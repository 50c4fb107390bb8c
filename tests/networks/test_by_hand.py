"""Where networks start, in numbers that are worked out by hand."""

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard

from skae._data.statistics import column_statistics
from skae.likelihoods import Gaussian
from skae.networks._layers import Stack
from skae.networks._start import Principal, moments, total_variance

# columns that do not go together, of the variances 4, 1 and 1/4; of n - 1, 8 / 7 of these
X = hadamard(8)[:, 1:4] * [2, 1, 0.5] + [1, 0, 3]


@pytest.fixture
def principal():
    rows = torch.from_numpy(X)
    return Principal(rows, rows, 1, 0)


def likelihood_of(shape):
    stats = column_statistics(X, None, shape, lambda block: None)
    return Gaussian(scale=None).build(stats)


def test_principal_components_by_hand(principal):
    np.testing.assert_allclose(np.abs(principal.components), [[1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(principal.variances, [32 / 7])
    assert principal.left == pytest.approx(1.25 / 2 * 8 / 7)
    np.testing.assert_allclose(principal.ratio, [4 / 5.25])
    np.testing.assert_allclose(principal.mean, [1, 0, 3], atol=1e-12)
    assert total_variance(torch.from_numpy(X)) == pytest.approx(5.25)


def test_probabilistic_components_leave_the_noise_out(principal):
    _, up, noise = principal.factor_starts(likelihood_of((1, 3)), 1)
    # of 32 / 7 the noise's 5 / 7 are no loadings'; 27 / 7 of 4 are explained
    np.testing.assert_allclose(noise, [1 / 7, 1, 0.25])
    loading = (27 / 7) ** 0.5
    np.testing.assert_allclose(np.abs(up.decoder_weight[:, 0]), [loading, 0, 0], atol=1e-12)
    # the precision is 1 + 27 / 7 / (1 / 7) = 28
    np.testing.assert_allclose(np.abs(up.encoder_weight[0, 0]), loading * 7 / 28)
    np.testing.assert_allclose(up.encoder_bias, -up.encoder_weight @ [1, 0, 3], atol=1e-12)


def test_posteriors_start_at_the_inverse_of_their_precision(principal):
    down, up, _ = principal.factor_starts(likelihood_of((1, 3)), 2, n_more_inputs=1)
    assert down.encoder_weight.shape == (4, 4)
    # the means of two, one of which carries nothing, then the logs of the variances
    np.testing.assert_allclose(down.encoder_weight[0, :3], up.encoder_weight[0])
    assert (down.encoder_weight[1:] == 0).all()
    assert (down.encoder_weight[:, 3] == 0).all()
    np.testing.assert_allclose(down.encoder_bias[1:], [0, -np.log(28), 0], atol=1e-12)


def test_whitened_components_have_a_variance_of_one(principal):
    down, up = principal.whitened_starts(likelihood_of((1, 3)), 2, 3)
    codes = X @ up.encoder_weight.T + up.encoder_bias
    np.testing.assert_allclose(codes.var(0, ddof=1), [1, 0], atol=1e-12)
    np.testing.assert_allclose(codes.mean(0), 0, atol=1e-12)
    back = codes @ up.decoder_weight.T + up.decoder_bias
    np.testing.assert_allclose(back, np.c_[X[:, 0], np.tile([0, 3], (8, 1))], atol=1e-12)
    assert down.encoder_weight.shape == (5, 3)
    assert (down.encoder_weight[2:] == 0).all()


def test_moments_of_cells_that_are_there():
    rows = np.array([[1.0, np.nan, 2], [3, np.nan, np.nan], [5, np.nan, 4]])
    mean, variance = moments(rows)
    np.testing.assert_allclose(mean, [3, 0, 3])
    np.testing.assert_allclose(variance, [8 / 3, 0, 1])
    # 8 and 2, of three rows
    assert total_variance(torch.from_numpy(rows)) == pytest.approx(10 / 3)


def test_a_linear_path_adds_up():
    def times(factor):
        layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(layer.weight, factor)
        return layer

    x = torch.tensor([[1.0]])
    assert Stack([times(2), times(5)])(x).item() == 10
    assert Stack([times(2), times(5)], times(7))(x).item() == 17
