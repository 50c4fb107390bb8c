"""Codes that know what they are for: a linear head tells y from them.

n is the number of rows, B that of a batch, k the components of the code, m the columns of
what is told: one for each class, or for each column of numbers.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_consistent_length, column_or_1d
from torch.nn.functional import log_softmax

from skae._codes.base import Plain, tempered
from skae._codes.labels import UNLABELLED, labelled, tell_of_minus_one
from skae._data.numbers import as_numbers, known_moments
from skae._data.split import Told
from skae.networks._layers import linear, put
from skae.networks._start import moments

MOST_CLASSES = 20  # of whole numbers that came as floats
LEAST_ENTROPY = 0.1  # of classes, of that of as many that are equally frequent
START_ROWS, PRICED_ROWS = 10_000, 1000  # by which a start, and prices, are found, at most
AT_ONCE = 1024  # rows whose codes are found at once
RIDGE = 1e-3  # of a code's variance, in heads that are fitted
#: weights of y, and penalties on those of the network, that "auto" compares: the safe first
STRENGTHS = (0.5, 1e-2), (0.5, 1e-3), (0.0, 1e-4)


class Aims(NamedTuple):
    """What is told of rows, and what it costs to know none of it."""

    order: np.ndarray | None  # (m,) the places of classes in the order they first came in
    location: np.ndarray  # (m,) of numbers
    spread: np.ndarray  # (m,) of numbers, 0 where they do not vary
    price: float  # of one told of: times what it costs not to know it, that of a row


class Pupils(NamedTuple):
    """Rows of which something is known."""

    index: torch.Tensor
    y: np.ndarray  # (n, m) as ones among zeros, or standardised
    weight: np.ndarray  # (n, m or 1) 0 where nothing is known


# What y says


def read(y, n, classes, *, reset):
    """Return what y `Told` of n rows: classes or numbers, with unknown ones among them."""
    if y is None:
        if not reset:
            return Told(classes, values=np.full((n, 1), np.nan))
        raise ValueError(
            "target_weight above 0 requires y to be passed, but the target y is None. Pass "
            "what the codes are for, a class or a number for each row, or set "
            "target_weight=0."
        )
    if _is_classes(y) if reset else classes is not None:
        return _read_classes(y, n, None if reset else classes, reset)
    y = as_numbers(y)
    check_consistent_length(np.empty(n), y)
    y = y.reshape(len(y), -1)
    if reset:
        tell_of_minus_one(y)
    if reset and not known_moments(y, np.ones(n))[1].any():
        raise ValueError(
            "y: no two numbers differ, so that nothing can be learnt of it. Pass what the "
            "codes are for, NaN where it is not known, or set target_weight=0."
        )
    return Told(values=y)


def _read_classes(y, n, classes, reset):
    y = column_or_1d(np.asarray(y))
    check_consistent_length(np.empty(n), y)
    known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(n, dtype=bool)
    way, places = "set target_weight=0", np.full(n, UNLABELLED)
    classes, places[known] = labelled(y[known], known.sum(), classes, way)
    if reset and len(classes) == 1:
        raise ValueError(
            f"y holds one class only, {classes.tolist()[0]!r}; -1 marks rows of unknown "
            f"class. Label rows of another class, call none of them -1, or {way}."
        )
    return Told(classes, values=np.where(places < 0, np.nan, places)[:, None])


def _is_classes(y):
    """Tell whether y is classes: no floats, but for few different whole ones."""
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind != "f":
        return y.ndim < 2
    known = y[np.isfinite(y) & (y != UNLABELLED)]
    is_whole = (known == np.round(known)).all() and not np.isinf(y).any()
    return bool(is_whole) and len(np.unique(known)) <= MOST_CLASSES


# What it costs


def _aims(task):
    """Return the `Aims` of a task's rows to learn from."""
    index, nothing = task.sample.train.numpy(), _cost_of_nothing(task)
    weight, values = _weight(task)[index], task.told.values[index]
    if task.told.classes is None:
        location, spread = known_moments(values, weight)
        return Aims(None, location, spread, nothing / max(1, (spread > 0).sum()))
    n_classes = len(task.told.classes)
    known = ~np.isnan(values[:, 0])
    places = values[known, 0].astype(int)
    _, first = np.unique(places, return_index=True)
    seen = places[np.sort(first)]
    order = np.concatenate([seen, np.setdiff1d(np.arange(n_classes), seen)])
    count = np.bincount(places, weight[known], n_classes)[seen]
    share = count / count.sum()
    entropy = -(share * np.log(share)).sum()
    price = nothing / max(entropy, LEAST_ENTROPY * np.log(n_classes))
    return Aims(order, np.zeros(n_classes), np.ones(n_classes), price)


