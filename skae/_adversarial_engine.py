"""Training in phases: reconstruction, then regularisation by adversaries.

B is the number of rows of a batch.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import one_hot

from skae._engine import JUDGING_SEED, Net, hand, one_flat
from skae._losses import energy_distance

POOL = 2**16  # draws from the prior, of which each batch takes some
JUDGED_ROWS = 1024  # codes that are compared with draws, at most


class Labelled(NamedTuple):
    """Rows of known clusters."""

    index: torch.Tensor  # (m,) of the rows
    cluster: torch.Tensor  # (m,)
    weight: torch.Tensor | None = None  # (m,) of mean 1


class Target(NamedTuple):
    """What codes should look like."""

    prior: object  # with `sample`
    cluster_shares: torch.Tensor | None  # (K,)
    labelled: Labelled | None


class Phase:
    """An optimiser, the weights that it trains, and how it fares in an epoch."""

    def __init__(self, optimizer, params, flat, grad):
        self.optimizer, self.params, self.grad = optimizer, params, grad
        self.total = torch.zeros((), device=grad.device)
        hand(optimizer, flat, grad)

    def step(self, loss, clip):
        """Take one step down a loss ()."""
        self.grad.zero_()
        loss.backward(inputs=self.params)
        if clip is not None:
            self.grad[None].renorm_(2, 0, clip)
        self.optimizer.step()
        self.total.add_(loss.detach())


class AdversarialNet(Net):
    """The net of an `AdversarialAutoencoder`: each batch is trained on in phases.

    Reconstruction trains all but the adversaries, as in any autoencoder. Then the
    adversaries learn to tell codes from draws of the prior, the encoder learns to
    pass for the prior, and, where clusters of rows are known, to say so. Each phase has
    an optimiser of its own; beyond `Net`'s parameters there are ``adversarial_lr`` and
    ``instance_noise``, and ``discriminator_optimizer__<param>``,
    ``generator_optimizer__<param>``, ``labelled_optimizer__<param>``.
    """

    tuning = (*Net.tuning, "adversarial_lr", "instance_noise")

    def __init__(self, module, *, adversarial_lr=1e-3, instance_noise=0.3, **kwargs):
        super().__init__(module, **kwargs)
        self.adversarial_lr, self.instance_noise = adversarial_lr, instance_noise

    # The optimisers

    def initialize_optimizer(self, triggered_directly=None):
        """Build an optimiser for each phase."""
        super().initialize_optimizer(triggered_directly)
        self.discriminator_optimizer_ = self._adam("discriminator_optimizer")
        self.generator_optimizer_ = self._adam("generator_optimizer")
        self.labelled_optimizer_ = self._adam("labelled_optimizer")
        return self

    def _adam(self, name):
        args, kwargs = self.get_params_for_optimizer(name, one_flat())
        own = {"lr"} & set(self.get_params_for(name))
        defaults = {"betas": (0.5, 0.99), "fused": True}
        if not own:
            kwargs["lr"] = self.adversarial_lr
        return torch.optim.Adam(*args, **(defaults | kwargs))

    def get_all_learnable_params(self):
        """Yield what the reconstruction trains: all but the adversaries."""
        for name, parameter in super().get_all_learnable_params():
            if "_adversary." not in name:
                yield name, parameter

    def _groups(self):
        yield from super()._groups()
        for name in ("discriminator", "generator", "labelled"):
            for group in getattr(self, f"{name}_optimizer_").param_groups:
                yield group, "adversarial_lr"

    def _hand_out(self):
        run, module = self._run, self.module_
        rivals = nn.ModuleList(module.adversaries())

        def trained(part):
            return [p for p in part.parameters() if p.requires_grad]

        ours = trained(module.encoder)
        n_ours = sum(p.numel() for p in ours)
        n_main = len(run.flat) - sum(p.numel() for p in trained(rivals))
        run.is_weight[n_main:] = 0  # alpha is not for adversaries
        if self._is_flat:
            hand(self.optimizer_, run.flat[:n_main], run.grad[:n_main])

        def phase(name, params, where):
            optimizer = getattr(self, f"{name}_optimizer_")
            return Phase(optimizer, params, run.flat[where], run.grad[where])

        encoder = slice(0, n_ours)
        run.phases = {
            "discriminator": phase("discriminator", trained(rivals), slice(n_main, None)),
            "generator": phase("generator", ours, encoder),
        }
        if run.job.target.labelled is not None:
            run.phases["labelled"] = phase("labelled", ours, encoder)

    def _take_back(self):
        super()._take_back()
        for name in ("discriminator", "generator", "labelled"):
            empty = self._run.flat.new_empty(0)
            hand(getattr(self, f"{name}_optimizer_"), empty, None)

    # Training

    def train(self, job, epochs):
        """Train for at most `epochs` epochs; the best weights stay, if judged."""
        self._pool = self._draws(job, POOL, job.train.generator)
        try:
            return super().train(job, epochs)
        finally:
            del self._pool

    def _draws(self, job, n, generator):
        """Return draws from the prior (n, k), in its units, on the device."""
        seed, module = (
            int(torch.randint(2**31 - 1, (1,), generator=generator)),
            self.module_,
        )
        draws = job.target.prior.sample(n, module.n_components, int(seed))
        draws = torch.as_tensor(draws, dtype=torch.float32).to(self.device)
        return (draws - module.center) / module.scale

    def _real(self, n, generator):
        """Return what codes should look like: styles (n, k), and clusters (n, K)."""
        pick = torch.randint(len(self._pool), (n,), generator=generator, device=self.device)
        real, shares = [self._pool[pick]], self._run.job.target.cluster_shares
        if shares is not None:
            drawn = torch.multinomial(shares, n, replacement=True, generator=generator)
            real.append(one_hot(drawn, len(shares)).float())
        return real

    def train_step(self, batch, **_):
        """Take one step of each phase on one batch."""
        step = super().train_step(batch)
        run, module, clip = self._run, self.module_, self.gradient_clip_value
        x, w = self.prepare_batch(run.job, batch, run.generator)[0][:2]
        codes = module.judged(x)
        y = codes[1].detach() if len(codes) > 1 else None
        real = self._real(len(x), run.generator)
        both = list(zip(module.adversaries(), codes, real, (y, None), strict=False))
        run.phases["discriminator"].step(
            sum(a.mistaken(c.detach(), r, self._noise(c, 2), y, w) for a, c, r, y in both),
            clip,
        )
        run.phases["generator"].step(
            sum(a.caught(c, self._noise(c), y, w) for a, c, _, y in both), clip
        )
        if "labelled" in run.phases:
            x, cluster, w = self._labelled(len(x))
            run.phases["labelled"].step(module.told(x, cluster, w), clip)
        return step

    def _noise(self, codes, times=1):
        shape = times * len(codes), codes.shape[1]
        noise = torch.randn(shape, generator=self._run.generator, device=codes.device)
        return self.instance_noise * noise

    def _labelled(self, n):
        """Return rows of known clusters, corrupted as all are, and their weights."""
        run, known = self._run, self._run.job.target.labelled
        n = min(n, len(known.index))
        pick = torch.randint(
            len(known.index), (n,), generator=run.generator, device=self.device
        )
        x = run.job.train.rows.take(known.index[pick])
        if run.job.corruption is not None:
            x = run.job.corruption.apply(x, run.job.space, run.generator)
        weight = None if known.weight is None else known.weight[pick]
        return x, known.cluster[pick], weight

    def _train_epoch(self, batches):
        for phase in self._run.phases.values():
            phase.total.zero_()
        loss = super()._train_epoch(batches)
        for name, phase in self._run.phases.items():
            self.history.record(f"{name}_loss", float(phase.total) / len(batches))
        return loss

    # Judging

    def _judged(self):
        """Return what each held-out row costs, per column, and what codes do.

        That is how far they are from the prior, and what rows of known clusters cost.
        """
        run = self._run
        run.mismatch = self.mismatch(run.job, run.job.valid)
        more = sum(run.mismatch)
        if "labelled" in run.phases:
            more += float(run.phases["labelled"].total) / len(run.job.train)
        return super()._judged() + more

    def on_epoch_end(self, net, **kwargs):
        """Note how far held-out codes are from the prior."""
        if self._run.job.valid is not None:
            self.history.record("prior_distance", self._run.mismatch[0])
        super().on_epoch_end(net, **kwargs)

    def mismatch(self, job, batches):
        """Return how far codes are from draws of their prior, each in [0, 1]."""
        index = batches.index
        if len(index) > JUDGED_ROWS:
            index = index[:: -(-len(index) // JUDGED_ROWS)]
        self._set_training(False)
        with torch.no_grad():
            x = batches.rows.take(index.to(self.device))
            codes = self.module_.judged(x)
            draws = [
                self._draws(job, JUDGED_ROWS, torch.Generator().manual_seed(JUDGING_SEED))
            ]
            shares = job.target.cluster_shares
            if shares is not None:
                draws.append(torch.eye(len(shares), device=self.device))
            weights = None, shares
            return [
                energy_distance(a, b, w)
                for a, b, w in zip(codes, draws, weights, strict=False)
            ]
