"""Imputation: missing cells of tables, as what is known of a row tells them."""

from numbers import Real

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.impute import MissingIndicator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import MissingValues, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._autoencoders.watched import Watched
from skae._data.checks import check_count, read_frame
from skae._data.containers import taken
from skae._data.frames import beside, column_labels, is_frame, row_labels, wrappable
from skae._data.marks import tell_of_marks
from skae._data.statistics import OverflowingColumn
from skae._data.told import tell
from skae._params import ONE_OR_MORE, Amount, Explaining, Sizes, Versioned, as_number
from skae._training.runtime import all_or_nothing
from skae._training.usual import Apart
from skae.impute._calibration import HiddenCells, in_blocks, mean_skill, score_table
from skae.impute._draws import (
    Gaps,
    Source,
    draw,
    probability_table,
    quantile_table,
    quantiles,
)
from skae.impute._hidden import FOLDS, hide
from skae.impute._report import cell_report
from skae.impute._tables import check_indicator, completed, indicator_names, read_array
from skae.impute._train import (
    edges_of,
    folds_of,
    likelihood_of,
    predictives_of,
    ranks_of,
    train,
)

WIDTHS = (128, 128, 128)
BATCH_SIZE = 128
MOST_ROWS = 2**17  # that are learnt from
SCORED_SHARE, SCORING_SEED = 0.1, 0  # of the cells that `score` hides


