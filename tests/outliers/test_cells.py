"""Outliers by what each cell costs, given the others of its row."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy.stats import skew
from sklearn.metrics import average_precision_score

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.outliers._cells import MOST_PASSES, Cells, Shapes, unfitted

KINDS = np.array(["small", "usual", "large", "rare"])


def goods(n, seed):
    """A kind, a price that goes with it (the rare kind is dear), and a weight.

    Beside them are two constants and a column without a value.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[0.3, 0.4, 0.27, 0.03])
    price = np.array([5.0, 20, 60, 400])[kind] * np.exp(0.2 * rng.normal(size=n))
    frame = {"kind": KINDS[kind], "price": price, "weight": rng.normal(size=n)}
    return pd.DataFrame({**frame, "country": "DE", "year": 2024.0, "note": np.nan})


def planted(n, seed):
    """The same with ten wrong kinds: nothing is rare or far out by itself."""
    table = goods(n, seed)
    dear = np.flatnonzero(table["price"] > 200)[:5]
    cheap = np.flatnonzero(table["kind"] == "small")[:5]
    table.loc[dear, "kind"], table.loc[cheap, "kind"] = "small", "large"
    return table, np.isin(np.arange(n), [*dear, *cheap])


@pytest.fixture(scope="module")
def found():
    table, bad = planted(600, 0)
    detector = AutoencoderOutlierDetector(max_iter=60, random_state=0).fit(table)
    return detector, table, bad


def test_cells_that_break_a_dependence_are_found_and_rare_kinds_are_not(found):
    detector, table, bad = found
    scores = detector.score_samples(table)
    assert average_precision_score(bad, -scores) > 0.9
    legal = (table["kind"] == "rare").to_numpy() & ~bad
    assert np.median(scores[legal]) > np.quantile(scores, 0.1)
    assert np.median(scores) == pytest.approx(-1)


def test_the_first_reason_is_a_cell_of_the_broken_pair_and_the_rest_is_cleared(found):
    detector, table, bad = found
    reasons = detector.explain(table[bad], top=1)
    assert len(reasons) == bad.sum()
    assert set(reasons["feature"]) <= {"kind", "price"}
    shares = detector.feature_contributions(table[bad])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares[["country", "year"]] == 0).all(axis=None)


def test_an_extreme_cell_leaves_what_is_expected_of_the_others(found):
    detector, table, bad = found
    row = table[~bad].iloc[[3]]
    far, gone = row.assign(price=6000.0), row.assign(price=np.nan)
    cells, read = detector._abnormality_.cells, detector._check_rows
    parts, expected = cells.reasons(read(far))
    assert parts.argmax() == 1
    assert parts[0, 1] > 5
    without = cells.reasons(read(gone))[1]
    others = [0, 2, 3, 4]
    np.testing.assert_allclose(expected[0, others], without[0, others], rtol=1e-6)
    # of the price itself, the others tell
    np.testing.assert_allclose(expected[0, 1], without[0, 1], rtol=1e-6)


def test_two_bad_cells_are_expected_as_if_both_were_missing(found):
    detector, table, bad = found
    row = table[~bad].iloc[[3]]
    wrong, gone = (
        row.assign(price=6000.0, weight=90.0),
        row.assign(price=np.nan, weight=np.nan),
    )
    read = detector._check_rows
    parts, expected = detector._abnormality_.cells.reasons(read(wrong))
    assert {*parts[0].argsort()[-2:]} == {1, 2}
    without = detector._abnormality_.cells.reasons(read(gone))[1]
    np.testing.assert_allclose(expected, without, rtol=1e-6)


def test_what_no_row_has_had_costs_what_one_more_row_would_have_had_to_tell(found):
    detector, table, bad = found
    row = table[~bad].iloc[[3]]
    cells = detector._abnormality_.cells
    changes = {"kind": "casino"}, {"country": "AT"}, {"year": 2025.0}, {"note": 0.0}
    for change in changes:
        changed = row.assign(**change)
        (name,) = change
        excess = cells.excess(detector._rows(changed))
        assert excess[0, list(table).index(name)] == pytest.approx(np.log(601))
        assert detector.score_samples(changed) < detector.score_samples(row)
        reason = detector.explain(changed, top=1)
        assert reason["feature"].tolist() == [name]
        if name != "kind":
            assert reason["expected"].fillna(-1).tolist() == [row[name].fillna(-1).iloc[0]]
    # 5.5 is halfway from what is rounding to ten times that
    near = cells.excess(detector._rows(row.assign(year=2024 * (1 + 5.5e-5))))
    assert near[0, 4] == pytest.approx(np.log(601) / 2, rel=1e-6)
    same = row.assign(year=2024 * (1 + 1e-9))
    np.testing.assert_array_equal(detector.score_samples(same), detector.score_samples(row))


