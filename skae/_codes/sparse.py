"""The torch modules of the sparse autoencoder.

B is the number of rows, d the columns, n the units of the code, k those that are on.
"""

from typing import NamedTuple

import torch
from torch import nn

from skae._codes.base import AutoencoderModule, Terms
from skae._losses import bernoulli_kl
from skae.networks._layers import Linear, Stack, TransposedLinear

LEAST_PATIENCE = 1000  # rows
RESAMPLED = 1024  # rows, at least, of which the worst rebuilt restart units
TINY = 1e-6  # mean activation that a divergence is taken at, at least


def top_k(u, k, positive):
    """Return u (B, n) where it is among a row's k largest and above 0, elsewhere 0.

    If not `positive`, its largest in absolute value.
    """
    chosen = (u if positive else u.abs()).topk(k, dim=1).indices
    z = torch.zeros_like(u).scatter(1, chosen, u.gather(1, chosen))
    return z.relu() if positive else z


def directions(decoder):
    """Yield (weight, the dimension of it that is a code's) of a decoder's first layers."""
    paths = [decoder]
    if isinstance(decoder, Stack):
        paths = [p for p in (decoder.layers, decoder.linear) if p is not None]
    for path in paths:
        layers = [m for m in path.modules() if hasattr(m, "weight")]
        layers = [m for m in layers if isinstance(m.weight, nn.Parameter)]
        layers = [m for m in layers if m.weight.ndim > 1]
        if layers:
            by_row = isinstance(layers[0], TransposedLinear | nn.ConvTranspose2d)
            yield layers[0].weight, 0 if by_row else 1


class Sparsity(NamedTuple):
    """How sparse a code is to be."""

    k: int = 1  # units of a row that are on
    positive: bool = True  # whether codes have no signs
    beta: float = 0.0  # what an active unit costs
    rho: float = 0.05  # mean activation
    revive: bool = True  # whether dead units are brought back


class SparseModule(AutoencoderModule):
    """z = s(e(x)), u = d(z), ||d_j|| = 1: the code is `sparsify` of what is encoded."""

    is_functional = False
    start_competes = False  # it is random, and its code not yet sparse
    has_unit_directions = True

    def __init__(self, encoder, decoder, likelihood, n_components, goal):
        super().__init__(encoder, decoder, likelihood)
        self.goal = goal
        self.patience = LEAST_PATIENCE
        # rows since a unit was last on
        self.register_buffer("idle", torch.zeros(n_components, dtype=torch.float32))
        self.after_step()

    def sparsify(self, u):
        """Return the code that the encoder's outputs u (B, n) stand for; (B, n)."""
        raise NotImplementedError

    def cost(self, z):
        """Return what codes cost; (B,) or None."""
        return None

    def is_on(self, z):
        """Tell which units are on; (B, n)."""
        return z != 0

    def shift(self, u):
        """Return what to add to u (B, n), to start sparse; (n,) or 0."""
        return 0.0

    def sensitivity(self, x):
        """Return what sparsity then acts upon, at rows x (B, d); (B, n)."""
        return self.encoder(self.likelihood.embed(x))

    def encode(self, x):
        """Return the codes of standardised rows; (B, d) to (B, n)."""
        return self.sparsify(self.sensitivity(x))

    @torch.no_grad()
    def after_step(self):
        """Give the decoder's directions length 1 again."""
        if not self.has_unit_directions:
            return
        pairs = list(directions(self.decoder))
        square = sum(_by_unit(w, dim).square().sum(1) for w, dim in pairs)
        for w, dim in pairs:
            shape = [-1 if i == dim else 1 for i in range(w.ndim)]
            w.div_(square.sqrt().clamp(min=1e-12).view(shape))

    @torch.no_grad()
    def before_epoch(self, batches, generator):
        """Let useless units start anew, each as what is left of a row rebuilt badly."""
        self.patience = max(LEAST_PATIENCE, len(batches.index))
        units = self.useless().nonzero()[:, 0]
        if not (self.goal.revive and len(units) and self.linear_pair()):
            return
        x = self._drawn(batches, max(RESAMPLED, len(units)), generator)
        left = x - torch.cat([self.reconstruct(part) for part in x.split(RESAMPLED)])
        size = left.norm(dim=1)
        n = min(len(units), int((size > 0).sum()))
        if n:
            rows = torch.multinomial(size.square(), n, generator=generator)
            self._restart(units[:n], left[rows] / size[rows, None], x)

    def useless(self):
        """Tell which units no row of an epoch has turned on; (n,)."""
        return self.idle >= self.patience

    def linear_pair(self):
        """Return the encoder's and the decoder's layer if each has one, else None."""
        stacks = self.encoder, self.decoder
        if all(isinstance(s, Stack) and len(s.layers) == 1 for s in stacks):
            down, up = (s.layers[0] for s in stacks)
            if all(isinstance(m, Linear) for m in (down, up)):
                likelihood = self.likelihood  # which sees, and puts out, d numbers
                if likelihood.n_inputs == likelihood.n_params == len(likelihood.location):
                    return down, up
        return None

    def _drawn(self, batches, n_rows, generator):
        """Return some rows; (<= n_rows, d)."""
        index = batches.index
        drawn = torch.randperm(len(index), generator=generator, device=generator.device)
        index = index[drawn[:n_rows].to(index.device)]
        return batches.rows.take(index.to(batches.rows.device))

    def _restart(self, units, new, x):
        """Let units stand for new directions (len(units), d), as sparse as at the start."""
        down, up = self.linear_pair()
        up.weight[:, units] = new.t()
        if down is not None:
            down.weight[units] = new
            center = self.likelihood.embed(self.likelihood.mean(up.bias[None]))[0]
            down.bias[units] = -new @ center
            down.bias[units] += self.shift(self.sensitivity(x)[:, units])
        self.idle[units] = 0
        self.after_step()

    def forward(self, x, clean, noise=None, progress=1.0):
        """Return what rows cost: -log p(x | z), what z costs, and the revival's loss."""
        u = self.sensitivity(x)
        z = self.sparsify(u)
        nll = self.likelihood.nll(self.decode(z), clean).sum(1)
        if self.training:
            nll = nll + self._revival(u, z, clean)
            self.count(z)
        return Terms(nll=nll, reg=self.cost(z))

    @torch.no_grad()
    def count(self, z):
        """Take note of which units were on in the rows of a step."""
        self.idle += len(z)
        self.idle[self.is_on(z).any(0)] = 0

    def _revival(self, u, z, clean):
        """Return how badly the units that died would add what is missing; (B,) or 0.

        That is AuxK: the k of them with the largest outputs of the encoder. Its value is
        0, for the loss to stay what it is, and its gradient is not. It is for encoders
        with hidden layers; the units of linear ones start anew.
        """
        if not self.goal.revive or self.linear_pair():
            return 0.0
        dead = self.useless()
        n_dead = int(dead.sum())
        if not n_dead:
            return 0.0
        z_dead = top_k(u[:, dead], min(n_dead, self.goal.k), self.goal.positive)
        added = torch.zeros_like(z).index_copy(1, dead.nonzero()[:, 0], z_dead)
        nll = self.likelihood.nll(self.decode(z.detach() + added), clean).sum(1)
        return nll - nll.detach()


