"""Each knob does what it says, checked against numpy, scipy and closed forms."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler

from skae._training.run import Run
from skae.networks import DenseNetwork
from tests.tables import X, forward, make, standardized

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights(estimator):
    return {k: v.numpy().copy() for k, v in estimator.net_.module_.state_dict().items()}


# Activations, links, shapes


def test_the_number_of_components_is_the_fewest_that_explain_90_percent(rng):
    z = rng.normal(size=(400, 20))
    rows = np.concatenate([z[:, :4] @ rng.normal(size=(4, 12)), 0.01 * z[:, 4:8]], axis=1)
    rows[:, 12:] *= 1e-3
    scaled = (rows - rows.mean(0)) / rows.std(0)
    ratio = np.cumsum(np.linalg.svd(scaled, compute_uv=False) ** 2)
    expected = np.searchsorted(ratio / ratio[-1], 0.9) + 1
    estimator = make("auto", early_stopping=False).fit(rows)
    assert estimator.n_components_ == expected
    assert make("auto", max_iter=1).fit(rng.normal(size=(500, 60))).n_components_ == 32


# Penalties, dropout, clipping, optimisers


def magnitude(**params):
    w = weights(make(network=(16,), max_iter=40, early_stopping=False, **params).fit(X))
    return np.concatenate([v.ravel() for k, v in w.items() if k.endswith("weight")])


def test_alpha_shrinks_weights_and_l1_makes_them_nearly_zero():
    none, l2, l1 = (
        np.abs(magnitude(alpha=a, l1_ratio=r)) for a, r in ((0, 0), (0.01, 0), (0.01, 1))
    )
    assert (l2**2).sum() < 0.7 * (none**2).sum()
    assert l1.sum() < 0.7 * none.sum()
    assert (l1 < 0.01).mean() > 2 * (l2 < 0.01).mean()


def test_dropout_is_seeded_and_silent_outside_of_training():
    network = DenseNetwork((32,), dropout=0.5)
    first, second = (make(network=network).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    np.testing.assert_array_equal(first.transform(X), first.transform(X))
    codes = forward(first.net_.module_.encoder, standardized(first), "silu")
    np.testing.assert_allclose(first.transform(X), codes, rtol=1e-4, atol=1e-5)
    assert first.loss_curve_ != make(network=DenseNetwork((32,))).fit(X).loss_curve_


def steps(monkeypatch, **net_params):
    """Lengths of the optimiser's steps, plain gradient descent at rate 0.1."""
    lengths, step = [], Run.train_step

    def measured(self, batch, **kwargs):
        before = torch.cat([p.detach().reshape(-1) for p in self.module.parameters()])
        out = step(self, batch, **kwargs)
        after = torch.cat([p.detach().reshape(-1) for p in self.module.parameters()])
        lengths.append(float((after - before).norm()))
        return out

    net_params = {"optimizer": torch.optim.SGD, "schedule": "constant", **net_params}
    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_step", measured)
        make(network=(8,), learning_rate=0.1, net_params=net_params).fit(X)
    return np.array(lengths)


def test_clipping_bounds_the_length_of_a_step(monkeypatch):
    assert steps(monkeypatch, gradient_clip_value=None).max() > 2e-3
    clipped = steps(monkeypatch, gradient_clip_value=0.01)
    assert clipped.max() == pytest.approx(1e-3, rel=1e-2)
    by_skorch = steps(
        monkeypatch, gradient_clip_value=None, callbacks=[GradientNormClipping(0.01)]
    )
    np.testing.assert_allclose(by_skorch, clipped, rtol=1e-3)


