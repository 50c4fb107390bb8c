"""Autoencoders of every kind, quick to fit, and rows for them: X, y, what is told."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.likelihoods import Gaussian, Mixed
from skae.networks import ConvolutionalNetwork, DenseNetwork

X, Y = (a[:150] for a in load_digits(return_X_y=True))
PICTURES = X.reshape(-1, 8, 8)
RNG = np.random.default_rng(0)
WILD = np.column_stack([1.7e9 + 10 * RNG.normal(size=150), RNG.normal(size=(150, 2))])
WILD[5:7, 1] = 1e5, -3e4
GAPS = np.column_stack([WILD, RNG.integers(3, size=150)])
GAPS[3, 0] = GAPS[9, 3] = np.nan
COUNTS = RNG.poisson(3, size=(150, 6)).astype(float)
NAMES = np.array(list("abcdefghij"))[Y]
KW = {"max_iter": 2, "random_state": 0}
BATCH = DenseNetwork((16,), dropout=0.2, normalization="batch")
CASES = {
    "plain": (Autoencoder(5, **KW), X, None),
    "float32": (Autoencoder(5, **KW), X.astype(np.float32), None),
    "tied": (Autoencoder(5, network=DenseNetwork((16,), tied_weights=True), **KW), X, None),
    "batch": (Autoencoder(5, network=BATCH, corruption="hidden_dropout", **KW), X, None),
    "wild": (Autoencoder(2, **KW), WILD, None),
    "clipped": (Autoencoder(2, likelihood=Gaussian(clip=3.0), **KW), WILD, None),
    "sigmoid": (Autoencoder(2, likelihood=Gaussian(link="sigmoid"), **KW), X, None),
    "tanh": (Autoencoder(2, likelihood=Gaussian("global", "tanh"), **KW), X, None),
    "raw": (Autoencoder(2, likelihood=Gaussian(None), **KW), X, None),
    "bernoulli": (Autoencoder(4, likelihood="bernoulli", **KW), X / 16, None),
    "shares": (
        Autoencoder(4, likelihood="categorical", **KW),
        X / X.sum(1)[:, None],
        None,
    ),
    "counts": (Autoencoder(2, likelihood="poisson", **KW), COUNTS, None),
    "mixed": (Autoencoder(2, likelihood=Mixed({3: 3}), **KW), GAPS, None),
    "denoising": (DenoisingAutoencoder(4, **KW), PICTURES, None),
    "convolutional": (ConvolutionalAutoencoder(4, **KW), PICTURES, None),
    "map": (ConvolutionalAutoencoder(None, **KW), PICTURES, None),
    "variational": (VariationalAutoencoder(4, **KW), X, None),
    "factor": (VariationalAutoencoder(4, objective="factor", **KW), X, None),
    "conditional": (VariationalAutoencoder(4, conditional=True, **KW), X, NAMES),
    "conditional_map": (
        VariationalAutoencoder(
            4, conditional=True, network=ConvolutionalNetwork(filters=(4,)), **KW
        ),
        PICTURES,
        NAMES,
    ),
    "pursuit": (SparseAutoencoder(20, n_nonzero_coefs=4, **KW), X, None),
    "topk": (SparseAutoencoder(20, n_nonzero_coefs=4, network=(), **KW), X, None),
    "batch_topk": (SparseAutoencoder(20, penalty="batch_topk", **KW), X, None),
    "l1": (SparseAutoencoder(20, penalty="l1", **KW), X, None),
    "kl": (SparseAutoencoder(20, penalty="kl", **KW), X, None),
    "bits": (BinaryAutoencoder(8, **KW), X, None),
    "adversarial": (AdversarialAutoencoder(4, **KW), X, None),
    "clusters": (AdversarialAutoencoder(4, n_clusters=3, **KW), X, None),
}

#: others are of the same kind, or have what these have
FEW = {"wild", "mixed", "shares", "counts", "batch", "map", "conditional", "pursuit"}
FEW |= {"topk", "bits", "clusters"}


def fitted(name):
    """The fitted autoencoder of a name, X, {} or y by its name, and that as a tensor."""
    autoencoder, X, y = CASES[name]
    autoencoder.fit(X, y)
    if y is None:
        return autoencoder, X, {}, ()
    told = np.searchsorted(autoencoder.classes_, y)
    return autoencoder, X, {"y": y}, (torch.from_numpy(told),)
