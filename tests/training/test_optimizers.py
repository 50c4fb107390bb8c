"""Optimisers and callbacks of skorch's that people use, and those that cannot be used."""

import json

import numpy as np
import pytest
import torch
from skorch import callbacks as cb
from torch import nn

from skae import (
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    LatentSampler,
    VariationalAutoencoder,
)
from skae._training.optimizers import MuonAndAdam
from skae.networks import DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2)) @ RNG.normal(size=(2, 6)) + 0.1 * RNG.normal(size=(80, 6))
X = X * [1, 2, 3, 4, 5, 6] + 7


def make(max_iter=4, **net_params):
    return Autoencoder(
        2, network=(8,), max_iter=max_iter, random_state=0, batch_size=16,
        net_params=net_params,
    )  # fmt: skip


def of_callbacks(*callbacks, early_stopping=True, **params):
    estimator = make(**params, callbacks=list(callbacks))
    return estimator.set_params(early_stopping=early_stopping).fit(X)


# Optimisers


class ScheduleFree(torch.optim.Optimizer):
    """Schedule-free SGD, as its paper has it: gradients at y, judged and kept is x."""

    def __init__(self, params, lr, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta, "k": 0, "train_mode": False})

    def _weights(self):
        for group in self.param_groups:
            for p in group["params"]:
                yield group, p, self.state[p]

    @torch.no_grad()
    def train(self):
        for group, p, state in self._weights():
            if "z" in state and not group["train_mode"]:
                state["x"] = p.clone()
                p.lerp_(state["z"], 1 - group["beta"])
        for group in self.param_groups:
            group["train_mode"] = True

    @torch.no_grad()
    def eval(self):
        for group, p, state in self._weights():
            if "z" in state and group["train_mode"]:
                p.copy_(state["x"])
        for group in self.param_groups:
            group["train_mode"] = False

    @torch.no_grad()
    def step(self, closure):
        assert self.param_groups[0]["train_mode"], "train() comes before step()"
        with torch.enable_grad():
            loss = closure()
        for group, p, state in self._weights():
            if "z" not in state:
                state["z"], state["x"] = p.clone(), p.clone()
            state["z"].sub_(p.grad, alpha=group["lr"])
            state["x"].lerp_(state["z"], 1 / (group["k"] + 1))
            p.copy_(state["x"].lerp(state["z"], 1 - group["beta"]))
        for group in self.param_groups:
            group["k"] += 1
        return loss


def test_a_schedule_free_optimiser_is_judged_and_kept_by_its_averages():
    estimator = make(30, optimizer=ScheduleFree).set_params(learning_rate=0.3, alpha=0)
    estimator.fit(X)
    net, state = estimator.net_, estimator.net_.optimizer_.state
    assert [row["lr"] for row in net.history] == [0.3] * len(net.history)  # no schedule
    assert not net.optimizer_.param_groups[0]["train_mode"]
    assert min(estimator.validation_loss_curve_) < net.start_loss_
    last = estimator.set_params(early_stopping=False).fit(X).net_
    for p in last.module_.parameters():
        torch.testing.assert_close(p.data, last.optimizer_.state[p]["x"])
    assert state is not last.optimizer_.state


def test_the_package_of_schedule_free_optimisers():
    schedulefree = pytest.importorskip("schedulefree")
    for optimizer in (schedulefree.AdamWScheduleFree, schedulefree.RAdamScheduleFree):
        estimator = make(30, optimizer=optimizer).set_params(learning_rate=0.02).fit(X)
        assert min(estimator.validation_loss_curve_) < estimator.net_.start_loss_
        once = estimator.transform(X)
        assert estimator.partial_fit(X).transform(X).std() > 0
        assert not np.array_equal(estimator.transform(X), once)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch is older")
def test_muon_trains_matrices_and_adam_all_else():
    """One step moves a matrix (r, c) by about .2 lr sqrt(max(r, c)) in each direction."""
    rate = 1e-2
    params = {"schedule": "constant", "gradient_clip_value": None}
    params |= {"optimizer": torch.optim.Muon, "optimizer__weight_decay": 0.0}
    start = make(1, **params).set_params(network=DenseNetwork((8,), linear_path=False))
    start.set_params(learning_rate=1e-30, alpha=0, batch_size=80, early_stopping=False)
    one = start.fit(X).net_.module_.state_dict()
    moved = start.set_params(learning_rate=rate).fit(X).net_
    optimizer = moved.optimizer_
    assert isinstance(optimizer, MuonAndAdam)
    assert {p.ndim for g in optimizer.param_groups[:1] for p in g["params"]} == {2}
    for name, weight in moved.module_.named_parameters():
        step = weight.detach() - one[name]
        if weight.ndim == 2:
            size = torch.linalg.svdvals(step) / (0.2 * rate * max(weight.shape) ** 0.5)
            assert 0.7 < size[0] < 1.3
            assert size[1] > 0.5 * size[0]  # where Adam's steps are nearly of rank 1
        else:
            assert ((step.abs() > 0.99 * rate) & (step.abs() < 1.01 * rate)).all()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch is older")
