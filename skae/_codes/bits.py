"""Codes of bits.

B is the number of rows, k the bits of the code.
"""

import torch

from skae._codes.base import AutoencoderModule, Terms


class BinaryModule(AutoencoderModule):
    """P(b = 1 | x) = f + (1 - 2 f) s(e(x)), loss = -log p(x | d(2 b - 1))."""

    bit_noise = 0.0  # f

    def encode(self, x):
        """Return the likelier bits, 0 or 1; (B, k)."""
        return (self.encoder(self.likelihood.embed(x)) > 0).to(torch.float32)

    def decode(self, z):
        """Return the likelihood's parameters at bits, or at their means; (B, n_params)."""
        return self.decoder(2 * z - 1)

    def draw(self, n_rows, generator):
        """Return uniform noise; (B, k)."""
        shape, device = (n_rows, self.n_components), next(self.parameters()).device
        return torch.rand(shape, generator=generator, device=device, dtype=torch.float32)

    def forward(self, x, clean, noise, progress=1.0):
        """Return what rows cost; the gradient takes a drawn bit for its mean."""
        s = torch.sigmoid(self.encoder(self.likelihood.embed(x)))
        mean = self.bit_noise + (1 - 2 * self.bit_noise) * s
        bits = (noise < mean).to(mean) + mean - mean.detach()
        return Terms(nll=self.likelihood.nll(self.decode(bits), clean).sum(1))
