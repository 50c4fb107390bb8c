"""The outlier detector: decisions, thresholds, reasons, streams."""

import pickle
import random
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)
from skae import outliers as outliers_module
from skae.outliers._abnormality import Neighbors
from skae.outliers._purify import opinion
from skae.outliers._thresholds import _best_offset, _conformal_offset

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows_near_a_plane(n, d=6, seed=0):
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2, d))
    scale = 10.0 ** rng.integers(-2, 3, size=d)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ directions + 0.1 * rng.normal(size=(n, d))
    return X * scale + 3 * scale, scale


X, SCALE = rows_near_a_plane(400)
CLEAN, _ = rows_near_a_plane(400, seed=1)
AWAY = abs(CLEAN[:, 2] - X[:, 2].mean()) > X[:, 2].std()
FAR = CLEAN[AWAY][:40].copy()
FAR[:, 2] = 2 * X[:, 2].mean() - FAR[:, 2]  # likely by itself, not with the others


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(max_iter=60, n_estimators=3, random_state=0).fit(X)


def quick(**params):
    params = {"n_estimators": 2, "max_iter": 3, "random_state": 0} | params
    return AutoencoderOutlierDetector(**params)


# Quality


def test_finds_what_a_column_by_itself_does_not_show(detector):
    y = np.r_[np.zeros(len(CLEAN)), np.ones(len(FAR))]
    scores = detector.score_samples(np.r_[CLEAN, FAR])
    assert roc_auc_score(y, -scores) > 0.97
    assert roc_auc_score(y, abs(np.r_[CLEAN, FAR][:, 2] - X[:, 2].mean())) < 0.95


def test_breast_cancers_are_outliers_among_the_healthy():
    X, y = load_breast_cancer(return_X_y=True)
    train = np.flatnonzero(y == 1)[::2]
    test = np.setdiff1d(np.arange(len(y)), train)
    detector = AutoencoderOutlierDetector(purify=False, random_state=0).fit(X[train])
    assert roc_auc_score(y[test], detector.score_samples(X[test])) > 0.93


def test_purifying_keeps_outliers_out_of_what_is_learnt():
    rng = np.random.default_rng(0)
    cluster = X[:40] + 6 * SCALE * np.r_[1, -1, 1, -1, 1, -1] + 0.01 * rng.normal(size=6)
    train, y = np.r_[X, cluster], np.r_[np.ones(len(X)), np.zeros(40)]

    def auc(purify):
        detector = quick(purify=purify, max_iter=30).fit(train)
        return roc_auc_score(y, detector.score_samples(train))

    assert auc(True) > 0.99
    assert auc(False) < 0.95


def test_a_median_row_scores_about_minus_one(detector):
    assert -1.4 < np.median(detector.score_samples(X)) < -0.9


@pytest.mark.parametrize("criterion", ["reconstruction", "code", "neighbors"])
def test_each_criterion_alone_ranks(criterion):
    detector = quick(max_iter=40, criteria=[criterion]).fit(X)
    wild = CLEAN + SCALE * 30 * np.random.default_rng(0).normal(size=CLEAN.shape)
    assert detector.score_samples(CLEAN).mean() > detector.score_samples(wild).max() + 0.1


# Contract


def test_default_parameters_are_those_documented():
    assert AutoencoderOutlierDetector().get_params() == {
        "autoencoder": None,
        "n_estimators": 8,
        "contamination": "auto",
        "purify": True,
        "criteria": ("reconstruction", "code", "neighbors"),
        "n_neighbors": "auto",
        "n_reference": 10_000,
        "max_iter": "auto",
        "device": "auto",
        "random_state": None,
    }


def test_members_differ_and_are_trained_for_1500_steps():
    detector = AutoencoderOutlierDetector(n_estimators=4, random_state=0).fit(X[:256])
    widths = {member.network for member in detector.estimators_}
    assert len(widths) == 4
    steps = [2 * member.n_iter_ for member in detector.estimators_]  # of 192 rows
    assert steps == [1500] * 4
    assert detector.n_iter_ == 750


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test_contamination_is_the_share_of_training_outliers(contamination):
    y = quick(contamination=contamination).fit_predict(X)
    assert (y == -1).mean() == contamination


