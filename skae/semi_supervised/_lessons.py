"""What is taught of rows: labels as they are, or what a teacher makes of them.

n is the number of rows, D the columns of what a teacher takes, K the classes, m the
numbers that are told of each row.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from skae.semi_supervised._kernels import KernelPool
from skae.semi_supervised._training import Lesson

EMPHASIS = 0.25  # of the pictures taught, that labelled ones are added to them
HELD_OUT = 1 / 3  # of the labels, where they judge


class Taught(NamedTuple):
    """A lesson, and what a teacher has made it of."""

    lesson: Lesson
    found: np.ndarray | None = None  # (n, K or m) the teacher's word on all rows
    share: float = 0.0  # of the graph, or of the linear kernel, in it


def index_of(known, n, times):
    """Return all of n rows, and the known ones once more: `times` n rows of those."""
    more = np.repeat(known, round(times * n / len(known)))
    return np.concatenate([np.arange(n), more])


class ClassLessons:
    """Lessons on the classes of rows, by some or all of their labels.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Places of classes, -1 where unknown.
    points : ndarray of shape (n, D) or None
        The rows as the teacher takes them, if there is one.
    weight : ndarray of shape (n,)
        Of the rows, positive.
    class_weight : ndarray of shape (K,)
        Positive.
    teacher : Teacher or None
        Without one, only labelled rows are taught.
    is_picture : bool
        Whether rows are taught as what they are most likely; else by shares.
    """

    swaps = True  # cells between rows, while the lesson is learnt

    def __init__(self, labels, points, weight, class_weight, teacher, is_picture):
        self.labels, self.points, self.weight = labels, points, weight
        self.class_weight, self.n_outputs = class_weight, len(class_weight)
        self.teacher, self.is_picture, self.graph = teacher, is_picture, None

    def held_out(self, rng):
        """Return which rows judge: of each class some of its labelled ones; (n,) bool."""
        out = np.zeros(len(self.labels), dtype=bool)
        for place in range(self.n_outputs):
            own = rng.permutation(np.flatnonzero(self.labels == place))
            out[own[: int(HELD_OUT * len(own))]] = True
        return out

    def of(self, out=None, reconstructs=False):
        """Return what the labels teach, but for those of some rows.

        Rows of no label are there to be rebuilt, if that is trained too.
        """
        labels = self.labels if out is None else np.where(out, -1, self.labels)
        known, n, one_hot = np.flatnonzero(labels >= 0), len(labels), np.eye(self.n_outputs)
        shares, index, found, share = np.zeros((n, len(one_hot))), known, None, 0.0
        if self.teacher is not None:
            weight = np.where(labels < 0, 1.0, self.class_weight[labels]) * self.weight
            self.teacher.fit(self.points, labels, len(one_hot), weight, self.graph)
            self.graph, found = self.teacher.graph, self.teacher.proba
            share = self.teacher.graph_share
            shares = one_hot[found.argmax(1)] if self.is_picture else found.copy()
            index = index_of(known, n, EMPHASIS if self.is_picture else 0)
        elif reconstructs:
            index = index_of(known, n, 1)
        shares[known] = one_hot[labels[known]]
        is_told = shares.any(1)  # others are only rebuilt
        weight = self.weight * np.where(is_told, shares @ self.class_weight, 1.0)
        return Taught(Lesson(shares, weight, index), found, share)

    def cost(self, outputs, out):
        """Return the log loss of outputs (b, K) for the rows that judge; (b,)."""
        return -log_softmax(outputs, axis=1)[np.arange(len(outputs)), self.labels[out]]

    def missed(self, outputs, out):
        """Return which of the rows that judge are taken for others; (b,)."""
        return (outputs.argmax(1) != self.labels[out]).astype(float)

    def judging_weight(self, out):
        """Return how much each row that judges counts: as much as when taught; (b,)."""
        return self.weight[out] * self.class_weight[self.labels[out]]


class NumberLessons:
    """Lessons on numbers of rows, by some or all of those that are known.

    Parameters
    ----------
    y : ndarray of shape (n, m)
        In deviations, NaN where unknown.
    points : ndarray of shape (n, D)
        The rows as the teacher takes them.
    weight : ndarray of shape (n,)
        Of the rows, positive.
    kernel : {"auto", "linear", "rbf"} or None
        Of the teacher; without one, only rows of known numbers are taught.
    seed : int
    """

    def __init__(self, y, points, weight, kernel, seed):
        self.y, self.points, self.weight, self.kernel = y, points, weight, kernel
        self.seed, self.n_outputs = seed, y.shape[1]
        self.swaps = kernel is None  # noise in what a pool smoothes only blurs it

    def held_out(self, rng):
        """Return which rows judge: some of those of known numbers; (n,) bool."""
        out, known = np.zeros(len(self.y), dtype=bool), ~np.isnan(self.y)
        own = rng.permutation(np.flatnonzero(known.all(1)))
        out[own[: int(HELD_OUT * len(own))]] = True
        return out

    def of(self, out=None, reconstructs=False):
        """Return what the numbers teach, but for those of some rows.

        Rows of no number are there to be rebuilt, if that is trained too.
        """
        y, found, share = self.y.copy(), None, 0.0
        if out is not None:
            y[out] = np.nan
        known = np.flatnonzero(~np.isnan(y).all(1))
        index = known
        if self.kernel is not None:
            found, shares = np.empty(y.shape), []
            for j, column in enumerate(y.T):
                told = ~np.isnan(column)
                pool = KernelPool(self.kernel, self.seed)
                pool.fit(self.points[told], column[told], self.weight[told])
                found[:, j] = pool.predict(self.points)
                shares.append(pool.linear_share)
            y, share = found, float(np.mean(shares))
            index = np.arange(len(y))
        elif reconstructs:
            index = index_of(known, len(y), 1)
        return Taught(Lesson(y, self.weight, index, of_classes=False), found, share)

    def cost(self, outputs, out):
        """Return the squared error of outputs (b, m) for the rows that judge; (b,)."""
        return np.square(outputs - self.y[out]).mean(1)

    missed = cost

    def judging_weight(self, out):
        """Return how much each row that judges counts; (b,)."""
        return self.weight[out]
