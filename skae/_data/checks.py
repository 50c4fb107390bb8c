"""What every estimator asks of rows that it is given."""

from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skae._data.containers import taken
from skae._data.frames import Table, check_names, is_frame, names_of
from skae._data.marks import tell_of_marks
from skae._data.refusals import check_columns, check_same_names, of_numbers, validated
from skae._data.rows import blocks, flatten
from skae._data.schema import Schema, codes_of, learn_columns

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def read_frame(
    owner,
    X,
    columns,
    ensure_min_samples=1,
    missing_values=np.nan,
    asked=None,
    can_pass=True,
    only_seen=True,
):
    """Return a frame as numbers (`Coded`), and its columns: learnt, if they are None.

    `owner` is the estimator, `asked`, `can_pass` and `only_seen` are for `learn_columns`.
    """
    check_names(X)
    if columns is not None:
        check_same_names([column.name for column in columns], X)
    validate_data(owner, X, reset=columns is None, skip_check_array=True)
    table = Table.read(X, missing_values)
    if columns is None:
        columns = learn_columns(table, asked, can_pass, only_seen)
    read = codes_of(table, columns)
    check_array(
        read.codes,
        ensure_all_finite="allow-nan",
        ensure_min_samples=ensure_min_samples,
        estimator=owner,
    )
    return read, columns


