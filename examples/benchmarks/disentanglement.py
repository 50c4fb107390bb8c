"""Disentanglement on generated shapes: beta-VAE, beta-TCVAE and FactorVAE.

Pictures of 16 x 16 pixels in [0, 1], each of one shape (a square, an ellipse or a heart) of
one of 4 sizes, 8 angles (of a quarter turn for all three: no two pictures are alike by
symmetry) and 8 x 8 places: five factors, as in dSprites but coarser. Of the 6,144 pictures
all are trained on, and measured by the six measures of `skae.metrics` (bins and trials at
their defaults; DCI's three are one). Nothing is tuned but `beta`, of which all that were
tried are shown. PCA has 6 components, too.

`VariationalAutoencoder(6, likelihood="bernoulli", network=(256, 128))` in batches of 128,
300 epochs, all
of them: disentanglement comes long after the reconstruction is good. "error"
is the reconstruction's mean squared error as a share of the variance. Median, and
the range in brackets, over seeds. A figure of latent traversals is drawn of the first
seed's models: each row varies one component of one picture's code from -2 to 2, the
component with the largest KL divergence first.

"total_correlation" is what the estimator of objective="tc" sees: codes of unit variance
whose posteriors have a deviation of 0.1, all independent, or two of them correlated by .9
and the others not. With the constants that training leaves out, as published.
"""

import itertools

import numpy as np
import torch
from _common import FIGURES, Table, pyplot
from sklearn.decomposition import PCA

from skae import VariationalAutoencoder, metrics
from skae._losses import total_correlation

CODE, SIDE = 6, 16
MODELS = {
    "VAE": {},
    "beta-VAE, beta 2": {"beta": 2.0},
    "beta-VAE, beta 4": {"beta": 4.0},
    "beta-TCVAE, beta 2": {"objective": "tc", "beta": 2.0},
    "beta-TCVAE, beta 4": {"objective": "tc", "beta": 4.0},
    "beta-TCVAE, beta 8": {"objective": "tc", "beta": 8.0},
    "FactorVAE, gamma 5": {"objective": "factor", "beta": 6.0},
    "FactorVAE, gamma 10": {"objective": "factor", "beta": 11.0},
}
MEASURES = ("MIG", "SAP", "D", "C", "I", "modularity", "FactorVAE", "beta-VAE")


def shapes():
    """Return pictures (n, SIDE, SIDE) and their factors (n, 5)."""
    fine = 4 * SIDE  # drawn larger, then averaged
    grid = (np.arange(fine) + 0.5) / fine * 2 - 1
    y, x = np.meshgrid(grid, grid, indexing="ij")
    factors = np.array(
        list(itertools.product(range(3), range(4), range(8), range(8), range(8)))
    )
    pictures = np.empty((len(factors), SIDE, SIDE), dtype=np.float32)
    for row, (shape, size, angle, i, j) in enumerate(factors):
        scale = 0.25 + 0.05 * size
        turn = angle / 8 * np.pi / 2
        dx, dy = x - 0.5 * (j / 3.5 - 1), y - 0.5 * (i / 3.5 - 1)
        u = (np.cos(turn) * dx + np.sin(turn) * dy) / scale
        v = (np.cos(turn) * dy - np.sin(turn) * dx) / scale
        if shape == 0:
            inside = np.maximum(np.abs(u), np.abs(v)) < 0.8
        elif shape == 1:
            inside = u**2 + (2 * v) ** 2 < 1
        else:  # the heart of (u^2 + v^2 - 1)^3 < u^2 v^3
            a, b = 1.2 * u, -1.2 * v
            inside = (a**2 + b**2 - 1) ** 3 < a**2 * b**3
        pictures[row] = inside.reshape(SIDE, 4, SIDE, 4).mean((1, 3))
    return pictures, factors


def measure(codes, factors, seed):
    """Return what MEASURES name."""
    return [
        metrics.mutual_information_gap(codes, factors),
        metrics.separated_attribute_predictability(codes, factors, random_state=seed),
        *metrics.dci_scores(codes, factors, random_state=seed),
        metrics.modularity_score(codes, factors),
        metrics.factor_vae_score(codes, factors, random_state=seed),
        metrics.beta_vae_score(codes, factors, n_trials=200, random_state=seed),
    ]


