"""Outliers of tables of numbers and categories."""

import pickle

import numpy as np
import pytest

from skae import Autoencoder, AutoencoderOutlierDetector, VariationalAutoencoder
from skae.likelihoods import Mixed
from tests.mixed import FRAME, POLARS, QUICK, codes_array, table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# A variational one


@pytest.fixture(scope="module")
def variational():
    return VariationalAutoencoder(3, likelihood="mixed", random_state=0).fit(FRAME)


# The detector and the sampler


@pytest.fixture(scope="module")
def found():
    X = table(300).copy()
    X.loc[7, ["float", "int", "bool"]] = [112.0, 24, False]  # z is high, and bool says no
    X.loc[8, ["float", "int"]] = [112.0, -24]
    autoencoder = Autoencoder(2, likelihood="mixed", early_stopping=False, max_iter=60)
    detector = AutoencoderOutlierDetector(autoencoder, n_estimators=4, random_state=0)
    return X, detector.fit(X)


@pytest.mark.parametrize("row", [7, 8])
def test_rows_of_a_planted_combination_are_outliers(found, row):
    X, detector = found
    scores = detector.score_samples(X)
    assert (scores < scores[row]).sum() < 8  # beside rows far out
    assert detector.predict(X)[row] == -1


def test_missing_cells_are_not_what_makes_rows_abnormal(found):
    X, detector = found
    scores = detector.score_samples(X)
    holed = X.notna().all(axis=1).to_numpy()
    assert abs(np.median(scores[holed]) - np.median(scores[~holed])) < 0.5
    assert np.isfinite(scores).all()


def test_reasons_are_given_in_the_tables_own_values(found):
    X, detector = found
    rows = X.iloc[[7, 8, int(X["float"].isna().argmax())]]
    shares = detector.feature_contributions(rows)
    assert list(shares.columns) == list(X.columns)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.iloc[0].idxmax() == "bool"
    assert shares.iloc[1].idxmax() in ("float", "int")
    assert shares["float"].iloc[2] == 0
    reasons = detector.explain(rows, top=1)
    assert reasons.loc[7, 1]["observed"] is False or not reasons.loc[7, 1]["observed"]
    assert reasons.loc[7, 1]["expected"]
    every = detector.explain(rows, top=9)
    text = every[every["feature"] == "string"]
    assert set(text["expected"]) <= {"plus", "minus"}


def test_a_detector_takes_arrays_polars_and_further_rows():
    for X in (POLARS, codes_array()):
        likelihood = "mixed" if X is POLARS else Mixed({1: 4, 2: 2})
        inner = Autoencoder(2, **QUICK | {"likelihood": likelihood})
        detector = AutoencoderOutlierDetector(
            inner, n_estimators=2, max_iter=2, random_state=0
        ).fit(X)
        assert detector.score_samples(X).shape == (300,)
        detector.partial_fit(X[:100])
        assert len(detector.feature_contributions(X[:3])) == 3
        assert detector.explain(X[:3])["contribution"].between(1e-12, 1).all()
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    variational = VariationalAutoencoder(2, **QUICK)
    AutoencoderOutlierDetector(variational, n_estimators=2, max_iter=2, random_state=0).fit(
        FRAME
    )
