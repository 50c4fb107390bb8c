"""Convolutional networks: the textbook's maps, and any size of picture."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skae import ConvolutionalAutoencoder
from skae._training.blocks import row_cost
from skae.networks import ConvolutionalNetwork
from tests.pictures import NETWORKS, SIDES, SMALL, make, outputs, pictures, standardized

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


def restored(estimator, rows, X):
    likelihood = estimator.net_.module_.likelihood
    return likelihood.restore(rows.detach().numpy()).reshape(X.shape)


def maps(stack, x):
    """Sides of a stack's maps, each size once."""
    sides = [
        tuple(out.shape[2:])
        for name, out in outputs(stack, x)
        if out.ndim == 4 and name != "ZeroPad2d"
    ]
    return [s for i, s in enumerate(sides) if i == 0 or s != sides[i - 1]]


def halved(size, levels):
    sizes = [size]
    for _ in range(levels):
        size = tuple(math.ceil(n / 2) for n in size)
        if size != sizes[-1]:
            sizes.append(size)
    return sizes


def with_weights(layers, source):
    """Torch's own layers, with the weights of a stack's layers, in their order."""
    given = [layer for layer in source.layers if hasattr(layer, "weight")]
    own = [layer for layer in layers if hasattr(layer, "weight")]
    for layer, other in zip(own, given, strict=True):
        layer.load_state_dict(other.state_dict())
    return nn.Sequential(*layers).eval()


# The textbook's network


TEXTBOOK = ConvolutionalNetwork(
    image_shape=(28, 28),
    filters=(16, 32),
    activation="relu",
    downsampling="max_pool",
    upsampling="nearest",
)
DIGITS = pictures(24, 28, 28)


@pytest.fixture(scope="module")
def textbook():
    return make(network=TEXTBOOK, code_activation="relu").fit(DIGITS)


def test_the_textbook_network_has_the_textbook_maps(textbook):
    module = textbook.net_.module_
    down = outputs(module.encoder, standardized(textbook, DIGITS[:2]))
    assert [(kind, tuple(out.shape[1:])) for kind, out in down] == [
        ("ToMap", (1, 28, 28)),
        ("Conv2d", (16, 28, 28)),
        ("MaxPool2d", (16, 14, 14)),
        ("Activation", (16, 14, 14)),
        ("Conv2d", (32, 14, 14)),
        ("MaxPool2d", (32, 7, 7)),
        ("Flatten", (1568,)),
    ]
    up = outputs(module.decoder, torch.zeros(2, 1568))
    assert [(kind, tuple(out.shape[1:])) for kind, out in up] == [
        ("ToMap", (32, 7, 7)),
        ("Upsample", (32, 14, 14)),
        ("Conv2d", (16, 14, 14)),
        ("Activation", (16, 14, 14)),
        ("Upsample", (16, 28, 28)),
        ("Conv2d", (1, 28, 28)),
        ("Flatten", (784,)),
    ]
    codes = textbook.transform(DIGITS)
    assert codes.shape == (24, 1568)
    assert textbook.n_components_ == 1568
    assert textbook.compression_ratio_ == 0.5
    assert codes.min() == 0
    assert (codes > 0).mean() > 0.1
    assert textbook.reconstruct(DIGITS).shape == (24, 28, 28)


def test_the_textbook_network_is_that_of_torch(textbook):
    module = textbook.net_.module_
    encoder = with_weights(
        [
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        ],
        module.encoder,
    )  # fmt: skip
    decoder = with_weights(
        [
            nn.Unflatten(1, (32, 7, 7)), nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 16, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(16, 1, 3, padding=1),
        ],
        module.decoder,
    )  # fmt: skip
    agree(textbook, encoder, decoder, DIGITS)


def agree(estimator, encoder, decoder, X):
    shape = (-1, *([1] if X.ndim == 3 else []), *X.shape[1:])
    codes = encoder(standardized(estimator, X).view(shape))
    np.testing.assert_allclose(estimator.transform(X), codes.detach(), rtol=1e-4, atol=1e-5)
    out = restored(estimator, decoder(codes).flatten(1), X)
    spread = X.std()
    np.testing.assert_allclose(estimator.reconstruct(X), out, rtol=1e-4, atol=1e-5 * spread)
    assert np.ptp(out) > 0.01 * spread


