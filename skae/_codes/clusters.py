"""Where the clusters of an adversarial autoencoder start: a first guess at each row's."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.base import clone
from sklearn.cluster import KMeans

from skae._codes.base import MAX_AUTO_COMPONENTS
from skae._data.graph import Graph, cost_of_cut
from skae._data.rows import Batch
from skae._params import check_instance

N_NEIGHBORS = 8  # of a row in the graph, beside those that it is one of
TIES = 0.3, 0.1, 0.03  # by which a graph may be cut, the usual one first
BETTER = 0.9  # of the usual cut's cost that another must stay below
MORE = 2  # times as many clusters of pictures are sought as are wanted
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
    seed, shape = task.recipe.seed, picture_shape(task)
    if isinstance(init, str) and init == "graph" and shape and len(index) > MORE * k + 2:
        graph = picture_graph(task, index, shape)
        return cut_of_pictures(graph, k, seed).astype(np.int64)
    return first_clusters(points_of(task, index), k, init, seed).astype(np.int64)


def picture_shape(task):
    """Return the shape of rows that are pictures, or None."""
    shape = task.statistics.sample_shape
    return shape if len(shape) > 1 else None


def picture_graph(task, index, shape):
    """Return the graph of rows as pictures, of which one may be a little deformed."""
    rows = task.own.take(index.to(task.own.device)).nan_to_num(nan=0.0)
    return Graph(rows.cpu().numpy(), "deformation", shape)


def points_graph(points, n_clusters):
    """Return the graph of points (n, m), whose neighbours all weigh as much."""
    of_one = len(points) // n_clusters - 1  # neighbours in a cluster of mean size
    n_neighbors = min(N_NEIGHBORS, max(1, of_one))
    return Graph(points, n_neighbors=n_neighbors, nearness=0.0)


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
            return cut(points_graph(points, n_clusters), n_clusters, seed)
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


def cut(graph, n_clusters, seed):
    """Return the clusters of the usual tie, or of one that cuts much less; (n,).

    Too weak a tie parts a few rows from all others, too strong a one cuts across what
    hangs together, as two moons.
    """
    cuts = [cut_by(graph, n_clusters, tie, seed) for tie in TIES]
    costs = [graph.cost(found, n_clusters) for found in cuts]
    best = int(np.argmin(costs))
    return cuts[best] if costs[best] < BETTER * costs[0] else cuts[0]


def cut_of_pictures(graph, n_clusters, seed):
    """Return clusters of pictures: more than are wanted, joined, and settled; (n,).

    A graph whose distances forgive deformations hangs together in many small parts.
    """
    more = min(MORE * n_clusters, graph.n - 2)
    found = cut_by(graph, more, TIES[-1], seed)
    found = joined(graph, np.unique(found, return_inverse=True)[1], n_clusters)
    return graph.settled(np.eye(n_clusters)[found]).argmax(1)


def cut_by(graph, n_clusters, tie, seed):
    """Return clusters by the leading eigenvectors of a graph; (n,).

    Every pair is tied a little: without ties a few rows that hang together would be a
    cluster of their own (Zhang and Rohe, 2018: regularized spectral clustering).
    """
    start = np.random.RandomState(seed).uniform(-1, 1, graph.n)
    times = LinearOperator((graph.n, graph.n), matvec=tied(graph, tie), dtype=np.float64)
    points = eigsh(times, n_clusters, which="LA", v0=start)[1]
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1)
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)


def tied(graph, tie):
    """Return what multiplies vectors (n,) by the normalised adjacency matrix.

    A row is tied to all others together by `tie` mean degrees.
    """
    tie = tie * graph.degree.mean()
    root = 1 / np.sqrt(graph.degree + tie)

    def times(v):
        v = root * v.ravel()
        return root * (graph.edges @ v + tie * v.mean())

    return times


def joined(graph, labels, n_clusters):
    """Return clusters of which two are joined, in turn, where that costs least; (n,)."""
    one_hot = np.eye(labels.max() + 1)[labels]
    between = one_hot.T @ (graph.edges @ one_hot)
    while len(between) > n_clusters:
        pairs = [(i, j) for j in range(len(between)) for i in range(j)]
        costs = [cost_of_cut(_joined(between, *pair)) for pair in pairs]
        i, j = pairs[int(np.argmin(costs))]
        between = _joined(between, i, j)
        labels = np.where(labels == j, i, labels)
        labels = labels - (labels > j)
    return labels


def _joined(between, i, j):
    """Return the edges between clusters, of which j becomes part of i; (K - 1, K - 1)."""
    between = between.copy()
    between[i] += between[j]
    between[:, i] += between[:, j]
    rest = np.arange(len(between)) != j
    return between[rest][:, rest]
