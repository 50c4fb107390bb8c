"""Rubin's rules: one result from the analyses of several completed tables.

m is the number of analyses, p the parameters of each.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEAST_RESULTS = 2


def pool(results, *, df_complete=None, confidence_level=0.95):
    r"""Pool the results of one analysis of several completed tables, by Rubin's rules.

    An analysis of a table that was completed once is surer than it should be. Analyse
    each of the tables that `AutoencoderImputer.sample_imputations` draws, in the same
    way, and pool the results: what differs between them is added to the variance.

    Parameters
    ----------
    results : list
        One for each table, two at least. Each is a fitted result as statsmodels has
        them, with ``params`` and ``bse`` (or ``cov_params()``) and, if it has them,
        ``df_resid``; or a tuple ``(estimates, standard_errors)`` or
        ``(estimates, standard_errors, df)``, of numbers, arrays or Series.
    df_complete : float or array-like, default=None
        Degrees of freedom that the analysis of a table without missing cells would have,
        for all parameters or for each. By default the least that the results have; that
        of one which has none is infinite.
    confidence_level : float, default=0.95
        How often the intervals are to hold the truth.

    Returns
    -------
    pooled : DataFrame
        A row for each parameter, by name (those of the first result's estimates, if they
        are a Series). The columns are "estimate", "standard_error", "df" (degrees of
        freedom), "t" and "p_value" (two-sided, of the estimate being 0), "low" and "high"
        (the confidence interval), "missing_information" (the fraction of the information
        that is missing) and "variance_increase" (by how much missing cells increase the
        variance, over what it would be without).

    Raises
    ------
    ValueError
        If there are fewer than two results, if they have different parameters, or if an
        estimate or a standard error is missing or cannot be.

    See Also
    --------
    skae.AutoencoderImputer.sample_imputations : Draws tables to analyse.

    Notes
    -----
    With estimates :math:`q_i` and standard errors :math:`s_i`, :math:`i = 1, ..., m`, the
    estimate is the mean :math:`\bar q`, its variance :math:`T = W + (1 + 1/m) B`, where
    :math:`W` is the mean of :math:`s_i^2` and :math:`B` the variance of :math:`q_i`
    [1]_. With the share :math:`\lambda = (1 + 1/m) B / T` and the increase
    :math:`r = (1 + 1/m) B / W`, degrees of freedom are
    :math:`\nu_m = (m - 1) / \lambda^2` for a table of many rows. For one of few, whose
    analysis has :math:`\nu` of its own, they are :math:`1 / (1 / \nu_m + 1 / \nu_o)`,
    where :math:`\nu_o = (1 - \lambda) \nu (\nu + 1) / (\nu + 3)` [2]_. The fraction of
    missing information is :math:`(r + 2 / (\nu_m + 3)) / (r + 1)`.

    References
    ----------
    .. [1] Rubin (1987). Multiple imputation for nonresponse in surveys. Wiley.
    .. [2] Barnard, Rubin (1999). Small-sample degrees of freedom with multiple
       imputation. Biometrika 86.

    Examples
    --------
    The mean of a column, whose holes were filled three times.

    >>> import numpy as np
    >>> from skae.impute import pool
    >>> columns = [[4, 6, 5, 9, 6], [4, 6, 5, 9, 8], [4, 6, 5, 9, 5]]
    >>> means = [(np.mean(x), np.std(x, ddof=1) / 5**0.5, 4) for x in columns]
    >>> pooled = pool(means)
    >>> pooled[["estimate", "standard_error", "df"]].round(2)
       estimate  standard_error   df
    0      6.07            0.94  2.4
    """
    analyses = [_read(i, result) for i, result in enumerate(results)]
    m = len(analyses)
    if m < LEAST_RESULTS:
        raise ValueError(
            f"results must hold those of {LEAST_RESULTS} tables at least. Got {m}. Draw "
            "more tables by sample_imputations(X, n_draws=20)."
        )
    if not isinstance(confidence_level, Real) or not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must be in (0, 1). Got {confidence_level!r}.")
    names = analyses[0].names
    for i, analysis in enumerate(analyses):
        _check_same(names, analysis.names, f"results[0] and results[{i}]")
    q = np.stack([analysis.estimates for analysis in analyses])  # (m, p)
    square = np.square([analysis.errors for analysis in analyses])
    given = [a.df for a in analyses] if df_complete is None else [df_complete]
    freedom = _freedom(given, len(names))

    estimate, within = q.mean(0), square.mean(0)
    between = (1 + 1 / m) * q.var(0, ddof=1)
    error = np.sqrt(within + between)
    share, increase = between / (within + between), between / within
    with np.errstate(divide="ignore"):  # estimates that are all alike: infinitely many
        of_many_rows = (m - 1) / share**2
        observed = (1 - share) * freedom * (1 - 2 / (freedom + 3))
        df = 1 / (1 / of_many_rows + 1 / observed)
    t = estimate / error
    half = stats.t.ppf((1 + confidence_level) / 2, df) * error
    return pd.DataFrame(
        {
            "estimate": estimate,
            "standard_error": error,
            "df": df,
            "t": t,
            "p_value": 2 * stats.t.sf(np.abs(t), df),
            "low": estimate - half,
            "high": estimate + half,
            "missing_information": (increase + 2 / (of_many_rows + 3)) / (increase + 1),
            "variance_increase": increase,
        },
        index=names,
    )


class Analysis(NamedTuple):
    """What was found in one table."""

    names: pd.Index
    estimates: np.ndarray  # (p,)
    errors: np.ndarray  # (p,)
    df: object


def _read(i, result):
    """Return the i-th result as an `Analysis`, checked."""
    if isinstance(result, tuple) and len(result) in (2, 3):
        estimates, errors, df = (*result, np.inf)[:3]
    else:
        estimates, errors, df = _fitted(i, result)
    estimates, errors = _series(estimates), _series(errors)
    if estimates.shape != errors.shape:
        raise ValueError(
            f"results[{i}] has {len(estimates)} estimates and {len(errors)} standard "
            "errors. Give one for each."
        )
    if not errors.index.equals(pd.RangeIndex(len(errors))):
        where = f"estimates and standard errors of results[{i}]"
        _check_same(estimates.index, errors.index, where)
    for what, values, good in (
        ("estimate", estimates, np.isfinite(estimates)),
        ("standard error", errors, np.isfinite(errors) & (errors > 0)),
    ):
        if not good.all():
            name = estimates.index[~good.to_numpy()][0]
            must = "finite" if what == "estimate" else "finite and above 0"
            raise ValueError(
                f"results[{i}]: the {what} of {name!r} is {values[~good].iloc[0]}. It must "
                f"be {must}: see how that table's analysis went, or give tuples "
                f"without {name!r}."
            )
    return Analysis(estimates.index, estimates.to_numpy(), errors.to_numpy(), df)


def _fitted(i, result):
    """Return estimates, standard errors and degrees of freedom of a fitted result."""
    try:
        estimates = result.params
        try:
            errors = result.bse
        except AttributeError:
            errors = np.sqrt(np.diag(result.cov_params()))
    except AttributeError:
        raise ValueError(
            f"results[{i}] must be a tuple (estimates, standard_errors) or a fitted "
            f"result with params and bse. Got {type(result).__name__}."
        ) from None
    try:
        return estimates, errors, result.df_resid
    except AttributeError:
        return estimates, errors, np.inf


def _series(values):
    """Return numbers as a Series of float64; a table's columns below one another."""
    if isinstance(values, pd.DataFrame):
        values = values.unstack()
    if not isinstance(values, pd.Series):
        values = pd.Series(np.ravel(values))
    return values.astype(np.float64)


def _check_same(names, others, where):
    """Raise unless parameters have the same names, in the same order."""
    if names.equals(others):
        return
    odd = names.symmetric_difference(others, sort=False).tolist()
    how = f"these are in one only: {odd}" if odd else "they are in another order"
    raise ValueError(
        f"{where} have different parameters: {how}. Analyse all tables in the same way "
        "(a category that one of them lacks has no coefficient there)."
    )


def _freedom(given, n_parameters):
    """Return the least degrees of freedom that are given, for each parameter; (p,)."""
    rows = [np.broadcast_to(np.asarray(df, dtype=float), n_parameters) for df in given]
    freedom = np.min(rows, axis=0)
    if not (freedom > 0).all():
        raise ValueError(f"df_complete must be above 0. Got {freedom.min()}.")
    return freedom
