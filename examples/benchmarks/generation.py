"""How likely, how good: what is generated, and what else a density is worth.

density: the log-likelihood of binarised MNIST, 10,000 pictures to train on and 5,000 to
    test on, each pixel being 1 with its grey value as the probability (a fixed seed). The
    negative log-likelihood of a test picture in nats, by importance weighting with 1,000
    codes (a bound that is above the true value in the mean), and the bound that is trained.
    Mean ± standard deviation over seeds; times are medians of ratios to the loop's.
    Ours: `VariationalAutoencoder(50, network=(200, 200), likelihood="bernoulli")`, batches
    of 128, learning rate 0.001, 100 epochs; with 5 importance samples in training; with the
    default network. "loop" is the same model by hand: SiLU, the same start of the weights
    (variances), Adam (fused), a learning rate that rises, stays and falls, gradients
    clipped, KL warm-up, 10 % held out, best weights by the held-out ELBO. "pythae" is its
    VAE by its own trainer, told to use cross-entropy, the loop's layers with their start,
    batches and rate (the rate is constant, there is no KL warm-up), and the same held-out
    rows. PCA and the mixture see pictures with uniform noise in [0, 1) added: their mean
    log-density is a bound on the log-probability of the binary pictures. Published, with
    60,000 training pictures and a like model (Burda et al. 2016): VAE 86.8 nats, with 5
    importance samples 85.5, with 50 84.8.
digits: scikit-learn's 8 x 8 digits, half to train on and half to test on, stratified,
    another split for each seed. As many pictures as there are test pictures are generated
    and rounded to whole grey values, and a random forest is trained to tell them from real
    ones, on one half of each; its area under the curve is 0.5 where it cannot tell. "Test
    rows" are real test pictures against real ones. Generators: `VariationalAutoencoder`,
    dense or convolutional, of means or with noise drawn, Gaussian or Bernoulli;
    `LatentSampler`, a mixture of 10 normal distributions of the codes of an `Autoencoder`
    or of PCA; `GaussianMixture` of whole pictures and `KernelDensity` (chosen by their
    likelihood on a fifth of the training half); a normal distribution with PCA's
    covariance. "As asked" is the share of pictures, generated for a class, that a support
    vector machine trained on real training digits labels as that class.
fingerprints: 2,048 bits, as those of molecules come about: 6 hidden traits z ~ N(0, I)
    decide by a random network of one hidden layer which of 80 fragments a molecule has;
    each sets about 12 bits of its own (nine times out of ten), bits collide as in a hash,
    and one bit in 500 is noise. The property is a smooth function of the traits, and noise
    of a tenth of its variance. 8,000 to train on and 2,000 to test on, drawn anew by each
    seed. "nats" is the negative log-likelihood of a test fingerprint, by 200 importance
    samples (of the bits' frequencies exactly); "lost" the share of set bits that the
    reconstruction puts below 1/2, "invented" that of unset ones above; "R2" that of a
    ridge regression and of a random forest from the code to the property; "bits set" the
    mean of 2,000 samples; "pairs" the correlation, over the 4,950 pairs of the 100 most
    frequent bits, of how often both are set in samples with how often in test
    fingerprints, less what the bits' frequencies alone explain.
"""

import copy
import itertools
import logging
import math
import os
import tempfile
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp
import torch
from _common import Table, optional, seconds, spread, told_apart
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.svm import SVC
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder, LatentSampler, VariationalAutoencoder
from skae.networks import ConvolutionalNetwork

# Density

UNITS, HIDDEN, BATCH, RATE = 50, 200, 128, 1e-3
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
        self.down = self._stack(784, HIDDEN, HIDDEN, 2 * UNITS)
        self.up = self._stack(UNITS, HIDDEN, HIDDEN, 784)
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
    fixed = torch.randn(len(valid), UNITS)
    n_steps = -(-len(train) // BATCH)
    best, best_loss, step = None, math.inf, 0
    for _ in range(epochs):
        net.train()
        for batch in train[torch.randperm(len(train))].split(BATCH):
            done = step / n_steps / epochs
            rise, fall = (step + 1) / (WARM_UP * epochs * n_steps), (1 - done) / COOL_DOWN
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, rise, fall)
            optimizer.zero_grad()
            noise = torch.randn(len(batch), UNITS)
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
    """Train by pythae."""
    os.environ["TQDM_DISABLE"] = "1"
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

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

    config = VAEConfig(input_dim=(784,), latent_dim=UNITS, reconstruction_loss="bce")
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
    return VariationalAutoencoder(
        UNITS,
        likelihood="bernoulli",
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
        device="cpu",
        **defaults | params,
    ).fit(X)


