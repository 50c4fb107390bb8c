import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_rgba
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skae import Autoencoder, BinaryAutoencoder
from skae.plotting import LatentMapDisplay
from tests.plotting.fits import (
    CLASSES,
    DIGITS,
    FLAT,
    LABELS,
    WINE,
    of_flat,
    of_pictures,
    of_wine,
    principal,
    quiet,
)


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def colour_of(scatter):
    return tuple(scatter.get_facecolor()[0])


def test_points_are_two_components_of_the_codes():
    codes = of_wine().transform(WINE)
    display = LatentMapDisplay.from_estimator(of_wine(), WINE)
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), codes[:, :2])
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, components=(-1, 0))
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), codes[:, [2, 0]])
    assert display.ax_.get_xlabel() == "component 2"
    assert display.ax_.get_ylabel() == "component 0"
    assert display.ax_.get_title() == "Codes of 178 rows by Autoencoder"


def test_a_given_map():
    map_ = np.random.default_rng(0).normal(size=(178, 2))
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, map_=map_, c=LABELS)
    parts = [scatter.get_offsets() for scatter in display.scatters_]
    for label, part in enumerate(parts):
        np.testing.assert_array_equal(part, map_[label == LABELS])


@pytest.mark.parametrize(
    "c",
    [
        LABELS,
        pd.Series(np.array(["one", "three", "two"])[[0, 2, 1]][LABELS], name="wine"),
        pd.Series(pd.Categorical.from_codes(LABELS, ["z", "y", "x"]), name="wine"),
    ],
)
def test_labels_have_a_legend(c):
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c=c)
    codes = of_wine().transform(WINE)[:, :2]
    named = isinstance(c, pd.Series)
    assert display.legend_.get_title().get_text() == ("wine" if named else "")
    order = {"zyx": ["z", "y", "x"], "one": ["one", "three", "two"], "": ["0", "1", "2"]}
    kind = "" if not named else ("zyx" if c.dtype == "category" else "one")
    assert legend(display) == order[kind]
    for label, scatter in zip(legend(display), display.scatters_, strict=True):
        rows = np.asarray(pd.Series(c).astype(str)) == label
        np.testing.assert_array_equal(scatter.get_offsets(), codes[rows])
    assert len({colour_of(scatter) for scatter in display.scatters_}) == 3
    assert display.colorbar_ is None


def test_numbers_have_a_colour_bar():
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c="proline")
    np.testing.assert_array_equal(display.scatters_[0].get_array(), WINE["proline"])
    assert display.colorbar_.ax.get_ylabel() == "proline"
    by_number = WINE.set_axis(range(13), axis=1)
    display = LatentMapDisplay.from_estimator(PCA(2).fit(by_number), by_number, c=12)
    np.testing.assert_array_equal(display.scatters_[0].get_array(), WINE["proline"])
    assert display.legend_ is None
    score = of_wine().score_samples(WINE)
    score[3] = np.nan
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c=score, c_name="score")
    known = np.isfinite(score)
    np.testing.assert_array_equal(display.scatters_[0].get_array(), score[known])
    assert display.colorbar_.ax.get_ylabel() == "score"


def test_many_categories_are_named_in_the_map():
    display = LatentMapDisplay.from_estimator(of_flat(), FLAT, c=CLASSES)
    names = [text.get_text() for text in display.ax_.texts]
    assert names == legend(display) == [str(i) for i in range(10)]
    assert len({colour_of(scatter) for scatter in display.scatters_}) == 10
    points = of_flat().transform(FLAT)[:, :2]
    for text in display.ax_.texts:
        own = points[int(text.get_text()) == CLASSES]
        assert (np.isclose(own, text.get_position()).all(1)).any()
    few = LatentMapDisplay.from_estimator(of_wine(), WINE, c=LABELS)
    assert not few.ax_.texts


def test_rare_categories_are_drawn_together_and_missing_ones_apart():
    values = [str(i) for i in range(40)]
    c = [*np.repeat(values[:29], 4), *values[29:], None][:178]
    c = pd.Series([*c, *["0"] * (178 - len(c))])
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c=c)
    assert len(display.scatters_) == 31
    assert legend(display)[-2:] == ["11 others", "missing"]
    assert [len(s.get_offsets()) for s in display.scatters_[-2:]] == [11, 1]
    shapes = {(colour_of(s), s.get_paths()[0].vertices.shape) for s in display.scatters_}
    assert len(shapes) >= 30


