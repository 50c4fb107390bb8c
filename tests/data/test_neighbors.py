"""Rows and their neighbours."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from sklearn.neighbors import NearestNeighbors

import skae._data.neighbors
import skae._data.rows
from skae._data.neighbors import Means, nearest
from skae._data.rows import Rows

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
WINE = load_wine().data


class Plain:
    """A likelihood that scales nothing."""

    def standardize(self, X, out=None, check=True):
        out = np.empty(X.shape, dtype=np.float32) if out is None else out
        out[:] = X
        return out


def test_neighbours_are_scikit_learns_and_only_rows_that_count():
    rows, index = Rows(WINE, None, Plain(), "cpu"), torch.arange(0, len(WINE), 2)
    table = nearest(rows, index, index, 4, lambda x: x).numpy()
    np.testing.assert_array_equal(table[:, 0], np.arange(len(WINE)))
    among = WINE[::2].astype(np.float32)
    order = NearestNeighbors().fit(among).kneighbors(n_neighbors=4)[1]
    np.testing.assert_array_equal(np.sort(table[::2, 1:]), np.sort(2 * order))
    np.testing.assert_array_equal(table[1::2, 1:], table[1::2, :1].repeat(4, 1))
    means = Means(rows, torch.from_numpy(table)).take(torch.tensor([6, 2]))
    np.testing.assert_allclose(means, WINE[table[[6, 2]]].mean(1), rtol=1e-5)
    rows.resident = None  # read from X in each call
    again = Means(rows, torch.from_numpy(table)).take(torch.tensor([6, 2]))
    np.testing.assert_array_equal(again, means)


def test_many_rows_are_searched_in_groups(monkeypatch):
    monkeypatch.setattr(skae._data.neighbors, "SEARCH_ROWS", 50)
    rows = Rows(WINE, None, Plain(), "cpu")
    index = torch.arange(len(WINE))
    table = nearest(rows, index, index, 3, lambda x: x)  # four groups
    assert (table % 4 == table[:, :1] % 4).all()
    assert (table.sort(1).values.diff(dim=1) > 0).all()
