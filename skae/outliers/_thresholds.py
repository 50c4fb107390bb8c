"""From scores to decisions: thresholds and p-values."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length

SAME = 1e-4  # what rounding may change a score by: on another processor, as float32


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
    return cut(scores, value)


def cut(scores, share):
    """Return a threshold with a share of scores (n,) below it, and none near if it can."""
    scores = np.sort(scores)
    # a quantile's place; 1e-9 against rounding
    at = int(np.ceil(share * (len(scores) - 1) - 1e-9))
    return _just_below(scores, scores[at])


def _just_below(scores, score):
    """Return what is midway between one of some scores (n,) and those below it."""
    lower = scores[scores < score]
    return (score + lower.max()) / 2 if len(lower) else score - SAME * (1 + abs(score))


def conformal_p_values(scores, calibration):
    """Return the conformal p-values of scores (n,), by sorted ones of clean rows."""
    lower = np.searchsorted(calibration, scores + SAME, side="right")
    return (1 + lower) / (1 + len(calibration))


def _check_share(name, value, largest):
    inside = isinstance(value, Real) and 0 < value < 1 and value <= largest
    if not inside:
        end = "0.5]" if largest == 0.5 else "1)"
        raise ValueError(
            f"set_threshold: {name} must be a number in (0, {end}. Got {value!r}."
        )


def _conformal_offset(scores, rate):
    """Return what clean scores fall below with a probability of at most `rate`."""
    # so many of n + 1 exchangeable scores may be below; 1e-9 against rounding
    n_below = int(np.floor(rate * (len(scores) + 1) + 1e-9))
    if n_below < 1:
        raise ValueError(
            f"set_threshold: a false_alarm_rate of {rate:g} needs at least "
            f"{np.ceil(1 / float(rate)) - 1:.0f} clean rows. Got {len(scores)}."
        )
    return scores[n_below - 1] - SAME


def _best_offset(scores, y):
    """Return the threshold of the best balanced accuracy."""
    y = column_or_1d(y)
    check_consistent_length(scores, y)
    labels = pd.unique(y).tolist()
    if len(labels) != 2 or set(labels) != {-1, 1}:
        raise ValueError(
            "set_threshold: y must hold both -1 for outliers and 1 for inliers, and "
            f"nothing else. Got {labels}. If outliers are 1 in y, pass "
            "numpy.where(y == 1, -1, 1)."
        )
    # inliers are the scores that reach a threshold
    false_inlier, true_inlier, thresholds = roc_curve(
        y.astype(int), scores, pos_label=1, drop_intermediate=False
    )
    gain = true_inlier - false_inlier
    best = np.argmax(gain)
    if gain[best] < 1e-9:
        raise ValueError(
            "set_threshold: y and the scores of X contradict each other: no threshold "
            "tells the rows of label -1 from those of 1 better than chance. Check that -1 "
            "is for outliers, or fit a detector that knows these."
        )
    return _just_below(scores, thresholds[best])
