"""What units of a code are worth: their directions, how often they are on, what they add.

n is the number of units, d the columns.
"""

import numpy as np
import torch
from torch import nn

from skae.networks._edges import last_layers
from skae.networks._layers import Stack, TransposedLinear

USUAL_ROWS = 0.95  # of those trained on: as many units as they have on may count
BLOCK = 256  # units, or columns, whose effects are found at a time


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


@torch.no_grad()
def normalise(decoder):
    """Give a decoder's directions length 1; return what lengths they had; (n,) or ()."""
    pairs = list(directions(decoder))
    if not pairs:
        return torch.ones(())
    square = sum(w.movedim(dim, 0).flatten(1).square().sum(1) for w, dim in pairs)
    length = square.sqrt().clamp(min=1e-12)
    for w, dim in pairs:
        w.div_(length.view([-1 if i == dim else 1 for i in range(w.ndim)]))
    return length


def can_stretch(ae, found):
    """Tell whether an encoder can make up for directions whose lengths have changed.

    They change where they are of rows: where the decoder's first layer is its last. Tied
    weights cannot make up for it.
    """
    if found is None or not ae.code.has_unit_directions:
        return found is not None
    ours = [w for w, _ in directions(ae.decoder)]
    if not any(layer.weight is w for layer in found.writers for w in ours):
        return True
    tied = any(isinstance(layer, TransposedLinear) for layer in found.writers)
    return not found.readers or not (tied or last_layers(ae.encoder) is None)


@torch.no_grad()
def stretch(encoder, length):
    """Let what an encoder puts out be so many times as long; (n,)."""
    for layer in last_layers(encoder) or ():  # a pursuit has none of its own
        layer.weight.mul_(length.view(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.mul_(length)


def usage(ae, task):
    """Return how often and how much rows turn each unit on, as attributes.

    And how much where it is on; (n,).
    """
    totals, counts = 0.0, []
    with torch.inference_mode():
        for part in task.in_order():
            rows = []
            for x, w, *_ in part:
                z = ae.encode(x).double()
                w = z.new_ones(len(z)) if w is None else w.double()
                on, size = ae.code.is_on(z).double(), z.abs()
                sums = [w @ on, w @ size, w @ (on * size), w @ z, w @ z.square()]
                totals = totals + torch.stack(sums).cpu()
                rows.append(torch.stack([on.sum(1), w, how_far(x)]).cpu())
            counts.append(torch.cat(rows, 1))
    total = float(sum(w.sum() for _, w, _ in counts))
    on, size, size_on, mean, square = totals.numpy() / total
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    n_on, weight, _ = counts[0]
    attributes = {
        "activation_frequency_": on,
        "mean_activation_": size,
        "n_active_units_": float(n_on @ weight / weight.sum() * held_out_ratio(counts)),
        "dead_units_": ae.code.is_dead(on, spread),
    }
    return attributes, np.divide(size_on, on, out=np.ones_like(on), where=on > 0)


def how_far(x):
    """Return the logarithm of how far rows (B, d) are from the mean one; (B,)."""
    return x.nan_to_num().double().square().mean(1).log1p()


def held_out_ratio(counts):
    """Return how many times as many units are on in rows that are held out, if any are.

    `counts` has (units on (n,), weights (n,), how far (n,)) of the rows trained on and of
    those held out. These are few: a row that turns all units on counts as a usual one, and
    what is due to their being farther out, or nearer, by chance is taken off.
    """
    most = counts[0][0].quantile(USUAL_ROWS).clamp(min=1.0)
    (first, far), *others = [
        (n_on.clamp(max=most) @ w / w.sum(), far @ w / w.sum()) for n_on, w, far in counts
    ]
    if not others or first == 0:
        return 1.0
    n_on, w, d = counts[0]
    left = w * (d - far)
    slope = left @ n_on.clamp(max=most) / (left @ (d - far)).clamp(min=1e-12)
    mean, other_far = others[0]
    return float((mean - slope * (other_far - far)) / first)


def added_by_units(ae, amount, base):
    """Return what units add that are on by `amount` (n,), for 1 each, to `base`; (n, d)."""
    added, mean, device = [], ae.likelihood.mean, ae.idle.device
    amount, base = (torch.from_numpy(a).float().to(device) for a in (amount, base))
    with torch.inference_mode():
        ae.eval()
        before = mean(ae.decode(base[None]))
        for part in torch.arange(len(amount), device=device).split(BLOCK):
            z = base.repeat(len(part), 1)
            z[torch.arange(len(part)), part] += amount[part]
            change = mean(ae.decode(z)) - before
            added.append((change / amount[part, None]).cpu())
    return torch.cat(added).numpy()


def read_by_units(ae, rows):
    """Return what a unit of each column adds to the encoder, at the rows' mean; (n, d)."""
    linear = ae.code.linear_pair(ae)
    if linear is not None:
        down, up = linear
        weight = up.weight.t() if down is None else down.weight
        return weight.detach().cpu().numpy()
    read, x, device = [], rows.mean(0, keepdim=True), rows.device
    with torch.inference_mode():
        ae.eval()
        before = ae.code.sensitivity(ae, x)
        for part in torch.arange(x.shape[1], device=device).split(BLOCK):
            moved = x.repeat(len(part), 1)
            moved[torch.arange(len(part)), part] += 1.0
            read.append((ae.code.sensitivity(ae, moved) - before).cpu())
    return torch.cat(read).numpy().T


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


def some_rows(batches, n_rows, generator):
    """Return some rows; (<= n_rows, d)."""
    index = batches.index
    drawn = torch.randperm(len(index), generator=generator, device=generator.device)
    index = index[drawn[:n_rows].to(index.device)]
    return batches.rows.take(index.to(batches.rows.device))
