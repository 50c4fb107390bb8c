"""How well rows are reconstructed, and how small a code may be.

`reconstruction_error` and `explained_variance_ratio` compare rows with their
reconstructions, whoever made them. The scorers do so for any estimator that has
``transform`` and ``inverse_transform``, so that PCA, NMF, KernelPCA, autoencoders and
pipelines of them compete in one ``GridSearchCV``, and `smallest_within` picks from
such a search the smallest code that is good enough.

Six measures of disentanglement compare codes with the factors that rows were made from;
`hamming_distances` compares packed binary codes with each other.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from skae._data.body import bend
from skae._data.checks import check_weight
from skae._data.containers import taken
from skae._data.frames import is_frame, not_numbers
from skae._data.refusals import of_numbers, remedied
from skae._data.rows import blocks, densify
from skae._data.statistics import column_statistics

FAR = 15.0  # deviations, beyond which a scorer counts by a logarithm
ROUNDING = 8 * np.finfo(np.float64).eps
_OUTPUTS = ("overall", "rows", "features")


def reconstruction_error(X, X_reconstructed, *, output="overall", sample_weight=None):
    """Return the mean squared error of reconstructions, in squared units of the data.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows; pictures of shape (n_samples, ...) are flattened.
    X_reconstructed : {array-like, sparse matrix} of shape (n_samples, n_features)
        Their reconstructions.
    output : {"overall", "rows", "features"}, default="overall"
        Over what squares are averaged: all cells, each row's or each feature's.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each row counts. "rows" does not depend on it.

    Returns
    -------
    error : float or ndarray of shape (n_samples,) or (n_features,), dtype float64
        Mean squared error; 0 is best.

    Raises
    ------
    ValueError
        If an argument holds NaN or infinities, or if shapes do not match.

    Examples
    --------
    >>> from skae.metrics import reconstruction_error
    >>> X, X_reconstructed = [[0, 0], [4, 2]], [[0, 1], [1, 2]]
    >>> reconstruction_error(X, X_reconstructed)
    2.5
    >>> reconstruction_error(X, X_reconstructed, output="rows")
    array([0.5, 4.5])
    >>> reconstruction_error(X, X_reconstructed, output="features")
    array([4.5, 0.5])
    """
    X, other, weight = _check(X, X_reconstructed, output, sample_weight)
    d = X.shape[1]
    squares = _sum_of_squares(X, other, np.ones(d), weight, output)
    if output == "rows":
        return squares / d
    by_feature = squares / weight.sum()
    return by_feature if output == "features" else float(by_feature.mean())


def explained_variance_ratio(
    X,
    X_reconstructed,
    *,
    output="overall",
    standardize=True,
    X_train=None,
    sample_weight=None,
):
    """Return the share of the variance of X that its reconstruction explains.

    It is 1 - (sum of squared residuals) / (sum of squared distances to the mean): 1 is
    perfect, 0 as good as the mean, and there is no lower end. A column that is constant
    (in `X_train`, if given) has no variance to explain and is left out.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows; pictures of shape (n_samples, ...) are flattened.
    X_reconstructed : {array-like, sparse matrix} of shape (n_samples, n_features)
        Their reconstructions.
    output : {"overall", "rows", "features"}, default="overall"
        Over what both sums run: all cells, each row's or each feature's.
    standardize : bool, default=True
        Whether residuals and distances are divided by the column's standard
        deviation, so that columns of different units count alike. False suits columns
        of one unit, such as pixels, and is what
        ``PCA.explained_variance_ratio_.sum()`` means. It makes no difference to
        "features".
    X_train : {array-like, sparse matrix} of shape (n_train, n_features), default=None
        The rows that means and standard deviations are taken from, usually those that
        the estimator was trained on. None takes them from `X`.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each row of `X` counts, also in the mean and standard deviation where
        these are taken from `X`.

    Returns
    -------
    ratio : float or ndarray of shape (n_samples,) or (n_features,), dtype float64
        Explained share. NaN for a row or a feature with nothing to explain: a row
        that is the mean, a column that is constant.

    Raises
    ------
    ValueError
        If an argument holds NaN or infinities, if shapes do not match, or if every
        column is constant.

    See Also
    --------
    sklearn.metrics.r2_score : The same, without `X_train` and constant columns:
        ``multioutput="uniform_average"`` with, "variance_weighted" without `standardize`.
    sklearn.metrics.explained_variance_score : Forgives a column's bias; here it counts.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import explained_variance_ratio
    >>> X = load_wine().data
    >>> pca = PCA(1).fit(X)
    >>> X_reconstructed = pca.inverse_transform(pca.transform(X))

    One column of large numbers is nearly all of the variance, and so PCA of raw
    columns seems to be perfect; it ignores the other twelve:

    >>> round(explained_variance_ratio(X, X_reconstructed, standardize=False), 3)
    0.998
    >>> round(explained_variance_ratio(X, X_reconstructed), 3)
    0.216
    """
    X, other, weight = _check(X, X_reconstructed, output, sample_weight)
    if X_train is None:
        train, train_name, train_weight = X, "X", weight
    else:
        train, train_name, train_weight = _as_rows(X_train, "X_train"), "X_train", None
        if train.shape[1] != X.shape[1]:
            raise ValueError(
                f"X_train has {train.shape[1]} features, but X has {X.shape[1]}."
            )
    stats = column_statistics(train, train_weight, (X.shape[1],), lambda block: None)
    variance = np.where(stats.constant, 0.0, stats.variance)
    if not variance.any():
        raise ValueError(
            f"{train_name}: every column is constant in its {train.shape[0]} row(s), so "
            "there is no variance to explain. Pass the training data as X_train."
        )
    return _explained(X, other, stats.mean, variance, standardize, weight, output)


def _explained(X, other, mean, variance, standardize, weight, output, bent=False):
    """Return how much of the distances to the means (d,) is explained."""
    unit = np.sqrt(variance) if standardize else np.ones(X.shape[1])
    scale = np.where(variance > 0, unit, np.inf)
    residual = _sum_of_squares(X, other, scale, weight, output, mean if bent else None)
    total = _sum_of_squares(X, mean, scale, weight, output, mean if bent else None)
    # a row or column that is at its mean is so only to rounding
    least = np.square(ROUNDING * mean / scale)
    least = least.sum() if output == "rows" else least * X.shape[0]
    if output == "overall":
        residual, total = residual.sum(keepdims=True), total.sum(keepdims=True)
        least = least.sum()
    ratio = np.full(total.shape, np.nan)
    np.divide(residual, total, out=ratio, where=total > least)
    return float(1 - ratio[0]) if output == "overall" else 1 - ratio


def explained_variance_scorer(estimator, X, y=None, *, standardize=True, X_train=None):
    """Score an estimator by the share of variance that its reconstruction explains.

    For ``scoring=`` of ``GridSearchCV`` and its like. It is `explained_variance_ratio`
    of ``inverse_transform(transform(X))``, so it compares any estimators with these
    methods. Means and standard deviations are what the estimator, or the first step of
    a pipeline, learnt of the columns in ``fit`` (``mean_`` and ``var_``, as an
    autoencoder, StandardScaler and IncrementalPCA have them); of others, such as a bare
    PCA, those of the scored rows, unless `X_train` gives a yardstick. In a grid of both
    kinds, let each begin with a StandardScaler. Cells more than 15 deviations from the
    mean count by a logarithm of what is beyond, so that a few odd ones do not choose. To
    set the keywords, use `functools.partial`.

    Parameters
    ----------
    estimator : object
        A fitted estimator with ``transform`` and ``inverse_transform``: an autoencoder,
        PCA, NMF, ``KernelPCA(fit_inverse_transform=True)``, or a pipeline of them.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to score.
    y : Ignored
        Not used, present for API consistency by convention.
    standardize : bool, default=True
        See `explained_variance_ratio`.
    X_train : {array-like, sparse matrix} of shape (n_train, n_features), default=None
        See `explained_variance_ratio`.

    Returns
    -------
    score : float
        Explained share; 1 is best.

    Raises
    ------
    TypeError
        If the estimator has no ``inverse_transform``.

    Examples
    --------
    >>> from functools import partial
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skae.metrics import explained_variance_scorer, smallest_within
    >>> X = load_digits().data
    >>> scoring = partial(explained_variance_scorer, standardize=False)  # all are pixels
    >>> search = GridSearchCV(
    ...     PCA(),
    ...     {"n_components": [2, 16, 32, 48, 64]},
    ...     scoring=scoring,
    ...     refit=smallest_within(0.05),
    ... )
    >>> search.fit(X).best_params_
    {'n_components': 32}
    """
    other, more = _reconstruct(estimator, X), {"standardize": standardize}
    if X_train is not None:
        return explained_variance_ratio(X, other, X_train=X_train, **more)
    rows, other, weight = _check(X, other, "overall", None)
    known = _learnt(estimator, rows.shape[1])
    if known is None:
        return explained_variance_ratio(X, other, **more)
    return _explained(rows, other, *known, standardize, weight, "overall", bent=True)


def _learnt(estimator, d):
    """Return the means and variances (d,) that `fit` learnt of X's columns, or None."""
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        estimator = steps[0] if steps else None
    known = [getattr(estimator, name, None) for name in ("mean_", "var_")]
    if any(np.shape(values) != (d,) for values in known):  # of something else
        return None
    mean, variance = (np.asarray(values, dtype=np.float64) for values in known)
    # what is left of a constant is rounding error, as in `fit`
    rounding = np.square(1000 * np.finfo(np.float64).eps * mean)
    variance = np.where(variance > rounding, variance, 0.0)
    if not variance.any() or not np.isfinite(mean).all():
        return None
    return mean, variance


