"""Outliers: rows that autoencoders of the others do not know."""

import copy
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.convolutional import ConvolutionalAutoencoder
from skae._autoencoders.plain import Autoencoder
from skae._autoencoders.together import fit_together
from skae._autoencoders.watched import Watched
from skae._data.checks import CheckedRowsMixin, check_count
from skae._data.frames import is_frame, row_labels
from skae._data.rows import densify
from skae._params import Explaining, Versioned, check_option
from skae._training.runtime import all_or_nothing
from skae._training.usual import Apart
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._mixed import as_mixed
from skae.likelihoods._named import reads_tables
from skae.networks._convolutional import ConvolutionalNetwork
from skae.outliers._abnormality import Abnormality
from skae.outliers._cells import RATE, Cells, unfitted
from skae.outliers._criteria import check_criteria, chosen_criteria
from skae.outliers._purify import learnt_from, most_normal
from skae.outliers._reasons import heat_map, normalized, parts_of, ranked
from skae.outliers._report import judged, with_reasons
from skae.outliers._search import check_search
from skae.outliers._thresholds import chosen_way, conformal_p_values, cut, threshold

AUTO_CONTAMINATION = 0.1
STEPS, BATCH_SIZE = 1500, 128  # of the default autoencoders' training
WIDTHS, MOST_COMPONENTS, SHARE_OF_COLUMNS = (16, 64), 24, 0.7
CLIP = 20.0  # standard deviations
LARGEST_SEED = np.iinfo(np.int32).max


