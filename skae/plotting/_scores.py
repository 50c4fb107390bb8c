"""Scores of rows, and which are flagged."""

from dataclasses import KW_ONLY, dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skae._data.objects import brief
from skae._params import check_option
from skae.plotting._base import COLOURS, axes_or_new, entitle, last_of

BINS = 40
FAR = 12.0  # times the middle half of the scores: lower ones share a bin


@runtime_checkable
class Scores(Protocol):
    """What scores rows."""

    def score_samples(self, X): ...


@dataclass(eq=False, repr=False)
class OutlierScoresDisplay:
    """Scores of rows with the threshold, and the rows that it flags.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Higher is more normal.
    threshold : float, default=None
        Rows with lower scores are flagged. None flags none.
    y : array-like of shape (n_samples,), default=None
        Labels, of at most six kinds, each drawn in a colour.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    flagged : ndarray of shape (n_samples,), dtype bool
        Which rows are below the threshold.

    See Also
    --------
    skae.AutoencoderOutlierDetector.set_threshold : Ways to a threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skae.plotting import OutlierScoresDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> forest = IsolationForest(n_estimators=10, contamination=0.05, random_state=0).fit(X)
    >>> display = OutlierScoresDisplay.from_estimator(forest, X)
    >>> display.ax_.get_title()
    '10 of 200 rows are flagged (5.0 %)'
    """

    scores: ArrayLike
    _: KW_ONLY
    threshold: float | None = None
    y: ArrayLike | None = None

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, kind="histogram", threshold=None, ax=None, **kwargs
    ):
        """Score rows, and draw the scores.

        Parameters
        ----------
        estimator : fitted outlier detector, or pipeline that ends in one
            It has `score_samples`; its `offset_` is the threshold, if it has one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows, of at most six kinds.
        kind : {"histogram", "sorted"}, default="histogram"
            Whether to count scores, or to draw each row, the most abnormal first.
        threshold : float, default=None
            Another threshold than the estimator's.
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.
        **kwargs : dict
            What `plot` takes besides.

        Returns
        -------
        display : OutlierScoresDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        last, rows = last_of(estimator, X)
        if not isinstance(last, Scores):
            raise ValueError(
                "OutlierScoresDisplay: estimator must have score_samples, as outlier "
                f"detectors have. Got a {type(last).__name__}."
            )
        scores = last.score_samples(rows)
        if threshold is None:
            threshold = vars(last).get("offset_")
        return cls(scores, threshold=threshold, y=y).plot(ax=ax, kind=kind, **kwargs)

    @property
    def flagged(self):
        """Which rows are below the threshold; (n,) bool."""
        scores = np.asarray(self.scores, dtype=float)
        if self.threshold is None:
            return np.zeros(len(scores), dtype=bool)
        return scores < self._cut

    @property
    def _cut(self):
        """The threshold as a number, which estimators may keep as an array; or None."""
        return None if self.threshold is None else float(np.squeeze(self.threshold))

    def plot(self, ax=None, *, kind="histogram"):
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.
        kind : {"histogram", "sorted"}, default="histogram"
            Whether to count scores, or to draw each row, the most abnormal first.

        Returns
        -------
        self : OutlierScoresDisplay
            With `ax_` and `figure_`.
        """
        check_option("OutlierScoresDisplay", "kind", kind, ("histogram", "sorted"))
        scores = check_array(
            self.scores, dtype=np.float64, ensure_2d=False, input_name="scores"
        )
        groups = self._groups(scores)
        self.figure_, self.ax_ = axes_or_new(ax, figsize=(7, 4))
        ax, flagged = self.ax_, self.flagged
        low = _floor(scores, self._cut)
        draw = self._count if kind == "histogram" else self._sort
        draw(scores, groups, low)
        title = f"Scores of {len(scores)} rows"
        if self.threshold is not None:
            n = int(flagged.sum())
            share = 100 * n / len(scores)
            title = f"{n} of {len(scores)} rows are flagged ({share:.1f} %)"
        entitle(ax, title)
        ax.legend(loc="upper left" if kind == "histogram" else "lower right")
        return self

    def _groups(self, scores):
        """Return pairs of what rows are called and which they are."""
        if self.y is None:
            if self.threshold is None:
                return [("rows", np.ones(len(scores), dtype=bool))]
            flagged = self.flagged
            return [("not flagged", ~flagged), ("flagged", flagged)]
        y = column_or_1d(self.y)
        check_consistent_length(scores, y)
        y = np.where(pd.isna(y), "missing", y.astype(object))
        labels = list(dict.fromkeys(y))
        if len(labels) > len(COLOURS) - 1:
            raise ValueError(
                f"y must hold at most {len(COLOURS) - 1} labels. Got {len(labels)}: draw "
                "them in groups."
            )
        labels.sort(key=lambda label: (-(y == label).sum(), str(label)))
        return [(f"y = {brief(label)}", y == label) for label in labels]

    def _count(self, scores, groups, low):
        ax = self.ax_
        edges = np.linspace(low, max(scores.max(), low + 1e-12), BINS + 1)
        cut = self._cut
        if cut is not None and edges[0] < cut < edges[-1]:  # no bin holds both sides
            edges += cut - edges[np.abs(edges - cut).argmin()]
            edges[-1] = max(edges[-1], scores.max())
            edges[0] = min(edges[0], low)
        for (name, rows), colour in zip(groups, COLOURS, strict=False):
            counts, _ = np.histogram(scores[rows].clip(edges[0]), edges)
            alone = self.y is None
            style = {"color": colour, "label": f"{name} ({rows.sum()})", "baseline": 0.5}
            if alone:
                ax.stairs(counts, edges, fill=True, **style)
                continue
            if len(groups) < 3:
                ax.stairs(counts, edges, fill=True, **{**style, "label": "_"}, alpha=0.3)
            ax.stairs(counts, edges, linewidth=1.8, **style)
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_ylabel("Rows (log scale)")
        ax.set_xlabel(_called(scores, edges[0]))
        self._draw_cut(ax.axvline)

    def _sort(self, scores, groups, low):
        ax, order = self.ax_, np.argsort(scores, kind="stable")
        rank = np.empty(len(scores), dtype=int)
        rank[order] = np.arange(1, len(scores) + 1)
        for (name, rows), colour in zip(groups, COLOURS, strict=False):
            ax.scatter(
                rank[rows], scores[rows].clip(low), s=14, color=colour,
                label=f"{name} ({rows.sum()})",
            )  # fmt: skip
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("Rank, the most abnormal row first (log scale)")
        ax.set_ylabel(_called(scores, low).replace("; ", ";\n"))
        self._draw_cut(ax.axhline)

    def _draw_cut(self, draw):
        cut = self._cut
        if cut is not None:
            draw(cut, color=COLOURS[-1], linestyle="--", label=f"threshold {cut:.3g}")


def _called(scores, low):
    """Return what to call the axis of scores, and how many are below its end."""
    lower = int((scores < low).sum())
    rows = "row is" if lower == 1 else "rows are"
    more = f"; {lower} {rows} lower, to {scores.min():.3g}" if lower else ""
    return f"Score (higher is more normal{more})"


def _floor(scores, cut):
    """Return the score below which rows share a place; those below a threshold are."""
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
    floor = middle - FAR * max(high - low, 1e-12)
    if cut is not None:
        floor = min(floor, cut - 0.05 * max(scores.max() - cut, 1e-12))
    return max(scores.min(), floor)
