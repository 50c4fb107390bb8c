"""Small fitted estimators that the tests of displays share."""

import functools
import warnings

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from skae import Autoencoder, VariationalAutoencoder

DIGITS, CLASSES = load_digits().images[:120], load_digits().target[:120]
FLAT = DIGITS.reshape(120, 64)
WINE = load_wine(as_frame=True).data
LABELS = load_wine().target
MIXED = pd.DataFrame(
    {
        "size": np.r_[np.arange(30.0), np.nan],
        "kind": pd.Categorical([*("ab" * 15), None]),
        "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(31), unit="D"),
    }
)


def quiet(estimator, *args, **kwargs):
    """Fit without warnings: what is drawn matters here, not how good it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*args, **kwargs)


@functools.cache
def of_pictures():
    return quiet(Autoencoder(4, max_iter=2, random_state=0), DIGITS)


@functools.cache
def of_flat():
    return quiet(Autoencoder(4, max_iter=2, random_state=0), FLAT)


@functools.cache
def of_wine():
    return quiet(Autoencoder(3, max_iter=6, random_state=0), WINE)


@functools.cache
def of_mixed():
    return quiet(Autoencoder(2, max_iter=2, random_state=0), MIXED)


@functools.cache
def variational():
    return quiet(VariationalAutoencoder(5, max_iter=6, random_state=0), FLAT)


@functools.cache
def principal():
    return PCA(4, random_state=0).fit(FLAT)


@functools.cache
def of_share():
    return quiet(Autoencoder(0.7, max_iter=5, random_state=0), WINE)
