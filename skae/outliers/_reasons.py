"""Why a row is abnormal: what each of its columns adds to that."""

import numpy as np
import pandas as pd
import torch
from sklearn.covariance import LedoitWolf
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._data.checks import check_count
from skae._data.frames import is_frame, row_labels
from skae._data.rows import BLOCK_BYTES, densify


class Expectation:
    """A column's expected value given the others: that of a normal distribution.

    E[x_j | x_-j] = m_j - sum_{i != j} P_ji (x_i - m_i) / P_jj, where P is the inverse
    of the standardised reference rows' covariance; never beyond the rows' own range.
    A category's levels are a column together: P_jj is then a matrix.

    Parameters
    ----------
    rows : ndarray of shape (n, P)
        Standardised numbers, and ones among zeros for categories.
    active : ndarray of shape (P,), dtype bool
        Which of them vary.
    owner : ndarray of shape (P,)
        Which column each of them is of.
    """

    def __init__(self, rows, active, owner):
        self.mean, self.active = rows.mean(0, dtype=np.float64), active
        levels = [
            np.flatnonzero(owner == j) for j in np.flatnonzero(np.bincount(owner) > 1)
        ]
        self.categories = levels
        self.low, self.high = rows.min(0), rows.max(0)
        self.precision = np.eye(rows.shape[1])
        if active.any():
            precision = LedoitWolf().fit(rows[:, active]).get_precision()
            self.precision[np.ix_(active, active)] = precision

    def __call__(self, x):
        """Return what is expected in place of each number of x (n, P), NaN if missing."""
        x = np.where(np.isnan(x), self.mean, x.astype(np.float64))
        slope = (x - self.mean) @ self.precision
        step = slope / np.diag(self.precision)
        for levels in self.categories:
            own = self.precision[np.ix_(levels, levels)]
            step[:, levels] = np.linalg.solve(own, slope[:, levels].T).T
        return np.where(self.active, (x - step).clip(self.low, self.high), x)


def contributions(abnormality, X, expected):
    """Return each column's share of the rows' abnormality; (n, d), rows sum to 1.

    It is how much less abnormal the row is with what is expected in the column's
    place, or 0 if it is not.
    """
    n, d = X.shape
    whole, shares = abnormality(X), np.empty((n, d))
    of_rows = getattr(abnormality.likelihood.likelihood, "is_of_rows", False)
    at_a_time = max(1, BLOCK_BYTES // (8 * d * d))
    column = np.arange(d)
    for start in range(0, n, at_a_time):
        rows = slice(start, start + at_a_time)
        replaced = np.repeat(X[rows, None], d, axis=1)  # (rows, d, d)
        replaced[:, column, column] = expected[rows]
        if of_rows:  # what is put in leaves the others their proportions
            replaced /= np.maximum(replaced.sum(2, keepdims=True), 1e-12)
        without = abnormality(replaced.reshape(-1, d)).reshape(-1, d)
        shares[rows] = normalized(whole[rows, None] - without)
    return shares


def normalized(parts):
    """Return non-negative parts (n, d) of 1: all alike where there are none."""
    parts = np.maximum(parts, 0)
    total = parts.sum(1, keepdims=True)
    return np.divide(parts, total, out=np.full(parts.shape, 1 / parts.shape[1]),
                     where=total > 0)  # fmt: skip


class ExplanationMixin:
    """The reasons of a fitted detector."""

    def feature_contributions(self, X):
        """Return each column's share of a row's abnormality.

        It is how much less abnormal the row is when the column's value is replaced by
        what is expected given the other columns (by a normal distribution of the
        training rows; a category by its likeliest value), clipped at zero and divided
        by the sum. A missing cell has no share. A row takes about as long as scoring as
        many rows as there are columns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        contributions : DataFrame of shape (n_samples, n_features) or ndarray
            Shares, under the columns' names; each row sums to 1. For pictures an array
            of X's shape, a heat map: each pixel's share of the squared residuals.
        """
        checked = densify(self._check_rows(X))
        if len(self._sample_shape_) > 1:
            shares = self._heat_map(checked)
            return shares.reshape(-1, *self._sample_shape_)
        return self._shares(checked, self._expected(checked), row_labels(X))

    def explain(self, X, top=3):
        """Return the columns that make rows abnormal, and what was expected there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.
        top : int, default=3
            Columns to name for each row.

        Returns
        -------
        explanation : DataFrame
            A row for each row of X and rank from 1, by which it is indexed, with the
            columns "feature", "contribution" (see `feature_contributions`), "observed"
            and "expected" (given the other columns, in the data's units).

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(300, 3))
        >>> X[7, 2] = 9
        >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)
        >>> detector.explain(X[[7]], top=1)[["feature", "observed"]]
                feature  observed
        row rank
        0   1         x2       9.0
        """
        check_count("top", top)
        check_is_fitted(self)
        if len(self._sample_shape_) > 1:
            raise ValueError(
                "explain names columns, and pictures have none: feature_contributions "
                "returns their heat map."
            )
        checked = densify(self._check_rows(X))
        expected = self._expected(checked)
        shares = self._shares(checked, expected, row_labels(X))
        order = np.argsort(-shares.to_numpy(), axis=1, kind="stable")[:, :top]
        observed = checked
        if self._schema_ is not None and is_frame(X):
            observed = self._schema_.values(X)
            expected = self._schema_.labels(expected)
        parts = {
            "feature": np.asarray(shares.columns)[order],
            "contribution": np.take_along_axis(shares.to_numpy(), order, 1),
            "observed": np.take_along_axis(observed, order, 1),
            "expected": np.take_along_axis(expected, order, 1),
        }
        ranks = np.arange(1, order.shape[1] + 1)
        index = pd.MultiIndex.from_product([shares.index, ranks], names=["row", "rank"])
        return pd.DataFrame({k: v.ravel() for k, v in parts.items()}, index=index)

    def _shares(self, X, expected, index):
        expected = np.where(np.isnan(X), np.nan, expected)
        shares = contributions(self._abnormality_, X.astype(np.float64), expected)
        return pd.DataFrame(shares, index=index, columns=_check_feature_names_in(self))

    def _expected(self, X):
        """Return what is expected in place of each cell given the others; (n, d)."""
        likelihood = self._abnormality_.likelihood
        x = likelihood.target(torch.from_numpy(likelihood.standardize(X))).numpy()
        return likelihood.restore(likelihood.collapse(self._abnormality_.expectation(x)))

    def _heat_map(self, X):
        """Return each pixel's share of the squared residuals; (n, d)."""
        scale = self._abnormality_.likelihood.inverse_scale
        total = 0.0
        for member in self.estimators_:
            residual = X - member.reconstruct(X).reshape(X.shape)
            total = total + np.square(residual * scale)
        return normalized(total)
