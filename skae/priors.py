"""Priors: what an adversarial autoencoder's codes should be distributed as.

A prior is a small parameter object with ``sample(n_samples, n_components, random_state)``;
one of your own will do. So does a density of scikit-learn that is fitted (in a
`sklearn.frozen.FrozenEstimator`, so that ``clone`` keeps it), or a function
``prior(n_samples, random_state)``.
"""

from copy import copy, deepcopy
from dataclasses import dataclass
from inspect import signature
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from skae._params import Number, Parameters, check_instance

__all__ = ["CircleMixture", "Gaussian", "SwissRoll", "Uniform"]

LARGEST = 1e12  # draw, in size
FINITE = Number(Real, None, None, closed="neither")
POSITIVE = Number(Real, 0, None, closed="neither")


class Prior(Parameters):
    """A prior of any number of components, each of about unit variance."""

    n_shaped = 1  # components that the shape needs
    n_components = None  # that it draws; None for any number

    _belongs_to = "prior"


@dataclass
class Gaussian(Prior):
    """The standard normal distribution.

    Examples
    --------
    >>> from skae.priors import Gaussian
    >>> Gaussian().sample(3, 2, random_state=0).shape
    (3, 2)
    """

    def sample(self, n_samples, n_components, random_state=None):
        """Return draws of shape (n_samples, n_components)."""
        return check_random_state(random_state).normal(size=(n_samples, n_components))


@dataclass
class Uniform(Prior):
    """The uniform distribution between two values, in each component.

    Parameters
    ----------
    low : float, default=-1.75
        The lower end.
    high : float, default=1.75
        The upper end; the defaults' variance is about 1.

    Examples
    --------
    >>> from skae.priors import Uniform
    >>> bool((abs(Uniform(-1, 1).sample(9, 2, random_state=0)) <= 1).all())
    True
    """

    low: float = -1.75
    high: float = 1.75

    _parameter_constraints: ClassVar[dict] = {"low": [FINITE], "high": [FINITE]}

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        super().validate()
        if self.low >= self.high:
            raise ValueError(f"prior: low must be below high in {self!r}.")

    def sample(self, n_samples, n_components, random_state=None):
        """Return draws of shape (n_samples, n_components)."""
        rng = check_random_state(random_state)
        return rng.uniform(self.low, self.high, size=(n_samples, n_components))


@dataclass
class CircleMixture(Prior):
    """Normal distributions around a circle, longer towards its middle than across.

    They lie in the first two components; further ones are standard normal. This is the
    mixture of 10 in the adversarial autoencoder's paper (Makhzani et al., 2016).

    Parameters
    ----------
    n_modes : int, default=10
        Number of normal distributions.
    radius : float, default=1.3
        Of the circle that their means lie on.
    radial_scale : float, default=0.35
        Their standard deviation towards the middle.
    tangential_scale : float, default=0.1
        Their standard deviation across.

    Examples
    --------
    >>> from skae.priors import CircleMixture
    >>> CircleMixture(5).sample(3, 4, random_state=0).shape
    (3, 4)
    """

    n_modes: int = 10
    radius: float = 1.3
    radial_scale: float = 0.35
    tangential_scale: float = 0.1

    n_shaped = 2

    _parameter_constraints: ClassVar[dict] = {
        "n_modes": [Number(Integral, 1, None, closed="left")],
        "radius": [POSITIVE],
        "radial_scale": [POSITIVE],
        "tangential_scale": [POSITIVE],
    }

    def sample(self, n_samples, n_components, random_state=None):
        """Return draws of shape (n_samples, n_components)."""
        rng = check_random_state(random_state)
        draws = rng.normal(size=(n_samples, n_components))
        angle = rng.randint(self.n_modes, size=n_samples) * (2 * np.pi / self.n_modes)
        along = self.radius + self.radial_scale * draws[:, 0]
        across = self.tangential_scale * draws[:, 1]
        cosine, sine = np.cos(angle), np.sin(angle)
        draws[:, 0] = along * cosine - across * sine
        draws[:, 1] = along * sine + across * cosine
        return draws


