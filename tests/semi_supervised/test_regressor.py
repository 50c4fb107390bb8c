"""Numbers of all rows from those of few."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderRegressor,
    BinaryAutoencoder,
    VariationalAutoencoder,
)
from skae._codes.labels import tell_of_minus_one
from skae.model_selection import LabelledKFold

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def curved(n=300, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.uniform(size=(n, 5))
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3]
    return X, y + rng.normal(size=n)


def few(y, n, seed=0):
    told = np.full(np.shape(y), np.nan)
    rows = np.random.RandomState(seed).permutation(len(y))[:n]
    told[rows] = y[rows]
    return told


@pytest.fixture(scope="module")
def table():
    X, y = curved()
    return X, y, Autoencoder(5, max_iter=20, random_state=0).fit(X)


def quick(autoencoder=None, **params):
    autoencoder = autoencoder or Autoencoder(2, max_iter=5)
    return AutoencoderRegressor(autoencoder, random_state=0, **{"max_iter": 10, **params})


def test_it_learns_curves_from_few_numbers(table):
    X, y, encoder = table
    told = few(y, 80)
    known, new = ~np.isnan(told), np.isnan(told)
    regressor = AutoencoderRegressor(encoder, random_state=0).fit(X, told)
    line = RidgeCV(np.logspace(-3, 3, 13)).fit(X[known], y[known])
    assert regressor.score(X[new], y[new]) > line.score(X[new], y[new]) + 0.05
    assert regressor.kernel_ == "auto"
    assert regressor.linear_share_ < 0.1
    assert regressor.training_ == "fine-tune"
    assert set(regressor.training_scores_) == {"frozen", "fine-tune"}


def test_units_are_given_back(table):
    X, y, encoder = table
    told = few(y, 60)
    expected = quick(encoder).fit(X, told)
    other = quick(encoder).fit(X, 1e6 + 1000 * told)
    np.testing.assert_allclose(
        other.predict(X), 1e6 + 1000 * expected.predict(X), rtol=1e-6
    )
    np.testing.assert_allclose(other.scale_, 1000 * expected.scale_)
    known = ~np.isnan(told)
    np.testing.assert_allclose(expected.center_, y[known].mean())
    np.testing.assert_allclose(expected.scale_, y[known].std())


def test_several_numbers_of_which_any_may_be_unknown(table):
    X, y, encoder = table
    both = np.column_stack([y, -X[:, 4]])
    told = np.column_stack([few(y, 60), few(-X[:, 4], 60, seed=1)])
    found = quick(encoder, max_iter=40).fit(X, told)
    assert found.predict(X).shape == (300, 2)
    scores = [r2_score(both[:, j], found.predict(X)[:, j]) for j in range(2)]
    assert min(scores) > 0.7
    np.testing.assert_allclose(found.score(X, both), np.mean(scores))
    # an unknown number of another column plays no part
    np.testing.assert_allclose(found.center_[1], np.nanmean(told[:, 1]))


def test_a_score_is_of_known_numbers_alone(table):
    X, y, encoder = table
    regressor = quick(encoder).fit(X, few(y, 60))
    some, weight = np.arange(300) % 3 == 0, np.linspace(1, 2, 300)
    score = regressor.score(X, np.where(some, y, np.nan), weight)
    guess = regressor.predict(X)[some]
    np.testing.assert_allclose(score, r2_score(y[some], guess, sample_weight=weight[some]))
    with pytest.raises(ValueError, match="holds no number"):
        regressor.score(X, np.full(300, np.nan))


def test_containers_of_numbers(table):
    X, y, encoder = table
    told = few(y, 60)
    expected = quick(encoder).fit(X, told).predict(X)
    series = pd.Series(told).astype("Float64")
    for other in (series, pd.Series(told), told.tolist(), pd.DataFrame({"y": told})):
        found = quick(encoder).fit(X, other).predict(X)
        np.testing.assert_array_equal(found.ravel(), expected)


def test_without_a_pool_the_known_numbers_are_taught_alone(table):
    X, y, encoder = table
    alone = quick(encoder, kernel=None, max_iter=100).fit(X, few(y, 60))
    assert alone.kernel_ is None
    assert alone.score(X, y) > 0.3
    whole = quick(encoder, max_iter=40).fit(X, y)  # most are known
    assert whole.kernel_ is None
    assert whole.score(X, y) > 0.7


def test_a_number_that_does_not_vary_is_predicted():
    X, _ = curved(60)
    told = np.where(np.arange(60) < 20, 7.0, np.nan)
    np.testing.assert_allclose(quick().fit(X, told).predict(X), 7.0, atol=1e-3)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.full(300, np.nan), "2 numbers or more must be known. Got 0"),
        (np.where(np.arange(300) == 5, 1.0, np.nan), "Got 1"),
        (np.where(np.arange(300) == 5, np.inf, 1.0), "infinity"),
        (np.column_stack([np.ones(300), np.full(300, np.nan)]), "Got 0"),
        (np.zeros(299), "inconsistent numbers of samples"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_training(table, y, words, monkeypatch):
    monkeypatch.setattr(Autoencoder, "fit", lambda *_, **__: pytest.fail("has trained"))
    with pytest.raises(ValueError, match=words):
        quick().fit(table[0], y)


@pytest.mark.parametrize(
    ("numbers", "is_told"),
    [
        (np.r_[np.arange(200.0), np.full(100, -1)], True),
        (np.r_[np.arange(200), np.full(100, -1)], True),
        (np.r_[np.arange(200.0), np.full(100, -1)][:, None].repeat(2, 1), True),
        (np.r_[np.arange(-2.0, 198), np.full(100, -1)], False),  # others are below 0
        (np.r_[np.zeros(101), np.full(99, -1.0), np.arange(100)], False),  # or as frequent
        (np.r_[np.nan, np.arange(199.0), np.full(100, -1)], False),  # unknown ones are NaN
        (np.r_[np.arange(298.0), -1, -1], False),
        (np.full(300, -1.0), False),
    ],
)
def test_minus_one_in_place_of_nan_is_told(numbers, is_told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tell_of_minus_one(np.asarray(numbers, dtype=np.float64))
    assert [str(w.message)[:32] for w in caught][:1] == [
        "y: -1 in 100 of 300 rows is take"
    ] * is_told


def test_a_regressor_tells_of_minus_one(table):
    y = np.where(np.arange(300) % 2, -1, np.abs(few(table[1], 300)))
    with pytest.warns(UserWarning, match="put NaN there"):
        quick(max_iter=1).fit(table[0], y)


def test_codes_that_are_for_y(table):
    X, y, _ = table
    told = few(y, 60)
    ae = Autoencoder(2, target_weight=0.5, max_iter=5, random_state=0)
    found = quick(ae).fit(X, told)
    expected = clone(ae).fit(X, told)
    np.testing.assert_array_equal(found.autoencoder_.transform(X), expected.transform(X))
    assert found.training_scores_ == {}  # it has seen what would judge


@pytest.mark.parametrize(
    ("ae", "training", "words"),
    [
        (AdversarialAutoencoder(2, n_clusters="labels"), "auto", "learns classes"),
        (VariationalAutoencoder(2, conditional=True), "auto", "conditional=False"),
        (AdversarialAutoencoder(2), "joint", "training='fine-tune'"),
        (BinaryAutoencoder(2), "fine-tune", "training='frozen'"),
    ],
)
def test_autoencoders_that_cannot_be_are_refused_before_training(
    table, ae, training, words, monkeypatch
):
    monkeypatch.setattr(type(ae), "fit", lambda *_, **__: pytest.fail("has trained"))
    with pytest.raises(ValueError, match=words):
        quick(ae, training=training).fit(table[0], few(table[1], 60))


def test_searches_test_on_known_numbers():
    X, y = load_diabetes(return_X_y=True)
    folds = LabelledKFold(3, unlabelled=np.nan, random_state=0)
    scores = cross_val_score(quick(max_iter=20), X, few(y, 150), cv=folds)
    assert scores.mean() > 0.2