def test_what_is_as_expected_is_no_reason(found):
    detector, table, _ = found
    reasons = detector.explain(table, top=5)
    assert len(reasons) > 200
    assert (reasons["observed"] != reasons["expected"]).all()


def test_a_value_where_none_was_is_new_and_dates_keep_their_shape():
    table = goods(60, 0).assign(
        gone=np.nan, day=pd.date_range("2024-01-01", periods=60, freq="D")
    )
    detector = AutoencoderOutlierDetector(max_iter=2, random_state=0).fit(table)
    shaped = [name for name in table if name not in ("kind", "country", "day")]
    assert list(table.columns[detector._shapes_.numbers]) == shaped
    row, at = table.iloc[[0]].assign(gone=3.0), list(table).index("gone")
    excess = detector._abnormality_.cells.excess(detector._rows(row))
    assert excess[0, at] == pytest.approx(np.log(61))
    reason = detector.explain(row, top=1)
    assert reason["feature"].tolist() == ["gone"]
    assert reason["expected"].isna().all()


def test_a_missing_cell_costs_nothing(found):
    detector, table, bad = found
    cells = detector._abnormality_.cells
    holed = table[~bad].iloc[:50].assign(weight=np.nan)
    excess = cells.excess(detector._rows(holed))
    assert (excess[:, 2] == 0).all()
    assert (cells.reasons(detector._rows(holed))[0][:, 2] == 0).all()


def test_costs_are_beyond_those_of_training_rows_on_the_average(found):
    detector, table, _ = found
    excess = detector._abnormality_.cells.excess(detector._rows(table))
    np.testing.assert_allclose(excess.mean(0), 0, atol=1e-5)
    # a number's, in units of its own noise, is half a squared error of 1
    usual = detector._abnormality_.cells.usual
    np.testing.assert_allclose(usual[[1, 2]], 0.5, rtol=1e-5)


def test_a_rows_score_depends_on_that_row_alone(found):
    detector, table, _ = found
    scores = detector.score_samples(table)
    np.testing.assert_array_equal(detector.score_samples(table.iloc[[7]]), scores[[7]])
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.score_samples(table), scores)


def test_partial_fit_goes_on_with_the_same_shapes(found):
    detector, _, _ = found
    again = pickle.loads(pickle.dumps(detector)).partial_fit(goods(300, 1))
    fresh, bad = planted(400, 2)
    assert average_precision_score(bad, -again.score_samples(fresh)) > 0.8
    assert len(again._latest_[0]) == 900
    assert again._latest_[1].all()  # of tables, cells are learnt from all rows, as in `fit`


def test_cells_go_with_distances_of_numbers():
    table = goods(300, 0)
    X = np.c_[np.log(table["price"]), np.log(table["price"]) + table["weight"]]
    few = {"n_estimators": 2, "max_iter": 3, "random_state": 0}
    plain = AutoencoderOutlierDetector(criteria=("code", "neighbors"), **few).fit(X)
    both = AutoencoderOutlierDetector(criteria=("cells", "code"), **few).fit(X)
    # the ensemble is that without cells, whose autoencoder comes last
    states = [[m.random_state for m in d.estimators_] for d in (plain, both)]
    assert states[1][:2] == states[0]
    assert len(states[1]) == 3
    assert both.estimators_[2].n_components == 64
    costs, code = both._abnormality_.measures
    (seen,) = both._abnormality_._seen(X)
    parts = [np.maximum(m.in_units(m.distance(seen)), 0.01) for m in (costs, code)]
    whole = np.sqrt(np.prod(parts, axis=0))
    np.testing.assert_allclose(both.score_samples(X), -whole, rtol=1e-6)
    # nats above the least, and their root in units of the median of what was learnt from
    nats = both._abnormality_.cells.excess(X).sum(1)
    np.testing.assert_allclose(costs.distance(seen), nats, rtol=1e-6)
    root = np.sqrt((nats - costs.least).clip(0))
    np.testing.assert_allclose(costs.in_units(nats), root / costs.unit, rtol=1e-6)


