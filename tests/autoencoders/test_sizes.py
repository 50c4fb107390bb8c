"""Sizes found by the share of the held-out variance that they explain."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
    corruption,
)
from skae._data.split import Sample
from skae.model_selection import GridSearchCV
from skae.networks import ConvolutionalNetwork

WINE = load_wine().data
PICTURES = load_digits().images[:100]
NARROW = ConvolutionalNetwork(filters=(8,))
STILL = {"network": (), "learning_rate": 1e-12, "max_iter": 5}  # stays where it starts


def planted(n=300, d=12, ratio=0.6, noise=0.02, seed=0):
    """Rows of columns of one variance, whose principal components fall by a ratio."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 6)) * ratio ** np.arange(6)
    return Z @ np.linalg.qr(rng.normal(size=(d, d)))[0][:6] + noise * rng.normal(
        size=(n, d)
    )


def bent(n=400, d=12, seed=0):
    """Rows on a surface of two dimensions that no plane holds."""
    rng = np.random.default_rng(seed)
    angle, phase = 2 * rng.normal(size=(2, d)), rng.uniform(0, 6, size=d)
    waves = np.sin(rng.uniform(-1, 1, size=(n, 2)) @ angle + phase)
    return waves + 0.05 * rng.normal(size=(n, d))


def split(X, autoencoder, weight=None):
    """The rows that a fit learns from and those that judge, standardised."""
    seed = np.random.RandomState(autoencoder.random_state).randint(np.iinfo(np.int32).max)
    sample = Sample.of(
        X, weight=weight, shape=X.shape[1:], check=np.shape, held_out=0.1, seed=int(seed)
    )
    units = (X - X.mean(0)) / X.std(0)
    return units[sample.train], units[sample.valid], sample.valid


def share_of_pca(train, judges, k):
    """What k principal components of some rows explain of others."""
    pca = PCA(k, svd_solver="full").fit(train)
    left = judges - pca.inverse_transform(pca.transform(judges))
    return 1 - np.square(left).sum() / np.square(judges - pca.mean_).sum()


# The oracle: a linear autoencoder finds PCA's sizes


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.9, 0.97])
def test_a_linear_autoencoder_takes_as_many_components_as_pca(share):
    X = planted()
    linear = Autoencoder(share, **STILL, random_state=1).fit(X)
    train, judges, _ = split(X, linear)
    shares = np.array([share_of_pca(train, judges, k) for k in range(1, 9)])
    assert linear.n_components_ == np.flatnonzero(shares >= share)[0] + 1
    curve = linear.size_curve_
    expected = shares[curve["n_components"] - 1]
    np.testing.assert_allclose(curve["share"], expected, atol=1e-5)
    np.testing.assert_allclose(curve["pca_share"], expected, atol=1e-5)


def test_a_trained_linear_autoencoder_too():
    X = planted()
    linear = Autoencoder(0.8, network=(), max_iter=50, random_state=1).fit(X)
    train, judges, _ = split(X, linear)
    k = linear.n_components_
    assert share_of_pca(train, judges, k - 1) < 0.8 <= share_of_pca(train, judges, k)


@pytest.mark.parametrize(
    ("estimator", "X", "params"),
    [
        (Autoencoder(0.75, **STILL), sp.csr_matrix(planted() * (planted() > 0)), {}),
        (Autoencoder(0.75, **STILL, likelihood="mixed"), planted(), {}),
        (
            Autoencoder(0.75, **STILL, likelihood="mixed"),
            np.where(np.random.default_rng(0).random((300, 12)) < 0.1, np.nan, planted()),
            {},
        ),
        (Autoencoder(0.75, **STILL), planted(), {"sample_weight": np.arange(300.0)}),
        (DenoisingAutoencoder(0.75, **STILL), planted(), {"X_clean": planted(noise=0)}),
    ],
    ids=["sparse", "mixed", "missing", "weights", "pairs"],
)
def test_a_network_that_stays_at_pca_explains_as_much(estimator, X, params):
    curve = clone(estimator).set_params(random_state=0).fit(X, **params).size_curve_
    assert len(curve["share"]) > 1
    np.testing.assert_allclose(curve["share"], curve["pca_share"], atol=1e-4)


def test_and_where_the_encoder_is_told_of_gaps_that_judges_do_not_have():
    X = planted()
    mixed = Autoencoder(0.9, **STILL, likelihood="mixed", random_state=0)
    gone = np.random.default_rng(0).random(X.shape) < 0.3
    gone[split(X, mixed)[2]] = False
    curve = mixed.fit(np.where(gone, np.nan, X)).size_curve_
    assert len(curve["share"]) > 1
    np.testing.assert_allclose(curve["share"], curve["pca_share"], atol=1e-4)


