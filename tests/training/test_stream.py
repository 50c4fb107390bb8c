"""What a net knows of the columns follows the rows; what it does stays."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._codes.units import directions
from skae._data.change import between
from skae._data.statistics import column_statistics
from skae._training.stream import follow
from skae.likelihoods import Gaussian, Mixed
from skae.networks import ConvolutionalNetwork, DenseNetwork

WINE = load_wine().data[np.random.RandomState(0).permutation(178)]
FIRST, LATER = WINE[:90], 1.5 * WINE[90:] + WINE.std(0)
GREY = load_digits().images[:400]
COLOUR = np.stack([GREY, 2 * GREY + 1, 3 * GREY.transpose(0, 2, 1) - 5], 1)
COLOUR += 0.1 * np.random.RandomState(0).normal(size=COLOUR.shape)
DARK, LIGHT = COLOUR[:150], 1.5 * COLOUR[150:] + 3
SHARES = GREY.reshape(400, 64) / GREY.reshape(400, 64).sum(1, keepdims=True)
COUNTS = GREY.reshape(400, 64).round()
HOLED = WINE.copy()
HOLED[::7, 2] = np.nan
HOLED[1::7, 4] = np.nan
HOLED[:, 12] = np.arange(178) % 3
MORE_HOLED = HOLED[90:] * np.r_[np.full(12, 1.5), 1]


def quick(kind, *args, **params):
    """An estimator whose steps are too small to be seen."""
    return kind(*args, learning_rate=1e-12, alpha=0.0, random_state=0, **params)


def follows(estimator, rows):
    """Let the net of an estimator scale columns by more rows, and do no more."""
    trained = estimator._trained_
    flat = np.asarray(rows, dtype=float).reshape(len(rows), -1)
    shape = trained.statistics.sample_shape
    stats = column_statistics(flat, None, shape, lambda block: None)
    return follow(estimator.net_, trained.recipe.likelihood, trained.statistics, stats)


DENSE = {
    "auto": quick(Autoencoder, 3),
    "linear": quick(Autoencoder, 3, network=()),
    "deep": quick(Autoencoder, 3, network=(16, 8), code_activation="tanh"),
    "tied": quick(Autoencoder, 3, network=DenseNetwork((16, 8), tied_weights=True)),
    "tied path": quick(
        Autoencoder, 3, network=DenseNetwork((16,), tied_weights=True, linear_path=True)
    ),
    "batch norm": quick(Autoencoder, 3, network=DenseNetwork((16,), normalization="batch")),
    "global": quick(Autoencoder, 3, likelihood=Gaussian("global")),
    "clip": quick(Autoencoder, 3, likelihood=Gaussian(clip=50)),
    "none": quick(Autoencoder, 3, likelihood=Gaussian(None)),
    "denoising": quick(DenoisingAutoencoder, 3, corruption="masking"),
    "vae": quick(VariationalAutoencoder, 3),
    "adversarial": quick(AdversarialAutoencoder, 3),
    "bits": quick(BinaryAutoencoder, 6),
    "l1": quick(SparseAutoencoder, 20, penalty="l1"),
    "kl": quick(SparseAutoencoder, 20, penalty="kl"),
    "sparse global": quick(
        SparseAutoencoder, 20, penalty="batch_topk", likelihood=Gaussian("global")
    ),
    "sparse deep": quick(SparseAutoencoder, 20, network=(16,)),
}
PICTURES = {
    "transposed": quick(ConvolutionalAutoencoder, 4),
    "pooled": quick(
        ConvolutionalAutoencoder,
        4,
        network=ConvolutionalNetwork(
            filters=(4,), kernel_size=2, downsampling="max_pool", upsampling="nearest"
        ),
    ),
    "map": quick(
        Autoencoder,
        None,
        network=ConvolutionalNetwork(filters=(4,)),
        code_activation="relu",
    ),
    "vae": quick(VariationalAutoencoder, 4, network=ConvolutionalNetwork(filters=(4,))),
    "dense": quick(Autoencoder, 4),
}
UNITS = {  # rows that are taken as they are: what is told anew is where they are around
    "bernoulli": GREY.reshape(400, 64) / 16,
    "categorical": SHARES,
    "poisson": COUNTS,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "first", "later"),
    [(e, FIRST, LATER) for e in DENSE.values()]
    + [(e, DARK, LIGHT) for e in PICTURES.values()]
    + [
        (quick(Autoencoder, 4, likelihood=name), X[:150], np.sort(X[150:], 0))
        for name, X in UNITS.items()
    ]
    + [
        (quick(kind, 3, likelihood=Mixed({12: 3})), HOLED[:90], MORE_HOLED)
        for kind in (Autoencoder, VariationalAutoencoder)
    ],
    ids=[*DENSE, *(f"pictures {k}" for k in PICTURES), *UNITS, "mixed", "mixed vae"],
)
def test_a_net_does_in_new_units_what_it_did(estimator, first, later):
    estimator.partial_fit(first)
    likelihood, some = estimator.net_.module_.likelihood, first[:20]
    before, score = estimator.reconstruct(some), estimator.score_samples(some)
    scale, counted = likelihood.scale.copy(), likelihood.active.copy()
    follows(estimator, later)
    unit = likelihood.scale.reshape(some.shape[1:])
    after = estimator.reconstruct(some)
    np.testing.assert_allclose(after / unit, before / unit, rtol=1e-5, atol=2e-5)
    assert (likelihood.active == counted).all()
    np.testing.assert_allclose(estimator.score_samples(some), score, atol=1e-3)
    parameter = likelihood.likelihood
    if type(parameter) in (Gaussian, Mixed) and parameter != Gaussian(None):
        assert (likelihood.scale[:12] > 1.1 * scale[:12]).all()


@pytest.mark.parametrize("weight", [None, np.r_[np.full(60, 3.0), np.full(118, 1.0)]])
def test_columns_are_scaled_by_all_rows_so_far(weight):
    estimator = quick(Autoencoder, 3)
    for part in np.array_split(np.arange(178), 5):
        w = None if weight is None else weight[part] / weight[part].mean()
        estimator.partial_fit(WINE[part], sample_weight=w)
    whole = np.ones(178)
    if weight is not None:
        whole = np.concatenate([w / w.mean() for w in np.array_split(weight, 5)])
    mean = np.average(WINE, 0, whole)
    likelihood = estimator.net_.module_.likelihood
    np.testing.assert_allclose(likelihood.location, mean, rtol=1e-10)
    variance = np.average((WINE - mean) ** 2, 0, whole)
    np.testing.assert_allclose(likelihood.scale**2, variance, rtol=1e-10)
    np.testing.assert_allclose(likelihood.inverse_scale, 1 / likelihood.scale)
    np.testing.assert_allclose(estimator._trained_.fill, mean)


def test_partial_fit_goes_on_from_the_statistics_of_fit():
    estimator = quick(Autoencoder, 3, max_iter=1).fit(WINE[:100])
    estimator.partial_fit(WINE[100:])
    likelihood = estimator.net_.module_.likelihood
    np.testing.assert_allclose(likelihood.location, WINE.mean(0))
    # a warm start keeps the scales that it finds
    estimator.set_params(warm_start=True).fit(WINE[:20])
    np.testing.assert_allclose(likelihood.location, WINE.mean(0))
    assert estimator.net_.module_.likelihood is likelihood


def test_a_column_that_was_never_seen_starts_at_its_mean():
    first = FIRST.copy()
    first[:, 4] = np.nan
    later = WINE[90:] + np.where(np.arange(13) == 4, 1e9, 0)
    estimator = quick(Autoencoder, 3, likelihood="mixed").partial_fit(first)
    estimator.partial_fit(later)
    column = estimator.reconstruct(later)[:, 4]
    np.testing.assert_allclose(column, later[:, 4].mean(), rtol=0, atol=1e-3)
    likelihood = estimator.net_.module_.likelihood
    np.testing.assert_allclose(likelihood.scale[4], later[:, 4].std(), rtol=1e-6)


def test_a_scale_that_grows_much_is_not_told_exactly():
    scale, new = np.array([2.0, 2, 2, 0]), np.array([4.0, 20, 200, 5])
    gain, shift = between(np.full(4, 1.0), scale, np.array([5.0, 1, 1, 5]), new)
    # tenfold still is, a hundredfold is heeded by a hundredth, what was no scale not at all
    np.testing.assert_allclose(gain, [2, 10, 1, 0])
    np.testing.assert_allclose(shift, [2, 0, 0, 0])
    # rows that are as far on average are so too, however near to each other
    gain, shift = between(np.zeros(1), np.ones(1), np.full(1, 99.995), np.ones(1))
    np.testing.assert_allclose([gain[0], shift[0]], [0.01, 0.99995], rtol=1e-4)


def test_learnt_noise_is_told_in_new_units():
    estimator = quick(VariationalAutoencoder, 3).partial_fit(FIRST)
    likelihood = estimator.net_.module_.likelihood

    def variance():
        learnt = 1e-5 + likelihood.log_variance.detach().double().exp().numpy()
        return learnt * likelihood.scale**2

    before = variance()
    follows(estimator, LATER)
    np.testing.assert_allclose(variance(), before, rtol=1e-5)


def test_pictures_stay_where_the_padding_is_and_are_scaled_around_it():
    estimator = quick(ConvolutionalAutoencoder, 4).partial_fit(DARK).partial_fit(LIGHT)
    channels = np.concatenate([DARK, LIGHT]).transpose(1, 0, 2, 3).reshape(3, -1)
    start = DARK.transpose(1, 0, 2, 3).reshape(3, -1).mean(1)
    likelihood = estimator.net_.module_.likelihood
    np.testing.assert_allclose(likelihood.location[::64], start)
    away = np.sqrt(((channels - start[:, None]) ** 2).mean(1))
    np.testing.assert_allclose(likelihood.scale[::64], away)


@pytest.mark.parametrize("link", ["sigmoid", "tanh"])
def test_a_wider_range_is_told_as_well_as_a_bent_link_can(link):
    likelihood = Gaussian(link=link)
    estimator = quick(Autoencoder, 3, likelihood=likelihood, max_iter=30)
    estimator.set_params(learning_rate=5e-3).fit(FIRST)
    before, low = estimator.reconstruct(FIRST), FIRST.min(0)
    follows(estimator, low + 1.3 * (FIRST - low))
    fitted = estimator.net_.module_.likelihood
    height = {"sigmoid": 1, "tanh": 2}[link] * fitted.scale
    np.testing.assert_allclose(height, 1.3 * (FIRST.max(0) - low))
    off = np.abs(estimator.reconstruct(FIRST) - before) / (FIRST.max(0) - low)
    assert off.mean() < 0.03
    assert off.max() < 0.2


@pytest.mark.parametrize("network", ["auto", DenseNetwork((16,), tied_weights=True), ()])
def test_a_column_that_begins_to_vary_is_learnt(network):
    first = FIRST.copy()
    first[:, 4] = 100.0
    estimator = Autoencoder(3, network=network, random_state=0).partial_fit(first)
    before = estimator.reconstruct(WINE)
    np.testing.assert_array_equal(before[:, 4], 100)
    follows(estimator, FIRST)
    after, others = estimator.reconstruct(WINE), np.arange(13) != 4
    off = np.abs(after - before) / WINE.std(0)
    assert off.max() < 1e-4  # what the others are does not jump, nor the constant
    likelihood = estimator.net_.module_.likelihood
    assert likelihood.active.all()
    assert likelihood.noise_variance[4] == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(40):
            estimator.partial_fit(WINE)
    left = np.square(estimator.reconstruct(WINE) - WINE).mean(0) / WINE.var(0)
    assert left[4] < 0.8
    assert left[others].mean() < 0.7


def test_where_all_was_constant_at_first_the_net_stays_as_it_was_built():
    estimator = Autoencoder(2, random_state=0)
    estimator.partial_fit(np.ones((20, 13)))
    for _ in range(30):
        estimator.partial_fit(WINE)
    scaled = (estimator.reconstruct(WINE) - WINE) / WINE.std(0)
    assert (scaled**2).mean() < 0.6


class Own:
    """A network of one's own: torch's layers, and what ends the decoder."""

    def __init__(self, *last):
        self.last = last

    def build(self, n_inputs, n_components, n_outputs, *, generator, start):
        nn = torch.nn
        down = nn.Linear(n_inputs, 9), nn.ReLU(), nn.Linear(9, n_components)
        up = nn.Linear(n_components, n_outputs), *self.last
        return nn.Sequential(*down), nn.Sequential(*up)


def test_layers_of_torch_one_after_another_are_known():
    estimator = quick(Autoencoder, 3, network=Own()).partial_fit(FIRST)
    before = estimator.reconstruct(FIRST)
    follows(estimator, LATER)
    off = np.abs(estimator.reconstruct(FIRST) - before) / FIRST.std(0)
    assert 0 < off.max() < 1e-4


@pytest.mark.parametrize(
    "network",
    [Own(torch.nn.Tanh()), Own(torch.nn.Linear(13, 13, bias=False))],
    ids=["ends in tanh", "without a bias"],
)
def test_layers_that_are_not_known_keep_the_first_scales(network):
    first = FIRST.copy()
    first[:, 4] = 100.0
    estimator = quick(Autoencoder, 3, network=network).partial_fit(first)
    scale = estimator.net_.module_.likelihood.scale.copy()
    before = estimator.reconstruct(WINE)
    with pytest.warns(UserWarning, match=r"columns \[4\] were constant"):
        estimator.partial_fit(WINE)
    np.testing.assert_array_equal(estimator.net_.module_.likelihood.scale, scale)
    np.testing.assert_allclose(estimator.reconstruct(WINE), before, rtol=1e-5)
    # what stands for a lost cell is the mean of all rows even so
    np.testing.assert_allclose(
        estimator._trained_.fill, np.concatenate([first, WINE]).mean(0)
    )


def test_a_likelihood_of_ones_own_keeps_the_first_scales():
    class Own(type(Gaussian().build(statistics(FIRST)))):
        goes_along = False

    class Likelihood(Gaussian):
        def build(self, stats):
            module = super().build(stats)
            module.__class__ = Own
            return module

    estimator = quick(Autoencoder, 3, likelihood=Likelihood()).partial_fit(FIRST)
    estimator.partial_fit(LATER)
    np.testing.assert_allclose(estimator.net_.module_.likelihood.scale, FIRST.std(0))


def statistics(X):
    return column_statistics(X, None, X.shape[1:], lambda block: None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("penalty", ["topk", "batch_topk"])
def test_a_dictionary_stays_in_data_units(penalty):
    estimator = quick(SparseAutoencoder, 20, penalty=penalty).partial_fit(FIRST)
    module = estimator.net_.module_

    def atoms():
        ((weight, dim),) = directions(module.decoder)
        assert dim == 1
        weight = weight.detach().double().numpy().T
        np.testing.assert_allclose(np.linalg.norm(weight, axis=1), 1, rtol=1e-5)
        atoms = weight * module.likelihood.scale
        return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)

    before = atoms()
    follows(estimator, LATER)
    np.testing.assert_allclose(atoms(), before, atol=1e-5)
    if penalty == "topk":
        gram = module.encoder.layer.weight.t() @ module.encoder.layer.weight
        torch.testing.assert_close(module.encoder.gram, gram)


@pytest.mark.parametrize("network", ["auto", DenseNetwork((8,), tied_weights=True)])
def test_a_failed_pass_puts_the_scales_back(network):
    estimator = Autoencoder(3, network=network, random_state=0).partial_fit(FIRST)
    before = estimator.reconstruct(WINE), estimator.score_samples(WINE)
    estimator.set_params(learning_rate=1e30)
    with pytest.raises(ValueError, match="diverged"):
        estimator.partial_fit(LATER).partial_fit(LATER)
    np.testing.assert_array_equal(estimator.reconstruct(WINE), before[0])
    np.testing.assert_array_equal(estimator.score_samples(WINE), before[1])
    np.testing.assert_allclose(estimator.net_.module_.likelihood.scale, FIRST.std(0))


def test_what_has_followed_is_saved():
    network = DenseNetwork((8,), tied_weights=True)
    estimator = Autoencoder(3, network=network, random_state=0)
    estimator.partial_fit(FIRST).partial_fit(LATER)
    saved, copied = pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)
    for other in (saved, copied):
        np.testing.assert_array_equal(other.reconstruct(WINE), estimator.reconstruct(WINE))
        other.partial_fit(WINE)
    estimator.partial_fit(WINE)
    np.testing.assert_array_equal(saved.transform(WINE), estimator.transform(WINE))


def test_chunks_sorted_by_class_are_learnt():
    X, y = load_digits(return_X_y=True)
    chunks = np.array_split(X[np.argsort(y, kind="stable")], 6)
    estimator = Autoencoder(8, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            for chunk in chunks:
                estimator.partial_fit(chunk)
    varying = X.std(0) > 0
    off = ((estimator.reconstruct(X) - X) / X.std(0).clip(1e-9))[:, varying]
    assert 1 - (off**2).mean() > 0.4  # 0.26 with the scales of the first chunk


def test_a_detector_follows_the_scales():
    detector = AutoencoderOutlierDetector(n_estimators=2, max_iter=2, purify=False)
    detector.set_params(random_state=0).fit(FIRST).partial_fit(LATER)
    whole = np.concatenate([FIRST, LATER])
    for member in detector.estimators_:
        likelihood = member.net_.module_.likelihood
        np.testing.assert_allclose(likelihood.location, whole.mean(0))
        np.testing.assert_allclose(likelihood.scale, whole.std(0))
    spread = detector._abnormality_.reference
    np.testing.assert_allclose(spread, (whole - whole.mean(0)) / whole.std(0), rtol=1e-3)


@pytest.mark.parametrize("n_first", [2, 4])
def test_a_wild_cell_among_the_first_rows_is_got_over(n_first):
    first = WINE[:n_first].copy()
    first[1, 2] = 1e5
    ae = Autoencoder(4, random_state=0).partial_fit(first)
    for _ in range(10):
        for start in range(0, 178, 30):
            ae.partial_fit(WINE[start : start + 30])
    error = np.square(ae.reconstruct(WINE) - WINE)[:, 2].mean()
    assert error < 0.5 * WINE[:, 2].var()  # 1e7 times as much, if the scale stays


def test_a_stream_remembers_what_its_encoder_was_shown():
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = DenoisingAutoencoder(2, random_state=0)
    model.partial_fit(X[:100] + 20, X_clean=X[:100])
    model.partial_fit(2 * X[100:], X_clean=2 * X[100:])
    likelihood = model.net_.module_.likelihood
    reach = likelihood.reach.numpy() * likelihood.scale + likelihood.location
    assert (reach[1] > (X[:100] + 20).max(0)).all()
    assert (reach[0] < 2 * X[100:].min(0)).all()
