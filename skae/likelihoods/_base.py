"""What every fitted likelihood does: standardise, embed, score, back to data units.

B is the number of rows, d the number of columns, P of the numbers that a decoder puts
out for a row: d, but for mixed columns.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skae._data.body import KNEE, bend, straighten
from skae._data.change import inverse

VARIANCE_FLOOR = 1e-6  # of a residual, in units of the scaled column
LEARNT_FLOOR = 1e-5  # of a noise that is learnt with the weights
LARGEST_LOG = 30.0  # of a rate
MARGIN = 3.0  # scaled units beyond the training data that an encoder is shown
TINY = 0.02  # how near a bounded link's ends the starting point may lie


class _Link(NamedTuple):
    """A decoder's output u against the mean it stands for, m = forward(u)."""

    forward: object
    inverse: object  # u at a given mean
    slope: object  # du/dm at a given mean


LINKS = {
    "identity": _Link(lambda u: u, lambda m: m, lambda m: np.ones_like(m)),
    "sigmoid": _Link(
        torch.sigmoid, lambda m: np.log(m / (1 - m)), lambda m: 1 / (m * (1 - m))
    ),
    "tanh": _Link(torch.tanh, np.arctanh, lambda m: 1 / (1 - m**2)),
    "log": _Link(lambda u: torch.exp(u.clamp(max=LARGEST_LOG)), np.log, lambda m: 1 / m),
    "softmax": _Link(lambda u: torch.softmax(u, dim=1), np.log, lambda m: 1 / m),
}
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}


