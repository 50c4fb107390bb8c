"""Corruptions: rates, supports, seeds, errors, and what an estimator makes of them."""

import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder, likelihoods
from skae._training.run import Run
from skae.corruption import (
    Compose,
    Downsampling,
    Gaussian,
    HiddenDropout,
    Masking,
    RegionMasking,
    SaltAndPepper,
    SwapNoise,
)
from skae.corruption._named import NAMED
from skae.networks import ConvolutionalNetwork, DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
few = settings(deadline=None, max_examples=15, derandomize=True)
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(90, 5)) * [1, 1e3, 1e-3, 10, 1] + [0, 5e3, 1, -30, 2]
GREY = RNG.uniform(size=(40, 5, 7))
COLOUR = RNG.uniform(size=(20, 3, 6, 5)) * np.array([1, 10, 100])[:, None, None]
CELLWISE = [SaltAndPepper, Masking, SwapNoise]
PICTORIAL = [RegionMasking, Downsampling]
NOTHING = {
    "gaussian": Gaussian(0),
    "salt_and_pepper": SaltAndPepper(0.0),
    "masking": Masking(0),
    "downsampling": Downsampling(1),
    "swap": SwapNoise(0.0),
    "hidden_dropout": HiddenDropout(0.9),
    "compose": Compose((Gaussian(0.0), Masking(0.0))),
    "empty": Compose(),
}
ALL = [kind() for kind in NAMED.values()]
ALL.append(Compose(("gaussian", Masking(0.5), SwapNoise(0.5))))

seeds = st.integers(0, 2**31 - 1)
rates = st.floats(0, 1)
counts = st.integers(1, 9)


def named(corruptions):
    return pytest.mark.parametrize("corruption", corruptions, ids=repr)


def states():
    return (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
    )


def assert_share(changed, rate):
    n = changed.size
    bound = 5 * np.sqrt(rate * (1 - rate) / n) + 1e-9
    assert abs(changed.mean() - rate) <= bound


def distinct(shape):
    """Values that are all different, and never a column's mean."""
    order = np.random.default_rng(1).permutation(np.prod(shape))
    return (order.reshape(shape) + 0.5) ** 1.5


def make(kind=Autoencoder, **params):
    defaults = {"n_components": 2, "max_iter": 2, "batch_size": 16, "random_state": 0}
    return kind(**{**defaults, **params})


class Own:
    """A corruption that has `apply` and nothing else."""

    def apply(self, x, space, generator):
        noise = torch.rand(x.shape, generator=generator, device=x.device)
        return x + space.unit * noise


# Rates


@few
@given(rate=rates, seed=seeds)
@pytest.mark.parametrize("kind", [Masking, SwapNoise])
def test_the_share_of_changed_cells_is_the_rate(kind, rate, seed):
    X = distinct((200, 30))
    assert_share(kind(rate).corrupt(X, random_state=seed) != X, rate)


@few
@given(rate=rates, salt=rates, seed=seeds)
def test_salt_and_pepper_has_its_rate_and_its_share_of_salt(rate, salt, seed):
    X = np.full((200, 30), 0.5)
    X[0], X[1] = 0, 1
    out = SaltAndPepper(rate, salt).corrupt(X, random_state=seed)[2:]
    assert_share(out == 1, rate * salt)
    assert_share(out == 0, rate * (1 - salt))


@pytest.mark.parametrize("pair", [tuple, list])
@pytest.mark.parametrize("kind", CELLWISE)
def test_a_range_draws_a_rate_for_each_row(kind, pair):
    X = distinct((800, 200))
    changed = kind(pair((0.2, 0.6))).corrupt(X, random_state=0) != X
    shares = changed.mean(1)
    assert shares.mean() == pytest.approx(0.4, abs=5 * 0.4 / np.sqrt(12 * 800))
    noise = 5 * np.sqrt(0.25 / 200)
    assert shares.min() > 0.2 - noise
    assert shares.max() < 0.6 + noise
    quartiles = np.quantile(shares, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [0.3, 0.4, 0.5], atol=0.04)


@few
@given(sigma=st.floats(0.01, 100), seed=seeds)
def test_noise_in_tables_is_counted_in_column_deviations(sigma, seed):
    X = np.tile(TABLE, (30, 1))
    noise = Gaussian(sigma).corrupt(X, random_state=seed) - X
    bound = 5 / np.sqrt(2 * len(X))
    np.testing.assert_allclose(noise.std(0), sigma * X.std(0), rtol=bound)
    assert (np.abs(noise.mean(0)) < 5 * sigma * X.std(0) / np.sqrt(len(X))).all()


