"""Normal codes: the objectives are those of torch's distributions."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch.distributions import Independent, Normal, kl_divergence

from skae import VariationalAutoencoder, likelihoods
from skae._codes import normal
from skae._codes.normal import Discriminator
from skae._losses import normal_kl
from skae.networks import DenseNetwork
from tests.factors import SMALL, make


@pytest.fixture(scope="module")
def fitted():
    return make(max_iter=20).fit(SMALL)


# Oracles


LIKELIHOODS = {
    "gaussian": likelihoods.Gaussian(),
    "bernoulli": likelihoods.Bernoulli(),
    "categorical": likelihoods.Categorical(),
}


def module_and_batch(likelihood, n_importance_samples=1, **objective):
    x = np.random.default_rng(1).uniform(size=(6, 5))
    x = x / x.sum(1, keepdims=True)
    stats = likelihoods_statistics(x)
    fitted = LIKELIHOODS[likelihood].build(stats)
    fitted.learn_noise(np.full(5, 0.3))
    generator = torch.Generator().manual_seed(1)
    encoder, _ = DenseNetwork((7,)).build(fitted.n_inputs, 4, 5, generator=generator)
    _, decoder = DenseNetwork((7,)).build(5, 2, 5, generator=generator)
    goal = {"kl_warm_up": 0.0, "n_importance_samples": n_importance_samples, **objective}
    code = normal.Normal(**goal)
    module = code.module(encoder, decoder, fitted, 2).double()
    x = torch.from_numpy(fitted.standardize(x)).double()
    return module, x, code.draw(module, 6, generator).double()


def likelihoods_statistics(x):
    from skae._data.statistics import column_statistics

    return column_statistics(x, None, (x.shape[1],), lambda rows: None)


def by_torch(module, x, noise):
    """log p(x | z), log p(z), log q(z | x) at z = m + s e, by torch.distributions."""
    mean, log_variance = module.code.posterior(module, x)
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
    terms = module(x, x, noise)
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
    module, x, noise = module_and_batch(likelihood, n_importance_samples=5)
    log_w = []
    for e in noise:
        log_p, prior, posterior, z = by_torch(module, x, e)
        log_w.append(log_p + prior.log_prob(z) - posterior.log_prob(z))
    log_w = torch.stack(log_w)
    terms = module(x, x, noise)
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
    module(x, x, noise).reg.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in weights)
    module, x, noise = module_and_batch("gaussian", free_bits=0.0)
    module(x, x, noise).reg.sum().backward()
    assert any(p.grad.any() for p in module.encoder.parameters())


def test_capacity_is_aimed_at_from_both_sides():
    module, x, noise = module_and_batch("gaussian")
    kl = normal_kl(*module.code.posterior(module, x)).sum(1).mean()
    for capacity in (0.5 * float(kl), 2 * float(kl)):
        module.code = normal.Normal(beta=3.0, kl_warm_up=0.0, capacity=capacity)
        cost = module(x, x, noise).reg.mean()
        torch.testing.assert_close(cost, 3 * (kl - capacity).abs())


# Collapse


def test_the_kl_has_a_gradient_at_defaults():
    module, x, noise = module_and_batch("gaussian")
    module(x, x, noise).reg.sum().backward()
    assert any(p.grad.abs().max() > 1e-3 for p in module.encoder.parameters())


# Other objectives


@pytest.mark.parametrize("name", ["tc", "factor"])
def test_a_beta_of_one_is_the_plain_objective(name):
    module, x, noise = module_and_batch("gaussian")
    plain = module(x, x, noise)
    module.objective = Objective(name=name)
    module.discriminator = Discriminator(2, torch.Generator()).double()
    other = module(x, x, module.draw(6, torch.Generator()).double() * 0 + noise)
    torch.testing.assert_close(other.reg, plain.reg)
    torch.testing.assert_close(other.nll, plain.nll)


def test_a_discriminator_learns_from_its_mistakes_and_codes_from_its_opinion():
    module, x, _ = module_and_batch("gaussian")
    module.objective = Objective(name="factor", beta=6.0)
    module.discriminator = Discriminator(2, torch.Generator()).double()
    noise = module.draw(6, torch.Generator().manual_seed(0)).double()
    assert noise.shape == (2, 6, 2)
    terms = module(x, x, noise)
    judge, encoder = (list(m.parameters()) for m in (module.discriminator, module.encoder))
    of_judge = torch.autograd.grad(
        terms.reg.sum(), judge, retain_graph=True, allow_unused=True
    )
    assert all(g is None for g in of_judge)
    of_codes = torch.autograd.grad(
        terms.penalty, encoder, retain_graph=True, allow_unused=True
    )
    assert all(g is None for g in of_codes)
    assert any(g.any() for g in torch.autograd.grad(terms.penalty, judge))
    mean, log_variance = module.code.posterior(module, x)
    z = mean + (0.5 * log_variance).exp() * noise[0]
    expected = normal_kl(mean, log_variance).sum(1) + 5 * module.discriminator(z)
    torch.testing.assert_close(module(x, x, noise).reg, expected)


def test_a_discriminator_tells_exchanged_codes():
    module, _, _ = module_and_batch("gaussian")
    module.discriminator = Discriminator(2, torch.Generator().manual_seed(0)).double()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(module.discriminator.parameters(), lr=1e-3)
    for _ in range(200):
        z = torch.randn(200, 1, generator=generator).double().expand(-1, 2)
        noise = torch.randn(200, 2, generator=generator).double()
        loss = module._mistaken(z, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.45  # log 2 by chance
    z = torch.randn(200, 2, generator=generator).double()
    assert module._mistaken(z, noise) > 0.6


def test_a_module_is_compiled_once_whatever_rises(monkeypatch):
    """What changes from step to step is a tensor: no number that is compiled in."""
    seen, forward = [], VariationalModule.forward

    def record(self, *args):
        seen.append(args[3])
        return forward(self, *args)

    monkeypatch.setattr(VariationalModule, "forward", record)
    X = load_wine().data
    VariationalAutoencoder(2, max_iter=8, kl_warm_up=0.5, random_state=0).fit(X)
    assert all(isinstance(progress, torch.Tensor) for progress in seen)
    assert len({float(progress) for progress in seen}) > 3
