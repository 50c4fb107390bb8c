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


def test_the_forests_opinion_is_by_blocks(monkeypatch):
    from skae._data import rows as _rows

    whole = opinion(X, 0)
    monkeypatch.setattr(_rows, "BLOCK_BYTES", 2048)
    np.testing.assert_allclose(opinion(X, 0), whole)
