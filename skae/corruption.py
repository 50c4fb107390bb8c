"""Corruption: what training does to the input, while the target stays clean.

A corruption is a small parameter object. Any autoencoder takes one, or the name of
one, or a list of them to be applied in turn, as ``corruption=``; each batch is
corrupted anew. Wherever a strength is asked for, a pair (low, high) draws one for
each row, uniformly.

In tables a strength is counted in each column's standard deviations; in pictures
(n-d X, or a network for pictures) in the units of the data. An object of one's own
needs a method ``apply(x, space, generator)`` that returns a corrupted copy of the
rows x, and may need the `Space` they lie in.

B is the number of rows, d the number of columns.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch.nn import functional as F

from skae._layers import Activation
from skae._params import Parameters, check_instance, check_option
from skae._rows import column_statistics, flatten

__all__ = [
    "Compose",
    "Downsampling",
    "Gaussian",
    "HiddenDropout",
    "Masking",
    "RegionMasking",
    "SaltAndPepper",
    "Space",
    "SwapNoise",
]


class Space(NamedTuple):
    """Where rows lie: in standardised units, on the rows' device.

    Examples
    --------
    A corruption of one's own, noise that is larger at large values:

    >>> import torch
    >>> class Speckle:
    ...     def apply(self, x, space, generator):
    ...         e = torch.empty_like(x).normal_(generator=generator)
    ...         return x + 0.1 * (x - space.minimum) * e
    >>> from skae import DenoisingAutoencoder
    >>> autoencoder = DenoisingAutoencoder(8, corruption=Speckle())
    """

    shape: tuple | None  # (C, H, W) of a picture; None for tables
    unit: torch.Tensor  # (d,) strength 1: of the data (pictures), a deviation (tables)
    deviation: torch.Tensor  # (d,) a column's, or a channel's, standard deviation
    mean: torch.Tensor  # (d,)
    minimum: torch.Tensor  # (d,)
    maximum: torch.Tensor  # (d,)
    location: torch.Tensor  # (d,) in data units
    inverse_scale: torch.Tensor  # (d,) (x - location) * inverse_scale is standardised
    categories: tuple | None = None  # columns of codes; None: no cell may be missing

    @classmethod
    def of(
        cls,
        stats,
        location,
        inverse_scale,
        dtype=torch.float32,
        device="cpu",
        categories=None,
    ):
        """Return the space of columns with these `ColumnStatistics`."""
        shape = stats.sample_shape
        shape = None if len(shape) == 1 else (1,) * (3 - len(shape)) + tuple(shape)
        deviation, unit = np.sqrt(stats.variance), None
        if shape is not None:
            mean = stats.mean.reshape(shape[0], -1)
            second = (stats.variance + stats.mean**2).reshape(mean.shape).mean(1)
            pooled = np.sqrt(np.maximum(second - mean.mean(1) ** 2, 0.0))
            deviation, unit = pooled.repeat(mean.shape[1]), np.ones_like(stats.mean)
        unit = deviation if unit is None else unit

        def standardized(values):
            return (values - location) * inverse_scale

        arrays = (
            unit * inverse_scale,
            deviation * inverse_scale,
            standardized(stats.mean),
            standardized(stats.minimum),
            standardized(stats.maximum),
            location,
            inverse_scale,
        )
        arrays = (torch.as_tensor(a, dtype=dtype).to(device) for a in arrays)
        return cls(shape, *arrays, categories)

    def check_numbers(self, corruption):
        """Raise a ``ValueError`` if some columns hold categories."""
        if self.categories:
            raise ValueError(
                f"corruption: {type(corruption).__name__} is for numbers, and columns "
                f"{list(self.categories)} of X hold categories. Use 'masking', 'swap' or "
                "'hidden_dropout', or corruption=None."
            )

    def picture(self, corruption):
        """Return (C, H, W), or raise a ``ValueError`` if rows are not pictures."""
        if self.shape is None:
            raise ValueError(
                f"corruption: {type(corruption).__name__} needs pictures, and X is a "
                "table. Pass X as (n_samples, H, W) or (n_samples, C, H, W), or use "
                "network=skae.networks.ConvolutionalNetwork(image_shape=...)."
            )
        return self.shape

    def filling(self, fill):
        """Return what stands in for a lost cell, (d,)."""
        if self.categories is not None:
            if fill != "mean":
                raise ValueError(
                    f"corruption: fill={fill!r} cannot be with likelihood='mixed', where "
                    "cells that are blanked are missing. Leave fill at its default."
                )
            return torch.full_like(self.mean, torch.nan)
        if isinstance(fill, str):
            return {"mean": self.mean, "min": self.minimum, "max": self.maximum}[fill]
        return (float(fill) - self.location) * self.inverse_scale


def _uniform(shape, x, generator):
    return torch.rand(shape, generator=generator, dtype=x.dtype, device=x.device)


def _strength(value, x, generator):
    """Return a number, or one drawn for each row from a range; (B, 1)."""
    if not isinstance(value, tuple | list):
        return value
    low, high = value
    return low + (high - low) * _uniform((len(x), 1), x, generator)


def _lost(rate, x, generator):
    """Return which cells are chosen, each with probability `rate`; (B, d) bool."""
    return _uniform(x.shape, x, generator) < _strength(rate, x, generator)


def _check_strength(owner, name, value, most=None, kind=Real):
    pair = isinstance(value, tuple | list)
    values = tuple(value) if pair else (value,)
    least = 1 if kind is Integral else 0
    if (
        len(values) != (2 if pair else 1)
        or not all(isinstance(v, kind) and not isinstance(v, bool) for v in values)
        or not all(least <= v and (most is None or v <= most) for v in values)
        or values[0] > values[-1]
        or not np.isfinite(values).all()
    ):
        limits = f"at least {least}" if most is None else f"in [{least}, {most}]"
        what = "an integer" if kind is Integral else "a number"
        raise ValueError(
            f"corruption: {owner}.{name} must be {what} {limits}, or a pair (low, high) "
            f"of such. Got {value!r}."
        )


def _check_fill(owner, fill):
    if not isinstance(fill, Real) or not np.isfinite(fill):
        options = ("mean", "min", "max")
        check_option("corruption", f"{owner}.fill (or a finite number)", fill, options)


class Corruption(Parameters):
    """What all corruptions share: they can be tried out on an array."""

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""

    def apply(self, x, space, generator):
        """Return a corrupted copy of standardised rows x (B, d)."""
        raise NotImplementedError

    def attach(self, module, generator):
        """Let the corruption into a module's hidden layers; return the hooks."""
        return []

    def corrupt(self, X, random_state=None):
        """Return a corrupted copy of X.

        The columns' deviations and extremes, where they matter, are those of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, H, W) or \
                (n_samples, C, H, W)
            Rows of a table, or pictures.
        random_state : int, RandomState instance or None, default=None
            Source of the noise.

        Returns
        -------
        X_corrupted : ndarray of the shape of X
            float32 if X is, else float64.
        """
        self.validate()
        rows, sample_shape = flatten(np.asarray(X))
        dtype = np.float32 if rows.dtype == np.float32 else np.float64
        rows = rows.astype(dtype)
        d = rows.shape[1]
        stats = column_statistics(rows, None, sample_shape or (d,), lambda X: None)
        x = torch.from_numpy(rows)
        space = Space.of(stats, np.zeros(d), np.ones(d), x.dtype)
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        generator = torch.Generator().manual_seed(int(seed))
        return self.apply(x, space, generator).numpy().reshape(np.shape(X))


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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        if self.sigma is not None:
            _check_strength("Gaussian", "sigma", self.sigma)

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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        _check_strength("SaltAndPepper", "rate", self.rate, 1)
        if isinstance(self.salt, tuple | list):
            raise ValueError("corruption: SaltAndPepper.salt must be one number.")
        _check_strength("SaltAndPepper", "salt", self.salt, 1)

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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        _check_strength("Masking", "rate", self.rate, 1)
        _check_fill("Masking", self.fill)

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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        pair = self.size if isinstance(self.size, tuple | list) else (self.size,)
        whole = all(isinstance(size, Integral) for size in pair)
        kind, most = (Integral, None) if whole else (Real, 1)
        _check_strength("RegionMasking", "size", self.size, most, kind)
        if min(pair) == 0:
            raise ValueError("corruption: RegionMasking.size must be above 0.")
        if isinstance(self.n_regions, tuple | list):
            raise ValueError("corruption: RegionMasking.n_regions must be one integer.")
        _check_strength("RegionMasking", "n_regions", self.n_regions, kind=Integral)
        _check_fill("RegionMasking", self.fill)

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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        _check_strength("Downsampling", "factor", self.factor, kind=Integral)

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

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        _check_strength("SwapNoise", "rate", self.rate, 1)

    def apply(self, x, space, generator):
        """Return x with some cells from other rows."""
        n = len(x)
        if n == 1:
            return x.clone()
        step = 1 + (_uniform(x.shape, x, generator) * (n - 1)).long().clamp(max=n - 2)
        other = (torch.arange(n, device=x.device)[:, None] + step) % n
        return torch.where(_lost(self.rate, x, generator), x.gather(0, other), x)


