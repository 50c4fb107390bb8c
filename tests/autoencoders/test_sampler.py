"""Generation from any autoencoder."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import Autoencoder, BinaryAutoencoder, LatentSampler, VariationalAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DIGITS = load_digits().images[:300]
ROWS = DIGITS.reshape(300, 64)
TINY = Autoencoder(2, max_iter=2, random_state=0)


@parametrize_with_checks([LatentSampler(TINY, random_state=0)])
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("density", [None, GaussianMixture(3), KernelDensity()], ids=repr)
@pytest.mark.parametrize(
    "autoencoder",
    [None, TINY, PCA(3), VariationalAutoencoder(2, max_iter=2, random_state=0)],
    ids=lambda e: type(e).__name__,
)
def test_any_autoencoder_and_any_density_generate(autoencoder, density):
    if autoencoder is None:
        autoencoder = clone(TINY).set_params(random_state=None)
    sampler = LatentSampler(autoencoder, density, random_state=0).fit(ROWS)
    drawn = sampler.sample(7, random_state=1)
    assert drawn.shape == (7, 64)
    np.testing.assert_array_equal(drawn, sampler.sample(7, random_state=1))
    assert (drawn != sampler.sample(7, random_state=2)).any()
    assert (sampler.sample(7) != sampler.sample(7)).any()
    again = clone(sampler).fit(ROWS)
    np.testing.assert_array_equal(drawn, again.sample(7, random_state=1))


def test_a_fit_forgets_the_names_before_it_and_one_that_fails_keeps_all():
    frame = pd.DataFrame(ROWS[:, :4], columns=list("abcd"))
    sampler = LatentSampler(TINY, random_state=0).fit(frame)
    before = sampler.sample(5, random_state=0)
    for broken in (np.full((9, 4), np.inf), np.full((9, 4), np.nan)):
        with pytest.raises(ValueError, match="X contains"):
            sampler.fit(broken)
    assert sampler.feature_names_in_.tolist() == list("abcd")
    pd.testing.assert_frame_equal(sampler.sample(5, random_state=0), before)
    with pytest.raises(ValueError, match="bits"):
        sampler.set_params(autoencoder=BinaryAutoencoder()).fit(ROWS)
    pd.testing.assert_frame_equal(sampler.sample(5, random_state=0), before)
    sampler.set_params(autoencoder=TINY).fit(ROWS)
    assert not hasattr(sampler, "feature_names_in_")
    assert sampler.n_features_in_ == 64
    assert isinstance(sampler.sample(2), np.ndarray)


def test_samples_of_pictures_are_pictures():
    sampler = LatentSampler(TINY, random_state=0).fit(DIGITS)
    assert sampler.sample(3).shape == (3, 8, 8)
    assert sampler.n_features_in_ == 64


def test_samples_have_the_mean_and_spread_of_the_rows():
    sampler = LatentSampler(PCA(10), GaussianMixture(5, random_state=0)).fit(ROWS)
    drawn = sampler.sample(5000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), ROWS.mean(0), atol=0.5)
    back = PCA(10).fit(ROWS)
    kept = back.inverse_transform(back.transform(ROWS))
    np.testing.assert_allclose(drawn.std(0), kept.std(0), atol=0.5)


def test_samples_are_in_no_order():
    sampler = LatentSampler(PCA(2), GaussianMixture(2, random_state=0)).fit(ROWS)
    labels = sampler.density_.predict(PCA(2).fit(ROWS).transform(sampler.sample(200, 0)))
    assert 30 < np.count_nonzero(np.diff(labels)) < 170


def test_a_fitted_autoencoder_is_taken_as_it_is():
    fitted = clone(TINY).fit(ROWS)
    sampler = LatentSampler(FrozenEstimator(fitted)).fit(ROWS[:50])
    assert sampler.autoencoder_.estimator is fitted


def test_fit_leaves_its_parameters_alone():
    autoencoder = Autoencoder(2, max_iter=1)
    density = GaussianMixture(3)
    LatentSampler(autoencoder, density, random_state=0).fit(ROWS)
    assert not hasattr(autoencoder, "net_")
    assert not hasattr(density, "means_")
    assert autoencoder.random_state is density.random_state is None


def test_names_of_columns_are_kept():
    frame = pd.DataFrame(ROWS).add_prefix("pixel")
    sampler = LatentSampler(TINY).fit(frame)
    assert list(sampler.feature_names_in_) == list(frame.columns)


def test_few_rows_have_fewer_components():
    sampler = LatentSampler(TINY, random_state=0).fit(ROWS[:4])
    assert sampler.density_.n_components == 4


@pytest.mark.parametrize(
    ("params", "match"),
    [({"autoencoder": GaussianMixture()}, "autoencoder"), ({"density": PCA()}, "density")],
    ids=str,
)
def test_what_cannot_generate_is_named(params, match):
    with pytest.raises(ValueError, match=match):
        LatentSampler(**params).fit(ROWS)


def test_a_bad_number_of_samples_is_named():
    with pytest.raises(ValueError, match="n_samples"):
        LatentSampler(TINY).fit(ROWS).sample(0)
