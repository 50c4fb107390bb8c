"""How long `transform` takes, against the bare network and against PCA.

transform_speed: `skae.Autoencoder(16).transform` gets raw float32 or float64 rows of 64
columns, checks them, standardises them in blocks and encodes them. "bare forward" is one
call of the same trained encoder, in `torch.inference_mode`, on the whole table already
standardised as a float32 tensor: the work that nobody can leave out, in the form that most
people write. "PCA" is `PCA(16).transform` of the same rows. The three take turns in one
process; medians, of the time on the clock. "largest difference" is between the codes of
`transform` and of the bare forward.

one_row: the CPU time of each verb for a single row (one thread), default estimators fitted
on 2,000 x 64 and on 500 x 30 numbers.
"""

import itertools
import time

import numpy as np
import torch
from _common import Table, curved, interleaved, quiet, use_threads
from sklearn.decomposition import PCA

import skae

CALLS = {1: 100, 100: 50}  # timed together; of more rows one at a time
VERBS = ("transform", "inverse_transform", "reconstruct", "score_samples")


def repeated(function, calls):
    """Return a function of so many calls."""

    def run():
        for _ in range(calls):
            function()

    return run


def measure(n, network, dtype, repeats):
    """Return the seconds that a call of the three takes, and how the two codes differ."""
    X = curved(max(n, 2000), seed=0, dtype=dtype)
    ours = skae.Autoencoder(16, network=network, max_iter=2, random_state=0, device="cpu")
    ours.fit(X[:2000])
    pca = PCA(16).fit(X[:2000])
    module, X, calls = ours.net_.module_, X[:n], CALLS.get(n, 1)
    standardized = module.likelihood.standardize(X, out=np.empty(X.shape, np.float32))
    x = torch.from_numpy(standardized)

    def bare():
        with torch.inference_mode():
            return module.encode(x)

    functions = {
        "ours": lambda: ours.transform(X),
        "bare": bare,
        "pca": lambda: pca.transform(X),
    }
    times = interleaved({k: repeated(f, calls) for k, f in functions.items()}, repeats)
    times = {name: float(np.median(t)) / calls for name, t in times.items()}
    difference = float(np.abs(ours.transform(X) - bare().numpy()).max())
    return times, difference


def transform_speed(options):
    """Measure each case with one thread and with two."""
    few = [1, 100, 20_000]
    sizes, repeats = few, options.few(9, 5)
    rows = []
    cases = itertools.product((1, 2), sizes, ((128,), "auto"), (np.float32, np.float64))
    for threads, n, network, dtype in cases:
        with use_threads(threads), quiet():
            times, difference = measure(n, network, dtype, repeats)
        about = threads, n, str(network), np.dtype(dtype).name
        each = (f"{1e6 * times[k]:,.0f}" for k in ("ours", "bare", "pca"))
        ratios = times["bare"] / times["ours"], times["pca"] / times["ours"]
        rows.append((*about, *each, *ratios, f"{difference:.1e}"))
    header = (
        "threads", "rows", "network", "X", "transform, µs", "bare forward, µs", "PCA, µs",
        "times as fast as bare", "times as fast as PCA", "largest difference",
    )  # fmt: skip
    yield Table("transform_speed", header, rows)


def cpu_microseconds(function, calls, repeats):
    """Return the median CPU time of a call."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        repeated(function, calls)()
        times.append((time.process_time() - start) / calls)
    return 1e6 * float(np.median(times[1:]))


def one_row(options):
    """Measure each verb for one row."""
    repeats, rows = options.few(15, 5), []
    for n, d in ((2000, 64), (500, 30)):
        X = curved(n, d, seed=0, dtype=np.float64)
        epochs = {"max_iter": 2, "random_state": 0, "device": "cpu"}
        with use_threads(1), quiet():
            ours = skae.Autoencoder(**epochs).fit(X)
            detector = skae.AutoencoderOutlierDetector(**epochs).fit(X)
            one = dict.fromkeys(VERBS, X[:1]) | {"inverse_transform": ours.transform(X[:1])}
            calls = {
                f"Autoencoder.{verb}": (getattr(ours, verb), one[verb]) for verb in VERBS
            }
            calls["AutoencoderOutlierDetector.predict"] = detector.predict, X[:1]
            calls["PCA.transform"] = PCA(ours.n_components_).fit(X).transform, X[:1]
            for name, (call, row) in calls.items():
                took = cpu_microseconds(lambda c=call, r=row: c(r), 100, repeats)
                rows.append((f"{n:,} x {d}", name, f"{took:,.0f}"))
    yield Table("one_row", ("fitted on", "call", "CPU, µs"), rows)


PARTS = {"transform_speed": transform_speed, "one_row": one_row}
