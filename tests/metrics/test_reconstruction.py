import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import NMF, PCA, IncrementalPCA, KernelPCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import explained_variance_score, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle

from skae import Autoencoder
from skae.metrics import (
    explained_variance_ratio,
    explained_variance_scorer,
    reconstruction_error,
    reconstruction_error_scorer,
    smallest_within,
)

OUTPUTS = ["overall", "rows", "features"]
BOTH = [reconstruction_error, explained_variance_ratio]


def pair(n=30, d=4, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** np.arange(d) + rng.normal(size=d)
    return X, X + noise * rng.normal(size=(n, d)) * X.std(axis=0)


def pairs():
    """Hypothesis: X and a reconstruction of the same shape."""
    shape = st.tuples(st.integers(2, 8), st.integers(1, 5))
    cells = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
    return shape.flatmap(lambda s: st.tuples(*2 * [arrays(float, s, elements=cells)]))


# Values


def test_reconstruction_error_by_hand():
    X, other = [[0, 0], [4, 2]], [[0, 1], [1, 2]]
    assert reconstruction_error(X, other) == 2.5
    assert_array_equal(reconstruction_error(X, other, output="rows"), [0.5, 4.5])
    assert_array_equal(reconstruction_error(X, other, output="features"), [4.5, 0.5])
    weighted = partial(reconstruction_error, X, other, sample_weight=[3, 1])
    assert weighted() == 1.5
    assert_array_equal(weighted(output="features"), [9 / 4, 3 / 4])
    assert_array_equal(weighted(output="rows"), [0.5, 4.5])


def test_explained_variance_by_hand():
    X, other = [[0, 0], [4, 2]], [[0, 1], [1, 2]]  # means 2, 1; deviations 2, 1
    ratio = partial(explained_variance_ratio, X, other)
    assert_allclose(ratio(output="features"), [1 - 9 / 8, 1 - 1 / 2])
    assert_allclose(ratio(standardize=False), 1 - 10 / 10)
    assert_allclose(ratio(standardize=False, output="rows"), [1 - 1 / 5, 1 - 9 / 5])
    assert_allclose(ratio(), 1 - (9 / 4 + 1) / 4)
    assert_allclose(ratio(output="rows"), [1 - 1 / 2, 1 - (9 / 4) / 2])


def test_explained_variance_around_training_mean_by_hand():
    X, other, X_train = [[0, 0], [4, 2]], [[0, 1], [1, 2]], [[0, 0], [2, 8]]
    ratio = partial(explained_variance_ratio, X, other, X_train=X_train)
    # means 1, 4; deviations 1, 4; totals 1 + 9 and 16 + 4
    assert_allclose(ratio(output="features"), [1 - 9 / 10, 1 - 1 / 20])
    assert_allclose(ratio(standardize=False), 1 - 10 / 30)
    assert_allclose(ratio(), 1 - (9 + 1 / 16) / (10 + 20 / 16))
    assert_allclose(ratio(output="rows"), [1 - (1 / 16) / 2, 1 - 9 / (9 + 4 / 16)])


def test_agrees_with_sklearn():
    X, other = pair()
    weight = np.random.default_rng(1).uniform(size=len(X))
    for w in (None, weight):
        kwargs = {"sample_weight": w}
        assert_allclose(
            reconstruction_error(X, other, **kwargs), mean_squared_error(X, other, **kwargs)
        )
        for output, standardize, multioutput in [
            ("overall", True, "uniform_average"),
            ("overall", False, "variance_weighted"),
            ("features", True, "raw_values"),
            ("features", False, "raw_values"),
        ]:
            assert_allclose(
                explained_variance_ratio(
                    X, other, output=output, standardize=standardize, **kwargs
                ),
                r2_score(X, other, multioutput=multioutput, **kwargs),
            )


def test_agrees_with_pca():
    X = load_wine().data
    pca = PCA(3).fit(X)
    other = pca.inverse_transform(pca.transform(X))
    share = explained_variance_ratio(X, other, standardize=False)
    assert_allclose(share, pca.explained_variance_ratio_.sum())
    # residuals average to zero, so the lenient score is the same
    assert_allclose(
        share, explained_variance_score(X, other, multioutput="variance_weighted")
    )


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_averages_of_parts_are_the_whole(data):
    X, other = data
    whole = reconstruction_error(X, other)
    assert whole >= 0
    for output in ("rows", "features"):
        parts = reconstruction_error(X, other, output=output)
        assert parts.dtype == np.float64
        assert_allclose(parts.mean(), whole)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.floats(0.1, 100), st.integers(0, 3))
