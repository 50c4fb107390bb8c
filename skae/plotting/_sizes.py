"""How much a code holds, by its size."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Real

import numpy as np

from skae._autoencoders.base import BaseAutoencoder
from skae.plotting._base import (
    COLOURS,
    MARKERS,
    axes_or_new,
    entitle,
    last_step,
    name_of,
    names_apart,
)

NAME = "n_components"


@dataclass(eq=False, repr=False)
class SizeCurveDisplay:
    """Share of the variance that a code explains, or a search's score, by its size.

    Make one by `from_estimator` or `from_search`. All parameters are stored as attributes.

    Parameters
    ----------
    curves : dict
        By the name of each reducer a tuple of arrays: sizes and scores, and how far the
        scores scatter, if known.
    chosen : tuple of (str, float), default=None
        The reducer that was chosen, and its size.
    asked : float, default=None
        The score that was asked for.
    score_name : str, default="score"
        What the scores are, for the axis.
    title : str, default=None
        What is seen.

    Attributes
    ----------
    lines_ : dict of matplotlib Line2D
        Each reducer's curve, by its name.
    chosen_ : matplotlib Line2D or None
        The mark at the chosen size.
    ax_ : matplotlib Axes
        Where the curves are.
    figure_ : matplotlib Figure
        The figure around them.

    See Also
    --------
    skae.metrics.smallest_within : The smallest code that is nearly as good as the best.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import Pipeline
    >>> from skae import Autoencoder
    >>> from skae.metrics import explained_variance_scorer, smallest_within
    >>> from skae.plotting import SizeCurveDisplay
    >>> X = load_wine().data
    >>> autoencoder = Autoencoder(0.8, max_iter=20, random_state=0).fit(X)
    >>> display = SizeCurveDisplay.from_estimator(autoencoder)
    >>> list(display.curves)
    ['Autoencoder', 'PCA']

    A search among reducers and sizes:

    >>> search = GridSearchCV(
    ...     Pipeline([("reduce", None)]),
    ...     {
    ...         "reduce": [PCA(), Autoencoder(max_iter=5, random_state=0)],
    ...         "reduce__n_components": [2, 4],
    ...     },
    ...     scoring=explained_variance_scorer,
    ...     refit=smallest_within(0.01),
    ...     cv=2,
    ... ).fit(X)
    >>> display = SizeCurveDisplay.from_search(search)
    >>> display.lines_["PCA"].get_xdata().tolist()
    [2.0, 4.0]
    """

    curves: dict
    _: KW_ONLY
    chosen: tuple | None = None
    asked: float | None = None
    score_name: str = "score"
    title: str | None = None

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : SizeCurveDisplay
            The display itself.
        """
        self.figure_, self.ax_ = _, ax = axes_or_new(ax)
        self.lines_, self.chosen_ = {}, None
        if self.asked is not None:
            style = {"color": "0.4", "linestyle": ":", "zorder": 0}
            ax.axhline(self.asked, label=f"asked for: {self.asked:g}", **style)
        for i, (name, (sizes, scores, *spread)) in enumerate(self.curves.items()):
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            style = {"color": colour, "marker": marker}
            style |= {"linestyle": "-" if i == 0 else "--", "markersize": 5}
            style |= {"yerr": spread[0] if spread else None, "capsize": 3}
            drawn = ax.errorbar(sizes, scores, label=name, **style)
            self.lines_[name] = drawn.lines[0]
        if self.chosen is not None:
            name, size = self.chosen
            sizes, scores, *_ = self.curves[name]
            score = np.asarray(scores)[np.flatnonzero(np.asarray(sizes) == size)[0]]
            (self.chosen_,) = ax.plot(
                [size], [score], "o", markersize=14, markerfacecolor="none",
                markeredgecolor="black", linestyle="", label=f"chosen: {name}, {size:g}",
            )  # fmt: skip
        ax.set(xlabel="size of the code (n_components)", ylabel=self.score_name)
        sizes = np.concatenate(
            [np.asarray(s, dtype=float) for s, *_ in self.curves.values()]
        )
        if (sizes % 1 == 0).all():
            if sizes.max() > 20 * sizes.min():
                ax.set_xscale("log", base=2)
                ax.xaxis.set_major_formatter("{x:g}")
            else:
                ax.xaxis.get_major_locator().set_params(integer=True)
        if self.title is not None:
            entitle(ax, self.title)
        ax.margins(0.08)
        handles, labels = ax.get_legend_handles_labels()  # whose bars come last
        order = np.argsort([name not in self.curves for name in labels], kind="stable")
        ax.legend([handles[i] for i in order], [labels[i] for i in order])
        return self

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None):
        """Draw the sizes that an autoencoder tried to explain a share of the variance.

        Parameters
        ----------
        estimator : fitted autoencoder, or a pipeline that ends in one
            Whose `n_components` is a share such as 0.9, so that it has `size_curve_`.
        name : str, default=None
            What to call it. None takes its class.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : SizeCurveDisplay
            The display, drawn: shares of the variance of held-out rows that short fits
            explain, and what as many principal components do.

        Raises
        ------
        ValueError
            If the estimator has not tried sizes.
        """
        owner = last_step(estimator)
        curve = vars(owner).get("size_curve_")
        if curve is None:
            raise ValueError(
                f"estimator: {name_of(owner)} has no size_curve_, which fit leaves where "
                "n_components is a share. Fit with n_components=0.9, for instance, or draw "
                "a search by SizeCurveDisplay.from_search."
            )
        name, pca = names_apart([name_of(owner) if name is None else name, "PCA"])
        sizes = curve[NAME]
        display = cls(
            {name: (sizes, curve["share"]), pca: (sizes, curve["pca_share"])},
            chosen=(name, owner.n_components_),
            asked=float(owner.n_components),
            score_name="explained share of held-out variance",
            title="What codes of different sizes explain",
        )
        return display.plot(ax)

    @classmethod
    def from_search(cls, search, *, param=None, scoring=None, names=None, ax=None):
        """Draw the scores of a search over sizes of the code.

        Parameters
        ----------
        search : fitted search
            `~sklearn.model_selection.GridSearchCV` or its like, `skae.model_selection`'s
            among them, over ``n_components`` of a reducer; over several reducers, too.
        param : str, default=None
            The parameter that holds the sizes. None takes the one that ends in
            ``n_components``.
        scoring : str, default=None
            Which score to draw, of several. None takes the one that chose.
        names : list of str, default=None
            What to call the reducers, in the order in which the search tried them. None
            takes their classes.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : SizeCurveDisplay
            The display, drawn: the mean score over the folds and its standard deviation.
            Where other parameters were searched as well, their best values for each
            reducer and size.

        Raises
        ------
        ValueError
            If the search has not tried sizes, or has no such parameter or score.
        """
        results = vars(search).get("cv_results_")
        if results is None:
            raise ValueError(
                f"search: {type(search).__name__} has no cv_results_. Pass a search that "
                "is fitted."
            )
        tried = results["params"]
        param = _param(param, tried)
        mean, spread, score_name = _scores(search, results, scoring)
        reducers = _reducers(search, tried, param)
        named = _named(search, tried, reducers, param, names)
        best_index = vars(search).get("best_index_")
        curves, chosen = {}, None
        for key, name in named.items():
            best = {}
            for i, params in enumerate(tried):
                size = params.get(param)
                if reducers[i] != key or not _is_size(size) or not np.isfinite(mean[i]):
                    continue
                # what was chosen stands for its size, whichever function chose
                if (
                    size not in best
                    or i == best_index
                    or (best[size] != best_index and mean[i] > mean[best[size]])
                ):
                    best[size] = i
                if i == best_index:
                    chosen = name, float(size)
            if best:
                order = sorted(best)
                at = [best[size] for size in order]
                curves[name] = np.array(order, dtype=float), mean[at], spread[at]
        if not curves:
            raise ValueError(
                f"search: no candidate has a number for {param!r} and a score. Search over "
                "[2, 4, 8], for instance."
            )
        n_folds = search.n_splits_
        display = cls(
            curves,
            chosen=chosen,
            score_name=f"{score_name} (mean ± sd of {n_folds} folds)",
            title="Codes of different sizes in a search",
        )
        return display.plot(ax)


