"""The nearest of many rows."""

import pickle
import sys

import numpy as np
import pytest

import skae.outliers._search
from skae.outliers._search import Search
from tests.outliers.rows import CLEAN, X, quick, rows_near_a_plane

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install 'skae\[index\]'"):
        quick(neighbor_search="approximate").fit(X)


def test_an_index_finds_nearly_all_of_the_nearest(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(skae.outliers._search, "MANY", 1000)
    monkeypatch.setattr(skae.outliers._search, "PROBED", 12)  # of 126 lists
    rows = rows_near_a_plane(4000)[0]
    rows, x = rows / rows.std(0), CLEAN / rows.std(0)
    exact, found = (Search(rows, 6, name) for name in ("exact", "approximate"))
    assert exact.index is None
    true, got = exact(x), found(x)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(true, got, strict=True)]) > 5.9
    assert (got != np.sort(got)).any()  # by the index, and not by chance of the order
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again(x), got)
    # few rows are searched as they are, and where lists hold too few, these are
    assert Search(rows[:1000], 6, "approximate").index is None
    many = Search(rows, 2000, "approximate")
    np.testing.assert_array_equal(
        np.sort(many(x[:3])), np.sort(Search(rows, 2000, "exact")(x[:3]))
    )


@pytest.mark.parametrize("purify", [True, False])
def test_scores_with_an_index_are_nearly_the_same(monkeypatch, purify):
    pytest.importorskip("faiss")
    monkeypatch.setattr(skae.outliers._search, "MANY", 1000)
    rows = rows_near_a_plane(3000)[0]
    exact = quick(purify=purify).fit(rows)
    quicker = quick(purify=purify, neighbor_search="approximate").fit(rows)
    for given in (rows[:300], CLEAN):
        np.testing.assert_allclose(
            quicker.score_samples(given), exact.score_samples(given), rtol=0.05
        )
    quicker.partial_fit(CLEAN)
    assert (quicker.predict(CLEAN) == 1).mean() > 0.8
