"""Distances of packed binary codes."""

import numpy as np
from sklearn.utils import check_array

from skae._data.containers import taken

CELLS_AT_ONCE = 2**20


def hamming_distances(A, B=None):
    """Return in how many bits packed codes differ, pair by pair.

    Bytes are compared eight at a time, without unpacking them. The result is the only
    large array: pass few rows of A at a time where B has many.

    Parameters
    ----------
    A : array-like of shape (n_samples_A, n_bytes), dtype uint8
        Packed codes, as `skae.BinaryAutoencoder` with ``packed_output=True`` or
        `numpy.packbits` return them.
    B : array-like of shape (n_samples_B, n_bytes), dtype uint8, default=None
        Others; None takes A.

    Returns
    -------
    distances : ndarray of shape (n_samples_A, n_samples_B), dtype float32
        Numbers of bits, whole; scikit-learn's ``metric="hamming"`` is their share of
        all. Usable with ``metric="precomputed"``.

    Raises
    ------
    ValueError
        If A or B do not hold bytes, or not as many in each row.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import hamming_distances
    >>> bits = np.array([[0, 0, 0, 0, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0, 0, 0, 1]])
    >>> codes = np.packbits(bits, axis=1)
    >>> codes.tolist()
    [[0, 128], [192, 128]]
    >>> hamming_distances(codes)
    array([[0., 2.],
           [2., 0.]], dtype=float32)
    """
    A = _check_bytes(A, "A")
    B = A if B is None else _check_bytes(B, "B")
    if A.shape[1] != B.shape[1]:
        raise ValueError(
            f"A and B must have as many bytes in a row. Got {A.shape[1]} and {B.shape[1]}. "
            "Let one BinaryAutoencoder encode both."
        )
    out = np.empty((len(A), len(B)), dtype=np.float32)
    A, B = _words(A), _words(B)
    n_rows = max(1, CELLS_AT_ONCE // out.shape[1])
    for start in range(0, len(out), n_rows):
        block = out[start : start + n_rows]
        count = np.zeros(block.shape, dtype=np.int32)
        for a, b in zip(A[:, start : start + n_rows], B, strict=True):
            count += np.bitwise_count(a[:, None] ^ b)
        block[:] = count
    return out


def _check_bytes(X, name):
    X = check_array(taken(X), dtype="numeric", input_name=name)
    if X.dtype != np.uint8:
        raise ValueError(
            f"{name} must hold packed codes, of dtype uint8, as numpy.packbits returns "
            f"them. Got {X.dtype}."
        )
    return X


def _words(codes):
    """Return bytes (n, n_bytes) as words of eight, filled up with zeros; (n_words, n)."""
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8)))
    return np.ascontiguousarray(np.ascontiguousarray(padded).view(np.uint64).T)
