"""Which columns are to blame."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from skae import Autoencoder, AutoencoderOutlierDetector, ConvolutionalAutoencoder
from tests.outliers.rows import CLEAN, X, quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(max_iter=60, n_estimators=3, random_state=0).fit(X)


# Containers and autoencoders


def test_pictures_get_a_heat_map_where_the_defect_is():
    digits = load_digits()
    X = digits.images[digits.target == 0]
    detector = AutoencoderOutlierDetector(
        ConvolutionalAutoencoder(8, image_shape=(8, 8)),
        n_estimators=2,
        max_iter=30,
        purify=False,
        random_state=0,
    ).fit(X[:120])
    bad = X[120:160].copy()
    bad[:, 3:5, 3:5] = 16  # the hole of the zero is filled
    heat = detector.feature_contributions(bad)
    assert heat.shape == bad.shape
    np.testing.assert_allclose(heat.sum((1, 2)), 1)
    assert heat[:, 3:5, 3:5].sum((1, 2)).mean() > 0.3
    assert (detector.score_samples(bad) < np.median(detector.score_samples(X[120:]))).all()
    with pytest.raises(ValueError, match="heat map"):
        detector.explain(bad)


# Reasons


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(2)
    rows, column = CLEAN[100:200].copy(), rng.integers(6, size=100)
    rows[np.arange(100), column] += 5 * X.std(0)[column] * rng.choice([-1, 1], 100)
    return pd.DataFrame(rows, columns=list("abcdef"), index=range(500, 600)), column


@pytest.fixture(scope="module")
def framed():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    return AutoencoderOutlierDetector(
        max_iter=60, n_estimators=3, purify=False, random_state=0
    ).fit(frame)


def test_contributions_name_the_changed_column_first(framed, planted):
    frame, column = planted
    shares = framed.feature_contributions(frame)
    assert list(shares.columns) == list("abcdef")
    assert list(shares.index) == list(frame.index)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all(axis=None)
    assert (shares.to_numpy().argmax(1) == column).mean() >= 0.95


def test_a_contribution_is_the_drop_of_the_score(framed, planted):
    frame, _ = planted
    row = frame.iloc[[0]]
    expected, _ = framed._abnormality_.expected(row.to_numpy())
    before, drops = framed.score_samples(row)[0], []
    for j, name in enumerate(frame.columns):
        replaced = row.assign(**{name: expected[0, j]})
        drops.append(max(0, framed.score_samples(replaced)[0] - before))
    np.testing.assert_allclose(
        framed.feature_contributions(row).iloc[0], np.divide(drops, sum(drops)), atol=1e-6
    )


def test_what_is_expected_is_the_regression_on_the_others():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 3)) + 5
    detector = quick(purify=False).fit(rows)
    got = detector._abnormality_.expected(rows[:50])[0][:, 1]
    others = np.c_[np.ones(len(rows)), rows[:, [0, 2]]]
    weights = np.linalg.lstsq(others, rows[:, 1], rcond=None)[0]
    np.testing.assert_allclose(got, others[:50] @ weights, atol=0.1)


def test_explain_says_what_was_expected(framed, planted):
    frame, column = planted
    said = framed.explain(frame, top=2)
    assert said.index.names == ["row", "rank"]
    assert list(said.index[:2]) == [(500, 1), (500, 2)]
    assert list(said.index.get_level_values("row").unique()) == list(frame.index)
    first = said.xs(1, level="rank")
    named = first["feature"].map("abcdef".index).to_numpy()
    right = named == column
    assert right.mean() > 0.9
    cells = frame.to_numpy()[np.arange(100), named]
    np.testing.assert_array_equal(first["observed"], cells)
    away = abs(first["observed"] - first["expected"]).to_numpy() / X.std(0)[named]
    np.testing.assert_allclose(away[right], 5, atol=1.5)
    second = said.xs(2, level="rank")["contribution"]
    assert (first["contribution"][second.index] >= second).all()
    every, shares = framed.explain(frame, top=50), framed.feature_contributions(frame)
    assert (every["contribution"] > 0).all()
    assert len(every) == (shares > 0).sum(axis=None)
    with pytest.raises(ValueError, match="top"):
        framed.explain(frame, top=0)


@pytest.fixture(scope="module")
def transactions():
    rng = np.random.default_rng(0)
    n = 600
    merchant = rng.choice(["grocery", "fuel", "online"], n, p=[0.5, 0.3, 0.2])
    typical = pd.Series({"grocery": 40, "fuel": 60, "online": 90})[merchant].to_numpy()
    hour = np.where(merchant == "online", rng.normal(20, 2, n), rng.normal(13, 3, n))
    return pd.DataFrame(
        {
            "amount": typical * rng.lognormal(0, 0.3, n),
            "hour": hour.clip(0, 23).round(),
            "merchant": merchant,
            "balance": rng.lognormal(7, 0.8, n),
        }
    )


@pytest.mark.parametrize("columns", [["amount", "hour", "balance"], None])
def test_an_extreme_cell_does_not_lead_to_blaming_others(transactions, columns):
    table = transactions if columns is None else transactions[columns]
    inner = None if columns else Autoencoder(3, likelihood="mixed", random_state=0)
    detector = quick(autoencoder=inner).fit(table)
    clean = table.iloc[:20]
    normal = detector._abnormality_.expected(detector._check_rows(clean))[0]
    for changes in ({"amount": 6000.0}, {"amount": 6000.0, "balance": 1e6}):
        wild = clean.assign(**changes)
        expected = detector._abnormality_.expected(detector._check_rows(wild))[0]
        for j, name in enumerate(table.columns):  # what the amount said is missed, no more
            if name == "merchant":
                assert (expected[:, j] == normal[:, j]).mean() >= 0.8
                continue
            away = abs(expected[:, j] - normal[:, j]) / table[name].std()
            assert away.max() < 1, name
            assert away.mean() < 0.4, name
    said = detector.explain(clean.assign(amount=6000.0), top=1)
    assert (said["feature"] == "amount").all()


def test_rows_of_several_labels_are_told_by_them(framed, planted):
    frame, _ = planted
    labels = pd.MultiIndex.from_product([[1, 2], range(50)])
    said = framed.explain(frame.set_index(labels), top=1)
    assert said.index[0] == ((1, 0), 1)
    assert said.index[-1] == ((2, 49), 1)
