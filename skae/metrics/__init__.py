"""How well rows are reconstructed, and how small a code may be.

`reconstruction_error` and `explained_variance_ratio` compare rows with their
reconstructions, whoever made them. The scorers do so for any estimator that has
``transform`` and ``inverse_transform``, so that PCA, NMF, KernelPCA, autoencoders and
pipelines of them compete in one ``GridSearchCV``, and `smallest_within` picks from
such a search the smallest code that is good enough.

Six measures of disentanglement compare codes with the factors that rows were made from;
`hamming_distances` compares packed binary codes with each other.
"""

from skae.metrics._disentanglement import (
    beta_vae_score,
    dci_scores,
    factor_vae_score,
    modularity_score,
    mutual_information_gap,
    separated_attribute_predictability,
)
from skae.metrics._hamming import hamming_distances
from skae.metrics._reconstruction import (
    explained_variance_ratio,
    explained_variance_scorer,
    reconstruction_error,
    reconstruction_error_scorer,
    smallest_within,
)

__all__ = [
    "beta_vae_score",
    "dci_scores",
    "explained_variance_ratio",
    "explained_variance_scorer",
    "factor_vae_score",
    "hamming_distances",
    "modularity_score",
    "mutual_information_gap",
    "reconstruction_error",
    "reconstruction_error_scorer",
    "separated_attribute_predictability",
    "smallest_within",
]
