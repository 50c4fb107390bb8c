"""Normal codes: the objectives are those of torch's distributions."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch.distributions import Independent, Normal, kl_divergence

from skae import VariationalAutoencoder, likelihoods
from skae._codes.normal import Discriminator
from skae._losses import normal_kl
from tests.factors import make

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


LIKELIHOODS = {
    "gaussian": likelihoods.Gaussian(scale=None),
    "bernoulli": likelihoods.Bernoulli(),
    "categorical": likelihoods.Categorical(),
}


def module_and_batch(likelihood, n_draws=1, **objective):
    """A trained module of two components, rows, and noise for them; all float64."""
    rows = np.random.default_rng(1).dirichlet(np.ones(5), size=60)
    vae = make(2, likelihood=LIKELIHOODS[likelihood], network=(7,), **objective).fit(rows)
    module = vae.net_.module_.train().double()
    x = torch.from_numpy(module.likelihood.standardize(rows[:6])).double()
    generator = torch.Generator().manual_seed(1)
    return module, x, torch.randn(n_draws, 6, 2, generator=generator).double()


def posterior_of(module, x):
    """Mean and log-variance, which the encoder puts out side by side."""
    mean, raw = module.encoder(module.likelihood.embed(x)).chunk(2, dim=1)
    return mean, 20 * torch.tanh(raw / 20)


def by_torch(module, x, noise):
    """log p(x | z), log p(z), log q(z | x) at z = m + s e, by torch.distributions."""
    mean, log_variance = posterior_of(module, x)
    posterior = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    z = mean + (0.5 * log_variance).exp() * noise
    params, likelihood = module.decode(z), module.likelihood
    if likelihood.link_name == "sigmoid":
        log_p = x * params.sigmoid().log() + (1 - x) * (1 - params.sigmoid()).log()
        log_p = log_p.sum(1)
    elif likelihood.link_name == "softmax":
        log_p = (x * params.softmax(1).log()).sum(1)
    else:
        variance = 1e-5 + likelihood.log_variance.exp()
        log_p = Independent(Normal(params, variance.sqrt()), 1).log_prob(x)
    prior = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    return log_p, prior, posterior, z


def gradients(loss, module):
    module.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in module.parameters()]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_the_loss_and_its_gradient_are_those_of_torchs_distributions(likelihood, beta):
    module, x, noise = module_and_batch(likelihood, beta=beta)
    terms = module(x, x, noise, 1.0)
    log_p, prior, posterior, _ = by_torch(module, x, noise[0])
    other = -log_p + beta * kl_divergence(posterior, prior)
    torch.testing.assert_close(terms.nll + terms.reg, other)
    for ours, theirs in zip(
        gradients((terms.nll + terms.reg).sum(), module),
        gradients(other.sum(), module),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_importance_weighted_loss_is_that_of_torchs_distributions(likelihood):
    module, x, noise = module_and_batch(likelihood, n_draws=5, n_importance_samples=5)
    log_w = []
    for e in noise:
        log_p, prior, posterior, z = by_torch(module, x, e)
        log_w.append(log_p + prior.log_prob(z) - posterior.log_prob(z))
    log_w = torch.stack(log_w)
    terms = module(x, x, noise, 1.0)
    torch.testing.assert_close(terms.nll, -(log_w.logsumexp(0) - np.log(5)))
    assert terms.reg is None
    assert (terms.nll <= -log_w.mean(0)).all()


def test_kl_rises_with_training_and_costs_less_until_then():
    module, x, noise = module_and_batch("gaussian", beta=2.0, kl_warm_up=0.5)
    full = module(x, x, noise, 1.0).reg
    for progress, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)):
        torch.testing.assert_close(module(x, x, noise, progress).reg, share * full)


def test_free_bits_cost_nothing_to_components_below():
    module, x, noise = module_and_batch("gaussian", free_bits=1e9)
    weights = [p for name, p in module.named_parameters() if "encoder" in name]
    module(x, x, noise, 1.0).reg.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in weights)
    module, x, noise = module_and_batch("gaussian", free_bits=0.0)
    module(x, x, noise, 1.0).reg.sum().backward()
    assert any(p.grad.any() for p in module.encoder.parameters())


def test_capacity_is_aimed_at_from_both_sides():
    for capacity in (0.01, 50.0):
        module, x, noise = module_and_batch("gaussian", beta=3.0, capacity=capacity)
        kl = normal_kl(*posterior_of(module, x)).sum(1).mean()
        assert 0.01 < kl < 50
        cost = module(x, x, noise, 1.0).reg.mean()
        torch.testing.assert_close(cost, 3 * (kl - capacity).abs())


def test_the_kl_has_a_gradient_at_defaults():
    module, x, noise = module_and_batch("gaussian")
    module(x, x, noise, 1.0).reg.sum().backward()
    assert any(p.grad.abs().max() > 1e-3 for p in module.encoder.parameters())


@pytest.mark.parametrize("objective", ["tc", "factor"])
def test_a_beta_of_one_is_the_plain_objective(objective):
    module, x, noise = module_and_batch("gaussian", n_draws=2, objective=objective)
    terms = module(x, x, noise, 1.0)
    log_p, prior, posterior, _ = by_torch(module, x, noise[0])
    torch.testing.assert_close(terms.reg, kl_divergence(posterior, prior))
    torch.testing.assert_close(terms.nll, -log_p)


def test_a_discriminator_learns_from_its_mistakes_and_codes_from_its_opinion():
    module, x, noise = module_and_batch("gaussian", 2, objective="factor", beta=6.0)
    _, reg, *_, aside = module(x, x, noise, 1.0)
    judge, encoder = (list(m.parameters()) for m in (module.discriminator, module.encoder))
    of_judge = torch.autograd.grad(reg.sum(), judge, retain_graph=True, allow_unused=True)
    assert all(g is None for g in of_judge)
    of_codes = torch.autograd.grad(aside, encoder, retain_graph=True, allow_unused=True)
    assert all(g is None for g in of_codes)
    assert any(g.any() for g in torch.autograd.grad(aside, judge))
    mean, log_variance = posterior_of(module, x)
    z = mean + (0.5 * log_variance).exp() * noise[0]
    expected = normal_kl(mean, log_variance).sum(1) + 5 * module.discriminator(z)
    torch.testing.assert_close(module(x, x, noise, 1.0).reg, expected)


class Exact(torch.nn.Module):
    """An encoder whose codes are the rows themselves, nearly without a spread."""

    def forward(self, x):
        return torch.cat([x, torch.full_like(x, -60)], 1)


def test_a_discriminator_tells_exchanged_codes():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    vae = make(2, likelihood=LIKELIHOODS["gaussian"], objective="factor").fit(rows)
    module = vae.net_.module_.train().double()
    module.encoder = Exact()
    generator = torch.Generator().manual_seed(0)
    module.discriminator = Discriminator(2, generator).double()
    optimizer = torch.optim.Adam(module.discriminator.parameters(), lr=1e-3)

    def mistaken(z, noise):  # of the cost of each of two columns
        return 2 * module(z, z, torch.stack([torch.zeros_like(z), noise]), 1.0)[-1]

    for _ in range(200):
        z = torch.randn(200, 1, generator=generator).double().expand(-1, 2)
        noise = torch.randn(200, 2, generator=generator).double()
        loss = mistaken(z, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.45  # log 2 by chance
    z = torch.randn(200, 2, generator=generator).double()
    assert mistaken(z, noise) > 0.6


def test_a_module_is_compiled_once_whatever_rises(calls):
    """What changes from step to step is a tensor: no number that is compiled in."""
    X = load_wine().data
    VariationalAutoencoder(2, max_iter=8, kl_warm_up=0.5, random_state=0).fit(X)
    assert all(isinstance(call.progress, torch.Tensor) for call in calls)
    assert len({float(call.progress) for call in calls}) > 3
