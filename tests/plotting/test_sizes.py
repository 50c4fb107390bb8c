from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import NMF, PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skae import Autoencoder
from skae.metrics import explained_variance_scorer
from skae.plotting import SizeCurveDisplay
from tests.plotting.fits import LABELS, WINE, of_share, of_wine, quiet

X = WINE.to_numpy()


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_an_estimator_has_its_curve_and_that_of_pca():
    fitted = of_share()
    display = SizeCurveDisplay.from_estimator(make_pipeline("passthrough", fitted))
    curve, k = fitted.size_curve_, fitted.n_components_
    for name, share in (("Autoencoder", "share"), ("PCA", "pca_share")):
        x, y = display.lines_[name].get_data()
        np.testing.assert_array_equal(x, curve["n_components"])
        np.testing.assert_array_equal(y, curve[share])
    ((x, y),) = display.chosen_.get_xydata()
    assert (x, y) == (k, curve["share"][list(curve["n_components"]).index(k)])
    told = ["Autoencoder", "PCA", "asked for: 0.7", f"chosen: Autoencoder, {k}"]
    assert legend(display) == told
    assert display.ax_.get_ylabel() == "explained share of held-out variance"


@pytest.fixture(scope="module")
def search():
    grid = {
        "reduce": [PCA(random_state=0), NMF(max_iter=5, random_state=0)],
        "reduce__n_components": [4, 2],
        "clf__C": [0.01, 1.0],
    }
    steps = [("reduce", None), ("clf", LogisticRegression(max_iter=20))]
    return quiet(GridSearchCV(Pipeline(steps), grid, cv=2, scoring="accuracy"), X, LABELS)


def test_a_search_has_a_curve_for_each_reducer(search):
    display = SizeCurveDisplay.from_search(search)
    results, chosen = search.cv_results_, search.best_index_
    assert list(display.lines_) == ["PCA", "NMF"]
    for name, line in display.lines_.items():
        x, y = line.get_data()
        assert x.tolist() == [2, 4]
        for size, score in zip(x, y, strict=True):
            of = [
                i
                for i, p in enumerate(results["params"])
                if type(p["reduce"]).__name__ == name and p["reduce__n_components"] == size
            ]
            best = chosen if chosen in of else max(of, key=results["mean_test_score"].item)
            assert score == results["mean_test_score"][best]
            spread = display.curves[name][2][x.tolist().index(size)]
            assert spread == results["std_test_score"][best]
    params = results["params"][chosen]
    ((x, y),) = display.chosen_.get_xydata()
    assert x == params["reduce__n_components"]
    assert y == results["mean_test_score"][chosen]
    assert display.ax_.get_ylabel() == "accuracy (mean ± sd of 2 folds)"


def test_names_are_those_of_the_order_of_the_search(search):
    display = SizeCurveDisplay.from_search(search, names=["rotated", "parts"])
    assert list(display.lines_) == ["rotated", "parts"]
    with pytest.raises(ValueError, match="names must hold one name for each of 2 reducers"):
        SizeCurveDisplay.from_search(search, names=["a"])


def results(params, **scores):
    kept = {"params": params}
    for name, (mean, std) in scores.items():
        kept |= {f"mean_test_{name}": np.array(mean), f"std_test_{name}": np.array(std)}
    return kept


def searched(estimator, found, **kwargs):
    """Return what a search is to a display."""
    known = {"refit": True, "scoring": None, "best_index_": 0, "n_splits_": 3}
    return SimpleNamespace(estimator=estimator, cv_results_=found, **{**known, **kwargs})


def test_autoencoders_come_first_and_twins_are_numbered():
    pca, first, second = PCA(), Autoencoder(), Autoencoder(max_iter=3)
    params = [{"r": one, "r__n_components": 2} for one in (pca, first, second)]
    found = results(params, score=([1.0, 2.0, 3.0], [0.1, 0.2, 0.3]))
    scorer = partial(explained_variance_scorer, standardize=False)
    pipeline = Pipeline([("r", None)])
    display = SizeCurveDisplay.from_search(
        searched(pipeline, found, best_index_=2, scoring=scorer)
    )
    assert list(display.lines_) == ["Autoencoder 1", "Autoencoder 2", "PCA"]
    assert display.chosen == ("Autoencoder 2", 2.0)
    assert display.ax_.get_ylabel().startswith("explained variance (mean")


