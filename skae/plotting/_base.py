"""What all displays share: matplotlib where it is needed, colours, axes."""

#: Okabe and Ito's, which most colour-blind readers can tell apart; the first two
#: are an autoencoder's and what stands beside it
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


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
