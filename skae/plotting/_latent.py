"""A map of codes: where rows are, and what lies between them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skae._data.checks import check_count
from skae.plotting._base import COLOURS, entitle, name_of, pyplot
from skae.plotting._colours import MISSING, colours_of, groups, is_category
from skae.plotting._shared import (
    as_pictures,
    check_is_smooth,
    check_rows_there,
    codes_of,
    decoded,
    dense,
    draw_picture,
    limits_of,
    panels,
    picture_shape,
    rows_of,
    size_of,
)
from skae.plotting._tables import columns_of


@dataclass(kw_only=True, eq=False, repr=False)
class LatentMapDisplay:
    """Rows as points of a map: two components of their codes, or a map of these.

    Make one by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    points : array-like of shape (n_samples, 2)
        Where rows are.
    c : array-like of shape (n_samples,), default=None
        What points are coloured by. Numbers have a colour bar; texts, booleans,
        categories and up to 20 different whole numbers a legend.
    c_name : str, default=None
        What `c` is, for the legend or the colour bar.
    point_names : tuple of str, default=("component 0", "component 1")
        What the two axes are.
    grid : ndarray of shape (n_rows, n_columns, ...), default=None
        Pictures that are decoded at the places of a grid, first line on top.
    grid_places : tuple of ndarray, default=None
        The places of its columns and of its lines, in the map.
    path : ndarray of shape (n_steps, 2), default=None
        Places of a way through the map.
    path_pictures : ndarray of shape (n_steps, ...), default=None
        Pictures that are decoded on that way.
    limits : tuple of float, default=None
        The values of pictures that are darkest and brightest.
    title : str, default=None
        What is seen.

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        The points: of each category, or all.
    axes_ : ndarray of matplotlib Axes
        The map and, if there is one, the grid beside it.
    images_ : ndarray of matplotlib AxesImage or None
        The grid's pictures, first line on top.
    path_line_ : matplotlib Line2D or None
        The way.
    path_images_ : ndarray of matplotlib AxesImage or None
        The pictures on the way, in axes of their own above the map.
    colorbar_ : matplotlib Colorbar or None
        Of numbers.
    legend_ : matplotlib Legend or None
        Of categories.
    ax_ : matplotlib Axes
        Where the map is, or the place that map and grid share.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    TraversalDisplay : What each component of the code does.
    ReconstructionDisplay : What is rebuilt of codes.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import Autoencoder
    >>> from skae.plotting import LatentMapDisplay
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> autoencoder = Autoencoder(2, max_iter=5, random_state=0).fit(X)
    >>> display = LatentMapDisplay.from_estimator(autoencoder, X, c=y)
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['0', '1', '2']

    Coloured by a column, or by any number of rows:

    >>> display = LatentMapDisplay.from_estimator(autoencoder, X, c="alcohol")
    >>> score = autoencoder.score_samples(X)
    >>> display = LatentMapDisplay.from_estimator(autoencoder, X, c=score, c_name="score")
    >>> display.colorbar_.ax.get_ylabel()
    'score'

    The codes by another map of them (t-SNE and UMAP are other ways to make one):

    >>> from sklearn.decomposition import PCA
    >>> map_ = PCA(2).fit_transform(autoencoder.transform(X))
    >>> display = LatentMapDisplay.from_estimator(autoencoder, X, map_=map_, c=y)
    """

    points: ArrayLike
    c: ArrayLike | None = None
    c_name: str | None = None
    point_names: tuple = ("component 0", "component 1")
    grid: ArrayLike | None = None
    grid_places: tuple | None = None
    path: ArrayLike | None = None
    path_pictures: ArrayLike | None = None
    limits: tuple | None = None
    title: str | None = None

    def plot(self, ax=None, *, cmap="viridis", picture_cmap="gray", scatter_kw=None):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="viridis"
            Colours of numbers.
        picture_cmap : str or matplotlib Colormap, default="gray"
            Colours of grey pictures.
        scatter_kw : dict, default=None
            Keywords for matplotlib's `scatter`, such as ``{"s": 5}``.

        Returns
        -------
        display : LatentMapDisplay
            The display itself.
        """
        if ax is None:
            figsize = (6.4, 4.8) if self.grid is None else (10.5, 5.0)
            _, ax = pyplot().subplots(figsize=figsize, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.axes_ = np.array([ax]) if self.grid is None else panels(ax, 1, 2, 0.04)[0]
        self.images_ = self.path_line_ = self.path_images_ = None
        self.colorbar_ = self.legend_ = None
        points = np.asarray(self.points, dtype=float)
        size = float(np.clip(5000 / max(len(points), 1), 8, 30))
        edge = {"linewidths": 0.3 if size > 15 else 0.0, "edgecolors": "white"}
        self._draw_points(points, {"s": size, **edge, **(scatter_kw or {})}, cmap)
        if self.grid is not None:
            self._draw_grid(picture_cmap)
        if self.path is not None:
            self._draw_path()
        for panel in self.axes_:
            panel.set_xlabel(self.point_names[0])
        self.axes_[0].set_ylabel(self.point_names[1])
        title = f"{len(points)} rows" if self.title is None else self.title
        place = self.axes_[0]
        if self.path_pictures is not None:
            place = self._draw_path_pictures(picture_cmap)
        entitle(place, title)
        return self

    def _draw_points(self, points, kwargs, cmap):
        """Draw points in the first panel, and what their colours mean beside the last."""
        ax, beside = self.axes_[[0, -1]]
        if self.c is None:
            self.scatters_ = [ax.scatter(*points.T, color=COLOURS[0], zorder=3, **kwargs)]
            return
        c = pd.Series(self.c).reset_index(drop=True)
        (column,) = columns_of(c.to_frame("c"))
        if not is_category(column):
            values = column.numbers
            known = np.isfinite(values)
            if not known.all():
                ax.scatter(*points[~known].T, color=MISSING, zorder=2, **kwargs)
            drawn = ax.scatter(
                *points[known].T, c=values[known], cmap=cmap, zorder=3, **kwargs
            )
            self.scatters_ = [drawn]
            place = beside.inset_axes([1.03, 0.0, 0.04, 1.0])
            self.colorbar_ = self.figure_.colorbar(
                drawn, cax=place, label=self.c_name or ""
            )
            return
        found = list(groups(c))
        self.scatters_ = [
            ax.scatter(*points[rows].T, label=label, zorder=3, **{**style, **kwargs})
            for label, rows, style in found
        ]
        self.legend_ = beside.legend(
            *ax.get_legend_handles_labels(), title=self.c_name, loc="upper left",
            bbox_to_anchor=(1.01, 1.0), borderaxespad=0,
            markerscale=max(1.0, (25 / kwargs["s"]) ** 0.5),
        )  # fmt: skip
        if len(found) > len(COLOURS):  # which are too many to go by colour alone
            halo = [_patheffects().withStroke(linewidth=3, foreground="white")]
            for label, rows, _ in found:
                near = points[rows]
                middle = np.square(near - np.median(near, axis=0)).sum(1).argmin()
                ax.text(
                    *near[middle], label, weight="bold", ha="center", va="center",
                    zorder=5, path_effects=halo,
                )  # fmt: skip

    def _draw_grid(self, cmap):
        """Draw pictures at their places in the second panel, of the first one's limits."""
        (first, second), (columns, lines) = self.axes_, self.grid_places
        shape = self.grid.shape[2:]
        height, width = size_of(shape)
        limits = limits_of(self.grid) if self.limits is None else self.limits
        step = abs(columns[1] - columns[0]), abs(lines[0] - lines[1])
        half = [0.48 * s for s in step]
        self.images_ = np.empty(self.grid.shape[:2], dtype=object)
        for i, j in np.ndindex(self.images_.shape):
            x, y = columns[j], lines[i]
            box = x - half[0], x + half[0], y - half[1], y + half[1]
            picture = self.grid[i, j]
            self.images_[i, j] = draw_picture(second, picture, box, limits, cmap)
        points = np.asarray(self.points)
        ends = []
        for p, g, s in zip(points.T, (columns, lines), step, strict=True):
            low, high = min(p.min(), g.min() - 0.5 * s), max(p.max(), g.max() + 0.5 * s)
            margin = 0.02 * (high - low)
            ends.append((low - margin, high + margin))
        for panel in (first, second):
            panel.set(xlim=ends[0], ylim=ends[1])
            panel.set_aspect(height / width * step[0] / step[1])
        second.set_yticklabels([])
        second.set_title("Decoded at these places")

    def _draw_path(self):
        path = np.asarray(self.path)
        style = {"color": "black", "marker": "o", "markersize": 5, "linewidth": 1.5}
        edge = {"markeredgecolor": "white", "zorder": 6}
        ax = self.axes_[0]
        (self.path_line_,) = ax.plot(*path.T, **style, **edge)
        for i, name in ((0, "start"), (len(path) - 1, "end")):
            ax.annotate(
                name, path[i], xytext=(0, 7), textcoords="offset points", ha="center",
                fontsize="small", zorder=7,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
            )  # fmt: skip

    def _draw_path_pictures(self, cmap):
        n = len(self.path_pictures)
        height, width = size_of(self.path_pictures.shape[1:])
        tall = 1.45 * height / width / n  # in heights of axes that are wider than that
        strip = self.axes_[0].inset_axes([0.0, 1.03, 1.0, tall])
        limits = limits_of(self.path_pictures) if self.limits is None else self.limits
        images = []
        for i, picture in enumerate(self.path_pictures):
            box = i * 1.08, i * 1.08 + 1, 0, 1
            images.append(draw_picture(strip, picture, box, limits, cmap))
        strip.set(xlim=(0, n * 1.08 - 0.08), ylim=(0, 1), anchor="S")
        strip.set_aspect(height / width)
        strip.set_axis_off()
        self.path_images_ = np.array(images)
        return strip

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        components=(0, 1),
        map_=None,
        c=None,
        c_name=None,
        y=None,
        grid=None,
        path=None,
        n_steps=8,
        image_shape=None,
        ax=None,
        cmap="viridis",
        picture_cmap="gray",
        scatter_kw=None,
    ):
        """Draw the codes of X as a map.

        Parameters
        ----------
        estimator : fitted estimator
            With `transform`; for a grid or a path, with `inverse_transform` as well. An
            autoencoder, PCA and its like, or a pipeline of such steps.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, or pictures of shape (n_samples, H, W) or (n_samples, C, H, W).
        components : tuple of two int, default=(0, 1)
            Which components of the code are the map's axes.
        map_ : array-like of shape (n_samples, 2), default=None
            Where rows are instead: t-SNE of their codes, for instance.
        c : array-like of shape (n_samples,) or column name of X, default=None
            What points are coloured by: labels, a score, a column.
        c_name : str, default=None
            What that is. None takes the name of the column or the Series.
        y : array-like of shape (n_samples,), default=None
            The classes, for what was fitted with ``conditional=True``; with a grid or a
            path, one class.
        grid : int, default=None
            How many decoded pictures to draw along either axis, between the 1 % and 99 %
            quantiles of the two components, the others at their median.
        path : list of int, default=None
            Rows of X, to go from one to the next by straight lines in the code.
        n_steps : int, default=8
            Places on the way to decode, both ends included.
        image_shape : tuple of int, default=None
            Shape of a picture where rows are flat.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="viridis"
            Colours of numbers.
        picture_cmap : str or matplotlib Colormap, default="gray"
            Colours of grey pictures.
        scatter_kw : dict, default=None
            Keywords for matplotlib's `scatter`.

        Returns
        -------
        display : LatentMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no such component, column or row, or an argument does not fit X.
        """
        X = rows_of(X)
        c, c_name = colours_of(c, c_name, X)
        shape = picture_shape(X, image_shape)
        name = name_of(estimator)
        if map_ is not None:
            for argument, given in (("grid", grid), ("path", path)):
                if given is not None:
                    raise ValueError(
                        f"{argument} is decoded from places in the code, which map_ has "
                        "not. Leave out map_, or leave out " + argument + "."
                    )
            points = dense(rows_of(map_))
            if points.shape != (X.shape[0], 2):
                raise ValueError(
                    f"map_ has shape {points.shape}; it must hold two numbers for each row "
                    f"of X, ({X.shape[0]}, 2)."
                )
            names, title = "map_[:, {}]", f"A map of {len(points)} rows"
            first, second = 0, 1
        else:
            codes = codes_of(estimator, X, y)
            first, second = _checked(components, codes)
            points = codes[:, [first, second]]
            names, title = "component {}", f"Codes of {len(codes)} rows by {name}"
        parts = {}
        if grid is not None or path is not None:
            check_is_smooth(estimator)
            if np.ndim(y):
                raise ValueError(
                    "y: a grid and a path are decoded with one class. Pass that class, and "
                    "its rows for X."
                )
        if shape is not None:
            parts["limits"] = limits_of(dense(X))
        if grid is not None:
            parts |= _grid(estimator, codes, (first, second), grid, shape, y)
        if path is not None:
            way = _way(codes, path, n_steps)
            parts["path"] = way[:, [first, second]]
            if shape is not None:
                parts["path_pictures"] = as_pictures(decoded(estimator, way, y), shape)
        display = cls(
            points=points,
            c=c,
            c_name=c_name,
            point_names=(names.format(first), names.format(second)),
            title=title,
            **parts,
        )
        return display.plot(ax, cmap=cmap, picture_cmap=picture_cmap, scatter_kw=scatter_kw)