OURS = {
    "VariationalAutoencoder": {},
    "n_importance_samples=5": {"n_importance_samples": 5},
    'network="auto"': {"network": "auto"},
}


def shallow(X, X_test, quick):
    """Return rows of name and NLL of densities without a network."""
    p = (X.sum(0) + 1) / (len(X) + 2)
    independent = -(X_test * np.log(p) + (1 - X_test) * np.log(1 - p)).sum(1).mean()
    rng = np.random.default_rng(1)
    noisy, noisy_test = (rows + rng.uniform(size=rows.shape) for rows in (X, X_test))
    pca = PCA(UNITS, random_state=0).fit(noisy)
    n = 5 if quick else 50
    mixture = GaussianMixture(n, covariance_type="diag", random_state=0).fit(noisy)
    return [
        ("frequency of each pixel", independent),
        (f"PCA of {UNITS}, pictures with noise", -pca.score(noisy_test)),
        (f"mixture of {n} normal distributions", -mixture.score(noisy_test)),
    ]


def density(options):
    """Train ours and the rivals on binary pictures."""
    X, X_test = binarised(*options.few((10_000, 5000), (1000, 300)))
    epochs, n_samples = options.few((100, 1000), (3, 50))
    by_hand, found = {"loop": loop}, {}
    if optional("pythae", pip="pythae"):
        by_hand["pythae"] = by_pythae
    for seed in range(options.n_seeds()):
        first = None
        for name, learn in by_hand.items():
            time, net = seconds(lambda learn=learn: learn(X, epochs, seed))  # noqa: B023
            first = first or time
            judged = judge_by_hand(net, X_test, n_samples)
            found.setdefault(name, []).append((*judged, time / first))
        for name, params in OURS.items():
            time, vae = seconds(lambda params=params: by_skae(X, epochs, seed, **params))  # noqa: B023
            nll = -vae.score_samples(X_test, n_samples).mean()
            bound = -vae.elbo(X_test, options.few(100, 10)).mean()
            found.setdefault(name, []).append((nll, bound, time / first))
    rows = [(name, f"{nll:.1f}") for name, nll in shallow(X, X_test, options.quick)]
    rows = [(*row, None, None) for row in rows]
    for name, values in found.items():
        nll, bound, ratio = np.transpose(values)
        rows.append((name, spread(nll), spread(bound), f"{np.median(ratio):.2f}"))
    header = "method", "NLL, nats", "-ELBO", "fit time / loop"
    yield Table("generation_density", header, rows, options.n_seeds())


# Digits

CODE = 16
NETWORKS = {"dense": {}, "convolutional": {"network": ConvolutionalNetwork()}}


def variational(epochs, seed, **params):
    """Return a variational autoencoder."""
    return VariationalAutoencoder(
        CODE, max_iter=epochs, random_state=seed, device="cpu", **params
    )


def whole(X):
    """Return pictures as rows of whole grey values."""
    return np.clip(np.rint(X), 0, 16).reshape(len(X), -1)


def best(candidates, X, seed):
    """Return the density that is likeliest on a fifth of X, fitted on all of it."""
    fit, held = train_test_split(X, test_size=0.2, random_state=seed)
    scores = [density.fit(fit).score(held) for density in candidates]
    return candidates[int(np.argmax(scores))].fit(X)


def mixtures(seed):
    """Return the mixtures to choose from."""
    return [
        GaussianMixture(k, covariance_type=kind, reg_covar=r, random_state=seed)
        for kind, sizes in (("full", (1, 5, 10)), ("diag", (10, 30, 60)))
        for k in sizes
        for r in (1e-3, 0.1)
    ]


def kernels():
    """Return the kernel densities to choose from."""
    return [KernelDensity(bandwidth=h) for h in (0.3, 0.6, 1, 1.5, 2, 3)]


def normal(X, n, seed):
    """Return rows drawn from a normal distribution with PCA's covariance."""
    pca = PCA(CODE).fit(X)
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal(pca.mean_, pca.get_covariance(), n)


