"""One odd cell harms neither its column nor the other cells of its row."""

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from sklearn.datasets import load_digits, load_wine

import skae
from skae._data.statistics import column_statistics
from skae.corruption import Space
from skae.likelihoods import Gaussian, Mixed
from skae.metrics import explained_variance_ratio

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WINE = load_wine().data[np.random.default_rng(0).permutation(178)]
TRAIN, TEST = WINE[:130], WINE[130:]
FAMILIES = {
    "plain": skae.Autoencoder,
    "denoising": skae.DenoisingAutoencoder,
    "variational": skae.VariationalAutoencoder,
    "sparse": lambda k, **params: skae.SparseAutoencoder(16, n_nonzero_coefs=k, **params),
    "mixed": lambda k, **params: skae.Autoencoder(k, likelihood="mixed", **params),
}


def wild(X, deviations=999.0, column=3):
    X = X.copy()
    X[5, column] = X[:, column].mean() + deviations * X[:, column].std()
    return X


def built(likelihood, X):
    stats = column_statistics(X, None, X.shape[1:], likelihood.check)
    return likelihood.build(stats)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("column", [3, 12])
def test_a_wild_cell_in_training_costs_little(family, column):
    explained = []
    for X in (TRAIN, wild(TRAIN, column=column)):
        model = FAMILIES[family](4, max_iter=40, random_state=0).fit(X)
        explained.append(
            explained_variance_ratio(TEST, model.reconstruct(TEST), X_train=TRAIN)
        )
    assert explained[1] > explained[0] - 0.2  # -18 where it made the column's deviation


@pytest.mark.parametrize("family", [*FAMILIES, "adversarial"])
@pytest.mark.parametrize("value", [5.0, -3.0, 1e4])
def test_an_odd_cell_of_a_new_row_leaves_the_others_as_they_are(family, value):
    X = load_digits().data
    A, B = X[:600].copy(), X[600:700].copy()
    A[:, 0] = B[:, 0] = 0
    A[0, 0] = 0.01
    make = skae.AdversarialAutoencoder if family == "adversarial" else FAMILIES[family]
    model = make(8, max_iter=5, random_state=0).fit(A)
    odd = B.copy()
    odd[:, 0] = value
    error, usual = (
        np.square(model.reconstruct(rows) - rows)[:, 1:].mean() for rows in (odd, B)
    )
    assert error < 2.5 * usual  # 800,000 times as much where the encoder saw it all


def test_rows_beyond_the_training_range_do_not_explode():
    X = load_digits().data
    A, B = X[:898], X[898:]
    out = skae.Autoencoder(4, max_iter=20, random_state=0).fit(A).reconstruct(B)
    assert explained_variance_ratio(B, out, standardize=False, X_train=A) > 0.5


def test_cells_are_shown_to_the_encoder_up_to_three_deviations_beyond():
    X = np.random.default_rng(0).normal(size=(50, 2))
    module = built(Gaussian(), X)
    x = module.standardize(X)
    low, high = x.min(0), x.max(0)
    rows = np.array([[-99, 99], [0, high[1] + 2.9]], dtype=np.float32)
    seen = module.embed(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(seen, [[low[0] - 3, high[1] + 3], [0, high[1] + 2.9]])
    np.testing.assert_array_equal(module.embed(torch.from_numpy(x)), x)


def test_channels_of_pictures_have_one_range():
    X = np.random.default_rng(0).uniform(size=(20, 2, 3, 3))
    X[:, 1] *= 5
    module = built(Gaussian(), X.reshape(20, -1))
    stats = column_statistics(X.reshape(20, -1), None, (2, 3, 3), lambda block: None)
    module = Gaussian().build(stats)
    assert len(np.unique(module.ends[1])) == 2
    np.testing.assert_allclose(
        module.restore(module.ends)[1, [0, 9]], X.max((0, 2, 3)), rtol=1e-5
    )


@pytest.mark.parametrize("make", [Gaussian, Mixed])
def test_a_density_of_a_bent_column_integrates_to_one(make):
    X = np.random.default_rng(0).normal(3, 2, size=(200, 1))
    X[5] = 5000
    module = built(make(), X)
    assert module.is_wild.all()
    module.set_noise(np.array([4.0]))
    mean = torch.full((1, 1), 7.0)

    def density(value):
        x = torch.from_numpy(module.standardize(np.array([[value]])))
        return float(module.log_prob(mean, x).exp())

    centre, spread = float(module.location[0]), float(module.scale[0])
    marks = centre + spread * np.array([-20, 4, 8, 12, 20, 60, 300, 3000])
    total = sum(quad(density, a, b, limit=80)[0] for a, b in itertools.pairwise(marks))
    assert total == pytest.approx(1, abs=2e-3)


def test_what_is_bent_comes_back_and_nothing_beyond_the_data():
    X = wild(TRAIN)
    module = built(Gaussian(), X)
    np.testing.assert_allclose(module.restore(module.standardize(X)), X, rtol=1e-4)
    far = module.restore(np.full((1, 13), 80.0))
    assert far[0, 3] == pytest.approx(X[5, 3], rel=1e-4)


def test_draws_keep_the_scale_of_the_body():
    X = wild(np.random.default_rng(0).normal(size=(400, 3)), column=1)
    vae = skae.VariationalAutoencoder(1, max_iter=5, random_state=0).fit(X)
    drawn = vae.sample(500, random_state=0, noise=True)
    assert np.percentile(np.abs(drawn[:, 1]), 90) < 4
    assert np.abs(drawn[:, 1]).max() <= X[5, 1] * 1.001


def test_an_imputed_column_forgets_its_wild_cell():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) @ np.ones((1, 4)) + 0.3 * rng.normal(size=(300, 4))
    holed = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    holed[5, 2] = 9999
    gone = np.isnan(holed)
    out = skae.AutoencoderImputer(max_iter=10, random_state=0).fit_transform(holed)
    error = np.abs(out - X)
    assert np.median(error[gone[:, 2], 2]) < 2 * np.median(error[gone[:, 0], 0])


