"""The sparse autoencoder: what is sparse is sparse, and what is planted is found."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline

from skae import AutoencoderOutlierDetector, LatentSampler, SparseAutoencoder
from skae._codes.units import directions
from skae.likelihoods import Gaussian
from skae.networks import ConvolutionalNetwork, DenseNetwork
from tests.planted import X, planted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PENALTIES = ("topk", "batch_topk", "l1", "kl")
HELD_OUT = slice(1500, None)


def explained(autoencoder, X):
    return (
        1 - np.square(X - autoencoder.reconstruct(X)).sum() / np.square(X - X.mean(0)).sum()
    )


@pytest.fixture(scope="module")
def fitted():
    """One of each penalty, on digits."""
    return {
        penalty: SparseAutoencoder(
            96, penalty=penalty, max_iter=80 if penalty == "kl" else 30, random_state=0
        ).fit(X[:1500])
        for penalty in PENALTIES
    }  # fmt: skip


# What is sparse


def test_top_k_leaves_k_numbers_at_most_on(fitted):
    on = (fitted["topk"].transform(X) != 0).sum(1)
    assert on.max() == 5  # 5 % of 96
    assert on.mean() > 4.5


@pytest.mark.parametrize("penalty", ["topk", "batch_topk", "l1"])
def test_unused_units_are_exactly_zero_and_the_others_positive(fitted, penalty):
    codes = fitted[penalty].transform(X[HELD_OUT])
    assert (codes == 0).mean() > 0.8
    assert (codes >= 0).all()
    assert (codes > 0).any(1).mean() > 0.99


def test_batch_top_k_turns_k_units_on_on_average_but_not_in_each_row(fitted):
    on = (fitted["batch_topk"].transform(X[:1500]) != 0).sum(1)
    assert on.mean() == pytest.approx(5, rel=0.25)
    assert on.std() > 0.5


def test_the_code_of_kl_is_what_is_penalised(fitted):
    codes = fitted["kl"].transform(X[:1500])
    assert ((codes >= 0) & (codes <= 1)).all()
    assert (codes == 0).mean() < 0.01
    assert codes.mean() == pytest.approx(0.05, rel=0.2)
    loose = SparseAutoencoder(
        96, penalty="kl", beta=0, max_iter=30, random_state=0
    ).fit(X[:1500])  # fmt: skip
    assert loose.transform(X[:1500]).mean() > 1.5 * codes.mean()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sparse_codes_say_something_of_rows_not_seen(fitted, penalty):
    assert explained(fitted[penalty], X[HELD_OUT]) > 0.5


@pytest.mark.parametrize("beta", [0.3, 3])
def test_more_l1_is_sparser(fitted, beta):
    other = SparseAutoencoder(
        96, penalty="l1", beta=beta, max_iter=30, random_state=0
    ).fit(X[:1500])  # fmt: skip
    assert (other.n_active_units_ < fitted["l1"].n_active_units_) == (beta > 1)


@pytest.mark.parametrize(("k", "n_on"), [(3, 3), (0.1, 4), (0.999, 40), (40, 40), (1, 1)])
def test_number_or_share_of_active_units(k, n_on):
    autoencoder = SparseAutoencoder(40, n_nonzero_coefs=k, max_iter=2, random_state=0)
    most = (autoencoder.fit(X[:300]).transform(X) != 0).sum(1).max()
    assert most == n_on or n_on == 40 > most > 20  # some are below 0


@pytest.mark.parametrize(
    "network",
    [(), (32,), DenseNetwork((), tied_weights=True), DenseNetwork((16,), linear_path=True)],
    ids=str,
)
@pytest.mark.parametrize("penalty", ["topk", "l1"])
def test_decoder_directions_have_length_1(network, penalty):
    autoencoder = SparseAutoencoder(
        20, penalty=penalty, network=network, max_iter=3, random_state=0
    ).fit(X[:400])
    module = autoencoder.net_.module_
    square = sum(
        w.detach().movedim(dim, 0).flatten(1).square().sum(1)
        for w, dim in directions(module.decoder)
    )
    assert torch.allclose(square, torch.ones(20), atol=1e-5)


@pytest.mark.parametrize("n_components", [12, None])
def test_pictures(n_components):
    autoencoder = SparseAutoencoder(
        n_components,
        network=ConvolutionalNetwork(filters=(4, 6)),
        max_iter=2,
        n_nonzero_coefs=3,
        random_state=0,
    ).fit(load_digits().images[:300])
    assert (autoencoder.transform(X) != 0).sum(1).max() <= 3
    ((weight, dim),) = directions(autoencoder.net_.module_.decoder)
    square = weight.detach().movedim(dim, 0).flatten(1).square().sum(1)
    assert torch.allclose(square, torch.ones_like(square), atol=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", Gaussian(link="sigmoid")])
def test_other_likelihoods_take_the_encoder_of_a_network(likelihood):
    autoencoder = SparseAutoencoder(likelihood=likelihood, max_iter=20, random_state=0)
    autoencoder.fit(X[:1500] / 16)
    assert explained(autoencoder, X[HELD_OUT] / 16) > 0.4
    assert (autoencoder.transform(X / 16) != 0).sum(1).max() == 6


def test_mixed_tables():
    table = pd.DataFrame(X[:300, 20:24]).rename(columns=str)
    table["kind"] = pd.Categorical(np.where(X[:300, 20] > 8, "a", "b"))
    table.iloc[::7, 1] = np.nan
    autoencoder = SparseAutoencoder(likelihood="mixed", max_iter=3, random_state=0)
    codes = autoencoder.fit(table).transform(table)
    assert (codes != 0).sum(1).max() == 1
    assert autoencoder.reconstruct(table).dtypes.equals(table.dtypes)
    with pytest.raises(ValueError, match="likelihood='mixed'"):
        autoencoder.top_features(0)


# What is planted is found


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_an_overcomplete_dictionary_is_recovered(signed):
    X, D = planted(signed=signed)
    autoencoder = SparseAutoencoder(64, n_nonzero_coefs=2, random_state=0).fit(X)
    assert autoencoder.positive_code_ is not signed
    found = autoencoder.components_
    cosine = D @ (found / np.linalg.norm(found, axis=1, keepdims=True)).T
    best = np.abs(cosine).max(1) if signed else cosine.max(1)
    assert (best > 0.9).mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("network", ["auto", (), (64,)], ids=["pursuit", "linear", "deep"])
def test_revival(network):
    dead = {
        revive: SparseAutoencoder(
            300,
            n_nonzero_coefs=4,
            network=network,
            revive=revive,
            max_iter=25,
            random_state=0,
        ).fit(X).dead_units_.sum()
        for revive in (True, False)
    }  # fmt: skip
    assert dead[True] < 0.7 * dead[False]


# As many units are on as was asked, in rows that are new


def on_in_new_rows(**params):
    """Units on in 3,000 new rows, and `n_active_units_`: means of three fits."""
    rng, seen = np.random.default_rng(0), []
    for seed in range(3):
        D = rng.normal(size=(24, 12))
        S = rng.exponential(size=(4000, 24)) * (rng.uniform(size=(4000, 24)) < 0.12)
        rows = S @ D + 0.3 * rng.normal(size=(4000, 12))
        defaults = {"max_iter": 12, "validation_fraction": 0.4, "random_state": seed}
        defaults |= params
        autoencoder = SparseAutoencoder(40, **defaults).fit(rows[:1000])
        on = (autoencoder.transform(rows[1000:]) != 0).sum(1).mean()
        seen.append((on, autoencoder.n_active_units_))
    return np.mean(seen, axis=0)


@pytest.mark.parametrize(
    "params",
    [{"penalty": "batch_topk", "n_nonzero_coefs": 4}, {"penalty": "l1", "beta": 0.5}],
    ids=["batch_topk", "l1"],
)
def test_as_many_units_are_on_in_new_rows_as_is_said(params):
    on, said = on_in_new_rows(**params)
    assert on == pytest.approx(said, rel=0.05)
    assert said == pytest.approx(params.get("n_nonzero_coefs", said), rel=0.05)


def test_without_rows_held_out_the_threshold_is_that_of_all():
    params = {"n_nonzero_coefs": 5, "early_stopping": False, "max_iter": 10}
    w = np.where(np.arange(1500) < 1000, 1.0, 3.0)
    for weight in (None, w):
        autoencoder = SparseAutoencoder(96, penalty="batch_topk", random_state=0, **params)
        autoencoder.fit(X[:1500], sample_weight=weight)
        on = (autoencoder.transform(X[:1500]) != 0).sum(1)
        assert np.average(on, weights=weight) == pytest.approx(5, abs=0.01)
        assert autoencoder.n_active_units_ == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("target", [0.02, 0.05, 0.2])
def test_units_of_kl_that_do_what_was_asked_are_not_dead(target):
    params = {"penalty": "kl", "target_activation": target, "beta": 50.0, "max_iter": 20}
    autoencoder = SparseAutoencoder(64, random_state=0, **params).fit(X[:600])
    codes = autoencoder.transform(X[:600])
    assert codes.mean() == pytest.approx(target, rel=0.2)
    assert (codes.std(0) > 0.3 * target).all()
    assert not autoencoder.dead_units_.any()
    above = (codes > target).sum(1).mean()
    assert autoencoder.n_active_units_ == pytest.approx(above, rel=0.1)
    assert above > 5


def test_units_of_kl_that_do_not_vary_are_dead():
    rows = np.random.default_rng(0).normal(size=(400, 2))
    params = {"penalty": "kl", "beta": 1e4, "max_iter": 30, "network": (8,)}
    autoencoder = SparseAutoencoder(12, random_state=0, **params).fit(rows)
    still = autoencoder.transform(rows).std(0) < 0.05 * 0.05
    assert (autoencoder.dead_units_ == still).all()
    assert still.any()


# What is known of a fitted one


@pytest.mark.parametrize("penalty", PENALTIES)
def test_usage_is_that_of_the_training_rows(fitted, penalty):
    autoencoder = fitted[penalty]
    codes = autoencoder.transform(X[:1500])
    on = codes > 0.05 if penalty == "kl" else codes != 0
    np.testing.assert_allclose(autoencoder.activation_frequency_, on.mean(0), atol=2e-3)
    np.testing.assert_allclose(autoencoder.mean_activation_, codes.mean(0), atol=1e-3)
    held_out = (autoencoder.transform(X[HELD_OUT]) > (0.05 if penalty == "kl" else 0)).sum(
        1
    )
    assert autoencoder.n_active_units_ == pytest.approx(held_out.mean(), rel=0.15)
    assert (autoencoder.dead_units_ == ~on.any(0)).mean() > 0.98


@pytest.mark.parametrize("penalty", PENALTIES)
def test_components_are_what_codes_are_multiplied_by(fitted, penalty):
    autoencoder = fitted[penalty]
    codes = autoencoder.transform(X[:50])
    base = autoencoder.inverse_transform(np.zeros_like(codes))
    sums = base + codes @ autoencoder.components_
    np.testing.assert_allclose(sums, autoencoder.reconstruct(X[:50]), atol=1e-2)


def test_components_with_hidden_layers_are_what_a_unit_adds_alone():
    autoencoder = SparseAutoencoder(10, network=(16,), max_iter=5, random_state=0)
    autoencoder.fit(X[:400])
    unit = int(np.argmax(autoencoder.activation_frequency_))
    amount = autoencoder.mean_activation_[unit] / autoencoder.activation_frequency_[unit]
    codes = np.zeros((2, 10))
    codes[1, unit] = amount
    without, added = autoencoder.inverse_transform(codes)
    np.testing.assert_allclose(
        autoencoder.components_[unit] * amount, added - without, atol=1e-3
    )


def test_importances_choose_the_columns_that_have_structure():
    rng = np.random.default_rng(0)
    signal, _ = planted(1500, d=8, n_units=16)
    table = np.hstack([signal, rng.normal(size=(1500, 12)) * signal.std()])
    autoencoder = SparseAutoencoder(16, n_nonzero_coefs=2, max_iter=50, random_state=0)
    selector = SelectFromModel(autoencoder, max_features=8, threshold=-np.inf)
    assert selector.fit(table).get_support()[:8].sum() >= 7
    importances = selector.estimator_.feature_importances_
    assert importances.sum() == pytest.approx(1)
    assert (importances >= 0).all()


def test_constant_columns_have_no_importance():
    table = np.hstack([X[:300, 18:24], np.ones((300, 1))])
    autoencoder = SparseAutoencoder(max_iter=3, random_state=0).fit(table)
    assert autoencoder.feature_importances_[-1] == 0
    assert (autoencoder.components_[:, -1] == 0).all()


def test_top_features_and_top_samples():
    frame = pd.DataFrame(load_wine().data, columns=load_wine().feature_names)
    frame.index = [f"wine {i}" for i in range(len(frame))]
    autoencoder = SparseAutoencoder(16, max_iter=30, random_state=0).fit(frame)
    unit = int(np.argmax(autoencoder.activation_frequency_))
    weights = autoencoder.top_features(unit, n_features=4)
    scaled = autoencoder.components_[unit] / frame.std(ddof=0).to_numpy()
    order = np.argsort(-np.abs(scaled))[:4]
    assert list(weights.index) == list(frame.columns[order])
    np.testing.assert_allclose(weights, scaled[order], rtol=1e-5)
    rows = autoencoder.top_samples(unit, frame, n_samples=3)
    codes = autoencoder.transform(frame)[:, unit]
    assert rows.iloc[0] == np.abs(codes).max()
    assert list(rows.index) == list(frame.index[np.argsort(-np.abs(codes))[:3]])
    assert autoencoder.fit(frame.to_numpy()).top_features(0).index[0].startswith("x")
    with pytest.raises(ValueError, match="unit must be an integer from 0 to 15"):
        autoencoder.top_features(16)
    for bad in (-1, True, 0.5):
        with pytest.raises(ValueError, match="unit must be"):
            autoencoder.top_samples(bad, frame)


def test_a_row_is_explained_by_its_units_and_its_own_columns():
    frame = pd.DataFrame(np.eye(6)[[0, 1, 2, 3, 4, 5] * 20], columns=list("abcdef"))
    frame += np.roll(frame, 1, axis=1) * 0.5
    frame.iloc[7, 0] = 0.0
    frame.index = [f"row {i}" for i in range(120)]
    model = SparseAutoencoder(8, n_nonzero_coefs=3, max_iter=5, random_state=0).fit(frame)
    weights, some = np.linspace(-2, 1, 8), frame.iloc[[7, 3]]
    codes = model.transform(some).astype(float)
    parts = model.explain(some, weights, n_features=2)
    assert parts.columns.tolist() == ["unit", "code", "contribution", "features"]
    assert parts.index.names == ["row", "rank"]
    for row, code in zip(some.index, codes, strict=True):
        of = parts.loc[row]
        assert set(of["unit"]) == set(np.flatnonzero(code))
        np.testing.assert_array_equal(of["code"], code[of["unit"]])
        np.testing.assert_array_equal(of["contribution"], (code * weights)[of["unit"]])
        assert of["contribution"].abs().is_monotonic_decreasing
        assert of.index.tolist() == [*range(1, len(of) + 1)]
        for unit, told in zip(of["unit"], of["features"], strict=True):
            added = code[unit] * model.components_[unit] / frame.std(ddof=0).to_numpy()
            added = added[(some.loc[row] != 0).to_numpy() & (added > 0)]
            own = code[unit] * model.top_features(unit, 6, absolute=False)
            own = own[(some.loc[row] != 0)[own.index] & (own > 0)]
            order = own.sort_values(ascending=False).index
            assert told == ", ".join(order[:2])
            assert len(order) == len(added)
    with pytest.warns(UserWarning, match="feature names"):
        plain = model.explain(sp.csr_array(some.to_numpy()), n_units=1)
    assert plain.index.tolist() == [(0, 1), (1, 1)]
    assert plain["unit"].tolist() == np.abs(codes).argmax(1).tolist()
    assert "contribution" not in plain


def test_what_explain_is_told_is_checked(fitted):
    with pytest.raises(ValueError, match=r"weights must hold one number for each of the"):
        fitted["topk"].explain(X[:2], np.ones((1, 3)))
    with pytest.raises(ValueError, match="n_units must be an integer of at least 1"):
        fitted["topk"].explain(X[:2], n_units=0)


# Sparse matrices


def test_csr_out_and_in(fitted):
    dense = fitted["topk"]
    codes = dense.transform(X)
    dense.set_params(sparse_output=True)
    try:
        sparse = dense.transform(X)
        assert sp.issparse(sparse)
        assert sparse.format == "csr"
        assert sparse.dtype == np.float32
        np.testing.assert_array_equal(sparse.toarray(), codes)
        np.testing.assert_array_equal(
            dense.inverse_transform(sparse), dense.inverse_transform(codes)
        )
        np.testing.assert_array_equal(dense.interpolate(X[:2], X[2:4], 3).shape, (2, 3, 64))
        with pytest.raises(ValueError, match="sparse_output=True"):
            dense.set_output(transform="pandas").transform(X)
    finally:
        dense.set_output(transform="default").set_params(sparse_output=False)


def test_words_in_topics_out():
    topics = ["cat dog pet fur tail", "sun rain wind cloud storm", "goal match ball team"]
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    texts = [" ".join(rng.choice(topics[i].split(), 4)) for i in labels]
    pipeline = make_pipeline(
        TfidfVectorizer(),
        SparseAutoencoder(
            3,
            n_nonzero_coefs=1,
            sparse_output=True,
            likelihood=Gaussian(scale="global"),
            random_state=0,
        ),
    )
    codes = pipeline.fit_transform(texts)
    assert sp.issparse(codes)
    assert codes.getnnz(axis=1).max() == 1
    units = codes.toarray().argmax(1)
    assert all(len(np.unique(units[labels == i])) == 1 for i in range(3))
    vocabulary = pipeline[0].get_feature_names_out()
    autoencoder = pipeline[1]
    for i, words in enumerate(topics):
        unit = int(units[labels == i][0])
        top = autoencoder.top_features(unit, 3, absolute=False, input_features=vocabulary)
        assert set(top.index) <= set(words.split())


def test_other_estimators_take_sparse_codes():
    autoencoder = SparseAutoencoder(12, sparse_output=True, max_iter=3, random_state=0)
    detector = AutoencoderOutlierDetector(autoencoder, n_estimators=2, random_state=0)
    assert detector.fit(X[:200]).score_samples(X[:5]).shape == (5,)
    sampler = LatentSampler(autoencoder, random_state=0).fit(X[:200])
    assert sampler.sample(4)[0].shape == (64,)


# What a reader found


def test_mixed_tables_with_dead_units():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.choice(list("xyz"), 300), "b": rng.normal(size=300)})
    autoencoder = SparseAutoencoder(24, likelihood="mixed", max_iter=40, random_state=0)
    assert (autoencoder.fit(table).transform(table) != 0).sum(1).max() == 1


def test_weights_of_rows_change_neither_signs_nor_size():
    rng = np.random.default_rng(0)
    table, weight = rng.normal(size=(300, 6)), rng.uniform(0.5, 1.5, 300)
    autoencoder = SparseAutoencoder(max_iter=1, random_state=0)
    assert not autoencoder.fit(table).positive_code_
    assert not autoencoder.fit(table, sample_weight=weight).positive_code_
    wide = rng.normal(size=(100, 40))
    sizes = [
        autoencoder.fit(wide, sample_weight=w).n_components_ for w in (None, weight[:100])
    ]
    assert sizes == [25, 25]


@pytest.mark.slow
def test_as_many_units_as_the_rows_allow_however_wide_they_are():
    wide = sp.random_array((2400, 2500), density=1e-3, random_state=0, format="csr")
    autoencoder = SparseAutoencoder(n_nonzero_coefs=1, max_iter=1, random_state=0)
    assert autoencoder.fit(wide).n_components_ == 600


def test_a_unit_of_kl_adds_what_codes_in_range_do():
    autoencoder = SparseAutoencoder(
        12, penalty="kl", network=(16,), max_iter=20, random_state=0
    ).fit(X[:500])
    base = autoencoder.mean_activation_
    unit = int(autoencoder.activation_frequency_.argmax())
    codes = autoencoder.transform(X[:500])[:, unit]
    on = codes > 0.05
    amount = codes[on].mean() if on.any() else 1.0
    moved = base + amount * (np.arange(12) == unit)
    before, after = autoencoder.inverse_transform(np.stack([base, moved]))
    np.testing.assert_allclose(
        autoencoder.components_[unit] * amount, after - before, atol=2e-3
    )


def test_revival_does_not_change_the_recorded_loss():
    curves = [
        SparseAutoencoder(
            300, n_nonzero_coefs=2, network=(32,), revive=revive, max_iter=4, random_state=0
        ).fit(X[:1200])
        for revive in (True, False)
    ]
    assert curves[0].loss_curve_[-1] == pytest.approx(curves[1].loss_curve_[-1], rel=0.2)


def test_normalised_weights_of_a_network_of_ones_own_are_left_alone():
    class Own:
        def build(self, n_inputs, n_components, n_outputs, *, generator, start):
            torch.manual_seed(0)
            decoder = torch.nn.utils.parametrizations.weight_norm(
                torch.nn.Linear(n_components, n_outputs)
            )
            return torch.nn.Linear(n_inputs, n_components), decoder

    autoencoder = SparseAutoencoder(12, network=Own(), max_iter=2, random_state=0)
    assert (autoencoder.fit(X[:200]).transform(X) != 0).sum(1).max() == 1


# Bad parameters, and going on


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"beta": 1.0}, "beta=1.0 is for penalty='l1' or 'kl'"),
        ({"penalty": "l1", "n_nonzero_coefs": 2}, "n_nonzero_coefs=2 is for"),
        ({"penalty": "l1", "target_activation": 0.1}, "target_activation=0.1 is for"),
        ({"penalty": "kl", "positive_code": False}, "positive_code=False"),
        ({"n_components": 4, "n_nonzero_coefs": 5}, "n_nonzero_coefs=5 must be at most"),
        ({"penalty": "kl", "sparse_output": True}, "sparse_output=True is not for"),
    ],
)
def test_parameters_that_cannot_be(parameters, message):
    with pytest.raises(ValueError, match=message):
        SparseAutoencoder(**parameters).fit(X[:50])


def test_a_warm_start_goes_on_but_not_with_another_penalty():
    autoencoder = SparseAutoencoder(20, max_iter=3, warm_start=True, random_state=0)
    autoencoder.fit(X[:500])
    before = autoencoder.components_
    autoencoder.set_params(n_nonzero_coefs=3).fit(X[:500])
    assert (autoencoder.transform(X) != 0).sum(1).max() == 3
    assert len(autoencoder.loss_curve_) == 6
    assert not np.array_equal(before, autoencoder.components_)
    codes = autoencoder.transform(X)
    with pytest.raises(ValueError, match="cannot change penalty or network"):
        autoencoder.set_params(penalty="l1", n_nonzero_coefs=None).fit(X)
    np.testing.assert_array_equal(codes, autoencoder.transform(X))


def test_partial_fit_learns():
    autoencoder = SparseAutoencoder(64, random_state=0)
    errors = []
    for _ in range(6):
        for part in np.array_split(X[:1500], 5):
            autoencoder.partial_fit(part)
        errors.append(explained(autoencoder, X[HELD_OUT]))
    assert errors[-1] > errors[0] + 0.03
    assert errors[-1] > 0.65


def test_half_dead_units_are_told():
    X, _ = planted(300, k=1)
    with pytest.warns(match="Dead units: .*n_nonzero_coefs or revive=True"):
        SparseAutoencoder(
            400, n_nonzero_coefs=1, revive=False, max_iter=3, random_state=0
        ).fit(X)
