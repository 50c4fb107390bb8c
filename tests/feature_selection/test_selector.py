"""AutoencoderFeatureSelector: columns chosen, and all others rebuilt from them."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderFeatureSelector
from skae._codes.columns import Chosen
from skae._training.net import Net
from skae._training.run import Run
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_ratio, explained_variance_scorer
from skae.networks import DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WINE = load_wine(as_frame=True).data
X_WINE = WINE.to_numpy()


def selector(n=4, **params):
    few = {"n_init": 1, "max_iter": 2, "random_state": 0}
    return AutoencoderFeatureSelector(n, **{**few, **params})


def planted(n=400, seed=0):
    """Three hidden columns, twelve that are curved functions of them, and noise."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, 3))
    a, b, c = u.T
    made = np.array(
        [a * a, b * b, c * c, a * b, b * c, a * c, np.abs(a) + b, np.abs(b) + c,
         np.abs(c) + a, np.sin(2 * a), np.sin(2 * b), np.sin(2 * c)]
    ).T  # fmt: skip
    made = made / made.std(0) + 0.2 * rng.normal(size=made.shape)
    X = np.hstack([u, made, rng.normal(size=(n, 10))])
    order = rng.permutation(X.shape[1])
    return X[:, order] * 10 ** rng.uniform(-2, 2, size=len(order)), np.argsort(order)[:3]


# What is chosen


@pytest.mark.slow
def test_planted_columns_are_found_where_a_linear_model_misses_them():
    X, true = planted(n=500)
    X, X_test = X[:400], X[400:]
    found = selector(3, max_iter=120, n_init=2).fit(X)
    assert found.chosen_by_ == "concrete"
    assert set(found.get_support(indices=True)) == set(true)
    linear = selector(3, max_iter=120, method="greedy").fit(X)
    assert set(linear.get_support(indices=True)) != set(true)
    assert found.score(X_test) > linear.score(X_test) + 0.05


@pytest.mark.slow
def test_held_out_rows_are_rebuilt_better_than_from_other_columns():
    X = load_breast_cancer().data
    X, X_test = train_test_split(X, random_state=0)
    found = selector(5, max_iter=100, n_init=1).fit(X)
    assert found.score(X_test) > 0.7
    x, x_test = (StandardScaler().fit(X).transform(A) for A in (X, X_test))

    def by_regression(columns):
        rebuilt = LinearRegression().fit(x[:, columns], x).predict(x_test[:, columns])
        return explained_variance_ratio(x_test, rebuilt, X_train=x)

    ours = by_regression(found.get_support(indices=True))
    loadings = np.abs(PCA(5).fit(x).components_).argmax(1)
    rng = np.random.default_rng(0)
    assert ours > by_regression(np.unique(loadings))
    assert ours > by_regression(np.argsort(-X.var(0))[:5])
    assert ours > np.mean([by_regression(rng.permutation(30)[:5]) for _ in range(10)])


def test_columns_that_say_the_same_are_not_both_taken():
    rng = np.random.default_rng(0)
    u = rng.normal(size=(200, 2))
    X = np.repeat(u, 3, axis=1) + 1e-3 * rng.normal(size=(200, 6))
    support = selector(2, max_iter=50).fit(X).get_support()
    assert support[:3].sum() == support[3:].sum() == 1


def test_constant_columns_are_chosen_last():
    X = X_WINE.copy()
    X[:, [0, 5]] = 7.0
    fitted = selector(11).fit(X)
    assert fitted.get_support(indices=True).tolist() == [1, 2, 3, 4, *range(6, 13)]
    assert np.array_equal(fitted.reconstruct(X)[:, [0, 5]], X[:, [0, 5]])


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (0.5, 6), (0.01, 1), (13, 13)])
def test_as_many_columns_as_are_asked_for(n, expected):
    fitted = selector(n).fit(X_WINE)
    assert fitted.n_features_to_select_ == expected == fitted.get_support().sum()
    assert fitted.transform(X_WINE).shape == (178, expected)