def test_muon_goes_on_from_a_pickle_and_after_a_failure():
    import pickle

    class Own:
        def build(self, n_inputs, n_components, n_outputs, *, generator, start):
            return nn.Linear(n_inputs, n_components), nn.Linear(n_components, n_outputs)

    estimator = make(3, optimizer=torch.optim.Muon).fit(X)
    copies = [estimator, pickle.loads(pickle.dumps(estimator))]
    codes = [copy.partial_fit(X).transform(X) for copy in copies]
    np.testing.assert_array_equal(*codes)
    own = make(3, optimizer=torch.optim.Muon).set_params(network=Own()).fit(X)
    assert np.isfinite(own.transform(X)).all()
    for name, value in {"momentums": 0.9, "momentum": -1.0}.items():  # as its own errors
        wrong = make(3, optimizer=torch.optim.Muon, **{f"optimizer__{name}": value})
        with pytest.raises(ValueError, match=r"^net_params: .*momentum"):
            wrong.fit(X)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch is older")
def test_a_muon_of_another_package_need_not_know_torchs_own_parameters():
    class Muon(torch.optim.Optimizer):  # as that of the package muon
        def __init__(self, params, lr=0.02, weight_decay=0, momentum=0.95):
            defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
            super().__init__(params, defaults)

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                assert set(group) - {"initial_lr"} == {
                    "params", "lr", "weight_decay", "momentum"
                }  # fmt: skip
                for p in group["params"]:
                    p.sub_(p.grad, alpha=group["lr"])

    estimator = make(3, optimizer=Muon).fit(X)
    assert isinstance(estimator.net_.optimizer_, MuonAndAdam)
    assert np.isfinite(estimator.transform(X)).all()


BAD_OPTIMISERS = {
    "optimizer=SparseAdam cannot train this network": torch.optim.SparseAdam,
    "optimizer=.* cannot train this network": lambda params, lr: None,
    "optimizer must be a class": "SGD",
}


@pytest.mark.parametrize("message", BAD_OPTIMISERS)
@pytest.mark.parametrize(
    "kind",
    [Autoencoder, AutoencoderFeatureSelector, AutoencoderOutlierDetector, LatentSampler],
)
def test_optimisers_that_cannot_be_used_are_refused_before_training(
    kind, message, monkeypatch
):
    monkeypatch.setattr("skae._training.run.Run.train_step", None)
    given = {"net_params": {"optimizer": BAD_OPTIMISERS[message]}}
    inner = {"autoencoder": Autoencoder(2, **given)}
    has_inner = kind in (AutoencoderOutlierDetector, LatentSampler)
    with pytest.raises(ValueError, match=f"net_params: {message}"):
        kind(**(inner if has_inner else given)).fit(X)


# Callbacks that work


def test_a_checkpoint_loads_the_best_by_whatever_it_looks_at(tmp_path):
    """Its best weights stay, and not those of the least held-out loss."""

    def first_is_best(net, rows, y):
        return -len(net.history)

    scoring = cb.EpochScoring(first_is_best, lower_is_better=False, name="mine")
    saved = cb.Checkpoint(dirname=tmp_path, monitor="mine_best", load_best=True)
    kept = of_callbacks(scoring, saved)
    weights = torch.load(tmp_path / "params.pt")
    for name, weight in kept.net_.module_.named_parameters():
        torch.testing.assert_close(weight.data, weights[name])
    best = of_callbacks(scoring)
    assert not np.array_equal(kept.transform(X), best.transform(X))
    assert kept.loss_curve_ == best.loss_curve_  # of all epochs, not up to the best
    again = cb.LoadInitState(saved)
    np.testing.assert_allclose(
        of_callbacks(again, max_iter=1).net_.start_loss_,
        kept.validation_loss_curve_[0],
        rtol=1,
    )


def test_a_checkpoint_of_the_least_held_out_loss_changes_nothing(tmp_path):
    saved = cb.Checkpoint(dirname=tmp_path, load_best=True)
    end = cb.TrainEndCheckpoint(dirname=tmp_path)
    kept, usual = of_callbacks(saved, end), of_callbacks()
    np.testing.assert_array_equal(kept.transform(X), usual.transform(X))
    weights = torch.load(tmp_path / "train_end_params.pt")
    for name, weight in kept.net_.module_.named_parameters():
        torch.testing.assert_close(weight.data, weights[name])
    history = json.loads((tmp_path / "train_end_history.json").read_text())
    assert len(history) == kept.n_iter_