def test_auto_is_the_distances_of_numbers_and_of_an_autoencoder_of_ones_own():
    table = goods(100, 0)
    few = {"n_estimators": 2, "max_iter": 1, "random_state": 0}
    for autoencoder, X in (
        (None, table[["price", "weight"]]),
        (Autoencoder(1, likelihood="mixed"), table),
    ):
        detector = AutoencoderOutlierDetector(autoencoder, **few).fit(X)
        assert detector._criteria_ == ("reconstruction", "code", "neighbors")


@pytest.mark.parametrize(
    ("X", "what"),
    [(sp.csr_array(np.eye(9)), "sparse matrix"), (np.zeros((9, 4, 4)), "pictures")],
)
def test_cells_are_of_dense_tables(X, what):
    with pytest.raises(ValueError, match=f"criteria: 'cells'.*{what}"):
        AutoencoderOutlierDetector(criteria=("cells",)).fit(X)


def test_criteria_are_auto_or_known_names():
    for criteria in ((), ("cell",), "cells"):
        with pytest.raises(ValueError, match="criteria"):
            AutoencoderOutlierDetector(criteria=criteria).fit(np.eye(9))


# Its parts


def test_shapes_take_away_skewness_and_go_back():
    rng = np.random.default_rng(0)
    X = np.c_[rng.lognormal(3, 1, 2000), rng.integers(0, 5, 2000), np.full(2000, 7.0)]
    X[::9, 0] = np.nan
    shapes = Shapes(X, np.array([0, 2]))
    shaped = shapes(X)
    u = shaped[~np.isnan(X[:, 0]), 0]
    assert skew(X[:, 0], nan_policy="omit") > 3
    assert abs(skew(u)) < 0.3
    np.testing.assert_allclose([u.mean(), u.std()], [0, 1], atol=1e-6)
    np.testing.assert_array_equal(shaped[:, 1], X[:, 1])
    assert (shaped[:, 2] == shaped[0, 2]).all()
    np.testing.assert_allclose(shapes.back(shaped), X, rtol=1e-6)


def test_shapes_beyond_the_ends_keep_deviations():
    X = np.random.default_rng(0).lognormal(size=(500, 1))
    shapes = Shapes(X, np.array([0]))
    top, scale = X.max(), X.std()
    steps = shapes(np.array([[top], [top + scale], [top + 3 * scale], [top + 99 * scale]]))
    np.testing.assert_allclose(np.diff(steps[:3, 0]), [1, 2], rtol=1e-6)
    assert steps[3] == 20
    assert shapes.back(steps)[3] == pytest.approx(top)


def test_shapes_of_a_constant_leave_rounding_out_and_show_what_moved():
    X = np.full((50, 1), 0.1)
    X[::2] = np.nextafter(0.1, 1)
    shapes = Shapes(X, np.array([0]))
    assert (shapes(X) == 0).all()
    rows = 0.1 + np.array([[0.0], [0.5e-6], [5.5e-6], [1e-4], [1e300], [np.nan]])
    expected = np.array([[0], [0], [0.5], [1], [1], [0]])
    np.testing.assert_allclose(shapes.moved(rows), expected, atol=1e-6)


@pytest.mark.parametrize("n_huge", [1, 60])
def test_a_column_beyond_standardising_is_refused_by_name(n_huge):
    table = goods(60, 0)
    table.loc[: n_huge - 1, "weight"] *= 1e300
    with pytest.raises(ValueError, match="column 2 are too large to be standardised"):
        AutoencoderOutlierDetector().fit(table)


def test_in_wide_tables_columns_are_hidden_together_each_once():
    X = np.random.default_rng(0).normal(size=(40, 2 * MOST_PASSES + 3))
    shapes, member = unfitted(X, None, 0)
    cells = Cells(member.set_params(max_iter=1).fit(shapes(X)), shapes, X)
    assert len(cells.groups) == MOST_PASSES
    hidden = torch.cat(cells.groups).tolist()
    assert sorted(hidden) == list(range(X.shape[1]))
    assert cells.excess(X).shape == X.shape
