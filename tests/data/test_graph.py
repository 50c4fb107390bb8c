"""Neighbours both ways: what they weigh, what they pass on, and pictures that bend."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import kneighbors_graph

from skae._data import graph as module
from skae._data.graph import Graph, deformed, even_shares, nearest_points, slopes


def test_weights_by_hand():
    """Two neighbours each: the nearer of distance d at d_k weighs exp(-4 d^2 / d_k^2)."""
    found = Graph(np.array([[0.0], [1], [3], [7]]), n_neighbors=2).edges.toarray()
    far, near = np.exp(-4), np.exp(-4 * np.array([1 / 9, 1 / 4, 4 / 9, 16 / 36]))
    W = np.array(
        [
            [0, near[0], far, 0],  # 1 and 3 away
            [near[1], 0, far, 0],  # 1 and 2
            [far, near[2], 0, 0],  # 3 and 2
            [0, far, near[3], 0],  # 6 and 4
        ]
    )
    np.testing.assert_allclose(found, (W + W.T) / 2)


def test_what_is_spread_by_hand():
    """Of a pair, whose one row has the label: F = a S F + (1 - a) Y, some steps."""
    graph = Graph(np.array([[0.0], [1]]))
    found = graph.spread([[1.0, 0], [0, 0]], 0.5)
    # f = f' / 2 + 1 / 2 and f' = f / 2, by the root of the degree, which is exp(-4)
    np.testing.assert_allclose(found[:, 0], np.array([2, 1]) / 3 / np.sqrt(np.exp(-4)))
    np.testing.assert_array_equal(found[:, 1], 0)


@pytest.mark.parametrize("block", [2**26, 16 * 60 * 2])  # of two rows at a time
def test_influence_is_what_each_label_alone_gives(monkeypatch, block):
    monkeypatch.setattr("skae._data.graph.BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    graph, rows = Graph(rng.normal(size=(60, 3))), np.array([3, 17, 40])
    given, weight = np.zeros((60, 2)), rng.uniform(size=60)
    given[rows, [0, 1, 1]] = 1, 0.5, 2
    labels = np.array([[1, 0], [0, 0.5], [0, 2]])
    for alpha, (among, mass) in graph.influence(rows, (0.5, 0.9), weight).items():
        found = graph.spread(given, alpha)
        np.testing.assert_allclose(among @ labels, found[rows])
        np.testing.assert_allclose(mass @ labels, weight @ found)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_of_rows_as_near_the_first_come_first(scale):
    """Whatever rounding says: a square's corners are as far from its middle."""
    corners = scale * np.array([[1.1, 0.3], [-0.3, 1.1], [-1.1, -0.3], [0.3, -1.1]])
    points = np.concatenate([np.zeros((1, 2)), corners, corners])
    index, distance = nearest_points(points[:1], points, 5, own=True)
    assert index.tolist() == [[1, 2, 3, 4, 5]]
    np.testing.assert_allclose(distance, scale * np.sqrt(1.3))
    index, distance = nearest_points(points[1:2], points, 2)
    assert index.tolist() == [[1, 5]]
    assert distance.tolist() == [[0, 0]]


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    points, pictures = rng.normal(size=(200, 4)), rng.normal(size=(50, 48))
    whole = [Graph(points), Graph(pictures, "deformation", (3, 4, 4))]
    monkeypatch.setattr(module, "BLOCK_BYTES", 2000)
    parts = [Graph(points), Graph(pictures, "deformation", (3, 4, 4))]
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    parts.append(Graph(pictures, "deformation", (3, 4, 4)))
    for a, b in zip([*whole, whole[1]], parts, strict=True):
        np.testing.assert_allclose(a.edges.toarray(), b.edges.toarray(), rtol=1e-5)


@pytest.mark.parametrize("space", ["columns", "pixels", "deformation"])
def test_rows_that_are_all_alike_are_neighbours_of_weight_1(space):
    graph = Graph(np.ones((9, 16)), space, (4, 4))
    assert set(np.unique(graph.edges.toarray())) <= {0, 0.5, 1}
    assert np.isfinite(graph.spread(np.eye(9)[:, :2], 0.99)).all()
    index, weight = graph.voters(np.ones((1, 16)))
    assert index.tolist() == [[*range(graph.n_neighbors)]]
    np.testing.assert_allclose(weight, 1 / graph.n_neighbors)


