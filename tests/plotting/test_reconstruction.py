import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, DenoisingAutoencoder, VariationalAutoencoder
from skae.plotting import ReconstructionDisplay
from tests.plotting.fits import (
    CLASSES,
    DIGITS,
    FLAT,
    MIXED,
    WINE,
    of_flat,
    of_mixed,
    of_pictures,
    of_wine,
    principal,
    quiet,
)


def pictures(display):
    images = [[image.get_array() for image in line] for line in display.images_]
    return np.array(images)


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_pictures_stand_above_what_is_rebuilt():
    fitted = of_pictures()
    display = ReconstructionDisplay.from_estimator(fitted, DIGITS, indices=[3, 5, -1])
    rows = [3, 5, 119]
    expected = [DIGITS[rows], fitted.reconstruct(DIGITS[rows])]
    np.testing.assert_array_equal(pictures(display), expected)
    assert labels(display.ax_.yaxis) == ["input", "Autoencoder"]
    assert labels(display.ax_.xaxis) == ["3", "5", "119"]
    limits = {image.get_clim() for image in display.images_.ravel()}
    assert limits == {(0.0, 16.0)}  # the input's
    boxes = [image.get_extent() for image in display.images_[0]]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(boxes))  # side by side
    top, below = (image.get_extent()[2:] for image in display.images_[:, 0])
    assert max(top) < min(below)
    assert display.ax_.yaxis_inverted()


def test_rows_are_taken_evenly():
    display = ReconstructionDisplay.from_estimator(of_pictures(), DIGITS, n_samples=3)
    np.testing.assert_array_equal(display.X, DIGITS[[0, 60, 119]])
    assert len(ReconstructionDisplay.from_estimator(of_pictures(), DIGITS).X) == 8


def test_estimators_stand_below_each_other():
    models = [principal(), of_flat()]
    display = ReconstructionDisplay.from_estimator(
        models, FLAT, indices=[0, 1], image_shape=(8, 8)
    )
    pca = principal().inverse_transform(principal().transform(FLAT[:2]))
    expected = [FLAT[:2], pca, of_flat().reconstruct(FLAT[:2])]
    expected = np.reshape(expected, (3, 2, 8, 8))
    np.testing.assert_allclose(pictures(display), expected, atol=1e-9)
    assert display.names == ["PCA", "Autoencoder"]
    same = ReconstructionDisplay.from_estimator(
        [of_flat()] * 2, FLAT, image_shape=(8, 8), n_samples=1
    )
    assert same.names == ["Autoencoder 1", "Autoencoder 2"]


def test_noisy_denoised_clean():
    noisy = FLAT + np.random.default_rng(0).normal(scale=4, size=FLAT.shape)
    fitted = quiet(DenoisingAutoencoder(4, max_iter=1, random_state=0), noisy, X_clean=FLAT)
    display = ReconstructionDisplay.from_estimator(
        fitted, noisy, X_clean=FLAT, image_shape=(8, 8), n_samples=2
    )
    assert labels(display.ax_.yaxis) == ["noisy", "denoised", "clean"]
    rows = [0, 119]
    expected = np.reshape(
        [noisy[rows], fitted.denoise(noisy[rows]), FLAT[rows]], (3, 2, 8, 8)
    )
    np.testing.assert_array_equal(pictures(display), expected)
    limits = FLAT[rows].min(), FLAT[rows].max()
    assert display.images_[0, 0].get_clim() == limits  # noise does not make pictures pale


@pytest.mark.parametrize("shape", [(3, 4, 5), (6, 5, 3)])
def test_colours_are_between_the_limits(shape):
    X = np.random.default_rng(0).uniform(10, 20, size=(2, *shape))
    display = ReconstructionDisplay(X=X, reconstructions=[X - 100], names=["black"]).plot()
    low, high = X.min(), X.max()
    expected = (X[0] - low) / (high - low)
    if shape[0] == 3:
        expected = np.moveaxis(expected, 0, -1)
    np.testing.assert_allclose(display.images_[0, 0].get_array(), expected)
    assert display.images_[1, 0].get_array().max() == 0  # clipped


def test_a_table_has_a_panel_for_each_row_in_deviations():
    display = ReconstructionDisplay.from_estimator(of_wine(), WINE, indices=[7, 100])
    rebuilt = of_wine().reconstruct(WINE.iloc[[7, 100]])
    mean, std = WINE.mean().to_numpy(), WINE.std(ddof=0).to_numpy()
    assert len(display.axes_) == 2
    for i, panel in enumerate(display.axes_):
        lines = {line.get_label(): line for line in panel.get_lines()}
        observed = (WINE.to_numpy()[[7, 100][i]] - mean) / std
        np.testing.assert_allclose(lines["input"].get_xdata(), observed)
        np.testing.assert_allclose(
            lines["Autoencoder"].get_xdata(), (rebuilt[i] - mean) / std, atol=1e-9
        )
        np.testing.assert_array_equal(lines["input"].get_ydata(), np.arange(13))
        assert panel.get_title() == ["row 7", "row 100"][i]
    assert labels(display.axes_[0].yaxis) == list(WINE.columns)


