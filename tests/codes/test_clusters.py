"""First clusters, and labels that spread."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from skae import AdversarialAutoencoder
from skae._codes import clusters
from skae._codes import labels as few_labels
from skae._codes.clusters import (
    cut,
    cut_of_pictures,
    first_clusters,
    joined,
    points_graph,
)
from skae._data.graph import Graph
from skae.networks import ConvolutionalNetwork

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
    graph = points_graph(points, 3)
    by_means = first_clusters(points, 3, "kmeans", 0)
    assert graph.cost(cut(graph, 3, 0), 3) <= graph.cost(by_means, 3) / 0.9


def test_pictures_are_clustered_by_what_they_show():
    """Better by far than as points, of few rows; every cluster has some."""
    data = load_digits()
    X, y = data.data[:900] / 16, data.target[:900]
    found = cut_of_pictures(Graph(X, "deformation", (8, 8)), 10, 0)
    assert set(found) == set(range(10))
    assert adjusted_rand_score(y, found) > 0.75
    assert adjusted_rand_score(y, first_clusters(X, 10, "kmeans", 0)) < 0.7


def test_clusters_are_joined_where_that_costs_least():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2, 3], 30)
    points = np.array([0, 3, 30, 60])[group][:, None] + rng.normal(size=(120, 1))
    graph = points_graph(points, 3)
    np.testing.assert_array_equal(joined(graph, group, 3), np.repeat([0, 0, 1, 2], 30))
    np.testing.assert_array_equal(joined(graph, group, 4), group)


# Few labels


def test_labels_spread_along_the_graph_and_no_further():
    rng = np.random.default_rng(0)
    points = np.repeat([[0.0, 0], [50, 0], [0, 50]], 40, axis=0)
    points += rng.normal(size=points.shape)
    labels = np.full(120, -1)
    labels[[3, 45]] = 1, 0
    graph = points_graph(points, 2)
    spread = graph.spread(labels[:, None] == np.arange(2), 0.9)
    assert (spread[:40].argmax(1) == 1).all()
    assert (spread[40:80].argmax(1) == 0).all()
    assert (spread[:80].max(1) > 0).all()
    assert (spread[80:] == 0).all()
    assert graph.reached([3, 45]).tolist() == [True] * 80 + [False] * 40
    # the linear system that it solves, written out
    edges = kneighbors_graph(points, 8).toarray()
    edges = 0.5 * (edges + edges.T)
    root = np.sqrt(edges.sum(0))
    system = np.eye(120) - 0.9 * edges / np.outer(root, root)
    exact = 0.1 * np.linalg.solve(system, labels[:, None] == np.arange(2))
    exact = exact / root[:, None]
    np.testing.assert_allclose(spread, exact, atol=3e-3 * exact.max())


def task_of(y, named, weight=None):
    """A task on rows of classes far apart, of which some are told; the classes' points."""
    told = np.full(len(y), -1)
    told[named] = y[named]
    index, rng = torch.arange(len(y)), np.random.default_rng(0)
    points = 50 * np.eye(3)[y] + rng.normal(size=(len(y), 3))
    task = SimpleNamespace(
        told=SimpleNamespace(labels=told, classes=np.unique(y[named])),
        sample=SimpleNamespace(train=index, index=index, weight=weight),
        principal=points,
        statistics=SimpleNamespace(sample_shape=(3,)),
        generator=torch.Generator().manual_seed(0),
        own=SimpleNamespace(device="cpu"),
    )
    return task, points


def spread(monkeypatch, y, named, weight=None, init="graph"):
    task, points = task_of(y, named, weight)
    monkeypatch.setattr(few_labels, "points_of", lambda _, index: points[index.numpy()])
    return few_labels.spread_labels(task, init, None, None)


