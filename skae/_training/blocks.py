"""Rows through a net by blocks, so that a row's result depends on it alone.

Results must not hang on how many rows there are beside it, nor on where it stands among
them. Torch's functions of single numbers, and its sums over a row, are the same in each row
if there are a multiple of 32 and one thread works on them: at the end of what a thread is
given they are computed in another way. So threads take whole blocks. Matrix products may
round differently for each number of rows. So all blocks of a net have one number of rows;
but where products are seen to be the same for fewer, the last rows come in a smaller block.

B is the number of rows.
"""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache, partial
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skae._codes.base import AutoencoderModule
from skae._data.rows import densify
from skae._training.runtime import WORK_FOR_THREADS, few_threads
from skae._training.state import is_plain
from skae._training.usual import usual_torch
from skae.likelihoods._base import LikelihoodModule
from skae.networks._layers import (
    Activation,
    BatchNorm,
    Dropout,
    Linear,
    Stack,
    TransposedLinear,
    aligned_linear,
    watched,
)

BLOCK_ACTIVATION_BYTES = 2**22  # of one inference block
MOST_ROWS = 1024  # of a block
FEW_ROWS = 32, 128  # of the blocks that few rows may come in
TRIALS = 4  # blocks by which products of few rows are judged
#: modules that do the same to each row, whatever the number of rows, but for products
BY_ROW = (
    *(AutoencoderModule, LikelihoodModule, Stack, nn.Sequential, Linear, TransposedLinear),
    *(Activation, Dropout, BatchNorm, nn.LayerNorm),
)


