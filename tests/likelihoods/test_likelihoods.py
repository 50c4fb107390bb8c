"""Scales, links and noise; scores are the log-densities of scipy."""

import numpy as np
import pytest
from scipy import special, stats

from skae.likelihoods import Bernoulli, Categorical, Gaussian
from skae.likelihoods._base import VARIANCE_FLOOR
from tests.tables import X, make

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
UNIT = special.expit((X - X.mean(0)) / X.std(0))
SIMPLEX = special.softmax((X - X.mean(0)) / X.std(0), axis=1)


# Activations, links, shapes


@pytest.mark.parametrize("link", ["sigmoid", "tanh"])
def test_a_bounded_link_stays_between_the_extremes_of_the_training_data(link, rng):
    estimator = make(likelihood=Gaussian(link=link)).fit(X)
    far = estimator.inverse_transform(1e3 * rng.normal(size=(200, 2)))
    span = np.ptp(X, axis=0)
    for out in (estimator.reconstruct(X), far):
        assert (out >= X.min(0) - 1e-5 * span).all()
        assert (out <= X.max(0) + 1e-5 * span).all()
    assert np.ptp(far, axis=0) == pytest.approx(span, rel=1e-3)


def test_an_identity_link_knows_no_bounds(rng):
    far = make().fit(X).inverse_transform(1e3 * rng.normal(size=(200, 2)))
    assert (far > X.max(0)).any(0).all()
    assert (far < X.min(0)).any(0).all()


def test_cross_entropies_reconstruct_probabilities():
    out = make(likelihood="bernoulli").fit(UNIT).reconstruct(UNIT)
    assert out.min() >= 0
    assert out.max() <= 1
    assert not np.allclose(out.sum(1), 1)
    out = make(likelihood="categorical").fit(SIMPLEX).reconstruct(SIMPLEX)
    assert out.min() >= 0
    np.testing.assert_allclose(out.sum(1), 1, rtol=1e-6)


# Likelihoods


@pytest.mark.parametrize(
    ("scale", "location", "expected"),
    [
        ("auto", X.mean(0), X.std(0)),
        ("column", X.mean(0), X.std(0)),
        ("global", np.full(6, X.mean()), np.full(6, X.std())),
        (None, np.zeros(6), np.ones(6)),
    ],
)
def test_the_scale_is_what_it_says(scale, location, expected):
    module = make(max_iter=1, likelihood=Gaussian(scale=scale)).fit(X).net_.module_
    np.testing.assert_allclose(module.likelihood.location, location, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(module.likelihood.scale, expected, rtol=1e-9)


@pytest.mark.parametrize("scale", ["auto", "global"])
@pytest.mark.parametrize("link", ["identity", "sigmoid", "tanh"])
def test_gaussian_scores_are_normal_log_densities_in_data_units(scale, link):
    estimator = make(likelihood=Gaussian(scale=scale, link=link), max_iter=10).fit(X)
    module = estimator.net_.module_
    sd = np.sqrt(module.likelihood.noise_variance) * module.likelihood.scale
    expected = stats.norm.logpdf(X, estimator.reconstruct(X), sd).sum(1)
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-3, atol=1e-3)
    floor = VARIANCE_FLOOR * module.likelihood.scale**2
    measured = ((X - estimator.reconstruct(X)) ** 2).mean(0)
    np.testing.assert_allclose(sd**2, np.maximum(measured, floor), rtol=2e-3)


def test_gaussian_scores_change_by_the_jacobian_when_units_do():
    first = make().fit(X).score(X)
    second = make().fit(1000 * X).score(1000 * X)
    assert second == pytest.approx(first - 6 * np.log(1000), rel=1e-4)


def test_bernoulli_scores_are_those_of_scipy():
    rows = (UNIT > 0.5).astype(float)
    estimator = make(likelihood=Bernoulli()).fit(rows)
    expected = stats.bernoulli.logpmf(rows, estimator.reconstruct(rows)).sum(1)
    np.testing.assert_allclose(estimator.score_samples(rows), expected, rtol=1e-5)


def test_categorical_scores_are_sums_of_x_log_p():
    estimator = make(likelihood=Categorical()).fit(SIMPLEX)
    expected = special.xlogy(SIMPLEX, estimator.reconstruct(SIMPLEX)).sum(1)
    np.testing.assert_allclose(estimator.score_samples(SIMPLEX), expected, rtol=1e-5)


# Losses


def test_the_noise_is_the_weighted_mean_square_of_all_residuals():
    weight = np.random.default_rng(0).exponential(size=len(X)) ** 3
    for early_stopping in (True, False):
        estimator = make(early_stopping=early_stopping).fit(X, sample_weight=weight)
        likelihood = estimator.net_.module_.likelihood
        residual = (X - estimator.reconstruct(X)) / likelihood.scale
        expected = np.average(residual**2, axis=0, weights=weight)
        np.testing.assert_allclose(likelihood.noise_variance, expected, rtol=1e-3)
