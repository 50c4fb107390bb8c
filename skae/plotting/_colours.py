"""By what the points of a map are coloured, and how."""

import numpy as np
import pandas as pd

from skae.plotting._base import COLOURS

#: Paul Tol's "muted" and black, where seven colours are too few
TEN = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677")
TEN += ("#882255", "#AA4499", "#000000")
MARKERS = "o^s"  # each with all colours
FEW = 20  # different integers that are taken for categories
REST, MISSING = "0.55", "0.8"  # greys of what is not told apart, and of what is unknown


def colours_of(c, c_name, X):
    """Return what colours the rows of X, and what that is called."""
    if c is None:
        return None, c_name
    if np.ndim(c) == 0:
        if not isinstance(X, pd.DataFrame) or c not in X:
            of = (
                f"Its columns are {list(X)[:20]}"
                if isinstance(X, pd.DataFrame)
                else "X is no DataFrame"
            )
            raise ValueError(f"c: there is no column {c!r} in X. {of}.")
        return X[c], str(c) if c_name is None else c_name
    name = c.name if isinstance(c, pd.Series) else None
    if np.ndim(c) != 1 or len(c) != X.shape[0]:
        raise ValueError(
            f"c has shape {np.shape(c)}; it must hold a value for each of the {X.shape[0]} "
            "rows of X, or be the name of a column."
        )
    return c, c_name if c_name is not None or name is None else str(name)


def is_category(c):
    """Tell whether values are to be told apart by colour, rather than placed on a scale."""
    kind = pd.api.types
    if kind.is_bool_dtype(c.dtype) or not (
        kind.is_numeric_dtype(c.dtype)
        or kind.is_datetime64_any_dtype(c.dtype)
        or kind.is_timedelta64_dtype(c.dtype)
    ):
        return True
    return kind.is_integer_dtype(c.dtype) and c.nunique() <= FEW


def as_float(c):
    """Return numbers as float64, times as days."""
    kind = pd.api.types
    if kind.is_datetime64_any_dtype(c.dtype):
        c = (c - pd.Timestamp(0, tz=c.dt.tz)) / pd.Timedelta(days=1)
    elif kind.is_timedelta64_dtype(c.dtype):
        c = c / pd.Timedelta(days=1)
    return c.astype("Float64").to_numpy(np.float64, na_value=np.nan)


def groups(c):
    """Yield label, rows and style of each category; of the rarest together, if many."""
    values = (
        c.cat.categories
        if isinstance(c.dtype, pd.CategoricalDtype)
        else c.dropna().unique()
    )
    counts = c.value_counts()
    values = [v for v in values if counts.get(v, 0)]
    if not isinstance(c.dtype, pd.CategoricalDtype):
        try:
            values = sorted(values)
        except TypeError:  # of several types
            values = sorted(values, key=str)
    colours = COLOURS if len(values) <= len(COLOURS) else TEN
    most = len(colours) * len(MARKERS)
    kept = values
    if len(values) > most:
        frequent = set(counts.index[: most - 1])
        kept = [v for v in values if v in frequent]
    for i, value in enumerate(kept):
        style = {"color": colours[i % len(colours)], "marker": MARKERS[i // len(colours)]}
        yield str(value), np.asarray(c == value, dtype=bool), style
    if len(kept) < len(values):
        rest = np.asarray(c.notna() & ~c.isin(kept), dtype=bool)
        yield f"{len(values) - len(kept)} others", rest, {"color": REST, "marker": "."}
    if c.isna().any():
        yield "missing", np.asarray(c.isna()), {"color": MISSING, "marker": "o"}
