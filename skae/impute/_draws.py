"""Several imputations of a table, and the distribution that they are drawn from.

r is the number of rows with cells to fill, d the columns that are learnt from.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from skae.impute._calibration import in_blocks
from skae.impute._labels import further, long_index
from skae.impute._predictive import Cells
from skae.impute._tables import shown_of

CHUNK = 4096  # rows that are drawn together
STEP = np.uint64(0x9E3779B97F4A7C15)  # between two numbers of one row
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))  # SplitMix64


class Source:
    """Random numbers of rows: of what a row holds and of a seed, whoever is beside it.

    Rows that are alike get numbers of their own, in their order.
    """

    def __init__(self, x):
        key = pd.util.hash_pandas_object(pd.DataFrame(x), index=False)
        twins = key.groupby(key.to_numpy()).cumcount().to_numpy().astype(np.uint64)
        self.key = _mixed(key.to_numpy() + _mixed(twins * STEP))

    def uniform(self, rows, seed, first, number):
        """Return the numbers from `first` on of some rows, in (0, 1); (rows, number)."""
        at = np.arange(first + 1, first + number + 1, dtype=np.uint64) * STEP
        key = _mixed(self.key[rows] + _mixed(np.array([seed], dtype=np.uint64) * STEP))
        return ((_mixed(key[:, None] + at) >> np.uint64(11)) + 0.5) * 2.0**-53


def _mixed(z):
    """Return 64 bits each that look like chance, modulo 2^64."""
    for shift, factor in MIXERS:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z


def draw(net, cells, x, member, source, seed):
    """Return rows x (r, d), standardised, in the table's units with draws for what lacks.

    `cells` are the `HiddenCells` that know how numbers are distributed, `member` a slice
    of the members.
    """
    out = np.empty(x.shape)
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        out[rows] = _draw(net, cells, x[rows].copy(), member, source, rows, seed)
    return out


def _draw(net, cells, x, member, source, chunk, seed):
    module, gone = net.module_, np.isnan(x)
    likelihood, d = module.likelihood, x.shape[1]

    def expect(rows, place):
        def means(block):
            return (module.means(block, member)[:, place],)

        return in_blocks(net, means, x[rows])[0]

    for j in np.flatnonzero(likelihood.n_levels):
        rows = np.flatnonzero(gone[:, j])
        if len(rows):
            p = expect(rows, likelihood.of_column(j)).cumsum(1)
            u = source.uniform(chunk, seed, j, 1)[rows] * p[:, -1:]
            x[rows, j] = (p < u).sum(1).clip(max=p.shape[1] - 1)
    e = ndtri(source.uniform(chunk, seed, d, module.guess.n_normals))
    numbers = slice(len(likelihood.numbers))

    def of_numbers(block):
        rows = block[:, :d]
        experts, drawn, sd, *rest = module.distributions(rows, member, e=block[:, d:])
        return drawn, sd, module.mean_of(experts)[:, numbers], *rest

    drawn, sd, mean, width, bins = in_blocks(net, of_numbers, np.hstack([x, e]))
    out = likelihood.restore(x)
    for at, j in enumerate(likelihood.numbers.tolist()):
        rows = gone[:, j]
        if rows.any():
            u = ndtr(drawn[rows, at] / np.maximum(sd[rows, at], 1e-6))
            known = Cells(mean[rows, at], width[rows, at], bins[rows, at])
            out[rows, j] = cells.predictives[j].quantile(known, u)
    return out


class Gaps(NamedTuple):
    """Rows with cells to fill, and what these are called."""

    x: np.ndarray  # (r, d) standardised, NaN where nothing is known
    missing: np.ndarray  # (r, d) bool
    rows: np.ndarray  # (r,) their places in X
    labels: pd.Index  # (n,) of all rows of X
    names: pd.Index  # (d,) of the columns
    columns: list  # of Column

    def long(self, j, values, columns):
        """Return values (cells, c) of the missing cells of column j as a long table."""
        gone = self.missing[:, j]
        rows = self.rows[gone]
        positions = None if self.labels.is_unique else rows
        index = long_index(self.labels[rows], positions, self.names[[j]])
        return pd.DataFrame(values, index=index, columns=list(columns))

    def longer(self, j, values, levels, name):
        """Return values (cells, levels) likewise, below one another in one column."""
        index = further(self.long(j, values, range(len(levels))).index, levels, "value")
        return pd.DataFrame({name: values.ravel()}, index=index)


def quantiles(net, cells, x, gone, levels):
    """Return {number's column: quantiles (cells, levels) of where rows x lack it}."""
    found = {}
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        for j, values in _quantiles(net, cells, x[rows], gone[rows], levels):
            found.setdefault(j, []).append(values)
    return {j: np.concatenate(parts) for j, parts in sorted(found.items())}


def _quantiles(net, cells, x, gone, levels):
    """Yield numbers' columns, and quantiles (cells, levels) of where rows x lack them."""
    module = net.module_
    numbers = slice(len(module.likelihood.numbers))

    def of_numbers(block):
        experts, _, _, width, bins = module.distributions(block)
        return module.mean_of(experts)[:, numbers], width, bins

    mean, width, bins = in_blocks(net, of_numbers, x)
    for at, j in enumerate(module.likelihood.numbers.tolist()):
        rows = gone[:, j]
        if rows.any():
            known = Cells(mean[rows, at], width[rows, at], bins[rows, at])
            of, n = cells.predictives[j].quantile, rows.sum()
            yield j, np.stack([of(known, np.full(n, q)) for q in levels], axis=1)


def quantile_table(net, cells, gaps, levels):
    """Return quantiles of what each missing number may be, a row for each cell."""
    if gaps is None:
        return below([], ["row", "column"], levels)
    found = quantiles(net, cells, gaps.x, gaps.missing, levels)
    parts = [
        gaps.long(j, shown_of(gaps.columns[j], values), levels)
        for j, values in found.items()
    ]
    return below(parts, ["row", "column"], levels).infer_objects()


def probability_table(net, gaps):
    """Return how likely each value of each missing category is, a row for each."""
    if gaps is None:
        return below([], ["row", "column", "value"], ["probability"])
    parts = [
        gaps.longer(j, p, gaps.columns[j].levels, "probability")
        for j, p in probabilities(net, gaps)
    ]
    return below(parts, ["row", "column", "value"], ["probability"])


def probabilities(net, gaps):
    """Yield categories' columns, and how likely levels are in cells (cells, levels)."""
    likelihood, module = net.module_.likelihood, net.module_
    for j in np.flatnonzero(likelihood.n_levels):
        gone = gaps.missing[:, j]
        if gone.any():
            place = likelihood.of_column(j)
            rows = gaps.x[gone]
            (p,) = in_blocks(net, lambda b, place=place: (module.means(b)[:, place],), rows)
            p = p.astype(np.float64)
            yield j, p / p.sum(1)[:, None]


def below(parts, names, columns):
    """Return long tables below one another."""
    if parts:
        return pd.concat(parts)
    index = pd.MultiIndex.from_arrays([[]] * len(names), names=names)
    return pd.DataFrame(np.empty((0, len(columns))), index=index, columns=list(columns))
