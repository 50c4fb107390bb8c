"""Likelihoods: what "close" means, and in which units.

A likelihood is a small parameter object, as ``kernel=`` is to a Gaussian process.
``fit`` of an autoencoder builds from it a module that knows the columns' means and
scales: rows go in as they are and reconstructions and scores come out in the same
units.

B is the number of rows, d the number of columns.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from skae._likelihood_module import LEARNT_FLOOR, RANGES, TINY, LikelihoodModule
from skae._losses import (
    bernoulli_nll,
    categorical_nll,
    gaussian_nll,
    half_squared_error,
)
from skae._mixed import Mixed
from skae._params import Parameters, check_option

__all__ = ["Bernoulli", "Categorical", "Gaussian", "Mixed"]


class _GaussianModule(LikelihoodModule):
    def __init__(self, *args, sample_shape):
        super().__init__(*args)
        self.groups = _groups(sample_shape)
        self.register_parameter("log_variance", None)  # (groups,) if training learns it

    def _by_group(self, values):
        """Return the mean over each group's active columns; (groups,)."""
        active = self.active.reshape(self.groups, -1).astype(float)
        total = (values.reshape(self.groups, -1) * active).sum(1)
        return np.divide(total, active.sum(1), out=np.ones(self.groups), where=total > 0)

    def _spread(self, values):
        return values.repeat_interleave(len(self.location) // self.groups)

    def noise_around(self, mean, residual_variance):
        return residual_variance

    def learn_noise(self, variance):
        variance = torch.from_numpy(np.log(np.maximum(self._by_group(variance), 1e-5)))
        self.log_variance = nn.Parameter(variance.float())
        self.register_buffer("counted", torch.from_numpy(self.active).float())

    def set_noise(self, residual_variance):
        if self.log_variance is not None:
            residual_variance = self._spread(
                torch.from_numpy(self._by_group(residual_variance))
            ).numpy()
        super().set_noise(residual_variance)

    def nll(self, params, x):
        if self.log_variance is None:
            return half_squared_error(self.mean(params), x)
        variance = self._spread(LEARNT_FLOOR + self.log_variance.exp())
        return gaussian_nll(self.mean(params), x, variance) * self.counted

    def sample(self, params, random_state):
        mean = self.restore(self.mean(params).numpy())
        std = self.scale * np.sqrt(self.noise_variance) * self.active
        return mean + std * random_state.standard_normal(mean.shape)

    def log_prob(self, params, x):
        variance = torch.from_numpy(self.noise_variance)
        nll = gaussian_nll(self.mean(params).double(), x.double(), variance)
        active = torch.from_numpy(self.active)
        log_scale = np.log(self.scale[self.active]).sum()
        return -(nll * active).sum(1) - log_scale


class _CrossEntropyModule(LikelihoodModule):
    """Rows as they are; the encoder sees them centred."""

    def __init__(self, likelihood, link, location, nll, draw):
        d = len(location)
        super().__init__(likelihood, link, np.zeros(d), np.ones(d), np.ones(d, bool))
        self.nll, self.drawn = nll, draw
        self.register_buffer("center", torch.tensor(location, dtype=torch.float32))

    def embed(self, x):
        return x - self.center

    def sample(self, params, random_state):
        return self.drawn(self.mean(params).double().numpy(), random_state)

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


def _groups(sample_shape):
    """Return how many groups of columns are alike: a table's columns, or channels."""
    return {1: sample_shape[0], 2: 1}.get(len(sample_shape), sample_shape[0])


def _check_range(X, low, high, what):
    outside = np.less(X, low) | np.greater(X, high)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"{what} needs values of X in [{low:g}, {high:g}]; column {column} holds "
            f"{X[row, column]:g}. Rescale X, for instance with "
            "sklearn.preprocessing.MinMaxScaler(clip=True), or use "
            "likelihood='gaussian', which scales by itself."
        )