def test_auto_takes_what_a_linear_model_needs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 20))
    X += 0.01 * rng.normal(size=X.shape)
    assert selector("auto").fit(X).n_features_to_select_ == 3
    assert selector("auto").fit(X).score(X) > 0.9


def test_all_columns_explain_everything():
    fitted = selector(13).fit(X_WINE)
    assert fitted.score(X_WINE) == 1
    assert np.array_equal(fitted.reconstruct(X_WINE), X_WINE)


def test_methods():
    greedy = selector(method="greedy").fit(X_WINE)
    assert greedy.chosen_by_ == "greedy"
    assert selector(method="concrete").fit(X_WINE).chosen_by_ == "concrete"
    wide = np.random.default_rng(0).normal(size=(12, 40))
    assert selector().fit(wide).chosen_by_ == "greedy"
    assert selector(method="concrete", n_init=1).fit(wide).chosen_by_ == "concrete"


# Columns out, rows back


def test_transform_returns_the_columns_as_they_are():
    fitted = selector().fit(WINE)
    X_new = fitted.set_output(transform="pandas").transform(WINE)
    pd.testing.assert_frame_equal(X_new, WINE.loc[:, fitted.support_])
    assert fitted.get_feature_names_out().tolist() == X_new.columns.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_dtypes_are_kept(dtype):
    X = (10 * X_WINE).astype(dtype)
    fitted = selector().fit(X)
    assert fitted.transform(X).dtype == dtype
    back = np.float32 if dtype == np.float32 else np.float64
    assert fitted.inverse_transform(fitted.transform(X)).dtype == back


def test_a_frame_keeps_the_dtypes_of_its_columns():
    frame = WINE.astype({"proline": "int32", "hue": "float32"})
    fitted = selector(12).set_output(transform="pandas").fit(frame)
    chosen = frame.loc[:, fitted.support_]
    assert fitted.transform(frame).dtypes.tolist() == chosen.dtypes.tolist()


def test_inverse_transform_keeps_the_chosen_columns_bit_for_bit():
    X = X_WINE + np.pi * 1e-9
    fitted = selector(max_iter=20).fit(X)
    rebuilt = fitted.inverse_transform(fitted.transform(X))
    assert rebuilt.shape == X.shape
    assert np.array_equal(rebuilt[:, fitted.support_], X[:, fitted.support_])
    others = ~fitted.support_
    assert not np.array_equal(rebuilt[:, others], X[:, others])
    ratio = explained_variance_ratio(X[:, others], rebuilt[:, others])
    assert ratio > 0.2
    assert np.array_equal(fitted.reconstruct(X), rebuilt)


def test_a_row_depends_on_itself_alone():
    fitted = selector().fit(X_WINE)
    whole = fitted.reconstruct(X_WINE)
    alone = np.vstack([fitted.reconstruct(row[None]) for row in X_WINE[:20]])
    assert np.array_equal(whole[:20], alone)


def test_the_columns_that_are_not_chosen_are_not_looked_at():
    fitted = selector().fit(X_WINE)
    X = X_WINE.copy()
    X[:, ~fitted.support_] = 1e6
    assert np.array_equal(fitted.reconstruct(X), fitted.reconstruct(X_WINE))


def test_score_is_the_share_of_the_variance():
    X, X_test = train_test_split(X_WINE, random_state=0)
    fitted = selector(max_iter=20).fit(X)
    expected = explained_variance_ratio(X_test, fitted.reconstruct(X_test), X_train=X)
    assert fitted.score(X_test) == pytest.approx(expected)
    weight = np.arange(len(X_test)) % 2
    assert fitted.score(X_test, sample_weight=weight) == pytest.approx(
        fitted.score(X_test[1::2])
    )
    assert fitted.score(X_test) == pytest.approx(fitted.score(sp.csr_array(X_test)))
    assert selector(1).fit(np.ones((5, 2))).score(np.ones((5, 2))) == 1


def test_the_scorer_of_the_metrics_takes_a_selector():
    search = GridSearchCV(
        selector(),
        {"n_features_to_select": [2, 6]},
        scoring=explained_variance_scorer,
        cv=2,
    ).fit(X_WINE)
    assert search.best_params_ == {"n_features_to_select": 6}


