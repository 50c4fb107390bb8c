"""Over-sampling: what is made, what the judge says, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skae import Autoencoder, AutoencoderOverSampler, VariationalAutoencoder
from skae.over_sampling._judge import verdict_of
from tests.mixed import FRAME

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
TINY = Autoencoder(2, max_iter=2, random_state=0)
QUICK = AutoencoderOverSampler(TINY, judge=False, random_state=0)
RNG = np.random.default_rng(0)
ROWS = np.c_[RNG.normal(size=(60, 3)), RNG.integers(5, size=60), RNG.integers(2, size=60)]
LABELS = np.repeat(["many", "few", "some"], [40, 8, 12])


def test_classes_get_what_is_asked_and_rows_stay_in_front():
    X, y = QUICK.fit_resample(ROWS, LABELS)
    np.testing.assert_array_equal(X[:60], ROWS)
    assert y.tolist() == [*LABELS, *["few"] * 32, *["some"] * 28]
    assert QUICK.sampling_strategy_ == {"few": 32, "some": 28}
    assert QUICK.kept_classes_ == ["few", "some"]
    for j in (3, 4):  # whole numbers, zeros and ones
        assert {*X[60:, j]} <= {*ROWS[:, j]}
    made = X[60:, :3]
    assert (made >= ROWS[:, :3].min(0)).all()
    assert (made <= ROWS[:, :3].max(0)).all()
    assert len(np.unique(made[:, 0])) > 50
    again = clone(QUICK).fit_resample(ROWS, LABELS)[0]
    np.testing.assert_array_equal(again, X)


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [
        ("auto", {"few": 32, "some": 28}),
        ("not majority", {"few": 32, "some": 28}),
        ("minority", {"few": 32}),
        ("not minority", {"many": 0, "some": 28}),
        ("all", {"many": 0, "few": 32, "some": 28}),
        ({"few": 10}, {"few": 2}),
        (lambda y: {"some": 20}, {"some": 8}),
    ],
)
def test_strategies_are_those_of_imbalanced_learn(strategy, wanted):
    sampler = clone(QUICK).set_params(sampling_strategy=strategy)
    y = sampler.fit_resample(ROWS, LABELS)[1]
    assert sampler.sampling_strategy_ == wanted
    assert len(y) == 60 + sum(wanted.values())


def test_a_share_is_for_two_classes():
    sampler, y = clone(QUICK).set_params(sampling_strategy=0.5), LABELS == "few"
    assert sampler.fit_resample(ROWS, y)[1].sum() == 26
    with pytest.raises(ValueError, match="two classes only"):
        sampler.fit_resample(ROWS, LABELS)
    with pytest.raises(ValueError, match=r"fewer rows .* above 0\.154"):
        sampler.set_params(sampling_strategy=0.1).fit_resample(ROWS, y)


def apart(n_few=20, d=6, seed=0):
    """Return rows of a class that few rows show in part, and of one around it."""
    rng = np.random.default_rng(seed)
    few = rng.normal(size=(n_few, d)) * 1.5 + 2.0
    many = rng.normal(size=(400, d)) * 2.0
    return np.r_[many, few], np.repeat([0, 1], [400, n_few])


def test_the_judge_keeps_what_helps_and_leaves_alone_what_harms():
    def share(classifier, X, y):  # of the class, in training: 0.05, then 0.5
        return classifier.class_prior_[1]

    def other_share(classifier, X, y):
        return classifier.class_prior_[0]

    X, y = apart()
    sampler = AutoencoderOverSampler(
        TINY, classifier=DummyClassifier(), scoring=share, random_state=0
    )
    assert np.bincount(sampler.fit_resample(X, y)[1]).tolist() == [400, 400]
    verdict = sampler.judged_[1]
    assert verdict.is_kept
    assert verdict.without == pytest.approx(20 / 420)
    assert verdict.with_samples == pytest.approx(0.5)
    assert sampler.kept_classes_ == [1]
    assert verdict.with_samples - verdict.without == pytest.approx(verdict.gain)
    sampler.set_params(scoring=other_share)
    rows, labels = sampler.fit_resample(X, y)
    assert rows is X
    assert labels is y
    assert sampler.judged_[1].gain == pytest.approx(20 / 420 - 0.5)
    assert sampler.kept_classes_ == []
    assert not hasattr(sampler, "autoencoder_")


def test_no_judge_sees_what_it_judges_by():
    seen = []

    class Noting(Autoencoder):
        def fit(self, X, y=None, sample_weight=None):
            seen.append({*X[:, 0]})
            return super().fit(X, y, sample_weight)

    class Asked(LogisticRegression):
        def decision_function(self, X):
            assert not seen[-1] & {*X[:, 0]}
            return super().decision_function(X)

    X, y = apart()
    noting = Noting(2, max_iter=1)
    sampler = AutoencoderOverSampler(noting, classifier=Asked(), cv=3, random_state=0)
    sampler.fit_resample(X, y)
    assert [len(rows) for rows in seen[:3]] == [280, 280, 280]


def test_what_makes_no_difference_is_not_kept():
    X, y = apart()
    X[y == 1] += 50  # told from the others without mistake
    sampler = AutoencoderOverSampler(TINY, cv=2, random_state=0).fit(X, y)
    assert sampler.judged_[1].gain == 0
    assert sampler.kept_classes_ == []


@pytest.mark.parametrize("n", [1, 2, 4])
def test_classes_too_small_to_judge_are_left_alone(n):
    X, y = apart(n)
    sampler = AutoencoderOverSampler(TINY, random_state=0)
    with pytest.warns(UserWarning, match=rf"fewer rows than cv=5, {{1: {n}}}"):
        assert len(sampler.fit_resample(X, y)[1]) == 400 + n
    sampler.set_params(judge=False)
    if n > 1:
        assert len(sampler.fit_resample(X, y)[1]) == 800
    else:
        with pytest.raises(ValueError, match="one row of the classes"):
            sampler.fit_resample(X, y)


def test_five_rows_are_judged():
    X, y = apart(5)
    sampler = AutoencoderOverSampler(TINY, classifier=LogisticRegression(), random_state=0)
    sampler.fit(X, y)
    assert [*sampler.judged_] == [1]


def test_balanced_rows_come_back_as_they_are():
    y = np.tile([0, 1], 30)
    assert AutoencoderOverSampler(TINY).fit_resample(ROWS, y)[0] is ROWS


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(60), "one class"),
        (np.where(LABELS[0] == LABELS, None, "b"), r"missing values.*X\[y.notna"),
        (np.linspace(0, 1, 60), "Unknown label type"),
        (RNG.integers(2, size=(60, 3)), "Multilabel and multioutput"),
        (RNG.integers(5, size=(60, 3)), "Multilabel and multioutput"),
        (LABELS[:50], "inconsistent numbers"),
    ],
)
def test_what_no_y_can_be_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        QUICK.fit_resample(ROWS, y)


def test_what_else_cannot_be_is_refused():
    with pytest.raises(ValueError, match="likelihood='mixed'"):
        QUICK.fit_resample(np.where(ROWS > 2, np.nan, ROWS), LABELS)
    with pytest.raises(ValueError, match=r"names \['none'\]"):
        clone(QUICK).set_params(sampling_strategy={"none": 3}).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="afterwards"):
        clone(QUICK).set_params(sampling_strategy={"many": 3}).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="must return a dict"):
        clone(QUICK).set_params(sampling_strategy=lambda y: [3]).fit(ROWS, LABELS)


@pytest.mark.parametrize("kind", [pd, pl])
def test_tables_keep_names_dtypes_and_categories(kind):
    X = FRAME if kind is pd else pl.from_pandas(FRAME)
    y = kind.Series(np.repeat(["a", "b"], [260, 40]))
    y = y.rename("class") if kind is pd else y.alias("class")
    more, labels = QUICK.fit_resample(X, y)
    assert type(more) is type(X)
    assert [*more.columns] == [*X.columns]
    assert [*more.dtypes] == [*X.dtypes]
    assert type(labels) is type(y)
    assert labels.name == "class"
    assert labels.to_list() == ["a"] * 260 + ["b"] * 260
    made = more[300:]
    for name in ("int", "Int64", "category", "string", "object", "bool", "boolean"):
        assert {*made[name].drop_nulls()} <= {*X[name]} if kind is pl else True
        assert {*made[name].dropna()} <= {*X[name].dropna()} if kind is pd else True
    if kind is pd:
        pd.testing.assert_frame_equal(more[:300], X)
        assert more["float"][300:].isna().any()


def test_gaps_in_arrays_are_for_mixed():
    X = np.where(ROWS > 2, np.nan, ROWS)
    mixed = clone(TINY).set_params(likelihood="mixed")
    more = clone(QUICK).set_params(autoencoder=mixed).fit_resample(X, LABELS)[0]
    assert np.isnan(more[60:]).any()
    assert {*more[60:, 4]} <= {0.0, 1.0}


def test_containers_and_dtypes_are_kept():
    for kind in (sp.csr_array, sp.csc_matrix):
        more = QUICK.fit_resample(kind(ROWS), LABELS)[0]
        assert type(more) is kind
        assert more.shape == (120, 5)
    whole = np.rint(ROWS * 10).astype(np.int16)
    more, labels = QUICK.fit_resample(whole, pd.Categorical(LABELS))
    assert more.dtype == np.int16
    assert isinstance(labels, pd.Categorical)
    pictures = RNG.integers(256, size=(60, 4, 4)).astype(np.uint8)
    more = QUICK.fit_resample(pictures, LABELS)[0]
    assert more.shape == (120, 4, 4)
    assert more.dtype == np.uint8


def test_rows_of_a_class_may_be_drawn_by_a_conditional_autoencoder():
    vae = VariationalAutoencoder(2, conditional=True, max_iter=2)
    sampler = clone(QUICK).set_params(autoencoder=vae)
    X, y = sampler.fit_resample(ROWS, LABELS)
    assert sampler.autoencoder_.classes_.tolist() == ["few", "many", "some"]
    assert (y == "few").sum() == 40
    assert {*X[60:, 3]} <= {*ROWS[:, 3]}


@pytest.mark.parametrize("names", [[-1, 0, 1], ["-1", "a", "b"]], ids=str)
def test_minus_one_is_a_class_as_any_other(names):
    vae = VariationalAutoencoder(2, conditional=True, max_iter=2)
    ways = {"autoencoder": vae, "cv": 2, "judge": True}
    y = np.repeat(names, [8, 40, 12])
    # half a row to be made of a class in each fold is one
    few = {y[0].item(): 9}
    sampler = clone(QUICK).set_params(**ways, sampling_strategy=few).fit(ROWS, y)
    assert [*sampler.judged_] == [y[0]]
    sampler.set_params(judge=False, sampling_strategy="auto")
    assert (sampler.fit_resample(ROWS, y)[1] == y[0]).sum() == 40


def test_imbalanced_learn_knows_it_for_a_sampler():
    base = pytest.importorskip("imblearn.base")
    pipeline = pytest.importorskip("imblearn.pipeline")
    assert base.is_sampler(QUICK)
    model = pipeline.make_pipeline(QUICK, LogisticRegression()).fit(ROWS, LABELS)
    more, y = QUICK.fit_resample(ROWS, LABELS)
    known = LogisticRegression().fit(more, y)
    np.testing.assert_allclose(model[-1].coef_, known.coef_)
    assert model.predict(ROWS).shape == (60,)


def test_the_contract_of_imbalanced_learn():
    checks = pytest.importorskip("imblearn.utils.estimator_checks")
    names = set()
    for _, check in checks.estimator_checks_generator(QUICK):
        name = check.func.__name__
        names.add(name)
        # columns of sparse rows are scaled and not centred, so codes are others
        if name not in ("check_samplers_sparse", "check_samplers_pandas_sparse"):
            check(clone(QUICK))
    assert {"check_samplers_pandas", "check_samplers_preserve_dtype"} < names


def test_a_verdict_asks_for_more_than_noise_from_all_classifiers():
    def verdict(*gains):  # (folds, classifiers)
        gains = np.array(gains)
        return verdict_of(np.stack([np.zeros_like(gains), gains], axis=1))

    known = verdict([0.1, 0.1], [0.3, 0.1], [0.2, 0.1])
    assert known.gain == pytest.approx(0.15)
    assert known.error == pytest.approx(0.05 * np.sqrt(1 / 3 + 1 / 2))
    assert known.is_kept
    assert known.worst == pytest.approx(0.1)
    assert not verdict([0.1, 0.1], [-0.1, 0.0], [0.1, -0.05]).is_kept  # noise
    assert not verdict([0.4, -0.05], [0.4, -0.05], [0.4, -0.05]).is_kept  # one is harmed
    assert verdict([0.4, -0.05], [0.4, 0.05], [0.4, -0.05]).is_kept  # it may be noise
    assert not verdict([0.001, 0.001], [0.001, 0.001]).is_kept  # as good as none
