"""Generated digits, judged by classifiers: variational autoencoders against densities.

scikit-learn's 1,797 digits of 8 x 8 pixels (0 to 16), half to train on and half to test on,
stratified, another split for each seed. Every generator sees the training half only.

Part 1, the two-sample test: as many pictures as there are test pictures are generated,
rounded to whole grey values in 0 to 16 for all, and a random forest is trained to tell
them from real ones, on one half of each, and judged on the other. Its area under the
curve is 0.5 where it cannot tell and 1 where it always can: lower is better. "Test rows"
are real test pictures against real test pictures, a check of the judge.

- `VariationalAutoencoder` of pictures, dense or convolutional, with the Gaussian
  likelihood (means, or with noise drawn) or the Bernoulli likelihood of grey values
  divided by 16 (means).
- `LatentSampler`: a mixture of 10 normal distributions of the codes of an `Autoencoder`
  or of PCA, 16 components.
- `GaussianMixture` of whole pictures (number of components and covariance chosen by its
  likelihood on a fifth of the training half, held back), `KernelDensity` (bandwidth chosen
  likewise), and a normal distribution with PCA's covariance (16 components and noise).

Part 2, asked for a class: the share of pictures, generated for a class, that a support
vector machine trained on real training digits labels as that class; on real test digits
for comparison. `VariationalAutoencoder(conditional=True)` against one mixture and one
kernel density for each class.

Mean and "+-" (standard deviation) over seeds.
"""

import numpy as np
from _common import machine, parser, quiet, table, use_threads
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.svm import SVC

from skae import Autoencoder, LatentSampler, VariationalAutoencoder
from skae.networks import ConvolutionalNetwork

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


def told_apart(real, generated, seed):
    """Return the area under the curve of a forest that tells two samples apart."""
    X = np.concatenate([real, generated])
    y = np.repeat([0, 1], [len(real), len(generated)])
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.5, stratify=y, random_state=seed
    )
    forest = RandomForestClassifier(300, random_state=seed).fit(X, y)
    return roc_auc_score(y_test, forest.predict_proba(X_test)[:, 1])


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
                f"VariationalAutoencoder, {name}{', noise drawn' if noise else ''}",
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
        yield (
            f"LatentSampler({name})",
            lambda n, sampler=sampler: sampler.sample(n, seed),
        )
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
            yield f"VariationalAutoencoder, {name}, {likelihood}", score
    small = [GaussianMixture(k, covariance_type="diag", random_state=seed) for k in (1, 3)]
    for name, candidates in (("GaussianMixture", small), ("KernelDensity", kernels())):
        drawn = np.empty((len(y_test), flat.shape[1]))
        for digit in np.unique(y):
            density, n = best(candidates, flat[y == digit], seed), (y_test == digit).sum()
            rows = density.sample(n)
            drawn[y_test == digit] = rows[0] if isinstance(rows, tuple) else rows
        yield f"{name} for each class", judge.score(whole(drawn), y_test)


def main():
    """Measure and print."""
    options = parser(__doc__)
    args = options.parse_args()
    epochs, seeds = (10, 1) if args.quick else (200, 5)
    images, target = load_digits().images, load_digits().target
    apart, right = {}, {}
    machine(args.threads)
    with use_threads(args.threads), quiet():
        for seed in range(seeds):
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
    print(f"{epochs} epochs, {seeds} seeds\n")
    for header, found, digits in (
        ("AUC, real or generated", apart, 3),
        ("per cent labelled as asked", right, 1),
    ):
        rows = [
            (name, f"{np.mean(v):.{digits}f} +- {np.std(v, ddof=len(v) > 1):.{digits}f}")
            for name, v in found.items()
        ]
        table(("generator", header), rows)
        print(flush=True)


if __name__ == "__main__":
    main()
