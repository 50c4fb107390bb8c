"""Which cells an imputer hides from itself, to learn and to be judged.

n is the number of rows, d the columns.
"""

import numpy as np
import torch

from skae._data.rows import Batches

HIDDEN_SHARES, HIDDEN_ROWS = (0.05, 0.1), 300  # of the seen cells: as many rows', if in
MORE_HIDDEN = 0.05  # cells hidden at random beside another row's pattern
COMPLETE = 0.02  # share of missing cells below which a table says nothing of patterns
WIDE_RATES = 0.05, 0.8  # of hidden cells, then
LEAST_RATE = 0.5  # up to which cells are hidden at random, however few are missing
PATTERNS = 4096  # rows whose patterns are copied
DRAWN_ROWS, DRAWN_NUMBERS = 50_000, 2**25  # with what is hidden of them, in all
BLOCK = 1024  # rows that are guessed together
FOLDS = 2  # sets of cells, each of which is held out from some of the members
JUDGED_ROWS, JUDGED_NUMBERS = 2000, 2**21  # of each fold at most, that say when to stop
MORE_FOR_COMPLETE = 0.3  # cells hidden beside them where the table has no pattern


def hide(seen, share, rng):
    """Return cells to hide (n, d): a share of each column's, of one with 4 at least."""
    hidden = np.zeros_like(seen)
    for j in range(seen.shape[1]):
        there = np.flatnonzero(seen[:, j])
        if len(there) >= 4:
            size = max(1, round(share * len(there)))
            hidden[rng.choice(there, size, replace=False), j] = True
    return hidden


def hidden_share(n_rows):
    """Return the share of cells to hide in a table of so many rows."""
    return float(np.clip(HIDDEN_ROWS / n_rows, *HIDDEN_SHARES))


def patterns(seen, n_rows, generator):
    """Return which cells of so many rows to hide, as cells of `seen` are missing; bool.

    Half of the rows copy another's pattern and a little more; the others, at random.
    """
    n, d = seen.shape
    missing_share = 1 - float(seen.float().mean())

    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    if missing_share < COMPLETE:
        low, high = WIDE_RATES
        return uniform(n_rows, d) < low + (high - low) * uniform(n_rows, 1)
    kept = ~seen[torch.randperm(n, generator=generator)[:PATTERNS]]
    copied = kept[(uniform(n_rows) * len(kept)).long()]
    copied |= uniform(n_rows, d) < MORE_HIDDEN
    rate = max(LEAST_RATE, 2 * missing_share) * uniform(n_rows, 1)
    at_random = uniform(n_rows, d) < rate
    return torch.where(uniform(n_rows, 1) < 0.5, copied, at_random)


def learners_of(folds):
    """Return which folds' members learn from each cell of folds (n, d): a bit for each.

    Those of a cell's own fold never do.
    """
    everyone = torch.tensor(2**FOLDS - 1, dtype=torch.int8)
    return torch.where(folds > 0, everyone ^ bit_of(folds), everyone)


def bit_of(folds):
    """Return a bit for each fold, none for 0; int8."""
    return ((1 << folds) >> 1).to(torch.int8)


def hidden_rows(module, x, folds, epochs, generator):
    """Return what is hidden of rows x (n, d), several times over, and the guesses then.

    Guesses are most of what a step would cost: they are made beforehand.

    Returns
    -------
    seen : Tensor of shape (n_times * n, d), dtype bool
        Which cells are neither missing nor hidden.
    learners : Tensor of shape (n_times * n, d), dtype int8
        Who learns from the cells of `x`, as `learners_of` says, again and again.
    guess, by_scores : Tensor of shape (n_times * n, Q)
        What the two guesses are then.
    """
    n, d = x.shape
    most = min(DRAWN_ROWS, DRAWN_NUMBERS // (2 * d + 2 * module.n_known))
    times = min(epochs, max(1, most // n))
    there, learners, parts = ~torch.isnan(x), learners_of(folds), []
    hidden = patterns(there, times * n, generator)
    device = module.low.device
    with torch.no_grad():
        for rows in torch.arange(times * n).split(BLOCK):
            mine = rows % n
            seen = there[mine] & ~hidden[rows]
            guesses = module.guesses(x[mine].to(device), seen.to(device))
            parts.append((seen, learners[mine], *(g.cpu() for g in guesses)))
    return tuple(map(torch.cat, zip(*parts, strict=True)))


def judging_rows(module, x, folds, by, generator):
    """Return rows of x (n, d) whose cells of a fold are hidden, and what is known then.

    `by` are each fold's guesses that have not seen its cells, None for the module's own.

    Returns
    -------
    index : Tensor of shape (m,)
        Which row of `x` each one is.
    known : tuple of Tensor of shape (m, ...)
        As `hidden_rows` returns it, but that who learns from a cell there judges it here:
        those who never learn from one that is hidden.
    """
    parts, device = [], module.low.device
    most = min(JUDGED_ROWS, JUDGED_NUMBERS // x.shape[1])
    for fold in module.fold_of_member.unique().tolist():
        rows = (folds == fold).any(1).nonzero()[:, 0]
        if len(rows) > most:
            rows = rows[torch.randperm(len(rows), generator=generator)[:most]]
        hidden = folds[rows] == fold
        seen = ~torch.isnan(x[rows]) & ~hidden
        if module.missing_share < COMPLETE:
            seen &= torch.rand(seen.shape, generator=generator) >= MORE_FOR_COMPLETE
        with torch.no_grad():
            guesses = module.guesses(x[rows].to(device), seen.to(device), by[fold - 1])
        judges = bit_of(folds[rows] * hidden)
        parts.append((rows, seen, judges, *(g.cpu() for g in guesses)))
    index, *known = map(torch.cat, zip(*parts, strict=True))
    return index, tuple(known)


class HiddenBatches(Batches):
    """Batches of rows of which, at each pass, other cells are hidden.

    Parameters
    ----------
    rows : Rows
        As many times over as `hidden_rows` returns them.
    n : int
        Number of rows that an epoch takes.
    batch_size : int
    generator : torch.Generator
    order : Tensor of int
        In which rows are taken, one epoch after another.
    """

    def __init__(self, rows, n, batch_size, generator, order):
        super().__init__(rows, torch.arange(n), batch_size, generator)
        self.taken, self.order = 0, order

    def __iter__(self):
        n = len(self.index)
        self.index = self.order[(self.taken + torch.arange(n)) % len(self.order)]
        self.taken += n
        return super().__iter__()
