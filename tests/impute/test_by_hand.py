"""What an imputer hides, trusts and draws, in numbers that are worked out by hand."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import skae.impute._calibration
import skae.impute._hidden
import skae.impute._train
from skae._data.ranks import ColumnMap
from skae._data.rows import Rows
from skae._data.statistics import column_statistics
from skae.impute._calibration import HiddenCells, on_simplex, skill
from skae.impute._hidden import (
    HiddenBatches,
    hidden_rows,
    hidden_share,
    hide,
    judging_rows,
    learners_of,
    patterns,
)
from skae.impute._network import ImputationModule
from skae.impute._predictive import Predictive
from skae.impute._train import _pooled
from skae.likelihoods import Mixed
from tests.data.test_neighbors import Plain
from tests.impute.tables import imputer


def module_of(X, categories):
    mixed = Mixed(categories)
    return mixed.build(column_statistics(X, None, X.shape[1:], mixed.check))


# Which cells are hidden


def test_a_share_of_each_columns_cells_is_hidden():
    seen = np.ones((20, 4), dtype=bool)
    seen[3:, 0] = False  # 3 cells: none is hidden, or nothing could be learnt
    seen[4:, 1] = False  # 4 cells: 0.15 * 4 is 1, nearly
    seen[:4, 2] = False  # 16 cells: 2.4
    for seed in range(5):
        hidden = hide(seen, 0.15, np.random.default_rng(seed))
        assert hidden.sum(0).tolist() == [0, 1, 2, 3]
        assert not (hidden & ~seen).any()
    # a twentieth of 4 cells is still one
    assert hide(seen, 0.05, np.random.default_rng(0)).sum(0).tolist() == [0, 1, 1, 1]
    drawn = np.mean([hide(seen, 0.15, np.random.default_rng(i)) for i in range(400)], 0)
    np.testing.assert_allclose(drawn[4:, 2], 2 / 16, atol=0.07)


@pytest.mark.parametrize(
    ("n_rows", "share"),
    [(100, 0.1), (3000, 0.1), (4000, 0.075), (6000, 0.05), (10**5, 0.05)],
)
def test_as_many_cells_as_300_rows_have_are_hidden(n_rows, share):
    assert hidden_share(n_rows) == pytest.approx(share)


def test_half_of_the_rows_copy_a_pattern(monkeypatch):
    monkeypatch.setattr(skae.impute._hidden, "MORE_HIDDEN", 0.0)
    seen = torch.ones(30, 50, dtype=torch.bool)
    seen[:, :5] = False  # a tenth is missing, always the same
    hidden = patterns(seen, 4000, torch.Generator().manual_seed(0))
    copied = (hidden == ~seen[0]).all(1)
    assert float(copied.float().mean()) == pytest.approx(0.5, abs=0.03)
    # the others' rates are even up to 0.5
    rate = hidden[~copied].float().mean(1)
    assert float(rate.mean()) == pytest.approx(0.25, abs=0.01)
    assert 0.45 < float(rate.quantile(0.98)) < 0.6
    monkeypatch.setattr(skae.impute._hidden, "MORE_HIDDEN", 0.2)
    hidden = patterns(seen, 4000, torch.Generator().manual_seed(0))[copied]
    assert hidden[:, :5].all()
    assert float(hidden[:, 5:].float().mean()) == pytest.approx(0.2, abs=0.01)


def test_cells_are_hidden_at_up_to_twice_the_rate_that_is_missing(monkeypatch):
    monkeypatch.setattr(skae.impute._hidden, "MORE_HIDDEN", 0.0)
    seen = torch.arange(100) >= 40
    hidden = patterns(seen.expand(9, -1), 4000, torch.Generator().manual_seed(0))
    rate = hidden[(hidden == seen).any(1)].float().mean(1)  # those that copy none
    assert float(rate.mean()) == pytest.approx(0.4, abs=0.02)
    assert 0.72 < float(rate.quantile(0.98)) < 0.9


def test_a_complete_table_is_hidden_at_wide_rates():
    seen = torch.ones(9, 1000, dtype=torch.bool)
    rate = patterns(seen, 2000, torch.Generator().manual_seed(0)).float().mean(1)
    assert float(rate.mean()) == pytest.approx((0.05 + 0.8) / 2, abs=0.02)
    assert 0.02 < float(rate.min()) < 0.06
    assert 0.78 < float(rate.max()) < 0.85


def test_rows_are_hidden_several_times_over_and_guessed_from_what_is_left(monkeypatch):
    x = torch.arange(24.0).reshape(6, 4)
    x[1, 2] = torch.nan
    folds = torch.arange(24).reshape(6, 4).to(torch.int8) % 3
    given = []

    def guesses(x, seen):
        given.append((x, seen))
        return torch.where(seen, x, -1.0), 2 * x

    module = SimpleNamespace(n_known=4, low=torch.zeros(4), guesses=guesses)
    monkeypatch.setattr(skae.impute._hidden, "BLOCK", 5)
    generator = torch.Generator().manual_seed(0)
    seen, learners, guess, by_scores = hidden_rows(module, x, folds, 3, generator)
    assert [len(part) for part, _ in given] == [5, 5, 5, 3]
    assert seen.shape == (18, 4)  # three epochs
    assert not seen[[1, 7, 13], 2].any()  # what is missing is never seen
    assert not (seen[:6] == seen[6:12]).all()
    assert learners.tolist() == learners_of(folds).repeat(3, 1).tolist()
    rows = x.repeat(3, 1)
    torch.testing.assert_close(guess, torch.where(seen, rows, -1.0))
    torch.testing.assert_close(by_scores, 2 * rows, equal_nan=True)
    monkeypatch.setattr(skae.impute._hidden, "DRAWN_ROWS", 13)
    assert len(hidden_rows(module, x, folds, 3, generator)[0]) == 12
    monkeypatch.setattr(skae.impute._hidden, "DRAWN_NUMBERS", 6 * (2 * 4 + 2 * 4))
    assert len(hidden_rows(module, x, folds, 3, generator)[0]) == 6


def test_a_cell_is_learnt_by_all_folds_but_its_own():
    folds = torch.tensor([0, 1, 2], dtype=torch.int8)
    assert learners_of(folds).tolist() == [0b11, 0b10, 0b01]


@pytest.mark.parametrize("is_complete", [False, True])
def test_cells_of_a_fold_judge_by_guesses_that_have_not_seen_them(monkeypatch, is_complete):
    monkeypatch.setattr(skae.impute._hidden, "JUDGED_ROWS", 500)
    n, generator = 2000, torch.Generator().manual_seed(0)
    x = torch.zeros(n, 3)
    x[:, 0] = torch.nan
    folds = torch.zeros(n, 3, dtype=torch.int8)
    folds[::2, 1], folds[1::2, 2], folds[4::5, 2] = 1, 2, 1
    module = SimpleNamespace(
        low=torch.zeros(3),
        fold_of_member=torch.tensor([1, 2, 1])[:, None, None],
        missing_share=0.0 if is_complete else 0.5,
        guesses=lambda x, seen, by: (torch.full_like(x, by), 2 * x),
    )
    index, known = judging_rows(module, x, folds, [10.0, 20.0], generator)
    seen, judges, guess, by_scores = known
    of_first = guess[:, 0] == 10
    assert of_first.sum() == (~of_first).sum() == 500  # no more of each fold
    assert len(index[of_first].unique()) == 500
    for fold, mine in ((1, of_first), (2, ~of_first)):
        hidden = folds[index[mine]] == fold
        assert hidden.any(1).all()
        assert judges[mine].tolist() == (fold * hidden).tolist()
        assert not (seen[mine] & hidden).any()
        there = seen[mine][:, 1:][~hidden[:, 1:]].float().mean()
        # so many of a complete table are hidden beside them
        assert there == pytest.approx(0.7 if is_complete else 1, abs=0.06)
    assert not seen[:, 0].any()
    torch.testing.assert_close(by_scores, 2 * x[index], equal_nan=True)


def test_a_judgement_need_not_wait_for_a_pass():
    n = 3
    rows = Rows(np.zeros((n, 2)), None, Plain(), "cpu", known=(torch.arange(2 * n),))
    rows.resident = torch.zeros(2 * n, 2)
    order = torch.tensor([2, 0, 1, 4, 3, 5])
    batches = HiddenBatches(rows, 4, 2, torch.Generator().manual_seed(0), order)
    for expected in ([0, 1, 2, 4], [0, 2, 3, 5], [1, 3, 4, 5]):
        drawn = torch.cat([batch.known[0] for batch in batches])
        assert drawn.sort().values.tolist() == expected


def test_other_cells_are_hidden_at_each_pass():
    n = 7
    rows = Rows(np.zeros((n, 2)), None, Plain(), "cpu", known=(torch.arange(3 * n),))
    rows.resident = torch.zeros(3 * n, 2)
    order = torch.arange(3 * n)
    batches = HiddenBatches(rows, n, 3, torch.Generator().manual_seed(0), order)
    assert len(batches) == 3
    for time in (0, 1, 2, 0, 1):
        drawn = torch.cat([batch.known[0] for batch in batches])
        assert drawn.sort().values.tolist() == list(range(time * n, (time + 1) * n))


# How far predictions are off


def test_skill_is_of_squares_for_numbers_and_of_shares_for_categories():
    found = skill(np.array([0.5, 0.5]), np.array([1.0, 1]), np.array([False, True]))
    assert found.tolist() == [0.75, 0.5]


# How much to trust each expert


@pytest.mark.parametrize(
    ("square", "product", "w"),
    [
        (np.eye(2), [0.6, 0.4], [0.6, 0.4]),
        (np.eye(2), [2.0, 0], [1, 0]),  # free, it were 1.5 and -0.5
        (np.diag([1.0, 3]), [0.0, 0], [0.75, 0.25]),  # as 1 to 1 / 3
        (np.eye(3), [1.0, 1, -5], [0.5, 0.5, 0]),
        (np.eye(3), [0.0, 0, 0], [1 / 3] * 3),
        (np.ones((2, 2)), [1.0, 0], [1, 0]),  # the same square: what is multiplied says
    ],
)
def test_least_squares_on_a_simplex(square, product, w):
    np.testing.assert_allclose(on_simplex(square, np.array(product)), w, atol=1e-9)


def test_shares_are_drawn_to_those_of_all_columns_and_these_to_a_prior():
    kind = np.arange(300) % 3
    x = np.zeros((300, 4), dtype=np.float32)
    x[:, 0], x[:, 1] = kind == 0, kind == 1  # what experts 0 and 1 know
    scales = np.array([[0.0, 0, 0, 0], [2, 6, 1, 1]])  # deviations of 1, 3 and 0.5
    numbers = {
        j: Predictive(ColumnMap.learn([0.0, 1], 1.0), np.array, 0, 1) for j in range(3)
    }
    cells, likelihood = HiddenCells(4, numbers, None), module_of(scales, {3: 2})
    hidden = np.zeros(x.shape, dtype=bool)
    hidden[:150, 0] = hidden[150:, 1] = True
    # each expert says 1 in a third of the rows: no two of them in the same ones
    experts = [np.repeat((kind == k)[:, None], 5, 1).astype(np.float32) for k in range(3)]
    ranks = np.zeros((300, 3)), np.ones((300, 3))
    cells.parts.append((x, hidden, *ranks, *experts, np.ones((300, 3))))
    cells.bins = {j: [np.ones((150, 0))] for j in range(2)}
    module = SimpleNamespace(share=torch.zeros(3, 5), likelihood=likelihood)
    cells.finish(module)
    # 300 cells say (1/2, 1/2, 0) and a prior of 200 (1/4, 1/4, 1/2): 0.6 and 0.4 of them
    common = [0.4, 0.4, 0.2]
    # 150 cells say (1, 0, 0), and those in common count as 100: again 0.6 and 0.4
    expected = [[0.76, 0.16, 0.08], [0.16, 0.76, 0.08], common]
    np.testing.assert_allclose(module.share.T[:3], expected, atol=1e-6)
    # of no category a cell was hidden
    assert module.share.T[3:].tolist() == [[0.25, 0.25, 0.5]] * 2
    # column 0 is 1, 0 and 0 where 0.76, 0.16 and 0.08 are expected: squares of
    # 0.0576 + 0.0256 + 0.0064 = 0.0896, and without a guess 1, in 3 cells
    assert cells.counts.tolist() == [150, 150, 0, 0]
    np.testing.assert_allclose(cells.wrong[:2], np.array([1, 3]) * (0.0896 / 3) ** 0.5)
    np.testing.assert_allclose(cells.baseline[:2], np.array([1, 3]) * (1 / 3) ** 0.5)
    assert np.isnan(cells.wrong[2:]).all()
    assert [p.errors is None for p in numbers.values()] == [False, False, True]
    # in units of its width, which is 1, the largest error is 1 - 0.76
    assert float(numbers[0].errors.windows.max()) == pytest.approx(0.24)


def test_errors_of_a_category_are_cells_whose_level_was_not_the_likeliest():
    x = np.array([[0.0], [1], [1], [1], [0]], dtype=np.float32)
    cells = HiddenCells(1, {}, None)
    likelihood = module_of(np.array([[0.0], [1]]), {0: 2})
    right, wrong = [0.8, 0.2], [0.4, 0.6]
    expert = np.array([right, right, wrong, wrong, wrong], dtype=np.float32)
    hidden = np.ones((5, 1), dtype=bool)
    none = np.ones((5, 0))
    cells.parts.append((x, hidden, none, none, expert, expert, expert, none))
    cells.finish(SimpleNamespace(share=torch.zeros(3, 2), likelihood=likelihood))
    # the second and the last; by the mode, 1, the first and the last
    assert cells.wrong.tolist() == [2 / 5]
    assert cells.baseline.tolist() == [2 / 5]


# Several imputations


@pytest.fixture(scope="module")
def apart():
    """An imputer whose two members say the lowest and the highest value there is."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(90, 2))
    X[:30, 1] = np.nan
    model = imputer().fit(X)
    module = model.net_.module_
    with torch.no_grad():
        module.share.copy_(torch.tensor([[0.0], [0], [1]]).expand(3, 2))
        module.last.weight.zero_()
        module.last.bias[0] = -100
        module.last.bias[1] = 100
    model._cells_.predictives[1].share = 0.0  # of the bins, which say nothing of members
    return model, X


