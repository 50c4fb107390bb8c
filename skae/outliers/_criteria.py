"""Which criteria of an outlier count."""

import scipy.sparse as sp

from skae.outliers._abnormality import CRITERIA, DISTANCES


def check_criteria(criteria):
    """Raise a ``ValueError`` for criteria that there are not."""
    unknown = [name for name in criteria if name not in CRITERIA]
    if criteria != "auto" and (unknown or not criteria):
        raise ValueError(
            f"criteria must be 'auto' or some of {CRITERIA}. Got {criteria!r}."
        )


def chosen_criteria(criteria, X, is_picture, by_cells):
    """Return which criteria count for checked rows; `by_cells` says what "auto" takes."""
    if criteria == "auto":
        return ("cells",) if by_cells else DISTANCES
    if "cells" in criteria and (sp.issparse(X) or is_picture):
        what = "a sparse matrix" if sp.issparse(X) else "pictures"
        raise ValueError(
            f"criteria: 'cells' is for dense tables, and X holds {what}. Use some of "
            f"{DISTANCES}."
        )
    return tuple(criteria)
