"""Optimisers: what is asked of them, and Muon with Adam for what is no matrix."""

import inspect
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from skae._adam import Adam
from skae._params import Amount, check_option


@runtime_checkable
class Switching(Protocol):
    """An optimiser by whose word weights are those to train, or those to judge and keep.

    The schedule-free ones do so, and know no schedule but their own.
    """

    def train(self):
        """Make the weights those to train."""

    def eval(self):
        """Make the weights those to judge and keep."""


class MuonAndAdam(torch.optim.Optimizer):
    """Muon for matrices, and Adam for all else, at the same rate.

    Parameters
    ----------
    muon : type
        A class such as `torch.optim.Muon`, for matrices alone.
    groups : list of dict
        Parameters, each with what is set for it.
    **params
        Of `muon`; of Adam only the rate.
    """

    def __init__(self, muon, groups, **params):
        self.muon = muon
        if "adjust_lr_fn" in inspect.signature(muon).parameters:
            params.setdefault("adjust_lr_fn", "match_rms_adamw")  # steps as large as Adam's
        muon([nn.Parameter(torch.zeros(1, 1))], **params)  # which names what it knows not
        parts = [], []
        for group in groups:
            rate = {"lr": group.get("lr", params["lr"])}
            matrices = [p for p in group["params"] if p.ndim == 2]
            others = [p for p in group["params"] if p.ndim != 2]
            if matrices:
                parts[0].append({**params, **group, "params": matrices})
            if others:
                parts[1].append({**rate, "params": others})
        super().__init__([*parts[0], *parts[1]], {})
        self._share()

    def _share(self):
        """Build the two over the groups and the state that are kept here."""
        self.parts = []
        for kind, is_matrix in ((self.muon, True), (Adam, False)):
            groups = [
                group
                for group in self.param_groups
                if (group["params"][0].ndim == 2) == is_matrix
            ]
            if groups:
                part = kind(groups)
                part.param_groups, part.state = groups, self.state
                self.parts.append(part)

    def __getstate__(self):
        return {**super().__getstate__(), "muon": self.muon}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._share()

    def step(self, closure=None):
        """Take a step of each."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss


def switch(optimizer, training):
    """Let an optimiser that does so make the weights those to train, or to judge."""
    if isinstance(optimizer, Switching):
        (optimizer.train if training else optimizer.eval)()


def optimizer_of(kind, named, found, is_known=False):
    """Return an optimiser of parameters [(name, parameter)]; if not known, try it first.

    `kind` is what makes it, `found` returns its arguments for such parameters.
    """

    def made(named):
        args, kwargs = found(named)
        if isinstance(kind, type) and kind.__name__ == "Muon":
            return MuonAndAdam(kind, *args, **kwargs)
        return kind(*args, **kwargs)

    if not is_known:
        zeros = [torch.zeros(p.shape, dtype=p.dtype, device=p.device) for _, p in named]
        like = zip([name for name, _ in named], map(nn.Parameter, zeros), strict=True)
        _try(made(list(like)), kind)
    return made(named)


def _try(optimizer, kind):
    """Raise a ``ValueError`` if an optimiser cannot take a step; its weights are moved."""
    try:
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.zeros_like(p)
        switch(optimizer, training=True)
        optimizer.step(lambda: torch.zeros(()))
    except Exception as error:  # whatever a class of the user's own may say
        name = kind.__name__ if isinstance(kind, type) else repr(kind)
        why = str(error).rstrip(".")
        raise ValueError(
            f"optimizer={name} cannot train this network: {why}. Use one that takes "
            "steps by a closure and dense gradients, as torch.optim.AdamW does."
        ) from error


def check_net(optimizer, schedule, gradient_clip_value, keep_on_interrupt):
    """Raise a ``ValueError`` for a parameter of the net that cannot be."""
    if not callable(optimizer):
        raise ValueError(
            f"optimizer must be a class, for instance torch.optim.SGD. Got {optimizer!r}."
        )
    check_option("Net", "schedule", schedule, ("trapezoid", "constant"))
    check_option("Net", "keep_on_interrupt", keep_on_interrupt, (True, False))
    largest = Amount(closed="right")
    if not (gradient_clip_value is None or largest.is_satisfied_by(gradient_clip_value)):
        raise ValueError(
            f"gradient_clip_value must be positive or None: {largest}. Got "
            f"{gradient_clip_value!r}."
        )
