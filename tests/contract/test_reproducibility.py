"""The same seed, the same result; a row's result depends on that row alone."""

import copy
import io
import itertools
import json
import os
import pickle
import random
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn

from skae import Autoencoder
from skae._training.blocks import block_rows
from skae._training.run import Run
from skae.networks import DenseNetwork

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Training was interrupted:UserWarning"),
]
X = np.random.default_rng(0).normal(size=(80, 6)) @ np.diag([1, 2, 3, 4, 5, 6.0])
METHODS = ["transform", "reconstruct", "score_samples"]


class OwnNetwork:
    """A user's network, which knows torch's global generator only."""

    def build(self, n_inputs, n_components, n_outputs, *, generator=None, start=None):
        encoder = nn.Sequential(
            nn.Linear(n_inputs, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, n_components)
        )
        return encoder, nn.Linear(n_components, n_outputs)


def make(**params):
    return Autoencoder(
        **{"n_components": 2, "max_iter": 3, "batch_size": 16, "random_state": 0, **params}
    )


NETWORKS = {
    "auto": "auto",
    "dropout": DenseNetwork((8,), dropout=0.5),
    "batch": DenseNetwork((8,), normalization="batch"),
    "own": OwnNetwork(),
}
networks = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@networks
def test_the_same_seed_gives_the_same_fit(network):
    first, second = (make(network=network).fit(X) for _ in range(2))
    assert first.loss_curve_ == second.loss_curve_
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    np.testing.assert_array_equal(first.transform(X), first.fit(X).transform(X))


@networks
def test_another_seed_gives_another_fit(network):
    first, second = (make(network=network, random_state=s).fit(X) for s in (0, 1))
    assert first.loss_curve_ != second.loss_curve_


@networks
def test_the_seed_alone_decides_whatever_the_global_generators_say(network):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = make(network=network).fit(X)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert first.loss_curve_ == make(network=network).fit(X).loss_curve_


@pytest.mark.slow
def test_a_parallel_grid_search_finds_what_a_serial_one_finds():
    grid = {"n_components": [1, 3], "learning_rate": [1e-3, 1e-2]}
    serial, parallel = (
        GridSearchCV(make(), grid, cv=2, n_jobs=n).fit(X) for n in (None, 2)
    )
    np.testing.assert_allclose(
        serial.cv_results_["mean_test_score"],
        parallel.cv_results_["mean_test_score"],
        rtol=1e-6,
    )
    assert serial.best_params_ == parallel.best_params_


def test_a_generator_instance_goes_on_and_an_integer_starts_again():
    instance = make(random_state=np.random.RandomState(0))
    first, second = (instance.fit(X).loss_curve_ for _ in range(2))
    assert first == make(random_state=np.random.RandomState(0)).fit(X).loss_curve_
    assert first != second
    assert make().fit(X).loss_curve_ == make().fit(X).loss_curve_


def test_partial_fit_does_not_repeat_its_shuffle(calls):
    estimator, passes = make(), []
    for _ in range(3):
        calls.clear()
        estimator.partial_fit(X)
        passes.append(np.concatenate([call.x for call in calls]))
    for one, other in itertools.combinations(passes, 2):
        assert not np.array_equal(one, other)
        np.testing.assert_array_equal(np.sort(one[:, 0]), np.sort(other[:, 0]))


def states():
    return (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
    )


@networks
def test_no_global_generator_is_touched(network):
    before = states()
    estimator = make(network=network)
    assert states() == before
    for call in ("fit", "partial_fit", "score", *METHODS):
        getattr(estimator, call)(X)
        assert states() == before, call
    estimator.inverse_transform(estimator.transform(X))
    estimator.interpolate(X[:2], X[2:4])
    copy.deepcopy(estimator)
    assert states() == before


@networks
def test_a_failed_fit_leaves_the_global_generators_too(network):
    before = states()
    with pytest.raises(ValueError, match="diverged"):
        make(network=network, learning_rate=1e30).fit(X)
    assert states() == before


def test_a_failed_partial_fit_goes_on_as_if_it_had_not_been_called():
    estimator, other = make().partial_fit(X), make().partial_fit(X)
    for bad in (X * 1e300, X[:, :2], np.full_like(X, np.nan)):
        with pytest.raises(ValueError, match="X"):
            estimator.partial_fit(bad)
    np.testing.assert_array_equal(
        estimator.partial_fit(X).transform(X), other.partial_fit(X).transform(X)
    )


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.float32, np.longdouble])
def test_numpys_own_numbers_are_numbers_as_python_s_are(kind):
    params = {"alpha": kind(1), "learning_rate": kind(1)}
    if issubclass(kind, np.integer):
        params |= {"batch_size": kind(16), "max_iter": kind(3), "n_components": kind(2)}
    plain = {name: value.item() for name, value in params.items()}
    codes = make(**params).fit(X).transform(X)
    np.testing.assert_array_equal(codes, make(**plain).fit(X).transform(X))


