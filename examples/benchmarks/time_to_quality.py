"""Time to equal quality: each at its own defaults, judged on rows it has not seen.

For each rival: the time of its whole `fit` (standardisation included) and its explained
variance on 5,000 test rows of the same curved surface, in units of the training rows'
standard deviations. For `skae.Autoencoder`, given only the number of components:

- "ours to reach it": time from the start of `fit` until its test rows' explained variance
  first is the rival's or more, read at the end of each epoch by a scikit-learn callback;
  what the callback itself takes is subtracted. "never" if it ends below. It is a point on
  the way of the default fit: one who stops there does not save the epochs to come.
- "our fit": time of the whole `fit`, without any callback, and the explained variance at
  its end.

Rivals:

- MLPRegressor: `MLPRegressor((128, 16, 128))`, otherwise its defaults, from standardised
  columns to themselves.
- textbook loop: PyTorch, d-128-16-128-d with ReLU, Adam at 1e-3, batches of 128, 100
  epochs over all rows, no schedule, no validation; written to be fast (see
  `_common.train`).
- PyOD: its AutoEncoder at defaults: 64-32-64 with batch normalisation and dropout, 10
  epochs, batches of 32. Its code has 32 components: `Autoencoder(32)` stands against it.
  Its `fit` ends with scoring the training rows, which is part of its time.
- PCA with as many components, as a yardstick.

Medians over seeds (of data, split and training). Ratios are medians of the seeds' ratios;
above 1 we are the faster.
"""

import time

import numpy as np
import torch
from _common import Judge, MLPAutoencoder, Table, curved, dense, pyod_autoencoder, seconds
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

import skae

N_TEST = 5_000


class Clock:
    """A scikit-learn callback: (seconds of fit so far, test quality) after each epoch."""

    def __init__(self, judge):
        self.judge, self.curve, self.spent = judge, [], 0.0
        self.started = time.perf_counter()

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Take down the time, then the quality, then the time that this took."""
        now = time.perf_counter()
        quality = self.judge(fitted_estimator.reconstruct(self.judge.X))
        self.curve.append((now - self.started - self.spent, quality))
        self.spent += time.perf_counter() - now

    def time_to(self, quality):
        """Return the seconds until this quality, infinite if never."""
        return next((t for t, reached in self.curve if reached >= quality), np.inf)


class Textbook:
    """The loop of the textbooks."""

    def __init__(self, n_components, epochs=100):
        self.n_components, self.epochs = n_components, epochs
        self.scaler = StandardScaler()

    def fit(self, X):
        """Train on all rows."""
        x = torch.from_numpy(self.scaler.fit_transform(X))
        self.net = dense(x.shape[1], self.n_components, 128, nn.ReLU)
        optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, fused=True)
        for _ in range(self.epochs):
            for batch in x[torch.randperm(len(x))].split(128):
                optimizer.zero_grad()
                F.mse_loss(self.net(batch), batch).backward()
                optimizer.step()
        return self

    def reconstruct(self, X):
        """Return X encoded and decoded, in its own units."""
        with torch.inference_mode():
            x = torch.from_numpy(self.scaler.transform(X).astype(np.float32))
            return self.scaler.inverse_transform(self.net(x).numpy())


class PyOD:
    """PyOD's AutoEncoder at defaults, with its reconstructions read from its network."""

    def __init__(self, seed):
        self.detector = pyod_autoencoder()(verbose=0, device="cpu", random_state=seed)

    def fit(self, X):
        """Fit it."""
        self.detector.fit(X)
        return self

    def reconstruct(self, X):
        """Return X encoded and decoded, in its own units."""
        mean, scale = self.detector.X_mean, self.detector.X_std + 1e-8
        self.detector.model.eval()
        with torch.inference_mode():
            x = torch.from_numpy(((X - mean) / scale).astype(np.float32))
            return self.detector.model(x).numpy() * scale + mean


def compare(n, seed, rivals):
    """Return {rival: (its time, its quality, ours to reach, ours, our quality, PCA's)}."""
    X = curved(n + N_TEST, seed=seed)
    X, X_test = X[:n], X[n:]
    judge = Judge(X, X_test)
    results = {}
    for k in sorted({k for k, _ in rivals.values()}):
        torch.manual_seed(seed)
        theirs = {
            name: seconds(lambda make=make: make(seed).fit(X))
            for name, (size, make) in rivals.items()
            if size == k
        }
        ours = skae.Autoencoder(k, random_state=seed, device="cpu")
        our_time, ours = seconds(lambda ours=ours: ours.fit(X))
        our_quality = judge(ours.reconstruct(X_test))
        clock = Clock(judge)
        watched = skae.Autoencoder(k, random_state=seed, device="cpu")
        watched.set_callbacks(clock)
        clock.started = time.perf_counter()
        watched.fit(X)
        scaler, pca = StandardScaler(), PCA(k)
        model = make_pipeline(scaler, pca).fit(X)
        by_pca = judge(model.inverse_transform(model.transform(X_test)))
        for name, (their_time, model) in theirs.items():
            quality = judge(model.reconstruct(X_test))
            reached = clock.time_to(quality)
            results[name] = (their_time, quality, reached, our_time, our_quality, by_pca)
    return results


HEADER = (
    "rows", "k", "rival", "its fit s", "its EV", "ours to reach it s", "ratio",
    "our fit s", "our EV", "ratio, whole fit", "PCA's EV", "never reached",
)  # fmt: skip


def time_to_quality(options):
    """Compare with each rival at each size."""
    rivals = {
        "MLPRegressor": (16, lambda seed: MLPAutoencoder(16, random_state=seed)),
        "textbook loop": (16, lambda seed: Textbook(16)),
    }
    if pyod_autoencoder():
        rivals["PyOD"] = (32, PyOD)
    warm_up = curved(500, seed=1)
    for _, make in rivals.values():
        make(0).fit(warm_up)
    skae.Autoencoder(16, max_iter=2, device="cpu").fit(warm_up)
    n_seeds, rows = options.n_seeds(), []
    for n in options.few([2_000, 20_000], [2_000]):
        runs = [compare(n, seed, rivals) for seed in range(n_seeds)]
        for name, (k, _) in rivals.items():
            result = np.array([run[name] for run in runs])
            their_time, quality, reached, our_time, our_quality, by_pca = result.T
            values = (
                their_time, quality, reached, their_time / reached, our_time,
                our_quality, their_time / our_time, by_pca,
            )  # fmt: skip
            middle = [float(np.median(value)) for value in values]
            middle[1], middle[5], middle[7] = (f"{middle[i]:.4f}" for i in (1, 5, 7))
            never = f"{int(np.isinf(reached).sum())} of {n_seeds}"
            rows.append((n, k, name, *middle, never))
    yield Table("time_to_quality", HEADER, rows, n_seeds)


PARTS = {"time_to_quality": time_to_quality}
