"""Scores of rows, and which are flagged."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skae.plotting import OutlierScoresDisplay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3))
X[:5] += 6
FOREST = IsolationForest(n_estimators=5, contamination=0.1, random_state=0).fit(X)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def counted(display):
    """Rows that bars tell of, by their labels."""
    return {
        patch.get_label(): int(patch.get_data().values.sum())
        for patch in display.ax_.patches
        if not patch.get_label().startswith("_")
    }


def test_the_histogram_counts_each_row_once_on_its_side_of_the_threshold():
    display = OutlierScoresDisplay.from_estimator(FOREST, X)
    n = int((FOREST.predict(X) == -1).sum())
    assert counted(display) == {f"not flagged ({150 - n})": 150 - n, f"flagged ({n})": n}
    np.testing.assert_array_equal(display.flagged, FOREST.predict(X) == -1)
    assert display.ax_.get_title() == f"{n} of 150 rows are flagged ({n / 1.5:.1f} %)"
    for patch in display.ax_.patches:
        data = patch.get_data()
        middle = (data.edges[1:] + data.edges[:-1])[data.values > 0] / 2
        assert len({*(middle < FOREST.offset_)}) == 1
    (line,) = display.ax_.get_lines()
    assert line.get_xdata()[0] == FOREST.offset_


def test_labels_are_drawn_apart():
    y = np.where(np.arange(150) < 5, "fraud", "other")
    display = OutlierScoresDisplay.from_estimator(FOREST, X, y)
    assert counted(display) == {"y = other (145)": 145, "y = fraud (5)": 5}


@pytest.mark.parametrize("y", [None, np.arange(150) < 5])
def test_sorted_rows_are_all_there(y):
    display = OutlierScoresDisplay.from_estimator(FOREST, X, y, kind="sorted")
    points = np.concatenate([c.get_offsets() for c in display.ax_.collections])
    points = points[points[:, 0].argsort()]
    np.testing.assert_array_equal(points[:, 0], np.arange(1, 151))
    np.testing.assert_allclose(points[:, 1], np.sort(FOREST.score_samples(X)))


@pytest.mark.parametrize(
    "detector",
    [
        EllipticEnvelope(random_state=0),
        LocalOutlierFactor(novelty=True),
        OneClassSVM(nu=0.1),
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=3, random_state=0)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_any_detector_of_scikit_learn(detector):
    detector = detector.fit(X[5:])
    display = OutlierScoresDisplay.from_estimator(detector, X)
    np.testing.assert_allclose(display.scores, detector.score_samples(X))
    np.testing.assert_array_equal(display.flagged, detector.predict(X) == -1)


def test_without_a_threshold_none_is_flagged_and_one_may_be_told():
    mixture = GaussianMixture().fit(X)
    display = OutlierScoresDisplay.from_estimator(mixture, X)
    assert not display.flagged.any()
    assert display.ax_.get_title() == "Scores of 150 rows"
    cut = np.quantile(display.scores, 0.1)
    display = OutlierScoresDisplay.from_estimator(mixture, X, threshold=cut)
    assert display.flagged.sum() == 15


@pytest.mark.parametrize("kind", ["histogram", "sorted"])
def test_far_scores_do_not_squeeze_the_others(kind):
    scores = np.append(RNG.normal(size=99), -1e6)
    display = OutlierScoresDisplay(scores, threshold=-5).plot(kind=kind)
    x, y = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert min(x[0], y[0]) > -100
    label = display.ax_.get_xlabel() + display.ax_.get_ylabel()
    assert "1 row is lower, to -1e+06" in label.replace("\n", " ")
    if kind == "histogram":
        assert counted(display)["flagged (1)"] == 1


@pytest.mark.parametrize("scores", [[1.0], [2.0, 2.0, 2.0]])
def test_scores_that_are_alike(scores):
    display = OutlierScoresDisplay(scores).plot()
    assert sum(counted(display).values()) == len(scores)


def test_it_draws_where_it_is_told_and_checks_arguments():
    _, ax = plt.subplots()
    assert OutlierScoresDisplay([1.0, 2.0]).plot(ax=ax).ax_ is ax
    with pytest.raises(ValueError, match="kind must be one of"):
        OutlierScoresDisplay([1.0]).plot(kind="bars")
    with pytest.raises(ValueError, match="y must hold at most 6 labels"):
        OutlierScoresDisplay(np.arange(9.0), y=np.arange(9)).plot()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OutlierScoresDisplay([1.0, 2.0], y=[0]).plot()
    with pytest.raises(ValueError, match="Input scores contains NaN"):
        OutlierScoresDisplay([1.0, np.nan]).plot()
    with pytest.raises(ValueError, match="must have score_samples"):
        OutlierScoresDisplay.from_estimator(StandardScaler().fit(X), X)


def test_rows_without_a_label_are_drawn_too():
    for y in ([1.0, np.nan, 1.0], np.array(["1", None, "1"], dtype=object)):
        display = OutlierScoresDisplay([1.0, 2.0, 3.0], y=y).plot()
        assert counted(display) == {"y = 1 (2)": 2, "y = missing (1)": 1}


@pytest.mark.parametrize("kind", ["histogram", "sorted"])
def test_what_a_far_threshold_flags_is_beyond_it(kind):
    display = OutlierScoresDisplay([*np.linspace(0, 1, 99), -300.0], threshold=-200)
    ax = display.plot(kind=kind).ax_
    if kind == "sorted":
        flagged = {c.get_label(): c.get_offsets()[:, 1] for c in ax.collections}
        assert flagged["flagged (1)"].max() < -200
    else:
        flagged = {patch.get_label(): patch.get_data() for patch in ax.patches}
        data = flagged["flagged (1)"]
        assert data.edges[1:][data.values > 0].tolist() == [pytest.approx(-200, abs=6)]
        assert data.edges[1:][data.values > 0] <= -200 + 1e-9