def test_units_and_repetition_do_not_matter(data, factor, extra):
    X, other = data
    X = X + np.arange(len(X))[:, None] * 1e4  # no column is constant
    for output in OUTPUTS:
        ratio = partial(explained_variance_ratio, output=output)
        expected = ratio(X, other)
        units = factor ** np.arange(1, X.shape[1] + 1)
        assert_allclose(ratio(X * units, other * units), expected, rtol=1e-6, atol=1e-6)
        assert np.all((ratio(X, X) == 1) | np.isnan(expected))
    weight = np.ones(len(X), dtype=int)
    weight[0] += extra
    repeated = np.repeat(X, weight, axis=0), np.repeat(other, weight, axis=0)
    for metric in BOTH:
        assert_allclose(
            metric(X, other, sample_weight=weight), metric(*repeated), rtol=1e-7
        )


@pytest.mark.parametrize("unit", [1.0, 0.3940031610976913, 0.1, 3.7])
def test_a_row_at_the_mean_has_nothing_to_explain_in_any_unit(unit):
    X = np.array([[0.0], [1e4], [2e4]]) * unit
    ratio = explained_variance_ratio(X, np.zeros_like(X), output="rows")
    assert_allclose(ratio, [1.0, np.nan, -3.0])


def test_mean_explains_nothing():
    X, _ = pair()
    mean = np.broadcast_to(X.mean(axis=0), X.shape)
    for output in OUTPUTS:
        assert_allclose(explained_variance_ratio(X, mean, output=output), 0, atol=1e-12)


# Constants, precision, extremes


def test_constant_columns_are_left_out():
    X, other = pair()
    column = np.full((len(X), 1), 0.1)  # its mean is not exactly 0.1
    X_wide, other_wide = np.hstack([X, column]), np.hstack([other, column + 1])
    for standardize in (True, False):
        for output in ("overall", "rows"):
            ratio = partial(
                explained_variance_ratio, output=output, standardize=standardize
            )
            assert_array_equal(ratio(X_wide, other_wide), ratio(X, other))
        by_feature = explained_variance_ratio(
            X_wide, other_wide, output="features", standardize=standardize
        )
        assert_array_equal(np.isnan(by_feature), [False] * 4 + [True])


def test_column_constant_in_training_only_is_left_out():
    X, other = pair(d=2)
    X_train = X.copy()
    X_train[:, 0] = 3.0
    share = explained_variance_ratio(X, other, X_train=X_train)
    assert_allclose(share, explained_variance_ratio(X[:, 1:], other[:, 1:]))


def test_row_at_the_mean_is_nan():
    rows = explained_variance_ratio([[0.0], [1], [2]], [[0.0], [1], [2]], output="rows")
    assert_array_equal(rows, [1, np.nan, 1])


def test_large_offset_survives():
    rng = np.random.default_rng(0)
    X = 1.7e9 + 10 * rng.normal(size=(100, 1))
    other = X + rng.normal(size=(100, 1))
    assert_allclose(
        explained_variance_ratio(X, other),
        explained_variance_ratio(X - 1.7e9, other - 1.7e9),
        rtol=1e-6,
    )