def test_pictures_come_back_as_pictures():
    images = load_digits().images[:200]
    fitted = selector(10, method="greedy").fit(images)
    pixels = fitted.transform(images)
    assert pixels.shape == (200, 10)
    rebuilt = fitted.inverse_transform(pixels)
    assert rebuilt.shape == images.shape
    mask = fitted.get_support().reshape(8, 8)
    assert np.array_equal(rebuilt[:, mask], images[:, mask])
    with pytest.raises(ValueError, match="fitted on samples of shape"):
        fitted.transform(images[:, :4])


def test_sparse_matrices_stay_sparse():
    rng = np.random.default_rng(0)
    X = sp.random_array((100, 12), density=0.3, rng=rng, format="csr")
    X = sp.csr_array(sp.hstack([X, X[:, :4] + X[:, 4:8]]))
    fitted = selector(5, max_iter=20).fit(X)
    out = fitted.transform(X)
    assert sp.issparse(out)
    assert out.shape == (100, 5)
    rebuilt = fitted.inverse_transform(out)
    assert np.array_equal(rebuilt[:, fitted.support_], X.toarray()[:, fitted.support_])
    assert np.array_equal(rebuilt, fitted.reconstruct(X.toarray()))


def test_the_decoder_knows_the_mean_of_sparse_columns():
    rng = np.random.default_rng(0)
    X = 5 + rng.normal(size=(200, 2)) @ rng.normal(size=(2, 8))
    fitted = selector(2, method="greedy", max_iter=1, network=()).fit(sp.csr_array(X))
    assert fitted.score(X) > 0.9


def test_binary_columns():
    rng = np.random.default_rng(0)
    u = rng.random((300, 4)) < 0.5
    X = np.hstack([u, u[:, [0]] ^ u[:, [1]], ~u[:, [2]], u[:, [3]]]).astype(float)
    fitted = selector(5, likelihood="bernoulli", max_iter=60).fit(X)
    rebuilt = fitted.reconstruct(X)
    assert rebuilt.min() >= 0
    assert rebuilt.max() <= 1
    assert fitted.score(X) > 0.9


# The contract


def test_in_a_pipeline_and_a_search():
    X, y = load_wine(return_X_y=True)
    names = np.array(["red", "rosé", "white"])[y]
    pipeline = make_pipeline(
        selector(), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    grid = {
        "autoencoderfeatureselector__n_features_to_select": [2, 6],
        "autoencoderfeatureselector__method": ["greedy"],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, names)
    assert search.best_score_ > 0.85
    assert search.best_estimator_[:-1].get_feature_names_out().shape == (6,)


def test_labels_do_not_matter():
    labels = np.array(["a", "b"])[np.arange(178) % 2]
    assert np.array_equal(
        selector().fit(X_WINE).get_support(), selector().fit(X_WINE, labels).get_support()
    )


def test_the_same_seed_gives_the_same_and_no_global_generator_is_touched():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = (selector(n_init=3, max_iter=5).fit(X_WINE) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert np.array_equal(one.get_support(), other.get_support())
    assert np.array_equal(one.reconstruct(X_WINE), other.reconstruct(X_WINE))
    third = selector(n_init=3, max_iter=5, random_state=1).fit(X_WINE)
    assert not np.array_equal(one.reconstruct(X_WINE), third.reconstruct(X_WINE))


def test_pickle_and_clone():
    fitted = selector().fit(WINE)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(fitted.reconstruct(WINE), again.reconstruct(WINE))
    with pytest.raises(NotFittedError):
        clone(fitted).transform(WINE)


def test_rows_without_weight_are_not_learnt_from():
    weight = np.r_[np.ones(100), np.zeros(78)]
    X = X_WINE.copy()
    one = selector(early_stopping=False).fit(X, sample_weight=weight)
    X[100:] = 1e3
    other = selector(early_stopping=False).fit(X, sample_weight=weight)
    assert np.array_equal(one.reconstruct(X_WINE), other.reconstruct(X_WINE))


def test_a_failed_fit_leaves_the_old_one(monkeypatch):
    fitted = selector().fit(X_WINE)
    before = fitted.reconstruct(X_WINE)

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_step", stop)
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(X_WINE[:, :9])
    with pytest.raises(ValueError, match="n_features_to_select"):
        fitted.set_params(n_features_to_select=50).fit(X_WINE[:, :9])
    assert fitted.n_features_in_ == 13
    assert np.array_equal(fitted.reconstruct(X_WINE), before)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_features_to_select": 14}, "n_features_to_select=14 is more than the 13"),
        ({"n_features_to_select": 0}, "n_features_to_select"),
        ({"n_features_to_select": 1.5}, "n_features_to_select"),
        ({"method": "best"}, "method"),
        ({"n_init": 0}, "n_init"),
        ({"temperatures": (0.1, 10.0)}, "temperatures must be two positive numbers"),
        ({"temperatures": (1.0,)}, "temperatures must be two positive numbers"),
        ({"temperatures": ("hot", "cold")}, "temperatures must be two positive numbers"),
        ({"likelihood": "mixed"}, "OneHotEncoder"),
        ({"likelihood": "bernoulli"}, r"values of X in \[0, 1\]"),
        ({"network": DenseNetwork(tied_weights=True)}, "tied_weights=False"),
        ({"network": (0,)}, "network"),
        ({"device": "nowhere"}, "device"),
        ({"net_params": {"lr": 1}}, "learning_rate"),
    ],
)
def test_errors_come_before_training_and_name_the_remedy(params, match, monkeypatch):
    def train(*args, **kwargs):
        raise AssertionError("training has begun")

    monkeypatch.setattr(Net, "train", train)
    with pytest.raises(ValueError, match=match):
        selector().set_params(**params).fit(X_WINE)


