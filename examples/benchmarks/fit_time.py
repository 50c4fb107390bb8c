"""Time of `fit` on the same work: `skae.Autoencoder` and five ways to do without it.

Each rival trains the network d-128-16-128-d with SiLU (MLPRegressor: ReLU, as it has
no SiLU, also on the code) on the same float32 rows for the same number of epochs of
shuffled batches, by Adam at 5e-3, on standardised columns; 10 % of the rows are
held out, evaluated after each epoch, and the best weights kept. Standardisation and all
set-up are part of the time, imports are not (each rival runs once beforehand). Rivals
take turns in one process; the table gives medians and ratios to the hand-written loop.

- "loop" is the PyTorch loop one writes by hand, and written well (`_common.train`).
- "loop, clipped" also clips gradients by `clip_grad_norm_`, as `Autoencoder` does.
  Ratios are to this one.
- "skorch" is a stock `NeuralNetRegressor` (its DataLoader and callbacks), but for Adam,
  shuffling, and a validation split of 10 %; it keeps no best weights.
- "MLPRegressor" is scikit-learn's, with `early_stopping=True` and too much patience to
  stop; it validates by R².
- "PyOD" is its AutoEncoder without batch normalisation, dropout and weight decay. It has
  no validation, so it is given the 90 % of rows on which the others train; its code has
  an activation too, and its `fit` ends with scoring the training rows once.

first_fit: the first and the second fit (3 epochs of 500 x 30) of fresh processes, without
their imports; medians over processes.
"""

import math
import statistics
import subprocess
import sys

import numpy as np
import torch
from _common import (
    MLPAutoencoder,
    Table,
    curved,
    dense,
    interleaved,
    pyod_autoencoder,
    train,
)
from skorch import NeuralNetRegressor
from skorch.dataset import ValidSplit

import skae

RATE, CODE, HIDDEN = 5e-3, 16, 128
SIZES = [  # rows, columns, batch, epochs, repeats
    (500, 30, 32, 100, 7),
    (500, 30, 128, 100, 7),
    (2_000, 64, 128, 20, 7),
    (20_000, 64, 512, 20, 5),
    (200_000, 64, 512, 1, 3),
]
QUICK = [(500, 30, 128, 20, 3), (2_000, 64, 128, 5, 3), (20_000, 64, 512, 1, 3)]
HEADER = (
    "rows",
    "batch",
    "epochs",
    "repeats",
    "rival",
    "median s",
    "ratio to loop",
    "best s",
)
FIRST = """
import time, warnings
warnings.simplefilter("ignore")
import numpy as np, {module}
X = np.random.default_rng(0).normal(size=(500, 30)).astype(np.float32)
for _ in range(2):
    start = time.process_time()
    {fit}
    print(time.process_time() - start)
"""
FIRST_FITS = {
    "Autoencoder(8)": ("skae", "skae.Autoencoder(8, max_iter=3).fit(X)"),
    "AutoencoderOutlierDetector()": (
        "skae",
        "skae.AutoencoderOutlierDetector(max_iter=3).fit(X)",
    ),
    "MLPRegressor": (
        "sklearn.neural_network",
        "sklearn.neural_network.MLPRegressor("
        "hidden_layer_sizes=(128, 8, 128), max_iter=3).fit(X, X)",
    ),
}


def loop(X, epochs, batch, clip=None):
    """Train the dense network by hand, on standardised columns."""
    X = (X - X.mean(0)) / X.std(0)
    net = dense(X.shape[1], CODE, HIDDEN)
    return train(torch.from_numpy(X), net, epochs, clip, batch)


def by_skae(X, epochs, batch):
    """Train by skae."""
    return skae.Autoencoder(
        CODE,
        network=(HIDDEN,),
        batch_size=batch,
        max_iter=epochs,
        n_iter_no_change=epochs,
        early_stopping=True,
        device="cpu",
    ).fit(X)


def by_skorch(X, epochs, batch):
    """Train by skorch as it comes."""
    X = (X - X.mean(0)) / X.std(0)
    net = NeuralNetRegressor(
        lambda: dense(X.shape[1], CODE, HIDDEN),
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=batch,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=ValidSplit(10),
        verbose=0,
    )
    return net.fit(X, X)


def by_mlp(X, epochs, batch):
    """Train by scikit-learn."""
    return MLPAutoencoder(
        CODE,
        batch_size=batch,
        max_iter=epochs,
        n_iter_no_change=epochs,
        tol=0,
        early_stopping=True,
        learning_rate_init=RATE,
    ).fit(X)


def by_pyod(X, epochs, batch):
    """Train by PyOD."""
    return pyod_autoencoder()(
        lr=RATE,
        epoch_num=epochs,
        batch_size=batch,
        optimizer_params={},
        hidden_neuron_list=[HIDDEN, CODE],
        hidden_activation_name="relu",
        batch_norm=False,
        dropout_rate=0,
        verbose=0,
        device="cpu",
    ).fit(X[math.ceil(0.1 * len(X)) :])


def fit_time(options):
    """Time each rival on each size."""
    rivals = {
        "loop": loop,
        "loop, clipped": lambda *task: loop(*task, clip=1.0),
        "skae": by_skae,
        "skorch": by_skorch,
        "MLPRegressor": by_mlp,
    }
    if pyod_autoencoder():
        rivals["PyOD"] = by_pyod
    rows, small = [], curved(500, seed=1)
    interleaved({name: lambda f=f: f(small, 1, 128) for name, f in rivals.items()}, 1)
    for n, d, batch, epochs, repeats in options.few(SIZES, QUICK):
        task = curved(n, d, seed=0), epochs, batch
        functions = {name: lambda f=f, task=task: f(*task) for name, f in rivals.items()}
        times = interleaved(functions, repeats, warm_up=n <= 20_000)
        first = times["loop, clipped"]
        for name, t in times.items():
            row = float(np.median(t)), float(np.median(t / first)), float(t.min())
            rows.append((f"{n:,} x {d}", batch, epochs, repeats, name, *row))
    yield Table("fit_time", HEADER, rows)


def first_fit(options):
    """Time the first and the second fit of fresh processes."""
    n, rows = options.few(7, 2), []
    for name, (module, fit) in FIRST_FITS.items():
        found = []
        for _ in range(n):
            code = FIRST.format(module=module, fit=fit)
            command = [sys.executable, "-c", code]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append([float(line) for line in out.stdout.split()])
        first, second = map(statistics.median, zip(*found, strict=True))
        rows.append((name, n, first, second, first - second))
    header = "fit", "processes", "first CPU s", "second CPU s", "difference"
    yield Table("first_fit", header, rows)


PARTS = {"fit_time": fit_time, "first_fit": first_fit}
