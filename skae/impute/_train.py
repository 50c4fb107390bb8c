"""How an imputer's net is built and trained.

n is the number of rows, d the columns that are learnt from.
"""

from functools import partial

import numpy as np
import torch

from skae._data.body import bend
from skae._data.ranks import ColumnMap, most_knots
from skae._data.rows import Batches, Rows
from skae._data.statistics import column_statistics
from skae._training.task import find_device
from skae._training.train import train_module
from skae.impute._guesses import PRIOR_CELLS
from skae.impute._head import BINS, add_head
from skae.impute._hidden import (
    BLOCK,
    FOLDS,
    JUDGED_NUMBERS,
    HiddenBatches,
    hidden_rows,
    hidden_share,
    hide,
    judging_rows,
)
from skae.impute._network import SMALL, ImputationModule
from skae.impute._predictive import Predictive
from skae.likelihoods._mixed import Mixed

STEPS, SHARE = (400, 3000), 1 / 24  # of training: sqrt(n) times this a row, within these
ROUND, ROUNDS = (25, 100), 30  # steps between two judgements: as many in all, within these
PATIENCE, TOL = 3, 2e-3  # of these, and the share of the error that counts as less
FEWEST = 500  # hidden cells that can judge
MOST_WORK = 5 * 10**9  # of steps times weights: fewer steps for tables of 1,000 columns
DROPOUT = 0.2, 0.1  # of a small table, and of others
FEW_CELLS = 30  # in the median column of a sparse matrix: these are then pooled
FARTHEST = 1e6  # deviations: float32 has no room for the squares of more


def likelihood_of(X, columns, is_sparse):
    """Return the likelihood of rows X (n, d) of these columns, as numbers and codes."""
    mixed = Mixed().of_columns(columns)
    stats = column_statistics(X, None, X.shape[1:], mixed.check)
    is_pooled = bool(is_sparse and np.median((~np.isnan(X)).sum(0)) < FEW_CELLS)
    likelihood = mixed.build(_pooled(X, stats) if is_pooled else stats)
    likelihood.is_pooled, likelihood.clip = is_pooled, FARTHEST
    likelihood.is_even = False  # each category is to be filled in, not held in a code
    return likelihood


def _pooled(X, stats):
    """Return statistics of columns in the same units: many have few values of their own.

    Means are drawn towards the mean of all, as `PRIOR_CELLS` more such cells would;
    deviations are those of all cells from them.
    """
    n, whole = (~np.isnan(X)).sum(0), np.nanmean(X)
    mean = (n * stats.mean + PRIOR_CELLS * whole) / (n + PRIOR_CELLS)
    variance = np.full(len(mean), np.nanmean(np.square(X - mean)))
    constant = np.full(len(mean), variance[0] == 0)
    body = {"centre": mean, "spread": np.sqrt(variance), "is_wild": constant & False}
    return stats._replace(mean=mean, variance=variance, constant=constant, **body)


def folds_of(x, rng):
    """Return which members never learn from each cell of x (n, d), 0: all do; int8."""
    folds = np.zeros(x.shape, dtype=np.int8)
    for fold in range(1, FOLDS + 1):
        free = ~np.isnan(x) & (folds == 0)
        folds[hide(free, hidden_share(len(x)), rng)] = fold
    return folds


def predictives_of(X, likelihood, columns):
    """Return the `Predictive` of each number by its place among columns of X (n, d)."""
    found, most, numbers = {}, most_knots(X.shape[1]), likelihood.numbers.tolist()
    if likelihood.is_pooled and numbers:  # one map, as all are of one unit and scale
        column_map = ColumnMap.learn(X[~np.isnan(X)], likelihood.scale[numbers[0]], most)
    for j in numbers:
        if not likelihood.is_pooled:
            values = X[~np.isnan(X[:, j]), j]
            column_map = ColumnMap.learn(values, likelihood.scale[j], most)
        standardize = partial(_standardized, likelihood, j)
        found[j] = Predictive(column_map, standardize, *columns[j].ends)
    return found


def _standardized(likelihood, j, values):
    """Return values of column j standardised, as float64."""
    u = (values - likelihood.location[j]) * likelihood.inverse_scale[j]
    return bend(u) if likelihood.is_wild[j] else u


def ranks_of(X, predictives):
    """Return the first and the last ranks of numbers of X (n, d), float32 (n, k) each.

    Values that lie between two knots get the width of one.
    """
    ends = [p.map.ranks(X[:, j]) for j, p in predictives.items()]
    first, last = np.array(ends).reshape(-1, 2, len(X)).transpose(1, 2, 0)
    half = np.array([0.5 / len(p.map.knots) for p in predictives.values()])
    between = (last - first < half) * half
    return (first - between).astype(np.float32), (last + between).astype(np.float32)


