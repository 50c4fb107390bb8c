"""Decoders that keep distances, up to one factor."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits

from skae import Autoencoder, DenoisingAutoencoder
from skae._autoencoders.together import fit_together
from skae._codes.isometry import distortion

DIGITS = load_digits().data[:400]
Z = torch.randn(12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def decoder(matrix):
    matrix = torch.as_tensor(matrix, dtype=torch.float64)
    likelihood = SimpleNamespace(categories=None, mean=lambda params: params)
    return SimpleNamespace(decode=lambda z: z @ matrix.T, likelihood=likelihood)


def of(matrix, z=Z):
    ae = decoder(matrix)
    return float(distortion(ae, z, ae.decode(z)))


@pytest.mark.parametrize("scale", [1, 0.01, 300])
def test_a_decoder_that_keeps_distances_but_for_a_factor_costs_nothing(scale):
    turned = np.linalg.qr(np.random.RandomState(0).normal(size=(5, 2)))[0]
    assert abs(of(scale * turned)) < 1e-6


def test_it_is_the_squared_variation_of_the_stretch():
    matrix = np.array([[3.0, 0.0], [0.0, 0.5]])
    step = (Z.roll(1, 0) - Z)[:3].numpy()  # a quarter of the rows
    stretch = np.square(step @ matrix.T).sum(1) / np.square(step).sum(1)
    np.testing.assert_allclose(of(matrix), stretch.var() / stretch.mean() ** 2, rtol=1e-6)


def test_rows_of_one_code_and_single_rows_cost_nothing():
    assert of(np.eye(2), Z[:1]) == 0
    assert of(np.eye(2), Z[:1].repeat(8, 1)) == 0
    twice = torch.cat([Z[:1], Z])  # the second row steps to where it is
    assert abs(of(np.eye(2), twice)) < 1e-6


def unevenness(estimator):
    """How much distances of means vary beside those of codes that are near."""
    z = estimator.transform(DIGITS).astype(float)
    step = 0.1 * (np.roll(z, 7, 0) - z)
    far = estimator.inverse_transform(z + step) - estimator.inverse_transform(z)
    far = far / np.where(DIGITS.std(0) > 0, DIGITS.std(0), np.inf)
    stretch = np.square(far).sum(1) / np.square(step).sum(1)
    return stretch.std() / stretch.mean()


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_distances_between_codes_mean_more(kind):
    free, kept = (
        kind(2, isometry=isometry, max_iter=30, random_state=0).fit(DIGITS)
        for isometry in (0, 0.3)
    )
    assert unevenness(kept) < 0.7 * unevenness(free)


def test_many_at_once_become_what_each_would_have():
    y = load_digits().target[:400]
    members = [
        Autoencoder(2, isometry=0.3, target_weight=w, max_iter=3, random_state=seed)
        for w in (0, 0.5)
        for seed in (0, 1)
    ]
    for member in fit_together(members, DIGITS, y):
        assert member.net_.n_together_ == 2
        alone = clone(member).fit(DIGITS, y)
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, rtol=1e-3)
