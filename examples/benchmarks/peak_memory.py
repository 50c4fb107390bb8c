"""Peak memory of `fit`, as a multiple of X's size.

Each case runs in a fresh process that imports everything, fits a tiny table once, and
takes its anonymous resident memory (RssAnon of /proc/self/status, which leaves out the
pages of mapped files) as the baseline. It then reads or maps X and fits, while a thread
reads RssAnon every 5 ms. "above baseline" counts an X held in memory itself; "besides X"
is what the fit adds to it. A memory-mapped X counts only for what is copied of it.

X has 64 columns of about unit variance. The rival is `MLPRegressor(X, X)` for one epoch,
on unstandardised X, so that no copy by a scaler counts against it; it is not run on the
file. Linux only.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from _common import Table, curved, curved_blocks, quiet, seconds, use_threads
from sklearn.neural_network import MLPRegressor

import skae

D = 64
MB = 1e6


def anonymous():
    """Return this process's anonymous resident memory in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no RssAnon")


class Watch(threading.Thread):
    """Reads the memory every 5 ms."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = anonymous(), threading.Event()

    def run(self):
        while not self.done.wait(0.005):
            self.peak = max(self.peak, anonymous())

    def stop(self):
        self.done.set()
        self.join()
        return max(self.peak, anonymous())


def fit(rival, X):
    """Fit one of the rivals, for one epoch."""
    if rival == "MLPRegressor":
        return MLPRegressor(hidden_layer_sizes=(128, 16, 128), max_iter=1).fit(X, X)
    return skae.Autoencoder(16, max_iter=1, random_state=0, device="cpu").fit(X)


def child(rival, kind, n, path):
    """Run one case and print what it took, as JSON."""
    with use_threads(1), quiet():
        fit(rival, curved(500))
        baseline = anonymous()
        if kind == "memmap":
            X = np.memmap(path, dtype=np.float32, mode="r", shape=(n, D))
        else:  # read, not generated, as generating leaves memory behind
            X = np.fromfile(path, dtype=kind).reshape(n, D)
        with_X = anonymous()
        watch = Watch()
        watch.start()
        time, _ = seconds(lambda: fit(rival, X))
        peak = watch.stop()
    print(json.dumps((X.nbytes, peak - baseline, peak - with_X, time, baseline)))


def write(path, n, dtype):
    """Write a file of rows by blocks."""
    with open(path, "wb") as file:
        for _, rows in curved_blocks(n, D, seed=0, scaled=False):
            file.write(rows.astype(dtype).tobytes())


def peak_memory(options):
    """Run each case in a process of its own."""
    n, n_file = options.few((800_000, 8_000_000), (160_000, 1_200_000))
    kinds = itertools.product(("float32", "float64"), ("skae", "MLPRegressor"))
    cases = [(rival, k, n * 4 // np.dtype(k).itemsize) for k, rival in kinds]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for rival, kind, n in [*cases, ("skae", "memmap", n_file)]:
            path = Path(folder, kind)
            if not path.exists():
                write(path, n, np.float32 if kind == "memmap" else kind)
            command = [sys.executable, __file__, rival, kind, str(n), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            size, above, besides, time, baseline = json.loads(done.stdout.splitlines()[-1])
            sizes = above / MB, f"{above / size:.2f}", besides / MB, f"{besides / size:.2f}"
            name = "float32 file" if kind == "memmap" else kind
            rows.append((name, n, size / MB, rival, *sizes, time, baseline / MB))
    header = (
        "X", "rows", "X, MB", "fit", "above baseline, MB", "times X", "besides X, MB",
        "times X, besides X", "seconds", "baseline, MB",
    )  # fmt: skip
    yield Table("peak_memory", header, rows)


PARTS = {"peak_memory": peak_memory}

if __name__ == "__main__":
    child(*sys.argv[1:3], int(sys.argv[3]), sys.argv[4])
