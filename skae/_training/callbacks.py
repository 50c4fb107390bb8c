"""Callbacks: scikit-learn's, told of each epoch of a skorch net."""


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