@pytest.mark.parametrize(
    "params",
    [
        {"contamination": 0.0},
        {"contamination": 0.6},
        {"criteria": ("density",)},
        {"criteria": ()},
        {"n_estimators": 0},
        {"n_neighbors": 0},
        {"autoencoder": StandardScaler()},
        {"device": "abacus"},
    ],
    ids=str,
)
def test_parameters_that_cannot_be(params):
    (name,) = params
    with pytest.raises(ValueError, match=name):
        quick(**params).fit(X)


def test_a_failed_fit_leaves_the_old_one(detector):
    detector = pickle.loads(pickle.dumps(detector))
    before = detector.score_samples(CLEAN)
    with pytest.raises(ValueError, match="max_iter"):
        detector.set_params(max_iter=-1).fit(X)
    with pytest.raises(ValueError, match="NaN"):
        detector.set_params(max_iter=1).fit(np.full_like(X, np.nan))
    bad = clone(detector).set_params(criteria=("density",))
    with pytest.raises(ValueError, match="criteria"):
        bad.fit(X)
    assert not bad.__sklearn_is_fitted__()
    np.testing.assert_array_equal(detector.score_samples(CLEAN), before)


def test_a_fit_that_breaks_half_way_leaves_the_old_one(detector, monkeypatch):
    detector = pickle.loads(pickle.dumps(detector)).calibrate(CLEAN)
    before = detector.score_samples(CLEAN)

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(outliers_module, "fit_together", broken)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X[:, :4])
    assert detector.n_features_in_ == 6
    np.testing.assert_array_equal(detector.score_samples(CLEAN), before)
    assert len(detector.calibration_scores_) == len(CLEAN)
    monkeypatch.setattr(Autoencoder, "partial_fit", broken)
    with pytest.raises(KeyboardInterrupt):
        detector.partial_fit(FAR)
    np.testing.assert_array_equal(detector.score_samples(CLEAN), before)


def test_same_seed_same_scores():
    a, b = (quick().fit(X).score_samples(CLEAN) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    c = quick(random_state=1).fit(X).score_samples(CLEAN)
    assert not np.allclose(a, c)


def test_no_global_generator_is_touched():
    def states():
        numpy_state = pickle.dumps(np.random.get_state())  # noqa: NPY002
        return numpy_state, pickle.dumps(random.getstate()), torch.get_rng_state().tolist()

    before = states()
    detector = quick(random_state=None).fit(X)
    detector.partial_fit(CLEAN).score_samples(CLEAN)
    # random_state=None draws from NumPy's global generator, as all of scikit-learn does
    assert states()[1:] == before[1:]
    before = states()
    detector = quick().fit(X)
    detector.partial_fit(CLEAN).explain(CLEAN[:3])
    assert states() == before


def test_a_rows_score_depends_on_it_alone(detector):
    whole = detector.score_samples(CLEAN)
    alone = np.concatenate([detector.score_samples(row[None]) for row in CLEAN[:20]])
    np.testing.assert_allclose(whole[:20], alone, rtol=1e-12)
    np.testing.assert_allclose(detector.score_samples(CLEAN[::-1])[::-1], whole, rtol=1e-12)


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


def test_units_of_the_columns_do_not_matter():
    a = quick().fit(X).score_samples(CLEAN)
    factor = 2.0 ** np.arange(-3, 3)  # exact
    b = quick().fit(X * factor).score_samples(CLEAN * factor)
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_constant_columns_do_not_count():
    with_one = np.c_[X, np.full(len(X), 1.7e9)]
    detector = quick().fit(with_one)
    moved = with_one.copy()
    moved[:, -1] += 5
    np.testing.assert_array_equal(
        detector.score_samples(with_one), detector.score_samples(moved)
    )
    assert (detector.feature_contributions(moved[:5])["x6"] == 0).all()


def test_wild_cells_are_clipped():
    detector = quick().fit(X)
    wild = CLEAN[:2].copy()
    wild[:, 0] = 1e30 * np.array([1, 1])
    wilder = wild * np.r_[1e5, np.ones(5)]
    scores = detector.score_samples(wild)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, detector.score_samples(wilder))


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("d", [1, 4])
def test_tiny_tables(n, d):
    tiny = np.random.default_rng(0).normal(size=(n, d))
    scores = quick().fit(tiny).score_samples(tiny)
    assert np.isfinite(scores).all()


