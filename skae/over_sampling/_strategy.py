"""How many rows each class is to get; what y and X are made of."""

from numbers import Real

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import _safe_indexing, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skae._data.frames import is_frame, stacked

NAMES = "minority", "not minority", "not majority", "all", "auto"


def labels_of(y):
    """Return the classes (n,) of a y of any container, or of one column a class."""
    if not sp.issparse(y) and pd.isna(np.asarray(y)).any():
        raise ValueError(
            "y has missing values. Leave these rows out: of pandas, X[y.notna()] and "
            "y[y.notna()]."
        )
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        y = y.toarray() if sp.issparse(y) else np.asarray(y)
        if (y.sum(1) == 1).all():
            return y.argmax(1)
    if kind.startswith("multi") and kind != "multiclass":
        raise ValueError(
            "Multilabel and multioutput targets are not supported: y must hold one class "
            "for each row."
        )
    return column_or_1d(y)


def asked(strategy, labels):
    """Return how many rows each class of labels (n,) is to get: {class: number}."""
    classes, counts = np.unique(labels, return_counts=True)
    there = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    if len(there) < 2:
        raise ValueError(
            f"y has one class, {classes[0]!r}: there is no other that it could be balanced "
            "with. Pass rows of at least two classes."
        )
    if callable(strategy):
        strategy = strategy(labels)
        if not isinstance(strategy, dict):
            raise ValueError(
                "sampling_strategy must return a dict, how many rows each class has "
                f"afterwards. Got {strategy!r}."
            )
    if isinstance(strategy, dict):
        return _of_dict(strategy, there)
    most = max(there, key=there.get)
    if isinstance(strategy, Real):
        return _of_share(strategy, there, most)
    least = min(there, key=there.get)
    chosen = {
        "minority": {least},
        "not minority": {*there} - {least},
        "all": {*there},
    }.get(strategy, {*there} - {most})
    return {c: there[most] - n for c, n in there.items() if c in chosen}


def _of_dict(strategy, there):
    if unknown := [c for c in strategy if c not in there]:
        raise ValueError(
            f"sampling_strategy names {unknown}, and y has the classes {[*there]}."
        )
    few = {c: n for c, n in strategy.items() if n < there[c]}
    if few:
        raise ValueError(
            f"sampling_strategy says how many rows a class has afterwards: {few} is fewer "
            f"than there are, {dict((c, there[c]) for c in few)}."
        )
    return {c: int(strategy[c]) - n for c, n in there.items() if c in strategy}


def _of_share(share, there, most):
    if len(there) > 2:
        raise ValueError(
            "sampling_strategy can be a float for two classes only, and y has "
            f"{len(there)}. Pass a dict: how many rows each class has afterwards."
        )
    wanted = {c: int(there[most] * share) - n for c, n in there.items() if c != most}
    if min(wanted.values()) <= 0:
        raise ValueError(
            f"sampling_strategy={share} is fewer rows than there are of the smaller class. "
            f"Pass a share above {min(there.values()) / there[most]:.3g}."
        )
    return wanted


def joined(X, new):
    """Return rows X with new ones behind them, in the container and the dtypes of X."""
    if is_frame(X):
        return stacked(X, new)
    if sp.issparse(X):
        new = sp.csr_array(new.astype(X.dtype))
        kind = sp.vstack if isinstance(X, sp.sparray) else _vstack_of_matrices
        return kind([X, new], format=X.format)
    if isinstance(X, list | tuple):
        return [*X, *new.tolist()]
    X = np.asarray(X)
    return np.concatenate([X, new.astype(X.dtype)])


def _vstack_of_matrices(parts, format):
    return sp.vstack([parts[0], sp.csr_matrix(parts[1])], format=format)


def taken_of(y, index):
    """Return what is at an index of a y of any container; pandas labels count anew."""
    part = y[index] if sp.issparse(y) else _safe_indexing(y, index)
    if isinstance(part, pd.DataFrame | pd.Series):
        return part.reset_index(drop=True)
    return part