@dataclass
class HiddenDropout(Corruption):
    """Drop hidden units, and scale up those that stay.

    The input stays as it is; the units after each activation of the network are set
    to 0 with probability `rate` and otherwise divided by ``1 - rate``, so that their
    mean stays what it was [1]_.

    Parameters
    ----------
    rate : float or pair of float, default=0.2
        Share of the units that are dropped, in [0, 1).

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014). Dropout:
       a simple way to prevent neural networks from overfitting. JMLR 15, 1929-1958.

    Examples
    --------
    >>> from skae import Autoencoder
    >>> from skae.corruption import HiddenDropout
    >>> autoencoder = Autoencoder(8, corruption=["gaussian", HiddenDropout(0.1)])
    """

    rate: float | tuple = 0.2

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        _check_strength("HiddenDropout", "rate", self.rate, 1)
        if np.max(self.rate) >= 1:
            raise ValueError(
                f"corruption: HiddenDropout.rate must be below 1. Got {self.rate!r}."
            )

    def apply(self, x, space, generator):
        """Return x: what is dropped lies in the network."""
        return x

    def attach(self, module, generator):
        """Let the module's activations drop units in training; return the hooks."""
        layers = [layer for layer in module.modules() if isinstance(layer, Activation)]
        if not layers:
            raise ValueError(
                "corruption: HiddenDropout needs a network of skae.networks with a "
                "hidden layer, for instance network=(128,)."
            )

        def drop(layer, args, out):
            if not layer.training:
                return out
            rate = _strength(self.rate, out, generator)
            if torch.is_tensor(rate):
                rate = rate.view(-1, *[1] * (out.ndim - 1))
            return out * (_uniform(out.shape, out, generator) >= rate) / (1 - rate)

        return [layer.register_forward_hook(drop) for layer in layers]


