"""Rows that are larger than memory are streamed, each once in a pass."""

import numpy as np
import pytest
import scipy.sparse as sp

import skae._data.rows
from skae import Autoencoder

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


def make(n_components=2, **params):
    return Autoencoder(n_components, **{"max_iter": 3, "random_state": 0, **params})


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_streamed_rows_train_as_resident_rows_do(monkeypatch, convert, rng):
    rows = convert(rng.normal(size=(600, 8)))
    params = {"max_iter": 15, "batch_size": 32}
    resident = make(**params).fit(rows)
    monkeypatch.setattr(skae._data.rows, "RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr(skae._data.rows, "CHUNK_BYTES", 8 * 4 * 150)
    streamed = make(**params).fit(rows)
    np.testing.assert_allclose(
        streamed.loss_curve_[-5:], resident.loss_curve_[-5:], rtol=0.15
    )
    # the same weights give the same codes, whichever way they were trained
    dense = rows.toarray() if sp.issparse(rows) else rows
    for estimator in (resident, streamed):
        np.testing.assert_array_equal(estimator.transform(rows), estimator.transform(dense))


def test_streaming_passes_over_every_row_once_and_shuffles(monkeypatch):
    import torch

    monkeypatch.setattr(skae._data.rows, "RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr(skae._data.rows, "CHUNK_BYTES", 4 * 2 * 200)
    rows = np.stack([np.arange(1001.0), np.zeros(1001)], axis=1)

    class Identity:
        def standardize(self, x, out=None, check=True):
            out = np.empty(x.shape, dtype=np.float32) if out is None else out
            out[:] = x
            return out

    source = skae._data.rows.Rows(rows, np.arange(1, 1002.0), Identity(), "cpu")
    batches = skae._data.rows.Batches(
        source, torch.arange(1001), 32, torch.Generator().manual_seed(0)
    )
    passes = [list(batches) for _ in range(2)]
    for one in passes:
        seen = torch.cat([x[:, 0] for x, *_ in one])
        np.testing.assert_array_equal(seen.sort().values, np.arange(1001))
        weight = torch.cat([w for _, w, *_ in one])  # weights stay beside their rows
        np.testing.assert_allclose(weight * 501, seen + 1, rtol=1e-5)
        assert [len(x) for x, *_ in one[:-1]] == [32] * (len(batches) - 1)
        assert len(one) == len(batches)
    assert not torch.equal(passes[0][0][0], passes[1][0][0])


def test_a_memory_map_is_never_copied_whole(monkeypatch, tmp_path, rng):
    path = tmp_path / "rows.npy"
    np.save(path, rng.normal(size=(4000, 6)))
    rows = np.load(path, mmap_mode="r")
    monkeypatch.setattr(skae._data.rows, "RESIDENT_BYTES", {"cpu": 0})
    monkeypatch.setattr(skae._data.rows, "CHUNK_BYTES", 4 * 6 * 500)
    monkeypatch.setattr(skae._data.rows, "BLOCK_BYTES", 8 * 6 * 500)
    largest = []
    densify = skae._data.rows.densify

    def record(block):
        largest.append(len(block))
        return densify(block)

    monkeypatch.setattr(skae._data.rows, "densify", record)
    estimator = make(max_iter=2, batch_size=100).fit(rows)
    assert max(largest) <= 2000  # the sample for principal components is the largest
    np.testing.assert_array_equal(
        estimator.transform(rows), estimator.transform(np.array(rows))
    )
