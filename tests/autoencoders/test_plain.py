"""The oracle: a linear autoencoder is PCA of the standardised columns."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.networks import DenseNetwork


class FromAnywhere(DenseNetwork):
    """A dense network that does not start as PCA."""

    def build(self, *args, generator=None, start=None):
        return super().build(*args, generator=generator)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
@pytest.mark.parametrize(
    ("network", "max_iter"), [((), 100), (FromAnywhere(()), 400)], ids=["start", "anywhere"]
)
def test_a_linear_autoencoder_is_pca(load, network, max_iter):
    X = load().data
    scaler = StandardScaler().fit(X)
    Z = scaler.transform(X)
    pca = PCA(2).fit(Z)
    autoencoder = Autoencoder(
        2, network=network, early_stopping=False, alpha=0, max_iter=max_iter, random_state=0
    ).fit(X)
    error = np.square(Z - scaler.transform(autoencoder.reconstruct(X))).sum()
    best = np.square(Z - pca.inverse_transform(pca.transform(Z))).sum()
    assert best * 0.999 < error < best * 1.01
    weight = autoencoder.net_.module_.decoder.layers[-1].weight.detach().numpy()
    basis, _ = np.linalg.qr(weight)
    cosines = np.linalg.svd(pca.components_ @ basis, compute_uv=False)
    assert (cosines**2 > 0.99).all()


def test_the_default_network_starts_as_pca():
    X = load_wine().data
    scaler = StandardScaler().fit(X)
    Z = scaler.transform(X)
    pca = PCA(3).fit(Z)
    still = {"learning_rate": 1e-30, "max_iter": 1, "early_stopping": False}
    autoencoder = Autoencoder(3, **still, random_state=0).fit(X)
    np.testing.assert_allclose(
        scaler.transform(autoencoder.reconstruct(X)),
        pca.inverse_transform(pca.transform(Z)),
        atol=1e-4,
    )


def test_a_curved_line_needs_one_number_where_pca_needs_more():
    t = np.random.default_rng(0).uniform(-1, 1, 600)
    X = np.c_[t, t**2, np.sin(4 * t), np.cos(3 * t)]
    autoencoder = Autoencoder(1, random_state=0).fit(X[:500])
    pca = PCA(1).fit(X[:500])
    test = X[500:]
    residual = np.square(test - autoencoder.reconstruct(test)).sum()
    rival = np.square(test - pca.inverse_transform(pca.transform(test))).sum()
    assert residual < 0.3 * rival
