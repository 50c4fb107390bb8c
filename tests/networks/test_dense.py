"""Dense networks are what numpy says that they are."""

import numpy as np
import pytest
import torch

from skae.networks import DenseNetwork
from skae.networks._layers import ACTIVATIONS
from tests.tables import NUMPY, X, forward, layers, make, standardized

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_every_activation_has_an_oracle():
    assert NUMPY.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("activation", NUMPY)
def test_the_codes_and_reconstructions_are_those_of_numpy(activation):
    estimator = make(network=DenseNetwork((7, 5), activation=activation)).fit(X)
    module = estimator.net_.module_
    codes = forward(module.encoder, standardized(estimator), activation)
    np.testing.assert_allclose(estimator.transform(X), codes, rtol=1e-4, atol=1e-5)
    out = forward(module.decoder, codes, activation)
    out = out * module.likelihood.scale + module.likelihood.location
    np.testing.assert_allclose(estimator.reconstruct(X), out, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("activation", NUMPY)
def test_the_code_activation_is_applied_to_the_code(activation):
    estimator = make(network=(5,), code_activation=activation).fit(X)
    u = forward(estimator.net_.module_.encoder, standardized(estimator), "silu")
    np.testing.assert_allclose(
        estimator.transform(X), NUMPY[activation](u), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("n_components", "up", "down"),
    [
        (None, (784, 512, 256, 128, 32), (32, 128, 256, 512, 784)),
        (32, (784, 512, 256, 128, 32, 32), (32, 32, 128, 256, 512, 784)),
    ],
)
def test_the_textbook_network_has_the_textbook_layers(n_components, up, down, rng):
    rows = rng.normal(size=(40, 784))
    estimator = make(n_components, network=(512, 256, 128, 32), max_iter=1).fit(rows)
    module = estimator.net_.module_
    for stack, sizes in ((module.encoder, up), (module.decoder, down)):
        shapes = [w.shape for w, _ in layers(stack)]
        assert shapes == list(zip(sizes[1:], sizes[:-1], strict=True))
    assert estimator.n_components_ == 32
    assert estimator.compression_ratio_ == 784 / 32


def test_the_decoder_may_differ_from_the_encoder():
    network = DenseNetwork((8,), decoder_layer_sizes=(5, 4, 3))
    module = make(network=network).fit(X).net_.module_
    assert [w.shape[0] for w, _ in layers(module.encoder)] == [8, 2]
    assert [w.shape[0] for w, _ in layers(module.decoder)] == [5, 4, 3, 6]


def test_tied_weights_are_the_transposed_ones_also_after_training():
    tied, free = (
        make(network=DenseNetwork((8, 5), tied_weights=t)).fit(X) for t in (True, False)
    )
    module = tied.net_.module_
    down = [w for w, _ in layers(module.encoder)][::-1]
    up = [m for m in module.decoder.layers if hasattr(m, "weight")]
    for w, layer in zip(down, up, strict=True):
        x = torch.eye(w.shape[0])
        np.testing.assert_allclose((layer(x) - layer.bias).detach().numpy(), w, atol=1e-6)
    count = [sum(p.numel() for p in e.net_.module_.parameters()) for e in (tied, free)]
    assert count[1] - count[0] == 6 * 8 + 8 * 5 + 5 * 2
    assert tied.loss_curve_[-1] < tied.loss_curve_[0]


@pytest.mark.parametrize(
    ("kind", "layer"), [("layer", "LayerNorm"), ("batch", "BatchNorm")]
)
def test_normalisation_stands_before_the_activation(kind, layer):
    network = DenseNetwork((8,), normalization=kind)
    stack = make(network=network, batch_size=7).fit(X).net_.module_.encoder.layers
    assert [type(m).__name__ for m in stack] == ["Linear", layer, "Activation", "Linear"]
