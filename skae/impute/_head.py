"""What a missing number may be: a distribution over its ranks, beside a trained trunk.

B is the number of rows, M the members, k the numbers among the columns.
"""

import torch
from torch import nn
from torch.nn import functional as F

from skae._adam import Adam
from skae._training.flat import in_one_vector
from skae._training.step import Step
from skae.impute._network import LEAST_SD, MemberLinear

BINS, WIDTH = 24, 64  # of equal shares of the ranks; units between trunk and bins
ROWS, STEPS, BATCH_SIZE, RATE = 12_000, 200, 128, 3e-3  # of a head's training, at most
DECAY = 0.1  # of its weights
COOL_FROM = 0.5  # share of the steps from which the rate falls
TINY = 1e-6
LARGEST_LOG = 4.0  # by which a scale may differ from the normal guess's
SPREAD_EVENLY = 0.01  # of what bins are before anything is learnt of them
ABSOLUTE = 1.386  # mean absolute value of a standard logistic distribution


class Head(nn.Module):
    """Shares of `BINS` bins of each number's ranks, and how wide its errors are.

    It reads what the trunk sees and makes of rows, and changes nothing there.

    Parameters
    ----------
    n_members, n_features, n_hidden : int
    edges : Tensor of shape (3, k, BINS + 1)
        The bins' ends, as `Predictive.edges` returns them.
    generator : torch.Generator
    """

    def __init__(self, n_members, n_features, n_hidden, edges, generator):
        super().__init__()
        self.register_buffer("edges", edges)
        n_numbers = edges.shape[1]
        more = generator, 2**-0.5
        self.of_features = MemberLinear(n_members, n_features, WIDTH, *more, shared=True)
        self.of_hidden = MemberLinear(n_members, n_hidden, WIDTH, *more)
        n_out = n_numbers * (BINS + 1)
        self.last = MemberLinear(n_members, WIDTH, n_out, generator, 0.0)

    def forward(self, features, hidden, mean, sd):
        """Return logits (M, B, k, BINS) and logarithms of scales (M, B, k).

        `mean` (M, B, k) is what members expect, `sd` (B, k) the normal guess's deviation.
        """
        u = F.silu(self.of_features(features) + self.of_hidden(hidden))
        out = self.last(F.layer_norm(u, u.shape[-1:])).unflatten(-1, (-1, BINS + 1))
        log_scale = out[..., -1].clamp(-LARGEST_LOG, LARGEST_LOG)
        width = sd * log_scale.detach().exp() / ABSOLUTE
        return out[..., :-1] + self.start(mean, width), log_scale

    def start(self, mean, width):
        """Return logits of bins under logistic distributions (M, B, k) of the numbers."""
        low, high, share = self.edges
        ends = (((e - mean[..., None]) / width[..., None]).sigmoid() for e in (low, high))
        p = torch.lerp(*ends, share).diff(dim=-1)
        return (p + SPREAD_EVENLY / BINS).log()


def overlap(first, last):
    """Return the share of each bin in ranks from `first` to `last` (...); (..., BINS)."""
    low = torch.arange(BINS, device=first.device)
    a, b = (t[..., None] * BINS for t in (first, last))
    return (torch.minimum(b, low + 1) - torch.maximum(a, low)).clamp(min=0) / (b - a)


def cost(logits, log_scale, error, first, last):
    """Return what numbers cost (M, B, k): their bins', and errors' for their width.

    `error` (M, B, k) is in units of the normal guess's deviation.
    """
    shares = torch.einsum("mbkn,bkn->mbk", logits.softmax(-1), overlap(first, last))
    return log_scale + error.abs() * torch.exp(-log_scale) - shares.clamp(min=TINY).log()


def add_head(trunk, x, first, last, edges, known, steps, generator):
    """Give a trunk a head, trained on its training rows with the cells hidden as then.

    Parameters
    ----------
    trunk : ImputationModule
    x : Tensor of shape (n, d)
        Standardised rows.
    first, last : Tensor of shape (n, k)
        Ranks of numbers.
    edges : Tensor of shape (3, k, BINS + 1)
    known : tuple
        As `hidden_rows` returns it.
    steps : int
        That the trunk was trained for: a head takes no more.
    generator : torch.Generator
    """
    n, steps = len(x), min(STEPS, steps)
    most = min(ROWS, steps * BATCH_SIZE)
    rows = torch.arange(len(known[0]))[:most]
    if n > most:
        rows = torch.randperm(n, generator=generator)[:most]
    trunk.eval()
    data = _data(trunk, x, first, last, known, rows)
    sizes = data[0].shape[1], data[1].shape[2]
    head = Head(trunk.n_members, *sizes, edges, generator)
    trunk.head = head.to(x.device)
    _, flat, grad, _ = in_one_vector(head)
    whole = nn.Parameter(flat)
    whole.grad = grad
    optimizer = Adam([whole], weight_decay=DECAY, decoupled_weight_decay=True)

    def loss(features, hidden, weight, error, mean, sd, a, b):
        hidden, weight, error, mean = (
            t.transpose(0, 1) for t in (hidden, weight, error, mean)
        )
        outputs = head(features, hidden, mean, sd)
        each = cost(*outputs, error, a, b) * weight
        return (each.sum() / weight.sum().clamp(min=1),)

    step_of, batches = Step(loss, head, head.parameters(), grad), []
    for step in range(steps):
        if not batches:
            order = torch.randperm(len(rows), generator=generator)
            batches = list(order.split(BATCH_SIZE))
        index = batches.pop().to(x.device)
        step_of(*(t.index_select(0, index) for t in data))
        rate = RATE * min(1.0, (steps - step) / ((1 - COOL_FROM) * steps))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    for p in head.parameters():
        p.data, p.grad = p.data.clone(), None
    head.requires_grad_(False)


@torch.no_grad()
def _data(trunk, x, first, last, known, rows):
    """Return what the head learns from, by rows: tensors (N, ...)."""
    parts, numbers = [], trunk.likelihood.numbers.to(x.device)
    for part in rows.split(1024):
        mine = (part % len(x)).to(x.device)
        seen, learners, *guesses = (k[part.to(k.device)].to(x.device) for k in known)
        x_mine = x[mine]
        params, features, hidden = trunk.hidden(x_mine, seen, guesses)
        mean = trunk.as_means(params[0] + trunk.last(hidden))[..., : len(numbers)]
        sd = trunk.noise(x_mine, seen)[1].clamp(min=LEAST_SD)
        x_numbers = x_mine[:, numbers]
        free = ~torch.isnan(x_numbers) & ~seen[:, numbers]
        weight = free & trunk.learn(learners[:, numbers])
        error = torch.where(free, (x_numbers - mean) / sd, 0.0)
        hidden = hidden.expand(trunk.n_members, -1, -1)
        by_row = (t.transpose(0, 1) for t in (hidden, weight.float(), error, mean))
        parts.append((features, *by_row, sd, first[mine], last[mine]))
    return tuple(map(torch.cat, zip(*parts, strict=True)))
