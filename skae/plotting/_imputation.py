"""Cells that were filled, and which are missing."""

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_count
from skae._data.frames import is_frame
from skae._params import check_option
from skae.plotting._base import COLOURS, axes_or_new, entitle, last_of
from skae.plotting._tables import (
    NAME,
    columns_of,
    draw_two,
    few_ticks,
    left_out,
    legend,
    panels,
    short,
    written,
)

MOST_INTERVALS = 25  # of a panel
MOST_BINS = 400  # of rows, in the pattern of missing cells
LABELS = "observed", "imputed"


@runtime_checkable
class TellsQuantiles(Protocol):
    """What tells between which values missing cells lie."""

    def predict_quantiles(self, X, quantiles): ...


@dataclass(eq=False, repr=False)
class ImputationDisplay:
    """Observed and imputed values side by side, or which cells are missing.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Rows with missing cells: NaN, None or the container's own mark.
    X_imputed : {array-like, DataFrame} of shape (n_samples, n_features), default=None
        The same, completed. None is for ``kind="missing"`` only.
    X_true : {array-like, DataFrame} of shape (n_samples, n_features), default=None
        What the cells of X hold in truth, where that is known: imputed values are then
        drawn against it.
    intervals : DataFrame, default=None
        What `skae.AutoencoderImputer.predict_quantiles` says of X: its first and last
        columns are the ends of an interval for each cell.
    missing_values : int, float, str or nan, default=nan
        What else marks cells of X that are missing.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each column that is drawn, or the one of the pattern.
    ax_ : matplotlib Axes
        What is divided into them; the first, if they were passed.
    figure_ : matplotlib Figure
        The figure of `axes_`.
    columns_ : list of str
        Names of the columns that are drawn.

    See Also
    --------
    skae.AutoencoderImputer.report : The imputed cells as a DataFrame.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.impute import SimpleImputer
    >>> from skae.plotting import ImputationDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> X[:40, 1] = np.nan
    >>> display = ImputationDisplay.from_estimator(SimpleImputer().fit(X), X)
    >>> display.columns_, display.axes_[0].get_title()
    (['x1'], 'x1 (40 imputed)')
    """

    X: ArrayLike
    X_imputed: ArrayLike | None = None
    _: KW_ONLY
    X_true: ArrayLike | None = None
    intervals: object = None
    missing_values: object = np.nan

    @classmethod
    def from_estimator(
        cls, estimator, X, *, X_true=None, kind="values", level=0.9, max_columns=9, ax=None
    ):
        """Impute a table, and draw what was put in.

        Parameters
        ----------
        estimator : fitted imputer, or pipeline that ends in one
            `skae.AutoencoderImputer`, or any of scikit-learn's.
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Rows with missing cells.
        X_true : {array-like, DataFrame} of shape (n_samples, n_features), default=None
            The same rows without holes, where they are known: imputed values are then
            drawn against the true ones.
        kind : {"values", "missing"}, default="values"
            Whether to draw observed and imputed values of each column, or which cells
            are missing.
        level : float, default=0.9
            How many of the true values the drawn intervals should hold, in (0, 1); there
            are some if the imputer has `predict_quantiles`.
        max_columns : int, default=9
            Largest number of columns that are drawn, those with the most missing cells;
            three times as many are with ``kind="missing"``.
        ax : matplotlib Axes or array of such, default=None
            Where to draw: one is divided. None is a new figure.

        Returns
        -------
        display : ImputationDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        check_option("ImputationDisplay", "kind", kind, ("values", "missing"))
        if not isinstance(level, Real) or not 0 < level < 1:
            raise ValueError(f"level must be a number in (0, 1). Got {level!r}.")
        model, rows = last_of(estimator, X)
        mark = {"missing_values": vars(model).get("missing_values", np.nan)}
        if kind == "missing":
            return cls(rows, **mark).plot(ax=ax, kind=kind, max_columns=max_columns)
        _check_dense(rows)
        X_true, intervals = last_of(estimator, X_true)[1], None
        if isinstance(model, TellsQuantiles):
            ends = 0.5 - 0.5 * level, 0.5 + 0.5 * level
            intervals = model.predict_quantiles(rows, ends)
        done = model.transform(rows)
        names = [written(name) for name in model.get_feature_names_out()]
        done = dict(zip(names, columns_of(done), strict=False))
        if not is_frame(rows):
            rows = pd.DataFrame(np.asarray(rows), columns=_names_in(model))
        display = cls(rows, done, X_true=X_true, intervals=intervals, **mark)
        return display.plot(ax=ax, max_columns=max_columns)

    def plot(self, ax=None, *, kind="values", max_columns=9):
        """Draw values, or which cells are missing.

        Parameters
        ----------
        ax : matplotlib Axes or array of such, default=None
            Where to draw: one is divided. None is a new figure.
        kind : {"values", "missing"}, default="values"
            Whether to draw observed and imputed values of each column, or which cells
            are missing.
        max_columns : int, default=9
            Largest number of columns that are drawn, those with the most missing cells;
            three times as many are with ``kind="missing"``.

        Returns
        -------
        self : ImputationDisplay
            With `axes_` and `figure_`.
        """
        check_option("ImputationDisplay", "kind", kind, ("values", "missing"))
        check_count("max_columns", max_columns)
        _check_dense(self.X)
        columns = columns_of(self.X, self.missing_values)
        if kind == "missing":
            self._pattern(columns, ax, 3 * max_columns)
        else:
            self._values(columns, ax, max_columns)
        return self

    def _completed(self, columns):
        """Return the completed columns by name."""
        if self.X_imputed is None:
            raise ValueError(
                "ImputationDisplay: X_imputed is needed to draw what was put in. Pass it, "
                "or say kind='missing'."
            )
        if isinstance(self.X_imputed, dict):
            return self.X_imputed
        return _named_as(columns, self.X_imputed)

    def _values(self, columns, ax, most):
        done, filled, true = self._completed(columns), [], {}
        if self.X_true is not None:
            true = _named_as(columns, self.X_true)
            n = {len(column.values) for column in (*columns, *true.values())}
            if len(n) > 1 or true.keys() != {column.name for column in columns}:
                raise ValueError(
                    "ImputationDisplay: X_true must hold the rows and columns of X."
                )
        for column in columns:
            new = done.get(column.name)
            if new is not None and (column.missing & ~new.missing).any():
                filled.append((column, new._replace(missing=~column.missing | new.missing)))
        if not filled:
            raise ValueError(
                "ImputationDisplay: no cell of X was imputed, so there is nothing to draw."
            )
        filled.sort(key=lambda pair: -(~pair[1].missing).sum())
        drawn = filled[:most]
        gone = left_out(len(filled) - len(drawn), "imputed column")
        against = "What was put in, against the truth"
        title = against if true else "What was observed and what was put in"
        title += gone
        self.figure_, self.ax_, self.axes_, foot = panels(ax, len(drawn), title)
        self.columns_ = [old.name for old, _ in drawn]
        intervals = _by_column(self.intervals, self.X)
        names = short(self.columns_, NAME)
        for ax, (old, new), name in zip(self.axes_, drawn, names, strict=True):
            told = f"{(~new.missing).sum()} imputed"
            if not true:
                if draw_two(ax, old, new, LABELS) and old.name in intervals:
                    self._strip(ax, new, *intervals[old.name])
            elif new.is_text:
                right = true[old.name]._replace(missing=new.missing)
                draw_two(ax, right, new, ("true", "imputed"))
                told += f", {np.sum(right.known == new.known)} right"
            else:
                self._against(ax, true[old.name], new, intervals.get(old.name))
            ax.set_title(f"{name} ({told})", fontsize="medium")
        legend(self.axes_, foot)

    def _against(self, ax, true, new, interval):
        """Draw imputed values against true ones, with their intervals."""
        known = ~(new.missing | true.missing)
        right, put_in = true.values[known], new.values[known]
        if interval is not None:
            position, low, high = interval
            style = {"color": COLOURS[1], "alpha": 0.3, "linewidth": 1}
            ax.vlines(true.values[position], low, high, label=self._interval, **style)
        ax.plot(right, put_in, ".", color=COLOURS[1], markersize=4, label="imputed")
        ends = np.sort([*right, *put_in])[[0, -1]] if len(right) else right
        ax.plot(ends, ends, color="0.4", linewidth=1, label="where they are equal")
        ax.set_xlabel("true", fontsize="small")
        ax.set_ylabel("imputed", fontsize="small")
        for axis in (ax.xaxis, ax.yaxis):
            few_ticks(axis, right.dtype.kind == "M")

    @property
    def _interval(self):
        first, last = self.intervals.columns[[0, -1]]
        return f"{100 * (last - first):.3g} % interval of an imputed cell"

    def _strip(self, ax, new, position, low, high):
        """Draw intervals of some imputed cells below a panel's zero."""
        chosen = np.argsort(new.values[position], kind="stable")
        n = min(len(chosen), MOST_INTERVALS)
        chosen = chosen[np.linspace(0, len(chosen) - 1, n).astype(int)]
        top = ax.get_ylim()[1]
        at = -top * (0.08 + 0.72 * np.arange(1, n + 1) / (n + 1))
        ax.hlines(
            at, low[chosen], high[chosen], color=COLOURS[1], linewidth=1, alpha=0.7,
            label=self._interval,
        )  # fmt: skip
        ax.plot(new.values[position[chosen]], at, ".", color=COLOURS[1], markersize=4)
        ax.axhline(0, color="0.3", linewidth=0.8)
        ax.set_ylim(-0.85 * top, top)

    def _pattern(self, columns, ax, most):
        missing = np.stack([column.missing for column in columns])
        share = missing.mean(1)
        drawn = np.arange(len(columns))
        if len(columns) > most:
            drawn = np.sort(np.argsort(-share, kind="stable")[:most])
        n = missing.shape[1]
        edges = np.linspace(0, n, min(n, MOST_BINS) + 1).astype(int)
        sums = np.add.reduceat(missing[drawn].astype(float), edges[:-1], axis=1)
        size = 7, 1.5 + 0.24 * max(len(drawn), 4)
        self.figure_, self.ax_ = axes_or_new(ax, figsize=size)
        self.axes_, ax = np.array([self.ax_]), self.ax_
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("missing", ["0.93", COLOURS[1]])
        ax.imshow(
            sums / np.diff(edges), cmap=shades, vmin=0, vmax=1, aspect="auto",
            interpolation="nearest", extent=(0, n, len(drawn) - 0.5, -0.5),
        )  # fmt: skip
        self.columns_ = [columns[j].name for j in drawn]
        shares = [_percent(share[j]) for j in drawn]
        names = [f"{n} ({s})" for n, s in zip(short(self.columns_), shares, strict=True)]
        ax.set_yticks(np.arange(len(drawn)), names, fontsize="small")
        ax.set_yticks(np.arange(len(drawn) + 1) - 0.5, minor=True)
        ax.grid(which="minor", axis="y", color="white", linewidth=2)
        ax.tick_params(which="minor", length=0)
        ax.set_xlabel("Row, in the table's order (orange: missing)")
        whole = int((~missing.any(0)).sum())
        gone = left_out(len(columns) - len(drawn))
        known = f"{whole} of {n} rows whole{gone}"
        entitle(ax, f"{_percent(missing.mean())} of cells missing, {known}")