def _by_unit(weight, dim):
    return weight.movedim(dim, 0).flatten(1)


class TopKModule(SparseModule):
    """z = TopK(e(x)): each row's k largest."""

    def sparsify(self, u):
        """Return the k largest of u; (B, n)."""
        return top_k(u, self.goal.k, self.goal.positive)


class BatchTopKModule(SparseModule):
    """z = u where u > t: the B k largest of a batch of B rows, in training."""

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("threshold", torch.zeros((), dtype=torch.float32))

    def sparsify(self, u):
        """Return u where it is above the threshold, which training finds; (B, n)."""
        size = u if self.goal.positive else u.abs()
        threshold = self.threshold
        if self.training:
            n_on = min(len(u) * self.goal.k, u.numel())
            threshold = size.detach().flatten().topk(n_on).values[-1].clamp(min=0)
            with torch.no_grad():
                first = self.threshold == 0
                self.threshold.lerp_(threshold, torch.where(first, 1.0, 0.05))
        return torch.where((size >= threshold) & (size > 0), u, 0.0)


class L1Module(SparseModule):
    """z = relu(e(x)), loss = -log p(x | z) + beta |z|_1."""

    def shift(self, u):
        """Return what leaves a unit on in a share rho of the rows; (n,)."""
        return -u.quantile(1 - self.goal.rho, dim=0)

    def sparsify(self, u):
        """Return the positive part; (B, n)."""
        return u.relu()

    def cost(self, z):
        """Return beta |z|_1; (B,)."""
        return self.goal.beta * z.sum(1)


class KLModule(SparseModule):
    """z = sigmoid(e(x)), loss = -log p(x | z) + beta sum_j KL(rho || mean z_j)."""

    has_unit_directions = False  # z is bounded, and cannot dodge the penalty

    def shift(self, u):
        """Return what makes rho the mean activation, if u is normal, nearly; (n,)."""
        rho = torch.tensor(self.goal.rho)
        spread = (1 + torch.pi / 8 * u.var(0, correction=0)).sqrt()
        return rho.logit() * spread - u.mean(0)

    def sparsify(self, u):
        """Return the sigmoid; (B, n)."""
        return u.sigmoid()

    def is_on(self, z):
        """Tell which units are nearer to 1 than to 0; (B, n)."""
        return z > 0.5

    def cost(self, z):
        """Return each row's share of the divergence, to first order; (B,).

        Its mean over the rows is the divergence, and so is its gradient; weights count
        to first order, as the mean itself knows none.
        """
        mean = z.detach().mean(0)
        kl, slope = bernoulli_kl(self.goal.rho, mean.clamp(TINY, 1 - TINY))
        return self.goal.beta * (kl.sum() + (z - mean) @ slope)

    def useless(self):
        """Return that no unit is: the divergence itself turns them on; (n,)."""
        return torch.zeros_like(self.idle, dtype=torch.bool)


def geometric_median(rows, n_iter=50):
    """Return the point (d,) whose summed distance to rows (n, d) is least: Weiszfeld's."""
    point = rows.mean(0)
    for _ in range(n_iter):
        weight = 1 / (rows - point).norm(dim=1).clamp(min=1e-9)
        before, point = point, weight @ rows / weight.sum()
        if torch.dist(point, before) <= 1e-6 * (1 + before.norm()):
            break
    return point


def has_mirror(rows):
    """Tell whether rows (n, d) are as likely as their mirror images about the origin.

    Rows that are there more than once count once.

    By the sum of (x_i . x_j)^3 over pairs, whose expectation is then 0, in units of its
    deviation if each row's sign is drawn anew.
    """
    rows = rows.unique(dim=0)
    product = (rows @ rows.T).double()
    product.fill_diagonal_(0)
    cube = product**3
    deviation = cube.square().sum().mul(2).sqrt()
    return bool(cube.sum() <= 3 * deviation)