@dataclass
class Gaussian(Parameters):
    """Squared error: a normal distribution around the reconstruction.

    The columns are standardised on the way in and restored on the way out, so that
    raw data may be passed as they are. After training, the residuals' variance is
    measured for each column (never below 1e-6 of the squared scale) and is what
    ``score_samples`` uses.

    Parameters
    ----------
    scale : {"auto", "column", "global"} or None, default="auto"
        What is scaled to unit variance (to the link's range, for a bounded link):

        - "column": each column by itself;
        - "global": all columns together;
        - "auto": by column for tables, and for n-d input (pictures) together within
          a channel; sparse input is scaled but not centred;
        - None: nothing; X is taken as it is.

        A column that is constant in training is never amplified and counts nothing in
        a score; scaled by column, it is reconstructed as that constant.
    link : {"identity", "sigmoid", "tanh"}, default="identity"
        The activation of the output. "sigmoid" and "tanh" keep reconstructions
        between the training data's minimum and maximum.
    clip : float or None, default=None
        Largest distance from the mean, in scaled units, that a cell is seen at, in
        training and after: farther ones are taken to be there, so that one wild value
        does not drown the others. Scores are of the clipped rows. None leaves all as
        they are.

    Examples
    --------
    >>> from skae.likelihoods import Gaussian
    >>> Gaussian(link="sigmoid")
    Gaussian(scale='auto', link='sigmoid', clip=None)
    """

    scale: str | None = "auto"
    link: str = "identity"
    clip: float | None = None

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        scales = ("auto", "column", "global", None)
        check_option("likelihood", "Gaussian.scale", self.scale, scales)
        links = ("identity", "sigmoid", "tanh")
        check_option("likelihood", "Gaussian.link", self.link, links)
        if self.clip is not None and not self.clip > 0:
            raise ValueError(
                f"likelihood: Gaussian.clip must be positive or None. Got {self.clip!r}."
            )

    def check(self, X):
        """Raise a ``ValueError`` if rows lie outside of the support."""
        if self.scale is None and self.link in RANGES:
            low, high = RANGES[self.link]
            _check_range(X, low, high, f"Gaussian(scale=None, link={self.link!r})")

    def build(self, stats):
        """Return the module for columns of these statistics."""
        d = len(stats.mean)
        if self.scale is None:
            location, scale = np.zeros(d), np.ones(d)
            return self._module(stats, location, scale)
        groups = {"column": d, "global": 1}.get(self.scale, _groups(stats.sample_shape))
        location, scale = self._location_and_scale(stats, groups)
        if groups == d:  # a constant column would be divided by its rounding error
            scale = np.where(stats.constant, 0.0, scale)
        return self._module(stats, location, scale)

    def _module(self, stats, location, scale):
        active, shape = ~stats.constant, stats.sample_shape
        return _GaussianModule(self, self.link, location, scale, active, sample_shape=shape)

    def _location_and_scale(self, stats, groups):
        def grouped(values):
            return values.reshape(groups, -1)

        def spread(values):
            return np.repeat(values, len(stats.mean) // groups)

        if self.link == "identity":
            location = spread(grouped(stats.mean).mean(1))
            variance = stats.variance + (stats.mean - location) ** 2  # of the group
            scale = np.sqrt(spread(grouped(variance).mean(1)))
            if stats.is_sparse:
                location = np.where(stats.constant, location, 0.0)
        else:
            low = spread(grouped(stats.minimum).min(1))
            high = spread(grouped(stats.maximum).max(1))
            centre = {"sigmoid": 0.0, "tanh": 0.5}[self.link]
            location = low + centre * (high - low)
            scale = (high - low) * (1 - centre)
        rounding = 100 * np.finfo(np.float64).eps * np.abs(location)
        return location, np.where(scale > rounding, scale, 1.0)


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

    def validate(self):
        """Nothing to check: there are no parameters."""

    def check(self, X):
        """Raise a ``ValueError`` if rows lie outside of [0, 1]."""
        _check_range(X, 0.0, 1.0, "likelihood='bernoulli'")

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

    is_of_rows: ClassVar[bool] = True  # the support is not one of each cell by itself

    def validate(self):
        """Nothing to check: there are no parameters."""

    def check(self, X):
        """Raise a ``ValueError`` if a row is not a distribution."""
        _check_range(X, 0.0, np.inf, "likelihood='categorical'")
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


NAMED = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "mixed": Mixed,
}