def test_a_bent_surface_needs_fewer_than_pca():
    X = bent()
    autoencoder = Autoencoder(0.9, random_state=0).fit(X)
    train, judges, _ = split(X, autoencoder)
    by_pca = [share_of_pca(train, judges, k) for k in range(1, 12)]
    k = autoencoder.n_components_
    assert k < np.flatnonzero(np.array(by_pca) >= 0.9)[0] + 1
    assert autoencoder.size_curve_["share"].max() >= 0.9
    new = bent(1000)
    units = (new - X.mean(0)) / X.std(0)
    left = units - (autoencoder.reconstruct(new) - X.mean(0)) / X.std(0)
    assert 1 - np.square(left).sum() / np.square(units).sum() > 0.88


# What is tried is what separate fits would give


def test_the_curve_is_that_of_separate_short_fits_and_the_fit_that_of_its_size():
    X = bent(200)
    found = Autoencoder(0.8, max_iter=40, random_state=3).fit(X)
    for k, share in zip(*list(found.size_curve_.values())[:2], strict=True):
        short = Autoencoder(int(k), max_iter=8, random_state=3).fit(X)
        train, judges, place = split(X, short)
        left = (X - short.reconstruct(X))[place] / X.std(0)
        away = judges - train.mean(0)
        expected = 1 - np.square(left).sum() / np.square(away).sum()
        assert share == pytest.approx(expected, abs=1e-3)
    alone = Autoencoder(found.n_components_, max_iter=40, random_state=3).fit(X)
    assert found.loss_curve_ == alone.loss_curve_
    np.testing.assert_array_equal(found.transform(X), alone.transform(X))
    assert not hasattr(alone, "size_curve_")


def test_the_size_is_the_fewest_of_the_curve_and_the_one_below_was_tried():
    for share in (0.7, 0.85, 0.95):
        found = Autoencoder(np.float32(share), random_state=0).fit(WINE)
        curve = pd.DataFrame(found.size_curve_).set_index("n_components")["share"]
        assert curve.index.is_monotonic_increasing
        k = found.n_components_
        assert k == curve.index[curve >= share - 1e-4].min()
        assert curve[k - 1] < share


def test_without_held_out_rows_some_find_the_size_and_all_are_then_learnt_from():
    found = Autoencoder(0.8, max_iter=20, random_state=0).fit(WINE)
    whole = clone(found).set_params(early_stopping=False).fit(WINE)
    assert whole.n_components_ == found.n_components_
    np.testing.assert_array_equal(whole.size_curve_["share"], found.size_curve_["share"])
    alone = clone(whole).set_params(n_components=whole.n_components_)
    assert whole.loss_curve_ == alone.fit(WINE).loss_curve_


def test_rows_without_weight_play_no_part():
    X = np.concatenate([WINE, 9 * WINE[:60]])
    weight = np.repeat([1.0, 0.0], [len(WINE), 60])
    found = Autoencoder(0.8, random_state=0).fit(X, sample_weight=weight).size_curve_
    expected = Autoencoder(0.8, random_state=0).fit(WINE).size_curve_
    np.testing.assert_array_equal(found["n_components"], expected["n_components"])
    np.testing.assert_allclose(found["pca_share"], expected["pca_share"])


# What sizes are judged by, nothing has seen


def test_a_start_that_stays_is_not_found_in_the_rows_that_judge():
    X = np.random.default_rng(0).normal(size=(40, 300))
    with pytest.warns(ConvergenceWarning, match="Share missed") as told:
        found = Autoencoder(0.5, random_state=0).fit(X)
    train, judges, _ = split(X, found)
    for k, share in zip(*list(found.size_curve_.values())[:2], strict=True):
        assert share == pytest.approx(share_of_pca(train, judges, k), abs=0.02)
    (sign,) = [str(w.message) for w in told if "Share missed" in str(w.message)]
    reached = float(sign.split("explain ")[1].split(" of the")[0])
    assert reached == pytest.approx(found.size_curve_["share"].max(), abs=0.02)
    assert "a smaller share" in sign


# Shares that are missed


def test_a_share_that_no_size_explains_is_told():
    X = np.random.default_rng(1).normal(size=(120, 5))
    noise = corruption.Gaussian(2.0)
    corrupted = DenoisingAutoencoder(0.9, corruption=noise, max_iter=30, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"n_components=0\.9 was asked for, and"):
        corrupted.fit(X)
    curve = corrupted.size_curve_
    assert curve["share"].max() < 0.9
    best = curve["share"] >= curve["share"].max() - 1e-4
    assert corrupted.n_components_ == curve["n_components"][best].min()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_warning_names_the_share_that_is_reached(early_stopping):
    X, alpha = planted(), 30.0  # which lets nothing be learnt
    autoencoder = Autoencoder(
        0.9, network=(8,), alpha=alpha, early_stopping=early_stopping, max_iter=30,
        random_state=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning) as told:
        autoencoder.fit(X)
    (sign,) = [str(w.message) for w in told if "Share missed" in str(w.message)]
    assert ("variance in 6 epochs" in sign) is not early_stopping
    assert f"{autoencoder.n_components_} components explain" in sign


