"""Classes and numbers of all rows from those of few."""

from skae.semi_supervised._classifier import AutoencoderClassifier
from skae.semi_supervised._regressor import AutoencoderRegressor

__all__ = ["AutoencoderClassifier", "AutoencoderRegressor"]
