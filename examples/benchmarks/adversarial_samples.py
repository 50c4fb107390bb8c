"""Generated digits, judged by classifiers: the adversarial autoencoder among others.

The two-sample test of `generation.py`: scikit-learn's 1,797 digits of 8 x 8 pixels, half to
train on and half to test on, stratified, another split for each seed. As many pictures as
there are test pictures are generated and rounded to whole grey values, and a random forest
is trained to tell them from real ones. Its area under the curve is 0.5 where it cannot tell
and 1 where it always can: lower is better. "Test rows" are real pictures against real ones.

`AdversarialAutoencoder` and `VariationalAutoencoder` of 16 and 8 components, --epochs
epochs at most, all else at defaults, pictures being the likelihood's means; and
`LatentSampler`, a mixture of 10 normal distributions of the codes of an `Autoencoder` of 16
and 8 components. With --convolutional also those of 16 components with
`ConvolutionalNetwork()`.

Mean and "+-" (standard deviation) over seeds.
"""

import numpy as np
from _common import machine, parser, quiet, table, use_threads
from generation import told_apart, whole
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    LatentSampler,
    VariationalAutoencoder,
)
from skae.networks import ConvolutionalNetwork


def generators(epochs, seed, convolutional):
    """Yield (name, estimator that is not fitted)."""
    params = {"max_iter": epochs, "random_state": seed, "device": "cpu"}
    for kind in (AdversarialAutoencoder, VariationalAutoencoder):
        for k in (16, 8):
            yield f"{kind.__name__}({k})", kind(k, **params)
        if convolutional:
            name = f"{kind.__name__}(16), convolutional"
            yield name, kind(16, network=ConvolutionalNetwork(), **params)
    for k in (16, 8):
        inner = Autoencoder(k, **params)
        yield f"LatentSampler(Autoencoder({k}))", LatentSampler(inner, random_state=seed)


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None)
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--convolutional", action="store_true")
    args = options.parse_args()
    epochs = args.epochs or (10 if args.quick else 200)
    seeds = args.seeds or (1 if args.quick else 5)
    images, target = load_digits().images, load_digits().target
    found = {}
    machine(args.threads)
    with use_threads(args.threads), quiet():
        for seed in range(seeds):
            X, X_test = train_test_split(
                images, test_size=0.5, stratify=target, random_state=seed
            )
            real = whole(X_test)
            half = len(real) // 2
            check = told_apart(real[:half], real[half:], seed)
            found.setdefault("test rows", []).append(check)
            for name, estimator in generators(epochs, seed, args.convolutional):
                generated = estimator.fit(X).sample(len(real), random_state=seed)
                found.setdefault(name, []).append(told_apart(real, whole(generated), seed))
                print(f"seed {seed}, {name}: {found[name][-1]:.3f}", flush=True)
    print(f"\n{epochs} epochs, {seeds} seeds\n")
    rows = [
        (name, f"{np.mean(v):.3f} +- {np.std(v, ddof=len(v) > 1):.3f}")
        for name, v in found.items()
    ]
    table(("generator", "AUC, real or generated"), rows)


if __name__ == "__main__":
    main()
