"""The one training loop: a skorch net that trains on slices of tensors.

What skorch does well is kept (history, callbacks, optimisers by name, compilation,
pickling across devices); the step itself is lean: rows come as slices, all weights
and all gradients lie in one flat tensor each, so that clipping, Adam and keeping the
best weights are one operation each, and the loss leaves the device once an epoch.
"""

import copy
import math
import threading
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PrintLog
from torch import nn

from skae._losses import elastic_net
from skae._rows import Batches, densify

WARM_UP = 0.05  # share of the epochs in which the learning rate rises
COOL_DOWN = 0.3  # share of the epochs in which it falls to zero
BLOCK_ACTIVATION_BYTES = 2**20  # of one inference block
OWNED = {  # what an estimator's own parameters say, and net_params may not
    "module": "network", "criterion": "likelihood", "lr": "learning_rate",
    "optimizer__lr": "learning_rate", "max_epochs": "max_iter",
    "batch_size": "batch_size", "train_split": "validation_fraction",
    "device": "device", "warm_start": "warm_start", "verbose": "verbose",
    "iterator_train": "batch_size", "iterator_valid": "batch_size",
    "dataset": "batch_size", "predict_nonlinearity": "likelihood",
    "alpha": "alpha", "l1_ratio": "l1_ratio", "patience": "n_iter_no_change",
    "tol": "tol",
}  # fmt: skip


class Job(NamedTuple):
    """One training: what to learn from, what to judge on, how to schedule."""

    train: Batches
    valid: Batches | None
    schedule: str
    listener: object = None  # begin(net), end(net) around each epoch; true stops


class StopTraining(KeyboardInterrupt):
    """Ends the training from within, where a bare KeyboardInterrupt is the user's."""


