"""Encoder and decoder on their own: torch modules between raw rows and codes.

B is the number of rows, d the columns, k the components of the code.
"""

import copy
import math
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from skae._data.body import KNEE
from skae._data.containers import taken
from skae._data.frames import Table, is_frame, names_of
from skae._data.rows import densify, flatten
from skae._data.schema import codes_of
from skae._losses import is_graph
from skae._training.blocks import plan
from skae._training.runtime import few_threads
from skae._training.usual import usual_torch
from skae.networks._layers import Dropout

DISCRIMINATOR = "discriminator"  # of codes, for the loss alone
CLASSIFIER = "classifier"  # of rows, for their encoder


class Scaling(nn.Module):
    """Raw rows to standardised ones and back, in float64 whatever the weights are in."""

    def __init__(self, likelihood):
        super().__init__()
        self.clip = likelihood.clip
        arrays = {
            name: np.asarray(vars(likelihood)[name], dtype=np.float64)
            for name in ("location", "scale", "inverse_scale", "ends")
        }
        for name, values in arrays.items():
            self.register_buffer(name, torch.from_numpy(values.copy()))
        self.bends = bool(likelihood.is_wild.any())
        self.register_buffer("is_wild", torch.from_numpy(likelihood.is_wild.copy()))

    def _apply(self, fn, recurse=True):
        """Move to a device, but never to another dtype: 1.7e9 +- 10 would not survive."""
        return super()._apply(lambda t: t.to(fn(t[:0]).device), recurse)

    def forward(self, x):
        """Return raw rows standardised, as float32; (B, d)."""
        u = (x.double() - self.location) * self.inverse_scale
        if self.bends:
            beyond = u.abs() - KNEE
            bent = u.sign() * (KNEE + beyond.clamp(min=0).log1p())
            u = torch.where(self.is_wild & (beyond > 0), bent, u)
        u = u.float()
        return u if self.clip is None else u.clamp(-self.clip, self.clip)

    def back(self, mean):
        """Return standardised means in data units, as float64; (B, d)."""
        u = mean.double()
        if self.bends:
            inside = u.clamp(self.ends[0], self.ends[1])
            beyond = inside.abs() - KNEE
            beyond_bent = beyond.clamp(min=0)  # ONNX has no expm1
            grown = beyond_bent.exp() - 1 if is_graph() else beyond_bent.expm1()
            straight = inside.sign() * (KNEE + grown)
            straight = torch.where(beyond > 0, straight, inside)
            u = torch.where(self.is_wild, straight, u)
        return u * self.scale + self.location


class Blocks(NamedTuple):
    """The blocks that a net's rows come in."""

    block_rows: int
    products: tuple | None
    is_shared: bool
    device: object = "cpu"


class Raw(nn.Module):
    """What encoder and decoder share: a copy of their half, and rows by blocks."""

    can_guess = False  # classes that are not told

    def __init__(self, net, without, sample_shape, n_told):
        super().__init__()
        ae = net.module_
        self.scaling = Scaling(ae.likelihood)
        self.part = half_of(ae, without)
        self.sample_shape, self.n_told = tuple(sample_shape), n_told
        self.n_features = math.prod(sample_shape)
        self.blocks = Blocks(net.block_rows, net.products, net.is_shared)
        self.to(ae.device).eval()

    def _through(self, fn, x, y):
        """Return what fn makes of rows (B, ...), as inference does if not in training."""
        streams = [x, *self._classes(y)]
        if self.training or is_graph():
            return fn(*streams)
        on_cpu, out = x.device.type == "cpu", []
        with few_threads(0) if on_cpu and self.blocks.is_shared else nullcontext():
            for rows, size in plan(self.blocks._replace(device=x.device), max(1, len(x))):
                n = min(rows.stop, len(x)) - rows.start
                parts = (pad(s[rows], (0, 0, 0, size - n)) for s in streams)
                out.append(fn(*parts)[:n])
        return torch.cat(out)

    def _classes(self, y):
        """Yield classes, places among `classes_` (B,) or shares (B, c), as the latter."""
        if y is None and self.can_guess:
            return
        if (y is None) == bool(self.n_told):
            raise ValueError(
                "y, the place of each row's class in classes_, is needed with "
                f"conditional=True, and only there. Got {'none' if y is None else 'one'}."
            )
        if y is not None:
            if y.ndim == 1:
                y = y[:, None] == torch.arange(self.n_told, device=y.device)
            yield y.to(self._dtype)

    def _standardized(self, x):
        """Return raw rows (B, ...), checked, as the net takes them; (B, d)."""
        self._check(x, "x", *dict.fromkeys([self.sample_shape, (self.n_features,)]))
        return self.scaling(x.flatten(1)).to(self._dtype)

    @property
    def _dtype(self):
        return next(self.part.parameters()).dtype

    def _check(self, x, name, *shapes):
        """Raise an error unless x is a tensor of rows of one of these shapes."""
        if not isinstance(x, torch.Tensor):
            raise TypeError(
                f"{name} must be a torch tensor. Got {type(x).__name__}. `encoder_.read` "
                "makes one of any rows that `transform` takes."
            )
        if not torch.jit.is_tracing() and x.shape[1:] not in shapes:
            wanted = " or ".join(f"(n, {', '.join(map(str, s))})" for s in shapes)
            raise ValueError(f"{name} must have shape {wanted}. Got {tuple(x.shape)}.")


