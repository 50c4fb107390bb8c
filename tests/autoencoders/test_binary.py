"""Binary codes: what they are, how they are packed, and what they find."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score, pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline

import skae._data.neighbors
import skae._data.rows
from skae import BinaryAutoencoder, LatentSampler
from skae._autoencoders.together import fit_together
from skae.metrics import hamming_distances
from skae.networks import ConvolutionalNetwork, DenseNetwork

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
DIGITS, LABELS = load_digits(return_X_y=True)
TRAIN, TEST = DIGITS[:1400], DIGITS[1400:]
WINE = load_wine().data


def make(n_components=12, **params):
    return BinaryAutoencoder(n_components, **{"max_iter": 3, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return make(20, max_iter=10).fit(TRAIN)


@pytest.fixture(scope="module")
def trained():
    return BinaryAutoencoder(32, max_iter=50, random_state=0).fit(TRAIN)


# What the codes are


def test_codes_are_bits_of_which_each_has_both_values(fitted):
    bits = fitted.transform(TRAIN)
    assert bits.dtype == np.uint8
    assert bits.shape == (1400, 20)
    assert set(np.unique(bits)) == {0, 1}
    assert (np.ptp(bits, axis=0) == 1).all()


def test_bits_are_about_balanced_and_say_different_things(trained):
    bits = trained.transform(TEST)
    rates = bits.mean(0)
    assert rates.min() > 0.2
    assert rates.max() < 0.85
    correlation = np.abs(np.corrcoef(bits.T)) - np.eye(32)
    assert correlation.max() < 0.9
    assert len(np.unique(bits, axis=0)) > 0.7 * len(bits)


@pytest.mark.parametrize("n_bits", [1, 7, 8, 9, 16, 21])
def test_packed_bytes_are_numpys(n_bits):
    estimator = make(n_bits, n_neighbors=0).fit(WINE)
    bits = estimator.transform(WINE)
    rebuilt = estimator.inverse_transform(bits)
    estimator.set_params(packed_output=True)
    codes = estimator.transform(WINE)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, np.packbits(bits, axis=1))
    np.testing.assert_array_equal(np.unpackbits(codes, axis=1, count=n_bits), bits)
    np.testing.assert_array_equal(estimator.inverse_transform(codes), rebuilt)
    assert len(estimator.get_feature_names_out()) == codes.shape[1]
    assert estimator.n_components_ == n_bits


def test_names_and_frames_fit_bits_and_bytes(fitted):
    frame = pd.DataFrame(WINE[:40]).add_prefix("f")
    for is_packed, n_columns in ((False, 12), (True, 2)):
        estimator = make(packed_output=is_packed).set_output(transform="pandas")
        codes = estimator.fit_transform(frame)
        names = [f"binaryautoencoder{i}" for i in range(n_columns)]
        assert list(codes.columns) == names
        assert set(map(str, codes.dtypes)) == {"uint8"}
        estimator.inverse_transform(codes)
    with pytest.raises(NotFittedError):
        make().get_feature_names_out()


def test_a_rows_code_depends_on_that_row_alone(fitted):
    whole = fitted.transform(TEST)
    np.testing.assert_array_equal(fitted.transform(TEST[:1]), whole[:1])
    np.testing.assert_array_equal(fitted.transform(TEST[::-7]), whole[::-7])
    scores = fitted.score_samples(TEST)
    np.testing.assert_array_equal(fitted.score_samples(TEST[5:6]), scores[5:6])


# Back from them


def test_reconstruct_is_there_and_back(fitted):
    expected = fitted.inverse_transform(fitted.transform(TEST))
    np.testing.assert_array_equal(fitted.reconstruct(TEST), expected)
    assert expected.shape == TEST.shape
    error = np.mean((TEST - expected) ** 2)
    assert error < 0.8 * TEST.var(0).mean()


def test_the_noise_of_a_score_is_that_of_the_rows_themselves():
    """Not that of the means of neighbours, which training reconstructs."""
    estimator = make(32, max_iter=20, early_stopping=False).fit(TRAIN)
    likelihood = estimator.net_.module_.likelihood
    residual = (TRAIN - estimator.reconstruct(TRAIN)) * likelihood.inverse_scale
    seen = likelihood.inverse_scale > 0
    np.testing.assert_allclose(
        likelihood.noise_variance[seen],
        np.square(residual).mean(0)[seen],
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.full((2, 20), 0.5), "bits, 0 or 1"),
        (np.full((2, 20), 2), "bits, 0 or 1"),
        (np.full((2, 20), -1), "bits, 0 or 1"),
        (np.full((2, 3), 0.5), "bytes, integers from 0 to 255"),
        (np.full((2, 3), 256), "bytes, integers from 0 to 255"),
        (np.full((2, 3), 1, dtype=np.uint8), "ones behind the last of n_components_=20"),
        (np.zeros((2, 19)), "20 bits, or 3 bytes"),
        (np.full((2, 20), np.nan), "NaN"),
        (np.zeros(20), "1D array"),
    ],
)
def test_inverse_transform_takes_codes_only(fitted, codes, message):
    with pytest.raises(ValueError, match=message):
        fitted.inverse_transform(codes)


def test_bits_of_any_type_are_taken(fitted):
    bits = fitted.transform(TEST[:9])
    expected = fitted.inverse_transform(bits)
    for other in (bits.astype(bool), bits.astype(float), bits.tolist()):
        np.testing.assert_array_equal(fitted.inverse_transform(other), expected)


@pytest.mark.parametrize("kind", ["straight", "spherical"])
def test_interpolate_keeps_shared_bits_and_ends_at_codes(fitted, kind):
    A, B = TEST[:4], TEST[4:8]
    way = fitted.interpolate(A, B, 5, kind=kind)
    assert way.shape == (4, 5, 64)
    np.testing.assert_allclose(way[:, 0], fitted.reconstruct(A), atol=1e-4)
    np.testing.assert_allclose(way[:, -1], fitted.reconstruct(B), atol=1e-4)
    assert (np.ptp(way, axis=1).max(1) > 0.1).all()
    same = fitted.interpolate(A, A, 3, kind=kind)
    np.testing.assert_allclose(same[:, 1], fitted.reconstruct(A), atol=1e-4)


# What they find


def hash_of_pca(k):
    pca = PCA(k).fit(TRAIN)
    return lambda rows: (pca.transform(rows) > 0).astype(np.uint8)


def precision_of(encode):
    """Mean average precision of digits' test rows among the training rows."""
    distances = pairwise_distances(encode(TEST), encode(TRAIN), metric="cityblock")
    return np.mean(
        [
            average_precision_score(LABELS[:1400] == label, -d)
            for label, d in zip(LABELS[1400:], distances, strict=True)
        ]
    )


