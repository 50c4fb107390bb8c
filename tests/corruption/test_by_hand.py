"""Corruptions in numbers that are worked out by hand."""

import numpy as np

from skae._data.statistics import column_statistics
from skae.corruption import Downsampling, Masking, RegionMasking, SwapNoise
from skae.corruption._base import Space


def test_blocks_at_the_border_are_of_the_pixels_that_there_are():
    X = np.array([[[1.0, 2, 3], [5, 6, 7], [20, 22, 30]]])
    found = Downsampling(2).corrupt(X, random_state=0)[0]
    # (1 + 2 + 5 + 6) / 4, (3 + 7) / 2, (20 + 22) / 2 and 30
    assert found.tolist() == [[3.5, 3.5, 5], [3.5, 3.5, 5], [21, 21, 30]]
    whole = Downsampling(9).corrupt(X, random_state=0)[0]
    np.testing.assert_allclose(whole, np.full((3, 3), 96 / 9))


def test_the_deviation_of_a_channel_is_of_all_its_pixels():
    X = np.array([[0.0, 2, 5, 5], [4, 6, 5, 9]])
    stats = column_statistics(X, None, (2, 1, 2), lambda block: None)
    space = Space.of(stats, np.zeros(4), np.ones(4))
    assert space.shape == (2, 1, 2)
    # 0, 2, 4, 6 around 3: 5; and 5, 5, 5, 9 around 6: 3
    np.testing.assert_allclose(space.deviation, np.sqrt([5, 5, 3, 3]), rtol=1e-6)
    assert space.unit.tolist() == [1] * 4
    table = Space.of(
        column_statistics(X, None, (4,), lambda block: None), np.ones(4), np.full(4, 0.5)
    )
    assert table.shape is None
    # deviations of 2, 2, 0 and 2, halved; (value - 1) / 2
    assert table.unit.tolist() == table.deviation.tolist() == [1, 1, 0, 1]
    assert table.mean.tolist() == [0.5, 1.5, 2, 3]
    assert table.minimum.tolist() == [-0.5, 0.5, 2, 2]
    assert table.maximum.tolist() == [1.5, 2.5, 2, 4]
    assert table.filling(3).tolist() == [1] * 4


def test_all_cells_or_none():
    X = np.array([[1.0, 10], [3, 30]])
    assert Masking(1.0).corrupt(X, random_state=0).tolist() == [[2, 20]] * 2
    assert Masking(1.0, fill="max").corrupt(X, random_state=0).tolist() == [[3, 30]] * 2
    assert Masking(0.0).corrupt(X, random_state=0).tolist() == X.tolist()
    assert SwapNoise(1.0).corrupt(X[:1], random_state=0).tolist() == [[1, 10]]


def test_regions_reach_the_borders_and_no_further():
    holes = RegionMasking(2, fill=0).corrupt(np.ones((300, 3, 3)), random_state=0) == 0
    assert holes.sum((1, 2)).tolist() == [4] * 300
    # of two places on each axis each is as likely: a corner is in a quarter of them
    np.testing.assert_allclose(
        holes[:, [0, 0, 2, 2], [0, 2, 0, 2]].mean(0), 0.25, atol=0.08
    )
    assert holes[:, 1, 1].all()


def test_rates_of_a_range_are_drawn_for_each_row():
    X = np.arange(2000.0).reshape(2, 1000).T.repeat(100, 1).reshape(1000, -1)
    gone = Masking((0.2, 0.6), fill=-1).corrupt(X, random_state=0) == -1
    rate = gone.mean(1)
    assert abs(rate.mean() - 0.4) < 0.02
    assert abs(np.quantile(rate, 0.1) - 0.24) < 0.03
