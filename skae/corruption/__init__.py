"""Corruption: what training does to the input, while the target stays clean.

A corruption is a small parameter object. Any autoencoder takes one, or the name of
one, or a list of them to be applied in turn, as ``corruption=``; each batch is
corrupted anew. Wherever a strength is asked for, a pair (low, high) draws one for
each row, uniformly.

In tables a strength is counted in each column's standard deviations; in pictures
(n-d X, or a network for pictures) in the units of the data. An object of one's own
needs a method ``apply(x, space, generator)`` that returns a corrupted copy of the
rows x, and may need the `Space` they lie in.

B is the number of rows, d the number of columns.
"""

from skae.corruption._base import Space
from skae.corruption._hidden import HiddenDropout
from skae.corruption._masking import Masking, RegionMasking
from skae.corruption._named import Compose
from skae.corruption._noise import Downsampling, Gaussian, SaltAndPepper, SwapNoise

__all__ = [
    "Compose",
    "Downsampling",
    "Gaussian",
    "HiddenDropout",
    "Masking",
    "RegionMasking",
    "SaltAndPepper",
    "Space",
    "SwapNoise",
]
