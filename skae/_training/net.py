"""The one training loop: a skorch net that trains on slices of tensors.

What skorch does well is kept (history, callbacks, optimisers by name, compilation,
pickling across devices); the step itself is lean: rows come as slices, all weights
and all gradients lie in one flat tensor each, so that clipping, Adam and keeping the
best weights are one operation each, and the loss leaves the device once an epoch.
"""

import copy
import math
from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PrintLog

from skae._adam import Adam
from skae._losses import elastic_net
from skae._training.blocks import row_cost
from skae._training.callbacks import JudgedRows, have_stopped
from skae._training.flat import one_flat
from skae._training.loss import check_loss, judging_generator, mean_loss, row_loss
from skae._training.optimizers import check_net, optimizer_of, switch
from skae._training.run import Run
from skae._training.runtime import few_threads
from skae._training.state import is_plain, net_of, plain_net
from skae._training.usual import usual_torch


class StopTraining(KeyboardInterrupt):
    """Ends the training from within, where another KeyboardInterrupt is the user's."""


class Net(NeuralNet):
    """The skorch net inside every estimator.

    Beyond skorch's own parameters it takes ``gradient_clip_value`` (the largest norm
    of a step's gradient, 1.0; None does not clip) and ``schedule`` ("trapezoid": the
    learning rate rises, stays, and falls to zero over the last epochs or as soon as
    the validation loss has stopped falling; or "constant") and ``keep_on_interrupt``
    (whether the best weights so far are kept, with a warning, when Ctrl-C ends a training
    of an epoch or more; False raises ``KeyboardInterrupt``). A code with further phases
    has an optimiser for each, whose largest rate is ``further_lr``, and parameters for
    them: ``<phase>_optimizer__<param>``.
    """

    #: what an estimator may change between two trainings
    tuning = ("lr", "further_lr", "alpha", "l1_ratio", "patience", "tol", "verbose")
    n_together_ = 1  # members of the batch that it was trained in
    start_loss_ = None  # held-out loss of the weights that the last training began with
    kept_start_ = False  # whether these are what stayed

    def __init__(
        self,
        module,
        *,
        further_lr=1e-3,
        alpha=0.0,
        l1_ratio=0.0,
        patience=None,
        tol=0.0,
        gradient_clip_value=1.0,
        schedule="trapezoid",
        keep_on_interrupt=False,
        optimizer=Adam,
        **kwargs,
    ):
        check_net(optimizer, schedule, gradient_clip_value, keep_on_interrupt)
        kwargs.setdefault("use_caching", False)  # no batch comes with predictions
        super().__init__(module, criterion=None, optimizer=optimizer, **kwargs)
        self.further_lr, self.l1_ratio, self.patience = further_lr, l1_ratio, patience
        self.tol, self.schedule, self.keep_on_interrupt = tol, schedule, keep_on_interrupt
        self.alpha, self.gradient_clip_value = alpha, gradient_clip_value

    # What skorch builds

    def get_default_callbacks(self):
        log = [("print_log", PrintLog())] if self.verbose else []
        return [("epoch_timer", EpochTimer()), *log]

    def initialize_criterion(self):
        """Nothing: the module returns its own terms."""
        return self

    def _get_module(self, name, msg):
        """Return what a checkpoint is to hold: of the criterion nothing."""
        return torch.nn.Module() if name == "criterion_" else super()._get_module(name, msg)

    def initialize_optimizer(self, triggered_directly=None):
        """Build the optimisers: over one flat parameter where they work elementwise."""
        self._is_flat = self.optimizer in (Adam, torch.optim.Adam) and not any(
            name.startswith("optimizer__param_groups") for name in vars(self)
        )
        named = one_flat() if self._is_flat else list(self.get_all_learnable_params())
        found = partial(self.get_params_for_optimizer, "optimizer")
        self.optimizer_ = optimizer_of(self.optimizer, named, found, self._is_flat)
        for name in self.module_.code.phase_names:
            setattr(self, f"{name}_optimizer_", self._adam(f"{name}_optimizer"))
        return self

    def _adam(self, name):
        """Return the optimiser of a further phase."""
        if name in vars(self) or f"{name}__param_groups" in vars(self):
            raise ValueError(
                f"{name} is Adam, over all that it trains. Set its parameters, for "
                f"instance {name}__lr."
            )
        args, kwargs = self.get_params_for_optimizer(name, one_flat())
        if "lr" not in self.get_params_for(name):
            kwargs["lr"] = self.further_lr
        return Adam(*args, **({"betas": (0.5, 0.99)} | kwargs))

    def get_all_learnable_params(self):
        """Yield what the loss trains: all but the rivals, which further losses train."""
        rivals = self.module_.code.rivals(self.module_)
        theirs = {id(p) for rival in rivals for p in rival.parameters()}
        for name, parameter in super().get_all_learnable_params():
            if id(parameter) not in theirs:
                yield name, parameter

    def torch_compile(self, module, name):
        """Compile in place, so that state-dict keys and pickles stay as they are."""
        if self.compile:
            module.compile(**self.get_params_for("compile"))
        return module

    def get_split_datasets(self, X, y=None, **_):
        return [part and JudgedRows(part, self.module_) for part in (X.train, X.valid)]

    def get_iterator(self, dataset, training=False):
        return dataset.batches

    def predict(self, X):
        """Return the rows that a callback scores as rebuilt, in their units; (n, d)."""
        return X.reconstructed()

    # Training

    def train(self, task):
        """Train by a task; the best weights stay, if any rows judge."""
        self.begin()
        self.batch_size = task.train.batch_size  # which progress bars ask for
        row = torch.zeros(1, task.train.rows.n_columns, device=self.device).float()
        work = task.train.batch_size * row_cost(self.module_, row).multiplications
        with few_threads(work):
            self._run = run = Run(self, task)
            try:
                run.start()
                if task.valid is not None and self.module_.code.start_competes:
                    self.start_loss_ = run.let_start_compete(self._judged())
                self.notify("on_train_begin", X=task, y=None)
                self._run_epochs(task)
                self._set_training(False)
                self.kept_start_, history = run.go_back(), self.history
                # callbacks may know better weights, but not more than what happened
                self.notify("on_train_end", X=task, y=None)
                self.history = history
            finally:
                run.end()
                self.module_.eval()
                del self._run

    def flat_optimizers(self):
        """Return the optimisers that train parts of one flat vector, by name."""
        names = ["optimizer"] * self._is_flat
        optimizers = {name: vars(self)[f"{name}_"] for name in names}
        for name in self.module_.code.phase_names:
            optimizers[name] = vars(self)[f"{name}_optimizer_"]
        return optimizers

    def _run_epochs(self, task):
        """Run the epochs, until the last, or a callback or the user stops them."""
        try:
            self.fit_loop(task, epochs=task.epochs)
        except StopTraining:
            pass
        except KeyboardInterrupt:
            if not (self.keep_on_interrupt and self._run.course.epoch):
                raise
            self.interrupted_ = True
            # an epoch that was cut off has no losses
            del self.history[self._run.n_before + self._run.course.epoch :]

    def notify(self, method_name, **kwargs):
        """Call the callbacks; skorch's `EarlyStopping` ends the training."""
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as stop:
            if method_name == "on_epoch_end" and have_stopped(self.callbacks_):
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
            loss = check_loss(self._judged(), self._run.course, of="the held-out loss")
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def _train_epoch(self, batches):
        run, (remedy, further_remedy) = self._run, self.module_.code.remedies
        total = torch.zeros((), dtype=torch.float32, device=self.device)
        for phase in run.phases.values():
            phase.total.zero_()
        for batch in batches:
            self._set_learning_rate()
            if run.has_hooks:
                self.notify("on_batch_begin", batch=batch, training=True)
            step = self.train_step(batch)
            total.add_(step["loss"], alpha=len(batch.x))
            if run.has_hooks:
                self.notify("on_batch_end", batch=batch, training=True, **step)
            run.course.step += 1
        loss = check_loss(total / len(batches.index), run.course, remedy)
        losses = {name: float(phase.total) for name, phase in run.phases.items()}
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise ValueError(f"Training diverged: {further_remedy}")
        for name, further in losses.items():
            self.history.record(f"{name}_loss", further / len(batches))
        return loss

    def _set_training(self, training=True):
        """Make the module, and the weights, those to train or those to judge."""
        super()._set_training(training)
        switch(self.optimizer_, training)

    def train_step(self, batch, **_):
        """Take one step of each optimiser on one batch."""
        run, code = self._run, self.module_.code

        def closure():
            run.grad.zero_()
            run.data_loss = loss = self._loss(batch)
            if loss.requires_grad:  # callbacks may have frozen all
                loss.backward()
            loss = loss.detach()
            if self.alpha:
                loss = self._penalise(loss)
            if run.has_hooks:
                run.freeze()
                named = self.module_.named_parameters()
                more = {"named_parameters": named, "batch": batch, "training": True}
                self.notify("on_grad_computed", **more)
            if self.gradient_clip_value is not None:
                run.grad[None].renorm_(2, 0, self.gradient_clip_value)
            return loss

        self.optimizer_.step(closure)
        code.after_step(self.module_)
        if run.phases:
            for name, loss in code.further(self.module_, run.play, batch, run):
                run.phases[name].step(loss, self.gradient_clip_value)
        run.take_average()
        return {"loss": run.data_loss.detach(), "y_pred": None}

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
        """Return what each row costs, weighted (B,), and the terms."""
        module, batch = self.module_, self._run.task.corrupted(batch, generator)
        noise = module.code.draw(module, len(batch.x), generator)
        return row_loss(module, batch, noise, progress)

    def _loss(self, batch):
        progress = self._run.course.progress()
        row, terms = self._row_loss(batch, self._run.generator, progress)
        return mean_loss(row, terms, batch.x.numel())

    def _judged(self):
        """Return the held-out loss, per column, and note what else the code judges by."""
        run, code = self._run, self.module_.code
        self._set_training(False)
        with torch.no_grad(), run.as_kept():
            apart, noted = code.judge(self.module_, run.play, run.task, run.phases)
            rows = self._judged_rows() + apart
        for name, value in noted.items():
            self.history.record(name, value)
        return float(rows.mean())

    def _judged_rows(self):
        """Return what each held-out row costs, per column; (n_valid,)."""
        valid, generator, rows = self._run.task.valid, judging_generator(self.device), []
        for batch in valid:
            row, terms = self._row_loss(batch, generator, torch.tensor(1.0))
            rows.append(row if terms.batch is None else row + terms.batch)
        return torch.cat(rows) / valid.rows.n_columns

    def _groups(self):
        """Yield what the optimisers' settings are, and the parameter that is their rate."""
        for group in self.optimizer_.param_groups:
            yield group, "lr"
        for name in self.module_.code.phase_names:
            for group in vars(self)[f"{name}_optimizer_"].param_groups:
                yield group, "further_lr"

    def begin(self, n_together=1):
        """Begin a training, of so many members at once."""
        self.interrupted_, self.n_together_ = False, n_together
        self.start_loss_, self.kept_start_ = None, False
        for group, _ in self._groups():
            group["lr"] = group.setdefault("initial_lr", group["lr"])

    def _set_learning_rate(self):
        course, main = self._run.course, self.optimizer_.param_groups[0]
        if not course.is_constant:
            rate = course.rate()
            for group, _ in self._groups():
                group["lr"] = group["initial_lr"] * rate
        elif self._run.phases:  # a callback may have set the main one
            rate = main["lr"] / main["initial_lr"]
            for group, name in self._groups():
                if name != "lr":
                    group["lr"] = group["initial_lr"] * rate

    def on_epoch_begin(self, net, **kwargs):
        super().on_epoch_begin(net, **kwargs)
        run = self._run
        if run.course.epoch < run.course.cool_from:
            self.module_.code.before_epoch(self.module_, run.task.train, run.generator)
        if run.task.listener is not None:
            run.task.listener.begin()

    def on_epoch_end(self, net, **kwargs):
        """Keep the best weights, cool down on a plateau, tell who listens."""
        course, task = self._run.course, self._run.task
        course.epoch += 1
        self._set_training(False)
        if task.valid is not None:
            better = course.judge(self.history[-1, "valid_loss"], self.patience, self.tol)
            if better:
                self._run.keep()
            self.history.record("valid_loss_best", better)
        if task.listener is not None and task.listener.end():
            course.cool_to = course.epoch

    def __getstate__(self):
        """Return plain arrays, and what else is no tensor: nothing that is pickled bytes.

        But for layers of a user's own, which skorch pickles. What only a training in
        progress needs, the data among it, is left out.
        """
        if not is_plain(self.module_):
            return {k: v for k, v in super().__getstate__().items() if k != "_run"}
        return plain_net({k: v for k, v in vars(self).items() if k != "_run"})

    def __setstate__(self, state):
        """Become a saved net, on its device if that is here, else on the CPU."""
        if "module_" not in state:
            super().__setstate__(state)
            return
        with usual_torch():
            attributes, optimizers = net_of(state)
            vars(self).update(attributes)
            self.initialize_optimizer()
            for name, kept in optimizers.items():
                vars(self)[name].load_state_dict(kept)

    # What an estimator asks of a trained net

    def retune(self, **params):
        """Take the parameters of a warm start; the weights stay as they are."""
        for group, name in self._groups():
            ratio = params[name] / vars(self)[name]
            group["initial_lr"] = group.get("initial_lr", group["lr"]) * ratio
        vars(self).update(params)

    def set_callbacks(self, callbacks):
        """Take other callbacks for the next training."""
        if callbacks is not self.callbacks:
            self.callbacks = callbacks
            self.initialize_callbacks()

    def save_state(self):
        """Return all that training changes, to be given to `load_state`."""
        optimizers = [vars(self)[f"{name}_"].state_dict() for name in self._optimizers]
        state = copy.deepcopy((self.module_.state_dict(), optimizers))
        names = (*self.tuning, "callbacks", "callbacks_")
        tuning = {name: vars(self)[name] for name in names}
        return *state, tuning, self.module_.code, len(self.history)

    def load_state(self, state):
        """Go back to a saved state, after a training that failed."""
        weights, optimizers, tuning, self.module_.code, n_epochs = state
        vars(self).update(tuning)
        self.module_.load_state_dict(weights)
        for name, kept in zip(self._optimizers, optimizers, strict=True):
            vars(self)[f"{name}_"].load_state_dict(kept)
        del self.history[n_epochs:]
