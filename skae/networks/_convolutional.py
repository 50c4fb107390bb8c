"""The convolutional network: pictures and signals down to a code and back."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import nn

from skae._data.told import tell
from skae._params import Number, Parameters, Sizes
from skae.networks._layers import (
    ACTIVATIONS,
    Activation,
    Stack,
    ToMap,
    convolution,
    linear,
    normalization,
    put,
    transposed_convolution,
)

MOST_CHANNELS, LONG = 4, 16  # of a signal that is taken for a picture, and its steps


@dataclass
class ConvolutionalNetwork(Parameters):
    """Convolutions that halve a picture step by step down to a code, and back.

    Each level of the encoder is a convolution and a halving of height and width
    (rounded up); the decoder mirrors it. Pictures may be grey or coloured and of any
    size; a signal (a sound, a sensor's trace) is a picture of height 1. The last map,
    flattened, is the code if ``n_components=None``; otherwise a dense layer maps it
    to `n_components` numbers, and another one back.

    All pixels of a channel are scaled alike, and the strength of a `corruption` is in
    the units of the data, also if rows are passed flat.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of a row of X. None takes the
        shape of pictures passed as (n_samples, H, W) or (n_samples, C, H, W); rows
        that are flat are taken as a square picture where their length is a square
        number, and otherwise as a signal, (1, n_features). Signals of C channels are
        passed as (n_samples, C, 1, T).
    filters : tuple of int, default=(16, 32)
        Channels of the encoder's maps, one number for each level.
    kernel_size : int, default=3
        Height and width of the convolutions' windows in pixels (1 along an axis of
        length 1). Borders are padded with zeros. Less than 2 leaves out pixels where
        levels halve and double by strides.
    downsampling : {"stride", "max_pool", "average_pool"}, default="stride"
        How a level of the encoder halves its map: by a convolution of stride 2, or by
        pooling 2 x 2 pixels after a convolution of stride 1, several times slower.
    upsampling : {"transposed", "nearest", "bilinear"}, default="transposed"
        How a level of the decoder doubles its map: by a transposed convolution of
        stride 2 [1]_, or by interpolation followed by a convolution of stride 1,
        which leaves no chequered pattern [2]_ and is several times slower.
    activation : {"silu", "relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", \
            "linear"}, default="silu"
        Activation of the hidden maps.
    normalization : {"layer", "batch"} or None, default=None
        Normalisation before each activation: of a picture's maps together ("layer"),
        or of each channel over the pictures of a batch ("batch").

    References
    ----------
    .. [1] Zeiler, Krishnan, Taylor and Fergus (2010). Deconvolutional networks. CVPR.
    .. [2] Odena, Dumoulin and Olah (2016). Deconvolution and checkerboard artifacts.
       Distill. doi:10.23915/distill.00003.
    .. [3] Masci, Meier, Ciresan and Schmidhuber (2011). Stacked convolutional
       auto-encoders for hierarchical feature extraction. ICANN.

    Examples
    --------
    The textbook's network, 28 x 28 x 1 to 14 x 14 x 16 to 7 x 7 x 32 and back, its
    code the 1,568 numbers of the last map:

    >>> from skae import Autoencoder
    >>> from skae.networks import ConvolutionalNetwork
    >>> network = ConvolutionalNetwork(
    ...     image_shape=(28, 28), filters=(16, 32), kernel_size=3, activation="relu",
    ...     downsampling="max_pool", upsampling="nearest",
    ... )
    >>> autoencoder = Autoencoder(None, network=network, code_activation="relu")
    """

    image_shape: tuple | None = None
    filters: tuple = (16, 32)
    kernel_size: int = 3
    downsampling: str = "stride"
    upsampling: str = "transposed"
    activation: str = "silu"
    normalization: str | None = None

    _belongs_to = "network"
    _parameter_constraints: ClassVar[dict] = {
        "image_shape": [Sizes((28, 28), lengths=(2, 3)), None],
        "filters": [Sizes((16, 32), lengths=range(1, 32))],
        "kernel_size": [Number(Integral, 1, 1023, closed="both")],
        "downsampling": [StrOptions({"stride", "max_pool", "average_pool"})],
        "upsampling": [StrOptions({"transposed", "nearest", "bilinear"})],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "normalization": [StrOptions({"layer", "batch"}), None],
    }

    def resolve(self, sample_shape):
        """Return this network with the `image_shape` that samples have.

        Parameters
        ----------
        sample_shape : tuple of int
            (n_features,), (height, width) or (channels, height, width) of X.

        Returns
        -------
        network : ConvolutionalNetwork
            A copy whose `image_shape` is (channels, height, width).

        Raises
        ------
        ValueError
            If samples cannot have the shape; the shapes that fit are named.
        """
        d = math.prod(sample_shape)
        shape = self.image_shape
        if shape is None:
            shape = sample_shape
            if len(shape) == 1:
                side = math.isqrt(d)
                shape = (side, side) if side * side == d else (1, d)
            elif len(shape) == 3 and shape[2] <= MOST_CHANNELS < min(shape[:2]):
                raise ValueError(
                    f"X holds samples of shape {shape}, which looks like channels in "
                    "the last place; (channels, height, width) is expected. Use "
                    "np.moveaxis(X, -1, 1), or say image_shape."
                )
            elif len(shape) == 2:
                _warn_of_signals(shape)
        shape = (1,) * (3 - len(shape)) + tuple(shape)
        given = (1,) * (3 - len(sample_shape)) + tuple(sample_shape)
        if math.prod(shape) != d or (len(sample_shape) > 1 and shape != given):
            fitting = [given] if len(sample_shape) > 1 else _shapes_of(d)
            raise ValueError(
                f"image_shape={self.image_shape} holds {math.prod(shape)} values, and a "
                f"sample of X has {d}, of shape {tuple(sample_shape)}. Shapes that fit: "
                f"{', '.join(str(s[1:] if s[0] == 1 else s) for s in fitting)}."
            )
        return replace(self, image_shape=tuple(int(n) for n in shape))

    def build(self, n_inputs, n_components, n_outputs, *, generator=None, start=None):
        """Return the encoder and the decoder.

        Parameters
        ----------
        n_inputs, n_outputs : int
            Width of the encoder's input and of the decoder's output, multiples of
            height x width.
        n_components : int or None
            Width of the code; None takes the flattened map.
        generator : torch.Generator or None, default=None
            Source of the initial weights.
        start : LinearStart or None, default=None
            Where the output's bias starts.

        Returns
        -------
        encoder, decoder : torch.nn.Module
        """
        size = tuple((self.image_shape or self.resolve((n_inputs,)).image_shape)[-2:])
        sizes = [size]
        for _ in self.filters:
            sizes.append(tuple(-(-n // 2) for n in sizes[-1]))
        n_pixels = math.prod(size)
        channels = (n_inputs // n_pixels, *self.filters)
        encoder = [ToMap((channels[0], *size))]
        for level, (c_in, c_out) in enumerate(pairwise(channels)):
            encoder += self._down(c_in, c_out, sizes[level], generator)
            encoder += normalization(self.normalization, c_out, of_maps=True)
            encoder.append(Activation(self.activation))
        decoder = [ToMap((channels[-1], *sizes[-1]))]
        channels = (n_outputs // n_pixels, *self.filters)
        for level in reversed(range(len(self.filters))):
            c_out = channels[level]
            decoder += self._up(channels[level + 1], c_out, sizes[level], generator)
            if level:
                decoder += normalization(self.normalization, c_out, of_maps=True)
                decoder.append(Activation(self.activation))
        decoder.append(nn.Flatten())
        if start is not None:
            put(decoder[-2].bias, start.decoder_bias.reshape(channels[0], -1).mean(1))
        if n_components is None:  # the last map is the code, not a hidden layer
            encoder[-1] = nn.Flatten()
            return Stack(encoder), Stack(decoder)
        n = channels[-1] * math.prod(sizes[-1])
        encoder += [nn.Flatten(), linear(n, n_components, generator)]
        decoder = [
            linear(n_components, n, generator), Activation(self.activation), *decoder,
        ]  # fmt: skip
        return Stack(encoder), Stack(decoder)

    def _down(self, c_in, c_out, size, generator):
        halve = tuple(min(2, n) for n in size)
        strided = self.downsampling == "stride"
        stride = halve if strided else (1, 1)
        layers = convolution(c_in, c_out, *self._window(stride, size), generator)
        if not strided:
            pool = {"max_pool": nn.MaxPool2d, "average_pool": nn.AvgPool2d}
            layers.append(pool[self.downsampling](halve, ceil_mode=True))
        return layers

    def _up(self, c_in, c_out, size, generator):
        if self.upsampling == "transposed":
            stride = tuple(min(2, n) for n in size)
            window = self._window(stride, size)
            return [transposed_convolution(c_in, c_out, *window, generator)]
        return [
            nn.Upsample(size=size, mode=self.upsampling),
            *convolution(c_in, c_out, *self._window((1, 1), size), generator),
        ]

    def _window(self, stride, size):
        """Return a convolution's kernel, stride and size."""
        kernel = tuple(self.kernel_size if n > 1 else 1 for n in size)
        return kernel, stride, size


def _warn_of_signals(shape):
    """Warn of samples (T, C) or (C, T) that look like signals of a few channels."""
    if not (2 <= min(shape) <= MOST_CHANNELS and max(shape) >= LONG):
        return
    last = shape[1] < shape[0]
    layout = "(n_samples, steps, channels)" if last else "(n_samples, channels, steps)"
    way = "np.moveaxis(X, -1, 1)[:, :, None]" if last else "X[:, :, None]"
    tell(
        f"X holds samples of shape {shape}, taken for pictures of {shape[0]} x {shape[1]} "
        "pixels: layouts are (n_samples, height, width) and (n_samples, channels, height, "
        f"width), and signals have height 1. If these are signals, {layout}, pass {way}; "
        f"if they are pictures, say image_shape={shape}."
    )


def _shapes_of(d, most=6):
    """Return pictures of d values: colour, grey (nearest to square), a signal."""
    shapes = []
    for c in (3, 1):
        pixels = d // c if d % c == 0 else 0
        sides = [h for h in range(math.isqrt(pixels), 1, -1) if pixels % h == 0]
        shapes += [(c, h, pixels // h) for h in sides[: most // 3]]
    return [*shapes, (1, 1, d)]
