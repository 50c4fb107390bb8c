"""Tables as they come: texts, numbers as objects, other names, other kinds, other rows."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings

from skae import Autoencoder, AutoencoderImputer
from tests.impute.tables import imputer, tables

pytestmark = pytest.mark.usefixtures("quick")

RNG = np.random.default_rng(0)


def mixed(**params):
    return Autoencoder(2, likelihood="mixed", max_iter=1, random_state=0, **params)


BOTH = pytest.mark.parametrize("make", [imputer, mixed])


def with_texts(n=120):
    x = RNG.lognormal(3, 1, n)
    table = pd.DataFrame(
        {
            "x": x,
            "price": [f"${v:.2f}" for v in 2 * x],
            "id": [f"r{i}" for i in range(n)],
            "share": [f"{v:.1f}%" for v in x],
            "age": [str(v) for v in RNG.integers(0, 1000, n)],
            "kind": RNG.choice(["a", "b"], n),
        }
    )
    return table.mask(RNG.random(table.shape) < 0.1)


TEXTS = with_texts()
ALONE = ["price", "id", "share", "age"]


def number_and(values, name="c", other="number", **more):
    values = pd.Series(values, **more)
    return pd.DataFrame({name: values, other: RNG.normal(size=len(values))})


def texts_of(fit, X):
    """The warnings of a fit that are no signs of training."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(X)
    found = [w for w in caught if "onvergence" not in w.category.__name__]
    assert all(w.filename == __file__ for w in found)
    return [str(w.message) for w in found]


# Texts that are no categories


@BOTH
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_texts_that_are_no_categories_are_named_once_with_the_remedy(make, kind):
    (text,) = texts_of(make().fit, kind(TEXTS))
    for name, remedy in [
        ("price", "strip '$' and use pd.to_numeric"),
        ("id", "drop it"),
        ("share", "strip '%' and use pd.to_numeric"),
        ("age", "use pd.to_numeric"),
    ]:
        part = text[text.index(f"'{name}' (") :].split(";")[0]
        assert remedy in part
    assert "'kind'" not in text


