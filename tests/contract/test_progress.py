"""How far a fit is: what callbacks of scikit-learn's are told, and what is printed."""

import pickle
import re
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.callback import ProgressBar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderOverSampler,
    AutoencoderRegressor,
    LatentSampler,
)
from skae._params import SITE
from skae._training import lines

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(40, 5))
X[:, 3:] = X[:, :2] + 0.1 * X[:, 3:]
TABLE = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=np.where(X[:, 0] > 0, "u", "v"))
HOLES = np.where(np.arange(80).reshape(40, 2) % 7 == 0, np.nan, X[:, [0, 3]])
Y = (X[:, 0] > 0).astype(int)
TOLD = np.where(np.arange(40) < 20, Y, -1)
AE = Autoencoder(2, network=(4,), max_iter=3)


class Record:
    """Takes note of what it is told; answers, or raises, at the end of an epoch."""

    max_propagation_depth = None

    def __init__(self, answer=False, error=None):
        self.answer, self.error, self.begun = answer, error, []
        self.n_open = self.n_set_up = 0
        self.cannot_be_pickled = lambda: None

    def setup(self, estimator, context):
        self.n_set_up += 1

    def teardown(self, estimator, context):
        self.n_set_up -= 1

    def on_fit_task_begin(self, estimator, context):
        whose = "" if estimator.__class__ is Autoencoder else "own "
        self.begun.append((whose + context.task_name, context.max_subtasks))
        self.n_open += 1

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.n_open, self.fitted = self.n_open - 1, fitted_estimator
        if context.task_name == "epoch" and self.error is not None:
            raise self.error
        return self.answer and context.task_name == "epoch"

    @property
    def told(self):
        """(name, most subtasks), and how often it came in a row."""
        return [(*key, len([*times])) for key, times in groupby(self.begun)]


def epochs(n=3, of="own "):
    return (f"{of}epoch", 0, n)


def part(name, n):
    return (f"own {name}", n, 1)


OWN_AE = [("fit", 3, 1), epochs(of="")]
CASES = {
    "plain": (AE, (X,), OWN_AE),
    "imputer": (
        AutoencoderImputer(1, network=(4,), max_iter=3),
        (HOLES,),
        [part("fit", 3), epochs()],
    ),
    "imputer of nothing": (
        AutoencoderImputer(keep_empty_features=True),
        (np.full((3, 2), np.nan),),
        [part("fit", 0)],
    ),
    "detector": (
        AutoencoderOutlierDetector(n_estimators=2, max_iter=3),
        (X,),
        [part("fit", 3), epochs()],
    ),
    "detector by cells": (
        AutoencoderOutlierDetector(max_iter=3),
        (TABLE,),
        [part("fit", 3), epochs()],
    ),
    "detector by both": (
        AutoencoderOutlierDetector(
            n_estimators=2, max_iter=3, purify=False, criteria=("code", "cells")
        ),
        (X,),
        [part("fit", 2), part("distances", 3), epochs(), part("cells", 3), epochs()],
    ),
    "detector, one by one": (
        AutoencoderOutlierDetector(
            clone(AE).set_params(corruption="hidden_dropout"), n_estimators=2
        ),
        (X,),
        [part("fit", 6), epochs(6)],
    ),
    "selector": (
        AutoencoderFeatureSelector(2, n_init=1, max_iter=3),
        (X,),
        [part("fit", 3), part("search", 3), epochs(), part("decoder", 3), epochs()],
    ),
    "sampler": (
        LatentSampler(AE),
        (X,),
        [part("fit", 2), *OWN_AE, part("density", 0)],
    ),
    "over-sampler": (
        AutoencoderOverSampler(AE, cv=2, classifier=LogisticRegression()),
        (X[12:], Y[12:]),
        [part("fit", 3), *OWN_AE, *OWN_AE],
    ),
    "classifier": (
        AutoencoderClassifier(AE, max_iter=3, training="fine-tune", graph=None),
        (X, TOLD),
        [part("fit", 2), *OWN_AE, part("fine-tune", 3), epochs()],
    ),
    "regressor": (
        AutoencoderRegressor(AE, max_iter=3, kernel=None),
        (X, X[:, 0]),
        [
            *(part("fit", 3), *OWN_AE, part("choose", 2)),
            *(part("frozen", 3), epochs(), part("fine-tune", 3), epochs()),
        ],
    ),
}