@pytest.mark.parametrize(
    ("net_params", "rate"),
    [
        ({"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}, 0.3),
        ({"optimizer": torch.optim.RMSprop}, 1e-3),
        ({"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1}, 5e-3),
        pytest.param(
            *({"optimizer": torch.optim.LBFGS, "gradient_clip_value": None}, 0.05),
            marks=pytest.mark.slow,
        ),
        ({"optimizer__betas": (0.5, 0.9)}, 5e-3),
        ({"optimizer__fused": False}, 5e-3),
    ],
)
def test_every_optimiser_lowers_the_loss(net_params, rate):
    params = {"network": (8,), "max_iter": 15, "early_stopping": False}
    estimator = make(net_params=net_params, learning_rate=rate, **params).fit(X)
    assert estimator.loss_curve_[-1] < 0.9 * estimator.loss_curve_[0]
    if "optimizer" in net_params:
        assert type(estimator.net_.optimizer_) is net_params["optimizer"]


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_parameter_groups_have_their_own_rate(optimizer):
    groups = [("encoder*", {"lr": 0.0})]
    net_params = {"optimizer": optimizer, "optimizer__param_groups": groups}
    estimators = [
        make(network=(8,), max_iter=n, early_stopping=False, net_params=net_params).fit(X)
        for n in (1, 4)
    ]
    one, four = map(weights, estimators)
    for name in (n for n in one if not n.startswith("likelihood")):
        same = np.array_equal(one[name], four[name])
        assert same == name.startswith("encoder"), name


def test_the_flat_adam_is_torch_adam():
    flat, plain = (
        make(net_params={"optimizer": optimizer}).fit(X).loss_curve_
        for optimizer in (torch.optim.Adam, type("Adam", (torch.optim.Adam,), {}))
    )
    np.testing.assert_allclose(flat, plain, rtol=1e-4)


# Schedules, callbacks, stopping


def rates(**params):
    params = {"max_iter": 20, "early_stopping": False, **params}
    return np.array(make(learning_rate=0.01, **params).fit(X).history_[:, "lr"])


def test_the_schedule_rises_stays_and_falls_or_is_constant():
    trapezoid = rates()
    assert trapezoid[5] == trapezoid[10] == pytest.approx(0.01)
    assert (np.diff(trapezoid[14:]) < 0).all()
    assert trapezoid[-1] < 0.003
    assert (rates(net_params={"schedule": "constant"}) == 0.01).all()


def test_a_learning_rate_scheduler_of_skorch_is_obeyed():
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.5)
    net_params = {"callbacks": [scheduler]}  # and the trapezoid makes way
    np.testing.assert_allclose(
        rates(net_params=net_params, max_iter=5), 0.01 * 0.5 ** np.arange(5)
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_skorch_stops_early_without_a_warning():
    callbacks = [EarlyStopping(patience=2, threshold=10.0, sink=lambda *_: None)]
    estimator = make(max_iter=50, net_params={"callbacks": callbacks}).fit(X)
    assert estimator.n_iter_ == 3


def test_a_callback_of_skorch_sees_every_batch_and_epoch():
    class Count(Callback):
        def initialize(self):
            self.batches = self.epochs = 0
            return self

        def on_batch_end(self, net, training, loss, **kwargs):
            assert torch.isfinite(loss)
            self.batches += training

        def on_epoch_end(self, net, **kwargs):
            self.epochs += 1

    count = Count()
    make(early_stopping=False, net_params={"callbacks": [count]}).fit(X)
    assert count.epochs == 5
    assert count.batches == 5 * 4


def test_net_params_is_not_changed():
    net_params = {"optimizer": torch.optim.SGD, "callbacks": []}
    make(net_params=net_params).fit(X)
    assert net_params == {"optimizer": torch.optim.SGD, "callbacks": []}


@pytest.mark.parametrize("max_iter", [1, 2, 7])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_max_iter_is_the_length_of_the_curves(max_iter, early_stopping):
    estimator = make(max_iter=max_iter, early_stopping=early_stopping).fit(X)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == max_iter
    if early_stopping:
        assert len(estimator.validation_loss_curve_) == max_iter


def test_batch_size_decides_the_number_of_steps(monkeypatch):
    for batch_size, n in ((10, 12), (50, 3), (10_000, 1)):
        lengths = []
        step = Run.train_step

        def count(self, batch, _n=lengths, _step=step, **kwargs):
            _n.append(len(batch[0]))
            return _step(self, batch, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Run, "train_step", count)
            make(max_iter=1, batch_size=batch_size, early_stopping=False).fit(X)
        assert len(lengths) == n
        assert sum(lengths) == len(X)


def test_a_smaller_learning_rate_changes_weights_less():
    start = weights(make(max_iter=1, learning_rate=1e-12, early_stopping=False).fit(X))
    moved = []
    for rate in (1e-4, 1e-2):
        w = weights(make(max_iter=1, learning_rate=rate, early_stopping=False).fit(X))
        moved.append(sum(np.abs(w[k] - start[k]).sum() for k in w))
    assert 0 < moved[0] < 0.1 * moved[1]


def test_without_early_stopping_all_rows_train_and_nothing_is_judged():
    estimator = make(early_stopping=False).fit(X)
    assert not hasattr(estimator, "validation_loss_curve_")
    assert "valid_loss" not in estimator.history_[-1]
    # the last weights stay, even if they are worse
    estimator = make(early_stopping=False, learning_rate=0.5, max_iter=3).fit(X)
    assert estimator.loss_curve_[-1] > estimator.loss_curve_[0]


def test_curves_are_those_of_the_last_fit():
    estimator = make().fit(X)
    assert hasattr(estimator, "validation_loss_curve_")
    estimator.set_params(early_stopping=False).fit(X)
    assert not hasattr(estimator, "validation_loss_curve_")


def test_curves_of_a_warm_start_belong_together():
    estimator = make(warm_start=True).fit(X).fit(X)
    assert len(estimator.loss_curve_) == len(estimator.validation_loss_curve_)


def held_out_loss(estimator, calls):
    """The validation loss of the final weights, measured again."""
    calls.clear()
    module = estimator.fit(X).net_.module_.eval()
    (x,) = {call.x.tobytes(): call.x for call in calls if not call.training}.values()
    x = torch.from_numpy(x)
    assert len(x) == 12
    with torch.no_grad():
        return float(module(x, x, None, 1.0).nll.mean()) / x.shape[1]


@pytest.mark.parametrize("learning_rate", [5e-3, 0.05, 1.0])
@pytest.mark.parametrize("network", ["auto", (16,)])
def test_the_best_weights_or_the_first_are_kept(calls, learning_rate, network):
    params = {"learning_rate": learning_rate, "network": network, "max_iter": 15}
    estimator = make(**params)
    loss = held_out_loss(estimator, calls)
    best = min(estimator.validation_loss_curve_)
    start = held_out_loss(make(**{**params, "learning_rate": 1e-12}), calls)
    if estimator.net_.kept_start_:  # which has then seen these rows
        assert 0.9 * start < loss <= start * (1 + 1e-4)
    else:
        assert loss == pytest.approx(best, rel=1e-4)
    assert estimator.net_.start_loss_ == pytest.approx(start, rel=1e-4)
    assert best < 2 * start or estimator.net_.kept_start_


def test_patience_and_tolerance_shorten_training():
    long = make(max_iter=200, n_iter_no_change=200, tol=0).fit(X)
    assert long.n_iter_ == 200
    patient, impatient = (
        make(max_iter=200, n_iter_no_change=n, tol=0.0).fit(X).n_iter_ for n in (40, 2)
    )
    assert impatient < patient <= 200
    tolerant = make(max_iter=200, n_iter_no_change=5, tol=10.0).fit(X).n_iter_
    assert tolerant <= 8


def test_a_warm_start_goes_on_from_the_weights_and_a_cold_one_does_not():
    estimator = make(warm_start=True, learning_rate=1e-12).fit(X)
    before = weights(estimator)
    after = weights(estimator.fit(X))
    assert all(np.allclose(before[k], after[k], atol=1e-6) for k in before)
    cold = make(random_state=np.random.RandomState(0), learning_rate=1e-12)
    before, after = weights(cold.fit(X)), weights(cold.fit(X))
    assert not all(np.allclose(before[k], after[k], atol=1e-6) for k in before)


def test_partial_fit_passes_once_at_a_constant_rate():
    estimator = make(learning_rate=0.01)
    for n in (1, 2, 3):
        estimator.partial_fit(X)
        assert len(estimator.loss_curve_) == n
    assert estimator.n_iter_ == 1
    assert estimator.history_[:, "lr"] == [0.01] * 3
    for _ in range(20):
        estimator.partial_fit(X)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_only_a_verbose_estimator_prints(capsys, method):
    getattr(make(), method)(X)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "")
    getattr(make(verbose=1), method)(X)
    assert "train_loss" in capsys.readouterr().out


# Weights of rows


def test_rows_of_weight_zero_may_hold_anything(rng):
    garbage = X.copy()
    weight = np.ones(len(X))
    weight[::3] = 0
    garbage[::3] = 1e6 * rng.normal(size=garbage[::3].shape)
    clean, dirty = (make().fit(rows, sample_weight=weight) for rows in (X, garbage))
    assert clean.loss_curve_ == dirty.loss_curve_
    np.testing.assert_array_equal(clean.score_samples(X), dirty.score_samples(X))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e4])
def test_weights_count_relative_to_their_mean(factor):
    constant = make(early_stopping=False).fit(X, sample_weight=np.full(len(X), factor))
    one = make(early_stopping=False).fit(X, sample_weight=np.ones(len(X)))
    np.testing.assert_allclose(constant.loss_curve_, one.loss_curve_, rtol=1e-4)


def test_heavy_rows_are_reconstructed_better(rng):
    rows = rng.normal(size=(200, 6))
    weight = np.where(np.arange(200) < 100, 100.0, 1.0)
    rows[:100, :3] *= 0.1
    rows[100:, 3:] *= 0.1
    estimator = make(3, network=(), max_iter=30, early_stopping=False)
    error = ((estimator.fit(rows, sample_weight=weight).reconstruct(rows) - rows) ** 2).sum(
        1
    )
    assert error[:100].mean() < error[100:].mean()


def test_score_is_the_weighted_mean_of_the_rows_scores(rng):
    estimator = make().fit(X)
    weight = rng.random(len(X))
    scores = estimator.score_samples(X)
    assert estimator.score(X) == pytest.approx(scores.mean())
    assert estimator.score(X, sample_weight=weight) == pytest.approx(
        weight @ scores / weight.sum()
    )


# Losses


@pytest.mark.parametrize("factor", [1e-46, 1e39])
def test_the_unit_of_weights_does_not_matter(factor):
    weight = np.random.default_rng(0).exponential(size=len(X))
    one = make().fit(X, sample_weight=weight)
    other = make().fit(X, sample_weight=weight * factor)
    np.testing.assert_allclose(other.transform(X), one.transform(X), rtol=1e-3, atol=1e-4)


def test_equal_weights_are_no_weights():
    other = make().fit(X, sample_weight=np.full(len(X), 2.0))
    np.testing.assert_array_equal(other.transform(X), make().fit(X).transform(X))


def test_frozen_weights_stay_as_they_were():
    from skorch.callbacks import Freezer

    kept = []
    for max_iter in (1, 5):
        net_params = {"callbacks": [Freezer("encoder.*")]}
        estimator = make(net_params=net_params, max_iter=max_iter, alpha=0.1).fit(X)
        kept.append(estimator.net_.module_.encoder.state_dict())
    for name, value in kept[0].items():
        torch.testing.assert_close(kept[1][name], value, rtol=0, atol=0)


def test_columns_that_begin_to_vary_are_told():
    first = X.copy()
    first[:, 1] = 3.0
    estimator = make(warm_start=True).fit(first)
    with pytest.warns(UserWarning, match=r"columns \[1\] were constant"):
        estimator.fit(X)


def test_a_network_of_the_wrong_width_is_refused_with_its_shape():
    class Narrow:
        def build(self, n_inputs, n_components, n_outputs, **kwargs):
            linear = torch.nn.Linear
            return linear(n_inputs, n_components), linear(n_components, 1)

    with pytest.raises(ValueError, match=r"network: the decoder returns shape \(2, 1\)"):
        make(network=Narrow()).fit(X)
