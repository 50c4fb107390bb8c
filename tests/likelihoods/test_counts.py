"""Counts: values by scipy, a start that is no worse than the mean, errors."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.likelihoods import Poisson

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = np.exp(rng.normal(size=(300, 2)) @ rng.normal(size=(2, 12)) + 0.5)
    return rng.poisson(rates).astype(float)


def kinds():
    shared = {"likelihood": "poisson", "random_state": 0}
    yield Autoencoder(2, **shared)
    yield DenoisingAutoencoder(2, **shared)
    yield VariationalAutoencoder(2, **shared)
    yield SparseAutoencoder(24, **shared)
    yield BinaryAutoencoder(8, **shared)
    yield AdversarialAutoencoder(2, **shared)


def test_scores_are_log_probabilities(counts):
    autoencoder = Autoencoder(2, likelihood=Poisson(), max_iter=5, random_state=0)
    scores = autoencoder.fit(counts).score_samples(counts)
    rates = autoencoder.reconstruct(counts)
    np.testing.assert_allclose(scores, poisson.logpmf(counts, rates).sum(1), rtol=1e-4)


def test_a_row_that_is_rebuilt_perfectly_scores_highest():
    x = torch.tensor([[0.0, 1.0, 7.0]])
    module = Poisson().build(statistics(np.array([[0, 1, 7], [2, 3, 9]])))
    expected = poisson.logpmf([0, 1, 7], [0, 1, 7]).sum()
    assert float(module.highest(x)) == pytest.approx(expected, abs=1e-6)


def statistics(X):
    from skae._data.statistics import column_statistics

    return column_statistics(X.astype(float), None, X.shape[1:], lambda rows: None)


@pytest.mark.parametrize("estimator", list(kinds()), ids=lambda e: type(e).__name__)
def test_what_is_learnt_beats_the_mean_by_far(estimator, counts):
    train, test = counts[:200], counts[200:]
    mean = poisson.logpmf(test, train.mean(0)).sum(1).mean()
    estimator.set_params(max_iter=30).fit(train)
    assert estimator.score(test) > 0.7 * mean  # both are negative
    assert (estimator.reconstruct(test) >= 0).all()


@pytest.mark.parametrize("scale", [1, 30])
@pytest.mark.parametrize(
    "kind", [Autoencoder, VariationalAutoencoder, AdversarialAutoencoder]
)
def test_the_start_is_no_worse_than_the_mean(kind, scale, counts):
    X = counts * scale
    start = kind(
        2, likelihood="poisson", max_iter=1, learning_rate=1e-12, early_stopping=False,
        random_state=0,
    ).fit(X)  # fmt: skip
    rates = start.reconstruct(X)
    mean = poisson.logpmf(X, X.mean(0)).sum(1).mean()
    assert poisson.logpmf(X, rates).sum(1).mean() > mean


def test_an_absurd_start_is_shrunk_to_the_mean():
    """One row of a million among zeros: the linear model in logarithms is far off."""
    X = np.zeros((60, 4))
    X[0] = 1e6
    X[1:, 0] = np.arange(59) % 3
    autoencoder = Autoencoder(
        1, likelihood="poisson", max_iter=1, learning_rate=1e-12, early_stopping=False,
        random_state=0,
    ).fit(X)  # fmt: skip
    nll = -poisson.logpmf(X, np.maximum(autoencoder.reconstruct(X), 1e-12)).sum()
    assert nll <= 1.01 * -poisson.logpmf(X, X.mean(0)).sum()


def test_draws_are_counts_of_the_rates_that_codes_have(counts):
    vae = VariationalAutoencoder(2, likelihood="poisson", max_iter=5, random_state=0)
    likelihood = vae.fit(counts).net_.module_.likelihood
    params = torch.log(torch.tensor([[0.5, 4.0, 20.0] * 4])).repeat(4000, 1)
    drawn = likelihood.sample(params, np.random.RandomState(0))
    assert (drawn == np.rint(drawn)).all()
    np.testing.assert_allclose(drawn.mean(0), [0.5, 4, 20] * 4, rtol=0.1)
    np.testing.assert_allclose(drawn.var(0), [0.5, 4, 20] * 4, rtol=0.15)
    sample = vae.sample(50, random_state=0, noise=True)
    assert (sample == np.rint(sample)).all()
    assert (sample >= 0).all()


def test_a_detector_finds_a_row_of_other_rates(counts):
    rows = counts.copy()
    rows[5] = 200
    detector = AutoencoderOutlierDetector(
        Autoencoder(2, likelihood="poisson", max_iter=20), n_estimators=2, random_state=0
    ).fit(rows)
    assert (detector.score_samples(rows) < detector.score_samples(rows)[5]).sum() < 5


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "column 3 of X holds -1"), (0.5, "column 3 of X holds 0.5")],
)
def test_what_is_no_count_is_refused(value, message, counts):
    X = counts.copy()
    X[7, 3] = value
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, likelihood="poisson").fit(X)
    fitted = Autoencoder(2, likelihood="poisson", max_iter=1).fit(counts)
    with pytest.raises(ValueError, match=message):
        fitted.transform(X)


def test_sparse_counts_are_taken_as_they_are(counts):
    import scipy.sparse as sp

    params = {"likelihood": "poisson", "max_iter": 3, "random_state": 0}
    dense = Autoencoder(2, **params).fit(counts)
    sparse = Autoencoder(2, **params).fit(sp.csr_array(counts))
    np.testing.assert_allclose(
        sparse.transform(sp.csr_array(counts)),
        dense.transform(counts),
        rtol=1e-4,
        atol=1e-4,
    )


def test_large_counts_do_not_overflow():
    X = np.random.default_rng(0).poisson(1e6, size=(50, 3)).astype(float)
    autoencoder = Autoencoder(1, likelihood="poisson", max_iter=3, random_state=0).fit(X)
    np.testing.assert_allclose(autoencoder.reconstruct(X), 1e6, rtol=0.1)
