"""Dropout of hidden units, as a corruption."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from skae._params import Strength
from skae.corruption._base import Corruption


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

    _parameter_constraints: ClassVar[dict] = {
        "rate": [Strength(Real, 0, 1, closed="left")],
    }

    def apply(self, x, space, generator):
        """Return x: what is dropped lies in the network."""
        return x
