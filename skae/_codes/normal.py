"""Codes with a normal prior, and what a trained one says of rows.

B is the number of rows, k the components of the code, S the importance samples.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from skae._codes import remedies, signs
from skae._codes.base import AutoencoderModule, Code, Terms, natural_size, pair, tempered
from skae._data.frames import is_nan
from skae._data.split import Told
from skae._losses import normal_kl, total_correlation
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._layers import linear

LARGEST_LOG_VARIANCE = 20.0
DISCRIMINATOR = 256  # width of its two hidden layers
ACTIVE = 0.01  # variance of a unit's posterior mean over the rows (Burda et al.)


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

    def mistaken(self, z, noise):
        """Return the cross-entropy of telling codes from exchanged ones; ()."""
        exchanged = z.gather(0, noise.argsort(0))
        logits = self(torch.cat([z, exchanged]))
        real = (torch.arange(len(logits), device=z.device) < len(z)).to(logits)
        return binary_cross_entropy_with_logits(logits, real)

    def frozen(self, z):
        """Return the logits; gradients reach z, but not the weights."""
        weights = {name: p.detach() for name, p in self.named_parameters()}
        return torch.func.functional_call(self, weights, z)


@dataclass
class Normal(Code):
    """q(z | x) = N(m(x), s(x)^2), z ~ q, loss = -log p(x | z) + beta KL(q || N(0, I))."""

    beta: float = 1.0
    objective: str = "kl"
    kl_warm_up: float = 0.25
    free_bits: float = 0.0
    capacity: float | None = None
    n_importance_samples: int = 1
    conditional: bool = False

    draws_codes: ClassVar[bool] = True
    against_tying: ClassVar[str] = (
        "a VariationalAutoencoder, whose encoder returns two numbers for each component"
    )

    @property
    def needs_classes(self):
        """Whether the class of each row has to be told to encode it."""
        return self.conditional and not self.guesses_classes

    # Before training

    def read(self, y, n, classes, *, reset):
        """Return the classes of y, and them as ones among zeros, if they are told."""
        if not reset and self.conditional != (classes is not None):
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"conditional={not self.conditional}. Use warm_start=False and fit."
            )
        if not self.conditional:
            return Told()
        if reset and y is not None:
            y = column_or_1d(y)
            if y.dtype.kind in "Of":
                _check_known(y)
            classes = np.unique(as_classes(y))
        return Told(classes, (torch.from_numpy(one_hot(classes, y, n)),))

    def build(self, task):
        """Return the module, which starts at factor analysis."""
        k, likelihood, network = task.n_components, task.likelihood, task.recipe.network
        if k is None:
            k = natural_size(task)
        n_classes = len(task.told.classes) if self.conditional else 0
        # a network for pictures takes a class as a map, 1 or 0 in each pixel
        is_map = isinstance(network, ConvolutionalNetwork)
        n_repeats = math.prod(network.image_shape[-2:]) if is_map else 1
        more = n_classes * n_repeats
        down, up, noise = task.principal.factor_starts(likelihood, k, more)
        up = tempered(up, task)
        encoder, _ = pair(task, down, 2 * k, more)
        _, decoder = pair(task, up, k + n_classes)
        likelihood.learn_noise(noise)
        ae = self.module(encoder, decoder, likelihood, k, n_classes, n_repeats)
        if self.objective == "factor":
            ae.discriminator = Discriminator(k, task.generator)
        return ae

    def module(self, encoder, decoder, likelihood, n_components, n_classes=0, n_repeats=1):
        """Return the module; a class is told to the encoder `n_repeats` times."""
        ae = AutoencoderModule(encoder, decoder, likelihood, self, n_components)
        ae.n_classes, ae.n_repeats, ae.discriminator = n_classes, n_repeats, None
        return ae

    def take(self, ae):
        """Let a module go by these parameters, if they go together."""
        spent = self.free_bits or self.capacity is not None
        if self.n_importance_samples > 1 and (
            self.beta != 1 or spent or self.objective != "kl"
        ):
            raise ValueError(
                "n_importance_samples > 1 trains the importance-weighted bound, which has "
                "no KL term of its own. Use beta=1, free_bits=0, capacity=None and "
                "objective='kl' with it, or n_importance_samples=1."
            )
        if self.objective != "kl" and spent:
            raise ValueError(
                f"objective={self.objective!r} knows no free_bits or capacity. Use "
                "free_bits=0 and capacity=None with it, or objective='kl'."
            )
        if (self.objective == "factor") != (ae.discriminator is not None):
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"to or from objective='factor'. Got objective={self.objective!r}."
            )
        super().take(ae)

    # In training

    def warm_up(self, aim):
        """Return the share of the training in which beta rises."""
        return self.kl_warm_up

    def draw(self, ae, n_rows, generator):
        """Return standard normal noise; (S, B, k)."""
        n_draws = self.n_importance_samples + (ae.discriminator is not None)
        shape = n_draws, n_rows, ae.n_components
        return torch.randn(
            shape, generator=generator, device=ae.device, dtype=torch.float32
        )

    def posterior(self, ae, x, *known):
        """Return the mean and the log-variance of q(z | x); (B, k) each."""
        x = _told(ae, ae.likelihood.embed(x), known, ae.n_repeats)
        mean, raw = ae.encoder(x).chunk(2, dim=1)
        return mean, LARGEST_LOG_VARIANCE * torch.tanh(raw / LARGEST_LOG_VARIANCE)

    def encode(self, ae, x, *known):
        """Return the posterior means; (B, k)."""
        return self.posterior(ae, x, *known)[0]

    def decode(self, ae, z, *known):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return ae.decoder(_told(ae, z, known))

    def drawn_params(self, ae, x, noise, *known):
        """Return the parameters at codes drawn from the posterior; (B, n_params)."""
        mean, log_variance = self.posterior(ae, x, *known)
        z = mean + (0.5 * log_variance).exp() * noise[0]
        return ae.decode(z, *known)

    def loss(self, ae, x, target, noise, progress, *known):
        """Return what rows cost: the negative ELBO, or a bound that is closer to it."""
        mean, log_variance = self.posterior(ae, x, *known)
        share = self._share(progress)
        if self.n_importance_samples > 1:  # log p(x | z) (p(z) / q(z | x))^share
            log_w = []
            for e in noise:
                z = mean + (0.5 * log_variance).exp() * e
                ratio = 0.5 * (log_variance + e.square() - z.square()).sum(1)
                log_w.append(share * ratio - ae.nll(z, target, *known))
            return Terms(nll=math.log(len(noise)) - torch.stack(log_w).logsumexp(0))
        z = mean + (0.5 * log_variance).exp() * noise[0]
        nll, kl, aside = ae.nll(z, target, *known), normal_kl(mean, log_variance), None
        if self.objective == "kl":
            return Terms(nll=nll, reg=self._cost(kl, share))
        if self.objective == "tc":
            tc = total_correlation(z, mean, log_variance)
        else:
            tc = ae.discriminator.frozen(z)
            mistaken = ae.discriminator.mistaken(z.detach(), noise[1])
            aside = mistaken / target.shape[1]
        return Terms(nll, share * (kl.sum(1) + (self.beta - 1) * tc), aside=aside)

    def _share(self, progress):
        """Return how much of the codes' cost counts so far, in [0, 1]; ()."""
        rise = self.kl_warm_up
        return torch.as_tensor(progress / rise).clamp(max=1.0) if rise else 1.0

    def _cost(self, kl, share):
        """Return what codes cost, from the KL of each row and component; (B,)."""
        if self.free_bits:  # components below pay nothing, as nothing is gained by less
            paid = kl.detach().mean(0) > self.free_bits
            kl = torch.where(paid, kl, kl.detach().clamp(min=self.free_bits))
        if self.capacity is None:
            return share * self.beta * kl.sum(1)
        excess = kl.sum(1) - share * self.capacity
        return self.beta * excess * excess.detach().mean().sign()

    # After training

    def describe(self, ae, task):
        """Return which components are active."""
        with torch.inference_mode():
            spread = ae.eval().encode(task.some).var(0, correction=0)
        return {"active_units_": (spread > ACTIVE).cpu().numpy()}

    def shortfalls(self, described, task):
        """Yield whether the code has collapsed."""
        ways = ["lower beta", "use a longer kl_warm_up"]
        if not self.free_bits:
            ways.insert(1, "use free_bits=0.1")
        if not remedies.starts_linear(task.recipe.network):
            ways.append("use network='auto', which starts from the principal components")
        active, remedy = described["active_units_"], remedies.either(ways)
        yield from signs.collapse(active, task.explained[0], remedy)

    def dead_units(self, described, task):
        """Yield which units are no use, unless the code's are told to have collapsed."""
        if not any(self.shortfalls(described, task)):
            yield from super().dead_units(described, task)


