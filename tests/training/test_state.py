"""What `fit` learnt is in the net's state, as plain arrays."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine

import skae
from skae import AutoencoderOutlierDetector, LatentSampler, VariationalAutoencoder
from skae.networks import ConvolutionalNetwork, DenseNetwork
from tests.common import AUTOENCODERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

WINE = load_wine().data
OTHER = np.abs(WINE[::-1]) ** 0.5 + 3
EXTRA = [
    skae.Autoencoder(2, likelihood="mixed", max_iter=2, random_state=0),
    skae.Autoencoder(2, network=DenseNetwork((5,), tied_weights=True), max_iter=2),
    skae.Autoencoder(
        2, network=DenseNetwork((5,), normalization="batch", dropout=0.2), max_iter=2
    ),
    VariationalAutoencoder(2, objective="factor", max_iter=2, random_state=0),
    skae.SparseAutoencoder(20, penalty="batch_topk", max_iter=2, random_state=0),
]
ALL = pytest.mark.parametrize("estimator", [*AUTOENCODERS, *EXTRA], ids=repr)


@ALL
def test_parameters_of_the_net_bring_scores_back(estimator, tmp_path):
    one, other = clone(estimator).fit(WINE), clone(estimator).fit(OTHER)
    expected = one.score_samples(WINE)
    assert (other.score_samples(WINE) != expected).any()
    one.net_.save_params(f_params=tmp_path / "params.pt")
    other.net_.load_params(f_params=tmp_path / "params.pt")
    np.testing.assert_array_equal(other.score_samples(WINE), expected)
    np.testing.assert_array_equal(other.reconstruct(WINE), one.reconstruct(WINE))
    third = clone(estimator).fit(OTHER)
    third.net_.module_.load_state_dict(one.net_.module_.state_dict())
    np.testing.assert_array_equal(third.score_samples(WINE), expected)


def test_a_table_of_other_levels_is_refused():
    def table(levels):
        return np.c_[WINE[:, :2], np.arange(len(WINE)) % levels]

    def fitted(levels):
        likelihood = skae.likelihoods.Mixed({2: levels})
        return skae.Autoencoder(1, likelihood=likelihood, max_iter=1).fit(table(levels))

    with pytest.raises(ValueError, match="numbers of levels"):
        fitted(3).net_.module_.load_state_dict(fitted(4).net_.module_.state_dict())


def walk(value, seen):
    """Yield all that a state holds."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    yield value
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    else:
        parts = [getattr(value, "__dict__", None)]
    for part in parts:
        yield from walk(part, seen)


@ALL
def test_a_state_holds_no_bytes_and_no_tensors(estimator):
    state = clone(estimator).fit(WINE).net_.__getstate__()
    for value in walk(state, {}):
        assert not isinstance(value, bytes | bytearray)
        assert not isinstance(value, torch.nn.Module) or isinstance(value, type)
        assert not torch.is_tensor(value)


@ALL
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_goes_on_as_the_original_does(estimator, copied):
    original = clone(estimator).set_params(random_state=0).fit(WINE)
    other = copied(original)
    for one in (original, other):
        one.partial_fit(WINE)
    np.testing.assert_array_equal(other.transform(WINE), original.transform(WINE))
    for e in (original, other):
        e.set_params(warm_start=True).fit(WINE)
    np.testing.assert_array_equal(other.score_samples(WINE), original.score_samples(WINE))


def test_maps_stay_in_their_memory_format():
    X = load_digits().images[:50]
    network = ConvolutionalNetwork(filters=(4, 6))
    original = skae.ConvolutionalAutoencoder(3, network=network, max_iter=1).fit(X)
    other = pickle.loads(pickle.dumps(original))
    for (name, p), q in zip(
        original.net_.module_.named_parameters(),
        other.net_.module_.parameters(),
        strict=True,
    ):
        assert p.stride() == q.stride(), name
        assert p.requires_grad == q.requires_grad


def test_what_is_shared_stays_shared():
    network = DenseNetwork((5,), tied_weights=True)
    original = skae.Autoencoder(2, network=network, max_iter=1).fit(WINE)
    module = pickle.loads(pickle.dumps(original)).net_.module_
    assert module.decoder.layers[0].weight is module.encoder.layers[-1].weight
    sparse = skae.SparseAutoencoder(20, max_iter=1, random_state=0).fit(WINE)
    module = pickle.loads(pickle.dumps(sparse)).net_.module_
    assert module.encoder.layer is module.decoder.layers[0]


# Versions


@pytest.mark.parametrize(
    "estimator",
    [
        *AUTOENCODERS[:1],
        AutoencoderOutlierDetector(n_estimators=2, max_iter=1),
        LatentSampler(skae.Autoencoder(2, max_iter=1)),
        skae.AutoencoderImputer(max_iter=1, network=(4,)),
        skae.AutoencoderFeatureSelector(2, max_iter=1),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_file_of_another_version_says_so(estimator, monkeypatch, recwarn):
    fitted = clone(estimator).fit(WINE)
    file = pickle.dumps(fitted)
    recwarn.clear()
    pickle.loads(file)
    assert [str(w.message) for w in recwarn] == []
    monkeypatch.setattr(skae, "__version__", "99.0")
    name = type(estimator).__name__
    match = f"{name} was fitted by skae 0.1.0.dev0, and is loaded by 99.0"
    with pytest.warns(UserWarning, match=match):
        loaded = pickle.loads(file)
    with pytest.warns(UserWarning, match=match):  # it stays the one that fitted it
        pickle.loads(pickle.dumps(loaded))
    recwarn.clear()
    loaded.fit(WINE)
    recwarn.clear()
    pickle.loads(pickle.dumps(loaded))
    assert [str(w.message) for w in recwarn] == []


def test_what_is_not_fitted_has_no_version():
    estimator = pickle.loads(pickle.dumps(LatentSampler()))
    assert vars(estimator) == vars(LatentSampler())