@few
@given(sigma=st.floats(0.01, 100), seed=seeds)
def test_noise_in_pictures_is_counted_in_units_of_the_data(sigma, seed):
    X = np.concatenate([COLOUR] * 5)
    noise = Gaussian(sigma).corrupt(X, random_state=seed) - X
    n = noise.size / 3
    for channel in noise.swapaxes(0, 1):
        assert channel.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * n))


def test_noise_without_sigma_is_half_a_deviation():
    X = np.tile(TABLE, (30, 1))
    noise = Gaussian().corrupt(X, random_state=0) - X
    np.testing.assert_allclose(noise.std(0), 0.5 * X.std(0), rtol=0.07)
    X = np.concatenate([COLOUR] * 10) + np.arange(6)[:, None]
    noise = Gaussian().corrupt(X, random_state=0) - X
    expected = 0.5 * X.std((0, 2, 3))
    np.testing.assert_allclose(noise.std((0, 2, 3)), expected, rtol=0.07)
    X = X[:, 0]
    noise = Gaussian().corrupt(X, random_state=0) - X
    np.testing.assert_allclose(noise.std((0, 1)), 0.5 * X.std(), rtol=0.3)


def test_noise_from_a_range_differs_from_row_to_row():
    noise = Gaussian((0.1, 0.9)).corrupt(np.zeros((600, 20, 20)), random_state=0)
    sd = noise.std((1, 2))
    quartiles = np.quantile(sd, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [0.3, 0.5, 0.7], atol=0.07)
    assert sd.min() > 0.08
    assert sd.max() < 1.1


def test_a_constant_column_gets_no_noise_in_a_table():
    X = np.column_stack([np.full(50, 3.0), np.arange(50)])
    out = Gaussian(0.5).corrupt(X, random_state=0)
    np.testing.assert_array_equal(out[:, 0], 3)
    assert (out[:, 1] != X[:, 1]).all()


# Supports


@few
@given(rate=st.floats(0.1, 1), seed=seeds)
def test_salt_and_pepper_are_the_extremes_of_the_column(rate, seed):
    out = SaltAndPepper(rate).corrupt(TABLE, random_state=seed)
    low, high = TABLE.min(0), TABLE.max(0)
    assert ((out == TABLE) | (out == low) | (out == high)).all()
    assert (out == low).sum() > TABLE.shape[1]
    assert (out == high).sum() > TABLE.shape[1]


@few
@given(seed=seeds)
@pytest.mark.parametrize("X", [GREY, COLOUR], ids=["grey", "colour"])
def test_salt_and_pepper_are_the_extremes_of_the_picture_and_channel(X, seed):
    out = SaltAndPepper(0.5).corrupt(X, random_state=seed)
    low, high = (end((-2, -1), keepdims=True) for end in (X.min, X.max))
    assert ((out == X) | (out == low) | (out == high)).all()
    assert (out == low).mean() == pytest.approx(0.25, abs=0.1)
    assert (out == high).mean() == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("fill", ["mean", "min", "max", -7.5, 0])
@pytest.mark.parametrize("X", [TABLE, GREY, COLOUR], ids=["table", "grey", "colour"])
def test_masked_cells_hold_what_fill_says(X, fill):
    kinds = [Masking(0.5, fill), RegionMasking(2, fill=fill)]
    for corruption in kinds[: 1 if X is TABLE else 2]:
        out = corruption.corrupt(X, random_state=0)
        value = getattr(X, fill)(0) if isinstance(fill, str) else fill
        value = np.broadcast_to(value, X.shape)
        lost = out != X
        np.testing.assert_allclose(out[lost], value[lost], rtol=1e-12)
        assert 0.05 < lost.mean() < 0.6


@few
@given(n=st.integers(2, 12), rate=st.floats(0.3, 1), seed=seeds)
def test_swapped_cells_come_from_another_row_of_the_same_column(n, rate, seed):
    X = distinct((n, 40))
    out = SwapNoise(rate).corrupt(X, random_state=seed)
    for before, after in zip(X.T, out.T, strict=True):
        assert np.isin(after, before).all()
    changed = SwapNoise(1.0).corrupt(X, random_state=seed) != X
    assert changed.all()


