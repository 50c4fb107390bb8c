"""Classes of all rows from those of few."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderClassifier,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.likelihoods import Bernoulli
from skae.model_selection import LabelledKFold
from skae.networks import ConvolutionalNetwork
from skae.semi_supervised._lessons import ClassLessons

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("quick"),
]


def few(y, per_class, seed=0, unknown=-1):
    rng = np.random.RandomState(seed)
    told = np.full(len(y), unknown, dtype=np.asarray(y).dtype)
    for name in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == name))[:per_class]
        told[rows] = y[rows]
    return told


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def encoder(digits):
    return Autoencoder(16, max_iter=20, random_state=0).fit(digits[0])


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, y, few(y, 5)


def quick(autoencoder=None, **params):
    autoencoder = autoencoder or Autoencoder(3, max_iter=5)
    return AutoencoderClassifier(autoencoder, random_state=0, **{"max_iter": 10, **params})


def test_unlabelled_rows_help(digits, encoder, monkeypatch):
    monkeypatch.undo()  # the teacher as it is
    X, y = load_digits(return_X_y=True)
    told, new = few(y[:600], 2), slice(600, 900)
    known = told >= 0
    classifier = AutoencoderClassifier(encoder, random_state=0).fit(X[:600], told)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        X[:600][known], y[:600][known]
    )
    alone = AutoencoderClassifier(encoder, graph=None, random_state=0).fit(X[:600], told)
    scores = [model.score(X[new], y[new]) for model in (classifier, linear, alone)]
    assert scores[0] > max(scores[1:]) + 0.05
    assert (classifier.transduction_ == y[:600]).mean() > 0.85
    assert (classifier.transduction_[known] == y[:600][known]).all()
    assert classifier.graph_ == "columns"
    assert classifier.graph_share_ > 0.9
    assert alone.graph_ is None
    assert alone.graph_share_ == 0


def test_pictures_may_be_deformed():
    digits = load_digits()
    X, y = digits.images[:500], digits.target[:500]
    told = few(y[:300], 2)
    ae = ConvolutionalAutoencoder(
        network=ConvolutionalNetwork(filters=(8, 16)), max_iter=3, random_state=0
    ).fit(X[:300])
    classifier = AutoencoderClassifier(ae, random_state=0).fit(X[:300], told)
    assert classifier.graph_ == "deformation"
    assert classifier.score(X[300:], y[300:]) > 0.85
    # flat rows are known to be pictures by the network alone
    flat = AutoencoderClassifier(ae, random_state=0).fit(X[:300].reshape(300, -1), told)
    np.testing.assert_array_equal(
        flat.predict_proba(X[300:].reshape(200, -1)), classifier.predict_proba(X[300:])
    )


def test_pictures_that_nothing_tells_of_are_columns(digits, encoder):
    X, y = digits
    quick_one = AutoencoderClassifier(encoder, max_iter=1, random_state=0)
    assert quick_one.fit(X, few(y, 5)).graph_ == "columns"
    quick_one.set_params(graph="deformation")
    assert quick_one.fit(X, few(y, 5)).graph_ == "deformation"
    assert quick_one.fit(X, y).graph_ is None  # no row is left to be told


def test_labels_of_any_type_are_the_same(wine):
    X, y, told = wine
    y, told = (np.where(a == 2, 1, a) for a in (y, told))  # two classes
    expected = quick().fit(X, told)
    for names in (
        np.array([3, 7]),
        np.array(["no", "yes"], dtype=object),
        np.array([3, 7], dtype=object),
        np.array([0.0, 4.0]),
        np.array([False, True], dtype=object),
    ):
        other = np.full(len(told), -1, dtype=names.dtype)
        other[told >= 0] = names[told[told >= 0]]
        found = quick().fit(X, other)
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
        assert found.classes_.tolist() == names.tolist()
        right = found.classes_[expected.predict(X)]
        np.testing.assert_array_equal(found.predict(X), right)
        assert found.score(X, names[y]) == expected.score(X, y)


def test_minus_one_and_one_are_a_pair_and_it_is_said(wine):
    X, y, _ = wine
    pair = np.where(y == 0, -1, 1)
    with pytest.warns(UserWarning, match="-1 and 1 alone are taken for two classes"):
        classifier = quick().fit(X, pair)
    assert classifier.classes_.tolist() == [-1, 1]
    right = (classifier.predict(X) == pair).mean()
    assert right > 0.8
    assert classifier.score(X, pair) == pytest.approx(right)  # -1 is a class there, too


@pytest.mark.filterwarnings("ignore:y. -1")
@pytest.mark.parametrize(
    "own",
    [
        AdversarialAutoencoder(2, n_clusters="labels", max_iter=2),
        VariationalAutoencoder(2, conditional=True, max_iter=2),
        Autoencoder(2, target_weight=0.5, max_iter=2),
        None,
    ],
    ids=["adversarial", "variational", "targeted", "plain"],
)
@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ([-1, 1, 1], [-1, 1]),
        ([-2, -1, 3], [-2, -1, 3]),
        (["-1", "1", "1"], ["-1", "1"]),
        ([-1, 0, 1], [0, 1]),
    ],
    ids=str,
)
def test_minus_one_is_the_same_to_all(wine, own, names, classes):
    X, y, _ = wine
    named = np.array(names)[y]
    classifier = quick(own, max_iter=2).fit(X, named)
    assert classifier.classes_.tolist() == classes
    assert classifier.label_distributions_.shape == (178, len(classes))
    if own is not None and not isinstance(own, VariationalAutoencoder):
        assert classifier.autoencoder_.classes_.tolist() == classes


def test_weights_of_classes(wine):
    X, y, told = wine
    weight = (y != 2).astype(float)  # no row of the last class counts
    classifier = quick(class_weight="balanced", max_iter=2).fit(X, told, weight)
    assert classifier.classes_.tolist() == [0, 1, 2]
    # by the labels that count, those of the last class are not among them
    told = np.where((y == 0) & (np.arange(178) > 9), -1, y)
    heavy, alike = (
        quick(class_weight=w, graph=None, training="frozen").fit(X, told)
        for w in ({0: 50.0, 1: 1.0, 2: 1.0}, None)
    )
    gain = heavy.predict_proba(X)[:, 0] - alike.predict_proba(X)[:, 0]
    assert gain.mean() > 0.02


@pytest.mark.parametrize("given", [{0: 0, 1: 1, 2: 1}, {0: -1.0, 1: 1, 2: 1}, {0: "a"}])
def test_weights_that_cannot_be_are_refused_before_training(wine, given, monkeypatch):
    monkeypatch.setattr(Autoencoder, "fit", lambda *_, **__: pytest.fail("has trained"))
    with pytest.raises(ValueError, match="class_weight must hold positive numbers"):
        quick(class_weight=given).fit(wine[0], wine[2])


def test_who_judges_counts_as_much_as_rows_do(wine, monkeypatch):
    X, y, _ = wine
    told, ways = few(y, 12), {"graph": None, "max_iter": 2}
    weight = np.random.RandomState(0).randint(1, 4, 178).astype(float)
    a, b = (quick(**ways).fit(X, told, w) for w in (weight, 1024 * weight))
    assert a.training_scores_ == b.training_scores_
    plain = quick(**ways).fit(X, told)
    assert a.training_scores_ != plain.training_scores_
    judges = []

    def cost(lessons, outputs, out):
        judges.append(out)
        return np.arange(out.sum(), dtype=float)

    monkeypatch.setattr(ClassLessons, "cost", cost)
    found = quick(class_weight={0: 1, 1: 2, 2: 7}, **ways).fit(X, told, weight)
    out = judges[0]
    expected = np.average(np.arange(12), weights=(weight * np.array([1, 2, 7])[y])[out])
    assert found.training_scores_["frozen"] == pytest.approx(-expected)


def test_codes_that_are_for_y(wine):
    X, y, _ = wine
    told = few(y, 12)
    ae = Autoencoder(2, target_weight=0.5, max_iter=5, random_state=0)
    classifier = quick(ae).fit(X, told)
    expected = clone(ae).fit(X, told)
    np.testing.assert_array_equal(
        classifier.autoencoder_.transform(X), expected.transform(X)
    )
    # it has seen the labels that would judge
    assert classifier.training_ == "fine-tune"
    assert classifier.training_scores_ == {}


def test_an_autoencoder_of_other_classes(wine):
    X, _, told = wine
    fitted = AdversarialAutoencoder(2, n_clusters="labels", max_iter=2, random_state=0)
    fitted.fit(X, told)
    two = np.where(told == 2, 1, told)
    other = quick(fitted, max_iter=2).fit(X, two)
    assert other.training_ == "fine-tune"
    assert other.predict_proba(X).shape == (178, 2)
    assert quick(fitted, training="joint").fit(X, told).graph_ is None
    with pytest.raises(ValueError, match="was fitted to"):
        quick(fitted, training="joint").fit(X, two)
    with pytest.raises(ValueError, match="but AutoencoderClassifier is expecting 13"):
        quick(fitted).fit(X, told).predict(X[:, :3])


def test_nobody_tells_a_variational_one_the_classes_of_new_rows(wine):
    X, y, told = wine
    vae = VariationalAutoencoder(2, conditional=True, max_iter=2, random_state=0)
    for params in ({"conditional": True}, {"conditional": False}):
        whole = quick(clone(vae).set_params(**params), training="joint").fit(X, y)
        assert not whole.autoencoder_.conditional  # no row's class is to be guessed
    with pytest.raises(ValueError, match="need the class of each row"):
        quick(clone(vae).fit(X, y)).fit(X, told)


def test_what_is_said_of_rows_goes_together(wine):
    X, _, told = wine
    classifier = quick().fit(X, told)
    logits = classifier.decision_function(X)
    assert logits.shape == (178, 3)
    np.testing.assert_allclose(classifier.predict_proba(X), softmax(logits, axis=1))
    np.testing.assert_allclose(
        classifier.predict_log_proba(X), np.log(classifier.predict_proba(X))
    )
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[logits.argmax(1)]
    )
    two = quick().fit(X, np.where(told == 2, 1, told))
    p = two.predict_proba(X)
    np.testing.assert_allclose(two.decision_function(X), np.log(p[:, 1] / p[:, 0]))
    # a row's result is its own
    for rows in (slice(0, 1), slice(3, 60)):
        np.testing.assert_array_equal(classifier.decision_function(X[rows]), logits[rows])


def test_frozen_codes_are_the_autoencoders(digits, encoder):
    X, y = digits
    told = few(y, 5)
    frozen = quick(encoder, training="frozen").fit(X, told)
    np.testing.assert_array_equal(frozen.transform(X), encoder.transform(X))
    before = encoder.transform(X)
    tuned = quick(encoder, training="fine-tune").fit(X, told)
    assert np.abs(tuned.transform(X) - before).max() > 0.1
    np.testing.assert_array_equal(encoder.transform(X), before)  # a copy has learnt on
    assert tuned.autoencoder_ is encoder
    assert not tuned.net_.optimizer_.state  # which would be two thirds of a pickle


def test_joint_training_goes_on_reconstructing(digits, encoder):
    X, y = digits
    x = torch.from_numpy(encoder.net_.module_.likelihood.standardize(X))

    def error(classifier):
        with torch.no_grad():
            return float((classifier.net_.module_.ae.reconstruct(x) - x).square().mean())

    told, ways = few(y, 5), {"max_iter": 20, "learning_rate": 5e-3}
    tuned = quick(encoder, training="fine-tune", **ways).fit(X, told)
    joint = quick(encoder, training="joint", **ways).fit(X, told)
    assert error(joint) < 0.5 * error(tuned)
    assert joint.score(X, y) > 0.8


def test_auto_says_what_it_has_chosen_and_by_what(digits, encoder):
    X, y = digits
    classifier = AutoencoderClassifier(encoder, random_state=0).fit(X, few(y, 6))
    scores = classifier.training_scores_
    assert set(scores) == {"frozen", "fine-tune"}
    assert max(scores.values()) < 0
    assert classifier.training_ == "fine-tune"
    few_of_them = AutoencoderClassifier(encoder, max_iter=1).fit(X, few(y, 2))
    assert few_of_them.training_ == "fine-tune"
    assert few_of_them.training_scores_ == {}


def test_auto_leaves_alone_what_fine_tuning_spoils(digits, encoder):
    X, y = digits
    noisy = few(y, 30)
    # so large steps that the encoder is ruined
    ruined = quick(encoder, graph=None, learning_rate=3.0, max_iter=3)
    assert ruined.fit(X, noisy).training_ == "frozen"


def test_labels_held_out_teach_nobody(wine, monkeypatch):
    from skae.semi_supervised import _base as module

    X, y, told = wine
    lessons, whole = [], module.train_labeller

    def noted(net, rows, lesson, *args):
        lessons.append(lesson)
        return whole(net, rows, lesson, *args)

    monkeypatch.setattr(module, "train_labeller", noted)
    told = few(y, 12)
    quick(graph=None).fit(X, told)
    assert [len(lesson.index) for lesson in lessons] == [24, 24, 36]
    assert set(lessons[0].index) < set(np.flatnonzero(told >= 0))


def test_codes_of_bits_are_left_alone(digits, monkeypatch):
    X, y = digits
    bits = BinaryAutoencoder(16, max_iter=3, random_state=0).fit(X)
    classifier = quick(bits).fit(X, few(y, 5))
    assert classifier.training_ == "frozen"
    unfitted = SparseAutoencoder(16, n_nonzero_coefs=3)  # by matching pursuit
    monkeypatch.setattr(SparseAutoencoder, "fit", lambda *_, **__: pytest.fail("trained"))
    for ae in (bits, unfitted):
        with pytest.raises(ValueError, match="training='frozen'"):
            quick(ae, training="fine-tune").fit(X, few(y, 5))


def test_an_adversarial_autoencoder_learns_classes_itself(digits):
    X, y = digits
    told = few(y, 6)
    own = AdversarialAutoencoder(4, n_clusters="labels", max_iter=3, random_state=0)
    expected = clone(own).fit(X, told)
    for classifier in (
        quick(own),
        quick(AdversarialAutoencoder(4, max_iter=3, random_state=0), training="joint"),
    ):
        classifier.fit(X, told)
        assert classifier.training_ == "joint"
        assert classifier.graph_ is None
        np.testing.assert_allclose(
            classifier.predict_proba(X), expected.predict_proba(X), atol=1e-12
        )
        np.testing.assert_array_equal(classifier.predict(X), expected.predict(X))
        np.testing.assert_array_equal(classifier.transform(X), expected.transform(X))


def test_a_fitted_autoencoder_may_be_handed_over(digits, encoder, tmp_path):
    X, y = digits
    told = few(y, 5)
    expected = quick(encoder).fit(X, told).predict_proba(X)
    path = tmp_path / "encoder.pickle"
    path.write_bytes(pickle.dumps(encoder))
    loaded = pickle.loads(path.read_bytes())
    frozen = clone(quick(FrozenEstimator(loaded)))  # keeps what it has learnt
    np.testing.assert_array_equal(frozen.fit(X, told).predict_proba(X), expected)
    with pytest.raises(ValueError, match="frozen, and not fitted"):
        quick(FrozenEstimator(Autoencoder(3))).fit(X, told)
    with pytest.raises(ValueError, match="an autoencoder of skae"):
        quick(StandardScaler()).fit(X, told)


def test_rows_of_weight_0_play_no_part(wine):
    X, y, told = wine
    weight = (np.arange(178) % 3 > 0).astype(float)
    wrong = np.where(weight == 0, (y + 1) % 3, told)
    strange = np.where(weight[:, None] == 0, X[::-1], X)
    ae = Autoencoder(3, max_iter=5, random_state=0).fit(X)
    found = quick(ae).fit(strange, wrong, sample_weight=weight)
    expected = quick(ae).fit(X[weight > 0], told[weight > 0])
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_class_weights(wine):
    X, _, told = wine
    plain, heavy = (
        quick(graph=None, class_weight=weight, max_iter=100).fit(X, told)
        for weight in (None, {0: 1, 1: 30, 2: 1})
    )
    assert heavy.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.02
    uneven = told.copy()
    uneven[np.flatnonzero(told == 1)[:3]] = -1
    balanced, by_hand = (
        quick(graph=None, class_weight=weight, max_iter=50).fit(X, uneven)
        for weight in ("balanced", {0: 12 / 15, 1: 12 / 6, 2: 12 / 15})
    )
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X))


def test_tables_of_anything():
    wine = load_wine(as_frame=True)
    table = wine.data.assign(
        kind=pd.Categorical(np.where(wine.data.alcohol > 13, "strong", "weak"))
    )
    table.iloc[::7, 2] = np.nan
    names = wine.target_names[wine.target].astype(object)
    told = few(names, 6, unknown=-1)
    classifier = AutoencoderClassifier(random_state=0, max_iter=40).fit(table, told)
    assert classifier.score(table, names) > 0.9
    assert classifier.feature_names_in_.tolist() == list(table.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(table.rename(columns={"kind": "sort"}))


def test_rows_outside_the_support():
    X, y = make_blobs(60, 4, centers=2, random_state=0)
    X = (X - X.min(0)) / np.ptp(X, axis=0)
    told = few(y, 5)
    checked = quick(Autoencoder(2, likelihood=Bernoulli(), max_iter=3)).fit(X, told)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        checked.predict(X + 1)
    free = quick(DenoisingAutoencoder(2, likelihood=Bernoulli(), max_iter=3)).fit(X, told)
    assert np.isfinite(free.predict_proba(X + 1)).all()


def test_one_label_a_class_and_uneven_classes():
    centers = [[0] * 5, [5] * 5]
    X, y = make_blobs([190, 10], 5, centers=centers, shuffle=False, random_state=0)
    one = quick().fit(X, few(y, 1))
    assert one.score(X, y) > 0.9
    told = np.full(200, -1)
    told[:19], told[190] = 0, 1  # 95 : 5 among the labels, too
    uneven = quick().fit(X, told)
    assert (uneven.predict(X)[190:] == 1).mean() > 0.8
    assert (uneven.predict(X)[:190] == 0).mean() > 0.85


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.full(178, -1), "holds no class"),
        (np.where(np.arange(178) < 9, 3, -1), "two classes or more"),
        (np.zeros(178), "two classes or more"),
        (np.linspace(0, 1, 178), "Unknown label type"),
        (np.full(178, np.nan), "missing values"),
        (np.array(["a", "-1"] * 89), "'-1'"),
        (np.zeros(177), "inconsistent numbers of samples"),
    ],
)
def test_labels_that_cannot_be_are_refused_before_training(wine, y, words, monkeypatch):
    monkeypatch.setattr(Autoencoder, "fit", lambda *_, **__: pytest.fail("has trained"))
    with pytest.raises(ValueError, match=words):
        quick().fit(wine[0], y)


def test_a_failed_fit_leaves_what_was_there(wine, monkeypatch):
    from skae.semi_supervised import _base as module

    X, _, told = wine
    classifier = quick().fit(X, told)
    before, expected = vars(classifier).copy(), classifier.predict_proba(X)

    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train_labeller", fails)
    with pytest.raises(KeyboardInterrupt):
        classifier.set_params(max_iter=1).fit(X[:100], told[:100])
    assert vars(classifier).keys() == before.keys()
    np.testing.assert_array_equal(classifier.predict_proba(X), expected)


def test_seeds_and_global_generators(wine):
    X, _, told = wine
    state, drawn = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    a, b = (quick().fit(X, told).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), drawn)
    other = quick().set_params(random_state=1).fit(X, told).predict_proba(X)
    assert np.abs(other - a).max() > 1e-4


def test_layers_that_learn_slower(digits, encoder):
    X, y = digits
    told, x = few(y, 5), encoder.transform(X)
    moved = []
    for decay in (1.0, 0.1):
        tuned = quick(encoder, training="fine-tune", layer_decay=decay).fit(X, told)
        moved.append(np.abs(tuned.transform(X) - x).mean())
        rates = {g["initial_lr"] for g in tuned.net_.optimizer_.param_groups}
    assert moved[1] < 0.4 * moved[0]
    np.testing.assert_allclose(sorted(rates), [2e-5, 2e-4, 2e-3])


def test_in_searches_and_pipelines(wine):
    X, y, _ = wine
    told = few(y, 12)
    search = GridSearchCV(
        quick(), {"graph": ["columns", None]}, cv=LabelledKFold(3, random_state=0)
    )
    search.fit(X, told)
    assert search.best_score_ > 0.8
    pipeline = make_pipeline(StandardScaler(), quick())
    scores = cross_val_score(pipeline, X, told, cv=LabelledKFold(3, random_state=0))
    assert scores.min() > 0.7
    names = quick().fit(X, told).get_feature_names_out().tolist()
    assert names == [f"autoencoderclassifier{i}" for i in range(3)]


def test_nothing_is_told_of_a_usual_fit(wine):
    X, _, told = wine
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=UserWarning, message=".*converge.*")
        AutoencoderClassifier(Autoencoder(6, random_state=0), random_state=0).fit(X, told)


@pytest.mark.parametrize(
    ("n_told", "graph"), [(30, "columns"), (57, "columns"), (60, None)]
)
def test_plenty_of_labels_need_no_graph(n_told, graph):
    X, y = make_blobs(150, 3, centers=3, random_state=0)
    told = np.where(np.arange(150) < n_told, y, -1)  # a third is 50, and 20 a class 60
    assert quick(max_iter=1).fit(X, told).graph_ == graph