def quiet(fit, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return fit(X)


def test_an_imputer_leaves_them_alone():
    model = quiet(imputer().fit, TEXTS)
    done = model.transform(TEXTS)
    pd.testing.assert_frame_equal(done[ALONE], TEXTS[ALONE])
    assert not done[["x", "kind"]].isna().any(axis=None)
    assert model.column_scores_.index.tolist() == ["x", "kind"]
    cells = model.predict_probabilities(TEXTS)
    assert set(cells.index.get_level_values("column")) == {"kind"}
    assert quiet(imputer().fit_transform, TEXTS[["id"]]).equals(TEXTS[["id"]])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_an_autoencoder_leaves_them_alone(kind):
    model = quiet(mixed().fit, kind(TEXTS))

    def rows(X):
        return X.to_pandas() if isinstance(X, pl.DataFrame) else X

    back = rows(model.reconstruct(kind(TEXTS)))
    assert not back[["x", "kind"]].isna().any(axis=None)
    decoded = rows(model.inverse_transform(model.transform(kind(TEXTS))))
    masked = rows(model.reconstruct(kind(TEXTS), mask=np.ones(TEXTS.shape, bool)))
    for name in ALONE:
        told = TEXTS[name].fillna("none").tolist()
        assert back[name].fillna("none").tolist() == told
        assert masked[name].fillna("none").tolist() == told
        assert decoded[name].isna().all()
    other = TEXTS.assign(price="$1.00", id="else", share="2%", age="7")
    np.testing.assert_array_equal(
        model.transform(kind(TEXTS)), model.transform(kind(other))
    )


def test_kinds_that_are_asked_for_or_declared_are_obeyed():
    kinds = {"price": "category", "id": "category", "age": "passthrough"}
    declared = TEXTS.astype({"share": "category"})
    model = imputer(columns=kinds)
    assert texts_of(model.fit, declared) == []
    done = model.transform(declared)
    assert done.drop(columns="age").notna().all(axis=None)
    assert done["id"].isin(TEXTS["id"].dropna()).all()
    assert texts_of(mixed().fit, TEXTS[["x", "id"]].astype({"id": "category"})) == []


@BOTH
def test_small_tables_and_categories_of_many_values_are_categories(make):
    for n, levels in ((8, 8), (30, 30), (600, 150)):
        values = [f"c{v % levels}" for v in range(n)]
        assert texts_of(make().fit, number_and(values)) == []


@BOTH
def test_marks_of_missing_cells_are_told_of(make):
    table = number_and(["a", "b", "?"] * 9).assign(other=["", "x", "y"] * 9)
    (text,) = texts_of(make().fit, table)
    assert "'?' in column 'c', '' in column 'other'" in text
    if make is imputer:
        assert texts_of(imputer(missing_values="?").fit, table[["c", "number"]]) == []


@BOTH
def test_texts_that_differ_in_capitals_or_spaces_are_told_of(make):
    table = number_and(["de", "DE", "fr"] * 9).assign(other=["no ", "no", "yes"] * 9)
    (text,) = texts_of(make().fit, table)
    assert "['DE', 'de'] in column 'c'; ['no', 'no '] in column 'other'" in text
    assert "column.str.strip().str.lower()" in text
    alike = table.assign(c=table["c"].str.lower(), other=table["other"].str.strip())
    assert texts_of(make().fit, alike) == []
    assert texts_of(make().fit, table.astype({"c": "category", "other": "category"})) == []


def test_dates_as_texts_may_begin_with_the_day():
    days = pd.date_range("2026-01-01", periods=60)
    for form, more in (("%d.%m.%Y", True), ("%m/%d/%Y", True), ("%Y-%m-%d", False)):
        (text,) = texts_of(imputer().fit, number_and(days.strftime(form)))
        assert ("use pd.to_datetime, with dayfirst=True if days come first" in text) == more
        assert "use pd.to_datetime" in text


@BOTH
def test_a_pyarrow_table_keeps_its_types(make):
    types = [pa.large_string(), pa.string(), pa.int8(), pa.float32(), pa.timestamp("ms")]
    cells = ["x", "y", "x", "z"], ["u", "u", "v", "v"], [1, 2, 3, 4], [0.5, 1.0, 2.0, 0.25]
    columns = [[*values * 5, None] for values in (*cells, [*range(0, 4000, 1000)])]
    parts = zip(columns, types, strict=True)
    table = pa.table([pa.array(c, type=t) for c, t in parts], names=list("abcde"))
    model = make().fit(table)
    done = model.transform(table) if make is imputer else model.reconstruct(table)
    assert done.schema.types == types
    assert sum(column.null_count for column in done.columns) == 0


def test_whole_numbers_that_recur_stay_categories_and_are_told_of():
    table = number_and([str(v) for v in RNG.integers(0, 40, 400)], ("who", 1), ("n", 1))
    (text,) = texts_of(imputer().fit, table)
    assert "taken for categories: ('who', 1) (40 whole numbers as texts" in text
    assert "say so by columns={('who', 1): 'category'}" in text


def test_plain_estimators_name_the_remedy_too():
    with pytest.raises(ValueError, match=r"'price' holds amounts.*strip '\$'.*OneHot"):
        Autoencoder(2, likelihood="gaussian").fit(TEXTS)


def test_a_category_of_many_values_is_learnt_without_rows_times_values():
    n = 600
    table = number_and([f"c{v % 300}" for v in range(n)], dtype="category")
    table["number"] = np.arange(n) % 300 / 100.0
    table.loc[::7, "c"] = None
    model = imputer(max_iter=1).fit(table)
    counts = table["c"].value_counts()
    module = model.net_.module_
    shares = module.prior[module.likelihood.of_column(0)].exp().numpy()
    expected = (counts.reindex(model._columns_[0].levels) + 1 / 300) / (counts.sum() + 1)
    np.testing.assert_allclose(shares, expected, rtol=1e-5)
    assert model.column_scores_.loc["c", "n_cells"] > 0


# Names


NAMED = pd.DataFrame({0: np.arange(30.0), 1: 1000 + np.arange(30.0)})
TUPLES = NAMED.set_axis(pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]), axis=1)


@BOTH
@pytest.mark.parametrize("table", [NAMED, TUPLES], ids=["integers", "tuples"])
def test_columns_in_another_order_are_refused(make, table):
    model = make().fit(table)
    with pytest.raises(ValueError, match="another order than in fit"):
        model.transform(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="are not those of fit"):
        model.transform(table.set_axis(["p", "q"], axis=1))
    assert len(model.transform(table.to_numpy())) == 30


