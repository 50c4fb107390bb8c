"""Autoencoders that drop into scikit-learn."""

from skae import (
    corruption,
    feature_selection,
    impute,
    likelihoods,
    metrics,
    networks,
    outliers,
)
from skae._adversarial import AdversarialAutoencoder
from skae._autoencoder import Autoencoder
from skae._binary import BinaryAutoencoder
from skae._convolutional import ConvolutionalAutoencoder
from skae._denoising import DenoisingAutoencoder
from skae._latent_sampler import LatentSampler
from skae._sparse import SparseAutoencoder
from skae._variational import VariationalAutoencoder
from skae.feature_selection import AutoencoderFeatureSelector
from skae.impute import AutoencoderImputer
from skae.outliers import AutoencoderOutlierDetector

__version__ = "0.1.0.dev0"

__all__ = [
    "AdversarialAutoencoder",
    "Autoencoder",
    "AutoencoderFeatureSelector",
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
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
    "networks",
    "outliers",
    "priors",
]
