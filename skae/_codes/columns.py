"""Codes that are columns: chosen ones, and selectors that look for better ones.

B is the number of rows, d the columns, k of them chosen, P the numbers that a decoder puts
out for a row.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import RidgeCV
from torch import nn

from skae._codes.base import AutoencoderModule, Code, Terms, pair
from skae.networks._start import LinearStart

RIDGES = np.logspace(-2, 4, 13)  # of a linear decoder, of which the rows choose one
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


@dataclass
class Columns(Code):
    """z = some columns of x, loss = -log p(x | d(z))."""

    columns: tuple = ()

    judged_again: ClassVar[bool] = True  # against other columns
    against_tying: ClassVar[str] = (
        "an AutoencoderFeatureSelector, whose encoder has no weights"
    )

    def chooser(self, task):
        """Return the encoder; (B, d) to (B, k)."""
        return Chosen(list(self.columns))

    def build(self, task):
        """Return the module, whose decoder's linear path starts as ridge regression."""
        principal, columns = task.principal, np.array(self.columns)
        weight = np.zeros((len(columns), len(principal.mean)))
        if len(principal.target) > 2:
            model = RidgeCV(RIDGES).fit(principal.target[:, columns], principal.target)
            weight = model.coef_.reshape(-1, len(columns)).T
        bias, weight = task.likelihood.linearize(principal.mean, weight)
        start = LinearStart(
            np.eye(len(principal.center))[columns],
            np.zeros(len(columns)),
            weight,
            bias - weight @ principal.center[columns],
        )
        _, decoder = pair(task, start, len(columns))
        encoder = self.chooser(task)
        return AutoencoderModule(encoder, decoder, task.likelihood, self, len(columns))


@dataclass
class Concrete(Columns):
    """z = m x with m = softmax((log a + noise) / T), u = d(z), loss = -log p(x | u)."""

    temperatures: tuple = (10.0, 0.1)

    draws_codes: ClassVar[bool] = True
    noise_is_of_rows: ClassVar[bool] = False

    def chooser(self, task):
        """Return the selectors, which start at the columns."""
        n_columns = len(task.principal.center)
        return Selectors(np.array(self.columns), n_columns, self.temperatures)

    def warm_up(self, aim):
        """Return 1: the temperature falls to the end."""
        return 1.0

    def draw(self, ae, n_rows, generator):
        """Return Gumbel noise, the same for all rows of a batch; (k, d)."""
        noise = torch.empty(ae.encoder.shape, dtype=torch.float32, device=ae.device)
        tiny = torch.finfo(noise.dtype).tiny
        return -noise.exponential_(generator=generator).clamp_(min=tiny).log_()

    def drawn_params(self, ae, x, noise, progress=1.0):
        """Return the likelihood's parameters at mixtures of columns; (B, P)."""
        m = ae.encoder.mixture(noise, progress)
        return ae.decode(ae.likelihood.embed(x) @ m.T)

    def loss(self, ae, x, target, noise, progress):
        """Return what rows cost, rebuilt from mixtures of columns."""
        params = self.drawn_params(ae, x, noise, progress)
        return Terms(nll=ae.likelihood.nll(params, target).sum(1))
