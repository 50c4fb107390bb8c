"""Log-likelihood of binarised MNIST: the variational autoencoder against rivals.

Pictures are MNIST's (see `_data.py`), 10,000 to train on and 5,000 to test on, binarised
once, each pixel being 1 with its grey value as the probability (a fixed seed). Values are
the negative log-likelihood of a test picture in nats, estimated by importance weighting
with --samples codes (a bound that is above the true value in the mean); "-ELBO" is the
bound that is trained. Mean and "+-" (standard deviation) over seeds.

- ours: `VariationalAutoencoder(50, network=(200, 200), likelihood="bernoulli")`, batches
  of 128, learning rate 0.001, --epochs; "IWAE" with 5 importance samples in training;
  "auto" with the default network in place of the two hidden layers.
- loop: the same model by hand: SiLU, the same start of the weights (variances), Adam
  (fused), learning rate that rises, stays and falls, gradients clipped, KL warm-up, 10 %
  held out, best weights by the held-out ELBO.
- pythae: the VAE of pythae 0.1.2 (if installed) by its own trainer, told to use
  cross-entropy, the loop's layers with their start, batches and rate (not its schedule:
  the rate is constant, there is no KL warm-up), and the same held-out rows.
- PCA: scikit-learn's probabilistic PCA, and a mixture of normal distributions on whole
  pictures, of pictures with uniform noise in [0, 1) added: their mean log-density is a
  bound on the log-probability of the binary pictures, as published for such models.
- independent pixels: each pixel's frequency in training (never 0 or 1).

Published, with 60,000 training pictures and a like model (Burda et al. 2016: 50 units, two
hidden layers of 200): VAE 86.8 nats, IWAE with 5 samples 85.5, with 50 samples 84.8. With a
sixth of the pictures more is lost to overfitting.

Fit times are medians of the ratios to the loop's in the same turn.
"""

import copy
import itertools
import logging
import math
import os
import tempfile
import time
from types import SimpleNamespace

import numpy as np
import torch
from _common import machine, parser, quiet, table, use_threads
from _data import load
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.nn import functional as F

import skae

CODE, HIDDEN, BATCH, RATE = 50, 200, 128, 1e-3
WARM_UP, COOL_DOWN, KL_WARM_UP, HELD_OUT = 0.05, 0.3, 0.25, 0.1


def binarised(n_train, n_test):
    """Return binary training and test pictures as rows."""
    data, rng = load("mnist"), np.random.default_rng(0)

    def draw(X):
        p = X.reshape(len(X), -1) / 255
        return (rng.uniform(size=p.shape) < p).astype(np.float32)

    X, X_test = draw(data["X_train"]), draw(data["X_test"])
    return X[:n_train], X_test[:n_test]


class ByHand(nn.Module):
    """The same model in torch's layers."""

    def __init__(self, mean):
        super().__init__()
        self.register_buffer("mean", mean)
        self.down = self._stack(784, HIDDEN, HIDDEN, 2 * CODE)
        self.up = self._stack(CODE, HIDDEN, HIDDEN, 784)
        with torch.no_grad():
            self.up[-1].bias.copy_(torch.logit(mean.clamp(0.02, 0.98)))

    @staticmethod
    def _stack(*sizes):
        layers = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            layer = nn.Linear(n_in, n_out)
            gain = 2**0.5 if i < len(sizes) - 2 else 1.0
            nn.init.normal_(layer.weight, 0, gain / n_in**0.5)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.SiLU()]
        return nn.Sequential(*layers[:-1])

    def posterior(self, x):
        """Return mean and log-variance."""
        return self.down(x - self.mean).chunk(2, dim=1)

    def forward(self, x, e, beta=1.0):
        """Return the mean negative ELBO."""
        mean, log_variance = self.posterior(x)
        logits = self.up(mean + (0.5 * log_variance).exp() * e)
        nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return (nll + beta * kl).mean()


def loop(X, epochs, seed):
    """Train it by hand."""
    torch.manual_seed(seed)
    x = torch.from_numpy(X)
    order = torch.randperm(len(x))
    n_valid = math.ceil(HELD_OUT * len(x))
    valid, train = x[order[:n_valid]], x[order[n_valid:]]
    net = ByHand(x.mean(0))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    fixed = torch.randn(len(valid), CODE)
    n_steps = -(-len(train) // BATCH)
    best, best_loss, step = None, math.inf, 0
    for _ in range(epochs):
        net.train()
        for batch in train[torch.randperm(len(train))].split(BATCH):
            done = step / n_steps / epochs
            rise, fall = (step + 1) / (WARM_UP * epochs * n_steps), (1 - done) / COOL_DOWN
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, rise, fall)
            optimizer.zero_grad()
            noise = torch.randn(len(batch), CODE)
            loss = net(batch, noise, min(1.0, done / KL_WARM_UP)) / 784
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
        net.eval()
        with torch.no_grad():
            loss = float(net(valid, fixed))
        if loss < best_loss:
            best, best_loss = copy.deepcopy(net.state_dict()), loss
    net.load_state_dict(best)
    return net


