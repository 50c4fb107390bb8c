"""A row's result does not depend on its neighbours, nor on its block."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import skae._training.blocks
from skae._training.blocks import block_rows
from skae.networks import ConvolutionalNetwork
from tests.pictures import (
    METHODS,
    NETWORKS,
    OPTIONS,
    RGB,
    SIDES,
    is_single_number,
    make,
    pictures,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


def alone_and_in_company(estimator, rows, rng):
    n = len(rows)
    order, some = rng.permutation(n), np.sort(rng.choice(n, size=11, replace=False))
    flat = rows.reshape(n, -1)
    for method in METHODS:
        call = getattr(estimator, method)
        whole = call(rows)
        assert np.ptp(whole) > 0
        np.testing.assert_array_equal(call(rows[order]), whole[order], err_msg=method)
        np.testing.assert_array_equal(call(rows[some]), whole[some], err_msg=method)
        np.testing.assert_array_equal(call(flat), whole, err_msg=method)
        for i in (0, 5, n // 2, n - 1):
            np.testing.assert_array_equal(
                call(rows[i : i + 1]), whole[i : i + 1], err_msg=method
            )


@pytest.mark.parametrize("n_components", [None, 3], ids=["map", "code"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_a_row_does_not_depend_on_its_neighbours(monkeypatch, options, n_components):
    monkeypatch.setattr(skae._training.blocks, "BLOCK_ACTIVATION_BYTES", 2**18)
    network = ConvolutionalNetwork(filters=(5, 7), **options)
    estimator = make(n_components, network, max_iter=1).fit(RGB)
    rows = pictures(block_rows(estimator.net_, 90) + 37, 3, 6, 5, seed=1)
    assert len(rows) < 337
    alone_and_in_company(estimator, rows, np.random.default_rng(0))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    network=NETWORKS,
    c=st.integers(1, 3),
    size=SIDES,
    k=st.sampled_from([None, 1, 3]),
    seed=st.integers(0, 99),
)
def test_no_picture_depends_on_its_neighbours(network, c, size, k, seed):
    assume(not is_single_number(network, size))
    network.image_shape = (c, *size)
    estimator = make(k, network, max_iter=1).fit(pictures(12, c, *size))
    n = min(block_rows(estimator.net_, c * math.prod(size)), 150) + 37
    rng = np.random.default_rng(seed)
    alone_and_in_company(estimator, rng.normal(size=(n, c, *size)), rng)


def test_a_row_is_the_same_beyond_a_block_of_the_default_size():
    X = pictures(20, 65, 33)
    estimator = make(4, max_iter=1).fit(X)
    rows = pictures(block_rows(estimator.net_, 65 * 33) + 19, 65, 33, seed=1)
    assert len(rows) < 600
    alone_and_in_company(estimator, rows, np.random.default_rng(0))
