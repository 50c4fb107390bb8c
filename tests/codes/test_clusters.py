"""First clusters, and labels that spread."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from skae._codes.clusters import Graph, first_clusters

# Clusters


@given(st.integers(2, 6), st.integers(0, 20))
@settings(deadline=None, max_examples=15)
def test_spectral_clusters_are_not_a_few_rows(k, n_outliers):
    rng = np.random.default_rng(k)
    centers = 20 * np.eye(k)
    points = np.repeat(centers, 40, axis=0) + rng.normal(size=(40 * k, k))
    outliers = 300 + 100 * rng.normal(size=(n_outliers, k))
    found = first_clusters(np.concatenate([points, outliers]), k, "graph", 0)
    assert adjusted_rand_score(np.repeat(np.arange(k), 40), found[: 40 * k]) > 0.95
    groups = np.repeat(50 * np.eye(4), 4, axis=0) + 0.1 * rng.normal(size=(16, 4))
    found = first_clusters(groups, 4, "graph", 0)
    assert adjusted_rand_score(np.repeat(np.arange(4), 4), found) == 1
    for n in (k, k + 1, k + 2):
        assert len(first_clusters(points[:n], k, "graph", 0)) == n


def test_ties_are_those_of_the_better_cut():
    graph, kmeans = [], []
    for seed in range(6):
        for noise in (0.05, 0.1):
            points, moon = make_moons(400, noise=noise, random_state=seed)
            guess = first_clusters(points, 2, "graph", seed)
            graph.append(adjusted_rand_score(moon, guess))
            guess = first_clusters(points, 2, "kmeans", seed)
            kmeans.append(adjusted_rand_score(moon, guess))
    assert np.mean(graph) > 0.85
    assert np.min(graph) > np.mean(kmeans)


def test_the_usual_tie_stays_where_no_other_cuts_much_less():
    points, _ = make_blobs(300, 4, centers=3, cluster_std=2.0, random_state=0)
    graph = Graph(points, 3)
    cuts = [Graph.cut(graph, 0)]
    assert graph.cost(cuts[0]) <= graph.cost(first_clusters(points, 3, "kmeans", 0)) / 0.9


# Few labels


def test_labels_spread_along_the_graph_and_no_further():
    rng = np.random.default_rng(0)
    points = np.repeat([[0.0, 0], [50, 0], [0, 50]], 40, axis=0)
    points += rng.normal(size=points.shape)
    labels = np.full(120, -1)
    labels[[3, 45]] = 1, 0
    spread = Graph(points, 2).spread(labels, 0.99)
    assert (spread[:40].argmax(1) == 1).all()
    assert (spread[40:80].argmax(1) == 0).all()
    assert (spread[:80].max(1) > 0).all()
    assert (spread[80:] == 0).all()
    # the linear system that it solves, written out
    graph = kneighbors_graph(points, 8).toarray()
    graph = 0.5 * (graph + graph.T)
    root = np.sqrt(graph.sum(0))
    system = np.eye(120) - 0.99 * graph / np.outer(root, root)
    exact = np.linalg.solve(system, labels[:, None] == np.arange(2))
    np.testing.assert_allclose(spread, exact, atol=2e-3 * exact.max())
