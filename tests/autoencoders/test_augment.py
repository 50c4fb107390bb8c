"""Variants of rows: worked out by hand, and what may never come out."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_digits

from skae import (
    Autoencoder,
    BinaryAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._autoencoders.augmenting import moved, possible, varied
from skae._data.ranks import ColumnMap
from skae.corruption import Masking
from tests.mixed import FRAME

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROWS = load_digits().data[:200]


def test_steps_have_the_covariance_of_the_codes_and_silvermans_length():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(50, 2)) @ [[2.0, 1.0], [0.0, 0.5]]
    index = np.zeros(200_000, dtype=int)
    steps = moved(codes, index, 0.5, np.random.RandomState(0)) - codes[0]
    width = 0.5 * (4 / (4 * 50)) ** (1 / 6)
    np.testing.assert_allclose(np.cov(steps.T), width**2 * np.cov(codes.T), atol=2e-3)
    flipped = moved(codes[::-1], np.full(9, 49), 0.5, np.random.RandomState(0))
    np.testing.assert_allclose(flipped - codes[0], steps[:9])
    # along the line on which two codes are
    pair = moved(codes[:2], index[:5], 1.0, np.random.RandomState(0)) - codes[0]
    line = codes[1] - codes[0]
    np.testing.assert_allclose(pair[:, 0] * line[1], pair[:, 1] * line[0], atol=1e-12)


def test_rows_change_as_their_reconstructions_do():
    rows = np.array([[1.0, 2, 0], [np.nan, 2, 0], [1.0, np.nan, 1]])
    before = np.array([[0.5, 0, 0], [0.5, 1, 0], [0.5, 0, 0]])
    after = np.array([[0.75, 1, 0], [0.75, 0, 0], [0.75, 1, 0]])
    out = varied(rows, before, after, [1, 2])
    np.testing.assert_array_equal(out, [[1.25, 1, 0], [np.nan, 0, 0], [1.25, np.nan, 1]])


def test_values_become_the_nearest_that_could_have_been():
    column = ColumnMap.learn([1.0, 2.0, 3.0, 4.0, 20.0], 6)  # of whole numbers, and a gap
    values = column.nearest([-5, 1.4, 2.6, 11, 13, 99])
    np.testing.assert_array_equal(values, [1, 1, 3, 4, 20, 20])
    dense = ColumnMap.learn([0.111, 0.25, 0.5, 1.0], 4)
    np.testing.assert_allclose(dense.nearest([0.3004, 0.05, 0.9999]), [0.3, 0.111, 1.0])
    new = np.array([[0.4, 7.0], [0.6, 7.0]])
    among = np.array([[0.0, np.nan], [1.0, np.nan]])
    np.testing.assert_array_equal(
        possible(new, among, np.ones(2), [], (2,)), [[0, 7], [1, 7]]
    )


@pytest.mark.parametrize(
    "autoencoder", [Autoencoder, VariationalAutoencoder, SparseAutoencoder]
)
def test_variants_are_near_their_rows_in_order(autoencoder):
    ae = autoencoder(4, max_iter=5, random_state=0).fit(ROWS)
    new = ae.augment(ROWS[:50], 3, random_state=0)
    assert new.shape == (150, 64)
    np.testing.assert_array_equal(new, ae.augment(ROWS[:50], 3, random_state=0))
    rows = np.repeat(ROWS[:50], 3, axis=0)
    away = np.square(new - rows).sum(1)
    others = np.square(new - np.roll(rows, 3, axis=0)).sum(1)
    assert (away > 0).mean() > 0.9
    assert (away < others).mean() > 0.9
    assert {*new.ravel()} <= {*range(17)}
    assert (new[:, ROWS[:50].max(0) == 0] == 0).all()
    np.testing.assert_array_equal(ae.augment(ROWS[:50], strength=0), ROWS[:50])


def test_rows_come_back_as_they_came():
    frame = pd.DataFrame(ROWS[:, :6].astype(np.int16), columns=list("abcdef"))
    ae = Autoencoder(2, max_iter=2, random_state=0)
    new = ae.fit(frame).augment(frame[:20], 2)
    assert new.dtypes.equals(frame.dtypes)
    assert new.shape == (40, 6)
    new = ae.fit(FRAME).augment(FRAME, strength=0)
    pd.testing.assert_frame_equal(new, FRAME)
    np.testing.assert_array_equal(
        ae.fit(csr_array(ROWS)).augment(csr_array(ROWS), strength=0), ROWS
    )
    pictures = ROWS.reshape(-1, 8, 8)
    new = ae.fit(pictures).augment(pictures[:9], 2)
    assert new.shape == (18, 8, 8)
    assert {*new.ravel()} <= {*range(17)}
    shares = (ROWS + 1) / (ROWS + 1).sum(1, keepdims=True)
    new = Autoencoder(2, likelihood="categorical", max_iter=2).fit(shares).augment(shares)
    np.testing.assert_allclose(new.sum(1), 1)


def test_a_denoiser_cleans_noisy_variants():
    ae = DenoisingAutoencoder(8, corruption=Masking(0.5), max_iter=10, random_state=0)
    ae.fit(ROWS)
    new = ae.augment(ROWS[:50], 4, random_state=0).reshape(50, 4, 64)
    assert (new.std(1) > 0).any(1).all()
    assert {*new.ravel()} <= {*range(17)}
    back = ae.reconstruct(ROWS).clip(ROWS.min(0), ROWS.max(0))
    near = [np.abs(ae.augment(ROWS, 1, s, random_state=0) - back).mean() for s in (0, 1)]
    assert near[0] < 0.3  # rounded
    assert near[1] > 1
    with pytest.raises(ValueError, match=r"strength must be in \[0, 1\]"):
        ae.augment(ROWS, strength=1.5)
    with pytest.raises(ValueError, match="corruption, which is None"):
        ae.set_params(corruption=None).augment(ROWS)
    table = DenoisingAutoencoder(2, max_iter=2, random_state=0).fit(FRAME)
    new = table.augment(FRAME, 2, random_state=0)
    assert new.dtypes.equals(FRAME.dtypes)
    assert not new.isna().any().any()
    assert {*new["Int64"]} <= {*FRAME["Int64"].dropna()}


def test_what_cannot_be_is_refused():
    ae = Autoencoder(2, max_iter=1).fit(ROWS)
    for strength in (-1, np.inf, np.nan, True, "much"):
        with pytest.raises(ValueError, match="strength must be"):
            ae.augment(ROWS, strength=strength)
    with pytest.raises(ValueError, match="n_samples"):
        ae.augment(ROWS, 0)
    with pytest.raises(ValueError, match="one row"):
        ae.augment(ROWS[:1])
    with pytest.raises(ValueError, match="are bits"):
        BinaryAutoencoder(8, max_iter=1).fit(ROWS).augment(ROWS)
    vae = VariationalAutoencoder(2, conditional=True, max_iter=1)
    with pytest.raises(ValueError, match="sample"):
        vae.fit(ROWS, ROWS[:, 2] > 4).augment(ROWS)
