"""The torch module of the variational autoencoder.

B is the number of rows, k the components of the code, S the importance samples.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from skae._codes.base import AutoencoderModule, Terms
from skae._losses import normal_kl, total_correlation
from skae.networks._layers import linear

LARGEST_LOG_VARIANCE = 20.0
DISCRIMINATOR = 256  # width of its two hidden layers


class Objective(NamedTuple):
    """What is minimised: -log p(x | z) + beta KL, and its variants."""

    beta: float = 1.0
    kl_warm_up: float = 0.0
    free_bits: float = 0.0
    capacity: float | None = None
    n_importance_samples: int = 1
    name: str = "kl"


class Discriminator(nn.Module):
    """Tells codes (B, k) from those whose numbers were exchanged; (B,) logits."""

    def __init__(self, n_components, generator):
        super().__init__()
        sizes = n_components, DISCRIMINATOR, DISCRIMINATOR, 1
        layers = []
        for n_in, n_out in pairwise(sizes):
            layers += [linear(n_in, n_out, generator, 2**0.5), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, z):
        return self.layers(z).squeeze(1)

    def frozen(self, z):
        """Return the logits; gradients reach z, but not the weights."""
        weights = {name: p.detach() for name, p in self.named_parameters()}
        return torch.func.functional_call(self, weights, z)


class VariationalModule(AutoencoderModule):
    """q(z | x) = N(m(x), s(x)^2), z ~ q, loss = -log p(x | z) + beta KL(q || N(0, I))."""

    objective = Objective()

    def __init__(
        self, encoder, decoder, likelihood, n_components, n_classes=0, n_repeats=1
    ):
        super().__init__(encoder, decoder, likelihood)
        self.n_components, self.n_classes = n_components, n_classes
        self.discriminator = None
        self.n_repeats = n_repeats  # of each class before the encoder: a map of pixels

    @property
    def warm_up(self):
        """Share of the training in which beta rises."""
        return self.objective.kl_warm_up

    def _told(self, x, condition, n_repeats=1):
        """Return rows x beside their classes (B, c): zeros if nothing is known of them."""
        if not self.n_classes:
            return x
        if condition is None:
            condition = x.new_zeros(len(x), self.n_classes)
        return torch.cat([x, condition.repeat_interleave(n_repeats, 1)], 1)

    def posterior(self, x, condition=None):
        """Return the mean and the log-variance of q(z | x); (B, k) each."""
        x = self._told(self.likelihood.embed(x), condition, self.n_repeats)
        mean, raw = self.encoder(x).chunk(2, dim=1)
        return mean, LARGEST_LOG_VARIANCE * torch.tanh(raw / LARGEST_LOG_VARIANCE)

    def encode(self, x, condition=None):
        """Return the posterior means; (B, k)."""
        return self.posterior(x, condition)[0]

    def decode(self, z, condition=None):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return self.decoder(self._told(z, condition))

    def reconstruct(self, x, condition=None):
        """Return the means at the rows' codes, standardised; (B, d)."""
        return self.likelihood.mean(self.params(x, condition))

    def params(self, x, condition=None):
        """Return the likelihood's parameters at the posterior means; (B, n_params)."""
        return self.decode(self.encode(x, condition), condition)

    def draw(self, n_rows, generator):
        """Return standard normal noise; (S, B, k)."""
        n_draws = self.objective.n_importance_samples + (self.discriminator is not None)
        shape = n_draws, n_rows, self.n_components
        device = next(self.parameters()).device
        return torch.randn(shape, generator=generator, device=device, dtype=torch.float32)

    def drawn_params(self, x, noise, condition=None):
        """Return the parameters at codes drawn from the posterior; (B, n_params)."""
        mean, log_variance = self.posterior(x, condition)
        z = mean + (0.5 * log_variance).exp() * noise[0]
        return self.decode(z, condition)

    def forward(self, x, clean, noise, progress=1.0, condition=None):
        """Return what rows cost: the negative ELBO, or a bound that is closer to it."""
        mean, log_variance = self.posterior(x, condition)
        if self.objective.n_importance_samples > 1:
            share = self._share(progress)
            log_w = torch.stack(
                [
                    self._log_weight(mean, log_variance, clean, e, share, condition)
                    for e in noise
                ]
            )
            return Terms(nll=math.log(len(noise)) - log_w.logsumexp(0))
        z = mean + (0.5 * log_variance).exp() * noise[0]
        nll = self.likelihood.nll(self.decode(z, condition), clean).sum(1)
        kl = normal_kl(mean, log_variance)
        if self.objective.name == "kl":
            return Terms(nll=nll, reg=self._cost(kl, progress))
        penalty = None
        if self.objective.name == "tc":
            tc = total_correlation(z, mean, log_variance)
        else:
            tc = self.discriminator.frozen(z)
            penalty = self._mistaken(z.detach(), noise[1]) / clean.shape[1]
        cost = kl.sum(1) + (self.objective.beta - 1) * tc
        return Terms(nll=nll, reg=self._share(progress) * cost, penalty=penalty)

    def _mistaken(self, z, noise):
        """Return the discriminator's cross-entropy on codes and exchanged ones; ()."""
        exchanged = z.gather(0, noise.argsort(0))
        logits = self.discriminator(torch.cat([z, exchanged]))
        real = (torch.arange(len(logits), device=z.device) < len(z)).to(logits)
        return binary_cross_entropy_with_logits(logits, real)

    def _log_weight(self, mean, log_variance, x, e, share, condition):
        """Return log p(x | z) (p(z) / q(z | x))^share at z = m + s e; (B,)."""
        z = mean + (0.5 * log_variance).exp() * e
        log_ratio = 0.5 * (log_variance + e.square() - z.square()).sum(1)
        return share * log_ratio - self.likelihood.nll(self.decode(z, condition), x).sum(1)

    def _share(self, progress):
        """Return how much of the codes' cost counts so far, in [0, 1]; ()."""
        rise = self.objective.kl_warm_up
        return torch.as_tensor(progress / rise).clamp(max=1.0) if rise else 1.0

    def _cost(self, kl, progress):
        """Return what codes cost, from the KL of each row and component; (B,)."""
        goal, share = self.objective, self._share(progress)
        if goal.free_bits:  # components below pay nothing, as nothing is gained by less
            paid = kl.detach().mean(0) > goal.free_bits
            kl = torch.where(paid, kl, kl.detach().clamp(min=goal.free_bits))
        if goal.capacity is None:
            return share * goal.beta * kl.sum(1)
        excess = kl.sum(1) - share * goal.capacity
        return goal.beta * excess * excess.detach().mean().sign()


