"""The one list of estimators that the contract tests run over."""

from skae import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)

#: quick to train: what is tested is the contract, not the quality
ESTIMATORS = [
    Autoencoder(max_iter=2, random_state=0),
    DenoisingAutoencoder(max_iter=2, random_state=0),
    ConvolutionalAutoencoder(max_iter=2, random_state=0),
    VariationalAutoencoder(max_iter=2, random_state=0),
]
