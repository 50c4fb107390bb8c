"""Rows that a model made beside real ones."""

import inspect
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_count
from skae.plotting._base import COLOURS
from skae.plotting._tables import (
    NAME,
    columns_of,
    compared,
    draw_two,
    left_out,
    legend,
    on_a_scale,
    panels,
    short,
)

MOST_DRAWN = 10_000  # rows, unless told
MOST_PAIRED = 100  # columns whose pairs are compared
LABELS = "real", "sampled"


@dataclass(eq=False, repr=False)
class SampleQualityDisplay:
    """Real and sampled rows beside each other, column by column, and their correlations.

    Columns that differ the most come first. How much one differs is from 0 to 1: of numbers
    and dates the Kolmogorov-Smirnov distance, the largest gap between the shares of
    rows up to a value; of categories the share of rows that would have to change.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Real rows, best ones that the model has not seen.
    X_sampled : {array-like, DataFrame} of shape (n_sampled, n_features)
        Sampled rows of the same columns.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each column that is drawn; last, where there are at least two columns of
        numbers, that of the correlations.
    ax_ : matplotlib Axes
        What is divided into them; the first, if they were passed.
    figure_ : matplotlib Figure
        The figure of `axes_`.
    distances_ : Series
        How much each column differs, the largest first, by name.

    See Also
    --------
    skae.LatentSampler : Makes rows by any autoencoder.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.mixture import GaussianMixture
    >>> from skae.plotting import SampleQualityDisplay
    >>> X = load_wine(as_frame=True).data
    >>> mixture = GaussianMixture(2, random_state=0).fit(X.to_numpy())
    >>> display = SampleQualityDisplay.from_estimator(mixture, X, max_columns=2)
    >>> len(display.axes_), len(display.distances_)
    (3, 13)
    """

    X: ArrayLike
    X_sampled: ArrayLike

    @classmethod
    def from_estimator(
        cls, estimator, X, *, n_samples=None, random_state=None, max_columns=8, ax=None
    ):
        """Sample rows, and draw them beside real ones.

        Parameters
        ----------
        estimator : fitted estimator
            Any with `sample`: `skae.VariationalAutoencoder`, `skae.LatentSampler`,
            `skae.AdversarialAutoencoder`, a `sklearn.mixture.GaussianMixture`.
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Real rows, best ones that the model has not seen.
        n_samples : int, default=None
            Rows to sample. None is as many as X has, at most 10,000.
        random_state : int, RandomState instance or None, default=None
            Source of the draws, where `sample` takes one.
        max_columns : int, default=8
            Largest number of columns that are drawn, those that differ the most.
        ax : matplotlib Axes or array of such, default=None
            Where to draw: one is divided. None is a new figure.

        Returns
        -------
        display : SampleQualityDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        try:
            sample = estimator.sample
        except AttributeError:
            raise ValueError(
                f"SampleQualityDisplay: a {type(estimator).__name__} has no sample. Wrap "
                "an autoencoder in LatentSampler, or use from_samples(X, X_sampled)."
            ) from None
        if n_samples is None:
            n_samples = min(X.shape[0] if sp.issparse(X) else len(X), MOST_DRAWN)
        check_count("n_samples", n_samples)
        kwargs = {}
        if "random_state" in inspect.signature(sample).parameters:
            kwargs["random_state"] = random_state
        drawn = sample(n_samples, **kwargs)
        drawn = drawn[0] if isinstance(drawn, tuple) else drawn  # a mixture's labels
        return cls.from_samples(X, drawn, max_columns=max_columns, ax=ax)

    @classmethod
    def from_samples(cls, X, X_sampled, *, max_columns=8, ax=None):
        """Draw sampled rows beside real ones.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Real rows.
        X_sampled : {array-like, DataFrame} of shape (n_sampled, n_features)
            Sampled rows of the same columns, in the same order.
        max_columns : int, default=8
            Largest number of columns that are drawn, those that differ the most.
        ax : matplotlib Axes or array of such, default=None
            Where to draw: one is divided. None is a new figure.

        Returns
        -------
        display : SampleQualityDisplay
            With what was drawn.
        """
        return cls(X, X_sampled).plot(ax=ax, max_columns=max_columns)

    def plot(self, ax=None, *, max_columns=8):
        """Draw columns, and how pairs of them go together.

        Parameters
        ----------
        ax : matplotlib Axes or array of such, default=None
            Where to draw: one is divided. None is a new figure.
        max_columns : int, default=8
            Largest number of columns that are drawn, those that differ the most.

        Returns
        -------
        self : SampleQualityDisplay
            With `axes_`, `figure_` and `distances_`.
        """
        check_count("max_columns", max_columns)
        real, made = columns_of(self.X), columns_of(self.X_sampled)
        if len(real) != len(made):
            raise ValueError(
                f"X_sampled has {len(made)} columns, but X has {len(real)}: pass the "
                "columns that were learnt from."
            )
        named = {column.name: column for column in made}
        if named.keys() == {column.name for column in real}:  # in whichever order
            made = [named[column.name] for column in real]
        distance = np.array([_distance(*pair) for pair in zip(real, made, strict=True)])
        order = np.argsort(-distance, kind="stable")
        self.distances_ = pd.Series(
            distance[order], index=[real[j].name for j in order], name="distance"
        )
        drawn = order[:max_columns]
        numbers = [
            j for j in range(len(real))
            if not (real[j].is_text or made[j].is_text)
        ][:MOST_PAIRED]  # fmt: skip
        pairs = _correlations(real, numbers), _correlations(made, numbers)
        known = np.isfinite(pairs[0]) & np.isfinite(pairs[1])
        gone = left_out(len(real) - len(drawn))
        title = f"Real and sampled rows, what differs most first{gone}"
        n = len(drawn) + bool(known.any())
        self.figure_, self.ax_, self.axes_, foot = panels(ax, n, title)
        names = short([real[j].name for j in drawn], NAME)
        for ax, j, name in zip(self.axes_, drawn, names, strict=False):
            draw_two(ax, real[j], made[j], LABELS)
            ax.set_title(f"{name} (differs by {distance[j]:.2f})", fontsize="medium")
        if known.any():
            self._pairs(self.axes_[-1], *(pair[known] for pair in pairs))
        legend(self.axes_, foot)
        return self

    @staticmethod
    def _pairs(ax, real, made):
        """Draw correlations of pairs of columns (p,), real against sampled."""
        ax.plot([-1, 1], [-1, 1], color="0.6", linewidth=1)
        ax.scatter(real, made, s=12, color=COLOURS[2], alpha=0.7, linewidths=0)
        ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
        ax.set_xlabel("real", fontsize="small")
        ax.set_ylabel("sampled", fontsize="small")
        ax.tick_params(labelsize="small")
        off = np.abs(real - made).mean()
        ax.set_title(f"Correlations of pairs (off by {off:.2g})", fontsize="medium")


def _distance(real, made):
    """Return how much two samples of a column differ, from 0 to 1."""
    levels, (a, b) = compared(real, made)
    if levels is not None:
        return 0.5 * np.abs(a - b).sum()
    if not len(a) or not len(b):
        return 1.0
    return float(ks_2samp(on_a_scale(a), on_a_scale(b)).statistic)


def _correlations(columns, numbers):
    """Return rank correlations of pairs of columns of numbers; (pairs,)."""
    if len(numbers) < 2:
        return np.empty(0)
    table = pd.DataFrame({j: columns[j].numbers for j in numbers}).rank().corr()
    return table.to_numpy()[np.triu_indices(len(numbers), 1)]
