"""The one training loop: a skorch net that trains on slices of tensors.

What skorch does well is kept (history, callbacks, optimisers by name, compilation,
pickling across devices); the step itself is lean: rows come as slices, all weights
and all gradients lie in one flat tensor each, so that clipping, Adam and keeping the
best weights are one operation each, and the loss leaves the device once an epoch.
"""

import copy
import math
from types import SimpleNamespace
from typing import NamedTuple

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PrintLog
from torch import nn

from skae._data.rows import Batches
from skae._losses import elastic_net
from skae._params import check_option
from skae._training.blocks import row_cost
from skae._training.course import Course
from skae._training.runtime import few_threads
from skae.networks._layers import Dropout

NOISE_ROWS = 10_000  # residuals under the noise of a code, to be averaged, at least
JUDGING_SEED = 0  # of the noise under which held-out rows are judged
OWNED = {  # what an estimator's own parameters say, and net_params may not
    "module": "network", "criterion": "likelihood", "lr": "learning_rate",
    "optimizer__lr": "learning_rate", "max_epochs": "max_iter",
    "batch_size": "batch_size", "train_split": "validation_fraction",
    "device": "device", "warm_start": "warm_start", "verbose": "verbose",
    "iterator_train": "batch_size", "iterator_valid": "batch_size",
    "dataset": "batch_size", "predict_nonlinearity": "likelihood",
    "alpha": "alpha", "l1_ratio": "l1_ratio", "patience": "n_iter_no_change",
    "tol": "tol", "adversarial_lr": "adversarial_learning_rate",
    "instance_noise": "instance_noise",
}  # fmt: skip


class Job(NamedTuple):
    """One training: what to learn from, what to judge on, how to schedule."""

    train: Batches
    valid: Batches | None
    schedule: str
    listener: object = None  # begin(net), end(net) around each epoch; true stops
    corruption: object = None  # of the rows, but not of what they should become
    space: object = None  # where the corruption takes place
    target: object = None  # what codes should look like, where anything is asked of them


class StopTraining(KeyboardInterrupt):
    """Ends the training from within, where a bare KeyboardInterrupt is the user's."""