def _percent(share):
    return (
        f"{100 * share:.0f} %" if share >= 0.095 or share == 0 else f"{100 * share:.1f} %"
    )


def _check_dense(X):
    if sp.issparse(X):
        raise ValueError(
            "ImputationDisplay: X is sparse, which does not say what is missing and "
            "what is zero. Pass a dense array with NaN where cells are missing."
        )


def _named_as(columns, other):
    """Return columns of another table by name; by those of some, if they are as many."""
    other = columns_of(other)
    names = [c.name for c in (columns if len(other) == len(columns) else other)]
    return dict(zip(names, other, strict=True))


def _names_in(model):
    """Return what the columns of arrays are called."""
    own = vars(model).get("feature_names_in_")
    return [f"x{j}" for j in range(model.n_features_in_)] if own is None else list(own)


def _by_column(intervals, X):
    """Return {column: positions, lower and upper ends of its cells}."""
    if intervals is None or not len(intervals):
        return {}
    index, has_labels = intervals.index, isinstance(X, pd.DataFrame)
    has_places = index.names[0] == "position"  # where labels repeat
    n = has_places + (X.index.nlevels if has_labels else 1)
    places = index.droplevel([*range(n, index.nlevels)])
    if has_labels and not has_places:
        places = X.index.get_indexer(places)
    else:
        places = places.get_level_values(0)
    names = pd.Index([written(name) for name in index.droplevel([*range(n)])])
    found = {}
    for name in names.unique():
        rows = names == name
        position = np.asarray(places)[rows]
        ends = pd.DataFrame(
            {i: list(intervals.iloc[rows, i]) for i in (0, -1)}
        ).infer_objects()
        found[name] = position, *(column.values for column in columns_of(ends))
    return found
