"""Fits that scikit-learn's callbacks are told of."""

from contextlib import contextmanager
from functools import partial

from sklearn.callback import CallbackSupportMixin


class Watched(CallbackSupportMixin):
    """An estimator whose fits tell scikit-learn's callbacks how far they are."""

    def _watch(self, X, y=None, sample_weight=None, attributes=None):
        """Return what tells of a fit, which begins once it is known how long it may be.

        `attributes` makes of what has come of a training what would be fitted.
        """
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {
            "estimator": self,
            "X": X,
            "y": X if y is None else y,  # monitors score nothing without a y
            "metadata": weight,
        }
        is_heard = bool(vars(self).get("_skl_callbacks"))
        start = self._init_callback_context
        return Watch(start, arguments, is_heard, self.verbose, attributes, is_whole=True)


class Watch:
    """Tells scikit-learn's callbacks of a task, and of its epochs or its parts.

    Callbacks are told of a part as a task of the same estimator, or of another one that is
    fitted in it. Where there are none, nothing is told of epochs. With `verbose`, parts
    have a heading.

    Attributes
    ----------
    is_over : bool
        Whether a callback has answered a part by wanting no more of them.
    """

    def __init__(
        self, start, arguments, is_heard, verbose, attributes=None, is_whole=False
    ):
        self.start, self.arguments, self.is_heard = start, arguments, is_heard
        self.verbose, self.attributes, self.is_whole = verbose, attributes, is_whole
        self.context, self.is_over, self.n_parts = None, False, 0

    def expect(self, n):
        """Begin the task, of so many epochs or parts at most."""
        self.context = self.start(max_subtasks=n)
        self.context.call_on_fit_task_begin(**self.arguments)

    def finish(self):
        """End the task; a true answer asks for no more of its kind."""
        if self.context is None:  # there was nothing to train
            self.expect(0)
        return self.context.call_on_fit_task_end(
            reconstruction_attributes={} if self.is_whole else None, **self.arguments
        )

    # What a training tells

    def begin(self):
        """Say that an epoch begins."""
        if self.is_heard:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.arguments)

    def end(self, so_far=None):
        """Say that an epoch has ended; a true answer ends the training.

        `so_far` returns what has come of the training.
        """
        if not self.is_heard:
            return False
        found = None
        if self.attributes is not None:

            def found():
                return self.attributes(so_far())

        return self.epoch.call_on_fit_task_end(
            reconstruction_attributes=found, **self.arguments
        )

    # Parts

    @contextmanager
    def part(self, name, n=None):
        """Tell of a part; where n is None, it begins once its training is known.

        The one part of a task that has not begun is the task.
        """
        if self.context is None:
            yield self
            return
        start = partial(self.context.subcontext, task_name=name)
        part = Watch(start, self.arguments, self.is_heard, self.verbose)
        self._announce(name)
        if n is not None:
            part.expect(n)
        yield part
        self.is_over = part.finish()

    @contextmanager
    def fitting(self, name, other):
        """Tell of a part in which another estimator is fitted, which tells of its own."""
        if not isinstance(other, CallbackSupportMixin):
            with self.part(name, 0):
                yield
            return
        self._announce(name)
        context = self.context.subcontext(task_name=name)
        with context.propagate_callback_context(other):
            context.call_on_fit_task_begin(**self.arguments)
            yield
            context.call_on_fit_task_end(**self.arguments)

    def _announce(self, name):
        """Print what part it is."""
        self.n_parts += 1
        if self.verbose:
            kind, n = type(self.arguments["estimator"]).__name__, self.context.max_subtasks
            print(f"{kind}, part {self.n_parts} of {n}: {name}", flush=True)
