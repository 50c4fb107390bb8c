"""Neighbours of rows."""

import numpy as np
import pytest

from skae.outliers._abnormality import Neighbors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_training_rows_do_not_count_as_their_own_neighbours():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    distances = Neighbors(rows, 2).of(rows)
    among = np.sqrt(((rows[:, None] - rows) ** 2).sum(2))
    among.sort(1)
    np.testing.assert_allclose(distances, among[:, 1:3].mean(1), rtol=1e-12)
    # a duplicate does
    twice = Neighbors(np.r_[rows, rows], 1).of(rows)
    np.testing.assert_array_equal(twice, 0)
    # a new row has no neighbour to be ignored
    new = rows[:5] + 0.5
    among = np.sqrt(((new[:, None] - rows) ** 2).sum(2))
    among.sort(1)
    np.testing.assert_allclose(Neighbors(rows, 2).of(new), among[:, :2].mean(1), rtol=1e-12)
