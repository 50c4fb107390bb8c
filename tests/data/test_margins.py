"""What a table's cells held: in numbers that are worked out by hand."""

import numpy as np
import pytest

from skae._data.margins import MOST_RELATED, PATTERN_BYTES, Margins, _together, _transport
from skae._data.ranks import ColumnMap


def margins(X, weight=None, levels=None):
    index = np.arange(len(X))
    return Margins.of(X, weight, index, np.ones(X.shape[1]), levels or {})


def test_levels_and_gaps_are_counted_by_weight():
    nan = np.nan
    X = np.array([[0, nan, 1.0], [1, nan, nan], [0, nan, 3], [2, nan, nan]])
    of = margins(X, np.array([1.0, 1, 1, 5]), {0: 4})
    # weights are 1/2 and 5/2 relative to their mean
    np.testing.assert_allclose(of.columns[0], [1, 0.5, 2.5, 0])
    assert of.columns[1] is None
    np.testing.assert_allclose(of.total, [4, 0, 1])
    gaps = of.draw_gaps(4000, np.random.RandomState(0))
    assert gaps[:, 1].all()
    assert not gaps[:, 0].any()
    assert gaps[:, 2].mean() == pytest.approx(0.75, abs=0.03)


def test_many_patterns_are_thinned_by_their_weight():
    rng = np.random.default_rng(0)
    gone = rng.random((3000, 8 * PATTERN_BYTES // 1000)) < 0.3
    gone[:1000] = False
    gaps, weight = _together(np.packbits(gone, axis=1), np.ones(3000))
    assert gaps.nbytes <= PATTERN_BYTES
    assert weight.sum() == pytest.approx(3000)
    assert weight[(gaps == 0).all(1)] == pytest.approx(1000, rel=0.01)


def test_weighted_values_take_their_share_of_the_ranks():
    values, weight = np.array([5.0, 1.0, 3.0]), np.array([6.0, 1.0, 1.0])
    column = ColumnMap.learn(values, 1.0, 64, weight)
    drawn = column.value((np.arange(800) + 0.5) / 800)
    assert [np.mean(drawn == v) for v in (1, 3, 5)] == pytest.approx(
        [1 / 8, 1 / 8, 6 / 8], abs=0.02
    )
    assert column.counts == (3, 3)


def test_two_maps_are_as_one_of_all_values():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=3000), np.r_[rng.normal(3, 1, size=500), np.zeros(500)]
    maps = [ColumnMap.learn(v, 1.0) for v in (first, second)]
    both, one = maps[0].merged(maps[1], (3000, 1000), 1.5), np.r_[first, second]
    for q in (0.01, 0.3, 0.6, 0.8, 0.99):
        assert both.value(q) == pytest.approx(np.quantile(one, q), abs=0.05)
    assert (both.value(rng.random(4000)) == 0).mean() == pytest.approx(0.125, abs=0.02)
    counts = ColumnMap.learn(np.array([0.0, 1, 2, 2, 0]), 1.0)
    for _ in range(20):  # values that are few, batch by batch
        counts = counts.merged(ColumnMap.learn(np.array([0.0, 1, 2, 1]), 1.0), (9, 4), 1.0)
    assert set(counts.value(rng.random(200))) == {0, 1, 2}
    assert counts.counts == (85, 3)


def test_the_least_move_gives_the_correlations_wanted():
    now, wanted = np.array([[1, 0.2], [0.2, 1]]), np.array([[1, -0.7], [-0.7, 1]])
    move = _transport(now, wanted)
    np.testing.assert_allclose(move, move.T)
    np.testing.assert_allclose(move @ now @ move, wanted, atol=1e-12)
    np.testing.assert_allclose(_transport(now, now), np.eye(2), atol=1e-12)
    # what cannot be told apart stays finite
    assert np.abs(_transport(np.ones((2, 2)), wanted)).max() < 100


def test_draws_become_values_that_go_together():
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000)
    X = np.column_stack([z, np.exp(2 * z), rng.normal(size=2000)])
    X[::3, 2] = np.nan
    of = margins(X)
    np.testing.assert_allclose(of.relations, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=0.06)
    known = rng.normal(size=(4000, 3))  # of a model that knows of no relation
    drawn = of.values(known[:1000], known)
    rank = np.argsort(np.argsort(drawn[:, :2], axis=0), axis=0)
    assert np.corrcoef(rank.T)[0, 1] > 0.97
    np.testing.assert_allclose(np.quantile(drawn[:, 1], 0.5), 1, rtol=0.15)


def test_no_draw_is_moved_over_a_gap():
    rng = np.random.default_rng(0)
    side = rng.random(2000) < 0.3
    z = rng.normal(size=2000)
    X = np.column_stack([10 * side + 0.1 * z, z])
    known = np.column_stack(
        [10 * (rng.random(4000) < 0.3) + 0.1 * rng.normal(size=4000), rng.normal(size=4000)]
    )
    drawn = margins(X).values(known, known)
    # but for what the shares of the sides differ by
    assert ((drawn[:, 0] > 5) != (known[:, 0] > 5)).mean() < 0.02
    low = drawn[:, 0] < 5
    assert np.corrcoef(drawn[low].T)[0, 1] > 0.5  # which the model had not


@pytest.mark.parametrize("size", [1, 20, 100])
@pytest.mark.parametrize("drifts", [False, True])
def test_a_streams_numbers_go_together_as_those_of_its_rows_at_once(size, drifts):
    rng = np.random.default_rng(0)
    z = rng.normal(size=600)
    z = np.sort(z) if drifts else z
    X = np.column_stack([z, z**3, -z]) + 0.5 * rng.normal(size=(600, 3))
    X = np.column_stack([X, rng.normal(size=600)])
    X[: 2 * size, 1] = np.nan  # not one in the first batches
    at_once = margins(X).relations
    stream = margins(X[:size])
    for start in range(size, 600, size):
        stream = stream.merged(margins(X[start : start + size]), np.ones(4))
    np.testing.assert_allclose(stream.relations, at_once, atol=0.1)


def test_relations_are_kept_of_so_many_numbers_only():
    rows = np.random.default_rng(0).normal(size=(20, MOST_RELATED + 1))
    assert margins(rows[:, 1:]).relations.shape == (MOST_RELATED, MOST_RELATED)
    part = margins(rows)
    assert part.relations is None
    assert part.merged(margins(rows), np.ones(MOST_RELATED + 1)).relations is None
