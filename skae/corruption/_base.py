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

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state

from skae._data.body import bend
from skae._data.rows import flatten
from skae._data.statistics import column_statistics
from skae._params import Parameters, Strength, as_number

SHARE = Strength(Real, 0, 1, closed="both")
PIXELS = Strength(Integral, 1, None, closed="left")


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
        is_wild=False,
    ):
        """Return the space of columns with these `ColumnStatistics`."""
        shape = stats.sample_shape
        shape = None if len(shape) == 1 else (1,) * (3 - len(shape)) + tuple(shape)
        deviation, unit = stats.spread, None
        if shape is not None:
            body = stats.of_bodies(is_wild)
            mean = body.mean.reshape(shape[0], -1)
            second = (body.variance + body.mean**2).reshape(mean.shape).mean(1)
            pooled = np.sqrt(np.maximum(second - mean.mean(1) ** 2, 0.0))
            deviation, unit = pooled.repeat(mean.shape[1]), np.ones_like(body.mean)
        unit = deviation if unit is None else unit

        def standardized(values):
            u = (values - location) * inverse_scale
            return np.where(is_wild, bend(u), u)

        arrays = (
            unit * inverse_scale,
            deviation * inverse_scale,
            standardized(stats.centre),
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
        return as_number(value)
    low, high = map(as_number, value)
    return low + (high - low) * _uniform((len(x), 1), x, generator)


def _lost(rate, x, generator):
    """Return which cells are chosen, each with probability `rate`; (B, d) bool."""
    return _uniform(x.shape, x, generator) < _strength(rate, x, generator)


class Corruption(Parameters):
    """What all corruptions share: they can be tried out on an array."""

    _belongs_to = "corruption"

    def apply(self, x, space, generator):
        """Return a corrupted copy of standardised rows x (B, d)."""
        raise NotImplementedError

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


def applied(corruption, space, rows):
    """Return what a corruption makes of rows: a copy, or a ``ValueError`` is raised."""
    x = rows.clone()
    out = corruption.apply(x, space, torch.Generator(rows.device).manual_seed(0))
    if not torch.is_tensor(out) or out.shape != x.shape or out.dtype != x.dtype:
        raise ValueError(
            "corruption: apply() must return a tensor of the shape and type of the "
            f"rows. Got {getattr(out, 'shape', type(out).__name__)}."
        )
    if not torch.allclose(x, rows, rtol=0, atol=0, equal_nan=True):
        raise ValueError(
            "corruption: apply() must return a copy, and has changed the rows that "
            "it was given."
        )
    return out
