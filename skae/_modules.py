"""The torch modules that the estimators train.

B is the number of rows, d the columns, k the components of the code.
"""

from typing import NamedTuple

import torch
from torch import nn

from skae.networks import ACTIVATIONS


class Terms(NamedTuple):
    """What a row costs: the engine weighs, sums and adds them up, and nobody else."""

    nll: torch.Tensor  # (B,) how far the reconstruction is
    reg: torch.Tensor | None = None  # (B,) what the code costs
    penalty: torch.Tensor | None = None  # () what the weights cost


class AutoencoderModule(nn.Module):
    """z = s(e(x)), u = d(z), loss = -log p(x | u): the plain autoencoder."""

    def __init__(self, encoder, decoder, likelihood, code_activation="linear"):
        super().__init__()
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.code_activation = ACTIVATIONS[code_activation]

    def encode(self, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        return self.code_activation(self.encoder(self.likelihood.embed(x)))

    def decode(self, z):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return self.decoder(z)

    def forward(self, x):
        return Terms(nll=self.likelihood.nll(self.decode(self.encode(x)), x).sum(1))
