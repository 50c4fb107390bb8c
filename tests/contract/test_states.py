"""torch's global states neither change what an estimator does nor are changed by it."""

import pickle
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skae import (
    Autoencoder,
    LatentSampler,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.likelihoods import Gaussian
from skae.networks import DenseNetwork
from tests.common import ESTIMATORS, MIXED, NEEDS_Y

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("quick")]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 16)) @ RNG.normal(size=(16, 16))
X[5, 3] = 9
Y = np.arange(48) % 3
TABLE = pd.DataFrame(X[:, :3], columns=list("abc"))
TABLE["kind"] = pd.Categorical(np.array(["u", "v", "w"])[Y])
HOLES = TABLE.mask(RNG.random(TABLE.shape) < 0.1)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() is dtype
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device():
    torch.set_default_device("meta")  # stands for "cuda": all that is made there shows
    try:
        yield
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


@contextmanager
def inference():
    with torch.inference_mode():
        yield
        assert torch.is_inference_mode_enabled()


@contextmanager
def no_grad():
    with torch.no_grad():
        yield
        assert not torch.is_grad_enabled()


STATES = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "default_device": default_device,
    "device": lambda: torch.device("meta"),
    "autocast": autocast,
    "no_grad": no_grad,
    "inference_mode": inference,
    "deterministic": deterministic,
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "numpy": lambda: np.errstate(all="raise"),
}


#: several at once, so that all states are tried on all estimators in two fits each
TOGETHER = {
    "set": ["float64", "default_device", "autocast", "no_grad", "deterministic", "numpy"],
    "within": ["bfloat16", "device", "inference_mode", "anomalies"],
}


class Own:
    """A network of a user's, made by torch's defaults."""

    def build(self, n_inputs, n_components, n_outputs, *, generator, start):
        scale = nn.Parameter(torch.tensor([0.5] * n_components))
        encoder = nn.Sequential(
            nn.Linear(n_inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, n_components)
        )
        decoder = nn.Linear(n_components, n_outputs)
        decoder.register_parameter("scale", scale)
        return encoder, decoder


FORMS = [
    *[(estimator, X) for estimator in ESTIMATORS if "Imputer" not in repr(estimator)],
    *[(estimator, TABLE) for estimator in MIXED],
    *[(estimator, X) for estimator in NEEDS_Y],
    (next(e for e in ESTIMATORS if "Imputer" in repr(e)), HOLES),
    (LatentSampler(Autoencoder(2, max_iter=2), random_state=0), X),
    (LatentSampler(Autoencoder(2, max_iter=2, likelihood="mixed"), random_state=0), TABLE),
    (VariationalAutoencoder(2, conditional=True, max_iter=2, random_state=0), X),
    (
        VariationalAutoencoder(
            2, conditional=True, likelihood="mixed", max_iter=2, random_state=0
        ),
        TABLE,
    ),
    (Autoencoder(2, network=Own(), max_iter=2, random_state=0), X),
    (
        Autoencoder(
            2,
            network=DenseNetwork((8,), dropout=0.2, normalization="batch"),
            likelihood=Gaussian(scale="global", clip=4.0),
            corruption="masking",
            max_iter=2,
            random_state=0,
        ),
        X,
    ),
    (SparseAutoencoder(24, penalty="l1", max_iter=2, random_state=0), X),
]
VERBS = (
    "transform", "reconstruct", "score_samples", "predict", "predict_proba", "explain",
    "feature_contributions", "elbo", "predict_quantiles",
)  # fmt: skip


def found(estimator, rows):
    """What a fitted estimator says of rows, by verb."""
    told = {"y": Y[: len(rows)]} if "conditional=True" in repr(estimator) else {}
    said = {}
    for verb in VERBS:
        if not hasattr(estimator, verb):
            continue
        try:
            said[verb] = getattr(estimator, verb)(rows, **told)
        except TypeError:
            said[verb] = getattr(estimator, verb)(rows)
    if "transform" in said and hasattr(estimator, "inverse_transform") and not told:
        said["inverse"] = estimator.inverse_transform(said["transform"])
    if hasattr(estimator, "sample"):
        drawn = 4 if "Imputer" not in repr(estimator) else rows
        said["sample"] = estimator.sample(drawn, random_state=0)
    return said


def assert_same(one, other):
    assert one.keys() == other.keys()
    for verb in one:
        a, b = (np.asarray(v).astype(str) for v in (one[verb], other[verb]))
        assert np.array_equal(a, b), verb


@pytest.fixture(scope="module")
def usual():
    """What is found of each form without any state, fitted once."""
    kept = {}

    def of(i):
        if i not in kept:
            estimator, data = FORMS[i]
            estimator = clone(estimator).fit(data, Y)
            kept[i] = pickle.dumps(estimator), found(estimator, data[:8])
        return kept[i]

    return of


@pytest.mark.parametrize(
    ("i", "states"),
    [  # alone on the plain autoencoder, together on all
        *[(0, [name]) for name in STATES],
        *[(i, states) for i in range(len(FORMS)) for states in TOGETHER.values()],
    ],
)
def test_a_state_of_torch_plays_no_part(usual, i, states):
    estimator, data = FORMS[i]
    stored, expected = usual(i)
    generator = torch.get_rng_state()
    with ExitStack() as stack:
        for state in states:
            stack.enter_context(STATES[state]())
        fitted = clone(estimator).fit(data, Y)
        if states is TOGETHER["within"]:  # what was fitted outside is used within
            assert_same(found(fitted, data[:8]), expected)
            fitted = pickle.loads(stored)
        assert_same(found(fitted, data[:8]), expected)
        moved = pickle.dumps(fitted)
    if states is TOGETHER["set"]:  # what was fitted within is used outside
        assert_same(found(pickle.loads(moved), data[:8]), expected)
    assert torch.equal(torch.get_rng_state(), generator)