@pytest.mark.slow
def test_retrieval_beats_pca_signs_and_plain_bits(trained):
    found = precision_of(trained.transform)
    assert found > precision_of(hash_of_pca(32)) + 0.25
    plain = clone(trained).set_params(bit_noise=0.0, n_neighbors=0).fit(TRAIN)
    assert found > precision_of(plain.transform) + 0.1


def test_hamming_neighbours_are_scikit_learns(trained):
    bits, queries = trained.transform(TRAIN), trained.transform(TEST)
    index = NearestNeighbors(n_neighbors=10, metric="hamming").fit(bits)
    expected, _ = index.kneighbors(queries)
    codes = np.packbits(bits, axis=1)
    index = NearestNeighbors(n_neighbors=10, metric="precomputed")
    index.fit(hamming_distances(codes))
    found, _ = index.kneighbors(hamming_distances(np.packbits(queries, axis=1), codes))
    np.testing.assert_allclose(found / 32, expected)
    as_numbers = NearestNeighbors(n_neighbors=10).fit(bits.astype(np.float32))
    found, _ = as_numbers.kneighbors(queries.astype(np.float32))
    np.testing.assert_allclose(found**2 / 32, expected, atol=1e-5)


def test_a_search_goes_through_a_pipeline(trained):
    neighbors = make_pipeline(clone(trained).set_params(max_iter=2), NearestNeighbors())
    assert neighbors.fit(TRAIN)[-1].n_features_in_ == 32


# Training


