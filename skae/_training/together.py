"""Which trainings are one batch, and which go one by one."""

from dataclasses import replace

from skae._codes.base import Plain
from skae._params import equal
from skae._training.members import Members
from skae._training.state import has_statistics
from skae._training.task import Task
from skae._training.train import Listener, build, finished, run
from skae.corruption._named import hidden_rates
from skae.networks._dense import DenseNetwork
from skae.networks._layers import Dropout


def train_together(recipes, samples, listener=None):
    """Train nets, those together that share shapes, and measure them.

    Recipes that differ in their seeds, in the widths of plain dense layers, in how large
    steps are or when they end, are trained as one; with dropout, batch normalisation,
    callbacks, another optimiser than Adam or a network of one's own, they are trained one
    by one.

    Parameters
    ----------
    recipes : list of Recipe
    samples : list of Sample
        All of the same rows X.
    listener : object, default=None
        As that of `train`; an epoch of many is one, and `expect` is called first, with
        the largest number of epochs. Where none of it is one training alone, `end` is
        given nothing.

    Returns
    -------
    trained : list of Trained
    """
    tasks, first = [], []
    for recipe, sample in zip(recipes, samples, strict=True):
        sharing = recipe.likelihood, recipe.device, len(sample.told.known)
        like = next((task for key, task in first if equal(key, sharing)), None)
        tasks.append(Task(recipe, sample, like=like))
        if like is None:
            first.append((sharing, tasks[-1]))
    groups, alone = [], {i: t for i, t in enumerate(tasks) if not _can_join(t.recipe)}
    for task in (task for i, task in enumerate(tasks) if i not in alone):
        build(task)
        key = _kind(task)
        group = next((g for k, g in groups if key is not None and equal(k, key)), None)
        if group is None:
            groups.append((key, group := []))
        group.append(task)
    if listener is not None:
        parts = [*([task] for task in alone.values()), *(group for _, group in groups)]
        listener.expect(sum(max(task.epochs for task in part) for part in parts))
    left, done = len(tasks), {}
    for i, task in alone.items():
        done[i] = run(task, listener)
        left -= 1
        _check_done(task, left)
    for _, group in groups:
        if len(group) == 1:
            if listener is not None:
                group[0].listener = Listener(listener, group[0])
            group[0].net.train(group[0])
        else:
            Members(group, listener).train()
        left -= len(group)
        _check_done(group[0], left)
    return [done.get(i) or finished(task) for i, task in enumerate(tasks)]


def _check_done(task, left):
    """Raise a ``KeyboardInterrupt`` if a training was interrupted, and some are left."""
    if left and task.net.interrupted_:
        raise KeyboardInterrupt


def _can_join(recipe):
    """Tell whether a recipe leaves its training to the engine, as far as is known."""
    own = {"callbacks", "compile", "optimizer"} & set(recipe.net_params)
    own |= {name for name in recipe.net_params if name.startswith("optimizer__")}
    plain = not recipe.code.phase_names  # one optimiser, one phase
    plain = plain and not recipe.code.options(recipe)
    return plain and recipe.is_ours and not own


def joins_sizes(recipe):
    """Tell whether codes of two sizes can be trained as one, as far as is known."""
    return _can_join(recipe) and _can_be_padded(recipe)


def _kind(task):
    """Return what members of one batch have in common, or None if there can be none."""
    recipe, module = task.recipe, task.net.module_
    drops = any(isinstance(m, Dropout) and m.p for m in module.modules())
    drops = drops or hidden_rates(recipe.corruption)
    if drops or has_statistics(module) or not module.code.is_pure:
        return None
    schedule = recipe.schedule._replace(learning_rate=0.0, n_iter_no_change=0, tol=0.0)
    if not recipe.code.warm_up(task.aim):  # else they share how far they are
        schedule = schedule._replace(max_iter=0)
    width = recipe.n_components is None
    recipe = recipe._replace(seed=0, n_components=width, schedule=schedule)
    shapes = tuple(p.shape for p in module.parameters())
    if _can_be_padded(recipe):
        depth = len(recipe.network.hidden_layer_sizes)
        back = recipe.network.decoder_layer_sizes
        back = depth if back is None else len(back)
        narrow = replace(recipe.network, hidden_layer_sizes=depth, decoder_layer_sizes=back)
        recipe, shapes = recipe._replace(network=narrow), None
    parts = [part for part in (task.train, task.valid) if part is not None]
    sizes = [(len(part.index), part.batch_size, part.weight is None) for part in parts]
    return recipe, shapes, sizes


def _can_be_padded(recipe):
    """Tell whether units that are always cut off change nothing for the others."""
    network = recipe.network
    dense = isinstance(network, DenseNetwork) and network.normalization is None
    return dense and type(recipe.code) is Plain
