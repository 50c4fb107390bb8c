"""A search gives what scikit-learn's gives, whether candidates are batched or not."""

import pickle
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV as UsualGridSearchCV
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skae.model_selection._search
from skae import Autoencoder, LatentSampler, VariationalAutoencoder
from skae._training.members import Members
from skae._training.net import Net
from skae.metrics import (
    explained_variance_scorer,
    reconstruction_error_scorer,
    smallest_within,
)
from skae.model_selection import GridSearchCV
from skae.networks import DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WINE, CLASSES = load_wine(return_X_y=True)
ROWS = WINE[::2]
LABELS = CLASSES[::2]
FRAME = pd.DataFrame(ROWS, columns=[f"c{i}" for i in range(ROWS.shape[1])])


def make(**params):
    return Autoencoder(**{"network": (8,), "max_iter": 2, "random_state": 0} | params)


SIZES = {"n_components": [1, 2, 3], "learning_rate": [1e-3, 1e-2]}


@pytest.fixture
def trained(monkeypatch):
    """How many members each batch had, and 1 for each that was trained alone."""
    counts, together, alone = [], Members.train, Net.train

    def count_members(self):
        counts.append(len(self.tasks))
        return together(self)

    def count_one(self, task):
        counts.append(1)
        return alone(self, task)

    monkeypatch.setattr(Members, "train", count_members)
    monkeypatch.setattr(Net, "train", count_one)
    return counts


def both(estimator, grid, X=ROWS, y=None, fit_params=None, **params):
    """The same search, ours and the usual one."""
    params = {"cv": 2, **params}
    searches = [
        kind(clone(estimator), grid, **params) for kind in (GridSearchCV, UsualGridSearchCV)
    ]
    return [search.fit(X, y, **(fit_params or {})) for search in searches]


def assert_same_results(ours, usual, rtol=1e-3, atol=1e-6):
    ours, usual = ours.cv_results_, usual.cv_results_
    assert list(ours) == list(usual)
    assert [*map(repr, ours["params"])] == [*map(repr, usual["params"])]
    for name, values in usual.items():
        assert np.shape(ours[name]) == np.shape(values), name
        if name.startswith("rank_"):  # ours ranks candidates that are equal but for bits
            means = np.sort(usual[name.replace("rank", "mean")])
            if (np.diff(means) > rtol * abs(means[1:])).all():
                np.testing.assert_array_equal(ours[name], values)
        elif "_test_" in name or "_train_" in name:
            np.testing.assert_allclose(
                ours[name], values, rtol=rtol, atol=atol, err_msg=name
            )
        elif name.startswith("param_"):
            assert isinstance(ours[name], np.ma.MaskedArray)


def test_results_are_those_of_scikit_learn(trained):
    ours, usual = both(make(), SIZES)
    assert_same_results(ours, usual)
    assert trained == [6, 6, 1] + [1] * 13
    assert ours.best_params_ == usual.best_params_
    assert ours.best_index_ == usual.best_index_
    assert ours.best_score_ == pytest.approx(usual.best_score_, rel=1e-3)
    np.testing.assert_allclose(ours.transform(ROWS), usual.transform(ROWS), rtol=1e-5)
    assert ours.score(ROWS) == pytest.approx(usual.score(ROWS), rel=1e-6)
    assert vars(ours).keys() == vars(usual).keys()
    assert ours.n_splits_ == 2
    assert ours.n_features_in_ == 13


@pytest.mark.parametrize(
    ("grid", "batches"),
    [
        ({"n_components": [1, 2], "max_iter": [2, 3]}, [4, 4]),
        ({"alpha": [0.0, 1e-1]}, [1] * 4),
        ({"tol": [0.0, 0.5], "n_iter_no_change": [1, 20]}, [4, 4]),
        ({"network": [(4,), (9,), DenseNetwork((6,))]}, [3, 3]),
        ({"network": [(4,), (9, 4), "auto"]}, [1] * 6),
        ({"batch_size": [16, 32], "n_components": [1, 2]}, [2, 2] * 2),
        ([{"n_components": [1]}, {"n_components": [2], "random_state": [3]}], [2, 2]),
        ({"early_stopping": [True, False]}, [1] * 4),
        ({"corruption": [None, "gaussian"]}, [1] * 4),
    ],
    ids=str,
)
def test_what_is_trained_together(trained, grid, batches):
    ours = GridSearchCV(make(n_components=2), grid, cv=2, refit=False).fit(ROWS)
    assert sorted(trained) == sorted(batches)
    usual = UsualGridSearchCV(make(n_components=2), grid, cv=2, refit=False).fit(ROWS)
    assert_same_results(ours, usual)


