"""Time of `fit` on the same work: `skae.Autoencoder` and five ways to do without it.

Each rival trains the network 64-128-16-128-64 with SiLU (MLPRegressor: ReLU, as it has
no SiLU, also on the code) on the same float32 rows for the same number of epochs of
shuffled batches of 128, by Adam at 5e-3, on standardised columns; 10 % of the rows are
held out, evaluated after each epoch, and the best weights kept. Standardisation and all
set-up are part of the time, imports are not (each rival runs once beforehand). Rivals
take turns in one process; the table gives medians and ratios to the hand-written loop.

- "loop" is the PyTorch loop one writes by hand, and written well: all data in one tensor,
  one gather an epoch, slices as batches, fused Adam, no `.item()` within an epoch.
- "loop, clipped" also clips gradients by `clip_grad_norm_`, as `Autoencoder` does.
- "skorch" is a stock `NeuralNetRegressor` (its DataLoader and callbacks), but for Adam,
  shuffling, and a validation split of 10 %; it keeps no best weights.
- "MLPRegressor" is scikit-learn's, with `early_stopping=True` and too much patience to
  stop; it validates by R².
- "PyOD" is its AutoEncoder without batch normalisation, dropout and weight decay. It has
  no validation, so it is given the 90 % of rows on which the others train; its code has
  an activation too, and its `fit` ends with scoring the training rows once.
"""

import copy
import math

import torch
from _common import (
    MLPAutoencoder,
    curved,
    dense,
    interleaved,
    machine,
    medians,
    parser,
    pyod_autoencoder,
    table,
    use_threads,
)
from skorch import NeuralNetRegressor
from skorch.dataset import ValidSplit
from torch import nn
from torch.nn import functional as F

import skae

BATCH, RATE, CODE, HIDDEN = 128, 5e-3, 16, 128
SIZES = [  # rows, columns, epochs, repeats
    (500, 30, 100, 5),
    (2_000, 64, 20, 5),
    (20_000, 64, 20, 5),
    (200_000, 64, 2, 3),
]
QUICK = [(500, 30, 20, 3), (2_000, 64, 5, 3), (20_000, 64, 1, 3)]


def loop(X, epochs, clip=None):
    """Train the dense network by hand, on standardised columns."""
    X = (X - X.mean(0)) / X.std(0)
    return train(torch.from_numpy(X), dense(X.shape[1], CODE, HIDDEN), epochs, clip)


def train(x, net, epochs, clip=None):
    """Train `net` to reconstruct x by hand."""
    order = torch.randperm(len(x))
    n_valid = math.ceil(0.1 * len(x))
    valid, train = x[order[:n_valid]], x[order[n_valid:]]
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
    best, best_loss, history = None, math.inf, []
    for _ in range(epochs):
        net.train()
        total = 0.0
        for batch in train[torch.randperm(len(train))].split(BATCH):
            optimizer.zero_grad()
            loss = F.mse_loss(net(batch), batch)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            total = total + loss.detach() * len(batch)
        net.eval()
        with torch.no_grad():
            parts = valid.split(1024)
            loss = sum(F.mse_loss(net(part), part, reduction="sum") for part in parts)
            loss = float(loss) / valid.numel()
        history.append((float(total) / len(train), loss))
        if loss < best_loss:
            best, best_loss = copy.deepcopy(net.state_dict()), loss
    net.load_state_dict(best)
    return net


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


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--rows", type=int, nargs="+", help="only these sizes")
    args = options.parse_args()
    rivals = {
        "loop": loop,
        "loop, clipped": lambda X, epochs: loop(X, epochs, clip=1.0),
        "skae": by_skae,
        "skorch": by_skorch,
        "MLPRegressor": by_mlp,
    }
    if pyod_autoencoder() is not None:
        rivals["PyOD"] = by_pyod
    rows = []
    with use_threads(args.threads):
        small = curved(500, seed=1)
        interleaved({name: lambda f=f: f(small, 1) for name, f in rivals.items()}, 1)
        for n, d, epochs, repeats in QUICK if args.quick else SIZES:
            if args.rows and n not in args.rows:
                continue
            X = curved(n, d, seed=0)
            functions = {
                name: lambda f=f, X=X, epochs=epochs: f(X, epochs)
                for name, f in rivals.items()
            }
            times = interleaved(functions, repeats, warm_up=n <= 20_000)
            middle = medians(times)
            for name, value in middle.items():
                row = (name, value, value / middle["loop"], min(times[name]))
                rows.append((f"{n:,} x {d}", epochs, repeats, *row))
            if "PyOD" not in rivals:
                rows.append(
                    (f"{n:,} x {d}", epochs, repeats, "PyOD", *["not installed"] * 3)
                )
    machine(args.threads)
    header = ("rows", "epochs", "repeats", "rival", "median s", "ratio to loop", "best s")
    table(header, rows)


if __name__ == "__main__":
    main()
