"""`likelihood="auto"`: "mixed" for tables of more than numbers, "gaussian" for the rest."""

import datetime
import decimal
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    LatentSampler,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._data.frames import has_other_than_numbers
from skae.likelihoods import Gaussian, Mixed
from skae.metrics import explained_variance_scorer, reconstruction_error_scorer
from skae.networks import ConvolutionalNetwork
from tests.mixed import FRAME, POLARS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"max_iter": 2, "random_state": 0}
KINDS = [
    AdversarialAutoencoder, Autoencoder, BinaryAutoencoder, DenoisingAutoencoder,
    SparseAutoencoder, VariationalAutoencoder,
]  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
LEVELS = {4: 2, 5: 2, 6: 3, 7: 2, 8: 2}  # of FRAME's categories
NUMBERS = FRAME[["float32", "int", "bool"]]
ROWS = NUMBERS.to_numpy(dtype=float)
DAY = datetime.date(2026, 11, 26)


@pytest.mark.parametrize(
    ("values", "is_other"),
    [
        ([1, 2], False),
        ([1.5, None], False),
        (np.array([1, 2], dtype=np.float16), False),
        ([True, False], False),
        (pd.array([1, None], dtype="Int64"), False),
        (pd.array([True, None], dtype="boolean"), False),
        (np.array([1, 2.5], dtype=object), False),
        (np.array([True, None], dtype=object), False),
        ([decimal.Decimal("1.5"), decimal.Decimal(2)], False),
        (pd.arrays.SparseArray([0.0, 1.0]), False),
        (["a", "b"], True),
        (["1", "2"], True),  # a part of a column of texts may look like numbers
        (np.array(["1", None], dtype=object), True),
        (pd.Categorical([1, 2]), True),
        (pd.to_datetime(["2026-11-26", None]), True),
        (pd.to_timedelta(["1h", "2h"]), True),
        (np.array([DAY, DAY], dtype=object), True),
        (np.array([datetime.time(9), datetime.time(10)], dtype=object), True),
        (pd.period_range("2026", periods=2), True),
    ],
)
def test_columns_tell_by_their_types(values, is_other):
    assert has_other_than_numbers(pd.DataFrame({"a": [1.0, 2.0], "b": values})) == is_other


def test_columns_of_other_libraries_tell_alike():
    numbers = {"a": [1.0, None], "b": [True, False], "c": [1, 2]}
    assert not has_other_than_numbers(pl.DataFrame(numbers))
    assert not has_other_than_numbers(pa.table(numbers))
    for others in (["1", "2"], [DAY, DAY], [datetime.timedelta(1), None]):
        assert has_other_than_numbers(pl.DataFrame({**numbers, "d": others}))
        assert has_other_than_numbers(pa.table({**numbers, "d": others}))
    for dtype in (pl.Categorical, pl.Enum(["1", "2"])):
        others = pl.Series("d", ["1", "2"], dtype=dtype)
        assert has_other_than_numbers(pl.DataFrame(numbers).with_columns(others))
    assert has_other_than_numbers(pa.table({"d": pa.array(["1"]).dictionary_encode()}))
    for X in (None, [["a"]], np.array([["a"]], dtype=object), sp.eye_array(3)):
        assert not has_other_than_numbers(X)


@each_kind
def test_frames_with_categories_are_mixed(kind):
    auto = kind(**QUICK).fit(FRAME)
    mixed = kind(likelihood="mixed", **QUICK).fit(FRAME)
    assert auto.likelihood_ == mixed.likelihood_ == Mixed(LEVELS)
    np.testing.assert_array_equal(auto.transform(FRAME), mixed.transform(FRAME))
    pd.testing.assert_frame_equal(auto.reconstruct(FRAME), mixed.reconstruct(FRAME))
    assert list(auto.get_feature_names_out()) == list(mixed.get_feature_names_out())


@pytest.mark.parametrize("table", [POLARS, POLARS.to_arrow()], ids=["polars", "arrow"])
def test_so_are_those_of_other_libraries(table):
    auto = Autoencoder(2, **QUICK).fit(table)
    mixed = Autoencoder(2, likelihood="mixed", **QUICK).fit(table)
    np.testing.assert_array_equal(auto.transform(table), mixed.transform(table))
    assert auto.reconstruct(table).equals(mixed.reconstruct(table))


