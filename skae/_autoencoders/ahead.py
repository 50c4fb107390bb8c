"""Trainings that are foreseen, and done before the fits that ask for them.

What comes of a training depends on its recipe and its sample alone. So a fit may take what
came of another training, if that had the same recipe and the same sample; and of a fit that
is still to come both can be known, by letting it run up to its training.
"""

import copy
import math
import pickle
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import scipy.sparse as sp
import torch

from skae._params import equal
from skae._training.together import train_together

CELLS = 2**24  # of a table, times the members that are trained together
_LOOKING = ContextVar("looking", default=None)  # of this thread: what it has found
_OPEN, _LOCK = [], threading.Lock()  # what any fit of the process may take from


class Postponed(BaseException):
    """Ends a fit where it would train."""


class Wanted:
    """A training that some fits ask for."""

    def __init__(self, recipe, sample, has_seed):
        self.recipe, self.sample, self.has_seed = recipe, sample, has_seed
        self.times, self.trained, self.seconds = 1, None, 0.0

    @property
    def can_be_known_again(self):
        """Whether a clone's recipe is equal to this one: not with objects of one's own."""
        return equal(self.recipe, copy.deepcopy(self.recipe))

    def is_like(self, other):
        """Tell whether another training, of the same rows, is this one."""
        mine, theirs = self.recipe, other.recipe
        if not self.has_seed:
            mine, theirs = mine._replace(seed=0), theirs._replace(seed=0)
        parts = zip(_split(self.sample), _split(other.sample), strict=True)
        return (
            self.has_seed is other.has_seed
            and equal(mine, theirs)
            and all(
                _same(a, b) if self.has_seed else np.shape(a) == np.shape(b)
                for a, b in parts
            )
        )

    def take(self):
        """Return what came of the training, to each that asks one of its own."""
        trained, self.times = self.trained, self.times - 1
        if self.times:
            return pickle.loads(pickle.dumps(trained))
        self.trained = None
        return trained


class Ahead:
    """Trainings that are wanted, in groups of the same rows."""

    def __init__(self):
        self.groups = []

    def want(self, wanted):
        """Note a training; return it, or an equal one that is wanted already."""
        group = self._group_of(wanted.sample)
        if group is None:
            self.groups.append(group := [])
        is_set = wanted.has_seed and wanted.recipe.is_ours
        for other in group:
            if is_set and other.is_like(wanted):
                other.times += 1
                return other
        if group:  # hold the rows once
            named = group[0].sample._asdict()
            rows = {name: named[name] for name in ("X", "target", "weight", "told")}
            wanted.sample = wanted.sample._replace(**rows)
        group.append(wanted)
        return wanted

    def take(self, wanted):
        """Return what came of a training, if it was wanted and is done, or None."""
        for other in self._group_of(wanted.sample) or ():
            if other.trained is not None and other.is_like(wanted):
                return other.take()
        return None

    def _group_of(self, sample):
        return next((g for g in self.groups if _same_rows(g[0].sample, sample)), None)

    def chunks(self, n_jobs):
        """Return lists of what to train together, about as much work for each job.

        Each group is one, but for those left over once each job has as many; and for
        those of so many rows that they are bound by memory, not by overhead.
        """
        chunks, whole = [], len(self.groups) // n_jobs * n_jobs
        for i, group in enumerate(self.groups):
            most = max(1, CELLS // math.prod(group[0].sample.X.shape))
            n_parts = max(1 if i < whole else n_jobs, math.ceil(len(group) / most))
            # those of large steps, of which some may fail, beside each other
            group = sorted(group, key=lambda wanted: wanted.recipe.schedule.learning_rate)
            chunks += [group[k::n_parts] for k in range(min(n_parts, len(group)))]
        return chunks

    @contextmanager
    def open(self):
        """Let fits take what is trained."""
        with _LOCK:
            _OPEN.append(self)
        try:
            yield
        finally:
            with _LOCK:
                _OPEN.remove(self)


def foreseen(fit):
    """Return what a call would train first, or None; the call ends there."""
    token = _LOOKING.set(found := [])
    try:
        fit()
    except Postponed:
        pass
    finally:
        _LOOKING.reset(token)
    return found[0] if found else None


def trained_ahead(recipe, sample, *, has_seed, is_watched):
    """Return what came of a training, if it is done already, or None.

    A fit that somebody looks at ends here. Without a seed of one's own, one training is as
    good as another; one that is watched as it goes, or whose size is still to be found, is
    not done ahead.
    """
    found = _LOOKING.get()
    if found is None and not _OPEN:
        return None
    wanted = Wanted(recipe, sample, has_seed)
    if found is not None:
        found += [] if is_watched or recipe.asks_for_share else [wanted]
        raise Postponed
    if is_watched:
        return None
    with _LOCK:
        return next((t for ahead in _OPEN if (t := ahead.take(wanted))), None)


def train_all(recipes, samples):
    """Train on the same rows, and leave recipes and samples as they are.

    Returns
    -------
    trained : list of Trained or None
        None for those that failed.
    seconds : list of float
        Each one's share of the time.
    """
    start = time.perf_counter()
    found = _trained([*zip(recipes, samples, strict=True)])
    seconds = time.perf_counter() - start
    epochs = np.array([0 if t is None else t.n_iter for t in found])
    return found, (seconds * epochs / max(1, epochs.sum())).tolist()


def _trained(parts):
    """Train; if one fails, which ends all of them, by halves until it is alone."""
    try:
        return train_together(*zip(*(copied(*part) for part in parts), strict=True))
    except Exception:  # what is wrong with it, its fit will say
        if len(parts) == 1:
            return [None]
    middle = len(parts) // 2
    return _trained(parts[:middle]) + _trained(parts[middle:])


def copied(recipe, sample):
    """Return a recipe and a sample that a training may draw from."""
    generator = torch.Generator()
    generator.set_state(sample.generator.get_state())
    return copy.deepcopy(recipe), sample._replace(generator=generator)


def _split(sample):
    return sample.train, sample.valid


def _same_rows(a, b):
    """Tell whether two samples are of the same rows, weights and labels."""
    shape = a.statistics.sample_shape
    named = zip(a[:4], b[:4], strict=True)  # X, target, weight, told
    return shape == b.statistics.sample_shape and all(_same(*pair) for pair in named)


def _same(a, b):
    """Tell whether two values are the same; arrays, matrices and tensors in them too."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if torch.is_tensor(a):
        return torch.equal(a, b)
    if sp.issparse(a):
        return a.shape == b.shape and (a != b).nnz == 0
    has_nan = a.dtype.kind == "f"
    return np.array_equal(a, b, equal_nan=has_nan)
