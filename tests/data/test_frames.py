"""Tables of any container: read alike, given back as they came."""

import numpy as np
import pandas as pd
import pytest

from skae import (
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    VariationalAutoencoder,
)
from skae._data.frames import Table, beside, is_frame, row_labels
from skae._data.schema import learn_columns

pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")

COLUMNS = {
    "number": [0.5, None, 2.0, 1.0],
    "integer": [3, None, 1, 2],
    "text": ["b", "a", None, "a"],
    "flag": [True, False, None, True],
}
CONTAINERS = {
    "pandas": lambda columns: pd.DataFrame(columns).astype({"integer": "Int64"}),
    "arrow in pandas": lambda columns: pa.table(columns).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
each_container = pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
QUICK = {"max_iter": 1, "random_state": 0}


@each_container
def test_columns_are_read_alike(make):
    table = Table.read(make(COLUMNS))
    assert [s.name for s in table.series] == list(COLUMNS)
    assert [s.kind for s in table.series] == ["number", "integer", "category", "category"]
    for series, values in zip(table.series, COLUMNS.values(), strict=True):
        assert series.missing.tolist() == [v is None for v in values]
        seen = series.values[~series.missing].tolist()
        assert seen == [v for v in values if v is not None]


@each_container
def test_an_imputer_gives_back_what_it_was_given(make):
    table = make({name: values * 5 for name, values in COLUMNS.items()})
    model = AutoencoderImputer(add_indicator=True, **QUICK).fit(table)
    done = model.transform(table)
    assert type(done) is type(table)
    read, before = Table.read(done), Table.read(table)
    assert [s.name for s in read.series] == model.get_feature_names_out().tolist()
    for series, old in zip(read.series, before.series, strict=False):
        assert not series.missing.any()
        assert series.dtype == old.dtype
        seen = ~old.missing
        assert series.values[seen].tolist() == old.values[seen].tolist()


@each_container
def test_an_autoencoder_gives_back_frames(make):
    table = make({name: values * 5 for name, values in COLUMNS.items()})
    model = Autoencoder(1, likelihood="mixed", **QUICK).fit(table)
    rows = model.reconstruct(table)
    assert type(rows) is type(table)
    dtypes = [[s.dtype for s in Table.read(X).series] for X in (rows, table)]
    assert dtypes[0] == dtypes[1]


@each_container
def test_numbers_are_numbers_in_every_container(make):
    X = np.random.default_rng(0).normal(size=(20, 2))
    table = make({"integer": X[:, 0].round(), "b": X[:, 1]})
    model = Autoencoder(1, **QUICK).fit(table)
    assert list(model.feature_names_in_) == ["integer", "b"]
    with pytest.raises(ValueError, match=r"not numbers in column 'text'"):
        model.set_params(likelihood="gaussian").fit(make(COLUMNS))


def test_rows_have_labels_in_pandas_alone():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=["x", "y"])
    assert row_labels(frame).tolist() == ["x", "y"]
    for X in (frame.to_numpy(), [[1.0]], pl.DataFrame({"a": [1.0]}), None):
        assert row_labels(X) is None
    assert is_frame(pl.DataFrame({"a": [1.0]}))
    assert not is_frame([[1.0]])


def test_further_columns_stand_behind_under_the_same_labels():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 7])
    wider = beside(frame, ["b"], np.array([[True], [False]]))
    assert wider.index.tolist() == [7, 7]
    assert wider["b"].tolist() == [True, False]
    assert beside(np.ones((2, 1)), ["b"], np.zeros((2, 1))).tolist() == [[1, 0], [1, 0]]


def test_lists_are_explained_as_arrays_are():
    X = np.random.default_rng(0).normal(size=(30, 3))
    detector = AutoencoderOutlierDetector(n_estimators=1, **QUICK).fit(X)
    pd.testing.assert_frame_equal(detector.explain(X[:2].tolist()), detector.explain(X[:2]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_arrows_types_of_one_dtype_are_kept():
    texts = {str(t): t for t in (pa.string(), pa.large_string(), pa.string_view())}
    table = pa.table(
        {name: pa.array(COLUMNS["text"] * 5, of) for name, of in texts.items()}
        | {"int16": pa.array(COLUMNS["integer"] * 5, pa.int16())}
    )
    done = AutoencoderImputer(**QUICK).fit(table).transform(table)
    assert done.schema == table.schema
    model = VariationalAutoencoder(1, likelihood="mixed", **QUICK).fit(table)
    for rows in (model.reconstruct(table), model.sample(50, 0, missing=True)):
        assert rows.schema == table.schema
        for name in texts:
            assert set(rows[name].to_pylist()) <= {"a", "b", None}


def test_levels_that_are_declared_count_where_none_is_seen():
    kinds = pd.CategoricalDtype(["low", "high", "never"])
    seen = pd.Series(["high", "low", None], dtype=kinds)
    table = Table.read(pd.DataFrame({"seen": seen, "none": seen.where([False] * 3)}))
    for only_seen, levels in ((True, ["low", "high"]), (False, list(kinds.categories))):
        columns = learn_columns(table, None, only_seen=only_seen)
        assert [c.levels for c in columns] == [levels, list(kinds.categories)]
