"""What steadies the adversarial autoencoder: variants of its training on the same data.

Each variant is a subclass, made here, of the estimator and of its net; networks, epochs,
rates, clipping and early stopping stay as they are. Data: scikit-learn's digits (8
components, at defaults), 700 cells of 765 genes (pbmc68k_reduced, 4 components, at
defaults), and 3,000 of MNIST's training pictures in [0, 1] (8 components, Bernoulli
likelihood, --epochs), judged on 2,000 of its test pictures. Digits and cells are split anew
for each seed, a quarter being held out.

- shipped: instance noise on codes and draws that falls from 0.3 to 0, three optimisers;
  what is judged and kept are weights that are averaged over steps (decay 0.99).
- noise 0, 0.1, 0.6: it falls from there.
- constant noise: it stays at 0.3.
- not averaged: the weights as they are, are judged and kept.
- spectral norm: no noise; the adversary's weights are divided by their largest singular
  value (one power iteration in each training step).
- gradient penalty: no noise; the adversary pays half the squared norm of its logits'
  gradient at draws and at codes (R1 and R2, of strength 1).
- balanced: no noise; the adversary's step is skipped where it is right of more than 80 % of
  the batch.
- one step: as shipped, but encoder and decoder are trained on the sum of the loss per cell
  and a tenth of the adversary's loss by one optimiser, in place of two phases.

Of held-out rows, that `fit` has not seen, in the mean and (the worst) over seeds: the
explained variance in the rows' own units; the energy coefficient (2 E|a-b| - E|a-a'| -
E|b-b'|) / (2 E|a-b|) of their codes and 2,000 fresh draws of the prior, without bias, times
1,000; and the area under the curve of a random forest that learns to tell 1,000 codes, at
most, from draws (0.5 where it cannot). The time of `fit` is the median of its ratios to the
shipped one's of the same seed, epochs the median number that it ran.
"""

import time
from typing import ClassVar

import numpy as np
import torch
from _codes import draws, energy_coefficient, explained, told_apart
from _common import machine, parser, quiet, table, use_threads
from _data import load
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import linear

from skae import AdversarialAutoencoder
from skae._adversarial_engine import AVERAGED, AdversarialNet, Phase
from skae._adversarial_module import Adversary
from skae._engine import Net

PENALTY, TOO_GOOD, SHARE = 1.0, 0.8, 0.1


class WithAdversary(AdversarialAutoencoder):
    """The estimator with another adversary."""

    adversary: ClassVar[type] = Adversary

    def _build_module(self, *args):
        module = super()._build_module(*args)
        module.style_adversary.__class__ = self.adversary
        module.style_adversary.prepare()
        return module


# Noise that stays


class ConstantNet(AdversarialNet):
    """The net whose noise stays what it is."""

    def _noise(self, codes, times=1):
        shape, generator = (times * len(codes), codes.shape[1]), self._run.generator
        return self.instance_noise * torch.randn(shape, generator=generator)


class Constant(AdversarialAutoencoder):
    """The estimator whose noise stays what it is."""

    _net_class = ConstantNet


# Spectral norm


class SpectralJudge(nn.Module):
    """The adversary's network, its weights divided by their largest singular value."""

    def __init__(self, judge):
        super().__init__()
        self.layers = judge.layers
        self.linears = [
            i for i, layer in enumerate(judge.layers) if hasattr(layer, "weight")
        ]
        for i in self.linears:
            n = len(judge.layers[i].weight)
            self.register_buffer(f"u{i}", torch.full((n,), n**-0.5))

    def forward(self, z):
        """Return the logits of codes (B, k); (B,)."""
        for i, layer in enumerate(self.layers):
            if i not in self.linears:
                z = layer(z)
                continue
            u = getattr(self, f"u{i}")
            with torch.no_grad():
                v = nn.functional.normalize(layer.weight.T @ u, dim=0)
                if self.training and torch.is_grad_enabled():
                    u.copy_(nn.functional.normalize(layer.weight @ v, dim=0))
                u = u.clone()
            z = linear(z, layer.weight / (u @ layer.weight @ v), layer.bias)
        return z.squeeze(1)


