"""Training: from a recipe and a sample to what came of it."""

from contextlib import nullcontext

import torch
from skorch.callbacks import LRScheduler

from skae._codes.remedies import starts_linear
from skae._training.blocks import size_blocks
from skae._training.measure import measured, trouble
from skae._training.net import Net
from skae._training.optimizers import Switching
from skae._training.runtime import global_randomness
from skae._training.task import Lesson, Task
from skae.corruption._named import hidden_rates
from skae.networks._dense import DenseNetwork
from skae.networks._layers import Dropout


def train(recipe, sample, earlier=None, listener=None):
    """Train a net, and measure it.

    Parameters
    ----------
    recipe : Recipe
    sample : Sample
    earlier : Trained, default=None
        What to go on from. Its net is changed in place.
    listener : object, default=None
        With `begin` and `end`, called around each epoch; `end` is given a function that
        returns what would have come of the training so far, and ends it by a true answer.

    Returns
    -------
    trained : Trained
    """
    return run(Task(recipe, sample, earlier), listener)


def run(task, listener=None):
    """Train the net of a task, and measure it."""
    task = trained(task, listener)
    return finished(task)


def trained(task, listener=None):
    """Return the task, its net trained; or the best of those that its code compares."""
    recipe, own = task.recipe, nullcontext()
    options = recipe.code.options(recipe) if task.earlier is None else ()
    if options:
        return _best(task, options, listener)
    if not recipe.is_ours:
        own = global_randomness(recipe.seed, task.device)
    if listener is not None:
        task.listener = Listener(listener, task)
    with own:
        build(task)
        task.net.train(task)
    return task


def _best(task, options, listener):
    """Return the best of the tasks that recipes are, each on the same draws."""
    best = None
    for recipe in options:
        generator = torch.Generator()
        generator.set_state(task.sample.generator.get_state())
        sample = task.sample._replace(generator=generator)
        other = trained(Task(recipe, sample, like=task), listener)
        if best is None or task.recipe.code.prefers(best, other):
            best = other
        listener = None  # who listens hears of one training
    return best


def finished(task):
    """Measure a task's net after training, and say what is wrong with it."""
    _start_from_all(task)
    task.net.module_.code.settle(task.net.module_, task)
    trained = measured(task)
    return trained._replace(signs=trouble(task, trained))


def _start_from_all(task):
    """Let a start that has stayed be that of all rows, as none are to judge any more."""
    recipe = task.recipe
    is_linear = isinstance(recipe.network, DenseNetwork) and starts_linear(recipe.network)
    if recipe.code.judged_again or task.earlier is not None or not is_linear:
        return
    if task.net.kept_start_ and not task.net.callbacks:  # which may have frozen weights
        task.start_from_all()
        state = recipe.code.build(task).to(task.device).state_dict()
        task.net.module_.load_state_dict(state)


class Listener:
    """Tells who listens what has come of a task so far."""

    def __init__(self, listener, task):
        self.listener, self.task = listener, task

    def begin(self):
        """Say that an epoch begins."""
        self.listener.begin()

    def end(self):
        """Say that an epoch has ended; a true answer ends the training."""
        return self.listener.end(lambda: measured(self.task))


def build(task):
    """Build the net of a task or take up the earlier one, and say what it is to learn."""
    task.prepare()
    recipe = task.recipe
    if task.earlier is not None:
        task.net = task.earlier.net
        task.net.retune(**_tuning(task))
        task.net.set_callbacks(recipe.net_params.get("callbacks"))
    else:
        module = recipe.code.build(task).to(task.device)
        _check_shapes(module, task.some[:2], task.n_components)
        _check_dropout(module, recipe.corruption)
        task.net = new_net(module, task.device, **_tuning(task), **recipe.net_params)
    own_schedule = any(_is_scheduler(c) for c in task.net.callbacks or ())
    own_schedule = own_schedule or isinstance(task.net.optimizer_, Switching)
    constant = task.one_pass or own_schedule
    task.schedule = "constant" if constant else task.net.schedule
    recipe.code.take(task.net.module_)
    task.n_before = len(task.net.history)


def train_module(
    module, batches, epochs, device, valid=None, corruption=None, listener=None,
    unit="epoch", **tuning,
):  # fmt: skip
    """Return a net that has trained a module of one's own on batches; others judge.

    A `listener` is as that of `train`, and is told first how many epochs to expect.
    """
    net = new_net(module, device, **tuning)
    lesson = Lesson(batches, epochs, valid, corruption=corruption)
    lesson.listener, lesson.unit = listener, unit
    if listener is not None:
        listener.expect(epochs)
    net.train(lesson)
    size_blocks(net, batches.rows.n_columns)
    return net


def _tuning(task):
    schedule = task.recipe.schedule
    rate = task.recipe.code.rate(task.likelihood)
    tuning = {
        "lr": schedule.learning_rate if rate is None else rate,
        "alpha": schedule.alpha,
        "l1_ratio": schedule.l1_ratio,
        "patience": schedule.n_iter_no_change,
        "tol": schedule.tol,
        "verbose": schedule.verbose,
    }
    if schedule.further_rate is not None:
        tuning["further_lr"] = schedule.further_rate
    return tuning


def new_net(module, device, **params):
    """Return a net of a module, or raise a ``ValueError`` for a parameter of its own."""
    try:
        net = Net(lambda: module, device=device, **params).initialize()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"net_params: {error}") from error
    net.module = type(module)  # not the function, which holds the module
    return net


def _check_shapes(module, rows, n_components):
    """Raise a ``ValueError`` if a network's output has not the width it was told."""
    module.eval()
    with torch.no_grad():
        codes = module.encode(rows)
        wanted = (len(rows), n_components or codes.shape[-1])
        if tuple(codes.shape) != wanted:
            raise ValueError(
                f"network: the encoder returns codes of shape {tuple(codes.shape)} "
                f"for {len(rows)} rows, not {wanted}."
            )
        params, wanted = module.decode(codes), (len(rows), module.likelihood.n_params)
    if tuple(params.shape) != wanted:
        raise ValueError(
            f"network: the decoder returns shape {tuple(params.shape)} for "
            f"{len(rows)} codes, not {wanted}."
        )
    module.n_components = codes.shape[1]


def _check_dropout(module, corruption):
    """Raise a ``ValueError`` if hidden units are to be dropped, and none can be."""
    drops = any(isinstance(layer, Dropout) for layer in module.modules())
    if hidden_rates(corruption) and not drops:
        raise ValueError(
            "corruption: HiddenDropout needs a network of skae.networks with a "
            "hidden layer, for instance network=(128,)."
        )


def _is_scheduler(callback):
    """Tell whether a callback, as skorch takes them, sets the learning rate itself."""
    callback = callback[1] if isinstance(callback, tuple | list) else callback
    kind = callback if isinstance(callback, type) else type(callback)
    return issubclass(kind, LRScheduler)
