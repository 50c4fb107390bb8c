"""Tables of numbers and categories, with missing cells, in every autoencoder."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    LatentSampler,
    VariationalAutoencoder,
)
from skae._autoencoders.together import fit_together
from skae.corruption import Gaussian, Masking, RegionMasking, SaltAndPepper, SwapNoise
from skae.likelihoods import Mixed
from skae.likelihoods import Mixed as Original
from skae.networks import ConvolutionalNetwork, DenseNetwork
from tests.mixed import FRAME, POLARS, QUICK, codes_array, detector, module_and_rows, table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = [Autoencoder, DenoisingAutoencoder, VariationalAutoencoder]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
CATEGORIES = ["bool", "boolean", "category", "string", "object"]


@pytest.fixture(scope="module")
def fitted():
    return Autoencoder(3, likelihood="mixed", max_iter=15, random_state=0).fit(FRAME)


def same_types(frame, other):
    if isinstance(other, pl.DataFrame):
        assert frame.schema == other.schema
    else:
        pd.testing.assert_series_equal(frame.dtypes, other.dtypes)
        assert list(frame.columns) == list(other.columns)


def test_it_is_public_and_named():
    assert Mixed is Original
    params = {"max_iter": 2, "random_state": 0}
    by_name = Autoencoder(2, likelihood="mixed", **params).fit(FRAME)
    by_object = Autoencoder(2, likelihood=Mixed(), **params).fit(FRAME)
    np.testing.assert_array_equal(by_name.transform(FRAME), by_object.transform(FRAME))


@each_kind
@pytest.mark.parametrize("X", [FRAME, POLARS], ids=["pandas", "polars"])
def test_frames_come_back_with_their_names_and_types(kind, X):
    autoencoder = kind(3, **QUICK).fit(X)
    codes = autoencoder.transform(X)
    assert codes.shape == (300, 3)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()
    rows = autoencoder.reconstruct(X)
    same_types(rows, X)
    assert not np.asarray(rows.isna() if hasattr(X, "iloc") else rows.null_count()).any()
    same_types(autoencoder.inverse_transform(codes), X)
    scores = autoencoder.score_samples(X)
    assert scores.dtype == np.float64
    assert autoencoder.score(X) == pytest.approx(scores.mean())
    assert autoencoder.compression_ratio_ == 9 / 3
    assert list(autoencoder.feature_names_in_) == list(X.columns)
    way = autoencoder.interpolate(X[:2], X[2:4], n_steps=3)
    same_types(way, X)
    assert len(way) == 6


def test_values_are_in_their_domain(fitted):
    codes = 1000 * np.random.default_rng(0).normal(size=(200, 3))
    rows = fitted.inverse_transform(codes)
    same_types(rows, FRAME)
    for name in CATEGORIES:
        assert set(rows[name]) <= set(FRAME[name].dropna())
    assert rows["int"].abs().max() > 1000
    rows = fitted.inverse_transform(1e8 * codes)
    assert set(rows["int"].abs()) & {2**15 - 1, 2**15}


def test_the_index_is_kept(fitted):
    part = FRAME.iloc[[7, 2]].set_index(pd.Index(["a", "b"]))
    assert list(fitted.reconstruct(part).index) == ["a", "b"]


@pytest.mark.parametrize("name", FRAME.columns)
def test_every_column_changes_the_code(fitted, name):
    row = FRAME.dropna().iloc[[0]]
    other = row.copy()
    others = FRAME[name].dropna()
    changed = others[others != row[name].iloc[0]].iloc[0]
    other[name] = pd.Series([changed], index=row.index, dtype=FRAME[name].dtype)
    assert (fitted.transform(row) != fitted.transform(other)).any()
    assert fitted.score(row) != fitted.score(other)


@pytest.mark.slow
def test_defaults_reconstruct_better_than_mean_and_mode():
    train, test = table(600), table(300, seed=1)
    autoencoder = Autoencoder(4, likelihood="mixed", random_state=0).fit(train)
    rows = autoencoder.reconstruct(test)
    for name in CATEGORIES:
        seen = test[name].notna()
        share = (rows[name] == test[name])[seen].mean()
        assert share > 0.9 > train[name].value_counts(normalize=True).max(), name
    for name in set(FRAME) - set(CATEGORIES):
        seen = test[name].notna()
        residual = (rows[name] - test[name])[seen].astype(float)
        assert residual.std() < 0.3 * test[name].astype(float).std(), name


def test_a_missing_cell_is_guessed_from_the_others():
    train, test = table(600), table(300, seed=1).dropna()
    autoencoder = Autoencoder(
        3, likelihood="mixed", corruption="masking", max_iter=60, random_state=0
    ).fit(train)
    holed = test.copy()
    holed["category"] = None
    holed["float"] = np.nan
    rows = autoencoder.reconstruct(holed)
    assert (rows["category"] == test["category"]).mean() > 0.75
    assert np.corrcoef(rows["float"], test["float"])[0, 1] > 0.9


@each_kind
def test_what_stands_in_place_of_a_missing_cell_plays_no_part(kind):
    X, gone = FRAME.copy(), FRAME["string"].isna()
    codes = []
    for mark in (None, np.nan, pd.NA):
        X["string"] = FRAME["string"].astype(object).mask(gone, mark)
        codes.append(kind(2, **QUICK).fit(X).transform(X))
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[0], codes[2])


def test_the_noise_is_measured_over_seen_cells(fitted):
    X = np.random.default_rng(0).normal(size=(300, 3)) * [1, 10, 100]
    X[np.random.default_rng(1).random(X.shape) < 0.4] = np.nan
    autoencoder = Autoencoder(1, likelihood="mixed", max_iter=5, random_state=0).fit(X)
    residual = np.nanmean((autoencoder.reconstruct(X) - X) ** 2, axis=0)
    likelihood = autoencoder.net_.module_.likelihood
    np.testing.assert_allclose(
        likelihood.noise_variance * likelihood.scale**2, residual, rtol=1e-4
    )


def by_hand(autoencoder, X, row):
    """The log-density of one row of FRAME, column by column, by scipy."""
    module = autoencoder.net_.module_
    likelihood, codes = module.likelihood, autoencoder._check_rows(X)[row]
    x = torch.from_numpy(likelihood.standardize(codes[None]))
    with torch.inference_mode():
        params = module.eval().params(x)[0].double().numpy()
    out = []
    for j, code in enumerate(codes):
        own = params[likelihood.of_column(j)]
        if np.isnan(code):
            continue
        if likelihood.n_levels[j]:
            out.append(own[int(code)] - np.log(np.exp(own).sum()))
        else:
            scale = likelihood.scale[j]
            sd = scale * likelihood.noise_variance[j] ** 0.5
            out.append(stats.norm(likelihood.location[j] + scale * own[0], sd).logpdf(code))
    return sum(out)


@pytest.mark.parametrize("row", [0, int(FRAME.isna().any(axis=1).argmax())])
def test_scores_are_log_densities_in_the_units_of_the_data(fitted, row):
    scores = fitted.score_samples(FRAME)
    assert scores[row] == pytest.approx(by_hand(fitted, FRAME, row), abs=1e-4)


def test_an_empty_row_scores_zero(fitted):
    empty = FRAME.iloc[:2].astype(object)
    empty[:] = None
    empty = empty.astype({c: float for c in ("float", "float32", "int", "Int64")})
    np.testing.assert_array_equal(fitted.score_samples(empty), [0, 0])


def test_an_unseen_category_is_as_a_missing_one(fitted):
    strange, missing = FRAME.iloc[:3].copy(), FRAME.iloc[:3].copy()
    strange["object"] = "something else"
    missing["object"] = None
    np.testing.assert_array_equal(fitted.transform(strange), fitted.transform(missing))
    np.testing.assert_array_equal(
        fitted.score_samples(strange), fitted.score_samples(missing)
    )


@each_kind
def test_arrays_of_codes(kind):
    X = codes_array()
    likelihood = Mixed(categories={1: 4, 2: 2})
    autoencoder = kind(2, **QUICK | {"likelihood": likelihood}).fit(X)
    rows = autoencoder.reconstruct(X)
    assert isinstance(rows, np.ndarray)
    assert set(rows[:, 1]) <= {0, 1, 2, 3}
    assert set(rows[:, 2]) <= {0, 1}
    assert np.isfinite(autoencoder.score_samples(X)).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_columns_may_be_partly_or_wholly_missing(share):
    X = FRAME.copy()
    gone = np.random.default_rng(0).random(len(X)) < share
    X.loc[gone, ["float", "string"]] = None
    autoencoder = Autoencoder(2, **QUICK).fit(X)
    rows = autoencoder.reconstruct(X)
    same_types(rows, X)
    assert rows["float"].isna().all() == (share == 1)
    assert np.isfinite(autoencoder.score_samples(X)).all()


def test_auto_components_and_constant_columns():
    X = FRAME.assign(constant=7.0, always="yes")
    autoencoder = Autoencoder(**QUICK).fit(X)
    assert 1 <= autoencoder.n_components_ <= 10
    rows = autoencoder.reconstruct(X)
    assert set(rows["constant"]) == {7.0}
    assert set(rows["always"]) == {"yes"}


def test_training_starts_near_the_best_linear_autoencoder(fitted):
    start = Autoencoder(3, **QUICK | {"learning_rate": 1e-12}).fit(FRAME)
    rows = start.reconstruct(FRAME)
    for name in CATEGORIES:
        most = FRAME[name].value_counts(normalize=True).max()
        assert (rows[name] == FRAME[name])[FRAME[name].notna()].mean() > most + 0.1, name
    assert np.nanstd(rows["float"] - FRAME["float"]) < 0.5 * np.nanstd(FRAME["float"])


# A variational one


@pytest.fixture(scope="module")
def variational():
    return VariationalAutoencoder(3, likelihood="mixed", random_state=0).fit(FRAME)


@pytest.mark.parametrize("noise", [False, True])
def test_samples_are_frames_like_the_rows(variational, noise):
    drawn = variational.sample(2000, random_state=0, noise=noise)
    same_types(drawn, FRAME)
    for name in CATEGORIES:
        shares = drawn[name].value_counts(normalize=True)
        wanted = FRAME[name].value_counts(normalize=True)
        assert shares.sub(wanted, fill_value=0).abs().max() < 0.15, name
    assert drawn["float"].mean() == pytest.approx(FRAME["float"].mean(), abs=1)
    assert drawn["float"].std() == pytest.approx(FRAME["float"].std(), rel=0.15)
    agree = (drawn["bool"] == (drawn["float"] > 100)).mean()
    assert agree > 0.85
    again = variational.sample(2000, random_state=0, noise=noise)
    pd.testing.assert_frame_equal(drawn, again)


def test_bounds_and_divergences_run(variational):
    assert np.isfinite(variational.kl_divergence(FRAME)).all()
    bound, score = variational.elbo(FRAME), variational.score_samples(FRAME)
    assert score.mean() >= bound.mean()
    assert variational.encode_samples(FRAME, 2, random_state=0).shape == (300, 2, 3)
    assert variational.active_units_.sum() >= 2


def test_a_conditional_one_is_told_its_class():
    X, y = FRAME.drop(columns="bool"), FRAME["bool"].to_numpy()
    vae = VariationalAutoencoder(2, **QUICK | {"max_iter": 40}, conditional=True).fit(X, y)
    low, high = (vae.sample(300, 0, y=value)["float"].mean() for value in (False, True))
    assert low < 100 < high
    vae.score(X, y)


# What scikit-learn asks for


@pytest.mark.parametrize("likelihood", ["mixed", Mixed(), Mixed({0: 2}), "gaussian"])
def test_missing_cells_are_announced(likelihood):
    is_mixed = likelihood != "gaussian"
    inner = Autoencoder(likelihood=likelihood)
    for estimator in (inner, AutoencoderOutlierDetector(inner), LatentSampler(inner)):
        tags = estimator.__sklearn_tags__().input_tags
        assert tags.allow_nan == is_mixed
        assert tags.sparse != is_mixed


def test_pickles_and_clones(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.reconstruct(FRAME), fitted.reconstruct(FRAME))
    mixed = Autoencoder(likelihood=Mixed({1: 4}))
    assert clone(mixed).likelihood == Mixed({1: 4})
    assert "NaN" not in repr(mixed)
    codes = clone(fitted).fit(FRAME).transform(FRAME)
    np.testing.assert_array_equal(codes, fitted.transform(FRAME))


def test_a_search_over_frames():
    search = GridSearchCV(Autoencoder(**QUICK), {"n_components": [1, 3]}, cv=2)
    search.fit(FRAME)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    same_types(search.inverse_transform(search.transform(FRAME)), FRAME)


def test_output_containers_and_names(fitted):
    framed = clone(fitted).set_params(max_iter=1).set_output(transform="pandas")
    codes = framed.fit_transform(FRAME)
    assert list(codes.columns) == list(framed.get_feature_names_out())
    assert codes.index.equals(FRAME.index)
    same_types(framed.interpolate(FRAME[:2], FRAME[2:4]), FRAME)


def test_training_goes_on_with_the_columns_of_the_first_call():
    autoencoder = Autoencoder(2, **QUICK).partial_fit(FRAME[:150])
    part = FRAME[150:].copy()
    part["object"] = part["object"].replace("more", "new")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder.partial_fit(part)
    assert set(autoencoder.reconstruct(part)["object"]) <= {"more", "less"}
    warm = Autoencoder(2, **QUICK, warm_start=True).fit(FRAME)
    before = warm.transform(FRAME)
    warm.fit(FRAME[:200])
    assert (warm.transform(FRAME) != before).any()
    with pytest.raises(ValueError, match="likelihood"):
        warm.set_params(likelihood="gaussian").fit(FRAME)


@each_kind
def test_members_are_what_their_own_fit_makes_of_them(kind):
    members = [kind(2, **QUICK | {"random_state": seed}) for seed in (0, 1)]
    together = fit_together([clone(m) for m in members], FRAME, report=False)
    for member, own in zip(together, members, strict=True):
        np.testing.assert_allclose(
            member.transform(FRAME), own.fit(FRAME).transform(FRAME), atol=1e-3
        )


def test_weights_count():
    weight = np.where(FRAME["bool"], 1.0, 0.0)
    autoencoder = Autoencoder(2, **QUICK).fit(FRAME, sample_weight=weight)
    assert autoencoder.net_.module_.likelihood.location[0] > 101
    assert np.isfinite(autoencoder.score(FRAME, sample_weight=weight))


# Corruption and masks


@pytest.mark.parametrize("corruption", ["masking", "swap", [SwapNoise(0.2), Masking(0.1)]])
def test_what_categories_can_suffer(corruption):
    autoencoder = Autoencoder(2, **QUICK, corruption=corruption).fit(FRAME)
    assert np.isfinite(autoencoder.score(FRAME))


def test_masked_cells_are_missing():
    module, X, x = module_and_rows()
    autoencoder = Autoencoder(
        2, **QUICK | {"likelihood": module.likelihood}, corruption=Masking(1.0)
    )
    autoencoder.fit(X)  # nothing is seen in training: all rows have the same code
    seen = autoencoder.net_.module_.likelihood.embed(x)
    assert autoencoder.net_.module_.likelihood.n_inputs == module.n_params + 4
    torch.testing.assert_close(seen[:, -4:], torch.isnan(x).float())


@pytest.mark.parametrize(
    "corruption", ["gaussian", Gaussian(0.1), SaltAndPepper(), ["masking", Gaussian()]]
)
def test_what_categories_cannot_suffer_is_named(corruption):
    with pytest.raises(ValueError, match=r"corruption: .* categories.*'swap'"):
        Autoencoder(2, **QUICK, corruption=corruption).fit(FRAME)
    numbers = FRAME[["float", "float32", "int"]]
    Autoencoder(2, **QUICK, corruption=corruption).fit(numbers)


def test_what_a_blanked_cell_becomes_cannot_be_chosen():
    with pytest.raises(ValueError, match="fill='max'"):
        Autoencoder(2, **QUICK, corruption=Masking(fill="max")).fit(FRAME)
    with pytest.raises(ValueError, match="pictures"):
        Autoencoder(2, **QUICK, corruption=RegionMasking()).fit(FRAME)


@pytest.mark.parametrize("X", [FRAME, POLARS], ids=["pandas", "polars"])
def test_a_mask_says_what_is_filled_in(X):
    autoencoder = Autoencoder(2, **QUICK).fit(X)
    mask = np.random.default_rng(0).random(X.shape) < 0.3
    filled = autoencoder.reconstruct(X, mask=mask)
    same_types(filled, X)
    as_array = [np.asarray(frame.to_numpy(), dtype=object) for frame in (filled, X)]
    gone = np.asarray(pd.isna(as_array[1]))
    np.testing.assert_array_equal(pd.isna(as_array[0]), gone & ~mask)
    kept = ~mask & ~gone
    assert (as_array[0][kept] == as_array[1][kept]).all()
    strange = X.clone() if isinstance(X, pl.DataFrame) else X.copy()
    other = autoencoder.reconstruct(strange, mask=mask)
    assert other.equals(filled)


def test_a_mask_hides_what_is_behind_it():
    X, mask = codes_array(), np.array([True, True, False])
    autoencoder = Autoencoder(2, **QUICK | {"likelihood": Mixed({1: 4, 2: 2})}).fit(X)
    strange = X.copy()
    strange[:, 0], strange[:, 1] = np.nan, 99
    np.testing.assert_array_equal(
        autoencoder.reconstruct(X, mask=np.broadcast_to(mask, X.shape)),
        autoencoder.reconstruct(strange, mask=np.broadcast_to(mask, X.shape)),
    )


def test_clean_rows_teach_what_noisy_ones_should_become():
    X, noisy = FRAME.dropna(), FRAME.dropna().copy()
    noisy.loc[np.random.default_rng(0).random(len(X)) < 0.7, "string"] = None
    denoiser = DenoisingAutoencoder(3, likelihood="mixed", random_state=0)
    denoiser.fit(noisy, X_clean=X)
    assert (denoiser.denoise(noisy)["string"] == X["string"]).mean() > 0.9
    assert np.isfinite(denoiser.score(noisy, X_clean=X))
    with pytest.raises(ValueError, match="X_clean"):
        denoiser.fit(noisy, X_clean=X.drop(columns="float"))


# Errors


@each_kind
def test_other_likelihoods_go_on_refusing_categories(kind):
    one = kind(likelihood="gaussian", max_iter=1)
    for estimator in (one, AutoencoderOutlierDetector(one)):
        with pytest.raises(ValueError, match=r"not numbers in column.*mixed"):
            estimator.fit(FRAME)


BOTH = pytest.mark.parametrize("make", [lambda: Autoencoder(2, **QUICK), detector])


@BOTH
@pytest.mark.parametrize(
    ("X", "match"),
    [
        (FRAME.assign(span=pd.interval_range(0, len(FRAME))), r"'span'.*or drop them"),
        (POLARS.with_columns(pair=pl.struct("int", "bool")), r"'pair'.*or drop them"),
        (FRAME.assign(far=np.inf), r"column 'far' holds infinity"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), r"column 'x1' holds infinity"),
        (np.array([["a", "b"], ["c", "d"]], dtype=object), "could not convert|numeric"),
        (np.zeros((5, 4, 4)), "pictures"),
        (sp.csr_array(np.eye(5)), r"sparse.*toarray"),
        (FRAME[:1], "1 sample"),
        (pd.concat([FRAME, FRAME], axis=1), "more than once"),
    ],
    ids=["interval", "struct", "inf", "array", "strings", "picture", "csr", "row", "twice"],
)
def test_what_cannot_be_read_is_named(make, X, match):
    with pytest.raises(ValueError, match=match):
        make().fit(X)


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(likelihood="mixed", network=ConvolutionalNetwork(image_shape=(3, 3))),
        ConvolutionalAutoencoder(likelihood="mixed"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_networks_for_pictures_are_refused(estimator):
    with pytest.raises(ValueError, match="network: ConvolutionalNetwork is for pictures"):
        estimator.fit(FRAME)


def test_tied_weights_need_complete_tables():
    tied = Autoencoder(2, **QUICK, network=DenseNetwork((8,), tied_weights=True))
    same_types(tied.fit(FRAME.dropna()).reconstruct(FRAME), FRAME)
    with pytest.raises(ValueError, match="tied_weights=False"):
        tied.fit(FRAME)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_all_alike_and_lists(kind):
    X = FRAME.dropna().iloc[[0] * 20]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        rows = kind(2, **QUICK).fit(X).reconstruct(X)
        pd.testing.assert_frame_equal(rows, X, check_exact=False, rtol=1e-3)
        kind(1, **QUICK).fit([[1.0, None], [2.0, 3.0], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("likelihood", "match"),
    [
        (Mixed({0: 2}), "holds no numbers in columns"),
        (Mixed("string"), "must be a dict"),
        (Mixed, "instance"),
    ],
    ids=["names", "kind", "class"],
)
def test_a_wrong_likelihood_is_named(likelihood, match):
    with pytest.raises(ValueError, match=match):
        Autoencoder(2, likelihood=likelihood).fit(FRAME)


@pytest.mark.parametrize(
    ("categories", "match"), [({1: 2}, "column 1 holds"), ({7: 2}, "7")]
)
def test_codes_must_be_those_of_levels(categories, match):
    with pytest.raises(ValueError, match=match):
        Autoencoder(2, likelihood=Mixed(categories)).fit(codes_array())


def test_a_frame_of_codes_is_told_by_position():
    frame = pd.DataFrame({"number": FRAME["float"], "code": FRAME["bool"].astype(int)})
    autoencoder = Autoencoder(1, **QUICK | {"likelihood": Mixed({1: 2})}).fit(frame)
    rows = autoencoder.reconstruct(frame)
    same_types(rows, frame)
    assert set(rows["code"]) <= {0, 1}


def test_other_columns_than_in_fit_are_refused(fitted):
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(FRAME.drop(columns="float"))
    with pytest.raises(ValueError, match="'float' held numbers"):
        fitted.transform(FRAME.assign(float="a"))


# The detector and the sampler


def test_a_sampler_draws_frames():
    sampler = LatentSampler(Autoencoder(3, likelihood="mixed"), random_state=0).fit(FRAME)
    drawn = sampler.sample(500, random_state=0)
    same_types(drawn, FRAME)
    assert (drawn["bool"] == (drawn["float"] > 100)).mean() > 0.85
    assert list(sampler.feature_names_in_) == list(FRAME.columns)
