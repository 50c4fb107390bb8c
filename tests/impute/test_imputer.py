"""AutoencoderImputer: tables in, the same tables out, and nothing observed touched."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AutoencoderImputer
from skae._training.run import Run
from tests.impute.tables import assert_completed, imputer, mixed_table, tables

pytestmark = pytest.mark.usefixtures("quick")  # test_guesses tries numbers of factors


def numbers(n=200, d=4, rate=0.2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + 0.3 * rng.normal(size=(n, d))
    X = X * 10 ** rng.uniform(-2, 2, size=d) + rng.normal(size=d)
    return np.where(rng.random(X.shape) < rate, np.nan, X), X


# Quality


@pytest.mark.parametrize(
    "load",
    [
        "load_wine",
        pytest.param("load_breast_cancer", marks=pytest.mark.slow),
        "load_diabetes",
    ],
)
def test_better_than_the_mean_on_real_data_and_says_so(load):
    X = getattr(datasets, load)().data
    rng = np.random.default_rng(0)
    X = X[rng.permutation(len(X))]
    gone = rng.random(X.shape) < 0.2
    n = len(X) // 2
    holed = np.where(gone, np.nan, X)
    model = AutoencoderImputer(
        n_estimators=2, network=(32, 32), max_iter=30, random_state=0
    ).fit(holed[:n])
    error = (model.transform(holed[n:]) - X[n:]) / X[:n].std(0)
    baseline = (X[n:] - np.nanmean(holed[:n], 0)) / X[:n].std(0)
    gain = 1 - np.square(error[gone[n:]]).mean() / np.square(baseline[gone[n:]]).mean()
    assert gain > 0.3
    scores = model.column_scores_
    scale = np.nanstd(holed[:n], 0)
    pooled = (
        1
        - ((scores["error"] / scale) ** 2).sum() / ((scores["baseline"] / scale) ** 2).sum()
    )
    assert abs(pooled - gain) < 0.4  # of a few hundred cells, of fewer rows
    assert abs(model.score(X[n:]) - gain) < 0.3  # of nine cells a column


@pytest.mark.slow
def test_learns_what_no_normal_distribution_can():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=1500)
    X = np.stack([x, x**2 + 0.05 * rng.normal(size=1500)], 1)
    train, test = X.copy(), X[:300].copy()
    train[300:600, 1] = np.nan
    test[:, 1] = np.nan
    model = AutoencoderImputer(random_state=0, max_iter=60).fit(train[300:])
    error = model.transform(test)[:, 1] - X[:300, 1]
    assert error.std() < 0.35 * X[:, 1].std()


def test_training_ends_where_hidden_cells_are_restored_no_better():
    X = np.random.default_rng(0).normal(size=(600, 5))  # nothing is to be learnt of others
    X[::5, 0] = np.nan
    params = {"network": (16,), "batch_size": 32, "random_state": 0}
    model = AutoencoderImputer(2, **params).fit(X)
    steps = 25 * len(model.net_.history)
    # at most 600 ** 1.5 / 24 = 612; three judgements without a gain and the end are 100
    assert 100 <= steps <= 300
    assert model.n_iter_ == np.ceil(steps * 32 / 600)
    assert not model.net_.optimizer_.state  # two thirds of a pickle, and never used again
    model.set_params(max_iter=3).fit(X)
    assert model.n_iter_ == len(model.net_.history) == 3  # what is asked for is done


@pytest.mark.slow
def test_categories_help_numbers_and_numbers_categories():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, size=600)
    table = pd.DataFrame(
        {
            "group": pd.Categorical(np.array(["a", "b", "c"])[group]),
            "x": np.array([0.0, 10.0, 3.0])[group] + rng.normal(size=600),
        }
    )
    holed = table.copy()
    holed.loc[:99, "group"] = None
    holed.loc[100:199, "x"] = np.nan
    model = AutoencoderImputer(max_iter=60, random_state=0)
    done = model.fit_transform(holed)
    assert (done["group"][:100] == table["group"][:100]).mean() > 0.9
    assert (done["x"] - table["x"])[100:200].std() < 1.5
    assert model.column_scores_.loc["group", "score"] > 0.7


@pytest.mark.slow
def test_many_levels_are_embedded_not_spread_out():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 300, size=3000)
    effect = rng.normal(size=300)
    table = pd.DataFrame(
        {
            "town": [f"t{i}" for i in level],
            "price": effect[level] * 5 + rng.normal(size=3000),
        }
    )
    table.loc[:200, "price"] = np.nan
    model = AutoencoderImputer(max_iter=40, random_state=0)
    done = model.fit_transform(table)
    assert model.net_.module_.layers[0].weight.shape[1] < 60
    assert np.corrcoef(done["price"][:200], effect[level[:200]])[0, 1] > 0.7


# Tables


def test_every_dtype_comes_back():
    table = mixed_table()
    assert_completed(table, imputer().fit_transform(table))


def test_new_rows_need_no_refit_and_unseen_categories_stay():
    model = imputer().fit(mixed_table())
    new = mixed_table(20, seed=1)
    new["str"] = new["str"].where(np.arange(20) > 2, "unseen")
    before = pickle.dumps(model)
    assert_completed(new, model.transform(new))
    assert pickle.dumps(model) == before
    assert (model.transform(new)["str"][:3] == "unseen").all()


def test_columns_missing_only_in_transform():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    table = pd.DataFrame({"a": x, "b": -2 * x, "c": np.where(x > 0, "p", "n")})
    model = AutoencoderImputer(max_iter=40, random_state=0).fit(table)
    new = table[:50].assign(b=np.nan)
    new["c"] = pd.Series([None] * 50, dtype="str")
    done = model.transform(new)
    assert np.corrcoef(done["b"], table["b"][:50])[0, 1] > 0.99
    assert (done["c"] == table["c"][:50]).mean() > 0.85


def test_rows_without_any_value():
    X, _ = numbers()
    X[3] = np.nan
    model = imputer().fit(X)
    done = model.transform(X[2:5])
    assert np.isfinite(done).all()
    with np.errstate(all="ignore"):
        assert (np.abs(done[1] - np.nanmean(X, 0)) < 2 * np.nanstd(X, 0)).all()


@pytest.mark.parametrize("keep", [True, False])
def test_empty_columns(keep):
    table = mixed_table()[["float", "str"]].assign(
        gone=np.nan, declared=pd.Categorical([None] * 60, categories=["x", "y"])
    )
    model = imputer(keep_empty_features=keep)
    if keep:
        done = model.fit_transform(table)
        assert (done["gone"] == 0).all()
        assert (done["declared"] == "x").all()
        assert model.get_feature_names_out().tolist() == list(table)
    else:
        with pytest.warns(UserWarning, match=r"\['gone', 'declared'\] have no values"):
            done = model.fit_transform(table)
        assert list(done) == ["float", "str"] == model.get_feature_names_out().tolist()
    assert not done.isna().any().any()


def test_tables_with_nothing_to_learn():
    X = np.full((5, 2), np.nan)
    with pytest.warns(UserWarning, match="have no values"):
        assert imputer().fit_transform(X).shape == (5, 0)
    X = np.column_stack([np.arange(8.0), np.full(8, 3.0)])
    X[2, 1] = X[3, 0] = np.nan
    done = imputer().fit_transform(X)
    assert done[2, 1] == 3
    assert 0 <= done[3, 0] <= 7
    one = np.array([[1.0], [np.nan], [3.0]])
    np.testing.assert_allclose(imputer().fit_transform(one)[1, 0], 2, atol=1)


def test_thirty_rows():
    X, truth = numbers(30, 5, 0.2)
    done = AutoencoderImputer(random_state=0).fit_transform(X)
    gone = np.isnan(X)
    error = ((done - truth) / truth.std(0))[gone].std()
    assert error < ((np.nanmean(X, 0) - truth) / truth.std(0))[gone].std()


def test_what_cannot_be_read_is_refused_by_name_or_passed_through():
    table = mixed_table()[["float", "category"]]
    spans = pd.interval_range(0.0, float(len(table)))
    table["span"] = pd.Series(spans, index=table.index)
    table.loc[table.index[0], "span"] = None
    with pytest.raises(ValueError, match=r"'span' \(interval.*passthrough"):
        imputer().fit(table)
    done = imputer(columns={"span": "passthrough"}).fit_transform(table)
    assert_completed(table, done, may_keep=["span"])
    pd.testing.assert_series_equal(done["span"], table["span"])


def test_what_is_said_of_columns_holds():
    table = mixed_table()[["float", "Int", "int"]].astype({"int": float})
    table.loc[table.index[:9], "int"] = np.nan
    done = imputer(
        columns={"float": (0.1, 0.2), "Int": (None, -50), "int": "integer"}
    ).fit_transform(table)
    gone = table.isna()
    assert done["float"][gone["float"]].between(0.1, 0.2).all()
    assert (done["Int"][gone["Int"]] <= -50).all()
    assert (done["int"] % 1 == 0).all()
    X = np.array([[0.0, 1], [0, 2], [5, 1], [5, np.nan], [np.nan, 1], [0, 1], [5, 2]])
    done = imputer(columns={0: "category", 1: (5, 6)}).fit_transform(X)
    assert done[4, 0] in (0, 5)
    assert 5 <= done[3, 1] <= 6


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"nowhere": "number"}, "there is no column 'nowhere'"),
        ({"float": "real"}, "must be one of"),
        ({"float": (2, 1)}, "bounds the wrong way"),
        ({"float": (1, 2, 3)}, "must be one of"),
        ({"str": "number"}, r"neither numbers nor categories in column 'str'"),
    ],
)
def test_columns_that_cannot_be(columns, message):
    with pytest.raises(ValueError, match=message):
        imputer(columns=columns).fit(mixed_table())


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_by_column(value):
    table = mixed_table()
    table.iloc[0, 0] = value
    with pytest.raises(ValueError, match="column 'float' holds infinity"):
        imputer().fit(table)
    model = imputer().fit(mixed_table())
    with pytest.raises(ValueError, match="column 'float' holds infinity"):
        model.transform(table)


def test_a_column_that_changes_its_kind_is_refused():
    model = imputer().fit(mixed_table())
    table = mixed_table()
    table["float"] = "text"
    with pytest.raises(ValueError, match="column 'float' held numbers in fit"):
        model.transform(table)


def test_duplicated_names_are_refused():
    table = mixed_table()[["float", "float32"]].set_axis(["a", "a"], axis=1)
    with pytest.raises(ValueError, match=r"columns \['a'\] are there more than once"):
        imputer().fit(table)


@pytest.mark.parametrize("mark", [-1, -1.0, "?"])
def test_other_marks_of_missing_cells(mark):
    table = pd.DataFrame({"n": [1, 2, 3, 2, 1, 3] * 5, "c": ["a", "b"] * 15})
    if mark == "?":
        table.loc[4, "c"] = mark
    else:
        table.loc[4, "n"] = mark
        X = table[["n"]].to_numpy().astype(float)
        done = imputer(missing_values=mark).fit_transform(X)
        assert 1 <= done[4, 0] <= 3
        np.testing.assert_array_equal(np.delete(done, 4, 0), np.delete(X, 4, 0))
    done = imputer(missing_values=mark).fit_transform(table)
    assert done.dtypes.tolist() == table.dtypes.tolist()
    assert done["n"].between(1, 3).all()
    assert done["c"].isin(["a", "b"]).all()
    table = table.astype({"n": float})
    table.loc[0, "n"] = np.nan  # which counts as missing beside the mark
    done = imputer(missing_values=mark).fit_transform(table)
    assert done["n"].between(1, 3).all()
    assert done["c"].isin(["a", "b"]).all()


# Containers


def test_arrays_keep_their_precision():
    X, _ = numbers()
    for dtype in (np.float64, np.float32):
        done = imputer().fit_transform(X.astype(dtype))
        assert done.dtype == dtype
        seen = ~np.isnan(X)
        np.testing.assert_array_equal(done[seen], X.astype(dtype)[seen])


def test_sparse_cells_that_are_absent_are_missing():
    X, _ = numbers(100, 6, 0.6)
    X[:3, 0] = 0.0
    rows, columns = np.nonzero(~np.isnan(X))
    sparse = sp.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)
    a, b = imputer().fit_transform(sparse), imputer().fit_transform(X)
    np.testing.assert_array_equal(a, b)


def test_columns_of_few_ratings_are_pooled():
    rng = np.random.default_rng(0)
    mean, user = 3 + 0.5 * rng.normal(size=300), 0.7 * rng.normal(size=80)
    X = mean + user[:, None] + 0.5 * rng.normal(size=(80, 300))
    train, test = rng.random(X.shape) < 0.08, rng.random(X.shape) < 0.05
    test &= ~train
    rows, columns = np.nonzero(train)
    ratings = sp.csr_array((X[train], (rows, columns)), shape=X.shape)
    done = imputer(keep_empty_features=True, max_iter=10).fit_transform(ratings)
    error = (done - X)[test].std()
    by_column = np.array([X[train[:, j], j].mean() for j in range(300)])
    assert error < 0.8 * (by_column - X)[test].std()
    assert done.min() >= X[train].min() - 1e-5
    assert done.max() <= X[train].max() + 1e-5


def test_a_wild_value_does_not_spoil_its_row():
    X, _ = numbers()
    model = imputer().fit(X)
    for wild in (1e30, -1e300):
        row = np.array([[np.nan, wild, 0.0, np.nan]])
        done = model.transform(row)
        assert np.isfinite(done).all()
        assert done[0, 1] == wild
        assert np.isfinite(model.sample_imputations(row, 1, random_state=0)[0]).all()


def test_an_interrupt_keeps_what_was_fitted(monkeypatch):
    X, _ = numbers()
    model = imputer().fit(X)
    before = model.transform(X)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "train_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:50])
    np.testing.assert_array_equal(model.transform(X), before)


def test_a_column_passed_through_is_not_said_to_be_left_out():
    table = pd.DataFrame({"a": np.arange(9.0), "e": [None] * 9})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        done = imputer(columns={"e": "passthrough"}).fit_transform(table)
    assert list(done) == ["a", "e"]


def test_ratings_with_more_columns_than_rows():
    rng = np.random.default_rng(0)
    taste, kind = rng.normal(size=(60, 2)), rng.normal(size=(2, 200))
    truth = 3 + taste @ kind / 2 + 0.2 * rng.normal(size=(60, 200))
    seen = rng.random(truth.shape) < 0.3
    ratings = sp.csr_array(np.where(seen, truth, 0))
    done = AutoencoderImputer(
        n_estimators=2, network=(16,), max_iter=5, random_state=0
    ).fit_transform(ratings)
    error = (done - truth)[~seen].std()
    assert error < 0.7 * truth.std()


def test_polars_in_polars_out():
    pl = pytest.importorskip("polars")
    table = pl.DataFrame(
        {
            "x": [1.0, 2.0, None, 4.0, float("nan")] * 6,
            "n": pl.Series([1, None, 3, 4, 5] * 6, dtype=pl.Int8),
            "s": ["a", "b", None, "a", "b"] * 6,
            "e": pl.Series(["u", None, "v", "u", "v"] * 6, dtype=pl.Enum(["v", "u"])),
            "c": pl.Series(["u", None, "v", "u", "v"] * 6, dtype=pl.Categorical),
            "b": [True, False, None, True, True] * 6,
        }
    )
    model = imputer(add_indicator=True).fit(table)
    done = model.transform(table)
    assert isinstance(done, pl.DataFrame)
    assert done.columns == model.get_feature_names_out().tolist()
    assert done.schema.dtypes()[:6] == table.schema.dtypes()
    assert done.null_count().sum_horizontal().item() == 0
    for name in table.columns:
        seen = (table[name].is_not_null() & ~table[name].cast(str).eq("NaN")).to_numpy()
        assert done[name].filter(seen).to_list() == table[name].filter(seen).to_list()
    as_pandas = clone(model).set_output(transform="pandas").fit_transform(table)
    assert isinstance(as_pandas, pd.DataFrame)


def test_set_output():
    X, _ = numbers()
    out = imputer().set_output(transform="pandas").fit_transform(X)
    assert out.columns.tolist() == ["x0", "x1", "x2", "x3"]
    table = mixed_table()
    out = imputer().set_output(transform="pandas").fit_transform(table)
    assert_completed(table, out)


def test_indicator():
    X, _ = numbers()
    X[:, 1] = np.nan_to_num(X[:, 1])
    model = imputer(add_indicator=True).fit(X)
    done = model.transform(X)
    gone = np.isnan(X)[:, [0, 2, 3]]
    np.testing.assert_array_equal(done[:, 4:], gone)
    wanted = [f"missingindicator_x{i}" for i in (0, 2, 3)]
    assert model.get_feature_names_out().tolist()[4:] == wanted
    table = mixed_table()
    done = imputer(add_indicator=True).fit_transform(table)
    assert_completed(table, done.iloc[:, :12])
    assert (done["missingindicator_str"] == table["str"].isna()).all()


def test_in_pipelines_searches_and_column_transformers():
    table = mixed_table(120)
    y = (table["int"] > 0).to_numpy()
    encode = ColumnTransformer(
        [("hot", OneHotEncoder(handle_unknown="ignore"), ["str", "category"])],
        remainder="drop",
    )
    pipe = make_pipeline(imputer(), encode, LogisticRegression())
    assert pipe.fit(table, y).score(table, y) > 0.8
    part = ColumnTransformer(
        [("impute", imputer(), ["float", "Int"])], verbose_feature_names_out=False
    ).set_output(transform="pandas")
    assert not part.fit_transform(table).isna().any().any()
    search = GridSearchCV(imputer(), {"max_iter": [1, 20]}, cv=2).fit(numbers()[0])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    X, _ = numbers()
    make_pipeline(StandardScaler(), imputer(), LogisticRegression()).fit(X, X[:, 0] > 0)


# Promises


def test_same_seed_same_result_and_no_global_generator():
    table = mixed_table(30)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b = imputer().fit_transform(table), imputer().fit_transform(table)
    assert torch.equal(before, torch.get_rng_state())
    pd.testing.assert_frame_equal(a, b)
    c = imputer(random_state=1).fit_transform(table)
    assert not a["float"].equals(c["float"])


@pytest.mark.parametrize("d", [1, 3, 6, 11])
def test_a_row_depends_on_itself_alone(d):
    X, _ = numbers(300, d)
    model = imputer().fit(X)
    whole = model.transform(X)
    rng = np.random.default_rng(0)
    for index in (rng.permutation(300), np.arange(17), np.array([5])):
        np.testing.assert_array_equal(whole[index], model.transform(X[index]))


def test_pickle():
    table = mixed_table()
    model = imputer().fit(table)
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(model.transform(table), again.transform(table))


def test_a_fit_that_fails_changes_nothing():
    table = mixed_table()
    model = imputer().fit(table)
    done = model.transform(table)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(table.assign(float=np.inf))
    pd.testing.assert_frame_equal(done, model.transform(table))
    with pytest.raises(ValueError, match="diverged"):
        imputer(learning_rate=1e30, max_iter=20).fit(table)
    with pytest.raises(NotFittedError):
        imputer().transform(table)
    with pytest.raises(ValueError, match=r"'network' parameter .* a tuple of positive"):
        imputer(network=(0,)).fit(table)


@given(tables())
@settings(max_examples=15, deadline=None)
def test_whatever_the_table(table):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*have no values")
        model = imputer(max_iter=1)
        done = model.fit_transform(table)
        again = model.transform(table)
    kept = [name for name in table if table[name].notna().any()]
    assert_completed(table[kept], done)
    pd.testing.assert_frame_equal(done, again)
    for name in kept:
        assert done[name].dtype == table[name].dtype
        if name.startswith(("datetime", "timedelta")):
            assert done[name].between(table[name].min(), table[name].max()).all()
        elif not name.startswith(("float", "Int")):
            assert set(done[name]) <= set(table[name].dropna())


# New rows, as containers hand them over


@pytest.fixture(scope="module")
def small_model():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "a": rng.normal(size=60),
            "k": pd.Categorical(rng.choice(["x", "y"], 60)),
            "i": rng.integers(0, 9, 60),
        }
    )
    return imputer().fit(table)


def test_a_dtype_that_lacks_a_level_gets_it(small_model):
    new = pd.DataFrame({"a": [0.0, 1.0], "k": pd.Categorical([None, "z"]), "i": [1, 2]})
    done = small_model.transform(new)
    assert done["k"][0] in ("x", "y")
    assert done["k"][1] == "z"
    assert "z" in done["k"].cat.categories
    (drawn,) = small_model.sample_imputations(new, 1, random_state=0)
    assert drawn["k"].notna().all()


def test_a_polars_enum_that_lacks_a_level_gets_it():
    pl = pytest.importorskip("polars")
    k = pl.Series("k", ["x", "y"] * 20)
    table = pl.DataFrame([pl.Series("a", np.arange(40.0)), k.cast(pl.Enum(["x", "y"]))])
    new = pl.DataFrame(
        [pl.Series("a", [0.0, 1]), pl.Series("k", [None, "z"]).cast(pl.Enum(["z"]))]
    )
    done = imputer().fit(table).transform(new)
    assert done["k"][0] in ("x", "y")
    assert done["k"][1] == "z"


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA])
@pytest.mark.parametrize("column", ["a", "k", "i"])
def test_a_column_without_a_value_in_new_rows_gets_the_dtype_of_training(
    small_model, empty, column
):
    new = pd.DataFrame({"a": [0.0, 1], "k": ["x", "y"], "i": [1, 2]})
    done = small_model.transform(new.assign(**{column: [empty, empty]}))
    assert done[column].notna().all()
    wanted = {"a": "float64", "k": "category", "i": "int64"}
    assert str(done[column].dtype) == wanted[column]
    one = small_model.transform(new[:1].assign(**{column: [empty]}))
    assert one[column][0] == done[column][0]


def test_numbers_go_into_whatever_dtype_new_rows_have(small_model):
    new = pd.DataFrame({"a": [0.5, 1], "k": ["x", "y"], "i": [1, 2]})
    for dtype in ("Int64", "Float32", "int64"):
        changed = new.assign(a=pd.array([1, 2], dtype=dtype), i=[np.nan, 2.5])
        if dtype != "int64":
            changed.loc[0, "a"] = None
        done = small_model.transform(changed)
        assert str(done["a"].dtype) == dtype
        assert not done.isna().any().any()
        assert done["i"][0] == round(done["i"][0])


@pytest.mark.parametrize(
    "method", ["transform", "sample_imputations", "predict_quantiles",
               "predict_probabilities", "score"]
)  # fmt: skip
def test_unfitted(method):
    with pytest.raises(NotFittedError):
        getattr(imputer(), method)(np.zeros((3, 2)))


def test_lists_are_arrays():
    X, _ = numbers(60)
    model = imputer().fit(X.tolist())
    quantiles = model.predict_quantiles(X.tolist())
    pd.testing.assert_frame_equal(quantiles, model.predict_quantiles(X))
    assert len(model.predict_probabilities(X.tolist())) == 0


def test_columns_are_called_as_the_table_calls_them():
    X, _ = numbers(60)
    table = pd.DataFrame(X).assign(more=pd.array([3, 4] * 30, dtype="Int64"))
    table.columns = [0, 1, 2, 3, 7]
    table.loc[0, 7] = pd.NA
    model = imputer(columns={7: "category"}).fit(table)
    assert model.column_scores_.index.tolist() == [0, 1, 2, 3, 7]
    index = model.predict_probabilities(table).index
    assert index.get_level_values("value").tolist() == [3, 4]
    assert set(index.get_level_values("column")) == {7}


def test_bounds_without_an_integer_are_refused():
    table = pd.DataFrame({"a": [0, 1, 2, 1]})
    with pytest.raises(ValueError, match=r"no integer in the bounds.*'a'"):
        imputer(columns={"a": (0.2, 0.8)}).fit(table)
    with pytest.raises(ValueError, match="no integer in the bounds"):
        imputer(columns={0: ("integer", 0.2, 0.8)}).fit(table.to_numpy(dtype=float))


@pytest.mark.slow
def test_a_median_has_the_smaller_absolute_error_and_is_a_value():
    rng = np.random.default_rng(0)
    z = rng.normal(size=800)
    table = pd.DataFrame({"z": z, "bill": np.exp(z + 0.7 * rng.normal(size=800)).round(2)})
    table["visits"] = rng.poisson(np.exp(z / 2))
    gone = rng.random((800, 2)) < 0.3
    holed = table.copy().astype(float)
    holed.iloc[:, 1:] = holed.iloc[:, 1:].mask(gone)
    wrong, scores = {}, {}
    for statistic in ("mean", "median"):
        model = AutoencoderImputer(max_iter=20, statistic=statistic, random_state=0)
        done = model.fit_transform(holed)
        error = (done - table).iloc[:, 1:].to_numpy()[gone]
        wrong[statistic] = np.abs(error).mean(), np.square(error).mean()
        scores[statistic] = model.score(holed)
    assert wrong["median"][0] < wrong["mean"][0]
    assert wrong["median"][1] > wrong["mean"][1]
    assert np.isin(done["visits"], table["visits"]).all()
    baseline = np.abs(table - holed.median()).iloc[:, 1:].to_numpy()[gone].mean()
    assert wrong["median"][0] < baseline
    assert 0.05 < scores["median"] < scores["mean"] < 0.6
    np.testing.assert_array_equal(
        done["bill"][gone[:, 0]],
        model.predict_quantiles(holed, (0.5,)).xs("bill", level="column")[0.5],
    )
