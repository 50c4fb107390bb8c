"""A normal distribution of rows with missing cells, and what it expects of those.

n is the number of rows, d the columns, k the factors.
"""

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skae.networks._layers import aligned_linear

FULL_COLUMNS = 150  # up to which a whole covariance is estimated
FIRST_ROWS = 1000  # that a covariance of more is first estimated from, as a start
ITERATIONS, TOLERANCE = 50, 1e-3  # of the covariance's change in one iteration
SHRINKAGE, MOST_SHRINKAGE = 0.1, 0.5  # of the diagonal: d / n times this, at most
JITTER = 1e-6
CHUNK_CELLS = 2**21  # of the matrices that are solved together
MAX_ROWS = 5000  # from which a covariance is estimated
FACTORS, PRIOR_CELLS = 20, 5.0  # of `FactorGuess`, and how much a prior weighs
MORE_PRIOR = 2, 8  # times as much: d / n times this, at most; once at least
FEW_ROWS = 5  # for each column: of fewer, rows left out say how many factors there are
TRIED, TRIED_SIZE = (4, 8, 12, 16, 24), 300  # factors, on rows and columns at most
TRIED_PARTS, TRIED_HIDDEN = 4, 0.25  # of the rows, and cells that are hidden in one
TRIED_ITERATIONS = 15  # of what has no factors, meanwhile
BETTER, WORSE = 0.97, 1.1  # times the least error so far: it is taken; no more are tried
CLEARLY = 0.95  # times the error without factors
POOLED_FACTORS, POOLED_PRIOR, COMMON_WEIGHT = 8, 300.0, 0.4  # of ratings
KNOTS = 256  # of a column's quantiles, at most
NODES = 7  # of the quadrature that takes a normal score's mean back to the data


