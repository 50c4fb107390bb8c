"""Which columns make rows abnormal."""

from dataclasses import KW_ONLY, dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_count
from skae._data.objects import brief
from skae.plotting._base import COLOURS, axes_or_new, entitle, last_of
from skae.plotting._shared import GAP, draw_picture, limits_of
from skae.plotting._tables import left_out, short

MOST_ROWS = 30  # of a heat map
MOST_PICTURES = 10


@runtime_checkable
class Explains(Protocol):
    """What tells columns' shares, and what was expected of them."""

    def feature_contributions(self, X): ...
    def explain(self, X, top): ...


@dataclass(eq=False, repr=False)
class ReasonsDisplay:
    """Which columns make a row abnormal, or which pixels.

    One row is drawn as bars, each with what was observed and what was expected; several as
    a heat map of rows and columns; pictures each above its own heat map.

    Parameters
    ----------
    contributions : DataFrame of shape (n_samples, n_features) or ndarray
        Each column's share, as `skae.AutoencoderOutlierDetector.feature_contributions`
        returns it; for pictures of shape (n_samples, ..., H, W).
    observed : array-like of shape (n_samples, n_features), default=None
        The rows' own values, for a single row; for pictures these.
    expected : array-like of shape (n_samples, n_features), default=None
        What was expected of them, None where there is nothing to tell.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.

    See Also
    --------
    skae.AutoencoderOutlierDetector.explain : The same, as a DataFrame.
    skae.AutoencoderOutlierDetector.report : Scores and first reasons of many rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderOutlierDetector
    >>> from skae.plotting import ReasonsDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X[7, 2] = 9
    >>> detector = AutoencoderOutlierDetector(max_iter=5, random_state=0).fit(X)
    >>> display = ReasonsDisplay.from_estimator(detector, X[[7]])
    >>> display.ax_.get_yticklabels()[0].get_text().split(":")[0]
    'x2'
    """

    contributions: ArrayLike
    _: KW_ONLY
    observed: ArrayLike | None = None
    expected: ArrayLike | None = None

    @classmethod
    def from_estimator(cls, estimator, X, *, max_columns=12, ax=None):
        """Explain rows, and draw that.

        Parameters
        ----------
        estimator : fitted `skae.AutoencoderOutlierDetector`, or pipeline that ends in one
            Any estimator with `feature_contributions` and `explain`.
        X : array-like of shape (n_samples, n_features)
            One row or several; or pictures.
        max_columns : int, default=12
            Largest number of columns that are drawn, those that add the most.
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.

        Returns
        -------
        display : ReasonsDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        model, rows = last_of(estimator, X)
        if not isinstance(model, Explains):
            raise ValueError(
                f"ReasonsDisplay: estimator must have feature_contributions and explain, "
                f"as an AutoencoderOutlierDetector has. Got a {type(model).__name__}."
            )
        shares, observed, expected = model.feature_contributions(rows), None, None
        if not isinstance(shares, pd.DataFrame):
            observed = np.asarray(rows).reshape(shares.shape)
        elif len(shares) == 1:
            told = model.explain(rows, top=shares.shape[1])
            at = shares.columns.get_indexer(told["feature"])
            shares = shares * 0.0  # those without a reason are equal
            shares.iloc[0, at] = told["contribution"].to_numpy()
            observed = np.full(shares.shape, None, dtype=object)
            expected = observed.copy()
            observed[0, at] = told["observed"].to_numpy()
            expected[0, at] = told["expected"].to_numpy()
        display = cls(shares, observed=observed, expected=expected)
        return display.plot(ax=ax, max_columns=max_columns)

    def plot(self, ax=None, *, max_columns=12):
        """Draw bars, a heat map, or pictures.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.
        max_columns : int, default=12
            Largest number of columns that are drawn, those that add the most.

        Returns
        -------
        self : ReasonsDisplay
            With `ax_` and `figure_`.
        """
        check_count("max_columns", max_columns)
        shares = self.contributions
        if not isinstance(shares, pd.DataFrame):
            shares = np.asarray(shares, dtype=float)
            if shares.ndim > 2:
                return self._pictures(shares, ax)
            names = [f"x{j}" for j in range(shares.shape[-1])]
            shares = pd.DataFrame(np.atleast_2d(shares), columns=names)
        draw = self._bars if len(shares) == 1 else self._map
        draw(shares, ax, max_columns)
        return self

    def _bars(self, shares, ax, most):
        values, label = shares.to_numpy()[0], shares.index[0]
        order = np.argsort(-values, kind="stable")
        reasons = order[values[order] > 0]
        drawn = reasons[:most]
        names = short(shares.columns[drawn])
        names = [self._called(name, j) for name, j in zip(names, drawn, strict=True)]
        heights, colours = values[drawn].tolist(), [COLOURS[0]] * len(drawn)
        rest = reasons[most:]
        if len(rest):
            names.append(
                f"{len(rest)} other columns" if len(rest) > 1 else "1 other column"
            )
            heights.append(values[rest].sum())
            colours.append("0.6")
        size = 7, 1.4 + 0.36 * max(len(names), 2)
        self.figure_, self.ax_ = axes_or_new(ax, figsize=size)
        ax = self.ax_
        bars = ax.barh(np.arange(len(names)), heights, color=colours)
        ax.set_yticks(np.arange(len(names)), names)
        ax.invert_yaxis()
        ax.bar_label(bars, fmt="{:.0%}", padding=3, fontsize="small")
        ax.set_xlim(0, max([*heights, 0.01]) * 1.2)  # with room for the percentages
        ax.xaxis.set_major_formatter("{x:.0%}")
        ax.set_xlabel("Share of the row's abnormality")
        why = "Why row {} is abnormal" if names else "Row {}: no column makes it abnormal"
        entitle(ax, why.format(brief(label)))

    def _called(self, name, j):
        """Return a column's name with what was observed and expected in a row."""
        if self.observed is not None:
            name = f"{name}: {brief(np.atleast_2d(self.observed)[0][j])}"
        if self.expected is not None:
            name = f"{name}\n(expected {brief(np.atleast_2d(self.expected)[0][j])})"
        return name

    def _map(self, shares, ax, most):
        rows = shares.iloc[:MOST_ROWS]
        total = rows.to_numpy().sum(0)
        drawn = np.argsort(-total, kind="stable")[:most]
        values = rows.to_numpy()[:, drawn]
        size = 3.2 + 0.42 * len(drawn), 2.4 + 0.24 * len(rows)
        self.figure_, self.ax_ = axes_or_new(ax, figsize=size)
        ax = self.ax_
        image = ax.imshow(
            values, cmap="Blues", vmin=0, vmax=max(values.max(), 1e-9), aspect="auto"
        )
        bar = self.figure_.colorbar(image, ax=ax)
        bar.set_label("Share of the row's abnormality")
        bar.formatter = lambda value, _: f"{100 * value:.0f} %"
        bar.update_ticks()
        names = short(rows.columns[drawn])
        ax.set_xticks(
            np.arange(len(drawn)), names, rotation=45, ha="right", rotation_mode="anchor"
        )
        ax.set_yticks(
            np.arange(len(rows)), [brief(row, 14) for row in rows.index], fontsize="small"
        )
        ax.set_ylabel("Row")
        gone = left_out(shares.shape[1] - len(drawn))
        gone += left_out(len(shares) - len(rows), "row")
        entitle(ax, f"Why {len(rows)} rows are abnormal{gone}")

    def _pictures(self, shares, ax):
        maps = shares[:MOST_PICTURES]
        maps = maps.mean(1) if maps.ndim == 4 else maps  # over the channels
        n, height, width = maps.shape
        size = max(4.0, 1.3 * n), 3.4
        self.figure_, self.ax_ = axes_or_new(ax, figsize=size)
        ax = self.ax_
        seen, names = [], ["where it is\nabnormal"]
        if self.observed is not None:
            seen, names = np.asarray(self.observed, dtype=float)[:n], [*names, "seen"]
        step, up = (1 + GAP) * width, (1 + GAP) * height
        ax.set_aspect("equal")
        for i, heat in enumerate(maps):
            box = [i * step, i * step + width, 0, height]
            draw_picture(ax, heat, box, (0, heat.max() or 1.0), "Blues")
        for i, picture in enumerate(seen):
            box = [i * step, i * step + width, up, up + height]
            draw_picture(ax, picture, box, limits_of(picture), "gray")
        top = height if len(names) == 1 else up + height
        ax.set(xlim=(0, n * step - GAP * width), ylim=(0, top), xticks=[])
        ax.set_yticks(0.5 * height + up * np.arange(len(names)), names)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        gone = left_out(len(shares) - n, "picture")
        what = "a picture is" if n == 1 else f"{n} pictures are"
        entitle(ax, f"Why {what} abnormal (darker is more){gone}")
        return self
