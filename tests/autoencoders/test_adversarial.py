"""The adversarial autoencoder: phases, priors, clusters, few labels, warnings."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_clusterer
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Freezer, LRScheduler
from torch.optim.lr_scheduler import StepLR

from skae import AdversarialAutoencoder, Autoencoder, AutoencoderOutlierDetector, priors
from skae.corruption import Gaussian as Noise
from skae.metrics import explained_variance_ratio
from skae.networks import DenseNetwork

RNG = np.random.default_rng(0)
X, Y = load_digits(return_X_y=True)
TRAIN, TEST = train_test_split(X, test_size=0.4, random_state=0)
SMALL, SMALL_Y = X[:200], Y[:200]
quick = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(n_components=3, **params):
    defaults = {"max_iter": 3, "batch_size": 64, "random_state": 0}
    return AdversarialAutoencoder(n_components, **{**defaults, **params})


def away(codes, prior, seed=1):
    """The energy distance of codes from fresh draws, written out."""
    prior = priors.as_prior(prior)
    draws = prior.sample(len(codes), codes.shape[1], seed)

    def mean(a, b):
        return np.linalg.norm(a[:, None] - b, axis=2).mean()

    between = mean(codes, draws)
    return np.sqrt(1 - 0.5 * (mean(codes, codes) + mean(draws, draws)) / between)


@pytest.fixture(scope="module")
def clustered():
    return AdversarialAutoencoder(6, n_clusters=10, max_iter=30, random_state=0).fit(X)


# Phases


def weights(aae):
    module = aae.net_.module_
    return {
        name: torch.cat([p.detach().ravel() for p in part.parameters()])
        for name, part in module.named_children()
        if any(True for _ in part.parameters())
    }


@quick
def test_each_phase_trains_its_own_weights():
    start = {"learning_rate": 1e-12, "adversarial_learning_rate": 1e-12, "alpha": 0.0}
    common = {"n_clusters": 3, "early_stopping": False, "network": (8,)}

    def after(**params):
        return weights(make(**common, **(start | params)).fit(SMALL))

    before = after()

    def moved(**params):
        """Which parts a fit moves, beyond what one does with no rate at all."""
        new = after(**params)
        return {n for n, w in before.items() if not torch.allclose(w, new[n], atol=1e-6)}

    assert moved() == set()
    assert moved(learning_rate=1e-3) == {"encoder", "decoder", "heads"}
    one = {"net_params": {"discriminator_optimizer__lr": 1e-3}}
    assert moved(**one) == {"style_adversary", "cluster_adversary"}
    for phase in ("generator", "labelled"):
        assert moved(net_params={f"{phase}_optimizer__lr": 1e-3}) == {"encoder"}


@quick
def test_losses_of_the_phases_are_in_the_history():
    aae = make(n_clusters=3).fit(SMALL)
    for name in ("discriminator_loss", "generator_loss", "labelled_loss", "prior_distance"):
        values = aae.history_[:, name]
        assert len(values) == 3
        assert np.isfinite(values).all()
    assert "labelled_loss" not in make().fit(SMALL).history_[-1]


def test_a_linear_one_is_pca_in_scale_of_the_prior(rng):
    Z = rng.normal(size=(1500, 2))
    rows = Z @ rng.normal(size=(2, 6)) + 0.2 * rng.normal(size=(1500, 6)) + 10
    aae = AdversarialAutoencoder(2, network=(), max_iter=30, random_state=0).fit(rows)
    codes = aae.transform(rows)
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(2), atol=0.12)
    scaled = (rows - rows.mean(0)) / rows.std(0)
    pca = PCA(2).fit(scaled)
    best = pca.explained_variance_ratio_.sum()
    assert explained_variance_ratio(rows, aae.reconstruct(rows)) > best - 0.01


@quick
def test_a_diverging_phase_is_an_error_and_leaves_what_was():
    aae = make().fit(SMALL)
    before = aae.transform(SMALL)
    aae.set_params(warm_start=True, learning_rate=1e30)
    with pytest.raises(ValueError, match="learning_rate"):
        aae.fit(SMALL)
    assert (aae.transform(SMALL) == before).all()
    aae.set_params(learning_rate=2e-3).fit(SMALL)
    assert len(aae.loss_curve_) == 6


@quick
def test_warm_start_takes_other_rates_in_each_phase():
    aae = make(warm_start=True).fit(SMALL)
    aae.set_params(adversarial_learning_rate=4e-3, learning_rate=1e-3).fit(SMALL)

    def rate(name):
        return getattr(aae.net_, f"{name}_").param_groups[0]["initial_lr"]

    assert rate("optimizer") == pytest.approx(1e-3)
    for phase in ("discriminator", "generator", "labelled"):
        assert rate(f"{phase}_optimizer") == pytest.approx(4e-3)


@quick
def test_other_optimisers_train_the_reconstruction():
    params = {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}
    aae = make(net_params=params, learning_rate=0.05, network=(16,)).fit(SMALL)
    assert aae.loss_curve_[-1] < aae.loss_curve_[0]
    assert isinstance(aae.net_.optimizer_, torch.optim.SGD)
    assert (pickle.loads(pickle.dumps(aae)).transform(SMALL) == aae.transform(SMALL)).all()


@quick
def test_a_pickle_holds_weights_and_moments_but_no_draws():
    aae = make(batch_size=16).fit(SMALL)
    n = sum(p.numel() for p in aae.net_.module_.parameters())
    assert len(pickle.dumps(aae)) < 4 * n * 7 + 100_000


# Priors


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["gaussian", "swiss_roll", "mixture", "uniform"])
def test_codes_of_new_rows_match_the_prior(prior):
    aae = AdversarialAutoencoder(2, prior=prior, max_iter=60, random_state=0).fit(TRAIN)
    distance = away(aae.transform(TEST), prior)
    whitened = PCA(2, whiten=True).fit(TRAIN).transform(TEST)
    assert distance < 0.14
    if prior == "swiss_roll":  # which whitening does not make
        assert distance < 0.9 * away(whitened, prior)
    assert aae.prior_distance_ < 0.2
    assert explained_variance_ratio(TEST, aae.reconstruct(TEST)) > 0.25


def shifted(n_samples, random_state):
    return random_state.normal(5, 0.1, size=(n_samples, 2))


@quick
@pytest.mark.parametrize(
    "prior",
    [
        shifted,
        FrozenEstimator(GaussianMixture(2, random_state=0).fit(shifted(50, RNG))),
        FrozenEstimator(KernelDensity(bandwidth=0.1).fit(shifted(50, RNG))),
    ],
    ids=["function", "mixture", "kernel"],
)
def test_anything_that_can_be_drawn_from_is_a_prior(prior):
    aae = clone(AdversarialAutoencoder(prior=prior, max_iter=30, random_state=0)).fit(SMALL)
    assert aae.n_components_ == 2  # as the prior has
    codes = aae.transform(SMALL)
    np.testing.assert_allclose(codes.mean(0), 5, atol=0.1)
    np.testing.assert_allclose(codes.std(0), 0.1, atol=0.07)
    one, two, other = (aae.sample(4, random_state=seed) for seed in (0, 0, 1))
    assert (one == two).all()
    assert (one != other).any()
    with pytest.raises(ValueError, match="Use n_components=2"):
        make(3, prior=prior).fit(SMALL)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"prior": "swiss_roll", "n_components": 1}, "at least 2 components"),
        ({"prior": GaussianMixture(2)}, "FrozenEstimator"),
        ({"prior": lambda n, random_state: np.zeros(n)}, r"returned shape \(3,\)"),
        ({"prior": lambda n, random_state: np.zeros((3, 3))}, "returned shape"),
        ({"prior": lambda n, random_state: np.full((n, 3), np.nan)}, "must be finite"),
        ({"prior": lambda n, random_state: np.zeros((n, 0))}, "returned shape"),
        ({"prior": KernelDensity(kernel="linear").fit(SMALL[:, :3])}, "cannot be drawn"),
        ({"prior": priors.Uniform}, "must be an instance"),
        ({"prior": priors.Uniform(1, 0)}, "low must be below high"),
        ({"prior": priors.CircleMixture(0)}, "n_modes"),
        ({"prior": priors.CircleMixture(radius=-1)}, "radius"),
        ({"prior": priors.SwissRoll(0)}, "n_turns"),
        ({"prior": priors.SwissRoll(noise=-1)}, "noise"),
        ({"prior": "normal"}, "prior"),
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_clusters": 300}, "more than the 200 rows"),
        ({"n_clusters": "labels"}, "requires y"),
        ({"n_clusters": 3, "cluster_init": KMeans}, "must be an instance"),
        ({"net_params": {"discriminator_optimizer": torch.optim.SGD}}, "is Adam"),
        ({"net_params": {"adversarial_lr": 1}}, "adversarial_learning_rate"),
        ({"n_clusters": 3, "cluster_init": KMeans(4)}, "Let it find as many"),
        ({"n_clusters": 3, "network": DenseNetwork(tied_weights=True)}, "tied_weights"),
        ({"code_activation": "tanh"}, "code_activation"),
        ({"net_params": {"lr": 1}}, "learning_rate"),
    ],
)
def test_what_cannot_be_is_an_error_before_training(params, message):
    with pytest.raises(ValueError, match=message):
        make(**{"n_components": 3} | params).fit(SMALL)


@quick
def test_a_prior_and_its_parameters_can_be_searched():
    grid = {"prior": ["gaussian", priors.SwissRoll()], "n_components": [2, 3]}
    search = GridSearchCV(make(), grid, cv=2).fit(SMALL, SMALL_Y.astype(str))
    assert search.best_estimator_.transform(SMALL).shape == (200, 3)
    nested = make(prior=priors.SwissRoll()).set_params(prior__n_turns=2)
    assert nested.prior.n_turns == 2


# Clusters


def test_clusters_of_digits_are_digits(clustered):
    assert adjusted_rand_score(Y, clustered.labels_) > 0.68  # k-means: 0.47 to 0.67
    assert np.bincount(clustered.labels_, minlength=10).min() > 20


def test_clusters_codes_and_probabilities_agree(clustered):
    assert (clustered.predict(X) == clustered.labels_).all()
    proba = clustered.predict_proba(X)
    assert proba.shape == (len(X), 10)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(1), 1)
    assert (proba.argmax(1) == clustered.labels_).all()
    style, codes = clustered.transform_style(X), clustered.transform(X)
    centers = clustered.cluster_centers_
    assert codes.shape == style.shape == (len(X), 6)
    np.testing.assert_allclose(codes, style + proba @ centers, atol=1e-4)
    rebuilt = clustered.inverse_transform(codes)
    np.testing.assert_allclose(rebuilt, clustered.reconstruct(X), atol=1e-5)
    assert explained_variance_ratio(X, rebuilt) > 0.5
    assert (clustered.predict(X[:1]) == clustered.labels_[:1]).all()


def test_samples_of_a_cluster_are_of_it(clustered):
    for cluster in range(10):
        drawn = clustered.sample(50, random_state=0, cluster=cluster)
        assert (clustered.predict(drawn) == cluster).mean() > 0.8
    each = np.arange(50) % 10
    drawn = clustered.sample(50, random_state=0, cluster=each)
    alone = clustered.sample(50, random_state=0, cluster=3)
    assert (drawn[3::10] == alone[3::10]).all()  # the same styles
    assert clustered.sample(7, random_state=0).shape == (7, 64)
    for wrong in (10, -1, np.arange(50)):
        with pytest.raises(ValueError, match="Known are"):
            clustered.sample(50, cluster=wrong)


def test_styles_are_as_the_prior_in_each_cluster(clustered):
    styles = clustered.transform_style(X)
    assert away(styles, "gaussian") < 0.15


@quick
def test_without_clusters_there_is_nothing_of_them():
    aae = make()
    assert not is_clusterer(aae)
    for name in ("predict", "predict_proba", "fit_predict", "transform_style"):
        assert not hasattr(aae, name)
        assert hasattr(make(n_clusters=3), name)
    with pytest.raises(AttributeError) as error:
        _ = aae.predict
    assert "n_clusters is or was None" in str(error.value.__cause__)
    aae.fit(SMALL)
    assert not hasattr(aae, "labels_")
    with pytest.raises(ValueError, match="without clusters"):
        aae.sample(2, cluster=0)
    assert is_clusterer(make(n_clusters=3))


@quick
@pytest.mark.parametrize("init", ["graph", "kmeans", KMeans(4, n_init=3, random_state=0)])
def test_first_clusters_are_learnt(init):
    blobs, kind = make_blobs(300, 8, centers=4, random_state=1)
    aae = make(2, n_clusters=4, cluster_init=init, max_iter=10).fit(blobs)
    assert adjusted_rand_score(kind, aae.labels_) > 0.95
    new, kind = make_blobs(300, 8, centers=4, random_state=1)
    assert adjusted_rand_score(kind, aae.predict(new)) > 0.95
    again = make(2, n_clusters=4, cluster_init=init, max_iter=10).fit_predict(blobs)
    assert (again == aae.labels_).all()


@quick
def test_clustering_in_a_pipeline_with_weights_and_going_on():
    pipeline = make_pipeline(PCA(20, random_state=0), make(4, n_clusters=5))
    assert pipeline.fit_predict(SMALL).shape == (200,)
    w = np.ones(200)
    w[100:] = 0
    aae = make(4, n_clusters=3, warm_start=True).fit(SMALL, sample_weight=w)
    assert aae.labels_.shape == (200,)
    before = aae.labels_
    aae.fit(SMALL)
    assert adjusted_rand_score(before, aae.labels_) > 0.6  # clusters stay what they are
    aae.partial_fit(SMALL[:50])
    assert aae.labels_.shape == (50,)


# Few labels


@pytest.mark.slow
def test_few_labels_make_clusters_classes():
    known = np.full(len(TRAIN), -1)
    y = train_test_split(Y, test_size=0.4, random_state=0)[0]
    for digit in range(10):
        known[np.flatnonzero(y == digit)[:5]] = digit + 100
    y = y + 100
    aae = AdversarialAutoencoder(6, n_clusters="labels", max_iter=30, random_state=0).fit(
        TRAIN, known
    )
    assert aae.classes_.tolist() == list(range(100, 110))
    unlabelled = known < 0
    assert (aae.labels_[unlabelled] == y[unlabelled]).mean() > 0.8
    assert (aae.predict(TRAIN[~unlabelled]) == known[~unlabelled]).mean() > 0.97
    assert aae.sample(3, random_state=0, cluster=104).shape == (3, 64)
    with pytest.raises(ValueError, match="Known are"):
        aae.sample(3, cluster=4)


@quick
def test_classes_may_be_names_where_all_are_known():
    wine = load_wine(as_frame=True)
    names = np.array(["red", "rose", "white"])[wine.target]
    aae = make(2, n_clusters="labels", max_iter=20).fit(wine.data, names)
    assert (aae.predict(wine.data) == names).mean() > 0.9
    assert aae.fit_predict(wine.data, names).dtype == names.dtype
    aae.partial_fit(wine.data, names)
    with pytest.raises(ValueError, match="green"):
        aae.partial_fit(wine.data, np.full(178, "green"))
    assert (aae.predict(wine.data) == names).mean() > 0.9


@quick
def test_names_of_classes_beside_rows_of_unknown_class():
    names = np.array([f"class {digit}" for digit in SMALL_Y], dtype=object)
    names[50:] = -1
    aae = make(n_clusters="labels", max_iter=20).fit(SMALL, names)
    assert aae.classes_.tolist() == [f"class {digit}" for digit in range(10)]
    assert (aae.predict(SMALL[:50]) == names[:50]).mean() > 0.9


@quick
def test_labels_that_come_in_passes():
    few = np.where(np.arange(200) < 50, SMALL_Y, -1)
    aae = make(n_clusters="labels").partial_fit(SMALL, few)
    shares = aae.net_.module_.cluster_shares
    for y in (few, np.full(200, -1), None):
        aae.partial_fit(SMALL, y)
        assert len(aae.labels_) == 200
    np.testing.assert_allclose(aae.net_.module_.cluster_shares, shares, atol=1e-6)
    assert np.abs(shares.numpy() - np.bincount(SMALL_Y) / 200).sum() < 0.2
    assert aae.cluster_count_.sum() == 800  # of four passes


def few_of(y, n, rng):
    """Labels of n rows of each class, and -1."""
    few = np.full(len(y), -1)
    for c in np.unique(y):
        few[rng.choice(np.flatnonzero(y == c), n, replace=False)] = c
    return few


@quick
@pytest.mark.parametrize(
    ("sizes", "init"),
    [
        pytest.param((570, 30), "graph", marks=pytest.mark.slow),
        ((480, 90, 30), "graph"),
        pytest.param((200, 200, 200), "random", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_shares_of_classes_are_those_of_the_rows_and_not_of_the_labels(sizes, init):
    rng = np.random.default_rng(len(sizes))
    y = np.repeat(np.arange(len(sizes)), sizes)
    rows = rng.normal(size=(600, 6)) + 2.5 * np.eye(6)[y]
    few, truth = few_of(y, 8, rng), np.array(sizes) / 600
    aae = make(2, n_clusters="labels", cluster_init=init, batch_size="auto", max_iter=30)
    aae.fit(rows, few)

    def off(labels):
        return np.abs(np.bincount(labels, minlength=len(sizes)) / len(labels) - truth).max()

    model = make_pipeline(StandardScaler(), LogisticRegression())
    usual = off(model.fit(rows[few >= 0], few[few >= 0]).predict(rows))
    assert off(aae.predict(rows)) < usual + 0.03
    assert off(aae.labels_) < usual + 0.03
    assert (aae.labels_[few >= 0] == few[few >= 0]).all()
    np.testing.assert_array_equal(aae.cluster_count_, np.bincount(aae.labels_))
    drawn = aae.sample(5000, random_state=0, return_cluster=True)[1]
    np.testing.assert_allclose(
        np.bincount(drawn, minlength=len(sizes)) / 5000,
        np.bincount(aae.labels_, minlength=len(sizes)) / 600,
        atol=0.025,
    )


@quick
def test_shares_may_be_told():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [270, 30])
    rows, few = rng.normal(size=(300, 4)) + 2.5 * y[:, None], few_of(y, 5, rng)
    names = np.where(few < 0, -1, np.array(["a", "b"], dtype=object)[few])
    prior = {"b": 0.3, "a": 0.7}
    aae = make(2, n_clusters="labels", class_prior=prior).fit(rows, names)
    np.testing.assert_allclose(aae.net_.module_.cluster_shares, [0.7, 0.3], atol=1e-6)
    again = make(2, n_clusters="labels", class_prior=[0.7, 0.3]).fit(rows, names)
    assert (again.transform(rows) == aae.transform(rows)).all()
    counted = pd.Series([0.7, 0.3], index=["b", "a"])  # the most frequent one first
    again = make(2, n_clusters="labels", class_prior=counted).fit(rows, names)
    np.testing.assert_allclose(again.net_.module_.cluster_shares, [0.3, 0.7], atol=1e-6)
    for wrong in (
        pd.Series([0.7, 0.3]),
        [0.5, 0.6],
        [1.0, 0.0],
        [1.0],
        {"a": 1.0},
        {"a": 0.5, "c": 0.5},
        ["x", "y"],
    ):
        with pytest.raises(ValueError, match="class_prior must"):
            make(n_clusters="labels", class_prior=wrong).fit(rows, names)
    with pytest.raises(ValueError, match="class_prior is for n_clusters='labels'"):
        make(n_clusters=2, class_prior=[0.5, 0.5]).fit(rows)


def test_rows_that_no_label_reaches_are_told_of():
    rows, kind = make_blobs(400, 5, centers=4, random_state=0, center_box=(-30, 30))
    few = few_of(kind, 5, np.random.default_rng(0))
    with pytest.warns(ConvergenceWarning, match=r"Unlabelled: 27% .*\[0, 1, 2\]"):
        make(2, n_clusters="labels").fit(rows, np.where(few == 3, -1, few))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        make(2, n_clusters="labels").fit(rows, few)
    assert not any("Unlabelled" in str(w.message) for w in seen)


@quick
@pytest.mark.parametrize("n_unknown", [pytest.param(0, marks=pytest.mark.slow), 120])
def test_a_search_may_go_by_accuracy(n_unknown):
    y = np.where(np.arange(200) < n_unknown, -1, SMALL_Y)
    aae = make(n_clusters="labels", max_iter=6)
    grid = {"adversarial_learning_rate": [1e-6, 2e-3]}
    search = GridSearchCV(aae, grid, scoring="accuracy", cv=StratifiedKFold(2)).fit(
        SMALL, y
    )
    assert search.best_params_["adversarial_learning_rate"] == 2e-3
    found = search.predict(SMALL)
    assert (found[y >= 0] == y[y >= 0]).mean() > 0.7
    assert search.score(SMALL, y) == pytest.approx((found == y).mean())
    assert search.best_estimator_.score(SMALL, y) == search.best_estimator_.score(SMALL)


def test_labels_of_no_weight_are_an_error():
    few = np.where(np.arange(200) < 50, SMALL_Y, -1)
    with pytest.raises(ValueError, match="sample_weight of 0"):
        make(n_clusters="labels").fit(SMALL, few, sample_weight=few < 0)


@quick
def test_what_was_fitted_does_not_change_with_parameters():
    roll = priors.SwissRoll()
    aae = make(2, prior=roll, n_clusters=3).fit(SMALL)
    drawn, labels = aae.sample(3, random_state=0), aae.predict(SMALL)
    roll.n_turns = 9
    aae.set_params(prior="gaussian", n_clusters=None)
    assert (aae.sample(3, random_state=0) == drawn).all()
    assert (aae.predict(SMALL) == labels).all()


@quick
@pytest.mark.parametrize(
    ("first", "then"),
    [(5, 3), (3, 5), (None, 3), (3, None), ("labels", 3), (3, "labels"), (3, 3)],
)
def test_going_on_with_other_clusters_is_an_error(first, then):
    k = 1 if first == then else 3
    aae = make(k, warm_start=True, n_clusters=first).fit(SMALL, SMALL_Y)
    before = aae.transform(SMALL)
    aae.set_params(n_clusters=then)
    if first == then:
        aae.set_params(prior="swiss_roll")
    with pytest.raises(ValueError, match=r"cannot change|at least 2 components"):
        aae.fit(SMALL, SMALL_Y)
    assert (aae.transform(SMALL) == before).all()


@quick
def test_members_of_a_detector_have_their_adversaries():
    detector = AutoencoderOutlierDetector(make(2), n_estimators=2).fit(SMALL)
    assert detector.predict(SMALL).shape == (200,)
    for member in detector.estimators_:
        assert "discriminator_loss" in member.history_[-1]


@quick
def test_a_clusterer_is_left_alone_and_seeded():
    kmeans = KMeans(5, n_init=1, init="random")
    one, two = (make(n_clusters=5, cluster_init=kmeans).fit(SMALL) for _ in range(2))
    assert not hasattr(kmeans, "labels_")
    assert (one.labels_ == two.labels_).all()


@quick
def test_callbacks_freeze_and_schedule_all_phases():
    freezer = Freezer("encoder.*")
    aae = make(net_params={"callbacks": [freezer]}).fit(SMALL)
    assert np.isfinite(aae.transform(SMALL)).all()
    schedule = LRScheduler(StepLR, step_size=1, gamma=0.1)
    net = make(net_params={"callbacks": [schedule]}).fit(SMALL).net_
    assert net.discriminator_optimizer_.param_groups[0]["lr"] < 2e-4


@quick
def test_a_network_of_natural_size_is_what_it_says():
    def shapes(aae):
        encoder = aae.fit(SMALL).net_.module_.encoder
        return [tuple(p.shape) for p in encoder.parameters()]

    plain = Autoencoder(None, network=(16, 5), max_iter=1)
    assert shapes(make(None, network=(16, 5))) == shapes(plain)
    assert make(None, network=(16, 5), n_clusters=3).fit(SMALL).n_components_ == 5


def test_labels_that_cannot_be(rng):
    for y, message in (
        (None, "requires y"),
        (np.array(["a", "-1"] * 100), "integer -1"),
        (np.array([1.0, np.nan] * 100), "missing values"),
        (np.full(200, -1), "no class"),
        (np.zeros(100, int), "inconsistent numbers"),
        (rng.normal(size=200), "continuous"),
    ):
        with pytest.raises(ValueError, match=message):
            make(n_clusters="labels").fit(SMALL, y)


@quick
def test_y_is_ignored_without_labels():
    one = make(n_clusters=3).fit(SMALL)
    other = make(n_clusters=3).fit(SMALL, ["a"] * 200)
    assert (one.transform(SMALL) == other.transform(SMALL)).all()


# Signs of trouble


def caught(aae, rows):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        aae.fit(rows)
    return " ".join(str(w.message) for w in seen if w.category is ConvergenceWarning)


@pytest.mark.slow
def test_a_run_that_goes_well_does_not_warn():
    aae = AdversarialAutoencoder(4, max_iter=30, random_state=0)
    assert caught(aae, X) == ""
    assert caught(aae.set_params(n_clusters=10), X) == ""


@pytest.mark.slow
def test_codes_that_miss_the_prior_are_warned_of():
    def spike(n_samples, random_state):  # all but equal, now and then far away
        return np.where(random_state.uniform(size=(n_samples, 1)) < 0.01, 10.0, 0.0) * [
            1,
            1,
        ]

    slow = {"adversarial_learning_rate": 1e-9, "max_iter": 20}
    aae = make(2, prior=spike, network=(16,), **slow)
    told = caught(aae, X[:900])
    assert "Prior missed" in told
    longer = "by max_iter=60" if aae.n_iter_ == 20 else "by early_stopping=False and max_i"
    assert longer in told
    aae.set_params(early_stopping=False)
    assert "by max_iter=60, change adversarial" in caught(aae, X[:900])
    impatient = {"early_stopping": True, "n_iter_no_change": 1, "tol": 10.0}
    told = caught(aae.set_params(**impatient), X[:900])
    assert aae.n_iter_ < 20
    assert "by early_stopping=False and max_iter=60" in told


def test_empty_clusters_are_warned_of():
    class AlmostOne(KMeans):
        def fit_predict(self, points):
            return np.arange(len(points)).clip(max=self.n_clusters - 1)

    aae = make(5, n_clusters=30, cluster_init=AlmostOne(30), max_iter=8)
    assert "clusters have rows" in caught(aae, X[:600])


@quick
def test_corruption_reaches_all_phases():
    seen = []

    class Watch(Noise):
        def apply(self, x, space, generator):
            seen.append(len(x))
            return super().apply(x, space, generator)

    make(n_clusters=3, corruption=Watch(), early_stopping=False, max_iter=1).fit(SMALL)
    # a trial of 3 rows, then for each of 4 batches: reconstruction, adversaries, labels
    assert len(seen) == 1 + 3 * 4
