"""Outliers: rows that autoencoders of the others do not know."""

from skae.outliers._detector import AutoencoderOutlierDetector

__all__ = [
    "AutoencoderOutlierDetector",
]