def reconstruction_error_scorer(estimator, X, y=None):
    """Score an estimator by its mean squared error of reconstruction, negated.

    For ``scoring=`` of ``GridSearchCV`` and its like, which take the largest score for
    the best: minus the `reconstruction_error` of ``inverse_transform(transform(X))``.

    Parameters
    ----------
    estimator : object
        A fitted estimator with ``transform`` and ``inverse_transform``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to score.
    y : Ignored
        Not used, present for API consistency by convention.

    Returns
    -------
    score : float
        Minus the mean squared error; 0 is best.

    Raises
    ------
    TypeError
        If the estimator has no ``inverse_transform``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import reconstruction_error_scorer
    >>> X = load_iris().data
    >>> round(reconstruction_error_scorer(PCA(2).fit(X), X), 4)
    -0.0253
    """
    return -reconstruction_error(X, _reconstruct(estimator, X))


@dataclass(frozen=True)
class smallest_within:
    """Pick from a search the smallest code that scores nearly as well as the best.

    For ``refit=`` of ``GridSearchCV``, since a larger code nearly always reconstructs a
    little better. Of the candidates whose mean test score is at least
    ``best - tolerance * abs(best)`` it takes the smallest; of several, the best; of
    equals, the first. Scores that are NaN or infinite are ignored. As with any callable
    ``refit``, the search has no ``best_score_``.

    Parameters
    ----------
    tolerance : float
        Share of the best score's magnitude that may be given up; 0 takes the smallest
        of the best. A share suits a score with a natural zero, such as an explained
        share or an error, rather than a log-likelihood.
    param : str, default="n_components"
        The parameter that counts the size, by its full name or by the end of it:
        "n_components" finds ``pca__n_components`` and ``autoencoder__n_components``,
        also in a list of grids that has one in each.
    metric : str, default="score"
        Name of the metric, where the search has several.

    Raises
    ------
    ValueError
        If `tolerance` is not a number of at least 0; when called, if a candidate has
        no such parameter, or several, or one that is not a positive integer, if there
        is no such metric, or no finite score.

    Examples
    --------
    >>> from skae.metrics import smallest_within
    >>> cv_results = {
    ...     "params": [{"n_components": 2}, {"n_components": 4}, {"n_components": 8}],
    ...     "mean_test_score": [0.5, 0.894, 0.9],
    ... }
    >>> smallest_within(0.01)(cv_results)
    1
    """

    tolerance: float
    param: str = "n_components"
    metric: str = "score"

    def __post_init__(self):
        """Refuse a tolerance that cannot be."""
        real = isinstance(self.tolerance, Real) and not isinstance(self.tolerance, bool)
        if not (real and 0 <= self.tolerance < np.inf):
            raise ValueError(
                f"tolerance must be a number of at least 0. Got {self.tolerance!r}."
            )

    def __call__(self, cv_results):
        """Return the index of the chosen candidate in `cv_results_`."""
        key = f"mean_test_{self.metric}"
        if key not in cv_results:
            found = [k.removeprefix("mean_test_") for k in cv_results if "mean_test_" in k]
            raise ValueError(
                f"metric={self.metric!r} is not a metric of this search; it has {found}."
            )
        scores = np.asarray(cv_results[key], dtype=np.float64)
        sizes = np.array([self._size(params) for params in cv_results["params"]])
        finite = np.isfinite(scores)
        if not finite.any():
            raise ValueError(
                f"{key}: no candidate of this search has a finite score. Search with "
                "error_score='raise' to see why."
            )
        best = scores[finite].max()
        eligible = finite & (scores >= best - self.tolerance * abs(best))
        smallest = eligible & (sizes == sizes[eligible].min())
        return int(np.where(smallest, scores, -np.inf).argmax())

    def _size(self, params):
        """Return the size that a candidate's parameters name."""
        names = [n for n in params if n == self.param or n.endswith(f"__{self.param}")]
        if len(names) != 1:
            raise ValueError(
                f"param={self.param!r} must be one parameter of each candidate, but "
                f"matches {names or 'none'} of {sorted(params)}. Pass as param the name "
                "of the one that counts the size."
            )
        value = params[names[0]]
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"{names[0]}={value!r}: smallest_within compares sizes, so each value "
                "in the grid must be a positive integer."
            )
        return int(value)


