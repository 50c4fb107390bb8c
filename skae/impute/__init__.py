"""Imputation: missing cells of tables, as what is known of a row tells them."""

from skae.impute._imputer import AutoencoderImputer
from skae.impute._pool import pool

__all__ = [
    "AutoencoderImputer",
    "pool",
]
