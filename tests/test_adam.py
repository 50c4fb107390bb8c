"""Adam by its kernel alone: torch's steps and state, without its compiler."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch

from skae import _adam
from skae._adam import Adam

WAYS = [
    {},
    {"lr": 0.1, "betas": (0.5, 0.99), "eps": 1e-4},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decoupled_weight_decay": True},
    {"amsgrad": True},
    {"maximize": True},
    {"foreach": True},
    {"fused": False},
    {"capturable": False, "differentiable": False},
]


def walked(optimizer, p, n=10, seed=0):
    """Return the numbers after n steps by random gradients."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()
    return p.detach().clone()


def parameter(n=50):
    return torch.nn.Parameter(torch.linspace(-1, 1, n))


@pytest.mark.parametrize("params", WAYS, ids=str)
def test_steps_and_state_are_those_of_torch(params):
    p, q = parameter(), parameter()
    own, theirs = Adam([p], **params), torch.optim.Adam([q], **params)
    torch.testing.assert_close(walked(own, p), walked(theirs, q), rtol=1e-5, atol=1e-6)
    mine, other = own.state_dict(), theirs.state_dict()
    assert mine["state"].keys() == other["state"].keys()
    for name, value in other["state"][0].items():
        torch.testing.assert_close(mine["state"][0][name], value, rtol=1e-5, atol=1e-6)
    assert mine["param_groups"][0].keys() == other["param_groups"][0].keys()


@pytest.mark.parametrize("params", WAYS[:6], ids=str)
def test_without_the_kernel_steps_are_the_same_to_rounding(monkeypatch, params):
    p, q = parameter(), parameter()
    by_kernel = walked(Adam([p], **params), p)
    monkeypatch.setattr(_adam, "FUSED", set())
    torch.testing.assert_close(
        walked(Adam([q], **params), q), by_kernel, rtol=1e-4, atol=1e-5
    )
    assert not torch.equal(by_kernel, parameter())


def test_a_saved_state_goes_on_in_torch_s_and_back():
    p, q = parameter(), parameter()
    own = Adam([p])
    walked(own, p)
    theirs = torch.optim.Adam([q], fused=True)
    theirs.load_state_dict(copy.deepcopy(own.state_dict()))
    with torch.no_grad():
        q.copy_(p)
    torch.testing.assert_close(walked(own, p, 5, seed=1), walked(theirs, q, 5, seed=1))
    third = Adam([r := parameter()])
    third.load_state_dict(copy.deepcopy(theirs.state_dict()))
    with torch.no_grad():
        r.copy_(q)
    torch.testing.assert_close(walked(third, r, 5, seed=2), walked(theirs, q, 5, seed=2))


def test_it_takes_what_has_a_gradient_alone_and_returns_the_loss():
    p, q = parameter(3), parameter(3)
    optimizer = Adam([{"params": [p], "lr": 0.1}, {"params": [q], "lr": 0.2}])
    p.grad = torch.tensor([1.0, -1.0, 0.0])
    assert optimizer.step(lambda: torch.tensor(7.0)) == 7
    np.testing.assert_allclose(p.detach(), [-1.1, 0.1, 1.0], atol=1e-6)  # by the rate each
    assert torch.equal(q, parameter(3))
    optimizer.zero_grad()
    assert p.grad is None


def test_hooks_and_schedulers_are_heard():
    p, heard = parameter(3), []
    optimizer = Adam([p], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
    optimizer.register_step_post_hook(lambda *_: heard.append("after"))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    walked(optimizer, p, 1)
    schedule.step()
    assert heard == ["before", "after"]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


FIRST_FITS = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np, skae
X = np.random.default_rng(0).normal(size=(60, 6))
y = (X[:, 0] > 0).astype(int)
holed = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
for estimator in (
    skae.Autoencoder(2, max_iter=2), skae.DenoisingAutoencoder(2, max_iter=2),
    skae.VariationalAutoencoder(2, max_iter=2), skae.SparseAutoencoder(8, max_iter=2),
    skae.AdversarialAutoencoder(2, max_iter=2), skae.BinaryAutoencoder(4, max_iter=2),
    skae.AutoencoderFeatureSelector(2, max_iter=2),
    skae.AutoencoderOutlierDetector(max_iter=2),
    skae.ConvolutionalAutoencoder(2, max_iter=2), skae.AutoencoderImputer(max_iter=2),
):
    rows = X
    if "Convolutional" in type(estimator).__name__:
        rows = np.random.default_rng(0).normal(size=(20, 8, 8))
    estimator.fit(holed if "Imputer" in type(estimator).__name__ else rows)
    for module in ("torch._dynamo", "sympy"):
        assert module not in sys.modules, (type(estimator).__name__, module)
"""


@pytest.mark.slow
def test_no_default_fit_imports_a_compiler():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FITS], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
