"""How far rows are from the normal ones, by autoencoders that have learnt those.

M is the number of autoencoders, n of the rows, d of the columns.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from skae._data.rows import blocks
from skae._training.blocks import encode
from skae.outliers._constants import Constants
from skae.outliers._expectation import Expectation
from skae.outliers._search import Search

DISTANCES = ("reconstruction", "code", "neighbors")
CRITERIA = ("cells", *DISTANCES)
CLOSEST = 0.01  # least distance, in those of the median row: nearer is rounding's to say
FARTHEST = 1e15  # deviations of a cell: its square must be a number
ITSELF = 0.1  # of the distance to the others, from which on the nearest counts in full


class Abnormality:
    """The geometric mean of distances, each in units of the training rows' median.

    - "cells": the root of the nats that the row's cells cost, each given the others, above
      the least of the training rows;
    - "reconstruction": the root of the lack of likelihood (for squared errors, the
      length of the residual), a mean over the autoencoders;
    - "code": the mean distance to the nearest codes of reference rows, where the codes
      of all autoencoders stand side by side, each autoencoder's with a variance of 1;
    - "neighbors": the mean distance to the nearest reference rows, standardised.

    In each, cells that differ from what their columns always were count by so many
    deviations, as if they were coordinates in which no reference row differs.

    Parameters
    ----------
    members : list of BaseAutoencoder
        Fitted on the normal rows, with the same scales of the columns; none if cells alone
        count.
    criteria : tuple of str
        Which of the distances count.
    n_neighbors : int
        How many of the nearest rows a distance to them is a mean over.
    reference : ndarray or CSR matrix of shape (n_reference, d)
        Normal rows, in data units.
    search : {"exact", "approximate"}, default="exact"
        How the nearest are found.
    cells : Cells, default=None
        What prices cells, if they count.
    """

    def __init__(
        self, members, criteria, n_neighbors, reference, search="exact", cells=None
    ):
        self.cells, self.likelihood, self.measures = cells, None, []
        if cells is not None:
            self.measures.append(CellCosts(cells))
        if members:
            self.likelihood = members[0].net_.module_.likelihood
            self.constants = Constants(self.likelihood, reference)
            seen = self._seen(reference)
            self.reference = np.concatenate([block.points for block in seen])
        if "reconstruction" in criteria:
            self.measures += [Shortfall(member) for member in members]
        if "code" in criteria:
            n_active = np.count_nonzero(self.likelihood.active)
            of_codes = CodeDistance(members, reference, n_neighbors, n_active, search)
            self.measures.append(of_codes)
        if "neighbors" in criteria:
            self.measures.append(Neighbors(self.reference, n_neighbors, search))
        kinds = [type(measure) for measure in self.measures]
        self.groups = [[k is kind for k in kinds] for kind in dict.fromkeys(kinds)]

    @cached_property
    def expectation(self):
        """What is expected of a column given the others, by the reference rows."""
        columns_of = self.likelihood.columns_of
        active = torch.from_numpy(self.likelihood.active)
        owner = columns_of(torch.arange(len(active))).numpy()
        return Expectation(self.reference, columns_of(active).numpy(), owner)

    def expected(self, X):
        """Return what is expected of each cell of X given the others, and how odd it is.

        Both are of shape (n, d); see `Expectation`.
        """
        x = torch.from_numpy(self.likelihood.standardize(known(X)))
        means, away = self.expectation(self.likelihood.target(x).numpy())
        expected = self.likelihood.restore(self.likelihood.collapse(means))
        expected[:, self.constants.empty] = np.nan
        return expected, np.maximum(away, self.constants.away(X))

    def _seen(self, X):
        """Yield rows X by blocks, and for their distances standardised and as points."""
        for _, block in blocks(X):
            if self.likelihood is None:
                yield Seen(block, block, None, None, None)
                continue
            rows = known(block)
            x = torch.from_numpy(self.likelihood.standardize(rows))
            moved = np.square(self.constants.away(block)).sum(1)
            yield Seen(block, rows, x, self.likelihood.spread(x).numpy(), moved)

    def fit(self, X, keep):
        """Take what is far and near from rows X[keep]; return that of all rows X."""
        distances = np.hstack([self._distances(seen) for seen in self._seen(X)])
        for measure, d in zip(self.measures, distances, strict=True):
            measure.set_unit(d[keep])
        return self._mean(distances)

    def _distances(self, seen):
        return np.stack([measure.distance(seen) for measure in self.measures])

    def __call__(self, X):
        """Return the abnormality of rows X (n, d) in any container; (n,) float64."""
        return np.concatenate([self._mean(self._distances(s)) for s in self._seen(X)])

    def _mean(self, distances):
        units = zip(self.measures, distances, strict=True)
        distances = np.stack([measure.in_units(d) for measure, d in units])
        parts = [distances[group].mean(0) for group in self.groups]
        return np.exp(np.log(np.maximum(parts, CLOSEST)).mean(0))


def known(X):
    """Return rows X (n, d) with NaN where a category's value is new: infinite."""
    is_new = np.isinf(X)
    return np.where(is_new, np.nan, X) if is_new.any() else X