@pytest.mark.parametrize("n_components", [None, 5])
@pytest.mark.parametrize("shape", [(12, 8), (3, 8, 4)])
def test_strides_and_transposed_convolutions_are_those_of_torch(shape, n_components):
    X = pictures(20, *shape)
    network = ConvolutionalNetwork(filters=(4, 6), activation="relu", kernel_size=3)
    if len(shape) == 3:
        network.image_shape = shape  # (8, 4) would look like channels in the last place
    estimator = make(n_components, network, code_activation="tanh").fit(X)
    c, (h, w) = (1 if len(shape) == 2 else 3), shape[-2:]
    n = 6 * h * w // 16
    encoder = [
        nn.Conv2d(c, 4, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
    ]  # fmt: skip
    decoder = [
        nn.Unflatten(1, (6, h // 4, w // 4)),
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(4, c, 3, stride=2, padding=1, output_padding=1),
    ]  # fmt: skip
    if n_components is None:
        encoder += [nn.Flatten()]
    else:
        encoder += [nn.ReLU(), nn.Flatten(), nn.Linear(n, n_components)]
        decoder = [nn.Linear(n_components, n), nn.ReLU(), *decoder]
    module = estimator.net_.module_
    encoder = with_weights([*encoder, nn.Tanh()], module.encoder)
    agree(estimator, encoder, with_weights(decoder, module.decoder), X)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_normalisation_is_that_of_torch_and_stands_before_the_activation(normalization):
    network = ConvolutionalNetwork(
        (6, 8), (4, 6), activation="relu", normalization=normalization,
        downsampling="average_pool", upsampling="bilinear",
    )  # fmt: skip
    X = pictures(20, 6, 8)
    estimator = make(None, network, max_iter=5).fit(X)

    def norm(n):
        return nn.GroupNorm(1, n) if normalization == "layer" else nn.BatchNorm2d(n)

    module = estimator.net_.module_
    encoder = with_weights(
        [
            nn.Conv2d(1, 4, 3, padding=1), nn.AvgPool2d(2), norm(4), nn.ReLU(),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), norm(6), nn.Flatten(),
        ],
        module.encoder,
    )  # fmt: skip
    decoder = with_weights(
        [
            nn.Unflatten(1, (6, 2, 2)), nn.Upsample((3, 4), mode="bilinear"),
            nn.Conv2d(6, 4, 3, padding=1), norm(4), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 1, 3, padding=1),
        ],
        module.decoder,
    )  # fmt: skip
    agree(estimator, encoder, decoder, X)


def test_the_cost_of_a_row_is_counted_at_each_pixel(textbook):
    cost = row_cost(textbook.net_.module_, torch.zeros(1, 784))
    first, second = 28 * 28 * 9 * 16, 14 * 14 * 9 * 16 * 32
    assert cost.multiplications == 2 * (first + second)
    down = 784 + 16 * 784 + 16 * 196 * 2 + 32 * 196 + 32 * 49 * 2
    up = 1568 + 32 * 196 + 16 * 196 * 2 + 16 * 784 + 784 * 2
    assert cost.numbers == down + up


# Any shape, any options


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    network=NETWORKS,
    c=st.integers(1, 3),
    c_out=st.integers(1, 3),
    size=SIDES,
    k=st.sampled_from([None, 1, 3]),
)
def test_any_picture_is_halved_with_ceil_and_comes_back(network, c, c_out, size, k):
    network.image_shape = (c, *size)
    network.validate()
    n_in, n_out = c * math.prod(size), c_out * math.prod(size)
    encoder, decoder = network.build(n_in, k, n_out, generator=torch.Generator())
    x = torch.randn(2, n_in, generator=torch.Generator().manual_seed(0))
    sizes = halved(size, len(network.filters))
    assert maps(encoder, x) == sizes
    with torch.no_grad():
        codes = encoder(x)
        width = k or network.filters[-1] * math.prod(sizes[-1])
        assert codes.shape == (2, width)
        assert maps(decoder, codes) == sizes[::-1]
        assert decoder(codes).shape == (2, n_out)
        assert torch.isfinite(decoder(codes)).all()


def test_a_build_without_image_shape_takes_a_square_or_a_signal():
    for n, sides in ((64, [(8, 8), (4, 4), (2, 2)]), (12, [(1, 12), (1, 6), (1, 3)])):
        encoder, decoder = SMALL.build(n, None, n)
        assert maps(encoder, torch.zeros(1, n)) == sides
        assert decoder(encoder(torch.zeros(1, n))).shape == (1, n)


@pytest.mark.parametrize(
    ("shape", "way"),
    [
        ((64, 2), "np.moveaxis(X, -1, 1)[:, :, None]"),
        ((16, 4), "np.moveaxis(X, -1, 1)[:, :, None]"),
        ((3, 64), "X[:, :, None]"),
        ((15, 4), None),
        ((64, 5), None),
        ((8, 8), None),
        ((4, 4), None),
        ((1, 64), None),
    ],
)
def test_signals_that_are_taken_for_pictures_are_told(shape, way):
    X = np.random.default_rng(0).normal(size=(20, *shape))
    for say in (None, shape):
        autoencoder = ConvolutionalAutoencoder(2, image_shape=say, max_iter=1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            autoencoder.fit(X)
        told = [str(w.message) for w in caught if "layouts" in str(w.message)]
        assert len(told) == (way is not None and say is None)
        if told:
            assert f"pass {way};" in told[0]
            right = eval(way, {"np": np, "X": X})
            assert right.shape == (20, min(shape), 1, max(shape))
            assert (right[3, 1, 0] == (X[3, :, 1] if shape[0] > 4 else X[3, 1])).all()
    with pytest.raises(ValueError, match="channels in the last place"):
        ConvolutionalNetwork().resolve((8, 8, 2))


def test_a_window_is_one_wide_along_an_axis_of_length_one():
    encoder, _ = ConvolutionalNetwork((1, 16), (2, 3), kernel_size=5).build(16, None, 16)
    convolutions = [m for m in encoder.layers if isinstance(m, nn.Conv2d)]
    assert [m.kernel_size for m in convolutions] == [(1, 5), (1, 5)]
