"""What is lent and given back: torch's threads, its generator, what was fitted."""

import os
import threading
from contextlib import contextmanager

import numpy as np
import torch

WORK_FOR_THREADS = 10**8  # multiplications in a step from which threads pay
_GENERATOR = threading.RLock()  # a user's network may itself fit an autoencoder


def lock_over_forks():
    """Return a lock that a fork waits for, so that a child finds it free."""
    lock = threading.RLock()  # which only the thread that has it can free
    if hasattr(os, "register_at_fork"):
        free = lock.release
        os.register_at_fork(before=lock.acquire, after_in_parent=free, after_in_child=free)
    return lock


def _renew():
    """Let a child have a lock of its own, where a fork cannot wait: for a training."""
    global _GENERATOR
    _GENERATOR = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class _Depth(threading.local):
    """How many calls of a thread want it; torch's count is each thread's own."""

    depth = 0


class _OneThread:
    """How many calls want torch to run on one thread, and what to go back to."""

    lock, users, before = lock_over_forks(), 0, 1
    local = _Depth()


@contextmanager
def few_threads(work):
    """Run on one thread where `work` multiplications are too few to share.

    Small steps are up to twice as fast so, and searches with ``n_jobs`` do not fight
    for cores.
    """
    if work >= WORK_FOR_THREADS:
        yield
        return
    with _OneThread.lock:
        if not _OneThread.users:
            _OneThread.before = torch.get_num_threads()
        _OneThread.users += 1
        depth = _OneThread.local.depth
        if not depth:
            torch.get_num_threads()  # a new thread takes over the count when it asks first
            torch.set_num_threads(1)
        _OneThread.local.depth = depth + 1
    try:
        yield
    finally:
        with _OneThread.lock:
            _OneThread.users -= 1
            _OneThread.local.depth = depth
            if not depth:
                torch.set_num_threads(_OneThread.before)


@contextmanager
def global_randomness(seed, device):
    """Seed torch's global generator for modules that know no other, and put it back.

    Only users' own networks need it; it is locked, as the generator is the process's.
    """
    on_cuda = torch.device(device).type == "cuda"
    with _GENERATOR, torch.random.fork_rng(devices=[device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed reseeds all GPUs
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def all_or_nothing(owner, net=None):
    """Put back what an estimator had fitted, if what is done in between fails.

    `net` is one that goes on being trained: its state is put back too. Without it, what
    was fitted is removed first, and the old net left alone.
    """

    def fitted():
        return {name: value for name, value in vars(owner).items() if name[-1] == "_"}

    before = fitted()
    drawn = [v for v in before.values() if isinstance(v, np.random.RandomState)]
    places = [generator.get_state() for generator in drawn]
    state = None if net is None else net.save_state()
    try:
        for name in before if net is None else ():
            delattr(owner, name)
        yield
    except BaseException:
        for name in fitted():
            delattr(owner, name)
        vars(owner).update(before)
        for generator, place in zip(drawn, places, strict=True):
            generator.set_state(place)
        if net is not None:
            net.load_state(state)
        raise
