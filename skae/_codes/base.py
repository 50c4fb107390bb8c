"""The torch modules that the estimators train.

B is the number of rows, d the columns, k the components of the code.
"""

from typing import NamedTuple

import torch
from torch import nn

from skae.networks._layers import ACTIVATIONS


class Terms(NamedTuple):
    """What a row costs: the engine weighs, sums and adds them up, and nobody else."""

    nll: torch.Tensor  # (B,) how far the reconstruction is
    reg: torch.Tensor | None = None  # (B,) what the code costs
    penalty: torch.Tensor | None = None  # () what the weights cost


class TrainedModule(nn.Module):
    """What the engine asks of a module, besides `forward`, `encode` and `decode`."""

    warm_up = 0.0  # share of the training in which the objective is not yet the final one
    is_functional = True  # whether training changes nothing in it but its weights
    more_numbers = 0  # that come up between the layers, for a row
    start_competes = True  # whether the weights before training may be the best

    def draw(self, n_rows, generator):
        """Return the noise that `forward` takes for so many rows, or None."""
        return None

    def after_step(self):
        """Do what has to be done to the weights after each step."""

    def before_epoch(self, batches, generator):
        """Do what has to be done before an epoch on `batches`, until the rate falls."""


class AutoencoderModule(TrainedModule):
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

    def reconstruct(self, x):
        """Return the means at the rows' codes, standardised; (B, d)."""
        return self.likelihood.mean(self.params(x))

    def params(self, x):
        """Return the likelihood's parameters at the rows' codes; (B, n_params)."""
        return self.decode(self.encode(x))

    def forward(self, x, clean, noise=None, progress=1.0):
        """Return what rows x (B, d), corrupted perhaps, cost against the clean ones.

        `noise` is what `draw` returned, `progress` the share of the training that is
        done: nothing else may change from call to call.
        """
        return Terms(nll=self.likelihood.nll(self.decode(self.encode(x)), clean).sum(1))