def test_single_row_needs_training_data():
    X, other = pair()
    with pytest.raises(ValueError, match=r"X: every column is constant.*X_train"):
        explained_variance_ratio(X[:1], other[:1])
    assert explained_variance_ratio(X[:1], other[:1], X_train=X) < 1


@pytest.mark.filterwarnings("error")
def test_absurd_reconstruction_is_no_warning():
    X, other = pair()
    assert reconstruction_error(X, other + 1e200) == np.inf
    assert explained_variance_ratio(X, other + 1e200) == -np.inf


# Containers


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "container",
    [
        np.ndarray.tolist,
        pd.DataFrame,
        sp.csr_matrix,
        sp.csr_array,
        sp.coo_array,
        np.asfortranarray,
        lambda X: X.reshape(-1, 2, 2),
        lambda X: X.reshape(-1, 1, 2, 2),
    ],
)
def test_containers(metric, output, container):
    X, other = pair()
    expected = metric(X, other, output=output)
    assert_allclose(metric(container(X), container(other), output=output), expected)
    assert_allclose(metric(container(X), other, output=output), expected)
    result = metric(container(X), container(other), output=output)
    assert isinstance(result, float) if output == "overall" else result.ndim == 1


def test_training_data_in_containers():
    X, other = pair()
    expected = explained_variance_ratio(X, other)
    for container in (pd.DataFrame, sp.csr_array, lambda X: X.reshape(-1, 2, 2)):
        share = explained_variance_ratio(X, other, X_train=container(X))
        assert_allclose(share, expected)


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64, bool])
def test_all_is_computed_in_float64(metric, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 200, (50, 3)).astype(dtype)
    other = rng.integers(0, 200, (50, 3)).astype(dtype)
    if dtype is bool:
        X, other = rng.random((2, 50, 3)) > 0.5
    for output in OUTPUTS:
        expected = metric(X.astype(float), other.astype(float), output=output)
        assert_array_equal(metric(X, other, output=output), expected)


def test_many_blocks(monkeypatch):
    X, other = pair(n=101)
    expected = [m(X, other, output=o) for m in BOTH for o in OUTPUTS]
    monkeypatch.setattr("skae._data.rows.BLOCK_BYTES", 8 * 4 * 10)  # ten rows
    found = [m(X, other, output=o) for m in BOTH for o in OUTPUTS]
    for a, b in zip(found, expected, strict=True):
        assert_allclose(a, b)


def test_inputs_are_left_alone():
    X, other = pair()
    before = X.copy(), other.copy()
    X.flags.writeable = other.flags.writeable = False
    for metric in BOTH:
        metric(X, other)
    assert_array_equal((X, other), before)


# Errors


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize(
    ("X", "other", "kwargs", "message"),
    [
        ([[1.0, np.nan], [0, 1]], [[1, 2], [3, 4]], {}, "^X: .*NaN"),
        ([[1, 2], [3, 4]], [[1.0, np.inf], [0, 1]], {}, "^X_reconstructed: .*infinity"),
        ([1, 2], [[1, 2]], {}, "^X: .*1D array"),
        ([["a", "b"]], [[1, 2]], {}, "^X: "),
        ([[1, 2], [3]], [[1, 2], [3, 4]], {}, "^X: "),
        (np.empty((0, 2)), np.empty((0, 2)), {}, "^X: .*0 sample"),
        ([[1, 2], [3, 4]], [[1, 2]], {}, r"^X_reconstructed has shape \(1, 2\)"),
        ([[1, 2], [3, 4]], [[1], [2]], {}, r"^X_reconstructed has shape \(2, 1\)"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], {"output": "raw"}, "^output must be one of"),
        ([[1], [2]], [[1], [2]], {"sample_weight": [1, 2, 3]}, "^sample_weight"),
        ([[1], [2]], [[1], [2]], {"sample_weight": [-1, 2]}, "^sample_weight: Negative"),
        ([[1], [2]], [[1], [2]], {"sample_weight": [0, 0]}, "^sample_weight: .*non-zero"),
        ([[1], [2]], [[1], [2]], {"sample_weight": [1, np.nan]}, "^sample_weight: .*NaN"),
    ],
)
def test_errors_name_the_argument(metric, X, other, kwargs, message):
    with pytest.raises(ValueError, match=message):
        metric(X, other, **kwargs)


