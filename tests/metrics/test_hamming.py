"""Hamming distances of packed codes."""

import numpy as np
import pandas as pd
import pytest

from skae.metrics import hamming_distances

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


# What they find


@pytest.mark.parametrize("n_bits", [1, 8, 30, 64, 65, 200])
def test_hamming_distances_are_counts_of_differing_bits(n_bits, monkeypatch):
    monkeypatch.setattr("skae.metrics._hamming.CELLS_AT_ONCE", 100)
    rng = np.random.default_rng(n_bits)
    A, B = (rng.integers(0, 2, size=(n, n_bits), dtype=np.uint8) for n in (13, 31))
    packed = [np.packbits(bits, axis=1) for bits in (A, B)]
    expected = (A[:, None] != B).sum(2)
    np.testing.assert_array_equal(hamming_distances(*packed), expected)
    square = hamming_distances(packed[0])
    np.testing.assert_array_equal(square, (A[:, None] != A).sum(2))
    assert square.dtype == np.float32


@pytest.mark.parametrize(
    ("A", "B", "message"),
    [
        (np.zeros((2, 2)), None, "A must hold packed codes"),
        (np.zeros((2, 2), dtype=np.uint8), np.zeros((2, 2)), "B must hold packed codes"),
        (np.zeros((2, 2), dtype=np.uint8), np.zeros((2, 3), dtype=np.uint8), "2 and 3"),
        (np.zeros(2, dtype=np.uint8), None, "1D array"),
    ],
)
def test_hamming_distances_take_bytes_only(A, B, message):
    with pytest.raises(ValueError, match=message):
        hamming_distances(A, B)


# The neighbours


def test_distances_of_any_memory_order():
    codes = np.random.default_rng(0).integers(256, size=(7, 3), dtype=np.uint8)
    expected = hamming_distances(codes)
    for other in (np.asfortranarray(codes), pd.DataFrame(codes)):
        np.testing.assert_array_equal(hamming_distances(other), expected)
