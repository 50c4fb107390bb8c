"""Do codes match the prior? The adversarial against the variational autoencoder.

10,000 of MNIST's pictures in [0, 1] to train on and 5,000 to judge on. Every model has two
hidden layers of 128, the Bernoulli likelihood and --epochs epochs, all else at defaults
(early stopping included).

- `AdversarialAutoencoder` with the priors "gaussian", "mixture" and "swiss_roll" of 2
  components, and "gaussian" of 8: codes are those of `transform`. "close" ones are trained
  to match the prior at the cost of the reconstruction: ``learning_rate=5e-4``,
  ``adversarial_learning_rate=3e-3``, ``batch_size=128``, ``early_stopping=False``.
- `VariationalAutoencoder` of 2 and 8 components, whose prior is the standard normal: codes
  drawn from the posterior (`encode_samples`, one for each row), which is what its bound
  compares with the prior, and the posterior's means (`transform`).
- "fresh draws" of each prior against others, as many: what chance leaves.

"energy" is the energy coefficient (2 E|a-b| - E|a-a'| - E|b-b'|) / (2 E|a-b|) of the codes
of the test rows and as many fresh draws, from 0 to 1, without bias (so that it may fall
below 0), times 1,000. "p" is that of a permutation test of the same statistic, of 1,000
rows and as many draws. "AUC" is that of a random forest that learns to tell 1,000 codes
from draws: 0.5 where it cannot. "explained" is the variance of the test rows that their
reconstruction explains, in grey values (of a `VariationalAutoencoder` that at the means).
Mean and (worst) over seeds.

The bar: ours (at defaults) at or below the variational autoencoder's codes, drawn, of as
many components.

With --figure PATH a figure of the codes of the first seed beside draws is saved, for the
priors of 2 components, coloured by digit.
"""

import numpy as np
from _codes import draws, energy_coefficient, explained, permutation_p, told_apart
from _common import machine, parser, quiet, table, use_threads
from _data import load

from skae import AdversarialAutoencoder, VariationalAutoencoder

PRIORS = [("gaussian", 2), ("mixture", 2), ("swiss_roll", 2), ("gaussian", 8)]
PARAMS = {"network": (128, 128), "likelihood": "bernoulli", "device": "cpu"}
RATES = {
    "learning_rate": 5e-4,
    "adversarial_learning_rate": 3e-3,
    "batch_size": 128,
    "early_stopping": False,
}
OURS, CLOSE = "adversarial", "adversarial, close"
DRAWN, MEANS = "variational, drawn", "variational, means"
CHANCE = "fresh draws"


def models(epochs, seed):
    """Yield (prior, components, estimator that is not fitted)."""
    params = PARAMS | {"max_iter": epochs, "random_state": seed}
    for prior, k in PRIORS:
        yield prior, k, AdversarialAutoencoder(k, prior=prior, **params)
        yield prior, k, AdversarialAutoencoder(k, prior=prior, **params, **RATES)
    for k in sorted({k for _, k in PRIORS}):
        yield "gaussian", k, VariationalAutoencoder(k, **params)


def judged(codes, prior, seed):
    """Return 1,000 x the energy coefficient, p, and the forest's AUC."""
    real = draws(prior, len(codes), codes.shape[1], seed)
    return (
        1000 * energy_coefficient(codes, real),
        permutation_p(codes, real, seed),
        told_apart(codes, real, seed),
    )


def codes_of(estimator, X, seed):
    """Yield (name, codes of X)."""
    if isinstance(estimator, AdversarialAutoencoder):
        name = OURS if estimator.batch_size == "auto" else CLOSE
        yield name, estimator.transform(X)
    else:
        drawn = estimator.encode_samples(X, random_state=seed)
        yield DRAWN, drawn.reshape(len(X), -1)
        yield MEANS, estimator.transform(X)