def test_swapped_cells_come_from_all_other_rows_alike():
    n, d = 5, 4000
    X = np.repeat(np.arange(float(n))[:, None], d, axis=1)
    out = SwapNoise(1.0).corrupt(X, random_state=0)
    for i, row in enumerate(out):
        shares = np.bincount(row.astype(int), minlength=n) / d
        np.testing.assert_allclose(np.delete(shares, i), 1 / (n - 1), atol=0.04)


def test_a_single_row_has_nothing_to_swap_with():
    np.testing.assert_array_equal(SwapNoise(1.0).corrupt(TABLE[:1]), TABLE[:1])


def rectangle(lost):
    """Height and width of a mask that is one rectangle."""
    rows, columns = lost.any(1), lost.any(0)
    np.testing.assert_array_equal(lost, rows[:, None] & columns)
    for side in (rows, columns):
        assert np.ptp(np.flatnonzero(side)) + 1 == side.sum()
    return rows.sum(), columns.sum()


def holes(size, shape, seed, n=12, **params):
    X = np.ones((n, *shape))
    out = RegionMasking(size, fill=0, **params).corrupt(X, random_state=seed)
    return out == 0


@few
@given(size=st.integers(1, 12), h=counts, w=counts, c=st.integers(1, 3), seed=seeds)
def test_a_region_has_the_asked_pixels_in_all_channels(size, h, w, c, seed):
    lost = holes(size, (c, h, w), seed)
    assert (lost == lost[:, :1]).all()
    for mask in lost[:, 0]:
        assert rectangle(mask) == (min(size, h), min(size, w))


@few
@given(share=st.floats(0.01, 1), h=counts, w=counts, seed=seeds)
def test_a_region_has_the_asked_share_of_each_side(share, h, w, seed):
    for mask in holes(share, (h, w), seed):
        for side, n in zip(rectangle(mask), (h, w), strict=True):
            assert side == pytest.approx(max(1, share * n), abs=0.501)


@few
@given(low=st.integers(1, 5), more=st.integers(0, 5), seed=seeds)
def test_a_region_from_a_range_of_pixels_stays_in_it(low, more, seed):
    sides = [rectangle(m) for m in holes((low, low + more), (12, 15), seed, n=200)]
    assert {side for pair in sides for side in pair} == set(range(low, low + more + 1))
    if more:
        assert any(h != w for h, w in sides)


@few
@given(low=st.floats(0.1, 0.5), more=st.floats(0, 0.5), seed=seeds)
def test_a_region_from_a_range_of_shares_stays_in_it(low, more, seed):
    for mask in holes((low, low + more), (9, 14), seed):
        for side, n in zip(rectangle(mask), (9, 14), strict=True):
            assert low * n - 0.501 <= side <= (low + more) * n + 0.501


def test_regions_lie_everywhere_alike():
    first = [np.argwhere(mask)[0] for mask in holes(3, (6, 8), 0, n=4000)]
    rows, columns = np.transpose(first)
    np.testing.assert_allclose(np.bincount(rows) / 4000, 1 / 4, atol=0.04)
    np.testing.assert_allclose(np.bincount(columns) / 4000, 1 / 6, atol=0.04)


def test_several_regions_are_a_union_of_rectangles():
    for mask in holes(1, (9, 9), 0, n_regions=4):
        assert 1 <= mask.sum() <= 4
    assert max(mask.sum() for mask in holes(1, (9, 9), 0, n_regions=4)) == 4


def block_means(picture, factor):
    out = picture.copy()
    for i in range(0, len(picture), factor):
        for j in range(0, picture.shape[1], factor):
            block = np.s_[i : i + factor, j : j + factor]
            out[block] = picture[block].mean()
    return out


@few
@given(factor=st.integers(1, 12), h=counts, w=counts, c=st.integers(1, 3), seed=seeds)
def test_downsampling_takes_the_mean_of_each_block(factor, h, w, c, seed):
    X = np.random.default_rng(seed).normal(size=(3, c, h, w))
    out = Downsampling(factor).corrupt(X, random_state=seed)
    for before, after in zip(X.reshape(-1, h, w), out.reshape(-1, h, w), strict=True):
        np.testing.assert_allclose(after, block_means(before, factor), atol=1e-12)