# Rows


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    d=st.integers(1, 70),
    width=st.integers(1, 150),
    k=st.integers(1, 12),
    seed=st.integers(0, 99),
    auto=st.booleans(),
)
def test_a_row_does_not_depend_on_its_neighbours(d, width, k, seed, auto):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, d))
    network = DenseNetwork((width,), linear_path=auto)
    estimator = Autoencoder(k, network=network, max_iter=1, random_state=seed).fit(rows)
    n = block_rows(estimator.net_, d) + 37  # over the edge of a block
    rows = rng.normal(size=(n, d))
    order = rng.permutation(n)
    some = np.sort(rng.choice(n, size=11, replace=False))
    for method in METHODS:
        call = getattr(estimator, method)
        whole = call(rows)
        np.testing.assert_array_equal(call(rows[order]), whole[order], err_msg=method)
        np.testing.assert_array_equal(call(rows[some]), whole[some], err_msg=method)
        np.testing.assert_array_equal(call(rows[-1:]), whole[-1:], err_msg=method)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
@pytest.mark.parametrize("method", METHODS)
def test_at_defaults_a_row_is_the_same_wherever_it_stands(load, method):
    rows = load().data
    call = getattr(Autoencoder(max_iter=1, random_state=0).fit(rows), method)
    whole = call(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(call(rows[order]), whole[order])
    for i in (1, 2, 5, 100):
        np.testing.assert_array_equal(call(rows[i : i + 1]), whole[i : i + 1])


def test_scoring_twice_is_identical():
    estimator = make(network=NETWORKS["dropout"]).fit(X)
    np.testing.assert_array_equal(estimator.score_samples(X), estimator.score_samples(X))


# Copies


def through_joblib(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def interrupt(monkeypatch, at):
    calls, step = [], Run.train_step

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Run, "train_step", interrupted)


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("trip", [through_pickle, copy.deepcopy, through_joblib])
@pytest.mark.parametrize("state", ["unfitted", "fit", "partial_fit", "interrupted"])
@networks
def test_a_copy_is_and_goes_on_like_the_original(monkeypatch, trip, state, network):
    keep = {"keep_on_interrupt": True}
    estimator = make(network=network, warm_start=True, net_params=keep)
    if state == "interrupted":
        with monkeypatch.context() as patch:
            interrupt(patch, at=12)
            estimator.fit(X)
    elif state != "unfitted":
        getattr(estimator, state)(X)
    other = trip(estimator)
    assert repr(other) == repr(estimator) or network is NETWORKS["own"]
    if state != "unfitted":
        for method in METHODS:
            np.testing.assert_array_equal(
                getattr(other, method)(X), getattr(estimator, method)(X)
            )
    for e in (estimator, other):
        e.partial_fit(X)
    np.testing.assert_array_equal(other.transform(X), estimator.transform(X))


def test_a_pickle_holds_weights_and_optimiser_but_no_data():
    rows = np.random.default_rng(0).normal(size=(5000, 40))
    estimator = make(network=(64,), max_iter=1, early_stopping=True).fit(rows)
    weights = sum(4 * p.numel() for p in estimator.net_.module_.parameters())
    size = len(pickle.dumps(estimator))
    assert size < 6 * weights + 50_000
    assert size < rows.nbytes / 4


# Ctrl-C


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("at", [6, 9])  # five steps in an epoch
def test_an_interrupt_keeps_what_has_been_learnt(monkeypatch, at, early_stopping):
    interrupt(monkeypatch, at)
    keep = {"keep_on_interrupt": True}
    estimator = make(max_iter=20, early_stopping=early_stopping, net_params=keep)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(X)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 1
    assert np.isfinite(estimator.score(X))
    assert not estimator.net_.module_.training
    estimator.partial_fit(X)
    estimator.fit(X)
    assert estimator.n_iter_ == 20 or early_stopping


def _threads(_):
    make().fit(X)
    return torch.get_num_threads()


def test_workers_do_not_share_cores_among_too_many_threads():
    threads = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(_threads)(i) for i in range(2)
    )
    assert all(n == 1 or 2 * n <= joblib.cpu_count() for n in threads)


def test_the_default_dtype_and_inference_mode_of_the_user_do_not_matter():
    estimator = make().fit(X)
    torch.set_default_dtype(torch.float64)
    try:
        other = make().fit(X)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.inference_mode():
        third = make().fit(X)
    np.testing.assert_array_equal(other.transform(X), estimator.transform(X))
    np.testing.assert_array_equal(third.transform(X), estimator.transform(X))


class PicklesTheNet(Callback):
    """Copies and pickles the net in the middle of training."""

    def on_batch_end(self, net, **kwargs):
        copy.deepcopy(net)
        self.size = len(pickle.dumps(net))


