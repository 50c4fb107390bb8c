"""A training of one net in progress: where it stands, and all weights in one vector.

n is the number of the weights' numbers.
"""

import math
from contextlib import contextmanager

import torch

from skae._losses import elastic_net
from skae._training.callbacks import only_look
from skae._training.course import Course
from skae._training.flat import hand, in_one_vector
from skae._training.loss import judged_row, judging_generator, may_stay, mean_loss, row_loss
from skae._training.optimizers import Switching, switch
from skae._training.phases import Phase
from skae._training.step import Step
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
    nets, tasks, courses, n_before, left : list
        Of the one net, as the loop takes them: what it learns, how far it is, how many
        epochs it has behind it, and the places of the nets that are still trained.
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
        self.net, self.task, self.module = net, task, net.module_
        self.optimizers = net.flat_optimizers()
        code = self.module.code
        warm_up = code.warm_up(task.aim)
        self.course = Course(task.epochs, len(task.train), task.schedule, warm_up)
        self.nets, self.tasks, self.courses = [net], [task], [self.course]
        self.n_before, self.left = [len(net.history)], [0]
        self.has_hooks, self.best = bool(net.callbacks), None
        self.judges = None  # held-out batches, once they are drawn
        self.first = None  # the weights before the first epoch, where they compete
        # LBFGS and its like take each weight as a vector
        self.is_flat = "optimizer" in self.optimizers
        vectors = in_one_vector(self.module, keep_layout=self.is_flat)
        self.params, self.flat, self.grad, self.is_weight = vectors
        rivals = [p for rival in code.rivals(self.module) for p in rival.parameters()]
        n_rivals = sum(p.numel() for p in rivals if p.requires_grad)  # they come last
        n_main = len(self.flat) - n_rivals
        self.is_weight[n_main:] = 0  # alpha is not for them
        if self.is_flat:
            hand(self.optimizers["optimizer"], self.flat[:n_main], self.grad[:n_main])
        self.phases = {
            name: Phase(self.optimizers[name], parts, self.flat, self.grad)
            for name, parts in code.parts(self.module, task.aim).items()
        }
        self.average = self.flat.clone() if code.averaged is not None else None
        self.device, self.play, self.generator = net.device, None, None
        self.parts, self.is_training = list(self.module.modules()), None
        self.switches = isinstance(net.optimizer_, Switching)

    def start(self):
        """Draw what is drawn once, and lend dropout its noise."""
        self.play = self.module.code.begin(self.module, self.task)
        self.generator = _on(self.device, self.task.train.generator)
        self._lend(self.generator, hidden_rates(self.task.corruption))
        eager = bool(self.net.compile) or not only_look(self.net.callbacks_)
        doubtful = not type(self.module.code).__module__.startswith("skae.")
        ways = {"eager": eager, "doubtful": doubtful}
        vectors = self.params, self.grad, self.generator
        self.cost = Step(self._cost, self.module, *vectors, **ways)
        self.row_cost = Step(self._row_cost, self.module, **ways)
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

    # A step

    def batches(self):
        """Yield an epoch's batches, and how many rows each has."""
        for batch in self.task.train:
            yield batch, len(batch.x)

    def step(self, batch):
        """Take a step; return its loss ()."""
        return self.train_step(batch)

    def train_step(self, batch):
        """Take one step of each optimiser on one batch; return its loss ()."""
        net = self.net
        net.set_rates(self.course)
        if self.has_hooks:
            net.notify("on_batch_begin", batch=batch, training=True)
        net.optimizer_.step(lambda: self._differentiate(batch))
        loss = self.data_loss
        self.module.code.after_step(self.module)
        if self.phases:
            for name, further in self.module.code.further(
                self.module, self.play, batch, self
            ):
                self.phases[name].step(further, net.gradient_clip_value)
        self._take_average()
        if self.has_hooks:
            more = {"loss": loss, "y_pred": None}
            net.notify("on_batch_end", batch=batch, training=True, **more)
        return loss

    def _differentiate(self, batch):
        """Compute the gradient; return the loss that it is of ()."""
        net, grad = self.net, self.grad
        noise, batch = self._drawn(batch, self.generator)
        (loss,) = self.cost(batch, noise, self.course.progress())
        self.data_loss = loss
        if net.alpha:
            loss = self._penalise(loss)
        if self.has_hooks:
            self._freeze()
            named = self.module.named_parameters()
            more = {"named_parameters": named, "batch": batch, "training": True}
            net.notify("on_grad_computed", **more)
        if net.gradient_clip_value is not None:
            grad[None].renorm_(2, 0, net.gradient_clip_value)
        return loss

    def _drawn(self, batch, generator):
        """Return the code's noise for a batch, and that as the encoder is to see it."""
        batch = self.task.corrupted(batch, generator)
        return self.module.code.draw(self.module, len(batch.x), generator), batch

    def _cost(self, batch, noise, progress):
        """Return what a batch costs on average, per column; ((),)."""
        row, terms = row_loss(self.module, batch, noise, progress)
        return (mean_loss(row, terms, batch.x.numel()),)

    def _row_cost(self, batch, noise, progress):
        """Return what each row is judged by; ((B,),)."""
        return (judged_row(*row_loss(self.module, batch, noise, progress)),)

    def _penalise(self, loss):
        """Add the weights' penalty to the gradient, and to the loss where it is used."""
        alpha, l1_ratio = self.net.alpha, self.net.l1_ratio
        if self.is_flat and not l1_ratio:  # nobody reads Adam's loss
            self.grad.addcmul_(self.flat, self.is_weight, value=alpha)
            return loss
        value, gradient = elastic_net(self.flat * self.is_weight, alpha, l1_ratio)
        self.grad.add_(gradient)
        return loss + value

    def _freeze(self):
        """Take the gradient from what callbacks have frozen."""
        if not all(p.requires_grad for p in self.params):
            on = [(p.numel(), float(p.requires_grad)) for p in self.params]
            self.grad.mul_(torch.cat([self.flat.new_full((n,), x) for n, x in on]))

    def _take_average(self):
        """Let the weights count in their average, which starts short."""
        if self.average is not None and self.task.valid is not None:
            at = self.course.step
            decay = min(self.module.code.averaged, (1 + at) / (10 + at))
            self.average.lerp_(self.flat, 1 - decay)

    # An epoch

    def begin_epoch(self):
        """Do what has to be done before an epoch."""
        code, course = self.module.code, self.course
        if course.epoch < course.cool_from:
            code.before_epoch(self.module, self.task.train, self.generator)
        if self.task.listener is not None:
            self.task.listener.begin()
        for phase in self.phases.values():
            phase.total.zero_()
        self.cost.renew()
        self.row_cost.renew()
        self._set_training(True)

    def note(self, _, batches, loss):
        """Note an epoch's loss, and those of the phases."""
        history, rate = self.net.history, self.net.optimizer_.param_groups[0]["lr"]
        further = {name: float(phase.total) for name, phase in self.phases.items()}
        if not all(map(math.isfinite, further.values())):
            raise ValueError(f"Training diverged: {self.module.code.remedies[1]}")
        for name, value in further.items():
            history.record(f"{name}_loss", value / len(batches))
        for name, value in (
            ("lr", rate),
            ("train_loss", loss),
            ("train_batch_count", len(batches)),
        ):
            history.record(name, value)

    def judged(self):
        """Return the held-out loss, per column, and note what else the code judges by."""
        code = self.module.code
        self._set_training(False)
        with torch.no_grad(), self._as_kept():
            apart, noted = code.judge(self.module, self.play, self.task, self.phases)
            rows = self._judged_rows() + apart
        for name, value in noted.items():
            self.net.history.record(name, value)
        return [float(rows.mean())]

    def _judged_rows(self):
        """Return what each held-out row costs, per column; (n_valid,)."""
        given, rows = self.judges, []
        if given is None:  # they, and the noise to judge by, are the same each time
            generator, valid = judging_generator(self.device), self.task.valid
            given = (self._drawn(batch, generator) for batch in valid)
            if may_stay(valid):
                self.judges = given = list(given)
        for noise, batch in given:
            rows += self.row_cost(batch, noise, self.course.whole)
        return torch.cat(rows) / self.task.valid.rows.n_columns

    def _set_training(self, training):
        """Make the module, and the weights, those to train or those to judge."""
        if self.is_training == training and not self.has_hooks:
            return
        self.is_training = training
        if self.cost.is_known:  # as `module.train` does, at a tenth of the time
            for part in self.parts:
                part.training = training
        else:
            self.module.train(training)
        if self.switches:
            switch(self.net.optimizer_, training)

    def end_epoch(self, _):
        """Tell who listens that an epoch has ended."""
        self._set_training(False)
        if self.task.listener is not None and self.task.listener.end():
            self.course.cool_to = self.course.epoch

    # The best weights

    def keep(self, _=0):
        """Take the weights as they are for the best so far."""
        kept = self.flat if self.average is None else self.average
        self.best = [t.clone() for t in (kept, *self.module.buffers())]
        if self.first is None:
            self.first = self.best

    def give_back(self, _):
        """Go back to the best weights, if any were judged, or to the first."""
        self._set_training(False)
        self.net.kept_start_ = self.course.prefers_start()
        best = self.first if self.net.kept_start_ else self.best
        tensors = self.flat, *self.module.buffers()
        with torch.no_grad():
            for t, kept in zip(tensors, best or tensors, strict=True):
                t.copy_(kept)

    def keep_on(self, left):
        """Go on with the net, or with none."""
        self.left = left

    @contextmanager
    def _as_kept(self):
        """Judge by the weights that are kept: by their average, if there is one."""
        now = None if self.average is None else self.flat.clone()
        try:
            if now is not None:
                self.flat.copy_(self.average)
            yield
        finally:
            if now is not None:
                self.flat.copy_(now)


def _on(device, generator):
    """Return a source of noise on a device, seeded by one on the CPU."""
    if torch.device(device).type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(device).manual_seed(seed)
