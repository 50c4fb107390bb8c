"""How the loss fell while an estimator was trained, and which weights it kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from skae._autoencoders.base import BaseAutoencoder
from skae.plotting._base import COLOURS, axes_or_new, entitle, last_step, name_of


@dataclass(kw_only=True, eq=False, repr=False)
class LossCurveDisplay:
    """Training and held-out loss by epoch, with the epoch whose weights were kept.

    Make one by `from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    train_loss : array-like of shape (n_epochs,)
        Training loss in each epoch.
    validation_loss : array-like of shape (n_epochs,), default=None
        Held-out loss in each epoch, NaN where it was not judged. None is no held-out
        rows.
    best_epoch : int, default=None
        Epoch, counted from 1, whose weights were kept; 0 is before the first. None marks
        none.
    best_loss : float, default=None
        Held-out loss of those weights. None takes it from `validation_loss`.
    ending : str, default=None
        How training ended, for the title.
    loss_name : str, default="loss"
        What the loss is, for the axis.
    estimator_name : str, default=None
        What was trained, for the title.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The training curve and, if rows were held out, theirs.
    best_ : matplotlib Line2D or None
        The mark at the best epoch.
    ax_ : matplotlib Axes
        Where the curves are.
    figure_ : matplotlib Figure
        The figure around them.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of rows.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import Autoencoder
    >>> from skae.plotting import LossCurveDisplay
    >>> autoencoder = Autoencoder(4, max_iter=5, random_state=0).fit(load_wine().data)
    >>> display = LossCurveDisplay.from_estimator(autoencoder)
    >>> print(display.ax_.get_xlabel(), display.ax_.get_ylabel(), sep=", ")
    epoch, loss per cell
    >>> display.ending
    'ran all 5 epochs'
    """

    train_loss: ArrayLike
    validation_loss: ArrayLike | None = None
    best_epoch: int | None = None
    best_loss: float | None = None
    ending: str | None = None
    loss_name: str = "loss"
    estimator_name: str | None = None

    def plot(self, ax=None, *, train_kw=None, validation_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        train_kw, validation_kw : dict, default=None
            Keywords for matplotlib's `plot` of either curve.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        self.figure_, self.ax_ = _, ax = axes_or_new(ax)
        curves = {"training": (self.train_loss, train_kw)}
        if self.validation_loss is not None:
            curves["held out"] = self.validation_loss, validation_kw
        self.lines_, self.best_ = [], None
        for (label, (loss, kw)), colour in zip(curves.items(), COLOURS, strict=False):
            epochs = np.arange(len(loss)) + 1
            marker = "o" if len(loss) < 3 else None  # of which there is hardly a line
            style = {"label": label, "color": colour, "marker": marker, **(kw or {})}
            self.lines_ += ax.plot(epochs, loss, **style)
        if self.best_epoch is not None:
            loss = self.best_loss
            if loss is None:
                loss = self.validation_loss[self.best_epoch - 1]
            ax.axvline(self.best_epoch, color="0.6", linestyle=":", linewidth=1, zorder=0)
            when = f"epoch {self.best_epoch}" if self.best_epoch else "the start"
            style = {"color": COLOURS[1], "markeredgecolor": "black", "markersize": 8}
            label = f"kept: {when}, {loss:.3g}"
            (self.best_,) = ax.plot([self.best_epoch], [loss], "o", label=label, **style)
        ax.set(xlabel="epoch", ylabel=self.loss_name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        told = [self.estimator_name, self.ending]
        entitle(ax, " ".join(part for part in told if part))
        ax.legend()
        return self

    @classmethod
    def from_estimator(
        cls, estimator, *, name=None, ax=None, train_kw=None, validation_kw=None
    ):
        """Draw how a fitted estimator was trained.

        Parameters
        ----------
        estimator : fitted estimator, or a pipeline that ends in one
            One with `history_` (every autoencoder, `skae.AutoencoderFeatureSelector`,
            `skae.AutoencoderClassifier`, `skae.AutoencoderRegressor`), with ``net_`` that
            has a history (`skae.AutoencoderImputer`, any skorch net's owner) or with
            `loss_curve_` (`sklearn.neural_network.MLPRegressor`).
        name : str, default=None
            What to call it. None takes its class.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        train_kw, validation_kw : dict, default=None
            Keywords for matplotlib's `plot` of either curve.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator has recorded no losses.
        """
        owner = last_step(estimator)
        train, held_out, is_best = _recorded(owner)
        n, fitted = len(train), vars(owner)
        began = max(0, n - fitted.get("n_iter_", n))  # where the last call went on
        best = np.flatnonzero(is_best[began:])
        best_epoch = best_loss = None
        is_judged = np.isfinite(held_out[began:]).any()
        if is_judged:
            best_epoch = began + 1 + int(best[-1] if len(best) else 0)
            net = fitted.get("net_")
            if not len(best):
                best_epoch = began + 1 + int(np.nanargmin(held_out[began:]))
            if net is not None and vars(net).get("kept_start_"):
                best_epoch, best_loss = began, float(net.start_loss_)
        display = cls(
            train_loss=train,
            validation_loss=held_out if np.isfinite(held_out).any() else None,
            best_epoch=best_epoch,
            best_loss=best_loss,
            ending=_ending(owner, n - began, not is_judged and "history_" in fitted),
            loss_name="loss per cell" if isinstance(owner, BaseAutoencoder) else "loss",
            estimator_name=name_of(owner) if name is None else name,
        )
        return display.plot(ax, train_kw=train_kw, validation_kw=validation_kw)


def _recorded(owner):
    """Return training and held-out losses (n,), NaN where none, and what was the best."""
    fitted = vars(owner)
    history = fitted.get("history_")
    if history is None and fitted.get("net_") is not None:
        history = owner.net_.history
    if history is not None:
        rows = [row for row in history if "train_loss" in row]
        losses = [
            [row.get(f"{of}_loss", np.nan) for row in rows] for of in ("train", "valid")
        ]
        is_best = [bool(row.get("valid_loss_best", False)) for row in rows]
    else:
        train = list(fitted.get("loss_curve_", ()))
        losses, is_best = [train, [np.nan] * len(train)], [False] * len(train)
    if not losses[0]:
        raise ValueError(_nothing(owner))
    return *np.array(losses, dtype=float), np.array(is_best)


def _nothing(owner):
    """Return what to say of an estimator without losses."""
    members = vars(owner).get("estimators_", ())
    told = "no losses. Pass a fitted estimator that has history_ or loss_curve_, as every "
    told += "autoencoder of skae has after fit."
    if len(members) and "history_" in vars(members[0]):
        told = f"losses of each of its {len(members)} autoencoders. Pass one of them: "
        told += "estimator.estimators_[0]."
    return f"estimator: {name_of(owner)} has recorded {told}"


def _ending(owner, n, goes_on):
    """Return how a training of n epochs ended, which may be partial_fit's."""
    net, most = vars(owner).get("net_"), vars(owner).get("max_iter")
    epochs = f"{n} epoch{'s' if n > 1 else ''}"
    if net is not None and vars(net).get("interrupted_"):
        return f"was interrupted after {epochs}"
    if isinstance(most, str) or most is None or n > most or n == 1 == most or goes_on:
        return f"ran {epochs}"
    return (
        f"ran all {epochs}" if n == most else f"stopped after {n} of at most {most} epochs"
    )
