"""How much each number of a code is used."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.binary import BinaryAutoencoder
from skae._autoencoders.sparse import SparseAutoencoder
from skae._autoencoders.variational import VariationalAutoencoder
from skae._codes.sparse import SHARE_ON
from skae._params import check_option
from skae.plotting._base import COLOURS, axes_or_new, entitle, last_of
from skae.plotting._shared import codes_of, told

NAMED = 40  # bars that have room for a name
#: what is drawn, and what those are that carry nothing
KINDS = {
    "on": ("Share of rows that turn it on", "dead"),
    "kl": ("KL from the prior (nats)", "collapsed"),
    "one": ("Share of rows with a 1", "constant"),
    "variance": ("Share of the variance of codes", "constant"),
}


@dataclass(eq=False, repr=False)
class CodeUsageDisplay:
    """How much each number of a code is used, and which carry nothing.

    Of a `skae.SparseAutoencoder` it is how often each unit is on, coloured by its mean size
    when it is; of a `skae.VariationalAutoencoder` the KL divergence of each component from
    the prior; of a `skae.BinaryAutoencoder` how often each bit is 1; of any other
    transformer the share of the variance that each number of its codes has.

    Parameters
    ----------
    usage : ndarray of shape (n_components,)
        How much each is used.
    kind : {"on", "kl", "one", "variance"}, default="variance"
        What that is: the share of rows that turn a unit on, nats, the share of rows with a
        1, or the share of the variance.
    unused : ndarray of shape (n_components,), dtype bool, default=None
        Which carry nothing. None is those whose usage is 0, or a bit that never changes.
    mean_activation : ndarray of shape (n_components,), default=None
        Mean size of a unit where it is on, NaN if it never is. None colours no bars by it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    bars_ : matplotlib BarContainer
        A bar for each component, in the order of `order_`.
    order_ : ndarray of shape (n_components,)
        Components, the most used first.

    See Also
    --------
    skae.SparseAutoencoder : Whose units can be dead.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> from skae.plotting import CodeUsageDisplay
    >>> X = load_digits().data[:300]
    >>> vae = VariationalAutoencoder(4, max_iter=5, random_state=0).fit(X)
    >>> display = CodeUsageDisplay.from_estimator(vae, X)
    >>> display.usage.shape, display.ax_.get_ylabel()
    ((4,), 'KL from the prior (nats)')
    """

    usage: ArrayLike
    _: KW_ONLY
    kind: str = "variance"
    unused: ArrayLike | None = None
    mean_activation: ArrayLike | None = None

    @classmethod
    def from_estimator(cls, estimator, X=None, y=None, *, ax=None, **kwargs):
        """Measure how codes are used, and draw it.

        Parameters
        ----------
        estimator : fitted autoencoder, other transformer, or pipeline that ends in one
            What makes the codes.
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to encode. None is for a `skae.SparseAutoencoder` only, whose training has
            counted.
        y : array-like of shape (n_samples,), default=None
            The classes, for what was fitted with ``conditional=True``.
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.
        **kwargs : dict
            What `plot` takes besides.

        Returns
        -------
        display : CodeUsageDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        model, X = last_of(estimator, X)
        if X is None and not isinstance(model, SparseAutoencoder):
            raise ValueError(
                "CodeUsageDisplay: X is needed. Only a SparseAutoencoder has counted in "
                f"training how codes are used, and this is a {type(model).__name__}."
            )
        if isinstance(model, SparseAutoencoder):
            measured = _of_units(model, X)
        elif isinstance(model, VariationalAutoencoder):
            usage = model.kl_divergence(X, **told(y)).mean(0)
            measured = {"usage": usage, "kind": "kl", "unused": ~model.active_units_}
        else:
            codes = codes_of(model, X, y)
            if isinstance(model, BinaryAutoencoder):
                if model.packed_output:
                    bits = codes.astype(np.uint8)
                    codes = np.unpackbits(bits, axis=1, count=model.n_components_)
                measured = {"usage": codes.mean(0), "kind": "one"}
            else:
                variance = codes.var(0)
                total = variance.sum() or 1.0
                measured = {"usage": variance / total, "kind": "variance"}
        return cls(**measured).plot(ax=ax, **kwargs)

    def plot(self, ax=None):
        """Draw bars, the most used component first.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None is a new figure.

        Returns
        -------
        self : CodeUsageDisplay
            With `ax_` and `figure_`.
        """
        check_option("CodeUsageDisplay", "kind", self.kind, KINDS)
        usage = np.asarray(self.usage, dtype=float)
        unused = self._unused(usage)
        self.figure_, self.ax_ = axes_or_new(ax, figsize=(7, 4))
        ax, k = self.ax_, len(usage)
        self.order_ = order = np.argsort(-usage, kind="stable")
        at, what = np.arange(k), KINDS[self.kind]
        width = 0.8 if k <= NAMED else 1.0
        self.bars_ = ax.bar(at, usage[order], width, color=COLOURS[0])
        if self.mean_activation is not None:
            self._colour(np.asarray(self.mean_activation, dtype=float)[order])
        dead = np.flatnonzero(unused[order])
        if len(dead):
            ax.plot(
                dead, np.zeros(len(dead)), "x", color=COLOURS[1], clip_on=False,
                zorder=3, label=f"{what[1]} ({len(dead)} of {k})",
            )  # fmt: skip
            ax.legend(loc="upper right")
        if self.kind == "one":
            ax.axhline(0.5, color=COLOURS[-1], linewidth=1, linestyle=":")
        name = {"on": "Unit", "one": "Bit"}.get(self.kind, "Component")
        if k <= NAMED:
            small = "medium" if k <= 20 else "x-small"
            ax.set_xticks(at, order.tolist(), fontsize=small)
            ax.set_xlabel(f"{name}, the most used first")
        else:
            ax.set_xlabel(f"{k} {name.lower()}s, the most used first")
        ax.set_xlim(-0.8, k - 0.2)
        ax.set_ylim(bottom=0)
        ax.set_ylabel(what[0])
        if self.kind != "kl":
            ax.yaxis.set_major_formatter("{x:.0%}")
        entitle(ax, self._title(usage, unused))
        return self

    def _unused(self, usage):
        """Return which components carry nothing; (k,) bool."""
        if self.unused is not None:
            return np.asarray(self.unused, dtype=bool)
        return (usage == 0) | ((usage == 1) & (self.kind == "one"))

    def _title(self, usage, unused):
        k, n = len(usage), int(unused.sum())
        if self.kind == "on":
            return f"Of {k} units, {usage.sum():.3g} are on in a row; {n} dead"
        if self.kind == "kl":
            return f"Of {k} components, {n} collapsed; {usage.sum():.3g} nats in all"
        if self.kind == "one":
            return f"How often each of {k} bits is 1; {n} never change"
        half = 1 + int(np.searchsorted(np.sort(usage)[::-1].cumsum(), 0.5))
        return f"Half of the variance is in {min(half, k)} of {k} components"

    def _colour(self, activation):
        """Colour bars by the mean size of units that are on; (k,)."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        known = activation[np.isfinite(activation)]
        if not len(known):
            return
        most = np.quantile(known, 0.95) or 1.0  # one that is far off leaves the others
        scale = ScalarMappable(Normalize(0, most), "cividis_r")
        for bar, value in zip(self.bars_, activation, strict=True):
            if np.isfinite(value):
                bar.set_color(scale.to_rgba(value))
        ends = {"ax": self.ax_, "extend": "max" if known.max() > most else "neither"}
        self.figure_.colorbar(scale, label="Mean size where it is on", **ends)


def _of_units(model, X):
    """Return how often units are on: in training, or in rows X."""
    if X is None:
        often = model.activation_frequency_
        activation = None
        if model.penalty != "kl":  # whose codes are never 0
            activation = _ratio(model.mean_activation_, often)
        unused = model.dead_units_
    else:
        codes = abs(codes_of(model, X))
        least = 0.0
        if model.penalty == "kl":
            told = model.target_activation
            least = SHARE_ON if told is None else told
        on = codes > least
        often = on.mean(0)
        activation = _ratio((codes * on).sum(0), on.sum(0))
        unused = model.dead_units_ if model.penalty == "kl" else often == 0
    return {
        "usage": often, "kind": "on", "unused": unused, "mean_activation": activation,
    }  # fmt: skip


def _ratio(a, b):
    """Return a / b, NaN where b is 0; (k,)."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)