def test_downsampling_from_a_range_draws_a_factor_for_each_picture(rng):
    X = rng.normal(size=(600, 7, 7))
    out = Downsampling((1, 4)).corrupt(X, random_state=0)
    by_factor = np.array([[block_means(x, f) for x in X] for f in range(1, 5)])
    drawn = np.isclose(by_factor, out).all((2, 3))
    assert (drawn.sum(0) == 1).all()
    np.testing.assert_allclose(drawn.mean(1), 1 / 4, atol=0.09)


def test_corruptions_are_composed_in_their_order():
    X = np.tile(GREY, (5, 1, 1))
    masked_last = Compose((Gaussian(0.1), Masking(0.5, 0))).corrupt(X, random_state=0)
    masked_first = Compose((Masking(0.5, 0), Gaussian(0.1))).corrupt(X, random_state=0)
    assert_share(masked_last == 0, 0.5)
    assert (masked_first != 0).all()
    nested = Compose((Compose((Gaussian(0.1),)), ["masking"]))
    flat = Compose((Gaussian(0.1), Masking()))
    np.testing.assert_array_equal(
        nested.corrupt(X, random_state=0), flat.corrupt(X, random_state=0)
    )


# Seeds, types, shapes


@named(ALL)
def test_the_seed_alone_decides(corruption):
    before, X = states(), COLOUR.copy()
    first, second = (corruption.corrupt(X, random_state=7) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    by_state = corruption.corrupt(X, random_state=np.random.RandomState(7))
    np.testing.assert_array_equal(first, by_state)
    if not isinstance(corruption, Downsampling | HiddenDropout):
        assert (first != corruption.corrupt(X, random_state=8)).any()
    assert states() == before
    np.testing.assert_array_equal(X, COLOUR)


@named(ALL)
@pytest.mark.parametrize("X", [TABLE, GREY, COLOUR], ids=["table", "grey", "colour"])
def test_shape_and_type_are_kept(corruption, X):
    if X is TABLE and isinstance(corruption, tuple(PICTORIAL)):
        return
    for dtype in (np.float32, np.float64, np.float16, np.int64, bool):
        out = corruption.corrupt(X.astype(dtype), random_state=0)
        assert out.shape == X.shape
        assert out.dtype == (np.float32 if dtype is np.float32 else np.float64)
        assert not np.shares_memory(out, X)
    from_list = corruption.corrupt(X.tolist(), random_state=0)
    np.testing.assert_array_equal(from_list, corruption.corrupt(X, random_state=0))


@few
@given(
    X=arrays(
        st.sampled_from([np.float32, np.float64]),
        st.sampled_from([(4, 3), (3, 4, 5), (2, 3, 4, 1), (1, 1)]),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
@pytest.mark.parametrize("name", NOTHING)
def test_a_strength_of_nothing_changes_nothing(name, X):
    if name == "downsampling" and X.ndim == 2:
        return
    kept = X.copy()
    out = NOTHING[name].corrupt(X, random_state=0)
    np.testing.assert_array_equal(out, kept)
    np.testing.assert_array_equal(X, kept)
    out += 1
    np.testing.assert_array_equal(X, kept)


def test_a_read_only_array_can_be_corrupted():
    X = GREY.copy()
    X.flags.writeable = False
    for corruption in ALL:
        corruption.corrupt(X, random_state=0)


# Bad parameters

NO_SHARE = [1.5, -0.1, (0.5, 0.1), "x", np.nan, (0.1, 0.2, 0.3), True, None, (), (0.1,)]
NO_SHARE += [np.inf, (0.1, np.nan), [0.5, 1.5], ("a", "b"), 1j]
BAD = {
    ("Gaussian", "sigma"): [-1, np.nan, np.inf, "x", True, (2, 1), (1, 2, 3), (), (1, "a")],
    ("SaltAndPepper", "rate"): NO_SHARE,
    ("SaltAndPepper", "salt"): [*NO_SHARE, (0.1, 0.2)],
    ("Masking", "rate"): NO_SHARE,
    ("Masking", "fill"): ["median", None, (0, 1), np.nan, np.inf],
    ("RegionMasking", "size"): [0, 0.0, 1.5, -1, *NO_SHARE, (1, 2, 3), (5, 2), (0, 3)],
    ("RegionMasking", "n_regions"): [0, 1.5, "x", True, None, (1, 2), -1],
    ("RegionMasking", "fill"): ["median", None, np.nan],
    ("Downsampling", "factor"): [0, 1.5, -2, (3, 2), "x", True, None, (1, 2, 3), np.nan],
    ("SwapNoise", "rate"): NO_SHARE,
    ("HiddenDropout", "rate"): [*NO_SHARE, 1, 1.0, (0.5, 1.0)],
}
KINDS = {kind.__name__: kind for kind in NAMED.values()}
CASES = [
    pytest.param(KINDS[kind](**{name: value}), name, id=f"{kind}-{name}-{value!r}")
    for (kind, name), values in BAD.items()
    for value in values
]


@pytest.mark.parametrize(("corruption", "name"), CASES)
def test_a_bad_parameter_is_named_before_training(monkeypatch, corruption, name):
    match = rf"corruption: The '{name}' parameter of {type(corruption).__name__} must"
    with pytest.raises(ValueError, match=match):
        corruption.corrupt(GREY)
    monkeypatch.setattr(Run, "train_step", None)
    for given_as in (corruption, ["masking", [corruption]]):
        estimator = make(corruption=given_as)
        with pytest.raises(ValueError, match=match):
            estimator.fit(GREY[:5])
        assert not estimator.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    "corruption",
    ["blur", ["masking", "blur"], 3, [3], [None], ["masking", object()], {"gaussian": 1}],
    ids=["name", "name in list", "number", "number in list", "None", "object", "dict"],
)
@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_what_is_no_corruption_is_said_so(monkeypatch, kind, corruption):
    monkeypatch.setattr(Run, "train_step", None)
    estimator = make(kind, corruption=corruption)
    with pytest.raises(ValueError, match="corruption"):
        estimator.fit(TABLE)
    assert not estimator.__sklearn_is_fitted__()


def test_auto_is_for_the_denoising_autoencoder():
    with pytest.raises(ValueError, match="corruption"):
        make(corruption="auto").fit(TABLE)


@pytest.mark.parametrize("corruption", [Gaussian, [Masking, "gaussian"]], ids=repr)
def test_a_class_is_not_an_instance(corruption):
    with pytest.raises(ValueError, match=r"corruption must be an instance.*\(\.\.\.\)"):
        make(corruption=corruption).fit(TABLE)


@named([kind() for kind in PICTORIAL])
def test_a_table_is_no_picture_and_the_remedy_is_named(corruption):
    with pytest.raises(ValueError, match=r"needs pictures.*\(n_samples, H, W\)"):
        corruption.corrupt(TABLE)
    estimator = make(corruption=["gaussian", corruption])
    with pytest.raises(ValueError, match=r"needs pictures.*ConvolutionalNetwork"):
        estimator.fit(TABLE)
    assert not estimator.__sklearn_is_fitted__()
    flat = GREY.reshape(len(GREY), -1)
    network = ConvolutionalNetwork(image_shape=(5, 7), filters=(2,))
    assert make(corruption=corruption, network=network).fit(flat).n_iter_ == 2


def test_hidden_dropout_needs_a_hidden_layer():
    estimator = make(corruption="hidden_dropout", network=())
    with pytest.raises(ValueError, match=r"HiddenDropout.*network=\(128,\)"):
        estimator.fit(TABLE)
    assert not estimator.__sklearn_is_fitted__()


# By name, by object, by list; one's own


def test_a_name_is_an_object_with_defaults_and_a_list_is_a_composition():
    for name, kind in NAMED.items():
        by_name, by_object, by_list = (
            make(corruption=c).fit(GREY).loss_curve_ for c in (name, kind(), [name])
        )
        assert by_name == by_object == by_list, name
    by_list, by_tuple, composed = (
        make(corruption=c).fit(GREY).loss_curve_
        for c in (
            ["masking", Gaussian(0.1)],
            ("masking", Gaussian(0.1)),
            Compose(("masking", Gaussian(0.1))),
        )
    )
    assert by_list == by_tuple == composed
    assert by_list != make(corruption=[Gaussian(0.1), "masking"]).fit(GREY).loss_curve_


@named([*ALL, "masking", ["swap", Gaussian(1)], Compose(["swap", Gaussian(1)])])
def test_corruptions_are_cloned_compared_and_pickled(corruption):
    estimator = make(corruption=corruption)
    assert clone(estimator).corruption == corruption
    assert pickle.loads(pickle.dumps(estimator)).corruption == corruption
    if hasattr(corruption, "get_params"):
        assert clone(corruption) == corruption
        assert clone(estimator).corruption is not corruption
        assert type(corruption)(**corruption.get_params()) == corruption
        assert corruption.set_params(**corruption.get_params()) is corruption
        with pytest.raises(ValueError, match="Invalid parameter"):
            corruption.set_params(strength=1)


def test_a_grid_reaches_into_a_corruption():
    grid = {"corruption__sigma": [0.1, 5.0]}
    search = GridSearchCV(make(corruption=Gaussian(), max_iter=5), grid, cv=2).fit(TABLE)
    assert search.best_estimator_.corruption == Gaussian(
        search.best_params_[next(iter(grid))]
    )
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]
    estimator = make(corruption=Masking())
    assert estimator.get_params()["corruption__rate"] == 0.25
    assert estimator.set_params(corruption__fill="min").corruption == Masking(fill="min")
    with pytest.raises(ValueError, match="corruption__sigma cannot be set"):
        make(corruption="gaussian").set_params(corruption__sigma=1)


@pytest.mark.parametrize(
    "given_as", [Own(), [Own()], ["masking", Own()], Compose((Own(),))]
)
def test_an_own_object_needs_apply_and_no_more(given_as):
    first, second = (make(corruption=given_as).fit(TABLE) for _ in range(2))
    assert first.loss_curve_ == second.loss_curve_
    assert first.loss_curve_ != make().fit(TABLE).loss_curve_


def changes_in_place(x):
    return x.add_(1)


WRONG = {
    "narrow": lambda x: x[:, 1:],
    "few": lambda x: x[1:],
    "double": lambda x: x.double(),
    "array": lambda x: x.numpy().copy(),
    "none": lambda x: None,
    "in_place": changes_in_place,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("in_list", [False, True])
def test_what_an_own_object_returns_is_checked(monkeypatch, wrong, in_list):
    def apply(self, x, space, generator):
        return WRONG[wrong](x)

    own = type("Wrong", (Own,), {"apply": apply})()
    monkeypatch.setattr(Run, "train_step", None)
    estimator = make(corruption=[own] if in_list else own)
    with pytest.raises(ValueError, match=r"corruption: apply\(\) must return"):
        estimator.fit(TABLE)
    assert not estimator.__sklearn_is_fitted__()


# In an estimator


@pytest.mark.parametrize("kind", [Autoencoder, ConvolutionalAutoencoder])
@pytest.mark.parametrize("name", [*NAMED, "own"])
def test_every_corruption_runs_and_is_seeded(kind, name):
    corruption = Own() if name == "own" else name
    before = states()
    X = COLOUR.astype(np.float32)
    first, second = (make(kind, corruption=corruption).fit(X) for _ in range(2))
    assert states() == before
    assert first.loss_curve_ == second.loss_curve_
    other = make(kind, corruption=corruption, random_state=1).fit(X)
    assert first.loss_curve_ != other.loss_curve_
    assert first.loss_curve_ != make(kind).fit(X).loss_curve_
    for method in ("transform", "reconstruct", "score_samples"):
        out = getattr(first, method)(X)
        assert np.isfinite(out).all()
        np.testing.assert_array_equal(out, getattr(first, method)(X))
    estimator = first.partial_fit(X)
    assert np.isfinite(estimator.score(X))


def given(calls, training=None):
    """Rows that modules were given, and their targets; in training, judged, or both."""
    pairs = [(c.x, c.target) for c in calls if training in (None, c.training)]
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def standardized(estimator, X):
    likelihood = estimator.net_.module_.likelihood
    return likelihood.standardize(X.reshape(len(X), -1), check=False)


def nearest(rows, whole):
    """Index of the row of `whole` that each row is."""
    distance = np.abs(rows[:, None] - whole).sum(2)
    assert distance.min(1).max() == 0
    return distance.argmin(1)


@pytest.mark.parametrize("X", [TABLE, GREY], ids=["table", "grey"])
@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder])
def test_targets_stay_clean_and_noise_is_drawn_anew(calls, kind, X):
    estimator = make(kind, corruption=Gaussian(0.5), max_iter=3).fit(X)
    whole = standardized(estimator, X)
    x, clean = given(calls, training=True)
    row = nearest(clean, whole)
    assert (np.bincount(row, minlength=len(X)) % 3 == 0).all()
    noise = (x - clean).ravel()
    assert len(np.unique(noise)) > 0.99 * len(noise)
    assert (x != clean).all()


