"""Values and ranks: worked out by hand, and what may never come out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skae._data.ranks import ColumnMap, most_knots


def test_ranks_become_values_between_neighbours():
    column = ColumnMap.learn([4.0, 1.0, 2.0, 3.0], 6)
    ranks = [0.0, 0.125, 0.25, 0.375, 0.5, 0.875, 1.0]
    # knots stand at ranks 1/8, 3/8, 5/8 and 7/8; all are whole numbers
    np.testing.assert_array_equal(column.value(ranks), [1, 1, 2, 2, 2, 4, 4])
    column = ColumnMap.learn([0.11, 1.11, 2.11, 3.33], 6)
    np.testing.assert_allclose(column.value([0.25, 0.625]), [0.61, 2.11])
    assert column.decimals == 2


def test_an_atom_takes_its_share_of_the_ranks():
    column = ColumnMap.learn([0.0] * 4 + [1.25, 2.5, 3.0, 3.5, 4.0, 4.5], 4)
    assert (column.value(np.linspace(0, 0.399, 50)) == 0).all()
    assert column.value(0.45) == 1.25  # whose gap before and behind is wide
    np.testing.assert_allclose(column.value(0.6), 2.75)
    first, last = column.ranks([0.0, 1.25, 2.0])
    np.testing.assert_allclose(first, [0, 0.4, 0.5])
    np.testing.assert_allclose(last, [0.4, 0.5, 0.5])


def test_nothing_is_put_into_a_gap_or_between_few_values():
    two_modes = np.r_[np.linspace(-2, -1, 50), np.linspace(1, 2, 50)]
    drawn = ColumnMap.learn(two_modes, 1.5).value(np.linspace(0, 1, 1001))
    assert not ((drawn > -1) & (drawn < 1)).any()
    wild = ColumnMap.learn([*np.linspace(0, 1, 99), 9999.0], 0.3)
    drawn = wild.value(np.linspace(0, 1, 1001))
    assert set(drawn[drawn > 1]) == {9999.0}
    rated = ColumnMap.learn(np.repeat([1.0, 2.0, 5.0], 10), 1.0)
    assert set(rated.value(np.linspace(0, 1, 101))) == {1.0, 2.0, 5.0}


@pytest.mark.parametrize(
    ("step", "decimals"), [(1, 0), (0.25, 2), (1000, -3), (np.pi, None), (1e-9, None)]
)
def test_values_are_rounded_as_the_column_is(step, decimals):
    values = np.arange(1, 200) * step
    column = ColumnMap.learn(values, 100 * step)
    assert column.decimals == decimals
    drawn = column.value(np.random.default_rng(0).random(500))
    if decimals is not None:
        np.testing.assert_array_equal(drawn, np.round(drawn, decimals))
    else:
        assert len(set(drawn) - set(values)) > 400


def test_values_of_narrow_types_are_rounded_as_the_column_is():
    rng, dtype = np.random.default_rng(0), "float32"
    values = np.arange(1, 100).astype(dtype) / np.array(10, dtype=dtype)
    column = ColumnMap.learn(values.astype(float), 5)
    assert column.decimals == 1
    drawn = column.value(rng.random(500)).astype(dtype)
    np.testing.assert_array_equal(drawn, np.round(drawn.astype(float), 1).astype(dtype))
    # such a type has all decimals there, and none of these are the column's
    smooth = rng.uniform(1, 2, 300).astype(dtype)
    assert ColumnMap.learn(smooth.astype(float), 1).decimals in (None, 10)
    eighths = np.arange(1, 200) / 8 + 100
    assert ColumnMap.learn(eighths, 10).decimals == 3


def test_many_values_are_thinned_and_keep_their_ends_and_atoms():
    rng = np.random.default_rng(0)
    values = np.r_[np.zeros(30_000), rng.lognormal(size=70_000)]
    column = ColumnMap.learn(values, 2.0)
    assert len(column.knots) == 1024
    drawn = column.value(rng.random(20_000))
    assert drawn.max() <= values.max()
    assert (drawn == 0).mean() == pytest.approx(0.3, abs=0.01)
    for q in (0.4, 0.7, 0.95):
        assert column.value(q) == pytest.approx(np.quantile(values, q), rel=0.02)
    assert most_knots(4) == 1024
    assert most_knots(4096) == 256


@given(
    arrays(np.float64, st.integers(1, 40), elements=st.integers(-50, 50).map(float)),
    arrays(np.float64, 20, elements=st.floats(0, 1)),
    st.floats(0.1, 120),
)
def test_whatever_comes_out_could_have_been_there(values, ranks, spread):
    column = ColumnMap.learn(values, spread)
    drawn = column.value(np.sort(ranks))
    assert (np.diff(drawn) >= 0).all()
    assert drawn.min() >= values.min()
    assert drawn.max() <= values.max()
    assert (drawn == np.rint(drawn)).all()
    for value in set(drawn) - set(values):
        gap = values[values > value].min() - values[values < value].max()
        assert gap <= spread / 4
    first, last = column.ranks(values)
    np.testing.assert_array_equal(column.value((first + last) / 2), values)


def test_values_of_float32_are_rounded_as_they_are():
    rng = np.random.default_rng(0)
    prices = np.float32(np.round(rng.lognormal(3, 1, 500), 2))
    column = ColumnMap.learn(prices, 30)
    drawn = column.value(rng.random(2000))
    np.testing.assert_array_equal(drawn, np.float32(np.round(drawn, 2)))
    assert not np.isin(drawn, prices).all()
    # rounded in float64, which these are in float32 as well
    halves = ColumnMap.learn(np.arange(50) / 2, 30)
    assert not halves.is_single
    np.testing.assert_array_equal(halves.value(0.353), np.round(halves.value(0.353), 1))
