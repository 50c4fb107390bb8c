"""What holds for all tests; the environment is set before anything is imported."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips its checks of it
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores already
    os.environ["OMP_NUM_THREADS"] = "1"

from typing import NamedTuple

import numpy as np
import pytest
import torch

from skae._codes.base import Terms
from skae.semi_supervised import _teacher


@pytest.fixture
def rng():
    """Random numbers of a test's own, whichever tests ran before it."""
    return np.random.default_rng(1)


@pytest.fixture
def quick_teacher(monkeypatch):
    """What few labels say, found by few trees and one strength of the linear model."""
    monkeypatch.setattr(_teacher, "N_TREES", 30)
    monkeypatch.setattr(_teacher, "CS", (1.0,))


class Call(NamedTuple):
    """One call of an autoencoder's module, in training or when judged."""

    module: torch.nn.Module
    training: bool
    x: np.ndarray  # (B, d), corrupted
    target: np.ndarray  # (B, d)
    noise: torch.Tensor | None
    progress: torch.Tensor
    terms: Terms


@pytest.fixture
def calls():
    """The calls of modules that return `Terms`, one after the other."""
    found = []

    def record(module, args, out):
        if isinstance(out, Terms):
            x, target, noise, progress, *_ = args
            x, target = (t.detach().cpu().numpy().copy() for t in (x, target))
            found.append(Call(module, module.training, x, target, noise, progress, out))

    hook = torch.nn.modules.module.register_module_forward_hook(record)
    yield found
    hook.remove()