def test_shares_and_how_often_classes_are_told_by_hand(monkeypatch):
    """1 % of the rows: told as often as the others, taken for no less than 5 % of 104 %."""
    y = np.repeat([0, 1], [990, 10])
    named = [0, 1, 990, 991]
    shares = np.array([0.99, 0.05]) / 1.04
    for init in ("graph", "random"):
        found = spread(monkeypatch, y, named, init=init)
        np.testing.assert_allclose(found.shares, shares, atol=1e-3)
        mass = np.bincount(found.rows.cluster, found.rows.weight)
        np.testing.assert_allclose(mass / mass.sum(), 0.5, atol=1e-6)
        # what is added of a row's log-odds: drawn rows are of either as often
        np.testing.assert_allclose(found.rows.more.exp(), 2 * shares, atol=2e-3)
        assert found.lonely == 0
    assert (
        spread(monkeypatch, y, named).rows.cluster.bincount() == torch.tensor([990, 10])
    ).all()


def test_rows_that_no_label_reaches_count_by_their_weight(monkeypatch):
    y = np.repeat([0, 1, 2], [100, 50, 50])
    weight = np.where(y == 2, 4.0, 1.0)
    found = spread(monkeypatch, y, [0, 1, 100, 101], weight)
    np.testing.assert_allclose(found.lonely, 200 / (146 + 200))
    np.testing.assert_allclose(found.shares, [2 / 3, 1 / 3], atol=5e-3)
    assert set(found.rows.index.tolist()) == set(range(150))


def test_rows_in_doubt_are_taken_for_the_frequent_class(monkeypatch):
    """Of 2 in 100 that are 3:2 for the rare one, whose share is then some 1 %."""
    y = np.repeat([0, 1], [102, 2])
    likely = np.repeat([[0.999, 0.001], [0.4, 0.6]], [98, 2], axis=0)
    found = np.ones(100, dtype=bool)
    monkeypatch.setattr(few_labels, "_likely", lambda *args: (likely, found))
    told = spread(monkeypatch, y, [0, 1, 102, 103]).rows
    assert np.bincount(told.cluster).tolist() == [102, 2]
    assert told.cluster[-2:].tolist() == [0, 0]  # where all alike would say 1


def test_another_tie_must_cut_much_less(monkeypatch):
    """Below 0.9 of the cost of the usual one; of several such, the least."""
    graph = points_graph(np.arange(12.0)[:, None], 2)
    monkeypatch.setattr(clusters, "cut_by", lambda graph, k, tie, seed: tie)
    for costs, chosen in (
        ((1.0, 0.91, 0.95), 0.3),
        ((1.0, 0.89, 0.91), 0.1),
        ((1.0, 0.89, 0.5), 0.03),
        ((1.0, 2.0, 3.0), 0.3),
    ):
        cost = dict(zip((0.3, 0.1, 0.03), costs, strict=True))
        monkeypatch.setattr(Graph, "cost", lambda self, cut, k, cost=cost: cost[cut])
        assert cut(graph, 2, 0) == chosen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("how", ["flat", "pictures", "convolutional"])
def test_labels_of_pictures_spread_by_what_they_show(monkeypatch, how):
    data, found, real = load_digits(), [], few_labels.spread_labels
    X, y = data.data[:600], data.target[:600]
    few = np.where(np.arange(600) < 30, y, -1)
    monkeypatch.setattr(
        few_labels, "spread_labels", lambda *args: found.append(real(*args)) or found[0]
    )
    params = {"network": ConvolutionalNetwork()} if how == "convolutional" else {}
    AdversarialAutoencoder(
        4, n_clusters="labels", max_iter=1, random_state=0, **params
    ).fit(X.reshape(-1, 8, 8) if how == "pictures" else X, few)
    told = found[0].rows
    right = (told.cluster.numpy() == y[told.index.numpy()]).mean()
    assert (right > 0.955) == (how != "flat"), right


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_clusters_of_pictures_are_guessed_by_what_they_show(monkeypatch):
    data, shapes, real = load_digits(), [], clusters.picture_graph
    monkeypatch.setattr(
        clusters,
        "picture_graph",
        lambda task, index, shape: shapes.append(shape) or real(task, index, shape),
    )
    for X in (data.images[:300], data.data[:300]):
        AdversarialAutoencoder(4, n_clusters=10, max_iter=1, random_state=0).fit(X)
    assert shapes == [(8, 8)]
    AdversarialAutoencoder(4, n_clusters=10, max_iter=1).fit(data.images[:20])  # too few