def test_each_stops_for_itself():
    estimator = make(max_iter=30, tol=1e-2, n_iter_no_change=2)
    ours, usual = both(estimator, {"n_components": [1, 2], "learning_rate": [1e-3, 1e-2]})
    assert_same_results(ours, usual, rtol=2e-2)


def test_objectives_of_other_codes(trained):
    estimator = VariationalAutoencoder(2, network=(8,), max_iter=3, random_state=0)
    grid = {"learning_rate": [1e-3, 1e-2], "beta": [0.5, 1.0]}
    ours, usual = both(estimator, grid, refit=False)
    assert_same_results(ours, usual)
    assert trained == [2, 2] * 2 + [1] * 8


class Jobs:
    """Calls as two processes would get them, and what they would send back, here."""

    def __init__(self, n_jobs):
        assert n_jobs == 2

    def __call__(self, tasks):
        return [sent(fn.function(*args)) for fn, args, _ in map(sent, tasks)]


def sent(what):
    return pickle.loads(pickle.dumps(what))


def test_jobs(monkeypatch, trained):
    monkeypatch.setattr(skae.model_selection._search, "Parallel", Jobs)
    ours = GridSearchCV(make(), SIZES, cv=3, n_jobs=2).fit(ROWS)
    assert trained == [6, 6, 3, 3, 1]  # the last fold is split
    assert_same_results(ours, UsualGridSearchCV(make(), SIZES, cv=3).fit(ROWS))


@pytest.mark.slow
def test_jobs_in_processes():
    ours = GridSearchCV(make(), SIZES, cv=3, n_jobs=2).fit(ROWS)
    assert_same_results(ours, UsualGridSearchCV(make(), SIZES, cv=3).fit(ROWS))


def test_several_metrics_and_train_scores():
    scoring = {"ev": explained_variance_scorer, "re": reconstruction_error_scorer}
    more = {"scoring": scoring, "refit": "re", "return_train_score": True}
    ours, usual = both(make(), SIZES, **more)
    assert_same_results(ours, usual)
    assert ours.best_params_ == usual.best_params_
    assert ours.multimetric_
    assert ours.scorer_.keys() == {"ev", "re"}


def test_smallest_within():
    more = {"scoring": explained_variance_scorer, "refit": smallest_within(0.2)}
    ours, usual = both(make(max_iter=20), {"n_components": [1, 2, 3]}, **more)
    assert ours.best_params_ == usual.best_params_
    assert ours.best_params_["n_components"] < 3
    assert not hasattr(ours, "best_score_")


def test_times_have_a_share_of_the_batch(monkeypatch):
    def refit(results):
        seen.append(results["mean_fit_time"].copy())
        return 0

    def train(self):
        start = time.perf_counter()
        together(self)
        batches.append(time.perf_counter() - start)

    seen, batches, together = [], [], Members.train
    monkeypatch.setattr(Members, "train", train)
    search = GridSearchCV(make(), SIZES, cv=2, refit=refit).fit(ROWS)
    np.testing.assert_array_equal(seen[0], search.cv_results_["mean_fit_time"])
    assert seen[0].sum() > np.mean(batches) > 0
    assert (seen[0] > 0.1 * seen[0].mean()).all()


def test_names_of_columns_and_frames():
    ours, usual = both(make(), {"n_components": [1, 2]}, X=FRAME)
    assert_same_results(ours, usual)
    np.testing.assert_array_equal(ours.feature_names_in_, FRAME.columns)
    frame = FRAME.assign(kind=pd.Categorical(np.where(FRAME.c0 > 13, "a", "b")))
    ours, usual = both(make(), {"n_components": [1, 2]}, X=frame, cv=2)
    assert_same_results(ours, usual)


def test_weights(trained):
    weights = np.random.default_rng(0).uniform(0.1, 2, len(ROWS))
    ours, usual = both(make(), SIZES, fit_params={"sample_weight": weights}, cv=2)
    assert_same_results(ours, usual)
    assert trained[:2] == [6, 6]
    plain = GridSearchCV(make(), SIZES, cv=2).fit(ROWS)
    assert not np.allclose(
        plain.cv_results_["mean_test_score"], ours.cv_results_["mean_test_score"], rtol=1e-3
    )


def test_metadata_is_routed(trained):
    weights = np.random.default_rng(0).uniform(0.1, 2, len(ROWS))
    given = {"sample_weight": weights, "groups": np.arange(len(ROWS)) % 4}
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = make().set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=False)
        ours, usual = both(estimator, SIZES, fit_params=given, cv=GroupKFold(2))
    assert_same_results(ours, usual)
    assert trained[:2] == [6, 6]