def _told(ae, x, known, n_repeats=1):
    """Return rows x beside their classes (B, c): zeros if nothing is known of them."""
    if not ae.n_classes:
        return x
    (classes,) = known or (x.new_zeros(len(x), ae.n_classes),)
    return torch.cat([x, classes.repeat_interleave(n_repeats, 1)], 1)


def places(known, values, name, of="class that `fit` has not seen"):
    """Return where values (n,) are among the sorted known ones, or a ``ValueError``."""
    if values.dtype.kind in "Of":
        _check_known(values, name, f" Known are {known.tolist()}.")
    try:
        place = np.searchsorted(known, values).clip(max=len(known) - 1)
        strange = known[place] != values
    except TypeError:  # of another type than the known ones
        seen = known.tolist()
        place = np.array([seen.index(v) if v in seen else -1 for v in values.tolist()])
        strange = place < 0
    if strange.any():
        first = values[strange].tolist()[0]
        raise ValueError(f"{name} holds a {of}: {first!r}. Known are {known.tolist()}.")
    return place


def _check_known(y, name="y", remedy=" Leave these rows out, or set y to -1."):
    """Raise a ``ValueError`` if rows have no class."""
    gone = np.array([is_nan(value) for value in y], dtype=bool)
    if gone.any():
        raise ValueError(
            f"{name}: the class of each row is needed, and {gone.sum()} have none, the "
            f"first being row {gone.argmax()}.{remedy}"
        )