def test_all_rows_alike():
    same = np.ones((20, 3))
    detector = quick().fit(same)
    assert (detector.predict(same) == 1).all()
    assert (detector.feature_contributions(same[:2]) == 1 / 3).all(axis=None)


def test_columns_that_vary_in_dropped_rows_only_count():
    rare = np.c_[X, np.zeros(len(X))]
    dropped = np.argsort(opinion(rare, 0))[:6]
    rare[dropped, -1] = 1 + np.arange(6)
    detector = quick(max_iter=30).fit(rare)
    moved = np.c_[CLEAN, np.zeros(len(CLEAN))]
    before = detector.score_samples(moved)
    moved[:, -1] = 3
    assert (detector.score_samples(moved) < before - 0.5).mean() > 0.95


def test_half_of_the_rows_alike():
    many = np.r_[np.tile(X[:1], (300, 1)), X[:100]]
    detector = quick().fit(many)
    assert np.isfinite(detector.score_samples(many)).all()
    assert detector.score_samples(X[:1]) > np.median(detector.score_samples(X[1:100]))


# Containers and autoencoders


def test_frames_sparse_and_memory_mapped_rows(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = quick().fit(X).score_samples(CLEAN)
    np.testing.assert_allclose(quick().fit(mapped).score_samples(CLEAN), expected)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    fitted = quick().fit(frame)
    np.testing.assert_allclose(
        fitted.score_samples(pd.DataFrame(CLEAN, columns=list("abcdef"))), expected
    )
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[list("fedcba")])
    text = frame.assign(c="text")
    with pytest.raises(ValueError, match="'c'"):
        quick().fit(text)
    counts = np.random.default_rng(0).poisson(0.3, size=(200, 20)).astype(float)
    dense, sparse = quick(), quick().fit(sp.csr_array(counts))
    dense.fit(counts)
    scores = sparse.score_samples(sp.csr_array(counts))
    np.testing.assert_allclose(sparse.score_samples(counts), scores, rtol=1e-6)
    shares = sparse.feature_contributions(sp.csr_array(counts[:3]))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    sparse.partial_fit(sp.csr_array(counts[:50])).partial_fit(counts[50:])
    dense.partial_fit(sp.csr_array(counts[:50])).partial_fit(counts[50:])
    assert sp.issparse(sparse._latest_[0])
    assert isinstance(dense._latest_[0], np.ndarray)


@pytest.mark.parametrize(
    "autoencoder",
    [
        Autoencoder(2, network=(8,)),
        DenoisingAutoencoder(2),
        VariationalAutoencoder(2),
        Autoencoder(2, likelihood="bernoulli"),
        Autoencoder(2, likelihood="categorical"),
    ],
    ids=str,
)
def test_any_autoencoder(autoencoder):
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(6), size=80)
    detector = quick(autoencoder=autoencoder).fit(rows)
    assert [type(member) for member in detector.estimators_] == [type(autoencoder)] * 2
    first, second = detector.estimators_
    assert first.random_state != second.random_state
    assert not hasattr(autoencoder, "net_")
    assert np.isfinite(detector.score_samples(rows)).all()
    assert detector.feature_contributions(rows[:3]).shape == (3, 6)