@each_kind
def test_numbers_are_gaussian(kind):
    for X in (NUMBERS, pl.from_pandas(NUMBERS), ROWS, sp.csr_array(ROWS)):
        auto = kind(2, **QUICK).fit(X)
        gaussian = kind(2, likelihood="gaussian", **QUICK).fit(X)
        assert auto.likelihood_ == Gaussian()
        np.testing.assert_array_equal(auto.transform(X), gaussian.transform(X))
        np.testing.assert_array_equal(auto.reconstruct(X), gaussian.reconstruct(X))


def test_likelihoods_that_are_named_are_told_of():
    for likelihood in ("poisson", Gaussian(scale="column"), Mixed({2: 2})):
        fitted = Autoencoder(1, likelihood=likelihood, **QUICK).fit(np.abs(ROWS).round())
        assert type(likelihood) in (str, type(fitted.likelihood_))
        if not isinstance(likelihood, str):
            assert fitted.likelihood_ == likelihood


@pytest.mark.parametrize(
    "estimator",
    [
        ConvolutionalAutoencoder(2, **QUICK),
        Autoencoder(2, network=ConvolutionalNetwork(), **QUICK),
        AutoencoderOutlierDetector(ConvolutionalAutoencoder(2), n_estimators=1, **QUICK),
    ],
    ids=lambda e: type(e).__name__,
)
def test_convolutions_are_of_numbers(estimator):
    with pytest.raises(ValueError, match=r"not numbers in column 'k'.*or drop them"):
        clone(estimator).fit(NUMBERS.assign(k="a"))
    pictures = np.random.default_rng(0).normal(size=(40, 4, 4))
    assert clone(estimator).fit(pictures).n_features_in_ == 16


def test_a_selector_has_no_auto():
    with pytest.raises(ValueError, match="must be a str among"):
        AutoencoderFeatureSelector(likelihood="auto").fit(ROWS)


def test_training_goes_on_as_the_first_rows_were():
    stream = Autoencoder(2, **QUICK).partial_fit(FRAME[:150])
    stream.partial_fit(FRAME[150:])
    mixed = Autoencoder(2, likelihood="mixed", **QUICK).partial_fit(FRAME[:150])
    mixed.partial_fit(FRAME[150:])
    np.testing.assert_array_equal(stream.transform(FRAME), mixed.transform(FRAME))
    with pytest.raises(ValueError, match=r"'string' is now float64"):
        stream.partial_fit(FRAME.assign(string=1.0))
    warm = Autoencoder(2, warm_start=True, **QUICK).fit(FRAME).fit(FRAME)
    assert warm.set_params(likelihood="mixed").fit(FRAME).likelihood_ == Mixed(LEVELS)
    numbers = Autoencoder(2, warm_start=True, **QUICK).fit(NUMBERS)
    for goes_on in (numbers.fit, numbers.partial_fit):
        with pytest.raises(ValueError, match=r"'int'.*or use likelihood='mixed'"):
            goes_on(NUMBERS.assign(int="a"))
    assert numbers.set_params(likelihood="gaussian").fit(NUMBERS).likelihood_ == Gaussian()
    fresh = numbers.set_params(likelihood="auto", warm_start=False)
    assert fresh.fit(FRAME).likelihood_ == Mixed(LEVELS)


def test_a_search_over_likelihoods():
    grid = {"likelihood": ["auto", "gaussian", "mixed"]}
    search = GridSearchCV(Autoencoder(2, **QUICK), grid, cv=2, error_score=np.nan)
    auto, gaussian, mixed = search.fit(ROWS).cv_results_["mean_test_score"]
    assert auto == gaussian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that failed
        search.fit(FRAME)
    auto, gaussian, mixed = search.cv_results_["mean_test_score"]
    assert auto == mixed
    assert np.isnan(gaussian)
    assert type(search.best_estimator_.likelihood_) is Mixed