def as_classes(y):
    """Return classes y, numbers among objects as such, or a ``ValueError``; (n,)."""
    if y.dtype.kind in "OS":
        kinds = sorted({_kind(name) for name in y.tolist()})
        if len(kinds) > 1 or kinds == ["bytes"]:
            raise ValueError(
                f"y: classes must be texts, or all of them numbers. Got {kinds}. Name them "
                "alike, for instance by y.astype(str)."
            )
        if kinds == ["numbers"]:
            y = np.asarray(y.tolist())
    with np.errstate(invalid="ignore"):  # floats that no integer holds
        check_classification_targets(y)
    return y


def _kind(name):
    if isinstance(name, Real):
        return "numbers"
    return "texts" if isinstance(name, str) else type(name).__name__


def one_hot(classes, y, n):
    """Return classes y, of n rows or one for all, as ones among zeros; (n, c)."""
    if y is None:
        raise ValueError(
            "conditional=True needs y, the class of each row. Pass y, or use "
            "conditional=False."
        )
    if np.ndim(y) == 0:
        y = np.full(n, y)
    y = column_or_1d(y)
    check_consistent_length(np.empty(n), y)
    return np.eye(len(classes), dtype=np.float32)[places(classes, y, "y")]


# Bounds on log p(x)


def spread_noise(n, k):
    """Return n vectors of k standard normal numbers, evenly spread: always the same."""
    u = torch.quasirandom.SobolEngine(k, scramble=True, seed=0).draw(n, dtype=torch.float64)
    return torch.special.ndtri(u.clamp(1e-9, 1 - 1e-9)).float()


def _codes(ae, noise, x, *known):
    """Yield (z, log-variance, noise) for each vector of noise (k,), at rows x (B, d)."""
    mean, log_variance = ae.code.posterior(ae, x, *known)
    std = (0.5 * log_variance).exp()
    for e in noise:
        yield mean + std * e, log_variance, e


def mean_of_log_prob(ae, noise, x, *known):
    """Return the mean of log p(x | z) over codes z ~ q(z | x); (B,) float64."""
    total, target = 0.0, x.cpu()
    for z, _, _ in _codes(ae, noise, x, *known):
        total = total + ae.likelihood.log_prob(ae.decode(z, *known).cpu(), target)
    return total / len(noise)


def log_mean_of_weights(ae, noise, x, *known):
    """Return the importance-weighted bound, log mean p(x, z) / q(z | x); (B,) float64."""
    target, log_w = x.cpu(), []
    for z, log_variance, e in _codes(ae, noise, x, *known):
        ratio = 0.5 * (log_variance + e.square() - z.square()).cpu().double().sum(1)
        log_p = ae.likelihood.log_prob(ae.decode(z, *known).cpu(), target)
        log_w.append(log_p + ratio)
    return torch.stack(log_w).logsumexp(0) - math.log(len(noise))


def log_mean_at_once(noise, ae, x, *known):
    """Return what `log_mean_of_weights` does, as few operations on many rows; (B,)."""
    mean, log_variance = ae.code.posterior(ae, x, *known)
    e = noise.to(mean)[:, None]
    z = mean + (0.5 * log_variance).exp() * e  # (S, B, k)
    ratio = 0.5 * (log_variance + e.square() - z.square()).double().sum(2)
    rows, *told = (t.expand(len(noise), *t.shape).flatten(0, 1) for t in (x, *known))
    log_p = ae.likelihood.log_prob(ae.decode(z.flatten(0, 1), *told), rows)
    return (log_p.unflatten(0, (len(noise), -1)) + ratio).logsumexp(0) - math.log(
        len(noise)
    )