@pytest.mark.parametrize("space", ["columns", "pixels", "deformation"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_rows(space, n):
    rows = np.random.default_rng(0).normal(size=(n, 16))
    graph = Graph(rows, space, (4, 4))
    assert (graph.edges.toarray() > 0).tolist() == (1 - np.eye(n)).astype(bool).tolist()
    index, weight = graph.voters(rows[-1:])
    assert index[0, 0] == n - 1
    np.testing.assert_allclose(weight.sum(1), 1)
    found = even_shares(graph.spread(np.eye(n), 0.5))
    assert (found.argmax(1) == np.arange(n)).all()


def test_where_nothing_arrives_shares_are_even():
    points = np.repeat([[0.0], [100]], 20, axis=0) + np.arange(40)[:, None] % 20
    given = np.zeros((40, 3))
    given[[0, 1], [0, 1]] = 1
    found = even_shares(Graph(points).spread(given, 0.9))
    np.testing.assert_allclose(found[20:], 1 / 3)
    assert (found[:20, 2] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


def test_many_columns_are_taken_as_components():
    """Neighbours along two of them, where 300 columns of noise say nothing."""
    rng = np.random.default_rng(0)
    rows = np.zeros((90, 302))
    rows[:, :2] = 40 * np.eye(3, 2)[np.repeat([0, 1, 2], 30)]
    rows += 0.5 * rng.normal(size=rows.shape)
    edges = Graph(rows).edges.toarray().reshape(3, 30, 3, 30).sum((1, 3))
    assert np.count_nonzero(edges) == 3
    assert Graph(rows).space.points.shape == (90, 20)


def test_many_pictures_are_compared_by_components(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 144))
    exact = Graph(rows, "pixels", (12, 12)).edges.toarray()
    monkeypatch.setattr(module, "MANY_ROWS", 50)
    graph = Graph(rows, "pixels", (12, 12))
    assert graph.space.points.shape == (80, 50)
    np.testing.assert_allclose(graph.edges.toarray(), exact, atol=1e-4)  # of 6 dimensions
    assert (graph.voters(rows)[0][:, 0] == np.arange(80)).all()


@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 1, 7), (1, 6, 1)])
def test_deformation_is_the_least_difference_of_windows(shape):
    """Written out: over pixels, the least over moves of a 3 x 3 window's mean square."""
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.normal(size=(2, *shape)).astype("f4")) for _ in range(2))
    found = deformed(a, b, np.array([[0, 1], [1, 0]]))
    _, height, width = shape
    down, right = (range(-1, 2) if side > 1 else [0] for side in (height, width))

    def at(x, i, j):
        inside = 0 <= i < height and 0 <= j < width
        return x[:, i, j].double().numpy() if inside else np.zeros(len(x))

    def distance(x, y):
        total = 0.0
        for i in range(height):
            for j in range(width):
                costs = []
                for u in down:
                    for v in right:
                        window = [
                            np.square(at(x, k, m) - at(y, k + u, m + v)).sum()
                            for k in range(max(0, i - 1), min(height, i + 2))
                            for m in range(max(0, j - 1), min(width, j + 2))
                        ]
                        costs.append(sum(window) / 9)
                total += min(costs)
        return np.sqrt(total)

    expected = [
        [distance(a[0], b[j]) for j in (0, 1)],
        [distance(a[1], b[j]) for j in (1, 0)],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_slopes_are_those_of_a_plane_also_at_its_edges():
    rows, columns = np.mgrid[:6, :7].astype("f4")
    plane = torch.from_numpy(3 * columns - 2 * rows + 50)[None, None]
    found = slopes(plane)[0]
    torch.testing.assert_close(found[0, :, 1:-1], torch.full((6, 5), 6.0))
    torch.testing.assert_close(found[1, 1:-1], torch.full((4, 7), -4.0))
    torch.testing.assert_close(slopes(plane + 9)[0], found)


def test_a_picture_that_has_moved_by_a_pixel_is_the_nearest():
    """Where by pixels alone a faint one would be."""
    rng = np.random.default_rng(0)
    pictures = np.zeros((41, 1, 14, 14))
    pictures[:, :, 4:10, 4:10] = rng.uniform(0.2, 1, size=(41, 1, 6, 6))
    moved = np.roll(pictures[:1], (1, 1), axis=(2, 3))
    rows, new = pictures.reshape(41, -1), moved.reshape(1, -1)
    for shape in ((14, 14), (1, 14, 14)):
        graph = Graph(rows, "deformation", shape)
        index, distance = graph.space.nearest(new, 2)
        assert index[0, 0] == 0
        assert distance[0, 0] < 1e-3 < distance[0, 1]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((28, 28), [14, 14]),
        ((8, 8), [8, 8]),
        ((64, 64), [13, 13]),
        ((30, 45), [15, 22]),
        ((1, 100), [1, 100]),
        ((1000, 1), [200, 1]),
    ],
)
def test_pictures_are_compared_at_some_fourteen_pixels(size, expected):
    assert module.compared_size(*size) == expected


