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
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skae._data.body import BEYOND
from skae._data.change import inverse
from skae._losses import (
    gaussian_nll,
    half_squared_error,
)
from skae._params import Amount, Parameters, as_number
from skae.likelihoods._base import (
    LEARNT_FLOOR,
    RANGES,
    LikelihoodModule,
    check_range,
)
from skae.likelihoods._indicators import weighed
from skae.likelihoods._restated import change_of_numbers, restate_noise


class _GaussianModule(LikelihoodModule):
    goes_along = True

    def __init__(self, *args, sample_shape):
        super().__init__(*args)
        self.groups = _groups(sample_shape)
        self.clip = as_number(self.likelihood.clip)
        self.register_parameter("log_variance", None)  # (groups,) if training learns it

    def _by_group(self, values):
        """Return the mean over each group's active columns; (groups,)."""
        active = self.active.reshape(self.groups, -1).astype(float)
        total = (values.reshape(self.groups, -1) * active).sum(1)
        return np.divide(total, active.sum(1), out=np.ones(self.groups), where=total > 0)

    @property
    def _per_group(self):
        return len(self.location) // self.groups

    def _spread(self, values):
        return values.repeat_interleave(self._per_group)

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

    def change(self, new):
        """Return the `Change` from this to a module of more rows."""
        varied = np.repeat(self.active.reshape(self.groups, -1).any(1), self._per_group)
        # channels of one value have no scale, and are told by 1
        return change_of_numbers(
            self, new, np.where(varied | (self.scale != 1), self.scale, 0.0)
        )

    def stay(self, old):
        """Keep an old location, and scale around it."""
        if self.link_name == "identity" and self.likelihood.scale is not None:
            away = np.where(self.scale > 0, self.location - old.location, 0.0)
            self.scale = np.hypot(self.scale, away)
            self.location, self.inverse_scale = old.location, inverse(self.scale)

    def become(self, new):
        """Take what a module of more rows has learnt of the columns."""
        if self.log_variance is not None:
            ratio = np.square(self.scale * new.inverse_scale)
            restate_noise(self.log_variance, self._by_group(ratio))
            self.counted.copy_(torch.from_numpy(new.active))
        super().become(new)

    def draw(self, params, random_state):
        mean = self.mean(params).double().numpy()
        std = np.sqrt(self.noise_variance) * self.active
        return mean + std * random_state.standard_normal(mean.shape)

    def log_prob(self, params, x):
        variance = torch.from_numpy(self.noise_variance)
        nll = gaussian_nll(self.mean(params).double(), x.double(), variance)
        active = torch.from_numpy(self.active)
        log_scale = np.log(self.scale[self.active]).sum()
        return self.log_slope(x) - (nll * active).sum(1) - log_scale


def _groups(sample_shape):
    """Return how many groups of columns are alike: a table's columns, or channels."""
    return {1: sample_shape[0], 2: 1}.get(len(sample_shape), sample_shape[0])


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
          a channel; sparse input is scaled but not centred. Neighbouring columns of
          zeros and ones that are the levels of one category (no row has two ones, and
          most rows have one) weigh as one column: they have unit variance together;
        - None: nothing; X is taken as it is.

        A column that is constant in training is never amplified and counts nothing in
        a score; scaled by column, it is reconstructed as that constant. One that hardly
        ever varies is scaled by no less than a tenth of its typical step. Where a few
        wild cells would make the most of a column's deviation, it is scaled without
        them (so are all columns that are scaled together, if these cells are far from
        all of them), and values beyond 8 deviations are bent: a logarithm that is
        undone on the way out. Not with a bounded link or sparse input, whose scales are
        those of all values.
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

    reads_tables: ClassVar[bool] = False

    scale: str | None = "auto"
    link: str = "identity"
    clip: float | None = None

    _belongs_to = "likelihood"
    _parameter_constraints: ClassVar[dict] = {
        "scale": [StrOptions({"auto", "column", "global"}), None],
        "link": [StrOptions({"identity", "sigmoid", "tanh"})],
        "clip": [Amount(closed="right"), None],
    }

    def check(self, X):
        """Raise a ``ValueError`` if rows lie outside of the support."""
        if self.scale is None and self.link in RANGES:
            low, high = RANGES[self.link]
            check_range(X, low, high, f"Gaussian(scale=None, link={self.link!r})")

    def build(self, stats):
        """Return the module for columns of these statistics."""
        d = len(stats.mean)
        if self.scale is None:
            location, scale = np.zeros(d), np.ones(d)
            return self._module(stats, location, scale)
        groups = {"column": d, "global": 1}.get(self.scale, _groups(stats.sample_shape))
        is_bent = self.link == "identity" and not stats.is_sparse
        is_wild = np.zeros(d, dtype=bool)
        if is_bent and groups < d and stats.is_wild.any():
            is_wild = self._far_from_all(stats, groups)
        location, scale = self._location_and_scale(stats.of_bodies(is_wild), groups)
        if groups == d:  # a constant column would be divided by its rounding error
            if is_bent:
                location, scale, is_wild = stats.centre, stats.spread, stats.is_wild
            scale = np.where(stats.constant, 0.0, scale)
            if self.scale == "auto" and self.link == "identity":
                scale = weighed(scale, stats)
        low, high = (
            values.reshape(groups, -1) for values in (stats.minimum, stats.maximum)
        )
        ends = np.repeat(np.stack([low.min(1), high.max(1)]), d // groups, axis=1)
        return self._module(stats, location, scale, is_wild, ends)

    def _far_from_all(self, stats, groups):
        """Return which columns have wild cells that are so for the whole group; (d,)."""
        body = stats.of_bodies(stats.is_wild)
        location, scale = self._location_and_scale(body, groups)
        reach = np.maximum(stats.maximum - location, location - stats.minimum)
        return stats.is_wild & (reach > BEYOND * scale)

    def _module(self, stats, location, scale, *bounds):
        args = self, self.link, location, scale, ~stats.constant, *bounds
        return _GaussianModule(*args, sample_shape=stats.sample_shape)

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
