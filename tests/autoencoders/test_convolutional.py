"""Convolutional autoencoders: any form of picture, and nothing lost on the way."""

import copy
import math
import pickle
import random
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import datasets
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder
from skae._codes import signs as _diagnostics
from skae._training.net import Net
from skae._training.run import Run
from skae.likelihoods import Gaussian
from skae.networks import ConvolutionalNetwork, DenseNetwork
from tests.pictures import (
    GREY,
    KINDS,
    METHODS,
    NETWORKS,
    RGB,
    SIDES,
    SMALL,
    initial,
    is_single_number,
    kinds,
    make,
    outputs,
    pictures,
    standardized,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


# Any shape, any options


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    network=NETWORKS,
    c=st.integers(1, 3),
    size=SIDES,
    k=st.sampled_from([None, "auto", 2]),
    n=st.integers(4, 9),
)
def test_any_network_trains_on_any_picture(network, c, size, k, n):
    assume(not is_single_number(network, size))
    X = pictures(n, c, *size)
    network.image_shape = (c, *size)
    estimator = make(k, network, max_iter=1, batch_size=3).fit(X)
    assert estimator.transform(X).shape == (n, estimator.n_components_)
    assert estimator.reconstruct(X).shape == X.shape
    assert np.isfinite(estimator.score_samples(X)).all()


@pytest.mark.parametrize("n_components", [None, 2])
def test_layer_normalisation_takes_a_map_of_a_single_number(n_components):
    network = ConvolutionalNetwork(filters=(4, 1), normalization="layer")
    X = pictures(12, 4, 4)
    estimator = make(n_components, network, max_iter=1).fit(X)
    assert estimator.reconstruct(X).shape == X.shape


# Input forms


SHAPES = [(1, 1), (3, 5), (5, 8), (65, 33), (3, 6, 5), (2, 1, 7), (1, 4, 4), (1, 30)]