# Tables of all kinds


@pytest.mark.parametrize(
    ("X", "k"),
    [
        (np.ones((20, 3)), 1),
        (np.c_[np.ones(40), np.linspace(0, 1, 40)], 1),
        (np.c_[np.ones((40, 2)), np.random.default_rng(0).normal(size=(40, 2))], 2),
    ],
)
def test_constant_columns_need_no_component(X, k):
    found = Autoencoder(0.95, max_iter=20, random_state=0).fit(X)
    assert found.n_components_ == k


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [2, 3, 5])
def test_tiny_tables_have_a_size(n):
    found = Autoencoder(0.9, max_iter=20, random_state=0).fit(WINE[:n])
    assert 1 <= found.n_components_ <= n
    assert np.isfinite(found.size_curve_["share"]).all()


@pytest.mark.parametrize(
    ("estimator", "X"),
    [
        (Autoencoder(likelihood="bernoulli"), load_digits().data[:100] / 16),
        (VariationalAutoencoder(), planted(ratio=0.9)),
        (ConvolutionalAutoencoder(network=NARROW, batch_size=8), PICTURES),
        (
            Autoencoder(),
            pd.DataFrame(WINE[:, :5], columns=list("abcde")).assign(
                kind=pd.Categorical(load_wine().target.astype(str))
            ),
        ),
    ],
    ids=["bernoulli", "variational", "pictures", "categories"],
)
def test_more_variance_takes_more_components(estimator, X):
    sizes = []
    for share in (0.2, 0.4) if X is PICTURES else (0.3, 0.6):
        found = clone(estimator).set_params(n_components=share, random_state=0, max_iter=25)
        found.fit(X.copy())
        curve = found.size_curve_
        assert curve["share"][curve["n_components"] == found.n_components_] >= share - 1e-4
        assert found.transform(X).shape == (len(X), found.n_components_)
        sizes.append(found.n_components_)
    assert sizes[0] < sizes[1]


def test_members_of_an_ensemble_have_the_size_that_the_first_finds():
    detector = AutoencoderOutlierDetector(
        Autoencoder(0.8), n_estimators=2, purify=False, max_iter=20, random_state=0
    ).fit(WINE)
    first, second = detector.estimators_[:2]
    assert first.n_components_ == second.n_components_ > 1
    curve = first.size_curve_
    k = curve["n_components"][curve["share"] >= 0.8].min()
    assert k == first.n_components_


# What scikit-learn, and training that goes on, ask for


def test_training_that_goes_on_keeps_the_size():
    found = Autoencoder(0.8, max_iter=10, warm_start=True, random_state=0).fit(WINE)
    k, curve = found.n_components_, found.size_curve_
    found.partial_fit(WINE[:20])
    found.set_params(n_components=0.99).fit(WINE)
    assert found.n_components_ == k
    assert found.size_curve_ is curve
    assert len(found.loss_curve_) == 21
    found.set_params(n_components=2, warm_start=False).fit(WINE)
    assert not hasattr(found, "size_curve_")


def test_callbacks_see_the_whole_fit_alone():
    epochs = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(len(net.history))  # of copies, too

    found = Autoencoder(0.8, net_params={"callbacks": [Count()]}, max_iter=10)
    assert found.fit(WINE).n_iter_ == len(epochs) == 10


def test_an_error_in_a_short_fit_leaves_all_as_it_was():
    found = Autoencoder(2, max_iter=2, random_state=0).fit(WINE)
    codes = found.transform(WINE)
    found.set_params(n_components=0.9, learning_rate=1e30, max_iter=100)
    with pytest.raises(ValueError, match="learning_rate"):
        found.fit(WINE)
    np.testing.assert_array_equal(found.transform(WINE), codes)
    assert not hasattr(found, "size_curve_")


def test_searches_and_copies_take_shares():
    grid = {"n_components": [0.6, 2, 3]}
    searches = [
        search(Autoencoder(max_iter=10, random_state=0), grid, cv=2).fit(WINE)
        for search in (GridSearchCV, model_selection.GridSearchCV)
    ]
    ours, theirs = (s.cv_results_["mean_test_score"] for s in searches)
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    found = Autoencoder(0.6, max_iter=10, random_state=0).fit(WINE)
    again = pickle.loads(pickle.dumps(found))
    assert again.n_components_ == found.n_components_
    np.testing.assert_array_equal(again.size_curve_["share"], found.size_curve_["share"])
    assert clone(found).n_components == 0.6
