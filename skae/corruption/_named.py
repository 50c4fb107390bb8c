"""Corruptions by name, and several in turn."""

from dataclasses import dataclass

import numpy as np

from skae._params import check_instance, check_option
from skae.corruption._base import Corruption
from skae.corruption._hidden import HiddenDropout
from skae.corruption._masking import Masking, RegionMasking
from skae.corruption._noise import Downsampling, Gaussian, SaltAndPepper, SwapNoise


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
        nested = (p.parts if isinstance(p, Compose) else [p] for p in parts)
        return [part for whole in nested for part in whole]

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


def parts_of(corruption):
    """Return the corruptions that one is made of, in their order."""
    if isinstance(corruption, Compose):
        return corruption.parts
    return [] if corruption is None else [corruption]


def hidden_rates(corruption):
    """Return the rates at which a corruption drops hidden units."""
    return tuple(p.rate for p in parts_of(corruption) if isinstance(p, HiddenDropout))


def blanks(corruption):
    """Return the parts of a corruption that blank out cells."""
    return [p for p in parts_of(corruption) if isinstance(p, Masking | RegionMasking)]


def filling(corruption, stats):
    """Return what stands for a lost cell in data units: as in training, else the mean."""
    fill = next((part.fill for part in blanks(corruption)), "mean")
    if isinstance(fill, str):
        return {"mean": stats.centre, "min": stats.minimum, "max": stats.maximum}[fill]
    return np.full(len(stats.mean), float(fill))
