"""The sparse autoencoder."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import _align_api_if_sparse, check_array
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._autoencoders.units import in_units
from skae._codes.penalties import KL, L1, BatchTopK, TopK
from skae._codes.pursuit import MatchingPursuit
from skae._data.checks import check_count
from skae._data.frames import row_labels
from skae._params import ONE_OR_MORE, Amount, check_option
from skae.likelihoods._gaussian import Gaussian
from skae.networks._dense import DenseNetwork

PENALTIES = {"topk": TopK, "batch_topk": BatchTopK, "l1": L1, "kl": KL}
SPARSE_ROWS = 8192  # that are dense at a time, where the output is sparse


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
          a training batch, and later whatever exceeds a threshold [5]_, by which so many
          are on in rows that are new: it is set by the rows held out.
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
        Share of the training rows, in [0, 1], that turn each unit on: above
        `target_activation` with ``penalty="kl"``, else not 0. After `partial_fit` this, and
        what follows from it, is of the rows of that call.
    mean_activation_ : ndarray of shape (`n_components_`,)
        Mean size of each unit's code over the training rows.
    n_active_units_ : float
        Units that are on, on average, in a row that is new: as many as in a training row,
        times what rows held out have more of them. Without any, in a training row.
    dead_units_ : ndarray of shape (`n_components_`,), dtype bool
        Which units no training row turns on; with ``penalty="kl"``, which hardly vary.
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

    _auto_code: ClassVar[str] = (
        "a search of n_components and n_nonzero_coefs, how many units a row turns on, by "
        "skae.metrics.explained_variance_scorer"
    )
    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "n_components": [ONE_OR_MORE, StrOptions({"auto"}), None],
        "code_activation": [StrOptions({"linear"})],
        "learning_rate": [Amount(closed="right"), StrOptions({"auto"})],
        "penalty": [StrOptions(set(PENALTIES))],
        "n_nonzero_coefs": [
            ONE_OR_MORE,
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "beta": [Amount(closed="both"), None],
        "target_activation": [Interval(Real, 0, 1, closed="neither"), None],
        "positive_code": ["boolean", StrOptions({"auto"})],
        "revive": ["boolean"],
        "sparse_output": ["boolean"],
    }

    @property
    def _code_class(self):
        """The code: units are chosen one after another, or as the penalty says."""
        likelihood = self._likelihood()
        least_squares = isinstance(likelihood, Gaussian) and likelihood.link == "identity"
        if self.penalty == "topk" and isinstance(self.network, str) and least_squares:
            return MatchingPursuit
        return PENALTIES[self.penalty]

    def _network(self):
        return DenseNetwork(()) if isinstance(self.network, str) else super()._network()

    # What is known of a trained one

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
        check_option("top_features", "absolute", absolute, (True, False))
        weights = self._directions("top_features")[unit]
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
        labels = row_labels(X)
        index = order if labels is None else labels[order]
        return pd.Series(codes[order], index=index, name=f"unit {unit}")

    def explain(self, X, weights=None, *, n_units=None, n_features=3, input_features=None):
        """Return which units rows have on, and by which of their columns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.
        weights : array-like of shape (n_components,), default=None
            What each unit counts in a sum of codes that is to be explained, for instance
            the `coef_` of a linear model that was fitted to codes.
        n_units : int, default=None
            How many units of a row at most. None is all that are on.
        n_features : int, default=3
            How many columns to name for a unit.
        input_features : array-like of str or None, default=None
            Names of the columns, as for `top_features`.

        Returns
        -------
        parts : DataFrame
            A row for each unit that a row of X has on, by "row" (its label in a DataFrame,
            else its position) and "rank", the largest part first: "unit", "code", with
            `weights` "contribution", which is code times weight, and "features", the names
            of those columns to which the unit adds the most, among the columns in which
            the row is neither 0 nor missing.

        Raises
        ------
        ValueError
            If an argument does not fit, or units have no directions (`components_`).

        Examples
        --------
        >>> import numpy as np
        >>> from skae import SparseAutoencoder
        >>> X = np.random.default_rng(0).poisson(0.3, size=(200, 6)).astype(float)
        >>> autoencoder = SparseAutoencoder(
        ...     8, n_nonzero_coefs=2, max_iter=5, random_state=0
        ... ).fit(X)
        >>> autoencoder.explain(X[:3], np.ones(8), n_units=1).columns.tolist()
        ['unit', 'code', 'contribution', 'features']
        """
        check_is_fitted(self)
        check_count("n_features", n_features)
        if n_units is not None:
            check_count("n_units", n_units)
        directions = self._directions("explain")
        if weights is not None:
            weights = check_array(weights, ensure_2d=False, input_name="weights")
            if weights.shape != (self.n_components_,):
                raise ValueError(
                    f"weights must hold one number for each of the {self.n_components_} "
                    f"units. Got shape {weights.shape}: of a linear model pass coef_[0]."
                )
        names = _check_feature_names_in(self, input_features)
        rows = self._check_rows(X)
        how = names, row_labels(X), weights, n_units, n_features
        return in_units(self._encode(rows), rows, directions, *how)

    def _directions(self, method):
        """Return what units add, in the columns' scales; (k, d)."""
        if "components_" not in vars(self):
            raise ValueError(
                f"{method}: with likelihood='mixed' units have no directions. Use "
                "inverse_transform of codes that differ in the unit."
            )
        scale = self.net_.module_.likelihood.scale
        return self.components_ * np.divide(
            1, scale, out=np.zeros_like(scale), where=scale > 0
        )

    def _check_unit(self, unit):
        n = self.n_components_
        if not isinstance(unit, Integral) or isinstance(unit, bool) or not 0 <= unit < n:
            raise ValueError(f"unit must be an integer from 0 to {n - 1}. Got {unit!r}.")