@pytest.mark.parametrize("on_train", [False, True])
def test_epochs_are_scored_by_a_name_as_by_hand(on_train):
    seen = {}

    def mine(net, rows, y):
        seen["y"], seen["rebuilt"] = y, net.predict(rows)
        return -np.square(seen["y"] - seen["rebuilt"]).mean()

    named = cb.EpochScoring(
        "neg_mean_squared_error", lower_is_better=False, on_train=on_train
    )
    by_hand = cb.EpochScoring(mine, lower_is_better=False, on_train=on_train)
    r2 = cb.EpochScoring("r2", lower_is_better=False, on_train=on_train)
    estimator = of_callbacks(named, by_hand, r2)
    history = estimator.net_.history
    np.testing.assert_allclose(history[:, "neg_mean_squared_error"], history[:, "mine"])
    assert len(seen["y"]) == (72 if on_train else 8)
    assert {tuple(row) for row in seen["y"]} <= {tuple(row) for row in X}  # in their units
    if estimator.net_.history[-1, "valid_loss_best"]:
        codes = estimator.transform(seen["y"])
        np.testing.assert_allclose(
            estimator.inverse_transform(codes), seen["rebuilt"], rtol=1e-5
        )
    assert history[-1, "r2"] == pytest.approx(
        np.mean(1 - np.square(seen["y"] - seen["rebuilt"]).mean(0) / seen["y"].var(0))
    )


def test_epochs_of_what_is_told_classes_or_lacks_cells_are_scored_too():
    named = cb.EpochScoring("neg_mean_squared_error", lower_is_better=False)
    for params, rows in (
        ({"conditional": True}, X),
        ({"likelihood": "mixed"}, np.where(RNG.random(X.shape) < 0.1, np.nan, X)),
    ):
        estimator = VariationalAutoencoder(2, max_iter=2, random_state=0, **params)
        estimator.set_params(net_params={"callbacks": [named]}).fit(rows, X[:, 0] > 7)
        assert all(-500 < s < 0 for s in estimator.net_.history[:, named.name_])


def test_callbacks_of_all_other_kinds(capsys):
    timer, bar = cb.EpochTimer(), cb.ProgressBar(detect_notebook=False)
    halved = cb.LRScheduler("StepLR", step_size=1, gamma=0.5)
    estimator = of_callbacks(timer, bar, halved)
    assert all(seconds > 0 for seconds in estimator.net_.history[:, "dur"])
    assert "/5 [" in capsys.readouterr().err  # steps of an epoch
    rates = estimator.net_.history[:, "lr"]
    np.testing.assert_allclose(rates, 5e-3 * 0.5 ** np.arange(4))
    start = of_callbacks(cb.Freezer("*"), max_iter=1, early_stopping=False)
    start = start.net_.module_.state_dict()
    thaws, fills = cb.Unfreezer("decoder*", at=3), cb.Initializer("*bias", fn=ones, at=2)
    thawed = of_callbacks(cb.Freezer("*"), thaws, fills, early_stopping=False)
    for name, weight in thawed.net_.module_.named_parameters():
        is_same = torch.equal(weight, start[name])
        assert is_same == (name.startswith("encoder") and "bias" not in name), name
    clip = cb.GradientNormClipping(1e-9)
    small = of_callbacks(clip, optimizer=torch.optim.SGD, early_stopping=False)
    for name, weight in small.net_.module_.named_parameters():
        torch.testing.assert_close(weight.data, start[name])
    stopper = cb.EarlyStopping(
        "train_loss", patience=2, threshold=0.9, sink=lambda *_: None
    )
    assert of_callbacks(stopper, max_iter=30).n_iter_ == 3


def ones(weight):
    with torch.no_grad():
        weight.fill_(1)


# Callbacks that cannot


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["x"], r"callbacks must be skorch's.*Got 'x'"),
        (3, "callbacks must be a list"),
        ({"a": cb.EpochTimer()}, "callbacks must be a list"),
        ([("a", 3)], r"Got \('a', 3\)"),
        ([cb.EpochScoring], "callbacks: .*scoring"),
        ([cb.InputShapeSetter()], "InputShapeSetter is of no use here"),
        ([cb.PassthroughScoring("train_loss")], "PassthroughScoring is of no use here"),
        ([cb.BatchScoring("r2")], "Use EpochScoring"),
        ([cb.EpochScoring("accuracy")], "scoring='accuracy'"),
        ([cb.EpochScoring("nonsense")], "scoring='nonsense'"),
        ([cb.EpochScoring(None)], "scoring=None"),
    ],
)
@pytest.mark.parametrize("kind", [Autoencoder, AutoencoderFeatureSelector])
def test_callbacks_that_cannot_be_used_are_refused_before_training(
    kind, given, message, monkeypatch
):
    monkeypatch.setattr("skae._training.run.Run.train_step", None)
    with pytest.raises(ValueError, match=f"net_params: .*{message}"):
        kind(net_params={"callbacks": given}).fit(X)


