"""Denoising: quality, pairs of noisy and clean rows, routing, layer-wise pre-training."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy import special, stats
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder, likelihoods
from skae._codes.base import AutoencoderModule
from skae._training.net import Net
from skae.corruption import HiddenDropout
from skae.corruption import Masking
from skae.corruption import Gaussian
from skae.networks import ConvolutionalNetwork
from skae.networks import DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(120, 6))
X = X * [1, 10, 100, 0.1, 1, 1] + [0, 5, -300, 1, 1, 1]
NOISY = Gaussian(0.5).corrupt(X, random_state=1)
UNIT = special.expit((X - X.mean(0)) / X.std(0))
SIMPLEX = special.softmax((X - X.mean(0)) / X.std(0), axis=1)
DIGITS = load_digits().images / 16
PICTURES = DIGITS[:60]


def make(n_components=2, kind=DenoisingAutoencoder, **params):
    defaults = {"max_iter": 3, "batch_size": 32, "random_state": 0, "network": (8, 5)}
    return kind(n_components, **{**defaults, **params})


def standardized(estimator, rows):
    likelihood = estimator.net_.module_.likelihood
    return likelihood.standardize(np.asarray(rows).reshape(len(rows), -1), check=False)


@pytest.fixture
def seen(monkeypatch):
    """What modules are given, as (module, training, x, clean)."""
    batches, forward = [], AutoencoderModule.forward

    def record(self, x, clean, *moment):
        batches.append((self, self.training, x.numpy().copy(), clean.numpy().copy()))
        return forward(self, x, clean, *moment)

    monkeypatch.setattr(AutoencoderModule, "forward", record)
    return batches


def concatenated(seen, training=True):
    parts = [(x, clean) for _, mode, x, clean in seen if mode == training]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def nearest(rows, whole):
    """Index of the row of `whole` that each row is."""
    distance = np.abs(rows[:, None] - whole).sum(2)
    assert distance.min(1).max() < 1e-5
    return distance.argmin(1)


def assert_aligned(seen, estimator, noisy=NOISY, clean=X):
    x, target = concatenated(seen)
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


def test_auto_is_noise_of_half_a_deviation(seen):
    auto, named, given = (
        make(corruption=corruption).fit(X)
        for corruption in ("auto", "gaussian", Gaussian())
    )
    assert_same(auto, named)
    assert_same(auto, given)
    seen.clear()
    make(max_iter=20).fit(X)
    x, clean = concatenated(seen)
    np.testing.assert_allclose((x - clean).std(0), 0.5, rtol=5 / np.sqrt(2 * len(x)))


def test_without_corruption_it_is_the_plain_autoencoder():
    assert_same(make(corruption=None).fit(X), make(kind=Autoencoder).fit(X))


def test_with_pairs_auto_adds_nothing(seen):
    estimator = make().fit(NOISY, X_clean=X)
    assert_aligned(seen, estimator)
    seen.clear()
    assert_same(estimator, make(corruption=None).fit(NOISY, X_clean=X))


def test_with_pairs_an_explicit_corruption_comes_on_top(seen):
    estimator = make(corruption=Gaussian(0.5), max_iter=30).fit(NOISY, X_clean=X)
    x, clean = concatenated(seen)
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
def test_pairs_come_in_any_container(seen, as_container):
    estimator = make().fit(as_container(NOISY), X_clean=as_container(X))
    assert_aligned(seen, estimator)
    mixed = make().fit(NOISY, X_clean=as_container(X))
    assert_aligned(seen[len(seen) // 2 :], mixed)


def test_pairs_of_pictures(seen):
    noisy = Gaussian(0.3).corrupt(PICTURES, random_state=0)
    estimator = make().fit(noisy, X_clean=PICTURES)
    assert_aligned(seen, estimator, noisy, PICTURES)
    assert estimator.denoise(noisy).shape == noisy.shape
    flat = make().fit(noisy, X_clean=PICTURES.reshape(60, 64))
    np.testing.assert_array_equal(flat.denoise(noisy), estimator.denoise(noisy))
    assert estimator.score_samples(noisy, PICTURES).shape == (60,)


def test_pairs_through_convolutions(seen):
    noisy = Gaussian(0.3).corrupt(PICTURES, random_state=0)
    network = ConvolutionalNetwork(filters=(2, 2))
    estimator = make(network=network).fit(noisy, X_clean=PICTURES)
    assert_aligned(seen, estimator, noisy, PICTURES)


def test_pairs_are_weighted(seen):
    weight = np.repeat([0.0, 1.0, 2.0], 40)
    estimator = make(early_stopping=False).fit(NOISY, None, weight, X_clean=X)
    assert_aligned(seen, estimator)
    row = nearest(concatenated(seen)[0], standardized(estimator, NOISY))
    assert row.min() >= 40
    expected = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(estimator.net_.module_.likelihood.location, expected)
    alone = make(early_stopping=False).fit(NOISY[40:], None, weight[40:], X_clean=X[40:])
    np.testing.assert_allclose(estimator.denoise(X), alone.denoise(X), rtol=1e-3, atol=1e-2)
    scores = estimator.score_samples(NOISY, X)
    score = estimator.score(NOISY, sample_weight=weight, X_clean=X)
    assert score == pytest.approx(np.average(scores, weights=weight))


def test_partial_fit_takes_pairs(seen):
    estimator = make(network=(), n_components=6)
    for _ in range(60):
        estimator.partial_fit(NOISY, X_clean=X)
    assert_aligned(seen, estimator)
    assert estimator.loss_curve_[-1] < 0.7 * estimator.loss_curve_[0]
    estimator.partial_fit(NOISY[:1], X_clean=X[:1]).partial_fit(X)
    with pytest.raises(ValueError, match="X_clean"):
        estimator.partial_fit(NOISY, X_clean=X[1:])


def test_a_warm_start_goes_on_with_pairs(seen):
    estimator = make(warm_start=True).fit(NOISY, X_clean=X)
    curve, location = estimator.loss_curve_, estimator.net_.module_.likelihood.location
    estimator.fit(NOISY, X_clean=X)
    assert_aligned(seen, estimator)
    assert estimator.loss_curve_[:3] == curve
    assert len(estimator.loss_curve_) == 6
    estimator.fit(X + 1, X_clean=X + 1)
    np.testing.assert_array_equal(estimator.net_.module_.likelihood.location, location)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True])
def test_streamed_pairs_stay_aligned(monkeypatch, seen, container, weighted, rng):
    monkeypatch.setattr("skae._data.rows.RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr("skae._data.rows.CHUNK_BYTES", 2000)
    weight = rng.uniform(size=len(X)) if weighted else None
    estimator = make().fit(container(NOISY), None, weight, X_clean=container(X))
    assert_aligned(seen, estimator)
    row = nearest(concatenated(seen)[0], standardized(estimator, NOISY))
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
    monkeypatch.setattr(Net, "train_step", None)
    calls = {
        "fit": lambda: estimator.fit(NOISY, X_clean=BAD_CLEAN[bad]),
        "partial_fit": lambda: estimator.partial_fit(NOISY, X_clean=BAD_CLEAN[bad]),
        "score_samples": lambda: estimator.score_samples(NOISY, BAD_CLEAN[bad]),
        "score": lambda: estimator.score(NOISY, X_clean=BAD_CLEAN[bad]),
    }
    for call in calls.values():
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
    n = 2 * estimator._block_rows_ // len(X) + 1
    noisy, clean = np.tile(NOISY, (n, 1)), np.tile(X, (n, 1))
    scores = estimator.score_samples(noisy, clean)
    assert len(noisy) > estimator._block_rows_
    np.testing.assert_array_equal(scores, np.tile(estimator.score_samples(NOISY, X), n))


# Metadata routing


@pytest.fixture
def routing():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        yield


def pipeline(estimator, **params):
    return Pipeline([("scale", StandardScaler()), ("dae", estimator)], **params)


@pytest.mark.usefixtures("routing")
def test_a_pipeline_transforms_the_clean_rows_on_the_way(monkeypatch, rng):
    received, fit = [], DenoisingAutoencoder._fit

    def record(self, X, y, sample_weight, X_clean=None):
        received.append((X, sample_weight, X_clean))
        return fit(self, X, y, sample_weight, X_clean)

    monkeypatch.setattr(DenoisingAutoencoder, "_fit", record)
    estimator = make().set_fit_request(X_clean=True, sample_weight=True)
    weight = rng.uniform(size=len(X))
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipe = Pipeline([("scale", scaler), ("dae", estimator)], transform_input=["X_clean"])
    pipe.fit(NOISY, X_clean=X, sample_weight=weight)
    ((noisy, received_weight, clean),) = received
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


class Recorder(DenoisingAutoencoder):
    """Remembers which rows came with which clean ones."""

    pairs = ()

    def _fit(self, X, y, sample_weight, X_clean=None):
        Recorder.pairs.append(("fit", X, X_clean))
        return super()._fit(X, y, sample_weight, X_clean)

    def score(self, X, y=None, sample_weight=None, X_clean=None):
        Recorder.pairs.append(("score", X, X_clean))
        return super().score(X, y, sample_weight, X_clean)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("search", [False, True])
def test_cross_validation_splits_the_clean_rows_along(monkeypatch, search):
    monkeypatch.setattr(Recorder, "pairs", [])
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
    assert len(Recorder.pairs) == (3 * 2 * 2 + 1 if search else 3 * 2)
    for call, noisy, clean in Recorder.pairs:
        assert len(noisy) == {"fit": 80, "score": 40}[call] or len(noisy) == len(X)
        row = nearest(noisy, NOISY)
        np.testing.assert_array_equal(clean, X[row])


@pytest.mark.usefixtures("routing")
def test_other_autoencoders_have_no_clean_rows_to_request():
    with pytest.raises(TypeError, match="X_clean"):
        Autoencoder().set_fit_request(X_clean=True)
    assert isinstance(Autoencoder().set_fit_request(sample_weight=True), BaseEstimator)


# Layer-wise pre-training

WIDE = RNG.normal(size=(300, 6)) @ RNG.normal(size=(6, 20))


def pretrained(**params):
    defaults = {"pretrain_max_iter": 4, "network": (12, 9), "n_components": 4}
    return make(**{**defaults, **params})


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize(
    ("network", "n_components", "n_layers"),
    [((12,), 4, 2), ((12, 9), 4, 3), ((12, 9), None, 2), ((), 4, 1), ((9, 8, 7), 2, 4)],
)
def test_each_layer_has_a_curve_that_falls(network, n_components, n_layers, early_stopping):
    estimator = pretrained(
        network=network, n_components=n_components, early_stopping=early_stopping,
        pretrain_max_iter=12, corruption=Gaussian(0.2),
    ).fit(WIDE)  # fmt: skip
    curves = estimator.pretraining_loss_curves_
    assert [len(curve) for curve in curves] == [12] * n_layers
    if network:  # a linear one starts as PCA
        for curve in curves:
            assert curve[-1] < curve[0]
            assert all(isinstance(loss, float) for loss in curve)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3


def test_pretraining_is_where_training_starts_from():
    params = {"max_iter": 1, "learning_rate": 0.003}
    plain, ahead = (pretrained(pretrain_max_iter=n, **params).fit(WIDE) for n in (0, 40))
    assert ahead.loss_curve_[0] < 0.8 * plain.loss_curve_[0]


def by_module(seen):
    """Modules in the order in which they are trained, with their training batches."""
    modules = []
    for module, training, x, clean in seen:
        if training:
            if not modules or modules[-1][0] is not module:
                modules.append((module, [], []))
            modules[-1][1].append(x)
            modules[-1][2].append(clean)
    return [(m, np.concatenate(x), np.concatenate(clean)) for m, x, clean in modules]


def watch_hidden(monkeypatch):
    """Hidden units of the clean rows below each level, when the level begins."""
    hidden, train = [], Net.train

    def record(self, job, epochs):
        rows = job.train.rows
        index = torch.arange(len(X))
        hidden.append((rows.take(index), rows.clean and rows.clean.take(index)))
        return train(self, job, epochs)

    monkeypatch.setattr(Net, "train", record)
    return hidden


def test_each_level_learns_to_undo_the_corruption_of_its_own_input(monkeypatch, seen):
    hidden = watch_hidden(monkeypatch)
    estimator = pretrained(
        corruption=Gaussian(0.5), max_iter=1, early_stopping=False, pretrain_max_iter=20
    ).fit(X)
    modules = by_module(seen)
    assert [clean.shape[1] for _, _, clean in modules] == [6, 12, 9, 6]
    for (_, x, clean), (below, _) in zip(modules, hidden, strict=True):
        whole = below.numpy()
        row = nearest(clean, whole)
        assert len(set(row)) == len(X)
        assert (x != clean).mean() > 0.99
        varies = whole.std(0) > 1e-6
        share = (x - clean).std(0)[varies] / whole.std(0)[varies]
        np.testing.assert_allclose(share, 0.5, rtol=5 / np.sqrt(2 * len(x)) + 0.02)
    np.testing.assert_array_equal(hidden[0][0].numpy(), standardized(estimator, X))
    for (module, _, _), level, above in zip(modules, hidden, hidden[1:], strict=False):
        if above is hidden[-1]:
            break
        with torch.no_grad():
            units = module.eval().encoder(level[0])
        assert units.shape == above[0].shape


def test_hidden_units_are_those_of_the_layers_below(monkeypatch):
    hidden, clones = watch_hidden(monkeypatch), []
    initialize = Net.initialize

    def keep(self):
        clones.append(self)
        return initialize(self)

    monkeypatch.setattr(Net, "initialize", keep)
    pretrained(early_stopping=False).fit(X)
    whole, *levels = clones
    assert len(levels) == 3
    for level, (below, above) in enumerate(pairwise(h for h, _ in hidden[:3])):
        part = levels[level].module_.encoder
        fine_tuned = part(below).detach()
        assert fine_tuned.shape == above.shape
    layers = whole.module_.encoder.layers
    assert layers[0] is levels[0].module_.encoder[0]
    assert layers[-1] is levels[-1].module_.encoder[0]
    assert whole.module_.decoder.layers[-1] is levels[0].module_.decoder[0]


def test_each_level_sees_what_the_trained_level_below_puts_out(monkeypatch):
    hidden, trained, train = watch_hidden(monkeypatch), [], Net.train

    def keep(self, job, epochs):
        train(self, job, epochs)
        encode = self.module_.encode(job.train.rows.take(torch.arange(len(X))))
        trained.append(encode.detach())

    monkeypatch.setattr(Net, "train", keep)
    pretrained(early_stopping=False).fit(X)
    for level in (0, 1):
        torch.testing.assert_close(hidden[level + 1][0], trained[level])
    assert trained[0].shape == (len(X), 12)


def test_pretraining_with_pairs_maps_noisy_to_clean_at_each_level(monkeypatch, seen):
    hidden = watch_hidden(monkeypatch)
    estimator = pretrained(early_stopping=False).fit(NOISY, X_clean=X)
    modules = by_module(seen)
    assert [clean.shape[1] for _, _, clean in modules] == [6, 12, 9, 6]
    for (_, x, clean), (noisy, target) in zip(modules, hidden, strict=True):
        row = nearest(x, noisy.numpy())
        np.testing.assert_allclose(clean, target.numpy()[row], atol=1e-5)
        assert (x != clean).any(1).all()
    assert len(estimator.pretraining_loss_curves_) == 3


@pytest.mark.parametrize("corruption", [None, [], "masking", "swap", "hidden_dropout"])
@pytest.mark.parametrize("pairs", [False, True])
def test_pretraining_works_with_any_corruption_or_none(corruption, pairs):
    clean = X if pairs else None
    network = (12,)
    estimator = pretrained(corruption=corruption, network=network)
    estimator.fit(NOISY, X_clean=clean)
    assert len(estimator.pretraining_loss_curves_) == 2
    assert np.isfinite(estimator.pretraining_loss_curves_).all()


@pytest.mark.parametrize(
    "params",
    [
        {"network": DenseNetwork((12, 9), tied_weights=True)},
        {"network": DenseNetwork((12, 9), normalization="batch")},
        {"network": DenseNetwork((12, 9), normalization="layer", dropout=0.2)},
        {"network": DenseNetwork((12, 9), decoder_layer_sizes=(9, 12))},
        {"network": DenseNetwork([12, 9], decoder_layer_sizes=[9, 12])},
        {"code_activation": "sigmoid"},
        {"likelihood": likelihoods.Gaussian(link="sigmoid")},
        {"alpha": 0.01, "l1_ratio": 0.5},
        {"net_params": {"optimizer": torch.optim.SGD, "callbacks": []}},
        {"corruption": [Gaussian(0.1), HiddenDropout(0.1)]},
        {"n_components": "auto"},
    ],
    ids=str,
)
def test_pretraining_is_seeded_and_runs_with_every_option(params):
    first, second = (pretrained(**params).fit(X) for _ in range(2))
    assert first.pretraining_loss_curves_ == second.pretraining_loss_curves_
    assert_same(first, second)
    other = pretrained(**params, random_state=1).fit(X)
    assert first.pretraining_loss_curves_ != other.pretraining_loss_curves_
    assert len(first.pretraining_loss_curves_) == 3
    assert np.isfinite(first.pretraining_loss_curves_).all()
    assert not any(m._forward_hooks for m in first.net_.module_.modules())


@pytest.mark.parametrize(
    ("likelihood", "rows"), [("bernoulli", UNIT), ("categorical", SIMPLEX)]
)
def test_pretraining_reconstructs_by_the_likelihood_at_the_first_level(likelihood, rows):
    estimator = pretrained(likelihood=likelihood, pretrain_max_iter=15).fit(rows)
    first, *_ = estimator.pretraining_loss_curves_
    assert first[-1] < first[0]
    entropy = {
        "bernoulli": special.entr(rows) + special.entr(1 - rows),
        "categorical": special.entr(rows),
    }[likelihood].mean()
    assert first[-1] > 0.9 * entropy


def test_tied_weights_stay_tied_through_pretraining():
    module = pretrained(network=DenseNetwork((12,), tied_weights=True)).fit(X).net_.module_
    down, up = module.encoder.layers, module.decoder.layers
    assert down[0].weight is up[-1].weight
    assert down[-1].weight is up[0].weight


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("corruption", ["auto", Gaussian(0.3)])
def test_streamed_pretraining_is_finite_and_falls(monkeypatch, pairs, corruption):
    monkeypatch.setattr("skae._data.rows.RESIDENT_BYTES", {"cpu": 0})
    estimator = pretrained(corruption=corruption, pretrain_max_iter=10)
    estimator.fit(NOISY, X_clean=X if pairs else None)
    for curve in estimator.pretraining_loss_curves_:
        assert np.isfinite(curve).all()
        assert curve[-1] < curve[0]


def test_pretraining_with_weights_ignores_rows_that_weigh_nothing(seen):
    weight = np.repeat([0.0, 1.0], 60)
    estimator = pretrained().fit(X, None, weight)
    clean = by_module(seen)[0][2]
    assert nearest(clean, standardized(estimator, X)).min() >= 60


NOT_MIRRORED = {
    "auto": "auto",
    "linear path": DenseNetwork((8,), linear_path=True),
    "longer": DenseNetwork((8,), decoder_layer_sizes=(8, 8)),
    "wider": DenseNetwork((8, 5), decoder_layer_sizes=(8, 5)),
    "convolutions": ConvolutionalNetwork(filters=(2,)),
}


@pytest.mark.parametrize("network", NOT_MIRRORED.values(), ids=NOT_MIRRORED)
def test_pretraining_needs_a_mirrored_dense_network(monkeypatch, network):
    monkeypatch.setattr(Net, "train_step", None)
    estimator = pretrained(network=network)
    match = r"pretrain_max_iter.*network=\(256, 64\)"
    with pytest.raises(ValueError, match=match):
        estimator.fit(PICTURES)
    assert not estimator.__sklearn_is_fitted__()


def test_pretraining_without_components_compares_what_is_left_of_the_mirror(monkeypatch):
    whole = DenseNetwork((8, 4), decoder_layer_sizes=(8,))
    estimator = pretrained(network=whole, n_components=None).fit(X)
    assert len(estimator.pretraining_loss_curves_) == 2
    monkeypatch.setattr(Net, "train_step", None)
    longer = DenseNetwork((8, 4), decoder_layer_sizes=(4, 8))
    with pytest.raises(ValueError, match="pretrain_max_iter"):
        pretrained(network=longer, n_components=None).fit(X)


@pytest.mark.parametrize("name", ["region_masking", "downsampling"])
def test_pretraining_and_corruptions_of_pictures(monkeypatch, name):
    steps, step = [], Net.train_step

    def count(self, batch, **kwargs):
        steps.append(1)
        return step(self, batch, **kwargs)

    monkeypatch.setattr(Net, "train_step", count)
    estimator, refusal = pretrained(corruption=name), ""
    try:
        estimator.fit(PICTURES)
    except ValueError as error:
        refusal = str(error)
    if refusal:  # before training, if at all
        assert "pretrain_max_iter" in refusal
        assert not steps
    else:
        assert len(estimator.pretraining_loss_curves_) == 3


@pytest.mark.parametrize("network", [DenseNetwork(8), DenseNetwork((8, -1)), DenseNetwork])
def test_a_bad_network_is_named_with_pretraining_too(network):
    with pytest.raises(ValueError, match="network"):
        pretrained(network=network).fit(X)


@pytest.mark.parametrize("value", [-1, 1.5, "x", None])
def test_a_bad_number_of_epochs_is_named(value):
    with pytest.raises(ValueError, match="pretrain_max_iter"):
        pretrained(pretrain_max_iter=value).fit(X)


def test_without_pretraining_there_are_no_curves_of_it():
    estimator = pretrained(pretrain_max_iter=0).fit(X)
    assert not hasattr(estimator, "pretraining_loss_curves_")
    fresh = estimator.loss_curve_
    estimator.set_params(pretrain_max_iter=2).fit(X)
    assert len(estimator.pretraining_loss_curves_) == 3
    estimator.set_params(pretrain_max_iter=0).fit(X)
    assert estimator.loss_curve_ == fresh
    assert not hasattr(estimator, "pretraining_loss_curves_")


def test_a_warm_start_and_partial_fit_do_without_pretraining():
    estimator = pretrained(warm_start=True).fit(X)
    curves = estimator.pretraining_loss_curves_
    estimator.fit(X)
    assert estimator.pretraining_loss_curves_ == curves
    assert len(estimator.loss_curve_) == 6
    assert not hasattr(pretrained().partial_fit(X), "pretraining_loss_curves_")


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
@pytest.mark.parametrize("at", [1, 7, 14])
def test_a_failure_in_pretraining_restores_what_was_there(monkeypatch, error, at):
    estimator = pretrained().fit(X)
    before = dict(vars(estimator))
    codes, steps, step = estimator.transform(X), [], Net.train_step

    def fail(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == at:
            raise error("on purpose")
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Net, "train_step", fail)
    with pytest.raises(error, match="on purpose"):
        estimator.fit(NOISY)
    assert vars(estimator) == before
    np.testing.assert_array_equal(estimator.transform(X), codes)
    fresh = pretrained()
    steps.clear()
    with pytest.raises(error, match="on purpose"):
        fresh.fit(X)
    assert not [name for name in vars(fresh) if name.endswith("_")]


def test_a_divergence_in_pretraining_restores_what_was_there():
    estimator = pretrained().fit(X)
    codes = estimator.transform(X)
    with pytest.raises(ValueError, match="diverged"):
        estimator.set_params(learning_rate=1e30).fit(X)
    np.testing.assert_array_equal(estimator.transform(X), codes)


def test_an_interrupt_in_pretraining_ends_the_training(monkeypatch):
    steps, step = [], Net.train_step

    def interrupt(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Net, "train_step", interrupt)
    estimator = pretrained(pretrain_max_iter=10, max_iter=10)
    try:
        with pytest.warns(UserWarning, match="interrupted"):
            estimator.fit(X)
    except KeyboardInterrupt:
        assert not estimator.__sklearn_is_fitted__()
    assert len(steps) == 2


# Every network with every likelihood

FLAT = DIGITS[:50].reshape(50, 64)
ROWS = {
    "gaussian": FLAT * 16,
    "sigmoid": FLAT * 16,
    "tanh": FLAT * 16,
    "bernoulli": FLAT,
    "categorical": FLAT / FLAT.sum(1, keepdims=True),
}
LIKELIHOODS = {name: name for name in ("gaussian", "bernoulli", "categorical")}
LIKELIHOODS |= {link: likelihoods.Gaussian(link=link) for link in ("sigmoid", "tanh")}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize(
    "network",
    [(8,), "auto", ConvolutionalNetwork(filters=(2,))],
    ids=["dense", "auto", "conv"],
)
@pytest.mark.parametrize(
    "corruption", ["auto", Masking(0.3, "min")], ids=["auto", "masking"]
)
def test_every_network_and_likelihood_denoises(name, network, corruption):
    rows = ROWS[name]
    noisy = Gaussian(0.3).corrupt(rows, random_state=0)
    params = {"network": network, "likelihood": LIKELIHOODS[name], "corruption": corruption}
    for clean in (None, rows):
        estimator = make(4, **params).fit(rows if clean is None else noisy, X_clean=clean)
        out = estimator.denoise(noisy)
        assert out.shape == rows.shape
        assert np.isfinite(out).all()
        if name != "gaussian":
            assert out.min() >= -1e-6
            assert out.max() <= max(1, rows.max()) + 1e-4
        if name == "categorical":
            np.testing.assert_allclose(out.sum(1), 1, rtol=1e-5)
        assert np.isfinite(estimator.score_samples(noisy, rows)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_convolutional_autoencoder_takes_corruption_with_every_likelihood(name):
    params = {"likelihood": LIKELIHOODS[name], "corruption": ["gaussian", "masking"]}
    rows = ROWS[name].reshape(50, 8, 8)
    network = ConvolutionalNetwork(filters=(2,))
    estimator = make(4, ConvolutionalAutoencoder, network=network, **params).fit(rows)
    assert np.isfinite(estimator.reconstruct(rows)).all()
    assert np.isfinite(estimator.score(rows))