@dataclass
class SwissRoll(Prior):
    """A spiral: the Swiss roll seen from its end, even along its length.

    It lies in the first two components; further ones are standard normal.

    Parameters
    ----------
    n_turns : float, default=1.5
        Of the spiral, outside of its first half turn.
    noise : float, default=0.05
        Standard deviation around the spiral.

    Examples
    --------
    >>> from skae.priors import SwissRoll
    >>> SwissRoll().sample(3, 2, random_state=0).shape
    (3, 2)
    """

    n_turns: float = 1.5
    noise: float = 0.05

    n_shaped = 2

    _parameter_constraints: ClassVar[dict] = {
        "n_turns": [POSITIVE],
        "noise": [Number(Real, 0, None, closed="left")],
    }

    def sample(self, n_samples, n_components, random_state=None):
        """Return draws of shape (n_samples, n_components)."""
        rng = check_random_state(random_state)
        draws = rng.normal(size=(n_samples, n_components))
        # the length of a spiral grows with the square of its angle
        start, end = np.pi, np.pi * (1 + 2 * self.n_turns)
        angle = np.sqrt(rng.uniform(start**2, end**2, size=n_samples))
        radius = 2 * angle / end
        draws[:, 0] = radius * np.cos(angle) + self.noise * draws[:, 0]
        draws[:, 1] = radius * np.sin(angle) + self.noise * draws[:, 1]
        return draws


NAMED = {
    "gaussian": Gaussian,
    "uniform": Uniform,
    "mixture": CircleMixture,
    "swiss_roll": SwissRoll,
}


def sample_density(density, n_samples, random_state):
    """Return draws (n_samples, k) of a fitted density of scikit-learn, in no order."""
    kwargs = {}
    if "random_state" in signature(density.sample).parameters:
        kwargs["random_state"] = random_state
    else:  # it draws by its own parameter, the same in each call
        density = deepcopy(getattr(density, "estimator", density))
        density.set_params(random_state=random_state)
    draws = density.sample(n_samples, **kwargs)
    draws = draws[0] if isinstance(draws, tuple) else draws
    return random_state.permutation(draws)


class _Foreign:
    """A density of scikit-learn, or a function, as a prior."""

    n_shaped = 1

    def __init__(self, source):
        self.source = source
        shape = np.shape(self._draw(3, check_random_state(0)))
        if len(shape) != 2 or shape[0] != 3 or not shape[1]:
            raise ValueError(f"asked for 3 draws, it returned shape {shape}.")
        self.n_components = shape[1]

    def _draw(self, n_samples, random_state):
        if hasattr(self.source, "sample"):
            return sample_density(self.source, n_samples, random_state)
        return self.source(n_samples, random_state)

    def sample(self, n_samples, n_components, random_state=None):
        """Return draws of shape (n_samples, n_components)."""
        if n_components != self.n_components:
            raise ValueError(
                f"prior: {self.source!r} draws {self.n_components} components. Use "
                f"n_components={self.n_components}. Got {n_components}."
            )
        return self._draw(n_samples, check_random_state(random_state))


def drawn(prior, n_samples, n_components, random_state):
    """Return checked draws of a prior object, float32 (n_samples, n_components)."""
    draws = np.asarray(prior.sample(n_samples, n_components, random_state))
    if draws.shape != (n_samples, n_components) or draws.dtype.kind not in "fiu":
        raise ValueError(
            "prior: draws must be numbers of shape (n_samples, n_components). Asked for "
            f"{n_samples} of {n_components}, it returned shape {draws.shape} of "
            f"{draws.dtype}."
        )
    draws = draws.astype(np.float64)
    if not (np.abs(draws) < LARGEST).all():
        raise ValueError(
            f"prior: draws must be finite and below {LARGEST:g}. Got "
            f"{draws[~(np.abs(draws) < LARGEST)][0]}."
        )
    return draws.astype(np.float32)


def as_prior(prior):
    """Return a copy of the prior object that `prior` (a name, ..., a function) means."""
    if isinstance(prior, str):
        return NAMED[prior]()
    check_instance("prior", prior)
    if isinstance(prior, Prior):
        prior.validate()
        return copy(prior)
    sample = getattr(prior, "sample", None)
    if sample is not None and "n_components" in signature(sample).parameters:
        prior = copy(prior)
        prior.n_shaped = getattr(prior, "n_shaped", 1)
        prior.n_components = getattr(prior, "n_components", None)
        return prior
    try:
        return _Foreign(prior)
    except NotFittedError as error:
        raise ValueError(
            f"prior: {prior!r} is not fitted. Fit it, and pass it as "
            "sklearn.frozen.FrozenEstimator(density), so that clone keeps what it has "
            "learnt."
        ) from error
    except Exception as error:
        raise ValueError(
            f"prior: {prior!r} cannot be drawn from: {type(error).__name__} {error}. It "
            "must take (n_samples, random_state) and return (n_samples, n_components)."
        ) from error
