"""What a reviewer of the redesign broke: each is held to its right value."""

import copy
import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy.stats import poisson
from sklearn.base import clone
from sklearn.datasets import load_wine
from torch import nn

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._autoencoders.together import fit_together
from skae._codes.base import Code, Terms
from skae.corruption import HiddenDropout
from skae.networks import DenseNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WINE = load_wine().data


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = np.exp(rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)) + 2)
    return rng.poisson(rates).astype(float)


# Layers of one's own are saved as torch saves them


class Own:
    """A network whose layers are made by a function of the encoder's width."""

    def __init__(self, make):
        self.make = make

    def build(self, n_inputs, n_components, n_outputs, *, generator, start):
        encoder = nn.Sequential(self.make(n_inputs), nn.Linear(8, n_components))
        return encoder, nn.Linear(n_components, n_outputs)


class Recurrent(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.cell = nn.GRU(n, 8)

    def forward(self, x):
        return self.cell(x[None])[0][0]


class Locked(nn.Linear):
    """A layer that says itself how it is saved."""

    def __init__(self, n):
        super().__init__(n, 8)
        import threading

        self.lock = threading.Lock()

    def __getstate__(self):
        return {k: v for k, v in vars(self).items() if k != "lock"}


class Scratch(nn.Linear):
    def __init__(self, n):
        super().__init__(n, 8)
        self.register_buffer("scratch", torch.ones(8), persistent=False)

    def forward(self, x):
        return super().forward(x) * self.scratch


def doubled(layer, args, out):
    return 2 * out


def hooked(n):
    layer = nn.Linear(n, 8)
    layer.register_forward_hook(doubled)
    return layer


def normed(n):
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.utils.weight_norm(nn.Linear(n, 8))


@pytest.mark.parametrize("make", [Recurrent, Locked, Scratch, hooked, normed])
def test_layers_of_ones_own_come_back(make):
    original = Autoencoder(2, network=Own(make), max_iter=2, random_state=0).fit(WINE)
    copies = [copy.deepcopy(original), pickle.loads(pickle.dumps(original))]
    codes = original.transform(WINE)
    keys = list(original.net_.module_.state_dict())
    for other in copies:
        np.testing.assert_array_equal(other.transform(WINE), codes)
        assert list(other.net_.module_.state_dict()) == keys
        other.partial_fit(WINE)
    original.partial_fit(WINE)
    for other in copies:
        np.testing.assert_allclose(
            other.transform(WINE), original.transform(WINE), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("context", [torch.inference_mode, lambda: torch.device("meta")])
def test_torchs_state_plays_no_part_in_loading(context):
    original = Autoencoder(2, max_iter=2, random_state=0).fit(WINE)
    with context():
        other = pickle.loads(pickle.dumps(original))
    np.testing.assert_array_equal(other.transform(WINE), original.transform(WINE))
    other.partial_fit(WINE)
    np.testing.assert_array_equal(
        other.transform(WINE), original.partial_fit(WINE).transform(WINE)
    )


# What cannot be is refused, what can be is not


@pytest.mark.parametrize(
    "member",
    [
        Autoencoder(alpha=-1.0),
        Autoencoder(max_iter=0),
        Autoencoder(likelihood="nope"),
        Autoencoder(network=3),
        VariationalAutoencoder(beta=-3),
        SparseAutoencoder(penalty="zz"),
    ],
    ids=repr,
)
def test_a_detectors_autoencoder_is_validated(member):
    with pytest.raises(ValueError, match="parameter of"):
        AutoencoderOutlierDetector(member, n_estimators=2).fit(WINE)


def test_one_row_is_too_few_for_a_warm_start_and_enough_for_a_pass():
    estimator = Autoencoder(2, max_iter=2, random_state=0, warm_start=True).fit(WINE)
    scores = estimator.score_samples(WINE)
    with pytest.raises(ValueError, match="minimum of 2"):
        estimator.fit(WINE[:1])
    np.testing.assert_array_equal(estimator.score_samples(WINE), scores)
    estimator.partial_fit(WINE[:1])


class Plain:
    """A likelihood without equality."""

    reads_tables = False

    def check(self, X):
        pass

    def build(self, stats):
        from skae.likelihoods import Gaussian

        return Gaussian().build(stats)


@dataclass
class Widths:
    """A network with parameters, as a grid sets them."""

    width: int = 4
    scale: np.ndarray = field(default_factory=lambda: np.arange(4.0))

    def get_params(self, deep=True):
        return {"width": self.width, "scale": self.scale}

    def set_params(self, **params):
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def build(self, n_inputs, n_components, n_outputs, *, generator, start):
        first = nn.Linear(n_inputs, self.width)
        encoder = nn.Sequential(first, nn.Linear(self.width, n_components))
        return encoder, nn.Linear(n_components, n_outputs)


def test_training_goes_on_with_a_likelihood_of_ones_own():
    estimator = Autoencoder(2, likelihood=Plain(), max_iter=1, random_state=0)
    estimator.partial_fit(WINE).partial_fit(WINE)
    assert len(estimator.loss_curve_) == 2


def test_parameters_of_a_network_of_ones_own_count():
    estimator = Autoencoder(2, network=Widths(), warm_start=True, max_iter=1).fit(WINE)
    estimator.fit(WINE)
    with pytest.raises(ValueError, match="cannot change network"):
        estimator.set_params(network__width=6).fit(WINE)


def test_arrays_in_parameters_can_be_compared():
    @dataclass
    class Shift:
        by: np.ndarray = field(default_factory=lambda: np.arange(13.0))

        def apply(self, x, space, generator):
            return x + torch.as_tensor(self.by, dtype=x.dtype)

    member = Autoencoder(2, corruption=Shift(), max_iter=2)
    AutoencoderOutlierDetector(member, n_estimators=3, random_state=0).fit(WINE)


@pytest.mark.parametrize(
    "params",
    [
        {"network": DenseNetwork((8,), dropout=np.float32(0.1))},
        {"network": (8,), "corruption": HiddenDropout(np.float32(0.2))},
    ],
)
def test_rates_may_be_numpys(params):
    estimator = Autoencoder(2, max_iter=2, random_state=0, **params).fit(WINE)
    assert np.isfinite(estimator.transform(WINE)).all()


def test_an_adversarial_encoder_may_be_frozen():
    class Frozen:
        def build(self, n_inputs, n_components, n_outputs, *, generator, start):
            encoder = nn.Linear(n_inputs, n_components).requires_grad_(False)
            return encoder, nn.Linear(n_components, n_outputs)

    estimator = AdversarialAutoencoder(2, network=Frozen(), max_iter=2, random_state=0)
    assert np.isfinite(estimator.fit(WINE).transform(WINE)).all()


def test_an_adversarial_autoencoder_under_another_default_dtype():
    params = {"n_clusters": 3, "max_iter": 2, "random_state": 0}
    expected = AdversarialAutoencoder(2, **params).fit(WINE)
    torch.set_default_dtype(torch.float64)
    try:
        found = AdversarialAutoencoder(2, **params).fit(WINE)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(
        found.transform(WINE), expected.transform(WINE), rtol=1e-3, atol=1e-3
    )


def test_signs_of_a_sparse_code_are_put_back_by_a_fit_that_fails(monkeypatch):
    def fail(self, task):
        raise RuntimeError("on purpose")

    estimator = SparseAutoencoder(20, max_iter=2, random_state=0, warm_start=True)
    before = estimator.fit(WINE).transform(WINE)
    signs = estimator.positive_code_
    estimator.set_params(positive_code=not signs)
    with monkeypatch.context() as patch:
        patch.setattr("skae._training.net.Net.train", fail)
        with pytest.raises(RuntimeError, match="on purpose"):
            estimator.fit(WINE)
    np.testing.assert_array_equal(estimator.transform(WINE), before)
    estimator.set_params(positive_code="auto").fit(WINE)
    assert estimator.positive_code_ == signs


def test_columns_that_are_named_alike_are_told_from_those_that_are_no_numbers():
    import pandas as pd

    frame = pd.DataFrame(WINE[:, :3], columns=["a", "a", "k"])
    frame["k"] = "text"
    with pytest.raises(ValueError, match="not numbers in column 'k'"):
        Autoencoder(1, likelihood="gaussian").fit(frame)
    with pytest.raises(ValueError, match=r"columns \['a'\] are there more than once"):
        Autoencoder(1).fit(frame)


def test_a_lazy_table_is_refused_with_the_remedy():
    pl = pytest.importorskip("polars")
    table = pl.LazyFrame({"a": [1.0, 2, 3], "b": [2.0, 1, 3]})
    for estimator in (
        Autoencoder(1),
        Autoencoder(1, likelihood="mixed"),
        AutoencoderImputer(),
        AutoencoderOutlierDetector(),
    ):
        with pytest.raises(ValueError, match=r"Use X.collect\(\)"):
            estimator.fit(table)


def test_members_that_are_told_classes_and_others_are_fitted_together():
    y = np.arange(len(WINE)) % 3
    members = [
        VariationalAutoencoder(2, conditional=True, max_iter=2, random_state=0),
        VariationalAutoencoder(2, max_iter=2, random_state=0),
    ]
    told, other = fit_together([clone(m) for m in members], WINE, y)
    expected = clone(members[1]).fit(WINE)
    np.testing.assert_allclose(other.transform(WINE), expected.transform(WINE), rtol=1e-3)
    expected = clone(members[0]).fit(WINE, y)
    np.testing.assert_allclose(
        told.transform(WINE, y=y), expected.transform(WINE, y=y), rtol=1e-3, atol=1e-4
    )


# Codes of one's own


def coded(loss, **params):
    """An autoencoder whose code costs what a function says."""

    @dataclass
    class Own(Code):
        def loss(self, ae, x, target, noise, progress):
            z = self.encode(ae, x)
            return loss(z, ae.nll(z, target))

    class OwnAutoencoder(Autoencoder):
        _code_class = Own

    return OwnAutoencoder(2, max_iter=3, random_state=0, **params)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda z, nll: nll, "must return Terms. Got Tensor"),
        (lambda z, nll: Terms(nll.sum()), r"nll has the shape \(\d+,\) for .* Got \(\)"),
        (lambda z, nll: Terms(nll, z.sum(1, keepdim=True)), r"reg .* Got \(\d+, 1\)"),
        (lambda z, nll: Terms(nll, batch=nll), "batch has the shape"),
        (lambda z, nll: Terms(nll, aside=nll), "aside has the shape"),
    ],
)
def test_terms_of_other_shapes_are_refused(loss, message):
    with pytest.raises(ValueError, match=f"code: loss.*{message}"):
        coded(loss).fit(WINE)


