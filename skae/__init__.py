"""Autoencoders that drop into scikit-learn."""

from skae import likelihoods, metrics, networks
from skae._autoencoder import Autoencoder

__version__ = "0.1.0.dev0"

__all__ = ["Autoencoder", "likelihoods", "metrics", "networks"]