def test_held_out_rows_get_the_same_noise_each_time(calls):
    make(corruption=["masking", "gaussian"], max_iter=4).fit(TABLE)
    judged = [(call.x, call.target) for call in calls if not call.training]
    assert len(judged) == 5
    for x, clean in judged:
        np.testing.assert_array_equal(x, judged[0][0])
        np.testing.assert_array_equal(clean, judged[0][1])
        assert (x != clean).all()


def test_without_corruption_the_input_is_the_target(calls):
    make().fit(TABLE)
    assert all((call.x == call.target).all() for call in calls)


LIKELIHOODS = [
    likelihoods.Gaussian(),
    likelihoods.Gaussian(scale="global"),
    likelihoods.Gaussian(scale=None),
    likelihoods.Gaussian(link="sigmoid"),
]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
def test_in_tables_noise_is_half_of_each_column_whatever_the_scale(calls, likelihood):
    X = np.tile(TABLE * [1, 1e-2, 1e2, 1, 1], (10, 1))
    params = {"early_stopping": False, "max_iter": 5, "learning_rate": 1e-9}
    make(likelihood=likelihood, corruption=Gaussian(0.5), **params).fit(X)
    x, clean = given(calls)
    share = (x - clean).std(0) / clean.std(0)
    np.testing.assert_allclose(share, 0.5, rtol=5 / np.sqrt(2 * len(x)))
    if likelihood == likelihoods.Gaussian():
        np.testing.assert_allclose((x - clean).std(0), 0.5, rtol=0.06)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
