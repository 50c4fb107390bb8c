"""What few numbers say of other rows: a pool of kernel ridge regressions.

n is the number of rows, m of those of a known number, D their columns.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import softmax

KINDS = "linear", "rbf"
LENGTHS = 0.5, 1.0, 2.0, 4.0  # of RBF kernels, in root median squares of distances
RIDGES = 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0  # noise, in units of the kernel
MOST_LABELS = 2000  # that are inverted
CLIP = 5.0  # of a table's cells, in standard deviations
LEAST = 1e-6  # mean square that can be told from none
NEGLIGIBLE = 1e-4  # weight of a member that is left out
BLOCK_ROWS = 1024


class Member(NamedTuple):
    """One kernel ridge regression."""

    length: float  # of an RBF kernel; 0 of a linear one
    dual: np.ndarray  # (m,)


class KernelPool:
    """Kernel ridge regressions, weighed by how likely each makes the numbers left out.

    Each number is left out in turn, exactly and at no cost: its error is the ratio of its
    dual coefficient and the diagonal of the inverse (Rasmussen and Williams, 2006, 5.4.2).
    Weights are in proportion to the likelihood of normal errors: an average, as few
    numbers cannot say which is best.

    Parameters
    ----------
    kind : {"auto", "linear", "rbf"}, default="auto"
        Which kernels are in the pool; "auto" has both.
    seed : int, default=0
        Of the 2,000 rows that are learnt from, where more are known.

    Attributes
    ----------
    linear_share : float
        The weight of linear members.
    """

    def __init__(self, kind="auto", seed=0):
        self.kind, self.seed = kind, seed

    def fit(self, points, y, weight):
        """Learn from points (m, D) of known numbers y (m,) and weights (m,)."""
        points = _prepared(points)
        if len(y) > MOST_LABELS:
            some = np.random.RandomState(self.seed).permutation(len(y))[:MOST_LABELS]
            points, y, weight = points[some], y[some], weight[some]
        self.points, weight = points, weight / weight.mean()
        self.center = np.average(y, weights=weight)
        spread = np.sqrt(np.average(np.square(y - self.center), weights=weight))
        self.spread = spread if spread > 0 else 1.0
        target = (y - self.center) / self.spread
        square = pdist(points, "sqeuclidean")
        square = square[square > 0]
        self.square = np.median(square) if square.size else 1.0
        kinds = KINDS if self.kind == "auto" else (self.kind,)
        lengths = [0.0] * ("linear" in kinds) + [*LENGTHS] * ("rbf" in kinds)
        members, loss = [], []
        for length, ridge in product(lengths, RIDGES):
            inverse = np.linalg.inv(self._kernel(points, length) + np.diag(ridge / weight))
            dual = inverse @ target
            left_out = np.average(np.square(dual / inverse.diagonal()), weights=weight)
            members.append(Member(length, dual))
            loss.append(0.5 * len(y) * np.log(max(left_out, LEAST)))
        share = softmax(-np.array(loss))
        self.linear_share = float(sum(share[[m.length == 0 for m in members]]))
        pairs = zip(members, share, strict=True)
        self.pool = [(member, s) for member, s in pairs if s > NEGLIGIBLE]
        return self

    def predict(self, points):
        """Return the numbers of rows; (n, D) to (n,)."""
        found, total = np.empty(len(points)), sum(share for _, share in self.pool)
        for start in range(0, len(points), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            rows = _prepared(points[part])
            kernels = {m.length: self._kernel(rows, m.length) for m, _ in self.pool}
            found[part] = sum(s * (kernels[m.length] @ m.dual) for m, s in self.pool)
        return self.center + self.spread * found / total

    def _kernel(self, rows, length):
        """Return how alike rows and those learnt from are, all a little; (n, m)."""
        if length == 0:
            return rows @ self.points.T / self.points.shape[1] + 1
        square = cdist(rows, self.points, "sqeuclidean")
        return np.exp(-square / (2 * length**2 * self.square)) + 1


def _prepared(points):
    """Return rows without wild or missing cells."""
    return np.nan_to_num(np.asarray(points, dtype=np.float64)).clip(-CLIP, CLIP)