def spread_noise(n, k):
    """Return n vectors of k standard normal numbers, evenly spread: always the same."""
    u = torch.quasirandom.SobolEngine(k, scramble=True, seed=0).draw(n, dtype=torch.float64)
    return torch.special.ndtri(u.clamp(1e-9, 1 - 1e-9)).float()


def _codes(module, noise, x, *known):
    """Yield (z, log-variance, noise) for each vector of noise (k,), at rows x (B, d)."""
    mean, log_variance = module.posterior(x, *known)
    std = (0.5 * log_variance).exp()
    for e in noise:
        yield mean + std * e, log_variance, e


def mean_of_log_prob(module, noise, x, *known):
    """Return the mean of log p(x | z) over codes z ~ q(z | x); (B,) float64."""
    total, target = 0.0, x.cpu()
    for z, _, _ in _codes(module, noise, x, *known):
        total = total + module.likelihood.log_prob(module.decode(z, *known).cpu(), target)
    return total / len(noise)


def log_mean_of_weights(module, noise, x, *known):
    """Return the importance-weighted bound, log mean p(x, z) / q(z | x); (B,) float64."""
    target, log_w = x.cpu(), []
    for z, log_variance, e in _codes(module, noise, x, *known):
        ratio = 0.5 * (log_variance + e.square() - z.square()).cpu().double().sum(1)
        log_p = module.likelihood.log_prob(module.decode(z, *known).cpu(), target)
        log_w.append(log_p + ratio)
    return torch.stack(log_w).logsumexp(0) - math.log(len(noise))
