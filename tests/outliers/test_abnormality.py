"""Neighbours of rows, and scores of training rows that are given again."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from skae import AutoencoderOutlierDetector
from skae.outliers._abnormality import Neighbors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WINE = load_wine().data


def test_training_rows_do_not_count_as_their_own_neighbours():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    distances = Neighbors(rows, 2).of(rows)
    among = np.sqrt(((rows[:, None] - rows) ** 2).sum(2))
    among.sort(1)
    np.testing.assert_allclose(distances, among[:, 1:3].mean(1), rtol=1e-12)
    # a duplicate does
    twice = Neighbors(np.r_[rows, rows], 1).of(rows)
    np.testing.assert_array_equal(twice, 0)
    # a new row has no neighbour to be ignored
    new = rows[:5] + 0.5
    among = np.sqrt(((new[:, None] - rows) ** 2).sum(2))
    among.sort(1)
    np.testing.assert_allclose(Neighbors(rows, 2).of(new), among[:, :2].mean(1), rtol=1e-12)


def test_distances_by_hand():
    rows = np.array([[0.0], [1], [3], [7]])
    x = np.array([[1.75], [1], [7], [9]])  # new, two that are among them, new
    np.testing.assert_allclose(Neighbors(rows, 1).of(x), [0.75, 1, 4, 2])
    np.testing.assert_allclose(Neighbors(rows, 2).of(np.array([[0.0], [3]])), [2, 2.5])
    # at .1 from the first, and .9 and 2.9 from the next, whose mean is 1.9: so the first
    # counts by .1 of .19
    w = 0.1 / 0.19
    expected = w * (0.1 + 0.9) / 2 + (1 - w) * (0.9 + 2.9) / 2
    np.testing.assert_allclose(Neighbors(rows, 2).of(np.array([[0.1]])), [expected])


def test_copies_by_hand():
    # two copies of 0, four others: the one is the nearest of the other
    two = np.array([[0.0], [0], [1], [2], [4], [8]])
    assert Neighbors(two, 5).of(np.zeros((1, 1))) == [(0 + 1 + 2 + 4 + 8) / 5]
    near = Neighbors(two, 5).of(np.array([[-1e-9]]))
    np.testing.assert_allclose(near, (0 + 1 + 2 + 4 + 8) / 5, rtol=1e-7)
    # six copies: the five nearest others are all at zero, and nearly so of a row nearby
    six = np.r_[np.zeros((6, 1)), [[1], [2]]]
    np.testing.assert_array_equal(Neighbors(six, 5).of(np.zeros((1, 1))), 0)
    np.testing.assert_allclose(Neighbors(six, 5).of(np.array([[1e-9]])), 1e-9, rtol=1e-6)
    # as many as all rows
    alike = Neighbors(np.zeros((3, 2)), 5)
    np.testing.assert_array_equal(alike.of(np.zeros((1, 2))), 0)
    np.testing.assert_allclose(alike.of(np.array([[0, 2.0]])), 2)


@pytest.mark.parametrize("n_neighbors", [1, 2, 5])
@pytest.mark.parametrize("n_copies", [1, 2, 6])
def test_a_distance_is_continuous(n_neighbors, n_copies):
    rows = np.random.default_rng(0).normal(size=(20, 2))
    neighbors = Neighbors(np.tile(rows, (n_copies, 1)), n_neighbors)
    step = 1e-4
    path = rows[0] + np.arange(-2000, 2000)[:, None] * step * np.array([0.6, 0.8])
    # a distance changes by no more than the step, the share of a copy by ten of them
    assert np.abs(np.diff(neighbors.of(path))).max() < 12 * step


# Training rows that are given again


@pytest.fixture(scope="module", params=[True, False], ids=["purified", "clean"])
def fitted(request):
    detector = AutoencoderOutlierDetector(
        purify=request.param, contamination=0.3, max_iter=60, random_state=0
    )
    return detector.fit(WINE)


def again(name, detector):
    """Return the scores of the training rows, in another way."""
    changed = {
        "float32": WINE.astype(np.float32),
        "1e-9": WINE * (1 + 1e-9),
        "1e-6": WINE * (1 + 1e-6),
        "a thousandth": WINE + 1e-3 * WINE.std(0),
    }
    if name == "pickled":
        detector = pickle.loads(pickle.dumps(detector))
    n_threads = torch.get_num_threads()
    try:
        if name.endswith("threads"):
            torch.set_num_threads(int(name.split()[0]))
        return detector.score_samples(changed.get(name, WINE))
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("as they are", 0),
        ("pickled", 0),
        ("1 threads", 1e-3),
        ("4 threads", 1e-3),
        ("float32", 1e-3),
        ("1e-9", 1e-3),
        ("1e-6", 1e-3),
        ("a thousandth", 0.05),
    ],
)
def test_training_rows_score_as_in_training(fitted, name, tolerance):
    scores = again(name, fitted)
    np.testing.assert_allclose(scores, fitted._training_scores_, rtol=0, atol=tolerance)
    if tolerance < 0.01:
        assert (scores < fitted.offset_).sum() == 54  # 30 % of 178


def test_one_autoencoders_best_row_scores_as_in_training():
    detector = AutoencoderOutlierDetector(
        n_estimators=1, purify=False, max_iter=60, random_state=0
    ).fit(WINE)
    for name in ("float32", "1e-9", "1e-6"):
        np.testing.assert_allclose(
            again(name, detector), detector._training_scores_, rtol=0, atol=1e-3
        )


def test_a_distance_is_a_number_however_far():
    neighbors = Neighbors(np.arange(6.0).reshape(3, 2).astype(np.float32), 1)
    far = np.array([[np.inf, -np.inf], [3e38, 0]], dtype=np.float32)
    np.testing.assert_allclose(neighbors.of(far), [2**0.5 * 1e15, 1e15])