class Net(NeuralNet):
    """The skorch net inside every estimator.

    Beyond skorch's own parameters it takes ``gradient_clip_value`` (the largest norm
    of a step's gradient, 1.0; None does not clip) and ``schedule`` ("trapezoid": the
    learning rate rises, stays, and falls to zero over the last epochs or as soon as
    the validation loss has stopped falling; or "constant").
    """

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
        if optimizer is torch.optim.Adam:
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
        named = list(self.get_all_learnable_params())
        if self._is_flat:
            named = [("flat", nn.Parameter(torch.empty(0, device=self.device)))]
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
        with torch.inference_mode(False), torch.enable_grad():
            self._begin(job, epochs)
            try:
                self.partial_fit(job, epochs=epochs)
                if self._best is not None:
                    self._settle()
            finally:
                self._end()
        return self

    def _begin(self, job, epochs):
        self.interrupted_ = False
        self._job, self._epochs, self._epoch, self._step = job, epochs, 0, 0
        self._cool_from, self._cool_to = (1 - COOL_DOWN) * epochs, epochs
        self._flat, self._grad = self._flatten()
        self._has_hooks = bool(self.callbacks)
        self._lend(job.train.generator)
        for group in self.optimizer_.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self._best, self._best_loss, self._waited, self._first = None, math.inf, 0, None
        if job.valid is not None:
            self._first = self._judged(), self._snapshot()
            self._best_loss, self._best = float(self._first[0].mean()), self._first[1]

    def _end(self):
        self._lend(None)
        self._unflatten()
        self._set_training(False)
        for name in (
            "_job", "_flat", "_grad", "_best", "_is_weight", "_cool_from", "_cool_to",
            "_epochs", "_epoch", "_step", "_has_hooks", "_best_loss", "_waited",
            "_first", "_data_loss",
        ):  # fmt: skip
            self.__dict__.pop(name, None)

    def _lend(self, generator):
        for module in self.module_.modules():
            if "generator" in vars(module):
                module.generator = generator

    def _flatten(self):
        """Move all weights into one tensor, and give them one of gradients."""
        params = [p for p in self.module_.parameters() if p.requires_grad]
        sizes = [p.numel() for p in params]
        flat = torch.cat([p.detach().reshape(-1) for p in params])
        grad = torch.zeros_like(flat)
        # biases and normalisation's factors are not penalised
        self._is_weight = torch.cat(
            [torch.full((p.numel(),), float(p.ndim > 1)) for p in params]
        ).to(flat)
        for p, part, g in zip(params, flat.split(sizes), grad.split(sizes), strict=True):
            p.data, p.grad = part.view_as(p), g.view_as(p)
        if self._is_flat:
            (whole,) = self.optimizer_.param_groups[0]["params"]
            whole.data, whole.grad = flat, grad
        return flat, grad

    def _unflatten(self):
        """Give every weight its own memory again, so that a pickle holds it once."""
        for p in self.module_.parameters():
            p.data, p.grad = p.data.clone(), None
        if self._is_flat:
            (whole,) = self.optimizer_.param_groups[0]["params"]
            whole.data, whole.grad = self._flat.new_empty(0), None

    def _settle(self):
        """Take the best weights, or the first if the gain is within its own error.

        On a handful of held-out rows the lowest loss of many is partly luck: as in
        Breiman's rule, a gain counts from one standard error on.
        """
        self._restore(self._best)
        first, weights = self._first
        gain = first - self._judged()
        if gain.mean() <= gain.std(correction=0) / len(gain) ** 0.5:
            self._restore(weights)

    def _snapshot(self):
        return [t.clone() for t in (self._flat, *self.module_.buffers())]

    def _restore(self, snapshot):
        for t, kept in zip((self._flat, *self.module_.buffers()), snapshot, strict=True):
            t.copy_(kept)

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Run the epochs; remember whether it was the user who stopped them."""
        try:
            super().fit_loop(X, y, epochs=epochs, **kwargs)
        except StopTraining:
            pass
        except KeyboardInterrupt:
            self.interrupted_ = True
        return self

    def notify(self, method_name, **kwargs):
        """Call the callbacks; one that raises KeyboardInterrupt ends the training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as stop:
            if self.callbacks:  # skorch's own way to stop early
                raise StopTraining from stop
            raise
        if method_name == "on_epoch_end" and self._epoch >= self._cool_to:
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
        total = 0.0
        for batch in batches:
            self._set_learning_rate()
            if self._has_hooks:
                self.notify("on_batch_begin", batch=batch, training=True)
            step = self.train_step(batch)
            total = total + step["loss"] * len(batch[0])
            if self._has_hooks:
                self.notify("on_batch_end", batch=batch, training=True, **step)
            self._step += 1
        loss = float(total) / len(batches.index)
        if not math.isfinite(loss):
            raise ValueError(
                f"Training diverged: the loss is {loss} after epoch {self._epoch + 1}. "
                "Lower learning_rate, or look for extreme values in X."
            )
        return loss

    def train_step(self, batch, **_):
        """Take one step of the optimiser on one batch."""

        def closure():
            self._grad.zero_()
            self._data_loss = loss = self._loss(batch)
            loss.backward()
            loss = loss.detach()
            if self.alpha:
                weights = self._flat * self._is_weight
                value, gradient = elastic_net(weights, self.alpha, self.l1_ratio)
                loss = loss + value
                self._grad.add_(gradient)
            if self._has_hooks:
                named = self.module_.named_parameters()
                self.notify(
                    "on_grad_computed", named_parameters=named, batch=batch,
                    training=True,
                )  # fmt: skip
            if self.gradient_clip_value is not None:
                norm = torch.linalg.vector_norm(self._grad)
                self._grad.mul_((self.gradient_clip_value / (norm + 1e-6)).clamp(max=1))
            return loss

        self.optimizer_.step(closure)
        return {"loss": self._data_loss.detach(), "y_pred": None}

    def _row_loss(self, batch):
        """Return what each row costs, weighted and per column (B,), and the penalty."""
        x, w = batch
        terms = self.module_(x)
        row = terms.nll if terms.reg is None else terms.nll + terms.reg
        row = row if w is None else row * w
        return row / x[0].numel(), terms.penalty

    def _loss(self, batch):
        """The one reduction: a mean over the rows of a batch."""
        row, penalty = self._row_loss(batch)
        return row.mean() if penalty is None else row.mean() + penalty

    def _judged(self):
        """Return what each held-out row costs; (n_valid,)."""
        self._set_training(False)
        with torch.no_grad():
            return torch.cat([self._row_loss(batch)[0] for batch in self._job.valid])

    def _set_learning_rate(self):
        if self._job.schedule == "constant":
            factor = 1.0
        else:
            epoch = self._step / len(self._job.train)
            rise = (self._step + 1) / max(
                1.0, WARM_UP * self._epochs * len(self._job.train)
            )
            fall = (self._cool_to - epoch) / (self._cool_to - self._cool_from)
            factor = min(1.0, rise, max(fall, 0.0))
        for group in self.optimizer_.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def on_epoch_begin(self, net, **kwargs):
        super().on_epoch_begin(net, **kwargs)
        if self._job.listener is not None:
            self._job.listener.begin(self)

    def on_epoch_end(self, net, **kwargs):
        """Keep the best weights, cool down on a plateau, tell who listens."""
        self._epoch += 1
        self._set_training(False)
        if self._job.valid is not None:
            self._judge(self.history[-1, "valid_loss"])
        if self._job.listener is not None and self._job.listener.end(self):
            self._cool_to = self._epoch

    def _judge(self, loss):
        better = loss < self._best_loss
        significant = loss < self._best_loss - self.tol * abs(self._best_loss)
        if better:
            self._best_loss, self._best = loss, self._snapshot()
        self.history.record("valid_loss_best", better)
        self._waited = 0 if significant else self._waited + 1
        if self._waited >= self.patience and self._epoch < self._cool_from:
            length = math.ceil(COOL_DOWN * self._epoch)
            if self._job.schedule == "constant":
                length = 0
            self._cool_from = self._epoch
            self._cool_to = min(self._epochs, self._epoch + length)

    # What an estimator asks of a trained net

    def retune(self, **params):
        """Take the parameters of a warm start; the weights stay as they are."""
        for group in self.optimizer_.param_groups:
            ratio = params["lr"] / self.lr
            group["initial_lr"] = group.get("initial_lr", group["lr"]) * ratio
        vars(self).update(params)

    def save_state(self):
        """Return all that training changes, to be given to `load_state`."""
        return copy.deepcopy(
            (
                self.module_.state_dict(),
                self.optimizer_.state_dict(),
                self.module_.likelihood.noise_variance,
            )
        ), len(self.history)

    def load_state(self, state):
        """Go back to a saved state, after a training that failed."""
        (weights, optimizer, noise), n_epochs = state
        self.module_.load_state_dict(weights)
        self.optimizer_.load_state_dict(optimizer)
        self.module_.likelihood.noise_variance = noise
        del self.history[n_epochs:]

    def squared_residuals(self, batches):
        """Return the columns' weighted sums of squared residuals, standardised; (d,)."""
        module, total = self.module_, 0.0
        with torch.inference_mode():
            for x, w in batches:
                mean = module.likelihood.mean(module.decode(module.encode(x)))
                square = (mean - x).square()
                total = total + (square.sum(0) if w is None else w @ square).cpu().double()
        return total.numpy()