class SpectralAdversary(Adversary):
    """An adversary of Lipschitz constant 1, about."""

    def prepare(self):
        """Take the network that is there."""
        self.judge = SpectralJudge(self.judge)


class Spectral(WithAdversary):
    """The estimator with spectral norm."""

    adversary = SpectralAdversary


# A penalty on the adversary's gradient


class PenalisedAdversary(Adversary):
    """An adversary that pays for steep logits."""

    def prepare(self):
        """Do nothing."""

    def mistaken(self, codes, draws, noise, y=None, weight=None):
        """Return the cross-entropy and the penalty; ()."""
        at = torch.cat([draws, codes]).requires_grad_()
        logits = self.logits(at, noise)
        (slope,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
        real = torch.arange(len(at), device=at.device) < len(draws)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, real.to(logits))
        return loss + 0.5 * PENALTY * 2 * slope.square().sum(1).mean()


class Penalised(WithAdversary):
    """The estimator with a gradient penalty."""

    adversary = PenalisedAdversary


# Steps that are skipped


class WatchedAdversary(Adversary):
    """An adversary that remembers how often it was right."""

    def prepare(self):
        """Do nothing."""

    def mistaken(self, codes, draws, noise, y=None, weight=None):
        """Return the cross-entropy; ()."""
        real = torch.arange(2 * len(codes), device=codes.device) < len(draws)
        logits = self.logits(torch.cat([draws, codes]), noise)
        self.right = ((logits.detach() > 0) == real).float().mean()
        return nn.functional.binary_cross_entropy_with_logits(logits, real.to(logits))


class BalancedPhase(Phase):
    """A phase that takes no step where the adversary is too good."""

    def step(self, loss, clip):
        """Take a step, or none."""
        if self.adversary.right > TOO_GOOD:
            self.total.add_(loss.detach())
        else:
            super().step(loss, clip)


class BalancedNet(AdversarialNet):
    """The net whose adversary waits."""

    def _hand_out(self):
        super()._hand_out()
        phase = self._run.phases["discriminator"]
        phase.__class__ = BalancedPhase
        phase.adversary = self.module_.style_adversary


class Balanced(WithAdversary):
    """The estimator whose adversary waits."""

    adversary = WatchedAdversary
    _net_class = BalancedNet


# Averaged weights


class LastNet(AdversarialNet):
    """The net that judges and keeps its weights as they are."""

    def train_step(self, batch, **_):
        """Take the steps, and forget the average."""
        step = super().train_step(batch)
        self._run.average.copy_(self._run.flat)
        return step


class Last(AdversarialAutoencoder):
    """The estimator that does not average its weights."""

    _net_class = LastNet


# One step in place of two


class OneStepNet(AdversarialNet):
    """The net that trains encoder and decoder by one loss."""

    def _loss(self, batch):
        adversary = self.module_.style_adversary
        (codes,) = self.module_.judged(batch[0])
        self._run.codes = codes.detach()
        at = codes + self._noise(codes)
        caught = nn.functional.softplus(-adversary.judge.frozen(at)).mean()
        return super()._loss(batch) + SHARE * caught

    def train_step(self, batch, **_):
        """Take one step, then one of the adversary."""
        step = Net.train_step(self, batch)
        run = self._run
        (real,) = self._real(len(run.codes), run.generator)
        noise = self._noise(run.codes, 2)
        loss = self.module_.style_adversary.mistaken(run.codes, real, noise)
        run.phases["discriminator"].step(loss, self.gradient_clip_value)
        at = run.course.step
        run.average.lerp_(run.flat, 1 - min(AVERAGED, (1 + at) / (10 + at)))
        return step


class OneStep(AdversarialAutoencoder):
    """The estimator that trains encoder and decoder by one loss."""

    _net_class = OneStepNet


