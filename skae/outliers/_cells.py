"""How surprising each cell of a row is, given the row's others.

n is the number of rows, d of the columns.
"""

import warnings

import numpy as np
import torch
from sklearn.preprocessing import PowerTransformer

from skae._autoencoders.denoising import DenoisingAutoencoder
from skae._data.rows import densify
from skae._data.statistics import column_statistics
from skae._training.blocks import encode
from skae.corruption._masking import Masking
from skae.likelihoods._mixed import Mixed
from skae.outliers._constants import ROUNDING

STEPS = 100, 800  # of training: as many as rows, within these
BATCH_SIZE, RATE = 128, 3e-3
WIDTH, CODE = 128, 64
HIDDEN = (0.1, 0.6)  # share of a row's cells that training hides
MOST_PASSES = 64  # of a row: in a wider table some columns are hidden together
SHAPED = 10_000  # rows that columns' shapes are learnt from
FARTHEST = 20.0  # deviations
LEAST_NOISE = 1e-4  # variance of a number given the others
MOST_BLAMED, BLAMED = 4, 2.0  # cells of a row, and the nats of one, that others do without


class Shapes:
    """Numbers made as normal as a power of them can be, column by column, and back.

    Beyond the ends of the rows that shapes were learnt from, which powers would bend as
    well, a deviation stays one.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        NaN where a cell is missing.
    numbers : ndarray of int
        The columns concerned; others stay as they are.
    """

    def __init__(self, X, numbers):
        self.numbers = numbers
        stats = column_statistics(X, None, X.shape[1:], lambda block: None)
        self.mean, scale = (values[numbers] for values in stats.ordinary())
        self.is_flat, self.scale = scale == 0, np.where(scale > 0, scale, 1.0)
        unit = scale[scale > 0].min() if (scale > 0).any() else 0.0
        self.near = ROUNDING * np.maximum(np.abs(self.mean), ROUNDING * unit)
        some = X[np.linspace(0, len(X) - 1, min(len(X), SHAPED)).astype(int)]
        u = self._deviations(some)
        u[:, np.isnan(u).all(0)] = 0.0
        self.ends = np.nanmin(u, 0), np.nanmax(u, 0)
        self.power = PowerTransformer()
        if len(numbers):
            self._quiet(self.power.fit, u)
            ends = (self._quiet(self.power.transform, e[None])[0] for e in self.ends)
            self.shaped_ends = tuple(ends)

    @staticmethod
    def _quiet(function, values):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(values)

    def _deviations(self, X):
        """Return how many deviations numbers of rows (n, d) are from their mean.

        A constant does not deviate by what is rounding.
        """
        away = X[:, self.numbers].astype(float) - self.mean
        away[self.is_flat & (np.abs(away) <= self.near)] = 0.0
        with np.errstate(over="ignore"):
            return away / self.scale

    def moved(self, X):
        """Return how surely cells of rows (n, d) are not their column's constant.

        0 within rounding, 1 from ten times that on, and of columns that vary; (n, d).
        """
        moved = np.zeros(X.shape)
        with np.errstate(over="ignore"):
            away = np.abs(X[:, self.numbers].astype(float) - self.mean)
            share = (away / np.maximum(self.near, np.finfo(float).tiny) - 1) / 9
        moved[:, self.numbers] = np.where(self.is_flat, np.nan_to_num(share).clip(0, 1), 0)
        return moved

    def __call__(self, X):
        """Return rows (n, d) with numbers so shaped; float64."""
        X = densify(X).astype(float)
        if len(self.numbers):
            u = self._deviations(X)
            inside = u.clip(*self.ends)
            u = self._quiet(self.power.transform, inside) + (u - inside)
            X[:, self.numbers] = u.clip(-FARTHEST, FARTHEST)
        return X

    def back(self, X):
        """Return shaped rows (n, d) as they were, no number beyond the ends."""
        X = X.copy()
        if len(self.numbers):
            u = X[:, self.numbers].clip(*self.shaped_ends)
            u = self._quiet(self.power.inverse_transform, u).clip(*self.ends)
            X[:, self.numbers] = u * self.scale + self.mean
        return X


def unfitted(X, mixed, seed):
    """Return the shapes of rows X (n, d), and what is to predict cells so shaped.

    `mixed` is the likelihood of rows that hold codes of categories, else None.
    """
    mixed = Mixed() if mixed is None else mixed
    others = {*(mixed.categories or ()), *(mixed.cycles or ())}
    shapes = Shapes(X, np.setdiff1d(np.arange(X.shape[1]), sorted(others)))
    steps = np.clip(len(X), *STEPS)  # of few rows, more would only learn by heart
    autoencoder = DenoisingAutoencoder(
        CODE,
        network=(WIDTH,),
        likelihood=mixed,
        corruption=Masking(HIDDEN),
        early_stopping=False,
        learning_rate=RATE,
        batch_size=BATCH_SIZE,
        max_iter=max(1, round(steps / np.ceil(len(X) / BATCH_SIZE))),
        alpha=0.0,
        random_state=seed,
    )
    return shapes, autoencoder


