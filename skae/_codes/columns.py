"""Columns chosen from others: greedily by a linear model, and by a concrete layer.

B is the number of rows, d the columns, k of them chosen, n the rows of a sample, P the
numbers that a decoder puts out for a row.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import RidgeCV
from torch import nn

from skae._codes.base import AutoencoderModule, Terms
from skae.feature_selection._greedy import RIDGES
from skae.networks._start import LinearStart

HEAD_START = 2.0  # logit of a selector's first column; those of the others are 0
STEEPNESS = 20.0  # logits are so many times a weight, and learn so much faster


class Chosen(nn.Module):
    """Some columns of rows; (B, d) to (B, k)."""

    def __init__(self, columns):
        super().__init__()
        self.register_buffer("columns", torch.as_tensor(columns))

    def forward(self, x):
        return x.index_select(1, self.columns)


class Selectors(nn.Module):
    """k selectors over d columns: m = softmax((log a + Gumbel noise) / T), (k, d).

    The temperature T falls geometrically. Without noise each selector takes its most
    probable column.

    Parameters
    ----------
    columns : ndarray of shape (k,)
        Where the selectors start.
    n_columns : int
    temperatures : (float, float)
        At the start and at the end.
    """

    def __init__(self, columns, n_columns, temperatures):
        super().__init__()
        self.shape = len(columns), n_columns
        self.hot, self.cold = temperatures
        logits = torch.zeros(self.shape)
        logits[torch.arange(len(columns)), torch.as_tensor(columns)] = HEAD_START
        self.raw = nn.Parameter(logits.flatten() / STEEPNESS)  # a vector: not penalised

    @property
    def logits(self):
        return STEEPNESS * self.raw.view(self.shape)

    def mixture(self, noise, progress):
        """Return how much of each column each selector takes; (k, d)."""
        temperature = self.hot * (self.cold / self.hot) ** progress
        return torch.softmax((self.logits + noise) / temperature, dim=1)

    def forward(self, x):
        return x.index_select(1, self.logits.argmax(1))

    def choice(self):
        """Return k different columns whose logits have the largest sum; (k,)."""
        return linear_sum_assignment(-self.logits.detach().cpu().numpy())[1]


class ConcreteModule(AutoencoderModule):
    """z = m x with m = softmax((log a + noise) / T), u = d(z), loss = -log p(x | u)."""

    warm_up = 1.0  # the temperature falls to the end

    def draw(self, n_rows, generator):
        """Return Gumbel noise, the same for all rows of a batch; (k, d)."""
        noise = torch.empty(self.encoder.shape, device=self.encoder.raw.device)
        tiny = torch.finfo(noise.dtype).tiny
        return -noise.exponential_(generator=generator).clamp_(min=tiny).log_()

    def drawn_params(self, x, noise, progress=1.0):
        """Return the likelihood's parameters at mixtures of columns; (B, P)."""
        m = self.encoder.mixture(noise, progress)
        return self.decode(self.likelihood.embed(x) @ m.T)

    def forward(self, x, clean, noise, progress=1.0):
        """Return what rows cost, rebuilt from mixtures of columns."""
        params = self.drawn_params(x, noise, progress)
        return Terms(nll=self.likelihood.nll(params, clean).sum(1))


def start_decoder(columns, network, likelihood, principal):
    """Return a network's decoder, whose linear path starts as ridge regression."""
    weight = np.zeros((len(columns), len(principal.mean)))
    if len(principal.target) > 2:
        known = principal.target[:, columns]
        weight = (
            RidgeCV(RIDGES).fit(known, principal.target).coef_.reshape(-1, len(columns)).T
        )
    bias, weight = likelihood.linearize(principal.mean, weight)
    start = LinearStart(
        _one_hot(columns, len(principal.center)),
        np.zeros(len(columns)),
        weight,
        bias - weight @ principal.center[columns],
    )
    return principal.build(network, likelihood, len(columns), start)[1]


def _one_hot(columns, d):
    out = np.zeros((len(columns), d))
    out[np.arange(len(columns)), columns] = 1
    return out
