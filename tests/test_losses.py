"""Losses are their formulas."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.distributions import Normal, kl_divergence

from skae import _losses, priors
from skae._losses import bernoulli_kl, energy_coefficient, normal_kl, total_correlation


def tensors(*arrays):
    return [torch.as_tensor(a, dtype=torch.float64) for a in arrays]


def test_losses_equal_their_formulas(rng):
    mean, x, variance = (
        rng.normal(size=(4, 3)),
        rng.normal(size=(4, 3)),
        rng.random(3) + 0.1,
    )
    m, t, v = tensors(mean, x, variance)
    np.testing.assert_allclose(_losses.half_squared_error(m, t), (mean - x) ** 2 / 2)
    np.testing.assert_allclose(
        _losses.gaussian_nll(m, t, v), -stats.norm.logpdf(x, mean, np.sqrt(variance))
    )
    p, bits = special.expit(mean), (x > 0).astype(float)
    np.testing.assert_allclose(
        _losses.bernoulli_nll(*tensors(mean, bits)), -stats.bernoulli.logpmf(bits, p)
    )
    share = special.softmax(x, axis=1)
    np.testing.assert_allclose(
        _losses.categorical_nll(*tensors(mean, share)),
        -share * special.log_softmax(mean, axis=1),
    )


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_cross_entropies_stay_finite_far_out(logit):
    out = _losses.bernoulli_nll(*tensors([[logit, logit]], [[0.0, 1.0]]))
    np.testing.assert_allclose(out, [[max(logit, 0), max(-logit, 0)]])
    out = _losses.categorical_nll(*tensors([[logit, 0.0]], [[0.0, 1.0]]))
    np.testing.assert_allclose(out, [[0, max(logit, 0)]])


@pytest.mark.parametrize(("l1_ratio", "expected"), [(0, 7.0), (1, 6.0), (0.5, 6.5)])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_the_elastic_net_is_that_of_the_formula(alpha, l1_ratio, expected):
    w = torch.tensor([1.0, -2.0, 3.0, 0.0], requires_grad=True)
    value, gradient = _losses.elastic_net(w, alpha, l1_ratio)
    assert value.item() == pytest.approx(alpha * expected)
    value.backward()
    np.testing.assert_allclose(gradient.detach(), w.grad, rtol=1e-6)


def test_kl_is_the_closed_form_and_that_of_torch():
    mean = torch.randn(50, 3, dtype=torch.float64)
    log_variance = torch.randn(50, 3, dtype=torch.float64)
    kl = normal_kl(mean, log_variance)
    other = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl, other)
    assert normal_kl(torch.zeros(1), torch.zeros(1)).item() == 0
    assert (kl >= 0).all()


def test_total_correlation_is_that_of_the_mixture_of_posteriors():
    mean = torch.randn(7, 3, dtype=torch.float64)
    log_variance = torch.randn(7, 3, dtype=torch.float64)
    z = torch.randn(7, 3, dtype=torch.float64)
    posteriors = Normal(mean, (0.5 * log_variance).exp())
    log_q = torch.stack([posteriors.log_prob(row) for row in z])  # (row, posterior, k)
    joint = log_q.sum(2).logsumexp(1) - np.log(7)
    each = (log_q.logsumexp(1) - np.log(7)).sum(1)
    ours = total_correlation(z, mean, log_variance)
    offset = joint - each - ours  # the same for all rows: it has no gradient
    torch.testing.assert_close(offset, torch.full_like(offset, 2 * np.log(7)))


def test_independent_components_have_the_least_total_correlation():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(400, 2, generator=generator)
    narrow = torch.full_like(z, -2)
    tied = torch.stack([z[:, 0], z[:, 0]], 1)
    free, bound = (total_correlation(v, v, narrow).mean() for v in (z, tied))
    assert bound > free + 0.5


def test_divergence_of_bernoullis_and_its_slope():
    rho = torch.tensor(0.05)
    mean = torch.linspace(0.01, 0.9, 20, dtype=torch.float64, requires_grad=True)
    value, slope = bernoulli_kl(rho, mean)
    p, q = (torch.distributions.Bernoulli(t) for t in (rho.double(), mean))
    expected = torch.distributions.kl_divergence(p, q)
    assert torch.allclose(value, expected, atol=1e-7)
    (gradient,) = torch.autograd.grad(expected.sum(), mean)
    assert torch.allclose(slope, gradient, atol=1e-5)


def away(codes, prior, seed=1):
    """The energy distance of codes from fresh draws, written out."""
    prior = priors.as_prior(prior)
    draws = prior.sample(len(codes), codes.shape[1], seed)

    def mean(a, b):
        return np.linalg.norm(a[:, None] - b, axis=2).mean()

    between = mean(codes, draws)
    return np.sqrt(1 - 0.5 * (mean(codes, codes) + mean(draws, draws)) / between)


def test_energy_coefficient_is_its_definition(rng):
    codes = torch.from_numpy(rng.normal(size=(60, 2)))
    draws = torch.from_numpy(priors.SwissRoll().sample(60, 2, 1))
    found = energy_coefficient(codes, draws, unbiased=False)
    assert found**0.5 == pytest.approx(away(codes.numpy(), "swiss_roll"))
    assert energy_coefficient(codes, codes, unbiased=False) == pytest.approx(0, abs=1e-7)
    assert energy_coefficient(codes, codes + 1e6) == pytest.approx(1, abs=1e-3)
    assert energy_coefficient(codes * 0, codes * 0) == 0
    # weights are as many copies
    copies = codes[[0, 0, 0, 1]]
    shares = torch.tensor([0.75, 0.25], dtype=torch.float64)
    one = energy_coefficient(codes, copies, unbiased=False)
    assert energy_coefficient(codes, codes[:2], b_shares=shares) < one  # unbiased in a
    two = energy_coefficient(codes, codes[:2], None, shares, unbiased=False)
    assert two == pytest.approx(one)
    three = energy_coefficient(codes[:2], codes, shares, unbiased=False)
    assert three == pytest.approx(energy_coefficient(copies, codes, unbiased=False))


def test_energy_coefficient_of_alike_samples_is_zero_in_the_mean():
    found = [
        energy_coefficient(*torch.randn(2, 10, 3, dtype=torch.float64)) for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.01)
    assert np.std(found) < 0.1