def test_the_variational_bound_is_what_scores():
    vae = VariationalAutoencoder(2, random_state=0)
    detector = quick(autoencoder=vae, n_estimators=1, criteria=["reconstruction"]).fit(X)
    (member,) = detector.estimators_
    order = np.argsort(detector.score_samples(CLEAN))
    bound = member.score_samples(CLEAN)[order]
    assert (np.diff(bound) >= 0).all()


def test_grid_search_reaches_the_autoencoder():
    y = np.r_[np.ones(len(CLEAN)), -np.ones(len(FAR))]
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick(autoencoder=Autoencoder(network=(8,)))),
        {"autoencoderoutlierdetector__autoencoder__n_components": [1, 2]},
        scoring="roc_auc",
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
    )
    search.fit(np.r_[CLEAN, FAR], y)
    assert search.best_score_ > 0.5


def test_pictures_get_a_heat_map_where_the_defect_is():
    digits = load_digits()
    X = digits.images[digits.target == 0]
    detector = AutoencoderOutlierDetector(
        ConvolutionalAutoencoder(8, image_shape=(8, 8)),
        n_estimators=2,
        max_iter=30,
        purify=False,
        random_state=0,
    ).fit(X[:120])
    bad = X[120:160].copy()
    bad[:, 3:5, 3:5] = 16  # the hole of the zero is filled
    heat = detector.feature_contributions(bad)
    assert heat.shape == bad.shape
    np.testing.assert_allclose(heat.sum((1, 2)), 1)
    assert heat[:, 3:5, 3:5].sum((1, 2)).mean() > 0.3
    assert (detector.score_samples(bad) < np.median(detector.score_samples(X[120:]))).all()
    with pytest.raises(ValueError, match="heat map"):
        detector.explain(bad)


# Reasons


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(2)
    rows, column = CLEAN[100:200].copy(), rng.integers(6, size=100)
    rows[np.arange(100), column] += 5 * X.std(0)[column] * rng.choice([-1, 1], 100)
    return pd.DataFrame(rows, columns=list("abcdef"), index=range(500, 600)), column


@pytest.fixture(scope="module")
def framed():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    return AutoencoderOutlierDetector(
        max_iter=60, n_estimators=3, purify=False, random_state=0
    ).fit(frame)


def test_contributions_name_the_changed_column_first(framed, planted):
    frame, column = planted
    shares = framed.feature_contributions(frame)
    assert list(shares.columns) == list("abcdef")
    assert list(shares.index) == list(frame.index)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all(axis=None)
    assert (shares.to_numpy().argmax(1) == column).mean() >= 0.95


def test_a_contribution_is_the_drop_of_the_score(framed, planted):
    frame, _ = planted
    row = frame.iloc[[0]]
    expected = framed._abnormality_.expected(row.to_numpy())
    before, drops = framed.score_samples(row)[0], []
    for j, name in enumerate(frame.columns):
        replaced = row.assign(**{name: expected[0, j]})
        drops.append(max(0, framed.score_samples(replaced)[0] - before))
    np.testing.assert_allclose(
        framed.feature_contributions(row).iloc[0], np.divide(drops, sum(drops)), atol=1e-6
    )


def test_what_is_expected_is_the_regression_on_the_others():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 3)) + 5
    detector = quick(purify=False).fit(rows)
    got = detector._abnormality_.expected(rows[:50])[:, 1]
    others = np.c_[np.ones(len(rows)), rows[:, [0, 2]]]
    weights = np.linalg.lstsq(others, rows[:, 1], rcond=None)[0]
    np.testing.assert_allclose(got, others[:50] @ weights, atol=0.1)


