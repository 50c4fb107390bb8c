"""Rows beside what is rebuilt of their codes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import _safe_indexing, check_consistent_length

from skae._autoencoders.denoising import DenoisingAutoencoder
from skae.plotting._base import (
    COLOURS,
    MARKERS,
    entitle,
    last_step,
    name_of,
    names_apart,
    pyplot,
)
from skae.plotting._shared import (
    as_numbers,
    as_pictures,
    as_table,
    check_decodes,
    chosen_rows,
    decoded,
    deviations,
    draw_pictures,
    limits_of,
    new_figure_of_pictures,
    panels,
    picture_shape,
    rows_of,
    size_of,
    told,
)
from skae.plotting._tables import short

MOST = 30  # columns of a table whose names are legible


@dataclass(kw_only=True, eq=False, repr=False)
class ReconstructionDisplay:
    """Rows beside what estimators rebuild of their codes.

    Pictures stand in a table: the input in the first line, what each estimator makes of
    it below, and the clean ones, where they are known, last. Rows of a table have a panel
    each, with a line for each column: observed and rebuilt numbers in the column's standard
    deviations from its mean, categories as texts.

    Make one by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    X : array-like of shape (n_shown, n_features) or (n_shown, ...)
        The rows to show.
    reconstructions : list of array-like of the shape of X
        What each estimator rebuilds of them.
    names : list of str
        What to call these.
    X_clean : array-like of the shape of X, default=None
        What the rows are without their noise, if known.
    row_names : list of str, default=None
        What to call the rows. None numbers them.
    input_name : str, default="input"
        What to call X.
    image_shape : tuple of int, default=None
        Shape of a picture, (height, width) or (channels, height, width), where rows are
        flat. None takes rows of several axes for pictures, and others for a table.
    limits : tuple of float, default=None
        The values of pictures that are darkest and brightest. None takes those of the
        clean ones, if known, else of the input.
    title : str, default=None
        What is seen. None says it in general.
    location, scale : Series or array-like of shape (n_numbers,), default=None
        Mean and standard deviation of a table's columns of numbers (and of times, in
        days). None takes them from X.

    Attributes
    ----------
    images_ : ndarray of matplotlib AxesImage or None
        The pictures, of shape (n_lines, n_shown); None of a table.
    axes_ : ndarray of matplotlib Axes or None
        A table's panels, one for each row; None of pictures.
    ax_ : matplotlib Axes
        Where the pictures are, or the place that the panels share.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    LatentMapDisplay : Where rows are in the code.
    TraversalDisplay : What each component of the code does.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import Autoencoder
    >>> from skae.plotting import ReconstructionDisplay
    >>> X = load_digits().images[:200]
    >>> autoencoder = Autoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(autoencoder, X, n_samples=6)
    >>> display.images_.shape
    (2, 6)

    Flat pictures, next to PCA:

    >>> X = X.reshape(200, 64)
    >>> models = [PCA(8).fit(X), Autoencoder(8, max_iter=5, random_state=0).fit(X)]
    >>> display = ReconstructionDisplay.from_estimator(models, X, image_shape=(8, 8))
    >>> display.names
    ['PCA', 'Autoencoder']
    """

    X: ArrayLike
    reconstructions: list
    names: list
    X_clean: ArrayLike | None = None
    row_names: list | None = None
    input_name: str = "input"
    image_shape: tuple | None = None
    limits: tuple | None = None
    title: str | None = None
    location: ArrayLike | None = None
    scale: ArrayLike | None = None

    def plot(self, ax=None, *, cmap="gray"):
        """Draw the rows and what is rebuilt of them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a table's panels are made inside of it. None makes a figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of grey pictures.

        Returns
        -------
        display : ReconstructionDisplay
            The display itself.
        """
        X = rows_of(self.X)
        parts = [X, *map(rows_of, self.reconstructions)]
        labels = [self.input_name, *self.names]
        if self.X_clean is not None:
            parts, labels = [*parts, rows_of(self.X_clean)], [*labels, "clean"]
        parts = dict(zip(names_apart(labels), parts, strict=True))
        check_consistent_length(*parts.values())
        shape = picture_shape(X, self.image_shape)
        draw = self._draw_table if shape is None else self._draw_pictures
        draw(ax, parts, shape, cmap)
        self.figure_ = self.ax_.figure
        return self

    def _draw_pictures(self, ax, parts, shape, cmap):
        pictures = np.stack([as_pictures(rows, shape) for rows in parts.values()])
        limits = self.limits
        if limits is None:
            limits = limits_of(pictures[0 if self.X_clean is None else -1])
        if ax is None:
            _, ax = new_figure_of_pictures(*pictures.shape[:2], size_of(shape))
        row_names = [""] * pictures.shape[1] if self.row_names is None else self.row_names
        self.images_ = draw_pictures(ax, pictures, list(parts), row_names, limits, cmap)
        entitle(ax, self.title or "Pictures, and what is rebuilt from their codes")
        if self.row_names is not None:
            ax.set_xlabel("row")
        self.ax_, self.axes_ = ax, None

    def _draw_table(self, ax, parts, shape, cmap):
        tables = {name: as_table(rows) for name, rows in parts.items()}
        names = next(iter(tables.values())).columns
        tables = {name: table.set_axis(names, axis=1) for name, table in tables.items()}
        cells, texts = self._cells(tables)
        columns, d = _worst_rebuilt(cells, texts, names), len(names)
        n = len(next(iter(cells.values())))
        if ax is None:
            names_width = 0.085 * max(map(len, short(columns)))
            figsize = (max(1.6 + names_width + 1.9 * n, 6.0), 1.3 + 0.24 * len(columns))
            _, ax = pyplot().subplots(figsize=figsize, layout="constrained")
        self.ax_, self.images_ = ax, None
        self.axes_ = panels(ax, 1, n, 0.04)[0]
        titles = self.row_names or [f"row {i}" for i in range(n)]
        low, high = _reach([cell.reindex(columns=columns) for cell in cells.values()])
        for i, panel in enumerate(self.axes_):
            rows = {
                name: cell.iloc[i].reindex(columns).to_numpy(float)
                for name, cell in cells.items()
            }
            told = {c: texts[c][i] for c in columns if c in texts}
            _draw_panel(panel, rows, told, columns)
            panel.set_yticklabels(short(columns) if i == 0 else [""] * len(columns))
            panel.set_title(titles[i], fontsize="medium")
            panel.set_xlim(low, high)
        handles = self.axes_[-1].get_legend_handles_labels()
        ax.legend(*handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
        title = self.title or "Rows, and what is rebuilt from their codes"
        if len(columns) < d:
            title += f"\nThe {len(columns)} of {d} columns that are worst rebuilt"
        entitle(ax, title, pad=24)  # above those of the panels

    def _cells(self, tables):
        """Return numbers of tables in deviations, and texts of the other columns."""
        numbers = {name: as_numbers(table) for name, table in tables.items()}
        first = next(iter(numbers.values()))
        if self.location is None or self.scale is None:
            location, scale = deviations(next(iter(tables.values())))
        if self.location is not None:
            location = pd.Series(np.asarray(self.location), first.columns)
        if self.scale is not None:
            scale = pd.Series(np.asarray(self.scale), first.columns)
        cells = {
            name: (table.reindex(columns=first.columns) - location) / scale
            for name, table in numbers.items()
        }
        observed, *others = tables.values()
        texts = {
            column: [
                _told(*(table[column].iloc[i] for table in (observed, *others)))
                for i in range(len(observed))
            ]
            for column in observed.columns.difference(first.columns, sort=False)
        }
        return cells, texts

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        X_clean=None,
        y=None,
        n_samples=None,
        indices=None,
        image_shape=None,
        names=None,
        limits=None,
        title=None,
        ax=None,
        cmap="gray",
    ):
        """Rebuild some rows of X, and draw them beside what came of them.

        Parameters
        ----------
        estimator : fitted estimator, or list of such
            With `transform` and `inverse_transform`: autoencoders, PCA and its like,
            pipelines of such steps. Several stand side by side.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, or pictures of shape (n_samples, H, W) or (n_samples, C, H, W). With
            `X_clean`, the noisy ones.
        X_clean : array-like of the shape of X, default=None
            What the rows are without their noise, to be shown as well.
        y : array-like of shape (n_samples,), default=None
            The classes, for what was fitted with ``conditional=True``.
        n_samples : int, default=None
            How many rows to show, evenly from first to last. None is 8 pictures, or 3
            rows of a table.
        indices : array-like of int, default=None
            Which rows to show, instead.
        image_shape : tuple of int, default=None
            Shape of a picture where rows are flat.
        names : list of str, default=None
            What to call the estimators. None takes their classes; what a
            `DenoisingAutoencoder` alone makes is called "denoised".
        limits : tuple of float, default=None
            The values of pictures that are darkest and brightest. None takes those of
            `X_clean`, if given, else of the rows shown.
        title : str, default=None
            What is seen. None says it in general.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="gray"
            Colours of grey pictures.

        Returns
        -------
        display : ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If an estimator does not go back from codes, or an argument does not fit X.
        """
        estimators = list(estimator) if isinstance(estimator, list | tuple) else [estimator]
        for one in estimators:
            check_decodes(one)
        X = rows_of(X)
        shape = picture_shape(X, image_shape)
        if n_samples is None:
            n_samples = 3 if shape is None else 8
        indices = chosen_rows(X, indices, n_samples)
        rows = _safe_indexing(X, indices)
        classes = None
        if y is not None:
            check_consistent_length(X, y)
            classes = np.asarray(y)[indices]
        if X_clean is not None:
            X_clean = rows_of(X_clean)
            if X_clean.shape != X.shape:
                raise ValueError(
                    f"X_clean has shape {X_clean.shape}; it must be that of X, {X.shape}, "
                    "whose rows it holds without noise."
                )
            X_clean = _safe_indexing(X_clean, indices)
        location = scale = None
        if shape is None:
            location, scale = deviations(X)
        display = cls(
            X=rows,
            reconstructions=[
                decoded(one, one.transform(rows, **told(classes)), classes)
                for one in estimators
            ],
            names=_names(estimators, names),
            X_clean=X_clean,
            row_names=_row_names(rows, indices, shape),
            input_name="input" if X_clean is None else "noisy",
            image_shape=image_shape,
            limits=limits,
            title=title,
            location=location,
            scale=scale,
        )
        return display.plot(ax, cmap=cmap)


def _names(estimators, names):
    """Return what to call estimators."""
    if names is None:
        if len(estimators) == 1 and isinstance(
            last_step(estimators[0]), DenoisingAutoencoder
        ):
            return ["denoised"]
        return names_apart([name_of(one) for one in estimators])
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(estimators):
        raise ValueError(
            f"names must hold one name for each of the {len(estimators)} estimators. Got "
            f"{names}."
        )
    return names


def _row_names(rows, indices, shape):
    """Return what to call rows: by their labels, else by their numbers in X."""
    labels = rows.index if isinstance(rows, pd.DataFrame) else indices
    return [f"{label}" if shape else f"row {label}" for label in labels]


def _told(observed, *others):
    """Return a category's observed and rebuilt values as a text."""
    texts = ["missing" if pd.isna(value) else str(value) for value in (observed, *others)]
    if len(set(texts)) == 1:
        return texts[0]
    return f"{texts[0]} → {' / '.join(texts[1:])}"


