"""The outlier detector: quality, decisions, containers, streams."""

import pickle
import random
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)
from skae.networks import DenseNetwork
from skae.outliers._purify import opinion
from tests.outliers.rows import CLEAN, FAR, SCALE, X, quick, rows_near_a_plane

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(max_iter=60, n_estimators=3, random_state=0).fit(X)


# Quality


def test_finds_what_a_column_by_itself_does_not_show(detector):
    y = np.r_[np.zeros(len(CLEAN)), np.ones(len(FAR))]
    scores = detector.score_samples(np.r_[CLEAN, FAR])
    assert roc_auc_score(y, -scores) > 0.97
    assert roc_auc_score(y, abs(np.r_[CLEAN, FAR][:, 2] - X[:, 2].mean())) < 0.95


@pytest.mark.slow
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
        "criteria": "auto",
        "n_neighbors": "auto",
        "n_reference": 10_000,
        "neighbor_search": "exact",
        "max_iter": "auto",
        "device": "auto",
        "random_state": None,
        "verbose": 0,
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
        {"neighbor_search": "quick"},
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

    with monkeypatch.context() as patch:
        patch.setattr(DenseNetwork, "build", broken)
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


def test_units_of_the_columns_do_not_matter():
    a = quick().fit(X).score_samples(CLEAN)
    factor = 2.0 ** np.arange(-3, 3)  # exact
    b = quick().fit(X * factor).score_samples(CLEAN * factor)
    np.testing.assert_allclose(a, b, rtol=1e-4)


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
    with pytest.raises(ValueError, match="not numbers in column 'c'"):
        fitted.predict(text)
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


# Streams


@pytest.mark.slow
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