def test_each_draw_is_of_one_member_in_turn(apart):
    model, X = apart
    tables = model.sample_imputations(X, 5, random_state=0)
    means = [table[:30, 1].mean() for table in tables]
    # around the ends -1 and 1, and not beyond them
    assert [mean > 0 for mean in means] == [False, True, False, True, False]
    assert np.abs(means).min() > 0.3
    assert (tables[0] != tables[2])[:30, 1].mean() > 0.8  # drawn anew
    (one,) = model.sample_imputations(X, 1, random_state=0)
    np.testing.assert_array_equal(one, tables[0])


def test_an_imputation_is_the_mean_of_the_members(apart):
    model, X = apart
    done = model.transform(X)
    low, high = np.nanmin(X[:, 1]), np.nanmax(X[:, 1])
    np.testing.assert_allclose(done[:30, 1], (low + high) / 2, rtol=1e-3, atol=1e-6)


def test_one_member_draws_by_itself():
    X = np.random.default_rng(0).uniform(-1, 1, size=(90, 2))
    X[:30, 1] = np.nan
    model = imputer(n_estimators=1).fit(X)
    module = model.net_.module_
    with torch.no_grad():
        module.share.copy_(torch.tensor([[0.0], [0], [1]]).expand(3, 2))
        module.last.weight.zero_()
        module.last.bias[0] = 100
    model._cells_.predictives[1].share = 0.0
    for table in model.sample_imputations(X, 3, random_state=0):
        assert table[:30, 1].mean() > 0.3