def block_rows(net, n_features):
    """Return how many rows inference takes at a time, a multiple of 32.

    Small enough that one block's activations stay in the processor's cache; always
    the same for one fitted net, as that is what makes a row's result the same to the
    last bit whatever rows surround it.
    """
    rows = BLOCK_ACTIVATION_BYTES // (4 * _row_cost(net, n_features).numbers)
    return int(min(MOST_ROWS, max(32, rows // 32 * 32)))


def size_blocks(net, n_features):
    """Let a net know the blocks that rows go through it by."""
    net.block_rows = block_rows(net, n_features)
    net.row_work = _row_cost(net, n_features).multiplications
    module = net.module_
    # of what is a user's own it is not known whether threads may share it
    net.is_shared = is_plain(module) and is_ours(module) and not net.compile
    net.products = products(module) if net.is_shared else None


def _row_cost(net, n_features):
    x = torch.zeros(1, n_features, dtype=torch.float32, device=net.device)
    return row_cost(net.module_, x)


def products(module):
    """Return the shapes (inputs, outputs) of a module's products, if it has no others.

    Each with whether the weight is transposed in memory. None: it is not known what
    rows go through.
    """
    parts = list(module.modules())
    if not all(isinstance(m, BY_ROW) for m in parts):
        return None
    layers = [m for m in parts if isinstance(m, Linear | TransposedLinear)]
    shapes = {
        (m.in_features, m.out_features, isinstance(m, TransposedLinear)) for m in layers
    }
    return tuple(sorted(shapes))


def is_ours(module):
    """Tell whether the code and the likelihood in a module, if any, are skae's own."""
    parts = [vars(m).get(name) for m in module.modules() for name in ("code", "likelihood")]
    return all(p is None or type(p).__module__.startswith("skae.") for p in parts)


@lru_cache(maxsize=4096)
def alike(n_in, n_out, is_transposed, n_rows):
    """Tell whether few rows are multiplied as those of a block of n_rows are.

    The processor's kernels do the same whatever the numbers, so that some at random
    tell; they are asked once in a process, as they differ between processors.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (n_in, n_out) if is_transposed else (n_out, n_in)
    x, weight = (
        torch.empty(size, dtype=torch.float32).normal_(generator=generator)
        for size in ((n_rows, n_in), shape)
    )
    weight = weight.t() if is_transposed else weight
    bias = weight.sum(1)
    whole = aligned_linear(x, weight, bias)
    if not torch.equal(aligned_linear(x.roll(1, 0), weight, bias), whole.roll(1, 0)):
        return False
    return all(
        torch.equal(aligned_linear(x[i : i + n], weight, bias), whole[i : i + n])
        for n in FEW_ROWS
        for i in range(0, min(n_rows - n, n * TRIALS), n)
    )


def plan(net, n):
    """Return [(slice, rows of its block)] over n rows."""
    size, parts = net.block_rows, []
    for start in range(0, n, size):
        if n - start < size:
            size = _few(net, n - start)
        parts.append((slice(start, min(start + size, n)), size))
    return parts


def _few(net, n):
    """Return the rows of the smallest block for n of them."""
    size = min((few for few in FEW_ROWS if few >= n), default=net.block_rows)
    if size >= net.block_rows or net.products is None or not _on_cpu(net):
        return net.block_rows
    are_alike = all(alike(*shape, net.block_rows) for shape in net.products)
    return size if are_alike else net.block_rows


def _on_cpu(net):
    return torch.device(net.device).type == "cpu"


class Stream(NamedTuple):
    """Rows of any container, and what standardises them, if anything does."""

    X: object
    standardize: object = None

    def block(self, n_rows):
        """Return a tensor (B, d) for so many rows."""
        return torch.empty(n_rows, self.X.shape[1], dtype=torch.float32, device="cpu")

    def into(self, block, rows):
        """Put rows, a slice, at the beginning of a block (B, d), zeros behind them."""
        part, values = densify(self.X[rows]), block.numpy()
        there = values[: len(part)]
        if self.standardize is None:
            there[:] = part
        else:
            self.standardize(part, out=there)
        values[len(part) :] = 0
        return block


def apply(net, fn, out, *streams, finish=None):
    """Fill `out` with fn of the standardised rows of streams, which go side by side.

    `finish`, if given, takes a block's results and rows, before they are cut.
    """

    def put(rows, values, x):
        values = values.cpu()
        values = values.numpy() if finish is None else finish(values, *x)
        out[rows] = values[: rows.stop - rows.start]

    through(net, fn, len(out), put, *streams)
    if not np.isfinite(out).all():
        raise ValueError(
            "X: a result is beyond the range of its floating-point type, as X holds "
            "values too far from the training data. Remove or clip them."
        )
    return out


def through(net, fn, n, put, *streams):
    """Call ``put(rows, values, x)`` for all blocks of n rows.

    The slice `rows` is their place, `values` fn of the block's rows x, one of each stream.
    """
    n_threads = torch.get_num_threads()
    alone = n_threads > 1 and net.is_shared and _on_cpu(net)
    with few_threads(0) if alone else nullcontext():
        parts, failed = deque(plan(net, n)), []
        run = partial(_run, net, fn, put, streams, parts, failed)
        if alone and _pays(net, n, len(parts)):
            _by_threads(run, parts, min(n_threads, len(parts)))
        else:
            run()
    if failed:
        raise min(failed, key=itemgetter(0))[1]


def _pays(net, n_rows, n_blocks):
    """Tell whether threads that share the blocks of n rows have enough to do."""
    return (
        n_blocks > 1
        and n_rows * net.row_work >= WORK_FOR_THREADS
        and is_plain(net.module_)  # still: nobody has hooked anything into it
    )


def _by_threads(run, parts, n_threads):
    """Let threads share blocks, one thread of torch's in each."""

    def work():
        with usual_torch(), few_threads(0):
            run()

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for done in [pool.submit(work) for _ in range(n_threads)]:
                done.result()
        finally:
            parts.clear()  # also if the user has interrupted this


def _run(net, fn, put, streams, parts, failed):
    """Put blocks, which are taken from a deque, through a net.

    An error ends it: it is put into `failed`, with the place of its rows.
    """
    blocks = None
    with torch.inference_mode(), np.errstate(over="ignore", invalid="ignore"):
        for rows, size in _taken(parts):
            try:
                blocks = blocks or [stream.block(size) for stream in streams]
                pairs = zip(streams, blocks, strict=True)
                x = [stream.into(block[:size], rows) for stream, block in pairs]
                put(rows, fn(*(part.to(net.device) for part in x)), x)
            except Exception as error:
                parts.clear()
                failed.append((rows.start, error))


def _taken(parts):
    """Yield parts of a deque until none is left, whoever else takes them."""
    while True:
        try:
            part = parts.popleft()
        except IndexError:
            return
        yield part


def encode(net, X, fn=None, width=None, beside=(), *, check=True):
    """Return rows X (n, d), checked, through a net: their codes, as float32 (n, k).

    Or what another function of standardised rows gives, so many numbers `width` for each,
    and of streams `beside` them. If `check`, rows must lie in the likelihood's support.
    """
    module = net.module_
    out = np.empty((X.shape[0], width or module.n_components), dtype=np.float32)
    standardize = partial(module.likelihood.standardize, check=check)
    return apply(net, fn or module.encode, out, Stream(X, standardize), *beside)


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
