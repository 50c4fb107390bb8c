"""How the cells of long tables are called: by rows' labels and columns' names.

n is the number of cells.
"""

import numpy as np
import pandas as pd


def long_index(labels, positions, name):
    """Return the index (n,) of cells of one column in rows of such labels.

    Its levels are "row" and "column". Labels or names of several levels keep those, called
    as they are called there, else "row_0", "row_1", ...; "position", the row's number in
    X, stands first if not None.

    Parameters
    ----------
    labels : Index of length n
    positions : ndarray of shape (n,) or None
    name : object or Index of length 1
        The column's.
    """
    parts = [] if positions is None else [("position", pd.Index(positions))]
    levels = [*_levels(labels, "row"), *_levels(name.repeat(len(labels)), "column")]
    if len({called for called, _ in levels}) < len(levels):
        labels = labels.set_names([None] * labels.nlevels)
        levels = [*_levels(labels, "row"), *_levels(name.repeat(len(labels)), "column")]
    names, arrays = zip(*parts, *levels, strict=True)
    return pd.MultiIndex.from_arrays(arrays, names=names)


def _levels(labels, what):
    """Return labels' levels as pairs of a name and an Index."""
    if labels.nlevels == 1:
        return [(what, labels)]
    return [
        (f"{what}_{i}" if called is None else called, labels.get_level_values(i))
        for i, called in enumerate(labels.names)
    ]


def further(index, values, name):
    """Return an index (n,) with a further level of such values for each; (n * values,)."""
    each = np.fromiter(values, dtype=object, count=len(values))
    last = pd.Index(np.tile(each, len(index)), tupleize_cols=False).infer_objects()
    index = index.repeat(len(each))
    levels = [index.get_level_values(i) for i in range(index.nlevels)]
    return pd.MultiIndex.from_arrays([*levels, last], names=[*index.names, name])