def block_rows(net, n_features):
    """Return how many rows inference takes at a time, a multiple of 32.

    Small enough that one block's activations stay in the processor's cache; always
    the same for one fitted net, as that is what makes a row's result the same to the
    last bit whatever rows surround it.
    """
    counts = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: counts.append(out[0].numel()))
        for module in net.module_.modules()
        if not any(module.children())
    ]
    with torch.inference_mode():
        x = torch.zeros(1, n_features, device=net.device)
        net.module_.decode(net.module_.encode(x))
    for hook in hooks:
        hook.remove()
    rows = BLOCK_ACTIVATION_BYTES // (4 * max(1, sum(counts)))
    return int(min(1024, max(32, rows // 32 * 32)))


def apply(fn, X, n_rows, device, standardize=None):
    """Yield (slice, rows, fn(rows)) over X, as CPU tensors, in zero-padded blocks.

    The blocks all have `n_rows` rows: the slice says how many of them are X's.
    """
    buffer = np.zeros((n_rows, X.shape[1]), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, X.shape[0], n_rows):
            rows = densify(X[start : start + n_rows])
            if standardize is None:
                buffer[: len(rows)] = rows
            else:
                standardize(rows, out=buffer[: len(rows)])
            buffer[len(rows) :] = 0
            x = torch.from_numpy(buffer)
            yield slice(start, start + len(rows)), x, fn(x.to(device)).cpu()


_GLOBAL_GENERATOR = threading.Lock()


@contextmanager
def global_randomness(seed, device):
    """Seed torch's global generator for modules that know no other, and put it back.

    Only users' own networks need it; it is locked, as the generator is the process's.
    """
    devices = [device] if torch.device(device).type == "cuda" else []
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class CallbackBridge:
    """Tells scikit-learn's callbacks of each epoch; a true answer stops the training."""

    def __init__(self, context, attributes, **arguments):
        self.context, self.attributes, self.arguments = context, attributes, arguments

    def begin(self, net):
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.arguments)

    def end(self, net):
        return self.epoch.call_on_fit_task_end(
            reconstruction_attributes=lambda: self.attributes(net), **self.arguments
        )
