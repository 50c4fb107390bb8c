"""Callbacks: scikit-learn's, told of each epoch of a skorch net."""


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
