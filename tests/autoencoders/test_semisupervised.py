"""A variational autoencoder that is told the classes of some rows: M2."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.base import clone

from skae.likelihoods import Mixed
from skae.networks import ConvolutionalNetwork
from tests.factors import DIGITS, RNG, SMALL, TRAIN, make, quick

NAMES = np.array(["a", "b", "c"])
PLACES = RNG.integers(3, size=300)
ROWS = TRAIN[:300] + 8 * PLACES[:, None] * np.array([1, -1] * 6)
KNOWN = np.arange(300) % 12 == 0
Y = np.where(KNOWN, NAMES[PLACES].astype(object), -1)


@pytest.fixture(scope="module")
def vae():
    return make(2, conditional=True, network=(16,), max_iter=60).fit(ROWS, Y)


def test_rows_of_unknown_class_are_told_apart(vae):
    assert vae.classes_.tolist() == ["a", "b", "c"]
    assert (vae.predict(ROWS)[~KNOWN] == NAMES[PLACES][~KNOWN]).mean() > 0.98
    proba = vae.predict_proba(ROWS)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(vae.class_count_, np.bincount(PLACES), atol=6)
    drawn, y = vae.sample(400, random_state=0, return_y=True)
    for place, name in enumerate(NAMES):
        expected = ROWS[place == PLACES].mean(0)
        np.testing.assert_allclose(drawn[y == name].mean(0), expected, atol=4)


def test_the_bound_sums_over_classes(vae):
    """Against a loop over classes, each by the loss of a model that is told them all."""
    ae = vae.net_.module_.eval()
    code, n, c = ae.code, 40, 3
    x = torch.from_numpy(ae.likelihood.standardize(ROWS[:n]))
    noise = torch.randn(1, n, 2, generator=torch.Generator().manual_seed(0))
    told = torch.eye(c)[PLACES[:n]] * torch.from_numpy(KNOWN[:n, None]).float()
    with torch.no_grad():
        each = []
        for place in range(c):
            hot = torch.eye(c)[[place] * n]
            terms = super(type(code), code).loss(ae, x, x, noise, 1.0, hot)
            each.append(terms.nll + terms.reg + np.log(c))
        bound = -torch.stack(each, 1)  # log p(x, y), or less
        log_q = code.class_logits(ae, x).log_softmax(1)
        terms = code.loss(ae, x, x, noise, 1.0, told)
    # E_q log p(x, y) / q = log sum_y p(x, y) - KL(q, p(y | x))
    gap = (log_q.exp() * (log_q - bound.log_softmax(1))).sum(1)
    free = -(bound.logsumexp(1) - gap)
    given = -bound[range(n), PLACES[:n]] - ae.alpha * log_q[range(n), PLACES[:n]]
    expected = torch.where(torch.from_numpy(KNOWN[:n]), given, free)
    torch.testing.assert_close(terms.nll + terms.reg, expected, rtol=1e-4, atol=1e-3)
    assert 250 < float(ae.alpha) / 12 * 25 * 1.0 < 350  # columns times rows for a label
    early = code.loss(ae, x, x, noise, 0.0, told)  # classes do not yet heed free rows
    (free_only,) = torch.autograd.grad(
        (early.nll + early.reg)[told.sum(1) == 0].sum(), ae.classifier.layers[-1].bias
    )
    assert not free_only.any()


def test_what_is_not_told_is_guessed(vae):
    rows, y = ROWS[:30], NAMES[PLACES[:30]]
    codes = vae.transform(rows)
    np.testing.assert_array_equal(vae.transform(rows, y=np.full(30, -1)), codes)
    told = vae.transform(rows, y=y)
    half = np.where(np.arange(30) % 2, y.astype(object), -1)
    some = vae.transform(rows, y=half)
    np.testing.assert_array_equal(some[::2], codes[::2])
    np.testing.assert_array_equal(some[1::2], told[1::2])
    np.testing.assert_allclose(codes, told, atol=0.2)  # as it is sure
    assert np.abs(vae.reconstruct(rows) - vae.reconstruct(rows, y=y)).max() < 1
    assert vae.kl_divergence(rows).shape == (30, 2)
    for score in (vae.score_samples, vae.elbo):
        each = np.stack([score(rows, y=name) for name in NAMES], 1)
        np.testing.assert_allclose(score(rows), logsumexp(each, axis=1) - np.log(3))
        np.testing.assert_allclose(score(rows, y=half)[1::2], score(rows, y=y)[1::2])
        np.testing.assert_allclose(score(rows, y=half)[::2], score(rows)[::2])
    with pytest.raises(ValueError, match="conditional=True needs y"):
        vae.inverse_transform(codes)
    encoder, x = vae.encoder_, torch.from_numpy(rows)
    np.testing.assert_array_equal(encoder(x).detach(), codes)
    place = torch.from_numpy(PLACES[:30])
    np.testing.assert_array_equal(encoder(x, place).detach(), told)
    back = vae.decoder_(torch.from_numpy(told), place).detach()
    np.testing.assert_array_equal(back, vae.inverse_transform(told, y))
    assert not [n for n, _ in vae.decoder_.named_parameters() if "classifier" in n]
    loaded = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(loaded.predict_proba(rows), vae.predict_proba(rows))


@quick
def test_training_goes_on():
    vae = make(2, conditional=True, network=(8,), warm_start=True).fit(ROWS, Y)
    count = vae.class_count_
    assert count.sum() == pytest.approx(300)
    vae.fit(ROWS, Y)
    vae.partial_fit(ROWS[:100] * 1.5, Y[:100])
    vae.partial_fit(ROWS[:100])  # all unknown
    assert vae.class_count_.sum() == pytest.approx(500, rel=0.01)
    before = make(2, conditional=True, network=(8,)).fit(ROWS, Y)
    proba = before.predict_proba(ROWS)
    before.net_.retune(lr=1e-30, further_lr=1e-30, alpha=0, l1_ratio=0, patience=1, tol=0,
                       verbose=0)  # fmt: skip
    before.set_params(learning_rate=1e-30).partial_fit(ROWS * 2, Y)  # in other units
    np.testing.assert_allclose(before.predict_proba(ROWS), proba, atol=0.02)


@quick
def test_other_networks_and_likelihoods():
    y = np.where(np.arange(80) % 3, -1, np.arange(80) % 2)
    for params, X in [
        ({"network": ConvolutionalNetwork(filters=(2,)), "max_iter": 1}, DIGITS[:80]),
        ({"network": "auto", "corruption": "masking"}, SMALL[:80]),
        ({"likelihood": Mixed()}, np.where(SMALL[:80] > 9, np.nan, SMALL[:80])),
    ]:
        vae = make(2, conditional=True, **params).fit(X, y)
        assert np.isfinite(vae.score_samples(X, n_samples=2)).all()
        again = clone(vae).fit(X, y, sample_weight=np.full(80, 2.0))
        np.testing.assert_array_equal(again.predict_proba(X), vae.predict_proba(X))


@quick
@pytest.mark.parametrize(
    ("marked", "classes"),
    [
        ([-1, 0, 1], [0, 1]),
        ([-1.0, 0.0, 1.0], [0, 1]),
        ([-1, 3, 7], [3, 7]),
        ([-1, 1], [-1, 1]),
        ([-1.0, 1.0], [-1, 1]),
        (["-1", "1"], ["-1", "1"]),
        ([-2, -1, 0], [-2, -1, 0]),
        ([0, 1, 2], [0, 1, 2]),
    ],
    ids=str,
)
def test_minus_one_is_unknown_where_it_can_be(marked, classes):
    y = np.array(marked)[np.arange(60) % len(marked)]
    vae = make(2, conditional=True, max_iter=1).fit(SMALL[:60], y)
    assert vae.classes_.tolist() == classes
    assert hasattr(vae, "predict") == hasattr(vae, "predict_proba")
    assert hasattr(vae, "predict") == (len(marked) > len(classes))


def test_what_predicts_classes_is_said_where_they_are_not():
    with pytest.raises(AttributeError, match="no attribute 'predict'") as error:
        _ = make(2, conditional=True, max_iter=1).fit(SMALL[:60], np.arange(60) % 3).predict
    assert "rows of unknown class, -1 in y" in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        ([-1, 0], {}, r"one class, 0, beside rows of unknown class \(-1\)"),
        ([-1, -1], {}, "only -1 for rows of unknown class.*conditional=False"),
        (["-1", "a", "b"], {}, "holds the string '-1'"),
        ([-1, 0, 1], {"objective": "tc"}, "objective='tc' is not for rows of unknown"),
        ([-1, 0, 1], {"n_importance_samples": 3}, "Use n_importance_samples=1"),
        ([-1, 0, 1], {"free_bits": 0.1}, "free_bits=0.1 is not for"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(y, params, message):
    y = np.array(y)[np.arange(60) % len(y)]
    with pytest.raises(ValueError, match=message):
        make(2, conditional=True, **params).fit(SMALL[:60], y)


@quick
def test_labels_that_do_not_count_are_told_of():
    y = np.where(np.arange(60) < 6, np.arange(60) % 2, -1)
    with pytest.raises(ValueError, match="no row of known class is learnt from"):
        make(2, conditional=True).fit(SMALL[:60], y, sample_weight=(y < 0) * 1.0)
    vae = make(2, conditional=True).fit(SMALL[:60], np.arange(60) % 2)
    with pytest.raises(ValueError, match="has not seen: -1"):
        vae.partial_fit(SMALL[:60], y)