class LikelihoodModule(nn.Module):
    """A fitted likelihood: standardise, embed, score, and back to data units.

    The statistics are float64 arrays on the host: rows are standardised there, by
    block, before they become float32 (a column of 1.7e9 +- 10 would not survive
    otherwise), and not every accelerator has a float64.
    """

    is_of_rows = False  # whether the support is of a row as a whole, not of each cell
    groups = None  # of columns with a noise of their own that training learns
    categories = None  # the columns that hold codes, where cells may be missing
    n_beside = 0  # inputs, the last ones, that tell the others in another way
    goes_along = False  # whether scales can follow as more rows come, see `change`

    def __init__(self, likelihood, link, location, scale, active, is_wild=None, ends=None):
        super().__init__()
        self.likelihood = replace(likelihood)
        self.link_name = link
        self.location = location  # (d,) data units
        self.scale = scale  # (d,) data units; 0 where nothing can be learnt
        self.active = active  # (d,) bool: the columns that count in a score
        self.noise_variance = np.ones(len(location))  # (d,) standardised units
        self.inverse_scale = inverse(scale)
        self.n_inputs = self.n_params = len(location)
        self.clip = None  # standardised units
        self.is_wild = np.zeros(len(location), bool) if is_wild is None else is_wild
        self.ends = np.full((2, len(location)), [[-np.inf], [np.inf]])  # standardised
        self.register_buffer("reach", None)  # (2, d) what the encoder may see
        if ends is not None:  # (2, d) the training data's least and greatest values
            self.ends = self.standardize(ends, check=False).astype(np.float64)
            low, high = torch.from_numpy(self.ends.astype(np.float32))
            self.reach = torch.stack([low, high])
            self.see(low, high)

    def get_extra_state(self):
        """Return what `fit` learnt of the columns beside the weights; (7 or 8, d)."""
        return torch.from_numpy(np.stack([np.asarray(a, float) for a in self.learnt()]))

    def set_extra_state(self, state):
        """Take what `fit` learnt of the columns from a saved state."""
        location, scale, active, noise, is_wild, low, high, *levels = state.cpu().numpy()
        if not all(map(np.array_equal, levels, self.learnt()[7:])):
            raise ValueError(
                "The saved net is of a table whose categories have other numbers of "
                "levels. Load it into an estimator that was fitted on such a table."
            )
        self.location, self.scale, self.noise_variance = location, scale, noise
        self.active, self.inverse_scale = active > 0, inverse(scale)
        self.is_wild, self.ends = is_wild > 0, np.stack([low, high])

    def learnt(self):
        """Return what `fit` learnt, as arrays (d,)."""
        columns = self.location, self.scale, self.active, self.noise_variance
        return [*columns, self.is_wild, *self.ends]

    def change(self, new):
        """Return the `Change` from this to one that was built of more rows.

        Only where `goes_along`: otherwise the scales of the first rows stay.
        """
        raise NotImplementedError

    def stay(self, old):
        """Keep the location of an old one, which zeros around pictures stand for."""

    def become(self, new):
        """Take what a new one has learnt of the columns, the noise in its units."""
        gain, reach = self.scale * new.inverse_scale, self.reach
        if reach is not None:  # noise and pairs, too, were shown to the encoder
            at = (self.location - new.location) * new.inverse_scale
            shown = torch.from_numpy(reach.cpu().numpy() * gain + at).to(reach)
            low, high = torch.fmin(shown, new.reach)[0], torch.fmax(shown, new.reach)[1]
            new.reach.copy_(torch.stack([low, high]))
        # a column that begins to vary is not yet explained
        noise = np.where(gain > 0, np.square(gain) * self.noise_variance, 1.0)
        self.set_extra_state(new.get_extra_state())
        self.noise_variance = noise
        for name, values in new.named_buffers():
            self.get_buffer(name).copy_(values)

    def standardize(self, X, out=None, check=True):
        """Return rows X (B, d) of any dtype, scaled, as float32 (in `out`, if given)."""
        if check:
            self.likelihood.check(X)
        out = np.empty(X.shape, dtype=np.float32) if out is None else out
        wild = self.is_wild
        with np.errstate(over="ignore", invalid="ignore"):
            away = X - self.location
            np.multiply(away, self.inverse_scale, out=out)
            if wild.any():  # in float64, as float32 may not hold what is to be bent
                out[:, wild] = bend(away[:, wild] * self.inverse_scale[wild])
        return out if self.clip is None else out.clip(-self.clip, self.clip, out=out)

    def embed(self, x):
        """Return what the encoder sees of standardised rows; (B, n_inputs).

        Cells far beyond the training data's are taken to be at `MARGIN` from them, so
        that they do not carry the rest of their row away.
        """
        return x if self.reach is None else x.clamp(self.reach[0], self.reach[1])

    def see(self, low, high):
        """Let the encoder see values (d,) as training does, and beyond by a margin."""
        if self.reach is not None:
            margin = MARGIN if self.link_name == "identity" else 1.0  # the link's range
            low = torch.fmin(self.reach[0], low - margin)
            self.reach.copy_(torch.stack([low, torch.fmax(self.reach[1], high + margin)]))

    def spread(self, x):
        """Return standardised rows as points, to measure distances; (B, P)."""
        return x

    def target(self, x):
        """Return what a linear model predicts of rows (B, d), NaN if missing; (B, P)."""
        return x

    def columns_of(self, values):
        """Return what holds for columns (..., d) for the numbers of a row; (..., P)."""
        return values

    def collapse(self, means):
        """Return what is expected of targets (n, P), as an array, for columns; (n, d)."""
        return means

    def mean(self, params):
        """Return the mean that a decoder's output stands for, standardised; (B, d)."""
        return LINKS[self.link_name].forward(params)

    def restore(self, mean, columns=slice(None)):
        """Return standardised means (B, d), or of some columns, in data units; float64."""
        mean, wild = mean.astype(np.float64), self.is_wild[columns]
        if wild.any():  # an exponential must not go beyond the data
            low, high = self.ends[:, columns][:, wild]
            mean[:, wild] = straighten(mean[:, wild].clip(low, high))
        return mean * self.scale[columns] + self.location[columns]

    def set_noise(self, residual_variance):
        """Take the residuals' mean squares (d,), no smaller than the floor."""
        self.noise_variance = np.maximum(residual_variance, VARIANCE_FLOOR)

    def noise_around(self, mean, residual_variance):
        """Return the variance (P,) of targets around a mean that a model predicts.

        By default what is measured: that of the residuals.
        """
        return residual_variance

    def learn_noise(self, variance):
        """Let training learn the noise, from a start (P,), where there is any."""

    def sample(self, params, random_state):
        """Return rows drawn from a decoder's outputs, a tensor (n, P); an array (n, d)."""
        return self.restore(self.draw(params, random_state))

    def draw(self, params, random_state):
        """Return the same, standardised."""
        raise NotImplementedError(f"{type(self.likelihood).__name__} draws no rows.")

    def asks_for_draws(self, statistics):
        """Tell whether means, unlike draws, are hardly ever what a row could be."""
        return False

    def nll(self, params, x):
        """Return the training loss of each cell; (B, d)."""
        raise NotImplementedError

    def log_prob(self, params, x):
        """Return log p(x | z), float64 and in data units; (B,)."""
        nll = self.nll(params.double(), x.double())
        return self.log_slope(x) - nll.sum(1)

    def highest(self, x):
        """Return the log-probability of rows that are reconstructed perfectly; (B,).

        Up to a constant, so that it differs only where rows have missing cells, or such
        as are bent.
        """
        return self.log_slope(x)

    def log_slope(self, x):
        """Return the log of how much bending shrinks the wild cells of rows; (B,)."""
        beyond = (x.double()[:, torch.from_numpy(self.is_wild)].abs() - KNEE).clamp(min=0)
        return -beyond.nan_to_num().sum(1)

    def squared_error(self, params, x):
        """Return the squared error of each cell's mean, standardised; (B, d)."""
        return (self.mean(params) - x).square()

    def linearize(self, mean, components):
        """Return bias (P,) and weight (P, k) of m + V z, to first order in the link."""
        link = LINKS[self.link_name]
        if self.link_name in RANGES:
            low, high = RANGES[self.link_name]
            margin = TINY * (high - low)
            mean = np.clip(mean, low + margin, high - margin)
        return link.inverse(mean), link.slope(mean)[:, None] * components.T


def check_range(X, low, high, what):
    outside = np.less(X, low) | np.greater(X, high)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"{what} needs values of X in [{low:g}, {high:g}]; column {column} holds "
            f"{X[row, column]:g}. Rescale X, for instance with "
            "sklearn.preprocessing.MinMaxScaler(clip=True), or use "
            "likelihood='gaussian', which scales by itself."
        )
