"""Matching pursuit is the orthogonal one, nearly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_sparse_coded_signal
from sklearn.linear_model import orthogonal_mp

from skae._codes.pursuit import pursue
from skae._codes.sparse import top_k

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_pursuit_among_orthogonal_directions_takes_the_largest(seed, k):
    rng = np.random.default_rng(seed)
    basis = torch.from_numpy(np.linalg.qr(rng.normal(size=(8, 8)))[0])
    x = torch.from_numpy(rng.normal(size=(5, 8)))
    z = pursue(x @ basis, basis.T @ basis, k, positive=False)
    assert torch.allclose(z, top_k(x @ basis, k, False), atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_pursuit_fits_what_it_chose_by_least_squares(seed, k):
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(10, 30))
    D /= np.linalg.norm(D, axis=0)
    x = rng.normal(size=(4, 10))
    args = torch.from_numpy(x @ D), torch.from_numpy(D.T @ D), k
    z = pursue(*args, positive=False).numpy()
    for row, code in zip(x, z, strict=True):
        on = np.flatnonzero(code)
        assert len(on) <= k
        best = np.linalg.lstsq(D[:, on], row, rcond=None)[0]
        np.testing.assert_allclose(code[on], best, atol=5e-3)
    assert (pursue(*args, positive=True) >= 0).all()


def test_pursuit_of_few_units_is_the_orthogonal_one():
    X, D, _ = make_sparse_coded_signal(
        n_samples=300, n_components=128, n_features=32, n_nonzero_coefs=3, random_state=0
    )
    args = torch.from_numpy(X @ D.T), torch.from_numpy(D @ D.T), 3
    ours = np.square(X - pursue(*args, positive=False).numpy() @ D).sum()
    theirs = np.square(X - (D.T @ orthogonal_mp(D.T, X.T, n_nonzero_coefs=3)).T).sum()
    np.testing.assert_allclose(ours, theirs, rtol=0.02)
