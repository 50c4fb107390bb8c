"""The layers where rows enter a network and leave it, told in other units.

So that a network goes on doing what it did when the columns' scales change: inputs x that
were g x + s, outputs u that become g u + s.

D is the number of an encoder's inputs that are of rows, P of a decoder's outputs.
"""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skae._data.change import inverse
from skae.networks._layers import Linear, Stack, ToMap, TransposedLinear, put

PASSED = ToMap, nn.ZeroPad2d, nn.Flatten, nn.Identity  # zeros stay zeros
READERS = {Linear, nn.Linear, nn.Conv2d}
WRITERS = READERS | {TransposedLinear, nn.ConvTranspose2d}
MAPS = nn.Conv2d, nn.ConvTranspose2d


class Edges(NamedTuple):
    """The layers that rows enter by, and those that they leave by, which are added up."""

    readers: list
    writers: list
    n_pixels: int | None = None  # of each channel, where rows are pictures to the layers

    def fit(self, change):
        """Tell whether a change is of whole channels, where rows are pictures."""
        if self.n_pixels is None:
            return True
        return all(
            np.allclose(v.reshape(-1, self.n_pixels), v[:: self.n_pixels, None])
            for v in change[:4]
        )

    @torch.no_grad()
    def take(self, change):
        """Change the layers.

        What an optimiser remembers of gradients in old units stays: fits came out the
        same when it was told in new ones, also where scales grew a hundredfold.
        """
        for layer in self.readers:
            gain, shift = self._of(layer, change.gain), self._of(layer, change.shift)
            _read(layer, gain, shift, change.flags)
        for i, layer in enumerate(self.writers):
            gain, shift = (self._of(layer, v) for v in (change.out_gain, change.out_shift))
            _write(layer, gain, np.zeros_like(shift) if i else shift, change.gain)

    def _of(self, layer, values):
        """Return what holds for the inputs or outputs of a layer: for its channels."""
        return values[:: self.n_pixels] if isinstance(layer, MAPS) else values


def edges(encoder, decoder):
    """Return the `Edges` of a network, or None if it is not known how it uses them.

    Known are the networks of this package, and torch's own layers one after another.
    """
    readers, writers = _edge(encoder, 0, READERS), _edge(decoder, -1, WRITERS)
    if readers is None or writers is None:
        return None
    pair = nn.ModuleList([encoder, decoder])
    uses = Counter(id(p) for m in pair.modules() for p in m.parameters(recurse=False))
    tied = [w.weight for w in writers if isinstance(w, TransposedLinear)]
    for layer in (*readers, *writers):
        most = 2 if any(layer.weight is w for w in tied) else 1
        if uses[id(layer.weight)] > most or uses[id(layer.bias)] > 1:
            return None
    if not any(isinstance(layer, MAPS) for layer in (*readers, *writers)):
        return Edges(readers, writers)
    maps = [m for m in encoder.modules() if isinstance(m, ToMap)]
    return Edges(readers, writers, math.prod(maps[0].shape[1:])) if maps else None


def last_layers(module):
    """Return the layers whose outputs, added up, are a module's, or None if unknown."""
    return _edge(module, -1, WRITERS)


def _edge(module, place, known):
    """Return the layers at the beginning (place 0) or the end (-1) of a module, or None."""
    if isinstance(module, Stack):
        found = _edge(module.layers, place, known)
        if found is None or module.linear is None:
            return found
        return [*found, module.linear]
    if type(module) is nn.Sequential:
        layers = [m for m in module if not isinstance(m, PASSED)]
        return _edge(layers[place], place, known) if layers else None
    if type(module) not in known or not isinstance(module.weight, nn.Parameter):
        return None  # an activation, or a weight that is made of others
    if module.bias is None or (isinstance(module, MAPS) and module.groups != 1):
        return None
    return [module]


def _read(layer, gain, shift, flags):
    """Let a layer take x for what was gain x + shift; each (D,) or (channels,)."""
    weight, n = _numbers(layer.weight), len(gain)
    rows = weight[:, :n].reshape(len(weight), n, -1)
    put(layer.bias, _numbers(layer.bias) + rows.sum(2) @ shift)
    told, number = (np.asarray(places, dtype=int) for places in flags)
    if len(told):
        weight[:, told] -= weight[:, number] * shift[number]
    weight[:, :n] = (rows * gain[:, None]).reshape(weight[:, :n].shape)
    put(layer.weight, weight)


def _write(layer, gain, shift, in_gain):
    """Let a layer put out gain u + shift for what was u; each (P,) or (channels,)."""
    put(layer.bias, _numbers(layer.bias) * gain + shift)
    if isinstance(layer, TransposedLinear):  # its weight is changed where it is read
        # a column that was nothing has no weight to be tied in other units
        ratio = np.where(in_gain * gain > 0, gain * inverse(in_gain), 1.0)
        put(layer.gain, _numbers(layer.gain) * ratio)
        return
    dim, weight = int(isinstance(layer, nn.ConvTranspose2d)), _numbers(layer.weight)
    put(layer.weight, np.moveaxis(np.moveaxis(weight, dim, -1) * gain, -1, dim))


def _numbers(tensor):
    return tensor.detach().cpu().double().numpy()
