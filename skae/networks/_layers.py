"""Layers: what the networks are built of, seeded and the same for a row in any company.

B is the number of rows; a map is (B, channels, height, width).
"""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F


def _identity(u):
    return u


ACTIVATIONS = {
    "linear": _identity,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
}
GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3}  # others: 2**0.5, as He has it


class Dropout(nn.Module):
    """Dropout at a rate, and at those that a corruption asks for.

    The engine lends it the `generator` of its noise, and the corruption's `rates`: each a
    number, or a pair (low, high) from which a rate is drawn for each row.
    """

    def __init__(self, p):
        super().__init__()
        self.p, self.rates, self.generator = p, (), None

    def forward(self, x):
        if self.training:
            for rate in (*self.rates, self.p):
                x = self._dropped(x, rate) if rate else x
        return x

    def _dropped(self, x, rate):
        source, kept = self.generator, 1.0
        if not isinstance(rate, tuple | list):
            kept = 1 - float(rate)
        else:
            low, high = rate
            u = torch.rand(len(x), generator=source, dtype=x.dtype, device=x.device)
            kept = 1 - (low + (high - low) * u).view(-1, *[1] * (x.ndim - 1))
        return x * torch.empty_like(x).bernoulli_(kept, generator=source) / kept

    def extra_repr(self):
        return f"p={self.p}"


class Activation(nn.Module):
    """An activation function by name, and dropout of the units behind it."""

    def __init__(self, name, dropout=0.0):
        super().__init__()
        self.name, self.dropout = name, Dropout(dropout)

    def forward(self, u):
        return self.dropout(ACTIVATIONS[self.name](u))

    def extra_repr(self):
        return self.name


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses its running statistics on a batch of one row.

    Of rows (B, n) or of maps (B, n, height, width).
    """

    def _check_input_dim(self, x):
        """Nothing: torch's three classes differ in this alone."""

    def forward(self, x):
        if self.training and len(x) == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias
            )
        return super().forward(x)


class MapNorm(nn.GroupNorm):
    """Layer normalisation of a picture's maps together, also of a single number."""

    def forward(self, x):
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class Linear(nn.Linear):
    """A linear layer whose row results do not depend on the rows beside them.

    In evaluation the columns are padded with zeros to a multiple of four: otherwise
    rows lie at different alignments, and the processor's kernels round a narrow
    product by a row's place in its block.
    """

    def forward(self, x):
        if self.training:
            return F.linear(x, self.weight, self.bias)
        return aligned_linear(x, self.weight, self.bias)


def aligned_linear(x, weight, bias):
    """Return x W' + b, rounded alike in each row: those of x and W are aligned."""
    gap = -x.shape[-1] % 4
    if gap:
        x, weight = F.pad(x, (0, gap)), F.pad(weight, (0, gap))
    elif weight.shape[0] % 4:
        weight = weight.contiguous()  # of a transposed one, the rows in memory count
    return F.linear(x, weight, bias)


class TransposedLinear(nn.Module):
    """g x W + b with W another layer's weight: the decoder's half of tied weights.

    The weights are tied in the units in which the columns were scaled at first, and the
    gain g is 1 in those.
    """

    def __init__(self, tied, bias):
        super().__init__()
        self.weight, self.bias = tied.weight, bias
        self.in_features, self.out_features = tied.out_features, tied.in_features
        self.register_buffer("gain", torch.ones_like(bias))

    def forward(self, x):
        return aligned_linear(x, self.weight.t() * self.gain[:, None], self.bias)


class Stack(nn.Module):
    """Layers one after another, with an optional linear path beside them."""

    def __init__(self, layers, linear=None):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.linear = linear

    def forward(self, x):
        out = x
        for layer in self.layers:
            out = layer(out)
        return out if self.linear is None else out + self.linear(x)