def test_a_member_does_not_learn_from_cells_of_its_fold():
    nothing, cost = torch.zeros(2, 1, 3), torch.tensor([1.0, 10, 100])
    module = SimpleNamespace(
        members=lambda x, seen, guesses: (None, nothing),
        likelihood=SimpleNamespace(nll=lambda params, x: cost + params),
        bit_of_member=torch.tensor([1, 2])[:, None, None],
        training=True,
    )
    module.learn = partial(ImputationModule.learn, module)
    seen, folds = torch.tensor([[True, False, False]]), torch.tensor([[0, 1, 2]])
    args = nothing[0], None, None, 1.0, seen, learners_of(folds), None, None
    terms = ImputationModule.forward(module, *args)
    # a cell that is seen counts as 0.2; half of the members learn from each of the others
    assert terms.nll.tolist() == [pytest.approx(0.2 + 5 + 50)]


def test_members_are_judged_together_beside_the_guesses_by_what_they_never_learn():
    x = torch.tensor([[1.0, 2.0, 1.0]])  # two numbers, and a category of two levels
    likelihood = module_of(np.array([[0.0, 0, 0], [2, 2, 1]]), {2: 2})
    guesses = [torch.full((1, 4), 0.4), torch.full((1, 4), 0.8)]
    members = torch.tensor([[1.0], [5], [3], [-1]])[:, :, None].expand(4, 1, 4)
    module = SimpleNamespace(
        likelihood=likelihood,
        as_means=lambda params: params,
        bit_of_member=torch.tensor([1, 2, 1, 2])[:, None, None],
    )
    judges = torch.tensor([[0, 1, 2]], dtype=torch.int8)
    args = x, judges, guesses, members
    found = ImputationModule.squared_errors(module, *args)
    # a quarter of each guess, 0.3, and half of the mean of two members, 2: 1.3 for 2, and
    # 1.3 for either of the levels, of which the second is there
    assert found.tolist() == [pytest.approx(0.7**2 + 1.3**2 + 0.3**2)]