def test_names_are_those_of_the_table():
    table = TUPLES.mask(RNG.random(TUPLES.shape) < 0.2)
    table.columns.names = ["above", None]
    model = imputer(add_indicator=True).fit(table)
    done = model.transform(table)
    assert done.columns.names == ["above", None]
    assert done.columns.tolist() == model.get_feature_names_out().tolist()
    assert done.columns[2] == ("missingindicator_a", "x")
    assert imputer().fit(NAMED).get_feature_names_out().tolist() == [0, 1]
    index = model.predict_quantiles(table).index
    assert index.names == ["row", "above", "column_1"]
    assert set(index.droplevel("row")) == {("a", "x"), ("a", "y")}


def test_repeated_row_labels_are_told_apart_by_position():
    table = NAMED.set_axis([7] * 30)
    table.iloc[[3, 5], 0] = np.nan
    model = imputer().fit(table)
    index = model.predict_quantiles(table).index
    assert index.names == ["position", "row", "column"]
    assert index.tolist() == [(3, 7, 0), (5, 7, 0)]
    rows = pd.MultiIndex.from_product([["u", "v", "w"], range(10)], names=["who", None])
    index = model.predict_quantiles(table.set_axis(rows)).index
    assert index.names == ["who", "row_1", "column"]
    assert index.tolist() == [("u", 3, 0), ("u", 5, 0)]


def test_indicators_that_collide_are_refused():
    table = pd.DataFrame({"a": [1.0, None] * 9, "missingindicator_a": range(18)})
    with pytest.raises(ValueError, match=r"\['missingindicator_a'\] are in X already"):
        imputer(add_indicator=True).fit(table)


@BOTH
def test_duplicate_names_are_refused_in_our_words(make):
    for table in (NAMED.set_axis(["a", "a"], axis=1), pa.table([[1.0]] * 2, ["a", "a"])):
        with pytest.raises(
            ValueError, match=r"X: columns \['a'\] are there more than once"
        ):
            make().fit(table)


# Kinds that change, and kinds of objects


