"""Statistics of two samples together are those of all their rows at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skae._data.rows
from skae._data.split import Sample
from skae._data.statistics import column_statistics, merged


def statistics(X, weight=None):
    return column_statistics(X, weight, X.shape[1:], lambda block: None)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 1.7e9, -1e-8]),
)
def test_two_samples_are_as_one(seed, n, m, has_weights, missing, far):
    rng = np.random.default_rng(seed)
    X = far + rng.normal(size=(n + m, 5)) * [1, 10, 0, 1, 1]
    X[:n, 3] = X[0, 3]  # constant at first
    X[n:, 4] = X[-1, 4]  # and later
    X[rng.random(X.shape) < missing] = np.nan
    weight = rng.uniform(0, 2, n + m) if has_weights else None
    parts = [(X[:n], None), (X[n:], None)]
    if has_weights:
        weight[[0, n]] = 1
        parts = [(X[:n], weight[:n]), (X[n:], weight[n:])]
    block_bytes, skae._data.rows.BLOCK_BYTES = skae._data.rows.BLOCK_BYTES, 8 * 5 * 4
    try:
        one, two = statistics(X, weight), merged(*(statistics(*part) for part in parts))
    finally:
        skae._data.rows.BLOCK_BYTES = block_bytes
    size = np.maximum(np.abs(X[~np.isnan(X)]).max(initial=1), 1)
    np.testing.assert_allclose(two.mean, one.mean, atol=1e-12 * size)
    np.testing.assert_allclose(
        two.variance, one.variance, rtol=1e-6, atol=1e-12 + 1e-15 * size
    )
    for name in ("minimum", "maximum", "constant", "n_rows"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name), name)
    np.testing.assert_allclose(two.total, one.total)
    np.testing.assert_array_equal(
        np.broadcast_to(two.has_missing, 5), np.broadcast_to(one.has_missing, 5)
    )


def test_a_column_without_a_value_adds_nothing():
    X = np.array([[1.0, np.nan], [3.0, np.nan]])
    Y = np.array([[np.nan, 5.0], [np.nan, 9.0]])
    for pair in ((X, Y), (Y, X)):
        stats = merged(*map(statistics, pair))
        np.testing.assert_array_equal(stats.mean, [2, 7])
        np.testing.assert_array_equal(stats.variance, [1, 4])
        np.testing.assert_array_equal(stats.minimum, [1, 5])
        np.testing.assert_array_equal(stats.maximum, [3, 9])
        np.testing.assert_array_equal(stats.total, [2, 2])
    nothing = merged(statistics(X), statistics(X))
    assert nothing.constant.tolist() == [False, True]
    assert nothing.mean[1] == nothing.minimum[1] == nothing.total[1] == 0


def test_values_that_overflow_together_are_an_error():
    with pytest.raises(ValueError, match="column 0 are too large"):
        merged(statistics(np.full((2, 1), 1e200)), statistics(np.full((2, 1), -1e200)))


@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_weights_count_relative_to_their_mean(factor):
    def check(block):
        """Raise nothing."""

    sample = Sample.of(
        np.arange(8.0).reshape(4, 2),
        weight=factor * np.array([0, 1, 2, 3]),
        shape=(2,),
        check=check,
    )
    np.testing.assert_allclose(sample.statistics.total, [3, 3])


def test_bodies_of_ordinary_columns_are_means_and_deviations_together():
    X = np.random.default_rng(0).normal(size=(300, 3))
    whole = merged(statistics(X[:100]), statistics(X[100:]))
    np.testing.assert_allclose(whole.centre, X.mean(0))
    np.testing.assert_allclose(whole.spread, X.std(0))
    assert not whole.is_wild.any()


@pytest.mark.parametrize("rows", [slice(200, 300), slice(250, 251)])
def test_a_wild_cell_that_comes_later_does_not_move_the_body(rows):
    X = np.random.default_rng(0).normal(5, 2, size=(300, 3))
    X[250, 1] = 9999
    whole = merged(statistics(X[:200]), statistics(X[rows]))
    assert whole.is_wild.tolist() == [False, True, False]
    assert whole.centre[1] == pytest.approx(5, abs=0.5)
    assert whole.spread[1] == pytest.approx(2, abs=0.4)
    again = merged(whole, statistics(X[200:249]))  # and stays so
    assert again.is_wild[1]
    assert again.spread[1] == pytest.approx(2, abs=0.4)


def test_a_stream_that_has_moved_on_is_no_wild_cell():
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=(200, 1)), rng.normal(100, 1, size=(200, 1))
    whole = merged(statistics(before), statistics(now))
    assert not whole.is_wild.any()
    assert whole.spread[0] == pytest.approx(np.vstack([before, now]).std())


def test_the_least_spread_of_a_rare_column_stays():
    X = np.zeros((400, 1))
    X[3] = 5
    whole = merged(statistics(X), statistics(np.zeros((400, 1))))
    assert whole.spread[0] == pytest.approx(0.5)


@pytest.mark.parametrize("n_first", [1, 2, 3])
@pytest.mark.parametrize("value", [9999.0, -1e9])
def test_a_wild_cell_among_the_first_rows_does_not_move_the_body(n_first, value):
    X = np.random.default_rng(0).normal(5, 2, size=(200, 2))
    X[0, 1] = value  # no middle tells it from so few others
    whole = merged(statistics(X[:n_first]), statistics(X[n_first:]))
    assert whole.is_wild.tolist() == [False, True]
    assert whole.centre[1] == pytest.approx(X[n_first:, 1].mean())
    assert whole.spread[1] == pytest.approx(X[n_first:, 1].std())
    np.testing.assert_allclose(whole.spread[0], X[:, 0].std())
    assert (whole.minimum[1] == value) == (value < 0)