def test_groups(trained):
    given = {"groups": np.arange(len(ROWS)) % 4}
    ours, usual = both(make(), SIZES, fit_params=given, cv=GroupKFold(2))
    assert_same_results(ours, usual)
    assert trained[:2] == [6, 6]


@pytest.mark.parametrize("once", [False, True])
def test_folds_that_can_be_asked_for_once(trained, once):
    splits = KFold(2).split(ROWS)
    cv = splits if once else ShuffleSplit(2, test_size=0.3)  # others each time
    search = GridSearchCV(make(), SIZES, cv=cv).fit(ROWS)
    assert trained == [6, 6, 1]
    assert search.cv is cv


def test_no_seed(trained):
    search = GridSearchCV(make(random_state=None), SIZES, cv=2).fit(ROWS)
    assert trained == [6, 6, 1]
    assert len({*search.cv_results_["mean_test_score"]}) == 6
    search = GridSearchCV(make(random_state=np.random.RandomState(0)), SIZES, cv=2).fit(
        ROWS
    )
    assert trained == [6, 6, 1] * 2


def test_pipelines(trained):
    pipeline = make_pipeline(StandardScaler(), make())
    grid = {f"autoencoder__{name}": values for name, values in SIZES.items()}
    ours, usual = both(pipeline, grid)
    assert_same_results(ours, usual)
    assert trained == [6, 6, 1] + [1] * 13
    weights = np.random.default_rng(0).uniform(0.1, 2, len(ROWS))
    given = {"autoencoder__sample_weight": weights}
    assert_same_results(*both(pipeline, grid, fit_params=given, cv=2))
    assert trained[16:] == [6, 6, 1] + [1] * 13


def test_what_differs_in_later_steps_only_is_trained_once(trained):
    pipeline = Pipeline(
        [("reduce", make()), ("classify", LogisticRegression(max_iter=500))]
    )
    grid = {"reduce__n_components": [1, 2], "classify__C": [0.1, 1.0, 10.0]}
    ours, usual = both(pipeline, grid, y=LABELS, cv=2)
    assert_same_results(ours, usual)
    assert trained == [2, 2, 1] + [1] * 13
    assert ours.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(ours.predict(ROWS), usual.predict(ROWS))


def test_beside_others():
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", PCA())])
    grid = [
        {"reduce": [PCA(), make(), make(network=(8, 4))], "reduce__n_components": [1, 2]},
        {
            "scale": ["passthrough"],
            "reduce": [make()],
            "reduce__learning_rate": [1e-3, 1e-2],
        },
    ]
    ours, usual = both(pipeline, grid, scoring=explained_variance_scorer)
    assert_same_results(ours, usual)
    assert str(ours.best_params_) == str(usual.best_params_)


FITS = []


class Counted(StandardScaler):
    """Tells how often it is fitted."""

    def fit(self, X, y=None, sample_weight=None):
        FITS.append(len(X))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("grid", "cache", "n_fits"),
    [
        ("autoencoder__n_components", False, 2 * 3 + 1 + 3 + 1),  # and in the first fold
        ("autoencoder__n_components", True, 3 + 1),  # of each fold, and of all rows
        ("counted__with_std", False, 2 * 3 + 1),  # nothing is to be trained together
    ],
)
def test_how_often_first_steps_are_fitted(tmp_path, grid, cache, n_fits):
    FITS.clear()
    pipeline = make_pipeline(Counted(), make(), memory=str(tmp_path) if cache else None)
    values = [True, False] if grid.startswith("counted") else [1, 2]
    GridSearchCV(pipeline, {grid: values}, cv=3).fit(ROWS)
    assert len(FITS) == n_fits


class Jitter(TransformerMixin, BaseEstimator):
    """Adds what differs each time."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + np.random.default_rng().normal(size=X.shape)


class Wrapped(TransformerMixin, BaseEstimator):
    """Holds an estimator."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y=None):
        self.estimator_ = clone(self.estimator).fit(X)
        return self

    def transform(self, X):
        return self.estimator_.transform(X)

    def score(self, X, y=None):
        return self.estimator_.score(X)


