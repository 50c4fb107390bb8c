"""Time of `fit` of the adversarial autoencoder against the same phases, written by hand.

"loop" is what one writes in plain torch, and written well: rows in one tensor, one gather
an epoch, slices as batches, fused Adam for each phase, gradients clipped by
`clip_grad_norm_` in each, no `.item()` within an epoch, gradients only of the weights that
a phase trains. In each batch encoder and decoder learn to reconstruct; the adversaries (two
hidden layers of 256) learn to tell codes from draws of a normal distribution (a pool of
65,536 of them, drawn beforehand), both under noise that falls; the encoder learns to pass;
and, with clusters, the encoder learns the first guess at them, and the places of clusters
are kept apart. 10 % of the rows are held out, and after each epoch their loss and the
energy distance of 1,024 of their codes, at most, from 1,024 draws is found, of weights that
are averaged over steps; the best are kept. Rates rise and fall as ours do.

- MNIST: 10,000 training pictures in [0, 1] as rows, Bernoulli likelihood, hidden layers of
  256 and 256 with SiLU, 8 components, batches of 512, --epochs epochs.
- digits: 1,797 rows of 64 columns, standardised, one hidden layer of 128 beside a linear
  path, 8 components, batches of 64, twice as many epochs.
- Each without clusters, and with 10. The first guess at the clusters (spectral, of
  principal components) is found in advance and given to both, so that it is not a part of
  the times; what it takes is in a column of its own, in units of the loop's time.

Set-up is part of the time. Ours finds principal components, from which it starts, and
measures residuals and prior distance at the end; the loop does not.

Medians and ratios of runs that take turns in one process. The bar is a ratio of 1.2.

With --steps the time of each part of a training step is given instead, of both.
"""

import copy
import math
import time
from collections import defaultdict
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import torch
from _common import (
    interleaved,
    machine,
    medians,
    parser,
    quiet,
    seconds,
    table,
    use_threads,
)
from _data import load
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from skae import AdversarialAutoencoder
from skae._adversarial_engine import AdversarialNet, Phase
from skae._clustering import first_clusters

CODE, RATE, NOISE, POOL, JUDGED, ALPHA = 8, 2e-3, 0.3, 2**16, 1024, 1e-4
WARM_UP, COOL_DOWN, HELD_OUT, CLUSTERS = 0.05, 0.3, 0.1, 10


class Given:
    """A clusterer that has the clusters already."""

    def __init__(self, clusters):
        self.clusters = clusters

    def fit_predict(self, X):
        """Return them."""
        return self.clusters


