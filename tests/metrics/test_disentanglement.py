"""Measures of disentanglement, against cases computed by hand."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from skae.metrics import (
    beta_vae_score,
    dci_scores,
    factor_vae_score,
    modularity_score,
    mutual_information_gap,
    separated_attribute_predictability,
)

GRID = np.array(list(itertools.product(range(3), range(4), range(2))) * 20)
BINARY = np.array(list(itertools.product(range(2), range(2))) * 50)
SMALL = GRID[:240]
TURNED = GRID @ ortho_group.rvs(3, random_state=0)
MEASURES = {
    "MIG": mutual_information_gap,
    "modularity": modularity_score,
    "SAP": lambda z, v: separated_attribute_predictability(z, v, random_state=0),
    "disentanglement": lambda z, v: dci_scores(z, v, random_state=0).disentanglement,
    "completeness": lambda z, v: dci_scores(z, v, random_state=0).completeness,
    "FactorVAE": lambda z, v: factor_vae_score(z, v, n_trials=200, random_state=0),
    "beta-VAE": lambda z, v: beta_vae_score(z, v, n_trials=100, random_state=0),
}
every = pytest.mark.parametrize("name", MEASURES)
# completeness is of the same forests as disentanglement, and forests are slow
every_kind = pytest.mark.parametrize("name", [n for n in MEASURES if n != "completeness"])


@every
def test_factors_themselves_score_best_whatever_their_order_scale_and_sign(name):
    measure = MEASURES[name]
    best = measure(GRID * 1.0, GRID)
    assert best > (0.4 if name == "SAP" else 0.999)
    other = GRID[:, [2, 0, 1]] * [-3.0, 100, 0.1] + 7
    assert measure(other, GRID) == pytest.approx(best, abs=0.03)
    assert measure(np.column_stack([GRID, np.zeros(len(GRID))]), GRID) == pytest.approx(
        best, abs=0.03
    )


@every
def test_a_turned_code_scores_less(name):
    measure = MEASURES[name]
    worse = 0.97 if name == "beta-VAE" else 0.9  # a linear judge turns it back
    if name != "beta-VAE":
        assert measure(TURNED, GRID) < worse * measure(GRID * 1.0, GRID)
    assert 0 <= measure(TURNED, GRID) <= 1


@every
def test_noise_scores_next_to_nothing(name):
    noise = np.random.default_rng(0).normal(size=GRID.shape)
    chance = {"FactorVAE": 0.55, "beta-VAE": 0.55, "modularity": 1.0, "completeness": 0.2}
    assert MEASURES[name](noise, GRID) < chance.get(name, 0.2)


@every
def test_strings_are_labels_like_numbers(name):
    names = np.array(["a", "b", "c", "d"])[GRID]
    assert MEASURES[name](TURNED, names) == pytest.approx(MEASURES[name](TURNED, GRID))


def test_the_gap_by_hand():
    first, second = BINARY.T * 1.0
    xor = (first != second) * 1.0
    noise = np.zeros(len(first))
    for codes, expected in (
        ([first, second], 1),
        ([first, first], 0),  # neither leads, and nobody tells of the second
        ([first, xor], 0.5),  # nobody tells of the second
        ([first, second, second], 0.5),
        ([2 * first + second], 1),  # tells of both, and has no rival
        ([noise], 0),
    ):
        gap = mutual_information_gap(np.column_stack(codes), BINARY)
        assert gap == pytest.approx(expected, abs=1e-9)


def test_the_gap_is_a_share_of_the_entropy():
    # z tells of v whether it is the first of four values: H(1/4) nats of log 4
    v = np.repeat(np.arange(4), 25)
    z = (v == 0)[:, None] * 1.0
    told = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert mutual_information_gap(z, v) == pytest.approx(told / np.log(4))


def test_modularity_by_hand():
    first, second = BINARY.T * 1.0
    for codes, expected in (
        ([first, second], 1),
        ([first, first], 1),  # each tells of one: that is all that is asked
        ([2 * first + second], 0),  # tells of both alike
        ([first, 2 * first + second], 0.5),
        ([np.zeros(len(first))], 0),
    ):
        score = modularity_score(np.column_stack(codes), BINARY)
        assert score == pytest.approx(expected, abs=1e-9)


def test_attribute_predictability_by_hand():
    first, second = BINARY.T * 1.0
    codes = np.column_stack([first, second])
    score = separated_attribute_predictability(codes, BINARY, random_state=0)
    assert score == pytest.approx(0.5, abs=0.1)  # right always against every other time
    copies = np.column_stack([first, first, second, second])
    assert separated_attribute_predictability(copies, BINARY, random_state=0) == 0


def test_dci_by_hand():
    first, second = BINARY.T * 1.0
    exact = dci_scores(np.column_stack([first, second]), BINARY, random_state=0)
    assert min(exact) > 0.98
    split = dci_scores(np.column_stack([first, first, second]), BINARY, random_state=0)
    assert split.disentanglement > 0.95
    assert 0.5 < split.completeness < 0.85  # 1 - log 2 / log 3 for one, 1 for the other
    both = dci_scores((2 * first + second)[:, None], BINARY, random_state=0)
    assert both.disentanglement == pytest.approx(0, abs=0.01)
    assert both.informativeness == 1
    assert dci_scores(codes := np.column_stack([first, second]), first).completeness > 0.9
    assert codes.shape == (200, 2)


def test_votes_by_hand():
    first, second = BINARY.T * 1.0
    wide = np.random.default_rng(0).normal(size=len(first))
    # the second factor has no number of its own: half of its draws are named by chance
    codes = np.column_stack([first, wide])
    assert factor_vae_score(codes, BINARY, random_state=0) == pytest.approx(0.75, abs=0.05)
    assert factor_vae_score(np.zeros((200, 2)), BINARY) == 0.5
    constant = np.column_stack([first, second, np.zeros(200), np.ones(200)])
    assert factor_vae_score(constant, BINARY, random_state=0) == 1


def test_numbers_of_many_values_are_cut_into_bins():
    rng = np.random.default_rng(0)
    factors = rng.uniform(size=(4000, 2))
    assert mutual_information_gap(factors, factors) > 0.9
    assert factor_vae_score(factors, factors, n_trials=100, random_state=0) == 1
    assert dci_scores(factors, factors, n_bins=5, random_state=0).disentanglement > 0.9


def test_any_transformers_codes_will_do():
    codes = PCA(3).fit_transform(TURNED)
    assert 0 <= mutual_information_gap(codes, GRID) <= 1


@every
def test_the_same_seed_gives_the_same_score(name):
    assert MEASURES[name](TURNED, GRID) == MEASURES[name](TURNED, GRID)


@every
def test_bad_input_is_named(name):
    with pytest.raises(ValueError, match="factors: column 1 has one value"):
        MEASURES[name](GRID * 1.0, GRID * [1, 0, 1])
    with pytest.raises(ValueError, match="inconsistent"):
        MEASURES[name](GRID[1:] * 1.0, GRID)
    with pytest.raises(ValueError, match="NaN"):
        MEASURES[name](np.full(GRID.shape, np.nan), GRID)


@pytest.mark.parametrize("scale", [[1, 1e7, 1e-7], [1e300, -1, 1e-300]])
@every_kind
def test_each_number_of_a_code_has_a_scale_of_its_own(name, scale):
    expected = MEASURES[name](TURNED, GRID)
    scaled = np.add(TURNED, [0, 1e5, 0]) * scale
    assert MEASURES[name](scaled, GRID) == pytest.approx(expected, abs=0.02)


@every_kind
def test_a_number_that_varies_by_rounding_alone_is_constant(name):
    rounding = np.where(GRID[:, 0] > 0, 0.1 * 3, 0.3)  # they differ in the last bit
    assert np.ptp(rounding) > 0
    constant = np.column_stack([GRID, np.full(len(GRID), 0.3)])
    expected = MEASURES[name](constant, GRID)
    assert MEASURES[name](np.column_stack([GRID, rounding]), GRID) == expected


@every_kind
def test_one_outlier_harms_no_number_of_the_code_nor_a_factor(name):
    measure, wild = MEASURES[name], 1e4
    odd = TURNED.copy()
    odd[7] = [wild, 0, -1e9]
    assert measure(odd, GRID) == pytest.approx(measure(TURNED, GRID), abs=0.03)
    numbers = np.random.default_rng(0).uniform(size=(300, 2))
    odd = numbers.copy()
    odd[7] = [wild, -wild]
    assert measure(odd, odd) == pytest.approx(measure(numbers, numbers), abs=0.03)


def test_the_gap_with_an_outlier_by_hand():
    # 0, 1, 2, 3 and one 1e4, which counts as 3 and was a 0: 24 rows of 0, of which one
    # is in 3's bin, and 25, 25, 25 of the others
    v = np.tile(np.arange(4), 25)
    z = v[:, None] * 1.0
    z[0] = 1e4
    share = np.array([[24, 0, 0, 1], [0, 25, 0, 0], [0, 0, 25, 0], [0, 0, 0, 25]]) / 100
    known = share * np.log(np.where(share > 0, share, 1))
    information = known.sum() - sum(
        (p * np.log(p)).sum() for p in (share.sum(0), share.sum(1))
    )
    gap = mutual_information_gap(z, v)
    assert gap == pytest.approx(information / np.log(4))
    assert gap > 0.95


def test_numbers_are_told_by_squared_correlation():
    # two numbers without correlation, and a code whose second is half of each by variance
    first, second = GRID[:, 0] - 1.0, GRID[:, 1] - 1.5
    first, second = first / first.std(), second / second.std()
    numbers = np.column_stack([first, second])
    sap = functools.partial(separated_attribute_predictability, discrete_factors=False)
    assert sap(numbers, numbers) == pytest.approx(1)
    codes = np.column_stack([first, first + second])
    assert sap(codes, numbers) == pytest.approx((1 - 0.5 + 0.5 - 0) / 2)
    assert sap(-1e9 * codes, numbers**3) < 0.5
    # of many values, as of amounts and of 32 levels, they are numbers by themselves
    rng = np.random.default_rng(0)
    for factors in (rng.normal(size=(2000, 2)), rng.integers(32, size=(2000, 2))):
        other = np.corrcoef(factors.T)[0, 1] ** 2
        score = separated_attribute_predictability(factors, factors)
        assert score == pytest.approx(1 - other, abs=1e-9)


def test_which_factors_are_discrete_can_be_said():
    sap = functools.partial(separated_attribute_predictability, random_state=0)
    codes, each = GRID * 1.0, []
    for column in range(3):
        others = dict(codes=codes, factors=GRID[:, column])
        each.append((sap(**others), sap(**others, discrete_factors=False)))
    (a, _), (_, b), (_, c) = each
    for told in ([True, False, False], [0], np.array([0])):
        assert sap(codes, GRID, discrete_factors=told) == pytest.approx((a + b + c) / 3)
    assert sap(codes, GRID, discrete_factors=True) == sap(codes, GRID)
    levels = np.arange(2000) % 40
    # 40 levels of log 40 nats, of which 20 bins of the code tell log 20
    gap = mutual_information_gap(levels[:, None], levels, discrete_factors=True)
    assert gap == pytest.approx(np.log(20) / np.log(40))
    assert mutual_information_gap(levels[:, None], levels) == pytest.approx(1)
    # numbers beside texts are numbers still: column 0 is in 20 bins, as its code is
    mixed = np.array([levels, np.array(["x", "y"] * 1000)], dtype=object).T
    gap = mutual_information_gap(mixed[:, :1], mixed)
    assert gap == pytest.approx((1 + 0) / 2)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("no", "discrete_factors must be 'auto'"),
        ([True, False], "a mask of 3 bools"),
        ([0, 3], "below 3. Got"),
        (None, "discrete_factors"),
        ([0.0], "discrete_factors"),
    ],
)
def test_a_strange_word_on_discrete_factors_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        mutual_information_gap(GRID * 1.0, GRID, discrete_factors=told)


@pytest.mark.parametrize(
    "missing", [np.nan, None, pd.NA, pd.NaT], ids=["NaN", "None", "NA", "NaT"]
)
@every_kind
def test_missing_values_of_factors_are_named(name, missing):
    for factors in (GRID.astype(object), np.array(list("abcd"), dtype=object)[GRID]):
        factors[5, 1] = missing
        for container in (factors, pd.DataFrame(factors), factors.tolist()):
            with pytest.raises(ValueError, match="factors: column 1 has missing values"):
                MEASURES[name](TURNED, container)
    numbers = np.random.default_rng(0).normal(size=GRID.shape)
    for value, message in ((np.nan, "missing values"), (-np.inf, "infinite values")):
        numbers[5, 2] = value
        with pytest.raises(ValueError, match=f"factors: column 2.*{message}"):
            MEASURES[name](TURNED, numbers)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"n_bins": 1}, "n_bins"),
        ({"n_bins": 2.5}, "n_bins"),
        ({"n_trials": 0}, "n_trials"),
        ({"n_rows": 1}, "n_rows"),
        ({"random_state": "seed"}, "random_state"),
    ],
)
def test_strange_parameters_are_refused(params, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of factor_vae_score"):
        factor_vae_score(TURNED, GRID, **params)


def test_factors_of_other_shapes_are_refused():
    for factors in (np.zeros((4, 2, 2)), 3, np.zeros((480, 0))):
        with pytest.raises(ValueError, match="one column for each factor"):
            mutual_information_gap(TURNED, factors)
    with pytest.raises(ValueError, match="two factors at least"):
        beta_vae_score(TURNED, GRID[:, :1], n_trials=5)
    with pytest.raises(ValueError, match="column 0 holds no numbers"):
        mutual_information_gap(TURNED, GRID.astype(str), discrete_factors=False)


def test_what_a_measure_needs_is_said():
    with pytest.raises(ValueError, match="two factors"):
        modularity_score(GRID * 1.0, GRID[:, 0])
    for score in (factor_vae_score, beta_vae_score):
        with pytest.raises(ValueError, match="share a value"):
            score(np.eye(4), np.array([["a"], ["b"], ["c"], ["d"]]))
