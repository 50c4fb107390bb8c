"""What few labels say of the rows without one: their classes, and how many are of each.

n is the number of rows, m of some without a label, K the classes.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_consistent_length, column_or_1d

from skae._codes.clusters import (
    CLUSTERED_ROWS,
    ToldRows,
    picture_graph,
    picture_shape,
    points_graph,
    points_of,
    some_of,
)
from skae._codes.normal import as_classes, places
from skae._data.graph import PASSED_ON, even_shares
from skae._data.split import Told
from skae._data.told import tell

UNLABELLED = -1
SPREAD = 0.9  # of a label that neighbours pass on (Zhou et al., 2004)
DOUBT = 0.02  # share of a graph's word that is kept for all classes
OF_LINEAR = 0.5  # power of a linear model's probabilities, beside a graph's
FEWEST = 3  # rows of -1 that look like a mark among numbers
RAREST = 0.1  # of an equal share: the least that is found
N_STEPS = 200  # in which shares are found


class Spread(NamedTuple):
    """What labels say of rows, and of how frequent classes are."""

    shares: torch.Tensor  # (K,) of the classes, of sum 1
    rows: ToldRows  # of known classes, as the encoder is told them
    lonely: float = 0.0  # share of the rows without a label that no label reaches


def read(y, n, classes, *, reset, remedy="set n_clusters to a number"):
    """Return the classes of y, and which of them each row is of, -1 for none."""
    if y is None:
        if not reset:
            return Told(classes, labels=np.full(n, -1))
        raise ValueError(
            "n_clusters='labels' requires y to be passed, but the target y is None. "
            "Pass the class of each row, -1 where it is not known, or set n_clusters "
            "to a number."
        )
    classes, labels = labelled(y, n, None if reset else classes, remedy)
    return Told(classes, labels=labels)


def labelled(y, n, classes, way):
    """Return the classes of y, and which of them each of n rows is of, -1 for none.

    `classes` are those known before, or None; `way` is what to do where there are none.
    """
    y = column_or_1d(y)
    check_consistent_length(np.empty(n), y)
    if pd.isna(y).any():
        raise ValueError(
            "y has missing values. Mark rows of unknown class by -1 instead; of a pandas "
            "Series y.astype(object).fillna(-1) does."
        )
    known = np.ones(len(y), dtype=bool)
    if marks_unknown(y) if classes is None else UNLABELLED not in classes.tolist():
        if y.dtype.kind in "OUS" and str(UNLABELLED) in y.tolist():
            raise ValueError(
                "y holds the string '-1'. Mark rows of unknown class by the integer -1, in "
                "an array of dtype object."
            )
        known = np.asarray(y != UNLABELLED)
    elif classes is None:
        _tell_of_a_class(y)
    named = y[known]
    if named.dtype == object and all(isinstance(name, str) for name in named):
        named = np.asarray(named.tolist(), dtype=str)
    if classes is None:
        if not known.any():
            raise ValueError(
                "y holds no class, only -1 for rows of unknown class. Label some rows, "
                f"or {way}."
            )
        classes = np.unique(as_classes(named))
    labels = np.full(len(y), -1)
    if known.any():
        labels[known] = places(classes, named, "y")
    return classes, labels


def tell_of_minus_one(y):
    """Warn if -1 looks like a mark of unknown numbers among those of y, (n,) or (n, m).

    So it does where nothing is NaN, nothing else below 0, and nothing more frequent.
    """
    if np.isnan(y).any():
        return
    for column in y.reshape(len(y), -1).T:
        marked = int((column == UNLABELLED).sum())
        if marked < FEWEST or column[column != UNLABELLED].min(initial=0) < 0:
            continue
        if marked == np.unique(column, return_counts=True)[1].max() < len(y):
            tell(
                f"y: -1 in {marked} of {len(y)} rows is taken for a number, though no "
                "other is below 0. If it marks unknown numbers, put NaN there instead."
            )


def marks_unknown(y):
    """Tell whether -1 in y marks rows of unknown class, as in scikit-learn.

    It is a class where it can be nothing else: beside nothing but 1, with which it is a
    pair, or beside other negative numbers.
    """
    y = np.asarray(y)
    if y.dtype.kind not in "iufOUS" or (y.ndim != 1 and y.shape[1:] != (1,)):
        return False
    names = {name for name in y.ravel().tolist() if isinstance(name, Real | str)}
    unknown = {name for name in names if name in (UNLABELLED, str(UNLABELLED))}
    others = names - unknown
    is_negative = any(not isinstance(name, str) and name < 0 for name in others)
    return bool(unknown) and others not in ({1}, {"1"}) and not is_negative


def _tell_of_a_class(y):
    """Warn where the number -1 is taken for a class."""
    names = set(y.tolist())
    if names == {UNLABELLED, 1}:
        tell(
            "y: -1 and 1 alone are taken for two classes. If -1 marks rows of unknown "
            "class, label rows of another class than 1, too."
        )
    elif UNLABELLED in names:
        tell(
            "y: -1 is taken for a class, as other classes are negative, too. If it marks "
            "rows of unknown class, name the others by numbers of 0 and above."
        )


def as_shares(prior, classes):
    """Return a `class_prior` in the order of the classes, or a ``ValueError``; (K,)."""
    names = classes.tolist()
    if isinstance(prior, pd.Series):  # of `value_counts`, say, in another order
        prior = prior.to_dict()
    if isinstance(prior, dict):
        if len(prior) != len(names) or any(name not in prior for name in names):
            raise ValueError(
                f"class_prior must have a share for each class, {names}. Got {list(prior)}."
            )
        prior = [prior[name] for name in names]
    try:
        shares = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError):
        shares = np.empty(0)
    is_share = shares.shape == (len(names),) and (shares > 0).all()
    if not is_share or not np.isclose(shares.sum(), 1, rtol=0, atol=1e-6):
        raise ValueError(
            f"class_prior must be {len(names)} positive numbers of sum 1, one for each "
            f"class of {names}. Got {prior!r}."
        )
    return shares / shares.sum()


def spread_labels(task, init, prior, before):
    """Return the `Spread` of a task's labels.

    Shares are `prior`, if that is told, or `before`, those of the training that goes on,
    or found in the rows: labels themselves say nothing of them, as people often label as
    many of each class. ``init="random"`` tells the encoder the labels alone.
    """
    if not isinstance(init, str) or init not in ("graph", "random"):
        raise ValueError(
            "cluster_init must be 'graph' or 'random' with n_clusters='labels', which "
            f"says what the clusters are. Got {init!r}."
        )
    labels, index, k = task.told.labels, task.sample.train.numpy(), len(task.told.classes)
    free, known = index[labels[index] < 0], index[labels[index] >= 0]
    if not len(known) and before is None:
        raise ValueError(
            "y: no row of known class is learnt from, as all have a sample_weight of 0 or "
            "are held out. Give some of them a positive weight, set early_stopping=False, "
            "or set n_clusters to a number."
        )
    shares = before if prior is None else as_shares(prior, task.told.classes)
    weight = np.ones(len(labels)) if task.sample.weight is None else task.sample.weight
    everyone = task.sample.index.numpy()
    given = everyone[labels[everyone] >= 0]
    count = np.bincount(labels[given], weight[given], k)
    rest, lonely, cluster = weight[everyone].sum() - count.sum(), 0.0, labels[known]
    # training that goes on in passes has no components to seek neighbours in
    if task.principal is not None and len(known) and len(free):
        free = some_of(torch.from_numpy(free), CLUSTERED_ROWS, task.generator).numpy()
        seeds = some_of(torch.from_numpy(known), CLUSTERED_ROWS, task.generator).numpy()
        likely, reached = _likely(task, seeds, labels[seeds], weight[seeds], free, k)
        w = weight[free]
        lonely = float(w[~reached].sum() / w.sum())
        if shares is None:
            found = _shares_of(likely[reached], w[reached])
            shares = (count + rest * found) / (count.sum() + rest)
        if init == "graph":
            known = np.concatenate([known, free[reached]])
            guess = (likely[reached] * shares).argmax(1)
            cluster = np.concatenate([cluster, guess])
    if shares is None:
        shares = count / count.sum()
    elif prior is None:  # an adversary would drive out a class that is rarer
        shares = np.maximum(shares, RAREST / k)
        shares = shares / shares.sum()
    weight, more = weight[known], None
    if rest > 0 and len(known):  # each class is told as often: a rare one would be lost
        held = np.bincount(cluster, weight, k)
        weight = weight / held[cluster]
        often = np.where(held > 0, 1 / (held > 0).sum(), shares)
        more = np.log((shares / often).clip(1e-6))
    told = _told(task, known, cluster, weight, more)
    return Spread(torch.from_numpy(shares), told, lonely)


def _told(task, index, cluster, weight, more):
    """Return rows and their classes as the encoder is told them, or None."""
    if not len(index):
        return None
    weight = torch.from_numpy(weight / weight.mean()).float()
    index, cluster = torch.from_numpy(index), torch.from_numpy(cluster)
    device = task.own.device
    if more is not None:
        more = torch.from_numpy(more).float().to(device)
    return ToldRows(index.to(device), cluster.to(device), weight.to(device), more)


def _likely(task, seeds, labels, weight, free, k):
    """Return how likely rows are in each class (m, K), and which ones a label reaches.

    By the word of neighbours and, unless rows are pictures, of a linear model, either of
    which alone is often wrong; as if all classes were as frequent.
    """
    index, shape = torch.from_numpy(np.concatenate([seeds, free])), picture_shape(task)
    given, m = np.zeros((len(index), k)), len(seeds)
    given[np.arange(m), labels] = 1 / np.bincount(labels)[labels]
    if shape:
        graph = picture_graph(task, index, shape)
        near = graph.settled(graph.spread(given, PASSED_ON))[m:]
    else:
        points = points_of(task, index)
        graph = points_graph(points, k)
        near = even_shares(graph.spread(given, SPREAD))[m:]
    reached = graph.reached(np.arange(m))[m:]
    near = (1 - DOUBT) * near + DOUBT / k
    if shape:
        return near, reached
    there, linear = np.unique(labels), np.zeros((len(free), k))
    if len(there) == 1:
        linear[:, there] = 1.0
    else:
        model = LogisticRegression(class_weight="balanced", tol=1e-3, max_iter=1000)
        model.fit(points[:m], labels, weight)
        linear[:, there] = model.predict_proba(points[m:])
    likely = near * linear**OF_LINEAR
    return likely / likely.sum(1, keepdims=True), reached


def _shares_of(likely, weight):
    """Return the shares of classes under which rows (m, K) are likeliest: EM's; (K,).

    Saerens, Latinne and Decaestecker (2002). If no row is to be asked, all are alike.
    """
    k = likely.shape[1]
    shares = np.full(k, 1 / k)
    for _ in range(N_STEPS if len(likely) else 0):
        of_row = likely * shares
        of_row *= (weight / of_row.sum(1))[:, None]
        shares = of_row.sum(0) / weight.sum()
    return shares
