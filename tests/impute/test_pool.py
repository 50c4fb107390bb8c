"""Rubin's rules, beside published figures, hand-worked ones and statsmodels."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skae.impute import pool

#: Means of 31 men's oxygen intake, run time and pulse in five completed tables, and their
#: standard errors: SAS/STAT 9.3 User's Guide, "The MIANALYZE Procedure", example 57.1
NAMES = ["Oxygen", "RunTime", "RunPulse"]
MEANS = [
    [47.0120, 10.4441, 171.216], [47.2407, 10.5040, 171.244], [47.4995, 10.5922, 171.909],
    [47.1485, 10.5279, 171.146], [47.0042, 10.4913, 172.072],
]  # fmt: skip
ERRORS = [
    [0.95984, 0.28520, 1.59910], [0.93540, 0.26661, 1.75638], [1.00766, 0.26302, 1.85795],
    [0.95439, 0.26405, 1.75011], [0.96528, 0.27275, 1.84807],
]  # fmt: skip
RESULTS = [(pd.Series(q, NAMES), s) for q, s in zip(MEANS, ERRORS, strict=True)]


def test_published_means_are_pooled():
    # the means are SAS's, the figures worked out by Barnard and Rubin's formulas
    oxygen = pool(RESULTS, df_complete=30).loc["Oxygen"]
    np.testing.assert_allclose(
        oxygen[["estimate", "standard_error", "df"]],
        [47.180993, 0.990266, 26.298],
        rtol=5e-5,
    )


def test_figures_worked_by_hand():
    # estimates 1, 2, 3 and squared standard errors 1, 1, 4: W = 2, B = 1, T = 2 + 4 / 3
    results = [(1, 1, 10), (2, 1, 10), (3, 2, 12)]
    row = pool(results).loc[0]
    assert row["estimate"] == 2
    assert row["standard_error"] == pytest.approx((10 / 3) ** 0.5)
    assert row["variance_increase"] == pytest.approx(2 / 3)
    # lambda = .4, so 2 / .16 = 12.5 of many rows, and .6 x 10 x 11 / 13 = 66 / 13 seen
    df = 1 / (1 / 12.5 + 13 / 66)
    assert row["df"] == pytest.approx(df)
    assert row["missing_information"] == pytest.approx((2 / 3 + 2 / 15.5) / (5 / 3))
    t = 2 / (10 / 3) ** 0.5
    assert row["t"] == pytest.approx(t)
    assert row["p_value"] == pytest.approx(2 * (1 - stats.t.cdf(t, df)))
    low, high = stats.t.interval(0.95, df, 2, (10 / 3) ** 0.5)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    wide = pool(results, confidence_level=0.99).loc[0]
    assert wide["high"] == pytest.approx(2 + stats.t.ppf(0.995, df) * (10 / 3) ** 0.5)
    assert pool(results, df_complete=np.inf).loc[0, "df"] == pytest.approx(12.5)
    assert pool([r[:2] for r in results]).loc[0, "df"] == pytest.approx(12.5)


def test_degrees_of_freedom_may_differ_between_parameters():
    pooled = pool(RESULTS, df_complete=[30, 5, np.inf])
    for name, df in zip(NAMES, [30, 5, np.inf], strict=True):
        alone = pool(RESULTS, df_complete=df).loc[name]
        pd.testing.assert_series_equal(pooled.loc[name], alone)


def test_equal_estimates_miss_nothing():
    row = pool([(1.0, 0.5)] * 3).loc[0]
    assert row["df"] == np.inf
    assert row["missing_information"] == row["variance_increase"] == 0
    assert row["high"] == pytest.approx(1 + stats.norm.ppf(0.975) / 2)
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(2))
    assert pool([(1.0, 0.5)] * 3, df_complete=7).loc[0, "df"] == pytest.approx(7 * 8 / 10)


def test_fitted_results_are_read_as_tuples_are():
    expected = pool(RESULTS, df_complete=30)
    fitted = [SimpleNamespace(params=q, bse=pd.Series(s, NAMES), df_resid=30)
              for q, s in RESULTS]  # fmt: skip
    pd.testing.assert_frame_equal(pool(iter(fitted)), expected)
    cov = [SimpleNamespace(params=q, cov_params=lambda s=s: np.diag(np.square(s)))
           for q, s in RESULTS]  # fmt: skip
    pd.testing.assert_frame_equal(pool(cov), pool(RESULTS))
    arrays = pool([(q.to_numpy(), s, 30) for q, s in RESULTS])
    np.testing.assert_array_equal(arrays, expected)
    assert arrays.index.tolist() == [0, 1, 2]


def test_tables_of_parameters_are_taken_one_below_another():
    q = pd.DataFrame(np.arange(4.0).reshape(2, 2), ["a", "b"], ["u", "v"])
    pooled = pool([(q, q + 1), (q + 2, q + 1)])
    assert pooled["estimate"].loc["v"].tolist() == [2, 4]
    assert pooled.index.tolist() == [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")]


def series(**values):
    return pd.Series(values)


@pytest.mark.parametrize(
    ("results", "options", "match"),
    [
        ([], {}, "two tables|2 tables at least. Got 0"),
        ([(1, 1)], {}, "n_draws"),
        ([(1, 1), (np.nan, 1)], {}, r"results\[1\]: the estimate of 0 is nan"),
        ([(1, np.inf), (1, 1)], {}, r"results\[0\]: the standard error of 0 is inf"),
        ([(series(a=1), [0]), (series(a=1), [1])], {}, "of 'a' is 0.0. It must be finite"),
        ([(1, 1), ([1, 2], [1, 1])], {}, r"results\[0\] and results\[1\].*only: \[1\]"),
        ([(series(a=1), 1), (series(b=1), 1)], {}, r"only: \['a', 'b'\]"),
        ([(series(a=1, b=2), [1, 1]), (series(b=1, a=2), [1, 1])], {}, "another order"),
        ([(series(a=1, b=2), series(b=1, a=1))] * 2, {}, "standard errors.*another order"),
        ([([1, 2], 1)] * 2, {}, "2 estimates and 1 standard errors"),
        ([pd.DataFrame({"a": [1]})] * 2, {}, "params and bse. Got DataFrame"),
        ([[1, 1], [1, 1]], {}, "must be a tuple.*Got list"),
        ([(1, 1), (2, 1)], {"df_complete": 0}, "df_complete must be above 0"),
        ([(1, 1), (2, 1)], {"confidence_level": 95}, r"in \(0, 1\). Got 95"),
    ],
)
def test_what_cannot_be_pooled_is_refused(results, options, match):
    with pytest.raises(ValueError, match=match):
        pool(results, **options)


@pytest.mark.slow
def test_statsmodels_pools_alike():
    sm = pytest.importorskip("statsmodels.api")
    mice = pytest.importorskip("statsmodels.imputation.mice")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "z"])
    table["y"] = table["x"] - table["z"] + rng.normal(size=60)
    table["x"] = table["x"].mask(rng.random(60) < 0.4)
    chained = mice.MICE("y ~ x + z", sm.OLS, mice.MICEData(table))
    theirs = chained.fit(n_burnin=2, n_imputations=5)
    pooled = pool(chained.results_list)
    assert pooled.index.tolist() == theirs.exog_names == ["Intercept", "x", "z"]
    np.testing.assert_allclose(pooled["estimate"], theirs.params)
    np.testing.assert_allclose(pooled["standard_error"], theirs.bse)
    increase = pooled["variance_increase"]
    np.testing.assert_allclose(increase / (1 + increase), theirs.frac_miss_info)
    assert (pooled["df"] < 57).all()