def test_what_is_known_of_rows_is_the_same_together_as_one_by_one():
    X = np.random.default_rng(0).normal(size=(80, 3)) @ [[1, 1, 0], [0, 1, 1], [0, 0, 1]]
    X[::3, 1] = X[1::3, 2] = np.nan
    module = imputer(n_estimators=2).fit(X).net_.module_
    x = torch.from_numpy(module.likelihood.standardize(X))
    e = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        experts, drawn, sd, width, bins = module.distributions(x, slice(1), e=e)
        torch.testing.assert_close(experts, module.experts(x, slice(1)))
        torch.testing.assert_close((drawn, sd), module.noise(x, ~torch.isnan(x), e))
    assert ((width > 0) & (width != sd)).all()
    torch.testing.assert_close(bins.sum(2), torch.ones(80, 3))


def test_columns_in_the_same_units_are_drawn_to_the_mean_of_all(monkeypatch):
    monkeypatch.setattr(skae.impute._train, "PRIOR_CELLS", 3.0)
    X = np.array([[1.0, 5], [3, np.nan]])
    stats = column_statistics(X, None, (2,), lambda block: None)
    pooled = _pooled(X, stats)
    # of 2 cells of the mean 2, and 1 of 5, with 3 of the mean 3: 13 / 5 and 14 / 4
    np.testing.assert_allclose(pooled.mean, [2.6, 3.5])
    # (1.6^2 + 0.4^2 + 1.5^2) / 3
    np.testing.assert_allclose(pooled.variance, [4.97 / 3] * 2)
    assert pooled.constant.tolist() == [False, False]


def test_a_guess_takes_no_rare_level_for_likelier_than_it_is():
    n = 1000
    codes = np.repeat([0.0, 1, 2], [900, 97, 3])
    X = np.c_[np.linspace(-1, 1, n), codes]
    likelihood = module_of(X, {1: 3})
    generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(likelihood.standardize(X))
    folds = torch.zeros(X.shape)
    module = ImputationModule(likelihood, x, folds, (), 0.0, 1, generator)
    params = module._params(torch.tensor([[0.3, 1.2, -0.2, -0.1]]))
    assert params[0, 0] == pytest.approx(0.3)
    # 0.99 at most, 0.01 at least, or the frequency: (3 + 1 / 3) / 1001
    np.testing.assert_allclose(params[0, 1:].exp(), [0.99, 0.01, 0.00333], rtol=1e-3)
