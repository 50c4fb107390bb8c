"""Dropout of hidden units, as a corruption."""

from dataclasses import dataclass

import numpy as np

from skae.corruption._base import Corruption, _check_strength


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