def test_a_half_trained_net_can_be_copied_and_pickled_without_the_data():
    rows = np.random.default_rng(0).normal(size=(5000, 40))
    callback = PicklesTheNet()
    estimator = make(network=(8,), max_iter=1, net_params={"callbacks": [callback]})
    estimator.fit(rows)
    assert callback.size < rows.nbytes / 4


class StopsInABatch(Callback):
    """Is interrupted within an epoch."""

    def __init__(self, at):
        self.at, self.n = at, 0

    def on_batch_end(self, net, **kwargs):
        self.n += 1
        if self.n == self.at:
            raise KeyboardInterrupt


def test_what_is_kept_of_a_training_that_a_callback_interrupts():
    net_params = {"callbacks": [StopsInABatch(at=23)], "keep_on_interrupt": True}
    params = {"net_params": net_params, "batch_size": 8, "max_iter": 5}
    with pytest.warns(UserWarning, match="interrupted"):
        estimator = make(**params).fit(X)  # nine batches in an epoch
    whole = make(**params | {"net_params": None}).fit(X)
    assert estimator.n_iter_ == 2
    assert len(estimator.loss_curve_) == len(estimator.validation_loss_curve_) == 2
    assert estimator.score(X) < whole.score(X)


# Another process


SNIPPETS = {
    "fit": """
import numpy as np
from skae import Autoencoder
X = np.random.default_rng(0).normal(size=(80, 6)) @ np.diag([1, 2, 3, 4, 5, 6.0])
a = Autoencoder(2, max_iter=3, batch_size=16, random_state=0).fit(X)
print(a.transform(X).tobytes().hex())
""",
    "interrupt": """
import signal, threading, numpy as np
from skae import Autoencoder
X = np.random.default_rng(0).normal(size=(2000, 6))
a = Autoencoder(2, max_iter=100_000, n_iter_no_change=100_000, random_state=0)
threading.Timer(1.0, lambda: signal.raise_signal(signal.SIGINT)).start()
try:
    a.fit(X)
except KeyboardInterrupt:
    print([name for name in vars(a) if name.endswith("_")])
""",
    "signal": """
import signal, threading, warnings, numpy as np
from skae import Autoencoder
X = np.random.default_rng(0).normal(size=(2000, 6))
a = Autoencoder(
    2, max_iter=100_000, n_iter_no_change=100_000, random_state=0,
    net_params={"keep_on_interrupt": True},
)
threading.Timer(1.0, lambda: signal.raise_signal(signal.SIGINT)).start()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    a.fit(X)
assert "interrupted" in str(caught[0].message), caught
assert 0 < a.n_iter_ < 100_000
print(np.isfinite(a.score(X)), a.transform(X).shape)
""",
    "deadlock": """
import numpy as np, torch
from skae import Autoencoder
X = np.random.default_rng(0).normal(size=(40, 4))
class Inner:
    def build(self, i, k, o, *, generator, start):
        return torch.nn.Linear(i, k), torch.nn.Linear(k, o)
class Outer(Inner):
    def build(self, i, k, o, **kwargs):
        Autoencoder(2, network=Inner(), max_iter=1).fit(X)
        return super().build(i, k, o, **kwargs)
print(Autoencoder(2, network=Outer(), max_iter=1).fit(X).n_iter_)
""",
    "threads": """
import numpy as np, torch
from concurrent.futures import ThreadPoolExecutor
from skae import Autoencoder
torch.set_num_threads(3)
X = np.random.default_rng(0).normal(size=(200, 4))
def fit(seed):
    Autoencoder(2, max_iter=5, random_state=seed).fit(X)
    return torch.get_num_threads()
with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(fit, range(6))) + [fit(0)])
""",
}
RUNS_ALL = """
import contextlib, io, json, sys, traceback
for name, snippet in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            exec(snippet, {"__name__": name})
        except BaseException:
            print(traceback.format_exc())
    print(json.dumps([name, said.getvalue().strip()]), flush=True)
"""


@pytest.fixture(scope="module")
def said():
    """What the snippets print in another process, which imports torch once for all."""
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNS_ALL], input=json.dumps(SNIPPETS),
        capture_output=True, text=True, timeout=120, env={**os.environ, **threads},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.slow
def test_another_process_gives_the_same_fit(said):
    assert said["fit"] == make().fit(X).transform(X).tobytes().hex()


@pytest.mark.slow
def test_a_real_signal_stops_training(said):
    assert said["interrupt"] == "[]"
    assert said["signal"] == "True (2000, 2)"


@pytest.mark.slow
def test_a_network_that_fits_an_autoencoder_while_it_is_built_does_not_deadlock(said):
    assert said["deadlock"] == "1"


def test_torchs_thread_count_is_given_back_to_every_thread(said):
    assert said["threads"] == str([3] * 7)
