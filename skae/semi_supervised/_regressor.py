"""Numbers from few of them: an autoencoder of all rows, a pool that teaches, and a head."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions

from skae._autoencoders.docs import documented
from skae._codes.labels import tell_of_minus_one
from skae._data.numbers import as_numbers, known_moments
from skae._training.runtime import all_or_nothing
from skae.semi_supervised._base import (
    LARGEST_SEED,
    BaseLabeller,
    check_lengths,
    is_targeted,
    learns_from_y,
    used_of,
    weights_of,
)
from skae.semi_supervised._kernels import KINDS
from skae.semi_supervised._lessons import NumberLessons
from skae.semi_supervised._training import check_way

LEAST_TOLD = 2  # numbers that anything can be learnt from
SAME = 1e-12  # of its mean: the deviation of a number where rounding is all there is


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderRegressor(RegressorMixin, BaseLabeller):
    """Numbers from few of them: an encoder learnt from all rows, and a head on its codes.

    An autoencoder is trained on all rows, whether their numbers are known or not. Then
    kernel ridge regressions, linear and of radial basis functions, are pooled by how well
    each predicts the numbers left out, one by one. What the pool says of all rows
    teaches the encoder and a linear head on its codes [1]_.

    Parameters
    ----------
    training : {"auto", "frozen", "fine-tune", "joint"}, default="auto"
        What is trained when numbers are taught: the head alone ("frozen"), the encoder as
        well ("fine-tune"), or encoder and decoder, which goes on being taught to
        reconstruct ("joint"). "auto" fine-tunes, unless a third of the known numbers, held
        out for once, is predicted better with the encoder frozen by more than two standard
        errors; with fewer than 10 of them, and where codes are for y (``target_weight``),
        it fine-tunes.
    kernel : {"auto", "linear", "rbf"} or None, default="auto"
        What is in the pool; "auto" is both kinds, and no pool where at least half of the
        rows have known numbers. None teaches the known numbers alone.

    Attributes
    ----------
    training_scores_ : dict
        Negative mean squares of errors of numbers that were held out, in deviations, by
        way of training; empty where it was not chosen by them.
    kernel_ : str or None
        What was in the pool, None without one.
    linear_share_ : float
        Weight of the linear kernel in it, in [0, 1].
    center_, scale_ : ndarray of shape (n_outputs,)
        Means and deviations of the known numbers.
    loss_curve_ : list of float
        Training loss in each epoch: squares of errors in deviations.

    See Also
    --------
    AutoencoderClassifier : Classes instead of numbers.
    sklearn.kernel_ridge.KernelRidge : One member of the pool.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2008). Using deep belief nets to learn covariance
       kernels for Gaussian processes. NeurIPS.
    .. [2] Rasmussen and Williams (2006). Gaussian processes for machine learning, chapter
       5. MIT Press.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skae import AutoencoderRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> told = np.where(np.arange(442) < 100, y, np.nan)  # 342 are not known
    >>> regressor = AutoencoderRegressor(random_state=0).fit(X, told)
    >>> bool(regressor.score(X[100:], y[100:]) > 0.3)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseLabeller._parameter_constraints,
        "kernel": [StrOptions({"auto", *KINDS}), None],
    }

    kernel: str | None = "auto"

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn the encoder from all rows, and the numbers from those that have them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, labelled or not: whatever `autoencoder` takes, as it comes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their numbers, NaN where unknown; of several, any may be.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, labelled or not; of weight 0 not at all.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or y cannot be, before any training. The estimator is then
            what it was before the call.
        """
        with all_or_nothing(self):
            self._fit(X, y, sample_weight)
        return self

    def _fit(self, X, y, sample_weight):
        y, weight = self._read(X, y, sample_weight)
        rows, random_state, watch = self._begin(X, y, y, sample_weight)
        used, seeds = weight > 0, random_state.randint(LARGEST_SEED, size=2)
        rows, y, weight = used_of(rows, used), y[used], weight[used]
        self.center_, spread = known_moments(y, weight, SAME)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        y = (y - self.center_) / self.scale_
        known = ~np.isnan(y).all(1)
        kernel = self.kernel if len(y) > 2 * known.sum() else None
        points = None if kernel is None else self._points(rows)
        lessons = NumberLessons(y, points, weight, kernel, int(seeds[0]))
        shape, seed = self._picture_shape(), int(seeds[1])
        taught = self._learn(rows, lessons, shape, seed, watch)
        self.kernel_, self.linear_share_ = kernel, taught.share
        watch.finish()

    def _pretrained(self, autoencoder, X, y, sample_weight):
        """Return an autoencoder fitted on all rows; on their numbers (n, m), if for y."""
        if is_targeted(autoencoder):
            return autoencoder.fit(X, y, sample_weight=sample_weight)
        if learns_from_y(autoencoder):
            raise ValueError(
                "autoencoder learns classes, and y holds numbers. Use one of "
                "conditional=False, or whose n_clusters are not 'labels'."
            )
        check_way(self.training, autoencoder.__skae_code__(X))
        return autoencoder.fit(X, sample_weight=sample_weight)

    def _read(self, X, y, sample_weight):
        """Return numbers (n, m), NaN where unknown, and weights (n,)."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Pass the number of each row, NaN where it is not known."
            )
        y = as_numbers(y)
        self._is_flat_ = y.ndim == 1
        y = y[:, None] if self._is_flat_ else y
        check_lengths(X, y)
        weight = weights_of(sample_weight, y)
        told = (~np.isnan(y) & (weight > 0)[:, None]).sum(0)
        if (told < LEAST_TOLD).any():
            raise ValueError(
                f"y: {LEAST_TOLD} numbers or more must be known. Got {told.min()}; NaN "
                "marks rows of an unknown one."
            )
        tell_of_minus_one(y)
        return y, weight

    def predict(self, X):
        """Return the numbers of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As `fit` was told them.
        """
        rows = self._check_rows(X)
        found = self._outputs(self.net_, rows, len(self.center_))
        y = self.center_ + self.scale_ * found
        return y[:, 0] if self._is_flat_ else y

    def score(self, X, y, sample_weight=None):
        """Return the share of the known numbers' variance that is predicted, R2.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their numbers; NaN are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            1 is perfect, 0 no better than the mean; of several outputs the mean.
        """
        y, found = as_numbers(y), self.predict(X)
        y, found = (a.reshape(len(a), -1) for a in (y, found))
        weight = weights_of(sample_weight, y)
        scores = []
        for told, guess in zip(y.T, found.T, strict=True):
            known = ~np.isnan(told)
            if not known.any():
                raise ValueError("y holds no number, only NaN for unknown ones.")
            score = r2_score(told[known], guess[known], sample_weight=weight[known])
            scores.append(score)
        return float(np.mean(scores))

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: several outputs, too."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