def test_a_search_that_is_too_large_is_an_error(monkeypatch):
    for room in ("_greedy", "_selector"):
        monkeypatch.setattr(f"skae.feature_selection.{room}.LARGEST", 50)
    assert selector(4).fit(X_WINE).chosen_by_ == "greedy"
    with pytest.raises(ValueError, match=r"Use method='greedy' or fewer columns"):
        selector(4, method="concrete").fit(X_WINE)


def test_wrong_input_to_a_fitted_one():
    fitted = selector().fit(X_WINE)
    with pytest.raises(ValueError, match="n_features_to_select_=4"):
        fitted.inverse_transform(X_WINE)
    with pytest.raises(ValueError, match="NaN"):
        fitted.inverse_transform(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match="12 features"):
        fitted.transform(X_WINE[:, 1:])
    with pytest.raises(ValueError, match="not numbers in column 'kind'"):
        selector().fit(WINE.assign(kind="red"))


@pytest.mark.parametrize(
    "shape",
    [(2, 1), pytest.param((2, 3), marks=pytest.mark.slow), (5, 4), (3, 30)],
)
def test_tiny_tables(shape):
    X = np.random.default_rng(0).normal(size=shape)
    for method in ("auto", "concrete", "greedy"):
        fitted = selector(1, method=method, n_init=1).fit(X)
        assert fitted.reconstruct(X).shape == shape


def test_overfitting_is_told_in_the_selectors_own_words():
    X = np.random.default_rng(0).normal(size=(30, 60))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        selector(20, max_iter=60, network=(64,), alpha=0).fit(X)
    text = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    assert any("n_features_to_select" in line for line in text)
    assert not any("n_components" in line for line in text)


def test_a_network_of_ones_own_decodes():
    network = DenseNetwork((16,), activation="tanh", dropout=0.1)
    fitted = selector(network=network).fit(X_WINE)
    assert isinstance(fitted.net_.module_.encoder, Chosen)
    assert fitted.net_.module_.decoder.layers[0].out_features == 16
    assert fitted.net_.module_.decoder.linear is None


def test_one_scale_for_all_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)) * [1, 1, 1, 1, 100, 100]
    columns = (
        selector(2, method="greedy", likelihood=Gaussian(scale="global"))
        .fit(X)
        .get_support(indices=True)
    )
    assert columns.tolist() == [4, 5]
