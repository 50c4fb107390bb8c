"""How a missing number is distributed: by hand, and on tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import skae.impute._predictive as predictive
from skae import AutoencoderImputer
from skae._data.ranks import ColumnMap
from skae.impute._draws import Source
from skae.impute._head import ABSOLUTE, BINS, SPREAD_EVENLY, Head, add_head, cost, overlap
from skae.impute._hidden import learners_of
from skae.impute._predictive import Cells, Errors, Predictive, below, weigh
from skae.impute._train import ranks_of


def column(values, low=-np.inf, high=np.inf, spread=10.0):
    return Predictive(ColumnMap.learn(values, spread), np.asarray, low, high)


# Errors


def test_the_share_of_errors_below():
    errors = np.tile([10.0, 20, 30, 40], (7, 1))
    z = np.array([-np.inf, 5, 20, 25, 40, 41, np.inf])
    # the k-th of four is at k / 5; nothing lies beyond the first and the last
    np.testing.assert_allclose(below(errors, z), [0, 0, 0.4, 0.5, 0.8, 1, 1])
    np.testing.assert_allclose(below(None, np.array([0.0, 1.96])), [0.5, 0.975], atol=1e-4)


def test_errors_are_those_whose_prediction_was_near(monkeypatch):
    monkeypatch.setattr(predictive, "NEIGHBORS", 4)
    monkeypatch.setattr(predictive, "STRIDE", 1)
    predicted = np.array([5.0, 0, 3, 7, 1, 6, 2, 4])
    errors = Errors(predicted, -10 * predicted)
    # the windows start 2 below the places 0, 2, 5, 5 and 8, or at an end: 0, 0, 3, 3, 4
    near = errors.near(np.array([-9.0, 2, 4.5, 5, 99]))
    assert near[:, -1].tolist() == [0, 0, -30, -30, -40]
    monkeypatch.setattr(predictive, "STRIDE", 2)
    # 2 below the places 4, 4 and 0: the windows that start at 2, 2 and 0
    near = Errors(predicted, -10 * predicted).near(np.array([4.0, 3.1, 0]))
    assert near[:, -1].tolist() == [-20, -20, 0]


# Bins


def test_bins_overlap_a_values_ranks():
    share = overlap(torch.tensor([0.0, 1.5 / BINS]), torch.tensor([0.5 / BINS, 3.5 / BINS]))
    assert share[0].tolist() == [1.0] + [0.0] * (BINS - 1)
    np.testing.assert_allclose(share[1][:5], [0, 0.25, 0.5, 0.25, 0], atol=1e-6)


def test_what_a_number_costs():
    logits = torch.zeros(1, 1, 1, BINS)
    logits[..., 1] = np.log(2)
    first, last = torch.tensor([[1.25 / BINS]]), torch.tensor([[1.5 / BINS]])
    scale, error = torch.full((1, 1, 1), np.log(2.0)), torch.full((1, 1, 1), -3.0)
    expected = np.log(2) + 3 / 2 - np.log(2 / (BINS + 1))
    assert float(cost(logits, scale, error, first, last)) == pytest.approx(expected)


def test_what_lies_below_the_bins_ends():
    # 48 values: of ends i / 24, two values each lie between; knots are 0, 1, ..., 47
    ends = column(np.arange(48.0), spread=100).edges
    low = np.r_[-np.inf, np.arange(2, 48, 2) - 0.5]
    np.testing.assert_allclose(ends[0][:-1], low)
    np.testing.assert_allclose(ends[2][:-1], 0)
    assert (ends[1][-1], ends[2][-1]) == (np.inf, 1)
    # 8 of 48 are alike, at ranks from 16 / 48 on: ends 8 to 12 are 0, 1/4, ..., 1 of them
    atom = column(np.r_[np.arange(16.0), [16.0] * 8, np.arange(17.0, 41)], spread=100).edges
    np.testing.assert_allclose(atom[2][8:12], [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(atom[0][8:13], [15.5] * 4 + [16.5])
    # a large one: bins start alike
    flat = column(np.r_[np.zeros(30), np.arange(1, 19)], spread=100).edges
    assert np.isinf(flat[:2]).all()
    np.testing.assert_allclose(flat[2], np.arange(BINS + 1) / BINS)


def test_bins_start_where_a_number_is_expected():
    generator = torch.Generator().manual_seed(0)
    ends = torch.linspace(-3, 3, BINS + 1)
    edges = torch.stack([ends, ends, torch.zeros(BINS + 1)])[:, None]
    head = Head(2, 5, 6, edges, generator)
    mean, sd = torch.tensor([[[0.5]], [[-1.0]]]), torch.tensor([[0.4]])
    logits, log_scale = head(torch.ones(1, 5), torch.ones(2, 1, 6), mean, sd)
    assert (log_scale == 0).all()
    for i, centre in enumerate([0.5, -1.0]):
        # a logistic distribution whose mean absolute value is 0.4
        below_ends = 1 / (1 + np.exp(-(ends.numpy() - centre) / (0.4 / ABSOLUTE)))
        p = np.diff(below_ends) + SPREAD_EVENLY / BINS
        found = logits[i, 0, 0].softmax(-1).detach().numpy()
        np.testing.assert_allclose(found, p / p.sum(), rtol=1e-3)


# A mixture


def cells(expected, width, n, probabilities=None):
    bins = np.zeros((n, 0))
    if probabilities is not None:
        bins = np.tile(np.repeat(probabilities, BINS // len(probabilities)), (n, 1))
    return Cells(np.full(n, expected), np.full(n, width), bins)


def test_quantiles_of_bins_are_values_at_their_ranks():
    q = np.array([0.1, 0.49, 0.51, 0.94, 0.96])
    of = column([0.0, 0, 1, 2], spread=0.1)
    of.share = 1.0
    even = of.quantile(cells(0, 1, 5, [1]), q)
    assert even.tolist() == [0, 0, 1, 2, 2]
    # a half of the ranks has 9 / 10 of the probability
    assert of.quantile(cells(0, 1, 5, [9, 1]), q).tolist() == [0, 0, 0, 1, 2]


def test_quantiles_of_errors_are_the_nearest_values():
    of = column([0.0, 1, 5], spread=0.1)
    of.share, of.errors = 0.0, Errors(np.zeros(3), np.array([-1.0, 0, 2]))
    # errors in widths of 2 around 1: -1, 1 and 5; the middle between 0 and 1 is 0.5
    found = of.quantile(cells(1, 2, 3), np.array([0.25, 0.5, 0.75]))
    assert found.tolist() == [0, 1, 5]
    of.errors = None  # then they are normal
    grid = column(np.linspace(-4, 4, 900))
    grid.share = 0.0
    found = grid.quantile(cells(1, 0.5, 3), np.array([0.025, 0.5, 0.975]))
    np.testing.assert_allclose(found, [0.02, 1, 1.98], atol=0.01)


def test_the_commonest_value_is_as_often_as_near_what_is_predicted(monkeypatch):
    monkeypatch.setattr(predictive, "NEIGHBORS", 4)
    monkeypatch.setattr(predictive, "STRIDE", 1)
    monkeypatch.setattr(predictive, "PRIOR_OF_ATOM", 4.0)
    monkeypatch.setattr(predictive, "LEAST_ERRORS", 8)
    of = column([-2.0, 0, 0, 0, 1, 3], spread=0.1)
    assert (of.atom, of.atom_share) == (0, 0.5)
    # below what is no 0, none of it: -2 ends and 1 begins at -0.5
    assert of.inner.tolist() == [-np.inf, -0.5, -0.5, -0.5, -0.5, 2, np.inf]
    predicted = np.arange(8.0)
    truth = np.array([0.0, 0, 0, 0, 1, 1, 3, 3])
    of.share = 0.0
    of.learn(Cells(predicted, np.ones(8), np.zeros((8, 0))), truth)
    # 4 of the first four cells and none of the last, and 4 more with a half
    assert of.errors.share(np.array([-1.0, 9])).tolist() == [0.75, 0.25]
    assert of.errors.windows.tolist() == [[-4, -4, -3, -3]]
    found = of.quantile(cells(-1, 1, 4), np.array([0.2, 0.3, 0.5, 0.99]))
    # errors of -4 and -3 are -2, in a quarter; all others are 0
    assert found.tolist() == [-2, 0, 0, 0]
    found = of.quantile(cells(9, 1, 3), np.array([0.1, 0.3, 0.9]))
    assert found.tolist() == [0, 3, 3]
    constant = column([1.0, 1, 1])
    assert constant.quantile(cells(0, 1, 3), np.array([0.1, 0.5, 0.9])).tolist() == [1] * 3


def test_the_last_errors_are_in_a_window(monkeypatch):
    monkeypatch.setattr(predictive, "NEIGHBORS", 4)
    monkeypatch.setattr(predictive, "STRIDE", 3)
    errors = Errors(np.arange(9.0), np.arange(9.0))
    assert errors.windows[:, 0].tolist() == [0, 3, 5]


def test_a_mixture_has_the_quantiles_of_its_distribution():
    of = column(np.linspace(0, 1, 400))
    of.share, of.errors = 0.3, Errors(np.zeros(200), np.linspace(-0.1, 0.1, 200))
    found = of.quantile(cells(0.7, 1.0, 3, [1]), np.array([0.15, 0.3, 0.5]))
    # 0.3 v below 0.6, and 0.7 (v - 0.6) / 0.2 more above
    expected = [0.5, 0.6 + 0.12 / 3.8, 0.6 + 0.32 / 3.8]
    np.testing.assert_allclose(found, expected, atol=0.006)


def test_bounds_cut_the_distribution_and_pile_nothing_up():
    of = column(np.linspace(-1, 1, 401), 0.0, 0.5)
    of.share = 1.0
    found = of.quantile(cells(0, 1, 99, [1]), np.linspace(0.01, 0.99, 99))
    np.testing.assert_allclose(found, np.linspace(0.005, 0.495, 99), atol=0.006)
    atoms = column(np.repeat([0.0, 1, 2, 3], 3), 1.0, 2.0)  # which are within
    atoms.share = 1.0
    assert atoms.quantile(cells(0, 1, 2, [1]), np.array([0.4, 0.6])).tolist() == [1, 2]
    beyond = column(np.linspace(-1, 1, 401), 3.0, 4.0)
    assert (beyond.quantile(cells(0, 1, 9, [1]), np.linspace(0, 1, 9)) == 1).all()


@pytest.mark.parametrize(("expected", "end"), [(-3, 0), (3, 0.5)])
def test_what_is_all_beyond_bounds_is_put_at_the_nearer_one(expected, end):
    of = column(np.linspace(-3, 3, 601), 0.0, 0.5)
    of.share, of.errors = 0.0, Errors(np.zeros(20), np.linspace(-0.1, 0.1, 20))
    found = of.quantile(cells(expected, 1, 9), np.linspace(0.01, 0.99, 9))
    np.testing.assert_allclose(found, end, atol=0.011)
    some = of.quantile(cells(0, 1, 9), np.linspace(0.01, 0.99, 9))
    np.testing.assert_allclose(some, np.linspace(0.001, 0.099, 9), atol=0.011)


def test_the_share_of_bins_has_the_least_ranked_probability_score():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=200)
    of = column(np.linspace(0, 1, 128))
    known = Cells(truth + 0.2 * rng.normal(size=200), np.ones(200), np.ones((200, BINS)))
    ends = [r[:, 0] for r in ranks_of(truth[:, None], {0: of})]
    product, square = of.compared(known, truth, *ends)
    best = product / square
    nodes = np.arange(129)
    score = []
    error = (truth - known.expected) / known.width
    for w in (best - 0.1, best, best + 0.1):
        total = 0.0
        for half in (slice(0, None, 2), slice(1, None, 2)):
            other = slice(1, None, 2) if half.start == 0 else slice(0, None, 2)
            near = Errors(known.expected[half], error[half]).near(known.expected[other])
            first, last = (end[other] for end in ends)
            for node in nodes:
                z = (of.borders[node] - known.expected[other]) / known.width[other]
                f = w * node / 128 + (1 - w) * below(near, z)
                step = ((node / 128 - first) / (last - first)).clip(0, 1)
                total += np.square(f - step).sum()
        score.append(total)
    assert score[1] < min(score[0], score[2])
    assert 0 < best < 0.5


def test_shares_are_drawn_to_those_of_columns_of_their_kind(monkeypatch):
    monkeypatch.setattr(predictive, "PRIOR_CELLS", 50.0)
    smooth = np.linspace(0, 1, 50)
    columns = {0: column(smooth), 1: column(smooth), 2: column(np.repeat([0.0, 1], 25))}
    assert [p.has_atoms for p in columns.values()] == [False, False, True]
    compared = [
        (0, 2.0, 10.0),
        (1, 9.0, 10.0),
        (2, 20.0, 10.0),
    ]
    weigh(columns, compared, np.array([50, 150, 30]))
    # own shares are 0.2, 0.9 and 2, which is 1; the first two have 0.725 in common
    shares = [columns[j].share for j in range(3)]
    np.testing.assert_allclose(shares, [0.4625, 0.85625, 1])


# Random numbers


def test_rows_have_random_numbers_of_their_own():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    x[::2, 1] = np.nan
    source = Source(x)
    u = source.uniform(slice(None), 7, 0, 5)
    assert u.shape == (4000, 5)
    np.testing.assert_allclose(np.histogram(u, 10, (0, 1))[0], 2000, rtol=0.12)
    assert np.abs(np.corrcoef(u.T) - np.eye(5)).max() < 0.06
    np.testing.assert_array_equal(source.uniform(slice(5, 9), 7, 2, 3), u[5:9, 2:])
    np.testing.assert_array_equal(Source(x[::-1]).uniform(slice(3), 7, 0, 5), u[:-4:-1])
    other = source.uniform(slice(None), 8, 0, 5)
    assert abs(np.corrcoef(u[:, 0], other[:, 0])[0, 1]) < 0.06
    twins = Source(np.zeros((500, 2))).uniform(slice(None), 0, 0, 1)
    assert len(np.unique(twins)) == 500
    assert (twins < 0.5).mean() == pytest.approx(0.5, abs=0.07)


# On tables


@pytest.fixture(scope="module")
def odd():
    """A table of columns that are no normal ones, and an imputer of it."""
    rng = np.random.default_rng(0)
    n = 600
    z, x = rng.normal(size=n), rng.uniform(size=n)
    table = pd.DataFrame(
        {
            "z": z,
            "x": x,
            "income": np.exp(1.5 * z + rng.normal(size=n)),
            "children": pd.array(rng.poisson(np.exp(0.4 * z)), dtype="Int64"),
            "spend": np.where(rng.uniform(size=n) < 0.7, 0, np.exp(z)).round(2),
            "flag": (rng.uniform(size=n) < 1 / (1 + np.exp(-2 * z))).astype(float),
            "either": rng.choice([-1, 1], n) * (0.5 + x),
            "wide": (0.1 + 3 * x) * rng.normal(size=n),
        }
    )
    gone = rng.uniform(size=table.shape) < 0.25
    gone[:, :2] = False
    holed = table.mask(gone)
    model = AutoencoderImputer(max_iter=120, random_state=0).fit(holed)
    return table, gone, holed, model


def test_whatever_is_drawn_could_have_been_there(odd):
    table, gone, holed, model = odd
    drawn = model.sample_imputations(holed, 20, random_state=0)
    quantiles = model.predict_quantiles(holed, (0.01, 0.2, 0.5, 0.9, 0.999))
    for j, name in enumerate(table):
        seen, cells_of = holed[name].dropna().astype(float), gone[:, j]
        if not cells_of.any():
            continue
        values = np.stack([t[name].to_numpy(float)[cells_of] for t in drawn])
        told = quantiles.xs(name, level="column").to_numpy(float)
        for put_in in (values, told):
            assert put_in.min() >= seen.min()
            assert put_in.max() <= seen.max()
            if name in ("children", "flag"):
                assert np.isin(put_in, seen.unique()).all()
            if name == "spend":
                assert (put_in == put_in.round(2)).all()
        assert (np.diff(told, axis=1) >= 0).all()
    assert drawn[0]["children"].dtype == "Int64"


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_a_rarer_atom_far_from_the_mean_is_drawn_as_often(rate):
    rng = np.random.default_rng(0)
    z, q = rng.normal(size=(2, 500))
    table = pd.DataFrame({"z": z, "q": q})
    table["v"] = np.where(rng.uniform(size=500) < rate, 0, 4 + z + q)
    gone = rng.uniform(size=500) < 0.25
    table.loc[gone, "v"] = np.nan
    model = AutoencoderImputer(max_iter=20, random_state=0).fit(table)
    drawn = [t["v"][gone] == 0 for t in model.sample_imputations(table, 20, random_state=0)]
    seen = (table["v"][~gone] == 0).mean()
    assert abs(np.mean(drawn) - seen) < 3 * (rate * (1 - rate) / gone.sum()) ** 0.5


@pytest.mark.parametrize(("name", "atom"), [("children", 0), ("spend", 0), ("flag", 1)])
def test_values_that_are_often_there_are_drawn_as_often(odd, name, atom):
    table, gone, holed, model = odd
    cells_of = gone[:, table.columns.get_loc(name)]
    z = table.z[cells_of]
    chances = {
        "children": np.exp(-np.exp(0.4 * z)),
        "spend": np.full(len(z), 0.7),
        "flag": 1 / (1 + np.exp(-2 * z)),
    }
    drawn = model.sample_imputations(holed, 20, random_state=0)
    rate = np.mean([t[name][cells_of] == atom for t in drawn])
    true = chances[name].mean()
    assert abs(rate - true) < 3 * (true * (1 - true) / len(z)) ** 0.5


def test_the_spread_depends_on_the_row(odd):
    table, gone, holed, model = odd
    low, high = model.predict_quantiles(holed, (0.1, 0.9)).xs("wide", level=1).T.to_numpy()
    cells_of = gone[:, table.columns.get_loc("wide")]
    x, true = table.x[cells_of], table.wide[cells_of]
    width = high - low
    # 2 * 1.2816 deviations of 0.1 + 3 x
    assert width[x < 0.2].mean() < 1.7
    assert width[x > 0.8].mean() > 5
    inside = (low <= true) & (true <= high)
    for third in np.array_split(np.argsort(x), 3):
        assert inside.iloc[third].mean() == pytest.approx(0.8, abs=0.15)


def test_what_has_two_modes_is_drawn_from_both_of_them(odd):
    table, gone, holed, model = odd
    cells_of = gone[:, table.columns.get_loc("either")]
    drawn = np.stack(
        [t["either"][cells_of] for t in model.sample_imputations(holed, 20, random_state=0)]
    )
    assert (np.abs(drawn) >= 0.49).all()
    assert (drawn > 0).mean() == pytest.approx(0.5, abs=0.1)
    x = np.tile(table.x[cells_of], (20, 1))
    assert np.corrcoef(np.abs(drawn).ravel(), x.ravel())[0, 1] > 0.75


def test_bounds_that_are_told_hold_without_a_pile(odd):
    table, gone, holed, _ = odd
    model = AutoencoderImputer(
        max_iter=20, columns={"wide": (-1, 1.5)}, random_state=0
    ).fit(holed)
    cells_of = gone[:, table.columns.get_loc("wide")]
    drawn = np.stack(
        [t["wide"][cells_of] for t in model.sample_imputations(holed, 5, random_state=0)]
    )
    assert drawn.min() >= -1
    assert drawn.max() <= 1.5
    assert np.isin(drawn, [-1, 1.5]).mean() < 0.01


def test_what_goes_together_goes_together_in_draws():
    rng = np.random.default_rng(0)
    x, e = rng.normal(size=(2, 600))
    y = 0.7 * x + 0.7 * e
    z = x + y + 0.7 * rng.normal(size=600)
    X = np.c_[x, y, z]
    holed = X.copy()
    holed[rng.uniform(size=600) < 0.4, 2] = np.nan
    model = AutoencoderImputer(n_estimators=2, max_iter=40, random_state=0).fit(holed)
    for predictive_ in model._cells_.predictives.values():
        predictive_.share = 1.0  # what is worst
    gone = np.isnan(holed[:, 2])
    A = np.c_[np.ones(gone.sum()), X[gone, :2]]
    slopes = np.mean(
        [
            np.linalg.lstsq(A, t[gone, 2], rcond=None)[0]
            for t in model.sample_imputations(holed, 10, random_state=0)
        ],
        axis=0,
    )
    assert slopes[1:] == pytest.approx([1, 1], abs=0.15)


def test_a_draw_is_of_its_row_alone(odd):
    _, _, holed, model = odd
    whole = model.sample_imputations(holed, 3, random_state=0)
    some = holed.iloc[::-1][100:140]
    for all_rows, few in zip(
        whole, model.sample_imputations(some, 3, random_state=0), strict=True
    ):
        pd.testing.assert_frame_equal(all_rows.loc[some.index], few)


@pytest.mark.parametrize("wild", [99.0, 1e4, 1e9])
def test_a_wild_cell_does_not_spoil_its_column(wild):
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    X = np.c_[z, z + 0.2 * rng.normal(size=300), -z + 0.2 * rng.normal(size=300)]
    holed = X.copy()
    holed[1::4, 0] = np.nan
    holed[0, 0] = wild
    model = AutoencoderImputer(max_iter=60, random_state=0).fit(holed)
    wrong = np.abs(model.transform(holed) - X)[1::4, 0]
    assert np.median(wrong) < 0.15
    assert wrong.max() < 0.8
    drawn = np.stack(model.sample_imputations(holed, 5, random_state=0))[:, 1::4, 0]
    assert (np.abs(drawn) < 5).mean() > 0.97
    assert np.isin(drawn[np.abs(drawn) > 5], wild).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["float64", "float32", "Int64", "int8"]))
def test_nothing_beyond_what_was_seen_is_put_in(seed, dtype):
    rng = np.random.default_rng(seed)
    scale, at = 10 ** rng.uniform(-3, 1), rng.choice([0.0, 50])
    values = at + scale * rng.standard_t(2, size=(30, 3)).clip(-7, 7)
    table = pd.DataFrame(values, columns=list("abc")).round(int(rng.integers(4)))
    if dtype in ("Int64", "int8"):
        table = table.round()
    table["a"] = table["a"].astype("Int64" if dtype == "int8" else dtype)
    gone = rng.uniform(size=table.shape) < 0.3
    holed = table.mask(gone)
    model = AutoencoderImputer(2, network=(8,), max_iter=2, random_state=0).fit(holed)
    done = [model.transform(holed), *model.sample_imputations(holed, 2, random_state=0)]
    for completed in done:
        for j, name in enumerate(table):
            if name not in completed:
                continue
            new, seen = completed[name], holed[name].dropna()
            assert new.dtype == holed[name].dtype
            pd.testing.assert_series_equal(new[~gone[:, j]], holed[name][~gone[:, j]])
            assert new.min() >= seen.min()
            assert new.max() <= seen.max()


def test_a_head_learns_from_no_cell_of_its_members_fold():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    X[::7, 0] = np.nan
    model = AutoencoderImputer(2, network=(8,), max_iter=2, random_state=0).fit(X)
    module = model.net_.module_
    assert module.fold_of_member.flatten().tolist() == [1, 2]
    x = torch.from_numpy(model._likelihood.standardize(X))
    folds = torch.zeros(60, 3, dtype=torch.int8)
    folds[:20, 1], folds[20:40, 1] = 1, 2
    seen = ~torch.isnan(x) & (folds == 0)
    known = seen, learners_of(folds), *module.guesses(x, seen)
    edges, weights = module.head.edges, []
    for moved in (0.0, 1.0):
        other = torch.where(folds == 1, x + moved, x)
        first = torch.special.ndtr(other.nan_to_num())
        generator = torch.Generator().manual_seed(0)
        add_head(module, other, first, first + 0.01, edges, known, 5, generator)
        weights.append(module.head.last.weight.clone())
    # the first cells are of the first member's fold
    torch.testing.assert_close(weights[0][0], weights[1][0], rtol=0, atol=0)
    assert not torch.equal(weights[0][1], weights[1][1])


def test_hidden_cells_of_some_rows_are_looked_at(monkeypatch):
    monkeypatch.setattr("skae.impute._calibration.MOST_ROWS", 10)
    X = np.random.default_rng(0).normal(size=(300, 4))
    model = AutoencoderImputer(2, network=(8,), max_iter=2, random_state=0).fit(X)
    assert 20 <= model.column_scores_["n_cells"].sum() <= 80
    assert model.column_scores_["n_cells"].max() <= 20


def test_what_is_expected_is_not_rounded_beyond_the_ends():
    rng = np.random.default_rng(0)
    z = rng.normal(size=300)
    ends = np.array([0.1, 0.7, 1.1, 3.3, 1e5 / 3, 9.9])
    X = np.c_[z, (z > 0)[:, None] * ends - ends / 7]
    holed = X.copy()
    for j in range(1, 7):
        holed[j::7, j] = np.nan
    model = AutoencoderImputer(2, network=(8,), max_iter=30, random_state=0).fit(holed)
    done = model.transform(holed)
    assert (done.max(0) <= np.nanmax(holed, axis=0)).all()
    assert (done.min(0) >= np.nanmin(holed, axis=0)).all()
