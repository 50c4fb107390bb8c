"""What a batch costs and its gradients: recorded where that is sure, else eager."""

import pickle
import random
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn

from skae._training.recorded import Record
from skae._training.state import has_hooks, has_statistics, is_plain
from skae._training.tape import Reads, Tape, tensors
from skae._training.usual import usual_torch

FEW_CALLS = 6  # of a shape, for which a record, as dear as a dozen, does not pay
PLAIN = int, float, str, list, tuple, dict, set, deque, np.random.RandomState
PLAIN = *PLAIN, np.random.Generator, random.Random
SAME = 1e-4  # of the largest number: by how much what is recorded may be off


class Step:
    """A function of tensors, and the gradient of what it returns first.

    Parameters
    ----------
    cost : callable
        Returns a tuple of tensors for what it is given: tensors, or None, in nested
        tuples; the shapes of all follow from the first one's. It draws from torch's
        generators alone.
    module : nn.Module
        That `cost` is of.
    params : list of Tensor, default=()
        To each of whose ``grad`` its gradient is written. If there are none, the
        function is not for training.
    grad : Tensor, default=None
        The memory of all of these.
    generator : torch.Generator, default=None
        From which `module` draws.
    eager : bool, default=False
        Whether nothing is to be recorded.
    doubtful : bool, default=False
        Whether `cost` is not known to take the same operations for each batch of a shape.
    n_eager : int, default=None
        Calls of each shape that go by autograd first; None is `FEW_CALLS`.

    Notes
    -----
    skae's and torch's own layers take the same operations for each batch of a shape. Of
    a module of the user's this is tried: two batches must give the same record, and on a
    third it must give what autograd does, which is asked again when `renew` is called.
    """

    def __init__(
        self,
        cost,
        module,
        params=(),
        grad=None,
        generator=None,
        *,
        eager=False,
        doubtful=False,
        n_eager=None,
    ):
        self.cost, self.module, self.params, self.grad = cost, module, list(params), grad
        self.generator, self.is_known = generator, is_plain(module) and not doubtful
        self.is_eager = eager or has_statistics(module) or has_hooks(module)
        self.records, self.tried, self.doubtful = {}, {}, {}
        self.n_eager, self.calls = FEW_CALLS if n_eager is None else n_eager, Counter()

    def __call__(self, *given):
        """Return what the function returns; gradients are in their places."""
        inputs = tensors(given)
        key = inputs[0].shape
        run = self.records.get(key)
        if run is not None:
            with torch.inference_mode():
                return run(*inputs)
        self.calls[key] += 1
        if self.is_eager or self.calls[key] <= self.n_eager:
            return self._eager(given)
        if self.is_known:
            return self._first(key, given)
        return self._doubted(key, given)

    def renew(self):
        """Let what is recorded of a user's module be tried once more."""
        if not self.is_known:
            self.doubtful |= self.records
            self.records = {}

    def _eager(self, given):
        """Return what the function returns, by autograd."""
        if self.grad is None:
            with torch.no_grad():
                return self.cost(*given)
        self.grad.zero_()
        out = self.cost(*given)
        if out[0].requires_grad:  # callbacks may have frozen all
            out[0].backward()
        return tuple(t.detach() for t in out)

    def _first(self, key, given):
        """Record the function of known layers, in a thread that no interrupt reaches.

        One that came at the wrong moment would leave torch recording.
        """
        n_threads = torch.get_num_threads()

        def record():
            torch.get_num_threads()  # a new thread takes over the count when it asks first
            torch.set_num_threads(n_threads)
            with usual_torch():
                return self._recorded(given)

        if threading.current_thread() is threading.main_thread():
            with ThreadPoolExecutor(1) as thread:
                try:
                    future = thread.submit(record)
                except RuntimeError:  # no threads any more: Python is on its way out
                    future = None
                out, made, is_sure = record() if future is None else future.result()
        else:
            out, made, is_sure = record()
        if is_sure:
            self.records[key] = made.run
        else:
            self.is_eager = True
        return out

    def _recorded(self, given):
        """Return what the function returns, the record, and whether that says all."""
        places = [p.grad for p in self.params]
        tape, reads, found = Tape(), Reads(), [None] * len(places)
        try:
            with torch.set_grad_enabled(self.grad is not None), reads, tape:
                out = self.cost(*given)
                if places and out[0].requires_grad:
                    # of a function of the user's own, what it reads would not be noticed
                    reads.has_read |= not self.is_known and _has_functions(out[0].grad_fn)
                    found = torch.autograd.grad(
                        out[0], self.params, allow_unused=self.is_known
                    )
            pairs = list(zip(found, places, strict=True))
            record, is_sure = None, not (tape.is_full or tape.has_read or reads.has_read)
            if is_sure:
                record = Record(tape.lines, tensors(given), list(out), pairs)
                is_sure = not record.has_alias
        finally:
            tape.stop()
        with torch.no_grad():
            for gradient, place in pairs:
                place.zero_() if gradient is None else place.copy_(gradient)
        return tuple(t.detach() for t in out), record, is_sure

    # Modules of the user's

    def _doubted(self, key, given):
        """Return what the function returns; record it, or compare it with its record."""
        if key in self.doubtful:
            return self._compared(key, given)
        places, told, held = self._places(), self._told(), self._held()
        try:
            out, record, is_sure = self._recorded(given)
        except Exception:  # weights without use, or that `backward` alone finds
            self.is_eager = True
            self._go_back(places)
            self._hold(held)
            return self._eager(given)
        first = self.tried.pop(key, None)
        if not is_sure or record.changes or self._told() != told:
            self.is_eager = True
        elif first is None:
            self.tried[key] = record
        elif first.is_like(record):
            self.doubtful[key] = first.run
        else:
            self.is_eager = True
        return out

    def _compared(self, key, given):
        """Return what the function returns; trust the record if it returns the same."""
        before, told, run = self._places(), self._told(), self.doubtful.pop(key)
        out = self._eager(given)
        after, grad = self._places(), None if self.grad is None else self.grad.clone()
        self._go_back(before)
        try:
            with torch.inference_mode():
                again = run(*tensors(given))
        except RuntimeError:  # of an operation that heeds how a tensor lies in memory
            again = ()
        is_same = len(again) == len(out) and self._told() == told
        is_same = is_same and all(map(torch.equal, self._places(), after))
        self._go_back(after)
        pairs = [*zip(out, again, strict=False), *[(grad, self.grad)] * (grad is not None)]
        if is_same and all(_are_near(*pair) for pair in pairs):
            self.records[key] = run
        else:
            self.is_eager = True
        if grad is not None:
            self.grad.copy_(grad)
        return out

    def _generators(self):
        own = [] if self.generator is None else [self.generator]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            own += torch.cuda.default_generators
        return [torch.default_generator, *own]

    def _places(self):
        """Return where the generators stand."""
        return [g.get_state() for g in self._generators()]

    def _go_back(self, places):
        for generator, place in zip(self._generators(), places, strict=True):
            generator.set_state(place)

    def _held(self):
        """Return what the module's parts hold, and copies of the buffers."""
        parts = [dict(vars(m)) for m in self.module.modules()]
        return parts, [b.clone() for b in self.module.buffers()]

    @torch.no_grad()
    def _hold(self, held):
        """Let the module hold what it held."""
        for m, part in zip(self.module.modules(), held[0], strict=True):
            vars(m).update(part)
        for b, kept in zip(self.module.buffers(), held[1], strict=True):
            b.copy_(kept)

    def _told(self):
        """Return what the module's parts hold beside tensors, as texts.

        And where Python's and NumPy's generators stand, which users draw from.
        """
        usual = vars(nn.Module()).keys()
        stands = np.random.get_state(legacy=False)  # noqa: NPY002
        told = [random.getstate(), pickle.dumps(stands)]
        for m in self.module.modules():
            own = {name: v for name, v in vars(m).items() if name not in usual}
            for value in own.values():
                if type(value).__module__ not in ("builtins", "torch", "numpy"):
                    own = own | _inside(value)
            told.append({k: _text(v) for k, v in own.items() if isinstance(v, PLAIN)})
        return told


def _has_functions(root):
    """Tell whether Python works out a gradient, in an `autograd.Function`."""
    seen, left = {None}, [root]
    while left:
        node = left.pop()
        if node not in seen:
            if isinstance(node, torch.autograd.function.BackwardCFunction):
                return True
            seen.add(node)
            left += [before for before, _ in node.next_functions]
    return False


def _inside(value):
    """Return what an object holds by name, as a code does."""
    try:
        return {f"{id(value)} {name}": held for name, held in vars(value).items()}
    except TypeError:
        return {}


def _text(value):
    """Return what tells whether a plain value has changed."""
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.RandomState):
        return pickle.dumps(value.get_state(legacy=False))
    if isinstance(value, np.random.Generator):
        return pickle.dumps(value.bit_generator.state)
    return repr(value)


def _are_near(a, b):
    """Tell whether tensors are the same but for rounding."""
    if not (a.isfinite().all() and b.isfinite().all()):
        return torch.equal(a.isfinite(), b.isfinite())
    return bool((a - b).abs().max() <= SAME * a.abs().max()) if a.numel() else True
