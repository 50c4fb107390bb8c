"""Lost cells are filled in from the others, and the others stay as they are."""

import copy

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import datasets
from sklearn.base import clone

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder
from skae.corruption import Compose, Downsampling, Gaussian, Masking, RegionMasking
from skae.networks import ConvolutionalNetwork
from tests.common import AUTOENCODERS

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(50, 3)) @ RNG.normal(size=(3, 6)) + [0, 5, 0, -9, 1, 100]
PICTURES = datasets.load_digits().images[:50]
RGB = RNG.normal(size=(50, 3, 4, 5)) * np.array([1, 50, 0.1])[:, None, None]
TABLE_MASK, PICTURE_MASK, RGB_MASK = (
    RNG.random(X.shape) < 0.3 for X in (TABLE, PICTURES, RGB)
)
DATA = {
    "table": (TABLE, TABLE_MASK),
    "pictures": (PICTURES, PICTURE_MASK),
    "rgb": (RGB, RGB_MASK),
}
data = pytest.mark.parametrize(("X", "mask"), DATA.values(), ids=DATA)
estimators = pytest.mark.parametrize(
    "estimator", AUTOENCODERS, ids=lambda e: type(e).__name__
)


FITTED = {}


def fitted(estimator, X):
    """One of the autoencoders, fitted to one of the data: tests only read it."""
    key = id(estimator), id(X)  # of what the module keeps
    if key not in FITTED:
        FITTED[key] = clone(estimator).fit(X)
    return FITTED[key]


def make(kind=Autoencoder, **params):
    if kind is ConvolutionalAutoencoder:
        params = {"network": ConvolutionalNetwork(filters=(4, 6)), **params}
    return kind(**{"n_components": 2, "max_iter": 2, "random_state": 0, **params})


def bits(a):
    return np.ascontiguousarray(a).view(np.uint8)


def filled(X, mask, fill):
    return np.where(mask, fill, X)


# What comes back


@data
@estimators
def test_known_cells_stay_and_lost_ones_are_reconstructed_from_the_mean(estimator, X, mask):
    estimator = fitted(estimator, X)
    out = estimator.reconstruct(X, mask=mask)
    assert out.shape == X.shape
    assert out.dtype == X.dtype
    np.testing.assert_array_equal(bits(out[~mask]), bits(X[~mask]))
    expected = estimator.reconstruct(filled(X, mask, X.mean(0)))
    np.testing.assert_allclose(out[mask], expected[mask], rtol=1e-4, atol=1e-4)
    statistics = estimator._statistics_.mean.reshape(X.shape[1:])
    np.testing.assert_allclose(statistics, X.mean(0), rtol=1e-12, atol=1e-12)
    expected = estimator.reconstruct(filled(X, mask, statistics))
    np.testing.assert_array_equal(out[mask], expected[mask])
    assert not np.allclose(out[mask], X[mask])


@data
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_known_cells_come_back_bit_for_bit(X, mask, dtype):
    X = (X - X.min()).clip(0, 255).astype(dtype)
    out = make().fit(X).reconstruct(X, mask=mask)
    assert out.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_array_equal(bits(out[~mask].astype(dtype)), bits(X[~mask]))
    np.testing.assert_array_equal(out[~mask], X[~mask])
    assert (out[mask] != X[mask]).any()


@data
@estimators
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 1e300, 0.0])
def test_what_stands_in_lost_cells_does_not_matter(estimator, X, mask, rubbish):
    estimator = fitted(estimator, X)
    expected = estimator.reconstruct(X, mask=mask)
    assert np.isfinite(expected).all()
    out = estimator.reconstruct(filled(X, mask, rubbish), mask=mask)
    np.testing.assert_array_equal(out, expected)


@data
def test_the_known_cells_decide_what_is_filled_in(X, mask):
    estimator = make().fit(X)
    moved = X + X.std() * np.random.default_rng(1).normal(size=X.shape)
    here, there = (estimator.reconstruct(a, mask=mask) for a in (X, moved))
    varies = mask & (X[0] != X).any(0)
    assert (here[varies] != there[varies]).mean() > 0.9


