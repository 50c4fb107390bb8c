"""A skorch net that trains on slices of tensors.

What skorch does well is kept (history, callbacks, optimisers by name, compilation,
pickling across devices); the step itself is lean: rows come as slices, all weights
and all gradients lie in one flat tensor each, so that clipping, Adam and keeping the
best weights are one operation each, and the loss leaves the device once an epoch.
"""

import copy
from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer

from skae._adam import Adam
from skae._training.flat import one_flat
from skae._training.loop import train
from skae._training.optimizers import check_net, optimizer_of
from skae._training.run import Run
from skae._training.state import is_plain, net_of, plain_net
from skae._training.usual import usual_torch


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
        return [("epoch_timer", EpochTimer())]  # and no log: the loop prints itself

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

    def predict(self, X):
        """Return the rows that a callback scores as rebuilt, in their units; (n, d)."""
        return X.reconstructed()

    # Training

    def train(self, task):
        """Train by a task; the best weights stay, if any rows judge."""
        train(Run(self, task))

    def flat_optimizers(self):
        """Return the optimisers that train parts of one flat vector, by name."""
        names = ["optimizer"] * self._is_flat
        optimizers = {name: vars(self)[f"{name}_"] for name in names}
        for name in self.module_.code.phase_names:
            optimizers[name] = vars(self)[f"{name}_optimizer_"]
        return optimizers

    def _groups(self):
        """Yield what the optimisers' settings are, and the parameter that is their rate."""
        for group in self.optimizer_.param_groups:
            yield group, "lr"
        for name in self.module_.code.phase_names:
            for group in vars(self)[f"{name}_optimizer_"].param_groups:
                yield group, "further_lr"

    def begin(self, n_together, batch_size):
        """Begin a training, of so many members at once."""
        self.interrupted_, self.n_together_ = False, n_together
        self.batch_size = batch_size  # which progress bars ask for
        self.start_loss_, self.kept_start_ = None, False
        for group, _ in self._groups():
            group["lr"] = group.setdefault("initial_lr", group["lr"])

    def set_rates(self, course):
        """Let the optimisers take their next step at the rate of the course."""
        main = self.optimizer_.param_groups[0]
        if not course.is_constant:
            rate = course.rate()
            for group, _ in self._groups():
                group["lr"] = group["initial_lr"] * rate
        elif self.module_.code.phase_names:  # a callback may have set the main one
            rate = main["lr"] / main["initial_lr"]
            for group, name in self._groups():
                if name != "lr":
                    group["lr"] = group["initial_lr"] * rate

    def __getstate__(self):
        """Return plain arrays, and what else is no tensor: nothing that is pickled bytes.

        But for layers of a user's own, which skorch pickles.
        """
        if not is_plain(self.module_):
            return super().__getstate__()
        return plain_net(vars(self))

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
