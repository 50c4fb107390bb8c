"""Rows through a net by blocks of one size, so that a row's result depends on it alone.

B is the number of rows.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from skae._data.rows import densify
from skae.networks._layers import watched

BLOCK_ACTIVATION_BYTES = 2**22  # of one inference block


def block_rows(net, n_features):
    """Return how many rows inference takes at a time, a multiple of 32.

    Small enough that one block's activations stay in the processor's cache; always
    the same for one fitted net, as that is what makes a row's result the same to the
    last bit whatever rows surround it.
    """
    x = torch.zeros(1, n_features, dtype=torch.float32, device=net.device)
    rows = BLOCK_ACTIVATION_BYTES // (4 * row_cost(net.module_, x).numbers)
    return int(min(1024, max(32, rows // 32 * 32)))


def padded(X, n_rows, standardize):
    """Yield (slice, rows as a zero-padded float32 tensor) over X; the tensor is reused."""
    buffer = np.zeros((n_rows, X.shape[1]), dtype=np.float32)
    for start in range(0, X.shape[0], n_rows):
        rows = densify(X[start : start + n_rows])
        block = buffer[: len(rows)]
        if standardize is None:
            block[:] = rows
        else:
            standardize(rows, out=block)
        buffer[len(rows) :] = 0
        yield slice(start, start + len(rows)), torch.from_numpy(buffer)


def apply(fn, blocks, device, out, finish=None):
    """Fill `out` with fn of the standardised rows in `blocks`, as `padded` yields them.

    Each block has as many rows whatever X has, so that a row's result is the same to
    the last bit in any company. `finish`, if given, takes a block's results and place
    before they are cut.
    """
    with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"):
        for rows, x in blocks:
            values = fn(x.to(device)).cpu()
            values = values.numpy() if finish is None else finish(values, x)
            out[rows] = values[: rows.stop - rows.start]
    if not np.isfinite(out).all():
        raise ValueError(
            "X: a result is beyond the range of its floating-point type, as X holds "
            "values too far from the training data. Remove or clip them."
        )
    return out


def encode(net, X, fn=None, width=None, *, check=True):
    """Return rows X (n, d), checked, through a net: their codes, as float32 (n, k).

    Or what another function of standardised rows gives, so many numbers `width` for each.
    If `check`, rows must lie in the likelihood's support.
    """
    module = net.module_
    out = np.empty((X.shape[0], width or module.n_components), dtype=np.float32)
    standardize = partial(module.likelihood.standardize, check=check)
    blocks = padded(X, net.block_rows, standardize)
    return apply(fn or module.encode, blocks, net.device, out)


class RowCost(NamedTuple):
    """What encoding and decoding one row takes."""

    numbers: int  # that the layers put out
    multiplications: int


def row_cost(module, x):
    """Return the cost of one row x (1, d)."""
    numbers, products = [], []

    def count(layer, args, out):
        numbers.append(out[0].numel())
        weight = getattr(layer, "weight", None)
        if weight is not None:  # of a convolution, at each pixel of the smaller map
            pixels = min(math.prod(t.shape[2:]) for t in (args[0], out))
            products.append(pixels * weight.numel())

    leaves = [layer for layer in module.modules() if not any(layer.children())]
    with torch.inference_mode(), watched(leaves, count):
        module.eval()
        module.params(x)
    in_all = sum(p.numel() for p in module.parameters())
    more = module.code.more_numbers(module)
    return RowCost(max(1, sum(numbers) + more), max(in_all, sum(products)))