@data
def test_x_and_mask_stay_as_they_are(X, mask):
    lost, kept = filled(X, mask, np.nan), mask.copy()
    before = lost.copy()
    make().fit(X).reconstruct(lost, mask=mask)
    np.testing.assert_array_equal(lost, before)
    np.testing.assert_array_equal(mask, kept)


@data
@estimators
def test_an_empty_mask_gives_x_back_and_a_full_one_the_reconstruction_of_blanks(
    estimator, X, mask
):
    estimator = fitted(estimator, X)
    out = estimator.reconstruct(X, mask=np.zeros_like(mask))
    np.testing.assert_array_equal(bits(out), bits(X))
    out = estimator.reconstruct(np.full_like(X, np.nan), mask=np.ones_like(mask))
    blank = np.broadcast_to(estimator._statistics_.mean.reshape(X.shape[1:]), X.shape)
    np.testing.assert_array_equal(out, estimator.reconstruct(blank))


@data
def test_a_row_is_filled_in_alone_as_in_company(X, mask):
    estimator = make(ConvolutionalAutoencoder).fit(X)
    whole = estimator.reconstruct(X, mask=mask)
    for i in (0, 7, 49):
        alone = estimator.reconstruct(X[i : i + 1], mask=mask[i : i + 1])
        np.testing.assert_array_equal(alone, whole[i : i + 1])


# What the encoder sees


FILLS = {
    "masking_number": (Masking(fill=0.0), lambda X: 0.0),
    "masking_other": (Masking(fill=-3), lambda X: -3.0),
    "masking_min": (Masking(fill="min"), lambda X: X.min(0)),
    "masking_max": (Masking(fill="max"), lambda X: X.max(0)),
    "masking_mean": ("masking", None),
    "region_max": (RegionMasking(fill="max"), lambda X: X.max(0)),
    "region_number": (RegionMasking(fill=2), lambda X: 2.0),
    "region_mean": ("region_masking", None),
    "gaussian": ("gaussian", None),
    "list": ([Gaussian(0.1), Masking(fill="min")], lambda X: X.min(0)),
    "tuple": (("downsampling", RegionMasking(fill=1.5)), lambda X: 1.5),
    "compose": (Compose((Downsampling(2), Masking(fill="max"))), lambda X: X.max(0)),
    "named_in_list": (["gaussian", "masking"], None),
    "list_in_list": ([Gaussian(0.1), [Masking(fill=0.0)]], lambda X: 0.0),
}


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
@pytest.mark.parametrize("name", FILLS)
def test_lost_cells_look_to_the_encoder_as_in_training(name, kind):
    corruption, fill = FILLS[name]
    estimator = make(kind, corruption=corruption).fit(RGB)
    value = RGB.mean(0) if fill is None else fill(RGB)
    out = estimator.reconstruct(filled(RGB, RGB_MASK, np.nan), mask=RGB_MASK)
    expected = estimator.reconstruct(filled(RGB, RGB_MASK, value))
    np.testing.assert_allclose(out[RGB_MASK], expected[RGB_MASK], rtol=1e-4, atol=1e-4)
    other = estimator.reconstruct(filled(RGB, RGB_MASK, np.add(value, 1)))
    assert not np.allclose(out[RGB_MASK], other[RGB_MASK], rtol=1e-3, atol=1e-3)


def test_training_and_filling_in_share_what_stands_for_a_lost_cell():
    seen = []

    class Watched(Masking):
        def apply(self, x, space, generator):
            out = super().apply(x, space, generator)
            seen.append((x, out))
            return out

    for fill in ("mean", "min", "max", 0.5):
        seen.clear()
        estimator = make(corruption=Watched(0.5, fill)).fit(TABLE)
        x, out = seen[-1]
        lost = (x != out).numpy()
        likelihood = estimator.net_.module_.likelihood
        fill = getattr(TABLE, fill)(0) if isinstance(fill, str) else fill
        np.testing.assert_allclose(
            likelihood.restore(out.numpy())[lost], np.broadcast_to(fill, x.shape)[lost],
            rtol=1e-4, atol=1e-4,
        )  # fmt: skip
        assert lost.mean() > 0.3


