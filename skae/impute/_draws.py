"""Several imputations of a table, and the distribution that they are drawn from.

r is the number of rows with cells to fill, d the columns that are learnt from.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr

from skae.impute._calibration import in_blocks
from skae.impute._labels import further, long_index
from skae.impute._tables import shown_of


def draw(net, cells, x, member, generator):
    """Return rows x (r, d), standardised, with a draw in each missing cell.

    `cells` are the `HiddenCells` whose errors are drawn among, `member` a slice of the
    members.
    """
    module, x = net.module_, x.copy()
    likelihood, gone = module.likelihood, np.isnan(x)

    def expect(rows, place):
        def means(block):
            return (module.means(block, member)[:, place],)

        return in_blocks(net, means, x[rows])[0]

    for j in np.flatnonzero(likelihood.n_levels):
        rows = np.flatnonzero(gone[:, j])
        if len(rows):
            p = expect(rows, likelihood.of_column(j)).cumsum(1)
            u = torch.rand(len(rows), 1, generator=generator).numpy() * p[:, -1:]
            x[rows, j] = (p < u).sum(1).clip(max=p.shape[1] - 1)
    mean = expect(np.arange(len(x)), slice(len(likelihood.numbers)))
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
    labels: pd.Index  # (r,) of the rows
    positions: np.ndarray | None  # (r,) in X, where labels repeat
    names: pd.Index  # (d,) of the columns
    columns: list  # of Column

    def long(self, j, values, columns):
        """Return values (cells, c) of the missing cells of column j as a long table."""
        gone = self.missing[:, j]
        positions = None if self.positions is None else self.positions[gone]
        index = long_index(self.labels[gone], positions, self.names[[j]])
        return pd.DataFrame(values, index=index, columns=list(columns))

    def longer(self, j, values, levels, name):
        """Return values (cells, levels) likewise, below one another in one column."""
        index = further(self.long(j, values, range(len(levels))).index, levels, "value")
        return pd.DataFrame({name: values.ravel()}, index=index)


def quantile_table(net, cells, gaps, levels):
    """Return quantiles of what each missing number may be, a row for each cell."""
    if gaps is None:
        return _below([], ["row", "column"], levels)
    likelihood, module, parts = net.module_.likelihood, net.module_, []
    numbers = slice(len(likelihood.numbers))
    mean, sd = in_blocks(
        net, lambda b: (module.means(b)[:, numbers], module.noise(b)[1]), gaps.x
    )
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
    for j in np.flatnonzero(likelihood.n_levels):
        gone = gaps.missing[:, j]
        if gone.any():
            place = likelihood.of_column(j)
            rows = gaps.x[gone]
            (p,) = in_blocks(net, lambda b, place=place: (module.means(b)[:, place],), rows)
            p = p.astype(np.float64)
            p = p / p.sum(1)[:, None]
            parts.append(gaps.longer(j, p, gaps.columns[j].levels, "probability"))
    return _below(parts, ["row", "column", "value"], ["probability"])


def _below(parts, names, columns):
    """Return long tables below one another."""
    if parts:
        return pd.concat(parts)
    index = pd.MultiIndex.from_arrays([[]] * len(names), names=names)
    return pd.DataFrame(np.empty((0, len(columns))), index=index, columns=list(columns))