@pytest.mark.parametrize(
    ("X_train", "message"),
    [
        ([[1, 2, 3]], "^X_train has 3 features, but X has 2"),
        ([[1, np.nan]], "^X_train: .*NaN"),
        ([[1, 2]], "^X_train: every column is constant"),
    ],
)
def test_errors_of_training_data(X_train, message):
    with pytest.raises(ValueError, match=message):
        explained_variance_ratio([[1, 2], [3, 4]], [[1, 2], [3, 4]], X_train=X_train)


# Scorers


def quick(n_components=2, **kwargs):
    return Autoencoder(n_components, max_iter=2, random_state=0, **kwargs)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:150]


REDUCERS = [
    PCA(2),
    NMF(2, max_iter=2000),
    KernelPCA(2, kernel="rbf", fit_inverse_transform=True),
    quick(),
]


@pytest.mark.parametrize("scorer", [explained_variance_scorer, reconstruction_error_scorer])
@pytest.mark.parametrize("reducer", REDUCERS, ids=lambda r: type(r).__name__)
def test_scorers_by_definition(scorer, reducer):
    X = load_iris().data
    fitted = clone(reducer).fit(X)
    other = fitted.inverse_transform(fitted.transform(X))
    expected = {
        explained_variance_scorer: explained_variance_ratio(X, other),
        reconstruction_error_scorer: -reconstruction_error(X, other),
    }[scorer]
    assert type(scorer(fitted, X)) is float
    assert scorer(fitted, X) == scorer(fitted, X, np.zeros(len(X))) == expected


def test_scorer_keywords():
    X = load_wine().data
    pca = PCA(2).fit(X[:100])
    other = pca.inverse_transform(pca.transform(X[100:]))
    kwargs = {"standardize": False, "X_train": X[:100]}
    score = pickle.loads(pickle.dumps(partial(explained_variance_scorer, **kwargs)))
    assert score(pca, X[100:]) == explained_variance_ratio(X[100:], other, **kwargs)