def test_times_and_more_integers_are_numbers():
    days = pd.Series(pd.Timestamp("1970-01-02") + pd.to_timedelta(range(178), unit="D"))
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c=days)
    np.testing.assert_allclose(display.scatters_[0].get_array(), np.arange(178) + 1)
    display = LatentMapDisplay.from_estimator(of_wine(), WINE, c=np.arange(178))
    assert display.legend_ is None


@pytest.mark.parametrize("estimator", [of_pictures, of_flat, principal])
def test_a_grid_is_decoded_at_its_places(estimator):
    X = DIGITS if estimator is of_pictures else FLAT
    model, shape = estimator(), None if estimator is of_pictures else (8, 8)
    display = LatentMapDisplay.from_estimator(
        model, X, components=(1, 3), grid=3, image_shape=shape
    )
    codes = model.transform(X)
    low, high = np.quantile(codes[:, [1, 3]].astype(float), [0.01, 0.99], axis=0)
    x, y = (np.linspace(low[i], high[i], 3) for i in (0, 1))
    for i, j in np.ndindex(3, 3):
        code = np.median(codes, axis=0)
        code[1], code[3] = x[j], y[2 - i]  # the first line is on top
        expected = model.inverse_transform(code[None]).reshape(8, 8)
        image = display.images_[i, j]
        np.testing.assert_allclose(image.get_array(), expected, atol=1e-4)
        left, right, bottom, top = image.get_extent()
        assert (left + right) / 2 == pytest.approx(x[j], abs=1e-6)
        assert (bottom + top) / 2 == pytest.approx(y[2 - i], abs=1e-6)
        assert image.get_clim() == (0, 16)
    points, pictures = display.axes_
    assert points.get_xlim() == pictures.get_xlim()
    assert points.get_ylim() == pictures.get_ylim()
    assert display.images_[0, 0].axes is pictures
    assert display.scatters_[0].axes is points
    drawn = codes[:, [1, 3]]
    assert (drawn > [points.get_xlim()[0], points.get_ylim()[0]]).all()
    assert (drawn < [points.get_xlim()[1], points.get_ylim()[1]]).all()


def test_a_path_goes_from_row_to_row():
    display = LatentMapDisplay.from_estimator(
        of_pictures(), DIGITS, path=[3, -1], n_steps=4
    )
    codes = of_pictures().transform(DIGITS)
    expected = np.linspace(codes[3, :2], codes[119, :2], 4)
    np.testing.assert_allclose(display.path_line_.get_xydata(), expected, rtol=1e-5)
    way = of_pictures().interpolate(DIGITS[3:4], DIGITS[119:], n_steps=4)[0]
    drawn = [image.get_array() for image in display.path_images_]
    np.testing.assert_allclose(drawn, way, atol=1e-3)
    over = LatentMapDisplay.from_estimator(of_wine(), WINE, path=[0, 5, 9], n_steps=5)
    assert over.path_images_ is None
    codes = of_wine().transform(WINE)[:, :2]
    np.testing.assert_allclose(over.path_line_.get_xydata()[::2], codes[[0, 5, 9]])


