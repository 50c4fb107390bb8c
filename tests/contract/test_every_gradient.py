"""What is recorded of a step is what autograd makes of it, for every X with every Y."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._training.step import Step
from skae._training.tape import tensors
from skae.corruption import HiddenDropout
from skae.likelihoods import Gaussian
from skae.networks import ConvolutionalNetwork, DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore")

RNG = np.random.default_rng(0)
K = {"max_iter": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}
NUMBERS = RNG.normal(size=(50, 6)).astype(np.float32)
SHARES = np.abs(NUMBERS) / np.abs(NUMBERS).sum(1, keepdims=True)
UNIT = 1 / (1 + np.exp(-NUMBERS))
COUNTS = RNG.poisson(3.0, size=(50, 6)).astype(np.float32)
HOLED = np.where(RNG.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
PICTURES = RNG.random((40, 6, 6)).astype(np.float32)

CODES = {
    "plain": Autoencoder(3, code_activation="tanh"),
    "variational": VariationalAutoencoder(3),
    "importance": VariationalAutoencoder(3, n_importance_samples=3),
    "free bits": VariationalAutoencoder(3, free_bits=0.1),
    "capacity": VariationalAutoencoder(3, capacity=2.0),
    "total correlation": VariationalAutoencoder(3, objective="tc"),
    "factor": VariationalAutoencoder(3, objective="factor"),
    "topk": SparseAutoencoder(9),
    "batch topk": SparseAutoencoder(9, penalty="batch_topk"),
    "l1": SparseAutoencoder(9, penalty="l1"),
    "kl": SparseAutoencoder(9, penalty="kl"),
    "bits": BinaryAutoencoder(4),
    "adversarial": AdversarialAutoencoder(3),
    "clusters": AdversarialAutoencoder(3, n_clusters=2),
}
LIKELIHOODS = {
    "gaussian": NUMBERS, "bernoulli": UNIT, "categorical": SHARES, "poisson": COUNTS,
    "mixed": HOLED, "sigmoid": NUMBERS,
}  # fmt: skip
NETWORKS = {
    "auto": "auto",
    "layer": DenseNetwork((8, 5), normalization="layer"),
    "tied": DenseNetwork((8,), tied_weights=True),
    "dropout": DenseNetwork((8,), dropout=0.3),
}
CORRUPTIONS = None, "gaussian", "masking", "salt_and_pepper", HiddenDropout(0.2)


@pytest.fixture
def compared(monkeypatch):
    """Compare each recorded step with autograd's; return how often that was done."""
    monkeypatch.setattr("skae._training.step.FEW_CALLS", 0)
    called, done = Step.__call__, []

    def checked(self, *given):
        key, states = tensors(given)[0].shape, [torch.default_generator.get_state()]
        if key not in self.records:
            return called(self, *given)
        buffers = [b.clone() for b in self.module.buffers()]
        if self.generator is not None:
            states.append(self.generator.get_state())
        wanted = self._eager(given)
        grad = None if self.grad is None else self.grad.clone()
        for buffer, before in zip(self.module.buffers(), buffers, strict=True):
            buffer.copy_(before)
        torch.default_generator.set_state(states[0])
        if self.generator is not None:
            self.generator.set_state(states[1])
        out = called(self, *given)
        for a, b in zip(out, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        if grad is not None:
            size = float(grad.abs().max())
            torch.testing.assert_close(self.grad, grad, rtol=1e-3, atol=1e-5 * (1 + size))
            done.append("gradient" if size else "nothing")
        else:
            done.append("judged")
        return out

    monkeypatch.setattr(Step, "__call__", checked)
    return done


def trained(estimator, X, compared):
    estimator.set_params(**K).fit(X)
    assert "judged" in compared
    return compared.count("gradient")


@pytest.mark.parametrize(
    ("code", "likelihood"), [*itertools.product(CODES, LIKELIHOODS)], ids=str
)
def test_every_code_with_every_likelihood(compared, code, likelihood):
    estimator = clone(CODES[code])
    given = Gaussian(link="sigmoid") if likelihood == "sigmoid" else likelihood
    estimator.set_params(likelihood=given)
    n = trained(estimator, LIKELIHOODS[likelihood], compared)
    is_revived = isinstance(estimator, SparseAutoencoder) and likelihood == "mixed"
    assert (n > 0) != is_revived  # by their number, which is read


def combinations():
    """Every network with every corruption, and each of both with two other codes."""
    yield from itertools.product(["plain"], NETWORKS, CORRUPTIONS)
    others = [name for name in NETWORKS if name != "tied"]  # they cannot be tied
    for code in ("variational", "clusters"):
        pairs = zip(itertools.cycle(others), CORRUPTIONS, strict=False)
        yield from ((code, *pair) for pair in pairs)


@pytest.mark.parametrize(("code", "network", "corruption"), [*combinations()], ids=str)
def test_every_network_with_every_corruption(compared, code, network, corruption):
    hidden = isinstance(corruption, HiddenDropout)
    estimator = clone(CODES[code]).set_params(network=NETWORKS[network])
    if hidden and network == "auto":
        estimator.set_params(network=(7,))
    assert trained(estimator.set_params(corruption=corruption), NUMBERS, compared)


@pytest.mark.parametrize("ways", [("stride", "transposed"), ("max_pool", "nearest")])
@pytest.mark.parametrize("normalization", [None, "layer", "batch"])
def test_pictures(compared, ways, normalization):
    down, up = ways
    network = ConvolutionalNetwork(
        filters=(3, 4), downsampling=down, upsampling=up, normalization=normalization
    )
    ConvolutionalAutoencoder(2).set_params(network=network, **K).fit(PICTURES)
    assert ("gradient" in compared) == (normalization != "batch")  # running statistics


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_rows_and_penalties(compared, alpha, weighted):
    weight = RNG.random(len(NUMBERS)) if weighted else None
    Autoencoder(3, alpha=alpha, **K).fit(NUMBERS, sample_weight=weight)
    assert "gradient" in compared


def test_jobs(compared):
    AutoencoderOutlierDetector(max_iter=3, n_estimators=3, random_state=0).fit(NUMBERS)
    assert "gradient" in compared
    compared.clear()
    AutoencoderFeatureSelector(2, max_iter=3, random_state=0).fit(NUMBERS)
    assert "gradient" in compared
    compared.clear()
    AutoencoderImputer(max_iter=3, random_state=0).fit(HOLED)
    assert "gradient" in compared


def test_conditional_and_labelled(compared):
    y = np.arange(len(NUMBERS)) % 3
    VariationalAutoencoder(3, conditional=True, **K).fit(NUMBERS, y)
    assert "gradient" in compared
    compared.clear()
    AdversarialAutoencoder(3, n_clusters="labels", **K).fit(NUMBERS, np.where(y > 1, -1, y))
    assert "gradient" in compared
