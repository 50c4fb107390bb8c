"""How far an imputer is off: errors measured on cells that it had hidden.

n is the number of rows, d the columns, P the likelihood's parameters.
"""

from itertools import combinations

import numpy as np
import pandas as pd
import torch

from skae._training.blocks import Stream, through
from skae.impute._hidden import COMPLETE, MORE_FOR_COMPLETE
from skae.impute._network import MOST_ONE_HOT, PRIOR_SHARES
from skae.impute._predictive import Cells, weigh

MOST_ROWS = 20_000  # of which hidden cells are looked at, for each fold
ROWS = 8192  # of which what bins say is held together, of hidden cells or not
CHUNK = 2**20  # numbers of each expert that are multiplied together
PRIOR_CELLS, PRIOR_CELLS_COLUMN = 200.0, 100.0  # that a prior counts as


def in_blocks(net, fn, x):
    """Return what fn gives of standardised rows x (n, d), a tuple of arrays by rows.

    Blocks have one size whatever x has, so that a row's result depends on it alone.
    """
    parts = {}

    def put(rows, values, _):
        n = rows.stop - rows.start
        parts[rows.start] = [v[:n].cpu().numpy() for v in values]

    through(net, fn, len(x), put, Stream(x))
    in_order = [parts[start] for start in sorted(parts)]
    return tuple(np.concatenate(part) for part in zip(*in_order, strict=True))


