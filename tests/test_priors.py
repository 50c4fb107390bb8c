"""Priors: their shapes, seeds and scales."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from skae import priors


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(
        [
            priors.Gaussian(),
            priors.Uniform(),
            priors.CircleMixture(3),
            priors.CircleMixture(),
            priors.SwissRoll(),
            priors.SwissRoll(3, 0),
        ]
    ),
    st.integers(2, 6),
    st.integers(0, 2**31 - 1),
)
def test_priors_are_of_about_unit_variance_and_seeded(prior, k, seed):
    draws = prior.sample(4000, k, seed)
    assert draws.shape == (4000, k)
    assert (draws == prior.sample(4000, k, seed)).all()
    assert abs(draws.mean(0)).max() < 0.45  # a spiral is not even on all sides
    assert (draws.std(0) > 0.6).all()
    assert (draws.std(0) < 1.5).all()
    assert draws[:, 2:].std() == pytest.approx(1, abs=0.1) or k == 2


def test_shapes_of_priors():
    spiral = priors.SwissRoll(noise=0).sample(2000, 2, 0)
    radius = np.linalg.norm(spiral, axis=1)
    assert radius.max() == pytest.approx(2, abs=0.01)
    assert radius.min() == pytest.approx(0.5, abs=0.05)
    circle = priors.CircleMixture(4, 2, 1e-3, 1e-3).sample(2000, 2, 0)
    modes = KMeans(4, n_init=5, random_state=0).fit(circle)
    np.testing.assert_allclose(np.linalg.norm(modes.cluster_centers_, axis=1), 2, atol=0.01)
    assert modes.inertia_ < 0.01
