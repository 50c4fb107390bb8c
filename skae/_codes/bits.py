"""Codes of bits.

B is the number of rows, k the bits of the code.
"""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch

from skae._codes.base import Code, Terms
from skae._data.neighbors import Means, nearest


@dataclass
class Bits(Code):
    """P(b = 1 | x) = f + (1 - 2 f) s(e(x)), loss = -log p(x | d(2 b - 1))."""

    bit_noise: float = 0.1  # f

    is_smooth: ClassVar[bool] = False
    n_neighbors: int = 5

    def rows(self, task):
        """Return rows that are to become the means of their neighbours and themselves."""
        rows, likelihood = task.rows, task.likelihood
        if not self.n_neighbors or likelihood.categories is not None:
            return rows
        rows, sample = copy.copy(rows), task.sample
        table = nearest(
            task.own, sample.index, sample.train, self.n_neighbors, likelihood.spread
        )
        rows.clean = Means(task.own, table)
        return rows

    def draw(self, ae, n_rows, generator):
        """Return uniform noise; (B, k)."""
        shape = n_rows, ae.n_components
        return torch.rand(shape, generator=generator, device=ae.device, dtype=torch.float32)

    def encode(self, ae, x):
        """Return the likelier bits, 0 or 1; (B, k)."""
        return (super().encode(ae, x) > 0).to(torch.float32)

    def steered(self, ae, x, z):
        """Return the bits, with the gradient of their probabilities."""
        s = torch.sigmoid(super().encode(ae, x))
        return z + (s - s.detach())

    def decode(self, ae, z):
        """Return the likelihood's parameters at bits, or at their means; (B, n_params)."""
        return ae.decoder(2 * z - 1)

    def loss(self, ae, x, target, noise, progress):
        """Return what rows cost; the gradient takes a drawn bit for its mean."""
        s = torch.sigmoid(super().encode(ae, x))
        mean = self.bit_noise + (1 - 2 * self.bit_noise) * s
        bits = (noise < mean).to(mean) + mean - mean.detach()
        return Terms(nll=ae.nll(bits, target))

    def shortfalls(self, described, task):
        """Yield nothing: bits are no match for as many principal components."""
        return ()