def generators(X, epochs, seed):
    """Yield (name, function that generates n rows)."""
    flat = X.reshape(len(X), -1)
    for name, params in NETWORKS.items():
        vae = variational(epochs, seed, **params).fit(X)
        for noise in (False, True):
            yield (
                f"VariationalAutoencoder, {name}, Gaussian" + ", noise drawn" * noise,
                lambda n, vae=vae, noise=noise: vae.sample(n, seed, noise=noise),
            )
        vae = variational(epochs, seed, likelihood="bernoulli", **params).fit(X / 16)
        yield (
            f"VariationalAutoencoder, {name}, Bernoulli",
            lambda n, vae=vae: 16 * vae.sample(n, seed),
        )
    plain = Autoencoder(CODE, max_iter=epochs, device="cpu")
    for name, inner, rows in (("Autoencoder", plain, X), ("PCA", PCA(CODE), flat)):
        sampler = LatentSampler(inner, random_state=seed).fit(rows)
        yield (f"LatentSampler({name})", lambda n, sampler=sampler: sampler.sample(n, seed))
    mixture = best(mixtures(seed), flat, seed)
    yield "GaussianMixture", lambda n: mixture.sample(n)[0]
    kernel = best(kernels(), flat, seed)
    yield "KernelDensity", lambda n: kernel.sample(n, seed)
    yield "normal, PCA's covariance", lambda n: normal(flat, n, seed)


def asked(X, y, X_test, y_test, epochs, seed):
    """Yield (name, accuracy) of pictures generated for classes."""
    judge = SVC(gamma="scale", C=10).fit(whole(X), y)
    yield "real test digits", judge.score(whole(X_test), y_test)
    flat = X.reshape(len(X), -1)
    for name, params in NETWORKS.items():
        for likelihood, scale in (("gaussian", 1), ("bernoulli", 16)):
            vae = variational(
                epochs, seed, conditional=True, likelihood=likelihood, **params
            ).fit(X / scale, y)
            drawn = scale * vae.sample(len(y_test), seed, y=y_test)
            score = judge.score(whole(drawn), y_test)
            yield f"VariationalAutoencoder, {name}, {likelihood.capitalize()}", score
    small = [GaussianMixture(k, covariance_type="diag", random_state=seed) for k in (1, 3)]
    for name, candidates in (("GaussianMixture", small), ("KernelDensity", kernels())):
        drawn = np.empty((len(y_test), flat.shape[1]))
        for digit in np.unique(y):
            density, n = best(candidates, flat[y == digit], seed), (y_test == digit).sum()
            rows = density.sample(n)
            drawn[y_test == digit] = rows[0] if isinstance(rows, tuple) else rows
        yield name, judge.score(whole(drawn), y_test)


def digits(options):
    """Generate digits, and ask for classes."""
    epochs, (images, target) = (
        options.few(200, 5),
        (load_digits().images, load_digits().target),
    )
    apart, right = {}, {}
    for seed in range(options.n_seeds(5)):
        X, X_test, y, y_test = train_test_split(
            images, target, test_size=0.5, stratify=target, random_state=seed
        )
        real = whole(X_test)
        half = len(real) // 2
        check = told_apart(real[:half], real[half:], seed)
        apart.setdefault("test rows", []).append(check)
        for name, generate in generators(X, epochs, seed):
            auc = told_apart(real, whole(generate(len(real))), seed)
            apart.setdefault(name, []).append(auc)
        for name, accuracy in asked(X, y, X_test, y_test, epochs, seed):
            right.setdefault(name, []).append(100 * accuracy)
    rows = []
    for name in dict.fromkeys((*apart, *right)):
        cells = spread(apart[name], 3) if name in apart else None, None
        if name in right:
            cells = cells[0], spread(right[name], 1)
        rows.append((name, *cells))
    header = "generator", "AUC", "as asked, %"
    yield Table("generation_digits", header, rows, options.n_seeds(5))


# Fingerprints

BITS, FRAGMENTS, TRAITS = 2048, 80, 6


