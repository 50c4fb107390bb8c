"""The likelihood of tables of numbers, categories and times, with missing cells.

B is the number of rows, d the columns, P the numbers that stand for a row: one for each
number, one for each level of each category.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
import torch
from scipy.special import ndtr

from skae._data.change import Change
from skae._data.clock import CYCLES
from skae._losses import gaussian_nll, half_squared_error, is_graph
from skae._params import Parameters
from skae.likelihoods._base import LEARNT_FLOOR, LINKS, TINY, LikelihoodModule
from skae.likelihoods._cycles import cycles_of
from skae.likelihoods._restated import change_of_numbers, restate_noise

RAREST = 1e-3  # probability of a level that is never seen, where training starts
ROUNDS, CLOSE = 30, 5e-4  # until levels are drawn with the shares that they had
SOFT = 10.0  # between logits that differ by no more, shares move from round to round


@dataclass
class Mixed(Parameters):
    """A table's columns together: numbers by squared error, categories by softmax.

    In training a category weighs as one number does, however many levels it has: its
    cross-entropy counts 1 / (2 log(levels)), unless a variational autoencoder learns how
    noisy the numbers are. Scores are log-probabilities as they are.

    It is what ``likelihood="auto"`` takes for a DataFrame of more than numbers.

    X may be a DataFrame (pandas, polars or pyarrow) with columns of numbers, booleans,
    strings, categories, dates, durations and times of day; what comes back is one with
    the same names and dtypes. A date is a number, of days since 1970 by the clocks of its
    time zone (so it is in scores, in `mean_` and `var_`), and the encoder sees beside it
    where in the day, week, month and year it is, as far as the column can show that;
    what comes back is as fine as the column's values (days, months, whole hours) and
    lies among those seen. A
    missing cell (NaN, None) costs nothing and is learnt nothing from; the encoder is told
    which cells are missing, of those columns in which training misses some. A category's
    value that `fit` has not seen counts as missing, and one that a dtype declares without
    being in any cell is never predicted (`partial_fit` keeps it, for later rows).

    Texts that are no category (amounts of money, percentages, numbers or dates as texts,
    ids) are learnt nothing from, with a warning that names them and what to do:
    `reconstruct` gives them back as they are, and where there is no row to take them
    from they are missing. What has a categorical dtype is a category.

    Parameters
    ----------
    categories : dict, default=None
        The columns of X that hold a category's codes 0, 1, ..., by their position, and
        how many levels each has: ``{2: 5}``. All others are numbers, standardised one
        by one. None: those of a DataFrame are told by its dtypes, and an array holds
        numbers only.
    cycles : dict, default=None
        The columns of X that hold days since 1970-01-01, by their position, and which
        cycles the encoder sees beside each: ``{0: ("day", "week", "month", "year")}`` or
        some of these. None: those of a DataFrame are told by its dates, an array has
        none.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skae import Autoencoder
    >>> from skae.likelihoods import Mixed
    >>> rng = np.random.default_rng(0)
    >>> size = rng.normal(size=200)
    >>> table = pd.DataFrame({"size": size, "kind": np.where(size > 0, "big", "small")})
    >>> table.loc[3, "kind"] = None
    >>> autoencoder = Autoencoder(1, likelihood=Mixed(), random_state=0).fit(table)
    >>> autoencoder.reconstruct(table).loc[3, "kind"] == ("big" if size[3] > 0 else "small")
    True
    """

    reads_tables: ClassVar[bool] = True

    categories: dict | None = None
    cycles: dict | None = None

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
        cycles = {} if self.cycles is None else self.cycles
        if not isinstance(cycles, dict) or not all(
            isinstance(k, Integral)
            and k >= 0
            and isinstance(names, tuple | list)
            and set(names) <= set(CYCLES)
            and k not in categories
            for k, names in cycles.items()
        ):
            raise ValueError(
                "likelihood: Mixed.cycles must be a dict of the positions of columns, no "
                f"categories, and tuples of some of {tuple(CYCLES)}. Got {self.cycles!r}."
            )

    def check(self, X):
        """Raise a ``ValueError`` if a category holds what is no code of a level."""
        if max(self.cycles or {-1: ()}) >= X.shape[1]:
            raise ValueError(
                f"likelihood: Mixed.cycles names column {max(self.cycles)}, but X has "
                f"{X.shape[1]} columns."
            )
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

    def of_columns(self, columns):
        """Return the likelihood of a frame's columns, as `learn_columns` returns them."""
        levels = {j: len(c.levels) for j, c in enumerate(columns) if c.levels}
        cycles = self.cycles
        if cycles is None:
            of = ((j, c.clock.cycles) for j, c in enumerate(columns) if c.clock)
            cycles = {j: names for j, names in of if names} or None
        if self.categories is None:
            return Mixed(levels, cycles)
        if levels:
            raise ValueError(
                "likelihood: Mixed.categories is for columns of codes 0, 1, ..., and X "
                f"holds no numbers in columns {[columns[j].name for j in levels]}. Use "
                "categories=None, so that fit learns which columns are categories."
            )
        return Mixed(self.categories, cycles)

    def build(self, stats):
        """Return the module for columns of these statistics."""
        n_levels = np.zeros(len(stats.mean), dtype=int)
        for j, levels in (self.categories or {}).items():
            n_levels[j] = levels
        number = n_levels == 0
        scale = np.where(stats.constant, 0.0, stats.spread)
        ends = np.stack([stats.minimum, stats.maximum])
        return MixedModule(
            self,
            np.where(number, stats.centre, 0.0),
            np.where(number, scale, 1.0),
            ~(number & stats.constant),
            n_levels,
            np.broadcast_to(stats.has_missing, n_levels.shape),
            number & stats.is_wild,
            np.where(number, ends, [[-np.inf], [np.inf]]),
        )


