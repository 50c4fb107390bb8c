"""Networks: how a row becomes a code and back.

A network is a small parameter object, as ``kernel=`` is to a Gaussian process. Any
object whose ``build(n_inputs, n_components, n_outputs, *, generator, start)`` returns
an encoder and a decoder (two ``torch.nn.Module``) can be passed as ``network=``.

B is the number of rows.
"""

from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import ClassVar

import torch
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skae._params import Number, Parameters, Sizes
from skae.networks._layers import (
    ACTIVATIONS,
    GAINS,
    Activation,
    Stack,
    TransposedLinear,
    linear,
    normalization,
    put,
    start_linear,
    start_paths,
)


@dataclass
class DenseNetwork(Parameters):
    """Fully connected layers down to the code and up again.

    ``network=(256, 128)`` is short for ``DenseNetwork((256, 128))``, ``network=()``
    for ``DenseNetwork(())`` (a linear autoencoder), and ``network="auto"`` for
    ``DenseNetwork((128,), linear_path=True)``. A linear network, too, starts as PCA
    if `n_components` is a number.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128,)
        Widths of the encoder's hidden layers, from the data to the code. With
        ``n_components=None`` the last of them is the code: ``(512, 256, 128, 32)``
        on 784 columns is the textbook's 784-512-256-128-32 and back.
    decoder_layer_sizes : tuple of int or None, default=None
        Widths of the decoder's hidden layers, from the code to the data. None
        mirrors the encoder.
    activation : {"silu", "relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", \
            "linear"}, default="silu"
        Activation of the hidden layers.
    dropout : float, default=0.0
        Share of the hidden units dropped at each training step, in [0, 1).
    normalization : {"layer", "batch"} or None, default=None
        Normalisation before each activation [1]_, [2]_. With "batch" a training
        step's result depends on which rows share its batch; "layer" has no such
        effect.
    tied_weights : bool, default=False
        Whether the decoder's weights are the encoder's, transposed. The decoder must
        then mirror the encoder.
    linear_path : bool, default=False
        Whether a linear map runs beside the hidden layers of the encoder and of the
        decoder. It starts as PCA, and the hidden layers start by adding nothing to
        the reconstruction, so that training begins at PCA's error.

    References
    ----------
    .. [1] Ba, Kiros and Hinton (2016). Layer normalization. arXiv:1607.06450.
    .. [2] Ioffe and Szegedy (2015). Batch normalization. ICML.

    Examples
    --------
    >>> from skae.networks import DenseNetwork
    >>> DenseNetwork((64, 32), activation="relu").activation
    'relu'
    """

    hidden_layer_sizes: tuple = (128,)
    decoder_layer_sizes: tuple | None = None
    activation: str = "silu"
    dropout: float = 0.0
    normalization: str | None = None
    tied_weights: bool = False
    linear_path: bool = False

    _belongs_to = "network"
    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": [Sizes((256, 128))],
        "decoder_layer_sizes": [Sizes((128, 256)), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Number(Real, 0, 1, closed="left")],
        "normalization": [StrOptions({"layer", "batch"}), None],
        "tied_weights": ["boolean"],
        "linear_path": ["boolean"],
    }

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        super().validate()
        if self.tied_weights and self.decoder_layer_sizes is not None:
            raise ValueError(
                "network: tied_weights=True needs decoder_layer_sizes=None, as the "
                f"decoder then is the encoder's mirror. Got {self.decoder_layer_sizes!r}."
            )

    def build(self, n_inputs, n_components, n_outputs, *, generator=None, start=None):
        """Return the encoder and the decoder.

        Parameters
        ----------
        n_inputs, n_outputs : int
            Width of the encoder's input and of the decoder's output.
        n_components : int or None
            Width of the code; None takes the last of ``hidden_layer_sizes``.
        generator : torch.Generator or None, default=None
            Source of the initial weights.
        start : LinearStart or None, default=None
            Where the linear path and the output's bias start.

        Returns
        -------
        encoder, decoder : torch.nn.Module
        """
        hidden = tuple(self.hidden_layer_sizes)
        if n_components is None:
            *hidden, n_components = hidden or (n_inputs,)
        mirrored = hidden[::-1]
        if self.decoder_layer_sizes is not None:
            mirrored = self.decoder_layer_sizes
        encoder = self._stack((n_inputs, *hidden, n_components), generator)
        decoder = self._stack((n_components, *mirrored, n_outputs), generator)
        if self.tied_weights:
            _tie(encoder, decoder)
        if start is not None:
            self._start(encoder, decoder, start)
        return encoder, decoder

    def _stack(self, sizes, generator):
        layers, gain = [], GAINS.get(self.activation, 2**0.5)
        for n_in, n_out in pairwise(sizes[:-1]):
            layers.append(linear(n_in, n_out, generator, gain))
            layers += normalization(self.normalization, n_out)
            layers.append(Activation(self.activation, self.dropout))
        layers.append(linear(sizes[-2], sizes[-1], generator))
        path = linear(sizes[0], sizes[-1], generator) if self.linear_path else None
        return Stack(layers, path)

    def _start(self, encoder, decoder, start):
        with torch.no_grad():
            put(decoder.layers[-1].bias, start.decoder_bias)
        if self.linear_path:
            start_paths(encoder, decoder, start, self.tied_weights)
        elif len(encoder.layers) == len(decoder.layers) == 1:
            start_linear(encoder.layers[-1], decoder.layers[-1], start, self.tied_weights)


def _tie(encoder, decoder):
    down = [layer for layer in encoder.layers if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(decoder.layers):
        if isinstance(layer, nn.Linear):
            decoder.layers[i] = TransposedLinear(down.pop(), layer.bias)
    if decoder.linear is not None:
        decoder.linear = TransposedLinear(encoder.linear, decoder.linear.bias)


def as_network(network):
    """Return the network object that `network` (an object, a tuple, "auto") means."""
    if isinstance(network, str):
        return DenseNetwork(linear_path=True)
    if isinstance(network, tuple | list):
        return DenseNetwork(tuple(network))
    return network
