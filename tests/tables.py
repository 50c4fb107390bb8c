"""A table of columns in other units, and autoencoders of it."""

import numpy as np
import torch
from scipy import special, stats

from skae import Autoencoder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(120, 6))
X = X * [1, 10, 100, 0.1, 1, 1] + [0, 5, -300, 1, 1, 1]
NUMPY = {
    "linear": lambda u: u,
    "relu": lambda u: np.maximum(u, 0),
    "leaky_relu": lambda u: np.where(u > 0, u, 0.01 * u),
    "elu": lambda u: np.where(u > 0, u, np.expm1(u)),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "silu": lambda u: u * special.expit(u),
    "gelu": lambda u: u * stats.norm.cdf(u),
}


def make(n_components=2, **params):
    defaults = {"max_iter": 5, "batch_size": 32, "random_state": 0}
    return Autoencoder(n_components, **{**defaults, **params})


def standardized(estimator, rows=X):
    likelihood = estimator.net_.module_.likelihood
    return (rows - likelihood.location) * np.where(
        likelihood.scale > 0, 1 / likelihood.scale, 0
    )


def layers(stack):
    """(weight, bias) of the linear layers, in their order."""
    return [
        (m.weight.detach().numpy().astype(float), m.bias.detach().numpy().astype(float))
        for m in stack.layers
        if isinstance(m, torch.nn.Linear)
    ]


def forward(stack, x, activation):
    *hidden, (last, bias) = layers(stack)
    for w, b in hidden:
        x = NUMPY[activation](x @ w.T + b)
    return x @ last.T + bias