def molecules(n, seed):
    """Return fingerprints (n, BITS) of 0 and 1, and the property (n,)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, TRAITS))
    hidden = np.tanh(z @ rng.normal(size=(TRAITS, 32)))
    logits = hidden @ rng.normal(size=(32, FRAGMENTS)) * 0.8 - 3
    has = rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))
    X = rng.uniform(size=(n, BITS)) < 1 / 500
    for fragment in range(FRAGMENTS):
        bits = rng.choice(BITS, 12, replace=False)
        seen = rng.uniform(size=(n, 12)) < 0.9
        X[:, bits] |= has[:, [fragment]] & seen
    value = np.sin(z[:, 0] + z[:, 1]) + z[:, 2] * z[:, 3] + 0.5 * z[:, 4]
    value = value + rng.normal(size=n) * value.std() * 0.1**0.5
    return X.astype(np.float32), value


def properties(Z, y, Z_test, y_test):
    """Return R2 of a ridge regression and of a random forest."""
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(Z, y)
    forest = RandomForestRegressor(100, min_samples_leaf=3, random_state=0).fit(Z, y)
    return ridge.score(Z_test, y_test), forest.score(Z_test, y_test)


def lost(back, X):
    """Return the share of set bits that are lost, and of unset ones that are invented."""
    return 1 - np.mean(back[X > 0] > 0.5), np.mean(back[X == 0] > 0.5)


def together(drawn, X, frequent):
    """Return the correlation of how often pairs of bits go together."""
    upper = np.triu_indices(len(frequent), 1)
    covariances = [np.cov(rows[:, frequent].T)[upper] for rows in (drawn, X)]
    return np.corrcoef(covariances)[0, 1]


def rows_of(seed, sizes, ks, epochs):
    """Yield (name, nats, lost, invented, ridge, forest, density, pairs)."""
    n, n_test = sizes
    X, y = molecules(n + n_test, seed)
    X, X_test, y, y_test = X[:n], X[n:], y[:n], y[n:]
    frequent = np.argsort(X.mean(0))[-100:]
    p = (X.sum(0) + 1) / (n + 2)
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(size=X_test.shape) < p
    nats = -(X_test @ np.log(p) + (1 - X_test) @ np.log(1 - p)).mean()
    back = np.broadcast_to(p, X_test.shape)
    score = together(drawn, X_test, frequent)
    yield (
        "frequency of each bit",
        nats,
        *lost(back, X_test),
        np.nan,
        np.nan,
        drawn.sum(1).mean(),
        score,
    )
    for k in ks:
        pca = PCA(k, random_state=seed).fit(X)
        Z, Z_test = pca.transform(X), pca.transform(X_test)
        quality = lost(pca.inverse_transform(Z_test), X_test)
        found = properties(Z, y, Z_test, y_test)
        yield f"PCA({k})", np.nan, *quality, *found, np.nan, np.nan
        params = {"likelihood": "bernoulli", "max_iter": epochs, "random_state": seed}
        for name, container in (("", np.asarray), (", CSR", sp.csr_array)):
            if name and k != ks[0]:
                continue
            vae = VariationalAutoencoder(k, device="cpu", **params).fit(container(X))
            Z, Z_test = vae.transform(X), vae.transform(X_test)
            drawn = vae.sample(len(X_test), seed, noise=True)
            yield (
                f"VariationalAutoencoder({k}){name}",
                -vae.score_samples(X_test, 200).mean(),
                *lost(vae.inverse_transform(Z_test), X_test),
                *properties(Z, y, Z_test, y_test),
                drawn.sum(1).mean(),
                together(drawn, X_test, frequent),
            )
    yield "test fingerprints", *[np.nan] * 5, X_test.sum(1).mean(), np.nan


def fingerprints(options):
    """Learn bits, and a property from their codes."""
    sizes, epochs = options.few(((8000, 2000), 50), ((500, 200), 3))
    found = {}
    for seed in range(options.n_seeds()):
        for name, *values in rows_of(seed, sizes, (8, 16), epochs):
            found.setdefault(name, []).append(values)
    header = (
        "method", "nats", "lost", "invented", "R2, ridge", "R2, forest",
        "bits set in a sample", "pairs",
    )  # fmt: skip
    rows = []
    for name, values in found.items():
        pairs = zip(np.transpose(values), (1, 3, 4, 3, 3, 1, 3), strict=True)
        rows.append(
            (name, *(None if np.isnan(v).any() else spread(v, d) for v, d in pairs))
        )
    yield Table("generation_fingerprints", header, rows, options.n_seeds())


PARTS = {"density": density, "digits": digits, "fingerprints": fingerprints}
