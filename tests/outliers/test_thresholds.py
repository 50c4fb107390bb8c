"""Thresholds: by share, labels or rate of false alarms."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skae import AutoencoderOutlierDetector
from skae.outliers._thresholds import SAME, _best_offset, _conformal_offset
from tests.outliers.rows import CLEAN, FAR, X, rows_near_a_plane

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(max_iter=60, n_estimators=3, random_state=0).fit(X)


def test_threshold_by_contamination_and_quantile(detector):
    detector = pickle.loads(pickle.dumps(detector))
    assert (detector.set_threshold(contamination=0.25).predict(X) == -1).mean() == 0.25
    detector.set_threshold(CLEAN, quantile=0.05)
    assert (detector.predict(CLEAN) == -1).mean() == 0.05


def test_threshold_by_labels(detector):
    detector = pickle.loads(pickle.dumps(detector))
    rows, y = np.r_[CLEAN, FAR], np.r_[np.ones(len(CLEAN)), -np.ones(len(FAR))]
    detector.set_threshold(rows, y)
    found = detector.predict(rows)
    balanced = ((found == y)[y == 1].mean() + (found == y)[y == -1].mean()) / 2
    assert balanced > 0.93
    for other in np.quantile(detector.score_samples(rows), np.linspace(0.01, 0.99, 50)):
        detector.offset_ = other
        found = detector.predict(rows) == y
        assert (found[y == 1].mean() + found[y == -1].mean()) / 2 <= balanced + 1e-12


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "exactly one"),
        ((), {"quantile": 0.1, "contamination": 0.1}, "exactly one"),
        ((), {"quantile": 0.1}, "needs the rows X"),
        ((CLEAN,), {"contamination": 0.1}, "quantile"),
        ((), {"contamination": 0.7}, "contamination must be a number in"),
        ((), {"contamination": "x"}, r"contamination must be a number .* Got 'x'"),
        ((), {"contamination": np.nan}, "contamination must be a number in"),
        ((CLEAN,), {"quantile": 1.0}, "quantile must be a number in"),
        ((CLEAN,), {"quantile": [0.1]}, "quantile must be a number in"),
        ((CLEAN,), {"false_alarm_rate": 0.0}, "false_alarm_rate must be a number in"),
        ((CLEAN,), {"false_alarm_rate": 1e-320}, "at least inf clean rows"),
        ((), {"false_alarm_rate": 0.1}, "calibrate"),
        ((CLEAN[:50],), {"false_alarm_rate": 0.01}, "at least 99 clean rows"),
        ((CLEAN, np.ones(len(CLEAN))), {}, "both -1"),
        ((CLEAN, np.arange(len(CLEAN)) % 2), {}, r"both -1.*numpy.where\(y == 1, -1, 1\)"),
        ((CLEAN, np.ones(3)), {}, "inconsistent"),
        ((CLEAN, np.r_[np.nan, -1, np.ones(len(CLEAN) - 2)]), {}, "both -1"),
        ((CLEAN, [None, -1] + [1] * (len(CLEAN) - 2)), {}, "both -1"),
        ((CLEAN, [pd.NA, -1] + [1] * (len(CLEAN) - 2)), {}, "both -1"),
        ((CLEAN, ["-1"] + ["1"] * (len(CLEAN) - 1)), {}, "both -1"),
        ((CLEAN, np.arange(len(CLEAN)) % 2 == 0), {}, "both -1"),
    ],
)
def test_thresholds_that_cannot_be(detector, args, kwargs, message):
    before = detector.offset_
    with pytest.raises(ValueError, match=message):
        detector.set_threshold(*args, **kwargs)
    assert detector.offset_ == before


def test_p_values_need_calibration(detector):
    with pytest.raises(ValueError, match="calibrate"):
        pickle.loads(pickle.dumps(detector)).p_values(X)


def test_a_threshold_by_rate_is_one_of_p_values(detector):
    detector = pickle.loads(pickle.dumps(detector)).calibrate(CLEAN[:199])
    p = detector.p_values(np.r_[CLEAN[199:], FAR])
    assert p.min() == 1 / 200
    for rate in (0.005, 0.05, 0.1):
        found = detector.set_threshold(false_alarm_rate=rate)
        predicted = found.predict(np.r_[CLEAN[199:], FAR]) == -1
        np.testing.assert_array_equal(predicted, p <= rate)
        detector.set_threshold(CLEAN[:199], false_alarm_rate=rate)
        assert detector.offset_ == found.offset_


def test_false_alarms_are_as_promised(detector):
    clean, _ = rows_near_a_plane(6000, seed=5)
    scores = detector.score_samples(clean)
    rng, alarms = np.random.default_rng(0), []
    levels = np.array([0.01, 0.05, 0.1])
    detector = pickle.loads(pickle.dumps(detector))
    for _ in range(200):
        drawn = rng.permutation(len(scores))
        detector.calibration_scores_ = np.sort(scores[drawn[:299]])
        new = scores[drawn[299:1299]]
        lower = np.searchsorted(detector.calibration_scores_, new + SAME, side="right")
        p = (1 + lower) / 300
        offsets = [_conformal_offset(detector.calibration_scores_, a) for a in levels]
        by_offset = [(new < offset).mean() for offset in offsets]
        by_p = [(p <= level).mean() for level in levels]
        np.testing.assert_allclose(by_p, by_offset)
        alarms.append(by_p)
    np.testing.assert_allclose(detector.p_values(clean[drawn[299:309]]), p[:10])
    error = np.std(alarms, 0) / 200**0.5
    assert (np.mean(alarms, 0) <= levels + 3 * error).all()
    assert (np.mean(alarms, 0) >= levels - 1 / 300 - 3 * error).all()


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    rate=st.floats(0.03, 0.97),
)
def test_conformal_offsets_leave_no_more_than_the_rate(scores, rate):
    scores = np.sort(scores)
    n = len(scores)
    if int(np.floor(rate * (n + 1) + 1e-9)) < 1:
        with pytest.raises(ValueError, match="clean rows"):
            _conformal_offset(scores, rate)
        return
    offset = _conformal_offset(scores, rate)
    # any of n + 1 exchangeable rows may be the new one
    ranks_below = (scores < offset).sum() + 1
    assert ranks_below <= rate * (n + 1) + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.sampled_from([-1, 1])), min_size=2, max_size=30
    ).filter(lambda pairs: len({label for _, label in pairs}) == 2)
)
def test_the_best_offset_is_the_best(pairs):
    scores, y = np.array(pairs, dtype=float).T

    def balanced(offset):
        found = np.where(scores < offset, -1, 1)
        return (found == y)[y == 1].mean() + (found == y)[y == -1].mean()

    best = max(balanced(offset) for offset in (*np.unique(scores), np.inf))
    if best == 1:  # as good as chance
        with pytest.raises(ValueError, match="contradict"):
            _best_offset(scores, y)
        return
    assert balanced(_best_offset(scores, y)) == pytest.approx(best)
