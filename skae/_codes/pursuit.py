"""Matching pursuit: the encoder that has no weights of its own.

B is the number of rows, n the units of the code, k those that are on.
"""

import torch
from torch import nn

from skae._codes.sparse import SparseModule
from skae.networks._layers import aligned_linear

REPEATED = 0.9  # cosine of two directions that are taken for one


STAGES = 5  # of a pursuit, at most


RIDGE = 1e-4  # of a least-squares fit of unit directions


REFIT_NUMBERS = 2**22  # in the systems that are solved at a time


def pursue(correlation, gram, k, positive):
    """Orthogonal matching pursuit in stages: the k units that explain most; (B, n).

    `correlation` (B, n) is that of rows with the n directions, `gram` (n, n) theirs. Each
    stage adds units, one by one, for what is left, and then fits all of them together.
    """
    z, stages = torch.zeros_like(correlation), min(k, STAGES)
    for stage in range(stages):
        before, after = k * stage // stages, k * (stage + 1) // stages
        left = correlation - aligned_linear(z, gram, None)
        z = refit(match(z, left, gram, after - before, positive), correlation, gram, after)
        z = z.relu() if positive else z
    return z


def match(z, left, gram, n_steps, positive):
    """Matching pursuit: add to z (B, n) what explains most of what is left, step by step.

    `left` (B, n), its correlation with the directions, is changed in place.
    """
    z, rows = z.clone(), torch.arange(len(z), device=z.device)
    for _ in range(n_steps):
        unit = (left if positive else left.abs()).argmax(1)
        step = left[rows, unit]
        step = step.relu() if positive else step
        z[rows, unit] += step
        left.addcmul_(gram[unit], step[:, None], value=-1)
    return z


def refit(z, correlation, gram, k):
    """Return the least-squares fit of the units, at most k, that z (B, n) has on."""
    on, chosen = z.abs().topk(k, dim=1)
    on = (on > 0).to(z)
    target = correlation.gather(1, chosen) * on
    size, out = max(1, REFIT_NUMBERS // k**2), []
    for part in range(0, len(z), size):
        rows = slice(part, part + size)
        units, there = chosen[rows], on[rows]
        system = gram[units[:, :, None], units[:, None, :]]
        system *= there[:, :, None] * there[:, None, :]
        system.diagonal(dim1=1, dim2=2).add_(1 - there).add_(RIDGE)
        factor = torch.linalg.cholesky_ex(system).L
        out.append(torch.cholesky_solve(target[rows, :, None], factor)[:, :, 0] * there)
    return torch.zeros_like(z).scatter(1, chosen, torch.cat(out))


class Pursuit(nn.Module):
    """The encoder that has no weights of its own: matching pursuit in the decoder's."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer  # Linear, from the code to the row
        n = layer.in_features
        self.register_buffer("gram", torch.eye(n, dtype=torch.float32))

    def forward(self, x):
        """Return how rows (B, d), less the bias, correlate with the directions; (B, n)."""
        return aligned_linear(x - self.layer.bias, self.layer.weight.t(), None)


class PursuitModule(SparseModule):
    """z = argmin_z ||x - b - D z||, k units of z being on: found by matching pursuit."""

    def __init__(self, encoder, decoder, likelihood, n_components, goal):
        (layer,) = decoder.layers  # which the pursuit reads, in place of an encoder
        super().__init__(Pursuit(layer), decoder, likelihood, n_components, goal)
        self.register_buffer("energy", torch.zeros(n_components, dtype=torch.float32))

    @property
    def more_numbers(self):
        """Return how many numbers choosing the units of a row puts out."""
        return self.goal.k * len(self.idle)

    def sparsify(self, u):
        """Return the code; (B, n). The directions are learnt as if it were given."""
        with torch.no_grad():
            return pursue(u, self.encoder.gram, self.goal.k, self.goal.positive)

    @torch.no_grad()
    def after_step(self):
        """Give the directions length 1 again, and take note of their products."""
        super().after_step()
        weight = self.encoder.layer.weight
        self.encoder.gram.copy_(weight.t() @ weight)

    def count(self, z):
        """Take note of how much each unit explained in the rows of a step."""
        super().count(z)
        self.energy += z.square().sum(0)

    def useless(self):
        """Tell which units are dead, or repeat one that explains more; (n,)."""
        cosine = self.encoder.gram if self.goal.positive else self.encoder.gram.abs()
        more = self.energy > self.energy[:, None]
        return super().useless() | ((cosine > REPEATED) & more).any(1)

    def before_epoch(self, batches, generator):
        """Let useless units start anew; forget what units explained before."""
        super().before_epoch(batches, generator)
        self.energy.zero_()

    def linear_pair(self):
        """Return None and the decoder's layer: the encoder has none of its own."""
        return None, self.encoder.layer