class ToMap(nn.Module):
    """Rows (B, c h w) as maps (B, c, h, w), a pixel's channels side by side in memory."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        c, h, w = self.shape
        if c == 1:
            return x.view(-1, h, w, 1).permute(0, 3, 1, 2)
        pixels = x.view(-1, c, h * w).transpose(1, 2).contiguous()
        return pixels.view(-1, h, w, c).permute(0, 3, 1, 2)

    def extra_repr(self):
        return " x ".join(map(str, self.shape))


def unstarted(kind, *args):
    """Return a layer of torch's whose weights are not drawn, but left to be started.

    `torch.nn.utils.skip_init` does so by the way of another device, which imports half a
    second's worth of modules.
    """
    own = type(kind.__name__, (kind,), {"reset_parameters": lambda self: None})
    layer = own(*args, dtype=torch.float32)
    layer.__class__ = kind
    return layer


def random_start(layer, fan_in, generator, gain=1.0):
    """Give a layer normal weights of variance gain^2 / fan_in and a bias of zero.

    A gain of 1 is LeCun's start. Convolutions keep it: with He's the output starts too
    large, and a fit of MNIST stays behind.
    """
    with torch.no_grad():
        layer.weight.normal_(0, gain / fan_in**0.5, generator=generator)
        layer.bias.zero_()
    return layer


def linear(n_in, n_out, generator, gain=1.0):
    """Return a linear layer, started."""
    layer = unstarted(Linear, n_in, n_out)
    return random_start(layer, n_in, generator, gain)


def normalization(kind, n, of_maps=False):
    """Return the layers that normalise n units, or n channels of a map."""
    if kind == "batch":
        return [BatchNorm(n, dtype=torch.float32)]
    if kind == "layer":
        layer = MapNorm(1, n) if of_maps else nn.LayerNorm(n)
        return [layer.float()]
    return []


def convolution(c_in, c_out, kernel, stride, size, generator):
    """Return layers that convolve a map of `size` (h, w) to one of ceil(size / stride)."""
    sides = list(zip(size, kernel, stride, strict=True))
    # zeros around the map, so that windows start at each stride-th pixel
    total = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in sides]
    padding, layers = [-(-t // 2) for t in total], []
    if stride == (1, 1) and any(t % 2 for t in total):  # more behind than before
        (top, bottom), (left, right) = ((t // 2, t - t // 2) for t in total)
        padding, layers = [0, 0], [nn.ZeroPad2d((left, right, top, bottom))]
    layer = unstarted(nn.Conv2d, c_in, c_out, kernel, stride, padding)
    layer.to(memory_format=torch.channels_last)
    return [*layers, random_start(layer, c_in * kernel[0] * kernel[1], generator)]


def transposed_convolution(c_in, c_out, kernel, stride, size, generator):
    """Return a transposed convolution of a map of ceil(size / stride) to one of `size`."""
    crop = [
        (-(-n // s) - 1) * s + k - n for n, s, k in zip(size, stride, kernel, strict=True)
    ]
    padding = tuple(max(0, -(-c // 2)) for c in crop)
    more = tuple(2 * p - c for p, c in zip(padding, crop, strict=True))
    layer = unstarted(nn.ConvTranspose2d, c_in, c_out, kernel, stride, padding, more)
    layer.to(memory_format=torch.channels_last)
    taps = kernel[0] * kernel[1] / (stride[0] * stride[1])
    return random_start(layer, c_in * max(1, taps), generator)


@torch.no_grad()
def put(parameter, values):
    parameter.copy_(torch.as_tensor(values, dtype=torch.float32))


@torch.no_grad()
def start_linear(down, up, start, tied=False):
    """Let two linear layers be PCA, but for the output's bias."""
    k = min(len(start.encoder_weight), len(down.weight))
    put(down.weight[:k], start.encoder_weight[:k])
    put(down.bias[:k], start.encoder_bias[:k])
    if not tied:
        up.weight.zero_()
        put(up.weight[:, :k], start.decoder_weight[:, :k])


@torch.no_grad()
def start_paths(encoder, decoder, start, tied=False):
    """Let the linear paths be PCA, and the layers beside them add nothing."""
    start_linear(encoder.linear, decoder.linear, start, tied)
    last_layer(encoder).weight.zero_()
    if not tied:
        last_layer(decoder).weight.zero_()


def last_layer(stack):
    """Return a stack's last layer with weights."""
    return [layer for layer in stack.layers if hasattr(layer, "weight")][-1]


@contextmanager
def watched(modules, hook):
    """Call ``hook(module, arguments, output)`` after each of the modules' forwards."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
