"""Splits and scores where most rows have no label."""

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.metrics import check_scoring
from sklearn.model_selection import BaseCrossValidator, KFold, StratifiedKFold
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d, indexable

from skae._codes.labels import UNLABELLED
from skae._data.arrays import is_nan
from skae._data.checks import check_count


class LabelledKFold(BaseCrossValidator):
    """Folds of the labelled rows; rows without a label are in all training sets.

    What is tested is in no training set, not even as a row without its label.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    unlabelled : int or NaN, default=-1
        What y holds for a row without a label: -1 for classes, whose shares are then about
        the same in all folds, ``numpy.nan`` for numbers (of several, all have to be known
        in a row that is tested).
    shuffle : bool, default=True
        Whether to shuffle the labelled rows first.
    random_state : int, RandomState instance or None, default=None
        Source of the shuffle.

    See Also
    --------
    labelled_scorer : The same for splits of any kind.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.model_selection import LabelledKFold
    >>> y = np.array([0, 1, -1, -1, 0, 1])
    >>> for train, test in LabelledKFold(2, shuffle=False).split(y[:, None], y):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1 2 3] [4 5]
    """

    def __init__(self, n_splits=5, *, unlabelled=-1, shuffle=True, random_state=None):
        self.n_splits = n_splits
        self.unlabelled = unlabelled
        self.shuffle = shuffle
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield the indices of each split.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels.
        groups : Ignored
            Not used, present for API consistency by convention.

        Yields
        ------
        train, test : ndarray of int
            Indices. Rows without a label are in `train` only.

        Raises
        ------
        ValueError
            If y is not passed, has missing values that do not mark rows without a label,
            or fewer rows than folds have a label.
        """
        check_count("n_splits", self.n_splits, 2)
        if y is None:
            raise ValueError("y: LabelledKFold needs the labels. Pass y.")
        X, y = indexable(X, _as_array(y))
        of_classes = not is_nan(self.unlabelled)
        if of_classes and not known_rows(y, np.nan).all():
            raise ValueError(
                f"y has missing values, and unlabelled={self.unlabelled!r} marks rows "
                "without a label. Pass unlabelled=numpy.nan."
            )
        known = np.flatnonzero(known_rows(y, self.unlabelled))
        if len(known) < self.n_splits:
            raise ValueError(
                f"y: {len(known)} rows have a label, and n_splits={self.n_splits}. Label "
                "more rows, or use fewer splits."
            )
        kind = StratifiedKFold if of_classes else KFold
        random_state = check_random_state(self.random_state) if self.shuffle else None
        folds = kind(self.n_splits, shuffle=self.shuffle, random_state=random_state)
        labels = _safe_indexing(y, known)
        if of_classes:
            names = column_or_1d(np.asarray(labels)).tolist()
            labels = np.unique(list(map(str, names)), return_inverse=True)[1]
        every = np.arange(len(y))
        for _, part in folds.split(known, labels):
            test = np.sort(known[part])
            yield np.setdiff1d(every, test), test

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        n_splits : int
        """
        return self.n_splits


def known_rows(y, unlabelled):
    """Return which rows of y (n,) or (n, m) have a label, in all of m; (n,) bool."""
    if is_nan(unlabelled):
        missing = np.asarray(pd.isna(y if isinstance(y, pd.DataFrame) else np.asarray(y)))
        return ~missing.reshape(len(missing), -1).any(1)
    return np.array([label != unlabelled for label in np.asarray(y).tolist()], dtype=bool)


def _as_array(y):
    """Return labels in a list as they are, of which some may be texts."""
    return np.array(y, dtype=object) if isinstance(y, list | tuple) else y


class _LabelledScorer:
    """A scorer that leaves out rows without a label."""

    def __init__(self, scoring):
        self.scoring = scoring

    def __call__(self, estimator, X, y, sample_weight=None, **params):
        unlabelled, y = np.nan if is_regressor(estimator) else UNLABELLED, _as_array(y)
        known = np.flatnonzero(known_rows(y, unlabelled))
        if not len(known):
            raise ValueError("y: no row has a label, so that nothing can be scored.")
        X, y = _safe_indexing(X, known), np.asarray(_safe_indexing(y, known))
        if y.dtype.kind == "O":  # texts, among which -1 was
            y = np.array(y.tolist())
        if sample_weight is not None:
            params["sample_weight"] = _safe_indexing(sample_weight, known)
        return check_scoring(estimator, self.scoring)(estimator, X, y, **params)

    def __repr__(self):
        return f"labelled_scorer({self.scoring!r})"


def labelled_scorer(scoring=None):
    """Return a scorer that leaves out rows without a label.

    Such rows are marked as in `sklearn.semi_supervised`: by -1, and for a regressor by
    NaN. For searches and cross-validation whose splits test on rows of any kind.

    Parameters
    ----------
    scoring : str, callable or None, default=None
        As in `sklearn.model_selection.cross_val_score`: the name of a score, or a scorer;
        None is the estimator's own `score`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, for ``scoring=``.

    See Also
    --------
    LabelledKFold : Splits that test on labelled rows alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from skae.model_selection import labelled_scorer
    >>> X, y = np.zeros((4, 1)), np.array([0, 0, 1, -1])
    >>> model = DummyClassifier(strategy="constant", constant=0).fit(X, y)
    >>> round(labelled_scorer("accuracy")(model, X, y), 2)
    0.67
    """
    return _LabelledScorer(scoring)
