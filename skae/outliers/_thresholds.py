"""From scores to decisions: thresholds and p-values."""

import numpy as np
from sklearn.metrics import roc_curve
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length


def chosen_way(X, **given):
    """Return the name and the value of the one way to a threshold that is given.

    Raise a ``ValueError`` if not exactly one is, or if it is not one for rows X.
    """
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise ValueError(
            "set_threshold needs exactly one of y, contamination, quantile and "
            f"false_alarm_rate. Got {', '.join(chosen) or 'none'}."
        )
    (way,) = chosen
    if way in ("y", "quantile") and X is None:
        raise ValueError(f"set_threshold: {way} needs the rows X that it is about.")
    if way == "contamination" and X is not None:
        raise ValueError(
            "set_threshold: contamination is a share of the training rows. For "
            "a share of the rows X, give quantile."
        )
    if way != "y":
        _check_share(way, given[way], 0.5 if way == "contamination" else 1)
    return way, given[way]


def threshold(scores, way, value):
    """Return the threshold that a way with its value leads to, by rows' scores (n,)."""
    if way == "y":
        return _best_offset(scores, value)
    if way == "false_alarm_rate":
        return _conformal_offset(np.sort(scores), value)
    return np.quantile(scores, value)


def conformal_p_values(scores, calibration):
    """Return the conformal p-values of scores (n,), by sorted ones of clean rows."""
    lower = np.searchsorted(calibration, scores, side="right")
    return (1 + lower) / (1 + len(calibration))


def _check_share(name, value, largest):
    inside = 0 < value < 1 and value <= largest
    if not inside:
        end = "0.5]" if largest == 0.5 else "1)"
        raise ValueError(f"set_threshold: {name} must be in (0, {end}. Got {value!r}.")


def _conformal_offset(scores, rate):
    """Return what clean scores fall below with a probability of at most `rate`."""
    # so many of n + 1 exchangeable scores may be below; 1e-9 against rounding
    n_below = int(np.floor(rate * (len(scores) + 1) + 1e-9))
    if n_below < 1:
        raise ValueError(
            f"set_threshold: a false_alarm_rate of {rate:g} needs at least "
            f"{int(np.ceil(1 / rate)) - 1} clean rows. Got {len(scores)}."
        )
    return scores[n_below - 1]


def _best_offset(scores, y):
    """Return the threshold of the best balanced accuracy."""
    y = column_or_1d(y)
    check_consistent_length(scores, y)
    if set(np.unique(y)) != {-1, 1}:
        raise ValueError(
            "set_threshold: y must hold both -1 for outliers and 1 for inliers. Got "
            f"{np.unique(y).tolist()}."
        )
    # inliers are the scores that reach a threshold
    false_inlier, true_inlier, thresholds = roc_curve(
        y, scores, pos_label=1, drop_intermediate=False
    )
    return thresholds[np.argmax(true_inlier - false_inlier)]
