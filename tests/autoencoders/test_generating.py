"""Rows that are drawn could have been in the table; what is asked for comes back."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    LatentSampler,
    VariationalAutoencoder,
)
from skae.likelihoods import Gaussian, Mixed
from tests.mixed import FRAME

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, DRAWN = 600, 3000
QUICK = {"max_iter": 3, "random_state": 0}


def messy(n=N, seed=0):
    """Skewed, counted, rounded, mostly zero and two-peaked numbers, and rare levels."""
    rng = np.random.default_rng(seed)
    z, noise = rng.normal(size=n), rng.normal(size=n)
    table = pd.DataFrame(
        {
            "sex": pd.Categorical(
                np.where(rng.random(n) < 0.32, "F", "M"), categories=["F", "M", "X"]
            ),
            "self_emp": rng.random(n) < 0.11,
            "children": rng.poisson(np.exp(0.3 * z)).astype(np.int8),
            "income": rng.lognormal(3 + 0.8 * z).round(2),
            "gain": np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(8, 1, n)),
            "size": np.float32(5 * np.sign(noise) + 0.3 * z),
            "years": pd.array(np.rint(40 + 10 * z).clip(17), dtype="Int64"),
        }
    )
    table.loc[rng.random(n) < 0.1, "years"] = None
    table.loc[table["years"].isna(), "sex"] = None
    return table


TABLE = messy()
NUMBERS = TABLE.select_dtypes("number").drop(columns="years")


@pytest.fixture(
    scope="module",
    params=[
        VariationalAutoencoder(3, likelihood="mixed", max_iter=15, random_state=0),
        AdversarialAutoencoder(3, likelihood="mixed", max_iter=15, random_state=0),
        LatentSampler(
            Autoencoder(3, likelihood="mixed", max_iter=15, random_state=0), random_state=0
        ),
    ],
    ids=lambda e: type(e).__name__,
)
def generator(request):
    return request.param.fit(TABLE)


def is_near(share, wanted, n=DRAWN):
    """Whether a share is within three standard errors of a wanted one."""
    return abs(share - wanted) < 3 * np.sqrt(wanted * (1 - wanted) / n) + 5e-4


def test_what_is_drawn_could_have_been_in_the_table(generator):
    drawn = generator.sample(DRAWN, random_state=0)
    assert (drawn.dtypes == TABLE.dtypes).all()
    assert list(drawn.columns) == list(TABLE.columns)
    assert not drawn.isna().any(axis=None)
    assert is_near(drawn["self_emp"].mean(), TABLE["self_emp"].mean())
    assert is_near((drawn["sex"] == "F").mean(), (TABLE["sex"].dropna() == "F").mean())
    assert not (drawn["sex"] == "X").any()  # declared, never seen
    assert is_near((drawn["gain"] == 0).mean(), (TABLE["gain"] == 0).mean())
    for count in (0, 1, 2):
        wanted = (TABLE["children"] == count).mean()
        assert is_near((drawn["children"] == count).mean(), wanted)
    for name in TABLE.select_dtypes("number"):
        assert drawn[name].min() >= TABLE[name].min()
        assert drawn[name].max() <= TABLE[name].max()
    assert (drawn["income"] == drawn["income"].round(2)).all()
    assert not drawn["size"].between(-3, 3).any()  # between the two peaks
    numbers = list(TABLE.select_dtypes("number"))
    off = drawn[numbers].corr("spearman") - TABLE[numbers].corr("spearman")
    assert off.abs().max(axis=None) < 0.12


def test_a_row_that_is_drawn_depends_on_the_seed_and_its_place_alone(generator):
    pd.testing.assert_frame_equal(
        generator.sample(50, random_state=3), generator.sample(50, random_state=3)
    )
    again = pickle.loads(pickle.dumps(generator))
    pd.testing.assert_frame_equal(
        generator.sample(50, random_state=3), again.sample(50, random_state=3)
    )
    if not isinstance(generator, LatentSampler):  # whose density draws as it likes
        few, many = (generator.sample(n, random_state=3, missing=True) for n in (20, DRAWN))
        pd.testing.assert_frame_equal(few, many[:20])
    state = np.random.RandomState(0)
    one, two = (generator.sample(50, random_state=state) for _ in range(2))
    assert (one["income"] != two["income"]).mean() > 0.9


def test_means_and_likeliest_levels_are_what_no_noise_gives(generator):
    means = generator.sample(500, random_state=0, noise=False)
    assert means["self_emp"].mean() < 0.08
    assert (means.dtypes == TABLE.dtypes).all()
    inner = generator.autoencoder_ if isinstance(generator, LatentSampler) else generator
    if isinstance(generator, VariationalAutoencoder):
        codes = np.random.RandomState(0).standard_normal((500, 3))
        pd.testing.assert_frame_equal(means, inner.inverse_transform(codes))
    auto, drawn = (generator.sample(50, random_state=0, noise=n) for n in ("auto", True))
    pd.testing.assert_frame_equal(auto, drawn)


def test_cells_are_missing_as_they_were(generator):
    drawn = generator.sample(DRAWN, random_state=0, missing=True)
    assert (drawn.dtypes == TABLE.dtypes).all()
    assert is_near(drawn["years"].isna().mean(), TABLE["years"].isna().mean())
    assert (drawn["years"].isna() == drawn["sex"].isna()).all()  # together
    assert not drawn.drop(columns=["years", "sex"]).isna().any(axis=None)
    whole = generator.sample(DRAWN, random_state=0)
    kept = drawn["years"].notna()
    pd.testing.assert_frame_equal(drawn[kept], whole[kept])


@pytest.mark.parametrize("noise", ["no", 2, None])
def test_another_noise_is_refused(generator, noise):
    with pytest.raises(ValueError, match="noise must be one of 'auto', True, False"):
        generator.sample(2, noise=noise)


def test_skewed_columns_go_together_as_they_did():
    vae = VariationalAutoencoder(
        1, likelihood="mixed", network=(), max_iter=10, random_state=0
    )
    z = np.random.default_rng(0).normal(size=800)
    X = np.column_stack([z, np.exp(3 * z), -(z**3)])
    drawn = vae.fit(X).sample(DRAWN, random_state=0)
    assert drawn[:, 1].max() <= X[:, 1].max()
    assert np.median(drawn[:, 1]) == pytest.approx(1, rel=0.2)
    rank = pd.DataFrame(drawn).corr("spearman").to_numpy()
    assert rank[0, 1] > 0.9
    assert rank[0, 2] < -0.9


# Gaussian tables


GAUSSIAN = [
    VariationalAutoencoder(2, **QUICK),
    AdversarialAutoencoder(2, **QUICK),
    LatentSampler(Autoencoder(2, **QUICK), random_state=0),
    LatentSampler(FrozenEstimator(Autoencoder(2, **QUICK).fit(NUMBERS)), random_state=0),
]


@pytest.mark.parametrize("estimator", GAUSSIAN, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_a_frame_of_numbers_has_frames_drawn(estimator, container):
    frame = NUMBERS if container is pd.DataFrame else pl.from_pandas(NUMBERS)
    model = clone(estimator).fit(frame)
    means, drawn = (model.sample(500, random_state=0, noise=n) for n in (False, True))
    for rows in (means, drawn):
        assert isinstance(rows, container)
        assert list(rows.columns) == list(frame.columns)
    assert list(drawn.dtypes) == list(frame.dtypes)
    wanted, drawn = NUMBERS.to_numpy(float), np.asarray(drawn, dtype=float)
    assert (drawn.min(0) >= wanted.min(0)).all()
    assert (drawn.max(0) <= wanted.max(0)).all()
    zero = list(frame.columns).index("gain")
    assert is_near((drawn[:, zero] == 0).mean(), (wanted[:, zero] == 0).mean(), 500)
    auto = model.sample(500, random_state=0)
    np.testing.assert_array_equal(np.asarray(auto), np.asarray(means))
    array = clone(estimator).fit(NUMBERS.to_numpy(float))
    if not isinstance(getattr(estimator, "autoencoder", None), FrozenEstimator):
        assert isinstance(array.sample(2), np.ndarray)


def test_numbers_of_pictures_and_of_a_bounded_link_are_drawn_as_the_model_has_them():
    digits = load_digits().images[:200]
    for X, params in (
        (digits, {}),
        (digits.reshape(200, 64), {"likelihood": Gaussian(link="tanh")}),
    ):
        vae = VariationalAutoencoder(2, **QUICK | params).fit(X)
        drawn = vae.sample(50, random_state=0, noise=True)
        assert (drawn != np.rint(drawn)).mean() > 0.5
    flat = VariationalAutoencoder(2, **QUICK).fit(digits.reshape(200, 64))
    drawn = flat.sample(50, random_state=0, noise=True)
    assert set(np.unique(drawn)) <= set(range(17))


def test_where_a_mean_is_no_row_rows_are_drawn(rng):
    bits = (rng.random((200, 5)) < [0.1, 0.5, 0.9, 0.3, 0.7]) * 1.0
    grey, counts = rng.random((200, 5)), rng.poisson(2, (200, 5))
    for X, likelihood, draws in (
        (bits, "bernoulli", True),
        (grey, "bernoulli", False),
        (bits.reshape(200, 1, 5), "bernoulli", False),  # a picture
        (np.eye(5)[rng.integers(5, size=200)], "categorical", True),
        (grey / grey.sum(1, keepdims=True), "categorical", False),
        (counts, "poisson", True),
    ):
        for kind in (VariationalAutoencoder, AdversarialAutoencoder):
            model = kind(2, likelihood=likelihood, **QUICK).fit(X)
            drawn = model.sample(40, random_state=0)
            assert (drawn == np.rint(drawn)).all() == draws, (likelihood, kind)
            whole = model.sample(40, random_state=0, noise=True)
            assert (whole == np.rint(whole)).all()


# How the columns are learnt


def test_rows_count_by_their_weight():
    X = pd.DataFrame(
        {"n": np.r_[np.zeros(300), np.full(300, 7.0)], "kind": ["a", "b"] * 300}
    )
    weight = np.where(X["n"] == 0, 1.0, 4.0) * np.where(X["kind"] == "a", 1.0, 9.0)
    vae = VariationalAutoencoder(1, likelihood="mixed", **QUICK)
    drawn = vae.fit(X, sample_weight=weight).sample(DRAWN, random_state=0)
    assert set(drawn["n"]) == {0, 7}
    assert is_near((drawn["n"] == 7).mean(), 0.8)
    assert is_near((drawn["kind"] == "b").mean(), 0.9)
    weight = np.where(X["n"] == 0, 0.0, 1.0)
    drawn = vae.fit(X, sample_weight=weight).sample(50, random_state=0)
    assert set(drawn["n"]) == {7}


def test_a_stream_is_known_as_its_rows_at_once_are():
    vae = VariationalAutoencoder(2, likelihood="mixed", **QUICK)
    table = messy(1600, seed=1)
    for start in range(0, 1600, 200):
        vae.partial_fit(table[start : start + 200])
    drawn = vae.sample(DRAWN, random_state=0, missing=True)
    assert is_near((drawn["gain"] == 0).mean(), (table["gain"] == 0).mean())
    assert is_near(drawn["self_emp"].mean(), table["self_emp"].mean())
    assert is_near(drawn["years"].isna().mean(), table["years"].isna().mean())
    for q in (0.1, 0.5, 0.9):
        assert drawn["income"].quantile(q) == pytest.approx(
            table["income"].quantile(q), rel=0.12
        )
    assert (drawn["income"] == drawn["income"].round(2)).all()
    assert not drawn["size"].between(-3, 3).any()
    # another fit knows nothing of them
    other = vae.fit(table.assign(gain=1.0)).sample(100, random_state=0)
    assert set(other["gain"]) == {1.0}


def test_codes_of_an_array_and_empty_columns(rng):
    X = np.column_stack([rng.normal(size=200), rng.integers(3, size=200), np.full(200, 4)])
    X[::5, 0] = np.nan
    vae = VariationalAutoencoder(1, likelihood=Mixed({1: 4}), **QUICK).fit(X)
    drawn = vae.sample(500, random_state=0, missing=True)
    assert set(drawn[:, 1]) == {0, 1, 2}
    assert set(drawn[:, 2]) == {4}
    assert is_near(np.isnan(drawn[:, 0]).mean(), 0.2, 500)
    frame = pd.DataFrame({"a": X[:, 1], "none": [None] * 200})
    vae = VariationalAutoencoder(1, likelihood="mixed", **QUICK).fit(frame)
    assert vae.sample(20, random_state=0)["none"].isna().all()


CELLS = {
    "counts": st.integers(0, 3).map(float),
    "wide": st.sampled_from([-1.5, 0.0, 999.0]),
    "any": st.floats(-1e6, 1e6),
    "missing": st.sampled_from([1.25, 2.0, None]),
    "level": st.sampled_from(["a", "b", None]),
    "flag": st.booleans(),
}


@settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # to shrink a case takes many fits
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(st.tuples(*CELLS.values()), min_size=8, max_size=30), st.booleans())
def test_whatever_is_drawn_of_a_small_table_is_possible(rows, missing):
    frame = pd.DataFrame(rows, columns=list(CELLS))
    frame["missing"] = frame["missing"].astype(float)
    vae = VariationalAutoencoder(1, likelihood="mixed", max_iter=1, random_state=0)
    drawn = vae.fit(frame).sample(40, random_state=0, missing=missing)
    for name, column in frame.items():
        seen, got = column.dropna(), drawn[name].dropna()
        if name in ("level", "flag"):
            assert set(got) <= set(seen), name
        elif len(seen):
            assert got.between(seen.min(), seen.max()).all()
            assert name != "counts" or (got == np.rint(got)).all()
            assert not got.between(500, 998).any() or name == "any"
        if not missing or column.notna().all():
            assert len(got) == (40 if len(seen) else 0)


# Classes


CLASSES = np.where(np.arange(N) % 10 < 2, "rare", np.where(np.arange(N) % 2, "odd", "even"))
SHIFTED = NUMBERS.assign(income=NUMBERS["income"] + 1000 * (CLASSES == "rare"))


@pytest.fixture(scope="module")
def conditional():
    vae = VariationalAutoencoder(2, conditional=True, max_iter=20, random_state=0)
    return vae.fit(SHIFTED, CLASSES)


def test_classes_are_drawn_as_often_as_they_were(conditional):
    assert conditional.class_count_.tolist() == [240, 240, 120]
    drawn, y = conditional.sample(DRAWN, random_state=0, noise=True, return_y=True)
    assert is_near((y == "rare").mean(), 0.2)
    assert is_near((drawn["income"] >= 1000).mean(), 0.2)
    assert ((drawn["income"] >= 1000) == (y == "rare")).mean() > 0.9
    told = conditional.sample(DRAWN, random_state=0, noise=True, y=y)
    pd.testing.assert_frame_equal(told, drawn)
    asked = conditional.sample(500, random_state=0, noise=True, y="rare")
    assert (asked["income"] >= 1000).mean() > 0.9
    _, y = conditional.sample(4, y="odd", return_y=True)
    assert y.tolist() == ["odd"] * 4


def test_classes_are_counted_by_weight_and_along_a_stream():
    vae = VariationalAutoencoder(1, conditional=True, **QUICK)
    weight = np.where(CLASSES == "rare", 4.0, 1.0)
    vae.fit(SHIFTED, CLASSES, sample_weight=weight)
    np.testing.assert_allclose(vae.class_count_ / vae.class_count_.sum(), [0.25, 0.25, 0.5])
    assert vae.class_count_.sum() == pytest.approx(N)
    vae = clone(vae).partial_fit(SHIFTED, CLASSES)
    only = CLASSES == "odd"
    vae.partial_fit(SHIFTED[only], CLASSES[only])
    assert vae.class_count_.tolist() == [240, 480, 120]


def test_a_sampler_passes_classes_on():
    vae = VariationalAutoencoder(2, conditional=True, max_iter=20, random_state=0)
    sampler = LatentSampler(vae, random_state=0).fit(SHIFTED, CLASSES)
    codes = sampler.autoencoder_.transform(SHIFTED, y=CLASSES)
    np.testing.assert_allclose(
        sampler.density_.means_.T @ sampler.density_.weights_, codes.mean(0), atol=1e-4
    )
    drawn, y = sampler.sample(DRAWN, random_state=0, noise=True, return_y=True)
    assert is_near((y == "rare").mean(), 0.2)
    assert ((drawn["income"] >= 1000) == (y == "rare")).mean() > 0.9
    assert (sampler.sample(500, 0, noise=True, y="rare")["income"] >= 1000).mean() > 0.9
    with pytest.raises(ValueError, match="conditional=True needs y"):
        LatentSampler(vae).fit(SHIFTED)
    plain = LatentSampler(Autoencoder(1, **QUICK)).fit(SHIFTED)
    with pytest.raises(ValueError, match="y is for conditional=True"):
        plain.sample(2, y="rare")
    with pytest.raises(ValueError, match="return_y=True is for"):
        plain.sample(2, return_y=True)


@pytest.mark.parametrize("wrong", [1, np.nan, None, True])
def test_a_class_of_another_type_is_named_beside_the_known_ones(wrong):
    y = CLASSES.astype(object)
    vae = VariationalAutoencoder(1, conditional=True, **QUICK).fit(SHIFTED, y)
    known = r"Known are \['even', 'odd', 'rare'\]"
    with pytest.raises(ValueError, match=known):
        vae.sample(2, y=["odd", wrong])
    with pytest.raises(ValueError, match=r"has not seen: 'new'\. " + known):
        vae.sample(2, y=["odd", "new"])
    if wrong is not None:
        with pytest.raises(ValueError, match=known):
            vae.sample(2, y=wrong)


@pytest.mark.parametrize("gone", [None, np.nan, pd.NA])
def test_rows_without_a_class_are_told_of(gone):
    y = CLASSES.astype(object)
    y[[3, 8]] = gone
    with pytest.raises(ValueError, match=r"y: .* 2 have none, the first being row 3"):
        VariationalAutoencoder(1, conditional=True).fit(SHIFTED, y)


def test_clusters_are_drawn_and_returned():
    aae = AdversarialAutoencoder(2, n_clusters=3, cluster_init="kmeans", **QUICK)
    aae.fit(TABLE[["income", "size", "gain"]][:200])
    drawn, cluster = aae.sample(DRAWN, random_state=0, noise=True, return_cluster=True)
    share = np.bincount(cluster, minlength=3) / DRAWN
    wanted = aae.cluster_count_ / aae.cluster_count_.sum()
    np.testing.assert_allclose(wanted, np.bincount(aae.labels_, minlength=3) / 200)
    assert all(is_near(*pair) for pair in zip(share, wanted, strict=True))
    told = aae.sample(DRAWN, random_state=0, cluster=cluster, noise=True)
    pd.testing.assert_frame_equal(drawn, told)
    assert drawn["income"].min() >= TABLE["income"].min()
    with pytest.raises(ValueError, match="return_cluster=True is for n_clusters"):
        AdversarialAutoencoder(1, **QUICK).fit(SHIFTED).sample(2, return_cluster=True)


def test_what_others_cannot_do_is_said():
    sampler = LatentSampler(PCA(2), random_state=0).fit(SHIFTED)
    assert list(sampler.sample(3).columns) == list(SHIFTED.columns)
    for asked in ({"noise": True}, {"y": "odd"}, {"return_y": True}, {"missing": True}):
        with pytest.raises(ValueError, match="are for autoencoders of skae"):
            sampler.sample(2, **asked)


def test_frames_of_every_dtype_keep_it_with_gaps():
    vae = VariationalAutoencoder(2, likelihood="mixed", **QUICK).fit(FRAME)
    drawn = vae.sample(400, random_state=0, missing=True)
    assert (drawn.dtypes == FRAME.dtypes).all()
    assert (drawn.isna().any() == FRAME.isna().any()).all()
    assert "never" not in set(drawn["category"])
    polars = VariationalAutoencoder(2, likelihood="mixed", **QUICK)
    table = pl.from_pandas(FRAME)
    drawn = polars.fit(table).sample(400, random_state=0, missing=True)
    assert drawn.schema == table.schema
    assert drawn["string"].null_count() > 0


@pytest.mark.parametrize("conditional", [False, True])
def test_what_cannot_be_is_said_before_anything_is_drawn(conditional):
    vae = VariationalAutoencoder(1, conditional=conditional, **QUICK)
    vae.fit(SHIFTED, np.arange(len(SHIFTED)) % 2)
    sampler = LatentSampler(FrozenEstimator(vae), random_state=0)
    sampler.fit(SHIFTED, np.arange(len(SHIFTED)) % 2)
    asked = [{"noise": None}, {"missing": "no"}, {"y": [0, 1]}, {"y": 7}]
    for model in (vae, sampler):
        for wrong in asked if conditional else [*asked, {"return_y": True}]:
            state = np.random.RandomState(0)
            with pytest.raises(ValueError, match=next(iter(wrong))):
                model.sample(3, state, **wrong)
            assert state.randint(1000) == np.random.RandomState(0).randint(1000)


def test_gaps_that_came_later_in_a_stream_are_drawn_of_whole_numbers_and_flags(rng):
    first = pd.DataFrame({"n": rng.integers(9, size=200), "is": rng.random(200) < 0.3})
    then = first.astype(object).where(rng.random((200, 2)) < 0.5, None)
    then["n"] = then["n"].astype(float)
    vae = VariationalAutoencoder(1, likelihood="mixed", **QUICK)
    drawn = vae.partial_fit(first).partial_fit(then).sample(2000, 0, missing=True)
    assert drawn["n"].isna().mean() == pytest.approx(0.25, abs=0.05)
    assert set(drawn["n"].dropna()) == set(range(9))
    assert drawn["is"].isna().mean() == pytest.approx(0.25, abs=0.05)
    assert set(drawn["is"].dropna()) == {True, False}
    whole = vae.sample(100, 0)
    assert (whole.dtypes == first.dtypes).all()


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_counts_are_drawn_as_their_dtype_holds_them(container, rng):
    counts = pd.DataFrame({"few": rng.poisson(3, 200), "many": rng.poisson(120, 200)})
    counts = counts.clip(upper=127).astype("int8")
    frame = counts if container is pd.DataFrame else pl.from_pandas(counts)
    vae = VariationalAutoencoder(1, likelihood="poisson", **QUICK).fit(frame)
    drawn = vae.sample(DRAWN, random_state=0)
    assert list(drawn.dtypes) == list(frame.dtypes)
    assert drawn["many"].max() == 127
    assert drawn["few"].mean() == pytest.approx(counts["few"].mean(), abs=0.4)


def test_a_warm_start_draws_as_the_latest_rows_are(rng):
    X = np.column_stack([rng.normal(size=200), rng.poisson(2, size=200)])
    vae = VariationalAutoencoder(1, likelihood="mixed", warm_start=True, **QUICK)
    drawn = vae.fit(X).fit(X + np.array([4, 0])).sample(500, random_state=0)
    assert drawn[:, 0].min() >= X[:, 0].min() + 4


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_draws_within_a_link_are_whole_where_the_dtype_is(container, rng):
    table = pd.DataFrame({"n": rng.poisson(12, 300), "is": rng.random(300) < 0.3})
    frame = table if container is pd.DataFrame else pl.from_pandas(table)
    vae = VariationalAutoencoder(1, likelihood=Gaussian(link="sigmoid"), **QUICK)
    drawn = vae.fit(frame).sample(DRAWN, random_state=0, noise=True)
    assert list(drawn.dtypes) == list(frame.dtypes)
    assert drawn["n"].mean() == pytest.approx(table["n"].mean(), abs=1)
    assert drawn["is"].mean() == pytest.approx(0.3, abs=0.1)
