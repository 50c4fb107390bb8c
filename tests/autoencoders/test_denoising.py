"""Denoising: quality, pairs of noisy and clean rows, routing."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import special, stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, DenoisingAutoencoder
from skae._training.blocks import block_rows
from skae._training.run import Run
from skae.corruption import Gaussian
from skae.networks import ConvolutionalNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(120, 6))
X = X * [1, 10, 100, 0.1, 1, 1] + [0, 5, -300, 1, 1, 1]
NOISY = Gaussian(0.5).corrupt(X, random_state=1)
UNIT = special.expit((X - X.mean(0)) / X.std(0))
DIGITS = load_digits().images / 16
PICTURES = DIGITS[:60]


def make(n_components=2, kind=DenoisingAutoencoder, **params):
    defaults = {"max_iter": 3, "batch_size": 32, "random_state": 0, "network": (8, 5)}
    return kind(n_components, **{**defaults, **params})


def standardized(estimator, rows):
    likelihood = estimator.net_.module_.likelihood
    return likelihood.standardize(np.asarray(rows).reshape(len(rows), -1), check=False)


def concatenated(calls):
    """Rows that modules were given in training, and their targets."""
    pairs = [(call.x, call.target) for call in calls if call.training]
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def nearest(rows, whole):
    """Index of the row of `whole` that each row is."""
    distance = np.abs(rows[:, None] - whole).sum(2)
    assert distance.min(1).max() < 1e-5
    return distance.argmin(1)


def assert_aligned(calls, estimator, noisy=NOISY, clean=X):
    x, target = concatenated(calls)
    row = nearest(x, standardized(estimator, noisy))
    np.testing.assert_array_equal(row, nearest(target, standardized(estimator, clean)))
    assert (x != target).any(1).all()


def assert_same(first, second):
    assert first.loss_curve_ == second.loss_curve_
    np.testing.assert_array_equal(first.reconstruct(NOISY), second.reconstruct(NOISY))


# Quality


def decibels(rows, clean):
    return -10 * np.log10(np.mean((rows - clean) ** 2))


@pytest.mark.parametrize("n_components", [16, 100])
def test_held_out_digits_are_denoised_also_with_an_overcomplete_code(n_components):
    noise, train, test = Gaussian(0.3), DIGITS[:1200], DIGITS[1200:1500]
    noisy = noise.corrupt(test, random_state=1)
    params = {"network": (128,), "max_iter": 10, "batch_size": 64}
    denoised, plain = (
        make(n_components, kind, corruption=corruption, **params).fit(train)
        for kind, corruption in ((DenoisingAutoencoder, noise), (Autoencoder, None))
    )
    gain = decibels(denoised.denoise(noisy), test)
    assert gain > decibels(noisy, test) + 4
    assert gain > decibels(plain.reconstruct(noisy), test) + 1.5


def test_denoise_is_reconstruct():
    for estimator, rows in ((make().fit(X), NOISY), (make().fit(PICTURES), PICTURES + 1)):
        out = estimator.denoise(rows)
        np.testing.assert_array_equal(out, estimator.reconstruct(rows))
        assert out.shape == rows.shape


def test_a_linear_denoiser_is_the_wiener_filter():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    rows, sigma = rng.normal(size=(2000, 6)) @ mix, 0.7
    estimator = make(
        6, network=(), corruption=Gaussian(sigma), alpha=0, max_iter=40,
        early_stopping=False, batch_size=64,
    ).fit(rows)  # fmt: skip
    covariance = np.corrcoef(rows.T)
    wiener = covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(6))
    module = estimator.net_.module_
    (up,), (down,) = (part.layers for part in (module.decoder, module.encoder))
    learnt = (up.weight @ down.weight).detach().numpy()
    np.testing.assert_allclose(learnt, wiener, atol=0.04)
    assert np.abs(wiener - np.eye(6)).max() > 0.3

    clean = rng.normal(size=(2000, 6)) @ mix
    noisy = clean + sigma * rows.std(0) * rng.normal(size=clean.shape)
    best = (noisy - rows.mean(0)) / rows.std(0) @ wiener.T * rows.std(0) + rows.mean(0)
    errors = [
        np.mean(((out - clean) / rows.std(0)) ** 2)
        for out in (estimator.denoise(noisy), best, noisy)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
    assert errors[0] < 0.8 * errors[2]


# "auto"


def test_auto_is_noise_of_half_a_deviation(calls):
    auto, named, given = (
        make(corruption=corruption).fit(X)
        for corruption in ("auto", "gaussian", Gaussian())
    )
    assert_same(auto, named)
    assert_same(auto, given)
    calls.clear()
    make(max_iter=20).fit(X)
    x, clean = concatenated(calls)
    np.testing.assert_allclose((x - clean).std(0), 0.5, rtol=5 / np.sqrt(2 * len(x)))


def test_without_corruption_it_is_the_plain_autoencoder():
    assert_same(make(corruption=None).fit(X), make(kind=Autoencoder).fit(X))


def test_with_pairs_auto_adds_nothing(calls):
    estimator = make().fit(NOISY, X_clean=X)
    assert_aligned(calls, estimator)
    calls.clear()
    assert_same(estimator, make(corruption=None).fit(NOISY, X_clean=X))


def test_with_pairs_an_explicit_corruption_comes_on_top(calls):
    estimator = make(corruption=Gaussian(0.5), max_iter=30).fit(NOISY, X_clean=X)
    x, clean = concatenated(calls)
    row = nearest(clean, standardized(estimator, X))
    noise = x - standardized(estimator, NOISY)[row]
    np.testing.assert_allclose(noise.std(0), 0.5, rtol=5 / np.sqrt(2 * len(x)))
    assert (np.abs(noise.mean(0)) < 5 * 0.5 / np.sqrt(len(x))).all()


# Pairs


def test_pairs_are_learnt_from():
    params = {"network": "auto", "max_iter": 40, "batch_size": 16}
    estimator = make(3, **params).fit(NOISY[:100], X_clean=X[:100])
    assert estimator.loss_curve_[-1] < 0.9 * estimator.loss_curve_[0]
    error, before = (
        np.mean(((out - X[100:]) / X.std(0)) ** 2)
        for out in (estimator.denoise(NOISY[100:]), NOISY[100:])
    )
    assert error < 0.8 * before


def test_statistics_are_those_of_the_clean_rows():
    offset = 7 * X.std(0)
    estimator = make(6, network=(), max_iter=100).fit(X + offset, X_clean=X)
    likelihood = estimator.net_.module_.likelihood
    np.testing.assert_allclose(likelihood.location, X.mean(0))
    np.testing.assert_allclose(likelihood.scale, X.std(0))
    error = (estimator.denoise(X + offset) - X) / X.std(0)
    assert np.abs(error).mean() < 0.1


def test_clean_rows_equal_to_the_rows_are_no_pairs():
    assert_same(
        make(corruption=None).fit(X, X_clean=X.copy()), make(corruption=None).fit(X)
    )


@pytest.mark.parametrize(
    "as_container",
    [sp.csr_array, sp.csc_matrix, pd.DataFrame, np.ndarray.tolist, np.float32],
)
def test_pairs_come_in_any_container(calls, as_container):
    estimator = make().fit(as_container(NOISY), X_clean=as_container(X))
    assert_aligned(calls, estimator)
    mixed = make().fit(NOISY, X_clean=as_container(X))
    assert_aligned(calls[len(calls) // 2 :], mixed)


def test_pairs_of_pictures(calls):
    noisy = Gaussian(0.3).corrupt(PICTURES, random_state=0)
    estimator = make().fit(noisy, X_clean=PICTURES)
    assert_aligned(calls, estimator, noisy, PICTURES)
    assert estimator.denoise(noisy).shape == noisy.shape
    flat = make().fit(noisy, X_clean=PICTURES.reshape(60, 64))
    np.testing.assert_array_equal(flat.denoise(noisy), estimator.denoise(noisy))
    assert estimator.score_samples(noisy, PICTURES).shape == (60,)


def test_pairs_through_convolutions(calls):
    noisy = Gaussian(0.3).corrupt(PICTURES, random_state=0)
    network = ConvolutionalNetwork(filters=(2, 2))
    estimator = make(network=network).fit(noisy, X_clean=PICTURES)
    assert_aligned(calls, estimator, noisy, PICTURES)


def test_pairs_are_weighted(calls):
    weight = np.repeat([0.0, 1.0, 2.0], 40)
    estimator = make(early_stopping=False).fit(NOISY, None, weight, X_clean=X)
    assert_aligned(calls, estimator)
    row = nearest(concatenated(calls)[0], standardized(estimator, NOISY))
    assert row.min() >= 40
    expected = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(estimator.net_.module_.likelihood.location, expected)
    alone = make(early_stopping=False).fit(NOISY[40:], None, weight[40:], X_clean=X[40:])
    np.testing.assert_allclose(estimator.denoise(X), alone.denoise(X), rtol=1e-3, atol=1e-2)
    scores = estimator.score_samples(NOISY, X)
    score = estimator.score(NOISY, sample_weight=weight, X_clean=X)
    assert score == pytest.approx(np.average(scores, weights=weight))


def test_partial_fit_takes_pairs(calls):
    estimator = make(network=(), n_components=6)
    for _ in range(60):
        estimator.partial_fit(NOISY, X_clean=X)
    assert_aligned(calls, estimator)
    assert estimator.loss_curve_[-1] < 0.7 * estimator.loss_curve_[0]
    estimator.partial_fit(NOISY[:1], X_clean=X[:1]).partial_fit(X)
    with pytest.raises(ValueError, match="X_clean"):
        estimator.partial_fit(NOISY, X_clean=X[1:])


def test_a_warm_start_goes_on_with_pairs(calls):
    estimator = make(warm_start=True).fit(NOISY, X_clean=X)
    curve, location = estimator.loss_curve_, estimator.net_.module_.likelihood.location
    estimator.fit(NOISY, X_clean=X)
    assert_aligned(calls, estimator)
    assert estimator.loss_curve_[:3] == curve
    assert len(estimator.loss_curve_) == 6
    estimator.fit(X + 1, X_clean=X + 1)
    np.testing.assert_array_equal(estimator.net_.module_.likelihood.location, location)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True])
def test_streamed_pairs_stay_aligned(monkeypatch, calls, container, weighted, rng):
    monkeypatch.setattr("skae._data.rows.RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr("skae._data.rows.CHUNK_BYTES", 2000)
    weight = rng.uniform(size=len(X)) if weighted else None
    estimator = make().fit(container(NOISY), None, weight, X_clean=container(X))
    assert_aligned(calls, estimator)
    row = nearest(concatenated(calls)[0], standardized(estimator, NOISY))
    assert (row[1:] - row[:-1] != 1).mean() > 0.5


BERNOULLI_NOISY = UNIT + RNG.normal(scale=0.5, size=UNIT.shape)


def test_noisy_rows_may_lie_outside_of_the_support(rng):
    assert BERNOULLI_NOISY.min() < 0
    assert BERNOULLI_NOISY.max() > 1
    estimator = make(likelihood="bernoulli").fit(BERNOULLI_NOISY, X_clean=UNIT)
    out = estimator.denoise(BERNOULLI_NOISY)
    assert out.min() >= 0
    assert out.max() <= 1
    assert np.isfinite(estimator.transform(BERNOULLI_NOISY)).all()
    mask = rng.uniform(size=UNIT.shape) < 0.2
    assert np.isfinite(estimator.reconstruct(BERNOULLI_NOISY, mask)).all()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        estimator.score_samples(BERNOULLI_NOISY)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        estimator.score_samples(UNIT, X_clean=BERNOULLI_NOISY)
    p = out.clip(1e-7, 1 - 1e-7)
    expected = (special.xlogy(UNIT, p) + special.xlogy(1 - UNIT, 1 - p)).sum(1)
    scores = estimator.score_samples(BERNOULLI_NOISY, X_clean=UNIT)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert estimator.score(BERNOULLI_NOISY, X_clean=UNIT) == pytest.approx(scores.mean())


def test_clean_rows_must_lie_in_the_support():
    for rows in ((BERNOULLI_NOISY, BERNOULLI_NOISY), (UNIT, BERNOULLI_NOISY)):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            make(likelihood="bernoulli").fit(rows[0], X_clean=rows[1])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        make(likelihood="bernoulli").fit(BERNOULLI_NOISY)


STRINGS = np.full(X.shape, "a")
BAD_CLEAN = {
    "few rows": X[1:],
    "few columns": X[:, 1:],
    "one column": X[:, 0],
    "a number": 3.0,
    "too many axes": np.zeros((120, 1, 1, 1, 6)),
    "nan": np.where(np.arange(6) == 2, np.nan, X),
    "inf": np.where(np.arange(6) == 2, np.inf, X),
    "strings": STRINGS,
    "objects": STRINGS.astype(object),
    "frame of strings": pd.DataFrame(STRINGS),
    "dates": np.zeros(X.shape, dtype="M8[s]"),
    "sparse nan": sp.csr_array(np.where(np.arange(6) == 2, np.nan, X)),
}


@pytest.mark.parametrize("bad", BAD_CLEAN)
def test_bad_clean_rows_are_named_and_the_last_fit_stays(monkeypatch, bad):
    estimator = make().fit(NOISY, X_clean=X)
    before, attributes = estimator.denoise(NOISY), set(vars(estimator))
    monkeypatch.setattr(Run, "train_step", None)
    uses = {
        "fit": lambda: estimator.fit(NOISY, X_clean=BAD_CLEAN[bad]),
        "partial_fit": lambda: estimator.partial_fit(NOISY, X_clean=BAD_CLEAN[bad]),
        "score_samples": lambda: estimator.score_samples(NOISY, BAD_CLEAN[bad]),
        "score": lambda: estimator.score(NOISY, X_clean=BAD_CLEAN[bad]),
    }
    for call in uses.values():
        with pytest.raises((ValueError, TypeError), match="X_clean"):
            call()
    assert set(vars(estimator)) == attributes
    np.testing.assert_array_equal(estimator.denoise(NOISY), before)


def test_clean_pictures_must_have_the_shape_of_the_noisy_ones():
    wide, high = PICTURES[:, :4], PICTURES[:, :, :4]
    with pytest.raises(ValueError, match="X_clean"):
        make().fit(wide, X_clean=high)


def test_scores_are_normal_log_densities_at_the_clean_rows():
    estimator = make().fit(NOISY, X_clean=X)
    likelihood = estimator.net_.module_.likelihood
    sd = np.sqrt(likelihood.noise_variance) * likelihood.scale
    density = stats.norm(estimator.denoise(NOISY), sd)
    clean, noisy = (density.logpdf(rows).sum(1) for rows in (X, NOISY))
    np.testing.assert_allclose(estimator.score_samples(NOISY, X), clean, rtol=1e-4)
    np.testing.assert_allclose(estimator.score_samples(NOISY), noisy, rtol=1e-4)
    by_rows = np.mean(((estimator.denoise(NOISY) - X) / likelihood.scale) ** 2, axis=0)
    np.testing.assert_allclose(likelihood.noise_variance, by_rows, rtol=1e-3)


def test_scores_of_pairs_stay_aligned_over_blocks():
    estimator = make().fit(NOISY, X_clean=X)
    n = 2 * block_rows(estimator.net_, 6) // len(X) + 1
    noisy, clean = np.tile(NOISY, (n, 1)), np.tile(X, (n, 1))
    scores = estimator.score_samples(noisy, clean)
    assert len(noisy) > block_rows(estimator.net_, 6)
    np.testing.assert_array_equal(scores, np.tile(estimator.score_samples(NOISY, X), n))


# Metadata routing


@pytest.fixture
def routing():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        yield


class Recorder(DenoisingAutoencoder):
    """Remembers which rows came with which clean ones and weights."""

    received = ()

    def fit(self, X, y=None, sample_weight=None, X_clean=None):
        Recorder.received.append(("fit", X, X_clean, sample_weight))
        return super().fit(X, y, sample_weight, X_clean)

    def score(self, X, y=None, sample_weight=None, X_clean=None):
        Recorder.received.append(("score", X, X_clean, sample_weight))
        return super().score(X, y, sample_weight, X_clean)


def pipeline(estimator, **params):
    return Pipeline([("scale", StandardScaler()), ("dae", estimator)], **params)


@pytest.mark.usefixtures("routing")
def test_a_pipeline_transforms_the_clean_rows_on_the_way(monkeypatch, rng):
    monkeypatch.setattr(Recorder, "received", received := [])
    estimator = make(kind=Recorder).set_fit_request(X_clean=True, sample_weight=True)
    weight = rng.uniform(size=len(X))
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipe = Pipeline([("scale", scaler), ("dae", estimator)], transform_input=["X_clean"])
    pipe.fit(NOISY, X_clean=X, sample_weight=weight)
    ((_, noisy, clean, received_weight),) = received
    scale = StandardScaler().fit(NOISY).transform
    np.testing.assert_allclose(noisy, scale(NOISY))
    np.testing.assert_allclose(clean, scale(X))
    np.testing.assert_array_equal(received_weight, weight)
    received.clear()
    pipeline(estimator).fit(NOISY, X_clean=X)
    np.testing.assert_array_equal(received[0][2], X)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("call", ["fit", "partial_fit", "score"])
def test_a_request_can_be_set_for_every_method_that_takes_clean_rows(call):
    estimator = make()
    set_request = getattr(estimator, f"set_{call}_request")
    assert set_request(X_clean=True, sample_weight=True) is estimator
    request = estimator.get_metadata_routing()
    assert getattr(request, call).requests == {"X_clean": True, "sample_weight": True}
    assert clone(estimator).get_metadata_routing()._serialize() == request._serialize()


@pytest.mark.usefixtures("routing")
def test_without_a_request_scikit_learn_says_so():
    with pytest.raises(UnsetMetadataPassedError, match="X_clean"):
        pipeline(make()).fit(NOISY, X_clean=X)
    with pytest.raises(UnsetMetadataPassedError, match="X_clean"):
        cross_validate(make(), NOISY, cv=2, params={"X_clean": X})
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        pipeline(make()).fit(NOISY, sample_weight=np.ones(len(X)))


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("search", [False, True])
def test_cross_validation_splits_the_clean_rows_along(monkeypatch, search):
    monkeypatch.setattr(Recorder, "received", [])
    estimator = make(kind=Recorder).set_fit_request(X_clean=True)
    estimator.set_score_request(X_clean=True)
    if search:
        grid = GridSearchCV(estimator, {"n_components": [1, 2]}, cv=3)
        grid.fit(NOISY, X_clean=X)
        assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    else:
        result = cross_validate(
            estimator, NOISY, cv=3, params={"X_clean": X}, error_score="raise"
        )
        assert np.isfinite(result["test_score"]).all()
    assert len(Recorder.received) == (3 * 2 * 2 + 1 if search else 3 * 2)
    for call, noisy, clean, _ in Recorder.received:
        assert len(noisy) == {"fit": 80, "score": 40}[call] or len(noisy) == len(X)
        row = nearest(noisy, NOISY)
        np.testing.assert_array_equal(clean, X[row])


@pytest.mark.usefixtures("routing")
def test_other_autoencoders_have_no_clean_rows_to_request():
    with pytest.raises(TypeError, match="X_clean"):
        Autoencoder().set_fit_request(X_clean=True)
    assert isinstance(Autoencoder().set_fit_request(sample_weight=True), BaseEstimator)