@pytest.mark.parametrize("X", [GREY, COLOUR], ids=["grey", "colour"])
def test_in_pictures_noise_has_the_units_of_the_data(calls, likelihood, X):
    params = {"early_stopping": False, "max_iter": 5, "learning_rate": 1e-9}
    estimator = make(likelihood=likelihood, corruption=Gaussian(0.3), **params).fit(X)
    x, clean = given(calls)
    noise = (x - clean) * estimator.net_.module_.likelihood.scale
    channels = noise.reshape(len(x), 1 if X is GREY else 3, -1).swapaxes(0, 1)
    for channel in channels:
        bound = 5 / np.sqrt(2 * channel.size)
        assert channel.std() == pytest.approx(0.3, rel=bound)


def test_flat_rows_of_a_convolutional_network_are_pictures_too(calls):
    params = {"early_stopping": False, "max_iter": 5}
    estimator = make(
        ConvolutionalAutoencoder, image_shape=(5, 7), corruption=Gaussian(0.3), **params
    ).fit(GREY.reshape(len(GREY), -1))
    x, clean = given(calls)
    noise = (x - clean) * estimator.net_.module_.likelihood.scale
    assert noise.std() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("likelihood", LIKELIHOODS[:2], ids=repr)
def test_masked_and_salted_cells_are_what_they_are_called(calls, likelihood):
    params = {"early_stopping": False, "likelihood": likelihood}
    for corruption in (Masking(0.5, "max"), SaltAndPepper(0.5, salt=1.0)):
        calls.clear()
        estimator = make(corruption=corruption, **params).fit(TABLE)
        highest = standardized(estimator, TABLE).max(0)
        x, clean = given(calls)
        assert (np.isclose(x, highest, atol=1e-5) | (x == clean)).all()
        assert_share(x != clean, 0.5 * (1 - 1 / len(TABLE)))
    calls.clear()
    estimator = make(corruption=Masking(0.5, 2.5), **params).fit(TABLE)
    number = standardized(estimator, np.full((1, 5), 2.5))[0]
    x, clean = calls[0].x, calls[0].target
    assert (np.isclose(x, number, rtol=1e-4, atol=1e-4) | (x == clean)).all()
    assert (x != clean).any(0).all()


