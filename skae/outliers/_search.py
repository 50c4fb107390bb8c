"""Which of some rows are the nearest ones."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

MANY = 20_000  # rows, from which on an index is quicker than all distances
LISTS, PROBED = 2.0, 32  # times the root of the number of rows; the nearest ones are read


def check_search(name):
    """Raise an ``ImportError`` if what a search needs is not installed."""
    if name == "approximate":
        try:
            import faiss  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "neighbor_search='approximate' needs faiss: pip install 'skae[index]'. "
                "neighbor_search='exact' needs nothing."
            ) from error


class Search:
    """The n nearest of some rows (m, d) to others, in no order.

    "approximate" reads the nearest of lists into which many rows are put, and misses a
    neighbour now and then; "exact" none.
    """

    def __init__(self, rows, n, name):
        self.n, self.index = n, None
        self.whole = NearestNeighbors(n_neighbors=n, algorithm="brute").fit(rows)
        if name == "approximate" and len(rows) > MANY:
            self.index = _index(rows)

    def __call__(self, x):
        """Return which rows are nearest to x (n_rows, d); (n_rows, n)."""
        if self.index is None:
            return self.whole.kneighbors(x, return_distance=False)
        found = self.index.search(_plain(x), self.n)[1]
        short = (found < 0).any(1)  # the lists hold too few
        if short.any():
            found[short] = self.whole.kneighbors(x[short], return_distance=False)
        return found


def _index(rows):
    """Return a faiss index of rows (m, d)."""
    import faiss

    m, d = rows.shape
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, int(LISTS * m**0.5))
    index.train(_plain(rows))
    index.add(_plain(rows))
    index.nprobe = PROBED
    return index


def _plain(x):
    return np.ascontiguousarray(x, dtype=np.float32)
