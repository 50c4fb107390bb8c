"""Which distances count."""

import scipy.sparse as sp

from skae.outliers._abnormality import CRITERIA, DISTANCES


def check_criteria(criteria):
    """Raise a ``ValueError`` if there is none, or one that is not known."""
    unknown = [name for name in criteria if name not in CRITERIA]
    if criteria != "auto" and (unknown or not criteria):
        raise ValueError(
            f"criteria must be 'auto' or some of {CRITERIA}. Got {criteria!r}."
        )


def chosen_criteria(criteria, X, *, of_cells, are_pictures):
    """Return which count for checked rows X; "auto" is cells alone, if `of_cells`."""
    if criteria == "auto":
        return ("cells",) if of_cells else DISTANCES
    if "cells" in criteria and (sp.issparse(X) or are_pictures):
        what = "a sparse matrix" if sp.issparse(X) else "pictures"
        raise ValueError(
            f"criteria: 'cells' is for dense tables, and X holds {what}. Use some of "
            f"{DISTANCES}."
        )
    return tuple(criteria)
