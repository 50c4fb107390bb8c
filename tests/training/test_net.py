"""The net: best weights, torch's own steps in flat memory, parameters of optimisers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from skae._adam import Adam
from skae.networks import ConvolutionalNetwork
from tests.pictures import (
    GREY,
    KINDS,
    NORMS,
    OPTIONS,
    RGB,
    initial,
    kinds,
    make,
    standardized,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]


def is_flat(estimator):
    """Whether the optimiser sees all weights as one."""
    return len(estimator.net_.optimizer_.param_groups[0]["params"]) == 1


def weights(estimator):
    module = estimator.net_.module_
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.detach().clone() for name, value in named}


class Recorder(Callback):
    """Keeps the weights and the held-out loss of each epoch."""

    def initialize(self):
        self.losses, self.weights = [], []
        return self

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "valid_loss"])
        self.weights.append(copy.deepcopy(net.module_.state_dict()))


@pytest.mark.parametrize("normalization", NORMS)
def test_the_best_weights_come_back_exactly(normalization):
    network = ConvolutionalNetwork(filters=(4, 6), normalization=normalization)
    recorder = Recorder()
    too_fast = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 1.0 if epoch < 4 else 50.0)
    net_params = {"callbacks": [recorder, too_fast]}
    params = {"max_iter": 8, "n_iter_no_change": 50, "net_params": net_params}
    estimator = make(3, network, learning_rate=0.01, **params).fit(GREY)
    best = int(np.argmin(recorder.losses))
    assert best > 0
    assert recorder.losses[best] < recorder.losses[-1]
    for name, value in weights(estimator).items():
        assert torch.equal(value, recorder.weights[best][name]), name
    moved = [
        name for name, value in weights(estimator).items()
        if not torch.equal(value, recorder.weights[-1][name])
    ]  # fmt: skip
    assert moved


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("options", OPTIONS[:3], ids=lambda o: o["downsampling"])
@pytest.mark.parametrize("n_components", [None, 3])
def test_steps_of_the_flat_adam_are_those_of_torch(n_components, options, steps):
    own = {"lr": 0.01, "eps": 1e-3}  # a gradient of zero has no sign
    estimator = make(
        n_components, ConvolutionalNetwork(filters=(4, 6), **options),
        batch_size=len(RGB), max_iter=steps, alpha=0, early_stopping=False,
        learning_rate=own["lr"],
        net_params={
            "schedule": "constant", "gradient_clip_value": None, "optimizer__eps": 1e-3,
        },
    )  # fmt: skip
    estimator.fit(RGB)
    module, x = initial(estimator, RGB), standardized(estimator, RGB)
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    adam, losses = torch.optim.Adam(module.train().parameters(), **own), []
    for _ in range(steps):
        adam.zero_grad()
        loss = module(x, x, None, 1.0).nll.sum() / x.numel()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert is_flat(estimator)
    np.testing.assert_allclose(estimator.loss_curve_, losses, rtol=1e-4)
    trained = dict(estimator.net_.module_.named_parameters())
    assert trained.keys() == start.keys()
    for name, p in module.named_parameters():
        torch.testing.assert_close(trained[name], p, rtol=0, atol=1e-4)
    moved = [(p - start[name]).abs().max() for name, p in module.named_parameters()]
    assert min(moved[::2]) > 1e-3  # of the weights


def test_the_flat_adam_is_an_ordinary_one_on_convolutions():
    flat, plain = (
        make(3, max_iter=5, net_params={"optimizer": optimizer}).fit(RGB)
        for optimizer in (torch.optim.Adam, type("Adam", (torch.optim.Adam,), {}))
    )
    assert is_flat(flat)
    assert not is_flat(plain)
    np.testing.assert_allclose(flat.loss_curve_, plain.loss_curve_, rtol=1e-3)


@kinds
def test_trained_weights_own_their_memory(kind):
    n_components, network = KINDS[kind]
    for estimator in (
        make(n_components, network).fit(RGB),
        make(n_components, network).partial_fit(RGB).partial_fit(RGB),
    ):
        parameters = list(estimator.net_.module_.parameters())
        stores = [p.untyped_storage() for p in parameters]
        assert len({store.data_ptr() for store in stores}) == len(parameters)
        sizes = [store.nbytes() for store in stores]
        assert sizes == [4 * p.numel() for p in parameters]
        assert all(p.grad is None for p in parameters)


def channels_last(module):
    return {
        name: p.is_contiguous(memory_format=torch.channels_last)
        for name, p in module.named_parameters()
        if p.ndim == 4
    }


def test_weights_are_channels_last_in_memory_before_and_after():
    estimator = make(3).fit(RGB)
    before = channels_last(initial(estimator, RGB))
    assert before
    assert all(before.values())
    for trained in (estimator, pickle.loads(pickle.dumps(estimator))):
        assert channels_last(trained.net_.module_) == before
        assert channels_last(trained.partial_fit(RGB).net_.module_) == before


@pytest.mark.parametrize(
    ("net_params", "rate", "max_iter"),
    [
        ({"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}, 1.0, 10),
        ({"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1}, 5e-3, 10),
        ({"optimizer": torch.optim.LBFGS, "gradient_clip_value": None}, 0.05, 2),
        ({"optimizer__fused": False}, 5e-3, 10),
    ],
)
def test_every_optimiser_lowers_the_loss(net_params, rate, max_iter):
    params = {"max_iter": max_iter, "early_stopping": False, "learning_rate": rate}
    estimator = make(3, net_params=net_params, **params).fit(GREY)
    assert estimator.loss_curve_[-1] < 0.9 * estimator.loss_curve_[0]
    assert type(estimator.net_.optimizer_) is net_params.get("optimizer", Adam)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_parameter_groups_have_their_own_rate(optimizer):
    groups = [("encoder*", {"lr": 0.0})]
    net_params = {"optimizer": optimizer, "optimizer__param_groups": groups}
    params = {"early_stopping": False, "net_params": net_params}
    one, four = (weights(make(3, max_iter=n, **params).fit(GREY)) for n in (1, 4))
    for name in (n for n in one if not n.startswith("likelihood")):
        assert torch.equal(one[name], four[name]) == name.startswith("encoder"), name


def test_the_penalty_takes_the_convolutions_weights_and_no_bias():
    params = {"max_iter": 20, "learning_rate": 0.02, "early_stopping": False}
    none, much = (weights(make(None, alpha=a, **params).fit(GREY)) for a in (0, 1.0))
    for name in (n for n in none if n.endswith("weight")):
        assert (much[name] ** 2).sum() < 0.5 * (none[name] ** 2).sum(), name