def draw(path, panels, y, seed):
    """Save a figure of codes {(prior, name): (n, 2)} beside draws."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    titles = {CLOSE: "adversarial, {}", DRAWN: "variational, drawn"}
    panels = {key: codes for key, codes in panels.items() if key[1] in titles}
    fig, axes = plt.subplots(
        2, len(panels), figsize=(1.9 * len(panels), 4.2), layout="constrained"
    )
    for (top, bottom), ((prior, name), codes) in zip(axes.T, panels.items(), strict=True):
        real = draws(prior, len(codes), 2, seed)
        side = (
            1.05 * np.abs(np.quantile(np.concatenate([codes, real]), [0.002, 0.998])).max()
        )
        dots = {"s": 2.5, "linewidths": 0, "rasterized": True}
        top.scatter(*codes[:3000].T, c=y[:3000], cmap="tab10", **dots)
        bottom.scatter(*real[:3000].T, c="0.4", **dots)
        top.set_title(titles[name].format(prior.replace("_", " ")), fontsize=9)
        for ax in (top, bottom):
            ax.set(xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[], aspect=1)
    axes[0, 0].set_ylabel("codes of test digits")
    axes[1, 0].set_ylabel("draws of the prior")
    fig.savefig(path, dpi=90)
    plt.close(fig)


def check_figure(path):
    """Leave with what to do, if a figure is asked for and cannot be drawn."""
    if path is None:
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise SystemExit(
            "--figure needs matplotlib, which is not installed. Install it with "
            "pip install 'skae[plot]', or leave --figure out."
        ) from None


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None)
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--figure", metavar="PATH", help="save a figure of the codes")
    args = options.parse_args()
    check_figure(args.figure)
    epochs = args.epochs or (2 if args.quick else 40)
    seeds = args.seeds or (1 if args.quick else 3)
    data = load("mnist")
    X, X_test, y_test = (data[key] for key in ("X_train", "X_test", "y_test"))
    X, X_test = X / 255.0, X_test / 255.0
    machine(args.threads)
    found, panels = {}, {}
    with use_threads(args.threads), quiet():
        for seed in range(seeds):
            for prior, k in PRIORS:
                chance = draws(prior, len(X_test), k, 5000 + seed)
                values = (*judged(chance, prior, seed), np.nan)
                found.setdefault((prior, k, CHANCE), []).append(values)
            for prior, k, estimator in models(epochs, seed):
                estimator.fit(X)
                R = estimator.inverse_transform(estimator.transform(X_test))
                share = explained(X_test, R, X.mean(0))
                for name, codes in codes_of(estimator, X_test, seed):
                    values = (*judged(codes, prior, seed), share)
                    found.setdefault((prior, k, name), []).append(values)
                    text = "energy {:.2f}, p {:.3f}, AUC {:.3f}, explained {:.3f}"
                    text = text.format(*values)
                    print(f"seed {seed}, {prior} of {k}, {name}: {text}", flush=True)
                    if k == 2:
                        panels.setdefault((prior, name), codes)
            if seed == 0 and args.figure:
                draw(args.figure, panels, y_test, seed)
    rows = []
    for (prior, k, name), values in sorted(
        found.items(), key=lambda f: PRIORS.index(f[0][:2])
    ):
        far, p, auc, share = np.transpose(values)
        rows.append(
            (
                *(prior, k, name),
                f"{far.mean():.2f} ({far.max():.2f})",
                f"{p.mean():.3f} ({p.min():.3f})",
                f"{auc.mean():.3f} ({auc.max():.3f})",
                "-" if name == CHANCE else f"{share.mean():.3f} ({share.min():.3f})",
            )
        )
    print(f"\n{len(X):,} pictures, {epochs} epochs, {seeds} seeds; mean (worst)\n")
    header = ("prior", "components", "codes", "1,000 x energy", "p", "AUC", "explained")
    table(header, rows)
    energy = {key: np.mean([v[0] for v in values]) for key, values in found.items()}
    for prior, k in PRIORS:
        ours, bar = energy[prior, k, OURS], energy["gaussian", k, DRAWN]
        verdict = "holds" if ours <= bar else "is missed"
        print(f"{prior} of {k}: {ours:.2f}, bar {bar:.2f}: {verdict}")


if __name__ == "__main__":
    main()
