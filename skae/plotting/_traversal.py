"""What each component of a code does, the others being as they are."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from skae._autoencoders.variational import VariationalAutoencoder
from skae._data.checks import check_count
from skae._params import check_option
from skae.plotting._base import entitle, last_step, pyplot
from skae.plotting._shared import (
    as_numbers,
    as_pictures,
    as_table,
    check_is_smooth,
    check_rows_there,
    codes_of,
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

MOST = 8  # components, of those that do most
COLUMNS = 30  # of a table
FAR = 2.0  # deviations of a component, either way


@dataclass(kw_only=True, eq=False, repr=False)
class TraversalDisplay:
    """What is decoded while one component of a code moves, and the others stay.

    One line of pictures for each component; of a table one panel, in which a line joins the
    columns, in their standard deviations from their means, for each place of the component.

    Make one by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    rows : array-like of shape (n_components, n_steps, ...)
        What is decoded: pictures, or a table's numbers in deviations.
    component_names : list of str
        What to call the components.
    step_names : list of str
        What to call the places that each goes through.
    columns : list of str, default=None
        A table's columns. None is of pictures.
    by : str, default="quantiles"
        What the places are, for the title.
    around : str, default="the mean code"
        Where the other components are, for the title.
    limits : tuple of float, default=None
        The values of pictures that are darkest and brightest. None takes those of `rows`.

    Attributes
    ----------
    images_ : ndarray of matplotlib AxesImage or None
        The pictures, of shape (n_components, n_steps); None of a table.
    axes_ : ndarray of matplotlib Axes or None
        A table's panels, one for each component; None of pictures.
    ax_ : matplotlib Axes
        Where the pictures are, or the place that the panels share.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    LatentMapDisplay : Where rows are in the code.
    skae.VariationalAutoencoder.kl_divergence : How much each component tells of a row.

    Examples
    --------
    >>> from sklearn.datasets import load_digits, load_wine
    >>> from skae import Autoencoder, VariationalAutoencoder
    >>> from skae.plotting import TraversalDisplay
    >>> X = load_digits().images[:200]
    >>> vae = VariationalAutoencoder(4, max_iter=10, random_state=0).fit(X)
    >>> display = TraversalDisplay.from_estimator(vae, X, n_steps=5)
    >>> display.images_.shape
    (4, 5)

    Of a table, the two components that do most:

    >>> X = load_wine(as_frame=True).data
    >>> autoencoder = Autoencoder(4, max_iter=5, random_state=0).fit(X)
    >>> display = TraversalDisplay.from_estimator(autoencoder, X, components=2)
    >>> len(display.axes_)
    2
    """

    rows: ArrayLike
    component_names: list
    step_names: list
    columns: list | None = None
    by: str = "quantiles"
    around: str = "the mean code"
    limits: tuple | None = None

    def plot(self, ax=None, *, cmap=None):
        """Draw what is decoded.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a table's panels are made inside of it. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of grey pictures, or of a component's places; None is "gray" or
            "viridis".

        Returns
        -------
        display : TraversalDisplay
            The display itself.
        """
        rows = np.asarray(self.rows, dtype=float)
        if self.columns is None:
            if ax is None:
                _, ax = new_figure_of_pictures(*rows.shape[:2], size_of(rows.shape[2:]))
            limits = limits_of(rows) if self.limits is None else self.limits
            self.images_ = draw_pictures(
                ax, rows, self.component_names, self.step_names, limits, cmap or "gray"
            )
            ax.set_xlabel(f"{self.by} of the component")
            self.axes_ = None
        else:
            if ax is None:
                k, d = len(rows), len(self.columns)
                longest = max(map(len, short(self.columns)))
                figsize = max(2.4 + 0.32 * d, 6.4), 1.0 + 0.085 * longest + 1.5 * k
                _, ax = pyplot().subplots(figsize=figsize, layout="constrained")
            self.images_ = None
            self.axes_ = panels(ax, len(rows), 1, 0.05)[:, 0]
            self._draw_lines(ax, rows, pyplot().get_cmap(cmap or "viridis"))
        title = f"One component moves, the others stay at {self.around}"
        if self.columns is not None:
            title += "\nColumns in standard deviations from their means"
        entitle(ax, title)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_lines(self, ax, rows, cmap):
        places, n_steps = np.arange(len(self.columns)), rows.shape[1]
        names = short(self.columns)
        low, high = min(rows.min(), -0.5), max(rows.max(), 0.5)
        margin = 0.05 * (high - low)
        for i, panel in enumerate(self.axes_):
            panel.axhline(0, color="0.8", linewidth=1, zorder=0)
            for j, name in enumerate(self.step_names):
                colour = cmap(0.9 * j / max(n_steps - 1, 1))
                panel.plot(places, rows[i, j], ".-", color=colour, label=name, linewidth=1)
            panel.set_xlim(-0.5, len(places) - 0.5)
            panel.set_ylim(low - margin, high + margin)
            panel.set_ylabel(self.component_names[i])
            panel.grid(axis="x", color="0.92")
            panel.set_axisbelow(True)
            is_last = i == len(rows) - 1
            panel.set_xticks(places, names if is_last else [""] * len(names))
        if max(map(len, names)) > 2:
            self.axes_[-1].tick_params(axis="x", labelrotation=90)
        handles = self.axes_[0].get_legend_handles_labels()
        ax.legend(
            *handles, title=f"component's\n{self.by}", loc="upper left",
            bbox_to_anchor=(1.01, 1.0), borderaxespad=0, alignment="left",
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        components=None,
        row=None,
        by="quantiles",
        n_steps=7,
        y=None,
        image_shape=None,
        ax=None,
        cmap=None,
    ):
        """Decode what each component does, and draw it.

        Parameters
        ----------
        estimator : fitted estimator
            With `transform` and `inverse_transform`: an autoencoder, PCA and its like, or
            a pipeline of such steps.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, or pictures of shape (n_samples, H, W) or (n_samples, C, H, W), whose
            codes say where components go.
        components : int or list of int, default=None
            Which components to move, or how many of those that do most: by the mean KL
            divergence of a `skae.VariationalAutoencoder`, else by how far the decoded row
            goes (in a table's deviations). None is as many as there are, at most 8.
        row : int, default=None
            The row of X whose code the other components are taken from. None takes the
            mean of all codes.
        by : {"quantiles", "deviations"}, default="quantiles"
            Whether components go through their quantiles from 5 to 95 %, or from two
            standard deviations below their mean to two above.
        n_steps : int, default=7
            Places that each goes through.
        y : array-like of shape (n_samples,), default=None
            The classes, for what was fitted with ``conditional=True``; the class of `row`
            is decoded, or the first one's.
        image_shape : tuple of int, default=None
            Shape of a picture where rows are flat.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of grey pictures, or of a component's places.

        Returns
        -------
        display : TraversalDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no such component or row, or an argument does not fit X.
        """
        check_is_smooth(estimator)
        check_option("TraversalDisplay", "by", by, ("quantiles", "deviations"))
        check_count("n_steps", n_steps, least=2)
        X = rows_of(X)
        shape = picture_shape(X, image_shape)
        if y is not None:
            y = np.asarray(y)
            check_consistent_length(X, y)
        if row is not None:
            if not isinstance(row, Integral):
                raise ValueError(
                    f"row must be the number of a row of X, or None. Got {row!r}."
                )
            check_rows_there("row", [row], X.shape[0])
        codes = codes_of(estimator, X, y)
        base = codes.mean(0) if row is None else codes[row]
        places, step_names = _places(codes, by, n_steps)  # (T, k)
        k = codes.shape[1]
        asked, kl = _asked(components, k), None
        known = None if y is None else y[0 if row is None else row]
        moved = np.tile(base, (k, n_steps, 1))
        each = np.arange(k)
        moved[each, :, each] = places.T
        rows = decoded(estimator, moved.reshape(-1, k).astype(np.float32), known)
        parts = {}
        if shape is None:
            location, scale = deviations(X)
            numbers = as_numbers(as_table(rows))
            if not isinstance(X, pd.DataFrame) or len(location) == numbers.shape[1]:
                numbers = numbers.set_axis(location.index, axis=1)
            if not numbers.shape[1]:
                raise ValueError(
                    "X has neither numbers nor times: categories have no way to go. See "
                    "ReconstructionDisplay."
                )
            rows = ((numbers - location) / scale).to_numpy()
            parts["columns"] = list(numbers.columns)
        else:
            rows = as_pictures(rows, shape)
            parts["limits"] = limits_of(as_pictures(X, shape))
        rows = rows.reshape(k, n_steps, *rows.shape[1:])
        far = rows.var(1).reshape(k, -1).sum(1)
        owner = last_step(estimator)
        if owner is estimator and isinstance(owner, VariationalAutoencoder):
            kl = far = owner.kl_divergence(X, **told(y)).mean(0)
        if isinstance(asked, int):
            asked = np.argsort(-far, kind="stable")[:asked]
        rows = rows[asked]
        if shape is None and len(parts["columns"]) > COLUMNS:
            moves = rows.var(1).sum(0)
            kept = np.sort(np.argsort(-moves, kind="stable")[:COLUMNS])
            rows = rows[:, :, kept]
            parts["columns"] = [parts["columns"][i] for i in kept]
        display = cls(
            rows=rows,
            component_names=[
                f"component {i}" + ("" if kl is None else f"\nKL {kl[i]:.2f}")
                for i in asked
            ],
            step_names=step_names,
            by=by,
            around="the mean code" if row is None else f"the code of row {row}",
            **parts,
        )
        return display.plot(ax, cmap=cmap)


def _places(codes, by, n_steps):
    """Return where components go (n_steps, k), and what to call these places."""
    if by == "quantiles":
        levels = np.linspace(0.05, 0.95, n_steps)
        return np.quantile(codes, levels, axis=0), [f"{100 * q:.3g} %" for q in levels]
    steps = np.linspace(-FAR, FAR, n_steps)
    return codes.mean(0) + steps[:, None] * codes.std(0), [_signed(s) for s in steps]


def _signed(step):
    """Return a number of deviations with its sign; 0 has none."""
    return f"{step:+.2g}".replace("-", "\N{MINUS SIGN}") if abs(step) > 1e-9 else "0"


def _asked(components, k):
    """Return the components that are asked for, or how many of them."""
    if components is None:
        return min(k, MOST)
    if isinstance(components, Integral) and not isinstance(components, bool):
        if 1 <= components <= k:
            return int(components)
    else:
        asked = np.asarray(components)
        if asked.ndim == 1 and len(asked) and asked.dtype.kind in "iu":
            if (asked >= -k).all() and (asked < k).all():
                return asked % k
    raise ValueError(
        f"components={components!r} must be how many of the code's {k} components to move, "
        f"or a list of some of them, 0 to {k - 1}."
    )
