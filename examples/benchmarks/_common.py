"""What the benchmarks share: options, data, rivals, timing, tables.

A script has `PARTS`, {name: function of `Options` that yields `Table`s}. Rivals are timed
in one process and interleaved (A B C A B C ...), so that a machine which slows down slows
all of them, and medians are reported.
"""

import copy
import csv
import datetime
import gc
import importlib
import json
import math
import os
import platform
import subprocess
import time
import warnings
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
RESULTS, FIGURES = HERE / "results", HERE.parents[1] / "docs" / "_static"
VERSIONS = ("skae", "torch", "scikit-learn", "skorch", "numpy")


class Options(NamedTuple):
    """How a benchmark is run."""

    quick: bool = False  # small sizes: a trial
    seeds: int | None = None  # None: as many as the script says
    threads: int = 1  # of torch and BLAS
    jobs: int = 1  # tasks at a time

    def few(self, full, quick):
        """Return one of two sizes."""
        return quick if self.quick else full

    def n_seeds(self, full=3):
        """Return the number of seeds."""
        return self.seeds or self.few(full, 1)

    def each(self, function, tasks):
        """Return what a function makes of each tuple of arguments."""
        run = delayed(_alone)
        return Parallel(self.jobs)(run(function, self.threads, *task) for task in tasks)


def _alone(function, threads, *task):
    with use_threads(threads), quiet():
        return function(*task)


class Table(NamedTuple):
    """A table; `name` is that of its files in the folder of results."""

    name: str
    header: tuple
    rows: list
    seeds: int | None = None
    title: str | None = None
    note: str | None = None
    about: dict = MappingProxyType({})  # what its file says of it otherwise


class MissingError(Exception):
    """What a part needs is not there."""


ABSENT = {}


def optional(module, package=None, pip='"skae[bench]"'):
    """Return a module, or None, having said so, if it is not installed."""
    package = package or module.partition(".")[0]
    try:
        with open(os.devnull, "w") as null, redirect_stdout(null):
            return importlib.import_module(module)
    except ImportError:
        if package not in ABSENT:
            print(f"{package} is not installed: left out. pip install {pip}", flush=True)
        ABSENT[package] = pip
        return None


def needed(module, package=None, pip='"skae[bench]"'):
    """Return a module without which a part cannot be run."""
    if (found := optional(module, package, pip)) is None:
        raise MissingError(f"{package or module} is needed here")
    return found


def pyplot():
    """Return matplotlib's pyplot, for files, or None where it is not installed."""
    if matplotlib := optional("matplotlib"):
        matplotlib.use("Agg")
    return optional("matplotlib.pyplot", "matplotlib")


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


@contextmanager
def quiet():
    """Leave warnings out: trainings end where the benchmark tells them to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
    are left out. Cells farther than `far` deviations are taken to be there, if given.
    """

    def __init__(self, X_train, X_test, far=np.inf):
        X_train, self.far = np.asarray(X_train, dtype=np.float64), far
        self.mean, self.scale = X_train.mean(0), X_train.std(0)
        self.keep = self.scale > 1e-12 * (1 + abs(self.mean))
        self.X, self.u = X_test, self._units(X_test)
        self.total = np.square(self.u).sum()

    def _units(self, X):
        u = (np.asarray(X, dtype=np.float64) - self.mean)[:, self.keep]
        return (u / self.scale[self.keep]).clip(-self.far, self.far)

    def __call__(self, reconstruction):
        """Return the explained variance of a reconstruction of the test rows."""
        return 1 - np.square(self.u - self._units(reconstruction)).sum() / self.total


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
    module = optional("pyod.models.auto_encoder", pip="pyod")
    return module and module.AutoEncoder


