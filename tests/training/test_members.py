"""Many trained at once become what each would have become by itself."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine

from skae import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)
from skae._autoencoders.together import fit_together
from skae._training.course import Course
from skae.likelihoods import Gaussian
from skae.networks import DenseNetwork

WINE = load_wine().data
DIGITS = load_digits().data[:300]


def together_in(members):
    """How many were trained in the batch of each member."""
    return [member.net_.n_together_ for member in members]


def assert_alike(together, X, rtol=1e-3, **fit_params):
    for member in together:
        alone = clone(member).fit(X, **fit_params)
        assert member.n_iter_ == alone.n_iter_
        assert member.history_[-1].keys() == alone.history_[-1].keys()
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, rtol=rtol)
        if member.early_stopping:
            np.testing.assert_allclose(
                member.validation_loss_curve_, alone.validation_loss_curve_, rtol=rtol
            )
        np.testing.assert_allclose(
            member.transform(X), alone.transform(X), rtol=rtol, atol=10 * rtol
        )


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3),
        Autoencoder(3, network=(), early_stopping=False),
        Autoencoder(3, network=(16, 8), code_activation="sigmoid", l1_ratio=0.5),
        Autoencoder(3, network=DenseNetwork((16,), tied_weights=True)),
        Autoencoder(3, network=DenseNetwork((16,), normalization="layer")),
        Autoencoder(3, net_params={"gradient_clip_value": 0.1}),
        Autoencoder(3, net_params={"schedule": "constant"}),
        DenoisingAutoencoder(3),
        VariationalAutoencoder(3),
        VariationalAutoencoder(3, objective="tc"),
        VariationalAutoencoder(3, objective="factor"),
        VariationalAutoencoder(3, n_importance_samples=3, likelihood=Gaussian()),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_as_each_alone(estimator):
    together = [clone(estimator).set_params(max_iter=8, random_state=i) for i in range(3)]
    assert_alike(fit_together(together, WINE), WINE)
    assert together_in(together) == [3, 3, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_convolutions():
    together = [
        ConvolutionalAutoencoder(4, image_shape=(8, 8), max_iter=2, random_state=i)
        for i in range(2)
    ]
    assert_alike(fit_together(together, DIGITS), DIGITS)
    assert together_in(together) == [2, 2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["silu", "sigmoid"])
def test_widths_differ(activation):
    together = [
        Autoencoder(
            k,
            network=DenseNetwork((width,), activation=activation),
            max_iter=6,
            random_state=k,
        )
        for k, width in [(1, 8), (3, 20), (5, 13)]
    ]
    assert_alike(fit_together(together, WINE), WINE)
    assert together_in(together) == [3, 3, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_stops_for_itself():
    together = [
        Autoencoder(2, n_iter_no_change=2, tol=1e-2, max_iter=60, random_state=i)
        for i in range(5)
    ]
    assert_alike(fit_together(together, WINE), WINE, rtol=1e-2)
    assert len({member.n_iter_ for member in together}) > 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_those_that_cannot_be_batched_are_fitted_too():
    together = [
        Autoencoder(2, network=DenseNetwork((8,), dropout=0.2)),
        Autoencoder(2, network=DenseNetwork((8,), dropout=0.2)),
        Autoencoder(2, network=DenseNetwork((8,), normalization="batch")),
        Autoencoder(2, network=(8,), learning_rate=1e-3),
        Autoencoder(2, network=(8,), net_params={"callbacks": []}),
        Autoencoder(2, network=(8, 4)),
    ]
    for i, member in enumerate(together):
        member.set_params(max_iter=3, random_state=i)
    assert_alike(fit_together(together, WINE), WINE)
    assert together_in(together) == [1] * 6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_and_going_on():
    w = np.random.default_rng(0).uniform(0, 2, len(WINE))
    together = fit_together(
        [Autoencoder(2, max_iter=4, random_state=i) for i in range(2)],
        WINE,
        sample_weight=w,
    )
    assert_alike(together, WINE, sample_weight=w)
    alone = clone(together[1]).fit(WINE, sample_weight=w)
    for one in (together[1], alone):
        one.partial_fit(WINE)
    np.testing.assert_allclose(
        together[1].transform(WINE), alone.transform(WINE), rtol=1e-2, atol=1e-2
    )


@pytest.mark.parametrize(("steps", "keeps"), [(2, True), (11, True), (11, False)])
def test_interrupted(monkeypatch, steps, keeps):
    rate, asked = Course.rate, []

    def until(self):
        if len(asked) == 2 * steps:  # each member asks for its own
            raise KeyboardInterrupt
        asked.append(self)
        return rate(self)

    monkeypatch.setattr(Course, "rate", until)
    params = {"batch_size": 40, "net_params": {"keep_on_interrupt": keeps}}
    members = [Autoencoder(2, random_state=i, **params) for i in range(2)]
    if steps < 4 or not keeps:  # four batches in an epoch
        with pytest.raises(KeyboardInterrupt):
            fit_together(members, WINE)
        return
    with pytest.warns(UserWarning, match="interrupted"):
        fit_together(members, WINE)
    assert len({*map(id, asked)}) == 2
    for member in members:
        assert member.n_iter_ == len(member.loss_curve_) == steps // 4
        assert np.isfinite(member.transform(WINE)).all()


def test_divergence_is_an_error():
    members = [
        Autoencoder(
            2,
            learning_rate=1e30,
            net_params={"gradient_clip_value": None},
            random_state=i,
        )
        for i in range(2)
    ]
    with pytest.raises(ValueError, match="diverged"):
        fit_together(members, WINE)


@pytest.mark.parametrize(
    ("params", "message"),
    [({"alpha": -1.0}, "'alpha'"), ({"likelihood": "gamma"}, "'likelihood'")],
)
def test_a_member_that_cannot_be_is_refused_before_training(params, message, monkeypatch):
    monkeypatch.setattr("skae._training.run.Run.train_step", None)
    members = [Autoencoder(2), Autoencoder(2, **params)]
    with pytest.raises(ValueError, match=message):
        fit_together(members, WINE)
    assert not any(member.__sklearn_is_fitted__() for member in members)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_who_has_ended_draws_on_from_where_it_did():
    noise = np.random.default_rng(0).normal(size=(120, 6))  # where the start stays
    members = [
        Autoencoder(2, max_iter=n, random_state=i, batch_size=32, learning_rate=0.3)
        for i, n in enumerate([3, 9, 9, 9])
    ]
    alone = [clone(member).fit(noise) for member in members]
    together = fit_together(members, noise)
    assert together_in(together) == [4] * 4
    for one, other in zip(together, alone, strict=True):
        assert one.n_iter_ == other.n_iter_
        ends = [e.net_.module_.encoder.layers[0].weight.detach() for e in (one, other)]
        assert one.net_.kept_start_
        torch.testing.assert_close(*ends)
