"""Recorded where that is sure: our layers at once, a user's module after two trials."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from skae import Autoencoder
from skae._training import step as steps
from skae._training import tape
from skae._training.run import Run
from skae._training.step import Step

pytestmark = pytest.mark.filterwarnings("ignore:Underfitted")


@pytest.fixture(autouse=True)
def at_once(request, monkeypatch):
    """Record at the first call, where a test does not say otherwise."""
    if "few" not in request.node.name:
        monkeypatch.setattr(steps, "FEW_CALLS", 0)


def test_few_calls_are_not_recorded_and_more_of_a_shape_are():
    step = step_of(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4)))
    for i in range(steps.FEW_CALLS):
        check(step, batch(i))
        check(step, batch(i, 5))
    assert not step.records
    check(step, batch(9))
    assert step.records.keys() == {(8, 4)}


K = {"max_iter": 4, "random_state": 0, "device": "cpu", "early_stopping": False}
X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)


def step_of(module, **kwargs):
    """Return a step that trains a module to return its input, and its gradients."""
    params = list(module.parameters())
    grad = torch.zeros(sum(p.numel() for p in params))
    places = grad.split([p.numel() for p in params])
    for p, place in zip(params, places, strict=True):
        p.grad = place.view(p.shape)
    return Step(
        lambda x: ((module(x) - x).square().mean(),), module, params, grad, **kwargs
    )


def by_autograd(module, x):
    loss = (module(x) - x).square().mean()
    found = torch.autograd.grad(loss, list(module.parameters()))
    return torch.cat([g.reshape(-1) for g in found]), loss.detach()


def check(step, x):
    """Check a step against autograd; the generator is left where the step left it."""
    before = torch.default_generator.get_state()
    (loss,) = step(x)
    after = torch.default_generator.get_state()
    torch.default_generator.set_state(before)
    wanted, value = by_autograd(step.module, x)
    torch.testing.assert_close(loss, value)
    torch.testing.assert_close(step.grad, wanted)
    assert torch.equal(torch.default_generator.get_state(), after)


def batch(seed, n=8, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator) + shift


class Own(nn.Module):
    """A user's layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x).tanh()


def test_known_layers_are_recorded_at_once_each_shape_by_itself():
    step = step_of(nn.Sequential(nn.Linear(4, 3), nn.SiLU(), nn.Linear(3, 4)))
    for n in (8, 8, 5, 5, 8):
        check(step, batch(n, n))
    assert step.records.keys() == {(8, 4), (5, 4)}


def test_of_a_user_s_module_two_records_must_agree():
    step = step_of(Own())
    check(step, batch(0))
    assert not step.records
    check(step, batch(1))
    assert not step.records
    check(step, batch(2))
    assert step.records.keys() == {(8, 4)}
    check(step, batch(4))
    step.renew()  # it is tried once more, and then believed
    assert not step.records
    check(step, batch(3))
    assert step.records.keys() == {(8, 4)}
    assert not step.is_eager


class Branching(Own):
    def forward(self, x):
        return super().forward(x) if x.mean() > 0 else 2 * super().forward(x)


class Reading(Own):
    def forward(self, x):
        return super().forward(x) * (3.0 if np.asarray(x.detach()).mean() > 0 else 1.0)


class Counting(Own):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) if self.calls < 5 else -super().forward(x)


class Remembering(Own):
    def __init__(self):
        super().__init__()
        self.register_buffer("last", torch.zeros(4))

    def forward(self, x):
        with torch.no_grad():
            self.last += x.mean(0)
        return super().forward(x) + self.last


class Global(Own):
    sign = 1.0

    def forward(self, x):
        return Global.sign * super().forward(x)


class Guessing(Own):
    def forward(self, x):
        return super().forward(x) * float(RNG.random())


class Checkpointed(Own):
    def forward(self, x):
        return checkpoint(super().forward, x.clone().requires_grad_(), use_reentrant=True)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", [Branching, Reading])
def test_a_branch_on_the_numbers_is_never_frozen(kind):
    step = step_of(kind())
    for seed in range(8):
        check(step, batch(seed, shift=2.0 if seed < 4 else -2.0))
    assert step.is_eager
    assert not step.records


