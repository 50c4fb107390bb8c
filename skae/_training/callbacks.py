"""Callbacks: scikit-learn's, told of each epoch of a skorch net, and skorch's own."""

from skorch.callbacks import EpochScoring


def check_callbacks(callbacks, holds_out):
    """Raise a ``ValueError`` for a callback of skorch's that has nothing to look at."""
    for callback in callbacks or ():
        callback = callback[1] if isinstance(callback, tuple) else callback
        name = type(callback).__name__
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and "valid" in monitor and not holds_out:
            raise ValueError(
                f"net_params: {name} looks at {monitor!r}, and no rows are held out here. "
                "Use fit with early_stopping=True, or monitor='train_loss'."
            )
        if isinstance(callback, EpochScoring) and not callable(callback.scoring):
            raise ValueError(
                f"net_params: {name} has scoring={callback.scoring!r}, which scores "
                "predictions of a y, and there are none. Pass a function of (net, X, y)."
            )


class CallbackBridge:
    """Tells scikit-learn's callbacks of each epoch; a true answer stops the training.

    `attributes` makes of what has come of the training what the fitted attributes would be.
    """

    def __init__(self, context, attributes, **arguments):
        self.context, self.attributes, self.arguments = context, attributes, arguments

    def begin(self):
        """Say that an epoch begins."""
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.arguments)

    def end(self, trained_so_far):
        """Say that an epoch has ended; a true answer ends the training."""
        return self.epoch.call_on_fit_task_end(
            reconstruction_attributes=lambda: self.attributes(trained_so_far()),
            **self.arguments,
        )
