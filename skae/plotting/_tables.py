"""Tables as they are drawn: columns read, names cut, panels laid out.

n is the number of rows.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skae._data.containers import taken
from skae._data.frames import Series, Table, is_frame
from skae._data.objects import brief
from skae.plotting._base import COLOURS, pyplot

LONGEST = 28  # letters of a name
FEW = 10  # different numbers are drawn one by one
MOST_BINS = 30
MOST_LEVELS = 8  # of a category that are drawn
DAY = np.timedelta64(1, "D")
ACROSS, INCHES = 3, (3.4, 2.3)  # panels beside one another, the size of one
NARROWEST = 2.2  # inches of a panel
HEADING = 0.3  # inches of a line
NAME = 20  # letters of a name above a panel


class Column(NamedTuple):
    """One column: numbers, dates, or what else there is as texts."""

    name: str
    values: np.ndarray  # (n,) float64 or datetime64, else texts
    missing: np.ndarray  # (n,) bool

    @property
    def is_text(self):
        """Whether values are texts."""
        return self.values.dtype.kind not in "fM"

    @property
    def numbers(self):
        """Numbers, NaN where missing, or dates as days since 1970; (n,) float64."""
        values = self.values
        if values.dtype.kind == "M":
            values = (values - np.datetime64(0, "us")) / DAY
        return np.where(self.missing, np.nan, values)

    @property
    def known(self):
        """The values that are not missing."""
        return self.values[~self.missing]


def columns_of(X, missing_values=np.nan):
    """Return the columns of a table or an array; pictures are flattened."""
    X = taken(X)
    if sp.issparse(X):
        X = X.toarray()
    if not is_frame(X):
        X = np.asarray(X)
        X = X.reshape(len(X), -1) if X.ndim else X.reshape(1, 1)
        if X.dtype.kind in "biuf":
            X = X.astype(np.float64)
            gone = np.isnan(X) | (missing_values == X)
            names = [f"x{j}" for j in range(X.shape[1])]
            return [Column(*column) for column in zip(names, X.T, gone.T, strict=True)]
        X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).infer_objects()
    return [_column(series) for series in Table.read(X, missing_values).series]


def _column(series):
    """Return a series that was read as what is drawn."""
    name = written(series.name)
    if isinstance(series, Series) and series.times is not None:
        times = series.times
        if times.what == "date":
            values = times.on_the_wall(times.zone).astype("datetime64[us]")
        else:  # times of day are durations since midnight
            values = times.ticks / DAY
        return Column(name, values, series.missing | np.isnat(times.ticks))
    if series.is_number:
        return Column(name, series.values.astype(np.float64), series.missing)
    texts = np.array([str(value) for value in series.values], dtype=object)
    return Column(name, texts, series.missing)


def written(name):
    """Return a column's name, which may be a tuple, as a text."""
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def short(names, longest=LONGEST):
    """Return names without their middle, if they are long, or so that they differ."""
    names = [written(name) for name in names]
    cut = [brief(name, longest) for name in names]
    for text in {text for text in cut if cut.count(text) > 1}:
        alike = [i for i, other in enumerate(cut) if other == text]
        letters = zip(*(names[i] for i in alike), strict=False)
        same = next((k for k, found in enumerate(letters) if len({*found}) > 1), 0)
        start = max(0, same - longest // 4)
        for i in alike:
            rest = names[i][start:]
            rest = rest if len(rest) < longest else f"{rest[: longest - 2]}…"
            cut[i] = f"…{rest}" if start else rest
    return cut


def left_out(n, what="column"):
    """Return how many are not drawn, as the second line of a title."""
    return f"\n({n} other {what}{'s' * (n > 1)} not shown)" if n else ""


# Panels


def panels(ax, n, title):
    """Return a figure, the axes that are divided, n axes and those below, or None.

    Parameters
    ----------
    ax : Axes, array of n Axes or None
        One is divided into n; None is a new figure.
    n : int
    title : str
        Above them all, but for axes that are given one by one.
    """
    plt = pyplot()
    if ax is not None and not isinstance(ax, plt.Axes):
        axes = np.ravel(ax)
        if len(axes) != n:
            raise ValueError(f"ax must be one axes or an array of {n}. Got {len(axes)}.")
        return axes[0].figure, axes[0], axes, None
    across, head = ACROSS, HEADING * (1 + title.count("\n"))
    if ax is not None:
        across = int(ax.get_window_extent().width / ax.figure.dpi / NARROWEST)
    across = max(1, min(n, across))
    down = -(-n // across)
    if ax is None:
        size = max(INCHES[0] * across, 5.5), INCHES[1] * down + head + HEADING
        ax = plt.figure(figsize=size, layout="constrained").subplots()
    figure, place = ax.figure, ax.get_subplotspec()
    if place is None:
        raise ValueError(
            f"ax was not made by plt.subplots and cannot be divided. Pass an array of {n} "
            "axes."
        )
    height = ax.get_window_extent().height / figure.dpi
    ax.set_axis_off()
    each = max(height - head - HEADING, down * HEADING) / down
    grid = place.subgridspec(
        down + 2, across, height_ratios=[head, *[each] * down, HEADING]
    )
    head, foot = (figure.add_subplot(grid[row, :]) for row in (0, -1))
    for bare in (head, foot):
        bare.set_axis_off()
    head.text(0.5, 0.5, title, ha="center", va="center", fontsize="large", wrap=True)
    axes = [figure.add_subplot(grid[1 + i // across, i % across]) for i in range(n)]
    figure.sca(ax)
    return figure, ax, np.array(axes), foot


def legend(axes, foot):
    """Draw the legend of all panels below them, or that of the first in it."""
    if foot is None:
        axes[0].legend(fontsize="small")
        return
    drawn = [panel.get_legend_handles_labels() for panel in axes]
    found = {name: it for its, names in drawn for it, name in zip(its, names, strict=True)}
    foot.legend(found.values(), found, loc="center", ncols=3, frameon=False)


# Two samples of one column


def compared(first, second):
    """Return two samples of a column as they are compared: levels, and shares or numbers.

    Parameters
    ----------
    first, second : Column

    Returns
    -------
    levels : list or None
        Values that are counted one by one; None if they are numbers of a scale.
    shares : list of two ndarray
        How often each level is, or the known values.
    """
    a, b = first.known, second.known
    if first.is_text or second.is_text or a.dtype.kind != b.dtype.kind:
        a, b = a.astype(str), b.astype(str)
    elif len(np.unique(np.concatenate([a, b]))) > FEW:
        return None, [a, b]
    levels = np.unique(np.concatenate([a, b]))
    is_date = levels.dtype.kind == "M"
    return list(map(pd.Timestamp, levels)) if is_date else levels.tolist(), [
        np.array([(v == level).mean() if len(v) else 0.0 for level in levels])
        for v in (a, b)
    ]


def on_a_scale(values):
    """Return numbers as they are, and dates as microseconds."""
    if values.dtype.kind != "M":
        return values
    return values.astype("datetime64[us]").astype(float)


def edges_between(*samples):
    """Return the edges of bins for numbers or dates, without far ends; (bins + 1,)."""
    values = np.concatenate(samples)
    is_date = values.dtype.kind == "M"
    values = on_a_scale(values)
    low, high = np.quantile(values, [0.01, 0.99])
    wide = 0.5 * (high - low)
    low, high = max(values.min(), low - wide), min(values.max(), high + wide)
    inside = values[(values >= low) & (values <= high)]
    n_bins = len(np.histogram_bin_edges(inside, "fd")) if high > low else 1
    edges = np.linspace(low, high, int(np.clip(n_bins, 8, MOST_BINS)) + 1)
    return edges.astype("datetime64[us]") if is_date else edges


def draw_two(ax, first, second, labels):
    """Draw two samples of a column beside each other; return whether it has a scale."""
    levels, (a, b) = compared(first, second)
    if levels is None:
        edges = edges_between(a, b)
        beyond = [((v < edges[0]) | (v > edges[-1])).sum() for v in (a, b)]
        for values, colour, label, is_filled in zip(
            (a, b), COLOURS, labels, (True, False), strict=False
        ):
            counts = _counts(values, edges) / max(len(values), 1)
            ax.stairs(
                counts, edges, color=colour, label=label, fill=is_filled,
                alpha=0.35 if is_filled else 1, linewidth=1.8,
            )  # fmt: skip
        if sum(beyond):
            ax.text(
                0.98, 0.97, f"{sum(beyond)} beyond", transform=ax.transAxes, ha="right",
                va="top", fontsize="x-small",
            )  # fmt: skip
        margin = (edges[-1] - edges[0]) / 30
        ax.set_xlim(edges[0] - margin, edges[-1] + margin)
        few_ticks(ax.xaxis, a.dtype.kind == "M")
        ax.set_yticks([])
        return True
    keep = np.argsort(-(a + b), kind="stable")[:MOST_LEVELS]
    if not first.is_text:
        keep = np.sort(keep)
    if len(keep) == len(levels):
        names = [brief(levels[i]) for i in keep]
    else:
        names = [brief(levels[i]) for i in keep] + [f"{len(levels) - len(keep)} others"]
        a, b = (np.append(v[keep], 1 - v[keep].sum()) for v in (a, b))
        keep = np.arange(len(keep) + 1)
    at = np.arange(len(keep))
    for values, colour, label, shift, is_filled in zip(
        (a, b), COLOURS, labels, (-0.2, 0.2), (0.35, 1), strict=False
    ):
        ax.barh(at + shift, values[keep], 0.38, color=colour, label=label, alpha=is_filled)
    ax.set_yticks(at, short(names, 14), fontsize="small")
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(axis="x", labelsize="small")
    return False


def _counts(values, edges):
    """Return how many values are in each bin; (bins,)."""
    return np.histogram(on_a_scale(values), on_a_scale(edges))[0]


def few_ticks(axis, is_date):
    """Make ticks of a small panel's axis few enough to be read."""
    axis.set_tick_params(labelsize="small")
    if is_date:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=4)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axis.get_major_locator().set_params(nbins=4)