def test_what_a_module_counts_or_remembers_is_never_frozen():
    for kind in (Counting, Remembering):
        ours, twin = kind(), kind()
        twin.load_state_dict(ours.state_dict())
        step = step_of(ours)
        for seed in range(8):
            (loss,) = step(batch(seed))
            wanted, value = by_autograd(twin, batch(seed))
            torch.testing.assert_close(loss, value)
            torch.testing.assert_close(step.grad, wanted)
        assert step.is_eager


def test_another_source_of_randomness_than_torch_s_is_never_frozen():
    step = step_of(Guessing())
    losses = {float(step(batch(0))[0]) for _ in range(6)}
    assert step.is_eager
    assert len(losses) == 6


def test_what_changes_elsewhere_is_found_out_when_tried_once_more(monkeypatch):
    step = step_of(Global())
    for seed in range(3):
        check(step, batch(seed))
    assert step.records
    monkeypatch.setattr(Global, "sign", -1.0)
    step.renew()
    for seed in range(3):
        check(step, batch(seed))
    assert step.is_eager


def test_a_user_s_dropout_draws_the_same_numbers_recorded():
    step = step_of(nn.Sequential(Own(), nn.Dropout(0.5)))
    torch.manual_seed(0)
    for seed in range(5):
        check(step, batch(seed))
    assert step.records


def test_a_module_that_needs_backward_is_not_recorded():
    step = step_of(Checkpointed())
    for seed in range(3):
        step(batch(seed))
        module = Own()
        module.load_state_dict(step.module.state_dict())
        torch.testing.assert_close(step.grad, by_autograd(module, batch(seed))[0])
    assert step.is_eager


def test_running_statistics_go_by_autograd():
    assert step_of(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))).is_eager


def test_hooks_of_a_user_s_are_called_at_each_step():
    module, seen = nn.Sequential(nn.Linear(4, 4)), []
    module[0].register_forward_hook(lambda *_: seen.append(1))
    step = step_of(module)
    for seed in range(5):
        step(batch(seed))
    assert not step.is_known
    assert seen == [1] * 5


def test_hooks_of_gradients_are_called_at_each_step():
    module, seen = Own(), []
    module.layer.weight.register_post_accumulate_grad_hook(lambda p: seen.append(1))
    step = step_of(module)
    for seed in range(5):
        step(batch(seed))
    assert seen == [1] * 5


class Rarely(Own):
    """Counts, or draws, what decides at the sixth call alone."""

    def __init__(self, source):
        super().__init__()
        self._n, self.source = 0, source

    def forward(self, x):
        return super().forward(x) * (2.0 if self.decides() else 1.0)

    def decides(self):
        if self.source is None:
            self._n += 1
            return self._n == 6
        return self.source.random() < 0.05


@pytest.mark.parametrize("source", [None, random.Random, np.random.default_rng])
def test_what_seldom_decides_is_never_frozen(source):
    ours, twin = (Rarely(source and source(0)) for _ in range(2))
    twin.load_state_dict(ours.state_dict())
    step = step_of(ours)
    for seed in range(40):
        (loss,) = step(batch(seed))
        wanted, value = by_autograd(twin, batch(seed))
        torch.testing.assert_close(loss, value)
        torch.testing.assert_close(step.grad, wanted)
    assert step.is_eager


class Doubled(torch.autograd.Function):
    """Its gradient branches on numbers, in NumPy."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * (2.0 if grad.numpy().mean() > 0 else 3.0)


def test_a_gradient_of_the_user_s_own_is_never_frozen():
    class Doubling(Own):
        def forward(self, x):
            return Doubled.apply(super().forward(x))

    step = step_of(Doubling())
    for seed in range(10):
        check(step, batch(seed, shift=seed % 2 - 0.5))
    assert step.is_eager


def test_what_a_trial_that_fails_has_counted_is_put_back():
    class Twice(Remembering):
        def __init__(self):
            super().__init__()
            self.unused, self.n = nn.Linear(2, 2), 0

        def forward(self, x):
            self.n += 1
            return super().forward(x)

    step = step_of(Twice())
    step(batch(0))
    torch.testing.assert_close(step.module.last, batch(0).mean(0))
    assert step.module.n == 1


def test_steps_of_large_tensors_go_by_autograd(monkeypatch):
    monkeypatch.setattr(tape, "MOST_BYTES", 1000)
    step = step_of(nn.Sequential(nn.Linear(4, 3), nn.SiLU(), nn.Linear(3, 4)))
    check(step, batch(0, 100))
    assert step.is_eager
    assert not step.records


LATE = """
import atexit, threading, time
import numpy as np
from skae import Autoencoder
X = np.random.default_rng(0).normal(size=(50, 4))
def fit():
    time.sleep(0.1)
    print(np.isfinite(Autoencoder(2, max_iter=1, random_state=0).fit(X).loss_curve_[0]))
