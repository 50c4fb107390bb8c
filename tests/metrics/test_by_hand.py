"""Measures in numbers that are worked out by hand."""

import numpy as np
import pytest

from skae.metrics import hamming_distances, smallest_within
from skae.metrics._disentanglement import _focus


def test_focus_is_weighted_by_what_a_row_holds():
    # a row of one alone has the entropy 0, one of two halves 1; they hold 1 and 2
    assert _focus(np.array([[1.0, 0], [1, 1]])) == pytest.approx(1 / 3)
    assert _focus(np.array([[1.0], [2]])) == 1


def test_bits_that_differ():
    A = np.array([[0b11110000] + [0] * 8 + [1]], dtype=np.uint8)
    B = np.array([[0b10100000] + [0] * 7 + [3, 0], [0] * 10], dtype=np.uint8)
    # 2 of the first byte, 2 of the ninth and 1 of the last; 4 and 1
    assert hamming_distances(A, B).tolist() == [[5, 5]]


@pytest.mark.parametrize(("tolerance", "chosen"), [(0.0, 2), (0.1, 1), (0.3, 0)])
def test_the_smallest_code_within_a_share_of_a_negative_score(tolerance, chosen):
    results = {
        "params": [{"n_components": n} for n in (1, 2, 3)],
        "mean_test_score": [-12.5, -11.0, -10],  # worse by 0.25 and 0.1 of 10
    }
    assert smallest_within(tolerance)(results) == chosen
