"""Scores and decisions in numbers that are worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import skae._data.rows
import skae.outliers._abnormality
import skae.outliers._detector
from skae import Autoencoder
from skae.outliers._abnormality import CodeDistance, Measure, Seen, Shortfall
from skae.outliers._purify import most_normal, with_varying
from skae.outliers._reasons import contributions, normalized, ranked
from skae.outliers._thresholds import conformal_p_values, threshold
from tests.outliers.rows import CLEAN, X, quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# P-values


def test_p_values_count_ties_as_no_higher():
    calibration = np.array([1.0, 2, 2, 3])
    scores = np.array([0.5, 1, 1.5, 2, 2.5, 3, 4])
    # 0, 1, 1, 3, 3, 4 and 4 of the four are no higher; and the row itself
    expected = np.array([1, 2, 2, 4, 4, 5, 5]) / 5
    np.testing.assert_allclose(conformal_p_values(scores, calibration), expected)


@pytest.mark.parametrize("scores", [[1.0] * 5, [1.0, 1, 2, 2, 2], [1.0, 2, 2, 3, 3]])
@pytest.mark.parametrize("rounding", [0, -1e-6, 1e-6])
def test_p_values_of_heavy_ties_keep_their_promise(scores, rounding):
    scores = np.array(scores)
    # any of the five may be the new one, scored on another processor
    p = [
        conformal_p_values(s[None] + rounding, np.sort(np.delete(scores, i)))[0]
        for i, s in enumerate(scores)
    ]
    np.testing.assert_allclose(p, [(scores <= s).mean() for s in scores])
    for t in np.arange(1, 6) / 5:
        assert np.mean(np.array(p) <= t + 1e-12) <= t + 1e-12


def test_a_p_value_of_tied_rows_is_at_most_t_with_a_probability_of_at_most_t():
    detector = quick(max_iter=1).fit(X[:50])
    order = np.argsort(detector.score_samples(CLEAN[:5]))
    low, middle, high = CLEAN[:5][order[[0, 2, 4]]]
    rows, p = np.stack([low, middle, middle, middle, high]), []
    for i in range(5):  # any of the five may be the new one
        p.append(detector.calibrate(np.delete(rows, i, 0)).p_values(rows[[i]])[0])
    # middle: (low, itself twice and the new one) / 5
    np.testing.assert_allclose(p, [1 / 5, 4 / 5, 4 / 5, 4 / 5, 1])
    for t in np.arange(1, 6) / 5:
        assert np.mean(np.array(p) <= t + 1e-12) <= t + 1e-12


def test_thresholds_by_hand():
    scores = np.array([5.0, 1, 3, 2, 4, 6, 7, 9, 8])
    # of 9 + 1 rows two may be below: the second lowest, and none at it, but for rounding
    assert threshold(scores, "false_alarm_rate", 0.2) == 2 - 1e-4
    assert threshold(scores, "false_alarm_rate", 0.29) == 2 - 1e-4
    # 0.25 * 8 = 2 places up from 1: what is below 3, and halfway to it
    assert threshold(scores, "quantile", 0.25) == 2.5
    assert threshold(scores, "quantile", 0.2) == 2.5
    assert threshold(scores, "contamination", 0.1) == 1.5
    assert threshold(scores, "quantile", 0.3 / 8 / 0.1) == 3.5  # 3 places, rounded up
    # 3 are tied, and none is below
    assert threshold(np.array([2.0, 2, 3, 2]), "quantile", 0.5) == 2 - 3e-4
    assert threshold(np.array([2.0, 3, 3, 1]), "quantile", 0.6) == 2.5
    y = np.array([1, -1, 1, -1, -1, 1, 1, 1, 1])
    # up to 3, 6 of 6 inliers and 2 of 3 outliers are where they belong; beyond 4, 5 and all
    assert threshold(scores, "y", y) == 4.5
    assert threshold(scores, "y", y.astype(object)) == 4.5


@pytest.mark.parametrize("scores", [[1.0, 2, 3, 4], [2.0, 2, 2, 2], [1.0, 4, 1, 4]])
def test_labels_that_contradict_the_scores(scores):
    with pytest.raises(ValueError, match="y and the scores of X contradict"):
        threshold(np.array(scores), "y", np.array([1, 1, -1, -1]))


def test_a_threshold_by_labels_is_finite_where_one_is_better_than_chance():
    # 1 is an outlier, all others contradict: (1/4 of the outliers + all inliers) / 2
    scores, y = np.arange(1.0, 9), np.array([-1, 1, 1, 1, 1, -1, -1, -1])
    assert threshold(scores, "y", y) == 1.5


# The units of the measures


@pytest.mark.parametrize(
    ("distances", "unit"),
    [([1.0, 2, 4], 2), ([0.0, 0, 3], 1), ([0.0, 0, 0], 1), ([1.0, 2, 4, 8], 3)],
)
def test_the_unit_of_a_distance_is_its_median_or_mean_or_one(distances, unit):
    measure = Measure()
    measure.set_unit(np.array(distances))
    assert measure.unit == unit
    np.testing.assert_allclose(measure.in_units(np.array([0.0, 6])), [0, 6 / unit])


def test_a_shortfall_is_a_root_in_units_of_the_median_one():
    shortfall = Shortfall(None)
    shortfall.set_unit(np.array([21.0, 5, 9]))
    # the roots of 16, 0 and 4; a likelier row than any of training lacks nothing
    units = shortfall.in_units(np.array([21.0, 5, 9, 1, 30]))
    np.testing.assert_allclose(units, [2, 0, 1, 0, 2.5])


@pytest.fixture(scope="module")
def by_criterion():
    """The scores of 51 rows by each criterion alone, and by all."""
    choices = [("reconstruction",), ("code",), ("neighbors",)]
    choices.append(sum(choices, ()))
    params = {"n_estimators": 1, "purify": False}
    fitted = [quick(criteria=c, **params).fit(X[:51]) for c in choices]
    return [detector.score_samples(X[:51]) for detector in fitted]


def test_the_median_row_scores_minus_one_by_each_criterion(by_criterion):
    for scores in by_criterion[:3]:
        assert np.median(scores) == pytest.approx(-1, rel=1e-12)


def test_criteria_go_together_by_their_geometric_mean(by_criterion):
    r, c, n, whole = (np.maximum(-scores, 0.01) for scores in by_criterion)
    np.testing.assert_allclose(whole, (r * c * n) ** (1 / 3), rtol=1e-9)


def test_each_autoencoders_codes_have_a_variance_of_one_in_all(monkeypatch):
    monkeypatch.setattr(
        skae.outliers._abnormality, "encode", lambda net, rows, check: rows @ net
    )
    # the codes are 100 x_0; 3 x_1 and 4 x_1; nothing
    nets = [[[100.0], [0]], [[0.0, 0], [3, 4]], [[0.0], [0]]]
    members = [SimpleNamespace(net_=np.array(net)) for net in nets]
    rows = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    measure = CodeDistance(members, rows, 1, n_active=4)
    # x_0 and x_1 vary by 1: the variances are 100^2, 3^2 + 4^2 and 0
    np.testing.assert_allclose(measure.scales, [1 / 100, 1 / 5, 0])
    # side by side they are (x_0, 0.6 x_1, 0.8 x_1, 0): those of (1, 5) are (1, 3, 4, 0)
    # and their nearest (0 or 2, 1.2, 1.6, 0), at the root of 1 + 1.8^2 + 2.4^2 = 10
    rows = np.array([[1.0, 5], [0, 0]])
    seen = Seen(rows, rows, None, None, np.zeros(2))
    np.testing.assert_allclose(measure.distance(seen), [10**0.5, 2])
    # constants that moved by 4 and 2 deviations: of 4 columns that vary by 1 each, which
    # are the variance of 1 of each of two autoencoders' codes
    seen = seen._replace(moved=np.array([16.0, 4]))
    np.testing.assert_allclose(measure.distance(seen), [18**0.5, 2**0.5])


def test_rows_that_are_dropped_are_nobodys_neighbours(monkeypatch):
    x = np.array([0, 12, 1, 12.5, 2, 13, 14])
    kept = x < 10
    monkeypatch.setattr(skae.outliers._detector, "learnt_from", lambda *args: kept)
    detector = quick(criteria=("neighbors",), n_neighbors=1)
    rows = np.stack([x, x], 1)
    detector.fit(rows)
    # a kept row's nearest is at 1, which is the unit; from 12 to 2 it is 10, not 0.5
    expected = [-1, -10, -1, -10.5, -1, -11, -12]
    np.testing.assert_allclose(detector.score_samples(rows), expected, rtol=1e-5)
    assert detector.offset_ == pytest.approx(-11.5, rel=1e-5)


# Which rows are dropped


def test_the_most_abnormal_quarter_of_later_rows_is_not_learnt_from(monkeypatch):
    given, partial_fit = [], Autoencoder.partial_fit

    def recorded(self, rows, *args, **kwargs):
        given.append(rows)
        return partial_fit(self, rows, *args, **kwargs)

    monkeypatch.setattr(Autoencoder, "partial_fit", recorded)
    detector, rows = quick(max_iter=1).fit(X[:50]), X[50:58]
    order = np.argsort(detector.score_samples(rows))
    detector.partial_fit(rows)
    kept = np.sort(order[2:])  # but the two of eight that score least
    for learnt in given:
        np.testing.assert_array_equal(learnt, rows[kept])
    assert len(given) == 2


def test_the_quarter_of_the_lowest_scores_is_dropped():
    scores = np.array([8.0, 1, 7, 2, 6, 3, 5, 4])
    # the quantile is 1.75 places above 1: 2.75
    assert np.flatnonzero(~most_normal(scores)).tolist() == [1, 3]
    assert most_normal(np.array([1.0, 2])).all()  # one row is none to learn from


@pytest.mark.parametrize("n_rows", [1, 2, 4, 100])
def test_a_column_that_varies_in_dropped_rows_only_brings_the_best_of_them_back(
    monkeypatch, n_rows
):
    monkeypatch.setattr(skae._data.rows, "BLOCK_BYTES", 8 * 2 * n_rows)
    rows = np.array([[0.0, 5], [1, 5], [2, 5], [3, 7], [4, 9], [5, 5]])
    keep = np.array([True, True, True, False, False, False])
    scores = np.array([3.0, 3, 3, -2, -1, 2])
    found = with_varying(rows, keep, scores)
    assert found.tolist() == [True, True, True, False, True, False]
    rows[1, 1] = 6  # it varies in rows that are kept
    np.testing.assert_array_equal(with_varying(rows, keep, scores), keep)


# Reasons


def test_shares_of_a_row():
    parts = np.array([[1.0, 3], [0, 0], [0, 2]])
    expected = [[0.25, 0.75], [0.5, 0.5], [0, 1]]
    np.testing.assert_allclose(normalized(parts), expected)


class Size:
    """An abnormality that is a row's length in the first norm."""

    likelihood = SimpleNamespace(is_of_rows=False)
    n_scored = 0

    def __call__(self, X):
        self.n_scored += len(X)
        return np.abs(np.nan_to_num(X)).sum(1)


