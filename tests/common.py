"""The one list of estimators that the contract tests run over."""

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)

#: quick to train: what is tested is the contract, not the quality
AUTOENCODERS = [
    Autoencoder(max_iter=2, random_state=0),
    DenoisingAutoencoder(max_iter=2, random_state=0),
    ConvolutionalAutoencoder(max_iter=2, random_state=0),
    VariationalAutoencoder(max_iter=2, random_state=0),
    SparseAutoencoder(max_iter=2, random_state=0),
    BinaryAutoencoder(max_iter=2, random_state=0),
    AdversarialAutoencoder(max_iter=2, random_state=0),
    AdversarialAutoencoder(n_clusters=4, max_iter=2, random_state=0),  # as y in checks
]

#: all that scikit-learn's checks are run on
ESTIMATORS = [
    *AUTOENCODERS,
    AutoencoderImputer(n_estimators=2, network=(16, 16), max_iter=2, random_state=0),
    AutoencoderOutlierDetector(n_estimators=2, max_iter=2, random_state=0),
    AutoencoderFeatureSelector(max_iter=2, random_state=0),
]

#: what reads tables of numbers and categories, with missing cells
MIXED = [
    Autoencoder(likelihood="mixed", max_iter=2, random_state=0),
    VariationalAutoencoder(likelihood="mixed", max_iter=2, random_state=0),
    AutoencoderOutlierDetector(
        Autoencoder(likelihood="mixed"), n_estimators=1, max_iter=2, random_state=0
    ),
]

#: what learns from labels, of which few are there
LABELLERS = [
    AutoencoderClassifier(Autoencoder(2, max_iter=2), max_iter=6, random_state=0),
    AutoencoderRegressor(  # how to train is chosen by the same code as a classifier's
        Autoencoder(2, max_iter=2), training="fine-tune", max_iter=20, random_state=0
    ),
]

#: what cannot do without y
NEEDS_Y = [
    *LABELLERS,
    AdversarialAutoencoder(n_clusters="labels", max_iter=2, random_state=0),
    Autoencoder(target_weight=0.5, max_iter=2, random_state=0),
]

#: what takes no pictures
IMPUTERS = [e for e in ESTIMATORS if isinstance(e, AutoencoderImputer)]
SELECTORS = [e for e in ESTIMATORS if isinstance(e, AutoencoderFeatureSelector)]

#: what has no `partial_fit`
ONE_FIT = [*IMPUTERS, *SELECTORS]

#: all with `transform`
TRANSFORMERS = [*AUTOENCODERS, *ONE_FIT]
