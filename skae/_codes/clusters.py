"""Where the clusters of an adversarial autoencoder start: a first guess at each row's."""

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg, eigsh
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

from skae._params import check_instance

N_NEIGHBORS = 8  # of a row in the graph, beside those that it is one of
REGULARIZED = 0.3  # tie by which a graph is cut
SPREAD = 0.99  # of a label that neighbours pass on (Zhou et al., 2004)


def first_clusters(points, n_clusters, how, seed):
    """Return the clusters of points (n, m), 0 to n_clusters - 1; (n,)."""
    if how == "kmeans":
        return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)
    if how == "graph":
        if len(points) > n_clusters + 1:  # there are as many eigenvectors
            return Graph(points, n_clusters, REGULARIZED).cut(seed)
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
    """Nearest neighbours of points (n, m), both ways, and every pair tied a little.

    Parameters
    ----------
    points : ndarray of shape (n, m)
    n_clusters : int
    tie : float
        Weight of a row's ties to all others together, in mean degrees.
    """

    def __init__(self, points, n_clusters, tie=0.0):
        self.n = len(points)
        self.n_clusters = n_clusters
        of_one = self.n // n_clusters - 1  # neighbours in a cluster of mean size
        graph = kneighbors_graph(points, min(N_NEIGHBORS, max(1, of_one)))
        self.edges = 0.5 * (graph + graph.T)
        degree = np.asarray(self.edges.sum(1)).ravel()
        self.tie = tie * degree.mean()
        self.root = 1 / np.sqrt(degree + self.tie)

    def product(self, v):
        """Return the normalised adjacency matrix times v (n,)."""
        v = self.root * v.ravel()
        return self.root * (self.edges @ v + self.tie * v.mean())

    def operator(self, function):
        """Return a function of vectors (n,) as a matrix for scipy's solvers."""
        return LinearOperator((self.n, self.n), matvec=function, dtype=np.float64)

    def cut(self, seed):
        """Return clusters by the leading eigenvectors; (n,).

        Without ties a few rows that hang together would be a cluster of their own (Zhang
        and Rohe, 2018: regularized spectral clustering).
        """
        start = np.random.RandomState(seed).uniform(-1, 1, self.n)
        product = self.operator(self.product)
        points = eigsh(product, self.n_clusters, which="LA", v0=start)[1]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1)
        return KMeans(self.n_clusters, n_init=10, random_state=seed).fit_predict(points)

    def spread(self, labels):
        """Return how much rows are of each class, labels (n,) being -1 where unknown.

        It solves (I - a S) F = Y; (n, n_clusters).
        """
        one_hot = (labels[:, None] == np.arange(self.n_clusters)).astype(np.float64)
        one_hot /= np.maximum(one_hot.sum(0), 1)  # each class spreads as much
        system = self.operator(lambda v: v.ravel() - SPREAD * self.product(v))
        return np.stack([cg(system, y, rtol=1e-4)[0] for y in one_hot.T], 1)