def test_same_seed_same_bits_and_no_global_generator():
    legacy = np.random.get_state()[1].copy()  # noqa: NPY002
    before = torch.random.get_rng_state()
    first, again, other = (make(random_state=seed).fit(WINE) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(first.transform(WINE), again.transform(WINE))
    assert first.loss_curve_ == again.loss_curve_ != other.loss_curve_
    restored = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(restored.transform(WINE), first.transform(WINE))


@pytest.mark.parametrize(
    "params",
    [
        {"bit_noise": 0.5},
        {"bit_noise": -0.1},
        {"n_neighbors": -1},
        {"n_neighbors": 2.5},
        {"packed_output": "yes"},
        {"code_activation": "tanh"},
        {"n_components": 0},
    ],
    ids=str,
)
def test_what_cannot_be_is_an_error_before_training(params):
    estimator = make(**params)
    with pytest.raises(ValueError, match=next(iter(params))):
        estimator.fit(WINE)
    assert not hasattr(estimator, "net_")


@pytest.mark.parametrize(
    "params",
    [
        {"n_components": 40},  # more bits than columns
        {"n_components": "auto"},
        {"n_components": None, "network": (16, 9)},
        {"network": ()},
        {"network": DenseNetwork((8,), tied_weights=True)},
        {"corruption": "gaussian"},
        {"early_stopping": False},
        {"n_neighbors": 1000},
    ],
    ids=str,
)
def test_any_network_and_any_number_of_bits(params):
    estimator = make(**params).fit(WINE)
    bits = estimator.transform(WINE)
    assert bits.shape == (len(WINE), estimator.n_components_)
    assert np.isin(bits, (0, 1)).all()
    assert np.isfinite(estimator.score(WINE))


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical", "mixed"])
def test_any_likelihood(likelihood):
    X = np.random.default_rng(0).random((60, 5))
    if likelihood == "categorical":
        X /= X.sum(1, keepdims=True)
    if likelihood == "mixed":
        X = (
            pd.DataFrame(X)
            .add_prefix("f")
            .where(X < 0.9)
            .assign(kind=pd.Categorical(list("abc") * 20))
        )
    estimator = make(6, likelihood=likelihood).fit(X)
    assert estimator.transform(X).shape == (60, 6)
    assert len(estimator.inverse_transform(estimator.transform(X))) == 60


def test_pictures_by_convolution():
    X = load_digits().images[:100]
    estimator = make(8, network=ConvolutionalNetwork(filters=(4, 8)), max_iter=1).fit(X)
    assert estimator.inverse_transform(estimator.transform(X)).shape == X.shape


def test_sparse_rows_and_rows_that_are_streamed(monkeypatch):
    X = np.random.default_rng(0).poisson(1.0, size=(90, 6)).astype(float)
    sparse = make().fit(sp.csr_matrix(X))
    np.testing.assert_array_equal(sparse.transform(X), sparse.transform(sp.csr_matrix(X)))
    resident = make().fit(X)
    monkeypatch.setitem(skae._data.rows.RESIDENT_BYTES, "cpu", 0)
    streamed = make().fit(X)
    assert streamed.n_iter_ == resident.n_iter_ == 3
    assert np.isfinite(streamed.loss_curve_).all()


def test_going_on_by_partial_fit_and_warm_start():
    estimator = make().partial_fit(WINE[:90]).partial_fit(WINE[90:]).partial_fit(WINE[:1])
    assert estimator.n_iter_ == 1
    before = len(estimator.loss_curve_)
    estimator.set_params(warm_start=True)
    other = copy.deepcopy(estimator).set_params(bit_noise=0.2).fit(WINE)
    assert len(other.loss_curve_) == len(estimator.fit(WINE).loss_curve_) > before
    assert other.loss_curve_ != estimator.loss_curve_


def test_members_keep_their_own_neighbours():
    members = [make(n_neighbors=n, random_state=i) for i, n in enumerate((0, 5, 5))]
    for member in fit_together(members, WINE):
        alone = clone(member).fit(WINE)
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, rtol=1e-3)


# The neighbours


def test_bits_are_not_for_a_latent_sampler():
    with pytest.raises(ValueError, match="autoencoder: the codes of a BinaryAutoencoder"):
        LatentSampler(BinaryAutoencoder(8)).fit(np.eye(20))
