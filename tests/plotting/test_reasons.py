"""Which columns make rows abnormal."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from skae.plotting import ReasonsDisplay
from tests.outliers.rows import FAR, X, quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ["a", "b", "c", "d", "e", "a name that is rather long, as some are"]
ROWS = pd.DataFrame(FAR[:5], columns=NAMES, index=list("pqrst"))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def detector():
    return quick().fit(pd.DataFrame(X, columns=NAMES))


def test_bars_of_a_row_are_its_reasons(detector):
    display = ReasonsDisplay.from_estimator(detector, ROWS.iloc[[0]], max_columns=2)
    told = detector.explain(ROWS.iloc[[0]], top=6)
    widths = [bar.get_width() for bar in display.ax_.patches]
    shares = told["contribution"].to_numpy()
    np.testing.assert_allclose(widths, [*shares[:2], shares[2:].sum()])
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    first = told.iloc[0]
    assert labels[0] == (
        f"{first['feature']}: {first['observed']:.4g}\n(expected {first['expected']:.4g})"
    )
    assert labels[2] == f"{len(told) - 2} other columns"
    assert display.ax_.get_title() == "Why row p is abnormal"


def test_a_map_of_rows_has_the_largest_columns_first(detector):
    display = ReasonsDisplay.from_estimator(detector, ROWS, max_columns=3)
    shares = detector.feature_contributions(ROWS)
    order = shares.sum().sort_values(ascending=False).index[:3]
    (image,) = display.ax_.images
    np.testing.assert_allclose(image.get_array(), shares[order])
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == list("pqrst")
    assert display.ax_.get_title() == "Why 5 rows are abnormal\n(3 other columns not shown)"


class Unsure(BaseEstimator):
    """It shares blame equally, as it has no reason."""

    def fit(self, X):
        self.fitted_ = True
        return self

    def feature_contributions(self, X):
        return pd.DataFrame([[0.5, 0.5]], columns=["a", "b"])

    def explain(self, X, top):
        columns = ["feature", "contribution", "observed", "expected"]
        return pd.DataFrame([], columns=columns)


def test_a_row_without_reasons_says_so():
    display = ReasonsDisplay.from_estimator(Unsure().fit(X), [[1.0, 2.0]])
    assert display.ax_.get_title() == "Row 0: no column makes it abnormal"
    assert not display.ax_.patches


def test_long_names_and_values_are_cut():
    shares = np.array([[1.0]])
    display = ReasonsDisplay(shares, observed=[["t" * 90]], expected=[["u" * 90]]).plot()
    (label,) = display.ax_.get_yticklabels()
    assert max(map(len, label.get_text().split("\n"))) < 60


def test_pictures_are_drawn_above_their_heat_maps():
    rng = np.random.default_rng(0)
    pictures, heat = rng.random((12, 4, 3)), rng.random((12, 4, 3))
    display = ReasonsDisplay(heat, observed=pictures).plot()
    assert len(display.ax_.images) == 20
    np.testing.assert_array_equal(display.ax_.images[1].get_array(), heat[1])
    assert display.ax_.images[1].get_clim() == (0, heat[1].max())
    np.testing.assert_array_equal(display.ax_.images[11].get_array(), pictures[1])
    assert display.ax_.get_title().endswith("(2 other pictures not shown)")
    assert len(ReasonsDisplay(heat[:2]).plot().ax_.images) == 2


def test_it_draws_where_it_is_told_and_checks_arguments(detector):
    _, ax = plt.subplots()
    assert ReasonsDisplay([[0.5, 0.5]]).plot(ax=ax).ax_ is ax
    with pytest.raises(ValueError, match="must have feature_contributions and explain"):
        ReasonsDisplay.from_estimator(PCA(2).fit(X), X)
    with pytest.raises(ValueError, match="max_columns must be an integer of at least 1"):
        ReasonsDisplay.from_estimator(detector, ROWS, max_columns=0)
