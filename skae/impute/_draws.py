"""Several imputations of a table, and the distribution that they are drawn from."""

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr
from sklearn.utils import check_random_state

from skae._data.checks import check_count
from skae.impute._calibration import in_blocks


class MultipleImputationMixin:
    """What an imputer says beyond its best guess."""

    def sample_imputations(self, X, n_draws=5, random_state=None):
        """Return completed tables, drawn from what is known of the missing cells.

        Categories are drawn one column after another, each given those before; numbers
        are what one member expects, plus an error as they were on hidden cells whose
        prediction was near. Errors of one row go together as in a normal distribution
        of the columns. The spread between tables says how unsure an analysis is; pool
        its results by Rubin's rules [1]_.

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
        generator = torch.Generator().manual_seed(seed)
        tables = []
        for i in range(n_draws):
            member = i % self.n_estimators
            drawn = self._draw(x, slice(member, member + 1), generator) if len(rows) else x
            tables.append(self._complete(read, rows, drawn))
        return tables

    def _draw(self, x, member, generator):
        """Return rows x (n, d), standardised, with a draw in each missing cell."""
        likelihood, module, x = self._likelihood_, self.net_.module_, x.copy()
        gone = np.isnan(x)

        def expect(rows):
            return in_blocks(
                self.net_, lambda block: (module.means(block, member),), x[rows]
            )[0]

        for j in np.flatnonzero(likelihood.n_levels):
            rows = np.flatnonzero(gone[:, j])
            if len(rows):
                p = expect(rows)[:, likelihood.of_column(j)].cumsum(1)
                u = torch.rand(len(rows), 1, generator=generator).numpy() * p[:, -1:]
                x[rows, j] = (p < u).sum(1).clip(max=p.shape[1] - 1)
        mean = expect(np.arange(len(x)))
        noise = in_blocks(self.net_, lambda b: module.noise(b, generator), x)
        self._put_quantiles(x, gone, mean, noise)
        return x

    def _put_quantiles(self, x, gone, mean, noise):
        drawn, sd = noise
        for at, j in enumerate(self._likelihood_.numbers.tolist()):
            cells = gone[:, j]
            if cells.any():
                spread = np.maximum(sd[cells, at], 1e-6)
                x[cells, j] = self._cells_.quantile(
                    j, mean[cells, at], spread, ndtr(drawn[cells, at] / spread)
                )

    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        """Return quantiles of what each missing number may be.

        They are what is expected plus quantiles of the errors on cells that were hidden
        in training and whose prediction was near.

        Parameters
        ----------
        X : {array-like, DataFrame, sparse matrix} of shape (n_samples, n_features)
            Rows with missing cells.
        quantiles : tuple of float, default=(0.05, 0.5, 0.95)
            Levels, in (0, 1).

        Returns
        -------
        table : DataFrame
            A row for each missing cell of a number, indexed by the row in X (its index
            label) and the column; one column for each level.
        """
        read = self._read(X, reset=False)
        levels = np.asarray(quantiles, dtype=float)
        if levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"quantiles must be numbers in (0, 1). Got {quantiles!r}.")
        rows, x = self._incomplete(read)
        labels, names = self._labels(X, len(read.codes), rows)
        parts = []
        if len(rows):
            module, likelihood = self.net_.module_, self._likelihood_
            mean, sd = in_blocks(
                self.net_, lambda b: (module.means(b), module.noise(b)[1]), x
            )
            for at, j in enumerate(likelihood.numbers.tolist()):
                cells = read.missing[rows, self._used_[j]]
                if not cells.any():
                    continue
                predicted, spread = mean[cells, at], sd[cells, at]
                column = self._columns_[self._used_[j]]
                values = [
                    self._cells_.quantile(j, predicted, spread, np.full(len(spread), q))
                    for q in levels
                ]
                values = np.stack(values, 1) * likelihood.scale[j] + likelihood.location[j]
                values = values.clip(column.low, column.high)
                parts.append(self._long(labels[cells], names[j], values, levels))
        return _sorted(parts, ["row", "column"], levels)

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
            column and the value.
        """
        read = self._read(X, reset=False)
        rows, x = self._incomplete(read)
        labels, names = self._labels(X, len(read.codes), rows)
        parts = []
        if len(rows):
            module, likelihood = self.net_.module_, self._likelihood_
            (mean,) = in_blocks(self.net_, lambda b: (module.means(b),), x)
            for j in np.flatnonzero(likelihood.n_levels):
                cells = read.missing[rows, self._used_[j]]
                if not cells.any():
                    continue
                p = mean[cells, likelihood.of_column(j)].astype(np.float64)
                levels = self._columns_[self._used_[j]].levels
                long = self._long(labels[cells], names[j], p / p.sum(1)[:, None], levels)
                long = long.stack()
                long.index = long.index.set_names(["row", "column", "value"])
                parts.append(long.to_frame("probability"))
        return _sorted(parts, ["row", "column", "value"], ["probability"])

    def _labels(self, X, n, rows):
        """Return the rows' labels, and the names of the columns that are imputed."""
        index = np.arange(n) if not hasattr(X, "iloc") else X.index
        return np.asarray(index, dtype=object)[rows], self._used_names()

    @staticmethod
    def _long(labels, name, values, columns):
        index = pd.MultiIndex.from_arrays(
            [labels, [name] * len(labels)], names=["row", "column"]
        )
        return pd.DataFrame(values, index=index, columns=list(columns))


def _sorted(parts, names, columns):
    """Return long tables below one another."""
    if parts:
        return pd.concat(parts)
    index = pd.MultiIndex.from_arrays([[]] * len(names), names=names)
    return pd.DataFrame(np.empty((0, len(columns))), index=index, columns=list(columns))