def said(estimator):
    """What a fitted estimator makes of its own draws, of X, or of what it judged."""
    if isinstance(estimator, AutoencoderOverSampler):
        return np.array([v[:5] for v in estimator.judged_.values()])
    if isinstance(estimator, LatentSampler):
        return estimator.sample(3, random_state=0)
    if isinstance(estimator, AutoencoderOutlierDetector):
        return np.array(estimator.offset_)
    if isinstance(estimator, AutoencoderImputer):
        return estimator.column_scores_.to_numpy()
    return estimator.transform(X)


@pytest.mark.parametrize("name", CASES)
def test_callbacks_are_told_of_each_step_and_change_nothing(name, capsys):
    estimator, args, expected = CASES[name]
    estimator, record = clone(estimator).set_params(random_state=0), Record()
    usual = clone(estimator).fit(*args)
    assert capsys.readouterr().out == ""
    watched = estimator.set_params(verbose=1).set_callbacks(record).fit(*args)
    assert record.told[: len(expected)] == expected
    assert (record.n_open, record.n_set_up) == (0, 0)
    np.testing.assert_array_equal(said(watched), said(usual))
    np.testing.assert_array_equal(said(record.fitted), said(usual))
    printed = capsys.readouterr().out
    assert ("of 3, " in printed) is (name != "imputer of nothing")
    again = pickle.loads(pickle.dumps(watched))  # and the callback, which cannot be, stays
    assert not [n for n in vars(again) if "callback" in n or "ctx" in n]
    assert vars(clone(watched))["_skl_callbacks"] == [record]


@pytest.mark.parametrize("name", ["imputer", "detector", "selector", "regressor"])
def test_a_true_answer_ends_the_training(name):
    estimator, args, _ = CASES[name]
    record = Record(answer=True)
    estimator = clone(estimator).set_params(random_state=0).set_callbacks(record)
    assert estimator.fit(*args).n_iter_ == 1
    assert all(n == 1 for task, _, n in record.told if task == "own epoch")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("imputer", KeyboardInterrupt),
        ("detector by both", ZeroDivisionError),
        ("selector", KeyboardInterrupt),
        ("sampler", ZeroDivisionError),
        ("over-sampler", KeyboardInterrupt),
        ("regressor", ZeroDivisionError),
    ],
)
def test_an_error_of_a_callback_leaves_all_as_it_was(name, error):
    estimator, args, _ = CASES[name]
    record = Record(error=error)
    estimator = clone(estimator).set_params(random_state=0).set_callbacks(record)
    before = dict(vars(estimator))
    with pytest.raises(error):
        estimator.fit(*args)
    assert vars(estimator) == before
    assert record.n_set_up == 0
    assert "_skl_callbacks" not in vars(AE)


def test_progress_bars_of_a_pipeline_and_of_searches(capsys):
    """Each step of a pipeline has its bar, and each candidate of a search."""
    pipe = make_pipeline(
        AutoencoderImputer(1, network=(4,), max_iter=2, random_state=0),
        AutoencoderOutlierDetector(
            n_estimators=2, max_iter=2, purify=False, random_state=0
        ),
    )
    pipe.set_callbacks(ProgressBar()).fit(X)
    bars = capsys.readouterr().out  # cut at 80 columns
    for kind in ("AutoencoderImputer", "AutoencoderOutlierDetector"):
        assert re.search(rf"{kind} - fit #\d +10", bars), bars
    record = Record()
    grid = {"n_estimators": [1, 2]}
    for kind in (GridSearchCV, skae.model_selection.GridSearchCV):
        record.begun.clear()
        search = kind(pipe[1], grid, cv=2, scoring=lambda e, X: e.offset_)
        search.set_callbacks(record).fit(X)
        n_fits = 2 * 2 + 1
        assert record.begun.count(("own epoch", 0)) == 2 * n_fits
        assert record.begun.count(("own fit", 2)) >= n_fits
        assert record.n_open == 0
        assert "_skl_callbacks" not in vars(search.best_estimator_)


