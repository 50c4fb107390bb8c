"""Corruptions that change cells: noise, extremes, other rows' values, coarser pixels.

B is the number of rows.
"""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch
from torch.nn import functional as F

from skae._params import Number, Strength
from skae.corruption._base import PIXELS, SHARE, Corruption, _lost, _strength, _uniform


@dataclass
class Gaussian(Corruption):
    """Add normal noise.

    Parameters
    ----------
    sigma : float, pair of float or None, default=None
        Standard deviation of the noise: in the units of the data for pictures, in
        columns' standard deviations for tables. None takes half of the standard
        deviation, of each column of a table or of a channel of pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import Gaussian
    >>> noise = Gaussian(0.5).corrupt(np.zeros((100, 28, 28)), random_state=0)
    >>> noise.std().round(2)
    np.float64(0.5)
    """

    sigma: float | tuple | None = None

    _parameter_constraints: ClassVar[dict] = {
        "sigma": [Strength(Real, 0, None, closed="left"), None],
    }

    def apply(self, x, space, generator):
        """Return x + sigma e with e ~ N(0, 1)."""
        space.check_numbers(self)
        if self.sigma is None:
            sigma = 0.5 * space.deviation
        else:
            sigma = _strength(self.sigma, x, generator) * space.unit
        return x + sigma * torch.empty_like(x).normal_(generator=generator)


@dataclass
class SaltAndPepper(Corruption):
    """Set cells to the lowest or the highest value.

    Of the column, for a table; of the picture itself, channel by channel.

    Parameters
    ----------
    rate : float or pair of float, default=0.1
        Share of the cells that are set, in [0, 1].
    salt : float, default=0.5
        Share of those that are set to the highest value, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import SaltAndPepper
    >>> X = np.linspace(0, 1, 16).reshape(1, 4, 4)
    >>> np.unique(SaltAndPepper(1.0).corrupt(X, random_state=0))
    array([0., 1.])
    """

    rate: float | tuple = 0.1
    salt: float = 0.5

    _parameter_constraints: ClassVar[dict] = {
        "rate": [SHARE],
        "salt": [Number(Real, 0, 1, closed="both")],
    }

    def apply(self, x, space, generator):
        """Return x with some cells at an extreme."""
        space.check_numbers(self)
        low, high = space.minimum, space.maximum
        if space.shape is not None:
            channels = x.unflatten(1, (space.shape[0], -1))
            low = channels.amin(2, keepdim=True).expand_as(channels).flatten(1)
            high = channels.amax(2, keepdim=True).expand_as(channels).flatten(1)
        lost = _lost(self.rate, x, generator)
        extreme = torch.where(_lost(self.salt, x, generator), high, low)
        return torch.where(lost, extreme, x)


@dataclass
class Downsampling(Corruption):
    """Lower the resolution of pictures, which keep their size.

    Each block of `factor` x `factor` pixels is replaced by its mean.

    Parameters
    ----------
    factor : int or pair of int, default=2
        Side of a block in pixels; a pair draws one for each picture.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import Downsampling
    >>> Downsampling(2).corrupt(np.arange(16.0).reshape(1, 4, 4))[0]
    array([[ 2.5,  2.5,  4.5,  4.5],
           [ 2.5,  2.5,  4.5,  4.5],
           [10.5, 10.5, 12.5, 12.5],
           [10.5, 10.5, 12.5, 12.5]])
    """

    factor: int | tuple = 2

    _parameter_constraints: ClassVar[dict] = {"factor": [PIXELS]}

    def apply(self, x, space, generator):
        """Return x in coarser pixels."""
        pictures = x.unflatten(1, space.picture(self))
        low, high = (
            self.factor if isinstance(self.factor, tuple | list) else [self.factor] * 2
        )
        drawn = _uniform((len(x), 1), x, generator) * (high - low + 1)
        out = x
        for factor in range(low, high + 1):
            coarse = _blocks(pictures, factor).flatten(1)
            out = torch.where(drawn.floor() == factor - low, coarse, out)
        return out


def _blocks(pictures, factor):
    """Return the mean of each block of pixels in its pixels' place; (B, C, H, W)."""
    size = pictures.shape[2:]
    sides = [min(factor, n) for n in size]
    # a mean over the pixels that there are, also at the border
    mean = F.avg_pool2d(pictures, sides, ceil_mode=True, count_include_pad=False)
    for axis, (side, n) in enumerate(zip(sides, size, strict=True), start=2):
        mean = mean.repeat_interleave(side, axis).narrow(axis, 0, n)
    return mean


@dataclass
class SwapNoise(Corruption):
    """Replace cells by the same column's value in another row of the batch.

    Corrupted cells keep each column's distribution: for tables, mixed or skewed.

    Parameters
    ----------
    rate : float or pair of float, default=0.15
        Share of the cells that are replaced, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import SwapNoise
    >>> SwapNoise(1.0).corrupt(np.array([[1.0, 10.0], [2.0, 20.0]]), random_state=0)
    array([[ 2., 20.],
           [ 1., 10.]])
    """

    rate: float | tuple = 0.15

    _parameter_constraints: ClassVar[dict] = {"rate": [SHARE]}

    def apply(self, x, space, generator):
        """Return x with some cells from other rows."""
        n = len(x)
        if n == 1:
            return x.clone()
        step = 1 + (_uniform(x.shape, x, generator) * (n - 1)).long().clamp(max=n - 2)
        other = (torch.arange(n, device=x.device)[:, None] + step) % n
        return torch.where(_lost(self.rate, x, generator), x.gather(0, other), x)