@dataclass
class Compose(Corruption):
    """Corruptions one after another; a list of them is short for it.

    Parameters
    ----------
    corruptions : sequence of str or corruption objects, default=()
        What to apply, in this order.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.corruption import Compose, Gaussian
    >>> X = np.ones((3, 4, 4))
    >>> Compose(["masking", Gaussian(0.1)]).corrupt(X, random_state=0).shape
    (3, 4, 4)
    """

    corruptions: tuple = ()

    @property
    def parts(self):
        """The corruptions as objects, those within others too."""
        parts = [as_corruption(part) for part in self.corruptions]
        return [part for whole in parts for part in getattr(whole, "parts", [whole])]

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        for part in self.parts:
            check_instance("corruption", part)
            if not hasattr(part, "apply"):
                raise ValueError(
                    "corruption: each of a list must be the name of one of "
                    f"skae.corruption or an object with apply(). Got {part!r}."
                )
            getattr(part, "validate", lambda: None)()

    def apply(self, x, space, generator):
        """Return x after all of them."""
        for part in self.parts:
            x = part.apply(x, space, generator)
        return x

    def attach(self, module, generator):
        """Let all of them into the module's hidden layers; return the hooks."""
        parts = [part for part in self.parts if hasattr(part, "attach")]
        return [hook for part in parts for hook in part.attach(module, generator)]


NAMED = {
    "gaussian": Gaussian,
    "salt_and_pepper": SaltAndPepper,
    "masking": Masking,
    "region_masking": RegionMasking,
    "downsampling": Downsampling,
    "swap": SwapNoise,
    "hidden_dropout": HiddenDropout,
}


def as_corruption(corruption):
    """Return the object that `corruption` (an object, a name, a list, None) means."""
    if isinstance(corruption, str):
        check_option("corruption", "corruption", corruption, NAMED)
        return NAMED[corruption]()
    if isinstance(corruption, tuple | list):
        return Compose(tuple(corruption))
    return corruption


def blanks(corruption):
    """Return the parts of a corruption that blank out cells."""
    parts = getattr(corruption, "parts", [corruption])
    return [part for part in parts if hasattr(part, "fill")]


def filling(corruption, stats):
    """Return what stands for a lost cell in data units: as in training, else the mean."""
    fill = next((part.fill for part in blanks(corruption)), "mean")
    if isinstance(fill, str):
        return {"mean": stats.mean, "min": stats.minimum, "max": stats.maximum}[fill]
    return np.full(len(stats.mean), float(fill))
