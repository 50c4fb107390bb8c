"""Ctrl-C leaves fit, with what was there before; or what was learnt is kept, if asked."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping

from skae import (
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    LatentSampler,
)
from skae._training.course import Course
from tests.common import AUTOENCODERS, ESTIMATORS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(40, 16)) @ np.diag(np.arange(1, 17.0))


class Stops(Callback):
    """Is interrupted, as by Ctrl-C: in an epoch's first batch, or at an epoch's end."""

    n = 0

    def __init__(self, hook, epoch=1):
        self.hook, self.epoch = hook, epoch

    def come(self, net, hook):
        if hook == self.hook and len(net.history) >= self.epoch:
            Stops.n += 1
            raise KeyboardInterrupt

    def on_batch_end(self, net, **kwargs):
        self.come(net, "batch")

    def on_epoch_end(self, net, **kwargs):
        self.come(net, "epoch")


def with_params(estimator, **net_params):
    """An estimator with parameters of the net, wherever these go."""
    owner = "autoencoder__" * isinstance(
        estimator, AutoencoderOutlierDetector | LatentSampler
    )
    estimator = clone(estimator)
    if owner:
        estimator.set_params(autoencoder=Autoencoder(2, max_iter=2))
    return estimator.set_params(**{f"{owner}net_params": net_params})


def fitted(estimator, rows=X):
    """The names of what was fitted, and what it says of rows."""
    verb = next(
        v for v in ("transform", "score_samples", "sample") if hasattr(estimator, v)
    )
    given = {"n_samples": 3, "random_state": 0} if verb == "sample" else {"X": rows}
    said = getattr(estimator, verb)(**given)
    return sorted(name for name in vars(estimator) if name.endswith("_")), said


def assert_unchanged(estimator, before, rows=X):
    names, said = fitted(estimator, rows)
    assert names == before[0]
    np.testing.assert_array_equal(said, before[1])


TRAINED = [e for e in ESTIMATORS if not isinstance(e, AutoencoderImputer)]
FORMS = [*TRAINED, LatentSampler(random_state=0)]


@pytest.mark.parametrize("hook", ["batch", "epoch"])
@pytest.mark.parametrize("estimator", FORMS, ids=lambda e: type(e).__name__)
def test_an_interrupt_leaves_fit_and_what_was_there_before(estimator, hook):
    stopped = with_params(estimator, callbacks=[Stops(hook)])
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X)
    assert not [name for name in vars(stopped) if name.endswith("_")]
    stopped = with_params(estimator).fit(X)
    before = fitted(stopped)
    owner = "autoencoder__" * ("autoencoder" in stopped.get_params())
    stopped.set_params(**{f"{owner}net_params": {"callbacks": [Stops(hook)]}})
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X[:30, :9] if "Conv" not in repr(stopped) else X[:30])
    assert_unchanged(stopped, before)


@pytest.mark.parametrize(
    ("estimator", "hook"),
    [*[(estimator, "batch") for estimator in AUTOENCODERS], (AUTOENCODERS[0], "epoch")],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_an_interrupt_of_what_goes_on_puts_the_net_back(estimator, hook):
    estimator = clone(estimator).set_params(warm_start=True).fit(X)
    before, losses = fitted(estimator), list(estimator.loss_curve_)
    estimator.set_params(net_params={"callbacks": [Stops(hook)]})
    for go_on in (estimator.fit, estimator.partial_fit):
        with pytest.raises(KeyboardInterrupt):
            go_on(2 * X + 1)
        assert_unchanged(estimator, before)
        assert estimator.loss_curve_ == losses
        assert len(estimator.net_.history) == len(losses)


@pytest.mark.parametrize(
    "estimator",
    [
        AutoencoderImputer(2, network=(8,), max_iter=3, random_state=0),
        AutoencoderOutlierDetector(n_estimators=2, max_iter=3, random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_interrupt_of_what_takes_no_callbacks(estimator, monkeypatch):
    rows = X[:, :4]
    before = fitted(estimator.fit(rows), rows)
    monkeypatch.setattr(
        Course, "rate", lambda self: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:30, :3])
    assert_unchanged(estimator, before, rows)


def test_an_interrupt_beside_early_stopping_is_the_users():
    """Both are a KeyboardInterrupt at an epoch's end; one has waited for long enough."""
    patient = EarlyStopping("train_loss", patience=2, threshold=2.0)  # no gain counts
    stopped = Autoencoder(2, max_iter=9, net_params={"callbacks": [patient]}).fit(X)
    assert stopped.n_iter_ == 3  # the first, and two without a gain
    for epoch in (1, 2):
        callbacks = [EarlyStopping("train_loss", patience=2), Stops("epoch", epoch)]
        with pytest.raises(KeyboardInterrupt):
            Autoencoder(2, max_iter=9, net_params={"callbacks": callbacks}).fit(X)


