"""Codes that are told what they are for."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skae import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder
from skae._autoencoders.together import fit_together
from skae._codes.targets import Chosen, judged
from skae._codes.targets import codes as codes_of
from skae._training.task import Task
from skae._training.train import build
from skae.model_selection import GridSearchCV
from skae.networks._start import partial_least_squares

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WINE, KINDS = load_wine(return_X_y=True)
SICK, WORSE = load_diabetes(return_X_y=True)
DIGITS, NUMBERS = (part[:400] for part in load_digits(return_X_y=True))
RNG = np.random.RandomState(0)


def make(n_components=2, **params):
    defaults = {"max_iter": 5, "random_state": 0, "target_weight": 0.5}
    return Autoencoder(n_components, **{**defaults, **params})


def codes(X, y, **params):
    return make(**params).fit(X, y).transform(X)


def task(X, y, sample_weight=None, **params):
    return Task(*make(**params).__skae_begin__(X, y, sample_weight))


# What y costs


def hidden(y, value=-1):
    """Return y of which four in ten rows are not known, and where they are."""
    known = RNG.rand(len(y)) < 0.6
    return np.where(known, y, value), known


def cost_of_ignorance(task, told):
    """What y costs, in the mean over the rows learnt from, if all are told the same."""
    y, cost = (part.double().numpy() for part in task.rows.known)
    if task.told.classes is None:
        far = np.square(y - told)
    else:
        far = -(y * np.log(told)).sum(1, keepdims=True)
    index, weight = task.sample.train.numpy(), task.sample.weight
    weight = np.ones(len(y)) if weight is None else weight
    return np.average((cost * far).sum(1)[index], weights=weight[index])


def cost_of_the_mean(task, X):
    """Half the squared distance of the rows learnt from to their mean, standardised."""
    index, weight = task.sample.train.numpy(), task.sample.weight
    weight = np.ones(len(X)) if weight is None else weight
    x = (X - X.mean(0)) / X.std(0)
    rows, w = x[index], weight[index]
    away = 0.5 * np.square(rows - rows.mean(0)).sum(1)
    return np.average(away, weights=w)


@pytest.mark.parametrize("weight", [0.5, 0.8])
def test_to_know_no_class_costs_what_it_costs_to_know_no_row(weight):
    y, known = hidden(KINDS)
    found = task(WINE, y, target_weight=weight)
    index = found.sample.train.numpy()
    order = found.aim.order if found.aim else found.recipe.code.aim(found).order
    count = np.bincount(y[index[known[index]]])[order]
    expected = weight / (1 - weight) * cost_of_the_mean(found, WINE)
    cost = cost_of_ignorance(found, count / count.sum())
    np.testing.assert_allclose(cost, expected, rtol=1e-4)


def test_to_know_no_number_costs_what_it_costs_to_know_no_row():
    y = np.column_stack([WORSE, SICK[:, 2] * 1e3])
    y[:200, 1] = np.nan
    found = task(SICK, y)
    np.testing.assert_allclose(
        cost_of_ignorance(found, 0.0), cost_of_the_mean(found, SICK), rtol=1e-4
    )
    one = task(SICK, np.column_stack([WORSE, np.full(len(SICK), 7.0)]))
    np.testing.assert_allclose(
        cost_of_ignorance(one, 0.0), cost_of_the_mean(one, SICK), rtol=1e-4
    )


def test_weights_count_in_what_y_costs():
    weight = RNG.choice([0.0, 1.0, 3.0], len(SICK))
    found = task(SICK, WORSE, weight)
    rows = found.sample.weight[:, None] * np.ones(2)
    assert rows.shape == (len(SICK), 2)
    aim = found.recipe.code.aim(found)
    index = found.sample.train.numpy()
    np.testing.assert_allclose(
        aim.location, np.average(WORSE[index], weights=weight[index])
    )
    half = np.average(found.rows.known[1].numpy()[index, 0], weights=weight[index])
    np.testing.assert_allclose(half, aim.price, rtol=1e-5)


def test_rows_of_which_nothing_is_known_cost_nothing():
    y, known = hidden(KINDS)
    cost = task(WINE, y).rows.known[1][:, 0].numpy()
    assert ((cost > 0) == known).all()


def test_a_rare_class_does_not_outweigh_the_rest():
    y = np.zeros(178, int)
    y[5] = 1
    cost = task(WINE, y).rows.known[1].max()
    even = task(WINE, np.arange(178) % 2).rows.known[1].max()
    assert cost < 11 * even


# What y says


@pytest.mark.parametrize(
    "alike",
    [
        lambda y: np.array(["c", "a", "b"])[y],
        lambda y: np.array(["c", "a", "b"], dtype=object)[y],
        lambda y: y + 5,
        lambda y: (2 - y).astype(float),
        lambda y: pd.Series(np.array(["x", "z", "y"])[y], dtype="category"),
        lambda y: pd.Series(y, index=range(7, 7 + len(y))),
        lambda y: y.tolist(),
    ],
)
def test_names_of_classes_change_nothing(alike):
    expected = codes(WINE, KINDS)
    estimator = make().fit(WINE, alike(KINDS))
    np.testing.assert_array_equal(estimator.transform(WINE), expected)
    assert estimator.classes_.tolist() == sorted(set(alike(KINDS)))


def test_unknown_classes_are_marked_as_scikit_learn_does():
    y, known = hidden(KINDS)
    expected = codes(WINE, y)
    named = np.array(["b", "a", "c"], dtype=object)[KINDS]
    named[~known] = -1
    np.testing.assert_array_equal(codes(WINE, named), expected)
    floats = np.where(known, KINDS, np.nan)
    np.testing.assert_array_equal(codes(WINE, floats), expected)
    assert np.abs(codes(WINE, KINDS) - expected).max() > 0


def test_minus_one_is_a_number_among_numbers():
    y = np.where(np.arange(len(SICK)) % 9, WORSE + 0.5, -1.0)
    with pytest.warns(UserWarning, match="-1 in 50 of 442 rows is taken for a number"):
        found = codes(SICK, y)
    assert np.abs(found - codes(SICK, np.where(y == -1, np.nan, y))).max() > 0


def test_units_of_numbers_change_nothing():
    expected = codes(SICK, WORSE)
    np.testing.assert_array_equal(codes(SICK, WORSE * 1024), expected)
    np.testing.assert_allclose(codes(SICK, WORSE + 1.7e9), expected, atol=1e-3)
    np.testing.assert_array_equal(codes(SICK, WORSE[:, None]), expected)
    np.testing.assert_array_equal(codes(SICK, pd.DataFrame({"y": WORSE})), expected)


def test_whole_floats_are_classes_if_they_are_few_and_integers_always():
    assert make().fit(WINE, KINDS.astype(float)).classes_.tolist() == [0, 1, 2]
    assert "classes_" not in vars(make().fit(SICK, WORSE))
    assert "classes_" not in vars(make().fit(WINE, KINDS[:, None]))
    assert len(make().fit(DIGITS, np.arange(400) % 25).classes_) == 25


@pytest.mark.parametrize("weight", [0, 0.0])
def test_without_a_weight_y_plays_no_part_whatever_it_is(weight):
    expected = Autoencoder(2, max_iter=5, random_state=0).fit(WINE).transform(WINE)
    for y in (KINDS, "nonsense", object()):
        estimator = make(target_weight=weight).fit(WINE, y)
        np.testing.assert_array_equal(estimator.transform(WINE), expected)
    assert not {"classes_", "target_weight_", "alpha_"} & set(vars(estimator))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.full(178, 3), "one class only, 3"),
        (np.where(KINDS == 1, 3, -1), "one class only, 3; -1 marks"),
        (np.full(178, -1), "holds no class, only -1"),
        (np.full(178, 0.5), "no two numbers differ"),
        (np.full((178, 2), np.nan), "no two numbers differ"),
        (np.where(KINDS == 1, np.inf, KINDS.astype(float)), "infinity"),
        (KINDS[:100], "inconsistent numbers"),
        (np.where(KINDS == 1, "-1", "a"), "the string '-1'"),
        (np.array([["a"] * 2] * 178), "could not convert"),
    ],
)
def test_a_y_that_tells_nothing_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        make().fit(WINE, y)


def test_minus_one_is_a_class_beside_one_and_nan_is_none():
    y = np.select([KINDS == 0, KINDS == 1], [-1.0, 1.0], np.nan)
    with pytest.warns(UserWarning, match="-1 and 1 alone are taken for two classes"):
        found = make().fit(WINE, y)
    assert found.classes_.tolist() == [-1, 1]
    expected = make().fit(WINE, np.where(KINDS == 2, -1, KINDS))
    np.testing.assert_array_equal(found.transform(WINE), expected.transform(WINE))


def test_y_that_no_row_learnt_from_knows_is_refused():
    with pytest.raises(ValueError, match="no row of known y is learnt from"):
        make().fit(WINE, np.where(KINDS == 0, -1, KINDS), (KINDS == 0).astype(float))


# What comes of it


def test_codes_for_classes_tell_them_better():
    model = LogisticRegression(max_iter=1000)
    plain, told = (
        cross_val_score(
            make_pipeline(make(target_weight=w, max_iter=30), model), DIGITS, NUMBERS, cv=3
        ).mean()
        for w in (0, 0.5)
    )
    assert told > plain + 0.1


def test_codes_for_numbers_tell_them_as_well_as_partial_least_squares():
    model = make_pipeline(make(max_iter=30, alpha=0.01), Ridge())
    pls = cross_val_score(PLSRegression(2), SICK, WORSE, cv=5).mean()
    assert cross_val_score(model, SICK, WORSE, cv=5).mean() > pls - 0.02


@pytest.mark.parametrize("kind", [DenoisingAutoencoder, ConvolutionalAutoencoder])
def test_others_of_plain_codes_have_it_too(kind):
    told, plain = (
        kind(4, target_weight=w, max_iter=5, random_state=0).fit(DIGITS, NUMBERS)
        for w in (0.5, 0)
    )
    score = [
        LogisticRegression(max_iter=1000)
        .fit(e.transform(DIGITS), NUMBERS)
        .score(e.transform(DIGITS), NUMBERS)
        for e in (told, plain)
    ]
    assert score[0] > score[1] + 0.05
    assert told.classes_.tolist() == list(range(10))


def test_the_scale_of_y_is_that_of_rows_learnt_from():
    recipe, sample = make().__skae_begin__(SICK, WORSE + 0.0)
    before = Task(recipe, sample)
    other = sample.told.values.copy()
    other[sample.valid.numpy()] *= 100
    after = Task(recipe, sample._replace(told=sample.told._replace(values=other)))
    for a, b in zip(before.rows.known, after.rows.known, strict=True):
        index = sample.train
        torch.testing.assert_close(a[index], b[index], rtol=0, atol=0)


def test_held_out_rows_are_of_each_class_and_known_as_often():
    y = np.concatenate([np.zeros(100), np.ones(60), np.full(3, 2), np.full(237, -1)])
    y = y.astype(int)
    _, sample = make().__skae_begin__(DIGITS, y)
    held = np.bincount(y[sample.valid.numpy()] + 1, minlength=4)
    assert held.sum() == 40
    assert abs(held[1] - 10) <= 1
    assert abs(held[2] - 6) <= 1
    assert held[3] == 0  # what few rows know is learnt


def test_training_starts_at_partial_least_squares():
    x = (SICK - SICK.mean(0)) / SICK.std(0)
    y = np.column_stack([WORSE - WORSE.mean(), SICK[:, 0]])
    down, up = partial_least_squares(x, y - y.mean(0), 3)
    pls = PLSRegression(3, scale=False).fit(x, y)
    ours, theirs = x @ down.T, pls.x_scores_
    for k in range(3):
        assert abs(np.corrcoef(ours[:, k], theirs[:, k])[0, 1]) > 1 - 1e-4
    np.testing.assert_allclose(np.abs(up), np.abs(pls.x_loadings_.T), atol=1e-2)


def test_what_y_says_nothing_of_is_found_as_principal_components_are():
    x = RNG.normal(size=(300, 5))
    x = np.linalg.svd(x - x.mean(0), full_matrices=False)[0] * [5, 4, 3, 2, 1]
    down, up = partial_least_squares(x, x[:, [4]], 5)
    np.testing.assert_allclose(np.abs(down), np.eye(5)[[4, 0, 1, 2, 3]], atol=1e-6)
    np.testing.assert_allclose(x @ down.T @ up, x, atol=1e-6)


def test_a_net_starts_there():
    found = Task(*make().__skae_begin__(SICK, WORSE))
    build(found)
    index = found.sample.train
    z, rows = codes_of(found.net.module_, found, index), index.numpy()
    scores = PLSRegression(2).fit(SICK[rows], WORSE[rows]).x_scores_
    for k in range(2):
        assert abs(np.corrcoef(z[:, k], scores[:, k])[0, 1]) > 0.99


# Going on, and many at once


def test_training_goes_on_with_what_y_meant_at_first():
    estimator = make().partial_fit(SICK, WORSE)
    aims = dict(estimator.net_.module_.aims)
    estimator.partial_fit(SICK[:40], 3 * WORSE[:40]).partial_fit(SICK[:40])
    assert estimator.net_.module_.aims == aims
    assert aims["location"][0] == pytest.approx(WORSE.mean())
    estimator = make(warm_start=True).fit(WINE, KINDS)
    estimator.fit(WINE, np.where(KINDS == 2, -1, KINDS))
    assert estimator.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="class that `fit` has not seen: 5"):
        estimator.fit(WINE, KINDS + 5)
    with pytest.raises(ValueError, match="y has 1 columns, and had 2"):
        make().fit(SICK, SICK[:, :2]).partial_fit(SICK, WORSE)


def test_a_weight_may_be_taken_away_and_changed_but_not_begin_later():
    estimator = make(warm_start=True).fit(WINE, KINDS)
    estimator.set_params(target_weight=0.2).fit(WINE, KINDS)
    assert estimator.target_weight_ == 0.2
    estimator = make(warm_start=True, target_weight=0.0).fit(WINE, KINDS)
    before = estimator.transform(WINE)
    with pytest.raises(ValueError, match="cannot change target_weight from 0"):
        estimator.set_params(target_weight=0.5).fit(WINE, KINDS)
    np.testing.assert_array_equal(estimator.transform(WINE), before)


def test_a_pickled_one_goes_on_as_it_would_have():
    estimator = make(warm_start=True).fit(SICK, WORSE)
    again = pickle.loads(pickle.dumps(estimator))
    a, b = (e.partial_fit(SICK, WORSE).transform(SICK) for e in (estimator, again))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("X", "y"), [(WINE, KINDS), (SICK, WORSE)])
def test_many_at_once_become_what_each_would_have(X, y):
    members = fit_together([make(random_state=seed) for seed in range(3)], X, y)
    assert {m.net_.n_together_ for m in members} == {3}
    for member in members:
        alone = clone(member).fit(X, y)
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, rtol=1e-3)
        np.testing.assert_allclose(member.transform(X), alone.transform(X), atol=1e-2)


@pytest.mark.parametrize("weights", [[0, 0.5], [0.5, "auto"]])
def test_a_search_gives_what_fits_give(weights):
    pipe = make_pipeline(make(max_iter=4), LogisticRegression(max_iter=1000))
    grid = {"autoencoder__target_weight": weights, "autoencoder__alpha": [1e-3]}
    search = GridSearchCV(pipe, grid, cv=2).fit(WINE, KINDS)
    for params, found in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        alone = clone(pipe).set_params(**params)
        assert abs(cross_val_score(alone, WINE, KINDS, cv=2).mean() - found) < 0.012


# "auto"


def test_auto_becomes_what_it_has_chosen():
    estimator = make(target_weight="auto", max_iter=8).fit(DIGITS, NUMBERS)
    chosen = {"target_weight": estimator.target_weight_, "alpha": estimator.alpha_}
    assert chosen["target_weight"] == 0.5
    np.testing.assert_array_equal(
        estimator.transform(DIGITS), codes(DIGITS, NUMBERS, max_iter=8, **chosen)
    )


@pytest.mark.parametrize(
    ("gain", "is_taken"), [(5, True), (0.2, True), (0.1, False), (-5, False)]
)
def test_auto_takes_another_only_if_it_is_better_beyond_chance(monkeypatch, gain, is_taken):
    noise = np.random.RandomState(0).normal(size=40)
    noise = (noise - noise.mean()) / noise.std()  # of a standard error of 0.16
    cost = {"one": np.ones(40), "other": 1 - gain - noise}
    monkeypatch.setattr("skae._codes.targets.judged", cost.get)
    assert Chosen().prefers("one", "other") == is_taken


def test_auto_is_judged_by_heads_fitted_to_codes_of_rows_learnt_from():
    found = Task(*make().__skae_begin__(SICK, WORSE))
    build(found)
    train, valid = (part.numpy() for part in (found.sample.train, found.sample.valid))
    z = codes_of(found.net.module_, found, torch.arange(len(SICK)))
    y = (WORSE - WORSE[train].mean()) / WORSE[train].std()
    z = (z - z[train].mean(0)) / z[train].std(0)
    head = Ridge(1e-3 * len(train)).fit(z[train], y[train])
    np.testing.assert_allclose(
        judged(found), np.square(head.predict(z[valid]) - y[valid]), rtol=1e-3, atol=1e-6
    )


def test_auto_without_a_judge_is_the_safe_one_or_refused():
    with pytest.raises(ValueError, match="there are none with"):
        make(target_weight="auto", early_stopping=False).fit(WINE, KINDS)
    one = make(target_weight="auto").partial_fit(WINE, KINDS)
    other = make(alpha=one.alpha_).partial_fit(WINE, KINDS)
    assert one.target_weight_ == 0.5
    np.testing.assert_array_equal(one.transform(WINE), other.transform(WINE))
    few = np.full(178, -1)  # none of them is held out
    few[[0, 70, 150]] = KINDS[[0, 70, 150]]
    assert make(target_weight="auto").fit(WINE, few).alpha_ == one.alpha_


def test_auto_goes_on_with_what_it_has_chosen():
    estimator = make(target_weight="auto", max_iter=2).fit(DIGITS, NUMBERS)
    chosen = estimator.target_weight_, estimator.alpha_
    estimator.partial_fit(DIGITS[:50], NUMBERS[:50])
    assert (estimator.target_weight_, estimator.alpha_) == chosen
    assert estimator.net_.alpha == estimator.alpha_
