"""Rows to train on, in the units of the data, and how they are dealt out."""

import math
from typing import NamedTuple

import numpy as np
import torch

from skae._data.statistics import ColumnStatistics, column_statistics


class Told(NamedTuple):
    """What y says of n rows."""

    classes: np.ndarray | None = None  # (c,) the different ones, sorted
    known: tuple = ()  # tensors (n, ...) that the module is given with each row
    labels: np.ndarray | None = None  # (n,) places among the classes, -1 for none


class Sample(NamedTuple):
    """n rows, their weights, what is known of them, and which of them judge."""

    X: object  # (n, d) what the encoder sees
    target: object | None  # (n, d) what rows should become, where it is not X
    weight: np.ndarray | None  # (n,) None where all that count weigh the same
    told: Told
    statistics: ColumnStatistics  # of the columns of what rows should become
    index: torch.Tensor  # of the rows that count
    train: torch.Tensor  # of those that are learnt from
    valid: torch.Tensor | None  # of those that judge
    generator: torch.Generator  # of all that is drawn in training

    @classmethod
    def of(
        cls,
        X,
        *,
        target=None,
        weight=None,
        told=None,
        shape=None,
        check=None,
        statistics=None,
        held_out=None,
        seed=0,
    ):
        """Return the sample of rows X.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, d)
        target : ndarray or CSR matrix of shape (n, d), default=None
        weight : ndarray of shape (n,), default=None
        told : Told, default=None
        shape : tuple of int
            Of one row, for the statistics.
        check : callable
            Raises a ``ValueError`` for rows outside of a likelihood's support.
        statistics : ColumnStatistics, default=None
            Where they are known already; `shape` and `check` then play no part.
        held_out : float, default=None
            Share of the rows that judge; None for none.
        seed : int
            Of the generator.
        """
        told = Told() if told is None else told
        if weight is not None and np.ptp(weight) == 0:
            weight = None
        if statistics is None:
            rows = X if target is None else target
            statistics = column_statistics(rows, weight, shape, check)
            if weight is not None:  # weights are relative to their mean
                unit = weight[weight > 0].mean()
                statistics = statistics._replace(total=statistics.total / unit)
        index = torch.arange(X.shape[0])
        if weight is not None:
            index = index[torch.from_numpy(weight > 0)]
            if np.ptp(weight[weight > 0]) == 0:
                weight = None  # rows are in or out
        generator = torch.Generator().manual_seed(seed)
        sample = cls(X, target, weight, told, statistics, index, index, None, generator)
        return sample if held_out is None else sample.split(held_out)

    def split(self, held_out):
        """Return the sample with a share of its rows held out to judge, drawn anew."""
        index, n = self.index, len(self.index)
        if n < 2:
            return self
        out = torch.zeros(n, dtype=torch.bool)
        n_valid = min(math.ceil(held_out * n), n - 1)
        order = torch.randperm(n, generator=self.generator)
        out[_unlabelled_first(order, index, self.told)[:n_valid]] = True
        return self._replace(train=index[~out], valid=index[out])


def _unlabelled_first(order, index, told):
    """Return an order of the index with rows of a label last: few are to be learnt from."""
    if told.labels is None:
        return order
    known = torch.from_numpy(told.labels)[index[order]] >= 0
    return order[known.int().argsort(stable=True)]