def _weight(task):
    """Return how much each row counts; (n,)."""
    weight = task.sample.weight
    return np.ones(len(task.told.values)) if weight is None else weight.astype(float)


def _cost_of_nothing(task):
    """Return what rows to learn from cost on average if all are taken for their mean."""
    likelihood, index = task.likelihood.to(task.device), task.sample.train
    index = index[:: -(-len(index) // PRICED_ROWS)]
    x = task.clean.take(index.to(task.device))
    target = likelihood.target(x).cpu().double().numpy()
    bias, _ = likelihood.linearize(moments(target)[0], np.zeros((1, target.shape[1])))
    bias = torch.as_tensor(bias, dtype=torch.float32, device=x.device)
    with torch.no_grad():
        cost = likelihood.nll(bias.expand(len(x), -1), x).sum(1).cpu().double().numpy()
    cost = np.average(cost, weights=_weight(task)[index.numpy()])
    return cost if cost > 0 else x.shape[1] / 2  # of counts, which have no lower end


@dataclass
class Targeted(Plain):
    """z = s(e(x)), loss = -log p(x | d(z)) + w / (1 - w) price |h(z) - y|^2.

    For classes it is -log p(y | h(z)).
    """

    target_weight: float = 0.5

    # Before training

    def read(self, y, n, classes, *, reset):
        """Return what y `Told` of n rows, given the classes known before."""
        return read(y, n, classes, reset=reset)

    def aim(self, task):
        """Return the `Aims`: those of the training that goes on, or of the rows."""
        if task.earlier is None:
            return _aims(task)
        before = vars(task.earlier.net.module_).get("aims")
        if before is None:
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"target_weight from 0. Got target_weight={self.target_weight!r}. Use "
                "warm_start=False and fit."
            )
        return Aims(**before)

    def rows(self, task):
        """Return the rows, and beside each what it is (m,), and what not to know costs."""
        aims, values = self.aim(task), task.told.values
        m = len(aims.spread) if aims.order is None else 1
        if values.shape[1] != m and not np.isnan(values).all():
            raise ValueError(f"y has {values.shape[1]} columns, and had {m} when fitted.")
        y, known = _told(values, aims)
        index, weight = task.sample.train.numpy(), _weight(task)
        if task.earlier is None and not known[index].any():
            raise ValueError(
                "y: no row of known y is learnt from, as all have a sample_weight of 0, or "
                "differ in held-out rows alone. Give some of them a positive weight, or "
                "set early_stopping=False or target_weight=0."
            )
        share = weight[index] @ known[index] / weight[index].sum()
        strength = aims.price * self.target_weight / (1 - self.target_weight)
        # those that are known stand for the others, so that y counts as much as is said
        cost = known * (strength / np.where(share > 0, share, np.inf))
        rows = copy.copy(task.own)
        rows.known = tuple(
            torch.from_numpy(part.astype(np.float32)).to(task.device) for part in (y, cost)
        )
        return rows

    def start(self, task):
        """Return where encoder and decoder start: at partial least squares."""
        some = _pupils(task, task.started_from)
        if not self.target_weight or not len(some.index):
            return super().start(task)
        x = task.likelihood.embed(task.clean.take(some.index)).cpu().double().numpy()
        return tempered(
            task.principal.start_towards(x, some.y, some.weight, task.likelihood), task
        )

    def build(self, task):
        """Return the module to train, with a head beside it, which is fitted."""
        ae = super().build(task).to(task.device)
        ae.aims, some = task.aim._asdict(), _pupils(task, task.started_from)
        z = codes(ae, task, some.index)
        weight, bias = fitted_head(z, some, task.aim.order is not None)
        ae.head = linear(z.shape[1], len(bias), task.generator)
        put(ae.head.weight, weight)
        put(ae.head.bias, bias)
        return ae

    # In training

    def encode(self, ae, x, *known):
        """Return the codes of standardised rows, in which y has no part; (B, k)."""
        return super().encode(ae, x)

    def decode(self, ae, z, *known):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return super().decode(ae, z)

    def loss(self, ae, x, target, noise, progress, y, cost):
        """Return the `Terms` of rows (B, d), of which y (B, m) is known at a cost."""
        terms = super().loss(ae, x, target, noise, progress)
        far = how_far(ae.head(self.encode(ae, x)), y, ae.aims["order"] is not None)
        return terms._replace(reg=(cost * far).sum(1))

    # After training

    def shortfalls(self, described, task):
        """Yield nothing: codes for y may well explain less of the rows than PCA does."""
        if not self.target_weight:
            yield from super().shortfalls(described, task)

    def describe(self, ae, task):
        """Return how much y counted, and the penalty on the weights."""
        alpha = task.recipe.schedule.alpha
        return {"target_weight_": self.target_weight, "alpha_": alpha}


def how_far(told, y, are_classes):
    """Return how far what a head told is from y (B, m): (B, m) of numbers, or (B, 1)."""
    if not are_classes:
        return (told - y).square()
    return -(log_softmax(told, 1) * y).sum(1, keepdim=True)


# Heads that are fitted


def _pupils(task, index):
    """Return those of an index of which something is known, not too many."""
    known = _told(task.told.values[index.numpy()], task.aim)[1]
    index = index[torch.from_numpy(known.any(1))]
    index = index[:: max(1, -(-len(index) // START_ROWS))]
    y, known = _told(task.told.values[index.numpy()], task.aim)
    weight = known * _weight(task)[index.numpy(), None]
    return Pupils(index.to(task.device), y, weight)


def _told(values, aims):
    """Return what is told of rows (n, m), 0 where it is not known, and where it is."""
    known = ~np.isnan(values)
    if aims.order is not None:
        return (values == aims.order).astype(float), known
    known &= aims.spread > 0
    y = (values - aims.location) / np.where(aims.spread > 0, aims.spread, 1.0)
    return np.where(known, y, 0.0), known


def codes(ae, task, index):
    """Return the codes of rows of an index; (n, k) float64."""
    with torch.no_grad():
        parts = [ae.eval().encode(task.own.take(i)).cpu() for i in index.split(AT_ONCE)]
    return torch.cat(parts).double().numpy()


def fitted_head(z, some, are_classes):
    """Return the weight (m, k) and bias (m,) of a linear model of codes (n, k)."""
    m, k = some.y.shape[1], z.shape[1]
    weight, bias = np.zeros((m, k)), np.zeros(m)
    if not len(z):
        return weight, bias
    mean, spread = known_moments(z, some.weight.max(1))
    spread = np.where(spread > 0, spread, 1.0)
    u = (z - mean) / spread
    if are_classes:
        weight, bias = _logistic(u, some, weight, bias)
    else:
        for j, w in enumerate(np.broadcast_to(some.weight, some.y.shape).T):
            a = np.column_stack([u, np.ones(len(u))])
            gram = (a.T * w) @ a + RIDGE * w.sum() * np.diag([*np.ones(k), 0.0])
            if w.any():
                *weight[j], bias[j] = np.linalg.solve(gram, (a.T * w) @ some.y[:, j])
    weight = weight / spread
    return weight, bias - weight @ mean


def _logistic(u, some, weight, bias):
    place, bias = some.y.argmax(1), bias - np.log(len(u) + 1)  # for classes not there
    there = np.unique(place)
    if len(there) == 1:
        bias[there] = 0.0
        return weight, bias
    model = LogisticRegression(tol=1e-3, max_iter=1000).fit(u, place, some.weight[:, 0])
    coef, shift = model.coef_, model.intercept_
    if len(there) == 2:
        coef, shift = (np.concatenate([-a, a]) / 2 for a in (coef, shift))
    weight[there], bias[there] = coef, shift
    return weight, bias


# Which strength


def of_strength(recipe, target_weight, alpha):
    """Return a recipe whose codes are for y to some extent, at a penalty on weights."""
    code = recipe.code
    code = Targeted(code.code_activation, code.isometry, target_weight)
    return recipe._replace(code=code, schedule=recipe.schedule._replace(alpha=alpha))


@dataclass
class Chosen(Targeted):
    """Targeted codes whose strength held-out rows choose."""

    def options(self, recipe):
        """Return recipes to compare, the safe one first, and the one of no y last."""
        return [of_strength(recipe, *strength) for strength in STRENGTHS]

    def prefers(self, task, other):
        """Tell whether rows that judge find y better told by the codes of another task.

        Of both by a head that is fitted to codes of rows learnt from. Better is what
        stands out from chance by more than its standard error.
        """
        gain = judged(task) - judged(other)
        return gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else False


def judged(task):
    """Return what rows that judge cost a head that is fitted to the codes; (n,)."""
    ae, are_classes = task.net.module_, task.aim.order is not None
    some = _pupils(task, task.sample.train)
    head = fitted_head(codes(ae, task, some.index), some, are_classes)
    others = _pupils(task, task.sample.valid)
    told = codes(ae, task, others.index) @ head[0].T + head[1]
    far = how_far(torch.from_numpy(told), torch.from_numpy(others.y), are_classes).numpy()
    return (far * others.weight).sum(1)
