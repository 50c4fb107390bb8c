"""Rows in whatever they come: what is read as it is, as an array, or as an Arrow table."""

import narwhals.stable.v2 as nw
import numpy as np
import scipy.sparse as sp
import torch

NARROW = torch.bfloat16  # which numpy has not


def taken(X):
    """Return X as a container that skae reads, or raise a ``ValueError``.

    A torch tensor is read as an array, wherever it is and whatever its gradient; a table
    of another library as an Arrow one, if it offers that.
    """
    if isinstance(X, torch.Tensor):
        return _array(X)
    if isinstance(X, np.ndarray | list | tuple) or sp.issparse(X) or X is None:
        return X
    if nw.dependencies.is_into_dataframe(X):
        return nw.to_native(X, pass_through=True)
    if isinstance(nw.from_native(X, pass_through=True), nw.LazyFrame):
        raise ValueError("X is a lazy table, of no rows yet. Use X.collect().")
    if nw.dependencies.is_into_series(X):
        return X
    if hasattr(X, "__arrow_c_stream__"):
        import pyarrow as pa

        return pa.table(X)
    if hasattr(X, "__dataframe__"):
        from pyarrow.interchange import from_dataframe

        return from_dataframe(X)
    if hasattr(X, "__array__"):  # what it says of its shape may not be so
        return np.asarray(X)
    return X


def cells_at(X, j, rows):
    """Return what column j of a frame holds in some rows, as a list."""
    column = [*nw.from_native(X, eager_only=True).iter_columns()][j]
    return column[rows.tolist()].to_list()


def _array(X):
    """Return a torch tensor as an array."""
    if X.layout != torch.strided:
        raise ValueError("X is a sparse tensor. Use X.to_dense(), or a scipy CSR matrix.")
    if X.dtype == NARROW:
        X = X.float()
    try:
        return X.detach().cpu().resolve_conj().resolve_neg().numpy()
    except (NotImplementedError, RuntimeError, TypeError) as error:
        raise ValueError(f"X is a tensor that is no array of numbers: {error}") from None
