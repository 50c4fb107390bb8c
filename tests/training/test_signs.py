"""Each sign of trouble is provoked; healthy fits of bundled data are silent."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import LRScheduler

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._codes import remedies
from skae._codes import signs as _diagnostics
from skae.metrics import explained_variance_ratio
from skae.networks import ConvolutionalNetwork, DenseNetwork

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


def test_what_a_prior_costs_is_no_divergence():
    # the start is PCA of nearly all components, and the prior takes some of that
    X, _ = datasets.load_wine(return_X_y=True)
    X = np.random.default_rng(0).permutation(X)[:120]
    aae = AdversarialAutoencoder(12, random_state=0)
    assert signs(aae, X) == []
    assert explained_variance_ratio(X, aae.reconstruct(X)) > 0.97
    losses = [row["train_loss"] for row in aae.history_]
    assert losses[-1] > 4 * min(losses)
    found = signs(aae.set_params(learning_rate=10.0, max_iter=5), X)
    assert found[0].startswith("Diverged")
    assert "adversarial_learning_rate" in found[0]


@pytest.mark.parametrize(
    "autoencoder",
    [Autoencoder, VariationalAutoencoder, AdversarialAutoencoder, SparseAutoencoder],
)
def test_of_columns_that_do_not_vary_nothing_is_asked(autoencoder):
    X = np.ones((50, 4))
    fitted = autoencoder(random_state=0, max_iter=10)
    assert signs(fitted, X) == []
    assert np.allclose(fitted.reconstruct(X), X)


def test_a_collapsed_code_is_told_once():
    # of one column nothing is shared, and factor analysis takes all of it for noise
    X = np.random.default_rng(0).permutation(datasets.load_wine().data)[:120, :1]
    found = signs(VariationalAutoencoder(random_state=0, max_iter=10), X)
    assert only([sign for sign in found if not sign.startswith("No epoch")], "Collapsed")
    assert "n_components" not in "".join(found)


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
    assert "'silu' or 'leaky_relu' or 'elu'" in found[0]
    assert "normalization='layer'" in found[0]


@pytest.mark.parametrize("n_components", ["auto", 2])
@pytest.mark.parametrize("name", BUNDLED)
def test_healthy_fits_are_silent(name, n_components):
    X = getattr(datasets, f"load_{name}")().data
    for random_state in range(2):
        assert signs(Autoencoder(n_components, random_state=random_state), X) == []


def test_thresholds_are_as_stated():
    assert list(_diagnostics.underfitting(0.44, 0.5, 2, ""))
    assert not list(_diagnostics.underfitting(0.46, 0.5, 2, ""))
    assert list(_diagnostics.overfitting(0.9, 0.49, 0.3, ""))
    assert list(_diagnostics.overfitting(0.9, 0.49, np.nan, ""))  # too few to tell
    assert not list(_diagnostics.overfitting(0.9, -99, 0.1, ""))  # an odd row
    assert not list(_diagnostics.overfitting(0.9, 0.51, 1.0, ""))
    assert list(_diagnostics.overfitting(0.98, 0.79, 0.6, ""))  # 10.5 times what is left
    assert not list(_diagnostics.overfitting(0.98, 0.81, 0.6, ""))  # 9.5 times
    assert not list(_diagnostics.overfitting(0.98, 0.7, 0.4, ""))  # a few odd rows
    assert not list(_diagnostics.overfitting(0.999, 0.91, 0.9, ""))  # hardly noticed
    assert not list(_diagnostics.overfitting(0.05, -0.9, 0.9, ""))  # nothing is learnt
    assert list(_diagnostics.wider_than_the_data(9, 8))
    assert not list(_diagnostics.wider_than_the_data(8, 8))
    assert list(_diagnostics.divergence([3.0, 1.0, 2.1], 0.5, ""))
    assert list(_diagnostics.divergence([3.0, 1.0, 1.0], -1.1, ""))
    assert not list(_diagnostics.divergence([3.0, 1.0, 1.9], -0.9, ""))
    assert not list(_diagnostics.divergence([5e-5, 3e-4], 1.0, ""))
    assert not list(_diagnostics.divergence([-3.67], 0.97, ""))  # a log-density's
    assert not list(_diagnostics.divergence([-0.01, 0.02], 0.97, ""))
    assert list(_diagnostics.divergence([-3.67, -1.0], 0.5, ""))
    units = np.random.default_rng(0).normal(size=(10, 4))
    units[:, :2] = 0
    assert not list(_diagnostics.dead_units({"the code": units}, "", ""))
    units[:, 2] = 1
    assert list(_diagnostics.dead_units({"the code": units}, "", ""))


def test_a_few_odd_rows_among_those_held_out_are_none_of_them_all():
    errors = np.arange(100.0)
    assert _diagnostics.worse_rows(errors, np.array([1.0, 2, 3, 99, 98])) == 0.4
    assert np.isnan(_diagnostics.worse_rows(errors, np.full(4, 99.0)))  # too few to tell
    assert _diagnostics.worse_rows(errors, np.full(5, 99.0)) == 1.0


@pytest.mark.parametrize("odd", [999, 1e12])
def test_an_odd_row_that_is_held_out_is_no_overfitting(odd):
    rng = np.random.default_rng(3)
    X = np.tanh(rng.normal(size=(350, 3)) @ rng.normal(size=(3, 16)))
    X = X @ rng.normal(size=(16, 12))
    X[7, 2] = odd
    autoencoder = Autoencoder(4, max_iter=30, random_state=0)
    assert signs(autoencoder, X) == []
    last = autoencoder.history_[-1]
    assert last["valid_loss"] > 10 * last["train_loss"]  # it is one of them


def digits_rows(n, seed=0):
    X = datasets.load_digits().data
    return X[np.random.default_rng(seed).permutation(len(X))[:n]]


def test_a_few_rows_learnt_by_heart_are_told():
    X, network = digits_rows(150), DenseNetwork((256,))
    estimator = Autoencoder(32, network=network, random_state=0)
    found = signs(estimator, X)
    assert only(found, "Overfitted"), found
    assert "skae.networks.DenseNetwork(dropout=" in found[0]
    assert "corruption=" in found[0]
    # nobody sees it where no rows are held out, and nothing is said
    assert signs(estimator.set_params(early_stopping=False, max_iter=20), X) == []


def test_the_yardstick_is_none_where_there_are_hardly_more_rows():
    def found(n, n_columns=64):  # by one epoch, of which little comes
        estimator = Autoencoder(20, network=(8,), max_iter=1, early_stopping=False)
        return signs(estimator.set_params(random_state=0), X[:n, :n_columns])

    X = np.random.default_rng(0).normal(size=(200, 64))
    assert only(found(81), "Underfitted")
    assert not any("Underfitted" in sign for sign in found(79))
    assert only(found(200, 21), "Underfitted")
    assert not any("Underfitted" in sign for sign in found(200, 20))


def test_overfitting_is_never_contradicted():
    X = np.random.default_rng(0).normal(size=(200, 60))
    estimator = Autoencoder(40, network=DenseNetwork((256,)), alpha=0, max_iter=60)
    estimator.set_params(n_iter_no_change=60, random_state=0)
    found = signs(estimator, X)
    assert only(found, "Overfitted"), found


def test_a_code_wider_than_the_data_is_told_where_it_could_copy():
    X = datasets.load_diabetes().data[:100, :4]
    params = {"max_iter": 2, "random_state": 0}
    found = signs(Autoencoder(5, **params), X)
    assert only(found, "Wider than the data: a code of 5 numbers holds rows of 4"), found
    assert "SparseAutoencoder" in found[0]
    assert signs(Autoencoder(4, **params), X) == []
    table = pd.DataFrame(X, columns=list("wxyz")).assign(k=list("abcd") * 25)
    for other in (
        Autoencoder(5, corruption="gaussian", **params),
        DenoisingAutoencoder(5, **params),
        VariationalAutoencoder(5, **params),
        AdversarialAutoencoder(5, **params),
        SparseAutoencoder(5, **params),
        BinaryAutoencoder(5, **params),
        ConvolutionalAutoencoder(**params),  # its map is as wide as it is
        Autoencoder(5, likelihood="mixed", **params),
    ):
        is_mixed = other.likelihood == "mixed"
        found = signs(other, table if is_mixed else X)
        assert not any("Wider" in sign for sign in found), (other, found)
    assert Autoencoder(5, **params).fit(X).transform(X).shape == (100, 5)


def advice(**params):
    X = datasets.load_breast_cancer().data
    estimator = Autoencoder(3, **{"max_iter": 1, "random_state": 0, **params})
    (found,) = [s for s in signs(estimator, X) if s.startswith("Underfitted")]
    return found


def test_no_remedy_is_one_that_has_been_taken():
    usual = advice(network=(32,))
    assert "Raise max_iter, raise learning_rate, widen the network" in usual
    assert "network='auto'" in usual
    assert "n_components" in usual  # 3 components explain .72
    assert "alpha" not in usual
    assert "dropout" not in usual
    stopped = advice(
        network=(32,), max_iter=20, n_iter_no_change=1, learning_rate=1e-4, tol=10.0
    )
    assert "Raise n_iter_no_change, raise learning_rate" in stopped
    network = DenseNetwork((32,), activation="sigmoid", dropout=0.5)
    taken = advice(network=network, alpha=0.1, learning_rate=0.01)
    for remedy in ("lower learning_rate", "lower alpha", "lower its dropout", "'silu'"):
        assert remedy in taken


def test_remedies_are_not_those_in_use():
    def recipe(**params):
        return Autoencoder(2, **params).__skae_begin__(np.eye(3))[0]

    relu = remedies.livelier(recipe(network=DenseNetwork(activation="relu")))
    assert relu.startswith("Use activation='silu' or 'leaky_relu' or 'elu', use normali")
    silu = recipe(network=DenseNetwork(activation="silu", normalization="batch"))
    assert remedies.livelier(silu).startswith("Use activation='leaky_relu' or 'elu', lower")
    assert "dropout" in remedies.less_freedom(recipe())
    assert "a larger dropout" in remedies.less_freedom(
        recipe(network=DenseNetwork(dropout=0.1))
    )
    assert "dropout" not in remedies.less_freedom(recipe(network=ConvolutionalNetwork()))
    assert "corruption" not in remedies.less_freedom(recipe(corruption="masking"))
    assert "network='auto'" not in remedies.more_training(recipe(), 100, 0.5)
    assert "n_components" in remedies.more_training(recipe(), 100, 0.8)
    assert "n_components" not in remedies.more_training(recipe(), 100, 0.95)


@pytest.mark.parametrize("n", [10, 20])
def test_the_noise_of_few_rows_is_no_divergence(n):
    X = datasets.make_moons(300, noise=0.05, random_state=0)[0]
    for seed in range(4):
        rows = X[np.random.default_rng(seed).permutation(300)[:n]]
        noisy = DenoisingAutoencoder(2, corruption="masking", random_state=seed)
        assert not [sign for sign in signs(noisy, rows) if "Diverged" in sign]


@pytest.mark.parametrize("max_iter", [100, 3])
def test_what_no_epoch_was_better_than_is_told_with_what_can_help(max_iter):
    X = datasets.load_digits().data[:300]
    params = {"batch_size": 64, "max_iter": max_iter, "random_state": 0}
    (sign,) = signs(Autoencoder(8, learning_rate=0.1, **params), X)
    assert "No epoch was better" in sign
    assert ("raise n_iter_no_change" in sign) == (max_iter == 100)  # it has stopped
    assert ("raise max_iter" in sign) == (max_iter == 3)


@pytest.mark.parametrize("batch_size", [64, 300])
def test_batches_of_all_rows_are_not_to_be_larger(batch_size):
    X = datasets.load_digits().data[:300]
    params = {"batch_size": batch_size, "random_state": 0}
    (sign,) = signs(Autoencoder(8, learning_rate=10.0, **params), X)
    assert sign.startswith("Diverged")
    assert ("raise batch_size" in sign) == (batch_size == 64)
