"""Cells that were filled, and which are missing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.collections import LineCollection
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae.plotting import ImputationDisplay
from tests.impute.tables import imputer

RNG = np.random.default_rng(0)
N = 60


def _table():
    z = RNG.normal(size=N)
    table = pd.DataFrame(
        {
            "number": z,
            "Int": pd.array((9 * z).astype(int) + 100, dtype="Int64"),
            "kind": pd.Categorical(np.where(z > 0, "high", "low")),
            "day": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(RNG.integers(90, size=N), "D"),
            "whole": z,
        },
        index=["same"] * N,
    )
    for j, n in enumerate([20, 16, 12, 8]):
        table.iloc[RNG.choice(N, n, replace=False), j] = None
    return table


TABLE = _table()
ARRAY = TABLE[["number", "whole"]].to_numpy()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted():
    return imputer().fit(TABLE)


@pytest.fixture(scope="module")
def display(fitted):
    return ImputationDisplay.from_estimator(fitted, TABLE, level=0.8)


def intervals_of(ax):
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    return [(segment[0, 0], segment[1, 0]) for segment in lines.get_segments()]


def test_columns_with_the_most_imputed_cells_come_first(display):
    assert display.columns_ == ["number", "Int", "kind", "day"]
    titles = [ax.get_title() for ax in display.axes_]
    assert titles[0] == "number (20 imputed)"
    assert titles[3] == "day (8 imputed)"
    assert not display.ax_.axison


def test_shares_are_those_of_observed_and_imputed_cells(fitted, display):
    done = fitted.transform(TABLE)
    for name, ax in zip(display.columns_, display.axes_, strict=True):
        gone = TABLE[name].isna().to_numpy()
        if name == "kind":
            widths = np.array([bar.get_width() for bar in ax.patches]).reshape(2, -1)
            levels = [t.get_text() for t in ax.get_yticklabels()]
            for share, cells in zip(widths, (~gone, gone), strict=True):
                expected = done["kind"][cells].value_counts(normalize=True)[levels]
                np.testing.assert_allclose(share, expected)
        else:
            observed, imputed = (patch.get_data() for patch in ax.patches)
            assert np.isclose(observed.values.sum(), 1, atol=0.1)
            assert imputed.values.sum() <= 1 + 1e-9


def test_intervals_are_those_of_predict_quantiles(fitted, display):
    table = TABLE.reset_index(drop=True)
    told = fitted.predict_quantiles(table, (0.1, 0.9)).xs("number", level="column")
    told = told.astype(float).to_numpy().tolist()
    drawn = intervals_of(display.axes_[0])
    assert len(drawn) == 20
    np.testing.assert_allclose(sorted(drawn), sorted(map(tuple, told)))
    assert len(intervals_of(display.axes_[3])) == 8
    labels = [t.get_text() for t in display.figure_.axes[2].get_legend().get_texts()]
    assert labels == ["observed", "imputed", "80 % interval of an imputed cell"]


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (SimpleImputer(), ARRAY),
        (SimpleImputer(strategy="most_frequent"), TABLE[["kind", "number"]].astype(object)),
        (KNNImputer().set_output(transform="pandas"), TABLE[["number", "whole"]]),
        (make_pipeline(StandardScaler(), SimpleImputer()), ARRAY),
    ],
)
def test_other_imputers(model, X):
    display = ImputationDisplay.from_estimator(model.fit(X), X)
    assert "(20 imputed)" in "".join(ax.get_title() for ax in display.axes_)


def test_columns_that_are_left_out_or_only_indicate_are_no_trouble():
    X = np.column_stack([np.full(N, np.nan), ARRAY])
    model = SimpleImputer(add_indicator=True)
    with pytest.warns(UserWarning, match="Skipping features"):
        display = ImputationDisplay.from_estimator(model.fit(X), X)
    assert display.columns_ == ["x1"]
    passed = imputer(columns={"number": "passthrough"}).fit(TABLE[["number", "Int"]])
    display = ImputationDisplay.from_estimator(passed, TABLE[["number", "Int"]])
    assert display.columns_ == ["Int"]


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda t: pl.from_pandas(t.iloc[:, :4])])
def test_which_cells_are_missing(kind):
    table = kind(TABLE.reset_index(drop=True))
    display = ImputationDisplay(table).plot(kind="missing")
    (image,) = display.ax_.images
    d = image.get_array().shape[0]
    np.testing.assert_array_equal(image.get_array(), TABLE.isna().to_numpy().T[:d])
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert labels[:3] == ["number (33 %)", "Int (27 %)", "kind (20 %)"]
    whole = int(TABLE.notna().all(axis=1).sum())
    assert display.ax_.get_title().endswith(f"{whole} of {N} rows whole")


def test_many_rows_and_columns_share_places():
    X = RNG.normal(size=(1001, 60))
    X[: 1001 // 2, :30] = np.nan
    display = ImputationDisplay(X).plot(kind="missing", max_columns=2)
    (image,) = display.ax_.images
    assert image.get_array().shape == (6, 400)
    assert display.columns_ == [f"x{j}" for j in range(6)]
    np.testing.assert_allclose(image.get_array().mean(), 0.5, atol=0.01)
    assert display.ax_.get_title().endswith("(54 other columns not shown)")


def test_it_draws_in_one_axes_in_several_and_in_no_others():
    done = SimpleImputer().fit_transform(ARRAY)
    _, ax = plt.subplots()
    display = ImputationDisplay(ARRAY, done).plot(ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert not ax.axison
    assert plt.gca() is ax
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match=r"one axes or an array of 1\. Got 2"):
        ImputationDisplay(ARRAY, done).plot(ax=axes)
    assert ImputationDisplay(ARRAY, done).plot(ax=axes[:1]).axes_[0] is axes[0]


def test_arguments_are_checked(fitted):
    with pytest.raises(ValueError, match="X_imputed is needed"):
        ImputationDisplay(ARRAY).plot()
    with pytest.raises(ValueError, match="no cell of X was imputed"):
        ImputationDisplay.from_estimator(fitted, TABLE.dropna())
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\)"):
        ImputationDisplay.from_estimator(fitted, TABLE, level=90)
    with pytest.raises(ValueError, match="kind must be one of 'values', 'missing'"):
        ImputationDisplay.from_estimator(fitted, TABLE, kind="gaps")


def test_against_the_truth():
    whole = pd.DataFrame(
        {"x": np.arange(20.0), "kind": ["a", "b"] * 10, "none": 1.0},
        index=np.arange(20) // 2,
    )
    holed, done = whole.copy(), whole.copy()
    holed.iloc[:6, :2] = None
    done.iloc[:6, 0] = 7.5
    done.iloc[:6, 1] = "a"
    display = ImputationDisplay(holed, done, X_true=whole).plot()
    numbers, kinds = display.axes_
    dots, equal = numbers.get_lines()
    assert dots.get_xydata().tolist() == [[i, 7.5] for i in range(6)]
    assert equal.get_xydata().tolist() == [[0, 0], [7.5, 7.5]]
    assert kinds.get_title() == "kind (6 imputed, 3 right)"
    assert [bar.get_width() for bar in kinds.patches] == [0.5, 0.5, 1, 0]
    with pytest.raises(ValueError, match="X_true must hold the rows and columns of X"):
        ImputationDisplay(holed, done, X_true=whole.iloc[:3]).plot()


def test_intervals_stand_at_the_true_values(fitted):
    truth = fitted.transform(TABLE)
    truth["number"] += 1.0
    display = ImputationDisplay.from_estimator(fitted, TABLE, X_true=truth, level=0.8)
    ax = display.axes_[0]
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    table = TABLE.reset_index(drop=True)
    told = fitted.predict_quantiles(table, (0.1, 0.9)).xs("number", level="column")
    at = truth["number"].to_numpy()[told.index]
    drawn = [(a[0], a[1], b[1]) for a, b in lines.get_segments()]
    expected = np.column_stack([at, told.astype(float).to_numpy()])
    np.testing.assert_allclose(drawn, expected)


@pytest.mark.parametrize(
    "labels",
    [
        [f"row {i}" for i in range(N)][::-1],
        pd.MultiIndex.from_product([["a", "b"], range(N // 2)]),
    ],
)
def test_cells_are_found_by_their_labels(fitted, display, labels):
    table = TABLE.set_axis(labels)
    told, done = fitted.predict_quantiles(table, (0.1, 0.9)), fitted.transform(table)
    again = ImputationDisplay(table, done, intervals=told).plot()
    for k in (0, 1, 3):
        ax, expected = again.axes_[k], display.axes_[k]
        np.testing.assert_allclose(intervals_of(ax), intervals_of(expected))
        dots, expected = ax.get_lines()[0], expected.get_lines()[0]
        assert len(dots.get_xdata()) >= 8
        np.testing.assert_array_equal(dots.get_xdata(), expected.get_xdata())


def test_other_marks_of_missing_cells_are_read():
    X = np.where(np.isnan(ARRAY), -1.0, ARRAY)
    model = SimpleImputer(missing_values=-1).fit(X)
    display = ImputationDisplay.from_estimator(model, X)
    assert display.axes_[0].get_title() == "x0 (20 imputed)"
    display = ImputationDisplay.from_estimator(model, X, kind="missing")
    assert display.ax_.get_title() == "17 % of cells missing, 40 of 60 rows whole"
    display = ImputationDisplay(X, missing_values=-1).plot(kind="missing")
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), np.isnan(ARRAY).T)