def spread(values):
    """Return the median and the range, as text."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def reached(name, seed, epochs, flat, factors):
    """Train a model; return its error and measures, and pictures of its traversals."""
    vae = VariationalAutoencoder(
        CODE,
        likelihood="bernoulli",
        network=(256, 128),
        batch_size=128,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
        device="cpu",
        **MODELS[name],
    ).fit(flat)
    codes = vae.transform(flat)
    left = np.mean((vae.inverse_transform(codes) - flat) ** 2) / flat.var(0).mean()
    line = [left, *measure(codes, factors, seed)]
    steps = np.linspace(-2, 2, 9)
    order = np.argsort(-vae.kl_divergence(flat).mean(0))
    paths = np.tile(codes[len(codes) // 2], (CODE, len(steps), 1))
    for path, component in zip(paths, order, strict=True):
        path[:, component] = steps
    pictures = vae.inverse_transform(paths.reshape(-1, CODE))
    return line, pictures.reshape(CODE, len(steps), SIDE, SIDE)


def draw(traversals):
    """Save pictures (components, steps, SIDE, SIDE) of some models side by side."""
    if not (plt := pyplot()):
        return
    fig, axes = plt.subplots(1, len(traversals), figsize=(9.5, 2.6), layout="constrained")
    for ax, (name, pictures) in zip(axes, traversals.items(), strict=True):
        sheet = np.pad(pictures, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=0.5)
        n, steps, side = sheet.shape[:3]
        sheet = sheet.transpose(0, 2, 1, 3).reshape(n * side, steps * side)
        ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
        ax.set(title=name, xticks=[], yticks=[])
    axes[0].set_ylabel("component")
    fig.suptitle("One component of a code at a time, from -2 to 2")
    fig.savefig(FIGURES / "traversals.png", dpi=110)
    plt.close(fig)


def disentanglement(options):
    """Train all models, measure them, and draw some."""
    epochs, seeds = options.few(300, 3), range(options.n_seeds(5))
    X, factors = shapes()
    if options.quick:
        some = np.random.default_rng(0).choice(len(X), 600, replace=False)
        X, factors = X[some], factors[some]
    flat = X.reshape(len(X), -1)
    pca = PCA(CODE).fit(flat)
    codes = pca.transform(flat)
    left = np.mean((pca.inverse_transform(codes) - flat) ** 2) / flat.var(0).mean()
    found = {"PCA": [[left, *measure(codes, factors, seed)] for seed in seeds]}
    tasks = [(name, seed, epochs, flat, factors) for name in MODELS for seed in seeds]
    traversals = {}
    for (name, *_), (line, pictures) in zip(
        tasks, options.each(reached, tasks), strict=True
    ):
        found.setdefault(name, []).append(line)
        traversals.setdefault(name, pictures)  # the first seed's
    if not options.quick:
        shown = "VAE", "beta-TCVAE, beta 4", "FactorVAE, gamma 10"
        draw({name: traversals[name] for name in shown})
    rows = [
        (name, *[spread(column) for column in np.transpose(values)])
        for name, values in found.items()
    ]
    header = "model", "error", *MEASURES
    yield Table("disentanglement", header, rows, len(seeds), note="median (range)")


def estimates(k, n_rows, correlation, n_batches, deviation=0.1):
    """Return the total correlation of k components as each batch tells it."""
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(n_batches):
        mean = torch.randn(n_rows, k, generator=generator)
        mean[:, 1] *= (1 - correlation**2) ** 0.5
        mean[:, 1] += correlation * mean[:, 0]
        mean *= (1 - deviation**2) ** 0.5
        z = mean + deviation * torch.randn(n_rows, k, generator=generator)
        log_variance = torch.full_like(mean, 2 * np.log(deviation))
        told = total_correlation(z, mean, log_variance).mean()
        found.append(told.item() + (k - 1) * np.log(n_rows))
    return found


def seen_dependence(options):
    """Measure what the estimate of the total correlation sees of a dependence."""
    rows = []
    for k in (2, 4, 8):
        for n_rows in (64, 256, 1024):
            n_batches = options.few(max(8, 16384 // n_rows), 2)
            apart, tied = (estimates(k, n_rows, r, n_batches) for r in (0.0, 0.9))
            gain = np.subtract(tied, apart)
            error = gain.std() / n_batches**0.5
            cells = f"{np.mean(apart):.2f}", f"{gain.mean():.2f} ± {error:.2f}"
            rows.append((k, n_rows, *cells))
    exact = -0.5 * np.log(1 - (0.9 * (1 - 0.1**2)) ** 2)
    header = "components", "batch", "independent (exactly 0)"
    header += (f"rise by a correlation of .9 (exactly {exact:.2f})",)
    yield Table("total_correlation", header, rows, note="nats, mean over batches")


PARTS = {"disentanglement": disentanglement, "total_correlation": seen_dependence}