class AutoencoderOutlierDetector(
    Apart, Explaining, Versioned, Watched, CheckedRowsMixin, OutlierMixin, BaseEstimator
):
    """Outlier and novelty detection by autoencoders.

    Rows of numbers, and pictures: autoencoders of random widths learn them, all in one
    batched training [1]_. How abnormal a row is, is the geometric mean of three distances,
    each in units of the training rows' median: how badly it is reconstructed, how far its
    code is from the nearest codes of the training rows, and how far it is from the nearest
    of those rows itself. It takes raw data: columns are standardised, and cells beyond 20
    standard deviations are taken to be there, as are cells that differ in a column that was
    constant in training.

    Tables with categories, texts or dates: one wide autoencoder learns to predict hidden
    cells from the others of their row. A row's abnormality is what its cells cost in all,
    each hidden in turn: minus the logarithm of its pseudo-likelihood [2]_. So a rare value
    that fits the rest of its row costs little, and a common one that does not fit, much.

    Parameters
    ----------
    autoencoder : autoencoder of this package, default=None
        What is trained, cloned `n_estimators` times with seeds of their own; for instance a
        `skae.ConvolutionalAutoencoder` for pictures or a
        `skae.VariationalAutoencoder`, whose bound then says how well a row is
        reconstructed. None takes `skae.Autoencoder` with one hidden layer of 16 to 64
        units and 1 to 24 components, both drawn for each, trained for 1,500 steps.
    n_estimators : int, default=8
        Number of autoencoders by which distances are taken.
    contamination : float or "auto", default="auto"
        Share of the training rows that are outliers, in (0, 0.5]: it sets `offset_`,
        and nothing else. "auto" is 0.1. `set_threshold` knows better ways.
    purify : bool, default=True
        Whether a quarter of the training rows, those that are the most abnormal to a
        `sklearn.ensemble.IsolationForest`, are not learnt from (but for one, where a
        column varies in them only). False is for training rows that are known to be
        clean (novelty detection). Cells of tables with categories are learnt from all
        rows: a quarter of the rarest would be all that some categories hold.
    criteria : "auto" or tuple of str, default="auto"
        What counts: some of "cells", "reconstruction", "code" and "neighbors", by their
        geometric mean. "cells", for dense tables, takes an autoencoder of its own, trained
        for as many steps as there are rows, 100 to 800. "auto" is ("cells",) for tables of
        more than numbers where `autoencoder` is None, else the other three.
    n_neighbors : int or "auto", default="auto"
        How many of the nearest rows, or codes, a distance to them is a mean over. "auto"
        is 1 if training rows are known to be clean, else 5, as a few of those that are
        near may be outliers as well.
    n_reference : int, default=10000
        Largest number of training rows, drawn at random, among which neighbours are
        looked for; `partial_fit` keeps the latest.
    neighbor_search : {"exact", "approximate"}, default="exact"
        How they are looked for. "approximate" needs faiss (``pip install 'skae[index]'``)
        and is there for an `n_reference` above 20,000, below which it is exact, too:
        scoring is then several times faster, and a few distances are some percent too
        long.
    max_iter : int or "auto", default="auto"
        Largest number of epochs. "auto" leaves it to `autoencoder`; by default, it is
        what makes 1,500 steps.
    device : str, default="auto"
        Where to train. "auto" leaves it to `autoencoder`, which by default takes a CUDA
        device if there is one.
    random_state : int, RandomState instance or None, default=None
        Source of widths, initial weights, shuffles, purification and reference rows.
    verbose : int, default=0
        Whether to print losses as training goes: 1 prints a line a second at most, and for
        the first and the last epoch; more prints one for each epoch.

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted autoencoders, last the one of cells, if they count: that is of numbers
        made about normal by a power.
    offset_ : float
        Scores below it are those of outliers.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Sorted scores of the rows that `calibrate` was given, if it was called.
    n_iter_ : int
        Largest number of epochs that an autoencoder was trained for in the last call.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Faster, by random splits of single columns.
    sklearn.neighbors.LocalOutlierFactor : By the density around the neighbours.

    Notes
    -----
    Scores of rows that were trained on are too high: a little where rows are many, and
    much where they are few, above all if cells count. That matters little for ranking
    them, and much for how many further rows `predict` flags: by six tables of categories,
    with a contamination of a tenth, it is nearly half of the clean ones after a `fit` on
    100 rows, three in ten after 300, and two after 1,000. So take clean rows that were not
    trained on, for `calibrate` and ``set_threshold(false_alarm_rate=0.1)``.

    A training row is not its own neighbour, in `fit` as after it: a nearest row, or code,
    at less than a tenth of the distance to those behind it counts in part, and not at all
    at no distance. So nothing hangs on the last bit: the score of a training row that is
    given again as float32, or times 1 + 1e-6, or with other threads, processors or
    devices, moves by less than 0.001. A constant is what it was within a hundred-thousandth
    of itself.

    A DataFrame with columns of categories, texts, dates, durations or times is taken as it
    is, with its missing cells; one of numbers, and an array, may have such with an
    autoencoder of ``likelihood="mixed"``. A missing cell costs nothing. A category's value
    that `fit` has not seen, and another number in a column where all were the same, or any
    where there was none, costs log(n + 1), n the reference rows: what one row more that had
    it would tell. `partial_fit` learns no further values of a category.

    With an autoencoder of one's own, neighbours in such a table are sought among
    standardised numbers beside a one for each category's value: two that differ are 1.4
    standard deviations apart. A missing cell is the mean of a number, and no value of a
    category; it counts as reconstructed, and so does a value that `fit` has not seen,
    unless it saw one only in that column.

    References
    ----------
    .. [1] Chen, Sathe, Aggarwal and Turaga (2017). Outlier detection with autoencoder
       ensembles. SDM.
    .. [2] Besag (1975). Statistical analysis of non-lattice data. The Statistician 24(3),
       179-195.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import AutoencoderOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6))
    >>> X[0, 3] += 5
    >>> detector = AutoencoderOutlierDetector(contamination=0.01, random_state=0).fit(X)
    >>> int(detector.score_samples(X).argmin())
    0
    >>> int(detector.feature_contributions(X[:1]).iloc[0].argmax())
    3
    """

    _parameter_constraints = {  # noqa: RUF012
        "autoencoder": [BaseAutoencoder, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), StrOptions({"auto"})],
        "purify": ["boolean"],
        "criteria": [StrOptions({"auto"}), tuple, list],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_reference": [Interval(Integral, 2, None, closed="left")],
        "neighbor_search": [StrOptions({"exact", "approximate"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _examples = {"autoencoder": "skae.Autoencoder()"}  # noqa: RUF012

    def __init__(
        self,
        autoencoder=None,
        *,
        n_estimators=8,
        contamination="auto",
        purify=True,
        criteria="auto",
        n_neighbors="auto",
        n_reference=10_000,
        neighbor_search="exact",
        max_iter="auto",
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.contamination = contamination
        self.purify = purify
        self.criteria = criteria
        self.n_neighbors = n_neighbors
        self.n_reference = n_reference
        self.neighbor_search = neighbor_search
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _kind(self):
        """The autoencoder that is asked for, unfitted: the plain one by default."""
        return Autoencoder() if self.autoencoder is None else self.autoencoder

    def _reads_tables(self, X):
        return reads_tables(self._kind.likelihood, X if self._mixed_way else None)

    @property
    def _mixed_way(self):
        """How a detector is made to read tables; None if its autoencoder cannot be."""
        one = self._kind
        if isinstance(one, ConvolutionalAutoencoder) or isinstance(
            one.network, ConvolutionalNetwork
        ):
            return None
        return f"{type(self).__name__}({type(one).__name__}(likelihood='mixed'))"

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Learn what is normal.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as they are; as the autoencoders take them, so also pictures
            of shape (n_samples, H, W) or (n_samples, C, H, W).
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X cannot be, before any training, or if training diverges.
            The estimator is then what it was before the call.
        """
        check_search(self.neighbor_search)
        check_criteria(self.criteria)
        with all_or_nothing(self):
            X, _ = self._check_fit(X, None, reset=True)
            self._tell_of_marks(X)
            random_state = check_random_state(self.random_state)
            mixed = self._shapes_ = None
            if self._reads_tables_:  # what columns hold is known from here on
                mixed = as_mixed(self._kind.likelihood, self._schema_)
            by_cells = mixed is not None and self.autoencoder is None
            is_picture = len(self._sample_shape_) > 1
            criteria = chosen_criteria(self.criteria, X, is_picture, by_cells)
            self._criteria_ = criteria
            distances = [name for name in criteria if name != "cells"]
            keep = np.ones(X.shape[0], dtype=bool)
            if self.purify and (distances or mixed is None):
                keep = learnt_from(X, random_state.randint(LARGEST_SEED), mixed)
            members, watch = [], self._watch(X, y)
            if len(criteria) > len(distances) > 0:  # there are two trainings
                watch.expect(2)
            if distances:
                members = self._members(keep.sum(), X.shape[1], mixed, random_state)
                weight = None if keep.all() else keep.astype(float)
                rows = X if sp.issparse(X) else X.reshape(-1, *self._sample_shape_)
                with watch.part("distances") as part:
                    is_own = self.autoencoder is not None
                    fit_together(members, rows, None, weight, report=is_own, listener=part)
            if "cells" in criteria:
                # a quarter by rarity may be all that a category holds
                rows = X if mixed is not None else X[keep]
                seed = random_state.randint(LARGEST_SEED)
                self._shapes_, member = unfitted(rows, mixed, seed)
                rows, members = self._shapes_(rows), [*members, self._tuned(member)]
                with watch.part("cells") as part:
                    fit_together(members[-1:], rows, listener=part)
            index = np.arange(X.shape[0])
            if len(index) > self.n_reference:
                index = random_state.permutation(len(index))[: self.n_reference]
            self._finish(members, X[index], keep[index], X, keep)
            watch.finish()
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Follow a drift: learn from further rows, and forget old ones.

        The autoencoders pass over the rows once; neighbours, what is near and far, and
        the threshold are then those of the latest `n_reference` rows. If `purify`, the
        quarter of the rows that is the most abnormal so far is not learnt from (but for
        cells of tables with categories, as in `fit`). Columns are scaled by all rows that
        were learnt from. The first call is that of `fit`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator; what `calibrate` was given is forgotten.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X)
        check_search(self.neighbor_search)
        check_criteria(self.criteria)
        X, _ = self._check_fit(X, None, reset=False, ensure_min_samples=1)
        keep = np.ones(X.shape[0], dtype=bool)
        if self.purify and (self._criteria_ != ("cells",) or not self._reads_tables_):
            keep = most_normal(-self._abnormality_(X))
        members = copy.deepcopy(self.estimators_)
        for member in members if self._shapes_ is None else members[:-1]:
            member.partial_fit(X[keep])
        if self._shapes_ is not None:
            rows = X if self._reads_tables_ else X[keep]  # as in `fit`
            members[-1].set_params(learning_rate=RATE / 10)  # where a schedule has ended
            members[-1].partial_fit(self._shapes_(rows))
        old, kept = self._latest_
        if sp.issparse(old):
            recent = sp.vstack([old, sp.csr_array(X)], format="csr")
        else:
            recent = np.concatenate([old, densify(X)])
        latest = slice(-self.n_reference, None)
        recent = recent[latest]
        keep = np.concatenate([kept, keep])[latest]
        self._finish(members, recent, keep, recent, keep)
        vars(self).pop("calibration_scores_", None)
        return self

    def _tuned(self, member):
        """Return an autoencoder with what is asked for all."""
        for name, value in (("max_iter", self.max_iter), ("device", self.device)):
            if value != "auto":
                member.set_params(**{name: value})
        return member.set_params(verbose=max(member.verbose, self.verbose))

    def _members(self, n_rows, n_columns, mixed, random_state):
        """Return the autoencoders, unfitted, of codes if a mixed likelihood is given."""
        epochs = max(1, round(STEPS / np.ceil(n_rows / BATCH_SIZE)))
        most = int(max(1, min(SHARE_OF_COLUMNS * n_columns, MOST_COMPONENTS)))
        is_table = len(self._sample_shape_) == 1  # a rare level may be what is abnormal
        likelihood = mixed or Gaussian(scale="column" if is_table else "auto", clip=CLIP)
        members = []
        for _ in range(self.n_estimators):
            if self.autoencoder is not None:
                member = clone(self.autoencoder)
                if mixed is not None:
                    member.set_params(likelihood=mixed)
            else:
                member = Autoencoder(
                    random_state.randint(1, most + 1),
                    network=(random_state.randint(WIDTHS[0], WIDTHS[1] + 1),),
                    likelihood=likelihood,
                    batch_size=BATCH_SIZE,
                    max_iter=epochs,
                    early_stopping=False,
                    alpha=0.0,
                )
            member.set_params(random_state=random_state.randint(LARGEST_SEED))
            members.append(self._tuned(member))
        return members

    def _finish(self, members, latest, is_reference, X, keep):
        """Set what is fitted, from the rows that neighbours are among and all of them."""
        n_neighbors = self.n_neighbors
        if n_neighbors == "auto":
            n_neighbors = 5 if self.purify else 1
        reference = latest[is_reference]
        if reference.shape[0] < 2:  # a few rows left of a tiny or drifted sample
            reference = latest
        of_rows, cells = members, None
        if self._shapes_ is not None:
            of_rows, cells = members[:-1], Cells(members[-1], self._shapes_, reference)
        how = self._criteria_, n_neighbors, reference, self.neighbor_search
        abnormality = Abnormality(of_rows, *how, cells)
        scores = -abnormality.fit(X, keep)
        is_auto = self.contamination == "auto"
        self.offset_ = cut(scores, AUTO_CONTAMINATION if is_auto else self.contamination)
        self.estimators_, self._abnormality_ = members, abnormality
        self._training_scores_ = scores
        self.n_iter_ = max(member.n_iter_ for member in members)
        self._latest_ = latest, is_reference

    def score_samples(self, X):
        """Return the negative abnormality of each row.

        It has no unit: about -1 for a usual training row, -2 for one at twice the
        distances. Memory does not grow with the number of rows, so that X may be
        memory-mapped; a row's score depends on that row alone.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Higher is more normal.
        """
        rows = self._rows(X)
        return -self._abnormality_(rows)

    def _rows(self, X):
        """Return checked rows, infinite where a category's value is new; (n, d)."""
        check_is_fitted(self)
        return self._check_rows(X, **({"unseen": np.inf} if self._reads_tables_ else {}))

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
            for the rate, or if no threshold tells the labels apart better than chance.

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
        way, value = chosen_way(
            X,
            y=y,
            contamination=contamination,
            quantile=quantile,
            false_alarm_rate=false_alarm_rate,
        )
        if X is not None:
            scores = self.score_samples(X)
        elif way == "contamination":
            scores = self._training_scores_
        else:
            scores = self._calibration("false_alarm_rate without X")
        self.offset_ = threshold(scores, way, value)
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
        return conformal_p_values(self.score_samples(X), calibration)

    def _calibration(self, what):
        check_is_fitted(self)
        if "calibration_scores_" not in vars(self):
            raise ValueError(
                f"{what} needs scores of clean rows: call calibrate(X) first, with rows "
                "that were not trained on."
            )
        return self.calibration_scores_

    def feature_contributions(self, X):
        """Return each column's share of a row's abnormality.

        Where cells count, it is what the cell costs beyond what those of its column usually
        do; the worst is blamed first, and the others are then priced without it. Else it
        is how much less abnormal the row is when the column's value is replaced by what is
        expected given the other columns (by a normal distribution of the
        training rows; a category by its likeliest value), clipped at zero and divided
        by the sum. A missing cell has no share. Among the others, none counts that is
        missing, outside of what the training rows held, or odd itself given the rest.
        A row takes about as long as scoring as many rows as there are columns; of more
        than 500, the 500 that are farthest from what is expected are tried.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        contributions : DataFrame of shape (n_samples, n_features) or ndarray
            Shares, under the columns' names; each row sums to 1. They are equal where no
            column makes the row abnormal, and `explain` then gives none. For pictures an
            array of X's shape, a heat map: each pixel's share of the squared residuals.
        """
        rows = densify(self._rows(X))
        if len(self._sample_shape_) > 1:
            scale = self._abnormality_.likelihood.inverse_scale
            shares = heat_map(self.estimators_, scale, rows)
            return shares.reshape(-1, *self._sample_shape_)
        names = _check_feature_names_in(self)
        parts, _ = parts_of(self._abnormality_, rows, row_labels(X), names)
        parts.loc[:] = normalized(parts.to_numpy())
        return parts

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
            and "expected" (given the other columns, in the data's units). Columns that
            add nothing are no reason: there are fewer ranks then, or none.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(300, 3))
        >>> X[7, 2] = 9
        >>> detector = AutoencoderOutlierDetector(max_iter=5, random_state=0).fit(X)
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
        return self._ranked(self._rows(X), X, row_labels(X), top)

    def _ranked(self, rows, X, labels, top, some=slice(None)):
        """Return the first reasons of some of the checked rows of X, under their labels."""
        observed, names = densify(rows[some]), _check_feature_names_in(self)
        parts, expected = parts_of(self._abnormality_, observed, labels, names)
        if self._schema_ is not None and is_frame(X):
            observed = self._schema_.values(X)[some]
            expected = self._schema_.labels(expected)
        return ranked(parts, observed, expected, top)

    def report(self, X, *, n_reasons=3, explain="flagged"):
        """Return scores, what is flagged and the first reasons, as a table for a ticket.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        n_reasons : int, default=3
            Columns to name for a row.
        explain : {"flagged", "all"}, default="flagged"
            Whether to give reasons of flagged rows only; the others are then left empty. A
            row takes about as long as scoring as many rows as there are columns.

        Returns
        -------
        report : DataFrame
            A row for each row of X, in its order and under its index, with "score" (see
            `score_samples`), "flagged", "p_value" (see `p_values`; only after
            `calibrate`), "why", the reasons in words ("" where there are none), and for
            each from 1 to `n_reasons` "reason_1", a column's name, "observed_1" and
            "expected_1" (see `explain`).
            Where there are fewer reasons the rest is missing. Of pictures it has no
            reasons.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(300, 3)).round(1)
        >>> X[7, 2] = 9
        >>> detector = AutoencoderOutlierDetector(max_iter=5, random_state=0).fit(X)
        >>> report = detector.report(X, n_reasons=1)
        >>> report.loc[[7], ["flagged", "reason_1", "observed_1"]]
           flagged reason_1  observed_1
        7     True       x2         9.0
        """
        check_count("n_reasons", n_reasons)
        check_option("report", "explain", explain, ("flagged", "all"))
        rows = self._rows(X)
        scores = -self._abnormality_(rows)
        table = judged(scores, self.offset_, vars(self).get("calibration_scores_"))
        if len(self._sample_shape_) == 1:
            some = np.flatnonzero(table["flagged"] | (explain == "all"))
            reasons = self._ranked(rows, X, some, n_reasons, some) if len(some) else None
            table = with_reasons(table, reasons, n_reasons)
        return table if row_labels(X) is None else table.set_axis(row_labels(X))

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return "_abnormality_" in vars(self)

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: the input that the autoencoder takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags = self._kind.__sklearn_tags__().input_tags
        return tags
