"""Where the clusters of an adversarial autoencoder start: a first guess at each row's."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, cg, eigsh
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

from skae._codes.base import MAX_AUTO_COMPONENTS
from skae._data.rows import Batch
from skae._params import check_instance

N_NEIGHBORS = 8  # of a row in the graph, beside those that it is one of
TIES = 0.3, 0.1, 0.03  # by which a graph may be cut, the usual one first
BETTER = 0.9  # of the usual cut's cost that another must stay below
CLUSTERED_ROWS = 10_000  # that a first guess at the clusters is made of, at most


class ToldRows(NamedTuple):
    """Rows of known clusters."""

    index: torch.Tensor  # (m,) of the rows
    cluster: torch.Tensor  # (m,)
    weight: torch.Tensor  # (m,) of mean 1
    more: torch.Tensor | None = None  # (K,) logits of all rows above those drawn of these

    def some(self, rows, n, generator):
        """Return at most n of them as a batch, and their clusters."""
        n = min(n, len(self.index))
        device = self.index.device
        if self.more is not None:  # as often as they weigh
            pick = torch.multinomial(self.weight, n, replacement=True, generator=generator)
            batch = Batch(rows.take(self.index[pick]), torch.ones_like(self.weight[pick]))
            return batch, self.cluster[pick]
        pick = torch.randint(len(self.index), (n,), generator=generator, device=device)
        batch = Batch(rows.take(self.index[pick]), self.weight[pick])
        return batch, self.cluster[pick]


def guessed_clusters(task, k, init):
    """Return the rows whose clusters the encoder is told by a first guess, or None."""
    if isinstance(init, str) and init == "random":
        return None
    rows = task.own
    index = some_of(task.sample.index, CLUSTERED_ROWS, task.generator)
    cluster = _guess(task, index, k, init)
    told = torch.isin(index, task.sample.train)  # not those that judge
    index, cluster = index[told], cluster[told.numpy()]
    if not len(index):
        return None
    index = index.to(rows.device)
    weight = torch.ones(len(index), device=rows.device)
    if rows.weight is not None:
        weight = rows.weight[index]
    cluster = torch.from_numpy(cluster).to(rows.device)
    return ToldRows(index, cluster, weight / weight.mean())


def _guess(task, index, k, init):
    """Return the clusters of rows before training, or before it goes on; (m,)."""
    if task.earlier is not None:
        ae = task.earlier.net.module_.eval()
        with torch.inference_mode():
            parts = task.own.take(index.to(task.own.device)).split(1024)
            logits = (ae.code.style_and_logits(ae, x)[1] for x in parts)
            return torch.cat([part.argmax(1) for part in logits]).cpu().numpy()
    if len(index) < k:
        raise ValueError(
            f"n_clusters={k} is more than the {len(index)} rows to be clustered. Use "
            "fewer clusters or more rows."
        )
    found = first_clusters(points_of(task, index), k, init, task.recipe.seed)
    return found.astype(np.int64)


def points_of(task, index):
    """Return rows as principal components, to seek neighbours in; (m, 32 at most)."""
    x, principal = task.own.take(index.to(task.own.device)), task.principal
    inputs = task.likelihood.embed(x).cpu().double().numpy()
    return (inputs - principal.center) @ principal.components[:MAX_AUTO_COMPONENTS].T


def some_of(index, n, generator):
    """Return an index, or n of its entries at random, in order."""
    if len(index) <= n:
        return index
    return index[torch.randperm(len(index), generator=generator)[:n].sort().values]


def first_clusters(points, n_clusters, how, seed):
    """Return the clusters of points (n, m), 0 to n_clusters - 1; (n,)."""
    if how == "kmeans":
        return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)
    if how == "graph":
        if len(points) > n_clusters + 1:  # there are as many eigenvectors
            return Graph(points, n_clusters).cut(seed)
        return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)
    check_instance("cluster_init", how)
    clusterer = clone(how, safe=False)
    if getattr(clusterer, "random_state", 0) is None:
        clusterer.set_params(random_state=seed)
    found = np.asarray(clusterer.fit_predict(points))
    names, place = np.unique(found, return_inverse=True)
    if found.shape != (len(points),) or len(names) != n_clusters or names[0] == -1:
        raise ValueError(
            f"cluster_init: {how!r} has put rows into clusters {names.tolist()}, where "
            f"each should be in one of n_clusters={n_clusters}. Let it find as many."
        )
    return place


class Graph:
    """Nearest neighbours of points (n, m), both ways.

    Parameters
    ----------
    points : ndarray of shape (n, m)
    n_clusters : int
    """

    def __init__(self, points, n_clusters):
        self.n = len(points)
        self.n_clusters = n_clusters
        of_one = self.n // n_clusters - 1  # neighbours in a cluster of mean size
        graph = kneighbors_graph(points, min(N_NEIGHBORS, max(1, of_one)))
        self.edges = 0.5 * (graph + graph.T)
        self.degree = np.asarray(self.edges.sum(1)).ravel()

    def product(self, tie=0.0):
        """Return what multiplies vectors (n,) by the normalised adjacency matrix.

        Every pair is tied a little: a row to all others together by `tie` mean degrees.
        """
        tie = tie * self.degree.mean()
        root = 1 / np.sqrt(self.degree + tie)

        def times(v):
            v = root * v.ravel()
            return root * (self.edges @ v + tie * v.mean())

        return times

    def operator(self, function):
        """Return a function of vectors (n,) as a matrix for scipy's solvers."""
        return LinearOperator((self.n, self.n), matvec=function, dtype=np.float64)

    def cut(self, seed):
        """Return the clusters of the usual tie, or of one that cuts much less; (n,).

        Too weak a tie parts a few rows from all others, too strong a one cuts across
        what hangs together, as two moons.
        """
        cuts = [self._cut(tie, seed) for tie in TIES]
        costs = [self.cost(found) for found in cuts]
        best = int(np.argmin(costs))
        return cuts[best] if costs[best] < BETTER * costs[0] else cuts[0]

    def _cut(self, tie, seed):
        """Return clusters by the leading eigenvectors; (n,).

        Without ties a few rows that hang together would be a cluster of their own (Zhang
        and Rohe, 2018: regularized spectral clustering).
        """
        start = np.random.RandomState(seed).uniform(-1, 1, self.n)
        product = self.operator(self.product(tie))
        points = eigsh(product, self.n_clusters, which="LA", v0=start)[1]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1)
        return KMeans(self.n_clusters, n_init=10, random_state=seed).fit_predict(points)

    def cost(self, labels):
        """Return the summed conductance of clusters, for what they tell of rows; ().

        That is the share of its edges that leave each cluster, summed, over the entropy
        of their sizes: to part a few rows costs little, and tells little.
        """
        one_hot = labels[:, None] == np.arange(self.n_clusters)
        size = np.maximum(self.degree @ one_hot, 1e-12)
        inside = np.einsum("ij,ij->j", one_hot, self.edges @ one_hot.astype(np.float64))
        share = size / size.sum()
        entropy = -(share * np.log(share)).sum()
        return (1 - inside / size).sum() / max(entropy, 1e-12)

    def spread(self, labels, passed_on):
        """Return how much rows are of each class, labels (n,) being -1 where unknown.

        It solves (I - a S) F = Y, where neighbours pass on a share a; (n, n_clusters).
        """
        one_hot = (labels[:, None] == np.arange(self.n_clusters)).astype(np.float64)
        one_hot /= np.maximum(one_hot.sum(0), 1)  # each class spreads as much
        product = self.product()
        system = self.operator(lambda v: v.ravel() - passed_on * product(v))
        return np.stack([cg(system, y, rtol=1e-4)[0] for y in one_hot.T], 1)