@pytest.mark.parametrize(
    "callback",
    [cb.EarlyStopping(), cb.EarlyStopping, cb.Checkpoint(), cb.EpochScoring("r2")],
    ids=["EarlyStopping", "its class", "Checkpoint", "EpochScoring"],
)
def test_what_looks_at_rows_held_out_says_so_where_there_are_none(callback):
    estimator = Autoencoder(2, early_stopping=False, net_params={"callbacks": [callback]})
    with pytest.raises(ValueError, match=r"net_params: .*early_stopping=True"):
        estimator.fit(X)


@pytest.mark.parametrize(
    ("early_stopping", "monitor", "remedy"),
    [
        (True, "train_loss", "monitor='valid_loss_best'"),
        (True, "valid_loss", "monitor='valid_loss_best'"),
        (False, "train_loss_best", r"EpochScoring\('r2', .*on_train=True\) before"),
        (False, "valid_loss_best", r"EpochScoring\('r2', .*monitor='r2_best'"),
    ],
)
def test_a_checkpoint_is_told_what_says_which_epoch_is_best(
    early_stopping, monitor, remedy, tmp_path
):
    saved = cb.Checkpoint(monitor=monitor, load_best=True, dirname=tmp_path)
    with pytest.raises(ValueError, match=f"net_params: Checkpoint .*{remedy}"):
        of_callbacks(saved, early_stopping=early_stopping)


def test_a_checkpoint_loads_the_best_by_training_rows(tmp_path):
    """As its message says, with no rows held out: here the third epoch of five."""
    third = cb.EpochScoring(
        lambda net, rows, y: -abs(len(net.history) - 3),
        name="r2",
        lower_is_better=False,
        on_train=True,
    )
    saved = cb.Checkpoint(monitor="r2_best", load_best=True, dirname=tmp_path)
    given = {"max_iter": 5, "early_stopping": False}
    each = cb.Checkpoint(monitor=None, dirname=tmp_path, f_params="{last_epoch[epoch]}.pt")
    kept = of_callbacks(third, saved, each, **given)
    weights = torch.load(tmp_path / "3.pt")
    for name, weight in kept.net_.module_.named_parameters():
        torch.testing.assert_close(weight.data, weights[name])


# Numbers and devices that cannot be


BEYOND = [1e39, 1e300, 2**70]


@pytest.mark.parametrize("value", BEYOND)
@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        *[(Autoencoder(2), name) for name in ("alpha", "learning_rate", "tol")],
        *[(VariationalAutoencoder(2), n) for n in ("beta", "free_bits", "capacity")],
        (AutoencoderFeatureSelector(2), "alpha"),
        (AutoencoderImputer(), "learning_rate"),
        (AutoencoderOutlierDetector(Autoencoder()), "autoencoder__alpha"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_numbers_that_float32_lacks_are_refused(estimator, name, value):
    estimator.set_params(**{name: value})
    with pytest.raises(ValueError, match=name.removeprefix("autoencoder__")):
        estimator.fit(X)


@pytest.mark.parametrize("device", ["meta", "nonsense", "hpu", "mkldnn", ""])
@pytest.mark.parametrize(
    "kind",
    [
        Autoencoder,
        AutoencoderImputer,
        AutoencoderOutlierDetector,
        AutoencoderFeatureSelector,
    ],
)
def test_devices_that_cannot_be_used_are_refused(kind, device):
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used here"):
        kind(device=device).fit(X)


def test_an_error_before_training_is_not_hidden_by_another():
    class Frozen:
        def build(self, n_inputs, n_components, n_outputs, *, generator, start):
            encoder, decoder = nn.Linear(n_inputs, 2), nn.Linear(2, n_outputs)
            return encoder.requires_grad_(False), decoder.requires_grad_(False)

    with pytest.raises(ValueError, match=r"there is nothing to train, no weight requires"):
        Autoencoder(2, network=Frozen()).fit(X)


def test_weights_that_a_callback_has_seen_are_those_that_stay():
    """A start that no epoch betters is found anew in all rows, but not with callbacks."""

    class Sees(cb.Callback):
        def on_train_end(self, net, **kwargs):
            self.weights = {k: v.clone() for k, v in net.module_.named_parameters()}

    sees = Sees()
    estimator = make(2, callbacks=[sees]).set_params(network="auto", learning_rate=1.0)
    assert estimator.fit(X).net_.kept_start_
    for name, weight in estimator.net_.module_.named_parameters():
        assert torch.equal(weight, sees.weights[name]), name