def test_a_wrong_cut_settles_where_fewer_edges_are_cut():
    """Two groups, of which a quarter of the rows is first put into the other."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], [150, 50])
    graph = Graph(4 * group[:, None] + rng.normal(size=(200, 2)))
    first = np.where(rng.uniform(size=200) < 0.25, 1 - group, group)
    found = graph.settled(np.eye(2)[first])
    assert np.mean(found.argmax(1) == group) > 0.98
    np.testing.assert_allclose(found.sum(1), 1)
    assert graph.cost(found.argmax(1), 2) < 0.2 * graph.cost(first, 2)


def test_what_hangs_together_stays_where_more_edges_would_be_cut():
    """Settling first moves rows between groups of two sizes, and then the cut is worse."""
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], [4, 4, 92])
    points = np.array([[0, 0], [30, 0], [60, 0]])[group] + rng.normal(size=(100, 2))
    graph = Graph(points, n_neighbors=3)
    found = graph.settled(np.eye(3)[group])
    assert (found.argmax(1) == group).all()


def test_islands_that_nothing_has_reached_do_not_settle():
    points = np.repeat([[0.0], [100]], 20, axis=0) + np.arange(40)[:, None] % 20
    given = np.zeros((40, 3))
    given[[0, 1, 19], [0, 0, 1]] = 1
    graph = Graph(points)
    found = graph.settled(graph.spread(given, 0.9))
    np.testing.assert_allclose(found[20:], 1 / 3)
    assert found[:20].argmax(1).tolist() == sorted(found[:20].argmax(1))
    assert (found[:20, 2] == 0).all()


def test_neighbours_may_weigh_as_much():
    """As scikit-learn has them, both ways."""
    points = np.random.default_rng(0).normal(size=(50, 3))
    W = kneighbors_graph(points, 4).toarray()
    graph = Graph(points, n_neighbors=4, nearness=0.0)
    np.testing.assert_array_equal(graph.edges.toarray(), 0.5 * (W + W.T))


def test_rounds_of_settling_by_hand(monkeypatch):
    """The first shares stay where every round cuts more; else the last, of two here."""
    graph, found = (
        Graph(np.array([[0.0], [1], [2.5]])),
        np.array([[8.0, 2], [1, 1], [0, 3]]),
    )
    monkeypatch.setattr(module, "ROUNDS", 1)
    costs = [1.0, 2.0, 1.0, 0.5]
    monkeypatch.setattr(Graph, "cost", lambda self, labels, k: costs.pop(0))
    np.testing.assert_allclose(graph.settled(found), [[0.8, 0.2], [0.5, 0.5], [0, 1]])
    sharp = np.array([[0.64 / 0.68, 0.04 / 0.68], [0.5, 0.5], [0, 1]])
    passed = graph.spread(sharp / np.sqrt(sharp.sum(0)), 0.99, 20)
    np.testing.assert_allclose(graph.settled(found), even_shares(passed))
