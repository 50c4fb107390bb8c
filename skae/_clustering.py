"""Where the clusters of an adversarial autoencoder start: a first guess at each row's."""

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

N_NEIGHBORS = 8  # of a row in the graph
REGULARIZED = 0.3  # times the mean degree, that is added to each row's


def first_clusters(points, n_clusters, how, seed):
    """Return the clusters of points (n, m), 0 to n_clusters - 1; (n,)."""
    if how == "kmeans":
        return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)
    if how == "spectral":
        return _spectral(points, n_clusters, seed)
    found = np.asarray(how.fit_predict(points))
    names, found = np.unique(found, return_inverse=True)
    if found.shape != (len(points),) or len(names) != n_clusters:
        raise ValueError(
            f"cluster_init: {how!r} has put {found.shape} rows into {len(names)} clusters, "
            f"where {len(points)} rows should be in n_clusters={n_clusters}. Let it find "
            "as many."
        )
    return found


def _spectral(points, n_clusters, seed):
    """Cut the graph of nearest neighbours by its leading eigenvectors; (n,).

    Every pair of rows is tied a little, so that a few rows that hang together are no
    cluster of their own (Zhang and Rohe, 2018: regularized spectral clustering).
    """
    n = len(points)
    if n > n_clusters + 1:  # there are as many eigenvectors
        graph = kneighbors_graph(points, min(N_NEIGHBORS, n - 1))
        graph = 0.5 * (graph + graph.T)
        degree = np.asarray(graph.sum(1)).ravel()
        tie = REGULARIZED * degree.mean()
        root = 1 / np.sqrt(degree + tie)

        def product(v):
            v = root * v.ravel()
            return root * (graph @ v + tie * v.mean())

        operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
        start = np.random.RandomState(seed).uniform(-1, 1, n)
        points = eigsh(operator, n_clusters, v0=start)[1]
        length = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(length > 0, length, 1)
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points)