@BOTH
@pytest.mark.parametrize("levels", [("x", "y"), ("01", "02")])
def test_a_category_that_comes_as_numbers_is_refused_by_name(make, levels):
    model = make().fit(number_and(levels * 15))
    new = number_and([1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match=r"column 'c' is now float64.*such as 1\.0"):
        model.transform(new)
    new["c"] = np.nan  # no value is none of another kind
    assert len(model.transform(new)) == 3
    new["c"] = ["new", None, "newer"]
    assert len(model.transform(new)) == 3


def test_codes_that_come_as_texts_are_refused_by_name():
    model = imputer(columns={"c": "category"}).fit(number_and([1, 2] * 9))
    with pytest.raises(
        ValueError, match=r"column 'c' is now (str|object).*'1'.*such as 1\."
    ):
        model.transform(number_and(["1", "2"]))


@BOTH
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_array_after_a_frame_with_categories_is_refused(make):
    model = make().fit(number_and(["x", "y"] * 9))
    for rows in (np.ones((2, 2)), np.array([["x", 1.0]], dtype=object)):
        with pytest.raises(ValueError, match=r"categories in columns \['c'\]"):
            model.transform(rows)
    assert len(make().fit(number_and([True, False] * 9)).transform(np.ones((2, 2)))) == 2


def decimals():
    table = number_and([Decimal(f"{v:.2f}") for v in RNG.normal(10, 2, 40)])
    table.loc[3, "c"] = None
    return table


@BOTH
@pytest.mark.parametrize(
    "kind",
    [
        pd.DataFrame,
        pl.from_pandas,
        pa.Table.from_pandas,
        lambda t: pa.Table.from_pandas(t).to_pandas(types_mapper=pd.ArrowDtype),
    ],
    ids=["objects", "polars", "pyarrow", "arrow in pandas"],
)
def test_decimals_are_numbers_and_stay_decimals(make, kind):
    table = kind(decimals())
    model = make().fit(table)
    done = model.transform(table) if make is imputer else model.reconstruct(table)
    assert type(done) is type(table)
    if isinstance(table, pa.Table):
        assert done.schema.types == table.schema.types
        cells = done["c"].to_pylist()
    else:
        assert list(done.dtypes) == list(table.dtypes)
        cells = list(done["c"])
    assert all(v.as_tuple().exponent == -2 for v in cells)
    seen = decimals()["c"].dropna()
    assert min(seen) <= cells[3] <= max(seen)


def test_integers_as_objects_are_codes_where_they_are_few():
    table = number_and([1, 5, None] * 10, dtype=object).assign(
        measured=pd.Series([*range(20), *[None] * 10], dtype=object),
        real=pd.Series([1.5, 2.5, None] * 10, dtype=object),
    )
    model = imputer().fit(table)
    assert [c.kind for c in model._columns_] == ["category", "number", "integer", "number"]
    done = model.transform(table)
    assert set(done["c"]) == {1, 5}
    assert done.dtypes.tolist() == table.dtypes.tolist()


@pytest.mark.parametrize("dtype", ["boolean", object])
def test_flags_may_be_numbers(dtype):
    table = number_and([True, False, None] * 10, dtype=dtype)
    model = imputer(columns={"c": "number"}).fit(table)
    done = model.transform(table)
    assert done["c"].dtype == table["c"].dtype
    assert {type(v) for v in done["c"].tolist()} == {bool}
    assert model.predict_quantiles(table).index.get_level_values("column")[0] == "c"
    drawn = imputer().fit(number_and([0.0, 1.0] * 9)).transform(number_and([True, None]))
    assert drawn["c"].tolist()[0] is True


@BOTH
@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_a_column_of_nothing(make, kind):
    table = pl.DataFrame({"n": [None] * 12, "a": [1.0, 2, None] * 4})
    table = table if kind == "polars" else table.to_arrow()
    if make is imputer:
        with pytest.warns(UserWarning, match="no values and are left out"):
            done = imputer().fit_transform(table)
        assert done.shape == (12, 1)
        assert imputer(keep_empty_features=True).fit_transform(table).shape == (12, 2)
    else:
        assert mixed().fit(table).reconstruct(table).shape == (12, 2)
    whole = pd.DataFrame({"n": ["x", "y"] * 6, "a": np.arange(12.0)})
    if make is imputer:  # and one of nothing but in new rows
        done = imputer().fit(whole).transform(table)
        assert set(done["n"].to_pylist() if kind == "pyarrow" else done["n"]) <= {"x", "y"}


def test_levels_that_are_never_seen_are_neither_drawn_nor_predicted():
    values = pd.Categorical(["b", "a", None] * 10, categories=["z", "b", "a"], ordered=True)
    table = number_and(values)
    model = imputer().fit(table)
    cells = model.predict_probabilities(table)
    assert cells.index.get_level_values("value").unique().tolist() == ["b", "a"]
    for drawn in model.sample_imputations(table, 3, random_state=0):
        assert drawn["c"].isin(["a", "b"]).all()
        assert drawn["c"].cat.categories.tolist() == ["z", "b", "a"]
    assert mixed().fit(table)._schema_.columns[0].levels == ["b", "a"]
    streamed = mixed().partial_fit(table)  # which may see them yet
    assert streamed._schema_.columns[0].levels == ["z", "b", "a"]


def test_true_is_not_one_where_there_are_both():
    table = number_and([True, 1, "x", None] * 9, dtype=object)
    cells = imputer().fit(table).predict_probabilities(table.iloc[[3]])
    assert cells.shape == (3, 1)  # 1, True and "x"
    assert cells["probability"].sum() == pytest.approx(1)


# Arrays


def test_sparse_cells_that_are_stored_twice_are_their_sum():
    X = sp.csr_matrix(([1.0, 2, 3, 4], [0, 0, 1, 1], [0, 2, 4]), shape=(2, 2))
    done = imputer().fit_transform(X)
    np.testing.assert_array_equal(done.diagonal(), [3, 7])
    assert X.nnz == 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.int64, np.uint16])
def test_arrays_come_back_in_their_dtype(dtype):
    X = RNG.integers(1, 9, (40, 3)).astype(dtype)
    mark = 99 if np.issubdtype(dtype, np.integer) else np.nan
    X[3, 1] = mark
    done = imputer(missing_values=mark).fit_transform(X)
    assert done.dtype == dtype
    assert 1 <= done[3, 1] <= 8
    done[3, 1] = mark
    np.testing.assert_array_equal(done, X)