def check_count(name, value, least=1):
    """Raise a ``ValueError`` unless `value` is an integer of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}. Got {value!r}.")


def check_weight(sample_weight, X):
    """Return weights of rows (n,), float64 and not negative, or a ``ValueError``."""
    if np.asarray(sample_weight).dtype.kind == "c":  # of which the real part would be taken
        raise ValueError("sample_weight holds complex numbers. Pass real ones.")
    if isinstance(sample_weight, Real):  # which scikit-learn takes unseen, NaN as well
        sample_weight = np.full(X.shape[0], sample_weight)
    return _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )


def check_fitted(owner):
    """Raise a ``NotFittedError`` if an estimator is not fitted."""
    if not owner.__sklearn_is_fitted__():
        check_is_fitted(owner)


def is_plain(X, *shapes):
    """Tell whether X is an array of finite floats, of rows of one of some shapes.

    scikit-learn has nothing against it then, and nothing to convert.
    """
    if type(X) is not np.ndarray or X.dtype not in FLOATS or X.shape[1:] not in shapes:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return len(X) > 0 and bool(np.isfinite(X.sum()))


class CheckedRowsMixin:
    """Rows as flat numbers: of any container, and of the shape that `fit` saw."""

    _fills_pictures = False  # whether lost pixels can be filled in

    def _reads_tables(self, X):
        """Tell whether X is to be read as a table of numbers and categories."""
        return False

    @property
    def _mixed_way(self):
        """How an estimator like this is made to read tables; None if it cannot be."""
        return None

    def _validated(self, X, *, is_picture=False, **kwargs):
        mixed, fills = self._mixed_way, is_picture and self._fills_pictures
        return validated(self, X, of_numbers(X, mixed, fills), mixed, **kwargs)

    def _check_fit(self, X, sample_weight, *, reset, ensure_min_samples=2, only_seen=True):
        X, sample_shape = taken(X), None
        if reset:
            self._reads_tables_, self._schema_ = self._reads_tables(X), None
            self._names_ = names_of(X)
        if self._reads_tables_:
            X = self._read_table(
                X,
                reset=reset,
                is_learnt=True,
                only_seen=only_seen,
                ensure_min_samples=ensure_min_samples,
            )
        else:
            check_columns(X, self._mixed_way)
            if reset:
                X, sample_shape = flatten(X)
            else:
                X = self._check_shape(X)
            shape = sample_shape or vars(self).get("_sample_shape_", ())
            X = self._validated(
                X,
                is_picture=len(shape) > 1,
                reset=reset,
                accept_sparse="csr",
                dtype="numeric",
                ensure_min_samples=ensure_min_samples,
            )
        if reset:
            self._sample_shape_ = sample_shape or (X.shape[1],)
            single = X.dtype in (np.float32, np.float16)
            self._dtype_ = np.dtype(np.float32 if single else np.float64)
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, X)
        return X, sample_weight

    def _tell_of_marks(self, X):
        """Warn of values in rows (n, d) of a table that may stand for missing cells."""
        if sp.issparse(X) or len(self._sample_shape_) > 1:
            return
        if self._reads_tables_:
            remedy = "replace them by NaN."
        else:
            ways = ["fill such cells first with AutoencoderImputer(missing_values={mark})"]
            ways += [f"replace them by NaN and use {w}" for w in [self._mixed_way] if w]
            remedy = ", or ".join(ways) + "."
        names = range(X.shape[1]) if self._names_ is None else self._names_
        columns = names if self._schema_ is None else self._schema_.columns
        tell_of_marks(X, columns, remedy)

    def _check_rows(self, X, **kwargs):
        check_fitted(self)
        if "feature_names_in_" not in vars(self) and self._schema_ is None:
            if is_plain(X, (self.n_features_in_,), self._sample_shape_):
                return X.reshape(len(X), self.n_features_in_)
        X = taken(X)
        if self._reads_tables_:
            return self._read_table(X, reset=False, **kwargs)
        X = self._check_shape(X)
        return self._validated(
            X,
            is_picture=len(self._sample_shape_) > 1,
            reset=False,
            accept_sparse="csr",
            dtype="numeric",
            **kwargs,
        )

    def _read_table(
        self,
        X,
        *,
        reset,
        ensure_all_finite=True,
        is_learnt=False,
        only_seen=True,
        unseen=np.nan,
        **kwargs,
    ):
        """Return a table's numbers and codes (n, d), NaN where a cell is missing.

        Infinity is refused, unless `ensure_all_finite` is False; `is_learnt` says
        whether the rows are learnt from, `unseen` what stands for a category's value that
        `fit` has not seen.
        """
        if sp.issparse(X):
            raise ValueError(
                "X is sparse, and likelihood='mixed' needs a dense table. Use X.toarray() "
                "or likelihood='gaussian'."
            )
        if is_frame(X) and (reset or self._schema_ is not None):
            columns = None if reset else self._schema_.columns
            kwargs.update(can_pass=False, only_seen=only_seen)
            read, columns = read_frame(self, X, columns, **kwargs)
            if reset:
                self._schema_ = Schema.of(columns, read.source)
            elif is_learnt:
                self._schema_ = self._schema_.widened(read.source)
            if np.isnan(unseen):  # as they are
                return read.codes
            is_category = [column.kind == "category" for column in self._schema_.columns]
            is_new = np.isnan(read.codes) & ~read.missing & is_category
            return np.where(is_new, unseen, read.codes)
        if not reset and self._schema_ is not None:
            self._schema_.check_codes()
        check_columns(X, reads_tables=True)
        X, sample_shape = flatten(np.asarray(X) if isinstance(X, list | tuple) else X)
        if sample_shape is not None:
            raise ValueError(
                f"X holds pictures of shape {sample_shape}, and likelihood='mixed' is for "
                "tables. Use another likelihood, or pass X flat."
            )
        X = self._validated(
            X, reset=reset, dtype="numeric", ensure_all_finite=False, **kwargs
        )
        for _, block in blocks(X) if ensure_all_finite else ():
            infinite = np.isinf(block).any(0)
            if infinite.any():
                name = _check_feature_names_in(self)[infinite][0]
                raise ValueError(
                    f"X: column {name!r} holds infinity. Replace it, for instance by "
                    "numpy.nan."
                )
        return X

    def _read_as(self, other):
        """Read rows as another fitted estimator does."""
        names = "_reads_tables_", "_schema_", "_names_", "_sample_shape_", "_dtype_"
        names += "n_features_in_", "feature_names_in_"
        known = vars(other)
        vars(self).update({name: known[name] for name in names if name in known})

    def _check_shape(self, X):
        """Return X flat, if its samples have the shape of those that `fit` saw."""
        check_same_names(vars(self).get("_names_"), X)
        X, shape = flatten(X)
        if shape is not None and shape != self._sample_shape_:
            raise ValueError(
                f"X holds samples of shape {shape}, but {type(self).__name__} was "
                f"fitted on samples of shape {self._sample_shape_}. Reshape them, or "
                "fit on samples such as these."
            )
        return X