def edges_of(predictives):
    """Return the ends of numbers' bins, as `Predictive.edges` has them, float32."""
    each = [p.edges for p in predictives.values()]
    return np.array(each, dtype=np.float32).reshape(-1, 3, BINS + 1).transpose(1, 0, 2)


def build(X, x, folds, likelihood, widths, n_members, generator):
    """Return the untrained module for rows X (n, d), x standardised."""
    module = ImputationModule(
        likelihood,
        torch.from_numpy(x),
        torch.from_numpy(folds),
        widths,
        DROPOUT[len(X) >= SMALL],
        n_members,
        generator,
    )
    if likelihood.is_pooled:  # no column's own few values bound it
        for end, value in ((module.low, np.nanmin(X)), (module.high, np.nanmax(X))):
            value = likelihood.standardize(np.full((1, X.shape[1]), value))[0]
            end.copy_(torch.from_numpy(value))
    return module


def n_steps(module, n_rows):
    """Return how many steps to take, at most, where nothing is said of that."""
    n_weights = sum(p.numel() for p in module.parameters())
    most = max(STEPS[0] // 4, MOST_WORK // n_weights)
    return min(np.clip(SHARE * n_rows**1.5, *STEPS), most)


def guesses_of_folds(module, x, folds, device):
    """Return for each fold the guesses of rows x (n, d) that have not seen its cells.

    None where the module's own have not.
    """
    if len(x) >= SMALL:
        return [None] * FOLDS
    n_factors = module.guess.weight.shape[1] if module.is_wide else None
    return [
        tuple(g and g.to(device) for g in module.guesses_from(x, folds == fold, n_factors))
        for fold in range(1, FOLDS + 1)
    ]


def judges_of(module, X, x, folds, by, device, generator):
    """Return batches of rows of X (n, d) whose hidden cells judge; None if too few are."""
    if (folds > 0).sum() < FEWEST:
        return None
    index, known = judging_rows(module, x, folds, by, generator)
    rows = Rows(X[index.numpy()], None, module.likelihood, device, known=known)
    most = JUDGED_NUMBERS // (module.n_members * module.likelihood.n_params)
    return Batches(rows, torch.arange(len(index)), min(BLOCK, max(32, most)))


def train(
    X,
    x,
    folds,
    ranks,
    edges,
    likelihood,
    rng,
    *,
    widths,
    n_members,
    learning_rate,
    batch_size,
    max_iter,
    device,
    verbose,
    listener,
):
    """Return a net trained on rows X (n, d), x standardised, NaN where missing.

    And the guesses of each fold, and how many times rows were passed over. `ranks` are
    those of the numbers, as `ranks_of` returns them, `edges` (3, k, bins + 1) as
    `Predictive.edges` does. The listener is told of each round of training.
    """
    device, n = find_device(device), len(X)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    module = build(X, x, folds, likelihood, widths, n_members, generator).to(device)
    x, folds = torch.from_numpy(x), torch.from_numpy(folds)
    by = guesses_of_folds(module, x, folds, device)
    n_each, epochs, valid = n, max_iter, None
    if max_iter == "auto":
        most = n_steps(module, n)
        size = int(np.clip(most / ROUNDS, *ROUND))
        n_each, epochs = size * min(batch_size, n), max(1, round(most / size))
        valid = judges_of(module, X, x, folds, by, device, generator)
    known = hidden_rows(module, x, folds, -(-epochs * n_each // n), generator)
    times = len(known[0]) // n
    rows = Rows(np.tile(X, (times, 1)), None, likelihood, device, known=known)
    order = torch.arange(times * n)
    if n_each != n:  # an epoch of the net's is no pass, and rows may be sorted
        order = [torch.randperm(n, generator=generator) + n * i for i in range(times)]
        order = torch.cat(order)
    batches = HiddenBatches(rows, n_each, batch_size, generator, order)
    tuning = {"lr": learning_rate, "verbose": verbose, "patience": PATIENCE, "tol": TOL}
    told = {"listener": listener, "unit": "step"}
    net = train_module(module, batches, epochs, device, valid, **told, **tuning)
    net.optimizer_.state.clear()  # two thirds of a pickle, and training never goes on
    if ranks[0].shape[1] and not module.is_wide:
        first, last = (torch.from_numpy(r).to(device) for r in ranks)
        x = rows.take(torch.arange(n, device=device))
        edges, steps = torch.from_numpy(edges).to(device), len(net.history) * len(batches)
        add_head(module, x, first, last, edges, known, steps, generator)
    return net, by, -(-len(net.history) * n_each // n)