@pytest.mark.parametrize("reducer", [PCA(2), quick()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
def test_scorers_of_pipelines_with_set_output(reducer, container, recwarn):
    if container == "polars":
        pytest.importorskip("polars")
    X = load_iris(as_frame=True).data
    pipeline = make_pipeline(StandardScaler(), clone(reducer))
    expected = explained_variance_scorer(clone(pipeline).fit(X), X)
    pipeline.set_output(transform=container).fit(X)
    recwarn.clear()
    assert explained_variance_scorer(pipeline, X) == pytest.approx(expected)
    assert not [w for w in recwarn if "feature names" in str(w.message)]


def test_scorers_of_pictures_and_sparse_rows(digits):
    pictures = digits.reshape(-1, 8, 8)
    autoencoder = quick().fit(pictures)
    other = autoencoder.reconstruct(pictures)
    share = explained_variance_scorer(autoencoder, pictures)
    ratio = explained_variance_ratio(digits, other.reshape(-1, 64))
    assert share == pytest.approx(ratio, abs=0.01)  # but for pixels of hardly any ink
    sparse = TfidfTransformer().fit_transform(sp.csr_array(digits))
    assert explained_variance_scorer(quick().fit(sparse), sparse) < 1
    assert explained_variance_scorer(NMF(2).fit(sparse), sparse) < 1


def test_estimator_without_inverse_transform():
    X = load_iris().data
    with pytest.raises(TypeError, match="TfidfTransformer has no inverse_transform"):
        explained_variance_scorer(TfidfTransformer().fit(X), X)


def test_constant_fold_scores_nan_not_the_search():
    X = np.r_[np.zeros((10, 2)), np.random.default_rng(0).normal(size=(10, 2))]
    with pytest.warns(UserWarning, match="every column is constant"):
        scores = cross_val_score(PCA(1), X, scoring=explained_variance_scorer, cv=2)
    assert_array_equal(np.isnan(scores), [True, False])


def rivals(step, sizes=(1, 2)):
    """One grid a reducer, all of one step."""
    return [{step: [r], f"{step}__n_components": list(sizes)} for r in REDUCERS]


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_search_over_all_reducers(n_jobs):
    X = shuffle(load_iris().data, random_state=0)
    search = GridSearchCV(
        Pipeline([("reduce", "passthrough")]),
        rivals("reduce"),
        scoring=explained_variance_scorer,
        refit=smallest_within(0.5),
        cv=2,
        n_jobs=n_jobs,
    ).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert scores.shape == (8,)
    assert np.isfinite(scores).all()
    assert type(search.best_index_) is int
    sizes = search.cv_results_["param_reduce__n_components"]
    assert search.best_index_ == np.where(sizes == 1, scores, -np.inf).argmax()
    assert search.best_estimator_["reduce"].n_components == 1
    assert search.score(X) == explained_variance_scorer(search.best_estimator_, X)
    assert clone(search).refit == search.refit


def test_search_with_several_metrics_and_a_scaler():
    X = shuffle(load_wine().data, random_state=0)
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("reduce", PCA())]),
        {"scale": [StandardScaler(), "passthrough"], "reduce__n_components": [2, 8, 13]},
        scoring={"share": explained_variance_scorer, "error": reconstruction_error_scorer},
        refit=smallest_within(0.2, metric="share"),
        cv=3,
    ).fit(X)
    assert search.best_params_["reduce__n_components"] == 8
    assert isinstance(search.best_params_["scale"], StandardScaler)


# smallest_within


def results(sizes, scores, metric="score", name="n_components"):
    return {
        "params": [{name: size} for size in sizes],
        f"mean_test_{metric}": np.array(scores, dtype=float),
    }


@pytest.mark.parametrize(
    ("sizes", "scores", "tolerance", "index"),
    [
        ([2, 4, 8], [0.5, 0.894, 0.9], 0.01, 1),
        ([2, 4, 8], [0.5, 0.894, 0.9], 0, 2),
        ([2, 4, 8], [0.5, 0.894, 0.9], 0.5, 0),
        ([8, 4, 2], [0.9, 0.891, 0.5], 0.01, 1),  # just within
        ([2, 4], [-1.05, -1.0], 0.1, 0),  # a negative score: of its magnitude
        ([2, 4], [-1.05, -1.0], 0.01, 1),
        ([2, 4], [-0.1, 0.0], 0.5, 1),  # a best score of zero
        ([4, 2, 2, 2], [1, 0.99, 0.995, 0.995], 0.1, 2),  # ties: better, then first
        ([2, 4, 8], [np.nan, 0.8, 0.9], 0.2, 1),
        ([2, 4, 8], [0.9, np.nan, np.nan], 0.2, 0),
        ([2, 4, 8], [-np.inf, 0.9, np.inf], 0.2, 1),
        ([np.int64(2), np.int32(4)], [0.9, 0.9], 0.0, 0),
        ([3, 3], [0.2, 0.1], 1.0, 0),
    ],
)
def test_smallest_within(sizes, scores, tolerance, index):
    found = smallest_within(tolerance)(results(sizes, scores))
    assert type(found) is int
    assert found == index


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(-10, 10)), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_smallest_within_properties(candidates, tolerance):
    sizes, scores = zip(*candidates, strict=True)
    index = smallest_within(tolerance)(results(sizes, scores))
    best = max(scores)
    good = [s >= best - tolerance * abs(best) for s in scores]
    assert good[index]
    assert sizes[index] == min(n for n, ok in zip(sizes, good, strict=True) if ok)
    rivals = [s for s, n in zip(scores, sizes, strict=True) if n == sizes[index]]
    assert scores[index] == max(rivals)


