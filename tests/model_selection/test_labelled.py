"""Splits and scores where most rows have no label."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import cross_val_score

from skae.model_selection import LabelledKFold, labelled_scorer

CLASSES = np.where(np.arange(60) < 24, np.arange(60) % 3, -1)


def test_folds_are_of_labelled_rows_and_of_all_classes_alike():
    X, seen = np.zeros((60, 2)), []
    for train, test in LabelledKFold(4, random_state=0).split(X, CLASSES):
        assert np.bincount(CLASSES[test]).tolist() == [2, 2, 2]
        assert set(train) | set(test) == set(range(60))
        assert not set(train) & set(test)
        seen += test.tolist()
    assert sorted(seen) == list(range(24))


@pytest.mark.parametrize("kind", ["texts", "series", "objects"])
def test_labels_of_any_type(kind):
    y = np.array(["a", "b", "c", -1], dtype=object)[CLASSES]
    y = {"texts": y, "series": pd.Series(y), "objects": y.tolist()}[kind]
    X = np.zeros((60, 2))
    found = [test.tolist() for _, test in LabelledKFold(3, random_state=0).split(X, y)]
    same = LabelledKFold(3, random_state=0).split(X, CLASSES)
    assert found == [test.tolist() for _, test in same]


def test_numbers_are_unknown_if_nan():
    y = np.where(np.arange(30) < 10, -1.0, np.nan)  # -1 is a number as any other
    folds = LabelledKFold(5, unlabelled=np.nan, random_state=0)
    tests = [test for _, test in folds.split(np.zeros((30, 1)), y)]
    assert [len(test) for test in tests] == [2] * 5
    assert sorted(np.concatenate(tests)) == list(range(10))
    both = np.column_stack([y, np.where(np.arange(30) < 7, 1.0, np.nan)])
    tests = [test for _, test in folds.split(np.zeros((30, 1)), pd.DataFrame(both))]
    assert sorted(np.concatenate(tests)) == list(range(7))


def test_folds_that_cannot_be():
    X = np.zeros((60, 1))
    with pytest.raises(ValueError, match="needs the labels"):
        next(LabelledKFold().split(X))
    with pytest.raises(ValueError, match="2 rows have a label, and n_splits=5"):
        next(LabelledKFold().split(X, np.where(np.arange(60) < 2, 1, -1)))
    with pytest.raises(ValueError, match="n_splits must be an integer of at least 2"):
        next(LabelledKFold(1).split(X, CLASSES))
    with pytest.raises(ValueError, match=r"unlabelled=-1 marks.*unlabelled=numpy.nan"):
        next(LabelledKFold().split(X, np.where(CLASSES < 0, np.nan, CLASSES)))
    assert LabelledKFold(7).get_n_splits() == 7


def test_scores_leave_out_rows_without_a_label():
    X, y = np.zeros((6, 1)), np.array([0, 0, 0, 1, -1, -1])
    model = DummyClassifier(strategy="constant", constant=0).fit(X, y)
    for scoring in ("accuracy", None, lambda model, X, y: (model.predict(X) == y).mean()):
        assert labelled_scorer(scoring)(model, X, y) == 0.75
    weight = np.array([1, 1, 1, 5, 9, 9])
    assert labelled_scorer()(model, X, y, sample_weight=weight) == 3 / 8
    names = np.array(["x", "x", "x", "z", -1, -1], dtype=object)
    model = DummyClassifier(strategy="constant", constant="x").fit(
        X[:4], names[:4].astype(str)
    )
    assert labelled_scorer("accuracy")(model, X, names) == 0.75
    with pytest.raises(ValueError, match="no row has a label"):
        labelled_scorer()(model, X, np.full(6, -1))


def test_scores_of_numbers_leave_out_nan_alone():
    X, y = np.zeros((4, 1)), np.array([-1.0, 3.0, np.nan, np.nan])
    model = DummyRegressor(strategy="constant", constant=1.0).fit(X, np.ones(4))
    assert labelled_scorer("neg_mean_absolute_error")(model, X, y) == -2.0


def test_scorers_travel():
    scorer = labelled_scorer("balanced_accuracy")
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)
    assert repr(scorer) == "labelled_scorer('balanced_accuracy')"
    model = DummyClassifier(strategy="constant", constant=0)
    y = np.where(np.arange(40) < 20, 0, -1)
    y[::4] = 1
    scores = cross_val_score(clone(model), np.zeros((40, 1)), y, cv=4, scoring=scorer)
    assert scores.tolist() == [0.5] * 4