def _is_size(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _param(param, tried):
    """Return the parameter that holds the sizes."""
    there = list(dict.fromkeys(name for params in tried for name in params))
    if param is not None:
        if param not in there:
            raise ValueError(f"param: the search has no {param!r}. It tried {there}.")
        return param
    found = [name for name in there if name.split("__")[-1] == NAME]
    if len(found) != 1:
        which = f"more than one: {found}" if found else f"none among {there}"
        raise ValueError(
            f"search: one parameter must end in n_components, and there is {which}. Say "
            "which one holds the sizes by param=."
        )
    return found[0]


def _scores(search, results, scoring):
    """Return mean and deviation over folds of each candidate, and the score's name."""
    there = [
        key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")
    ]
    if scoring is None:
        refit = search.refit
        scoring = refit if isinstance(refit, str) and refit in there else there[0]
    if scoring not in there:
        raise ValueError(f"scoring: the search has no score {scoring!r}. It has {there}.")
    name, given = scoring, search.scoring
    if scoring == "score" and isinstance(given, str):
        name = given
    elif scoring == "score" and callable(given):
        given = given.func if isinstance(given, partial) else given
        try:
            name = given.__name__.removesuffix("_scorer")
        except AttributeError:  # of scikit-learn's own scorers
            name = scoring
    mean, spread = (np.asarray(results[f"{of}_test_{scoring}"]) for of in ("mean", "std"))
    return mean, spread, name.replace("_", " ")


def _reducers(search, tried, param):
    """Return which reducer each candidate has: an object's id, None where there is one."""
    step = param.rpartition("__")[0]
    return [id(params[step]) if step in params else None for params in tried]


def _named(search, tried, reducers, param, names):
    """Return what to call each of some reducers, autoencoders first."""
    step = param.rpartition("__")[0]
    objects = {}
    for key, params in zip(reducers, tried, strict=True):
        one = params.get(step) if step else search.estimator
        objects[key] = search.estimator.get_params().get(step) if one is None else one
    if names is None:
        names = names_apart([name_of(one) for one in objects.values()])
    names = list(names)
    if len(names) != len(objects):
        raise ValueError(
            f"names must hold one name for each of {len(objects)} reducers. Got {names}."
        )
    named = dict(zip(objects, names, strict=True))
    return dict(sorted(named.items(), key=lambda pair: not _is_ours(objects[pair[0]])))


def _is_ours(reducer):
    return isinstance(last_step(reducer), BaseAutoencoder)
