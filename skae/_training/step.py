"""What a batch costs and its gradients: recorded where that is sure, else eager."""

from concurrent.futures import ThreadPoolExecutor

import torch

from skae._training.recorded import Record
from skae._training.state import has_statistics, is_plain
from skae._training.tape import Reads, Tape, tensors
from skae._training.usual import usual_torch

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

    Notes
    -----
    skae's and torch's own layers take the same operations for each batch of a shape. Of
    a module of the user's this is tried: two batches must give the same record, and it
    what the module gives, which is asked for again when `renew` is called.
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
    ):
        self.cost, self.module, self.params, self.grad = cost, module, list(params), grad
        self.generator, self.is_known = generator, is_plain(module) and not doubtful
        self.is_eager = eager or has_statistics(module)
        self.records, self.tried, self.doubtful = {}, {}, {}

    def __call__(self, *given):
        """Return what the function returns; gradients are in their places."""
        inputs = tensors(given)
        key = inputs[0].shape
        run = self.records.get(key)
        if run is not None:
            with torch.inference_mode():
                return run(*inputs)
        if self.is_eager:
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

        with ThreadPoolExecutor(1) as thread:
            out, record, is_sure = thread.submit(record).result()
        if is_sure:
            self.records[key] = record.run
        else:
            self.is_eager = True
        return out

    def _recorded(self, given):
        """Return what the function returns, the record, and whether that says all."""
        places = [p.grad for p in self.params]
        with (
            torch.set_grad_enabled(self.grad is not None),
            Reads() as reads,
            Tape() as tape,
        ):
            out = self.cost(*given)
            found = [None] * len(places)
            if places and out[0].requires_grad:
                found = torch.autograd.grad(out[0], self.params, allow_unused=self.is_known)
        pairs = list(zip(found, places, strict=True))
        record = Record(tape.lines, tensors(given), list(out), pairs)
        with torch.no_grad():
            for gradient, place in pairs:
                place.zero_() if gradient is None else place.copy_(gradient)
        return tuple(t.detach() for t in out), record, not (tape.has_read or reads.has_read)

    # Modules of the user's

    def _doubted(self, key, given):
        """Return what the function returns; record it, or compare it with its record."""
        before, first = self._state(), self.tried.get(key)
        try:
            if key in self.doubtful:
                out, run = self._eager(given), self.doubtful.pop(key)
            else:
                out, record, is_sure = self._recorded(given)
                if not is_sure or record.changes or self._attributes() != before[1]:
                    self.is_eager = True
                elif first is None:
                    self.tried[key] = record
                    return out
                else:
                    del self.tried[key]
                    self.is_eager = not first.is_like(record)
                run = first and first.run
        except RuntimeError:  # weights without use, or that `backward` alone finds
            self.is_eager = True
            self._go_back(before)
            return self._eager(given)
        if self.is_eager:
            return out
        after, grad = self._state(), None if self.grad is None else self.grad.clone()
        self._go_back(before)
        with torch.inference_mode():
            again = run(*tensors(given))
        self._go_back(after)
        pairs = [
            *zip(out, again, strict=True),
            *([] if grad is None else [(grad, self.grad)]),
        ]
        if all(_are_near(*pair) for pair in pairs):
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

    def _state(self):
        """Return where the generators stand, and what the module holds beside tensors."""
        return [g.get_state() for g in self._generators()], self._attributes()

    def _go_back(self, state):
        for generator, place in zip(self._generators(), state[0], strict=True):
            generator.set_state(place)

    def _attributes(self):
        """Return what the module's parts hold beside tensors, as texts."""
        return [
            {
                name: repr(value)
                for name, value in vars(m).items()
                if isinstance(value, int | float | str | list | tuple | dict | None)
                and name[:1] != "_"
            }
            for m in self.module.modules()
        ]


def _are_near(a, b):
    """Tell whether tensors are the same but for rounding."""
    if not (a.isfinite().all() and b.isfinite().all()):
        return torch.equal(a.isfinite(), b.isfinite())
    return bool((a - b).abs().max() <= SAME * a.abs().max()) if a.numel() else True
