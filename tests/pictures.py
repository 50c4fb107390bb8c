"""Small pictures, networks for them, and autoencoders of these."""

import math

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from sklearn.base import clone

from skae import Autoencoder
from skae.networks import ConvolutionalNetwork

METHODS = ["transform", "reconstruct", "score_samples"]
DOWN = ["stride", "max_pool", "average_pool"]
UP = ["transposed", "nearest", "bilinear"]
NORMS = [None, "layer", "batch"]


def pictures(n, *shape, seed=0):
    """Smooth pictures: sums of three waves."""
    rng = np.random.default_rng(seed)
    d = math.prod(shape)
    waves = np.sin(np.outer(rng.uniform(0.5, 4, 3), np.linspace(0, 6, d)) + 1)
    X = rng.normal(size=(n, 3)) @ waves + 0.1 * rng.normal(size=(n, d))
    return X.reshape(n, *shape)


GREY = pictures(40, 8, 8)
UNITS, OFFSETS = np.array([[1, 100, 1e-3], [0, 5, 7]])[:, :, None, None]
RGB = pictures(40, 3, 6, 5) * UNITS + OFFSETS
SMALL = ConvolutionalNetwork(filters=(4, 6))


def make(n_components=None, network=SMALL, **params):
    defaults = {"max_iter": 2, "batch_size": 16, "random_state": 0}
    return Autoencoder(n_components, network=network, **{**defaults, **params})


def standardized(estimator, X):
    rows = X.reshape(len(X), -1)
    return torch.from_numpy(estimator.net_.module_.likelihood.standardize(rows))


def outputs(stack, x):
    """The outputs of a stack's layers, by the kind of layer."""
    seen, hooks = [], []
    for layer in stack.layers:
        hooks.append(
            layer.register_forward_hook(
                lambda layer, _, out: seen.append((type(layer).__name__, out))
            )
        )
    with torch.no_grad():
        stack.eval()(x)
    for hook in hooks:
        hook.remove()
    return seen


NETWORKS = st.builds(
    ConvolutionalNetwork,
    filters=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    kernel_size=st.integers(1, 5),
    downsampling=st.sampled_from(DOWN),
    upsampling=st.sampled_from(UP),
    activation=st.sampled_from(["silu", "relu", "linear", "tanh"]),
    normalization=st.sampled_from(NORMS),
)
SIDES = st.one_of(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.just(1), st.integers(1, 70)),
)


def is_single_number(network, size):
    """Whether a picture is normalised to nothing: a map of one pixel and channel."""
    sizes = [size]
    for _ in network.filters:
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))
    numbers = [f * math.prod(s) for f, s in zip(network.filters, sizes[1:], strict=True)]
    return network.normalization == "layer" and 1 in numbers


OPTIONS = [
    {"downsampling": "stride", "upsampling": "transposed"},
    {"downsampling": "max_pool", "upsampling": "nearest", "normalization": "layer"},
    {"downsampling": "average_pool", "upsampling": "bilinear", "normalization": "batch"},
    {"downsampling": "stride", "upsampling": "nearest", "normalization": "batch"},
    {"downsampling": "max_pool", "upsampling": "transposed", "kernel_size": 2},
    {"upsampling": "bilinear", "kernel_size": 5, "normalization": "layer"},
]
KINDS = {
    "map": (None, SMALL),
    "code": (3, SMALL),
    "batch": (None, ConvolutionalNetwork(filters=(4, 6), normalization="batch")),
    "pool": (3, ConvolutionalNetwork(filters=(4,), downsampling="max_pool",
                                     upsampling="bilinear")),
}  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS)


def initial(estimator, X):
    """The module that a fit of an estimator starts from, of all rows."""
    still = {"learning_rate": 1e-30, "max_iter": 1, "early_stopping": False}
    start = clone(estimator).set_params(**still)
    return start.fit(X).net_.module_