def test_another_fit_brings_another_filling():
    estimator = make(corruption=Masking(fill=0.0)).fit(TABLE)
    expected = estimator.reconstruct(filled(TABLE, TABLE_MASK, 0.0))
    out = estimator.reconstruct(TABLE, mask=TABLE_MASK)
    np.testing.assert_array_equal(out[TABLE_MASK], expected[TABLE_MASK])
    estimator.set_params(corruption=None).fit(TABLE)
    expected = estimator.reconstruct(filled(TABLE, TABLE_MASK, TABLE.mean(0)))
    out = estimator.reconstruct(TABLE, mask=TABLE_MASK)
    np.testing.assert_allclose(out[TABLE_MASK], expected[TABLE_MASK], rtol=1e-5, atol=1e-5)
    estimator.set_params(corruption=Masking(fill=50.0))  # not fitted with
    np.testing.assert_array_equal(estimator.reconstruct(TABLE, mask=TABLE_MASK), out)
    again = copy.deepcopy(estimator)
    np.testing.assert_array_equal(again.reconstruct(TABLE, mask=TABLE_MASK), out)


UNIT = (TABLE - TABLE.min(0)) / np.ptp(TABLE, axis=0)


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_a_filling_may_lie_outside_of_the_likelihoods_support(kind):
    params = {"likelihood": "bernoulli", "corruption": Masking(fill=-1.0)}
    estimator = make(kind, **params).fit(UNIT)
    out = estimator.reconstruct(UNIT, mask=TABLE_MASK)
    assert (out >= 0).all()
    assert (out <= 1).all()
    np.testing.assert_array_equal(out[~TABLE_MASK], UNIT[~TABLE_MASK])


@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_cells_of_a_distribution_can_be_filled_in(kind):
    shares = np.random.default_rng(0).dirichlet(np.ones(6), size=50)
    estimator = make(kind, likelihood="categorical").fit(shares)
    out = estimator.reconstruct(shares, mask=TABLE_MASK)
    np.testing.assert_array_equal(out[~TABLE_MASK], shares[~TABLE_MASK])
    assert (out >= 0).all()


# Containers


def test_one_samples_mask_stands_for_all():
    for X, mask in DATA.values():
        estimator = make().fit(X)
        one = mask[0]
        assert one.any()
        assert not one.all()
        whole = np.broadcast_to(one, X.shape)
        expected = estimator.reconstruct(X, mask=whole)
        np.testing.assert_array_equal(estimator.reconstruct(X, mask=one), expected)
        np.testing.assert_array_equal(estimator.reconstruct(X, mask=one.tolist()), expected)
        np.testing.assert_array_equal(expected[~whole], X[~whole])


def test_one_sample_may_be_alone():
    for X, mask in DATA.values():
        estimator = make().fit(X)
        out = estimator.reconstruct(X[:1], mask=mask[0])
        np.testing.assert_array_equal(out, estimator.reconstruct(X, mask=mask)[:1])


@pytest.mark.parametrize("convert", [lambda m: m, lambda m: m.reshape(50, -1), list])
def test_pictures_and_their_masks_may_be_flat(convert):
    estimator = make(ConvolutionalAutoencoder).fit(PICTURES)
    expected = estimator.reconstruct(PICTURES, mask=PICTURE_MASK)
    for X in (PICTURES, PICTURES.reshape(50, 64)):
        out = estimator.reconstruct(X, mask=convert(PICTURE_MASK))
        assert out.shape == PICTURES.shape
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64"])
def test_a_frame_has_a_frame_of_lost_cells(dtype):
    names = list("abcdef")
    frame = pd.DataFrame(TABLE, columns=names).astype(dtype)
    lost = frame.mask(pd.DataFrame(TABLE_MASK, columns=names))
    estimator = make().fit(frame)
    out = estimator.reconstruct(lost, mask=lost.isna())
    assert isinstance(out, np.ndarray)
    known = frame.to_numpy(dtype=float)
    np.testing.assert_array_equal(out[~TABLE_MASK], known[~TABLE_MASK])
    np.testing.assert_array_equal(out, estimator.reconstruct(frame, mask=TABLE_MASK))
    assert np.isfinite(out).all()


