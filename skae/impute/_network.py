"""The network that imputes: a normal distribution's guess, and what members add to it.

B is the number of rows, d the columns, P the likelihood's parameters, M the members, Q
those of the parameters that the guess knows.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skae._codes.base import Code, Terms
from skae.impute._guesses import FULL_COLUMNS, CopulaGuess, FactorGuess, GaussianGuess
from skae.impute._hidden import FOLDS, bit_of
from skae.networks._layers import Dropout, unstarted

MOST_ONE_HOT = 24  # levels; a category of more is embedded
LARGEST_EMBEDDING = 16
BINS, FEATURES = (8, 24), 240  # of the piecewise-linear features: as many in all, if in
VISIBLE = 0.2  # weight of a cell that is seen, beside 1 of one that is hidden
SMALL = 1000  # rows below which a guess is fitted without each fold, to be judged
EXPERTS = 3  # a normal guess, one by scores, the members
PRIOR_SHARES = (0.25, 0.25, 0.5)  # of these, as long as none is measured
LEAST = 0.01  # probability that a guess gives to a level, or its frequency, if less
LEAST_SD = 1e-3  # deviation of a guess that is ever told


class MemberLinear(nn.Module):
    """A linear layer for each member: (M, B, n_in) to (M, B, n_out).

    One that is `shared` takes the same rows (B, n_in) for all, as one product.
    """

    def __init__(self, n_members, n_in, n_out, generator, gain=1.0, shared=False):
        super().__init__()
        self.gap = -n_in % 4  # rows at equal alignments are rounded alike
        self.n_out, self.shared = n_out, shared
        n_in_padded, n_out_padded = n_in + self.gap, n_out + -n_out % 4
        shape = n_members, n_in_padded, n_out_padded
        if shared:
            shape = n_in_padded, n_members, n_out_padded
        weight = torch.zeros(shape, dtype=torch.float32)
        if gain:
            weight.normal_(0, gain / n_in**0.5, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_members, 1, n_out_padded))

    def forward(self, x):
        if self.gap:
            x = F.pad(x, (0, self.gap))
        if self.shared:
            u = (x @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
            u = u.transpose(0, 1) + self.bias
        else:
            u = torch.baddbmm(self.bias, x, self.weight)
        return u[..., : self.n_out]


class Imputing(Code):
    """The code of an imputer, which has none: its weights' average is judged and kept."""

    averaged = 0.98  # else what a step or two change would hide what is learnt


