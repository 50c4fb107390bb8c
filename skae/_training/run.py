"""A training in progress: where it stands, and all weights in one vector.

n is the number of the weights' numbers.
"""

from contextlib import contextmanager

import torch

from skae._training.course import Course
from skae._training.flat import hand, in_one_vector
from skae._training.phases import Phase
from skae.corruption._named import hidden_rates
from skae.networks._layers import Dropout


class Run:
    """What a net has while it is trained by a task, and gives back after.

    Parameters
    ----------
    net : Net
    task : Lesson

    Attributes
    ----------
    params : list of Parameter
    flat, grad, is_weight : Tensor of shape (n,)
        All weights, their gradients, and 1 for what is penalised.
    phases : dict
        Of the code's further losses, by name.
    average : Tensor of shape (n,) or None
        The weights' running average, where it is what is judged and kept.
    best : list of Tensor or None
        The best weights and buffers so far.
    generator : torch.Generator
        On the device.
    """

    def __init__(self, net, task):
        self.task, self.module, self.optimizers = task, net.module_, net.flat_optimizers()
        code, self.n_before = self.module.code, len(net.history)
        warm_up = code.warm_up(task.aim)
        self.course = Course(task.epochs, len(task.train), task.schedule, warm_up)
        self.has_hooks, self.best = bool(net.callbacks), None
        self.first = None  # the weights before the first epoch, where they compete
        # LBFGS and its like take each weight as a vector
        is_flat = "optimizer" in self.optimizers
        vectors = in_one_vector(self.module, keep_layout=is_flat)
        self.params, self.flat, self.grad, self.is_weight = vectors
        rivals = [p for rival in code.rivals(self.module) for p in rival.parameters()]
        n_rivals = sum(p.numel() for p in rivals if p.requires_grad)  # they come last
        n_main = len(self.flat) - n_rivals
        self.is_weight[n_main:] = 0  # alpha is not for them
        if is_flat:
            hand(self.optimizers["optimizer"], self.flat[:n_main], self.grad[:n_main])
        self.phases = {
            name: Phase(self.optimizers[name], parts, self.flat, self.grad)
            for name, parts in code.parts(self.module, task.aim).items()
        }
        self.average = self.flat.clone() if code.averaged is not None else None
        self.device, self.play, self.generator = net.device, None, None

    def start(self):
        """Draw what is drawn once, and lend dropout its noise."""
        self.play = self.module.code.begin(self.module, self.task)
        self.generator = _on(self.device, self.task.train.generator)
        self._lend(self.generator, hidden_rates(self.task.corruption))
        if self.task.valid is not None:
            self.keep()

    def end(self):
        """Give every weight its own memory again, so that a pickle holds it once."""
        self._lend(None, ())
        for p in self.module.parameters():
            p.data, p.grad = p.data.clone(), None
        for optimizer in self.optimizers.values():
            hand(optimizer, self.flat.new_empty(0), None)

    def _lend(self, generator, rates):
        """Lend dropout a source of noise, and the rates of the corruption."""
        for module in self.module.modules():
            if isinstance(module, Dropout):
                module.generator, module.rates = generator, rates

    def keep(self):
        """Take the weights as they are for the best so far."""
        kept = self.flat if self.average is None else self.average
        self.best = [t.clone() for t in (kept, *self.module.buffers())]

    def let_start_compete(self, loss):
        """Take the held-out loss of the weights before the first epoch; return it."""
        self.course.start_loss, self.first = loss, self.best
        return loss

    def go_back(self):
        """Go back to the best weights, if any were judged; tell whether to the first."""
        to_start = self.course.prefers_start()
        best = self.first if to_start else self.best
        tensors = self.flat, *self.module.buffers()
        for t, kept in zip(tensors, best or tensors, strict=True):
            t.copy_(kept)
        return to_start

    def take_average(self):
        """Let the weights count in their average, which starts short."""
        if self.average is not None and self.task.valid is not None:
            at = self.course.step
            decay = min(self.module.code.averaged, (1 + at) / (10 + at))
            self.average.lerp_(self.flat, 1 - decay)

    @contextmanager
    def as_kept(self):
        """Judge by the weights that are kept: by their average, if there is one."""
        now = None if self.average is None else self.flat.clone()
        try:
            if now is not None:
                self.flat.copy_(self.average)
            yield
        finally:
            if now is not None:
                self.flat.copy_(now)

    def freeze(self):
        """Take the gradient from what callbacks have frozen."""
        if not all(p.requires_grad for p in self.params):
            on = [(p.numel(), float(p.requires_grad)) for p in self.params]
            self.grad.mul_(torch.cat([self.flat.new_full((n,), x) for n, x in on]))


def _on(device, generator):
    """Return a source of noise on a device, seeded by one on the CPU."""
    if torch.device(device).type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(device).manual_seed(seed)
