"""Threads that fit at once, and what an interrupted trace leaves behind."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.utils import _python_dispatch

from skae import Autoencoder, AutoencoderImputer, AutoencoderOutlierDetector, LatentSampler
from skae._training import runtime
from skae._training.members import Members
from tests.common import ESTIMATORS, NEEDS_Y

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).normal(size=(40, 16))
Y = np.arange(40) % 3
DETECTOR = AutoencoderOutlierDetector(n_estimators=2, max_iter=2, random_state=0)


def said(estimator):
    """What an estimator says of the rows that it is fitted on."""
    rows = X[:, :4] if isinstance(estimator, AutoencoderImputer) else X
    estimator = clone(estimator).fit(rows, Y)
    if isinstance(estimator, LatentSampler):
        return estimator.sample(5, random_state=0)
    if hasattr(estimator, "score_samples"):
        return estimator.score_samples(rows)
    return estimator.transform(rows)


@pytest.mark.slow
def test_threads_fit_and_score_as_one_does():
    sampler = LatentSampler(Autoencoder(2, max_iter=2), random_state=0)
    estimators = [*ESTIMATORS, *NEEDS_Y, sampler, *[DETECTOR] * 4]  # which traces
    alone = [said(estimator) for estimator in estimators]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(said, estimators[::-1]))[::-1]
    for estimator, one, other in zip(estimators, alone, together, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=repr(estimator))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_record_that_is_cut_off_leaves_no_mode_on(monkeypatch, error):
    imputer = AutoencoderImputer(2, network=(8,), max_iter=2, random_state=0)
    before = said(imputer), said(DETECTOR)

    def cut_off(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Members, "_terms", cut_off)
        with pytest.raises(error):
            clone(DETECTOR).fit(X)
    assert not _python_dispatch._get_current_dispatch_mode_stack()
    assert torch._C._functorch.peek_interpreter_stack() is None
    assert torch.is_grad_enabled()
    for estimator, expected in zip((imputer, DETECTOR), before, strict=True):
        np.testing.assert_array_equal(said(estimator), expected)


def test_a_record_has_a_thread_of_its_own(monkeypatch):
    threads, loss = set(), Members._terms

    def noted(self, *args):
        threads.add(threading.current_thread())
        return loss(self, *args)

    monkeypatch.setattr(Members, "_terms", noted)
    clone(DETECTOR).fit(X)
    assert threads  # interrupts reach the main one
    assert threading.main_thread() not in threads


def forked(check):
    """The exit status of a child that exits with 0 if a check is true within 10 s."""
    child = os.fork()
    if not child:
        os._exit(not check())
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.01)
    os.kill(child, 9)
    return os.waitpid(child, 0)[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_leaves_the_child_no_lock_that_is_taken():
    within, over = threading.Event(), threading.Event()

    def train():
        with runtime.global_randomness(0, "cpu"):
            within.set()
            assert over.wait(30)

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(train)  # which may take long: nothing waits for it
        assert within.wait(10)
        assert forked(lambda: runtime._GENERATOR.acquire(timeout=10)) == 0
        assert not job.done()
        over.set()
        job.result()
    assert runtime._GENERATOR.acquire(timeout=1)
    runtime._GENERATOR.release()