class Seen(NamedTuple):
    """A block of n rows."""

    cells: np.ndarray  # (n, d) in data units, infinite where fit has not seen the like
    rows: np.ndarray  # (n, d) the same, NaN there
    standardized: torch.Tensor  # (n, d)
    points: np.ndarray  # (n, P) the same without missing cells
    moved: np.ndarray  # (n,) squares of how far constants have moved


class Measure:
    """A distance, and what is far."""

    unit = 1.0

    def set_unit(self, distances):
        """Take the median of the distances as the unit, or their mean if it is zero."""
        self.unit = float(np.median(distances)) or float(np.mean(distances)) or 1.0

    def in_units(self, distances):
        """Return distances in units of the median one."""
        return distances / self.unit


class Lack(Measure):
    """The root of how much likelier the likeliest training row is than a row."""

    def set_unit(self, distances):
        self.least = distances.min()
        super().set_unit(self._root(distances))

    def _root(self, distances):
        return np.sqrt(np.maximum(distances - self.least, 0))

    def in_units(self, distances):
        return super().in_units(self._root(distances))


class CellCosts(Lack):
    """The same of a row's cells, each given the others."""

    def __init__(self, cells):
        self.cells = cells

    def distance(self, seen):
        return self.cells.excess(seen.cells).sum(1)


class Shortfall(Lack):
    """The same of a row given its code, by one autoencoder."""

    def __init__(self, member):
        self.member = member

    def distance(self, seen):
        highest = self.member.net_.module_.likelihood.highest(seen.standardized)
        return highest.numpy() - self.member.score_samples(seen.rows) + seen.moved / 2


class Neighbors(Measure):
    """The mean distance to the k nearest of some rows (n, d), a row itself left out.

    Which of them a row is, if any, is told by how near the nearest is compared with the k
    behind it: the one is left out at a distance of zero, counts in full from a tenth of
    their mean on, and in part between. So a training row is scored as a new one is, and
    what changes it by a rounding error changes its distance by no more than some ten.
    """

    def __init__(self, rows, n_neighbors, search="exact"):
        self.rows, self.k = rows, min(n_neighbors, len(rows) - 1)
        self.search = Search(rows, self.k + 1, search)

    def distance(self, seen):
        return self.of(seen.points, seen.moved)

    def of(self, x, beside=0.0):
        """Return the distances of x (m, d), with squares (m,) that are there beside."""
        x = x.clip(-FARTHEST, FARTHEST)
        nearest = self.search(x)
        # the search's own distances are rounded, and zero is not always zero
        x = x.astype(np.float64)[:, None]
        beside = np.reshape(beside, (-1, 1))
        distances = np.sqrt(np.square(self.rows[nearest] - x).sum(2) + beside)
        distances.sort(1)
        first, others = distances[:, 0], distances[:, 1:].mean(1)
        whole = np.maximum(ITSELF * others, np.finfo(float).tiny)
        counts = np.minimum(first / whole, 1)
        return others - counts * (distances[:, -1] - first) / self.k


class CodeDistance(Measure):
    """The mean distance to the nearest codes, those of all autoencoders side by side.

    Each autoencoder's codes are scaled to a variance of 1 in all; so the square of a
    deviation in one of the varying columns is, for each, a part of that.
    """

    def __init__(self, members, reference, n_neighbors, n_active, search="exact"):
        self.members = members
        codes = self._codes(reference)
        variances = [c.var(0).sum() for c in codes]
        self.scales = [1 / v**0.5 if v > 0 else 0.0 for v in variances]
        self.neighbors = Neighbors(self._side_by_side(codes), n_neighbors, search)
        self.gain = np.count_nonzero(self.scales) / max(1, n_active)

    def _codes(self, rows):
        # rows that are scored have been checked when they were standardised
        codes = (encode(m.net_, rows, check=False) for m in self.members)
        return [code.astype(np.float64) for code in codes]

    def _side_by_side(self, codes):
        return np.hstack([c * s for c, s in zip(codes, self.scales, strict=True)])

    def distance(self, seen):
        codes = self._side_by_side(self._codes(seen.rows))
        return self.neighbors.of(codes, self.gain * seen.moved)