@pytest.mark.parametrize("convert", [sp.csr_matrix, sp.csr_array, sp.csc_matrix])
def test_sparse_rows_are_filled_in_too(convert):
    X = np.where(TABLE > 0, TABLE, 0)
    estimator = make().fit(convert(X))
    out = estimator.reconstruct(convert(X), mask=TABLE_MASK)
    np.testing.assert_array_equal(out, estimator.reconstruct(X, mask=TABLE_MASK))
    np.testing.assert_array_equal(out[~TABLE_MASK], X[~TABLE_MASK])
    lost = convert(filled(X, TABLE_MASK, np.nan))
    np.testing.assert_array_equal(estimator.reconstruct(lost, mask=TABLE_MASK), out)


# What cannot be


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@data
@estimators
def test_a_known_cell_must_be_finite(estimator, X, mask, value):
    estimator = fitted(estimator, X)
    bad = X.copy()
    bad[tuple(np.argwhere(~mask)[0])] = value
    with pytest.raises(ValueError, match="X outside of mask contains"):
        estimator.reconstruct(bad, mask=mask)
    with pytest.raises(ValueError, match="X contains"):
        estimator.reconstruct(bad)


DTYPES = {
    "float": TABLE_MASK.astype(float),
    "int": TABLE_MASK.astype(int),
    "uint8": TABLE_MASK.astype(np.uint8),
    "string": TABLE_MASK.astype(str),
    "object": TABLE_MASK.astype(object),
    "index": [0, 1, 2],
    "number": 1,
    "sparse": sp.csr_matrix(TABLE_MASK),
}


@pytest.mark.parametrize("mask", DTYPES.values(), ids=DTYPES)
def test_a_mask_must_hold_booleans(mask):
    with pytest.raises(ValueError, match=r"^mask must hold booleans, True for"):
        make().fit(TABLE).reconstruct(TABLE, mask=mask)


@pytest.mark.parametrize(
    "shape", [(), (6, 50), (49, 6), (50, 5), (5,), (50,), (1, 6), (50, 6, 1), (0, 6)]
)
def test_a_mask_must_have_the_shape_of_x_or_of_a_sample(shape):
    mask = np.zeros(shape, dtype=bool)
    with pytest.raises(ValueError, match=r"^mask has shape .* \(50, 6\), or .* \(6,\)\."):
        make().fit(TABLE).reconstruct(TABLE, mask=mask)


@pytest.mark.parametrize("shape", [(4, 5), (3, 5, 4), (50, 4, 5), (50, 1, 4, 5)])
def test_a_mask_of_pictures_must_have_their_shape(shape):
    with pytest.raises(ValueError, match=r"^mask has shape .* \(50, 3, 4, 5\), or of one"):
        make().fit(RGB).reconstruct(RGB, mask=np.zeros(shape, dtype=bool))


def test_rows_outside_of_the_support_are_told_where_they_are_known():
    bad = UNIT.copy()
    bad[np.nonzero(~TABLE_MASK)[0][0], np.nonzero(~TABLE_MASK)[1][0]] = 2.0
    estimator = make(likelihood="bernoulli").fit(UNIT)
    with pytest.raises(ValueError, match=r"bernoulli.*holds 2"):
        estimator.reconstruct(bad, mask=TABLE_MASK)
    lost = filled(UNIT, TABLE_MASK, 7.0)
    assert estimator.reconstruct(lost, mask=TABLE_MASK).max() <= 1


# Quality


@pytest.mark.parametrize("kind", [Autoencoder, ConvolutionalAutoencoder])
def test_holes_in_digits_are_filled_in_better_than_by_the_mean(kind):
    X = datasets.load_digits().images / 16
    train, test = X[:600], X[1200:1500]
    estimator = make(
        kind, n_components=20, corruption=RegionMasking(3), max_iter=16, learning_rate=0.01
    ).fit(train)
    mask = np.zeros(test.shape, dtype=bool)
    corner = np.random.default_rng(0).integers(0, 6, size=(len(test), 2))
    for hole, (i, j) in zip(mask, corner, strict=True):
        hole[i : i + 3, j : j + 3] = True
    out = estimator.reconstruct(filled(test, mask, np.nan), mask=mask)
    mean = np.broadcast_to(train.mean(0), test.shape)
    error, by_mean = (np.mean((a - test)[mask] ** 2) for a in (out, mean))
    assert error < 0.8 * by_mean, error / by_mean
