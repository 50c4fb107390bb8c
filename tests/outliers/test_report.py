"""What is found, as a table for a ticket."""

import numpy as np
import pandas as pd
import pytest

from skae import Autoencoder, ConvolutionalAutoencoder
from tests.outliers.rows import CLEAN, FAR, X, quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = list("abcdef")
ROWS = pd.DataFrame(np.concatenate([CLEAN[:6], FAR[:4]]), columns=NAMES)


@pytest.fixture(scope="module")
def detector():
    return quick().fit(pd.DataFrame(X, columns=NAMES))


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "kind": rng.choice(["a", "b"], 60),
            "price": rng.normal(size=60),
            "day": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(9, size=60), "D"),
        }
    )
    table.loc[7, "price"] = 50.0
    model = Autoencoder(1, likelihood="mixed", max_iter=3)
    return quick(autoencoder=model).fit(table), table


def test_it_says_what_the_methods_say(detector):
    report = detector.report(ROWS, n_reasons=2)
    assert report.columns.tolist() == [
        *("score", "flagged", "why", "reason_1", "observed_1", "expected_1"),
        *("reason_2", "observed_2", "expected_2"),
    ]
    np.testing.assert_array_equal(report["score"], detector.score_samples(ROWS))
    flagged = detector.predict(ROWS) == -1
    np.testing.assert_array_equal(report["flagged"], flagged)
    assert 0 < flagged.sum() < len(ROWS)
    explained = detector.explain(ROWS[flagged], top=2)
    for rank in (1, 2):
        told = explained.xs(rank, level="rank")
        for mine, theirs in [
            ("reason", "feature"), ("observed", "observed"), ("expected", "expected"),
        ]:  # fmt: skip
            assert (
                report.loc[told.index, f"{mine}_{rank}"].tolist() == told[theirs].tolist()
            )
    assert report.loc[~flagged].filter(regex="_").isna().all(axis=None)
    assert (report.loc[~flagged, "why"] == "").all()


def test_reasons_are_put_in_words(detector):
    report = detector.report(ROWS, n_reasons=2)
    row = report[report["reason_2"].notna()].iloc[0]
    words = [
        f"{row[f'reason_{i}']} {row[f'observed_{i}']:.4g} (expected "
        f"{row[f'expected_{i}']:.4g})"
        for i in (1, 2)
    ]
    assert row["why"] == "; ".join(words)


def test_rows_that_are_not_flagged_are_explained_if_asked_for(detector):
    report = detector.report(ROWS, explain="all", n_reasons=1)
    explained = detector.explain(ROWS, top=1).xs(1, level="rank")
    assert report["reason_1"].dropna().tolist() == explained["feature"].tolist()
    assert len(explained) > report["flagged"].sum()


def test_p_values_are_there_once_calibrated(detector):
    detector = quick().fit(X).calibrate(CLEAN[100:])
    report = detector.report(CLEAN[:9])
    np.testing.assert_array_equal(report["p_value"], detector.p_values(CLEAN[:9]))
    assert report.columns.tolist()[:4] == ["score", "flagged", "p_value", "why"]


def test_labels_that_repeat_lose_nothing(detector):
    twice = ROWS.set_axis(["x"] * len(ROWS))
    report = detector.report(twice)
    assert report.index.tolist() == ["x"] * len(ROWS)
    pd.testing.assert_frame_equal(report.reset_index(drop=True), detector.report(ROWS))
    levels = pd.MultiIndex.from_product([["u", "v"], range(5)], names=["p", "q"])
    assert detector.report(ROWS.set_axis(levels)).index.equals(levels)


def test_no_row_is_flagged(detector):
    normal = ROWS[detector.predict(ROWS) == 1]
    report = detector.report(normal, n_reasons=1)
    assert len(report) == len(normal)
    assert report["reason_1"].isna().all()


def test_categories_and_dates_are_told_as_such(mixed):
    detector, table = mixed
    report = detector.report(table.iloc[[7]], explain="all", n_reasons=3)
    assert report.index.tolist() == [7]
    row = report.loc[7]
    assert row["reason_1"] == "price"
    assert row["observed_1"] == 50
    told = {row[f"reason_{i}"]: row[f"observed_{i}"] for i in (1, 2, 3)}
    for name in set(told) & {"kind", "day"}:
        assert told[name] == table.loc[7, name]


def test_pictures_have_no_reasons():
    pictures = X[:40, :4].reshape(-1, 2, 2)
    model = ConvolutionalAutoencoder(1, image_shape=(2, 2))
    detector = quick(autoencoder=model, max_iter=1).fit(pictures)
    report = detector.report(pictures[:3])
    assert report.columns.tolist() == ["score", "flagged"]
    np.testing.assert_array_equal(report["score"], detector.score_samples(pictures[:3]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_reasons": 0}, "n_reasons must be an integer of at least 1"),
        ({"explain": "some"}, "explain must be one of 'flagged', 'all'"),
    ],
)
def test_arguments_are_checked(detector, params, message):
    with pytest.raises(ValueError, match=message):
        detector.report(ROWS, **params)