@torch.no_grad()
def judge_by_hand(net, X, n_samples):
    """Return the importance-weighted NLL and the negative ELBO."""
    generator, nll, bound = torch.Generator().manual_seed(0), [], []
    for x in torch.from_numpy(X).split(500):
        mean, log_variance = net.posterior(x)
        log_w, log_p = [], 0.0
        for _ in range(n_samples):
            e = torch.randn(mean.shape, generator=generator)
            z = mean + (0.5 * log_variance).exp() * e
            logits = net.up(z)
            log_x = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
            log_p = log_p + log_x / n_samples
            ratio = 0.5 * (log_variance + e.square() - z.square()).sum(1)
            log_w.append((log_x + ratio).double())
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        nll.append(math.log(n_samples) - torch.stack(log_w).logsumexp(0))
        bound.append(kl - log_p)
    return float(torch.cat(nll).mean()), float(torch.cat(bound).mean())


def by_pythae(X, epochs, seed):
    """Train by pythae; None where it is not installed."""
    os.environ["TQDM_DISABLE"] = "1"
    try:
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig
    except ImportError:
        return None
    logging.disable(logging.INFO)
    torch.manual_seed(seed)
    x = torch.from_numpy(X)
    net = ByHand(x.mean(0))

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            mean, log_variance = self.net.posterior(x)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = net.up

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z).sigmoid())

    config = VAEConfig(input_dim=(784,), latent_dim=CODE, reconstruction_loss="bce")
    order = torch.randperm(len(x))
    n_valid = math.ceil(HELD_OUT * len(x))
    with tempfile.TemporaryDirectory() as folder:
        pipeline = TrainingPipeline(
            model=VAE(config, encoder=Encoder(), decoder=Decoder()),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=RATE,
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=1000,
                seed=seed,
                no_cuda=True,
            ),
        )
        pipeline(train_data=x[order[n_valid:]], eval_data=x[order[:n_valid]])
        best = pipeline.trainer._best_model
    return SimpleNamespace(posterior=best.encoder.net.posterior, up=best.decoder.net)


def by_skae(X, epochs, seed, **params):
    """Train by skae."""
    defaults = {"network": (HIDDEN, HIDDEN), "learning_rate": RATE}
    return skae.VariationalAutoencoder(
        CODE,
        likelihood="bernoulli",
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
        device="cpu",
        **defaults | params,
    ).fit(X)


OURS = {
    "skae": {},
    "skae, IWAE of 5": {"n_importance_samples": 5},
    "skae, auto": {"network": "auto"},
}


def shallow(X, X_test, quick):
    """Return rows of name and NLL of densities without a network."""
    p = (X.sum(0) + 1) / (len(X) + 2)
    independent = -(X_test * np.log(p) + (1 - X_test) * np.log(1 - p)).sum(1).mean()
    rng = np.random.default_rng(1)
    noisy, noisy_test = (rows + rng.uniform(size=rows.shape) for rows in (X, X_test))
    pca = PCA(CODE, random_state=0).fit(noisy)
    n = 5 if quick else 50
    mixture = GaussianMixture(n, covariance_type="diag", random_state=0).fit(noisy)
    return [
        ("independent pixels", independent),
        (f"PCA of {CODE}, pictures with noise", -pca.score(noisy_test)),
        (f"mixture of {n} normal, with noise", -mixture.score(noisy_test)),
    ]


def spread(values):
    """Return the mean +- the standard deviation over seeds, as text."""
    text = f"{np.mean(values):.2f}"
    return f"{text} +- {np.std(values, ddof=1):.2f}" if len(values) > 1 else text


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None)
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--samples", type=int, default=None)
    args = options.parse_args()
    sizes = (2000, 500) if args.quick else (10_000, 5000)
    epochs = args.epochs or (5 if args.quick else 100)
    seeds = args.seeds or (1 if args.quick else 3)
    n_samples = args.samples or (100 if args.quick else 1000)
    machine(args.threads)
    X, X_test = binarised(*sizes)
    found = {name: [] for name in ("loop", "pythae", *OURS)}
    seconds = 0.0
    with use_threads(args.threads), quiet():
        for seed in range(seeds):
            for name, train in (("loop", loop), ("pythae", by_pythae)):
                start = time.perf_counter()
                net = train(X, epochs, seed)
                if net is None:
                    continue
                time_taken = time.perf_counter() - start
                seconds = seconds if name == "pythae" else time_taken
                ratio = time_taken / seconds
                found[name].append((*judge_by_hand(net, X_test, n_samples), ratio))
                print(f"seed {seed}, {name}: {found[name][-1][0]:.2f}", flush=True)
            for name, params in OURS.items():
                start = time.perf_counter()
                vae = by_skae(X, epochs, seed, **params)
                ratio = (time.perf_counter() - start) / seconds
                nll = -vae.score_samples(X_test, n_samples).mean()
                bound = -vae.elbo(X_test, 100).mean()
                found[name].append((nll, bound, ratio))
                active = vae.active_units_.sum()
                print(f"seed {seed}, {name}: {nll:.2f}, {active} active units", flush=True)
        rivals = shallow(X, X_test, args.quick)
        rows = [(name, f"{nll:.2f}", "", "") for name, nll in rivals]
    for name, values in ((name, values) for name, values in found.items() if values):
        nll, bound, ratio = np.transpose(values)
        rows.append((name, spread(nll), spread(bound), f"{np.median(ratio):.2f}"))
    print(f"\n{len(X):,} pictures, {epochs} epochs, {seeds} seeds, {n_samples} samples\n")
    table(("model", "test NLL, nats", "-ELBO", "fit time / loop"), rows)


if __name__ == "__main__":
    main()