def test_pipelines_are_mapped_by_their_codes():
    pipeline = quiet(make_pipeline("passthrough", of_wine()), WINE)
    display = LatentMapDisplay.from_estimator(pipeline, WINE)
    codes = pipeline.transform(WINE)[:, :2]
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), codes)
    assert "Autoencoder" in display.ax_.get_title()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"components": (0, 3)}, r"components=\(0, 3\) must name two of the code's 3"),
        (
            {"components": 1},
            r"components=1 must name .* 3 components, 0 to 2",
        ),
        ({"components": (0, 1.5)}, r"components=\(0, 1.5\) must name two"),
        (
            {"c": LABELS[:9]},
            r"c has shape \(9,\); it must hold .* of the 178 rows",
        ),
        ({"c": "prolin"}, r"c: there is no column 'prolin' in X. Its columns are \['alc"),
        ({"map_": np.ones((3, 2))}, r"map_ has shape \(3, 2\).*\(178, 2\)"),
        (
            {"map_": np.ones((178, 2)), "grid": 3},
            r"grid is decoded from places in the code",
        ),
        ({"map_": np.ones((178, 2)), "path": [0, 1]}, r"path is decoded from places"),
        ({"grid": 3}, r"grid draws pictures, and rows of X are none. Pass image_shape="),
        ({"path": [0]}, r"path must be a list of two or more numbers of rows"),
        ({"path": [0, 178]}, r"path: X has 178 rows, 0 to 177, and no row 178"),
        ({"path": [0, 1], "n_steps": 1}, r"n_steps must be an integer of at least 2"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        LatentMapDisplay.from_estimator(of_wine(), WINE, **kwargs)


def test_a_grid_of_one_and_a_column_of_an_array_are_refused():
    with pytest.raises(ValueError, match=r"grid must be an integer of at least 2. Got 1"):
        LatentMapDisplay.from_estimator(of_pictures(), DIGITS, grid=1)
    with pytest.raises(ValueError, match=r"c: there is no column 'a' in X. X is no DataFr"):
        LatentMapDisplay.from_estimator(of_flat(), FLAT, c="a")


def test_a_grid_needs_some_width_and_one_class():
    with pytest.raises(ValueError, match="component 0 is the same in all rows of X"):
        LatentMapDisplay.from_estimator(of_pictures(), DIGITS[:1], grid=3)
    with pytest.raises(ValueError, match="y: a grid and a path are decoded with one class"):
        LatentMapDisplay.from_estimator(Told(), WINE, y=LABELS, path=[0, 1])
    display = LatentMapDisplay.from_estimator(Told(), WINE, y=2, path=[0, 1], n_steps=2)
    assert display.path.tolist() == [[2, 13], [2, 13]]


class Told:
    """What is told the classes of rows."""

    def transform(self, X, y):
        return np.stack([np.full(len(X), y), np.full(len(X), X.shape[1])], axis=1)

    def inverse_transform(self, X, y):
        return X[:, [0]] * y


def test_bits_have_nothing_between_them():
    binary = quiet(BinaryAutoencoder(8, max_iter=1, random_state=0), FLAT)
    for kwargs in ({"grid": 2}, {"path": [0, 1]}):
        with pytest.raises(ValueError, match="codes of a BinaryAutoencoder are bits"):
            LatentMapDisplay.from_estimator(binary, FLAT, image_shape=(8, 8), **kwargs)
    display = LatentMapDisplay.from_estimator(binary, FLAT)
    assert set(np.unique(display.points)) <= {0, 1}


def test_one_component_is_no_map():
    single = quiet(Autoencoder(1, max_iter=1, random_state=0), WINE)
    with pytest.raises(ValueError, match="one is no map: pass map_, or fit with more n_"):
        LatentMapDisplay.from_estimator(single, WINE)


def test_keywords_of_the_scatter_are_passed_on():
    display = LatentMapDisplay.from_estimator(
        of_wine(), WINE, c=LABELS, scatter_kw={"s": 77, "color": "red"}
    )
    assert display.scatters_[0].get_sizes().tolist() == [77]
    assert colour_of(display.scatters_[1]) == to_rgba("red")


@pytest.mark.parametrize(
    ("c", "names"),
    [
        (pd.array([0, 1, None] * 40, dtype="Int64"), ["0", "1"]),
        (np.array([0.0, 1.0, np.nan] * 40), ["0", "1"]),  # as pandas has such integers
        (pd.Series(["a", "b", None] * 40, dtype="string"), ["a", "b"]),
        (pd.array([False, True, None] * 40, dtype="boolean"), ["False", "True"]),
        (np.array([1, "a", None] * 40, dtype=object), ["1", "a"]),
        (pl.Series(["a", "b", None] * 40), ["a", "b"]),
    ],
)
def test_labels_of_some_rows_are_missing(c, names):
    display = LatentMapDisplay.from_estimator(of_flat(), FLAT, c=c)
    codes = of_flat().transform(FLAT)[:, :2]
    assert legend(display) == [*names, "missing"]
    for i, scatter in enumerate(display.scatters_):
        np.testing.assert_array_equal(scatter.get_offsets(), codes[i::3])