@pytest.mark.parametrize("form", ["flat", "pictures", "channels"])
@pytest.mark.parametrize("n_components", [None, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_form_of_input_works_and_comes_back_as_it_was(shape, n_components, form):
    X = pictures(12, *shape)
    if form == "flat":
        X = X.reshape(12, -1)
    elif form == "channels" and X.ndim == 3:
        X = X[:, None]
    estimator = ConvolutionalAutoencoder(
        n_components, network=SMALL, image_shape=shape if form == "flat" else None,
        max_iter=1, random_state=0,
    ).fit(X)  # fmt: skip
    codes = estimator.transform(X)
    h, w = (math.ceil(n / 4) for n in shape[-2:])
    assert codes.shape == (12, n_components or 6 * h * w)
    assert codes.dtype == np.float32
    out = estimator.reconstruct(X)
    assert out.shape == X.shape
    np.testing.assert_array_equal(estimator.inverse_transform(codes), out)
    scores = estimator.score_samples(X)
    assert scores.shape == (12,)
    assert np.isfinite(scores).all()
    assert estimator.interpolate(X[:2], X[2:4], 3).shape == (2, 3, *X.shape[1:])
    assert estimator.n_features_in_ == math.prod(shape)


@pytest.mark.parametrize("X", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("n_components", [None, 3])
def test_fit_learns_the_same_from_flat_rows_and_from_pictures(X, n_components):
    flat = X.reshape(len(X), -1)
    shaped = make(n_components).fit(X)
    network = ConvolutionalNetwork(image_shape=X.shape[1:], filters=(4, 6))
    other = make(n_components, network).fit(flat)
    assert shaped.loss_curve_ == other.loss_curve_
    for method in METHODS:
        here, there = getattr(shaped, method)(X), getattr(other, method)(flat)
        np.testing.assert_array_equal(here.reshape(there.shape), there)


def test_pictures_with_one_channel_are_grey_pictures():
    grey, channel = make().fit(GREY), make().fit(GREY[:, None])
    np.testing.assert_array_equal(grey.transform(GREY), channel.transform(GREY[:, None]))
    assert channel.reconstruct(GREY[:, None]).shape == (40, 1, 8, 8)


def test_flat_rows_of_square_length_are_squares_and_others_signals():
    assert SMALL.resolve((64,)).image_shape == (1, 8, 8)
    assert SMALL.resolve((1,)).image_shape == (1, 1, 1)
    assert SMALL.resolve((60,)).image_shape == (1, 1, 60)
    square = make().fit(GREY.reshape(40, 64))
    np.testing.assert_array_equal(
        square.transform(GREY.reshape(40, 64)), make().fit(GREY).transform(GREY)
    )
    rows = GREY.reshape(40, 64)[:, :60]
    signal = make().fit(rows)
    assert signal.n_components_ == 6 * 15
    np.testing.assert_array_equal(
        signal.transform(rows), make().fit(rows[:, None]).transform(rows[:, None])
    )


@pytest.mark.parametrize("network", [SMALL, (4,)], ids=["convolutional", "dense"])
def test_pictures_and_flat_rows_meet_as_in_every_autoencoder(network):
    flat = GREY.reshape(40, 64)
    shaped = make(3, network).fit(GREY)
    np.testing.assert_array_equal(shaped.transform(flat), shaped.transform(GREY))
    np.testing.assert_array_equal(shaped.reconstruct(flat), shaped.reconstruct(GREY))
    unshaped = make(3, network).fit(flat)
    with pytest.raises(ValueError, match=r"shape \(8, 8\).*fitted on .*shape \(64,\)"):
        unshaped.transform(GREY)
    with pytest.raises(ValueError, match=r"shape \(4, 16\).*shape \(8, 8\)"):
        shaped.transform(GREY.reshape(40, 4, 16))


def test_bytes_are_their_numbers():
    low, high = GREY.min(), GREY.max()
    rows = (255 * (GREY - low) / (high - low)).astype(np.uint8)
    estimator = make().fit(rows)
    same = make().fit(rows.astype(float))
    np.testing.assert_array_equal(estimator.transform(rows), same.transform(rows))
    np.testing.assert_array_equal(
        estimator.transform(rows), estimator.transform(rows.astype(np.float32))
    )
    assert estimator.reconstruct(rows).dtype == np.float64
    assert np.ptp(estimator.transform(rows)) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_pictures_come_back_as_float32(dtype):
    estimator = make().fit(GREY.astype(dtype))
    assert estimator.reconstruct(GREY).dtype == dtype
    assert estimator.inverse_transform(estimator.transform(GREY)).dtype == dtype
    assert estimator.transform(GREY).dtype == np.float32


def test_sparse_rows_may_be_pictures_too():
    rows = np.where(GREY > 0.5, GREY, 0).reshape(40, 64)
    network = ConvolutionalNetwork(image_shape=(8, 8), filters=(4,))
    estimator = make(3, network).fit(sp.csr_matrix(rows))
    np.testing.assert_array_equal(
        estimator.transform(sp.csr_matrix(rows)), estimator.transform(rows)
    )


@pytest.mark.parametrize("shape", [(5, 3), (8, 4)])
def test_a_narrow_grey_picture_has_no_channels_in_the_last_place(shape):
    X = pictures(12, *shape)
    assert make().fit(X).reconstruct(X).shape == X.shape


# What cannot be


def refused(estimator, X, message, error=ValueError):
    with pytest.raises(error, match=message) as caught:
        estimator.fit(X)
    return str(caught.value)


@pytest.fixture
def untrained(monkeypatch):
    def train(self, *args):
        raise AssertionError("trained on what cannot be")

    def forbid():
        monkeypatch.setattr(Net, "train", train)

    return forbid


IMAGE_SHAPES = {
    "zero": (0, 64),
    "negative": (-8, -8),
    "float": (8.0, 8),
    "bool": (True, 64),
    "one": (64,),
    "four": (1, 1, 8, 8),
    "empty": (),
    "string": "8x8",
    "strings": ("8", "8"),
    "number": 8,
}
BAD = {
    "filters_empty": ({"filters": ()}, "filters"),
    "filters_zero": ({"filters": (4, 0)}, "filters"),
    "filters_float": ({"filters": (4.0,)}, "filters"),
    "filters_number": ({"filters": 4}, "filters"),
    "kernel_zero": ({"kernel_size": 0}, "kernel_size"),
    "kernel_float": ({"kernel_size": 3.0}, "kernel_size"),
    "kernel_pair": ({"kernel_size": (3, 3)}, "kernel_size"),
    "downsampling": ({"downsampling": "mean_pool"}, "downsampling.*'average_pool'"),
    "upsampling": ({"upsampling": "bicubic"}, "upsampling.*'bilinear'"),
    "activation": ({"activation": "swish"}, "activation.*'silu'"),
    "normalization": ({"normalization": "group"}, "normalization.*'batch'"),
    "too_small": ({"image_shape": (7, 8)}, r"image_shape=\(7, 8\) holds 56"),
    **{
        f"image_shape_{name}": ({"image_shape": shape}, "image_shape.* must be a tuple")
        for name, shape in IMAGE_SHAPES.items()
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_network_that_cannot_be_is_refused_before_training(untrained, name):
    params, message = BAD[name]
    estimator = make().fit(GREY)
    before, codes = dict(vars(estimator)), estimator.transform(GREY)
    estimator.network = ConvolutionalNetwork(**params)
    untrained()
    refused(estimator, GREY, message)
    for attribute, value in before.items():
        assert attribute == "network" or vars(estimator)[attribute] is value, attribute
    assert vars(estimator).keys() == before.keys()
    np.testing.assert_array_equal(estimator.transform(GREY), codes)
    refused(make(network=ConvolutionalNetwork(**params)), GREY, message)


@pytest.mark.parametrize("name", IMAGE_SHAPES)
def test_an_image_shape_that_cannot_be_is_refused_by_name(untrained, name):
    untrained()
    estimator = ConvolutionalAutoencoder(image_shape=IMAGE_SHAPES[name])
    refused(estimator, GREY, "image_shape")
    with pytest.raises(ValueError, match="image_shape"):
        estimator.partial_fit(GREY)


@pytest.mark.parametrize(
    ("d", "fitting"),
    [
        (784, ["(28, 28)", "(16, 49)", "(1, 784)"]),
        (3072, ["(3, 32, 32)", "(48, 64)"]),
        (7, ["(1, 7)"]),
    ],
)
def test_shapes_that_fit_flat_rows_are_named(d, fitting):
    estimator = ConvolutionalAutoencoder(image_shape=(5, 11))
    said = refused(estimator, np.zeros((4, d)), rf"\(5, 11\) holds 55 .* has {d}")
    for shape in fitting:
        assert shape in said.split("fit: ")[1]
    for shape in re.findall(r"\(([^()]*)\)", said.split("fit: ")[1]):
        sides = tuple(map(int, shape.split(",")))
        assert math.prod(sides) == d
        ConvolutionalNetwork(image_shape=sides).resolve((d,))


@pytest.mark.parametrize(
    ("X", "image_shape", "fits"),
    [
        (GREY, (4, 16), "(8, 8)"),
        (GREY, (9, 9), "(8, 8)"),
        (RGB, (6, 5), "(3, 6, 5)"),
        (RGB, (3, 5, 6), "(3, 6, 5)"),
    ],
)
def test_pictures_name_the_shape_that_they_have(X, image_shape, fits):
    said = refused(ConvolutionalAutoencoder(image_shape=image_shape), X, "image_shape=")
    assert said.endswith(f"Shapes that fit: {fits}.")


@pytest.mark.parametrize("c", [1, 3, 4])
def test_channels_in_the_last_place_are_refused_with_the_remedy(untrained, c):
    X = np.moveaxis(pictures(10, c, 8, 9), 1, -1)
    fitted = make().fit(np.moveaxis(X, -1, 1))
    untrained()
    said = refused(ConvolutionalAutoencoder(), X, "channels in the last place")
    remedy = re.search(r"np\.moveaxis\(X, -1, 1\)", said).group()
    fixed = eval(remedy, {"np": np, "X": X})
    assert fitted.transform(fixed).shape == (10, fitted.n_components_)
    assert SMALL.resolve((2, 8, 3)).image_shape == (2, 8, 3)


def test_image_shape_is_given_once():
    network = ConvolutionalNetwork(image_shape=(8, 8))
    both = ConvolutionalAutoencoder(image_shape=(4, 16), network=network)
    refused(both, GREY, r"image_shape=\(4, 16\) and .*\(8, 8\) differ. Give one")
    agreed = ConvolutionalAutoencoder(image_shape=(8, 8), network=network, max_iter=1)
    assert agreed.fit(GREY).reconstruct(GREY).shape == GREY.shape


@pytest.mark.parametrize("image_shape", [[8, 8], (1, 8, 8)], ids=["list", "channel"])
def test_the_same_image_shape_in_other_words_does_not_differ(image_shape):
    network = ConvolutionalNetwork(image_shape=(8, 8), filters=(4,))
    both = ConvolutionalAutoencoder(image_shape=image_shape, network=network, max_iter=1)
    assert both.fit(GREY).reconstruct(GREY).shape == GREY.shape


def test_lists_are_as_good_as_tuples():
    listed = ConvolutionalAutoencoder(
        image_shape=[8, 8], network=ConvolutionalNetwork(filters=[4, 6]), max_iter=1,
        random_state=0,
    )  # fmt: skip
    same = make(max_iter=1, batch_size="auto").fit(GREY)
    codes = listed.fit(GREY.reshape(40, -1)).transform(GREY.reshape(40, -1))
    np.testing.assert_array_equal(codes, same.transform(GREY))


def test_a_convolutional_autoencoder_refuses_a_dense_network(untrained):
    untrained()
    network = DenseNetwork((4,))
    estimator = ConvolutionalAutoencoder(network=network)
    said = refused(estimator, GREY, "must be a ConvolutionalNetwork")
    assert f"Autoencoder with network={network!r}" in said
    for sizes in ((4,), [4]):
        estimator = ConvolutionalAutoencoder(network=sizes)
        refused(estimator, GREY, r"'network' .* ConvolutionalAutoencoder must be")


@pytest.mark.parametrize("image_shape", [None, (8, 8)])
def test_a_class_is_not_a_network(image_shape):
    estimator = ConvolutionalAutoencoder(
        network=ConvolutionalNetwork, image_shape=image_shape
    )
    refused(estimator, GREY, r"network must be an instance.*ConvolutionalNetwork\(")


def test_a_nested_parameter_of_auto_names_the_network_that_can_be():
    with pytest.raises(ValueError, match="ConvolutionalNetwork"):
        ConvolutionalAutoencoder().set_params(network__filters=(4,))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_that_goes_on_cannot_change_the_network(method):
    estimator = make(warm_start=True).fit(GREY)
    codes = estimator.transform(GREY)
    estimator.set_params(network=ConvolutionalNetwork(filters=(4, 7)))
    with pytest.raises(ValueError, match="cannot change network"):
        getattr(estimator, method)(GREY)
    np.testing.assert_array_equal(estimator.transform(GREY), codes)


# One estimator by two names


@pytest.mark.parametrize("n_components", [None, 3, "auto"])
@pytest.mark.parametrize("X", [GREY, RGB, GREY.reshape(40, 64)], ids=["2d", "3d", "flat"])
def test_the_convolutional_autoencoder_is_an_autoencoder(n_components, X):
    network = ConvolutionalNetwork(filters=(4, 6), normalization="layer")
    params = {"max_iter": 2, "random_state": 3, "corruption": "gaussian"}
    plain = Autoencoder(n_components, network=network, **params).fit(X)
    named = ConvolutionalAutoencoder(n_components, network=network, **params).fit(X)
    for method in METHODS:
        np.testing.assert_array_equal(getattr(named, method)(X), getattr(plain, method)(X))
    assert named.loss_curve_ == plain.loss_curve_


def test_auto_is_the_default_network_and_image_shape_is_the_networks():
    flat = GREY.reshape(40, 64)
    by_name = ConvolutionalAutoencoder(image_shape=(4, 16), max_iter=1, random_state=0)
    network = ConvolutionalNetwork(image_shape=(4, 16))
    other = Autoencoder(None, network=network, max_iter=1, random_state=0)
    np.testing.assert_array_equal(
        by_name.fit(flat).transform(flat), other.fit(flat).transform(flat)
    )
    assert by_name.network == "auto"
    square = ConvolutionalAutoencoder(max_iter=1, random_state=0).fit(flat)
    assert not np.array_equal(square.transform(flat), by_name.transform(flat))


def test_fit_changes_no_parameter():
    network = ConvolutionalNetwork(filters=(4,))
    estimator = ConvolutionalAutoencoder(network=network, image_shape=(8, 8), max_iter=1)
    estimator.fit(GREY)
    assert estimator.network is network
    assert network == ConvolutionalNetwork(filters=(4,))
    assert network.image_shape is None
    assert estimator.image_shape == (8, 8)


# Seeds and copies


def states():
    return (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
    )


@kinds
def test_the_seed_alone_decides_and_no_global_generator_is_touched(kind):
    n_components, network = KINDS[kind]
    torch.manual_seed(1)
    before = states()
    first = make(n_components, network).fit(GREY)
    for call in ("partial_fit", *METHODS):
        getattr(copy.deepcopy(first), call)(GREY)
    assert states() == before
    torch.manual_seed(2)
    second = make(n_components, network).fit(GREY)
    assert first.loss_curve_ == second.loss_curve_
    np.testing.assert_array_equal(first.transform(GREY), second.transform(GREY))
    other = make(n_components, network, random_state=1).fit(GREY)
    assert first.loss_curve_ != other.loss_curve_


@kinds
@pytest.mark.parametrize("trip", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_is_and_goes_on_like_the_original(trip, kind):
    n_components, network = KINDS[kind]
    estimator = make(n_components, network).fit(GREY)
    other = trip(estimator)
    assert repr(other) == repr(estimator)
    for method in METHODS:
        np.testing.assert_array_equal(
            getattr(other, method)(GREY), getattr(estimator, method)(GREY)
        )
    codes = estimator.transform(GREY)
    for e in (estimator, other):
        e.partial_fit(GREY)
    np.testing.assert_array_equal(other.transform(GREY), estimator.transform(GREY))
    assert not np.array_equal(estimator.transform(GREY), codes)


@kinds
def test_a_clone_is_unfitted_and_learns_the_same(kind):
    n_components, network = KINDS[kind]
    estimator = make(n_components, network).fit(GREY)
    other = clone(estimator)
    assert not hasattr(other, "net_")
    assert other.network == network
    assert other.network is not network
    np.testing.assert_array_equal(
        other.fit(GREY).transform(GREY), estimator.transform(GREY)
    )


@pytest.mark.parametrize("n_components", [None, 8])
def test_a_pickle_holds_weights_and_optimiser_once_and_no_data(n_components):
    X = pictures(600, 16, 16)
    network = ConvolutionalNetwork(filters=(32, 64))
    estimator = make(n_components, network, max_iter=1, batch_size=300).fit(X)
    size = sum(4 * p.numel() for p in estimator.net_.module_.parameters())
    assert size > 100_000
    assert len(pickle.dumps(estimator)) < 3 * size + 60_000  # Adam keeps two moments
    assert len(pickle.dumps(estimator)) < X.nbytes


def test_codes_of_a_frame_have_names():
    frame = pd.DataFrame(GREY.reshape(40, 64)).add_prefix("pixel")
    estimator = ConvolutionalAutoencoder(3, network=SMALL, max_iter=1, random_state=0)
    out = estimator.set_output(transform="pandas").fit_transform(frame)
    names = [f"convolutionalautoencoder{i}" for i in range(3)]
    assert list(out.columns) == list(estimator.get_feature_names_out()) == names
    assert list(estimator.feature_names_in_) == list(frame.columns)
    of_pictures = ConvolutionalAutoencoder(network=SMALL, max_iter=1).fit(GREY)
    assert len(of_pictures.get_feature_names_out()) == 6 * 2 * 2
    out = of_pictures.set_output(transform="pandas").transform(GREY)
    assert out.shape == (40, 24)


def test_a_search_goes_over_the_networks_parameters():
    grid = {"network__filters": [(3,), (4, 6)], "network__activation": ["relu", "silu"]}
    search = GridSearchCV(make(2, max_iter=1), grid, cv=2).fit(GREY)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    best = search.best_estimator_
    assert best.network.filters == search.best_params_["network__filters"]
    assert best.net_.module_.encoder.layers[1].out_channels == best.network.filters[0]
    assert ConvolutionalNetwork(filters=(4, 6)) == SMALL


# Training goes on


@kinds
def test_a_warm_start_goes_on_from_the_weights(kind):
    n_components, network = KINDS[kind]
    params = {"warm_start": True, "learning_rate": 1e-12, "early_stopping": False}
    estimator = make(n_components, network, **params).fit(GREY)
    before = estimator.net_.module_.encoder.layers[1].weight.detach().clone()
    estimator.fit(GREY.reshape(40, 64))  # flat, this time
    assert len(estimator.loss_curve_) == 4
    after = estimator.net_.module_.encoder.layers[1].weight.detach()
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert estimator.reconstruct(GREY).shape == GREY.shape


@kinds
def test_partial_fit_goes_on_also_with_a_single_row(kind):
    n_components, network = KINDS[kind]
    estimator = make(n_components, network, learning_rate=0.01)
    for _ in range(15):
        estimator.partial_fit(GREY)
    assert len(estimator.loss_curve_) == 15
    assert estimator.loss_curve_[-1] < 0.9 * estimator.loss_curve_[0]
    estimator.partial_fit(GREY[:1]).partial_fit(GREY[:3].reshape(3, 64))
    assert np.isfinite(estimator.score(GREY))


def test_batch_normalisation_takes_a_last_batch_of_one_row():
    network = ConvolutionalNetwork((1, 3), (4, 5), normalization="batch")
    X = pictures(33, 3)  # maps of a single pixel
    sizes, step = [], Run.train_step
    estimator = make(2, network, batch_size=8, early_stopping=False, max_iter=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Run, "train_step", lambda s, b, **k: (sizes.append(len(b[0])), step(s, b))[1]
        )
        estimator.fit(X)
    assert sizes == [8, 8, 8, 8, 1] * 4
    assert np.isfinite(estimator.score_samples(X)).all()
    norm = next(m for m in estimator.net_.module_.modules() if hasattr(m, "running_var"))
    assert int(norm.num_batches_tracked) == 16
    assert (norm.running_var > 0).all()


# Scales, links and starts


@pytest.mark.parametrize("form", ["pictures", "flat"])
def test_each_channel_has_one_scale(form):
    X = RGB if form == "pictures" else RGB.reshape(40, -1)
    network = ConvolutionalNetwork(image_shape=(3, 6, 5), filters=(4,))
    estimator = make(2, network).fit(X)
    likelihood = estimator.net_.module_.likelihood
    scale, location = (a.reshape(3, 30) for a in (likelihood.scale, likelihood.location))
    for c in range(3):
        np.testing.assert_allclose(scale[c], RGB[:, c].std(), rtol=1e-9)
        np.testing.assert_allclose(location[c], RGB[:, c].mean(), rtol=1e-9, atol=1e-12)
    assert scale[1, 0] > 1000 * scale[2, 0]
    residual = (RGB - estimator.reconstruct(RGB.reshape(X.shape)).reshape(RGB.shape)) ** 2
    sd = np.sqrt(residual.mean(0))
    np.testing.assert_allclose(
        sd.ravel(), np.sqrt(likelihood.noise_variance) * likelihood.scale, rtol=1e-3
    )
    expected = stats.norm.logpdf(np.sqrt(residual), scale=sd).sum((1, 2, 3))
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-3)


def test_a_signal_has_one_scale():
    rows = RGB.reshape(40, 90)
    scale = make(2).fit(rows).net_.module_.likelihood.scale
    np.testing.assert_allclose(scale, rows.std(), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 255.0])
def test_a_constant_channel_is_not_divided_by_its_rounding_error(value):
    X = RGB.copy()
    X[:, 1] = value
    estimator = make(2).fit(X)
    scale = estimator.net_.module_.likelihood.scale.reshape(3, -1)[1]
    assert set(scale) <= {0.0, 1.0}
    moved = X.copy()
    moved[:, 1] += 0.01
    shift = np.abs(estimator.transform(moved) - estimator.transform(X)).max()
    assert shift < np.ptp(estimator.transform(X))


UNIT = special.expit(RGB / RGB.std((0, 2, 3))[:, None, None] - 1)


def output_bias(module):
    return module.decoder.layers[-2].bias.detach().numpy()


def test_bernoulli_pictures_are_probabilities_and_start_at_the_mean():
    estimator = make(2, likelihood="bernoulli")
    module = initial(estimator.fit(UNIT), UNIT)
    logits = special.logit(np.clip(UNIT.mean(0), 0.02, 0.98)).mean((1, 2))
    np.testing.assert_allclose(output_bias(module), logits, rtol=1e-4, atol=1e-4)
    assert np.ptp(logits) > 0.1
    out = estimator.reconstruct(UNIT)
    assert (out > 0).all()
    assert (out < 1).all()
    entropy = special.xlogy(UNIT, out) + special.xlog1py(1 - UNIT, -out)
    np.testing.assert_allclose(
        estimator.score_samples(UNIT), entropy.sum((1, 2, 3)), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("link", "inverse"), [("sigmoid", special.logit), ("tanh", np.arctanh)]
)
def test_a_bounded_link_stays_in_each_channels_range_and_starts_at_the_mean(link, inverse):
    estimator = make(2, likelihood=Gaussian(link=link))
    module = initial(estimator.fit(RGB), RGB)
    low, high = (f(axis=(0, 2, 3))[:, None, None] for f in (RGB.min, RGB.max))
    share = (RGB.mean(0) - low) / (high - low)
    mean = share if link == "sigmoid" else 2 * share - 1
    np.testing.assert_allclose(
        output_bias(module), inverse(mean).mean((1, 2)), rtol=1e-3, atol=1e-3
    )
    far = estimator.inverse_transform(1e3 * np.random.default_rng(0).normal(size=(50, 2)))
    for out in (far, estimator.reconstruct(RGB)):
        assert (out >= low - 1e-5 * (high - low)).all()
        assert (out <= high + 1e-5 * (high - low)).all()


def test_an_identity_link_starts_at_the_mean_too():
    module = initial(make(2), RGB)
    np.testing.assert_allclose(output_bias(module), 0, atol=1e-4)


# Signs of trouble


def signs(estimator, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X)
    return [str(w.message) for w in caught if "Dead units" in str(w.message)]


@pytest.mark.parametrize("n_components", [None, 3])
def test_constant_borders_are_no_dead_units(n_components):
    X = np.pad(pictures(40, 4, 4), ((0, 0), (8, 8), (8, 8)))
    network = ConvolutionalNetwork(filters=(4, 6), activation="relu")
    estimator = make(n_components, network)
    assert signs(estimator, X) == []
    x = standardized(estimator, X)
    first = outputs(estimator.net_.module_.encoder, x)[2]
    assert first[0] == "Activation"
    by_pixel = first[1].flatten(1).numpy()
    assert list(_diagnostics.dead_units({"pixels": by_pixel}, "", ""))


class Dying(ConvolutionalNetwork):
    """A network that starts with dead channels, as after too large a step."""

    def build(self, *args, **kwargs):
        encoder, decoder = super().build(*args, **kwargs)
        encoder.layers[1].bias.data[:5] = -100
        return encoder, decoder


@pytest.mark.parametrize("n_components", [None, 3])
def test_dead_channels_are_told(n_components):
    params = {"filters": (8, 6), "activation": "relu"}
    assert signs(make(n_components, ConvolutionalNetwork(**params)), GREY) == []
    (sign,) = signs(make(n_components, Dying(**params)), GREY)
    assert sign.startswith("Dead units: 5 of 8 units of layers.2 ")


def test_a_denoising_autoencoder_takes_the_network_too():
    X = datasets.load_digits().images[:200]
    estimator = DenoisingAutoencoder(
        8, network=SMALL, corruption=["region_masking", "gaussian"], max_iter=2,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert estimator.denoise(X).shape == X.shape
    np.testing.assert_array_equal(
        estimator.denoise(X)[:1], estimator.denoise(X[:1].reshape(1, 64))
    )
