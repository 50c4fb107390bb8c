"""The one list of estimators that the contract tests run over."""

from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
)

#: quick to train: what is tested is the contract, not the quality
AUTOENCODERS = [
    Autoencoder(max_iter=2, random_state=0),
    DenoisingAutoencoder(max_iter=2, random_state=0),
    ConvolutionalAutoencoder(max_iter=2, random_state=0),
    VariationalAutoencoder(max_iter=2, random_state=0),
    BinaryAutoencoder(max_iter=2, random_state=0),
]

#: all that scikit-learn's checks are run on
ESTIMATORS = [
    *AUTOENCODERS,
    AutoencoderImputer(n_estimators=2, network=(16, 16), max_iter=2, random_state=0),
    AutoencoderOutlierDetector(n_estimators=2, max_iter=2, random_state=0),
]

#: what takes no pictures and has no `partial_fit`
IMPUTERS = [e for e in ESTIMATORS if isinstance(e, AutoencoderImputer)]

#: all with `transform`
TRANSFORMERS = [*AUTOENCODERS, *IMPUTERS]