threading.Thread(target=fit).start()
atexit.register(fit)
"""


@pytest.mark.slow
def test_fits_end_when_python_is_on_its_way_out():
    command = [sys.executable, "-W", "ignore", "-c", LATE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_an_error_while_recording_is_the_module_s_own():
    class Broken(Own):
        def forward(self, x):
            raise ZeroDivisionError("of the module")

    with pytest.raises(ZeroDivisionError, match="of the module"):
        step_of(Broken())(batch(0))
    check(step_of(Own()), batch(0))  # and torch is as before


def without_records(monkeypatch):
    """Let all go by autograd."""
    made = Step.__init__

    def eager(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.is_eager = True

    monkeypatch.setattr(Step, "__init__", eager)


class Network:
    """A user's network, with a branch on its rows."""

    def build(self, n_inputs, n_components, n_outputs, **kwargs):
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(n_inputs, n_components)

            def forward(self, x):
                u = self.layer(x)
                return u if x[:, 0].mean() > 0.05 else u.tanh()

        return Encoder(), nn.Linear(n_components, n_outputs)


def test_a_fit_of_a_network_with_a_branch_is_that_of_autograd(monkeypatch):
    ours = Autoencoder(2, network=Network(), **K).fit(X)
    without_records(monkeypatch)
    wanted = Autoencoder(2, network=Network(), **K).fit(X)
    assert ours.loss_curve_ == wanted.loss_curve_
    assert np.array_equal(ours.transform(X), wanted.transform(X))


class Signed:
    """A user's network, by a sign that is not its own."""

    sign = 1.0

    def build(self, n_inputs, n_components, n_outputs, **kwargs):
        class Decoder(nn.Linear):
            def forward(self, z):
                return Signed.sign * super().forward(z)

        return nn.Linear(n_inputs, n_components), Decoder(n_components, n_outputs)


def test_each_epoch_looks_again_at_a_user_s_network(monkeypatch):
    begin = Run.begin_epoch

    def flipped(self):
        Signed.sign = -1.0 if self.course.epoch >= 2 else 1.0
        begin(self)

    monkeypatch.setattr(Run, "begin_epoch", flipped)
    monkeypatch.setattr(Signed, "sign", 1.0)
    ours = Autoencoder(2, network=Signed(), **K).fit(X)
    without_records(monkeypatch)
    wanted = Autoencoder(2, network=Signed(), **K).fit(X)
    np.testing.assert_allclose(ours.loss_curve_, wanted.loss_curve_, rtol=1e-5)
    monkeypatch.undo()
    usual = Autoencoder(2, network=Signed(), **K).fit(X).loss_curve_
    np.testing.assert_allclose(usual[:2], wanted.loss_curve_[:2], rtol=1e-5)
    assert abs(usual[2] - wanted.loss_curve_[2]) > 1e-2


def test_threads_record_apart():
    estimators = [
        Autoencoder(2, network=(8,), **{**K, "random_state": i}) for i in range(8)
    ]
    alone = [e.fit(X).loss_curve_ for e in estimators]
    with ThreadPoolExecutor(8) as pool:
        together = [e.loss_curve_ for e in pool.map(lambda e: e.fit(X), estimators)]
    assert together == alone
    assert len({tuple(curve) for curve in alone}) == 8


def test_recording_is_in_a_thread_that_no_interrupt_reaches(monkeypatch):
    seen, recorded = [], Step._recorded

    def noted(self, given):
        seen.append(threading.current_thread() is threading.main_thread())
        return recorded(self, given)

    monkeypatch.setattr(steps.Step, "_recorded", noted)
    Autoencoder(2, network=(8,), **K).fit(X)
    assert seen
    assert not any(seen)
