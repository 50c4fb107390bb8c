"""By what the points of a map are coloured, and how."""

import numpy as np
import pandas as pd

from skae._data.objects import brief
from skae.plotting._base import COLOURS

#: Paul Tol's "muted" and black, where seven colours are too few
TEN = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677")
TEN += ("#882255", "#AA4499", "#000000")
SHAPES = "o^s"  # each with all colours
FEW = 20  # different whole numbers that are taken for categories
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


def is_category(column):
    """Tell whether values are to be told apart by colour, rather than placed on a scale."""
    known = column.known
    if column.is_text or known.dtype.kind == "M":
        return column.is_text
    return bool((known % 1 == 0).all()) and len(np.unique(known)) <= FEW


def groups(c):
    """Yield label, rows and style of each category; of the rarest together, if many."""
    counts = c.value_counts()
    if isinstance(c.dtype, pd.CategoricalDtype):
        values = [v for v in c.cat.categories if counts[v]]
    else:
        try:
            values = sorted(counts.index)
        except TypeError:  # of several types
            values = sorted(counts.index, key=str)
    colours = COLOURS if len(values) <= len(COLOURS) else TEN
    most = len(colours) * len(SHAPES)
    kept = values
    if len(values) > most:
        frequent = set(counts.index[: most - 1])
        kept = [v for v in values if v in frequent]
    for i, value in enumerate(kept):
        style = {"color": colours[i % len(colours)], "marker": SHAPES[i // len(colours)]}
        yield brief(value), np.asarray(c.isin([value])), style
    if len(kept) < len(values):
        rest = np.asarray(c.notna() & ~c.isin(kept))
        yield f"{len(values) - len(kept)} others", rest, {"color": REST, "marker": "."}
    if c.isna().any():
        yield "missing", np.asarray(c.isna()), {"color": MISSING, "marker": "o"}