def _draw_panel(panel, rows, texts, columns):
    """Draw one row's cells: by name of who has them (d,), the observed first."""
    places = np.arange(len(columns))
    panel.axvline(0, color="0.8", linewidth=1, zorder=0)
    (_, observed), *others = rows.items()
    for i, (_, rebuilt) in enumerate(others, 1):
        panel.hlines(places, observed, rebuilt, color=_style(i)["color"], alpha=0.6)
    for i, (name, values) in enumerate(rows.items()):
        panel.plot(values, places, linestyle="", label=name, **_style(i))
    for place, column in enumerate(columns):
        if column in texts:
            panel.text(
                0.5, place, texts[column], ha="center", va="center", fontsize="small",
                transform=panel.get_yaxis_transform(),
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    panel.set(ylim=(len(columns) - 0.5, -0.5), yticks=places, xlabel="standard deviations")
    panel.grid(axis="y", color="0.92")
    panel.set_axisbelow(True)


def _style(i):
    """Return how to draw the observed cells (0), and the i-th other's."""
    if i == 0:
        style = {"color": "black", "marker": "o", "markerfacecolor": "none"}
        return {**style, "markersize": 7, "zorder": 3}
    marker = MARKERS[(i - 1) % len(MARKERS)]
    return {"color": COLOURS[(i - 1) % len(COLOURS)], "marker": marker, "markersize": 5}


def _reach(cells):
    """Return limits of the axis around all cells."""
    values = np.concatenate([cell.to_numpy().ravel() for cell in cells])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (-1, 1)
    margin = 0.08 * max(high - low, 1)
    return min(low, -0.5) - margin, max(high, 0.5) + margin


def _worst_rebuilt(cells, texts, names):
    """Return the names of the columns to show, in their order."""
    if len(names) <= MOST:
        return list(names)
    observed, *others = cells.values()
    missed = sum((np.square(other - observed).mean() for other in others), 0.0)
    for column, lines in texts.items():
        missed[column] = np.mean(["→" in line for line in lines])
    kept = set(missed.fillna(-1).nlargest(MOST).index)
    return [name for name in names if name in kept]
