"""Numbers that rows are told, some of them unknown.

n is the number of rows, m of the numbers told of each.
"""

import numpy as np
import pandas as pd
from sklearn.utils import check_array

SAME = 1e-10  # of its mean: the deviation of a number that does not vary


def as_numbers(y):
    """Return numbers as they come, missing ones as NaN; (n,) or (n, m) float64."""
    if isinstance(y, pd.Series | pd.DataFrame):
        y = y.to_numpy(dtype=np.float64, na_value=np.nan)
    ways = {"ensure_all_finite": "allow-nan", "input_name": "y"}
    return check_array(y, ensure_2d=False, dtype=np.float64, **ways)


def known_moments(values, weight, same=SAME):
    """Return means and deviations (m,) of what is known, 0 where it does not vary.

    Of values (n, m) and weights (n,); a deviation of `same` of the mean is none.
    """
    known = weight[:, None] * ~np.isnan(values)
    total = np.maximum(known.sum(0), np.finfo(float).tiny)
    mean = (known * np.nan_to_num(values)).sum(0) / total
    away = np.nan_to_num(values - mean)
    spread = np.sqrt((known * np.square(away)).sum(0) / total)
    return mean, np.where(spread > same * np.abs(mean), spread, 0.0)