VARIANTS = {
    "shipped": (AdversarialAutoencoder, {}),
    "noise 0": (AdversarialAutoencoder, {"instance_noise": 0.0}),
    "noise 0.1": (AdversarialAutoencoder, {"instance_noise": 0.1}),
    "noise 0.6": (AdversarialAutoencoder, {"instance_noise": 0.6}),
    "constant noise": (Constant, {}),
    "not averaged": (Last, {}),
    "spectral norm": (Spectral, {"instance_noise": 0.0}),
    "gradient penalty": (Penalised, {"instance_noise": 0.0}),
    "balanced": (Balanced, {"instance_noise": 0.0}),
    "one step": (OneStep, {}),
}


def sets(seed, epochs, quick):
    """Yield (name, training rows, test rows, parameters)."""
    few = {"max_iter": epochs} if quick else {}
    cells = load("pbmc68k_reduced")
    for name, k, X, y in (
        ("digits", 8, *(load_digits()[key] for key in ("images", "target"))),
        ("cells", 4, cells["X"].astype(np.float64), cells["y"]),
    ):
        X, X_test = train_test_split(X, test_size=0.25, stratify=y, random_state=seed)
        yield name, X, X_test, {"n_components": k} | few
    data = load("mnist")
    X, X_test = data["X_train"][:3000] / 255.0, data["X_test"][:2000] / 255.0
    params = {"n_components": 8, "likelihood": "bernoulli", "max_iter": epochs}
    yield "MNIST", X, X_test, params


def measure(estimator, X, X_test, seed):
    """Return explained variance, 1,000 x energy coefficient, AUC, seconds, epochs."""
    start = time.perf_counter()
    try:
        estimator.fit(X)
    except ValueError as error:
        print(f"  {error}", flush=True)
        return [-np.inf, 1000.0, 1.0, np.nan, 0]
    seconds = time.perf_counter() - start
    codes = estimator.transform(X_test)
    real = draws("gaussian", 2000, codes.shape[1], seed)
    return [
        explained(X_test, estimator.inverse_transform(codes), X.mean(0)),
        1000 * energy_coefficient(codes, real),
        told_apart(codes, real, seed),
        seconds,
        estimator.n_iter_,
    ]


def row(name, variant, values, shipped):
    """Return a row of the table."""
    values, shipped = np.array(values), np.array(shipped)
    share, far, auc, seconds, epochs = values.T
    return (
        *(name, variant),
        f"{share.mean():.3f} ({share.min():.3f})",
        f"{far.mean():.1f} ({far.max():.1f})",
        f"{auc.mean():.3f} ({auc.max():.3f})",
        f"{np.median(seconds / shipped[:, 3]):.2f}",
        int(np.median(epochs)),
    )


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None, help="of MNIST")
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--data", nargs="+", help="only these")
    args = options.parse_args()
    epochs = args.epochs or (2 if args.quick else 30)
    seeds = args.seeds or (1 if args.quick else 5)
    machine(args.threads)
    found = {}
    with use_threads(args.threads), quiet():
        AdversarialAutoencoder(2, max_iter=1, device="cpu").fit(load_digits().data)
        for seed in range(seeds):
            for name, X, X_test, params in sets(seed, epochs, args.quick):
                if args.data and name not in args.data:
                    continue
                for variant, (kind, more) in VARIANTS.items():
                    estimator = kind(random_state=seed, device="cpu", **params, **more)
                    values = measure(estimator, X, X_test, seed)
                    found.setdefault((name, variant), []).append(values)
                    text = (
                        "explained {:.3f}, energy {:.1f}, AUC {:.3f}, {:.1f} s, {} epochs"
                    )
                    print(
                        f"seed {seed}, {name}, {variant}: {text.format(*values)}",
                        flush=True,
                    )
    print(f"\n{seeds} seeds, MNIST {epochs} epochs; mean (worst)\n")
    header = ("data", "variant", "explained", "1,000 x energy", "AUC", "time", "epochs")
    rows = [
        row(name, variant, values, found[name, "shipped"])
        for (name, variant), values in sorted(found.items(), key=lambda item: item[0][0])
    ]
    table(header, rows)


if __name__ == "__main__":
    main()