@pytest.mark.parametrize("scorer", [explained_variance_scorer, reconstruction_error_scorer])
def test_measures_of_numbers_name_the_columns_that_are_none(scorer):
    names = ["category", "string", "object"]
    fitted = Autoencoder(2, **QUICK).fit(FRAME)
    with pytest.raises(ValueError, match=rf"X: columns {re.escape(str(names))}.*own score"):
        scorer(fitted, FRAME)


def test_what_is_announced_is_of_arrays():
    auto, gaussian = Autoencoder(), Autoencoder(likelihood="gaussian")
    assert auto.likelihood == "auto"
    assert auto.__sklearn_tags__() == gaussian.__sklearn_tags__()
    auto.set_params(**QUICK).fit(FRAME)
    assert auto.__sklearn_tags__() == gaussian.__sklearn_tags__()


@pytest.mark.parametrize(
    "estimator", [Autoencoder(2, **QUICK), AutoencoderOutlierDetector(max_iter=1)]
)
def test_one_column_of_names_is_told_of_and_left_alone(estimator):
    table = NUMBERS.assign(id=[f"customer {i}" for i in range(len(NUMBERS))])
    estimator = clone(estimator)
    with pytest.warns(UserWarning, match="hold texts that are no categories") as told:
        estimator.fit(table)
    (warning,) = [w for w in told if "X: " in str(w.message)]
    assert "'id' (300 different values in 300 cells): drop it" in str(warning.message)
    assert warning.filename == __file__
    if isinstance(estimator, Autoencoder):
        assert estimator.likelihood_ == Mixed({2: 2})
        assert estimator.reconstruct(table)["id"].equals(table["id"])
        others = table.assign(id="somebody else")
        np.testing.assert_array_equal(
            estimator.transform(table), estimator.transform(others)
        )


def test_numbers_as_texts_are_told_of():
    table = NUMBERS.assign(price=[f"{price:.2f}" for price in ROWS[:, 0]])
    with pytest.warns(UserWarning, match=r"'price' \(numbers as texts.*pd.to_numeric"):
        assert Autoencoder(2, **QUICK).fit(table).likelihood_ == Mixed({2: 2})


def test_marks_of_missing_cells_are_told_of():
    table = NUMBERS.assign(kind=FRAME["object"])
    table.loc[:20, "int"] = -999
    with pytest.warns(UserWarning, match="-999.*'int'.*replace them by NaN"):
        Autoencoder(2, **QUICK).fit(table)


def test_the_detector_reads_tables_as_they_are():
    table = FRAME.dropna(ignore_index=True)
    odd = len(table) - 1
    table.loc[odd, "float"] += 50  # ten standard deviations
    distances = {"criteria": ("reconstruction", "code", "neighbors"), "n_estimators": 3}
    for X, asked in ((table, {}), (pl.from_pandas(table), {}), (table, distances)):
        detector = AutoencoderOutlierDetector(max_iter=20, random_state=0, **asked).fit(X)
        assert detector.score_samples(X).argmin() == odd
        assert detector.estimators_[0].likelihood_ == Mixed(LEVELS)
        assert detector.explain(X[-1:], top=1)["feature"].tolist() == ["float"]
    assert len({e.n_components_ for e in detector.estimators_}) > 1
    given = AutoencoderOutlierDetector(
        Autoencoder(2, max_iter=2), n_estimators=1, random_state=0
    )
    mixed = clone(given).set_params(autoencoder__likelihood="mixed")
    np.testing.assert_array_equal(
        given.fit(table).score_samples(table), mixed.fit(table).score_samples(table)
    )
    followed = given.partial_fit(table[:50]).estimators_[0]
    assert followed.likelihood_ == Mixed(LEVELS)


def test_the_sampler_does_so_too():
    params = {"random_state": 0}
    auto = LatentSampler(Autoencoder(2, max_iter=2), **params).fit(FRAME)
    mixed = LatentSampler(Autoencoder(2, likelihood="mixed", max_iter=2), **params)
    pd.testing.assert_frame_equal(
        auto.sample(20, random_state=1), mixed.fit(FRAME).sample(20, random_state=1)
    )
    framed = auto.autoencoder_.set_output(transform="pandas").transform(FRAME)
    assert list(framed) == ["autoencoder0", "autoencoder1"]
    assert framed.index.equals(FRAME.index)
