"""A variational autoencoder that is told each row's class."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.mixture import GaussianMixture

from skae import AdversarialAutoencoder, LatentSampler, VariationalAutoencoder
from skae.networks import ConvolutionalNetwork
from tests.factors import DIGITS, RNG, SMALL, TRAIN, make, quick


@pytest.fixture(scope="module")
def fitted():
    return make(max_iter=20).fit(SMALL)


# Conditional


CLASSES = np.array(["a", "b", "c"])[RNG.integers(3, size=600)]
SHIFTED = TRAIN[:600] + 10 * np.searchsorted(["a", "b", "c"], CLASSES)[:, None]


@pytest.fixture(scope="module")
def conditional():
    vae = make(4, conditional=True, network=(16,), max_iter=60)
    return vae.fit(SHIFTED, CLASSES)


def test_classes_are_generated_as_asked(conditional):
    assert conditional.classes_.tolist() == ["a", "b", "c"]
    for name in "abc":
        drawn = conditional.sample(500, random_state=0, y=name)
        expected = SHIFTED[name == CLASSES].mean(0)
        np.testing.assert_allclose(drawn.mean(0), expected, atol=4)  # classes: 10 apart
    mixed = conditional.sample(4, random_state=0, y=["a", "c", "a", "b"])
    codes = np.random.RandomState(0).standard_normal((4, 4))
    np.testing.assert_array_equal(
        mixed, conditional.inverse_transform(codes, ["a", "c", "a", "b"])
    )


def test_the_code_need_not_carry_the_class(conditional):
    codes = conditional.transform(SHIFTED, y=CLASSES)
    centers = np.array([codes[name == CLASSES].mean(0) for name in "abc"])
    assert np.ptp(centers, axis=0).max() < 1.5
    told = conditional.score(SHIFTED, CLASSES)
    plain = make(4, network=(16,), max_iter=60).fit(SHIFTED)
    assert told > plain.score(SHIFTED) + 0.5


def test_a_row_is_decoded_as_the_class_that_is_told(conditional):
    rows, y = SHIFTED[:70], CLASSES[:70]
    back = conditional.reconstruct(rows, y=y)
    codes = conditional.transform(rows, y=y)
    np.testing.assert_allclose(
        clone(conditional).set_params(max_iter=2).fit_transform(rows, y).shape, codes.shape
    )
    kl = conditional.kl_divergence(rows, y)
    mean, std = conditional.transform(rows, return_std=True, y=y)
    np.testing.assert_allclose(kl, 0.5 * (mean**2 + std**2 - 1) - np.log(std), atol=1e-4)
    drawn = conditional.encode_samples(rows, 3, random_state=0, y=y)
    assert drawn.shape == (70, 3, 4)
    np.testing.assert_allclose(conditional.inverse_transform(codes, y), back, rtol=1e-5)
    scores = conditional.score_samples(rows, y=y)
    wrong = np.roll(CLASSES, 1)[:70]
    differs = wrong != y
    other = conditional.score_samples(rows, y=wrong)
    assert (other[differs] < scores[differs]).mean() > 0.95
    np.testing.assert_array_equal(other[~differs], scores[~differs])
    np.testing.assert_array_equal(conditional.score_samples(rows[5:6], y=y[5]), scores[5:6])
    assert (conditional.elbo(rows, y=y) < scores + 0.5).all()
    mask = np.zeros(rows.shape, dtype=bool)
    mask[:, 3] = True
    filled = conditional.reconstruct(np.where(mask, np.nan, rows), mask, y)
    assert np.abs(filled - rows)[mask].mean() < 4
    np.testing.assert_array_equal(filled[~mask], rows[~mask])


@quick
@pytest.mark.parametrize("network", ["auto", (), ConvolutionalNetwork(filters=(3,))])
def test_conditional_pictures_in_every_network(network):
    y = load_digits().target[:80]
    vae = make(3, conditional=True, network=network).fit(DIGITS[:80], y)
    assert vae.sample(10, y=np.arange(10)).shape == (10, 8, 8)
    assert np.isfinite(vae.score(DIGITS[:80], y))
    same = clone(vae).fit(DIGITS[:80], y)
    codes = vae.transform(DIGITS[:80], y=y)
    np.testing.assert_array_equal(same.transform(DIGITS[:80], y=y), codes)
    other = vae.transform(DIGITS[:80], y=(y + 1) % 10)
    if network not in ("auto", ()):  # those start without looking at the class
        assert (other != codes).any()


@quick
def test_conditional_training_goes_on_with_the_same_classes():
    vae = make(conditional=True, warm_start=True).fit(SHIFTED, CLASSES)
    vae.fit(SHIFTED[CLASSES == "a"], CLASSES[CLASSES == "a"])
    vae.partial_fit(SHIFTED, CLASSES)
    before = vae.transform(SHIFTED, y=CLASSES)
    with pytest.raises(ValueError, match=r"y holds a class .*'d'"):
        vae.partial_fit(SHIFTED, np.where(CLASSES == "a", "d", CLASSES))
    with pytest.raises(ValueError, match="cannot change conditional"):
        vae.set_params(conditional=False).fit(SHIFTED)
    vae.set_params(conditional=True)
    np.testing.assert_array_equal(vae.transform(SHIFTED, y=CLASSES), before)
    vae.set_params(conditional=False)
    vae.set_params(warm_start=False).fit(SHIFTED)
    assert not hasattr(vae, "classes_")


def test_classes_are_asked_for_where_they_are_needed(conditional):
    for call in (
        lambda: make(conditional=True).fit(SHIFTED),
        lambda: conditional.transform(SHIFTED),
        lambda: conditional.kl_divergence(SHIFTED),
        lambda: conditional.encode_samples(SHIFTED),
        lambda: conditional.reconstruct(SHIFTED),
        lambda: conditional.score(SHIFTED),
        lambda: conditional.elbo(SHIFTED),
        lambda: conditional.inverse_transform(np.zeros((2, 4))),
        lambda: conditional.interpolate(SHIFTED[:2], SHIFTED[2:4]),
    ):
        with pytest.raises(ValueError, match="conditional=True needs y"):
            call()
    with pytest.raises(ValueError, match="one for each of n_samples=2"):
        conditional.sample(2, y=["a", "b", "c"])


@quick
@pytest.mark.parametrize("strings", [object, str])
def test_classes_of_another_type_are_named(strings):
    y = np.array(["a", "b"], dtype=strings)[np.arange(60) % 2]
    vae = make(2, conditional=True, max_iter=1).fit(SMALL[:60], y)
    sampler = LatentSampler(make(2, conditional=True, max_iter=1), random_state=0)
    aae = AdversarialAutoencoder(2, n_clusters="labels", max_iter=1, random_state=0)
    sampler.fit(SMALL[:60], y)
    aae.fit(SMALL[:60], y)
    gone = (np.nan, pd.NA, ["a", None], pd.Series(["a", None], dtype="string"))
    for wrong in (1, 1.5, True, ["a", 1], [1, 2], ["aa", "b"], *gone):
        for call in (
            lambda wrong=wrong: vae.sample(2, y=wrong),
            lambda wrong=wrong: vae.transform(SMALL[:2], y=wrong),
            lambda wrong=wrong: sampler.sample(2, y=wrong),
            lambda wrong=wrong: aae.sample(2, cluster=wrong),
        ):
            with pytest.raises(ValueError, match=r"Known are \['a', 'b'\]"):
                call()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", None], "30 have none, the first being row 1"),
        ([1.0, np.nan], "30 have none, the first being row 1"),
        (["a", 1], "must be texts, or all of them numbers"),
        ([b"a", b"b"], "must be texts, or all of them numbers"),
    ],
    ids=str,
)
def test_rows_without_a_class_and_mixed_classes_are_named(classes, message):
    y = np.array(classes, dtype=object)[np.arange(60) % 2]
    with pytest.raises(ValueError, match=message):
        make(2, conditional=True).fit(SMALL[:60], y)
    y[0] = -1
    if classes[1] == 1:
        with pytest.raises(ValueError, match=message):
            AdversarialAutoencoder(2, n_clusters="labels").fit(SMALL[:60], y)


@quick
def test_a_sampler_of_a_conditional_one_learns_codes_of_the_classes():
    y = CLASSES[:300]
    vae = make(2, conditional=True, network=(16,), max_iter=10)
    sampler = LatentSampler(vae, GaussianMixture(1, random_state=0), random_state=0)
    sampler.fit(SHIFTED[:300], y)
    codes = sampler.autoencoder_.transform(SHIFTED[:300], y=y)
    np.testing.assert_allclose(sampler.density_.means_[0], codes.mean(0), atol=1e-3)


def test_numbers_are_no_classes():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        make(conditional=True).fit(SMALL, SMALL[:, 0])


def test_classes_are_refused_where_there_are_none(fitted):
    for call in (
        lambda: fitted.sample(2, y=0),
        lambda: fitted.transform(SMALL, y=0),
        lambda: fitted.reconstruct(SMALL, y=0),
        lambda: fitted.score_samples(SMALL, y=0),
    ):
        with pytest.raises(ValueError, match="y is for conditional=True"):
            call()
    assert fitted.score(SMALL, np.zeros(len(SMALL))) == fitted.score(SMALL)


# Other objectives


def test_a_class_is_asked_for_on_the_way_between_two_rows():
    vae = VariationalAutoencoder(2, conditional=True, max_iter=3, random_state=0)
    X, y = load_wine(return_X_y=True)
    vae.fit(X, y)
    way = vae.interpolate(X[:2], X[-2:], 3, y=[1, 2])
    assert way.shape == (2, 3, X.shape[1])
    for end, rows in ((0, X[:2]), (-1, X[-2:])):
        np.testing.assert_allclose(way[:, end], vae.reconstruct(rows, y=[1, 2]), rtol=1e-5)
    np.testing.assert_array_equal(way[1], vae.interpolate(X[1:2], X[-1:], 3, y=2)[0])
    with pytest.raises(ValueError, match="conditional=True needs y"):
        vae.interpolate(X[:2], X[-2:], 3)
