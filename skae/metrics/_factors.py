"""Codes, and the factors of the data, made ready for measures of disentanglement."""

import numbers
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import validate_parameter_constraints

from skae._data.containers import taken
from skae._params import Number

BULK = 0.01, 0.99  # quantiles between which the bulk of a code's values lies


class Known(NamedTuple):
    """Codes (n, k), of each factor the levels or bins (n, f), and the numbers, if any."""

    codes: np.ndarray
    levels: np.ndarray
    numbers: list  # (n,) of each continuous factor, None of a discrete one


def known(measure, codes, factors, discrete_factors, *, least=1, **params):
    """Return what is `Known`, or a ``ValueError`` of what cannot be measured."""
    constraints = {
        "n_bins": [Number(numbers.Integral, 2, 10**6, closed="both")],
        "n_trials": [Number(numbers.Integral, 1, None, closed="left")],
        "n_rows": [Number(numbers.Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }
    validate_parameter_constraints(constraints, params, measure)
    codes = check_array(taken(codes), dtype=np.float64, input_name="codes")
    columns = _columns(factors)
    check_consistent_length(codes, *columns)
    if len(columns) < least:
        raise ValueError(f"factors: {measure} needs two factors at least. Got one.")
    told, n_bins = _told_discrete(discrete_factors, len(columns)), params["n_bins"]
    levels, continuous = [], []
    for i, column in enumerate(columns):
        place, values = _factor(column, f"factors: column {i}", told[i], n_bins)
        if len(np.unique(place)) < 2:
            raise ValueError(f"factors: column {i} has one value only. Leave it out.")
        levels.append(place)
        continuous.append(values)
    return Known(by_own_scale(codes), np.stack(levels, axis=1), continuous)


def _columns(factors):
    """Return the factors, each of shape (n,)."""
    given, factors = factors, np.asarray(taken(factors))
    if factors.dtype.kind in "US":  # what was missing in a list is a text by now
        factors = np.asarray(given, dtype=object)
    if factors.ndim == 1:
        return [factors]
    if factors.ndim != 2 or not factors.size:
        raise ValueError(
            "factors must have rows, and one column for each factor. Got an array of shape "
            f"{factors.shape}."
        )
    return list(factors.T)


def _told_discrete(discrete_factors, f):
    """Return of each of f factors whether it is discrete, or None if nobody says."""
    if isinstance(discrete_factors, str) and discrete_factors == "auto":
        return [None] * f
    if isinstance(discrete_factors, bool | np.bool_):
        return [bool(discrete_factors)] * f
    told = np.asarray(discrete_factors)
    if told.dtype == bool and told.shape == (f,):
        return told.tolist()
    if told.dtype.kind in "iu" and told.ndim == 1 and np.isin(told, range(f)).all():
        return np.isin(range(f), told).tolist()
    raise ValueError(
        f"discrete_factors must be 'auto', a bool, a mask of {f} bools, or the numbers of "
        f"the columns that are discrete, below {f}. Got {discrete_factors!r}."
    )


def _factor(column, name, discrete, n_bins):
    """Return the level or bin of each row (n,), and the numbers (n,) or None."""
    if pd.isna(column).any():
        raise ValueError(f"{name} has missing values. Leave out the rows that have any.")
    values = _numbers(column)
    if values is not None and not np.isfinite(values).all():
        raise ValueError(f"{name} holds infinite values. Leave out the rows that do.")
    if discrete is None:
        discrete = values is None or len(np.unique(values)) <= n_bins
    if discrete:
        return _levels(column, name), None
    if values is None:
        raise ValueError(
            f"{name} holds no numbers, and cannot be continuous. Use "
            "discrete_factors='auto', or say which factors are discrete."
        )
    values = by_own_scale(values)
    return binned(values, n_bins), values


def _numbers(column):
    """Return a factor's numbers (n,), or None if it holds others than real ones."""
    if column.dtype.kind in "iuf":
        return column.astype(np.float64)
    real = column.dtype == object and all(
        isinstance(v, numbers.Real) and not isinstance(v, bool | np.bool_) for v in column
    )
    return column.astype(np.float64) if real else None


def _levels(column, name):
    """Return the number of each row's value (n,): in order, where values have one."""
    try:
        return np.unique(column, return_inverse=True)[1]
    except TypeError:  # of several types
        pass
    try:
        return pd.factorize(column)[0]
    except TypeError as error:
        raise ValueError(f"{name} holds values that are no levels: {error}.") from None


def by_own_scale(values):
    """Return columns (..., k), each within [-1, 1] and around its median.

    A value further from a column's bulk than the bulk is wide becomes the outermost that
    is not, and a column that varies by rounding alone is 0. Scales are powers of two, so
    that nothing is rounded but by the median.
    """
    values = _halved(values)
    low = np.quantile(values, BULK[0], axis=0, method="higher")
    high = np.quantile(values, BULK[1], axis=0, method="lower")
    reach = np.where(high > low, high - low, np.inf)
    inside = (values >= low - reach) & (values <= high + reach)
    ends = [end(np.where(inside, values, low), axis=0) for end in (np.min, np.max)]
    values = np.clip(values, *ends)
    values = values - np.median(values, axis=0)
    varies = np.ptp(values, axis=0) > 4 * np.finfo(np.float64).eps
    return _halved(np.where(varies, values, 0.0))


def _halved(values):
    """Return columns divided by the power of two that brings them into [-1, 1]."""
    return np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])


def binned(values, n_bins):
    """Return the number of the bin, of `n_bins` of equal width, that each value is in."""
    edges = np.histogram_bin_edges(values, n_bins)[1:-1]
    return np.digitize(values, edges)
