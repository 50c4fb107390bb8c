"""Each sign of trouble is provoked; healthy fits of bundled data are silent."""

import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import LRScheduler

from skae import Autoencoder
from skae._codes import signs as _diagnostics
from skae.networks import DenseNetwork

BUNDLED = ["breast_cancer", "wine", "diabetes", "iris", "linnerud"]
BUNDLED.append(pytest.param("digits", marks=pytest.mark.slow))


def grow(epoch):
    return 1.0 if epoch < 10 else 4000.0


def signs(estimator, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X)
    return [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]


def only(found, sign):
    return len(found) == 1 and found[0].startswith(sign)


def test_underfitting_is_told_with_its_remedy():
    X = datasets.load_breast_cancer().data
    found = signs(Autoencoder(5, network=(32,), max_iter=1, random_state=0), X)
    assert only(found, "Underfitted"), found
    assert "max_iter" in found[0]


def test_overfitting_is_told_with_its_remedy():
    X = np.random.default_rng(0).normal(size=(60, 40))
    estimator = Autoencoder(
        20, network=(256,), early_stopping=True, n_iter_no_change=500, max_iter=500,
        alpha=0, random_state=0,
    )  # fmt: skip
    found = signs(estimator, X)
    assert only(found, "Overfitted"), found
    assert "dropout" in found[0]


@pytest.mark.parametrize(
    ("learning_rate", "net_params"),
    [
        (0.005, {"callbacks": [LRScheduler("LambdaLR", lr_lambda=grow)]}),
        (10.0, {"gradient_clip_value": None}),
    ],
    ids=["rises again", "worse than the mean"],
)
def test_divergence_is_told_with_its_remedy(learning_rate, net_params):
    X = datasets.load_wine().data
    estimator = Autoencoder(
        2, network=(32,), learning_rate=learning_rate, early_stopping=False,
        max_iter=30, net_params=net_params, random_state=0,
    )  # fmt: skip
    found = signs(estimator, X)
    assert found[0].startswith("Diverged"), found
    assert not any(sign.startswith("Underfitted") for sign in found)
    assert "Lower learning_rate" in found[0]


class Dying(DenseNetwork):
    """A network that starts with dead units, as after too large a step."""

    def build(self, *args, **kwargs):
        encoder, decoder = super().build(*args, **kwargs)
        encoder.layers[0].bias.data[:40] = -100
        return encoder, decoder


def test_dead_units_are_told_with_their_remedy():
    X = datasets.load_breast_cancer().data
    network = DenseNetwork((64,), activation="relu", linear_path=True)
    estimator = Autoencoder(2, network=network, max_iter=20, random_state=0)
    assert signs(estimator, X) == []
    found = signs(estimator.set_params(network=Dying(**network.get_params())), X)
    assert only(found, "Dead units: 40 of 64"), found


@pytest.mark.parametrize("n_components", ["auto", 2])
@pytest.mark.parametrize("name", BUNDLED)
def test_healthy_fits_are_silent(name, n_components):
    X = getattr(datasets, f"load_{name}")().data
    for random_state in range(2):
        assert signs(Autoencoder(n_components, random_state=random_state), X) == []


def test_thresholds_are_as_stated():
    assert list(_diagnostics.underfitting(0.44, 0.5, 2))
    assert not list(_diagnostics.underfitting(0.46, 0.5, 2))
    assert list(_diagnostics.overfitting(0.9, 0.49))
    assert not list(_diagnostics.overfitting(0.9, 0.51))
    assert list(_diagnostics.divergence([3.0, 1.0, 2.1], 0.5))
    assert list(_diagnostics.divergence([3.0, 1.0, 1.0], -1.1))
    assert not list(_diagnostics.divergence([3.0, 1.0, 1.9], -0.9))
    assert not list(_diagnostics.divergence([5e-5, 3e-4], 1.0))
    assert not list(_diagnostics.divergence([-3.67], 0.97))  # a log-density's
    assert not list(_diagnostics.divergence([-0.01, 0.02], 0.97))
    assert list(_diagnostics.divergence([-3.67, -1.0], 0.5))
    units = np.random.default_rng(0).normal(size=(10, 4))
    units[:, :2] = 0
    assert not list(_diagnostics.dead_units({"the code": units}))
    units[:, 2] = 1
    assert list(_diagnostics.dead_units({"the code": units}))
