"""The zeros and ones of a category weigh as one column; all others as they did."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

import skae._data.rows
from skae import Autoencoder
from skae._data.statistics import column_statistics
from skae.likelihoods import Gaussian
from skae.likelihoods._indicators import blocks_of_levels


def statistics(X, weight=None):
    return column_statistics(X, weight, X.shape[1:], lambda block: None)


def runs(X, weight=None):
    return [(run.start, run.stop) for run in blocks_of_levels(statistics(X, weight))]


def one_hot(rng, n, *shares):
    return [np.eye(len(p))[rng.choice(len(p), n, p=p)] for p in shares]


@pytest.fixture
def levels():
    """A number, three levels, a boolean, three of four levels, and one of them alone."""
    number = np.arange(8.0)
    three, four = np.eye(3)[[0, 0, 1, 2, 0, 0, 1, 0]], np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 0]]
    lone = np.array([1.0, 1, 0, 0, 1, 0, 1, 1])
    return np.column_stack([number, three, lone, four[:, :3], number])


@pytest.mark.parametrize("n_rows", [1, 3, 100])
def test_levels_are_found_over_blocks(levels, n_rows, monkeypatch):
    monkeypatch.setattr(skae._data.rows, "BLOCK_BYTES", 8 * 9 * n_rows)
    assert runs(levels) == [(1, 4), (5, 8)]
    levels[6, 2] = np.nan  # a missing cell is no second one
    assert runs(levels) == [(1, 4), (5, 8)]
    levels[7, 1:4] = 1, 1, 0
    assert runs(levels) == [(5, 8)]  # the last two levels alone are too few
    assert runs(levels, np.array([1.0, 2, 1, 1, 1, 1, 1, 0])) == [(1, 4), (5, 8)]
    levels[7, 1:4] = 0, 0.5, 0  # the last level never meets the boolean in so few rows
    assert runs(levels) == [(3, 5), (5, 8)]


def test_they_have_unit_variance_together(levels):
    X = np.column_stack([levels, np.zeros(8)])
    scale = Gaussian().build(statistics(X)).scale
    three, four = (X[:, run].var(0).sum() ** 0.5 for run in (slice(1, 4), slice(5, 8)))
    own = X.std(0)
    np.testing.assert_allclose(
        scale, [own[0], three, three, three, own[4], four, four, four, own[8], 0]
    )
    sparse = Gaussian().build(statistics(sp.csr_array(X)))
    np.testing.assert_allclose(sparse.scale, scale)
    np.testing.assert_allclose(Gaussian("column").build(statistics(X)).scale, X.std(0))


def test_scores_stay_densities_in_data_units(levels):
    module = Gaussian().build(statistics(levels))
    module.set_noise(np.linspace(0.1, 0.9, 9))
    mean, x = torch.zeros(8, 9), torch.from_numpy(module.standardize(levels))
    expected = norm(levels.mean(0), module.scale * module.noise_variance**0.5)
    np.testing.assert_allclose(
        module.log_prob(mean, x), expected.logpdf(levels).sum(1), rtol=1e-5
    )


def test_bits_and_counts_stay_columns_of_their_own(rng):
    bits = (rng.random((400, 60)) < rng.uniform(0.01, 0.5, 60)).astype(float)
    for X in (bits, rng.poisson(0.05, size=(400, 60)).astype(float)):
        assert runs(X) == []
        np.testing.assert_array_equal(
            Gaussian().build(statistics(X)).scale,
            Gaussian("column").build(statistics(X)).scale,
        )


@pytest.mark.parametrize(
    "seed", [0, 3]
)  # each by itself, the levels leave .4 of the second
def test_a_linear_model_finds_in_the_codes_what_it_finds_in_principal_components(seed):
    rng, n = np.random.default_rng(seed), 500
    size = rng.gamma(3, size=n)
    numbers = size[:, None] + 0.3 * size.std() * rng.normal(size=(n, 3))
    X = np.hstack(
        [numbers, *one_hot(rng, n, *[np.array([12, 6, 1, 1, 1, 1, 1, 1]) / 24] * 4)]
    )

    def found(codes):
        return (
            LinearRegression().fit(codes[:300], size[:300]).score(codes[300:], size[300:])
        )

    scaled = StandardScaler().fit(X[:300]).transform(X)
    ours = found(Autoencoder(2, random_state=0).fit(X[:300]).transform(X))
    assert ours > max(0.95, found(PCA(2).fit(scaled[:300]).transform(scaled)))