def stack(*sizes, activation=nn.SiLU):
    """Return layers."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


class Beside(nn.Module):
    """Layers beside a linear path."""

    def __init__(self, *sizes):
        super().__init__()
        self.layers, self.path = stack(*sizes), nn.Linear(sizes[0], sizes[-1])

    def forward(self, x):
        """Return their sum."""
        return self.layers(x) + self.path(x)


def adversary(n):
    """Return an adversary of n inputs."""
    return stack(n, 256, 256, 1, activation=lambda: nn.LeakyReLU(0.2))


def apart(a, b, weight=None):
    """Return the energy distance of two samples, as a number."""
    weight = b.new_full((len(b),), 1 / len(b)) if weight is None else weight
    between = (torch.cdist(a, b) @ weight).mean()
    within = torch.cdist(a, a).mean() + weight @ torch.cdist(b, b) @ weight
    return float((1 - 0.5 * within / between).clamp(min=0).sqrt())


def loop(task, clusters, clock=None):
    """Train by hand; `clock` is called after each part of a step."""
    clock = clock or (lambda part: None)
    x = torch.as_tensor(task.X, dtype=torch.float32)
    bernoulli, mean = task.likelihood == "bernoulli", x.mean(0)
    if not bernoulli:
        std = x.std(0, correction=0)
        x = (x - mean) / torch.where(std > 0, std, 1.0)
    d, k = x.shape[1], len(np.unique(clusters)) if clusters is not None else 0
    kind = stack if task.hidden != "auto" else Beside
    hidden = task.hidden if task.hidden != "auto" else (128,)
    encoder, decoder = kind(d, *hidden, CODE + k), kind(CODE, *hidden[::-1], d)
    heads = nn.Linear(k, CODE, bias=False) if k else nn.Identity()
    rivals = nn.ModuleList([adversary(CODE + k), *([adversary(k)] if k else [])])
    everything = nn.ModuleList([encoder, decoder, heads, rivals])
    main = [p for part in (encoder, decoder, heads) for p in part.parameters()]
    ours, theirs = list(encoder.parameters()), list(rivals.parameters())
    adam = {"betas": (0.5, 0.99), "lr": RATE, "fused": True}
    optimizers = {
        "reconstruction": torch.optim.Adam(main, lr=RATE, fused=True, weight_decay=ALPHA),
        "adversary": torch.optim.Adam(theirs, **adam),
        "passing": torch.optim.Adam(ours, **adam),
        "clusters": torch.optim.Adam(ours, **adam),
    }

    def parts(x):
        u = encoder(x - mean if bernoulli else x)
        return [u[:, :CODE], u[:, CODE:].softmax(1)] if k else [u]

    def rebuilt(x, heard=1.0):
        codes = parts(x)
        out, penalty = codes[0], 0.0
        if k:
            y = codes[1].detach() + heard * (codes[1] - codes[1].detach())
            out = out + heads(y)
            gap = (6 - torch.pdist(heads.weight.t())).clamp(min=0)
            penalty = gap.square().mean()
        out = decoder(out)
        if bernoulli:
            return F.binary_cross_entropy_with_logits(out, x) + penalty
        return 0.5 * F.mse_loss(out, x) + penalty

    def noisy(z, left, y=None):
        z = z + left * NOISE * torch.randn(z.shape)
        return z if y is None else torch.cat([z, y], 1)

    def step(name, loss, params):
        optimizers[name].zero_grad()
        loss.backward(inputs=params)
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizers[name].step()
        totals[name].add_(loss.detach())

    order = torch.randperm(len(x))
    n_valid = math.ceil(HELD_OUT * len(x))
    valid, train = x[order[:n_valid]], x[order[n_valid:]]
    known = torch.from_numpy(clusters)[order[n_valid:]] if k else None
    pool, fresh = torch.randn(POOL, CODE), torch.randn(JUDGED, CODE)
    eye, shares = torch.eye(k), torch.full((k,), 1 / k) if k else None
    n_steps, best, best_loss, at, history = (
        -(-len(train) // task.batch),
        None,
        math.inf,
        0,
        [],
    )
    average = [p.detach().clone() for p in everything.parameters()]
    for _ in range(task.epochs):
        everything.train()
        totals = defaultdict(lambda: torch.zeros(()))
        for batch in train[torch.randperm(len(train))].split(task.batch):
            done = at / n_steps / task.epochs
            rise, fall = (
                (at + 1) / (WARM_UP * task.epochs * n_steps),
                (1 - done) / COOL_DOWN,
            )
            for optimizer in optimizers.values():
                optimizer.param_groups[0]["lr"] = RATE * min(1.0, rise, fall)
            clock("batch")
            heard = min(1.0, done / 0.25)
            step("reconstruction", rebuilt(batch, heard), main)
            clock("reconstruction")
            codes = parts(batch)
            real = [pool[torch.randint(POOL, (len(batch),))]]
            if k:
                drawn = torch.multinomial(shares, len(batch), replacement=True)
                real.append(F.one_hot(drawn, k).float())
            told = torch.cat([torch.ones(len(batch)), torch.zeros(len(batch))])
            y = codes[1].detach() if k else None
            loss = sum(
                F.binary_cross_entropy_with_logits(
                    judge(
                        noisy(
                            torch.cat([r, c.detach()]),
                            1 - done,
                            None if i or not k else torch.cat([y, y]),
                        )
                    ).squeeze(1),
                    told,
                )
                for i, (judge, c, r) in enumerate(zip(rivals, codes, real, strict=True))
            )
            step("adversary", loss, theirs)
            clock("adversary")
            loss = sum(
                (heard if i else 1.0)
                * F.softplus(-judge(noisy(c, 1 - done, None if i else y))).mean()
                for i, (judge, c) in enumerate(zip(rivals, codes, strict=True))
            )
            step("passing", loss, ours)
            clock("passing")
            if k:
                pick = torch.randint(len(train), (len(batch),))
                u = encoder(train[pick] - mean if bernoulli else train[pick])
                step("clusters", F.cross_entropy(u[:, CODE:], known[pick]), ours)
                clock("clusters")
            at += 1
            with torch.no_grad():
                torch._foreach_lerp_(
                    average,
                    list(everything.parameters()),
                    1 - min(0.99, (1 + at) / (10 + at)),
                )
        everything.eval()
        with torch.no_grad():
            now = [p.clone() for p in everything.parameters()]
            torch._foreach_copy_(list(everything.parameters()), average)
            loss = sum(float(rebuilt(p)) * len(p) for p in valid.split(1024)) / len(valid)
            codes = parts(valid[:JUDGED])
            loss += apart(codes[0], fresh) + (apart(codes[1], eye, shares) if k else 0.0)
            history.append((loss, {name: float(t) / n_steps for name, t in totals.items()}))
        if loss < best_loss:
            best, best_loss = copy.deepcopy(everything.state_dict()), loss
        with torch.no_grad():
            torch._foreach_copy_(list(everything.parameters()), now)
        clock("judging")
    everything.load_state_dict(best)
    return everything


def ours(task, clusters, kind=AdversarialAutoencoder):
    """Train by skae."""
    more = {}
    if clusters is not None:
        more = {"n_clusters": CLUSTERS, "cluster_init": Given(clusters)}
    return kind(
        CODE,
        network=task.hidden,
        likelihood=task.likelihood,
        batch_size=task.batch,
        max_iter=task.epochs,
        n_iter_no_change=task.epochs,
        random_state=0,
        device="cpu",
        **more,
    ).fit(task.X)


# Where the time goes


class Clock:
    """Seconds between its calls, by part."""

    def __init__(self):
        self.total, self.last = defaultdict(float), time.perf_counter()

    def __call__(self, part):
        now = time.perf_counter()
        self.total[part] += now - self.last
        self.last = now


class ClockedPhase(Phase):
    """A phase that tells the clock."""

    def step(self, loss, clip):
        """Take the step."""
        super().step(loss, clip)
        self.clock(self.part)


def clocked(clock):
    """Return the estimator, its net telling the clock of each part of a step."""
    names = {
        "discriminator": "adversary",
        "generator": "passing",
        "labelled": "clusters",
    }

    class ClockedNet(AdversarialNet):
        def _hand_out(self):
            super()._hand_out()
            for name, phase in self._run.phases.items():
                phase.__class__ = ClockedPhase
                phase.clock, phase.part = clock, names[name]

        def train(self, job, epochs):
            clock("set-up")
            super().train(job, epochs)
            return self

        def _loss(self, batch):
            clock("batch")
            return super()._loss(batch)

        def prepare_batch(self, job, batch, generator):
            if torch.is_grad_enabled() and self._rebuilds:
                self._rebuilds = False
            elif torch.is_grad_enabled():
                clock("reconstruction")
            return super().prepare_batch(job, batch, generator)

        def train_step(self, batch, **_):
            self._rebuilds = True
            return super().train_step(batch)

        def _judged(self):
            clock("batch")
            result = super()._judged()
            clock("judging")
            return result

    class Clocked(AdversarialAutoencoder):
        _net_class = ClockedNet

    return Clocked


def by_parts(task, clusters, repeats):
    """Return rows (part, loop's seconds, ours, difference), medians of runs in turn."""
    runs = {"loop": [], "ours": []}
    for _ in range(repeats):
        clock = Clock()
        loop(task, clusters, clock)
        clock("end")
        runs["loop"].append(clock.total)
        clock = Clock()
        ours(task, clusters, clocked(clock))
        clock("end")
        runs["ours"].append(clock.total)
    names = ["set-up", "batch", "reconstruction", "adversary", "passing", "clusters"]
    for name in (*names, "judging", "end"):
        a, b = (float(np.median([run[name] for run in runs[who]])) for who in runs)
        yield name, a, b, b - a


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=None)
    options.add_argument("--repeats", type=int, default=None)
    options.add_argument("--steps", action="store_true", help="time the parts of a step")
    args = options.parse_args()
    epochs = args.epochs or (2 if args.quick else 15)
    repeats = args.repeats or (1 if args.quick else 5)
    pictures = load("mnist")["X_train"].reshape(10_000, -1) / 255.0
    tasks = {
        "digits": (load_digits().data, "auto", "gaussian", 64, 2 * epochs),
        "MNIST": (pictures, (256, 256), "bernoulli", 512, epochs),
    }
    machine(args.threads)
    rows = []
    with use_threads(args.threads), quiet():
        for name, values in tasks.items():
            keys = "X", "hidden", "likelihood", "batch", "epochs"
            task = SimpleNamespace(**dict(zip(keys, values, strict=True)))
            small = SimpleNamespace(**(vars(task) | {"epochs": 1}))
            points = PCA(32, random_state=0).fit_transform(task.X)
            cut, guess = seconds(partial(first_clusters, points, CLUSTERS, "graph", 0))
            guess = guess.astype(np.int64)
            for clusters in (None, guess):
                loop(small, clusters)
                ours(small, clusters)
                k = 0 if clusters is None else CLUSTERS
                if args.steps:
                    print(f"{name}, {k} clusters, seconds of a fit\n")
                    parts = list(by_parts(task, clusters, repeats))
                    table(("part", "loop", "ours", "ours - loop"), parts)
                    continue
                fits = {
                    "loop": partial(loop, task, clusters),
                    "ours": partial(ours, task, clusters),
                }
                times = interleaved(fits, repeats, warm_up=False)
                middle = medians(times)
                ratio = float(np.median(np.divide(times["ours"], times["loop"])))
                start = cut / middle["loop"] if k else None
                rows.append(
                    (name, k, task.epochs, middle["loop"], middle["ours"], ratio, start)
                )
                text = ", ".join(
                    f"{b / a:.2f}"
                    for a, b in zip(times["loop"], times["ours"], strict=True)
                )
                print(f"{name}, {k} clusters: ratios {text}", flush=True)
    if rows:
        print()
        header = (
            "data",
            "clusters",
            "epochs",
            "loop, s",
            "ours, s",
            "ratio",
            "first guess",
        )
        table(header, rows)
        print(f"bar: 1.2; largest ratio {max(row[5] for row in rows):.2f}")


if __name__ == "__main__":
    main()
