"""What makes codes sparse: the largest of a row or a batch, or a price.

B is the number of rows, n the units of the code, k those that are on.
"""

from typing import ClassVar

import torch

from skae._codes.sparse import Sparse
from skae._codes.units import held_out_ratio, how_far, top_k
from skae._losses import bernoulli_kl

TINY = 1e-6  # mean activation that a divergence is taken at, at least
SETTLED_ROWS = 10_000  # by which a threshold is set, at most
VARIES = 0.05  # deviation of a unit's code, in target activations, that is no death


class TopK(Sparse):
    """z = TopK(e(x)): each row's k largest."""

    def sparsify(self, ae, u):
        """Return the k largest of u; (B, n)."""
        return top_k(u, self.n_nonzero_coefs, self.positive_code)


class BatchTopK(Sparse):
    """z = u where u > t: the B k largest of a batch of B rows, in training."""

    def remember(self, ae):
        """Keep the threshold."""
        ae.register_buffer("threshold", torch.zeros((), dtype=torch.float32))

    def restated(self, ae):
        """Give directions length 1, and the threshold that of the codes."""
        ae.threshold.mul_(super().restated(ae).mean())

    def sparsify(self, ae, u):
        """Return u where it is above the threshold, which training finds; (B, n)."""
        size = u if self.positive_code else u.abs()
        threshold = ae.threshold
        if ae.training:
            n_on = min(len(u) * self.n_nonzero_coefs, u.numel())
            threshold = size.detach().flatten().topk(n_on).values[-1].clamp(min=0)
            with torch.no_grad():
                first = ae.threshold == 0
                ae.threshold.lerp_(threshold, torch.where(first, 1.0, 0.05))
        return torch.where((size >= threshold) & (size > 0), u, 0.0)

    @torch.no_grad()
    def settle(self, ae, task):
        """Let the threshold be that by which k units are on in rows not trained on.

        In those trained on it turns on fewer, as directions suit them. Where none is held
        out these rows have to do, and in a pass what was found along the way.
        """
        if task.one_pass:
            return
        ae.eval()
        parts = [self._sizes(ae, part) for part in task.in_order()]
        size, weight, _ = parts[0]
        threshold = _that_leaves(size, weight, self.n_nonzero_coefs)
        on = [((s >= threshold).sum(1).double(), w, far) for s, w, far in parts]
        wanted = self.n_nonzero_coefs / held_out_ratio(on)
        ae.threshold.copy_(_that_leaves(size, weight, min(wanted, size.shape[1])))

    def _sizes(self, ae, batches):
        """Return the sizes of rows' outputs (B, n), weights and how far they are (B,)."""
        sizes, weights, far = [], [], []
        step = -(-len(batches.index) // SETTLED_ROWS)
        for index in batches.index[::step].split(batches.batch_size):
            index, w = index.to(ae.device), batches.rows.weight
            x = batches.rows.take(index)
            u = self.sensitivity(ae, x)
            sizes.append((u if self.positive_code else u.abs()).cpu())
            weights.append(torch.ones(len(u)) if w is None else w[index].cpu())
            far.append(how_far(x).cpu())
        return torch.cat(sizes), torch.cat(weights).double(), torch.cat(far)


def _that_leaves(size, weight, k):
    """Return the threshold above which are k of a row's sizes (B, n), on average; ()."""
    size, order = size.flatten().sort(descending=True, stable=True)
    many = weight.repeat_interleave(len(order) // len(weight))[order].cumsum(0)
    last = int((many < k * weight.sum()).sum())
    return size[last : last + 2].mean().clamp(min=0)  # between two: no tie decides


class L1(Sparse):
    """z = relu(e(x)), loss = -log p(x | z) + beta |z|_1."""

    def beta_of_auto(self, n_units, n_columns):
        """Return 1."""
        return 1.0

    def shift(self, u):
        """Return what leaves a unit on in a share rho of the rows; (n,)."""
        return -u.quantile(1 - self.target_activation, dim=0)

    def sparsify(self, ae, u):
        """Return the positive part; (B, n)."""
        return u.relu()

    def cost(self, z):
        """Return beta |z|_1; (B,)."""
        return self.beta * z.sum(1)


class KL(Sparse):
    """z = sigmoid(e(x)), loss = -log p(x | z) + beta sum_j KL(rho || mean z_j)."""

    has_unit_directions: ClassVar[bool] = False  # z is bounded, and cannot dodge

    def beta_of_auto(self, n_units, n_columns):
        """Return 20, for each unit's share of the columns."""
        return 20.0 * (n_columns / n_units)

    def shift(self, u):
        """Return what makes rho the mean activation, if u is normal, nearly; (n,)."""
        rho = torch.tensor(self.target_activation)
        spread = (1 + torch.pi / 8 * u.var(0, correction=0)).sqrt()
        return rho.logit() * spread - u.mean(0)

    def sparsify(self, ae, u):
        """Return the sigmoid; (B, n)."""
        return u.sigmoid()

    def is_on(self, z):
        """Tell which units do more than all are to do on average; (B, n)."""
        return z > self.target_activation

    def is_dead(self, frequency, spread):
        """Tell which units hardly vary; (n,)."""
        return spread < VARIES * self.target_activation

    def cost(self, z):
        """Return each row's share of the divergence, to first order; (B,).

        Its mean over the rows is the divergence, and so is its gradient; weights count
        to first order, as the mean itself knows none.
        """
        mean = z.detach().mean(0)
        kl, slope = bernoulli_kl(self.target_activation, mean.clamp(TINY, 1 - TINY))
        return self.beta * (kl.sum() + (z - mean) @ slope)

    def useless(self, ae):
        """Return that no unit is: the divergence itself turns them on; (n,)."""
        return torch.zeros_like(ae.idle, dtype=torch.bool)

    def dead_units(self, described, task):
        """Yield nothing: no unit dies."""
        return ()
