"""Over-sampling: rows of small classes, made from those that there are."""

from skae.over_sampling._sampler import AutoencoderOverSampler

__all__ = [
    "AutoencoderOverSampler",
]