# Hidden dropout


def drops(estimator):
    """Whether an estimator's network, as it is now, would drop units in training."""
    module = estimator.net_.module_
    was_training, x = module.training, torch.ones(9, estimator.n_features_in_)
    with torch.no_grad():
        first, second = (module.train().encode(x) for _ in range(2))
    module.train(was_training)
    return not torch.equal(first, second)


@pytest.fixture
def outputs():
    """What an encoder's 50 units put out, by whether it is being trained."""
    found = {True: [], False: []}

    def record(layer, args):
        if isinstance(layer, torch.nn.Linear) and layer.weight.shape == (2, 50):
            found[layer.training].append(args[0].detach().numpy().copy())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(record)
    yield found
    hook.remove()


SMALL = ConvolutionalNetwork(filters=(4, 6))
FIFTY = DenseNetwork((50,), activation="sigmoid")


def test_hidden_dropout_drops_units_in_training_only(outputs):
    make(network=FIFTY, corruption=HiddenDropout(0.3), max_iter=8).fit(TABLE)
    dropped = np.concatenate(outputs[True])
    assert_share(dropped == 0, 0.3)
    assert dropped.max() > 1
    assert np.concatenate(outputs[False]).min() > 0
    assert np.concatenate(outputs[False]).max() <= 1
    outputs[True].clear()
    make(network=FIFTY, corruption=HiddenDropout((0.1, 0.9)), max_iter=8).fit(TABLE)
    shares = (np.concatenate(outputs[True]) == 0).mean(1)
    quartiles = np.quantile(shares, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [0.3, 0.5, 0.7], atol=0.08)


