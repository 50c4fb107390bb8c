"""What scikit-learn's displays do, ours do as well."""

import itertools
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from skae.plotting import (
    LatentMapDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SizeCurveDisplay,
    TraversalDisplay,
)
from tests.plotting.fits import DIGITS, LABELS, WINE, of_pictures, of_share, of_wine


def of(draw, estimator, *data, **kwargs):
    """Return what draws an estimator, which is fitted when first needed."""
    return lambda **more: draw(estimator(), *data, **kwargs, **more)


MAP, LINES = LatentMapDisplay.from_estimator, TraversalDisplay.from_estimator
DRAWN = {
    "losses": of(LossCurveDisplay.from_estimator, of_wine),
    "pictures": of(ReconstructionDisplay.from_estimator, of_pictures, DIGITS),
    "rows": of(ReconstructionDisplay.from_estimator, of_wine, WINE, n_samples=2),
    "map": of(MAP, of_wine, WINE, c=LABELS),
    "numbers": of(MAP, of_wine, WINE, c="proline"),
    "path": of(MAP, of_pictures, DIGITS, path=[0, 1]),
    "grid": of(MAP, of_pictures, DIGITS, grid=3),
    "traversal": of(LINES, of_pictures, DIGITS, components=2),
    "lines": of(LINES, of_wine, WINE, components=2),
    "sizes": of(SizeCurveDisplay.from_estimator, of_share),
}
drawn = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)


@drawn
def test_axes_that_are_passed_are_drawn_in_and_no_others_are_made(draw):
    _, ax = plt.subplots()
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    display = draw(ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == before
    assert plt.gca() is ax
    assert dict(mpl.rcParams) == settings
    title = ax.get_title()
    assert display.plot() is display  # elsewhere, and the same
    assert display.ax_ is not ax
    assert display.ax_.get_title() == title
    assert len(plt.get_fignums()) == len(before) + 1


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in DRAWN.values():
        with pytest.raises(ImportError, match=r"pip install 'skae\[plot\]'"):
            draw()


def test_titles_are_broken_where_axes_end():
    figure, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
    display = LossCurveDisplay.from_estimator(of_wine(), name="Twin of wines", ax=axes[0])
    assert display.ax_.get_title() == "Twin of wines ran all 6\nepochs"
    figure.canvas.draw()
    box = display.ax_.title.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= axes[1].get_window_extent().x0


def seen(axis):
    """Return the texts of an axis that are in view."""
    low, high = sorted(axis.get_view_interval())
    at = 0 if axis.axis_name == "x" else 1
    labels = [text for text in axis.get_ticklabels() if text.get_text()]
    return [text for text in labels if low <= text.get_position()[at] <= high]


@pytest.mark.slow
@drawn
def test_texts_are_inside_of_the_figure_and_apart(draw):
    figure = draw().figure_
    figure.canvas.draw()
    axes = [ax for one in figure.axes for ax in (one, *one.child_axes)]
    shown = [axis for ax in axes if ax.axison for axis in (ax.xaxis, ax.yaxis)]
    titles = [ax.title for ax in axes if ax.get_title()]
    legends = [ax.get_legend() for ax in axes if ax.get_legend() is not None]
    labels = [text for axis in shown for text in [*seen(axis), axis.label]]
    labels = [text for text in labels if text.get_text()]
    boxes = [part.get_window_extent() for part in [*titles, *labels, *legends]]
    width, height = figure.canvas.get_width_height()
    for box in boxes:
        assert box.x0 > -1
        assert box.y0 > -1
        assert box.x1 < width + 1
        assert box.y1 < height + 1
    for axis in shown:
        places = [text.get_window_extent() for text in seen(axis)]
        for one, other in itertools.pairwise(places):
            assert not one.overlaps(other)
    places = [title.get_window_extent() for title in titles]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(places, 2))
