"""From scores to decisions: thresholds and p-values."""

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.metrics import roc_curve
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted


class ThresholdMixin(OutlierMixin):
    """What follows from `score_samples`, where higher is more normal."""

    def decision_function(self, X):
        """Return how far the scores are above the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        decision : ndarray of shape (n_samples,), dtype float64
            ``score_samples(X) - offset_``; negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Tell outliers from inliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        y : ndarray of shape (n_samples,), dtype int
            -1 for outliers, 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def set_threshold(
        self, X=None, y=None, *, contamination=None, quantile=None, false_alarm_rate=None
    ):
        """Choose which scores are those of outliers; `fit` is not needed again.

        Give exactly one of `y`, `contamination`, `quantile` and `false_alarm_rate`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to choose by: labelled ones with `y`, any with `quantile`, clean ones
            that were not trained on with `false_alarm_rate` (None takes those that
            `calibrate` was given).
        y : array-like of shape (n_samples,), default=None
            Labels of the rows: -1 for outliers, 1 for inliers. The threshold is the
            one of the best balanced accuracy.
        contamination : float, default=None
            Share of the training rows that are outliers, in (0, 0.5].
        quantile : float, default=None
            Share of the rows X that are outliers, in (0, 1).
        false_alarm_rate : float, default=None
            Largest probability, in (0, 1), that a further clean row is taken for an
            outlier.

        Returns
        -------
        self : object
            The same estimator, with another `offset_`.

        Raises
        ------
        ValueError
            If not exactly one way is given, rows are missing or not wanted, or too few
            for the rate.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from skae import AutoencoderOutlierDetector
        >>> X = load_wine().data
        >>> detector = AutoencoderOutlierDetector(max_iter=5, random_state=0).fit(X)
        >>> detector.set_threshold(contamination=0.05).predict(X).tolist().count(-1)
        9
        """
        check_is_fitted(self)
        given = {
            "y": y,
            "contamination": contamination,
            "quantile": quantile,
            "false_alarm_rate": false_alarm_rate,
        }
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) != 1:
            raise ValueError(
                "set_threshold needs exactly one of y, contamination, quantile and "
                f"false_alarm_rate. Got {', '.join(chosen) or 'none'}."
            )
        (way,) = chosen
        if way in ("y", "quantile") and X is None:
            raise ValueError(f"set_threshold: {way} needs the rows X that it is about.")
        if way == "contamination":
            if X is not None:
                raise ValueError(
                    "set_threshold: contamination is a share of the training rows. For "
                    "a share of the rows X, give quantile."
                )
            _check_share(way, contamination, 0.5)
            self.offset_ = np.quantile(self._training_scores_, contamination)
        elif way == "quantile":
            _check_share(way, quantile, 1)
            self.offset_ = np.quantile(self.score_samples(X), quantile)
        elif way == "false_alarm_rate":
            _check_share(way, false_alarm_rate, 1)
            if X is not None:
                scores = np.sort(self.score_samples(X))
            else:
                scores = self._calibration("false_alarm_rate without X")
            self.offset_ = _conformal_offset(scores, false_alarm_rate)
        else:
            self.offset_ = _best_offset(self.score_samples(X), y)
        return self

    def calibrate(self, X):
        """Take clean rows as what is normal, for `p_values` and `set_threshold`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows without outliers, drawn as later ones will be, that `fit` has not seen:
            the scores of those that it has are too high.

        Returns
        -------
        self : object
            The same estimator, with `calibration_scores_`.
        """
        self.calibration_scores_ = np.sort(self.score_samples(X))
        return self

    def p_values(self, X):
        """Return how likely so low a score is for a clean row.

        These are conformal p-values [1]_: whatever the data and however good the
        scores, a clean row's is at most t with a probability of at most t, over the draw
        of the rows that `calibrate` was given and of the clean row. The smallest
        possible is ``1 / (n_calibration + 1)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        p : ndarray of shape (n_samples,), dtype float64
            In (0, 1]; low for outliers.

        References
        ----------
        .. [1] Bates, Candès, Lei, Romano and Sesia (2023). Testing for outliers with
           conformal p-values. Annals of Statistics 51(1), 149-178.
        """
        calibration = self._calibration("p_values")
        lower = np.searchsorted(calibration, self.score_samples(X), side="right")
        return (1 + lower) / (1 + len(calibration))

    def _calibration(self, what):
        check_is_fitted(self)
        if not hasattr(self, "calibration_scores_"):
            raise ValueError(
                f"{what} needs scores of clean rows: call calibrate(X) first, with rows "
                "that were not trained on."
            )
        return self.calibration_scores_


def _check_share(name, value, largest):
    inside = 0 < value < 1 and value <= largest
    if not inside:
        end = "0.5]" if largest == 0.5 else "1)"
        raise ValueError(f"set_threshold: {name} must be in (0, {end}. Got {value!r}.")


def _conformal_offset(scores, rate):
    """Return what clean scores fall below with a probability of at most `rate`."""
    # so many of n + 1 exchangeable scores may be below; 1e-9 against rounding
    n_below = int(np.floor(rate * (len(scores) + 1) + 1e-9))
    if n_below < 1:
        raise ValueError(
            f"set_threshold: a false_alarm_rate of {rate:g} needs at least "
            f"{int(np.ceil(1 / rate)) - 1} clean rows. Got {len(scores)}."
        )
    return scores[n_below - 1]


def _best_offset(scores, y):
    """Return the threshold of the best balanced accuracy."""
    y = column_or_1d(y)
    check_consistent_length(scores, y)
    if set(np.unique(y)) != {-1, 1}:
        raise ValueError(
            "set_threshold: y must hold both -1 for outliers and 1 for inliers. Got "
            f"{np.unique(y).tolist()}."
        )
    # inliers are the scores that reach a threshold
    false_inlier, true_inlier, thresholds = roc_curve(
        y, scores, pos_label=1, drop_intermediate=False
    )
    return thresholds[np.argmax(true_inlier - false_inlier)]
