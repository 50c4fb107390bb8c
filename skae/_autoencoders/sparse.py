"""The sparse autoencoder."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from sklearn.utils import _align_api_if_sparse
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._codes.pursuit import PursuitModule
from skae._codes.sparse import (
    BatchTopKModule,
    KLModule,
    L1Module,
    Sparsity,
    TopKModule,
    geometric_median,
    has_mirror,
)
from skae._data.checks import check_count
from skae._training import signs as _diagnostics
from skae.likelihoods._gaussian import Gaussian
from skae.networks._dense import DenseNetwork
from skae.networks._layers import Linear, put
from skae.networks._start import code_size

MODULES = {
    "topk": TopKModule,
    "batch_topk": BatchTopKModule,
    "l1": L1Module,
    "kl": KLModule,
}
OWN = {  # parameters that some penalties alone have
    "n_nonzero_coefs": ("topk", "batch_topk"),
    "beta": ("l1", "kl"),
    "target_activation": ("kl",),
}
MAX_UNITS, UNITS_PER_COLUMN, ROWS_PER_UNIT = 1024, 2, 4  # "auto"
SHARE_ON, PURSUIT_RATE = 0.05, 0.01
BETA = {"l1": 1.0, "kl": 20.0}  # the latter for each unit's share of the columns
CENTER_ROWS = 2000  # from which the median and the signs are found
SPARSE_ROWS = 8192  # that are dense at a time, where the output is sparse
BLOCK = 256  # units, or columns, whose effects are found at a time


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class SparseAutoencoder(BaseAutoencoder):
    r"""Autoencoder with many units, of which each row turns on a few.

    A row is the sum of a few directions out of many, often more than there are columns
    (a dictionary), and its code says which and how much of each:

    .. math:: \min_{e, D, b} \; \sum_i - \log p(x_i \mid D z_i + b),
        \quad \|z_i\|_0 \le k, \quad \|D_j\| = 1, \quad z_i = e(x_i)

    With the default ``penalty="topk"`` and ``network="auto"`` the encoder has no
    weights of its own: it chooses units one after another, each for what the ones before
    leave over, and then fits them together (matching pursuit [1]_, as in [2]_). With any
    other network, or another likelihood than the Gaussian one, it is the network's
    encoder, of whose outputs the largest are kept [3]_, [4]_.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Number of units, of which there may be more than columns. "auto" takes twice as
        many as columns, but at most a fourth of the rows, and 1,024; None takes the
        network's natural size.
    penalty : {"topk", "batch_topk", "l1", "kl"}, default="topk"
        What makes codes sparse.

        - "topk": at most `n_nonzero_coefs` units of a row are on, the others exactly 0
          [3]_.
        - "batch_topk": so many on average, some rows more and some fewer: the largest of
          a training batch, and later whatever exceeds the threshold found in training
          [5]_.
        - "l1": ``beta`` times the sum of a row's code, whose numbers are not negative;
          unimportant ones are exactly 0.
        - "kl": codes in (0, 1), ``beta`` times the divergence of each unit's mean
          activation from `target_activation` [6]_.
    n_nonzero_coefs : int, float or None, default=None
        Units of a row that are on, or their share in (0, 1): for "topk" at most, for
        "batch_topk" on average. None is 5 % of the units, and at least 1.
    beta : float or None, default=None
        Strength of the penalty "l1" or "kl", in units of a row's log-likelihood. None is
        1 for "l1", and 20 times the number of columns by that of units for "kl".
    target_activation : float or None, default=None
        Mean activation that "kl" aims at, in (0, 1). None is 0.05.
    positive_code : bool or "auto", default="auto"
        Whether the codes of "topk" and "batch_topk" have no signs; those of "l1" and "kl"
        never have. "auto" lets them have signs where rows are as likely as their mirror
        images about the median, as far as third moments tell.
    revive : bool, default=True
        Whether units that no row of an epoch turns on are brought back: they start
        anew as what is left of a row that is rebuilt badly, and so do those that repeat
        another's direction, where units are chosen one after another. In networks with
        hidden layers an auxiliary loss does it instead: how the best of them would
        reconstruct what is missing [3]_. With "kl" no unit dies, and it plays no part.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix.
    network : "auto", tuple of int or network object, default="auto"
        How rows become codes and back. "auto" is a single linear layer each way, or
        matching pursuit (see above); a tuple gives the widths of the encoder's hidden
        layers, mirrored in the decoder. The decoder's first layer has directions of
        length 1, but with ``penalty="kl"``.
    learning_rate : float or "auto", default="auto"
        Largest step size, as in `Autoencoder`. "auto" is 0.01 where units are chosen one
        after another, and 0.005 with an encoder.
    alpha : float, default=0.0
        Strength of a penalty on the weights, as in `Autoencoder`.

    Attributes
    ----------
    components_ : ndarray of shape (`n_components_`, `n_features_in_`)
        What one unit of each code adds to a reconstruction, in the units of the data. With
        hidden layers: what the unit adds alone, at its mean when it is on, in proportion
        (with "kl", beside the others at their means). Not there with
        ``likelihood="mixed"``.
    activation_frequency_ : ndarray of shape (`n_components_`,)
        Share of the training rows, in [0, 1], that turn each unit on: above 0.5 with
        ``penalty="kl"``, else not 0. After `partial_fit` this, and what follows from it, is
        of the rows of that call.
    mean_activation_ : ndarray of shape (`n_components_`,)
        Mean size of each unit's code over the training rows.
    n_active_units_ : float
        Units that are on, on average, in a training row.
    dead_units_ : ndarray of shape (`n_components_`,), dtype bool
        Which units no training row turns on.
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        Share of the code's work that each column has, of sum 1: the sum over units of
        ``mean_activation_[u] * abs(E[u, j] * D[u, j])``, where ``E`` is what one more of
        column j adds to the encoder's output for the unit, at the mean row, and ``D``
        what the unit adds to the column, both in the column's scale (its standard
        deviation, with the Gaussian likelihood). 0 throughout if all units are dead. Not
        there with ``likelihood="mixed"``.
    positive_code_ : bool
        Whether codes have no signs.

    See Also
    --------
    sklearn.decomposition.MiniBatchDictionaryLearning : The classical form, by the lasso.
    AutoencoderFeatureSelector : Chooses columns.
    Autoencoder : Without sparsity, and few components.

    Notes
    -----
    `fit` warns (`sklearn.exceptions.ConvergenceWarning`) if more than half of the units
    are dead, if the reconstruction is hardly better than the mean, and, for "topk" and
    "batch_topk", if it explains less than 0.9 of what as many principal components
    explain as units are on.

    References
    ----------
    .. [1] Mallat and Zhang (1993). Matching pursuits with time-frequency dictionaries. IEEE
       Transactions on Signal Processing 41(12), 3397-3415.
    .. [2] Costa, Fel, Lubana, Tolooshams and Ba (2025). From flat to hierarchical:
       extracting sparse representations with matching pursuit. NeurIPS.
    .. [3] Gao et al. (2024). Scaling and evaluating sparse autoencoders. arXiv:2406.04093.
    .. [4] Makhzani and Frey (2014). k-sparse autoencoders. ICLR.
    .. [5] Bussmann, Leask and Nanda (2024). BatchTopK sparse autoencoders.
       arXiv:2412.06410.
    .. [6] Ng (2011). Sparse autoencoder. CS294A lecture notes, Stanford University.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = SparseAutoencoder(
    ...     128, n_nonzero_coefs=6, sparse_output=True, max_iter=20, random_state=0
    ... ).fit(X)
    >>> codes = autoencoder.transform(X)
    >>> codes.shape, int(codes.getnnz(axis=1).max())
    ((1797, 128), 6)
    >>> autoencoder.inverse_transform(codes).shape
    (1797, 64)
    >>> int(autoencoder.dead_units_.sum())
    0
    """

    penalty: str = "topk"
    n_nonzero_coefs: int | float | None = None
    beta: float | None = None
    target_activation: float | None = None
    positive_code: bool | str = "auto"
    revive: bool = True
    sparse_output: bool = False
    learning_rate: float | str = "auto"
    alpha: float = 0.0

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "code_activation": [StrOptions({"linear"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "penalty": [StrOptions(set(MODULES))],
        "n_nonzero_coefs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "beta": [Interval(Real, 0, None, closed="left"), None],
        "target_activation": [Interval(Real, 0, 1, closed="neither"), None],
        "positive_code": ["boolean", StrOptions({"auto"})],
        "revive": ["boolean"],
        "sparse_output": ["boolean"],
    }

    # Training

    def _network(self):
        return DenseNetwork(()) if isinstance(self.network, str) else super()._network()

    def _learning_rate(self, likelihood):
        if self.learning_rate != "auto":
            return self.learning_rate
        is_pursuit = self._kind(likelihood) is PursuitModule
        return PURSUIT_RATE if is_pursuit else BaseAutoencoder.learning_rate

    def _auto_components(self, fitting):
        most = _most_units(fitting.likelihood)
        return max(1, min(most, len(fitting.index) // ROWS_PER_UNIT))

    def _n_principal(self, likelihood):
        wanted = self.n_components
        if wanted in ("auto", None):
            wanted = _most_units(likelihood)
        return self._n_on(wanted) if "topk" in self.penalty else 1

    def _n_on(self, n_units):
        """Return how many of so many units are to be on."""
        k = self.n_nonzero_coefs
        if isinstance(k, Integral):
            return int(k)
        return max(1, round((SHARE_ON if k is None else k) * n_units))

    def _check_penalty(self, n_units):
        for name, penalties in OWN.items():
            value = getattr(self, name)
            if value is not None and self.penalty not in penalties:
                raise ValueError(
                    f"{name}={value!r} is for penalty={' or '.join(map(repr, penalties))}. "
                    f"Use {name}=None with penalty={self.penalty!r}."
                )
        if self.positive_code is False and "topk" not in self.penalty:
            raise ValueError(
                f"positive_code=False is not for penalty={self.penalty!r}, whose codes "
                "have no signs. Use positive_code=True, or penalty='topk'."
            )
        if self.sparse_output and self.penalty == "kl":
            raise ValueError(
                "sparse_output=True is not for penalty='kl', whose codes have no zeros. "
                "Use sparse_output=False, or another penalty."
            )
        if self._n_on(n_units) > n_units:
            raise ValueError(
                f"n_nonzero_coefs={self.n_nonzero_coefs} must be at most the number of "
                f"units, which is {n_units}. Lower it, or raise n_components."
            )

    def _build_module(self, network, likelihood, n_components, principal):
        encoder, decoder = principal.build(network, likelihood, n_components, None)
        if n_components is None:
            n_components = code_size(encoder, likelihood.n_inputs)
        self._check_penalty(n_components)
        rows = principal.target[:: -(-len(principal.target) // CENTER_ROWS)]
        rows = torch.from_numpy(np.where(np.isnan(rows), principal.mean, rows))
        center = geometric_median(rows)
        positive = self.positive_code
        if positive == "auto":
            positive = "topk" not in self.penalty or not has_mirror(rows - center)
        goal = self._goal(n_components, len(center), positive)
        kind = self._kind(likelihood)
        module = kind(encoder, decoder, likelihood, n_components, goal)
        if isinstance(network, DenseNetwork):
            bias, _ = likelihood.linearize(center.numpy(), np.zeros((0, len(center))))
            put(decoder.layers[-1].bias, bias)
            if module.encoder is encoder:
                seen = likelihood.embed(center.float()[None])[0]
                _start(module, torch.from_numpy(principal.inputs), seen)
        return module

    def _kind(self, likelihood):
        """Return the class of the module: units are chosen one after another, or not."""
        least_squares = (
            isinstance(likelihood.likelihood, Gaussian)
            and likelihood.link_name == "identity"
        )
        if self.penalty == "topk" and isinstance(self.network, str) and least_squares:
            return PursuitModule
        return MODULES[self.penalty]

    def _goal(self, n_units, n_columns, positive):
        beta, rho = self.beta, self.target_activation
        if beta is None:
            share = n_columns / n_units if self.penalty == "kl" else 1.0
            beta = BETA.get(self.penalty, 0.0) * share
        return Sparsity(
            k=self._n_on(n_units),
            positive=positive if self.positive_code == "auto" else self.positive_code,
            beta=beta,
            rho=SHARE_ON if rho is None else rho,
            revive=self.revive,
        )

    def _set_objective(self, module):
        n_units = len(module.idle)
        self._check_penalty(n_units)
        if type(module) is not self._kind(module.likelihood):
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"penalty or network: they are {self.penalty!r} and {self.network!r}. Use "
                "warm_start=False and fit."
            )
        n_columns = module.likelihood.n_params
        module.goal = self._goal(n_units, n_columns, module.goal.positive)

    def _shortfalls(self, fitting):
        explained, goal = fitting.explained[0], fitting.net.module_.goal
        remedy = "Lower beta" if self.penalty in BETA else "Raise max_iter or learning_rate"
        yield from _diagnostics.explains_nothing(explained, remedy)
        if "topk" in self.penalty:
            k = min(goal.k, len(fitting.principal.ratio))
            remedy = "Raise max_iter, learning_rate or n_components"
            yield from _diagnostics.underfitting(
                explained, fitting.principal.ratio[k - 1], k, remedy
            )

    def _dead_units(self, fitting):
        if self.penalty == "kl":
            return
        remedy = "a lower beta" if self.penalty == "l1" else "a larger n_nonzero_coefs"
        if not self.revive:
            remedy += " or revive=True"
        yield from _diagnostics.never_on(fitting.usage["dead_units_"], remedy)

    # What is known of a trained one

    def _more_attributes(self, module, fitting):
        usage = fitting.usage = _usage(fitting)
        more = usage | {"positive_code_": module.goal.positive}
        amount = more.pop("amount")
        if fitting.likelihood.categories is not None:
            return more
        mean = usage["mean_activation_"]
        base = mean if self.penalty == "kl" else np.zeros_like(mean)
        added = _added(module, amount, base)
        scale = fitting.likelihood.scale.astype(added.dtype)
        weight = mean @ np.abs(added * _read(module, fitting.sample)) * (scale > 0)
        return more | {
            "components_": added * scale,
            "feature_importances_": weight / (weight.sum() or 1.0),
        }

    def transform(self, X):
        """Return the codes of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        X_new : {ndarray, sparse matrix} of shape (n_samples, n_components), dtype float32
            The codes; a CSR matrix with ``sparse_output=True``. A row's code depends on
            that row alone.
        """
        if not self.sparse_output:
            return self._codes(X)
        container = _get_output_config("transform", estimator=self)["dense"]
        if container != "default":
            raise ValueError(
                f"sparse_output=True: a {container} DataFrame holds no sparse codes. Use "
                f"sparse_output=False, or set_output(transform='default')."
            )
        X = self._check_rows(X)
        parts = [
            sp.csr_array(self._encode(X[start : start + SPARSE_ROWS]))
            for start in range(0, X.shape[0], SPARSE_ROWS)
        ]
        return _align_api_if_sparse(sp.vstack(parts, format="csr"))

    def top_features(self, unit, n_features=10, *, absolute=True, input_features=None):
        """Return the columns that a unit of the code adds the most to.

        Parameters
        ----------
        unit : int
            Which unit, from 0.
        n_features : int, default=10
            How many columns.
        absolute : bool, default=True
            Whether what the unit takes away counts as much as what it adds. Words, say,
            are better named by what it adds.
        input_features : array-like of str or None, default=None
            Names of the columns, for instance a vectorizer's `get_feature_names_out()`.
            None takes those that `fit` saw, or ``x0``, ``x1``, ...

        Returns
        -------
        weights : Series of shape (n_features,)
            What the unit adds, in the columns' scales (standard deviations, as a rule),
            by the names of the columns, the largest first.
        """
        check_is_fitted(self)
        self._check_unit(unit)
        check_count("n_features", n_features)
        if not hasattr(self, "components_"):
            raise ValueError(
                "top_features: with likelihood='mixed' units have no directions. Use "
                "inverse_transform of codes that differ in the unit."
            )
        scale = self.net_.module_.likelihood.scale
        weights = self.components_[unit] * np.divide(
            1, scale, out=np.zeros_like(scale), where=scale > 0
        )
        size = np.abs(weights) if absolute else weights
        order = np.argsort(-size, kind="stable")[:n_features]
        names = _check_feature_names_in(self, input_features)
        return pd.Series(weights[order], index=names[order], name=f"unit {unit}")

    def top_samples(self, unit, X, n_samples=10):
        """Return the rows of X that turn a unit of the code on the most.

        Parameters
        ----------
        unit : int
            Which unit, from 0.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        n_samples : int, default=10
            How many rows.

        Returns
        -------
        activations : Series of shape (n_samples,)
            The rows' codes at the unit, by the index of X if it is a DataFrame and by
            position otherwise, the largest in absolute value first; fewer if fewer are
            not 0.
        """
        check_is_fitted(self)
        self._check_unit(unit)
        check_count("n_samples", n_samples)
        codes = self._codes(X)[:, unit]
        order = np.argsort(-np.abs(codes), kind="stable")[:n_samples]
        order = order[codes[order] != 0]
        index = X.index[order] if hasattr(X, "index") and hasattr(X, "iloc") else order
        return pd.Series(codes[order], index=index, name=f"unit {unit}")

    def _check_unit(self, unit):
        n = self.n_components_
        if not isinstance(unit, Integral) or isinstance(unit, bool) or not 0 <= unit < n:
            raise ValueError(f"unit must be an integer from 0 to {n - 1}. Got {unit!r}.")


@torch.no_grad()
def _start(module, rows, center):
    """Let a dense encoder start sparse, and as the transposed decoder if it is linear.

    `rows` (n, D) are what it sees, `center` (D,) is what they are around.
    """
    down, up = module.encoder.layers[-1], module.decoder.layers[-1]
    if len(module.encoder.layers) == 1:
        if isinstance(up, Linear) and up.weight.shape == down.weight.t().shape:
            down.weight.copy_(up.weight.t())
        down.bias.copy_(-down.weight @ center)
    down.bias += module.shift(module.encoder.eval()(rows))


def _most_units(likelihood):
    return min(MAX_UNITS, UNITS_PER_COLUMN * likelihood.n_inputs)


def _usage(fitting):
    """Return how often, and how much, the rows that were learnt turn each unit on."""
    module, totals, total = fitting.net.module_, 0.0, 0.0
    with torch.inference_mode():
        for part in fitting.in_order():
            for x, w, _, _ in part:
                z = module.encode(x).double()
                w = z.new_ones(len(z)) if w is None else w.double()
                on, size = module.is_on(z).double(), z.abs()
                totals = totals + torch.stack([w @ on, w @ size, w @ (on * size)]).cpu()
                total += float(w.sum())
    on, size, size_on = totals.numpy() / total
    return {
        "activation_frequency_": on,
        "mean_activation_": size,
        "n_active_units_": float(on.sum()),
        "dead_units_": on == 0,
        "amount": np.divide(size_on, on, out=np.ones_like(on), where=on > 0),
    }


def _added(module, amount, base):
    """Return what units add that are on by `amount` (n,), for 1 each, to `base`; (n, d)."""
    added, mean, device = [], module.likelihood.mean, module.idle.device
    amount, base = (torch.from_numpy(a).float().to(device) for a in (amount, base))
    with torch.inference_mode():
        module.eval()
        before = mean(module.decode(base[None]))
        for part in torch.arange(len(amount), device=device).split(BLOCK):
            z = base.repeat(len(part), 1)
            z[torch.arange(len(part)), part] += amount[part]
            change = mean(module.decode(z)) - before
            added.append((change / amount[part, None]).cpu())
    return torch.cat(added).numpy()


def _read(module, rows):
    """Return what a unit of each column adds to the encoder, at the rows' mean; (n, d)."""
    linear = module.linear_pair()
    if linear is not None:
        down, up = linear
        weight = up.weight.t() if down is None else down.weight
        return weight.detach().cpu().numpy()
    read, x, device = [], rows.mean(0, keepdim=True), rows.device
    with torch.inference_mode():
        module.eval()
        before = module.sensitivity(x)
        for part in torch.arange(x.shape[1], device=device).split(BLOCK):
            moved = x.repeat(len(part), 1)
            moved[torch.arange(len(part)), part] += 1.0
            read.append((module.sensitivity(moved) - before).cpu())
    return torch.cat(read).numpy().T