def test_the_same_of_csr_polars_and_pipelines():
    X = WINE.to_numpy()
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(X)
    dense = ReconstructionDisplay.from_estimator(pipeline, X)
    frame = ReconstructionDisplay.from_estimator(
        of_wine(), pl.DataFrame(WINE.to_dict("list"))
    )
    assert list(frame.X.columns) == list(WINE.columns)
    with_csr = quiet(Autoencoder(2, max_iter=1, random_state=0), sp.csr_matrix(X))
    sparse = ReconstructionDisplay.from_estimator(with_csr, sp.csr_matrix(X))
    for display in (dense, sparse):
        lines = {line.get_label(): line for line in display.axes_[0].get_lines()}
        observed = (X[0] - X.mean(0)) / X.std(0)
        np.testing.assert_allclose(lines["input"].get_xdata(), observed)
        assert labels(display.axes_[0].yaxis) == [f"x{i}" for i in range(13)]


def test_categories_are_texts_and_missing_cells_have_no_mark():
    display = ReconstructionDisplay.from_estimator(of_mixed(), MIXED, indices=[1, 30])
    assert display.location["day"] == 18262 + 15  # days since 1970
    assert display.scale["day"] == pytest.approx(80**0.5)
    rebuilt = of_mixed().reconstruct(MIXED)["kind"]
    texts = [panel.texts[0].get_text() for panel in display.axes_]
    assert texts[0] == ("b" if rebuilt[1] == "b" else f"b → {rebuilt[1]}")
    assert texts[1] == f"missing → {rebuilt[30]}"
    lines = {line.get_label(): line for line in display.axes_[1].get_lines()}
    days = np.arange(31)
    expected = [np.nan, np.nan, (30 - days.mean()) / days.std()]
    np.testing.assert_allclose(lines["input"].get_xdata(), expected)
    assert np.isfinite(lines["Autoencoder"].get_xdata()[[0, 2]]).all()


def test_of_many_columns_the_worst_rebuilt_are_shown():
    X = np.random.default_rng(0).normal(size=(2, 50))
    rebuilt = X.copy()
    worst = np.arange(3, 50, 2)[:20]
    rebuilt[:, worst] += 1.0
    display = ReconstructionDisplay(X=X, reconstructions=[rebuilt], names=["a"]).plot()
    shown = labels(display.axes_[0].yaxis)
    assert len(shown) == 30
    assert {f"x{i}" for i in worst} < set(shown)
    assert "The 30 of 50 columns" in display.ax_.get_title()


def test_classes_are_told_to_conditional_ones():
    fitted = VariationalAutoencoder(2, conditional=True, max_iter=1, random_state=0)
    quiet(fitted, FLAT, CLASSES)
    display = ReconstructionDisplay.from_estimator(
        fitted, FLAT, y=CLASSES, indices=[4], image_shape=(8, 8)
    )
    expected = fitted.reconstruct(FLAT[4:5], y=CLASSES[4:5])
    np.testing.assert_allclose(pictures(display)[1, 0].ravel(), expected[0])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"indices": [120]}, r"indices: X has 120 rows, 0 to 119, and no row 120"),
        ({"indices": [0.5]}, r"indices must be a list of numbers of rows"),
        ({"n_samples": 0}, r"n_samples must be an integer of at least 1. Got 0"),
        ({"image_shape": (8, 9)}, r"image_shape=\(8, 9\) does not fit rows of 64 values"),
        ({"names": ["a", "b"]}, r"names must hold one name for each of the 1 estimators"),
        ({"X_clean": FLAT[:3]}, r"X_clean has shape \(3, 64\); it must be that of X"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator(of_flat(), FLAT, **kwargs)


def test_who_does_not_go_back_is_told():
    with pytest.raises(ValueError, match=r"DBSCAN has no transform and inverse_transform"):
        ReconstructionDisplay.from_estimator(DBSCAN(), FLAT)


def test_labels_of_rows_are_those_of_the_frame():
    table = pd.DataFrame(WINE.to_numpy(), [f"bottle {i}" for i in range(178)], WINE.columns)
    display = ReconstructionDisplay.from_estimator(of_wine(), table, indices=[2])
    assert display.axes_[0].get_title() == "row bottle 2"


def test_long_names_are_cut_and_one_row_is_refused():
    table = WINE.rename(columns=lambda name: name * 9)
    display = ReconstructionDisplay(
        X=table.iloc[:2], reconstructions=[table.iloc[:2]], names=["a"]
    ).plot()
    shown = labels(display.axes_[0].yaxis)
    assert shown[0] == "alcoholalcoho…lcoholalcohol"
    assert max(map(len, shown)) < 29
    with pytest.raises(ValueError, match="X has one row, which tells nothing of how far"):
        ReconstructionDisplay.from_estimator(of_wine(), WINE.iloc[:1])


def test_limits_and_title_may_be_told():
    display = ReconstructionDisplay.from_estimator(
        of_pictures(), DIGITS, limits=(2, 9), title="Digits", n_samples=2
    )
    assert {image.get_clim() for image in display.images_.ravel()} == {(2, 9)}
    assert display.ax_.get_title() == "Digits"
    display = ReconstructionDisplay.from_estimator(of_wine(), WINE, title="Wine")
    assert display.ax_.get_title() == "Wine"
