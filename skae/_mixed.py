"""The likelihood of tables of numbers and categories, with missing cells.

B is the number of rows, d the columns, P the numbers that stand for a row: one for each
number, one for each level of each category.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch

from skae._likelihood_module import LikelihoodModule
from skae._losses import half_squared_error
from skae._params import Parameters


@dataclass
class Mixed(Parameters):
    """A table's columns together: numbers by squared error, categories by softmax.

    A missing cell (NaN) costs nothing and is learnt nothing from; the encoder is told
    which cells are there.

    Parameters
    ----------
    categories : dict, default=None
        The columns of X that hold a category's codes 0, 1, ..., by their position, and
        how many levels each has: ``{2: 5}``. All others are numbers, standardised one
        by one. None: there are only numbers.
    """

    categories: dict | None = None

    def validate(self):
        """Raise a ``ValueError`` for a parameter that cannot be."""
        categories = {} if self.categories is None else self.categories
        if not isinstance(categories, dict) or not all(
            isinstance(k, Integral) and isinstance(n, Integral) and k >= 0 and n >= 1
            for k, n in categories.items()
        ):
            raise ValueError(
                "likelihood: Mixed.categories must be a dict of columns' positions and "
                f"numbers of levels, for instance {{2: 5}}. Got {self.categories!r}."
            )

    def check(self, X):
        """Raise a ``ValueError`` if a category holds what is no code of a level."""
        for j, n_levels in (self.categories or {}).items():
            if j >= X.shape[1]:
                raise ValueError(
                    f"likelihood: Mixed.categories names column {j}, but X has "
                    f"{X.shape[1]} columns."
                )
            column = X[:, j][~np.isnan(X[:, j])]
            bad = (column < 0) | (column >= n_levels) | (column != np.rint(column))
            if bad.any():
                raise ValueError(
                    f"X: column {j} holds {column[bad][0]:g}, and must hold the codes "
                    f"0, 1, ..., {n_levels - 1} of a category. Encode it with "
                    "sklearn.preprocessing.OrdinalEncoder, or correct Mixed.categories."
                )

    def build(self, stats):
        """Return the module for columns of these statistics."""
        n_levels = np.zeros(len(stats.mean), dtype=int)
        for j, levels in (self.categories or {}).items():
            n_levels[j] = levels
        number = n_levels == 0
        scale = np.where(stats.constant, 0.0, np.sqrt(stats.variance))
        return MixedModule(
            self,
            np.where(number, stats.mean, 0.0),
            np.where(number, scale, 1.0),
            ~(number & stats.constant),
            n_levels,
        )


class MixedModule(LikelihoodModule):
    """Columns of numbers, standardised, and columns of codes 0, 1, ..., levels - 1.

    The numbers come first among the P parameters, then categories by their number of
    levels, so that those with as many are one block.
    """

    def __init__(self, likelihood, location, scale, active, n_levels):
        super().__init__(likelihood, "identity", location, scale, active)
        self.n_levels = n_levels = np.asarray(n_levels)  # (d,) 0 for a number
        numbers = np.flatnonzero(n_levels == 0)
        self.blocks, at = [], len(numbers)  # (levels, columns, first parameter)
        owner = [numbers]
        for levels in np.unique(n_levels[n_levels > 0]):
            columns = np.flatnonzero(n_levels == levels)
            self.blocks.append((int(levels), torch.from_numpy(columns), at))
            owner.append(np.repeat(columns, levels))
            at += levels * len(columns)
        self.n_params = at
        self.n_inputs = at + len(n_levels)
        self.numbers = torch.from_numpy(numbers)
        self.owner = torch.from_numpy(np.concatenate(owner))  # (P,) column of each

    def columns_of(self, values):
        """Return what holds for columns (..., d) for each parameter; (..., P)."""
        return values.index_select(-1, self.owner.to(values.device))

    def spread(self, x):
        """Return rows (..., d) as numbers and ones among zeros, missing 0; (..., P)."""
        parts = [torch.nan_to_num(x.index_select(-1, self.numbers.to(x.device)))]
        for levels, columns, _ in self.blocks:
            codes = x.index_select(-1, columns.to(x.device))[..., None]
            hot = codes == torch.arange(levels, device=x.device)
            parts.append(hot.float().flatten(-2))
        return torch.cat(parts, -1)

    def embed(self, x):
        """Return what the encoder sees: the rows spread, and which cells are there."""
        return torch.cat([self.spread(x), (~torch.isnan(x)).float()], -1)

    def nll(self, params, x):
        """Return what each cell costs (..., d): nothing where it is missing."""
        out = torch.zeros(
            torch.broadcast_shapes(params.shape[:-1], x.shape[:-1]) + x.shape[-1:],
            dtype=params.dtype,
            device=params.device,
        )
        numbers = self.numbers.to(x.device)
        x_numbers = x.index_select(-1, numbers)
        there = ~torch.isnan(x_numbers)
        mean = torch.where(there, params[..., : len(numbers)], 0.0)
        cost = half_squared_error(*torch.broadcast_tensors(mean, x_numbers.nan_to_num()))
        out = out.index_copy(-1, numbers, cost)
        for levels, columns, at in self.blocks:
            columns = columns.to(x.device)
            logits = params[..., at : at + levels * len(columns)]
            logits = logits.unflatten(-1, (len(columns), levels))
            codes = x.index_select(-1, columns)
            there = ~torch.isnan(codes)
            logits = torch.where(there[..., None], logits, 0.0)
            codes = codes.nan_to_num().long().expand(logits.shape[:-1])
            cost = -logits.log_softmax(-1).gather(-1, codes[..., None])[..., 0]
            out = out.index_copy(-1, columns, torch.where(there, cost, 0.0))
        return out

    def probabilities(self, params):
        """Return parameters (..., P) with each category's logits made probabilities."""
        parts = [params[..., : len(self.numbers)]]
        for levels, columns, at in self.blocks:
            logits = params[..., at : at + levels * len(columns)]
            logits = logits.unflatten(-1, (len(columns), levels))
            parts.append(logits.softmax(-1).flatten(-2))
        return torch.cat(parts, -1)

    def of_column(self, j):
        """Return the place of column j among the parameters."""
        if self.n_levels[j] == 0:
            at = int(np.searchsorted(self.numbers.numpy(), j))
            return slice(at, at + 1)
        for levels, columns, at in self.blocks:
            if levels == self.n_levels[j]:
                at += levels * int(np.searchsorted(columns.numpy(), j))
                return slice(at, at + levels)

    def collapse(self, means):
        """Return means (n, P) as rows (n, d): a category's code is its likeliest."""
        out = np.empty((len(means), len(self.n_levels)), dtype=means.dtype)
        out[:, self.numbers.numpy()] = means[:, : len(self.numbers)]
        for levels, columns, at in self.blocks:
            part = means[:, at : at + levels * len(columns)]
            part = part.reshape(len(means), len(columns), levels)
            out[:, columns.numpy()] = part.argmax(2)
        return out
