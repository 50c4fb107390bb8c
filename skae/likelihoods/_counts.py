"""The likelihood of counts.

B is the number of rows, d the number of columns.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from skae._losses import poisson_nll
from skae._params import Parameters
from skae.likelihoods._base import LARGEST_LOG, LikelihoodModule
from skae.likelihoods._restated import moved

LEAST_RATE = 1e-3  # where a column that holds zeros only starts
LEAST_SLOPE_RATE = 0.25  # below it, log rates start as if they moved as those of more


class _PoissonModule(LikelihoodModule):
    """Rows as they are; the encoder sees log(1 + x), less that of the mean."""

    goes_along = True

    def __init__(self, likelihood, mean):
        d = len(mean)
        super().__init__(likelihood, "log", np.zeros(d), np.ones(d), np.ones(d, bool))
        self.register_buffer("rate", torch.tensor(mean, dtype=torch.float32))

    def embed(self, x):
        return torch.log1p(x.clamp(min=0)) - torch.log1p(self.rate)

    def change(self, new):
        """Return the `Change` from this to a module of more rows."""
        return moved(torch.log1p(self.rate), torch.log1p(new.rate))

    def stay(self, old):
        """Keep the old rates."""
        self.rate.copy_(old.rate)

    def target(self, x):
        return self.embed(x)

    def spread(self, x):
        return self.embed(x)

    def collapse(self, means):
        """Return the counts that logarithms as the encoder sees them mean; (n, d)."""
        rate = self.rate.cpu().double().numpy()
        return np.rint(np.maximum(np.expm1(means + np.log1p(rate)), 0))

    def nll(self, params, x):
        return poisson_nll(params, x, LARGEST_LOG)

    def squared_error(self, params, x):
        """Return the squared error of the logarithms, as the encoder sees them; (B, d)."""
        return (self.embed(self.mean(params)) - self.embed(x)).square()

    def highest(self, x):
        nll = poisson_nll(torch.log(x.double()).clamp(min=-LARGEST_LOG), x.double())
        return -nll.sum(1)

    def sample(self, params, random_state):
        return random_state.poisson(self.mean(params).double().numpy()).astype(np.float64)

    def asks_for_draws(self, statistics):
        return True

    def noise_around(self, mean, residual_variance):
        rate = self.rate.cpu().double().numpy()
        return np.maximum(residual_variance, rate / (1 + rate) ** 2)

    def linearize(self, mean, components):
        """Return bias (d,) and weight (d, k) of log rates around the mean count."""
        rate = self.rate.cpu().double().numpy()
        bias = np.log(np.maximum(rate, LEAST_RATE))
        slope = 1 + 1 / np.maximum(rate, LEAST_SLOPE_RATE)  # of log x in log(1 + x)
        return bias, slope[:, None] * components.T


@dataclass
class Poisson(Parameters):
    """Counts: a Poisson distribution around the reconstruction, through an exponential.

    X holds whole numbers that are not negative: purchases, words of a text, molecules in
    a cell. The encoder sees their logarithms, log(1 + x); reconstructions are expected
    counts, and the score is a log-probability. How much is explained (in warnings) is
    counted in these logarithms.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import Autoencoder
    >>> from skae.likelihoods import Poisson
    >>> rng = np.random.default_rng(0)
    >>> X = rng.poisson(np.exp(rng.normal(size=(300, 1)) + np.linspace(-1, 2, 8)))
    >>> autoencoder = Autoencoder(1, likelihood=Poisson(), random_state=0).fit(X)
    >>> bool((autoencoder.reconstruct(X) >= 0).all())
    True
    """

    _belongs_to: ClassVar[str] = "likelihood"
    _parameter_constraints: ClassVar[dict] = {}

    def check(self, X):
        """Raise a ``ValueError`` if X holds anything but counts."""
        broken = (np.rint(X) != X) | (X < 0)
        if broken.any():
            row, column = np.argwhere(broken)[0]
            raise ValueError(
                "likelihood='poisson' needs counts, whole numbers from 0 on; column "
                f"{column} of X holds {X[row, column]:g}. Round them if they are counts, "
                "or use likelihood='gaussian'."
            )

    def build(self, stats):
        """Return the module for columns of these statistics."""
        return _PoissonModule(self, stats.mean)
