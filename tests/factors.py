"""Rows of a factor model, pictures, and variational autoencoders of these."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skae import VariationalAutoencoder

RNG = np.random.default_rng(0)
LOADINGS, NOISE = RNG.normal(size=(4, 12)), RNG.uniform(0.2, 2, size=12)
FACTORS = RNG.normal(size=(4000, 4)) @ LOADINGS + 5
FACTORS = FACTORS + RNG.normal(size=FACTORS.shape) * np.sqrt(NOISE)
TRAIN, TEST = FACTORS[:2000], FACTORS[2000:]
SMALL = FACTORS[:120]
DIGITS = load_digits().images
quick = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(n_components=3, **params):
    defaults = {"max_iter": 4, "batch_size": 32, "random_state": 0}
    return VariationalAutoencoder(n_components, **{**defaults, **params})


ONE_HOT = np.eye(6)[RNG.integers(6, size=60)]
