"""A search of 5 sizes, 4 learning rates and 5 folds, against a hundred fits.

Arms, interleaved: a hundred fits one after another and nothing else; scikit-learn's
`GridSearchCV` in one process and in two; `skae.model_selection.GridSearchCV` likewise. Of
default autoencoders, without the last fit to all rows; processes have one thread each, and
are there already. CPU seconds are of all processes. The last column is by how much the
mean scores differ from scikit-learn's in one process, at most, as a share of the
candidates' standard deviation.

"pipeline" is a search of 5 sizes, 3 values of C of the logistic regression after the codes
and 3 folds, on the breast cancer data, with and without what a pipeline remembers.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import Table, curved, seconds
from sklearn import datasets, model_selection
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.model_selection import GridSearchCV

GRID = {"n_components": [2, 3, 4, 6, 8], "learning_rate": [1e-3, 2e-3, 5e-3, 1e-2]}
SMALL = {"n_components": [2, 3], "learning_rate": [2e-3, 5e-3]}
DATA = {
    "wine": lambda: datasets.load_wine().data,
    "diabetes": lambda: datasets.load_diabetes().data,
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "500 x 30": lambda: curved(500, 30),
}
BASE = "GridSearchCV, 2 jobs"


def estimator(epochs=100):
    """Return the autoencoder that is searched."""
    return Autoencoder(max_iter=epochs, random_state=0, device="cpu")


def one_by_one(X, grid, cv):
    """Fit each candidate to the training rows of each fold."""
    for params in ParameterGrid(grid):
        for train, _ in KFold(cv).split(X):
            clone(estimator()).set_params(**params).fit(X[train])


def searching(kind, n_jobs):
    """Return a function that searches, and returns the mean scores."""

    def search(X, grid, cv):
        found = kind(estimator(), grid, cv=cv, n_jobs=n_jobs, refit=False).fit(X)
        return found.cv_results_["mean_test_score"]

    return search


ARMS = {
    "fits alone": one_by_one,
    "GridSearchCV": searching(model_selection.GridSearchCV, 1),
    BASE: searching(model_selection.GridSearchCV, 2),
    "skae's": searching(GridSearchCV, 1),
    "skae's, 2 jobs": searching(GridSearchCV, 2),
}


def cpu_seconds():
    """Return the CPU seconds of this process and of those it has started (on Linux)."""
    total, here = time.process_time(), Path("/proc/self/task")
    for path in here.glob("*/children") if here.is_dir() else ():
        for pid in path.read_text().split():
            if (stat := Path(f"/proc/{pid}/stat")).is_file():
                fields = stat.read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / 100
    return total


def measured(X, grid, cv, rounds):
    """Return {arm: array of (seconds, CPU seconds) by round} and {arm: scores}."""
    times, scores = {arm: [] for arm in ARMS}, {}
    for _ in range(rounds):
        for arm, run in ARMS.items():
            cpu = cpu_seconds()
            wall, scores[arm] = seconds(lambda run=run: run(X, grid, cv))
            times[arm].append((wall, cpu_seconds() - cpu))
    return {arm: np.array(found) for arm, found in times.items()}, scores


def searches(options):
    """Measure each arm on each table."""
    rounds, rows = options.n_seeds(3), []
    grid, cv = options.few((GRID, 5), (SMALL, 2))
    measured(curved(60, 10), SMALL, 2, 1)  # first calls are not timed
    for name, load in DATA.items():
        if options.quick and name not in ("wine", "500 x 30"):
            continue
        times, scores = measured(load(), grid, cv, rounds)
        usual = scores["GridSearchCV"]
        for arm, found in times.items():
            shares = np.median(found / times[BASE], axis=0)
            apart = None
            if scores[arm] is not None:
                apart = float(abs(scores[arm] - usual).max() / usual.std())
            rows.append(
                (name, arm, *map(float, [*np.median(found, axis=0), *shares]), apart)
            )
    header = "data", "arm", "seconds", "CPU seconds", "to n_jobs=2", "CPU to it", "scores"
    yield Table("searches", header, rows, note=f"medians of {rounds} rounds")


def pipeline(options):
    """Search sizes and C, with equal trainings done once or for each C."""
    X, y = datasets.load_breast_cancer(return_X_y=True)
    rounds, rows = options.n_seeds(3), []
    grid = {"reduce__n_components": [1, 2, 4, 8, 16], "classify__C": [0.1, 1, 10]}
    if options.quick:
        grid["reduce__n_components"] = [2, 4]

    def search(kind, remembers):
        with TemporaryDirectory() as folder:
            steps = [
                ("reduce", estimator()),
                ("scale", StandardScaler()),
                ("classify", LogisticRegression(max_iter=5000)),
            ]
            whole = Pipeline(steps, memory=folder if remembers else None)
            return kind(whole, grid, cv=3, refit=False).fit(X, y)

    sklearns = model_selection.GridSearchCV
    arms = {
        "GridSearchCV": (sklearns, False),
        "GridSearchCV, Pipeline(memory=)": (sklearns, True),
        "skae's GridSearchCV": (GridSearchCV, False),
    }
    times = {arm: [] for arm in arms}
    for _ in range(rounds):
        for arm, how in arms.items():
            cpu = cpu_seconds()
            wall, found = seconds(lambda how=how: search(*how))
            times[arm].append((wall, cpu_seconds() - cpu))
            rows += [[arm, found]] if len(rows) < len(arms) else []
    for row in rows:
        arm, found = row
        chosen = found.cv_results_["params"][found.best_index_].values()
        size_and_c = ", ".join(f"{value:g}" for value in reversed(list(chosen)))
        middle = map(float, np.median(times[arm], axis=0))
        row[1:] = [*middle, size_and_c, float(found.best_score_)]
    header = "search", "seconds", "CPU seconds", "size and C", "accuracy"
    yield Table("searches_pipeline", header, rows, note=f"medians of {rounds} rounds")


PARTS = {"searches": searches, "pipeline": pipeline}