def test_smallest_within_finds_the_parameter_in_each_grid():
    found = {
        "params": [
            {"pca__n_components": 8, "pca__whiten": True},
            {"autoencoder__n_components": 4, "autoencoder__max_iter": 9},
            {"n_components": 6},
        ],
        "mean_test_score": [1.0, 0.999, 0.999],
    }
    assert smallest_within(0.01)(found) == 1
    assert smallest_within(0.0)(found) == 0


def test_smallest_within_named_parameter_and_metric():
    found = {
        "params": [
            {"scale__n_components": 2, "pca__n_components": 8, "pca__degree": 1},
            {"scale__n_components": 8, "pca__n_components": 2, "pca__degree": 5},
        ],
        "mean_test_a": [0.9, 0.9],
        "mean_test_b": [0.2, 0.9],
    }
    with pytest.raises(ValueError, match=r"matches \['scale__n_comp.*', 'pca__n_comp.*'\]"):
        smallest_within(0.1, metric="a")(found)
    assert smallest_within(0.1, param="pca__n_components", metric="a")(found) == 1
    assert smallest_within(0.1, param="scale__n_components", metric="a")(found) == 0
    assert smallest_within(0.1, param="scale__n_components", metric="b")(found) == 1
    assert smallest_within(0.1, param="degree", metric="a")(found) == 0
    with pytest.raises(ValueError, match=r"metric='score' .* it has \['a', 'b'\]"):
        smallest_within(0.1)(found)


@pytest.mark.parametrize("value", ["auto", None, "mle", 0.9, True, 0, np.float64(3.0)])
def test_smallest_within_refuses_what_is_no_size(value):
    with pytest.raises(ValueError, match=r"n_components=.*positive integer"):
        smallest_within(0.1)(results([2, value], [0.1, 0.2]))


def test_smallest_within_other_errors():
    with pytest.raises(ValueError, match=r"matches none of \['max_iter'\]"):
        smallest_within(0.1)(results([1, 2], [0, 1], name="max_iter"))
    with pytest.raises(ValueError, match="no candidate of this search has a finite"):
        smallest_within(0.1)(results([1, 2], [np.nan, np.nan]))
    for tolerance in (-0.1, np.nan, np.inf, "a", None, True):
        with pytest.raises(ValueError, match="tolerance must be a number"):
            smallest_within(tolerance)


def test_smallest_within_is_a_value():
    refit = smallest_within(0.01, param="pca__n_components")
    assert pickle.loads(pickle.dumps(refit)) == refit
    assert repr(smallest_within(0.01)) == (
        "smallest_within(tolerance=0.01, param='n_components', metric='score')"
    )


def nearly_constant(n=300):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8)) @ rng.normal(size=(8, 20)) + 0.1 * rng.normal(size=(n, 20))
    X[:, 7] = 0
    return X


@pytest.mark.parametrize("cell", [0.01, 1e-4])
@pytest.mark.parametrize("first", [None, StandardScaler(), IncrementalPCA(8)])
def test_a_column_that_hardly_varies_in_the_scored_rows_does_not_choose(cell, first):
    X = nearly_constant()
    train, test = X[:200].copy(), X[200:].copy()
    train[:20, 7] = 1.0  # it varied in training
    test[0, 7] = cell
    scores = []
    for k in (2, 4, 8):
        model = Autoencoder(k, max_iter=10, random_state=0)
        if isinstance(first, IncrementalPCA):
            model = IncrementalPCA(k)
        elif first is not None:
            model = make_pipeline(first, PCA(k))
        scores.append(explained_variance_scorer(model.fit(train), test))
    assert scores == sorted(scores)
    assert scores[2] > 0.9


