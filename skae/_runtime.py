"""What the process shares, lent and given back: torch's threads, torch's generator."""

import threading
from contextlib import contextmanager

import torch

WORK_FOR_THREADS = 10**8  # multiplications in a step from which threads pay
_GENERATOR = threading.RLock()  # a user's network may itself fit an autoencoder


class _OneThread:
    """How many calls want torch to run on one thread, and what to go back to."""

    lock, users, before = threading.Lock(), 0, 1


@contextmanager
def few_threads(work=0):
    """Run on one thread where `work` multiplications are too few to share.

    Small steps are up to twice as fast so, and searches with ``n_jobs`` do not fight
    for cores. Yields how many threads there were.
    """
    if work >= WORK_FOR_THREADS:
        yield torch.get_num_threads()
        return
    with _OneThread.lock:
        if not _OneThread.users:
            _OneThread.before = torch.get_num_threads()
            torch.set_num_threads(1)
        _OneThread.users += 1
    try:
        yield _OneThread.before
    finally:
        with _OneThread.lock:
            _OneThread.users -= 1
            if not _OneThread.users:
                torch.set_num_threads(_OneThread.before)


@contextmanager
def global_randomness(seed, device):
    """Seed torch's global generator for modules that know no other, and put it back.

    Only users' own networks need it; it is locked, as the generator is the process's.
    """
    devices = [device] if torch.device(device).type == "cuda" else []
    with _GENERATOR, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