def test_one_reducer_several_scores_and_sizes_that_are_none():
    sizes = [None, 2, "auto", 4, 3]
    params = [{"n_components": size} for size in sizes]
    found = results(
        params,
        a=([9.0, 1.0, 9.0, 2.0, np.nan], [0.0] * 5),
        b=([0.0, 5.0, 0.0, 6.0, 7.0], [0.0] * 5),
    )
    fitted = searched(Autoencoder(), found, refit="a", best_index_=3)
    display = SizeCurveDisplay.from_search(fitted)
    assert display.lines_["Autoencoder"].get_xydata().tolist() == [[2, 1], [4, 2]]
    display = SizeCurveDisplay.from_search(fitted, scoring="b")
    assert display.lines_["Autoencoder"].get_xydata().tolist() == [[2, 5], [3, 7], [4, 6]]
    with pytest.raises(ValueError, match=r"no score 'c'. It has \['a', 'b'\]"):
        SizeCurveDisplay.from_search(fitted, scoring="c")


def test_two_parameters_of_sizes_are_told_apart():
    params = [{"a__n_components": 2, "b__n_components": 3}]
    steps = Pipeline([("a", PCA()), ("b", Autoencoder())])
    fitted = searched(steps, results(params, score=([1.0], [0.0])))
    with pytest.raises(ValueError, match=r"more than one: \['a__n_comp.*by param="):
        SizeCurveDisplay.from_search(fitted)
    display = SizeCurveDisplay.from_search(fitted, param="b__n_components")
    assert list(display.lines_) == ["Autoencoder"]
    with pytest.raises(ValueError, match="param: the search has no 'c'"):
        SizeCurveDisplay.from_search(fitted, param="c")


def test_what_has_no_sizes_is_told_the_remedy():
    with pytest.raises(ValueError, match=r"no size_curve_, .*Fit with n_components=0.9"):
        SizeCurveDisplay.from_estimator(of_wine())
    with pytest.raises(ValueError, match=r"has no cv_results_. Pass a search that is fi"):
        SizeCurveDisplay.from_search(GridSearchCV(PCA(), {"n_components": [2]}))
    fitted = searched(PCA(), results([{"whiten": True}], score=([1.0], [0.0])))
    with pytest.raises(ValueError, match=r"none among \['whiten'\]"):
        SizeCurveDisplay.from_search(fitted)
    found = results([{"n_components": None}], score=([1.0], [0.0]))
    with pytest.raises(ValueError, match="no candidate has a number for 'n_components'"):
        SizeCurveDisplay.from_search(searched(PCA(), found))


def test_what_a_function_chose_is_marked():
    search = GridSearchCV(
        PCA(random_state=0), {"n_components": [2, 8, 12]}, cv=2,
        scoring=explained_variance_scorer, refit=lambda results: 1,
    ).fit(X)  # fmt: skip
    display = SizeCurveDisplay.from_search(search)
    assert display.chosen == ("PCA", 8)
    assert display.lines_["PCA"].get_xdata().tolist() == [2, 8, 12]


def test_of_other_parameters_the_best_is_drawn_but_for_what_was_chosen():
    params = [{"n_components": k, "whiten": w} for k in (2, 4) for w in (True, False)]
    scores = [1.0, 2.0, 4.0, 3.0]
    found = results(params, score=(scores, [0.0] * 4))
    for chosen, expected in ((0, [1, 4]), (1, [2, 4]), (3, [2, 3])):
        display = SizeCurveDisplay.from_search(searched(PCA(), found, best_index_=chosen))
        assert display.lines_["PCA"].get_ydata().tolist() == expected
        ((_, y),) = display.chosen_.get_xydata()
        assert y == scores[chosen]
