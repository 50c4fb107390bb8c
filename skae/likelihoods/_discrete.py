"""Likelihoods of zeros and ones, and of rows that are distributions.

B is the number of rows, d the number of columns.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from skae._losses import bernoulli_nll, categorical_nll
from skae._params import Parameters
from skae.likelihoods._base import TINY, LikelihoodModule, check_range
from skae.likelihoods._restated import moved


class _CrossEntropyModule(LikelihoodModule):
    """Rows as they are; the encoder sees them centred."""

    goes_along = True

    def __init__(self, likelihood, link, location, nll, draw):
        d = len(location)
        super().__init__(likelihood, link, np.zeros(d), np.ones(d), np.ones(d, bool))
        self.nll, self.drawn, self.is_of_rows = nll, draw, link == "softmax"
        self.register_buffer("center", torch.tensor(location, dtype=torch.float32))

    def embed(self, x):
        return x - self.center

    def change(self, new):
        """Return the `Change` from this to a module of more rows."""
        return moved(self.center, new.center)

    def stay(self, old):
        """Keep an old centre."""
        self.center.copy_(old.center)

    def sample(self, params, random_state):
        return self.drawn(self.mean(params).double().numpy(), random_state)

    def asks_for_draws(self, statistics):
        """Tell whether training had nothing but zeros and ones."""
        clash = statistics.clash
        return clash is not None and bool((clash < np.arange(len(clash))).all())

    def noise_around(self, mean, residual_variance):
        mean = np.clip(mean, TINY, 1 - TINY)
        return mean * (1 - mean)


def _flip(p, random_state):
    """Return ones with probabilities p (n, d), zeros else."""
    return (random_state.uniform(size=p.shape) < p).astype(np.float64)


def _choose(p, random_state):
    """Return rows with a one in a column chosen with probabilities p (n, d)."""
    chosen = (p.cumsum(1) < random_state.uniform(size=(len(p), 1))).sum(1)
    return np.eye(p.shape[1])[np.minimum(chosen, p.shape[1] - 1)]


@dataclass
class Bernoulli(Parameters):
    """Cross-entropy of values in [0, 1] through a sigmoid.

    For binary columns the score is a log-probability. Grey values strictly between 0
    and 1 are taken as probabilities: the score is then an expected log-likelihood,
    not a density.

    Examples
    --------
    >>> from skae import Autoencoder
    >>> from skae.likelihoods import Bernoulli
    >>> Autoencoder(2, likelihood=Bernoulli())
    Autoencoder(likelihood=Bernoulli(), n_components=2)
    """

    reads_tables: ClassVar[bool] = False

    def check(self, X):
        """Raise a ``ValueError`` if rows lie outside of [0, 1]."""
        check_range(X, 0.0, 1.0, "likelihood='bernoulli'")

    def build(self, stats):
        """Return the module for columns of these statistics."""
        return _CrossEntropyModule(self, "sigmoid", stats.mean, bernoulli_nll, _flip)


@dataclass
class Categorical(Parameters):
    """Cross-entropy through a softmax: each row is a distribution over the columns.

    Rows must be non-negative and sum to 1 (one-hot rows, proportions, normalised
    counts).

    Examples
    --------
    >>> from skae import Autoencoder
    >>> from skae.likelihoods import Categorical
    >>> Autoencoder(2, likelihood=Categorical()).get_params()["likelihood"]
    Categorical()
    """

    reads_tables: ClassVar[bool] = False

    def check(self, X):
        """Raise a ``ValueError`` if a row is not a distribution."""
        check_range(X, 0.0, np.inf, "likelihood='categorical'")
        off = np.abs(X.sum(axis=1, dtype=np.float64) - 1)
        if off.max() > 1e-3:
            raise ValueError(
                "likelihood='categorical' needs rows that sum to 1; a row of X is off "
                f"by {off.max():.3g}. Divide each row by its sum, for instance with "
                "sklearn.preprocessing.normalize(X, norm='l1')."
            )

    def build(self, stats):
        """Return the module for columns of these statistics."""
        return _CrossEntropyModule(self, "softmax", stats.mean, categorical_nll, _choose)
