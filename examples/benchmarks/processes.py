"""Whether a second process pays: `cross_val_score` with n_jobs=1 and 2.

processes: five folds of a default `Autoencoder(4)`. The first call with two jobs starts the
    processes, each of which imports torch; the second finds them there. Seconds on the
    clock, so what else the machine does counts: see its load.
"""

import numpy as np
from _common import Table, seconds
from joblib.externals.loky import get_reusable_executor
from sklearn import datasets
from sklearn.model_selection import cross_val_score

from skae import Autoencoder
from skae.metrics import explained_variance_scorer

SETS = "wine", "breast_cancer"


def scored(X, n_jobs):
    """Return the seconds of five folds."""
    autoencoder = Autoencoder(4, random_state=0)
    scoring = {"scoring": explained_variance_scorer, "cv": 5, "n_jobs": n_jobs}
    return seconds(lambda: cross_val_score(autoencoder, X, **scoring))[0]


def processes(options):
    """Time both, the processes of the second new each time."""
    rows = []
    for name in SETS[: options.few(2, 1)]:
        X = getattr(datasets, f"load_{name}")().data
        times = []
        for _ in range(options.few(3, 1)):
            get_reusable_executor().shutdown(wait=True)
            times.append([scored(X, 1), scored(X, 2), scored(X, 2)])
        rows.append((f"{name}, {len(X):,} x {X.shape[1]}", *np.median(times, 0).tolist()))
    header = "data", "n_jobs=1, s", "n_jobs=2, first call, s", "n_jobs=2, next call, s"
    yield Table("processes", header, rows)


PARTS = {"processes": processes}
