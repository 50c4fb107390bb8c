"""Rows of any container as float32 batches: blocks, statistics, shuffles.

Nothing here holds more of X at a time than a block, but for the resident copy that
training makes of data that fit into the memory budget.
"""

import math
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

BLOCK_BYTES = 2**22  # of float64, while rows are read for statistics
CHUNK_BYTES = 2**24  # of float32, shuffled together while data are streamed
RESIDENT_BYTES = {"cpu": 2**28, "cuda": 2**32}  # of float32 that training may keep
RUN_LENGTH = 64  # neighbouring rows read together while data are streamed


def flatten(X):
    """Return X as (n_samples, n_features), and a sample's shape if it had more axes."""
    if isinstance(X, list | tuple) and np.ndim(X[:1]) > 2:
        X = np.asarray(X)
    shape = getattr(X, "shape", ())
    if len(shape) < 3:
        return X, None
    if len(shape) > 4:
        raise ValueError(
            f"X has shape {tuple(shape)}: expected (n_samples, n_features), "
            "(n_samples, height, width) or (n_samples, channels, height, width)."
        )
    return X.reshape(shape[0], math.prod(shape[1:])), tuple(shape[1:])


def densify(rows):
    """Return rows of an array or a sparse matrix as a dense array."""
    return rows.toarray() if sp.issparse(rows) else rows


def blocks(X, index=None):
    """Yield (slice, dense rows) over X, or over the rows of X that `index` names."""
    n, n_rows = X.shape[0], max(1, BLOCK_BYTES // (8 * X.shape[1]))
    n = n if index is None else len(index)
    for start in range(0, n, n_rows):
        rows = slice(start, min(start + n_rows, n))
        yield rows, densify(X[rows if index is None else index[rows]])


class Rows:
    """X as standardised float32 rows on a device, by index.

    Rows live on the device once when they fit into the memory budget; otherwise each
    call reads its rows from X.
    """

    def __init__(self, X, sample_weight, likelihood, device, clean=None, known=()):
        self.X, self.device = X, device
        self.known = tuple(k.to(device) for k in known)  # (n, ...) of each row, beside it
        self.clean = clean  # Rows of what they should become, where it is not X
        self.standardize = partial(likelihood.standardize, check=clean is None)
        self.weight = None
        if sample_weight is not None:
            weight = (sample_weight / sample_weight.max()).astype(np.float32)
            weight = torch.from_numpy(weight)
            self.weight = weight.to(device)
        self.n_columns = X.shape[1]
        self.bytes_per_row = 4 * self.n_columns
        budget = RESIDENT_BYTES.get(torch.device(device).type, RESIDENT_BYTES["cpu"])
        self.resident = None
        if X.shape[0] * self.bytes_per_row <= budget:
            data = np.empty(X.shape, dtype=np.float32)
            for rows, block in blocks(X):
                self.standardize(block, out=data[rows])
            self.resident = torch.from_numpy(data).to(device)

    def take(self, index):
        """Return the rows of a tensor of indices, standardised; (n, d)."""
        if self.resident is not None:
            return self.resident.index_select(0, index)
        index, order = torch.sort(index.cpu())
        data = np.empty((len(index), self.X.shape[1]), dtype=np.float32)
        for rows, part in blocks(self.X, index.numpy()):
            data[order[rows]] = self.standardize(part)
        return torch.from_numpy(data).to(self.device)


class Batch(NamedTuple):
    """Some rows, standardised; B of them."""

    x: torch.Tensor  # (B, d)
    weight: torch.Tensor | None = None  # (B,) None where all are 1
    clean: torch.Tensor | None = None  # (B, d) None where it is x itself
    known: tuple = ()  # of tensors (B, ...)

    @property
    def target(self):
        """What the rows should become; (B, d)."""
        return self.x if self.clean is None else self.clean


class Batches:
    """Rows by batches: shuffled, or in order."""

    def __init__(self, rows, index, batch_size, generator=None):
        self.rows, self.index, self.batch_size = rows, index, batch_size
        self.generator = generator
        per_chunk = CHUNK_BYTES // rows.bytes_per_row
        self.chunk = max(1, per_chunk // batch_size) * batch_size
        self.weight, self.total_weight = None, float(len(index))
        if rows.weight is not None:
            weight = rows.weight[index.to(rows.weight.device)]
            self.total_weight = float(weight.double().sum())
            if weight.sum() > 0:
                self.weight = weight / weight.mean()

    def __len__(self):
        """Return the number of batches."""
        return -(-len(self.index) // self.batch_size)

    def _positions(self):
        """Yield the positions in `index` that are read together."""
        n = len(self.index)
        if self.generator is None:
            for start in range(0, n, self.chunk):
                yield torch.arange(start, min(start + self.chunk, n))
        elif self.rows.resident is not None:
            yield from torch.randperm(n, generator=self.generator).split(self.chunk)
        else:  # runs of neighbours from all over the data, shuffled by the chunk
            starts = torch.randperm(-(-n // RUN_LENGTH), generator=self.generator)
            left = torch.empty(0, dtype=torch.int64)
            for runs in starts.split(-(-self.chunk // RUN_LENGTH)):
                position = (runs[:, None] * RUN_LENGTH + torch.arange(RUN_LENGTH)).ravel()
                position = torch.cat([left, position[position < n]])
                shuffle = torch.randperm(len(position), generator=self.generator)
                position = position[shuffle]
                whole = len(position) // self.batch_size * self.batch_size
                yield position[:whole]
                left = position[whole:]
            yield left

    def __iter__(self):
        device = self.rows.device
        for position in self._positions():
            if not len(position):
                continue
            index = self.index[position].to(device)
            weight = clean = None
            if self.weight is not None:
                weight = self.weight[position.to(device)]
            if self.rows.clean is not None:
                clean = self.rows.clean.take(index)
            known = [k.index_select(0, index) for k in self.rows.known]
            parts = [self._split(p) for p in (self.rows.take(index), weight, clean)]
            if known:
                known = zip(*(self._split(k) for k in known), strict=True)
            yield from map(Batch, *parts, known or repeat(()))

    def _split(self, part):
        return repeat(None) if part is None else part.split(self.batch_size)