@pytest.mark.parametrize("n_bytes", [2**22, 1])
def test_contributions_by_hand(monkeypatch, n_bytes):
    monkeypatch.setattr(skae.outliers._reasons, "BLOCK_BYTES", n_bytes)
    rows = np.array([[3.0, 1], [1, 4], [np.nan, 2]])
    expected = np.array([[0.0, 0], [2, 1], [0, 0]])
    # 4 less 1 and 3; 5 less 6, which is no gain, and 2; 2 less 2, as it is missing, and 0
    parts = contributions(Size(), rows, expected, np.zeros((3, 2)))
    np.testing.assert_allclose(parts, [[3, 1], [0, 3], [0, 2]])


def test_the_oddest_columns_of_a_wide_row_are_tried(monkeypatch):
    monkeypatch.setattr(skae.outliers._reasons, "MOST_COLUMNS", 2)
    size, rows = Size(), np.array([[1.0, 2, 3], [3, 2, 1]])
    away = np.array([[9.0, 1, 2], [0, 1, 2]])
    parts = contributions(size, rows, np.zeros((2, 3)), away)
    np.testing.assert_allclose(parts, [[1, 0, 3], [0, 2, 1]])
    assert size.n_scored == 2 + 4


def test_columns_by_their_rank():
    parts = pd.DataFrame(
        [[2.0, 5, 3], [0, 4, 0], [0, 0, 0]], columns=list("abc"), index=list("rst")
    )
    observed = np.arange(9).reshape(3, 3)
    table = ranked(parts, observed, -observed, 2)
    # of s only one column adds anything, of t none
    assert table.index.tolist() == [("r", 1), ("r", 2), ("s", 1)]
    assert table.index.names == ["row", "rank"]
    assert table["feature"].tolist() == ["b", "c", "b"]
    assert table["contribution"].tolist() == [0.5, 0.3, 1]
    assert table["observed"].tolist() == [1, 2, 4]
    assert table["expected"].tolist() == [-1, -2, -4]
