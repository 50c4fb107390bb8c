"""Rows that a model made beside real ones."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import ks_2samp, spearmanr
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skae.plotting import SampleQualityDisplay

RNG = np.random.default_rng(0)
N = 80
REAL = pd.DataFrame(
    {
        "number": RNG.normal(size=N),
        "skewed": RNG.lognormal(size=N),
        "few": RNG.integers(3, size=N),
        "kind": RNG.choice(["a", "b"], N),
        "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(RNG.integers(90, size=N), "D"),
    }
)
MADE = REAL.sample(frac=1, random_state=0).assign(number=REAL["number"] + 5, kind="a")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_columns_that_differ_the_most_come_first():
    display = SampleQualityDisplay.from_samples(REAL, MADE)
    distances = display.distances_
    assert distances.index[:2].tolist() == ["number", "kind"]
    assert distances["number"] == ks_2samp(REAL["number"], MADE["number"]).statistic
    assert distances["kind"] == pytest.approx((REAL["kind"] == "b").mean())
    assert (distances[["skewed", "few", "day"]] == 0).all()
    assert display.axes_[0].get_title() == f"number (differs by {distances['number']:.2f})"
    assert len(display.axes_) == 6


def test_correlations_are_those_of_ranks():
    display = SampleQualityDisplay.from_samples(REAL, MADE, max_columns=1)
    (points,) = display.axes_[-1].collections
    names = ["number", "skewed", "few", "day"]
    for at, table in enumerate((REAL, MADE)):
        rho = spearmanr(table[names].astype({"day": "int64"})).statistic
        np.testing.assert_allclose(
            points.get_offsets()[:, at], rho[np.triu_indices(4, 1)], atol=1e-12
        )
    assert display.axes_[0].figure.axes[1].texts[0].get_text() == (
        "Real and sampled rows, what differs most first\n(4 other columns not shown)"
    )


def test_shares_are_those_of_each_sample():
    display = SampleQualityDisplay.from_samples(REAL[["kind"]], MADE[["kind"]])
    (ax,) = display.axes_
    widths = np.array([bar.get_width() for bar in ax.patches]).reshape(2, 2)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    rates = (REAL["kind"] == "a").mean()
    np.testing.assert_allclose(widths, [[rates, 1 - rates], [1, 0]])


def test_long_names_are_cut_where_they_do_not_differ():
    names = [f"amount over the last {i} days, by merchant" for i in (7, 14)]
    real = pd.DataFrame(RNG.normal(size=(30, 2)), columns=names)
    display = SampleQualityDisplay.from_samples(real, real)
    titles = [ax.get_title().split(" (")[0] for ax in display.axes_[:2]]
    assert titles == ["…last 7 days, by me…", "…last 14 days, by m…"]


def test_many_levels_are_put_together():
    real = pd.DataFrame({"town": [f"town {i % 30}" for i in range(90)]})
    display = SampleQualityDisplay.from_samples(real, real[:30])
    labels = [t.get_text() for t in display.axes_[0].get_yticklabels()]
    assert len(labels) == 9
    assert labels[-1] == "22 others"
    widths = np.array([bar.get_width() for bar in display.axes_[0].patches])
    np.testing.assert_allclose(widths.reshape(2, 9).sum(1), 1)


@pytest.mark.parametrize("model", [GaussianMixture(2, random_state=0), KernelDensity()])
def test_whatever_samples(model):
    X = REAL[["number", "skewed"]]
    display = SampleQualityDisplay.from_estimator(
        model.fit(X.to_numpy()), X, n_samples=50, random_state=0
    )
    assert np.shape(display.X_sampled) == (50, 2)
    assert set(display.distances_.index) == {"number", "skewed"}
    if isinstance(model, KernelDensity):
        np.testing.assert_array_equal(display.X_sampled, model.sample(50, random_state=0))


def test_as_many_rows_as_there_are_and_missing_cells_do_not_count():
    X = REAL[["number", "skewed"]].to_numpy()
    display = SampleQualityDisplay.from_estimator(GaussianMixture().fit(X), X)
    assert len(display.X_sampled) == N
    holed = np.where(RNG.random(X.shape) < 0.3, np.nan, X)
    distance = SampleQualityDisplay.from_samples(X, holed).distances_["x0"]
    known = holed[~np.isnan(holed[:, 0]), 0]
    assert distance == ks_2samp(X[:, 0], known).statistic


def test_far_values_do_not_squeeze_the_others():
    real = np.append(RNG.normal(size=999), 1e6)[:, None]
    display = SampleQualityDisplay.from_samples(real, real[:500])
    assert display.axes_[0].get_xlim()[1] < 100
    assert display.axes_[0].texts[0].get_text() == "1 beyond"


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"has no sample\. Wrap an autoencoder"):
        SampleQualityDisplay.from_estimator(PCA(1).fit(REAL[["number"]]), REAL)
    with pytest.raises(ValueError, match="X_sampled has 2 columns, but X has 5"):
        SampleQualityDisplay.from_samples(REAL, MADE[["kind", "day"]])
    with pytest.raises(ValueError, match="max_columns must be an integer"):
        SampleQualityDisplay.from_samples(REAL, MADE, max_columns=0)


def test_columns_are_paired_by_their_names():
    again = SampleQualityDisplay.from_samples(REAL, MADE[MADE.columns[::-1]]).distances_
    expected = SampleQualityDisplay.from_samples(REAL, MADE).distances_
    assert again.to_dict() == expected.to_dict()


def test_days_are_named_as_such_and_other_kinds_differ_in_all():
    days = pd.DataFrame({"day": pd.to_datetime(["2026-01-01", "2026-01-02"] * 5)})
    display = SampleQualityDisplay.from_samples(days, days)
    labels = [t.get_text() for t in display.axes_[0].get_yticklabels()]
    assert labels == ["2026-01-01", "2026-01-02"]
    numbers = pd.DataFrame({"day": np.arange(20.0)})
    display = SampleQualityDisplay.from_samples(days, numbers)
    assert display.distances_["day"] == pytest.approx(1)


def test_sparse_rows_are_counted():
    X = sp.csr_array(REAL[["number", "few"]].to_numpy())
    model = GaussianMixture().fit(X.toarray())
    assert len(SampleQualityDisplay.from_estimator(model, X).X_sampled) == N
