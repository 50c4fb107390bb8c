"""Feature selection: the columns from which all others can be rebuilt."""

from skae.feature_selection._selector import AutoencoderFeatureSelector

__all__ = [
    "AutoencoderFeatureSelector",
]
