"""Dropout of hidden units, as a corruption."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch

from skae._params import Strength
from skae.corruption._base import Corruption, _strength, _uniform
from skae.networks._layers import Activation


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
    >>> from skae.corruption._base import HiddenDropout
    >>> autoencoder = Autoencoder(8, corruption=["gaussian", HiddenDropout(0.1)])
    """

    rate: float | tuple = 0.2

    _parameter_constraints: ClassVar[dict] = {
        "rate": [Strength(Real, 0, 1, closed="left")],
    }

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
