"""The variational autoencoder: oracles, bounds, generation, collapse, hard data."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import special, stats
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skae import Autoencoder, VariationalAutoencoder, likelihoods
from skae.corruption import Masking
from skae.metrics import explained_variance_ratio, factor_vae_score
from skae.networks import ConvolutionalNetwork, DenseNetwork
from tests.factors import DIGITS, FACTORS, ONE_HOT, SMALL, TEST, TRAIN, make, quick


@pytest.fixture(scope="module")
def fitted():
    return make(max_iter=20).fit(SMALL)


# Oracles


def test_a_linear_one_is_factor_analysis():
    vae = VariationalAutoencoder(4, network=(), random_state=0).fit(TRAIN)
    oracle = FactorAnalysis(4).fit(TRAIN)
    for rows in (TRAIN, TEST):
        exact = oracle.score(rows)
        assert vae.elbo(rows).mean() == pytest.approx(exact, abs=0.1)
        assert vae.score(rows) == pytest.approx(exact, abs=0.05)
    assert vae.active_units_.all()


def test_a_linear_one_is_factor_analysis_on_wine():
    X = load_wine().data
    train, test = train_test_split(X, random_state=0)
    scale = train.std(0)
    oracle = FactorAnalysis(4).fit(train / scale).score(test / scale)
    oracle -= np.log(scale).sum()
    vae = VariationalAutoencoder(4, network=(), random_state=0).fit(train)
    assert vae.elbo(test).mean() == pytest.approx(oracle, abs=0.3)
    assert vae.score(test) == pytest.approx(oracle, abs=0.3)


@pytest.mark.parametrize("capacity", [1.0, 4.0])
def test_a_code_carries_the_capacity(capacity):
    vae = make(4, capacity=capacity, beta=20.0, max_iter=60).fit(TRAIN[:600])
    assert vae.kl_divergence(TRAIN[:600]).sum(1).mean() == pytest.approx(capacity, abs=0.3)


# Bounds


def test_a_score_is_never_below_the_elbo(fitted):
    elbo, score = fitted.elbo(SMALL).mean(), fitted.score(SMALL)
    assert elbo < score
    more = fitted.score_samples(SMALL, n_samples=4096).mean()
    assert more == pytest.approx(score, abs=0.05)
    assert fitted.elbo(SMALL, n_samples=4096).mean() == pytest.approx(elbo, abs=0.05)


@quick
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "categorical"])
def test_the_score_is_the_integral_over_the_prior(likelihood, rng):
    rows = special.softmax(rng.normal(size=(60, 3)), axis=1)
    if likelihood == "gaussian":
        rows = SMALL[:60, :3]
    vae = make(1, likelihood=likelihood, network=(5,), max_iter=30).fit(rows)
    z = np.linspace(-8, 8, 4001)
    mean = vae.inverse_transform(z[:, None])
    if likelihood == "gaussian":
        module = vae.net_.module_.likelihood
        sd = np.sqrt(module.noise_variance) * module.scale
        log_p = stats.norm.logpdf(rows[:, None], mean, sd).sum(2)
    else:
        log_p = special.xlogy(rows[:, None], mean).sum(2)
        if likelihood == "bernoulli":
            log_p += special.xlogy(1 - rows[:, None], 1 - mean).sum(2)
    exact = special.logsumexp(log_p + stats.norm.logpdf(z), axis=1) + np.log(z[1] - z[0])
    np.testing.assert_allclose(vae.score_samples(rows, 2048), exact, atol=0.02)
    assert (vae.elbo(rows, 2048) < exact + 0.02).all()


@quick
@pytest.mark.parametrize(
    "network",
    ["auto", pytest.param(ConvolutionalNetwork(filters=(3,)), marks=pytest.mark.slow)],
)
def test_a_rows_results_depend_on_that_row_alone(network, rng):
    X = DIGITS[:40]
    vae = make(network=network).fit(X)
    order = rng.permutation(len(X))
    for method in (vae.transform, vae.score_samples, vae.elbo, vae.kl_divergence):
        whole = method(X)
        np.testing.assert_array_equal(method(X), whole)
        np.testing.assert_array_equal(method(X[order]), whole[order])
        np.testing.assert_array_equal(method(X[3:4]), whole[3:4])
    np.testing.assert_array_equal(clone(vae).fit(X).transform(X), vae.transform(X))


def test_kl_is_that_of_the_posterior(fitted):
    mean, std = fitted.transform(SMALL, return_std=True)
    exact = 0.5 * (mean**2 + std**2 - 1) - np.log(std)
    np.testing.assert_allclose(fitted.kl_divergence(SMALL), exact, atol=1e-4)


def test_codes_are_drawn_from_the_posterior(fitted):
    Z = fitted.encode_samples(SMALL[:5], 4000, random_state=0)
    mean, std = fitted.transform(SMALL[:5], return_std=True)
    np.testing.assert_allclose(Z.mean(1), mean, atol=0.1)
    np.testing.assert_allclose(Z.std(1), std, rtol=0.06)
    again = fitted.encode_samples(SMALL[:5], 4000, random_state=0)
    np.testing.assert_array_equal(Z, again)
    assert (fitted.encode_samples(SMALL[:5], 4000, random_state=1) != Z).any()


def test_set_output_leaves_the_scales_alone(fitted):
    vae = clone(fitted).set_output(transform="pandas").fit(SMALL)
    mean, std = vae.transform(SMALL, return_std=True)
    assert isinstance(mean, pd.DataFrame)
    np.testing.assert_array_equal(mean, vae.transform(SMALL))
    assert std.shape == mean.shape


# Quality at defaults


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_digits, load_breast_cancer, load_wine])
def test_at_defaults_it_reconstructs_nearly_as_well_as_the_plain_one(load):
    train, test = train_test_split(load().data, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "No epoch was better")  # than factor analysis
        vae = VariationalAutoencoder(random_state=0).fit(train)
    plain = Autoencoder(random_state=0).fit(train)
    ours, theirs = (
        explained_variance_ratio(test, e.reconstruct(test), X_train=train)
        for e in (vae, plain)
    )
    assert ours > 0.9 * theirs
    assert vae.active_units_.mean() >= 0.5


@quick
@pytest.mark.slow
def test_importance_weighted_training_is_as_good_a_density(rng):
    X = (special.expit(3 * (FACTORS[:1600] - 5)) > rng.uniform(size=(1600, 12))) * 1.0
    params = {"likelihood": "bernoulli", "network": (32,), "max_iter": 40}
    elbo, weighted = (
        make(4, n_importance_samples=s, **params).fit(X[:1000]) for s in (1, 8)
    )
    gap = [np.mean(e.score_samples(X[1000:]) - e.elbo(X[1000:])) for e in (elbo, weighted)]
    assert weighted.score(X[1000:]) > elbo.score(X[1000:]) - 0.05
    assert 0 < gap[0] < gap[1]  # a posterior trained for many draws is wider


# Generation


def test_samples_have_the_mean_and_the_covariance_of_the_rows():
    vae = VariationalAutoencoder(4, network=(), random_state=0).fit(TRAIN)
    drawn = vae.sample(20_000, random_state=0, noise=True)
    error = np.cov(drawn.T) - np.cov(TRAIN.T)
    assert np.abs(error).max() < 0.1 * np.cov(TRAIN.T).max()
    np.testing.assert_allclose(drawn.mean(0), TRAIN.mean(0), atol=0.25)
    means = vae.sample(20_000, random_state=0)
    noise = (drawn - means).var(0)
    expected = vae.net_.module_.likelihood.noise_variance * TRAIN.var(0)
    np.testing.assert_allclose(noise, expected, rtol=0.1)  # values are the columns' own


@quick
def test_samples_repeat_with_their_seed_and_have_the_rows_shape():
    vae = make().fit(DIGITS[:80])
    first = vae.sample(3, random_state=1)
    assert first.shape == (3, 8, 8)
    np.testing.assert_array_equal(first, vae.sample(3, random_state=1))
    assert (first != vae.sample(3, random_state=2)).any()
    state = np.random.RandomState(0)
    assert (vae.sample(3, random_state=state) != vae.sample(3, random_state=state)).any()
    assert vae.sample().shape == (1, 8, 8)


@quick
def test_draws_lie_in_the_likelihoods_support(rng):
    rows = (rng.uniform(size=(80, 5)) < [0.1, 0.5, 0.9, 0.3, 0.7]).astype(float)
    vae = make(likelihood="bernoulli").fit(rows)
    drawn = vae.sample(4000, random_state=0, noise=True)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(
        drawn.mean(0), vae.sample(4000, random_state=0).mean(0), atol=0.04
    )
    one_hot = np.eye(4)[rng.integers(4, size=80)]
    vae = make(likelihood="categorical").fit(one_hot)
    drawn = vae.sample(4000, random_state=0, noise=True)
    np.testing.assert_array_equal(drawn.sum(1), 1)
    np.testing.assert_allclose(
        drawn.mean(0), vae.sample(4000, random_state=0).mean(0), atol=0.04
    )


@pytest.mark.parametrize("kind", ["straight", "spherical"])
def test_interpolation_goes_from_end_to_end(fitted, kind):
    way = fitted.interpolate(SMALL[:3], SMALL[3:6], 7, kind=kind)
    assert way.shape == (3, 7, 12)
    np.testing.assert_allclose(way[:, 0], fitted.reconstruct(SMALL[:3]), rtol=1e-3)
    np.testing.assert_allclose(way[:, -1], fitted.reconstruct(SMALL[3:6]), rtol=1e-3)
    same = fitted.interpolate(SMALL[:2], SMALL[:2], 3, kind=kind)
    np.testing.assert_allclose(same[:, 1], fitted.reconstruct(SMALL[:2]), rtol=1e-3)
    with pytest.raises(ValueError, match="kind"):
        fitted.interpolate(SMALL[:2], SMALL[:2], kind="linear")


def test_an_arc_keeps_its_distance_from_the_origin():
    from skae._autoencoders.inference import _on_an_arc

    a, b = np.array([[2.0, 0]]), np.array([[0, 2.0]])
    start, end = _on_an_arc(a, b, np.linspace(0, 1, 5)[:, None])
    way = a[:, None] * start + b[:, None] * end
    np.testing.assert_allclose(np.linalg.norm(way, axis=2), 2)


# Collapse


@pytest.mark.parametrize("beta", [100.0, 1000.0])
def test_collapse_is_told_with_its_remedy(beta):
    with pytest.warns(ConvergenceWarning, match="Collapsed.*beta") as caught:
        vae = make(4, beta=beta, network=(16,), max_iter=40, kl_warm_up=0).fit(SMALL)
    assert len([w for w in caught if "Collapsed" in str(w.message)]) == 1
    assert not vae.active_units_.any()


def test_without_noise_there_is_no_collapse_to_be_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "No epoch was better")  # the data are linear
        vae = VariationalAutoencoder(4, max_iter=60, random_state=0).fit(TRAIN[:500])
    assert vae.active_units_.sum() == 4


# Hard data and odd uses


OUTLIERS = SMALL.copy()
OUTLIERS[3, 2] = 1e6
HARD = {
    "constant columns": (np.column_stack([SMALL, np.ones(120), np.zeros(120)]), {}),
    "only constants": (np.ones((20, 4)), {}),
    "outliers": (OUTLIERS, {}),
    "one-hot": (ONE_HOT, {}),
    "one-hot, bernoulli": (ONE_HOT, {"likelihood": "bernoulli"}),
    "5 rows": (SMALL[:5], {}),
    "2 rows": (SMALL[:2], {}),
    "beta of 100": (SMALL, {"beta": 100.0}),
    "beta of 0": (SMALL, {"beta": 0.0}),
    "300 components": (SMALL, {"n_components": 300}),
    "copies of a column": (np.column_stack([SMALL[:, :1]] * 5), {}),
    "large values": (SMALL * 1e9 + 1e12, {}),
}


@quick
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("network", ["auto", (), (8,)], ids=str)
@pytest.mark.parametrize("name", HARD)
def test_hard_data_give_finite_results(name, network):
    rows, params = HARD[name]
    vae = make(**{"network": network, "max_iter": 30, **params}).fit(rows)
    for result in (
        vae.transform(rows), vae.score_samples(rows), vae.elbo(rows), vae.sample(3),
        vae.sample(3, noise=True), vae.reconstruct(rows), vae.loss_curve_,
    ):  # fmt: skip
        assert np.isfinite(result).all()


@quick
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "params",
    [
        {"network": ConvolutionalNetwork(filters=(3,))},
        {"network": ConvolutionalNetwork(filters=(3,)), "n_components": None},
        {"network": DenseNetwork((9, 5)), "n_components": None},
        {"network": DenseNetwork((9,), normalization="batch", dropout=0.2)},
        {"corruption": Masking(0.3)},
        {"n_components": "auto"},
        {"likelihood": likelihoods.Gaussian(link="sigmoid")},
        {"likelihood": likelihoods.Gaussian(scale=None)},
        {"n_importance_samples": 3},
        {"free_bits": 0.2},
        {"early_stopping": False},
        {"net_params": {"optimizer": torch.optim.SGD}},
    ],
    ids=str,
)
def test_it_takes_what_every_autoencoder_takes(params):
    vae = make(**params).fit(DIGITS[:60])
    assert vae.transform(DIGITS[:60]).shape == (60, vae.n_components_)
    assert vae.sample(2, random_state=0).shape == (2, 8, 8)
    assert np.isfinite(vae.score(DIGITS[:60]))
    assert vae.active_units_.shape == (vae.n_components_,)


@quick
def test_a_warm_start_takes_another_beta():
    vae = make(4, warm_start=True, network=(16,), max_iter=30, kl_warm_up=0).fit(SMALL)
    before = vae.kl_divergence(SMALL).sum()
    vae.set_params(beta=300.0, max_iter=60).fit(SMALL)
    assert vae.kl_divergence(SMALL).sum() < 0.1 * before


@quick
def test_partial_fit_learns():
    vae = make(4, network=(16,))
    first = vae.partial_fit(TRAIN[:500]).score(TEST)
    for _ in range(14):
        vae.partial_fit(TRAIN[:500])
    assert vae.score(TEST) > first + 0.5


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"network": DenseNetwork((4,), tied_weights=True)}, "tied_weights"),
        ({"n_importance_samples": 2, "beta": 2.0}, "n_importance_samples"),
        ({"n_importance_samples": 2, "capacity": 2.0}, "n_importance_samples"),
        ({"code_activation": "relu"}, "code_activation"),
        ({"beta": -1.0}, "beta"),
        ({"kl_warm_up": 1.0}, "kl_warm_up"),
        ({"free_bits": -0.1}, "free_bits"),
        ({"n_importance_samples": 0}, "n_importance_samples"),
    ],
    ids=str,
)
def test_a_bad_parameter_is_named(params, match):
    vae = make(**params)
    with pytest.raises(ValueError, match=match):
        vae.fit(SMALL)
    assert not vae.__sklearn_is_fitted__()


@pytest.mark.parametrize("value", [0, 1.5, True, "x"])
def test_a_bad_number_of_samples_is_named(fitted, value):
    for call in (
        lambda: fitted.sample(value),
        lambda: fitted.encode_samples(SMALL, value),
        lambda: fitted.score_samples(SMALL, value),
        lambda: fitted.elbo(SMALL, value),
    ):
        with pytest.raises(ValueError, match="n_samples"):
            call()


# Other objectives


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "least"), [("tc", 0.95), ("factor", 0.7)])
def test_factors_that_are_mixed_are_told_apart(objective, least):
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 6, size=(1500, 3))
    mixed = np.tanh((factors / 2.5 - 1) @ rng.normal(size=(3, 16)))
    rows = mixed + 0.05 * rng.normal(size=mixed.shape)
    params = {"network": (64,), "max_iter": 50, "objective": objective, "beta": 6.0}
    codes = make(5, **params).fit(rows).transform(rows)
    score = factor_vae_score(codes, factors, n_trials=300, random_state=0)
    assert score > least  # a third by chance
    again = make(5, **params).fit(rows)
    np.testing.assert_array_equal(again.transform(rows), codes)


@quick
def test_going_on_keeps_the_discriminator():
    vae = make(objective="factor", beta=3.0, warm_start=True).fit(SMALL).fit(SMALL)
    vae.partial_fit(SMALL)
    with pytest.raises(ValueError, match="objective"):
        vae.set_params(objective="kl").fit(SMALL)
    assert vae.set_params(objective="factor").score(SMALL) < 0


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "tc", "capacity": 3.0},
        {"objective": "factor", "free_bits": 0.1},
        {"objective": "tc", "n_importance_samples": 3},
        {"objective": "mmd"},
    ],
    ids=str,
)
def test_what_an_objective_does_not_know_is_named(params):
    with pytest.raises(ValueError, match="objective"):
        make(**params).fit(SMALL)


@pytest.mark.slow
@quick
def test_no_penalty_on_the_weights_widens_the_codes(rng):
    X = (special.expit(2 * (TRAIN[:1000] - 5)) > rng.uniform(size=(1000, 12))) * 1.0
    X = np.tile(X, 20)  # many columns, which would outweigh a penalty on the weights
    params = {"likelihood": "bernoulli", "network": (32,), "max_iter": 60}
    free, penalised = (make(2, **params, **more).fit(X) for more in ({}, {"alpha": 1e-3}))
    assert free.transform(X).std() < 0.8 * penalised.transform(X).std()
    assert free.sample(2000, random_state=0).mean() == pytest.approx(X.mean(), abs=0.05)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("kl_warm_up", [0.0, 0.6])
def test_densities_above_one_are_no_divergence(early_stopping, kl_warm_up):
    """Rows near a line: the loss is negative, and rises as the KL term sets in."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 1)) * np.ones(6) + 0.01 * rng.normal(size=(400, 6))
    vae = VariationalAutoencoder(
        1,
        max_iter=60,
        kl_warm_up=kl_warm_up,
        early_stopping=early_stopping,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.filterwarnings("ignore", "No epoch was better")  # the data are linear
        vae.fit(X)
    assert vae.loss_curve_[-1] < 0
