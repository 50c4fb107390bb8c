"""Greedy layer-wise pre-training: each layer first learns to undo corruption by itself."""

import numpy as np
import torch
from torch import nn

from skae._codes.base import AutoencoderModule
from skae._data.rows import Batches
from skae._data.statistics import ColumnStatistics
from skae._losses import half_squared_error
from skae._training.net import Job
from skae.corruption._base import Space
from skae.networks._dense import DenseNetwork
from skae.networks._layers import TransposedLinear


class _Hidden(nn.Module):
    """The likelihood of hidden units: squared error, as they are."""

    nll = staticmethod(half_squared_error)

    def embed(self, x):
        return x


class _HiddenRows:
    """Rows as the layers below see them."""

    def __init__(self, rows, below, n_columns):
        self.rows, self.below, self.n_columns = rows, below, n_columns
        self.device, self.weight, self.resident = rows.device, rows.weight, rows.resident
        self.condition = rows.condition
        self.bytes_per_row = max(4 * n_columns, rows.bytes_per_row)
        self.clean = None
        if rows.clean is not None:
            self.clean = _HiddenRows(rows.clean, below, n_columns)

    def take(self, index):
        """Return the hidden units of some rows; (n, n_columns)."""
        with torch.no_grad():
            return self.below(self.rows.take(index))


def _groups(layers):
    """Return layers in groups that begin with a linear one."""
    groups = []
    for layer in layers:
        if isinstance(layer, nn.Linear | TransposedLinear):
            groups.append([])
        groups[-1].append(layer)
    return groups


def _check(network, module, corruption):
    """Return the levels (encoder, decoder), or raise a ``ValueError``."""
    levels = ()
    if isinstance(network, DenseNetwork) and not network.linear_path:
        down, up = _groups(module.encoder.layers), _groups(module.decoder.layers)[::-1]
        if [g[0].out_features for g in down] == [g[0].in_features for g in up]:
            levels = tuple(zip(down, up, strict=True))
    if not levels:
        raise ValueError(
            "pretrain_max_iter needs a dense network whose decoder mirrors the encoder, "
            "without a linear path, for instance network=(256, 64). Use "
            f"pretrain_max_iter=0 with network={network!r}."
        )
    if corruption is not None and len(levels) > 1:
        hidden = torch.zeros(2, 2)
        try:
            corruption.apply(hidden, _space(hidden), torch.Generator())
        except ValueError as error:
            raise ValueError(
                "pretrain_max_iter: hidden units, too, are corrupted, and are no "
                f"pictures. Use pretrain_max_iter=0 with corruption={corruption!r}."
            ) from error
    return levels


def pretrain(network, module, job, sample, make_net, epochs):
    """Train each layer and its mirror, from the data inwards; return the loss curves.

    Layer l maps the clean output of layer l - 1, corrupted, to its own code, and its
    mirror in the decoder maps that back.

    Parameters
    ----------
    network : DenseNetwork
        Whose decoder mirrors its encoder.
    module : AutoencoderModule
        Built by it; changed in place.
    job : Job
        The training to come.
    sample : Tensor of shape (n, d)
        Rows from which the hidden units' deviations and extremes are taken.
    make_net : callable
        Returns an initialised net of a module.
    epochs : int
        For each layer.
    """
    levels = _check(network, module, job.corruption)
    curves, below, space = [], nn.Sequential(), job.space
    for level, (encoder, decoder) in enumerate(levels):
        is_code = level == len(levels) - 1
        layer = AutoencoderModule(
            nn.Sequential(*encoder),
            nn.Sequential(*decoder),
            _Hidden() if level else module.likelihood,
        )
        if is_code:
            layer.code_activation = module.code_activation
        parts = [job.train, job.valid]
        if level:
            with torch.no_grad():
                hidden = below.eval()(module.likelihood.embed(sample))
            space = _space(hidden)
            parts = [
                part and _above(part, module, below, hidden.shape[1]) for part in parts
            ]
        stage = Job(*parts, job.schedule, None, job.corruption, space)
        net = make_net(layer)
        net.train(stage, epochs)
        if net.interrupted_:
            raise KeyboardInterrupt
        curves.append([row["train_loss"] for row in net.history])
        below = nn.Sequential(*below, *encoder)
    return curves


def _above(batches, module, below, n_columns):
    """Return the same batches as hidden units."""

    def hidden(x):
        return below(module.likelihood.embed(x))

    rows = _HiddenRows(batches.rows, hidden, n_columns)
    return Batches(rows, batches.index, batches.batch_size, batches.generator)


def _space(hidden):
    """Return the space of hidden units (n, h): a table, taken as it is."""
    h = hidden.detach().cpu().double().numpy()
    stats = ColumnStatistics(
        h.mean(0), h.var(0), h.min(0), h.max(0), np.ptp(h, 0) == 0, h.shape[1:], False
    )
    n = h.shape[1]
    return Space.of(stats, np.zeros(n), np.ones(n), device=hidden.device)
