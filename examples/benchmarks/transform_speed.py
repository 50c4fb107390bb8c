"""Rows a second of `transform`, against the bare network and against PCA.

`skae.Autoencoder(16).transform` gets raw float32 or float64 rows of 64 columns, checks
them, standardises them in blocks and encodes them. "bare forward" is one call of the same
trained encoder, in `torch.inference_mode`, on the whole table already standardised as a
float32 tensor: the work that nobody can leave out, in the form that most people write.
"PCA" is `PCA(16).transform` of the same rows. The three take turns in one process;
medians. "largest difference" is between the codes of `transform` and of the bare forward.
"""

import itertools

import numpy as np
import torch
from _common import Table, curved, interleaved, use_threads
from sklearn.decomposition import PCA

import skae


def measure(n, network, dtype, repeats):
    """Return rows a second of the three, and how much the two codes differ."""
    X = curved(n, seed=0, dtype=dtype)
    ours = skae.Autoencoder(16, network=network, max_iter=2, random_state=0, device="cpu")
    ours.fit(X[:2000])
    pca = PCA(16).fit(X[:2000])
    module = ours.net_.module_
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
    times = interleaved(functions, repeats)
    speeds = {name: float(n / np.median(t)) for name, t in times.items()}
    difference = float(np.abs(ours.transform(X) - bare().numpy()).max())
    return speeds, difference


def transform_speed(options):
    """Measure each case with one thread and with two."""
    sizes, repeats = options.few(([20_000, 200_000], 11), ([20_000], 5))
    rows = []
    cases = itertools.product((1, 2), sizes, ((128,), "auto"), (np.float32, np.float64))
    for threads, n, network, dtype in cases:
        with use_threads(threads):
            speed, difference = measure(n, network, dtype, repeats)
        about = threads, n, str(network), np.dtype(dtype).name
        speeds = (f"{speed[k]:,.0f}" for k in ("ours", "bare", "pca"))
        ratios = speed["ours"] / speed["bare"], speed["ours"] / speed["pca"]
        rows.append((*about, *speeds, *ratios, f"{difference:.1e}"))
    header = (
        "threads", "rows", "network", "X", "transform, rows/s", "bare forward, rows/s",
        "PCA, rows/s", "ours/bare", "ours/PCA", "largest difference",
    )  # fmt: skip
    yield Table("transform_speed", header, rows)


PARTS = {"transform_speed": transform_speed}
