"""Corruptions that blank cells out.

B is the number of rows.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import StrOptions

from skae._params import Number, Strength
from skae.corruption._base import PIXELS, SHARE, Corruption, _lost, _uniform

FILL = [
    StrOptions({"mean", "min", "max"}),
    Number(Real, None, None, closed="neither"),
]


@dataclass
class Masking(Corruption):
    """Blank out cells, each by itself.

    Parameters
    ----------
    rate : float or pair of float, default=0.25
        Share of the cells that are blanked, in [0, 1].
    fill : {"mean", "min", "max"} or float, default="mean"
        What stands in for them: the column's mean, minimum or maximum, or a number in
        the units of the data. With ``likelihood="mixed"`` nothing does, as they are
        then missing: leave it at its default.

    References
    ----------
    .. [1] Vincent, Larochelle, Bengio and Manzagol (2008). Extracting and composing
       robust features with denoising autoencoders. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import Masking
    >>> Masking(0.5, fill=0).corrupt(np.ones((100, 100)), random_state=0).mean().round(1)
    np.float64(0.5)
    """

    rate: float | tuple = 0.25
    fill: str | float = "mean"

    _parameter_constraints: ClassVar[dict] = {"rate": [SHARE], "fill": FILL}

    def apply(self, x, space, generator):
        """Return x with some cells blank."""
        return torch.where(_lost(self.rate, x, generator), space.filling(self.fill), x)


@dataclass
class RegionMasking(Corruption):
    """Blank out rectangles of pictures, in all channels: what inpainting repairs.

    Parameters
    ----------
    size : int, float or pair, default=(0.2, 0.5)
        Height and width of a rectangle: an integer is a number of pixels, a float in
        (0, 1] a share of the picture's height and width. From a pair of such, height
        and width are drawn one by one.
    n_regions : int, default=1
        Number of rectangles in a picture; they may overlap.
    fill : {"mean", "min", "max"} or float, default="mean"
        What stands in for the pixels, as in `Masking`.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import RegionMasking
    >>> holes = RegionMasking(10, fill=0).corrupt(np.ones((5, 28, 28)), random_state=0)
    >>> (holes == 0).sum(axis=(1, 2))
    array([100, 100, 100, 100, 100])
    """

    size: int | float | tuple = (0.2, 0.5)
    n_regions: int = 1
    fill: str | float = "mean"

    _parameter_constraints: ClassVar[dict] = {
        "size": [PIXELS, Strength(Real, 0, 1, closed="right")],
        "n_regions": [Number(Integral, 1, None, closed="left")],
        "fill": FILL,
    }

    def apply(self, x, space, generator):
        """Return x with rectangles blank."""
        shape = space.picture(self)
        lost = torch.zeros((len(x), *shape[1:]), dtype=torch.bool, device=x.device)
        for _ in range(self.n_regions):
            rows = self._span(shape[1], x, generator)
            columns = self._span(shape[2], x, generator)
            lost |= rows[:, :, None] & columns[:, None, :]
        lost = lost[:, None].expand(-1, *shape).flatten(1)
        return torch.where(lost, space.filling(self.fill), x)

    def _span(self, n, x, generator):
        """Return which of n places on an axis lie in each row's region; (B, n) bool."""
        low, high = self.size if isinstance(self.size, tuple | list) else [self.size] * 2
        if isinstance(low, Real) and not isinstance(low, Integral):
            low, high = low * n, high * n
        u = _uniform((len(x), 2), x, generator)
        length = (
            (low + (high - low) * u[:, :1]).round() if low != high else u[:, :1] * 0 + low
        )
        length = length.round().clamp(1, n)
        first = (u[:, 1:] * (n - length + 1)).floor()
        place = torch.arange(n, device=x.device)
        return (place >= first) & (place < first + length)
