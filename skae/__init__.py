"""Autoencoders that drop into scikit-learn."""

from skae import (
    corruption,
    feature_selection,
    impute,
    likelihoods,
    metrics,
    model_selection,
    networks,
    outliers,
    over_sampling,
    plotting,
    priors,
    semi_supervised,
)
from skae._autoencoders.adversarial import AdversarialAutoencoder
from skae._autoencoders.binary import BinaryAutoencoder
from skae._autoencoders.convolutional import ConvolutionalAutoencoder
from skae._autoencoders.denoising import DenoisingAutoencoder
from skae._autoencoders.plain import Autoencoder
from skae._autoencoders.sampler import LatentSampler
from skae._autoencoders.sparse import SparseAutoencoder
from skae._autoencoders.variational import VariationalAutoencoder
from skae.feature_selection._selector import AutoencoderFeatureSelector
from skae.impute._imputer import AutoencoderImputer
from skae.outliers._detector import AutoencoderOutlierDetector
from skae.over_sampling._sampler import AutoencoderOverSampler
from skae.semi_supervised._classifier import AutoencoderClassifier
from skae.semi_supervised._regressor import AutoencoderRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "AdversarialAutoencoder",
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderFeatureSelector",
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderOverSampler",
    "AutoencoderRegressor",
    "BinaryAutoencoder",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "LatentSampler",
    "SparseAutoencoder",
    "VariationalAutoencoder",
    "corruption",
    "feature_selection",
    "impute",
    "likelihoods",
    "metrics",
    "model_selection",
    "networks",
    "outliers",
    "over_sampling",
    "plotting",
    "priors",
    "semi_supervised",
]
