"""Callbacks of skorch's: which there are uses for, and what they score.

n is the number of rows, d the columns.
"""

import numpy as np
import torch
from sklearn.dummy import DummyRegressor
from sklearn.metrics import get_scorer
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    InputShapeSetter,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    TrainEndCheckpoint,
)
from skorch.dataset import Dataset

from skae._data.rows import Batches, densify

WITHOUT_USE = {  # of skorch's callbacks, what there is nothing for
    BatchScoring: "no loss is recorded of single batches. Use EpochScoring",
    PassthroughScoring: "no loss is recorded of single batches. Use EpochScoring",
    InputShapeSetter: "the network is told the number of columns. Leave it out",
}
ONLOOKERS = {  # who neither see gradients nor change what the layers do
    EpochTimer, PrintLog, ProgressBar, EpochScoring, EarlyStopping, LRScheduler, Checkpoint,
    TrainEndCheckpoint,
}  # fmt: skip
BATCH_SIZE = 1024  # of rows that are scored


def check_callbacks(callbacks, holds_out):
    """Raise a ``ValueError`` for what is no callback of skorch's, or has nothing to do."""
    if callbacks is None or callbacks == "disable":
        return
    if not isinstance(callbacks, list | tuple):
        raise ValueError(
            "net_params: callbacks must be a list of skorch's callbacks, for instance "
            f"[skorch.callbacks.EpochTimer()]. Got {callbacks!r}."
        )
    for given in callbacks:
        named = isinstance(given, list | tuple) and len(given) == 2
        kind = callback = given[1] if named else given
        if not isinstance(kind, type):
            kind = type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                "net_params: callbacks must be skorch's, or pairs (name, callback). Got "
                f"{given!r} in the list."
            )
        for useless, why in WITHOUT_USE.items():
            if issubclass(kind, useless):
                raise ValueError(f"net_params: {kind.__name__} is of no use here: {why}.")
        if callback is kind:
            try:
                callback = kind()
            except TypeError as error:
                raise ValueError(f"net_params: callbacks: {error}.") from None
        _check_looks(callback, kind.__name__, holds_out)


def _check_looks(callback, name, holds_out):
    """Raise a ``ValueError`` for a callback that looks at what there is not."""
    monitor = getattr(callback, "monitor", None)
    saves = isinstance(callback, Checkpoint)  # where what it looks at is true
    by_score = (
        "EpochScoring('r2', name='r2', lower_is_better=False, on_train=True) before it "
        "and monitor='r2_best'"
    )
    if isinstance(monitor, str) and "valid" in monitor and not holds_out:
        other = by_score if saves else "monitor='train_loss'"
        raise ValueError(
            f"net_params: {name} looks at {monitor!r}, and no rows are held out here. "
            f"Use fit with early_stopping=True, or {other}."
        )
    if saves and monitor in ("train_loss", "train_loss_best", "valid_loss"):
        other = "monitor='valid_loss_best'" if holds_out else by_score
        raise ValueError(
            f"net_params: {name} has monitor={monitor!r}, which does not say of an epoch "
            f"whether it is the best. Use {other}."
        )
    if not isinstance(callback, EpochScoring):
        return
    if not (holds_out or callback.on_train):
        raise ValueError(
            f"net_params: {name} scores rows that are held out, and there are none here. "
            "Use fit with early_stopping=True, or on_train=True."
        )
    if callable(callback.scoring):
        return
    rows = np.array([[1.0, 2.0], [2.0, 1.0]])
    try:
        get_scorer(callback.scoring)(DummyRegressor().fit(rows, rows), rows, rows)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(
            f"net_params: {name} has scoring={callback.scoring!r}, which scores no rows "
            "that were rebuilt. Pass a name such as 'neg_mean_squared_error' or 'r2', or a "
            "function of (net, X, y)."
        ) from None


def have_stopped(callbacks):
    """Tell whether a KeyboardInterrupt of callbacks [(name, callback)] is no user's.

    `EarlyStopping` raises one, once it has waited for as long as it may.
    """
    stoppers = [
        callback for _, callback in callbacks if isinstance(callback, EarlyStopping)
    ]
    return any(stopper.misses_ == stopper.patience for stopper in stoppers)


def only_look(callbacks):
    """Tell whether callbacks [(name, callback)] leave each step to the engine."""
    return all(type(callback) in ONLOOKERS for _, callback in callbacks)


class JudgedRows(Dataset):
    """Rows as skorch's callbacks take them: what they should become is their y.

    X is what `Net.predict` takes.
    """

    def __init__(self, batches, module):
        self.batches, self.module = batches, module

    def __len__(self):
        """Return how many rows are trained on, as progress bars ask for."""
        return len(self.batches.index) if self.batches.generator is not None else 0

    @property
    def X(self):
        """These rows."""
        return self

    @property
    def y(self):
        """What they should become, in their units; (n, d). A missing cell is as rebuilt."""
        rows = self.batches.rows.clean or self.batches.rows
        y = densify(rows.X[self.batches.index.numpy()])
        missing = np.isnan(y)
        return np.where(missing, self.reconstructed(), y) if missing.any() else y

    def reconstructed(self):
        """Return what is made of them, in their units; (n, d)."""
        batches = Batches(self.batches.rows, self.batches.index, BATCH_SIZE)
        with torch.inference_mode():
            means = [self.module.reconstruct(b.x, *b.known).cpu() for b in batches]
        return self.module.likelihood.restore(torch.cat(means).numpy())
