"""Statistics, samples and batches in numbers that are worked out by hand."""

import numpy as np
import pytest
import torch

import skae._data.rows
from skae._data.rows import Batches, Rows, blocks
from skae._data.split import Sample
from skae._data.statistics import column_statistics
from tests.data.test_neighbors import Plain


def unchecked(block):
    """Raise nothing."""


def statistics(X, weight=None):
    return column_statistics(X, weight, X.shape[1:], unchecked)


@pytest.fixture
def blocks_of_three(monkeypatch):
    monkeypatch.setattr(skae._data.rows, "BLOCK_BYTES", 8 * 4 * 3)


@pytest.fixture
def holed(rng):
    """Eleven rows: a whole block is missing of column 1, all of column 3 but one cell."""
    X = 5 + np.arange(4) * rng.normal(size=(11, 4))
    X[rng.random(X.shape) < 0.3] = np.nan
    X[3:6, 1] = np.nan
    X[7] = [1, 2, 3, 4]
    X[:7, 3] = X[8:, 3] = np.nan
    X[:, 0] = np.arange(11)
    return X


def test_statistics_over_blocks_with_missing_cells(blocks_of_three, holed):
    stats = statistics(holed)
    np.testing.assert_allclose(stats.mean, np.nanmean(holed, 0))
    np.testing.assert_allclose(stats.variance, np.nanvar(holed, 0), atol=1e-15)
    np.testing.assert_array_equal(stats.minimum, np.nanmin(holed, 0))
    np.testing.assert_array_equal(stats.maximum, np.nanmax(holed, 0))
    assert stats.has_missing.tolist() == [False, True, True, True]
    assert stats.constant.tolist() == [False, False, False, True]


def test_weighted_statistics_over_blocks_are_those_of_repeated_rows(blocks_of_three, holed):
    weight = np.array([0, 2, 1, 3, 0, 1, 2, 1, 0, 0, 0.0])  # no row of the last block
    holed[8:] = 1e6
    for X in (holed, np.nan_to_num(holed)):
        stats, repeated = statistics(X, weight), np.repeat(X, weight.astype(int), 0)
        np.testing.assert_allclose(stats.mean, np.nanmean(repeated, 0))
        np.testing.assert_allclose(stats.variance, np.nanvar(repeated, 0), atol=1e-12)
        np.testing.assert_array_equal(stats.minimum, np.nanmin(repeated, 0))
        np.testing.assert_array_equal(stats.maximum, np.nanmax(repeated, 0))


def test_statistics_of_complete_blocks(blocks_of_three):
    X = np.array([[1.0, 7, 0, 2]] * 3 + [[4.0, 7, 2, 2]] * 3)
    stats = statistics(X)
    # two blocks that differ by 3: the variance is (3 / 2)^2
    assert stats.mean.tolist() == [2.5, 7, 1, 2]
    assert stats.variance.tolist() == [2.25, 0, 1, 0]
    assert stats.constant.tolist() == [False, True, False, True]
    # the second block counts three times as much: 3 * 1/4 * 3/4 of 3 squared
    weight = np.array([1.0, 1, 1, 3, 3, 3])
    stats = statistics(X, weight)
    np.testing.assert_allclose(stats.mean, [3.25, 7, 1.5, 2])
    np.testing.assert_allclose(stats.variance, [27 / 16, 0, 3 / 4, 0])


def test_a_column_without_a_value_is_zero_and_constant():
    X = np.array([[1.0, np.nan], [3, np.nan]])
    stats = statistics(X)
    assert stats.mean.tolist() == [2, 0]
    assert stats.variance.tolist() == [1, 0]
    assert (stats.minimum[1], stats.maximum[1]) == (0, 0)
    assert stats.constant.tolist() == [False, True]


def test_blocks_are_of_so_many_rows(blocks_of_three):
    X = np.arange(28.0).reshape(7, 4)
    parts = [part for part, _ in blocks(X)]
    assert parts == [slice(0, 3), slice(3, 6), slice(6, 7)]
    found = np.concatenate([block for _, block in blocks(X, np.array([6, 0, 5, 2]))])
    np.testing.assert_array_equal(found, X[[6, 0, 5, 2]])


# Which rows judge


def sample(n, weight=None, **params):
    weight = None if weight is None else np.array(weight, float)
    X = np.arange(2.0 * n).reshape(n, 2)
    return Sample.of(X, weight=weight, shape=(2,), check=unchecked, **params)


@pytest.mark.parametrize(
    ("n", "share", "n_valid"),
    # the next whole number from 2.5, 2, 0.2 and 2.7; but one stays to learn from
    [(25, 0.1, 3), (20, 0.1, 2), (2, 0.1, 1), (3, 0.9, 2), (2, 0.9, 1)],
)
def test_so_many_rows_are_held_out(n, share, n_valid):
    drawn = sample(n, held_out=share)
    assert len(drawn.valid) == n_valid
    together = torch.cat([drawn.train, drawn.valid]).sort().values
    assert together.tolist() == drawn.index.tolist() == list(range(n))
    other = sample(n, held_out=share, seed=1)
    assert n < 20 or set(other.valid.tolist()) != set(drawn.valid.tolist())


def test_no_row_is_held_out_of_one_or_where_none_is_wanted():
    for drawn in (sample(5), sample(1, held_out=0.5), sample(3, [0, 1, 0], held_out=0.5)):
        assert drawn.valid is None
        assert drawn.train is drawn.index


def test_rows_without_weight_do_not_count():
    drawn = sample(6, [0, 1, 2, 0, 1, 0], held_out=0.5)
    assert drawn.index.tolist() == [1, 2, 4]
    assert len(drawn.valid) == 2  # of three, the next whole number from 1.5
    assert set(drawn.train.tolist()) | set(drawn.valid.tolist()) == {1, 2, 4}
    assert drawn.weight.tolist() == [0, 1, 2, 0, 1, 0]
    # the first column is 2, 4, 4 and 8
    assert drawn.statistics.mean.tolist() == [4.5, 5.5]


def test_equal_weights_are_none():
    assert sample(3, [2, 2, 2]).weight is None
    assert sample(3, [2, 2, 2]).index.tolist() == [0, 1, 2]
    drawn = sample(3, [0, 2, 2])  # in or out
    assert drawn.weight is None
    assert drawn.index.tolist() == [1, 2]
    assert drawn.statistics.mean.tolist() == [3, 4]


def test_statistics_are_of_what_rows_should_become():
    X, target = np.zeros((2, 1)), np.array([[1.0], [3]])
    drawn = Sample.of(X, target=target, shape=(1,), check=unchecked)
    assert drawn.statistics.mean.tolist() == [2]
    known = drawn.statistics._replace(mean=np.array([7.0]))
    assert Sample.of(X, statistics=known).statistics is known


# Batches


def test_weights_of_batches_have_mean_one():
    X = np.arange(10.0).reshape(5, 2)
    rows = Rows(X, np.array([4.0, 0, 2, 1, 1]), Plain(), "cpu")
    # as shares of the largest they are 1, 0, 0.5, 0.25 and 0.25
    batches = Batches(rows, torch.tensor([2, 3, 4]), 2)
    assert batches.total_weight == 1
    assert len(batches) == 2
    first, second = batches
    assert first.weight.tolist() == [1.5, 0.75]
    assert second.weight.tolist() == [0.75]
    assert first.x.tolist() == [[4, 5], [6, 7]]
    assert first.target is first.x
    none = Batches(rows, torch.tensor([1]), 2)
    assert none.total_weight == 0
    assert [batch.weight for batch in none] == [None]
