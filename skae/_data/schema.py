"""What `fit` saw of a frame, as which the results of other methods come back.

n is the number of rows, d the columns.
"""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pandas as pd

from skae._data.frames import Table, cells_of, codes_of, learn_columns


class Schema(NamedTuple):
    """A frame's columns: others are read as numbers by it, and numbers become frames."""

    columns: list  # of Column
    empty: object  # the frame without rows: its container, names and dtypes

    @classmethod
    def learn(cls, X):
        """Return the schema of a frame, or raise a ``ValueError``."""
        columns = learn_columns(Table.read(X, np.nan), None, can_pass=False)
        return cls(columns, deepcopy(X.head(0)))

    def codes(self, X):
        """Return a frame's numbers (n, d), NaN where nothing is known."""
        return codes_of(Table.read(X, np.nan), self.columns)[0]

    def cells(self, codes):
        """Return the columns' values for numbers (n, d): an array or a list for each."""
        return [
            [None] * len(values) if column.is_empty else cells_of(column, values)
            for column, values in zip(self.columns, codes.T, strict=True)
        ]

    def labels(self, codes):
        """Return the columns' values for numbers (n, d) as one array (n, d)."""
        return np.array([list(values) for values in self.cells(codes)], dtype=object).T

    def values(self, X):
        """Return a frame's own values (n, d), None where they are missing."""
        return np.stack(
            [
                np.where(series.missing, None, series.values.astype(object))
                for series in Table.read(X, np.nan).series
            ],
            axis=1,
        )

    def frame(self, codes, index=None):
        """Return numbers (n, d) as a frame like the one that `fit` saw."""
        cells, empty = self.cells(codes), self.empty
        if hasattr(empty, "iloc"):
            columns = {
                i: pd.Series(values, index=index, dtype=empty.dtypes.iloc[i])
                for i, values in enumerate(cells)
            }
            frame = pd.DataFrame(columns, index=index)
            frame.columns = empty.columns
            return frame
        import polars as pl

        return pl.DataFrame(
            [
                pl.Series(name, values, dtype=dtype, strict=False)
                for (name, dtype), values in zip(empty.schema.items(), cells, strict=True)
            ]
        )

    def filled(self, X, codes, gone):
        """Return the frame X with numbers (n, d) in the cells of `gone` (n, d)."""
        table = Table.read(X, np.nan)
        series = [s._replace(missing=gone[:, j]) for j, s in enumerate(table.series)]
        values = [
            list(np.asarray(cells, dtype=object)[gone[:, j]])
            for j, cells in enumerate(self.cells(codes))
        ]
        keep = np.ones(len(series), dtype=bool)
        return Table(X, series).put(values, keep, self.columns)
