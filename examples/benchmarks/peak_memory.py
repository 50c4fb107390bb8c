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

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from _common import (
    MLPRegressor,
    curved,
    curved_blocks,
    machine,
    parser,
    quiet,
    table,
    use_threads,
)

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


def fit(rival, X, max_iter):
    """Fit one of the rivals."""
    if rival == "MLPRegressor":
        return MLPRegressor(hidden_layer_sizes=(128, 16, 128), max_iter=max_iter).fit(X, X)
    return skae.Autoencoder(16, max_iter=max_iter, random_state=0, device="cpu").fit(X)


def child(rival, kind, n, path, threads, max_iter):
    """Run one case and print what it took, as JSON."""
    with use_threads(threads), quiet():
        fit(rival, curved(500), 1)
        baseline = anonymous()
        if kind == "memmap":
            X = np.memmap(path, dtype=np.float32, mode="r", shape=(n, D))
        else:  # read, not generated, as generating leaves memory behind
            X = np.fromfile(path, dtype=kind).reshape(n, D)
        with_X = anonymous()
        watch = Watch()
        watch.start()
        start = time.perf_counter()
        fit(rival, X, max_iter)
        elapsed = time.perf_counter() - start
        peak = watch.stop()
    result = {
        "size": X.nbytes,
        "above": peak - baseline,
        "besides": peak - with_X,
        "seconds": elapsed,
        "baseline": baseline,
    }
    print(json.dumps(result))


def write(path, n, dtype):
    """Write a file of rows by blocks."""
    with open(path, "wb") as file:
        for _, rows in curved_blocks(n, D, seed=0, scaled=False):
            file.write(rows.astype(dtype).tobytes())


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--gigabytes", type=float, default=None, help="of the file: 2")
    options.add_argument("--megabytes", type=float, default=None, help="in memory: 200")
    options.add_argument("--dir", default=None, help="where the temporary file goes")
    options.add_argument("--max-iter", type=int, default=1, help="epochs")
    options.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.child:
        rival, kind, n, path = args.child
        child(rival, kind, int(n), path, args.threads, args.max_iter)
        return
    gigabytes = args.gigabytes or (0.3 if args.quick else 2)
    megabytes = args.megabytes or (40 if args.quick else 200)
    cases = [
        (rival, kind, int(megabytes * MB / (D * np.dtype(kind).itemsize)))
        for kind in ("float32", "float64")
        for rival in ("skae", "MLPRegressor")
    ]
    cases.append(("skae", "memmap", int(gigabytes * 1e9 / (D * 4))))
    folder = tempfile.mkdtemp(dir=args.dir)
    rows = []
    try:
        for rival, kind, n in cases:
            path = os.path.join(folder, kind)
            if not os.path.exists(path):
                write(path, n, np.float32 if kind == "memmap" else kind)
            command = [sys.executable, __file__, "--threads", str(args.threads)]
            command += ["--max-iter", str(args.max_iter)]
            command += ["--child", rival, kind, str(n), path]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                error = done.stderr.strip().splitlines()[-1:]
                rows.append((kind, n, None, rival, f"failed: {error}", *[None] * 5))
                continue
            r = json.loads(done.stdout.strip().splitlines()[-1])
            rows.append(
                (
                    "float32 file" if kind == "memmap" else kind,
                    n,
                    r["size"] / MB,
                    rival,
                    r["above"] / MB,
                    f"{r['above'] / r['size']:.2f}",
                    r["besides"] / MB,
                    f"{r['besides'] / r['size']:.2f}",
                    r["seconds"],
                    r["baseline"] / MB,
                )
            )
    finally:
        shutil.rmtree(folder)
    machine(args.threads)
    header = (
        "X", "rows", "X, MB", "fit", "above baseline, MB", "times X", "besides X, MB",
        "times X", "seconds", "baseline, MB",
    )  # fmt: skip
    table(header, rows)


if __name__ == "__main__":
    main()
