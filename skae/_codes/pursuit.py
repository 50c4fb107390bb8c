"""Matching pursuit: the encoder that has no weights of its own.

B is the number of rows, n the units of the code, k those that are on.
"""

from typing import ClassVar

import torch
from torch import nn

from skae._codes.penalties import TopK
from skae._losses import is_graph
from skae.networks._edges import edges
from skae.networks._layers import aligned_linear

REPEATED = 0.9  # cosine of two directions that are taken for one
STAGES = 5  # of a pursuit, at most
RIDGE = 1e-4  # of a least-squares fit of unit directions
REFIT_NUMBERS = 2**22  # in the systems that are solved at a time
PURSUIT_RATE = 0.01


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
    z, rows = z.clone(), torch.arange(z.shape[0], device=z.device)
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
    # a graph is of any number of rows, and has no loop over them
    starts = (0,) if is_graph() else range(0, len(z), size)
    for part in starts:
        rows = slice(None) if is_graph() else slice(part, part + size)
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


class MatchingPursuit(TopK):
    """z = argmin_z ||x - b - D z||, k units of z being on: found by matching pursuit."""

    rate_of_auto: ClassVar[float] = PURSUIT_RATE
    trains_encoder: ClassVar[bool] = False
    is_smooth: ClassVar[bool] = False

    def encoder(self, encoder, decoder):
        """Return the pursuit in the decoder's directions, in place of an encoder."""
        (layer,) = decoder.layers
        return Pursuit(layer)

    def remember(self, ae):
        """Keep count of how much each unit explains."""
        ae.register_buffer("energy", torch.zeros_like(ae.idle))

    def start_sparse(self, ae, rows, center):
        """Do nothing: there is no encoder of its own."""

    def more_numbers(self, ae):
        """Return how many numbers choosing the units of a row puts out."""
        return self.n_nonzero_coefs * len(ae.idle)

    def sparsify(self, ae, u):
        """Return the code; (B, n). The directions are learnt as if it were given."""
        with torch.no_grad():
            return pursue(u, ae.encoder.gram, self.n_nonzero_coefs, self.positive_code)

    def steered(self, ae, x, z):
        """Return the codes, with the gradient of the fit of those units that are on."""
        fit = refit(z, self.sensitivity(ae, x), ae.encoder.gram, self.n_nonzero_coefs)
        return z + (fit - fit.detach())

    def edges(self, ae):
        """Return the decoder's layer: rows enter by it, too."""
        found = edges(ae.encoder.layer, ae.decoder)
        return found and found._replace(readers=[])

    @torch.no_grad()
    def after_step(self, ae):
        """Give the directions length 1 again, and take note of their products."""
        super().after_step(ae)
        weight = ae.encoder.layer.weight
        ae.encoder.gram.copy_(weight.t() @ weight)

    @torch.no_grad()
    def count(self, ae, z):
        """Take note of how much each unit explained in the rows of a step."""
        super().count(ae, z)
        ae.energy += z.square().sum(0)

    def useless(self, ae):
        """Tell which units are dead, or repeat one that explains more; (n,)."""
        cosine = ae.encoder.gram if self.positive_code else ae.encoder.gram.abs()
        more = ae.energy > ae.energy[:, None]
        return super().useless(ae) | ((cosine > REPEATED) & more).any(1)

    def before_epoch(self, ae, batches, generator):
        """Let useless units start anew; forget what units explained before."""
        super().before_epoch(ae, batches, generator)
        ae.energy.zero_()

    def linear_pair(self, ae):
        """Return None and the decoder's layer: the encoder has none of its own."""
        return None, ae.encoder.layer