# What is printed


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by a quarter of a second whenever it is asked."""
    times = iter(np.arange(1, 1000) / 4)
    monkeypatch.setattr(lines, "monotonic", lambda: float(next(times)))


def printed(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_line_a_second_or_one_an_epoch(clock, capsys):
    estimator = Autoencoder(2, network=(4,), max_iter=10, random_state=0, verbose=1).fit(X)
    shown = printed(capsys)
    assert [int(line.split()[1]) for line in shown] == [1, 5, 9, 10]
    train, valid = (estimator.history_[8, key] for key in ("train_loss", "valid_loss"))
    assert shown[2] == (
        f"epoch  9 of 10, train_loss {train:.4f}, valid_loss {valid:.4f}, 2.2 s"
    )
    estimator.set_params(verbose=2).fit(X)
    assert [int(line.split()[1]) for line in printed(capsys)] == [*range(1, 11)]


def test_the_last_line_is_of_the_last_epoch_that_there_was(clock, capsys):
    callback = Record()
    callback.on_fit_task_end = lambda estimator, context: context.task_id == 2
    Autoencoder(2, network=(4,), max_iter=50, verbose=1).set_callbacks(callback).fit(X)
    assert [line.split(",")[0] for line in printed(capsys)] == [
        "epoch  1 of 50",
        "epoch 3 of 3",
    ]


def test_many_networks_have_one_line_and_are_still_trained_together(clock, capsys):
    detector = AutoencoderOutlierDetector(n_estimators=3, max_iter=5, purify=False)
    detector.set_params(random_state=0, verbose=1).fit(X)
    shown = printed(capsys)
    assert [line[:27] for line in shown] == [
        "epoch 1 of 5, 3 networks, t",
        "epoch 5 of 5, 3 networks, t",
    ]
    ends = [member.loss_curve_[-1] for member in detector.estimators_]
    assert f"train_loss {np.mean(ends):.4f}" in shown[-1]
    assert {member.net_.n_together_ for member in detector.estimators_} == {3}


def test_an_imputer_counts_its_steps(clock, capsys):

    imputer = AutoencoderImputer(1, network=(4,), max_iter=6, batch_size=16, verbose=1)
    imputer.fit(HOLES)
    shown = [line.split(", ")[0] for line in printed(capsys)]
    assert shown == ["step  3 of 18", "step 15 of 18", "step 18 of 18"]


def test_parts_have_headings(capsys):
    estimator, args, _ = CASES["detector by both"]
    clone(estimator).set_params(verbose=1).fit(*args)
    headings = [line for line in printed(capsys) if "part" in line]
    assert headings == [
        "AutoencoderOutlierDetector, part 1 of 2: distances",
        "AutoencoderOutlierDetector, part 2 of 2: cells",
    ]


# Where it is documented


def public_estimators():
    for home, names in (("skae", skae.__all__), ("skae.model_selection", ["GridSearchCV"])):
        for name in names:
            kind = getattr(skae if home == "skae" else skae.model_selection, name)
            if isinstance(kind, type) and issubclass(kind, BaseEstimator):
                yield f"{home}.{name}", kind


@pytest.mark.parametrize(("name", "kind"), [*public_estimators()])
def test_the_repr_links_to_the_page_of_the_estimator(name, kind):
    estimator = kind(AE, {}) if name.endswith("GridSearchCV") else kind()
    link = f"{SITE}generated/{name}.html"
    assert f'href="{link}"' in estimator._repr_html_inner()
    assert f"generated/{name}" in listed_pages()


def listed_pages():
    """The pages, relative to the root of the site, that the docs make of objects."""
    docs, pages = Path(__file__).parents[2] / "docs", set()
    for path in (*docs.glob("*.rst"), *docs.glob("api/*.rst")):
        home = folder = ""
        for line in path.read_text().splitlines():
            if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
                home = found[1]
            elif found := re.fullmatch(r"   :toctree: (\S+)", line):
                folder = (path.parent / found[1]).resolve().relative_to(docs.resolve())
            elif found := re.fullmatch(r"   ~?([\w.]+)", line):
                inner = found[1] if found[1].startswith("skae.") else f"{home}.{found[1]}"
                pages.add(f"{folder}/{inner}")
    return pages


def test_the_site_is_where_the_project_says_it_is():
    project = Path(__file__).parents[2].joinpath("pyproject.toml").read_text()
    (home,) = re.findall(r'^Documentation = "(.*)"$', project, flags=re.M)
    assert SITE.startswith(home)
