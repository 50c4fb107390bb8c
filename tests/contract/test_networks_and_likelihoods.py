"""Every network denoises with every likelihood."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skae import ConvolutionalAutoencoder, DenoisingAutoencoder, likelihoods
from skae.corruption import Gaussian, Masking
from skae.networks import ConvolutionalNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DIGITS = load_digits().images / 16


def make(n_components=2, kind=DenoisingAutoencoder, **params):
    defaults = {"max_iter": 3, "batch_size": 32, "random_state": 0, "network": (8, 5)}
    return kind(n_components, **{**defaults, **params})


FLAT = DIGITS[:50].reshape(50, 64)
ROWS = {
    "gaussian": FLAT * 16,
    "sigmoid": FLAT * 16,
    "tanh": FLAT * 16,
    "bernoulli": FLAT,
    "categorical": FLAT / FLAT.sum(1, keepdims=True),
}
LIKELIHOODS = {name: name for name in ("gaussian", "bernoulli", "categorical")}
LIKELIHOODS |= {link: likelihoods.Gaussian(link=link) for link in ("sigmoid", "tanh")}


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize(
    "network",
    [(8,), "auto", ConvolutionalNetwork(filters=(2,))],
    ids=["dense", "auto", "conv"],
)
@pytest.mark.parametrize(
    "corruption", ["auto", Masking(0.3, "min")], ids=["auto", "masking"]
)
def test_every_network_and_likelihood_denoises(name, network, corruption):
    rows = ROWS[name]
    noisy = Gaussian(0.3).corrupt(rows, random_state=0)
    params = {"network": network, "likelihood": LIKELIHOODS[name], "corruption": corruption}
    for clean in (None, rows):
        estimator = make(4, **params).fit(rows if clean is None else noisy, X_clean=clean)
        out = estimator.denoise(noisy)
        assert out.shape == rows.shape
        assert np.isfinite(out).all()
        if name != "gaussian":
            assert out.min() >= -1e-6
            assert out.max() <= max(1, rows.max()) + 1e-4
        if name == "categorical":
            np.testing.assert_allclose(out.sum(1), 1, rtol=1e-5)
        assert np.isfinite(estimator.score_samples(noisy, rows)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_convolutional_autoencoder_takes_corruption_with_every_likelihood(name):
    params = {"likelihood": LIKELIHOODS[name], "corruption": ["gaussian", "masking"]}
    rows = ROWS[name].reshape(50, 8, 8)
    network = ConvolutionalNetwork(filters=(2,))
    estimator = make(4, ConvolutionalAutoencoder, network=network, **params).fit(rows)
    assert np.isfinite(estimator.reconstruct(rows)).all()
    assert np.isfinite(estimator.score(rows))
