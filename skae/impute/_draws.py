"""Several imputations of a table, and the distribution that they are drawn from.

r is the number of rows with cells to fill, d the columns that are learnt from.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr

from skae._data.schema import shown_of
from skae.impute._calibration import in_blocks


def draw(net, cells, x, member, generator):
    """Return rows x (r, d), standardised, with a draw in each missing cell.

    `cells` are the `HiddenCells` whose errors are drawn among, `member` a slice of the
    members.
    """
    module, x = net.module_, x.copy()
    likelihood, gone = module.likelihood, np.isnan(x)

    def expect(rows):
        return in_blocks(net, lambda block: (module.means(block, member),), x[rows])[0]

    for j in np.flatnonzero(likelihood.n_levels):
        rows = np.flatnonzero(gone[:, j])
        if len(rows):
            p = expect(rows)[:, likelihood.of_column(j)].cumsum(1)
            u = torch.rand(len(rows), 1, generator=generator).numpy() * p[:, -1:]
            x[rows, j] = (p < u).sum(1).clip(max=p.shape[1] - 1)
    mean = expect(np.arange(len(x)))
    drawn, sd = in_blocks(net, lambda block: module.noise(block, generator), x)
    for at, j in enumerate(likelihood.numbers.tolist()):
        rows = gone[:, j]
        if rows.any():
            spread = np.maximum(sd[rows, at], 1e-6)
            x[rows, j] = cells.quantile(
                j, mean[rows, at], spread, ndtr(drawn[rows, at] / spread)
            )
    return x


class Gaps(NamedTuple):
    """Rows with cells to fill, and what these are called."""

    x: np.ndarray  # (r, d) standardised, NaN where nothing is known
    missing: np.ndarray  # (r, d) bool
    labels: np.ndarray  # (r,) of the rows
    names: list  # (d,) of the columns
    columns: list  # of Column

    def long(self, j, values, columns):
        """Return values (cells, c) of the missing cells of column j as a long table."""
        labels = self.labels[self.missing[:, j]]
        index = pd.MultiIndex.from_arrays(
            [labels, [self.names[j]] * len(labels)], names=["row", "column"]
        )
        return pd.DataFrame(values, index=index, columns=list(columns))


def quantile_table(net, cells, gaps, levels):
    """Return quantiles of what each missing number may be, a row for each cell."""
    if gaps is None:
        return _below([], ["row", "column"], levels)
    likelihood, module, parts = net.module_.likelihood, net.module_, []
    mean, sd = in_blocks(net, lambda b: (module.means(b), module.noise(b)[1]), gaps.x)
    for at, j in enumerate(likelihood.numbers.tolist()):
        gone, column = gaps.missing[:, j], gaps.columns[j]
        if gone.any():
            predicted, spread = mean[gone, at], sd[gone, at]
            values = [
                cells.quantile(j, predicted, spread, np.full(len(spread), q))
                for q in levels
            ]
            values = likelihood.restore(np.stack(values, 1), np.full(len(levels), j))
            parts.append(gaps.long(j, shown_of(column, values), levels))
    return _below(parts, ["row", "column"], levels).infer_objects()


def probability_table(net, gaps):
    """Return how likely each value of each missing category is, a row for each."""
    if gaps is None:
        return _below([], ["row", "column", "value"], ["probability"])
    likelihood, module, parts = net.module_.likelihood, net.module_, []
    (mean,) = in_blocks(net, lambda b: (module.means(b),), gaps.x)
    for j in np.flatnonzero(likelihood.n_levels):
        gone = gaps.missing[:, j]
        if gone.any():
            p = mean[gone, likelihood.of_column(j)].astype(np.float64)
            long = gaps.long(j, p / p.sum(1)[:, None], gaps.columns[j].levels).stack()
            long.index = long.index.set_names(["row", "column", "value"])
            parts.append(long.to_frame("probability"))
    return _below(parts, ["row", "column", "value"], ["probability"])


def _below(parts, names, columns):
    """Return long tables below one another."""
    if parts:
        return pd.concat(parts)
    index = pd.MultiIndex.from_arrays([[]] * len(names), names=names)
    return pd.DataFrame(np.empty((0, len(columns))), index=index, columns=list(columns))
