"""What holds for all tests; the environment is set before anything is imported."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips its checks of it
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores already
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest


@pytest.fixture
def rng():
    """Random numbers of a test's own, whichever tests ran before it."""
    import numpy as np

    return np.random.default_rng(1)