@pytest.mark.parametrize("together", [False, True])
def test_a_held_out_loss_that_is_no_number_is_an_error(together):
    def loss(z, nll):
        nan = torch.where(z.new_tensor(len(z)) == 18, torch.nan, 0.0)  # those held out
        return Terms(nll, batch=nan)

    members = [coded(loss) for _ in range(1 + together)]
    with pytest.raises(ValueError, match="the held-out loss is nan after epoch 1"):
        fit_together(members, WINE)


# Counts


def test_counts_are_filled_in_by_a_mask(counts):
    estimator = Autoencoder(2, likelihood="poisson", random_state=0).fit(counts)
    mask = np.zeros(counts.shape, dtype=bool)
    mask[:, 2] = True
    filled = estimator.reconstruct(counts, mask=mask)
    np.testing.assert_array_equal(filled[~mask], counts[~mask])
    mean = poisson.logpmf(counts[:, 2], counts[:, 2].mean()).mean()
    assert poisson.logpmf(counts[:, 2], filled[:, 2]).mean() > mean


def test_a_detector_of_counts_names_the_column(counts):
    detector = AutoencoderOutlierDetector(
        Autoencoder(2, likelihood="poisson", max_iter=20), n_estimators=2, random_state=0
    ).fit(counts)
    rows = counts[:20].copy()
    rows[:, 4] += 150
    said = detector.explain(rows, top=1)
    assert (said["feature"] == "x4").mean() > 0.8
    expected = said["expected"].to_numpy(float)
    assert (expected == np.rint(expected)).all()
    assert (expected >= 0).all()
    assert (abs(expected - counts[:20, 4]) < abs(rows[:, 4] - counts[:20, 4])).mean() > 0.8
