"""Convolutions against dense layers on MNIST, and the cost of `fit`.

Part 1, quality: autoencoders with a code of 32 numbers are trained on 10,000 training
pictures (values in [0, 1], batches of 128, the same number of epochs for all, everything
else at skae's defaults) and judged by the mean squared error per pixel of 5,000 test
pictures, relative to the pixels' variance in training. Convolutional networks
(`ConvolutionalNetwork`, two levels, kernel 3, strides) stand beside dense ones of about
as many parameters: with one hidden layer, with a linear path beside it (as skae's "auto"
has), and deeper (two hidden layers); larger dense ones follow. Mean and spread (half the
range) over seeds, which draw weights, batches and held-out rows. PCA of 32 components
is the yardstick.

Part 2, time: `ConvolutionalAutoencoder(32)` against the same network (16 and 32 filters,
SiLU, kernel 3, strides, transposed convolutions) in a hand-written loop of torch layers:
the same rows, batches of 128, epochs, Adam (fused), 10 % of the rows held out and
evaluated after each epoch, best weights kept. "loop" is in torch's default memory format,
"loop, channels last" in the faster one that skae uses, "clipped" also clips gradients, as
skae does. Rivals take turns in one process; medians, and medians of the ratios of a turn.
"""

import numpy as np
import torch
from _common import interleaved, machine, parser, quiet, table, use_threads
from _data import load
from fit_time import train
from sklearn.decomposition import PCA
from torch import nn

import skae
from skae.networks import ConvolutionalNetwork, DenseNetwork

CODE, BATCH = 32, 128
NETWORKS = {  # pairs of about as many parameters stand together
    "convolutional (4, 8)": ConvolutionalNetwork(filters=(4, 8)),
    "dense (16,)": DenseNetwork((16,)),
    "convolutional (8, 16)": ConvolutionalNetwork(filters=(8, 16)),
    "dense (33,)": DenseNetwork((33,)),
    "convolutional (16, 32)": ConvolutionalNetwork(),
    "dense (67,)": DenseNetwork((67,)),
    "dense (37,) and a linear path": DenseNetwork((37,), linear_path=True),
    "dense (64, 48)": DenseNetwork((64, 48)),
    "dense (128,)": DenseNetwork((128,)),
    "dense (256,)": DenseNetwork((256,)),
    "dense (256, 128)": DenseNetwork((256, 128)),
    "dense (512,)": DenseNetwork((512,)),
}


def quality(X, X_test, epochs, seeds):
    """Return rows of network, parameters, error, spread, explained variance."""
    mean, variance = X.mean(), X.var()

    def error(back):
        return float(np.mean((back - X_test) ** 2) / variance)

    pca = PCA(CODE, random_state=0).fit(X.reshape(len(X), -1))
    flat = X_test.reshape(len(X_test), -1)
    rows = [
        (
            "PCA",
            784 * CODE + 784,
            error(pca.inverse_transform(pca.transform(flat)).reshape(X_test.shape)),
            None,
        ),
        ("the mean grey", 1, error(mean), None),
    ]
    for name, network in NETWORKS.items():
        errors = []
        for seed in range(seeds):
            autoencoder = skae.Autoencoder(
                CODE, network=network, batch_size=BATCH, max_iter=epochs, random_state=seed
            ).fit(X)
            errors.append(error(autoencoder.reconstruct(X_test)))
        size = sum(p.numel() for p in autoencoder.net_.module_.parameters())
        rows.append((name, size, float(np.mean(errors)), float(np.ptp(errors) / 2)))
    return rows


def by_hand():
    """Return `ConvolutionalNetwork()` for 28 x 28 pixels, in torch's layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, CODE),
        nn.Linear(CODE, 32 * 7 * 7),
        nn.SiLU(),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
    )


def loop(X, epochs, clip=None, channels_last=False):
    """Train it by hand."""
    x = torch.from_numpy((X - X.mean()) / X.std())[:, None]
    net = by_hand()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return train(x, net, epochs, clip)


def by_skae(X, epochs):
    """Train it by skae."""
    return skae.ConvolutionalAutoencoder(
        CODE,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=0,
    ).fit(X)


def times(X, epochs, repeats):
    """Return rows of rival, median seconds, ratios."""
    rivals = {
        "loop": lambda: loop(X, epochs),
        "loop, channels last": lambda: loop(X, epochs, channels_last=True),
        "loop, channels last, clipped": lambda: loop(X, epochs, 1.0, channels_last=True),
        "skae": lambda: by_skae(X, epochs),
    }
    measured = interleaved(rivals, repeats)
    fast, plain = (np.array(measured[name]) for name in ("loop, channels last", "loop"))
    return [
        (name, float(np.median(t)), float(np.median(t / plain)), float(np.median(t / fast)))
        for name, t in ((name, np.array(t)) for name, t in measured.items())
    ]


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--only", choices=("quality", "time"), help="one part")
    args = options.parse_args()
    data = load("mnist")
    X, X_test = (data[name].astype(np.float32) / 255 for name in ("X_train", "X_test"))
    if args.quick:
        X, X_test = X[:1000], X_test[:500]
    machine(args.threads)
    with use_threads(args.threads), quiet():
        if args.only != "time":
            epochs, seeds = (2, 1) if args.quick else (20, 3)
            print(f"{len(X):,} training pictures, {epochs} epochs, {seeds} seeds\n")
            header = ("network", "parameters", "test error / variance", "+-")
            table(header, quality(X, X_test, epochs, seeds))
        if args.only != "quality":
            n, epochs, repeats = (1000, 2, 3) if args.quick else (5000, 10, 5)
            print(f"fit: {n:,} pictures, {epochs} epochs, {repeats} turns\n")
            header = ("rival", "median s", "ratio to loop", "ratio to channels last")
            table(header, times(X[:n], epochs, repeats))


if __name__ == "__main__":
    main()