def _checked(components, codes):
    """Return the two components that are asked for, not negative."""
    k, asked = codes.shape[1], tuple(np.atleast_1d(np.asarray(components, object)))
    if len(asked) != 2 or not all(isinstance(i, Integral) and -k <= i < k for i in asked):
        raise ValueError(
            f"components={components!r} must name two of the code's {k} components, 0 to "
            f"{k - 1}"
            + (
                ", and one is no map: pass map_, or fit with more n_components."
                if k < 2
                else "."
            )
        )
    return tuple(int(i) % k for i in asked)


def _grid(estimator, codes, components, grid, shape, y):
    """Return decoded pictures and their places, as arguments of a display."""
    check_count("grid", grid, least=2)
    if shape is None:
        raise ValueError(
            "grid draws pictures, and rows of X are none. Pass image_shape=(height, width) "
            "if they are flat pictures; for a table see TraversalDisplay."
        )
    ends = np.quantile(codes[:, components], [0.01, 0.99], axis=0)
    for i, (low, high) in zip(components, ends.T, strict=True):
        if not low < high:
            raise ValueError(
                f"grid: component {i} is the same in all rows of X, so that a grid has no "
                "width. Take other components, or more rows."
            )
    columns, lines = (np.linspace(*ends[:, i], grid) for i in (0, 1))
    lines = lines[::-1]
    places = np.tile(np.median(codes, axis=0), (grid * grid, 1))
    places[:, components[0]] = np.tile(columns, grid)
    places[:, components[1]] = np.repeat(lines, grid)
    pictures = as_pictures(decoded(estimator, places, y), shape)
    return {"grid": pictures.reshape(grid, grid, *shape), "grid_places": (columns, lines)}


def _way(codes, path, n_steps):
    """Return codes on the way along some rows (n_steps, k)."""
    path = np.asarray(path)
    if path.ndim != 1 or len(path) < 2 or path.dtype.kind not in "iu":
        raise ValueError(
            f"path must be a list of two or more numbers of rows, such as [0, 5]. Got "
            f"{path!r}."
        )
    check_rows_there("path", path, len(codes))
    check_count("n_steps", n_steps, least=2)
    at = np.linspace(0, len(path) - 1, n_steps)
    stops = np.arange(len(path))
    return np.stack([np.interp(at, stops, column) for column in codes[path].T], axis=1)


def _patheffects():
    """Return matplotlib's path effects."""
    import matplotlib.patheffects

    return matplotlib.patheffects
