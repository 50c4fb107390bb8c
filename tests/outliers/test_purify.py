"""A forest's opinion of the training rows."""

import numpy as np
import pytest

from skae.outliers._purify import opinion
from tests.outliers.rows import X

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_the_forests_opinion_survives_large_offsets():
    rng = np.random.default_rng(0)
    column = 1.7e9 + 10 * rng.normal(size=(300, 1))
    column[:5] += 200
    scores = opinion(np.c_[column, column], 0)
    assert scores[:5].max() < scores[5:].min()


def test_rounding_errors_are_no_opinion():
    rng = np.random.default_rng(0)
    parts = rng.random((300, 1))
    noisy = (parts + 0.1) - parts  # 0.1, but for the last bits
    assert 0 < np.ptp(noisy) < 1e-15
    still = opinion(np.c_[X[:300], np.full(300, 0.1), np.full(300, 1e9)], 0)
    np.testing.assert_array_equal(opinion(np.c_[X[:300], noisy, 1e9 * noisy], 0), still)


def test_the_forests_opinion_is_by_blocks(monkeypatch):
    from skae._data import rows as _rows

    whole = opinion(X, 0)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2048)
    np.testing.assert_allclose(opinion(X, 0), whole)