class Net(NeuralNet):
    """The skorch net inside every estimator.

    Beyond skorch's own parameters it takes ``gradient_clip_value`` (the largest norm
    of a step's gradient, 1.0; None does not clip) and ``schedule`` ("trapezoid": the
    learning rate rises, stays, and falls to zero over the last epochs or as soon as
    the validation loss has stopped falling; or "constant").
    """

    #: what an estimator may change between two trainings
    tuning = ("lr", "alpha", "l1_ratio", "patience", "tol", "verbose")

    def __init__(
        self,
        module,
        *,
        alpha=0.0,
        l1_ratio=0.0,
        patience=None,
        tol=0.0,
        gradient_clip_value=1.0,
        schedule="trapezoid",
        optimizer=torch.optim.Adam,
        **kwargs,
    ):
        if not callable(optimizer):
            raise ValueError(
                "optimizer must be a class, for instance torch.optim.SGD. "
                f"Got {optimizer!r}."
            )
        check_option("Net", "schedule", schedule, ("trapezoid", "constant"))
        if gradient_clip_value is not None and not gradient_clip_value > 0:
            raise ValueError(
                "gradient_clip_value must be positive or None. "
                f"Got {gradient_clip_value!r}."
            )
        unfused = {"optimizer__foreach", "optimizer__differentiable"} & set(kwargs)
        if optimizer is torch.optim.Adam and not unfused:
            kwargs.setdefault("optimizer__fused", True)
        super().__init__(module, criterion=None, optimizer=optimizer, **kwargs)
        self.alpha, self.l1_ratio = alpha, l1_ratio
        self.patience, self.tol = patience, tol
        self.gradient_clip_value = gradient_clip_value
        self.schedule = schedule

    # What skorch builds

    def get_default_callbacks(self):
        log = [("print_log", PrintLog())] if self.verbose else []
        return [("epoch_timer", EpochTimer()), *log]

    def initialize_criterion(self):
        """Nothing: the module returns its own terms."""
        return self

    def initialize_optimizer(self, triggered_directly=None):
        """Build the optimiser: over one flat parameter where it works elementwise."""
        self._is_flat = self.optimizer is torch.optim.Adam and not any(
            name.startswith("optimizer__param_groups") for name in vars(self)
        )
        named = one_flat() if self._is_flat else list(self.get_all_learnable_params())
        args, kwargs = self.get_params_for_optimizer("optimizer", named)
        self.optimizer_ = self.optimizer(*args, **kwargs)
        return self

    def torch_compile(self, module, name):
        """Compile in place, so that state-dict keys and pickles stay as they are."""
        if self.compile:
            module.compile(**self.get_params_for("compile"))
        return module

    def get_split_datasets(self, X, y=None, **_):
        return X.train, X.valid

    def get_iterator(self, dataset, training=False):
        return dataset

    # Training

    def train(self, job, epochs):
        """Train for at most `epochs` epochs; the best weights stay, if judged."""
        self.interrupted_ = False
        row = torch.zeros(
            1, job.train.rows.n_columns, dtype=torch.float32, device=self.device
        )
        work = job.train.batch_size * row_cost(self.module_, row).multiplications
        self._run = SimpleNamespace(
            job=job,
            course=Course(epochs, len(job.train), job.schedule, self.module_.warm_up),
            n_before=len(self.history),
            has_hooks=bool(self.callbacks),
            best=None,
        )
        with few_threads(work):
            hooks = []
            try:
                self._flatten()
                self._lend(job.train.generator)
                attach = getattr(job.corruption, "attach", None)
                hooks = attach(self.module_, self._run.generator) if attach else []
                self._start_rate()
                if job.valid is not None:
                    if self.module_.start_competes:
                        self._run.course.best_loss = float(self._judged().mean())
                    self._run.best = self._snapshot()
                self.partial_fit(job, epochs=epochs)
                if self._run.best is not None:
                    self._restore(self._run.best)
            finally:
                for hook in hooks:
                    hook.remove()
                self._lend(None)
                self._unflatten()
                self._set_training(False)
                del self._run
        return self

    def _lend(self, generator):
        """Lend dropout and its like a source of noise, on the device they are on."""
        if generator is not None and torch.device(self.device).type != "cpu":
            seed = int(torch.randint(2**62, (1,), generator=generator))
            generator = torch.Generator(self.device).manual_seed(seed)
        for module in self.module_.modules():
            if isinstance(module, Dropout):
                module.generator = generator
        self._run.generator = generator

    def _flatten(self):
        """Move all weights into one tensor, and give them one of gradients."""
        params = [p for p in self.module_.parameters() if p.requires_grad]
        if not params:
            raise ValueError("network: there is nothing to train, no weight requires_grad.")
        sizes = [p.numel() for p in params]
        if not self._is_flat:  # LBFGS and its like take each weight as a vector
            for p in params:
                p.data = p.data.contiguous()
        flat = torch.cat([_in_memory_order(p.detach()) for p in params])
        grad = torch.zeros_like(flat)
        # biases and normalisation's factors are not penalised
        self._run.is_weight = torch.cat(
            [torch.full((p.numel(),), float(p.ndim > 1)) for p in params]
        ).to(flat)
        for p, part, g in zip(params, flat.split(sizes), grad.split(sizes), strict=True):
            layout = (
                p.shape,
                p.stride() if _is_channels_last(p) else p.contiguous().stride(),
            )
            p.data = flat.as_strided(*layout, part.storage_offset())
            p.grad = grad.as_strided(*layout, g.storage_offset())
        self._run.params, self._run.flat, self._run.grad = params, flat, grad
        self._hand_out()

    def _hand_out(self):
        """Let the optimiser train what it is to train."""
        if self._is_flat:
            hand(self.optimizer_, self._run.flat, self._run.grad)

    def _take_back(self):
        """Let the optimiser hold no weights, so that they are pickled once."""
        if self._is_flat:
            hand(self.optimizer_, self._run.flat.new_empty(0), None)

    def _unflatten(self):
        """Give every weight its own memory again, so that a pickle holds it once."""
        for p in self.module_.parameters():
            p.data, p.grad = p.data.clone(), None
        self._take_back()

    def _snapshot(self):
        return [t.clone() for t in (self._run.flat, *self.module_.buffers())]

    def _restore(self, snapshot):
        for t, kept in zip(
            (self._run.flat, *self.module_.buffers()), snapshot, strict=True
        ):
            t.copy_(kept)

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Run the epochs; remember whether it was the user who stopped them."""
        try:
            super().fit_loop(X, y, epochs=epochs, **kwargs)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not isinstance(stop, StopTraining)
            # an epoch that was cut off has no losses
            del self.history[self._run.n_before + self._run.course.epoch :]
        return self

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one that raises KeyboardInterrupt ends the training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as stop:
            if self.callbacks:  # skorch's own way to stop early
                raise StopTraining from stop
            raise
        if method_name == "on_epoch_end" and self._run.course.is_over:
            raise StopTraining

    def run_single_epoch(self, iterator, training, prefix, step_fn, **_):
        """Run over the batches once; the loss leaves the device at the end."""
        if iterator is None:
            return
        if training:
            self._set_training(True)
            loss = self._train_epoch(iterator)
            self.history.record("lr", self.optimizer_.param_groups[0]["lr"])
        else:
            loss = float(self._judged().mean())
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def _train_epoch(self, batches):
        total = torch.zeros((), dtype=torch.float32, device=self.device)
        for batch in batches:
            self._set_learning_rate()
            if self._run.has_hooks:
                self.notify("on_batch_begin", batch=batch, training=True)
            step = self.train_step(batch)
            total.add_(step["loss"], alpha=len(batch[0]))
            if self._run.has_hooks:
                self.notify("on_batch_end", batch=batch, training=True, **step)
            self._run.course.step += 1
        return check_loss(float(total) / len(batches.index), self._run.course)

    def train_step(self, batch, **_):
        """Take one step of the optimiser on one batch."""

        def closure():
            self._run.grad.zero_()
            self._run.data_loss = loss = self._loss(batch)
            loss.backward()
            loss = loss.detach()
            if self.alpha:
                loss = self._penalise(loss)
            if self._run.has_hooks and not all(p.requires_grad for p in self._run.params):
                self._run.grad.mul_(self._trained())  # a callback has frozen some
            if self._run.has_hooks:
                named = self.module_.named_parameters()
                self.notify(
                    "on_grad_computed", named_parameters=named, batch=batch,
                    training=True,
                )  # fmt: skip
            if self.gradient_clip_value is not None:
                self._run.grad[None].renorm_(2, 0, self.gradient_clip_value)
            return loss

        self.optimizer_.step(closure)
        self.module_.after_step()
        return {"loss": self._run.data_loss.detach(), "y_pred": None}

    def _trained(self):
        """Return 1 for each number that is trained and 0 for the frozen ones."""
        sizes = [(p.numel(), float(p.requires_grad)) for p in self._run.params]
        return torch.cat([self._run.flat.new_full((n,), on) for n, on in sizes])

    def _penalise(self, loss):
        """Add the weights' penalty to the gradient, and to the loss where it is used."""
        run = self._run
        if self._is_flat and not self.l1_ratio:  # nobody reads Adam's loss
            run.grad.addcmul_(run.flat, run.is_weight, value=self.alpha)
            return loss
        value, gradient = elastic_net(run.flat * run.is_weight, self.alpha, self.l1_ratio)
        run.grad.add_(gradient)
        return loss + value

    def _row_loss(self, batch, generator, progress):
        """Return what each row costs, weighted (B,), and the module's penalty."""
        batch, noise = self.prepare_batch(self._run.job, batch, generator)
        return row_loss(self.module_, batch, noise, progress)

    def prepare_batch(self, job, batch, generator):
        """Return a batch, corrupted, with its clean rows, and noise for the module."""
        x, w, clean, condition = batch
        clean = x if clean is None else clean
        if job.corruption is not None:
            x = job.corruption.apply(x, job.space, generator)
        return (x, w, clean, condition), self.module_.draw(len(x), generator)

    def _loss(self, batch):
        progress = self._run.course.progress()
        row, penalty = self._row_loss(batch, self._run.generator, progress)
        return mean_loss(row, penalty, batch[0].numel())

    def _judging_generator(self):
        """Return the source of the noise to judge by, the same each time."""
        return torch.Generator(self.device).manual_seed(JUDGING_SEED)

    def _judged(self):
        """Return what each held-out row costs, per column; (n_valid,)."""
        self._set_training(False)
        generator = self._judging_generator()
        with torch.no_grad():
            rows = [
                self._row_loss(batch, generator, torch.tensor(1.0))[0]
                for batch in self._run.job.valid
            ]
        return torch.cat(rows) / self._run.job.valid.rows.n_columns

    def _groups(self):
        """Yield what the optimisers' settings are, and the parameter that is their rate."""
        for group in self.optimizer_.param_groups:
            yield group, "lr"

    def _start_rate(self):
        for group, _ in self._groups():
            group["lr"] = group.setdefault("initial_lr", group["lr"])

    def _set_learning_rate(self):
        course = self._run.course
        if not course.is_constant:
            rate = course.rate()
            for group, _ in self._groups():
                group["lr"] = group["initial_lr"] * rate

    def on_epoch_begin(self, net, **kwargs):
        super().on_epoch_begin(net, **kwargs)
        run = self._run
        if run.course.epoch < run.course.cool_from:
            self.module_.before_epoch(run.job.train, run.generator)
        if self._run.job.listener is not None:
            self._run.job.listener.begin(self)

    def on_epoch_end(self, net, **kwargs):
        """Keep the best weights, cool down on a plateau, tell who listens."""
        course = self._run.course
        course.epoch += 1
        self._set_training(False)
        if self._run.job.valid is not None:
            better = course.judge(self.history[-1, "valid_loss"], self.patience, self.tol)
            if better:
                self._run.best = self._snapshot()
            self.history.record("valid_loss_best", better)
        if self._run.job.listener is not None and self._run.job.listener.end(self):
            course.cool_to = course.epoch

    def __getstate__(self):
        """Leave out what only a training in progress needs, the data among it."""
        run = vars(self).pop("_run", None)
        try:
            return super().__getstate__()
        finally:
            if run is not None:
                self._run = run

    # What an estimator asks of a trained net

    def retune(self, **params):
        """Take the parameters of a warm start; the weights stay as they are."""
        for group, name in self._groups():
            ratio = params[name] / getattr(self, name)
            group["initial_lr"] = group.get("initial_lr", group["lr"]) * ratio
        vars(self).update(params)

    def set_callbacks(self, callbacks):
        """Take other callbacks for the next training."""
        if callbacks is not self.callbacks:
            self.callbacks = callbacks
            self.initialize_callbacks()

    def save_state(self):
        """Return all that training changes, to be given to `load_state`."""
        state = (
            self.module_.state_dict(),
            [getattr(self, f"{name}_").state_dict() for name in self._optimizers],
            self.module_.likelihood.noise_variance,
        )
        names = (*self.tuning, "callbacks", "callbacks_")
        tuning = {name: vars(self)[name] for name in names}
        return copy.deepcopy(state), tuning, len(self.history)

    def load_state(self, state):
        """Go back to a saved state, after a training that failed."""
        (weights, optimizers, noise), tuning, n_epochs = state
        vars(self).update(tuning)
        self.module_.load_state_dict(weights)
        for name, kept in zip(self._optimizers, optimizers, strict=True):
            getattr(self, f"{name}_").load_state_dict(kept)
        self.module_.likelihood.noise_variance = noise
        del self.history[n_epochs:]

    def squared_residuals(self, batches):
        """Return the columns' weighted sums of squared residuals, standardised; (3, d).

        Of the rows' reconstructions, and of those that the likelihood's noise explains;
        then the weights' sums over the cells that are not missing.
        """
        module, total = self.module_, 0.0
        error = module.likelihood.squared_error
        generator = self._judging_generator()
        draws = max(1, NOISE_ROWS // len(batches.index))
        with torch.inference_mode():
            for x, w, clean, condition in batches:
                clean = x if clean is None else clean
                known = () if condition is None else (condition,)
                square = error(module.params(x, *known), clean)
                unexplained = square
                if hasattr(module, "drawn_params"):  # codes are drawn when scoring, too
                    drawn = (module.draw(len(x), generator) for _ in range(draws))
                    pairs = (
                        module.drawn_params(x, noise, *known)
                        for e in drawn
                        for noise in (e, -e)
                    )
                    unexplained = sum(error(p, clean) for p in pairs) / (2 * draws)
                seen = (~torch.isnan(clean)).to(square)
                square = torch.stack([square, unexplained, seen])
                square = square.sum(1) if w is None else w @ square
                total = total + square.cpu().double()
        return total.numpy()


def one_flat():
    """Return the one parameter of an optimiser that trains a flat vector."""
    return [("flat", nn.Parameter(torch.empty(0, dtype=torch.float32)))]


def hand(optimizer, flat, grad):
    """Let an optimiser of one parameter train these numbers (n,) by these gradients."""
    (whole,) = optimizer.param_groups[0]["params"]
    whole.data, whole.grad = flat, grad


def _is_channels_last(p):
    """Tell whether a weight's channels lie side by side in memory."""
    return p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last)


def _in_memory_order(p):
    """Return a tensor's numbers as a vector, in the order that `_flatten` gives back."""
    return (p.permute(0, 2, 3, 1) if _is_channels_last(p) else p).reshape(-1)


def row_loss(forward, batch, noise, progress):
    """Return what each row of a batch costs, weighted (B,), and the penalty."""
    x, w, clean, condition = batch
    known = () if condition is None else (condition,)
    terms = forward(x, clean, noise, progress, *known)
    row = terms.nll if terms.reg is None else terms.nll + terms.reg
    return row if w is None else row * w, terms.penalty


def mean_loss(row, penalty, n_cells):
    """The one reduction: a mean over the rows of a batch, per column; ()."""
    loss = row.sum() * (1 / n_cells)  # a product is cheaper than a quotient to map
    return loss if penalty is None else loss + penalty


def check_loss(loss, course):
    """Return an epoch's loss, or raise a ``ValueError`` if it is not finite."""
    if not math.isfinite(loss):
        raise ValueError(
            f"Training diverged: the loss is {loss} after epoch {course.epoch + 1}. "
            "Lower learning_rate, or look for extreme values in X."
        )
    return loss
