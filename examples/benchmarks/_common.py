"""What the benchmarks share: data, machine, threads, timing, tables.

Each benchmark times its rivals in one process and interleaved (A B C A B C ...), so
that a machine which slows down slows all of them, and reports medians.
"""

import argparse
import datetime
import gc
import os
import platform
import subprocess
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn


def parser(doc, threads=1):
    """Return an argument parser with --quick and --threads."""
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--quick", action="store_true", help="small sizes, few repeats")
    result.add_argument("--threads", type=int, default=threads, help="torch and BLAS")
    return result


@contextmanager
def use_threads(n):
    """Let torch and BLAS use `n` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


# Data


def curved(n, d=64, latent=8, seed=0, *, noise=0.1, scaled=True, dtype=np.float32):
    """Return n rows near a smooth `latent`-dimensional surface in d dimensions.

    Columns have about unit variance, of which `noise` squared is noise; if `scaled`,
    they then get units and offsets of their own, as raw data have.
    """
    X = np.empty((n, d), dtype=dtype)
    for start, block in curved_blocks(n, d, latent, seed, noise=noise, scaled=scaled):
        X[start : start + len(block)] = block
    return X


def curved_blocks(n, d=64, latent=8, seed=0, *, noise=0.1, scaled=True, n_rows=16384):
    """Yield (start, rows) of `curved`, never holding more than a block."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(latent, 64)) * (1 / latent**0.5)
    phase = rng.uniform(-np.pi, np.pi, size=64)
    second = rng.normal(size=(64, d)) * (2 / 64) ** 0.5
    scale = 10 ** rng.uniform(-1, 1, size=d) if scaled else np.ones(d)
    offset = scale * rng.uniform(-5, 5, size=d) if scaled else np.zeros(d)
    for start in range(0, n, n_rows):
        z = rng.normal(size=(min(n_rows, n - start), latent))
        rows = np.sin(z @ first + phase) @ second
        rows += noise * rng.normal(size=rows.shape)
        yield start, rows * scale + offset


class Judge:
    """Explained variance of held-out rows, in units of the training deviation.

    1 - sum(((X - R) / s)^2) / sum(((X - m) / s)^2) over the test rows, with m and s the
    training rows' mean and standard deviation; columns that are constant in training
    are left out.
    """

    def __init__(self, X_train, X_test):
        X_train = np.asarray(X_train, dtype=np.float64)
        self.X = np.asarray(X_test, dtype=np.float64)
        self.mean, self.scale = X_train.mean(0), X_train.std(0)
        self.keep = self.scale > 1e-12 * (1 + abs(self.mean))
        self.total = self._square(self.X - self.mean)

    def _square(self, difference):
        return np.square(difference[:, self.keep] / self.scale[self.keep]).sum()

    def __call__(self, reconstruction):
        """Return the explained variance of a reconstruction of the test rows."""
        return 1 - self._square(self.X - reconstruction) / self.total


# Rivals


class MLPAutoencoder:
    """StandardScaler, then MLPRegressor from the columns to themselves."""

    def __init__(self, n_components, random_state=0, **params):
        params = {"hidden_layer_sizes": (128, n_components, 128)} | params
        self.scaler = StandardScaler()
        self.mlp = MLPRegressor(random_state=random_state, **params)

    def fit(self, X):
        """Fit it."""
        scaled = self.scaler.fit_transform(X)
        self.mlp.fit(scaled, scaled)
        return self

    def reconstruct(self, X):
        """Return X encoded and decoded, in its own units."""
        out = self.mlp.predict(self.scaler.transform(X))
        return self.scaler.inverse_transform(out.reshape(X.shape))


def dense(d, k, hidden, activation=nn.SiLU):
    """Return the plain torch network d-hidden-k-hidden-d."""
    return nn.Sequential(
        nn.Linear(d, hidden),
        activation(),
        nn.Linear(hidden, k),
        nn.Linear(k, hidden),
        activation(),
        nn.Linear(hidden, d),
    )


def pyod_autoencoder():
    """Return PyOD's AutoEncoder class, or None where it is not installed."""
    try:
        with open(os.devnull, "w") as null, redirect_stdout(null):
            from pyod.models.auto_encoder import AutoEncoder
    except ImportError:
        return None
    return AutoEncoder


# Timing


@contextmanager
def quiet():
    """Leave out warnings that training stopped where the benchmark told it to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*X does not have valid feature")
        yield


def seconds(function):
    """Return the seconds a call takes, and what it returns."""
    gc.collect()
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def interleaved(functions, repeats, warm_up=True):
    """Return {name: [seconds, ...]}, the functions taking turns."""
    times = {name: [] for name in functions}
    with quiet():
        if warm_up:
            for function in functions.values():
                function()
        for _ in range(repeats):
            for name, function in functions.items():
                times[name].append(seconds(function)[0])
    return times


def medians(times):
    """Return {name: median} of what `interleaved` returns."""
    return {name: float(np.median(values)) for name, values in times.items()}


# Printing


def machine(threads):
    """Print where and when this was measured, in one paragraph."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            names = [line for line in file if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    except OSError:
        pass
    versions = []
    for name in ("skae", "torch", "scikit-learn", "skorch", "numpy", "pyod"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    here = os.path.dirname(os.path.abspath(__file__))
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{platform.platform()}; {model}, {os.cpu_count()} cores, threads: {threads}"
        f"{load}; Python {platform.python_version()}, {', '.join(versions)}, commit "
        f"{commit or 'unknown'}; {now}\n"
    )


def table(header, rows):
    """Print a markdown table; floats get three significant digits."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    dashes = ["-" * width for width in widths]
    for line in [header, dashes, *cells]:
        padded = (value.ljust(width) for value, width in zip(line, widths, strict=True))
        print(f"| {' | '.join(padded)} |", flush=True)
    print()


def _text(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        if not np.isfinite(value):
            return "never" if value > 0 else "-"
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