class GaussianGuess(nn.Module):
    """The conditional mean of missing cells, E[x_m | x_o], under N(mean, covariance).

    Fitted by expectation-maximisation; the covariance is shrunk towards its diagonal. Of
    few rows it is that of a few factors, if these err clearly less in rows left out:
    shrinkage takes from near-collinear columns what they tell of each other.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Standardised rows, NaN where they are missing.
    try_factors : bool, default=True
        Whether to see if factors err less.
    """

    def __init__(self, x, iterations=ITERATIONS, try_factors=True):
        super().__init__()
        x_given = x
        n_factors = try_factors and factors_of(
            x, lambda rows: GaussianGuess(rows, TRIED_ITERATIONS, try_factors=False)
        )
        x = torch.from_numpy(np.asarray(x[:MAX_ROWS], dtype=np.float64))
        n, d = x.shape
        seen = ~torch.isnan(x)
        x = torch.where(seen, x, 0.0)
        patterns, which, counts = np.unique(
            np.packbits(seen.numpy(), axis=1), axis=0, return_inverse=True,
            return_counts=True,
        )  # fmt: skip
        which = torch.from_numpy(which.ravel())
        first = torch.full((len(patterns),), n).scatter_reduce(
            0, which, torch.arange(n), "amin"
        )
        patterns, counts = seen[first].double(), torch.from_numpy(counts).double()
        order = torch.argsort(which, stable=True)
        number = seen.sum(0).clamp(min=1)
        mean = x.sum(0) / number
        variance = (torch.where(seen, x - mean, 0.0).square().sum(0) / number).clamp(
            min=JITTER
        )
        share = min(MOST_SHRINKAGE, SHRINKAGE * d / n)
        covariance = torch.diag(variance)
        if n_factors:
            factors = FactorGuess(x_given, n_factors)
            mean, weight = factors.mean.double(), factors.weight.double()
            covariance = weight @ weight.T + torch.diag(factors.noise_variance.double())
            iterations = 0
        elif n > 2 * FIRST_ROWS:
            start = GaussianGuess(x_given[:FIRST_ROWS], iterations)
            mean, covariance = start.mean.double(), start.covariance.double()
        for _ in range(iterations):
            filled, total, at = torch.empty_like(x), torch.zeros(d, d).double(), 0
            for rows in torch.arange(len(patterns)).split(max(1, CHUNK_CELLS // d**2)):
                inverse = _inverse(covariance, patterns[rows])  # (p, d, d)
                total += torch.einsum("p,pij->ij", counts[rows], inverse)
                size = int(counts[rows].sum())
                mine = order[at : at + size]
                at += size
                step = torch.where(seen[mine], x[mine] - mean, 0.0)
                each = inverse[which[mine] - rows[0]] if len(patterns) < n else inverse
                filled[mine] = mean + torch.bmm(step[:, None], each)[:, 0] @ covariance
            extra = n * covariance - covariance @ total @ covariance
            filled = torch.where(seen, x, filled)
            mean, before = filled.mean(0), covariance
            centred = filled - mean
            covariance = (centred.T @ centred + extra) / n
            covariance = (1 - share) * covariance + share * torch.diag(covariance.diag())
            covariance = covariance + JITTER * torch.eye(d)
            if float((covariance - before).abs().max()) < TOLERANCE:
                break
        precision = torch.linalg.inv(covariance)
        self.register_buffer("mean", mean.float())
        self.register_buffer("covariance", covariance.float())
        self.register_buffer("precision", F.pad(precision.float(), (0, 1, 0, 1)))

    @staticmethod
    def together(guesses, xs, seen, e=None):
        """Return what guesses expect of rows, and how surely; a list of (mean, sd, draw).

        Each is (n, d); a seen cell is what it is, its deviation and draw are 0. The draw
        is of what is added to the mean, made of standard normal e (n, d), None without.
        x_m given x_o is
        normal with the mean mu_m - P_mm^-1 P_mo (x_o - mu_o) and the covariance P_mm^-1,
        where P is the precision. A row's system is padded to one of a few sizes by what
        it lacks alone, so that its result does not depend on others.
        """
        precision = torch.stack([guess.precision for guess in guesses])
        mean = torch.stack([guess.mean for guess in guesses])[:, None]
        x = torch.stack(xs)
        n_guesses, n, d = x.shape
        gap = -d % 4  # rows at equal alignments are rounded alike
        square = F.pad(precision[:, :d, :d], (0, gap, 0, gap))
        right = -(F.pad(torch.where(seen, x - mean, 0.0), (0, gap)) @ square)
        right = F.pad(right[..., :d], (0, 1))
        number = (~seen).sum(1)
        order = torch.argsort(seen.byte(), dim=1, stable=True)  # what is missing first
        out = x.new_zeros(3, n_guesses, n, d + 1)
        least = 0
        for size in _sizes(d):
            rows = ((number > least) & (number <= size)).nonzero()[:, 0]
            least = size
            for part in rows.split(max(1, CHUNK_CELLS // size**2)) if len(rows) else ():
                padding = torch.arange(size, device=x.device) >= number[part, None]
                place = F.pad(order[part], (0, max(0, size - d)))[:, :size]
                place = torch.where(padding, d, place)
                matrix = precision[:, place[:, :, None], place[:, None]]
                matrix.diagonal(dim1=2, dim2=3).add_(padding)
                factor = torch.linalg.cholesky_ex(matrix).L  # (G, rows, size, size)
                inverse = torch.cholesky_inverse(factor)
                mine = right[:, part].gather(2, place.expand(n_guesses, -1, -1))
                at = part[:, None], place
                out[0][:, *at] = (inverse * mine[:, :, None]).sum(3)
                out[1][:, *at] = inverse.diagonal(dim1=2, dim2=3).clamp(min=0).sqrt()
                if e is not None:
                    own = F.pad(e[part], (0, 1)).gather(1, place)[..., None]
                    out[2][:, *at] = torch.linalg.solve_triangular(
                        factor.mT, own.expand(n_guesses, -1, -1, -1), upper=True
                    )[..., 0]
        step, sd, drawn = out[..., :d] * ~seen
        return [
            (torch.where(seen, x[i], mean[i] + step[i]), sd[i],
             None if e is None else drawn[i])
            for i in range(n_guesses)
        ]  # fmt: skip

    def forward(self, x, seen):
        """Return what is expected of all cells of x (n, d), given those seen; (n, d)."""
        return self.together([self], [x], seen)[0][0]

    @property
    def n_normals(self):
        """How many standard normal numbers a row's draw takes."""
        return len(self.mean)

    def noise(self, x, seen, e=None):
        """Return a draw around what is expected, and its standard deviation; (n, d).

        The draw is made of standard normal e (n, n_normals), None without. Both are 0
        where a cell is seen.
        """
        _, sd, drawn = self.together([self], [x], seen, e)[0]
        return drawn, sd


def _sizes(d):
    """Return the sizes that systems are padded to, up to one that holds d."""
    sizes = [4]
    while sizes[-1] < d:
        sizes.append(2 * sizes[-1])
    return sizes


def _inverse(covariance, patterns):
    """Return the inverses of the seen blocks, zero elsewhere; (p, d, d)."""
    matrix = covariance * patterns[:, :, None]
    matrix *= patterns[:, None, :]
    matrix.diagonal(dim1=1, dim2=2).add_(1 - patterns + JITTER)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix))
    inverse.diagonal(dim1=1, dim2=2).mul_(patterns)
    return inverse


class FactorGuess(nn.Module):
    """The same with a covariance W W' + diag(psi), for many columns.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Standardised rows, NaN where they are missing.
    pooled : bool, default=False
        Whether columns are in the same units and mean alike, as ratings do: their
        weights are then drawn towards those that all have in common, by much.
    """

    def __init__(self, x, n_factors=None, iterations=30, seed=0, pooled=False):
        super().__init__()
        x_given = x
        x = torch.from_numpy(np.asarray(x[:MAX_ROWS], dtype=np.float32))
        n, d = x.shape
        seen = ~torch.isnan(x)
        m, x = seen.float(), torch.where(seen, x, 0.0)
        number = m.sum(0)
        most = POOLED_FACTORS if pooled else FACTORS
        k = 4 * int(max(1, min(most, n // 5) // 4))
        k = n_factors or (not pooled and factors_of(x_given)) or k
        times = float(np.clip(MORE_PRIOR[0] * d / n, 1, MORE_PRIOR[1]))
        weighs = POOLED_PRIOR if pooled else times * PRIOR_CELLS
        prior = torch.tensor([*[weighs] * k, PRIOR_CELLS])
        mean = x.sum(0) / (number + PRIOR_CELLS)
        noise = torch.ones(d)
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(d, k, generator=generator) * (0.1 / k**0.5)
        if pooled:
            weight[:, 0] += COMMON_WEIGHT
        for _ in range(iterations):
            step = (x - mean) * m
            inverse = self._precision(m, weight, noise).inverse()  # (n, k, k)
            z = torch.einsum("nkl,nl->nk", inverse, (step / noise) @ weight)
            one = torch.cat([z, torch.ones(n, 1)], 1)
            square = F.pad(inverse, (0, 1, 0, 1)) + one[:, :, None] * one[:, None, :]
            left = (m.T @ square.flatten(1)).view(d, k + 1, k + 1)
            right = x.T @ one
            if pooled:
                common = (weight * number[:, None]).sum(0) / number.sum()
                right = right + prior * torch.cat([common, torch.zeros(1)])
                left.diagonal(dim1=1, dim2=2).add_(prior)
            else:
                left.diagonal(dim1=1, dim2=2).add_(prior * noise[:, None])
            solved = torch.linalg.solve(left, right[:, :, None])[:, :, 0]
            weight, mean = solved[:, :k].contiguous(), solved[:, k].contiguous()
            fitted = mean + z @ weight.T
            spread = (
                inverse.flatten(1) @ (weight[:, :, None] * weight[:, None]).flatten(1).T
            )
            residual = ((x - fitted).square() + spread) * m
            common = residual.sum() / m.sum().clamp(min=1)
            noise = (residual.sum(0) + PRIOR_CELLS * common) / (number + PRIOR_CELLS)
            noise = noise.clamp(min=1e-3)
        self.register_buffer("mean", mean)
        self.register_buffer("weight", weight)
        self.register_buffer("noise_variance", noise)

    @staticmethod
    def _precision(m, weight, noise):
        """Return I + W' M W / psi for rows seen at m (n, d); (n, k, k)."""
        k = weight.shape[1]
        outer = (weight[:, :, None] * weight[:, None] / noise[:, None, None]).flatten(1)
        return (m @ outer).view(-1, k, k) + torch.eye(k, device=weight.device)

    def forward(self, x, seen):
        """Return what is expected of all cells of x (n, d), given those seen; (n, d)."""
        m = seen.to(x.dtype)
        step = torch.where(seen, x - self.mean, 0.0) / self.noise_variance
        precision = self._precision(m, self.weight, self.noise_variance)
        z = torch.linalg.solve(precision, (step @ self.weight)[:, :, None])[:, :, 0]
        return aligned_linear(z, self.weight, self.mean)

    @property
    def n_normals(self):
        """How many standard normal numbers a row's draw takes."""
        return sum(self.weight.shape)

    def noise(self, x, seen, e=None):
        """Return a draw around what is expected, and its standard deviation; (n, d).

        The draw is made of standard normal e (n, n_normals), None without.
        """
        precision = self._precision(seen.to(x.dtype), self.weight, self.noise_variance)
        factor = torch.linalg.cholesky(precision.inverse())
        loadings = (self.weight @ factor).square().sum(2)  # (n, d)
        sd = (loadings + self.noise_variance).sqrt() * ~seen
        if e is None:
            return None, sd
        d = len(self.weight)
        z = factor @ e[:, d:, None]
        own = e[:, :d] * self.noise_variance.sqrt()
        return (z[:, :, 0] @ self.weight.T + own) * ~seen, sd


def factors_of(x, rival=None):
    """Return how many factors few rows x (n, d) have; 0 if rows are many, or too few.

    Those are taken that err least in rows left out, some of whose numbers are hidden (of
    a category's levels, one tells another); 0 too if a rival errs hardly more.
    """
    n, d = x.shape
    if not 2 * TRIED_PARTS <= n < FEW_ROWS * d:
        return 0
    x = x[:TRIED_SIZE, :: -(-d // TRIED_SIZE)]
    seen, part = ~np.isnan(x), np.arange(len(x)) % TRIED_PARTS
    is_number = np.array(
        [len(np.unique(c[s])) > 2 for c, s in zip(x.T, seen.T, strict=True)]
    )
    rng = np.random.default_rng(0)
    hidden = seen & is_number & (rng.random(x.shape) < TRIED_HIDDEN)
    rows = torch.from_numpy(np.nan_to_num(x)).float()
    shown = torch.from_numpy(seen & ~hidden)

    def error(fit):
        expected = torch.empty_like(rows)
        for i in range(TRIED_PARTS):
            mine = part == i
            with torch.no_grad():
                expected[mine] = fit(x[~mine])(rows[mine], shown[mine])
        return float(np.square(expected.numpy() - x)[hidden].mean() ** 0.5)

    if not hidden.any():
        return 0
    best, least = 0, np.inf
    for k in TRIED:
        if k > max(TRIED[0], len(x) // 2):
            break
        mine = error(partial(FactorGuess, n_factors=k))
        if mine > WORSE * least:
            break
        if mine < BETTER * least:
            best, least = k, mine
    return best if rival is None or least < CLEARLY * error(rival) else 0


class CopulaGuess(nn.Module):
    """A guess of numbers that is made in their normal scores, and taken back.

    Each number's ranks are given the quantiles of a normal distribution, so that heavy
    tails weigh no more than others; what is expected of a missing cell is the mean of
    its quantile function over its score's conditional distribution. Other columns are
    left as they are.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Standardised rows, NaN where they are missing; numbers are the first columns.
    n_numbers : int
    """

    def __init__(self, x, n_numbers):
        super().__init__()
        self.n_numbers = n_numbers
        size = int(min(KNOTS, len(x)))
        level = (np.arange(size) + 0.5) / size
        knots = np.zeros((n_numbers, size))
        for j in range(n_numbers):
            seen = x[~np.isnan(x[:, j]), j]
            if len(seen):
                knots[j] = np.quantile(seen, level, method="hazen")
        self.register_buffer("knots", torch.from_numpy(knots).float())
        given = torch.from_numpy(x)
        scores = self.score(torch.nan_to_num(given).float()).double()
        holed = torch.where(torch.isnan(given), torch.nan, scores)
        self.guess = GaussianGuess(holed.numpy())
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self.nodes = [*zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True)]

    def score(self, x):
        """Return rows with normal scores for numbers; (B, d)."""
        x_numbers = x[:, : self.n_numbers].T.contiguous()  # (numbers, B)
        size = self.knots.shape[1]
        low = torch.searchsorted(self.knots, x_numbers)
        high = torch.searchsorted(self.knots, x_numbers, right=True)
        rank = (low + high) / (2 * size)
        score = torch.special.ndtri(rank.clamp(0.5 / size, 1 - 0.5 / size))
        return torch.cat([score.T, x[:, self.n_numbers :]], 1)

    def restore(self, mean, sd):
        """Return the data's means (n, d) where scores have these means and deviations."""
        of_numbers = slice(self.n_numbers)
        mean_numbers, sd_numbers = mean[:, of_numbers].T, sd[:, of_numbers].T
        size, total = self.knots.shape[1], 0.0
        for node, weight in self.nodes:
            u = torch.special.ndtr(mean_numbers + node * sd_numbers)
            place = (u * size - 0.5).clamp(0, size - 1)
            low = place.long()
            high = (low + 1).clamp(max=size - 1)
            a, b = self.knots.gather(1, low), self.knots.gather(1, high)
            total = total + weight * torch.lerp(a, b, place - low)
        return torch.cat([total.T, mean[:, self.n_numbers :]], 1)
