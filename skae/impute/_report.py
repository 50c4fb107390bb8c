"""The cells that are filled, one by one."""

from numbers import Integral

import numpy as np

from skae._data.containers import cells_at
from skae._data.frames import is_frame
from skae.impute._draws import below, probabilities, quantiles
from skae.impute._tables import shown_of

COLUMNS = ["value", "low", "high", "probability"]


def cell_report(net, cells, gaps, completed, places, level):
    """Return what is put into each missing cell, and how sure that is, row by row.

    Parameters
    ----------
    net : skorch.NeuralNet
    cells : HiddenCells
    gaps : Gaps or None
    completed : DataFrame or ndarray of shape (n, d)
        What `transform` returns.
    places : ndarray of shape (u,)
        Where in it the columns are that are learnt from.
    level : float
        How many of the true numbers should be in their intervals.
    """
    if gaps is None:
        return below([], ["row", "column"], COLUMNS)
    ends = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
    found = quantiles(net, cells, gaps.x, gaps.missing, ends)
    chances = dict(probabilities(net, gaps))
    parts, rows = [], []
    for j in np.flatnonzero(gaps.missing.any(0)):
        gone = np.flatnonzero(gaps.missing[:, j])
        told = np.full((len(gone), len(COLUMNS)), None, dtype=object)
        at = gaps.rows[gone], places[j]
        told[:, 0] = _each(completed, *at) if is_frame(completed) else completed[at]
        if j in found:
            low_high = shown_of(gaps.columns[j], found[j])
            if all(isinstance(value, Integral) for value in told[:, 0]):
                low, high = low_high.T  # could have been in the column, too
                low_high = np.stack([np.floor(low), np.ceil(high)], axis=1).astype(int)
            told[:, 1:3] = low_high
        if j in chances:
            told[:, 3] = chances[j].max(1)  # of the likeliest, which is put in
        parts.append(gaps.long(j, told, COLUMNS))
        rows.append(gone)
    order = np.argsort(np.concatenate(rows), kind="stable")
    return below(parts, ["row", "column"], COLUMNS).iloc[order].infer_objects()


def _each(frame, rows, j):
    """Return what column j holds in some rows, which may be tuples; (rows,)."""
    return np.fromiter(cells_at(frame, j, rows), dtype=object, count=len(rows))