@pytest.mark.parametrize(
    ("estimator", "prefix"),
    [
        (make_pipeline(Jitter(), make()), "autoencoder__"),
        (make_pipeline(Wrapped(make()), make()), "autoencoder__"),
        (Wrapped(make()), "estimator__"),
        (make(net_params={"callbacks": []}), ""),
        (make(network=DenseNetwork((8,), dropout=0.2)), ""),
        (PCA(), ""),
    ],
    ids=[
        "other rows each time",
        "one after another",
        "inside",
        "callbacks",
        "dropout",
        "PCA",
    ],
)
def test_what_is_fitted_one_by_one(trained, estimator, prefix):
    grid = {f"{prefix}n_components": [1, 2]}
    search = GridSearchCV(estimator, grid, cv=2).fit(ROWS)
    n_ours = (
        2 if isinstance(estimator, Pipeline) and "wrapped" in estimator.named_steps else 1
    )
    assert trained == [1] * (0 if isinstance(estimator, PCA) else 5 * n_ours)
    if n_ours == 1 and not isinstance(estimator, Pipeline):
        usual = UsualGridSearchCV(estimator, grid, cv=2).fit(ROWS)
        assert_same_results(search, usual)


def test_samplers():
    grid = {"autoencoder__n_components": [1, 2]}
    sampler = LatentSampler(make(), random_state=0)
    search = GridSearchCV(
        sampler, grid, cv=2, scoring=lambda s, X, y=None: s.autoencoder_.score(X)
    )
    assert len(search.fit(ROWS).best_estimator_.sample(3)) == 3


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_candidates_that_cannot_be():
    grid = {"n_components": [1, 0, 2], "learning_rate": [1e-2]}
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6"):
        ours, usual = both(make(), grid, cv=2)
    assert_same_results(ours, usual)
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="'n_components'"):
        GridSearchCV(make(), grid, cv=2, error_score="raise").fit(ROWS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_candidates_that_diverge(trained):
    estimator = make(net_params={"gradient_clip_value": None})
    grid = {"n_components": [1, 2], "learning_rate": [1e-3, 1e30, 1e-2]}
    ours, usual = both(estimator, grid, cv=2, error_score=-1e9, refit=False)
    assert_same_results(ours, usual)
    failed = ours.cv_results_["mean_test_score"] == -1e9
    assert failed.tolist() == [False, False, True, True, False, False]
    assert max(trained) == 6
    grid = {"learning_rate": [1e-3, 1e30]}
    with pytest.raises(ValueError, match="diverged"):
        GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(ROWS)


def test_warnings_are_told_by_each_fit():
    estimator = make(n_components=13)  # as wide as the data
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        GridSearchCV(estimator, {"learning_rate": [1e-3, 1e-2]}, cv=2).fit(ROWS)
    with warnings.catch_warnings(record=True) as usual:
        warnings.simplefilter("always")
        UsualGridSearchCV(estimator, {"learning_rate": [1e-3, 1e-2]}, cv=2).fit(ROWS)
    assert usual
    assert [str(w.message) for w in ours] == [str(w.message) for w in usual]


@pytest.mark.parametrize("fitted", [False, True])
def test_interrupted(monkeypatch, fitted):
    search = GridSearchCV(make(), SIZES, cv=2)
    if fitted:
        search.fit(ROWS)
    before = dict(vars(search))

    def interrupt(self, batches):
        raise KeyboardInterrupt

    monkeypatch.setattr(Members, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search.fit(ROWS)
    assert vars(search) == before
    monkeypatch.undo()
    assert search.fit(ROWS).n_splits_ == 2


def test_a_bad_grid_or_scoring_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(Members, "train", None)
    with pytest.raises(ValueError, match="scoring"):
        GridSearchCV(make(), SIZES, scoring="nothing").fit(ROWS)
    with pytest.raises(ValueError, match="refit"):
        GridSearchCV(make(), SIZES, scoring=["r2", "neg_max_error"]).fit(ROWS)
    with pytest.raises(ValueError, match="no_such"):
        GridSearchCV(make(), {"no_such": [1]}).fit(ROWS)
    with pytest.raises(ValueError, match="n_splits"):
        GridSearchCV(make(), SIZES, cv=1000).fit(ROWS)


def test_it_is_a_search_as_scikit_learns():
    ours = GridSearchCV(make(), SIZES, cv=2, n_jobs=1, error_score="raise")
    usual = UsualGridSearchCV(make(), SIZES, cv=2, n_jobs=1, error_score="raise")
    assert isinstance(ours, UsualGridSearchCV)
    assert ours.get_params(deep=False).keys() == usual.get_params(deep=False).keys()
    assert repr(clone(ours)) == repr(usual)
    assert not hasattr(ours, "predict")
    small = clone(ours).set_params(param_grid={"n_components": [3]})
    assert make_pipeline(StandardScaler(), small).fit(ROWS).transform(ROWS).shape[1] == 3
