"""What few labels say of all rows."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skae._data.graph import Graph
from skae.semi_supervised import _teacher as module
from skae.semi_supervised._teacher import Linear, Seeds, Teacher


@pytest.fixture(autouse=True)
def few_trees(request, monkeypatch):
    """A quarter of the trees, where quality is not asked for."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(module, "N_TREES", 50)


def few(y, per_class, seed=0):
    """Labels of some rows of each class, -1 for others."""
    rng, labels = np.random.RandomState(seed), np.full(len(y), -1)
    for c in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == c))[:per_class]
        labels[rows] = c
    return labels


def blobs(n_classes=3, n=90, spread=1.0):
    X, y = make_blobs(n, 4, centers=n_classes, cluster_std=spread, random_state=1)
    return StandardScaler().fit_transform(X), y


def seeds_of(X, labels, weight=None):
    known = np.flatnonzero(labels >= 0)
    weight = np.ones(len(X)) if weight is None else weight
    return Seeds(Graph(X), known, labels[known], weight, labels.max() + 1)


@pytest.mark.parametrize("even", [True, False])
def test_a_label_that_is_left_out_is_as_if_it_had_not_been_given(even):
    X, y = blobs(spread=4.0)
    labels, weight = few(y, 5), np.random.RandomState(0).uniform(0.5, 2, size=len(y))
    if not even:
        labels[np.flatnonzero(labels == 2)[:3]] = -1
    seeds = seeds_of(X, labels, weight)
    found = seeds.left_out(0.9, None)
    for i, row in enumerate(seeds.known):
        less = labels.copy()
        less[row] = -1
        other = seeds_of(X, less, weight)
        other.is_even = seeds.is_even
        assert other.is_even == even
        np.testing.assert_allclose(found[i], other.shares(0.9)[row], rtol=1e-6)


def test_many_labels_are_left_out_by_folds(monkeypatch):
    X, y = blobs(spread=4.0)
    seeds = seeds_of(X, few(y, 6))
    expected = seeds.left_out(0.9, None)
    monkeypatch.setattr(module, "LEFT_OUT", 5)
    monkeypatch.setattr(module, "OF_MANY", 18)
    found = seeds.left_out(0.9, np.arange(18))  # folds of one are the same
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    monkeypatch.setattr(module, "OF_MANY", 5)
    assert np.bincount(seeds.folds(0)).tolist() == [4, 4, 4, 3, 3]
    teacher = Teacher().fit(X, few(y, 6), 3)
    assert np.isfinite(teacher.proba).all()


def test_folds_have_classes_as_all_have():
    y = np.repeat([0, 1], [100, 25])
    fold = seeds_of(np.arange(125.0)[:, None], y).folds(0)
    assert fold.max() == 9
    assert set(np.bincount(fold[y == 0])) == {10}
    assert set(np.bincount(fold[y == 1])) == {2, 3}


def test_an_island_without_a_label_is_left_to_the_linear_model():
    rng = np.random.default_rng(0)
    X = np.repeat([[-3.0, 0], [3, 0], [9, 0]], 20, axis=0) + 0.2 * rng.normal(size=(60, 2))
    labels = np.full(60, -1)
    labels[[0, 1, 20, 21]] = 0, 0, 1, 1
    proba = Teacher().fit(X, labels, 2).proba
    assert np.isfinite(proba).all()
    assert (proba.argmax(1) == np.repeat([0, 1, 1], 20)).all()
    labels[[20, 21]] = -1  # two islands without
    labels[1] = 1
    proba = Teacher("pixels", (1, 2)).fit(X, labels, 2).proba
    np.testing.assert_allclose(proba[20:], 0.5)


def test_classes_without_a_label_have_no_share():
    X, y = blobs()
    labels = few(y, 4)
    labels[labels == 1] = -1
    teacher = Teacher().fit(X, labels, 5)
    assert teacher.proba.shape == (90, 5)
    assert (teacher.proba[:, [1, 3, 4]] == 0).all()
    assert (teacher.proba.argmax(1)[y != 1] == y[y != 1]).all()


def test_one_class_is_all_there_is():
    X, _ = blobs()
    labels = np.where(np.arange(90) < 5, 1, -1)
    teacher = Teacher().fit(X, labels, 3)
    assert (teacher.proba == [0, 1, 0]).all()
    assert (teacher.predict_proba(X[:4] + 1) == [0, 1, 0]).all()


@pytest.mark.parametrize(("space", "shape"), [("columns", None), ("deformation", (2, 2))])
def test_one_label_a_class(space, shape):
    """Nothing can be judged: both have a say on tables, the graph alone on pictures."""
    X, y = blobs()
    teacher = Teacher(space, shape).fit(X, few(y, 1), 3)
    assert teacher.graph_share == pytest.approx(1)
    assert np.mean(teacher.proba.argmax(1) == y) > 0.95
    labels = few(y, 1)
    labels[np.flatnonzero(y == 0)[:3]] = 0  # judged by these alone
    teacher = Teacher(space, shape).fit(X, labels, 3)
    assert np.mean(teacher.proba.argmax(1) == y) > 0.95