def _reconstruct(estimator, X):
    if not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            f"estimator: {type(estimator).__name__} has no inverse_transform, so there "
            "is no reconstruction to score. Score an autoencoder, PCA or a pipeline of "
            "what has one."
        )
    codes = estimator.transform(X)
    if is_frame(codes):  # set_output; the way back takes arrays
        codes = codes.to_numpy()
    return estimator.inverse_transform(codes)


def _check(X, X_reconstructed, output, sample_weight):
    """Return both as (n, d) arrays or CSR matrices, and weights (n,)."""
    if output not in _OUTPUTS:
        raise ValueError(f"output must be one of {_OUTPUTS}. Got {output!r}.")
    X, other = _as_rows(X, "X"), _as_rows(X_reconstructed, "X_reconstructed")
    if X.shape != other.shape:
        raise ValueError(
            f"X_reconstructed has shape {other.shape}, but X has {X.shape} (rows "
            "flattened): one reconstruction is needed for each row."
        )
    if sample_weight is None:
        return X, other, np.ones(X.shape[0])
    try:
        weight = check_weight(sample_weight, X)
    except ValueError as error:
        raise ValueError(f"sample_weight: {error}") from error
    return X, other, weight


def _as_rows(X, name):
    """Return X as a finite (n, d) array or CSR matrix of numbers, n-d flattened."""
    try:
        X = taken(X)
        X = X if hasattr(X, "shape") else np.asarray(X)
        if len(X.shape) > 2:
            X = X.reshape(X.shape[0], int(np.prod(X.shape[1:])))
        bad = [column.name for column in not_numbers(X)] if is_frame(X) else []
        if bad:
            raise ValueError(
                f"columns {bad} hold no numbers, which these measures are of. Drop them, "
                "or take the estimator's own score (scoring=None in a search)."
            )
        return check_array(X, accept_sparse="csr", dtype="numeric")
    except ValueError as error:
        raise ValueError(f"{name}: {remedied(error, of_numbers(X, None))}") from error


def _sum_of_squares(X, other, scale, weight, output, center=None):
    """Return the sum of ((X - other) / scale)**2, in float64 and by blocks.

    `other` is (n, d) like X, or (d,). With a `center` (d,) both are bent where they are
    more than `FAR` units from it. The result is (n,) for "rows", else (d,), with rows
    weighted.
    """
    n, d = X.shape
    result = np.zeros(n if output == "rows" else d)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, block in blocks(X):
            minus = other if other.ndim == 1 else densify(other[rows])
            if center is None:
                step = np.subtract(block, minus, dtype=np.float64) / scale
            else:
                step = bend((block - center) / scale, FAR)
                step = step - bend((minus - center) / scale, FAR)
            squares = np.square(step)
            if output == "rows":
                result[rows] = squares.sum(axis=1)
            else:
                result += weight[rows] @ squares
    return result