def skill(error, baseline, is_category):
    """Return the share of the error of a mean or mode that is gone: 1 - MSE / variance."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (error / baseline) ** np.where(is_category, 1, 2)


def mean_skill(likelihood, x, hidden, expected, medians=None):
    """Return the mean skill of what is expected (n, d) in hidden cells of rows x (n, d).

    It is of columns in which hidden cells differ; NaN if there is none. Errors of numbers
    are squared, and the mean's are the baseline; absolute, with the {column: `medians`}.
    """
    scores, middle, power = [], np.zeros(x.shape[1]), 2 if medians is None else 1
    if medians is not None:
        middle[list(medians)] = list(medians.values())
        middle = likelihood.standardize(middle[None], check=False)[0]
    for j, n_levels in enumerate(likelihood.n_levels):
        cells = hidden[:, j]
        truth, guess = x[cells, j], expected[cells, j]
        if not cells.any() or np.ptp(truth) == 0:
            continue
        if n_levels:
            mode = np.bincount(truth.astype(int)).max() / len(truth)
            scores.append(skill((guess != truth).mean(), 1 - mode, True))
        else:
            error, baseline = (np.abs(truth - m) ** power for m in (guess, middle[j]))
            scores.append(1 - error.mean() / baseline.mean())
    return float(np.mean(scores)) if scores else np.nan


def score_table(names, error, baseline, is_category, counts):
    """Return `column_scores_`."""
    score = skill(np.asarray(error, float), np.asarray(baseline, float),
                  np.asarray(is_category, bool))  # fmt: skip
    return pd.DataFrame(
        {"score": score, "error": error, "baseline": baseline, "n_cells": counts},
        index=names,
    )


def on_simplex(square, product):
    """Return the w >= 0 with sum 1 that minimise w' S w / 2 - w' p; (K,).

    By trying which of the few are zero.
    """
    n, best, least = len(product), None, np.inf
    for size in range(1, n + 1):
        for kept in map(list, combinations(range(n), size)):
            system = np.ones((size + 1, size + 1))
            system[:size, :size], system[size, size] = square[np.ix_(kept, kept)], 0
            w = np.zeros(n)
            w[kept] = np.linalg.lstsq(system, [*product[kept], 1.0])[0][:size]
            value = w @ square @ w / 2 - w @ product
            if w.min() >= 0 and value < least:
                best, least = w, value
    return best


def shares(likelihood, x, hidden, expected):
    """Return how much to trust each of K experts: least squares, shrunk; (K, P).

    A column's shares are drawn towards those of all columns of its kind. `expected` are,
    by column, the experts' parameters of its hidden cells: (K, cells, p).
    """
    n_experts = len(PRIOR_SHARES)
    out = np.tile(np.array(PRIOR_SHARES)[:, None], likelihood.n_params)
    for kind in (likelihood.n_levels == 0, likelihood.n_levels > 0):
        squares, products, columns = [], [], np.flatnonzero(kind & hidden.any(0))
        for j in columns:
            square, product = 0.0, 0.0
            levels, truth = likelihood.n_levels[j], x[hidden[:, j], j]
            size = max(1, CHUNK // max(1, levels))
            for start in range(0, len(truth), size):
                cells = slice(start, start + size)
                p = expected[j][:, cells].reshape(n_experts, -1).astype(np.float64)
                target = truth[cells, None]
                if levels:
                    target = (target == np.arange(levels)).astype(np.float32)
                square, product = square + p @ p.T, product + p @ target.ravel()
            squares.append(square)
            products.append(product)
        if not len(columns):
            continue
        total, n_cells = sum(squares), hidden[:, kind].sum()
        cell = total / n_cells + 1e-9 * np.eye(n_experts)
        prior = PRIOR_CELLS * cell
        common = on_simplex(total + prior, sum(products) + prior @ PRIOR_SHARES)
        out[:, kind[likelihood.owner.numpy()]] = common[:, None]
        prior = PRIOR_CELLS_COLUMN * cell
        for j, square, product in zip(columns, squares, products, strict=True):
            own = on_simplex(square + prior, product + prior @ common)
            out[:, likelihood.of_column(j)] = own[:, None]
    return out.astype(np.float32)


class HiddenCells:
    """What was in hidden cells, and what was expected there.

    Parameters
    ----------
    d : int
        Number of columns.
    predictives : dict
        The `Predictive` of each number, by its column.
    ranks : tuple of ndarray of shape (n, k)
        The first and the last rank of all rows' numbers.
    """

    def __init__(self, d, predictives, ranks):
        self.parts, self.large = [], {}
        self.bins = {j: [] for j in predictives}  # of hidden cells, by column
        self.predictives, self.ranks = predictives, ranks
        self.wrong, self.baseline = np.full(d, np.nan), np.full(d, np.nan)
        self.counts = np.zeros(d, dtype=int)

    def add(self, net, x, folds, fold, by, rng):
        """Take up the cells of x (n, d) that members of a fold have not learnt from.

        `by` are guesses that have not seen them either, where the module's own have.
        """
        hidden, module = folds == fold, net.module_
        rows = np.flatnonzero(hidden.any(1))
        which = module.fold_of_member.flatten().cpu() == fold
        if not len(rows) or not which.any():
            return
        if len(rows) > MOST_ROWS:
            rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
        shown = np.where(hidden, np.nan, x)[rows]
        if module.missing_share < COMPLETE:
            shown[rng.random(shown.shape) < MORE_FOR_COMPLETE] = np.nan
        known = slice(module.n_known)  # of others, no more than what is hidden is kept

        def expect(block):
            experts, *_, width, bins = module.distributions(block, which, by)
            return *experts[..., known], width, bins

        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            *known_of, bins = in_blocks(net, expect, shown[start : start + ROWS])
            for at, (j, parts) in enumerate(self.bins.items()):
                parts.append(bins[hidden[some, j], at])
            ranks = (r[some] for r in self.ranks)
            self.parts.append((x[some], hidden[some], *ranks, *known_of))
        for j in np.flatnonzero(module.likelihood.n_levels > MOST_ONE_HOT):
            place, cells = module.likelihood.of_column(j), hidden[rows, j]

            def expect_of(block, place=place):
                return tuple(module.experts(block, which, by)[..., place])

            if cells.any():
                experts = np.stack(in_blocks(net, expect_of, shown[cells]))
                self.large.setdefault(j, []).append(experts)

    def finish(self, module):
        """Set how far a module trusts each expert, and measure its errors."""
        if not self.parts:
            return
        parts = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        x, hidden, first, last, *experts, width = parts
        self.parts, self.ranks, likelihood = [], None, module.likelihood
        experts = np.stack(experts)  # (K, n, P)
        self.counts, compared = hidden.sum(0), []
        large = {j: np.concatenate(parts, 1) for j, parts in self.large.items()}
        by_column = {}  # (K, cells, p)
        for j in np.flatnonzero(self.counts):
            cells = hidden[:, j], likelihood.of_column(j)
            by_column[j] = large[j] if j in large else experts[:, *cells]
        self.large = {}
        share = shares(likelihood, x, hidden, by_column)
        module.share.copy_(torch.from_numpy(share))
        for j in np.flatnonzero(self.counts):
            cells, place = hidden[:, j], likelihood.of_column(j)
            truth = x[cells, j]
            expected = np.einsum("kp,kcp->cp", share[:, place], by_column[j])
            if likelihood.n_levels[j]:
                self.wrong[j] = (expected.argmax(1) != truth).mean()
                self.baseline[j] = 1 - np.bincount(truth.astype(int)).max() / len(truth)
                continue
            at, expected = place.start, expected[:, 0]
            pair = likelihood.restore(np.stack([truth, expected], 1), [j, j]).T
            self.wrong[j] = np.sqrt(np.square(pair[0] - pair[1]).mean())
            self.baseline[j] = np.sqrt(np.square(pair[0] - likelihood.location[j]).mean())
            known = Cells(expected, width[cells, at], np.concatenate(self.bins.pop(j)))
            self.predictives[j].learn(known, truth)
            ends = first[cells, at], last[cells, at]
            compared.append((j, *self.predictives[j].compared(known, truth, *ends)))
        self.bins = {}
        weigh(self.predictives, compared, self.counts)
