"""Nothing that competes before the judge has seen the judge's rows."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

import skae
from skae._data.neighbors import nearest
from skae._data.rows import Rows
from skae._data.split import Sample, Told
from skae._training.task import Task
from skae.likelihoods import Gaussian
from skae.metrics import explained_variance_ratio

FAMILIES = {
    "plain": skae.Autoencoder,
    "denoising": skae.DenoisingAutoencoder,
    "variational": skae.VariationalAutoencoder,
    "adversarial": skae.AdversarialAutoencoder,
    "sparse": skae.SparseAutoencoder,
    "l1": lambda k, **params: skae.SparseAutoencoder(k, penalty="l1", **params),
    "binary": skae.BinaryAutoencoder,
}


def weights(estimator):
    state = estimator.net_.module_.state_dict()
    return {name: value.numpy() for name, value in state.items() if "_extra" not in name}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_start_does_not_depend_on_the_rows_that_judge(family):
    X = np.random.default_rng(0).normal(size=(80, 6))
    make = FAMILIES[family]
    params = {"max_iter": 1, "early_stopping": True, "random_state": 0}
    params |= {"learning_rate": 1e-30, "likelihood": Gaussian(scale=None)}
    if family == "adversarial":
        params["adversarial_learning_rate"] = 1e-30
    estimator = make(3, **params)
    _, sample = make(3, **params).__skae_begin__(X)
    assert len(sample.valid) == 8
    others = X.copy()
    others[sample.valid.numpy()] = np.random.default_rng(1).normal(size=(8, 6)) * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = weights(estimator.fit(X)), weights(make(3, **params).fit(others))
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], rtol=0, atol=1e-20, err_msg=name)


@pytest.mark.parametrize("k", [24, 32])
@pytest.mark.parametrize("split", [0, 1, 2])
def test_many_components_are_not_pca_to_the_last_digit(k, split):
    X = load_digits().data
    order = np.random.default_rng(split).permutation(len(X))
    train, test = X[order[:600]], X[order[600:]]
    estimator = skae.Autoencoder(k, max_iter=20, random_state=split).fit(train)
    scale = np.where(train.std(0) > 0, train.std(0), 1)
    pca = PCA(k).fit(train / scale)
    back = pca.inverse_transform(pca.transform(test / scale)) * scale
    explained = [
        explained_variance_ratio(test, other, X_train=train, standardize=False)
        for other in (estimator.reconstruct(test), back)
    ]
    assert estimator.validation_loss_curve_[-1] < estimator.net_.start_loss_
    assert explained[0] > explained[1] + 0.01


def test_neighbours_are_none_that_judge():
    estimator = skae.BinaryAutoencoder(4, max_iter=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    recipe, sample = estimator.__skae_begin__(X)

    means = Task(recipe, sample).rows.clean.table[sample.train]
    assert not np.isin(means, sample.valid).any()
    likelihood = recipe.likelihood.build(sample.statistics)
    rows = Rows(X, None, likelihood, "cpu")
    table = nearest(rows, sample.index, sample.train, 3, lambda x: x).numpy()
    X = likelihood.standardize(X)
    train = sample.train.numpy()
    distance = np.square(X[:, None] - X[None]).sum(2)
    np.fill_diagonal(distance, np.inf)
    for row in range(50):
        wanted = train[np.argsort(distance[row, train])[:3]]
        np.testing.assert_array_equal(table[row], [row, *wanted])


def test_rows_without_a_label_judge_first():
    labels = np.full(40, -1)
    labels[::4] = 0
    split = {"shape": (2,), "check": lambda X: None, "held_out": 0.25}
    sample = Sample.of(np.zeros((40, 2)), told=Told(labels=labels), **split)
    assert len(sample.valid) == 10
    assert (labels[sample.valid.numpy()] == -1).all()
    sample = Sample.of(np.zeros((40, 2)), told=Told(labels=np.zeros(40)), **split)
    assert len(sample.valid) == 10


def test_a_label_of_a_row_that_judges_is_not_learnt():
    X, y = make_blobs(60, random_state=0)
    params = {"n_clusters": "labels", "max_iter": 2, "random_state": 0}
    estimator = skae.AdversarialAutoencoder(2, **params)
    _, sample = estimator.__skae_begin__(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = weights(estimator.fit(X, y))
        other, held_out = y.copy(), sample.valid.numpy()
        other[held_out] = np.roll(y[held_out], 1)  # as many of each class
        assert (other != y).any()
        second = weights(estimator.fit(X, other))
    same = [np.array_equal(first[k], second[k]) for k in first if "shares" not in k]
    assert all(same)


def told(estimator, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X)
    return [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]


def test_a_start_that_nothing_beats_is_told():
    X = load_digits().data[:600]
    estimator = skae.Autoencoder(8, learning_rate=0.1, max_iter=5, random_state=0)
    signs = told(estimator, X)
    assert [sign.split(":")[0] for sign in signs] == ["No epoch was better than the start"]
    assert estimator.net_.kept_start_
    curved = np.sin(np.random.default_rng(0).uniform(-3, 3, (300, 1)) * np.arange(1, 6))
    assert told(skae.Autoencoder(1, random_state=0), curved) == []


def test_a_linear_network_that_stays_pca_is_no_trouble():
    X = load_digits().data[:300]
    assert told(skae.Autoencoder(4, network=(), max_iter=10, random_state=0), X) == []


@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_divergence_is_told_although_the_start_is_kept(rate):
    X = load_digits().data[:600]
    signs = told(skae.Autoencoder(8, learning_rate=rate, max_iter=10, random_state=0), X)
    assert [sign.split(":")[0] for sign in signs] == ["Diverged"]


@pytest.mark.parametrize("make", [skae.Autoencoder, skae.DenoisingAutoencoder])
@pytest.mark.parametrize("network", ["auto", ()])
def test_a_start_that_stays_is_found_anew_in_all_rows(make, network):
    X = load_digits().data[:200, 10:50] + np.random.default_rng(0).normal(size=(200, 40))
    params = {"network": network, "learning_rate": 10.0, "max_iter": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make(5, **params).fit(X)
    assert estimator.net_.kept_start_
    likelihood = estimator.net_.module_.likelihood
    Z = (X - likelihood.location) / likelihood.scale
    back = (estimator.reconstruct(X) - likelihood.location) / likelihood.scale
    pca = PCA(5).fit(Z)
    np.testing.assert_allclose(back, pca.inverse_transform(pca.transform(Z)), atol=2e-4)


def test_a_selectors_held_out_rows_go_on_judging():
    X = np.random.default_rng(0).normal(size=(60, 6))
    X[:, 3] = X[:, 0] + 0.1 * X[:, 3]
    params = {"n_features_to_select": 2, "method": "greedy", "random_state": 0}
    params |= {"learning_rate": 10.0, "max_iter": 1}
    likelihood = {"likelihood": Gaussian(scale=None)}
    models = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            models.append(skae.AutoencoderFeatureSelector(**params, **likelihood).fit(X))
            order = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
            seed = int(np.random.RandomState(order).randint(np.iinfo(np.int32).max))
            split = {"shape": (6,), "check": lambda block: None, "held_out": 0.1}
            held_out = Sample.of(X, **split, seed=seed).valid.numpy()
            X = X.copy()
            X[held_out] *= 1.5
    assert models[0].net_.kept_start_
    first, second = (weights(model) for model in models)
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], atol=1e-12, err_msg=name)
