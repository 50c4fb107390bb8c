"""Whatever holds the rows, the rows are the same; hard tables; what scikit-learn adds."""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import torch
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    LatentSampler,
    VariationalAutoencoder,
)
from skae.metrics import reconstruction_error

pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.usefixtures("quick"),
]
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2.0, size=(70, 5))
COUNTS[:, 0] = COUNTS[:, 0] > 1
X = COUNTS.astype(float)
FRAME = pd.DataFrame(X, columns=list("abcde"))


def make(n_components=2, **params):
    return Autoencoder(n_components, **{"max_iter": 3, "random_state": 0, **params})


class Streaming:
    """A table of another library, which Arrow can read."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Interchanging:
    """A table of another library, by the older protocol."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, *args, **kwargs):
        return self.table.__dataframe__(*args, **kwargs)


def arrow(a):
    return pa.table(list(a.T.copy()), names=list("abcde"))


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


CONTAINERS = {
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "int64": lambda a: a.astype(np.int64),
    "int8": lambda a: a.astype(np.int8),
    "uint8": lambda a: a.astype(np.uint8),
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "read_only": read_only,
    "big_endian": lambda a: a.astype(">f8"),
    "object": lambda a: a.astype(object),
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(map(tuple, a.tolist())),
    "frame": lambda a: pd.DataFrame(a),
    "frame_float32": lambda a: pd.DataFrame(a).astype("float32"),
    "frame_Int64": lambda a: pd.DataFrame(a).astype("Int64"),
    "frame_mixed": lambda a: pd.DataFrame(a).astype(
        {0: bool, 1: "Int64", 2: "float32", 3: "Float64", 4: "int8"}
    ),
    "csr": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_matrix,
    "tensor": lambda a: torch.from_numpy(a.copy()),
    "tensor_grad": lambda a: torch.from_numpy(a.copy()).requires_grad_(),
    "tensor_bfloat16": lambda a: torch.from_numpy(a).bfloat16(),  # small counts fit
    "polars": lambda a: pl.DataFrame(a, schema=list("abcde")),
    "pyarrow": arrow,
    "record_batch": lambda a: arrow(a).to_batches()[0],
    "streaming": lambda a: Streaming(arrow(a)),
    "interchanging": lambda a: Interchanging(arrow(a)),
}
OF_OTHERS = [*CONTAINERS][-8:]


@pytest.mark.filterwarnings("ignore:X (has|does not have):UserWarning")
@pytest.mark.parametrize("convert", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_gives_the_codes_of_its_dense_array(convert):
    estimator = make().fit(X)
    same = convert(X)
    for method in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(
            getattr(estimator, method)(same), getattr(estimator, method)(X)
        )


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in CONTAINERS
        if not n.startswith(("cs", "coo", "tuple", "list")) and n not in OF_OTHERS
    ],
)
def test_fit_learns_the_same_from_every_dense_container(name):
    same = CONTAINERS[name](X)
    estimator = make().fit(same)
    np.testing.assert_allclose(estimator.loss_curve_, make().fit(X).loss_curve_, rtol=1e-5)
    pd.testing.assert_frame_equal(pd.DataFrame(X), pd.DataFrame(CONTAINERS[name](X)),
                                  check_dtype=False)  # fmt: skip


@pytest.mark.parametrize("name", ["csr", "csr_array", "csc", "coo"])
def test_fit_learns_the_same_from_every_sparse_container(name):
    expected = make().fit(sp.csr_matrix(X))
    estimator = make().fit(CONTAINERS[name](X))
    assert estimator.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(estimator.transform(X), expected.transform(X))