class AutoencoderImputer(
    Apart, Explaining, Versioned, Watched, TransformerMixin, BaseEstimator
):
    """Imputation of missing cells in tables of numbers, categories, dates and durations.

    Two first guesses of a missing cell are its conditional means under a normal
    distribution of all columns, and under one of their ranks (a Gaussian copula).
    Denoising networks [1]_, trained together to restore cells hidden at random and in
    the patterns that the table shows, correct them. How much each of the three is
    trusted, column by column, and how sure an imputation is, are measured on cells that
    were held out from some of the networks. No number beyond those seen is put in, and what
    is drawn is a value that the column could have held.

    It learns from the rows of `fit` and imputes any others. A DataFrame comes back as
    one, its index, columns, dtypes and observed cells as they were: integers stay
    integers, and categories among their values. Raw data may be passed as they are.

    Parameters
    ----------
    n_estimators : int, default=4
        Number of networks, trained as one.
    network : "auto" or tuple of int, default="auto"
        Widths of the hidden layers; one as wide as the one before it is residual.
        "auto" is (128, 128, 128).
    learning_rate : float, default=0.003
        Largest step size; it rises over the first epochs and falls to zero over the
        last 30 %, or as soon as `max_iter` says.
    batch_size : int or "auto", default="auto"
        Rows in a training step; "auto" is 128.
    max_iter : int or "auto", default="auto"
        Number of epochs (passes over the rows). "auto" goes on as long as cells that are
        held out from some of the networks are restored better, by .2 % from one judgement
        to the next in one of three, which are 25 to 100 training steps apart; and for at
        most 400 steps of up to 450 rows, 600 of 600, 1,300 of 1,000 and 3,000 of 1,730 or
        more. Where these cells are fewer than 500, it takes all steps.
    statistic : {"mean", "median"}, default="mean"
        What `transform` puts in for a missing number: its mean, which has the least
        squared error, or its median, which has the least absolute error and is a value
        that could have been there. A category is its most likely value either way.
    missing_values : int, float, str, numpy.nan, None or pandas.NA, default=numpy.nan
        What stands for a missing cell. NaN, None, pandas.NA and the containers' own
        marks always do, beside it.
    add_indicator : bool, default=False
        Whether to append a column for each one with missing cells in `fit`, which
        says where they are.
    keep_empty_features : bool, default=False
        Whether to keep columns without any value in `fit`. They are filled with 0, a
        category with the first of its declared values, if there are any; times are left
        as they are.
    columns : dict, default=None
        What is known of columns, by name (of an array, by position): their kind,
        "number", "integer", "category", "time" (dates, durations or times of day) or
        "passthrough" (left as it is and not learnt from); or bounds ``(low, high)`` for
        what is put in, where None is none; or ``(kind, low, high)``. Bounds of times are
        such. Kinds are otherwise those of the dtypes (see Notes).
    device : str, default="auto"
        Where to train. "auto" takes a CUDA device if there is one, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, shuffles, hidden cells and dropout.
    verbose : int, default=0
        Whether to print losses as training goes: 1 prints a line a second at most, and
        after the first and the last epoch (or judgement, if ``max_iter="auto"``); more
        prints one after each.

    Attributes
    ----------
    column_scores_ : DataFrame
        How well each column's mean is known, from cells that were hidden during `fit`:
        "error" (root mean squared error in the column's units, of dates and durations
        in days, or the share of wrong categories), "baseline" (the same for the mean or
        the most frequent value), "score" (the share of the mean squared error, or of the
        wrong categories, that is gone: 1 is perfect, 0 no better than the baseline) and
        "n_cells".
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module. None if there was nothing
        to learn from.
    indicator_ : MissingIndicator or None
        What says where cells are missing, if ``add_indicator=True``.
    n_iter_ : int
        Number of epochs, the last one perhaps not whole.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.

    See Also
    --------
    sklearn.impute.IterativeImputer : A regression for each column, in rounds.
    sklearn.impute.KNNImputer : The mean of the nearest rows.

    Notes
    -----
    - Numbers, `decimal.Decimal` among them, are numbers. Booleans and texts are
      categories, and so are integers among Python's objects (``astype(object)``), where
      they are at most 20 different ones, each in two cells or more.
    - Texts that are no category are left alone, as if "passthrough" were said of them,
      with a warning that names them and what to do: amounts of money, percentages,
      numbers and dates as texts, and columns of more than 30 values, more than one for
      two cells (ids, names). What `columns` or a categorical dtype calls a category is
      one.
    - A category's value that `fit` has not seen is kept, and tells the networks
      nothing; one that a dtype declares and `fit` has not seen is never put in. Numbers
      in place of texts, or the reverse, are refused where no value is known.
    - `fit` warns of a number or date that looks like a mark of missing cells (-999,
      1900-01-01): in at least three cells, and far from all others. It is taken as it is
      unless `missing_values` says otherwise.
    - Columns go by their names, of whatever type: another order is refused.
    - New rows may have other dtypes than those of `fit` had: what is put in is made to
      fit theirs, so that arrays of integers or of float16 come back as such. A column
      without any value gets the dtype that it had in `fit`.
    - Columns that are missing only in `transform` are imputed like any other.
    - A date is learnt from as the days since 1970 by the clocks of its time zone and, by
      the networks, as where in the day, week, month and year it is, as far as the column
      can show that. What is put in lies within what was seen, and is as fine as the
      column: days, the first of months, whole hours. New rows may have another unit or
      zone; a zone where there was none is an error.
    - A sparse matrix holds what was observed, as of ratings: absent cells are missing,
      and a stored zero is a value. If most of its columns have fewer than 30 values,
      they are taken to be in the same units, and means to be alike. The result is dense.
    - From more than 131,072 rows a random sample of as many is learnt from.

    References
    ----------
    .. [1] Vincent et al. (2010). Stacked denoising autoencoders. JMLR 11.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skae import AutoencoderImputer
    >>> rng = np.random.default_rng(0)
    >>> age = rng.integers(20, 70, size=200)
    >>> table = pd.DataFrame({
    ...     "age": pd.array(age, dtype="Int64"),
    ...     "group": pd.Categorical(np.where(age > 45, "old", "young")),
    ... })
    >>> table.loc[3, "group"] = None
    >>> imputer = AutoencoderImputer(max_iter=100, random_state=0)
    >>> completed = imputer.fit_transform(table)
    >>> bool(completed.loc[3, "group"] == ("old" if age[3] > 45 else "young"))
    True
    >>> completed.dtypes.astype(str).tolist()
    ['Int64', 'category']
    """

    _parameter_constraints = {  # noqa: RUF012
        "n_estimators": [ONE_OR_MORE],
        "network": [StrOptions({"auto"}), Sizes((256, 128))],
        "learning_rate": [Amount(closed="right")],
        "batch_size": [ONE_OR_MORE, StrOptions({"auto"})],
        "max_iter": [ONE_OR_MORE, StrOptions({"auto"})],
        "statistic": [StrOptions({"mean", "median"})],
        "missing_values": [MissingValues()],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "columns": [dict, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_estimators=4,
        *,
        network="auto",
        learning_rate=3e-3,
        batch_size="auto",
        max_iter="auto",
        statistic="mean",
        missing_values=np.nan,
        add_indicator=False,
        keep_empty_features=False,
        columns=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_estimators = n_estimators
        self.network = network
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.statistic = statistic
        self.missing_values = missing_values
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.columns = columns
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn how columns depend on one another.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with or without missing cells.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        ValueError
            If a parameter or X cannot be, before any training, or if training diverges.
            The imputer is then what it was before the call.
        """
        with all_or_nothing(self):
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            rng = np.random.default_rng(seed)
            read = self._read(X, reset=True)
            remedy = "replace them by NaN; missing_values={mark} does so in all columns."
            tell_of_marks(read.codes, self._columns_, remedy)
            self.indicator_ = None
            if self.add_indicator:
                self.indicator_ = MissingIndicator(error_on_new=False)
                self.indicator_.fit(np.where(read.missing, np.nan, 0.0))
                check_indicator(self._names(), self.indicator_.features_)
            empty = np.array([column.is_empty for column in self._columns_])
            passed = np.array([c.kind == "passthrough" for c in self._columns_])
            self._used_ = np.flatnonzero(~(empty | passed))
            self._kept_ = ~empty | passed | self.keep_empty_features
            left_out = empty & ~passed
            if left_out.any() and not self.keep_empty_features:
                names = self._names()[left_out].tolist()
                tell(
                    f"X: columns {names} have no values and are left out. Use "
                    "keep_empty_features=True to keep them."
                )
            watch = self._watch(X, y)
            self._train(read, rng, watch)
            watch.finish()
        return self

    def _train(self, read, rng, watch):
        self.net_, self._cells_, self.n_iter_ = None, None, 0
        self.column_scores_ = score_table([], [], [], [], [])
        used = self._used_
        rows = np.flatnonzero(~np.isnan(read.codes[:, used]).all(1))
        if not len(rows):
            return
        if len(rows) > MOST_ROWS:
            rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
        X = read.codes[np.ix_(rows, used)]
        columns = [self._columns_[j] for j in used]
        try:
            likelihood = likelihood_of(X, columns, sp.issparse(read.source))
        except OverflowingColumn as error:
            raise error.called([column.name for column in columns]) from None
        x = likelihood.standardize(X)
        folds = folds_of(x, rng)
        columns = [self._columns_[j] for j in used]
        predictives = predictives_of(X, likelihood, columns)
        ranks = ranks_of(X, predictives)
        net, by, n_epochs = train(
            X,
            x,
            folds,
            ranks,
            edges_of(predictives),
            likelihood,
            rng,
            widths=WIDTHS if isinstance(self.network, str) else tuple(self.network),
            n_members=self.n_estimators,
            learning_rate=as_number(self.learning_rate),
            batch_size=BATCH_SIZE if self.batch_size == "auto" else int(self.batch_size),
            max_iter=as_number(self.max_iter),
            device=self.device,
            verbose=self.verbose,
            listener=watch,
        )
        cells = HiddenCells(len(used), predictives, ranks)
        for fold in range(1, FOLDS + 1):
            cells.add(net, x, folds, fold, by[fold - 1], rng)
        cells.finish(net.module_)
        self.net_, self._cells_, self.n_iter_ = net, cells, n_epochs
        self.column_scores_ = score_table(
            self._used_names(),
            cells.wrong,
            cells.baseline,
            likelihood.n_levels > 0,
            cells.counts,
        )

    # Reading and writing tables

    def _read(self, X, *, reset):
        """Return X as numbers (`Coded`), checked; learn its columns, if `reset`."""
        if not reset:
            check_is_fitted(self)
        X = taken(X)
        is_table = is_frame(X) and (reset or self._is_table_)
        read, columns = (read_frame if is_table else read_array)(
            self,
            X,
            None if reset else self._columns_,
            ensure_min_samples=2 if reset else 1,
            missing_values=self.missing_values,
            asked=self.columns,
        )
        if reset:
            self._columns_, self._is_table_ = columns, is_table
        return read

    def _names(self, input_features=None):
        """Return the names of the columns, as the table has them if it is one; (d,)."""
        names = _check_feature_names_in(self, input_features)
        if input_features is None and self._is_table_:  # that are tuples, perhaps
            own = (column.name for column in self._columns_)
            names = np.fromiter(own, dtype=object, count=len(names))
        return names

    def _used_names(self):
        """Return the names of the columns that are learnt from, as the table has them."""
        return self._names()[self._used_].tolist()

    @property
    def _likelihood(self):
        return self.net_.module_.likelihood

    def _incomplete(self, read):
        """Return the rows with a cell to fill, and those standardised; (r,), (r, u)."""
        if self.net_ is None:
            return np.empty(0, dtype=int), np.empty((0, len(self._used_)))
        rows = np.flatnonzero(read.missing[:, self._used_].any(1))
        codes = read.codes[np.ix_(rows, self._used_)]
        return rows, self._likelihood.standardize(codes, check=False)

    def _gaps(self, X, read):
        """Return the rows with a cell to fill as `Gaps`, or None if there are none."""
        rows, x = self._incomplete(read)
        if not len(rows):
            return None
        labels = row_labels(X)
        labels = pd.RangeIndex(len(read.codes)) if labels is None else labels
        return Gaps(
            x,
            read.missing[np.ix_(rows, self._used_)],
            rows,
            labels,
            column_labels(X, self._used_names()),
            [self._columns_[j] for j in self._used_],
        )

    def _complete(self, read, rows, numbers):
        """Return a table with what rows of numbers (r, u) say in its missing cells."""
        out = completed(read, self._columns_, self._used_, self._kept_, rows, numbers)
        if self.indicator_ is None:
            return out
        names = indicator_names(self._names(), self.indicator_.features_)
        gone = self.indicator_.transform(np.where(read.missing, np.nan, 0.0))
        return beside(out, names.tolist(), gone) if len(names) else out

    # What a fitted imputer does

    def transform(self, X):
        """Return X with its missing cells filled.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows to complete.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_features_out)
            The rows, completed: a DataFrame if X is one (and `fit` was given one),
            unless `set_output` says otherwise. Observed cells are as they were. A row's
            imputation depends on that row alone.
        """
        read = self._read(X, reset=False)
        rows, x = self._incomplete(read)
        out = self._complete(read, rows, self._expected(x) if len(rows) else x)
        asked = _get_output_config("transform", self)["dense"]
        return out if asked == "default" else wrappable(out)

    def _expected(self, x):
        """Return what is put into standardised rows x (n, d), in the table's units."""
        module, likelihood, gone = self.net_.module_, self._likelihood, np.isnan(x)
        mean = likelihood.mean  # of a category, its likeliest code
        (means,) = in_blocks(self.net_, lambda block: (mean(module.means(block)),), x)
        numbers = likelihood.restore(means)
        for j, predictive in self._cells_.predictives.items():
            knots = predictive.map.knots  # float32 may have rounded beyond them
            numbers[:, j] = numbers[:, j].clip(knots[0], knots[-1])
        if self.statistic == "median":
            found = quantiles(self.net_, self._cells_, x, gone, [0.5])
            for j, values in found.items():
                numbers[gone[:, j], j] = values[:, 0]
        return numbers

    def sample_imputations(self, X, n_draws=5, random_state=None):
        """Return completed tables, drawn from what is known of the missing cells.

        Categories are drawn one column after another, each given those before; a number
        is one that its column could have held, from the distribution that
        `predict_quantiles` tells of, as one member sees it. Numbers of one row go together
        as in a normal distribution of the columns. A row's draws depend on that row, on
        `random_state` and on the table's number alone; rows that are alike get draws of
        their own. The spread between tables says how unsure an analysis is; pool its
        results by Rubin's rules [1]_, with `skae.impute.pool`.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with missing cells.
        n_draws : int, default=5
            Number of tables.
        random_state : int, RandomState instance or None, default=None
            Source of the draws.

        Returns
        -------
        tables : list of {ndarray, DataFrame} of shape (n_samples, n_features_out)
            Each as `transform` returns it where `set_output` has said nothing.

        References
        ----------
        .. [1] Rubin (1987). Multiple imputation for nonresponse in surveys. Wiley.
        """
        read = self._read(X, reset=False)
        check_count("n_draws", n_draws)
        rows, x = self._incomplete(read)
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        source, tables = Source(x), []
        for i in range(n_draws):
            first = i % self.n_estimators
            member, drawn = slice(first, first + 1), x
            if len(rows):
                drawn = draw(self.net_, self._cells_, x, member, source, seed + i)
            tables.append(self._complete(read, rows, drawn))
        return tables

    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        """Return quantiles of what each missing number, date or duration may be.

        They are values that the column could have held: of a mixture of how likely parts
        of its ranks are in this row, and of what is expected plus errors as they were on
        hidden cells whose prediction was near.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with missing cells.
        quantiles : tuple of float, default=(0.05, 0.5, 0.95)
            Levels, in (0, 1).

        Returns
        -------
        table : DataFrame
            A row for each missing cell of a number or a time, indexed by the row in X
            (its index label) and the column; one column for each level. Labels and names
            of several levels keep these. Where rows' labels repeat, "position", the
            row's number in X, stands before them. If there are numbers and times, its
            columns are of objects: ``table.xs("when", level="column").infer_objects()``
            has dates only.
        """
        read = self._read(X, reset=False)
        levels = np.asarray(quantiles, dtype=float)
        if levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"quantiles must be numbers in (0, 1). Got {quantiles!r}.")
        return quantile_table(self.net_, self._cells_, self._gaps(X, read), levels)

    def predict_probabilities(self, X):
        """Return how likely each value of each missing category is.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with missing cells.

        Returns
        -------
        table : DataFrame
            The column "probability", indexed by the row in X (its index label), the
            column and the value; as in `predict_quantiles`.
        """
        gaps = self._gaps(X, self._read(X, reset=False))
        return probability_table(self.net_, gaps)

    def report(self, X, *, level=0.9):
        """Return what is put into each missing cell of X, and how sure that is.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with missing cells.
        level : float, default=0.9
            How many of the true numbers and times should be between "low" and "high", in
            (0, 1).

        Returns
        -------
        report : DataFrame
            A row for each missing cell of the columns that were learnt from, row by row,
            indexed by the row and the column as in `predict_quantiles`. "value" is what
            `transform` puts in, "low" and "high" are the quantiles that leave out as much
            below as above, of numbers and times (whole ones, outwards, of integers), and
            "probability" is how likely a category's value is. What does not apply is
            missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderImputer
        >>> X = np.arange(100.0)[:, None] * [1, 2]
        >>> X[7, 1] = np.nan
        >>> report = AutoencoderImputer(max_iter=5, random_state=0).fit(X).report(X)
        >>> report.index.tolist(), report.columns.tolist()
        ([(7, 'x1')], ['value', 'low', 'high', 'probability'])
        """
        read = self._read(X, reset=False)
        if not isinstance(level, Real) or not 0 < level < 1:
            raise ValueError(f"level must be a number in (0, 1). Got {level!r}.")
        gaps, out = self._gaps(X, read), None
        if gaps is not None:
            out = self._complete(read, gaps.rows, self._expected(gaps.x))
        places = np.cumsum(self._kept_)[self._used_] - 1
        return cell_report(self.net_, self._cells_, gaps, out, places, level)

    def score(self, X, y=None):
        """Return how well cells of X that are hidden here are imputed.

        A tenth of each column's observed cells is hidden, the same ones in each call.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows, best ones that `fit` has not seen.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        score : float
            Mean over the columns of the share of the error that is gone, as in
            `column_scores_`; NaN if no column has cells to hide that differ. With
            ``statistic="median"`` errors of numbers are absolute ones, and the baseline
            is the column's median.
        """
        read = self._read(X, reset=False)
        if self.net_ is None:
            return np.nan
        x = self._likelihood.standardize(read.codes[:, self._used_], check=False)
        hidden = hide(~np.isnan(x), SCORED_SHARE, np.random.default_rng(SCORING_SEED))
        expected = self._likelihood.standardize(self._expected(np.where(hidden, np.nan, x)))
        medians, known = None, self._cells_.predictives.items()
        if self.statistic == "median":
            medians = {j: predictive.map.value(0.5) for j, predictive in known}
        return mean_skill(self._likelihood, x, hidden, expected, medians)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; by default those that `fit` saw, or x0, x1, ...

        Returns
        -------
        names : ndarray of object
            Names of the columns that are kept, then of the indicator's. Those of a
            DataFrame are what it calls them, which may be integers or tuples.
        """
        check_is_fitted(self)
        names = self._names(input_features)
        if self.indicator_ is None:
            return names[self._kept_]
        added = indicator_names(names, self.indicator_.features_)
        return np.concatenate([names[self._kept_], added])

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: missing cells, sparse input, categories."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
