"""Columns chosen from others: greedily by a linear model, and by a concrete layer.

B is the number of rows, d the columns, k of them chosen, n the rows of a sample, P the
numbers that a decoder puts out for a row.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import RidgeCV
from torch import nn

from skae._base import BaseAutoencoder
from skae._modules import AutoencoderModule, Terms
from skae.networks import LinearStart

NEGLIGIBLE = 1e-8  # of the largest column's sum of squares: nothing is left to explain by
RIDGES = np.logspace(-2, 4, 13)  # of a linear decoder, of which the rows choose one
GREEDY_RIDGES = 0.0, 1.0, 3.0, 10.0  # of a greedy choice, in mean variances of a column
FOLDS = 5  # that choose one of them
LARGEST = 2**22  # k times d: above, there is neither that choice nor a search
HEAD_START = 2.0  # logit of a selector's first column; those of the others are 0
STEEPNESS = 20.0  # logits are so many times a weight, and learn so much faster


def best_ridge(x, k):
    """Return the ridge with which k greedy columns rebuild rows left out best."""
    if len(x) < 2 * FOLDS or k * x.shape[1] > LARGEST:
        return GREEDY_RIDGES[0]
    fold, errors = np.arange(len(x)) % FOLDS, np.zeros(len(GREEDY_RIDGES))
    for i in range(FOLDS):
        rows, left_out = x[fold != i], x[fold == i]
        mean = rows.mean(0)
        for r, ridge in enumerate(GREEDY_RIDGES):
            columns = greedy_columns(rows - mean, k, ridge)[0]
            model = RidgeCV(RIDGES).fit(rows[:, columns], rows)
            errors[r] += np.square(left_out - model.predict(left_out[:, columns])).sum()
    return GREEDY_RIDGES[errors.argmin()]


def greedy_columns(x, k, ridge=0.0):
    """Return k columns, and what each adds to the variance that is explained.

    Each is the one from which, with those before, a linear model explains most of all
    columns. With E the residuals of x, it maximises f / (g + r), where f_j = |E' E_j|^2
    and g_j = |E_j|^2; both follow each choice in O(n d), as Farahat et al. (2011) have
    it. The ridge r takes a part of a column for noise, so that a few rows do not mislead.
    Where nothing is left to explain, it starts anew among the others.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Centred rows.
    k : int
    ridge : float, default=0.0
        In mean variances of a column.

    Returns
    -------
    columns : ndarray of shape (k,)
    gains : ndarray of shape (k,)
        Sums of squares; 0 where nothing was left.
    """
    if len(x) > x.shape[1]:
        x = np.linalg.qr(x, mode="r")
    all_squares = np.square(x).sum(0)
    ridge = ridge * all_squares.mean()
    least = max(NEGLIGIBLE * all_squares.max(), np.finfo(float).tiny)
    all_explained = (x @ x.T @ x * x).sum(0)
    f, g, is_anew = all_explained.copy(), all_squares.copy(), False
    free, columns, gains = np.ones(x.shape[1], dtype=bool), [], []
    steps, n_steps = np.empty((k, x.shape[1])), 0
    for _ in range(k):
        if not (free & (g > least)).any():
            f, g, n_steps, is_anew = all_explained.copy(), all_squares.copy(), 0, True
        left = free & (g > least)
        score = np.where(left, f / np.maximum(g + ridge, least), -1.0)
        j = int(np.where(free, score, -np.inf).argmax())
        columns.append(j)
        gains.append(0.0 if is_anew else score[j])
        free[j] = False
        if left[j]:
            before = steps[:n_steps]
            covariance = x.T @ x[:, j] - before.T @ before[:, j]
            step = covariance / np.sqrt(covariance[j] + ridge)
            ahead = x.T @ (x @ step) - before.T @ (before @ step)
            f -= 2 * step * ahead - (step @ step) * step**2
            g -= step**2
            steps[n_steps] = step
            n_steps += 1
    return np.array(columns), np.array(gains)


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


@dataclass(kw_only=True, eq=False, repr=False)
class Decoding(BaseAutoencoder):
    """The autoencoder that sees no more than some columns, `columns_`."""

    def _encoder(self, n_columns):
        return AutoencoderModule, Chosen(self.columns_)

    def _build_module(self, network, likelihood, n_components, principal):
        if getattr(network, "tied_weights", False):
            raise ValueError(
                "network: tied_weights=True is not for an AutoencoderFeatureSelector, "
                "whose encoder has no weights. Use tied_weights=False."
            )
        module, encoder = self._encoder(len(principal.center))
        decoder = start_decoder(self.columns_, network, likelihood, principal)
        return module(encoder, decoder, likelihood)


@dataclass(kw_only=True, eq=False, repr=False)
class Searching(Decoding):
    """The autoencoder whose selectors look for better columns than `columns_`."""

    temperatures: tuple = (10.0, 0.1)

    def _encoder(self, n_columns):
        return ConcreteModule, Selectors(self.columns_, n_columns, self.temperatures)
