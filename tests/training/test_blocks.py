"""A row's result does not depend on its neighbours, nor on its block."""

import math
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import skae._training.blocks
from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderImputer,
    BinaryAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._training.blocks import alike, block_rows, plan
from skae.networks import ConvolutionalNetwork, DenseNetwork
from skae.networks._layers import aligned_linear
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


# Few rows, and many threads

RNG = np.random.default_rng(0)
X, ROWS = RNG.normal(size=(60, 64)), RNG.normal(size=(1200, 64))
SHARES = np.exp(ROWS) / np.exp(ROWS).sum(1, keepdims=True)
HOLES = np.where(RNG.uniform(size=ROWS.shape) < 0.1, np.nan, ROWS)
HOLES[:, 3] = RNG.integers(0, 4, len(ROWS))
QUICK = {"max_iter": 1, "random_state": 0}


def mixed_rows():
    table = pd.DataFrame(HOLES[:, :5], columns=list("abcde"))
    return table.assign(d=np.array(["u", "v", "w", "x"])[HOLES[:, 3].astype(int)])


def kinds():
    """Estimators, with rows that they take."""
    layers = {"hidden_layer_sizes": (33, 20), "activation": "gelu"}
    by_layer = DenseNetwork(**layers, normalization="layer")
    by_batch = DenseNetwork(**layers, normalization="batch")
    tied = DenseNetwork(**layers, tied_weights=True)
    yield Autoencoder(1, **QUICK), ROWS
    yield Autoencoder(7, network=(129,), **QUICK), ROWS.astype(np.float32)
    yield Autoencoder(3, network=by_layer, **QUICK), ROWS
    yield Autoencoder(3, network=by_batch, **QUICK), ROWS
    yield Autoencoder(5, network=tied, **QUICK), ROWS
    yield Autoencoder(4, network=tied, **QUICK), ROWS[:, :6]
    yield Autoencoder(2, network=(), code_activation="tanh", **QUICK), ROWS[:, :13]
    yield Autoencoder(2, likelihood="bernoulli", **QUICK), 1 / (1 + np.exp(-ROWS))
    yield Autoencoder(2, likelihood="categorical", **QUICK), SHARES
    yield Autoencoder(2, likelihood="poisson", **QUICK), np.floor(np.exp(ROWS))
    yield Autoencoder(2, likelihood="mixed", **QUICK), HOLES
    yield Autoencoder(2, **QUICK), mixed_rows()
    yield VariationalAutoencoder(2, **QUICK), ROWS[:, :9]
    yield SparseAutoencoder(9, **QUICK), ROWS[:, :8]
    yield SparseAutoencoder(40, network=(20,), **QUICK), ROWS
    yield BinaryAutoencoder(9, **QUICK), ROWS
    yield AdversarialAutoencoder(3, n_clusters=4, **QUICK), ROWS


@pytest.mark.parametrize(("estimator", "rows"), list(kinds()))
def test_few_rows_have_the_results_that_they_have_among_many(estimator, rows):
    estimator.fit(rows[:60])
    for method in ("transform", "score_samples", "reconstruct", "predict"):
        if not hasattr(estimator, method):
            continue

        def call(some, method=method):
            return np.asarray(getattr(estimator, method)(some))

        whole = call(rows)
        for part in (*(slice(i, i + 1) for i in (0, 31, 700)), slice(5, 38), slice(9, 150)):
            np.testing.assert_array_equal(call(rows[part]), whole[part], err_msg=method)


def test_few_rows_come_in_a_small_block(monkeypatch):
    net = Autoencoder(2, **QUICK).fit(X).net_
    assert net.block_rows == 1024
    monkeypatch.setattr(skae._training.blocks, "alike", lambda *args: True)
    numbers = 1, 32, 33, 128, 129, 1024, 1025
    sizes = {n: [size for _, size in plan(net, n)] for n in numbers}
    assert sizes == {
        1: [32], 32: [32], 33: [128], 128: [128], 129: [1024], 1024: [1024],
        1025: [1024, 32],
    }  # fmt: skip
    assert [rows for rows, _ in plan(net, 1025)] == [slice(0, 1024), slice(1024, 1025)]
    monkeypatch.setattr(skae._training.blocks, "alike", lambda *args: False)
    assert [size for _, size in plan(net, 1025)] == [1024, 1024]


class Doubled(torch.nn.Module):
    def forward(self, x):
        return 2 * x


class OwnNetwork:
    def build(self, n_inputs, n_components, n_outputs, *, generator=None, start=None):
        encoder = torch.nn.Sequential(torch.nn.Linear(n_inputs, n_components), Doubled())
        return encoder, torch.nn.Linear(n_components, n_outputs)