class RawEncoder(Raw):
    """The encoder of a fitted autoencoder, from raw rows to codes.

    A copy: training it does not change what it was made of. In evaluation, as it comes,
    rows go through it as `transform` takes them, by blocks, which gives the same numbers;
    in training (``encoder.train()``), traced and exported they go as they come.

    Parameters
    ----------
    net : skae net
        The trained net.
    sample_shape : tuple of int
        Of one row, as `fit` saw it.
    n_told : int, default=0
        How many classes it is told the one of each row of.
    columns : list, default=None
        Of the table, if `fit` saw one of more than numbers.
    """

    def __init__(self, net, sample_shape, n_told=0, columns=None):
        super().__init__(net, "decoder", sample_shape, n_told)
        self.columns, self.can_guess = columns, self.part.code.guesses_classes
        if not self.part.code.trains_encoder:
            self.part.encoder.requires_grad_(False)

    def forward(self, x, y=None):
        """Return the codes of raw rows.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Rows in data units, of any dtype.
        y : Tensor of shape (n_samples,) or (n_samples, n_classes), default=None
            The places of the rows' classes in `classes_`, or how probable each class is;
            only if ``conditional=True``, and then needed, unless training had rows of
            unknown class: q(y | x) then stands in.

        Returns
        -------
        z : Tensor of shape (n_samples, n_components)
        """
        return self._through(self._encode, self._standardized(x), y)

    def _encode(self, x, *known):
        part = self.part
        z = part.encode(x, *known)
        return part.code.steered(part, x, z) if torch.is_grad_enabled() else z

    def read(self, X):
        """Return rows of any container as a tensor that `forward` takes.

        Of a table that ``likelihood="mixed"`` was fitted on these are numbers and the
        codes of categories, NaN where a cell is missing.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Rows in data units.

        Returns
        -------
        x : Tensor of shape (n_samples, n_features)
        """
        X = taken(X)
        if self.columns is not None and is_frame(X):
            known, now = [column.name for column in self.columns], names_of(X)
            if now != known:
                raise ValueError(
                    f"X: its columns {now[:20]} are not those of fit. Pass X[{known[:20]}]."
                )
            X = codes_of(Table.read(X, np.nan), self.columns).codes
        X = np.asarray(densify(flatten(X)[0]))
        return torch.from_numpy(X.copy()).to(self.scaling.location.device)


class RawDecoder(Raw):
    """The decoder of a fitted autoencoder, from codes to rows in data units.

    A copy, as `RawEncoder` is.

    Parameters
    ----------
    net : skae net
        The trained net.
    sample_shape : tuple of int
        Of one row, as `fit` saw it.
    n_told : int, default=0
        How many classes it is told the one of each row of.
    dtype : numpy.dtype, default=numpy.float64
        Of what it returns.
    """

    def __init__(self, net, sample_shape, n_told=0, dtype=np.float64):
        super().__init__(net, "encoder", sample_shape, n_told)
        self.n_components = net.module_.n_components
        self.is_single = np.dtype(dtype) == np.float32

    def forward(self, z, y=None):
        """Return the rows that codes stand for.

        Parameters
        ----------
        z : Tensor of shape (n_samples, n_components)
            Codes.
        y : Tensor of shape (n_samples,) or (n_samples, n_classes), default=None
            The places of the rows' classes in `classes_`, or how probable each class is;
            only if ``conditional=True``, and then needed.

        Returns
        -------
        x : Tensor of shape (n_samples, *sample_shape)
            In data units. Of a table of more than numbers, the codes of categories.
        """
        if self.n_components is not None:
            self._check(z, "z", (self.n_components,))
        x = self.scaling.back(self._through(self._mean, z.to(self._dtype), y))
        return (x.float() if self.is_single else x).reshape(-1, *self.sample_shape)

    def _mean(self, z, *known):
        part = self.part
        return part.likelihood.mean(part.decode(z, *known))


class RawReconstruction(nn.Module):
    """An encoder and a decoder, from raw rows to what they are rebuilt as."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x, y=None):
        """Return the reconstructions of raw rows x, of classes y if there are any."""
        return self.decoder(self.encoder(x, y), y)


class RawScore(Raw):
    """From raw rows to their scores: ``score(ae, x, *known)`` of standardised ones."""

    def __init__(self, net, sample_shape, n_told, score):
        super().__init__(net, None, sample_shape, n_told)
        self.score = score

    def forward(self, x, y=None):
        """Return the scores of raw rows x, of classes y if there are any; (B,) float64."""
        return self._through(partial(self.score, self.part), self._standardized(x), y)


def conditional_log_prob(ae, x, *known):
    """Return log p(x | z(x)) of standardised rows, in data units; (B,) float64."""
    return ae.likelihood.log_prob(ae.params(x, *known), x)


def half_of(ae, without):
    """Return a copy of a module without its encoder or its decoder, and its rivals.

    What both have, tied weights say, is in either copy. The noise is no weight there.
    """
    names = {without, DISCRIMINATOR} | ({CLASSIFIER} if without == "encoder" else set())
    left_out = [m for name, m in ae.named_children() if name in names]
    left_out += ae.code.rivals(ae)
    left_out += [m.generator for m in ae.modules() if isinstance(m, Dropout)]
    with usual_torch():
        half = copy.deepcopy(ae, {id(part): None for part in left_out})
        half.requires_grad_(True).likelihood.requires_grad_(False)
    return half