def test_a_scorer_measures_with_what_fit_learnt():
    X = nearly_constant()
    train, test = X[:200], 3 * X[200:] + 1
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(train)
    wanted = explained_variance_ratio(
        test, pipeline.inverse_transform(pipeline.transform(test)), X_train=train
    )
    assert explained_variance_scorer(pipeline, test) == pytest.approx(wanted, rel=1e-9)
    autoencoder = Autoencoder(3, max_iter=2, random_state=0).fit(train)
    np.testing.assert_allclose(autoencoder.mean_, train.mean(0))
    np.testing.assert_allclose(autoencoder.var_, train.var(0), atol=1e-12)
    wanted = explained_variance_ratio(test, autoencoder.reconstruct(test), X_train=train)
    assert explained_variance_scorer(autoencoder, test) == pytest.approx(wanted, rel=1e-9)
    bare = PCA(3).fit(train)  # which learns no variances of columns
    wanted = explained_variance_ratio(test, bare.inverse_transform(bare.transform(test)))
    assert explained_variance_scorer(bare, test) == wanted


def test_an_odd_cell_counts_by_a_logarithm():
    train = np.random.default_rng(0).normal(size=(500, 3))
    scaler = StandardScaler().fit(train)
    test = scaler.inverse_transform([[1.0, 2, 3], [15 + np.expm1(2), 0, 0]])

    class Half(BaseEstimator):
        mean_, var_ = None, None

        def transform(self, X):
            return X

        def inverse_transform(self, X):
            return self.mean_ + (X - self.mean_) / 2

    half = Half()
    half.mean_, half.var_ = scaler.mean_, scaler.var_
    u = 15 + np.expm1(2)
    total = 1 + 4 + 9 + 17**2
    left = (1 + 4 + 9) / 4 + (17 - u / 2) ** 2
    assert explained_variance_scorer(half, test) == pytest.approx(1 - left / total)


class Known(BaseEstimator):
    """Reconstructs nine tenths, and says what it learnt of the columns."""

    def __init__(self, mean=None, var=None):
        self.mean_, self.var_ = mean, var

    def transform(self, X):
        return X

    def inverse_transform(self, X):
        return 0.9 * X


class WithoutADict:
    __slots__ = ("mean_", "var_")
    transform, inverse_transform = Known.transform, Known.inverse_transform


@pytest.mark.parametrize(
    ("mean", "var"),
    [(0.0, 1.0), (np.zeros(4), np.ones(3)), (np.zeros(3), np.ones(3)), ("a", None)],
)
def test_what_is_learnt_of_something_else_is_no_yardstick(mean, var):
    X, _ = pair()
    wanted = explained_variance_ratio(X, 0.9 * X)
    assert explained_variance_scorer(Known(mean, var), X) == wanted
    assert explained_variance_scorer(WithoutADict(), X) == wanted
    assert explained_variance_scorer(make_pipeline("passthrough", None), X) == 1


def test_what_is_learnt_may_be_lists_or_of_slots():
    X, _ = pair()
    train = 2 * X + 1
    bare = WithoutADict()
    bare.mean_, bare.var_ = train.mean(0).tolist(), train.var(0).tolist()
    wanted = explained_variance_ratio(X, 0.9 * X, X_train=train)
    assert explained_variance_scorer(bare, X) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("constant", [0.1, 1e6 + 0.1])
def test_the_rounding_error_of_a_constant_is_no_yardstick(constant):
    X, _ = pair(133, 3)
    with_constant = np.column_stack([X, np.full(133, constant)])
    model = IncrementalPCA(2, batch_size=20).fit(with_constant)
    assert model.var_[3] > 0  # all of it rounding error
    other = model.inverse_transform(model.transform(X_new := with_constant[:50]))
    wanted = explained_variance_ratio(X_new[:, :3], other[:, :3], X_train=X)
    assert explained_variance_scorer(model, X_new) == pytest.approx(wanted, rel=1e-6)