def test_explain_says_what_was_expected(framed, planted):
    frame, column = planted
    said = framed.explain(frame, top=2)
    assert said.index.names == ["row", "rank"]
    assert list(said.index[:3]) == [(500, 1), (500, 2), (501, 1)]
    first = said.xs(1, level="rank")
    named = first["feature"].map("abcdef".index).to_numpy()
    right = named == column
    assert right.mean() > 0.9
    cells = frame.to_numpy()[np.arange(100), named]
    np.testing.assert_array_equal(first["observed"], cells)
    away = abs(first["observed"] - first["expected"]).to_numpy() / X.std(0)[named]
    np.testing.assert_allclose(away[right], 5, atol=1.5)
    assert (first["contribution"].to_numpy() >= said.xs(2, level="rank").contribution).all()
    assert len(framed.explain(frame[:1], top=50)) == 6
    with pytest.raises(ValueError, match="top"):
        framed.explain(frame, top=0)


# Thresholds


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
        ((), {"contamination": 0.7}, "contamination must be in"),
        ((CLEAN,), {"quantile": 1.0}, "quantile must be in"),
        ((CLEAN,), {"false_alarm_rate": 0.0}, "false_alarm_rate must be in"),
        ((), {"false_alarm_rate": 0.1}, "calibrate"),
        ((CLEAN[:50],), {"false_alarm_rate": 0.01}, "at least 99 clean rows"),
        ((CLEAN, np.ones(len(CLEAN))), {}, "both -1"),
        ((CLEAN, np.arange(len(CLEAN)) % 2), {}, "both -1"),
        ((CLEAN, np.ones(3)), {}, "inconsistent"),
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
        lower = np.searchsorted(detector.calibration_scores_, new, side="right")
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
    assert balanced(_best_offset(scores, y)) == pytest.approx(best)


# Streams


def test_scoring_takes_no_memory_that_grows():
    detector = quick(n_reference=200).fit(X)

    def peak(n):
        rows = np.resize(CLEAN, (n, 6))
        tracemalloc.start()
        detector.score_samples(rows)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result - 8 * n

    detector.score_samples(CLEAN)
    once = peak(100_000)
    assert peak(400_000) < 1.5 * once


def test_reference_rows_are_bounded():
    detector = quick(n_reference=50, purify=False).fit(X)
    assert len(detector._latest_[0]) == 50
    detector.partial_fit(CLEAN)
    np.testing.assert_array_equal(detector._latest_[0], CLEAN[-50:])


def test_partial_fit_follows_a_drift():
    still = quick(max_iter=40, n_reference=400).fit(X)
    moving = pickle.loads(pickle.dumps(still))
    for step in range(1, 6):
        shift = step * SCALE * np.r_[1, 0, -1, 0, 1, 0]
        fresh, _ = rows_near_a_plane(200, seed=10 + step)
        before = [member.net_.module_ for member in moving.estimators_]
        moving.partial_fit(fresh + shift)
        assert all(
            member.net_.module_ is not old
            for member, old in zip(moving.estimators_, before, strict=True)
        )
    now, far = CLEAN + shift, FAR + shift
    assert (still.predict(now) == -1).mean() > 0.9
    assert (moving.predict(now) == -1).mean() < 0.3
    y = np.r_[np.ones(len(now)), np.zeros(len(far))]
    assert roc_auc_score(y, moving.score_samples(np.r_[now, far])) > 0.9
    assert moving.n_iter_ == 1


def test_the_first_partial_fit_is_a_fit():
    a, b = quick().partial_fit(X), quick().fit(X)
    np.testing.assert_array_equal(a.score_samples(CLEAN), b.score_samples(CLEAN))


def test_partial_fit_forgets_what_was_calibrated():
    detector = quick().fit(X).calibrate(CLEAN).partial_fit(CLEAN)
    assert not hasattr(detector, "calibration_scores_")


def test_the_forests_opinion_survives_large_offsets():
    rng = np.random.default_rng(0)
    column = 1.7e9 + 10 * rng.normal(size=(300, 1))
    column[:5] += 200
    scores = opinion(np.c_[column, column], 0)
    assert scores[:5].max() < scores[5:].min()


def test_the_forests_opinion_is_by_blocks(monkeypatch):
    from skae import _rows

    whole = opinion(X, 0)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2048)
    np.testing.assert_allclose(opinion(X, 0), whole)