@pytest.mark.parametrize(
    ("counts", "even"),
    [
        ([5, 5, 5], True),
        ([1, 1, 2], True),
        ([8, 10, 9], True),
        ([1, 3, 3], False),
        ([50, 3], False),
        ([70, 100], False),
    ],
)
def test_classes_are_as_frequent_where_labels_were_designed(counts, even):
    y = np.repeat(np.arange(len(counts)), counts)
    assert seeds_of(np.arange(len(y))[:, None], y).is_even == even


def test_a_rare_class_is_not_drowned():
    """Of 6 % of the rows, apart from the others; labels drawn at random."""
    rng = np.random.RandomState(0)
    y = np.repeat([0, 1], [470, 30])
    X = rng.normal(size=(500, 2)) + np.array([[0, 0], [3, 1]])[y]
    labels = np.full(500, -1)
    labels[rng.permutation(470)[:30]] = 0
    labels[[470, 471, 472]] = 1
    teacher = Teacher().fit(X, labels, 2)
    rare = teacher.proba.argmax(1) == 1
    assert rare[y == 1].mean() > 0.7
    assert rare[y == 0].mean() < 0.06


def test_rows_without_weight_are_as_if_they_were_not_there():
    X, y = blobs(spread=3.0)
    labels = few(y, 5)
    weight = np.ones(90)
    out = np.r_[np.flatnonzero(labels == 1)[:2], 50:60]
    weight[out] = 0
    whole = Teacher().fit(X, labels, 3, weight)
    rest = np.delete(np.arange(90), out)
    other = Teacher().fit(X[rest], labels[rest], 3)
    np.testing.assert_allclose(whole.proba[rest], other.proba)
    np.testing.assert_allclose(whole.proba[out], other.predict_proba(X[out]))
    assert whole.graph_share == pytest.approx(other.graph_share)


def test_a_label_of_little_weight_is_hardly_heard():
    """Wrong ones; and any unit of weight will do."""
    X, y = blobs()
    labels, weight = few(y, 4), np.ones(90)
    wrong = np.flatnonzero((labels < 0) & (y == 0))[:3]
    labels[wrong] = 1
    plain = Teacher().fit(X, labels, 3).proba
    weight[wrong] = 1e-3
    a, b = (Teacher().fit(X, labels, 3, unit * weight).proba for unit in (1, 7))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    assert a[y == 0, 1].mean() < 0.02 < 0.1 < plain[y == 0, 1].mean()


def test_wild_and_missing_cells_harm_no_other():
    X, y = blobs()
    labels = few(y, 5)
    X[7, 2], X[8, 1] = 1e30, np.nan
    teacher = Teacher().fit(X, labels, 3)
    right = teacher.proba.argmax(1) == y
    assert np.delete(right, [7, 8]).all()
    assert np.isfinite(teacher.predict_proba(X[:10])).all()


def test_a_linear_model_in_the_space_of_few_rows_is_the_same():
    rng = np.random.default_rng(0)
    X, label = rng.normal(size=(12, 40)), np.arange(12) % 3
    new = rng.normal(size=(5, 40))
    found = Linear(X, label, np.ones(12)).predict_proba(new, 1.0)
    direct = LogisticRegression(C=1.0, tol=1e-6).fit(X, label).predict_proba(new)
    np.testing.assert_allclose(found, direct, atol=0.01)


@pytest.mark.slow
def test_the_pool_is_hardly_worse_than_the_better_of_its_members():
    """Twenty labels: on digits the graph is right far more often, on wine neither."""
    gains = []
    for data in (load_digits(), load_wine()):
        X, y = StandardScaler().fit_transform(data.data), data.target
        for seed in range(2):
            labels = few(y, 2 if len(data.target_names) == 10 else 7, seed)
            known, hidden = labels >= 0, labels < 0
            teacher = Teacher().fit(X, labels, len(np.unique(y)))
            linear = LogisticRegression().fit(X[known], y[known]).predict(X)
            right = (a == y for a in (teacher.proba.argmax(1), linear))
            pool, alone = (r[hidden].mean() for r in right)
            gains.append(pool - alone)
    assert np.mean(gains[:2]) > 0.15
    assert np.mean(gains[2:]) > -0.02


def test_new_rows_are_judged_as_those_of_the_graph():
    data = load_digits()
    X, y = (data.data / 16).astype("f4"), data.target
    teacher = Teacher("deformation", (8, 8)).fit(X[:1000], few(y[:1000], 10), 10)
    assert teacher.graph_share > 0.7
    assert np.mean(teacher.proba.argmax(1) == y[:1000]) > 0.95
    assert np.mean(teacher.predict_proba(X[1000:]).argmax(1) == y[1000:]) > 0.93
    old = teacher.predict_proba(X[:200])
    assert np.mean(old.argmax(1) == teacher.proba[:200].argmax(1)) > 0.97
    np.testing.assert_allclose(old.sum(1), 1)


def test_labels_of_one_class_alone_are_no_judges():
    X, _ = make_blobs(
        [60, 12], 4, centers=[[0] * 4, [2] * 4], shuffle=False, random_state=0
    )
    labels = np.full(72, -1)
    labels[:12], labels[60] = 0, 1  # one of the second class
    teacher = Teacher().fit(StandardScaler().fit_transform(X), labels, 2)
    found = teacher.proba.argmax(1)
    assert (found[60:] == 1).mean() > 0.8
    assert (found[:60] == 0).mean() > 0.8
