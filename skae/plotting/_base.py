"""What all displays share: matplotlib where it is needed, colours, axes, estimators."""

import textwrap

from sklearn.pipeline import Pipeline

#: Okabe and Ito's, which most colour-blind readers can tell apart; the first two
#: are an autoencoder's and what stands beside it
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
LETTER, SHORTEST = 0.55, 24  # width of a title's letter, in its height; letters of a line


def pyplot():
    """Return matplotlib's pyplot, or tell which extra has it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Plots need matplotlib: pip install 'skae[plot]'.") from error
    return plt


def axes_or_new(ax, **kwargs):
    """Return figure and axes to draw in: new ones, as keywords describe, for None."""
    if ax is not None:
        return ax.figure, ax
    return pyplot().subplots(layout="constrained", **kwargs)


def entitle(ax, title, **kwargs):
    """Set a title, in lines that are no longer than the axes are wide."""
    letter = LETTER * ax.title.get_fontsize() / 72  # in inches
    most = int(ax.get_window_extent().width / ax.figure.dpi / letter)
    lines = (textwrap.fill(line, max(most, SHORTEST)) for line in title.split("\n"))
    ax.set_title("\n".join(lines), **kwargs)


def last_of(estimator, X):
    """Return what a pipeline ends in, and X as it gets there; else both as they are."""
    while isinstance(estimator, Pipeline):
        if X is not None and len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator, X


def last_step(estimator):
    """Return what a pipeline ends in, or the estimator itself."""
    return last_of(estimator, None)[0]


def name_of(estimator):
    """Return what to call an estimator."""
    return type(last_step(estimator)).__name__


def names_apart(names):
    """Return names, those that are there more than once with a number."""
    return [
        f"{name} {names[: i + 1].count(name)}" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]
