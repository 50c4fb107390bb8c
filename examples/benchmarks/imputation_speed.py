"""Time and memory of AutoencoderImputer, beside IterativeImputer with ExtraTrees.

Smooth tables of 30 columns with 20 % of the cells missing. Printed are the seconds of
`fit`, absolute and over those of IterativeImputer with ExtraTrees (50 trees, 5 rounds) and
of IterativeImputer at its defaults, in the same run; rows a second of `transform`; and the
peak memory of processes that complete tables of growing size, the table included.
"""

import resource
import subprocess
import sys
import warnings

import numpy as np
from _common import curved, machine, parser, seconds, table, use_threads
from _tables import rivals
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from skae import AutoencoderImputer

COLUMNS, MISSING = 30, 0.2


def holed(n):
    """Return a table with holes."""
    X = curved(n, COLUMNS, 6, noise=0.3, dtype=np.float64)
    return np.where(np.random.default_rng(0).random(X.shape) < MISSING, np.nan, X)


def peak(n):
    """Print the peak memory, in bytes, of a process that completes n rows."""
    model = AutoencoderImputer(random_state=0, max_iter=1).fit(holed(2000))
    model.transform(holed(n))
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--peak", type=int, help="complete this many rows, and end")
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000])
    arguments = arguments.parse_args()
    if arguments.peak:
        peak(arguments.peak)
        return
    if arguments.quick:
        arguments.sizes = [1000]
    machine(arguments.threads)
    # first, as a process starts with the peak of the one that starts it
    sizes, peaks = [100_000, 200_000, 400_000], []
    for n in sizes[: 1 if arguments.quick else None]:
        command = [sys.executable, __file__, "--peak", str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append([n, int(done.stdout) / 2**20])
    table(["rows completed", "peak memory, MiB"], peaks)
    rows = []
    with warnings.catch_warnings(), use_threads(arguments.threads):
        warnings.simplefilter("ignore")
        for n in arguments.sizes:
            X, new = holed(n), holed(50_000)
            ours = AutoencoderImputer(random_state=0)
            took, _ = seconds(lambda: ours.fit(X))  # noqa: B023
            trees, _ = seconds(lambda: rivals(0)["ExtraTrees"].imputer.fit(X))  # noqa: B023
            ridge, _ = seconds(lambda: IterativeImputer(random_state=0).fit(X))  # noqa: B023
            speed, _ = seconds(lambda: ours.transform(new))  # noqa: B023
            rows.append([n, took, took / trees, took / ridge, len(new) / speed])
    header = ["rows", "fit, s", "/ ExtraTrees", "/ BayesianRidge", "transform, rows a s"]
    table(header, rows)


if __name__ == "__main__":
    main()
