"""What is refused of rows, and what to do about it: the remedies that skae has."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from skae._data.frames import check_names, is_frame, names_of, not_numbers

DATES = (
    "Convert dates to days since a first one, in pandas (t - t.min()).dt.days, and "
    "durations to seconds, t.dt.total_seconds()"
)
FRAME = "Pass a DataFrame, whose columns may hold categories, dates and durations."
AUTO = "likelihood='auto' (the default)"
FILL = "Fill missing cells first with skae.AutoencoderImputer"
COMMON = {
    "Complex data": "Pass its parts as columns: numpy.hstack([X.real, X.imag]).",
    "features, but": "Pass rows of the columns that fit saw, in their order.",
    "while a minimum of": "Pass more of them.",
    "value of NA": "Replace pandas.NA by numpy.nan.",
}


def validated(owner, X, remedies, mixed=None, **kwargs):
    """Return X as `validate_data` does; what it refuses is told with the remedy.

    Parameters
    ----------
    owner : estimator
    X : array-like
    remedies : dict
        What to do, by a part of the message: of `of_numbers`, for instance.
    mixed : str, default=None
        For `column_error`.
    **kwargs
        For `validate_data`.
    """
    X = without_na(X)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is an error anyhow
            X = validate_data(owner, X, **kwargs)
    except (TypeError, ValueError) as error:
        raise column_error(X, mixed) or remedied(error, remedies) from None
    check_times(X)
    if isinstance(X, np.ndarray) and X.dtype == object:  # decimals of Arrow
        X = X.astype(np.float64)
    return X


def without_na(X):
    """Return an array or a list of objects with NaN for pandas.NA and None."""
    if isinstance(X, list | tuple):
        cells = np.asarray(X, dtype=object)
        if not any(cell is pd.NA for cell in cells.flat):
            return X
        X = cells
    if isinstance(X, np.ndarray) and X.dtype == object:  # pandas.NA is no number
        X = np.where(pd.isna(X), np.nan, X)
    return X


def remedied(error, remedies):
    """Return a refusal with the remedy for it, where there is one."""
    text = str(error)
    for part, remedy in {**COMMON, **remedies}.items():
        if part in text:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            return kind(f"{text.splitlines()[0].rstrip('.')}. {remedy}")
    return error


def of_numbers(X, mixed, is_picture=False):
    """Return what to do about rows that are not numbers throughout.

    `mixed` says how such an estimator is made to read tables, None if it cannot be.
    """
    if sp.issparse(X):
        fill = f"{FILL}, in X.toarray()."
    elif is_picture:
        fill = (
            "Put a number there, and train with corruption='region_masking': then "
            "reconstruct(X, mask=numpy.isnan(X)) fills such pixels."
        )
    else:
        known = f", or learn from the cells that are known: {mixed}" if mixed else ""
        fill = f"{FILL}{known}."
    strings = _encode(mixed and f"pass a DataFrame, which {AUTO} reads as it is")
    return {
        "contains NaN": fill,
        "contains infinity": (
            "Clip such cells with numpy.clip, or replace them by numpy.nan and have "
            "them filled by skae.AutoencoderImputer."
        ),
        "could not convert": strings,
        "bytes/strings": strings,
        "float() argument": f"{DATES}. {strings}",
    }


def _encode(otherwise):
    last = f"drop them, or {otherwise}" if otherwise else "or drop them"
    return (
        "Encode categories, for instance with sklearn.preprocessing.OneHotEncoder in a "
        f"ColumnTransformer, {last}."
    )


def check_times(X, reads_tables=False):
    """Raise a ``ValueError`` for an array of dates or durations."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        frame = f"{FRAME} Or convert" if reads_tables else "Convert"
        raise ValueError(
            f"X holds dates or durations ({X.dtype}), not numbers. {frame}{DATES[7:]}; in "
            "numpy (X - X.min()) / numpy.timedelta64(1, 'D')."
        )


def check_columns(X, mixed=None, reads_tables=False):
    """Raise a ``ValueError`` if X cannot be read, or for a `column_error`.

    `reads_tables` says whether categories and times can be read of a frame's columns.
    """
    check_times(X, reads_tables)
    error = column_error(X, mixed)
    if error is not None:
        raise error
    check_names(X)


def check_same_names(names, X):
    """Raise a ``ValueError`` if a table's columns are not those of `fit`, in that order.

    scikit-learn checks those that are strings; `names` is None where `fit` saw no table.
    """
    now = names_of(X)
    if names is None or now is None or names == now:
        return
    if all(isinstance(name, str) for name in [*names, *now]):
        return
    if len(now) == len(names) and set(now) == set(names):
        what = "stand in another order than in fit. Pass them in that order"
    else:
        what = "are not those of fit. Pass those"
    raise ValueError(f"X: its columns {now[:20]} {what}: X[{names[:20]}].")


def column_error(X, mixed=None):
    """Return a ``ValueError`` that names a frame's columns that are not numbers, or None.

    `mixed` says how such an estimator is made to read tables, None if it cannot be.
    """
    bad = not_numbers(X) if is_frame(X) else ()
    if not bad:
        return None
    quantities = [c for c in bad if c.look and not c.look.is_category and c.look.remedy]
    others = [c for c in bad if not c.is_time and c not in quantities]
    learnt = f", or learn from them as they are: {mixed}" if mixed else ""
    ways = [f"{DATES}{learnt}."] * any(c.is_time for c in bad)
    ways += [f"{c.name!r} holds {c.look.what}: {c.look.remedy}." for c in quantities]
    ways += [_encode(mixed and f"use {mixed}")] * bool(others)
    names = ", ".join(f"{c.name!r} ({c.dtype})" for c in bad)
    return ValueError(f"X: not numbers in column {names}. {' '.join(ways)}")
