"""Training in phases: reconstruction, then regularisation by adversaries.

B is the number of rows of a batch.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import one_hot

from skae._losses import energy_coefficient
from skae._training.net import JUDGING_SEED, Net, hand, one_flat
from skae.priors import drawn

PHASES = ("discriminator", "generator", "labelled")  # after the reconstruction
POOL = 2**16  # draws from the prior, of which each batch takes some
TOLD_FIRST = 0.25  # share of the epochs in which clusters are learnt by being told
AVERAGED = 0.99  # decay of the average of weights, for each step
JUDGED_ROWS = 1024  # codes that are compared with draws, at most


class Labelled(NamedTuple):
    """Rows of known clusters."""

    index: torch.Tensor  # (m,) of the rows
    cluster: torch.Tensor  # (m,)
    weight: torch.Tensor  # (m,) of mean 1


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
        params = [p for p in self.params if p.requires_grad]  # callbacks may freeze some
        if params:
            loss.backward(inputs=params)
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
        for name in PHASES:
            setattr(self, f"{name}_optimizer_", self._adam(f"{name}_optimizer"))
        return self

    def _adam(self, name):
        if name in vars(self) or f"{name}__param_groups" in vars(self):
            raise ValueError(
                f"{name} is Adam, over all that it trains. Set its parameters, for "
                f"instance {name}__lr."
            )
        args, kwargs = self.get_params_for_optimizer(name, one_flat())
        own = self.get_params_for(name)
        defaults = {
            "betas": (0.5, 0.99),
            "fused": not {"foreach", "differentiable"} & set(own),
        }
        if "lr" not in own:
            kwargs["lr"] = self.adversarial_lr
        return torch.optim.Adam(*args, **(defaults | kwargs))

    def get_all_learnable_params(self):
        """Yield what the reconstruction trains: all but the adversaries."""
        for name, parameter in super().get_all_learnable_params():
            if "_adversary." not in name:
                yield name, parameter

    def _groups(self):
        yield from super()._groups()
        for name in PHASES:
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
        run.average = run.flat.clone()
        run.pool = self._draws(run.job, POOL, run.job.train.generator)
        run.fresh = self._judging_draws(run.job)
        if run.job.target.labelled is not None:
            run.phases["labelled"] = phase("labelled", ours, encoder)

    def _take_back(self):
        super()._take_back()
        empty = self._run.flat.new_empty(0)
        for name in PHASES:
            hand(getattr(self, f"{name}_optimizer_"), empty, None)

    def _set_learning_rate(self):
        super()._set_learning_rate()
        course, main = self._run.course, self.optimizer_.param_groups[0]
        if course.is_constant:  # a callback may have set the main one
            rate = main["lr"] / main["initial_lr"]
            for group, name in self._groups():
                if name != "lr":
                    group["lr"] = group["initial_lr"] * rate

    # Training

    def train(self, job, epochs):
        """Train for at most `epochs` epochs; the best weights stay, if judged."""
        self.module_.warm_up = 0.0 if job.target.labelled is None else TOLD_FIRST
        return super().train(job, epochs)

    def _draws(self, job, n, generator):
        """Return draws from the prior (n, k), in its units, on the device."""
        module, seed = self.module_, torch.randint(2**31 - 1, (1,), generator=generator)
        draws = drawn(job.target.prior, n, module.n_components, int(seed))
        draws = torch.from_numpy(draws).to(self.device)
        return (draws - module.center) / module.scale

    def _judging_draws(self, job):
        """Return the draws that codes are compared with, the same each time."""
        generator = torch.Generator().manual_seed(JUDGING_SEED)
        return self._draws(job, JUDGED_ROWS, generator)

    def _real(self, n, generator):
        """Return what codes should look like: styles (n, k), and clusters (n, K)."""
        pool, shares = self._run.pool, self._run.job.target.cluster_shares
        pick = torch.randint(len(pool), (n,), generator=generator, device=self.device)
        real = [pool[pick]]
        if shares is not None:
            drawn = torch.multinomial(shares, n, replacement=True, generator=generator)
            real.append(one_hot(drawn, len(shares)).float())
        return real

    def train_step(self, batch, **_):
        """Take one step of each phase on one batch."""
        step = super().train_step(batch)
        self._regularise(batch)
        if self._run.job.valid is not None:
            at = self._run.course.step  # the average starts short
            decay = min(AVERAGED, (1 + at) / (10 + at))
            self._run.average.lerp_(self._run.flat, 1 - decay)
        return step

    def _regularise(self, batch):
        """Take the steps of all phases but the first."""
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
        caught = [a.caught(c, self._noise(c), y, w) for a, c, _, y in both]
        caught[1:] = [module.heard(run.course.progress()) * loss for loss in caught[1:]]
        run.phases["generator"].step(sum(caught), clip)
        if "labelled" in run.phases:
            x, cluster, w = self._labelled(len(x))
            run.phases["labelled"].step(module.told(x, cluster, w), clip)

    def _noise(self, codes, times=1):
        shape, course = (times * len(codes), codes.shape[1]), self._run.course
        left = 1.0  # it falls to zero
        if not course.is_constant:
            left = max(0.0, 1 - course.step / (course.n_steps * course.cool_to))
        noise = torch.randn(shape, generator=self._run.generator, device=codes.device)
        return left * self.instance_noise * noise

    def _labelled(self, n):
        """Return rows of known clusters, corrupted as all are, and their weights."""
        run, known = self._run, self._run.job.target.labelled
        n = min(n, len(known.index))
        pick = torch.randint(
            len(known.index), (n,), generator=run.generator, device=self.device
        )
        x = run.job.train.rows.take(known.index[pick])
        batch = x, known.weight[pick], None, None
        (x, weight, *_), _ = self.prepare_batch(run.job, batch, run.generator)
        return x, known.cluster[pick], weight

    def _train_epoch(self, batches):
        for phase in self._run.phases.values():
            phase.total.zero_()
        try:
            loss = super()._train_epoch(batches)
        except ValueError as error:
            raise ValueError(f"{error} Or lower adversarial_learning_rate.") from error
        if not all(math.isfinite(float(p.total)) for p in self._run.phases.values()):
            raise ValueError(
                "Training diverged: the loss of an adversary, or of the encoder against "
                "it, is not finite. Lower adversarial_learning_rate."
            )
        for name, phase in self._run.phases.items():
            self.history.record(f"{name}_loss", float(phase.total) / len(batches))
        return loss

    # Judging

    def _judged(self):
        """Return what each held-out row costs, per column, and what codes do.

        That is how far they are from the prior, and what rows of known clusters cost. It is
        the averaged weights that are judged, and kept: adversaries go round in circles.
        """
        run = self._run
        now = run.flat.clone()
        run.flat.copy_(run.average)
        try:
            return self._judged_now()
        finally:
            run.flat.copy_(now)

    def _snapshot(self):
        return [self._run.average.clone(), *super()._snapshot()[1:]]

    def _judged_now(self):
        run = self._run
        apart = self.apart(run.job, run.job.valid, run.fresh, unbiased=False)
        run.prior_distance = apart[0] ** 0.5
        more = sum(value**0.5 for value in apart)
        if "labelled" in run.phases:
            more += float(run.phases["labelled"].total) / len(run.job.train)
        return super()._judged() + more

    def on_epoch_end(self, net, **kwargs):
        """Note how far held-out codes are from the prior."""
        if self._run.job.valid is not None:
            self.history.record("prior_distance", self._run.prior_distance)
        super().on_epoch_end(net, **kwargs)

    def apart(self, job, batches, fresh=None, *, unbiased=True):
        """Return the energy coefficients of codes and draws: of styles, of clusters."""
        n, target = len(batches.index), job.target
        chosen = torch.linspace(0, n - 1, min(n, JUDGED_ROWS)).long()
        index = batches.index[chosen].to(self.device)
        self._set_training(False)
        with torch.no_grad():
            codes = self.module_.judged(batches.rows.take(index))
            fresh = self._judging_draws(job) if fresh is None else fresh
            draws, shares = [fresh], [None]
            if target.cluster_shares is not None:
                draws.append(torch.eye(len(target.cluster_shares), device=self.device))
                shares.append(target.cluster_shares)
            weight = batches.rows.weight
            if weight is not None:
                weight = weight[index] / weight[index].sum()
            return [
                max(0.0, energy_coefficient(a, b, weight, w, unbiased=unbiased))
                for a, b, w in zip(codes, draws, shares, strict=True)
            ]