def as_mixed(likelihood, schema):
    """Return a parameter `likelihood` as a `Mixed` that knows the columns of a schema."""
    likelihood = Mixed() if isinstance(likelihood, str) else likelihood
    return likelihood if schema is None else likelihood.of_columns(schema.columns)


class MixedModule(LikelihoodModule):
    """Columns of numbers, standardised, and columns of codes 0, 1, ..., levels - 1.

    The numbers come first among the P parameters, then categories by their number of
    levels, so that those with as many are one block.
    """

    goes_along = True
    is_pooled = False  # whether numbers are in the same units, as ratings are
    is_even = True  # whether training lets a category cost what a number does

    def __init__(self, likelihood, location, scale, active, n_levels, tells, *bounds):
        super().__init__(likelihood, "identity", location, scale, active, *bounds)
        self.n_levels = n_levels = np.asarray(n_levels)  # (d,) 0 for a number
        numbers = np.flatnonzero(n_levels == 0)
        self.categories = tuple(np.flatnonzero(n_levels).tolist())
        self.blocks, at = [], len(numbers)  # (levels, columns, first parameter)
        owner = [numbers]
        for levels in np.unique(n_levels[n_levels > 0]):
            columns = np.flatnonzero(n_levels == levels)
            self.blocks.append((int(levels), torch.from_numpy(columns), at))
            owner.append(np.repeat(columns, levels))
            at += levels * len(columns)
        self.n_params = at
        # where training misses no cell, nothing could be learnt of what that means
        self.tells = torch.from_numpy(np.flatnonzero(tells))
        self.cycles = cycles_of(likelihood.cycles, location, scale)
        self.n_beside = self.cycles.n if self.cycles else 0
        self.n_inputs = at + len(self.tells) + self.n_beside
        self.numbers = torch.from_numpy(numbers)
        self.owner = torch.from_numpy(np.concatenate(owner))  # (P,) column of each
        # knowing nothing costs 1/2 for a number, log(levels) for levels that are alike
        share = np.where(n_levels > 1, 0.5 / np.log(np.maximum(n_levels, 2)), 1.0)
        self.share = torch.from_numpy(share).float()  # (d,) of a cost that training sees
        self.register_parameter("log_variance", None)  # of numbers, if training learns it
        self.register_buffer("counted", torch.from_numpy(active[numbers]).float())

    def learnt(self):
        """Return what `fit` learnt, as arrays (d,); the numbers of levels last."""
        return [*super().learnt(), self.n_levels]

    def _logits(self, params):
        """Yield the columns (c,) of each block and their logits (..., c, levels)."""
        for levels, columns, at in self.blocks:
            logits = params[..., at : at + levels * len(columns)]
            yield (
                columns.to(params.device),
                logits.unflatten(-1, (len(columns), levels)),
            )

    def columns_of(self, values, most=None):
        """Return what holds for columns (..., d) for the (first) parameters; (..., P)."""
        return values.index_select(-1, self.owner[:most].to(values.device))

    def spread(self, x, most=np.inf):
        """Return rows (..., d) as numbers and ones among zeros, missing 0; (..., P).

        Categories of more than so many levels are left out: they come last.
        """
        parts = [torch.nan_to_num(x.index_select(-1, self.numbers.to(x.device)))]
        for levels, columns, _ in self.blocks:
            if levels > most:
                break
            codes = x.index_select(-1, columns.to(x.device))[..., None]
            hot = codes == torch.arange(levels, device=x.device)
            parts.append(hot.float().flatten(-2))
        return torch.cat(parts, -1)

    def embed(self, x):
        """Return what the encoder sees: rows spread, which cells are missing, cycles."""
        missing = torch.isnan(x.index_select(-1, self.tells.to(x.device)))
        parts = [self.spread(super().embed(x)), missing.to(x)]
        if self.n_beside:
            parts.append(self.cycles(x))
        return torch.cat(parts, -1)

    def target(self, x):
        """Return rows (B, d) as a linear model is to predict them, or NaN; (B, P)."""
        return torch.where(self.columns_of(torch.isnan(x)), torch.nan, self.spread(x))

    def change(self, new):
        """Return the `Change` from this to a module of more rows, of the same inputs.

        Levels stay what they are.
        """
        numbers, n = self.numbers.numpy(), len(self.numbers)
        change = change_of_numbers(self, new, self.scale)

        def padded(values, width, value):
            return np.pad(values[numbers], (0, width - n), constant_values=value)

        told = self.tells.numpy()
        of_numbers = np.flatnonzero(np.isin(told, numbers))
        flags = self.n_params + of_numbers, np.searchsorted(numbers, told[of_numbers])
        return Change(
            padded(change.gain, self.n_inputs, 1.0),
            padded(change.shift, self.n_inputs, 0.0),
            padded(change.out_gain, self.n_params, 1.0),
            padded(change.out_shift, self.n_params, 0.0),
            flags,
        )

    def become(self, new):
        """Take what a module of more rows has learnt of the columns."""
        if self.log_variance is not None:
            ratio = np.square(self.scale * new.inverse_scale)[self.numbers.numpy()]
            restate_noise(self.log_variance, np.where(ratio > 0, ratio, 1.0))
        super().become(new)

    def learn_noise(self, variance):
        variance = np.log(np.maximum(variance[: len(self.numbers)], LEARNT_FLOOR))
        self.log_variance = torch.nn.Parameter(torch.from_numpy(variance).float())

    def nll(self, params, x):
        """Return what each cell costs (..., d): nothing where it is missing."""
        if self.log_variance is not None:
            return self._cost(params, x, LEARNT_FLOOR + self.log_variance.exp())
        cost = self.costs(params, x)
        return cost * self.share.to(cost) if self.is_even else cost

    def costs(self, params, x):
        """Return what each cell costs in nats, numbers for a noise of 1; (..., d)."""
        return self._cost(params, x, None)

    def _cost(self, params, x, variance):
        """Return each cell's cost (..., d), given the numbers' noise or for a unit one."""
        if is_graph():  # of any number of rows, which have one target each
            out = torch.zeros_like(x, dtype=params.dtype)
        else:
            shape = np.broadcast_shapes(params.shape[:-1], x.shape[:-1]) + x.shape[-1:]
            out = torch.zeros(shape, dtype=params.dtype, device=params.device)
        numbers = self.numbers.to(x.device)
        x_numbers = x.index_select(-1, numbers)
        there = ~torch.isnan(x_numbers)
        mean = torch.where(there, params[..., : len(numbers)], 0.0)
        pair = mean, x_numbers.nan_to_num()
        pair = pair if is_graph() else torch.broadcast_tensors(*pair)
        if variance is None:
            cost = half_squared_error(*pair)
        else:
            cost = gaussian_nll(*pair, variance) * (there * self.counted.to(x.device))
        out = out.index_copy(-1, numbers, cost)
        for columns, logits in self._logits(params):
            codes = x.index_select(-1, columns)
            there = ~torch.isnan(codes)
            logits = torch.where(there[..., None], logits, 0.0)
            codes = codes.nan_to_num().long()
            codes = codes if is_graph() else codes.expand(logits.shape[:-1])
            cost = -logits.log_softmax(-1).gather(-1, codes[..., None])[..., 0]
            out = out.index_copy(-1, columns, torch.where(there, cost, 0.0))
        return out

    def log_prob(self, params, x):
        """Return log p(x | z) of the cells that are there, in data units; (B,)."""
        variance = torch.from_numpy(self.noise_variance)[self.numbers]
        nll = self._cost(params.double(), x.double(), variance)
        return self.log_slope(x) - nll.sum(1) - self._log_scale(x)

    def _log_scale(self, x):
        """Return what the numbers' scales take from log-densities of rows; (B,)."""
        scale = self.scale[self.numbers.numpy()]
        log_scale = torch.from_numpy(np.log(np.where(scale > 0, scale, 1.0)))
        return (self._counts(x) * log_scale).sum(1)

    def _counts(self, x):
        """Return which numbers of rows count in a score; (B, number of numbers)."""
        return ~torch.isnan(x[:, self.numbers]) & self.counted.cpu().bool()

    def highest(self, x):
        """Return the log-probability of rows that are reconstructed perfectly; (B,)."""
        variance = torch.from_numpy(self.noise_variance)[self.numbers]
        zero = torch.zeros(len(x), len(self.numbers), dtype=torch.float64)
        nll = gaussian_nll(zero, zero, variance) * self._counts(x)
        return self.log_slope(x) - nll.sum(1) - self._log_scale(x)

    def squared_error(self, params, x):
        """Return each cell's squared error, a category's over its levels; (B, d)."""
        error = (self.probabilities(params) - self.spread(x)).square()
        error = error * self.columns_of(~torch.isnan(x))
        out = torch.zeros_like(x)
        return out.index_add(-1, self.owner.to(x.device), error)

    def mean(self, params):
        """Return numbers, and each category's likeliest code; (..., d)."""
        shape = (*params.shape[:-1], len(self.n_levels))
        numbers = params[..., : len(self.numbers)]
        out = params.new_zeros(shape).index_copy(
            -1, self.numbers.to(params.device), numbers
        )
        for columns, logits in self._logits(params):
            out = out.index_copy(-1, columns, logits.argmax(-1).to(out))
        return out

    def probabilities(self, params):
        """Return parameters (..., P) with each category's logits made probabilities."""
        parts = [logits.softmax(-1).flatten(-2) for _, logits in self._logits(params)]
        return torch.cat([params[..., : len(self.numbers)], *parts], -1)

    def draw(self, params, random_state):
        out = self.mean(params).double().numpy()
        noise, numbers = random_state.standard_normal(out.shape), self.numbers.numpy()
        std = (np.sqrt(self.noise_variance) * self.active)[numbers]
        out[:, numbers] += std * noise[:, numbers]
        for columns, logits in self._logits(params.double()):
            below = logits.softmax(-1).cumsum(-1).numpy()
            u = ndtr(noise[:, columns.numpy(), None]) * below[..., -1:]
            out[:, columns.numpy()] = (below < u).sum(2)
        return out

    def asks_for_draws(self, statistics):
        return True

    def balance(self, params, weights):
        """Return what to add to parameters, so that levels are as frequent as they were.

        Parameters
        ----------
        params : Tensor of shape (n, P)
            Of codes as they are drawn.
        weights : list of ndarray of shape (levels,)
            How frequent levels were, of each column that is a category.

        Returns
        -------
        shift : Tensor of shape (P,)
        """
        shift = torch.zeros(self.n_params)
        parts = zip(self.blocks, self._logits(params.double()), strict=True)
        for (levels, _, at), (columns, logits) in parts:
            wanted = torch.from_numpy(np.stack([weights[j] for j in columns.tolist()]))
            wanted = wanted.double()
            wanted[wanted.sum(1) == 0] = 1.0  # without a value
            wanted = wanted / wanted.sum(1, keepdim=True)
            more = torch.where(wanted > 0, 0.0, -torch.inf)
            # those that are sure of a level hardly move unless they are softened at first
            heat = max(1.0, float(logits.max() - logits.min()) / SOFT)
            while True:
                for _ in range(ROUNDS):
                    share = ((logits + more) / heat).softmax(-1).mean(0)
                    if (share - wanted).abs().max() < CLOSE:
                        break
                    step = heat * (wanted / share).log()
                    more = more + torch.where(wanted > 0, step, 0.0)
                if heat == 1:
                    break
                heat = max(1.0, heat / 2)
            shift[at : at + levels * len(columns)] = more.flatten()
        return shift

    def noise_around(self, mean, residual_variance):
        n = len(self.numbers)
        p = np.clip(mean[n:], TINY, 1 - TINY)
        return np.concatenate([residual_variance[:n], p * (1 - p)])

    def linearize(self, mean, components):
        """Return bias (P,) and weight (P, k): m + V z, of logits log m + V z / m."""
        n, softmax = len(self.numbers), LINKS["softmax"]
        bias, slope = mean.copy(), np.ones_like(mean)
        bias[n:] = softmax.inverse(np.maximum(mean[n:], RAREST))
        slope[n:] = softmax.slope(np.maximum(mean[n:], TINY))
        return bias, slope[:, None] * components.T

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
        return self.mean(torch.from_numpy(means)).numpy()
