"""Imputation: missing cells of tables, as what is known of a row tells them."""

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.impute import MissingIndicator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, MissingValues, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skae._data.checks import CheckedRowsMixin, check_columns
from skae._data.frames import (
    Column,
    Table,
    as_array,
    bounds_of,
    cells_of,
    check_bounds,
    codes_of,
    is_frame,
    is_nan,
    learn_columns,
    of_array,
    parse,
)
from skae._data.rows import Rows
from skae._data.statistics import column_statistics
from skae._params import Sizes, Versioned
from skae._training.task import find_device
from skae._training.train import train_module
from skae.impute._calibration import HiddenCells, in_blocks, skill
from skae.impute._draws import MultipleImputationMixin
from skae.impute._guesses import PRIOR_CELLS
from skae.impute._hidden import HiddenBatches, hidden_rows, hidden_share, hide
from skae.impute._network import FOLDS, SMALL, ImputationModule
from skae.likelihoods._mixed import Mixed

WIDTHS = (128, 128, 128)
STEPS, STEPS_A_ROW = (400, 3000), 4  # of training: as many for each row, within these
FEW_CELLS = 30  # in the median column of a sparse matrix: these are then pooled
FARTHEST = 1e6  # deviations: float32 has no room for the squares of more
MOST_WORK = 5 * 10**9  # of steps times weights: fewer steps for tables of 1,000 columns
BATCH_SIZE = 128
DROPOUT = 0.2, 0.1  # of a small table, and of others
MOST_ROWS = 2**17  # that are learnt from
SCORED_SHARE, SCORING_SEED = 0.1, 0  # of the cells that `score` hides


class _Read(NamedTuple):
    """X as numbers: what `transform` is given, read."""

    codes: np.ndarray  # (n, d), NaN where nothing is known
    missing: np.ndarray  # (n, d) bool: the cells to be filled
    table: Table | None  # None for an array
    X: object  # the array, sparse matrix or frame itself