class ImputationModule(nn.Module):
    """u = b(x) + r_m(x): a base guess and what member m's network adds, per parameter.

    Parameters
    ----------
    likelihood : MixedModule
    x : Tensor of shape (n, d)
        Standardised training rows, NaN where they are missing.
    folds : Tensor of shape (n, d)
        Which members, those of `fold_of_member`, never learn from a cell; 0: all do.
    widths : tuple of int
        Of the hidden layers; one as wide as the one before is residual.
    dropout : float
        Share of the hidden units dropped at each training step.
    n_members : int
    generator : torch.Generator
    """

    def __init__(self, likelihood, x, folds, widths, dropout, n_members, generator):
        super().__init__()
        self.likelihood, self.n_members, self.code = likelihood, n_members, Imputing()
        self.head = None  # what numbers may be, once that is learnt
        fold = 1 + torch.arange(n_members) % FOLDS
        self.register_buffer("fold_of_member", fold[:, None, None])
        self.register_buffer("bit_of_member", bit_of(self.fold_of_member))
        numbers = len(likelihood.numbers)
        known = [b for b in likelihood.blocks if b[0] <= MOST_ONE_HOT]
        self.n_known = numbers + sum(levels * len(c) for levels, c, _ in known)
        self.is_wide = self.n_known > FULL_COLUMNS  # such tables get fewer features
        self.embedded = [
            (int(j), levels)
            for levels, columns, _ in likelihood.blocks[len(known) :]
            for j in columns
        ]
        self.embeddings = nn.ModuleList()
        for _, levels in self.embedded:  # and one for a value that is not there
            size = int(min(LARGEST_EMBEDDING, np.ceil(levels**0.5)))
            layer = unstarted(nn.Embedding, levels + 1, size)
            nn.init.normal_(layer.weight, generator=generator)
            self.embeddings.append(layer)
        order = torch.randperm(len(x), generator=generator)
        seen = ~torch.isnan(x)
        held_out = (folds[order] > 0) & (len(x) >= SMALL)
        self.guess, self.copula = self.guesses_from(x[order], held_out)
        values = x[:, likelihood.numbers]
        self.register_buffer("low", torch.nan_to_num(values, nan=torch.inf).amin(0))
        self.register_buffer("high", torch.nan_to_num(values, nan=-torch.inf).amax(0))
        bins = int(np.clip(FEATURES // max(1, numbers), *BINS)) * (not self.is_wide)
        self.register_buffer("edges", _edges(x[:, likelihood.numbers], bins))
        self.register_buffer("prior", self._log_frequencies(x))
        self.missing_share = float((~seen).float().mean())
        share = torch.zeros(EXPERTS, likelihood.n_params)
        share[-1] = 1
        self.register_buffer("share", share)
        n_in = (3 - self.is_wide) * self.n_known + x.shape[1] + bins * numbers
        n_in += sum(layer.embedding_dim for layer in self.embeddings)
        n_in += likelihood.n_beside
        sizes = [n_in, *widths]
        layers = [
            MemberLinear(n_members, a, b, generator, 2**0.5 if i else 1.0, shared=not i)
            for i, (a, b) in enumerate(pairwise(sizes))
        ]
        self.layers, self.dropout = nn.ModuleList(layers), Dropout(dropout)
        self.last = MemberLinear(
            n_members, sizes[-1], likelihood.n_params, generator, 0.0, shared=not layers
        )

    def guesses_from(self, x, held_out, n_factors=None):
        """Return a normal guess and one by scores, learnt from rows but for some cells.

        Those of a wide table have so many factors, by default as many as serve best.
        """
        spread, there = self._known(x, ~torch.isnan(x) & ~held_out)
        holed = torch.where(there, spread, torch.nan).numpy()
        if self.is_wide:
            return FactorGuess(holed, n_factors, pooled=self.likelihood.is_pooled), None
        return GaussianGuess(holed), CopulaGuess(holed, len(self.likelihood.numbers))

    def _known(self, x, seen):
        """Return rows over what the guess knows, and which of that is seen; (B, Q)."""
        return (
            self.likelihood.spread(x, MOST_ONE_HOT),
            self.likelihood.columns_of(seen, self.n_known),
        )

    def _log_frequencies(self, x):
        """Return the log of how often each level is seen; (P,), 0 for numbers."""
        out = torch.zeros(self.likelihood.n_params)
        for levels, columns, _ in self.likelihood.blocks:
            for j in columns.tolist():
                codes = x[~torch.isnan(x[:, j]), j].long()
                count = torch.bincount(codes, minlength=levels).float()
                log_share = torch.log((count + 1 / levels) / (len(codes) + 1))
                out[self.likelihood.of_column(j)] = log_share
        return out

    def guesses(self, x, seen, by=None):
        """Return the two guesses, normal and by scores, of what they know; (B, Q).

        They are made by what `guesses_from` returned, by default on training rows. Of a
        wide table there is one, twice.
        """
        if not self.is_wide:
            return self._guessed(x, seen, by)[0]
        normal, _ = by or (self.guess, self.copula)
        guess = normal(*self._known(x, seen))
        return guess, guess

    def _guessed(self, x, seen, by=None, e=None):
        """Return the two guesses, and of numbers what `noise` returns, found together."""
        numbers = len(self.likelihood.numbers)
        if self.is_wide:
            return self.guesses(x, seen, by), *self.noise(x, seen, e, by)
        normal, copula = by or (self.guess, self.copula)
        spread, there = self._known(x, seen)
        (guess, sd, drawn), (mean, sd_of_score, _) = normal.together(
            [normal, copula.guess], [spread, copula.score(spread)], there, e
        )
        by_scores = torch.where(there, spread, copula.restore(mean, sd_of_score))
        drawn = None if drawn is None else drawn[:, :numbers]
        return (guess, by_scores), drawn, sd[:, :numbers]

    def _params(self, guess):
        """Return the parameters (B, P) that a guess (B, Q) means."""
        numbers = len(self.likelihood.numbers)
        known = slice(numbers, self.n_known)
        least = self.prior[known].exp().clamp(max=LEAST)  # a rare level is no likelier
        levels = guess[:, known].clamp(min=least).clamp(max=1 - LEAST).log()
        more = self.prior[self.n_known :].expand(len(guess), -1)
        return torch.cat([guess[:, :numbers], levels, more], 1)

    def features(self, x, seen, guess, by_scores):
        """Return what the members' networks see of rows; (B, n_in)."""
        spread, there = self._known(x, seen)
        numbers = len(self.likelihood.numbers)
        filled = torch.where(there, spread, guess)
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        bins = ((filled[:, :numbers, None] - low) / (high - low)).clamp(0, 1)
        parts = [spread * there, seen.float(), guess]
        if not self.is_wide:
            parts += [by_scores, bins.flatten(1)]
        for (j, levels), layer in zip(self.embedded, self.embeddings, strict=True):
            code = torch.where(seen[:, j], x[:, j], float(levels))
            parts.append(layer(code.nan_to_num(levels).long()))
        if self.likelihood.n_beside:
            parts.append(self.likelihood.cycles(torch.where(seen, x, torch.nan)))
        return torch.cat(parts, 1)

    def hidden(self, x, seen, guesses):
        """Return the guesses' parameters, what members see, and make of it.

        (B, P) each, (B, n_in), and (M, B, width), where nothing is hidden (B, n_in).
        """
        params = [self._params(guess) for guess in guesses]
        features = h = self.features(x, seen, *guesses)
        for i, layer in enumerate(self.layers):
            if i == 0:
                h = layer(h)
                continue
            u = F.silu(layer(F.layer_norm(h, h.shape[-1:])))
            u = u * self.dropout(torch.ones_like(u[:1]))  # the same units for all members
            h = h + u if u.shape == h.shape else u
        if len(self.layers):
            h = F.layer_norm(h, h.shape[-1:])
        return params, features, h

    def members(self, x, seen, guesses):
        """Return the parameters of the guesses (B, P) and of the members (M, B, P)."""
        params, _, h = self.hidden(x, seen, guesses)
        return params, params[0] + self.last(h)

    def params(self, x):
        """Return the members' parameters; (M, B, P)."""
        seen = ~torch.isnan(x)
        return self.members(x, seen, self.guesses(x, seen))[1]

    def as_means(self, params):
        """Return parameters (..., P) as means: no number beyond those in training."""
        mean = self.likelihood.probabilities(params)
        numbers = len(self.low)
        bounded = mean[..., :numbers].clamp(self.low, self.high)
        return torch.cat([bounded, mean[..., numbers:]], -1)

    def experts(self, x, which=slice(None), by=None):
        """Return what the guesses and the members (or some) expect; (EXPERTS, B, P)."""
        seen = ~torch.isnan(x)
        guesses, members = self.members(x, seen, self.guesses(x, seen, by))
        members = self.as_means(members[which]).mean(0)
        return torch.stack([*map(self.as_means, guesses), members])

    def means(self, x, which=slice(None)):
        """Return what is expected of rows, by the shares that experts earned; (B, P)."""
        return self.mean_of(self.experts(x, which))

    def mean_of(self, experts):
        """Return the mean (B, P) of experts (EXPERTS, B, P) by the shares they earned."""
        return (self.share[:, None] * experts).sum(0)

    def noise(self, x, seen, e=None, by=None):
        """Return the normal guess's draw around numbers, and their deviation; (B, k).

        `e` are standard normal numbers, as many as `GaussianGuess.noise` takes; the draw
        is None without.
        """
        normal, _ = by or (self.guess, self.copula)
        numbers = len(self.likelihood.numbers)
        drawn, sd = normal.noise(*self._known(x, seen), e)
        return None if drawn is None else drawn[:, :numbers], sd[:, :numbers]

    def distributions(self, x, which=slice(None), by=None, e=None):
        """Return all that is known of rows, for which guesses and trunk are run once.

        Returns
        -------
        experts : Tensor of shape (EXPERTS, B, P)
            As `experts` returns it.
        drawn, sd : Tensor of shape (B, k)
            As `noise` returns them.
        width : Tensor of shape (B, k)
            Of numbers' errors.
        bins : Tensor of shape (B, k, bins)
            Shares of ranks; there are none without a head.
        """
        seen = ~torch.isnan(x)
        guesses, drawn, sd = self._guessed(x, seen, by, e)
        params, features, hidden = self.hidden(x, seen, guesses)
        members = self.as_means(params[0] + self.last(hidden))
        experts = torch.stack([*map(self.as_means, params), members[which].mean(0)])
        width = sd.clamp(min=LEAST_SD)
        if self.head is None:
            return experts, drawn, sd, width, width.new_empty(*width.shape, 0)
        hidden = hidden.expand(self.n_members, -1, -1)
        mean = members[..., : width.shape[1]]
        logits, log_scale = self.head(features, hidden, mean, width)
        width = width * log_scale[which].exp().mean(0)
        return experts, drawn, sd, width, logits[which].softmax(-1).mean(0)

    def learn(self, learners):
        """Return which members learn from cells, or judge by them; (M, B, d).

        `learners` (B, d) has a bit for each fold.
        """
        return (learners & self.bit_of_member) != 0

    def forward(self, x, target, noise, progress, seen, learners, guess, by_scores):
        """Return what rows cost: their hidden cells, and a little their seen ones.

        Or, to judge, the squared errors of those that members do not learn from. `seen`
        (B, d) says which cells are seen, `learners` (B, d) who learns from one, or judges.
        """
        guesses, members = self.members(x, seen, (guess, by_scores))
        if not self.training:
            return Terms(nll=self.squared_errors(x, learners, guesses, members))
        weight = torch.where(seen, VISIBLE, 1.0) * self.learn(learners)
        return Terms(nll=(self.likelihood.nll(members, x) * weight).mean(0).sum(1))

    def squared_errors(self, x, judges, guesses, members):
        """Return the sums of squared errors of what rows' hidden cells are judged by; (B,).

        As much is expected of each expert as before any is measured, and of the members
        who judge a cell. Levels count as numbers, 1 for the one that is there.
        """
        truth, total = self.likelihood.spread(x), 0.0
        for bit in self.bit_of_member.unique().tolist():
            own = self.as_means(members[self.bit_of_member.flatten() == bit]).mean(0)
            experts = *map(self.as_means, guesses), own
            expected = sum(s * e for s, e in zip(PRIOR_SHARES, experts, strict=True))
            cells = self.likelihood.columns_of((judges & bit) != 0)
            total = total + ((expected - truth).square() * cells).sum(1)
        return total


def _edges(x, bins):
    """Return the ends of each number's bins: quantiles, never two alike; (d, bins + 1)."""
    if not x.shape[1]:
        return torch.zeros(0, bins + 1)
    levels = torch.linspace(0, 1, bins + 1).double()
    quantiles = torch.nanquantile(x.double(), levels, dim=0)
    steps = 1e-3 * torch.arange(bins + 1)[:, None]
    return (torch.nan_to_num(quantiles) + steps).cummax(0).values.T.float().contiguous()