def test_one_interrupt_ends_a_search():
    Stops.n = 0
    estimator = Autoencoder(max_iter=3, net_params={"callbacks": [Stops("epoch", 2)]})
    search = GridSearchCV(estimator, {"n_components": [1, 2]}, cv=2, error_score=0.0)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert Stops.n == 1


@pytest.mark.parametrize(
    ("estimator", "hook"),
    [*[(estimator, "batch") for estimator in FORMS], (FORMS[0], "epoch")],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_what_was_learnt_is_kept_if_that_is_asked_for(estimator, hook):
    stops = Stops(hook, epoch=3)
    kept = with_params(estimator, callbacks=[stops], keep_on_interrupt=True)
    owner = "autoencoder__" * ("autoencoder" in kept.get_params())
    kept.set_params(**{f"{owner}max_iter": 9})
    if isinstance(kept, AutoencoderFeatureSelector):
        kept.set_params(method="greedy")
    if isinstance(kept, AutoencoderOutlierDetector):
        kept.set_params(n_estimators=1, max_iter=9)
    with pytest.warns(UserWarning, match="interrupted.*keep_on_interrupt"):
        kept.fit(X)
    inner = kept
    if owner:
        inner = (
            kept.autoencoder_ if isinstance(kept, LatentSampler) else kept.estimators_[0]
        )
    assert len(inner.loss_curve_) == (2 if hook == "batch" else 3)
    assert np.isfinite(fitted(kept)[1]).all()
    with pytest.raises(KeyboardInterrupt):  # there is nothing to keep of half an epoch
        with_params(
            estimator, callbacks=[Stops("batch")], keep_on_interrupt=True
        ).fit(X)  # fmt: skip


def test_the_best_weights_are_what_is_kept():
    keep = {"keep_on_interrupt": True, "callbacks": [Stops("batch", 30)]}
    params = {"max_iter": 100, "random_state": 0, "learning_rate": 0.05}
    with pytest.warns(UserWarning, match="interrupted"):
        kept = Autoencoder(2, net_params=keep, **params).fit(X)
    judged = kept.validation_loss_curve_
    best = int(np.argmin(judged)) + 1
    assert 1 < best < 29  # so that it is neither the start nor the last
    keep["callbacks"] = [Stops("epoch", best)]
    with pytest.warns(UserWarning, match="interrupted"):
        same = Autoencoder(2, net_params=keep, **params).fit(X)
    np.testing.assert_array_equal(kept.transform(X), same.transform(X))


def test_of_several_trainings_all_or_none_are_kept():
    member = Autoencoder(
        2, net_params={"keep_on_interrupt": True, "callbacks": [Stops("batch", 3)]}
    )
    detector = AutoencoderOutlierDetector(member, n_estimators=2, max_iter=5)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(X)
    selector = AutoencoderFeatureSelector(
        3, method="concrete", max_iter=5, net_params=member.net_params
    )
    with pytest.raises(KeyboardInterrupt):
        selector.fit(X)