def test_wild_columns_are_kept_in_a_saved_state():
    X = wild(TRAIN)
    fitted = skae.Autoencoder(2, max_iter=2, random_state=0).fit(X)
    other = skae.Autoencoder(2, max_iter=1, random_state=1).fit(TRAIN)
    other.net_.module_.load_state_dict(fitted.net_.module_.state_dict())
    np.testing.assert_array_equal(other.reconstruct(X), fitted.reconstruct(X))
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))


def test_noise_is_counted_in_the_bodys_deviations():
    X = wild(np.random.default_rng(0).normal(size=(300, 2)), column=1)
    stats = column_statistics(X, None, (2,), lambda block: None)
    module = Gaussian().build(stats)
    space = Space.of(stats, module.location, module.inverse_scale, is_wild=module.is_wild)
    np.testing.assert_allclose(space.deviation, 1)
    np.testing.assert_allclose(space.mean, 0, atol=1e-6)
    assert 8 < space.maximum[1] < 16


def test_a_detector_tells_a_wild_cell():
    X = np.random.default_rng(0).normal(size=(200, 4))
    X[7, 2] = 1e4
    detector = skae.AutoencoderOutlierDetector(n_estimators=2, max_iter=5, random_state=0)
    scores = detector.fit(X).score_samples(X)
    assert scores.argmin() == 7


@pytest.mark.parametrize("likelihood", [Gaussian(), Gaussian(clip=20.0), Mixed()])
def test_a_wild_cell_may_be_beyond_what_float32_holds(likelihood):
    X = wild(TRAIN)
    module = built(likelihood, X)
    body = module.standardize(X)
    X[5, 3] = 1e100
    module = built(likelihood, X)
    seen = module.standardize(X)
    np.testing.assert_array_equal(np.delete(seen, 5, 0), np.delete(body, 5, 0))
    if likelihood != Gaussian(clip=20.0):
        beyond = (1e100 - module.location[3]) / module.scale[3] - 8
        assert seen[5, 3] == pytest.approx(8 + np.log1p(beyond), rel=1e-6)
        assert module.restore(seen)[5, 3] == pytest.approx(1e100, rel=1e-3)
    model = skae.Autoencoder(2, likelihood=likelihood, max_iter=5, random_state=0).fit(X)
    assert np.isfinite(model.reconstruct(X)).all()


@pytest.mark.parametrize("make", [skae.Autoencoder, skae.DenoisingAutoencoder])
@pytest.mark.parametrize("shape", [(8, 8), (2, 8, 8), (64,)])
def test_a_wild_pixel_harms_no_other(make, shape):
    grey = load_digits().data[:300]
    X = np.hstack([grey, 2 * grey]) if len(shape) == 3 else grey
    X = X.reshape(-1, *shape)
    likelihood = Gaussian(scale="global" if len(shape) == 1 else "auto")
    explained = []
    for value in (None, 1e6):
        A = X.copy()
        if value:
            A.reshape(300, -1)[200, 27] = value
        model = make(8, likelihood=likelihood, max_iter=10, random_state=0).fit(A)
        rows = (B.reshape(300, -1) for B in (X, model.reconstruct(X)))
        explained.append(explained_variance_ratio(*rows, standardize=False))
        module = model.net_.module_.likelihood
        assert np.flatnonzero(module.is_wild).tolist() == [27] * bool(value)
    assert explained[1] > explained[0] - 0.03  # -36 with noise


def test_groups_without_wild_cells_are_scaled_by_all_their_values():
    X = load_digits().images[:300]
    flat = X.reshape(300, -1)
    stats = column_statistics(flat, None, (8, 8), lambda block: None)
    module = Gaussian().build(stats)
    np.testing.assert_allclose(module.location, X.mean())
    np.testing.assert_allclose(module.scale, X.std())


def test_a_wild_pixel_in_a_stream_of_pictures_harms_no_other():
    X = load_digits().images[:300]
    A = X.copy()
    A[150, 3, 3] = 1e6
    model = skae.ConvolutionalAutoencoder(8, random_state=0)
    for start in (0, 100, 200):
        model.partial_fit(A[start : start + 100])
    module = model.net_.module_.likelihood
    np.testing.assert_allclose(module.scale, X.std(), rtol=0.1)
    assert np.flatnonzero(module.is_wild).tolist() == [27]


def test_an_encoder_sees_what_training_shows_it():
    X = np.random.default_rng(0).normal(size=(200, 3))
    far = skae.DenoisingAutoencoder(2, max_iter=1, random_state=0).fit(X + 20, X_clean=X)
    reach = far.net_.module_.likelihood.reach.numpy()
    x = (X + 20 - X.mean(0)) / X.std(0)
    assert (reach[0] < X.min(0)).all()
    held_out = 0.5  # which are not looked at
    assert (reach[1] > x.max(0) + 3 - held_out).all()
    loud = skae.corruption.Gaussian(20.0)
    noisy = skae.DenoisingAutoencoder(2, corruption=loud, max_iter=1, random_state=0).fit(X)
    reach = noisy.net_.module_.likelihood.reach.numpy()
    assert (np.abs(reach) > 40).all()
    assert skae.Autoencoder(2, max_iter=1).fit(X).net_.module_.likelihood.reach.max() < 8