def test_large_integers_and_flags_are_as_they_were():
    X = np.array([[2**60 + 1, 3], [2**60 + 3, -1], [5, 4]])
    done = imputer(missing_values=-1).fit_transform(X)
    assert done[:, 0].tolist() == X[:, 0].tolist()
    assert imputer().fit_transform(X > 4).dtype == bool


@pytest.mark.parametrize(
    ("X", "mark"),
    [
        (np.array([[1, pd.NA], [2, 3], [4, 5]], dtype=object), pd.NA),
        ([[1, pd.NA], [2, 3], [4, 5]], np.nan),
        (np.array([[1, ""], [2, 3], [4, 5]], dtype=object), ""),
        (np.array([[1, -1], [2, np.nan], [4, 5]]), -1),
        (pd.DataFrame({"a": [1, 2, np.nan], "b": [np.nan, 3, 5]}), ""),
    ],
    ids=["object", "list", "empty text", "beside a mark", "beside an empty text"],
)
def test_marks_of_missing_cells_in_every_container(X, mark):
    done = np.asarray(imputer(missing_values=mark).fit_transform(X), dtype=float)
    assert 3 <= done[0, 1] <= 5
    assert done[0, 0] == 1


def test_the_column_that_overflows_is_named():
    table = number_and(["a"] * 9).assign(far=[1e200, -1e200, 0.0] * 3)
    with pytest.raises(ValueError, match="values of column 'far' are too large"):
        imputer(columns={"c": "passthrough"}).fit(table)


# Containers


def test_attributes_of_frames_are_kept():
    table = NAMED.copy()
    table.attrs["unit"] = "m"
    assert imputer().fit(table).transform(table).attrs == {"unit": "m"}


def test_dictionary_columns_are_categories_and_stay_so():
    texts = pa.array(["u", "v", None] * 9).dictionary_encode()
    codes = pa.array([3, None, 5] * 9).dictionary_encode()
    table = pa.table({"text": texts, "code": codes, "number": np.arange(27.0)})
    done = imputer().fit_transform(table)
    assert done.schema.types == table.schema.types
    assert set(done["text"].to_pylist()) == {"u", "v"}
    assert set(done["code"].to_pylist()) == {3, 5}
    assert mixed().fit(table).reconstruct(table).schema.types == table.schema.types


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_an_arrow_table_becomes_what_set_output_asks_for(container):
    table = pa.table({"a": [1.0, None, 2.0] * 5, "c": ["x", "y", None] * 5})
    done = imputer().set_output(transform=container).fit_transform(table)
    assert type(done).__module__.startswith(container)
    assert list(done.columns) == ["a", "c"]
    assert list(done["c"])[:2] == ["x", "y"]


def test_other_containers_in_new_rows():
    model = imputer().fit(number_and(["x", "y"] * 9))
    new = pl.DataFrame(
        {"c": pl.Series([None, None], dtype=pl.String), "number": [1.0, None]}
    )
    done = model.transform(new)
    assert done.dtypes == new.dtypes
    assert done["c"].is_in(["x", "y"]).all()


# Whatever the table


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)  # fmt: skip
@given(tables())
def test_what_is_put_in_is_possible(table):
    model = imputer(keep_empty_features=True)
    done = quiet(model.fit_transform, table)
    for name, column in zip(table, model._columns_, strict=True):
        seen = table[name].notna().to_numpy()
        before, after = table[name][seen].tolist(), done[name].tolist()
        assert [v for v, s in zip(after, seen, strict=True) if s] == before
        put = [v for v, s in zip(after, seen, strict=True) if not s]
        if not put or not seen.any():
            continue
        assert column.kind != "passthrough"
        if column.kind == "category":
            assert all(any(v == b and type(v) is type(b) for b in before) for v in put)
        else:
            assert min(before) <= min(put) <= max(put) <= max(before)
            if table[name].dtype.kind in "iu":
                assert all(v == int(v) for v in put)


def test_tensors_are_rows():
    X = RNG.normal(size=(30, 3))
    X[3, 1] = np.nan
    tensor = torch.from_numpy(X).requires_grad_()
    expected = AutoencoderImputer(n_estimators=2, max_iter=1, random_state=0)
    expected = expected.fit_transform(X)
    done = AutoencoderImputer(n_estimators=2, max_iter=1, random_state=0)
    np.testing.assert_array_equal(done.fit_transform(tensor), expected)