def train(x, net, epochs, clip=None, batch=128, rate=5e-3):
    """Train `net` to reconstruct x by a loop written by hand, and written well.

    All data in one tensor, one gather an epoch, slices as batches, fused Adam, no
    `.item()` within an epoch; 10 % are held out, and the best weights kept.
    """
    order = torch.randperm(len(x))
    n_valid = math.ceil(0.1 * len(x))
    valid, train = x[order[:n_valid]], x[order[n_valid:]]
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
    best, best_loss, history = None, math.inf, []
    for _ in range(epochs):
        net.train()
        total = 0.0
        for rows in train[torch.randperm(len(train))].split(batch):
            optimizer.zero_grad()
            loss = F.mse_loss(net(rows), rows)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            total = total + loss.detach() * len(rows)
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


# Judging


def told_apart(a, b, seed, rows=None, n_trees=300):
    """Return the area under the curve of a forest that tells two samples apart.

    Half of the rows are to learn from. If `rows` is given: of so many of each, at most,
    and of as many of one as of the other.
    """
    if rows is not None:
        rng, n = np.random.default_rng(seed), min(rows, len(a), len(b))
        a, b = (x[rng.permutation(len(x))[:n]] for x in (a, b))
    y = np.repeat([0, 1], [len(a), len(b)])
    X, X_test, y, y_test = train_test_split(
        np.concatenate([a, b]), y, test_size=0.5, stratify=y, random_state=seed
    )
    forest = RandomForestClassifier(n_trees, random_state=seed).fit(X, y)
    return roc_auc_score(y_test, forest.predict_proba(X_test)[:, 1])


def explained(X, reconstruction, mean):
    """Return 1 - sum((X - R)^2) / sum((X - m)^2), m being the training rows' mean."""
    X, R = (
        np.asarray(rows, np.float64).reshape(len(X), -1) for rows in (X, reconstruction)
    )
    return float(1 - np.square(X - R).sum() / np.square(X - np.ravel(mean)).sum())


# Timing


def seconds(function):
    """Return the seconds a call takes, and what it returns."""
    gc.collect()
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def interleaved(functions, repeats, warm_up=True):
    """Return {name: array of seconds}, the functions taking turns."""
    times = {name: [] for name in functions}
    if warm_up:
        for function in functions.values():
            function()
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(seconds(function)[0])
    return {name: np.array(values) for name, values in times.items()}


# Tables


def spread(values, digits=2):
    """Return the mean and the standard deviation over seeds, as text."""
    text = f"{np.mean(values):.{digits}f}"
    return f"{text} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else text


def worst(values, digits=3, low=False, middle=np.mean):
    """Return the mean (or median) and the worst over seeds, as text."""
    end = np.min(values) if low else np.max(values)
    return f"{middle(values):.{digits}f} ({end:.{digits}f})"


def machine(threads):
    """Return in words where this is run."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line for line in lines if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return (
        f"{model}, {os.cpu_count()} cores, {threads} thread{'s' * (threads > 1)}, "
        f"load {os.getloadavg()[0]:.1f}, {platform.system()}"
    )


def versions():
    """Return {package: version}, this repository's with its commit."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return found | {"commit": done.stdout.strip() or None}


def save(table, script, options, folder):
    """Write a table as CSV, and as JSON what is known of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{table.name}.csv", "w", newline="", encoding="utf-8") as file:
        lines = [table.header, *([text(value) for value in row] for row in table.rows)]
        csv.writer(file, lineterminator="\n").writerows(lines)
    absent = ABSENT and f"not installed: {', '.join(sorted(ABSENT))}"
    about = {
        "script": f"{script}.py",
        "title": table.title,
        "machine": machine(options.threads),
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "seeds": table.seeds,
        "note": "; ".join(filter(None, (table.note, absent))) or None,
        **table.about,
    }
    whole = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (folder / f"{table.name}.json").write_text(whole, encoding="utf-8")


def show(table):
    """Print a table as Markdown."""
    lines = [table.header, *([text(value) for value in row] for row in table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    lines.insert(1, ["-" * width for width in widths])
    print(f"\n{table.name}{f': {table.title}' if table.title else ''}\n")
    for line in lines:
        padded = (value.ljust(width) for value, width in zip(line, widths, strict=True))
        print(f"| {' | '.join(padded)} |", flush=True)


def text(value):
    """Return a cell; floats have three significant digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        if not np.isfinite(value):
            return "never" if value > 0 else ""
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
