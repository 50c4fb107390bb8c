"""The cells that are filled, one by one."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from tests.impute.tables import imputer, mixed_table

KEPT = ["float", "float32", "Int", "boolean", "category", "str"]
TABLE = mixed_table()[KEPT].assign(
    when=pd.Series(pd.date_range("2026-01-01", periods=60))
    .mask(np.arange(60) % 7 == 0)
    .values
)


@pytest.fixture(scope="module")
def fitted():
    return imputer(columns={"float": "passthrough"}).fit(TABLE)


def test_each_cell_is_what_transform_puts_in(fitted):
    report = fitted.report(TABLE)
    learnt = TABLE.drop(columns="float")
    gone = [
        (row, name)
        for row in TABLE.index
        for name in learnt
        if pd.isna(TABLE.loc[row, name])
    ]
    assert report.index.tolist() == gone
    assert report.index.names == ["row", "column"]
    assert report.columns.tolist() == ["value", "low", "high", "probability"]
    done = fitted.transform(TABLE)
    assert report["value"].tolist() == [done.loc[cell] for cell in gone]


def test_intervals_and_probabilities_are_those_of_the_methods(fitted):
    report = fitted.report(TABLE, level=0.5)
    quantiles = fitted.predict_quantiles(TABLE, (0.25, 0.75))
    cells = report.loc[quantiles.index]
    assert cells[["low", "high"]].to_numpy().tolist() == quantiles.to_numpy().tolist()
    assert cells["probability"].isna().all()
    whole = cells.xs("Int", level="column")[["low", "high"]].to_numpy().ravel()
    assert {type(end) for end in whole} == {int}  # as the column's own
    others = report[report["probability"].notna()]
    assert len(others) + len(quantiles) == len(report)
    assert others[["low", "high"]].isna().all(axis=None)
    chances = fitted.predict_probabilities(TABLE)["probability"]
    for (row, name), cell in others.iterrows():
        assert chances[(row, name, cell["value"])] == cell["probability"]


def test_labels_that_repeat_lose_nothing(fitted):
    report = fitted.report(TABLE)
    twice = fitted.report(TABLE.set_axis(["x"] * len(TABLE)))
    assert twice.index.names == ["position", "row", "column"]
    assert twice["value"].tolist() == report["value"].tolist()
    positions = TABLE.index.get_indexer(report.index.get_level_values("row"))
    assert twice.index.get_level_values("position").tolist() == positions.tolist()


def test_whole_rows_have_no_report(fitted):
    report = fitted.report(TABLE.dropna())
    assert report.shape == (0, 4)
    assert report.index.names == ["row", "column"]


def test_columns_that_are_left_out_move_no_other():
    table = TABLE[["float", "Int", "category"]].copy()
    table.insert(0, "nothing", np.nan)
    with pytest.warns(UserWarning, match="have no values"):
        model = imputer().fit(table)
    done, report = model.transform(table), model.report(table)
    assert [done.loc[cell] for cell in report.index] == report["value"].tolist()


def test_polars_arrays_and_ratings():
    table = pl.from_pandas(TABLE[["float", "Int", "str"]].reset_index(drop=True))
    model = imputer().fit(table)
    done = model.transform(table)
    for (row, name), cell in model.report(table).iterrows():
        assert done[row, name] == cell["value"]
    numbers = TABLE[["float", "float32"]].to_numpy(dtype=float)
    model = imputer().fit(numbers)
    report, done = model.report(numbers), model.transform(numbers)
    gone = np.argwhere(np.isnan(numbers))
    assert report.index.tolist() == [(i, f"x{j}") for i, j in gone]
    assert report["value"].tolist() == done[tuple(gone.T)].tolist()
    assert report["value"].dtype == float
    ratings = sp.csr_array(np.where(np.isnan(numbers), 0, numbers))
    model = imputer().fit(ratings)
    report, done = model.report(ratings), model.transform(ratings)
    assert report["value"].tolist() == done[tuple(gone.T)].tolist()


@pytest.mark.parametrize("level", [0, 1.0, "much"])
def test_the_level_is_checked(fitted, level):
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\)"):
        fitted.report(TABLE, level=level)
