"""Time of `fit` on the same work: `skae.Autoencoder` and five ways to do without it.

Each rival trains the network 64-128-16-128-64 with SiLU (MLPRegressor: ReLU, as it has
no SiLU, also on the code) on the same float32 rows for the same number of epochs of
shuffled batches of 128, by Adam at 5e-3, on standardised columns; 10 % of the rows are
held out, evaluated after each epoch, and the best weights kept. Standardisation and all
set-up are part of the time, imports are not (each rival runs once beforehand). Rivals
take turns in one process; the table gives medians and ratios to the hand-written loop.

- "loop" is the PyTorch loop one writes by hand, and written well (`_common.train`).
- "loop, clipped" also clips gradients by `clip_grad_norm_`, as `Autoencoder` does.
- "skorch" is a stock `NeuralNetRegressor` (its DataLoader and callbacks), but for Adam,
  shuffling, and a validation split of 10 %; it keeps no best weights.
- "MLPRegressor" is scikit-learn's, with `early_stopping=True` and too much patience to
  stop; it validates by R².
- "PyOD" is its AutoEncoder without batch normalisation, dropout and weight decay. It has
  no validation, so it is given the 90 % of rows on which the others train; its code has
  an activation too, and its `fit` ends with scoring the training rows once.
"""

import math

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

BATCH, RATE, CODE, HIDDEN = 128, 5e-3, 16, 128
SIZES = [  # rows, columns, epochs, repeats
    (500, 30, 100, 5),
    (2_000, 64, 20, 5),
    (20_000, 64, 20, 5),
    (200_000, 64, 2, 3),
]
QUICK = [(500, 30, 20, 3), (2_000, 64, 5, 3), (20_000, 64, 1, 3)]
HEADER = "rows", "epochs", "repeats", "rival", "median s", "ratio to loop", "best s"


def loop(X, epochs, clip=None):
    """Train the dense network by hand, on standardised columns."""
    X = (X - X.mean(0)) / X.std(0)
    return train(torch.from_numpy(X), dense(X.shape[1], CODE, HIDDEN), epochs, clip)


def by_skae(X, epochs):
    """Train by skae."""
    return skae.Autoencoder(
        CODE,
        network=(HIDDEN,),
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        early_stopping=True,
        device="cpu",
    ).fit(X)


def by_skorch(X, epochs):
    """Train by skorch as it comes."""
    X = (X - X.mean(0)) / X.std(0)
    net = NeuralNetRegressor(
        lambda: dense(X.shape[1], CODE, HIDDEN),
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=ValidSplit(10),
        verbose=0,
    )
    return net.fit(X, X)


def by_mlp(X, epochs):
    """Train by scikit-learn."""
    return MLPAutoencoder(
        CODE,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        tol=0,
        early_stopping=True,
        learning_rate_init=RATE,
    ).fit(X)


def by_pyod(X, epochs):
    """Train by PyOD."""
    return pyod_autoencoder()(
        lr=RATE,
        epoch_num=epochs,
        batch_size=BATCH,
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
        "loop, clipped": lambda X, epochs: loop(X, epochs, clip=1.0),
        "skae": by_skae,
        "skorch": by_skorch,
        "MLPRegressor": by_mlp,
    }
    if pyod_autoencoder():
        rivals["PyOD"] = by_pyod
    rows, small = [], curved(500, seed=1)
    interleaved({name: lambda f=f: f(small, 1) for name, f in rivals.items()}, 1)
    for n, d, epochs, repeats in options.few(SIZES, QUICK):
        X = curved(n, d, seed=0)
        functions = {
            name: lambda f=f, X=X, epochs=epochs: f(X, epochs) for name, f in rivals.items()
        }
        times = interleaved(functions, repeats, warm_up=n <= 20_000)
        first = np.median(times["loop"])
        for name, t in times.items():
            row = float(np.median(t)), float(np.median(t) / first), float(t.min())
            rows.append((f"{n:,} x {d}", epochs, repeats, name, *row))
    yield Table("fit_time", HEADER, rows)


PARTS = {"fit_time": fit_time}