class AutoencoderImputer(
    Versioned,
    MultipleImputationMixin,
    CheckedRowsMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Imputation of missing cells in tables of numbers and categories.

    Two first guesses of a missing cell are its conditional means under a normal
    distribution of all columns, and under one of their ranks (a Gaussian copula).
    Denoising networks [1]_, trained together to restore cells hidden at random and in
    the patterns that the table shows, correct them. How much each of the three is
    trusted, column by column, and how sure an imputation is, are measured on cells that
    were held out from some of the networks. No number beyond those seen is put in.

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
        last 30 %.
    batch_size : int or "auto", default="auto"
        Rows in a training step; "auto" is 128.
    max_iter : int or "auto", default="auto"
        Number of epochs (passes over the rows). "auto" is what makes four training
        steps for each row, 400 at least and 3,000 at most.
    missing_values : int, float, str, numpy.nan, None or pandas.NA, default=numpy.nan
        What stands for a missing cell. With numpy.nan, None and pandas.NA also pandas'
        and polars' own marks do.
    add_indicator : bool, default=False
        Whether to append a column for each one with missing cells in `fit`, which
        says where they are.
    keep_empty_features : bool, default=False
        Whether to keep columns without any value in `fit`. They are filled with 0, a
        category with the first of its declared values, if there are any.
    columns : dict, default=None
        What is known of columns, by name (of an array, by position): their kind,
        "number", "integer", "category" or "passthrough" (left as it is and not learnt
        from); or bounds ``(low, high)`` for what is put in, where None is none; or
        ``(kind, low, high)``. Kinds are otherwise those of the dtypes.
    device : str, default="auto"
        Where to train. "auto" takes a CUDA device if there is one, else the CPU.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, shuffles, hidden cells and dropout.
    verbose : int, default=0
        Whether to print a line for each epoch.

    Attributes
    ----------
    column_scores_ : DataFrame
        How well each column can be imputed, from cells that were hidden during `fit`:
        "error" (root mean squared error in the column's units, or the share of wrong
        categories), "baseline" (the same for the mean or the most frequent value),
        "score" (the share of the mean squared error, or of the wrong categories, that
        is gone: 1 is perfect, 0 no better than the baseline) and "n_cells".
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module. None if there was nothing
        to learn from.
    indicator_ : MissingIndicator or None
        What says where cells are missing, if ``add_indicator=True``.
    n_iter_ : int
        Number of epochs.
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
    - A category's value that `fit` has not seen is kept, and tells the networks
      nothing.
    - New rows may have other dtypes than those of `fit` had: what is put in is made to
      fit theirs. A column without any value gets the dtype that it had in `fit`.
    - Columns that are missing only in `transform` are imputed like any other.
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
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "network": [StrOptions({"auto"}), Sizes((256, 128))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
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
        with self._all_or_nothing(warm=False):
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            rng = np.random.default_rng(seed)
            read = self._read(X, reset=True)
            self.indicator_ = None
            if self.add_indicator:
                self.indicator_ = MissingIndicator(error_on_new=False)
                self.indicator_.fit(np.where(read.missing, np.nan, 0.0))
            empty = np.array([column.is_empty for column in self._columns_])
            passed = np.array([c.kind == "passthrough" for c in self._columns_])
            self._used_ = np.flatnonzero(~(empty | passed))
            self._kept_ = ~empty | passed | self.keep_empty_features
            left_out = empty & ~passed
            if left_out.any() and not self.keep_empty_features:
                names = _check_feature_names_in(self)[left_out].tolist()
                warnings.warn(
                    f"X: columns {names} have no values and are left out. Use "
                    "keep_empty_features=True to keep them.",
                    stacklevel=3,
                )
            self._train(read, rng)
        return self

    def _train(self, read, rng):
        used = self._used_
        self.net_, self.n_iter_, self.column_scores_ = None, 0, _scores([], [], [], [], [])
        rows = np.flatnonzero(~np.isnan(read.codes[:, used]).all(1))
        if not len(rows):
            return
        if len(rows) > MOST_ROWS:
            rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
        X = read.codes[np.ix_(rows, used)]
        levels = [len(self._columns_[j].levels or ()) for j in used]
        mixed = Mixed({i: n for i, n in enumerate(levels) if n})
        stats = column_statistics(X, None, (len(used),), mixed.check)
        few = np.median((~np.isnan(X)).sum(0)) < FEW_CELLS
        is_pooled = bool(sp.issparse(read.X) and few)
        if is_pooled:
            stats = _pooled(X, stats)
        self._likelihood_ = likelihood = mixed.build(stats)
        likelihood.is_pooled, likelihood.clip = is_pooled, FARTHEST
        x = likelihood.standardize(X)
        folds = np.zeros(x.shape, dtype=np.int8)
        for fold in range(1, FOLDS + 1):
            free = ~np.isnan(x) & (folds == 0)
            folds[hide(free, hidden_share(len(x)), rng)] = fold
        net = self._net(X, x, folds, rng)
        cells = HiddenCells(likelihood)
        for fold in range(1, FOLDS + 1):
            cells.add(net, x, folds, fold, rng)
        cells.finish(net.module_)
        self.net_, self._cells_, self.n_iter_ = net, cells, len(net.history)
        self.column_scores_ = _scores(
            self._used_names(),
            cells.wrong,
            cells.baseline,
            likelihood.n_levels > 0,
            cells.counts,
        )

    def _net(self, X, x, folds, rng):
        """Return a net trained on rows X (n, d), x standardised, NaN where missing."""
        device = find_device(self.device)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        x = torch.from_numpy(x)
        widths = WIDTHS if isinstance(self.network, str) else tuple(self.network)
        module = ImputationModule(
            self._likelihood_,
            x,
            torch.from_numpy(folds),
            widths,
            DROPOUT[len(X) >= SMALL],
            self.n_estimators,
            generator,
        ).to(device)
        if self._likelihood_.is_pooled:  # no column's own few values bound it
            for end, value in ((module.low, np.nanmin(X)), (module.high, np.nanmax(X))):
                end.copy_(torch.from_numpy(self._likelihood_.standardize(
                    np.full((1, X.shape[1]), value))[0]))  # fmt: skip
        batch_size = BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        epochs = self.max_iter
        if epochs == "auto":
            n_weights = sum(p.numel() for p in module.parameters())
            most = max(STEPS[0] // 4, MOST_WORK // n_weights)
            steps = min(np.clip(STEPS_A_ROW * len(X), *STEPS), most)
            epochs = max(1, round(steps / np.ceil(len(X) / batch_size)))
        known = hidden_rows(module, x, torch.from_numpy(folds), epochs, generator)
        X = np.tile(X, (len(known[0]) // len(X), 1))
        rows = Rows(X, None, self._likelihood_, device, known=known)
        batches = HiddenBatches(rows, len(x), batch_size, generator)
        tuning = {"lr": self.learning_rate, "verbose": self.verbose}
        return train_module(module, batches, epochs, device, **tuning)

    # Reading and writing tables

    def _read(self, X, *, reset):
        """Return X as numbers, checked; learn its columns, if `reset`."""
        if not reset:
            check_is_fitted(self)
        is_table = is_frame(X) and (reset or self._is_table_)
        at_least = 2 if reset else 1
        if is_table:
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < at_least:
                raise ValueError(
                    f"Found array with {len(X)} sample(s) (shape={X.shape}) while a "
                    f"minimum of {at_least} is required by {type(self).__name__}."
                )
            table = Table.read(X, self.missing_values)
            if reset:
                self._columns_ = learn_columns(table, self.columns)
            codes, missing = codes_of(table, self._columns_)
            read = _Read(codes, missing, table, X)
        else:
            check_columns(X)
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan" if is_nan(self.missing_values) else True,
                ensure_min_samples=at_least,
            )
            codes, missing = of_array(X, self.missing_values)
            if reset:
                self._columns_ = self._columns_of_array(codes)
            for j, column in enumerate(self._columns_):
                if column.kind == "passthrough":
                    codes[:, j], missing[:, j] = np.nan, False
                elif column.kind == "category":
                    codes[:, j] = _codes(codes[:, j], column.levels)
            read = _Read(codes, missing, None, X)
        if reset:
            self._is_table_ = is_table
        return read

    def _columns_of_array(self, X):
        asked, columns = parse(self.columns, list(range(X.shape[1]))), []
        for j in range(X.shape[1]):
            kind, low, high = asked.get(j, ("number", -np.inf, np.inf))
            seen = X[:, j][~np.isnan(X[:, j])]
            levels = np.unique(seen).tolist() if kind == "category" else None
            check_bounds(j, kind, low, high)
            columns.append(Column(j, kind or "number", levels, low, high, not len(seen)))
        return columns

    def _used_names(self):
        """Return the names of the columns that are learnt from, as the table has them."""
        if self._is_table_:
            return [self._columns_[j].name for j in self._used_]
        return _check_feature_names_in(self)[self._used_].tolist()

    def _incomplete(self, read):
        """Return the rows with a cell to fill, and those standardised; (r,), (r, d)."""
        rows = np.flatnonzero(read.missing[:, self._used_].any(1))
        if self.net_ is None:
            return rows[:0], np.empty((0, 0))
        return rows, self._likelihood_.standardize(
            read.codes[np.ix_(rows, self._used_)], check=False
        )

    def _complete(self, read, rows, x):
        """Return a table with what standardised rows x (r, d) say in its missing cells."""
        likelihood = getattr(self, "_likelihood_", None)
        restored = likelihood.restore(x) if len(rows) else np.empty((0, len(self._used_)))
        place = {j: i for i, j in enumerate(self._used_)}
        filled = [None] * len(self._columns_)
        for j, column in enumerate(self._columns_):
            gone = read.missing[:, j]
            if not gone.any() or not self._kept_[j]:
                continue
            if read.table is not None and read.table.series[j].kind == "integer":
                if column.kind == "number" and not gone.all():
                    low, high = bounds_of(read.table.frame[column.name].dtype)
                    low, high = max(low, column.low), min(high, column.high)
                    column = column._replace(kind="integer", low=low, high=high)
            if j in place:
                filled[j] = cells_of(column, restored[gone[rows], place[j]])
            elif column.kind != "category" or column.levels:
                filled[j] = cells_of(column, np.zeros(gone.sum()))
        if read.table is None:
            return self._complete_array(read, filled)
        frame = read.table.put(filled, self._kept_, self._columns_)
        return read.table.with_indicator(frame, *self._indicated(read))

    def _complete_array(self, read, filled):
        out = as_array(read.X).astype(read.X.dtype)
        for j, values in enumerate(filled):
            if values is not None:
                out[read.missing[:, j], j] = values
        out = out[:, self._kept_]
        names, indicated = self._indicated(read)
        return np.hstack([out, indicated]) if len(names) else out

    def _indicated(self, read):
        """Return the indicator's names and columns (n, c)."""
        if self.indicator_ is None:
            return [], None
        names = self.indicator_.get_feature_names_out(_check_feature_names_in(self))
        gone = self.indicator_.transform(np.where(read.missing, np.nan, 0.0))
        return names.tolist(), gone

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
        if len(rows):
            x = self._expected(x)
        return self._complete(read, rows, x)

    def _expected(self, x):
        """Return what is expected of rows x (n, d), standardised."""
        module = self.net_.module_
        (means,) = in_blocks(self.net_, lambda block: (module.means(block),), x)
        return self._likelihood_.collapse(means)

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
            `column_scores_`; NaN if no column has cells to hide.
        """
        read = self._read(X, reset=False)
        if self.net_ is None:
            return np.nan
        x = self._likelihood_.standardize(read.codes[:, self._used_], check=False)
        hidden = hide(~np.isnan(x), SCORED_SHARE, np.random.default_rng(SCORING_SEED))
        expected, scores = self._expected(np.where(hidden, np.nan, x)), []
        for j, n_levels in enumerate(self._likelihood_.n_levels):
            cells = hidden[:, j]
            truth, guess = x[cells, j], expected[cells, j]
            if not cells.any() or np.ptp(truth) == 0:
                continue
            if n_levels:
                mode = np.bincount(truth.astype(int)).max() / len(truth)
                scores.append(skill((guess != truth).mean(), 1 - mode, True))
            else:
                error = np.sqrt(np.square(truth - guess).mean())
                baseline = np.sqrt(np.square(truth).mean())
                scores.append(skill(error, baseline, False))
        return float(np.mean(scores)) if scores else np.nan

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; by default those that `fit` saw, or x0, x1, ...

        Returns
        -------
        names : ndarray of str
            Names of the columns that are kept, then of the indicator's.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self.indicator_ is None:
            return names[self._kept_]
        more = self.indicator_.get_feature_names_out(names)
        return np.concatenate([names[self._kept_], more])

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return hasattr(self, "column_scores_")

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: missing cells, sparse input, categories."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = is_nan(self.missing_values)
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _pooled(X, stats):
    """Return statistics of columns in the same units: many have few values of their own.

    Means are drawn towards the mean of all, as `PRIOR_CELLS` more such cells would;
    deviations are those of all cells from them.
    """
    n, whole = (~np.isnan(X)).sum(0), np.nanmean(X)
    mean = (n * stats.mean + PRIOR_CELLS * whole) / (n + PRIOR_CELLS)
    variance = np.full(len(mean), np.nanmean(np.square(X - mean)))
    constant = np.full(len(mean), variance[0] == 0)
    return stats._replace(mean=mean, variance=variance, constant=constant)


def _codes(values, levels):
    """Return the codes of an array's values, NaN for those that are no level."""
    levels = np.asarray(levels)
    code = np.searchsorted(levels, values).clip(max=max(0, len(levels) - 1))
    known = levels[code] == values if len(levels) else np.zeros(len(values), bool)
    return np.where(known, code, np.nan)


def _scores(names, error, baseline, is_category, counts):
    """Return `column_scores_`."""
    score = skill(np.asarray(error, float), np.asarray(baseline, float),
                  np.asarray(is_category, bool))  # fmt: skip
    return pd.DataFrame(
        {"score": score, "error": error, "baseline": baseline, "n_cells": counts},
        index=names,
    )