def test_all_blocks_have_one_size_where_layers_are_unknown():
    for network in (OwnNetwork(), ConvolutionalNetwork(filters=(2,))):
        net = Autoencoder(2, network=network, **QUICK).fit(X).net_
        assert [size for _, size in plan(net, 1)] == [net.block_rows]


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("n_in", [8, 30, 128])
def test_products_do_not_hang_on_a_rows_place(n_in, is_transposed):
    rng, x = torch.Generator().manual_seed(0), torch.from_numpy(ROWS).float()
    x = torch.cat([x, x], 1)[:1024, :n_in].contiguous()
    for n_out in range(1, 24):
        weight = torch.randn(n_out, n_in, generator=rng)
        if is_transposed:
            weight = weight.t().contiguous().t()
        whole = aligned_linear(x, weight, None)
        assert torch.equal(aligned_linear(x.roll(1, 0), weight, None), whole.roll(1, 0))
        np.testing.assert_allclose(whole, x @ weight.t(), rtol=1e-4, atol=1e-4)


def by_place(x, weight, bias):
    """Round products by a row's place."""
    out = x @ weight.t() + bias
    out[7::16] = ((x.double() @ weight.t().double()) + bias.double()).float()[7::16]
    return out


def by_number(x, weight, bias):
    """Round products by the number of rows."""
    if len(x) == 32:
        return (x.double() @ weight.t().double() + bias.double()).float()
    return torch.nn.functional.linear(x, weight, bias)


@pytest.mark.parametrize("product", [by_place, by_number])
@pytest.mark.parametrize("shape", [(64, 128, False), (12, 1, True)])
def test_products_that_are_not_alike_are_noticed(monkeypatch, product, shape):
    monkeypatch.setattr(skae._training.blocks, "aligned_linear", product)
    assert not alike.__wrapped__(*shape, 256)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


MANY = np.random.default_rng(1).normal(size=(6000, 64))


@pytest.mark.parametrize(
    "network", ["auto", (100,), (129,), ConvolutionalNetwork(filters=(5, 7))], ids=str
)
def test_results_do_not_hang_on_the_number_of_threads(threads, network):
    estimator = Autoencoder(3, network=network, **QUICK).fit(X)
    order, expected = np.random.default_rng(0).permutation(len(MANY)), {}
    for n in (1, 3, 8):
        threads(n)
        for method in ("transform", "reconstruct", "score_samples"):
            call = getattr(estimator, method)
            whole = expected.setdefault(method, call(MANY))
            np.testing.assert_array_equal(call(MANY[order]), whole[order], err_msg=f"{n}")
        assert torch.get_num_threads() == n


def test_threads_share_blocks_of_enough_rows(threads, monkeypatch):
    estimator, seen = Autoencoder(3, **QUICK).fit(X), set()
    standardize = type(estimator.net_.module_.likelihood).standardize

    def noted(self, X, out=None, check=True):
        seen.add(threading.get_ident())
        barrier.wait()
        return standardize(self, X, out, check)

    monkeypatch.setattr(type(estimator.net_.module_.likelihood), "standardize", noted)
    threads(3)
    for rows, expected in ((MANY[:1500], 1), (MANY, 3)):
        seen.clear()
        barrier = threading.Barrier(expected, timeout=60)
        estimator.transform(rows)
        assert len(seen) == expected
    # a hook sees the blocks in order
    at = estimator.net_.module_.encoder.register_forward_hook(lambda *args: None)
    seen.clear()
    barrier = threading.Barrier(1)
    estimator.transform(MANY)
    assert seen == {threading.get_ident()}
    at.remove()


def test_threads_tell_of_the_first_row_that_cannot_be(threads):
    rows = np.random.default_rng(0).uniform(size=(9000, 64))
    estimator = Autoencoder(3, likelihood="bernoulli", **QUICK).fit(rows[:60])
    for place in (1500, 3000, 5000, 8000):
        rows[place, place // 1000] = 2.0
    messages = []
    for n in (1, 2, 5):
        threads(n)
        with pytest.raises(ValueError, match="column 1 holds 2") as error:
            estimator.transform(rows)
        messages.append(str(error.value))
        assert torch.get_num_threads() == n
    assert len(set(messages)) == 1


def test_gaps_are_filled_alike_whatever_the_number_of_threads(threads):
    rows = HOLES[:, :6]
    imputer = AutoencoderImputer(n_estimators=2, network=(100, 100), **QUICK).fit(rows)
    expected = imputer.transform(rows)
    for n in (3, 5):
        threads(n)
        np.testing.assert_array_equal(imputer.transform(rows), expected)
        np.testing.assert_array_equal(imputer.transform(rows[700:701]), expected[700:701])