class Cells:
    """What each cell costs when it alone is hidden from an autoencoder, in nats.

    Parameters
    ----------
    member : DenoisingAutoencoder
        As `unfitted` returns it, fitted on shaped rows.
    shapes : Shapes
    X : ndarray of shape (n, d)
        Normal rows, NaN where a cell is missing.
    """

    def __init__(self, member, shapes, X):
        self.member, self.shapes = member, shapes
        likelihood = member.net_.module_.likelihood
        is_number, self.active = likelihood.n_levels == 0, likelihood.active
        self.constant = np.full(len(self.active), np.nan)
        self.constant[shapes.numbers] = np.where(shapes.is_flat, shapes.mean, np.nan)
        self.constant[self.active] = np.nan  # `partial_fit` may have seen it vary
        self.empty = is_number & ~self.active & np.isnan(X).all(0)
        self.new = np.log(len(X) + 1.0)  # nats of what is in none of the rows
        d = len(self.active)
        self.groups = [torch.arange(i, d, MOST_PASSES) for i in range(min(d, MOST_PASSES))]
        self.scale = np.ones(d)
        rows = shapes(X)
        cost, n = self.cost(rows), np.maximum((~np.isnan(rows)).sum(0), 1)
        noise = np.maximum(2 * cost.sum(0) / n, LEAST_NOISE)
        self.scale = np.where(is_number, 1 / noise, 1.0)
        self.usual = cost.sum(0) / n * self.scale

    def cost(self, rows):
        """Return what cells of shaped rows cost in nats, 0 if missing; (n, d)."""
        d = rows.shape[1]
        return encode(self.member.net_, rows, self._costs, d, check=False) * self.scale

    def _costs(self, x):
        """Return each cell's cost with its column hidden; (B, d)."""
        costs = self.member.net_.module_.likelihood.costs
        return self._alone(x, lambda params: costs(params, x))

    def _means(self, x):
        """Return what is expected of each cell with its column hidden; (B, d)."""
        return self._alone(x, self.member.net_.module_.likelihood.mean)

    def _alone(self, x, fn):
        module, out = self.member.net_.module_, torch.empty_like(x)
        for group in self.groups:
            group = group.to(x.device)
            values = fn(module.params(x.index_fill(1, group, torch.nan)))
            out[:, group] = values[:, group]
        return out

    def excess(self, X):
        """Return how much more than usually each cell of rows costs; (n, d), in nats.

        A value of a category that no row has had is infinite in X, and costs what one row
        more would have had to tell; so does a number where all rows had another.
        """
        new = self._new(X)
        excess = self._excess(self.shapes(np.where(new > 0, np.nan, X)))
        return np.where(new > 0, new * self.new, excess)

    def _new(self, X):
        """Return how surely cells of rows are what no row has had, from 0 to 1; (n, d)."""
        never = np.isinf(X) | (self.empty & ~np.isnan(X))
        return np.where(never, 1.0, np.where(self.active, 0.0, self.shapes.moved(X)))

    def _excess(self, rows):
        there = ~np.isnan(rows) & self.active
        return np.where(there, self.cost(rows) - self.usual, 0.0)

    def reasons(self, X):
        """Return what cells of rows add to what a row costs, and what is expected there.

        The worst cell is blamed first and hidden, so that the others are expected without
        it; then the worst of those, and so on. (n, d) each.
        """
        new, every = self._new(X), np.arange(len(X))
        blamed, parts = new > 0, new * self.new
        rows = self.shapes(np.where(blamed, np.nan, X))
        for _ in range(MOST_BLAMED):
            excess = self._excess(rows)
            worst = excess.argmax(1)
            bad = excess[every, worst] > BLAMED
            if not bad.any():
                break
            mine = every[bad], worst[bad]
            parts[mine], blamed[mine], rows[mine] = excess[mine], True, np.nan
        parts = np.where(blamed, parts, np.maximum(self._excess(rows), 0))
        likelihood = self.member.net_.module_.likelihood
        expected = self.shapes.back(likelihood.restore(self.means(rows)))
        expected = np.where(np.isnan(self.constant), expected, self.constant)
        expected[:, self.empty] = np.nan
        return np.where(expected == X, 0.0, parts), expected

    def means(self, rows):
        """Return what is expected of shaped rows' cells, standardised; (n, d)."""
        return encode(self.member.net_, rows, self._means, rows.shape[1], check=False)
