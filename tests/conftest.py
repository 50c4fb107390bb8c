"""What holds for all tests; the environment is set before anything is imported."""

import functools
import os
import sys

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips its checks of it
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores already
    os.environ["OMP_NUM_THREADS"] = "1"

from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.ensemble import IsolationForest

from skae._codes import adversaries, clusters
from skae._codes.base import Terms
from skae._training import measure
from skae.impute import _guesses
from skae.outliers import _purify
from skae.semi_supervised import _teacher


@pytest.fixture(autouse=True)
def figures_closed():
    """Close what a test has drawn."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def rng():
    """Random numbers of a test's own, whichever tests ran before it."""
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def quick():
    """What surrounds training does less: where quality is not asked for, half of a test.

    By few trees and one strength of a linear model, few draws, few moves, one graph.
    """
    few_trees = functools.partial(IsolationForest, n_estimators=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_teacher, "N_TREES", 30)
        patch.setattr(_teacher, "CS", (1.0,))
        patch.setattr(_purify, "IsolationForest", few_trees)
        patch.setattr(_guesses, "TRIED", _guesses.TRIED[:1])
        patch.setattr(_guesses, "TRIED_PARTS", 2)
        patch.setattr(measure, "NOISE_ROWS", 100)
        patch.setattr(adversaries, "MOVES", 20)
        patch.setattr(clusters, "TIES", clusters.TIES[:1])
        yield


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