@pytest.mark.parametrize("name", OF_OTHERS)
@pytest.mark.parametrize(
    ("estimator", "methods"),
    [
        (make(), ["reconstruct"]),
        (make(likelihood="mixed"), ["transform", "reconstruct"]),
        (AutoencoderOutlierDetector(make(), n_estimators=1, random_state=0), ["predict"]),
        (AutoencoderFeatureSelector(2, max_iter=1, random_state=0), ["reconstruct"]),
        (AutoencoderImputer(1, network=(8,), max_iter=1, random_state=0), ["transform"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_estimator_reads_containers_of_others(estimator, methods, name):
    rows = CONTAINERS[name](X)
    fitted = sklearn.clone(estimator).fit(rows)
    expected = sklearn.clone(estimator).fit(X)
    for method in methods:
        np.testing.assert_allclose(
            np.asarray(getattr(fitted, method)(rows)),
            np.asarray(getattr(expected, method)(X)),
            rtol=1e-5,
        )


def test_codes_and_measures_may_be_tensors():
    estimator = make().fit(X)
    codes = estimator.transform(X)
    np.testing.assert_array_equal(
        estimator.inverse_transform(torch.from_numpy(codes).requires_grad_()),
        estimator.inverse_transform(codes),
    )
    tensor = torch.from_numpy(X).requires_grad_()
    assert reconstruction_error(tensor, X) == 0


@pytest.mark.parametrize(
    "estimator",
    [make(), make(likelihood="mixed"), AutoencoderImputer(max_iter=1)],
    ids=["plain", "mixed", "imputer"],
)
def test_what_has_no_rows_yet_is_told_to_collect_them(estimator):
    lazy = pl.DataFrame(X, schema=list("abcde")).lazy()
    with pytest.raises(ValueError, match=r"lazy table.*X\.collect\(\)"):
        estimator.fit(lazy)
    with pytest.raises(ValueError, match=r"lazy table.*X\.collect\(\)"):
        estimator.fit(X).transform(lazy)
    with pytest.raises(ValueError, match=r"sparse tensor.*to_dense"):
        estimator.fit(torch.eye(5).to_sparse())


@pytest.mark.parametrize(
    "reader",
    [
        make(),
        AutoencoderOutlierDetector(make(), n_estimators=1),
        AutoencoderFeatureSelector(2, max_iter=1),
    ],
    ids=lambda reader: type(reader).__name__,
)
@pytest.mark.parametrize(
    "names", [range(5), pd.MultiIndex.from_product([["a"], range(5)])], ids=["int", "tuple"]
)
def test_columns_are_told_by_names_of_every_type(reader, names):
    table = pd.DataFrame(X, columns=names)
    fitted = sklearn.clone(reader).fit(table)
    method = fitted.reconstruct if hasattr(fitted, "reconstruct") else fitted.predict
    with pytest.raises(ValueError, match="another order than in fit"):
        method(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="are not those of fit"):
        method(FRAME)
    np.testing.assert_array_equal(method(table), method(X))


def test_bool_rows_are_zeros_and_ones():
    rows = X > 2
    estimator = make().fit(rows)
    np.testing.assert_array_equal(
        estimator.transform(rows), estimator.transform(rows.astype(float))
    )


@pytest.mark.parametrize("dtype", ["float32", "bool", "Int64", "int32", "float64"])
def test_every_column_of_every_dtype_counts(dtype):
    frame = FRAME.astype({"a": dtype})
    estimator = make(5, network=()).fit(frame)
    changed = frame.assign(a=(1 - X[:, 0])).astype({"a": dtype})
    assert (estimator.transform(frame) != estimator.transform(changed)).any(axis=1).all()


def test_polars_rows_are_rows():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(X, schema=list("abcde"))
    estimator = make().fit(frame)
    assert list(estimator.feature_names_in_) == list("abcde")
    np.testing.assert_array_equal(estimator.transform(frame), estimator.transform(FRAME))
    assert isinstance(
        estimator.set_output(transform="polars").transform(frame), pl.DataFrame
    )


# Pictures


@pytest.mark.parametrize("shape", [(4, 3), (1, 4, 3), (3, 4, 3)])
def test_pictures_come_back_in_the_shape_that_fit_saw(shape, rng):
    pictures = rng.normal(size=(30, *shape))
    estimator = make().fit(pictures)
    flat = pictures.reshape(30, -1)
    assert estimator.n_features_in_ == flat.shape[1]
    np.testing.assert_array_equal(estimator.transform(flat), estimator.transform(pictures))
    assert estimator.reconstruct(pictures).shape == pictures.shape
    assert estimator.reconstruct(flat).shape == pictures.shape
    assert estimator.inverse_transform(estimator.transform(flat)).shape == pictures.shape
    assert estimator.interpolate(pictures[:2], pictures[2:4], 5).shape == (2, 5, *shape)
    np.testing.assert_array_equal(
        estimator.transform(pictures.tolist()), estimator.transform(pictures)
    )


def test_pictures_are_scaled_by_channel(rng):
    pictures = rng.normal(size=(200, 2, 3, 3)) * np.array([1, 100])[:, None, None]
    scale = make().fit(pictures).net_.module_.likelihood.scale.reshape(2, 9)
    np.testing.assert_allclose(scale, [[1.0] * 9, [100.0] * 9], rtol=0.1)
    assert (np.ptp(scale, axis=1) == 0).all()


# Hard tables


def test_a_column_of_large_values_and_small_variation_survives(rng):
    small = rng.normal(size=300) * 10
    rows = np.c_[small + 1.7e9, small, rng.normal(size=300)]
    estimator = make(3, network="auto", max_iter=20).fit(rows)
    residual = estimator.reconstruct(rows)[:, 0] - rows[:, 0]
    assert np.sqrt(np.mean(residual**2)) < 2


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e12])
@pytest.mark.parametrize("rest", [True, False], ids=["beside_others", "alone"])
def test_a_constant_column_is_reconstructed_exactly_and_counts_nothing(value, rest):
    others = X if rest else X[:, :0]
    rows = np.c_[np.full(len(X), value), others]
    estimator = make().fit(rows)
    np.testing.assert_array_equal(estimator.reconstruct(rows)[:, 0], value)
    moved = rows + np.eye(1, rows.shape[1]) * 1e6
    np.testing.assert_array_equal(
        estimator.score_samples(rows), estimator.score_samples(moved)
    )
    if not rest:
        np.testing.assert_array_equal(estimator.score_samples(rows), 0)


def test_rounding_errors_are_a_constant(rng):
    jitter = 1e8 * (1 + np.finfo(float).eps * rng.integers(-1, 2, size=len(X)))
    estimator = make().fit(np.c_[jitter, X])
    np.testing.assert_allclose(estimator.reconstruct(np.c_[jitter, X])[:, 0], 1e8)
    assert not estimator.net_.module_.likelihood.active[0]


@pytest.mark.parametrize(
    ("rows", "params"),
    [
        pytest.param(X[:5], {}, id="five_rows"),
        pytest.param(X[:2], {}, id="two_rows"),
        pytest.param(X[:, 1:2], {"n_components": 1}, id="one_column"),
        pytest.param(X, {"batch_size": 10_000}, id="batch_larger_than_table"),
        pytest.param(X[:5], {"batch_size": 512}, id="batch_larger_than_tiny_table"),
        pytest.param(X, {"n_components": 50}, id="more_components_than_columns"),
        pytest.param(X[:5], {"n_components": 50}, id="more_components_than_rows"),
        pytest.param(X[:5], {"n_components": "auto"}, id="auto_of_five_rows"),
        pytest.param(X[:, 1:2], {"n_components": "auto"}, id="auto_of_one_column"),
        pytest.param(np.ones((9, 3)), {"n_components": "auto"}, id="all_constant"),
        pytest.param(X[:1].repeat(9, 0), {}, id="one_row_repeated"),
        pytest.param(X * 1e-200, {}, id="tiny_values"),
        pytest.param(X * 1e150, {}, id="huge_values"),
        pytest.param(X, {"validation_fraction": 0.999}, id="nearly_all_held_out"),
        pytest.param(np.eye(4), {"likelihood": "categorical"}, id="one_hot"),
    ],
)
def test_odd_tables_work_without_a_numerical_warning(rows, params):
    estimator = make(**params).fit(rows)
    codes = estimator.transform(rows)
    assert codes.shape == (len(rows), estimator.n_components_)
    assert np.isfinite(estimator.reconstruct(rows)).all()
    assert np.isfinite(estimator.score_samples(rows)).all()
    assert estimator.n_components_ == params.get("n_components", 2) or "auto" in str(params)


def test_partial_fit_goes_on_with_a_single_row():
    estimator = make().partial_fit(X).partial_fit(X[:1])
    assert np.isfinite(estimator.score(X))


# What scikit-learn adds


def test_output_and_names_follow_the_frame():
    frame = FRAME.set_index(np.arange(100, 170))
    out = make().set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["autoencoder0", "autoencoder1"]
    assert out.index.equals(frame.index)
    assert (out.dtypes == np.float32).all()
    estimator = make().set_output(transform="pandas").fit(frame)
    assert isinstance(estimator.reconstruct(frame), np.ndarray)
    assert estimator.interpolate(frame[:2], frame[2:4], 3).shape == (2, 3, 5)
    np.testing.assert_array_equal(
        estimator.inverse_transform(out), estimator.reconstruct(X)
    )


def test_a_code_of_a_frame_may_be_a_frame():
    estimator = make().set_output(transform="pandas").fit(FRAME)
    codes = estimator.transform(FRAME)
    np.testing.assert_array_equal(
        estimator.inverse_transform(codes), estimator.inverse_transform(codes.to_numpy())
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
@pytest.mark.parametrize("y", [["a"] * 70, np.arange(70), np.full(70, None), "nonsense"])
def test_y_is_ignored_whatever_it_is(method, y):
    getattr(make().fit(X), method)(X, y)


class Stop:
    """A callback that ends training after some epochs."""

    def __init__(self, after):
        self.after, self.seen, self.scores = after, 0, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        if context.task_name == "epoch":
            self.seen += 1
            self.scores.append(fitted_estimator.score(X))
        return self.seen >= self.after


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_callback_stops_training(early_stopping):
    stop = Stop(2)
    estimator = make(max_iter=50, early_stopping=early_stopping).set_callbacks(stop).fit(X)
    assert estimator.n_iter_ == stop.seen == 2


def test_the_last_score_that_a_callback_sees_is_the_estimators():
    stop = Stop(100)
    estimator = make(early_stopping=False).set_callbacks(stop).fit(X)
    assert stop.scores[-1] == pytest.approx(estimator.score(X), rel=1e-6)


def likelihood_score(estimator, X, y=None):
    return {"log_likelihood": estimator.score(X)}


def test_monitors_and_progress_bars_work_within_a_search(capsys):
    pytest.importorskip("rich")
    monitor = ScoringMonitor(scoring=likelihood_score)
    search = GridSearchCV(make().set_callbacks(monitor), {"n_components": [1, 2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
    assert search.best_estimator_.n_iter_ == 3
    deadline = time.monotonic() + 5
    while not monitor._log and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    logs = [
        row["log_likelihood"]
        for log in monitor.get_logs("all")
        for row in log.data
        if row["task_name"] == "epoch"
    ]
    assert len(logs) == 3 * 5  # two candidates in two folds, and the refit
    assert np.isfinite(logs).all()


def test_sample_weight_is_routed_through_a_pipeline():
    weight = np.r_[np.ones(35), np.zeros(35)]
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=True),
            make().set_fit_request(sample_weight=True),
        ).fit(X, sample_weight=weight)
    direct = make().fit(
        StandardScaler().fit(X, sample_weight=weight).transform(X), sample_weight=weight
    )
    np.testing.assert_array_equal(pipeline[-1].transform(X), direct.transform(X))


@pytest.mark.parametrize("fitted", [False, True])
def test_the_html_repr_links_to_the_documentation_and_explains_parameters(fitted):
    estimator = make(early_stopping=False)
    html = (estimator.fit(X) if fitted else estimator)._repr_html_()
    assert "https://skae.readthedocs.io/en/stable/generated/skae.Autoencoder.html" in html
    for name in ("n_components", "validation_fraction", "net_params"):
        assert name in html
    assert "param-doc-description" in html
    assert Autoencoder.__doc__.count("----------") >= 1


@pytest.mark.parametrize("likelihood", ["gaussian", "mixed"])
@pytest.mark.parametrize("name", ["polars", "pyarrow", "record_batch", "streaming"])
def test_rows_are_drawn_as_the_table_that_was_read(name, likelihood):
    table = CONTAINERS[name](X)
    vae = VariationalAutoencoder(2, likelihood=likelihood, max_iter=3, random_state=0)
    sampler = LatentSampler(vae, random_state=0)
    for model in (vae.fit(table), sampler.fit(table)):
        drawn = model.sample(300, 0, noise=True)
        assert type(drawn) is (pl.DataFrame if name == "polars" else pa.Table)
        assert set(np.asarray(drawn["a"])) == {0.0, 1.0}