def test_hidden_dropout_keeps_the_mean_of_units(outputs):
    params = {"early_stopping": False, "max_iter": 200, "learning_rate": 1e-30}
    make(network=FIFTY, corruption=HiddenDropout((0.2, 0.8)), batch_size=90, **params).fit(
        TABLE
    )
    dropped, whole = (np.concatenate(outputs[mode]) for mode in (True, False))
    assert len(dropped) == 200 * 90
    np.testing.assert_allclose(dropped.mean(0), whole[:90].mean(0), rtol=0.06)


@pytest.mark.parametrize("corruption", ["hidden_dropout", ["gaussian", HiddenDropout(0.5)]])
@pytest.mark.parametrize("kind", [Autoencoder, ConvolutionalAutoencoder])
def test_nothing_is_dropped_after_training_and_the_estimator_pickles(kind, corruption):
    network = SMALL if kind is ConvolutionalAutoencoder else FIFTY
    params = {"corruption": corruption, "network": network, "warm_start": True}
    estimator = make(kind, **params).fit(GREY)
    assert not drops(estimator)
    other = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(other.transform(GREY), estimator.transform(GREY))
    np.testing.assert_array_equal(other.transform(GREY), other.transform(GREY))
    assert other.fit(GREY).loss_curve_ == estimator.fit(GREY).loss_curve_
    assert other.partial_fit(GREY).loss_curve_ == estimator.partial_fit(GREY).loss_curve_
    assert not drops(estimator)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_dropped_after_a_failed_fit(monkeypatch, error):
    estimator = make(corruption="hidden_dropout", network=FIFTY, warm_start=True)
    codes = estimator.fit(TABLE).transform(TABLE)

    def fail(self, batch, **kwargs):
        assert drops(estimator)
        raise error("on purpose")

    monkeypatch.setattr(Run, "train_step", fail)
    with pytest.raises(error, match="on purpose"):
        estimator.fit(TABLE)
    assert not drops(estimator)
    np.testing.assert_array_equal(estimator.transform(TABLE), codes)


# Streams, warm starts, small data


def test_a_corruption_may_change_in_a_warm_start():
    estimator = make(warm_start=True, corruption=Gaussian(0.1)).fit(TABLE)
    estimator.set_params(corruption="masking").fit(TABLE)
    assert len(estimator.loss_curve_) == 4
    estimator.set_params(corruption=None).partial_fit(TABLE)
    assert len(estimator.loss_curve_) == 5


@pytest.mark.parametrize("name", ["gaussian", "masking", "swap", "salt_and_pepper"])
def test_two_rows_and_single_rows_can_be_corrupted(name):
    estimator = make(corruption=name, batch_size=1).fit(TABLE[:2])
    assert np.isfinite(estimator.partial_fit(TABLE[:1]).transform(TABLE)).all()


def test_streamed_rows_are_corrupted_too(monkeypatch, calls):
    monkeypatch.setattr("skae._data.rows.RESIDENT_BYTES", {"cpu": 0})
    estimator = make(corruption=Gaussian(0.5)).fit(TABLE)
    whole = standardized(estimator, TABLE)
    for call in calls:
        nearest(call.target, whole)
        assert (call.x != call.target).all()
