"""Codes that adversaries bring to look like a prior, and clusters among them.

B is the number of rows, k the components of the code, K the clusters.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from torch.nn.functional import cross_entropy, one_hot

from skae._codes import remedies, signs
from skae._codes.adversaries import Adversary, Heads, crowding
from skae._codes.base import (
    MAX_AUTO_COMPONENTS,
    AutoencoderModule,
    Code,
    Terms,
    natural_size,
    pair,
    tempered,
)
from skae._codes.clusters import known_clusters
from skae._codes.normal import places
from skae._data.split import Told
from skae._losses import energy_coefficient
from skae.priors import as_prior, drawn

MEASURED = 2**14  # draws by which a prior's center and scale are measured
POOL = 2**16  # draws from the prior, of which each batch takes some
TOLD_FIRST = 0.25  # share of the epochs in which clusters are learnt by being told
AVERAGED = 0.99  # decay of the average of weights, for each step
JUDGED_ROWS = 1024  # codes that are compared with draws, at most
JUDGING_SEED = 0  # of these draws
UNLABELLED, OF_LABELS = -1, "labels"


class Aim(NamedTuple):
    """What codes should look like."""

    prior: object  # with `sample`
    cluster_shares: torch.Tensor | None = None  # (K,)
    told: object = None  # rows of known clusters, or None


class Play(NamedTuple):
    """What a training draws once, in the prior's units."""

    aim: Aim
    pool: torch.Tensor  # (POOL, k) of which each batch takes some
    fresh: torch.Tensor  # (JUDGED_ROWS, k) to judge by


@dataclass
class Adversarial(Code):
    """(z, l) = e(x), y = softmax(l), loss = -log p(x | d(z + y W)); z ~ p(z), y ~ p(y).

    In units of the prior: codes are `center` + `scale` times what the networks see.
    """

    prior: object = "gaussian"
    n_clusters: int | str | None = None
    cluster_init: object = "graph"
    instance_noise: float = 0.3

    start_competes: ClassVar[bool] = False  # PCA's codes are no candidates
    averaged: ClassVar[float] = AVERAGED  # adversaries go round in circles
    phase_names: ClassVar[tuple] = ("discriminator", "generator", "labelled")
    remedies: ClassVar[tuple] = (
        " Or lower adversarial_learning_rate.",
        "the loss of an adversary, or of the encoder against it, is not finite. Lower "
        "adversarial_learning_rate.",
    )

    # Before training

    @property
    def against_tying(self):
        """Why tied weights cannot be, if so."""
        if self.n_clusters is None:
            return None
        return "n_clusters, as the encoder then returns more than the code"

    def lasting(self):
        """Return the number of clusters."""
        return {"n_clusters": self.n_clusters}

    def read(self, y, n, classes, *, reset):
        """Return the classes of y, and which of them each row is of, -1 for none."""
        if self.n_clusters != OF_LABELS or (classes is None and not reset):
            return Told()
        if y is None:
            if not reset:
                return Told(classes, labels=np.full(n, -1))
            raise ValueError(
                "n_clusters='labels' requires y to be passed, but the target y is None. "
                "Pass the class of each row, -1 where it is not known, or set n_clusters "
                "to a number."
            )
        y = column_or_1d(y)
        check_consistent_length(np.empty(n), y)
        if y.dtype.kind in "US" and (y == str(UNLABELLED)).any():
            raise ValueError(
                "y holds the string '-1'. Mark rows of unknown class by the integer -1, in "
                "an array of dtype object."
            )
        if pd.isna(y).any():
            raise ValueError(
                "y has missing values. Mark rows of unknown class by -1 instead."
            )
        known = np.asarray(y != UNLABELLED)
        if reset:
            if not known.any():
                raise ValueError(
                    "y holds no class, only -1 for rows of unknown class. Label some rows, "
                    "or set n_clusters to a number."
                )
            named = y[known]
            if named.dtype == object:
                named = np.asarray(named.tolist())
            check_classification_targets(named)
            classes = np.unique(named)
        labels = np.full(len(y), -1)
        if known.any():
            labels[known] = places(classes, y[known].astype(classes.dtype), "y")
        return Told(classes, labels=labels)

    def n_principal(self, wanted, likelihood):
        """Return how many are needed; clusters are sought among 32."""
        most = super().n_principal(wanted, likelihood)
        return max(most, MAX_AUTO_COMPONENTS) if self.n_clusters else most

    def size(self, task):
        """Return what the prior says, if it does, or at least what its shape needs."""
        prior = as_prior(self.prior)
        return prior.n_components or max(prior.n_shaped, super().size(task))

    def _n_clusters(self, task):
        if self.n_clusters == OF_LABELS:
            return len(task.told.classes)
        return self.n_clusters or 0

    def aim(self, task):
        """Return what codes should look like."""
        prior, k = as_prior(self.prior), self._n_clusters(task)
        if task.n_components is not None:
            self._measure(prior, task.n_components)
        if not k:
            return Aim(prior)
        told = known_clusters(task, k, self.cluster_init)
        shares = torch.full((k,), 1 / k)
        if task.earlier is not None:
            shares = torch.from_numpy(shares_of(task.earlier.net.module_)).float()
        elif task.told.labels is not None:
            given = torch.from_numpy(task.told.labels)[task.sample.index]
            shares = torch.bincount(given[given >= 0], minlength=k).float()
        elif told is not None:
            shares = torch.bincount(told.cluster.cpu(), told.weight.cpu(), k).float()
        return Aim(prior, (shares / shares.sum()).to(task.device), told)

    def _measure(self, prior, n_components):
        """Return what a prior's draws have as center and scale, if it can be drawn from."""
        if n_components < prior.n_shaped:
            raise ValueError(
                f"prior={self.prior!r} needs at least {prior.n_shaped} components. Got "
                f"n_components={n_components}."
            )
        draws = torch.from_numpy(drawn(prior, MEASURED, n_components, 0))
        return draws.mean(0), draws.std(0, correction=0)

    def build(self, task):
        """Return the module, which starts at whitened principal components."""
        n_clusters, k, likelihood = (
            self._n_clusters(task),
            task.n_components,
            task.likelihood,
        )
        natural = k is None
        if natural:
            k = natural_size(task)
        center, scale = self._measure(as_prior(self.prior), k)
        down, up = task.principal.whitened_starts(likelihood, k, n_clusters)
        up = tempered(up, task)
        if n_clusters:  # clusters start nearly alike
            noise = torch.empty(n_clusters, likelihood.n_inputs, dtype=torch.float32)
            noise.normal_(generator=task.generator)
            if self.cluster_init != "random":  # and are soon told which they are
                noise *= 0.1
            down.encoder_weight[-n_clusters:] = noise.numpy() / likelihood.n_inputs**0.5
            encoder, _ = pair(task, down, k + n_clusters)
            _, decoder = pair(task, up, k)
        else:
            encoder, decoder = pair(task, up, None if natural else k)
        ae = AutoencoderModule(encoder, decoder, likelihood, self, k)
        ae.n_clusters = n_clusters
        ae.register_buffer("center", center)
        ae.register_buffer("scale", torch.where(scale > 0, scale, 1.0))
        ae.heads = ae.cluster_adversary = None
        if n_clusters:
            ae.register_buffer("cluster_shares", task.aim.cluster_shares.clone())
            ae.heads = Heads(n_clusters, k, task.generator)
        ae.style_adversary = Adversary(k, n_clusters, task.generator)
        if n_clusters:
            ae.cluster_adversary = Adversary(n_clusters, 0, task.generator)
        return ae

    # The loss

    def style_and_logits(self, ae, x):
        """Return the styles, in the prior's units, and the clusters' logits of rows."""
        u = ae.encoder(ae.likelihood.embed(x))
        return u[:, : ae.n_components], u[:, ae.n_components :]

    def style(self, ae, x):
        """Return the codes without the places of the clusters; (B, k)."""
        return ae.center + ae.scale * self.style_and_logits(ae, x)[0]

    def encode(self, ae, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        u, logits = self.style_and_logits(ae, x)
        u = u if ae.heads is None else u + ae.heads(logits.softmax(1))
        return ae.center + ae.scale * u

    def decode(self, ae, z):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return ae.decoder((z - ae.center) / ae.scale)

    def warm_up(self, aim):
        """Return the share of the training in which clusters learn what they are told."""
        return 0.0 if aim.told is None else TOLD_FIRST

    def loss(self, ae, x, target, noise, progress):
        """Return what rows x (B, d) cost, and what heads cost that are too near."""
        if ae.heads is None:
            return super().loss(ae, x, target, noise, progress)
        u, logits = self.style_and_logits(ae, x)
        y = logits.softmax(1)
        y = y.detach() + heard(progress) * (y - y.detach())
        params = ae.decoder(u + ae.heads(y))
        nll = ae.likelihood.nll(params, target).sum(1)
        return Terms(nll=nll, aside=crowding(ae.heads.weight))

    # The further losses

    def rivals(self, ae):
        """Return who judges the styles, and the clusters if there are any."""
        return [a for a in (ae.style_adversary, ae.cluster_adversary) if a is not None]

    def parts(self, ae, aim):
        """Return what each phase trains: adversaries, then the encoder against them."""
        phases = {"discriminator": self.rivals(ae), "generator": [ae.encoder]}
        return phases if aim.told is None else phases | {"labelled": [ae.encoder]}

    def begin(self, ae, task):
        """Return draws for the whole training."""
        return Play(
            task.aim,
            _draws(ae, task.aim.prior, POOL, task.train.generator),
            judging_draws(ae, task.aim.prior),
        )

    def judged(self, ae, x):
        """Return what the adversaries see of rows: styles, clusters' probabilities."""
        style, logits = self.style_and_logits(ae, x)
        return [style] if ae.heads is None else [style, logits.softmax(1)]

    def further(self, ae, play, batch, run):
        """Yield the adversaries' loss, the encoder's against them, and that of the told."""
        generator, adversaries = run.generator, self.rivals(ae)
        x, w, *_ = run.task.corrupted(batch, generator)
        codes = self.judged(ae, x)
        y = codes[1].detach() if len(codes) > 1 else None
        real = _real(play, len(x), generator)
        left = self.instance_noise * run.course.left()

        def noise(c, times=1):
            shape = times * len(c), c.shape[1]
            e = torch.empty(shape, dtype=c.dtype, device=c.device)
            return left * e.normal_(generator=generator)

        both = list(zip(adversaries, codes, real, (y, None), strict=False))
        yield (
            "discriminator",
            sum(a.mistaken(c.detach(), r, noise(c, 2), y, w) for a, c, r, y in both),
        )
        caught = [a.caught(c, noise(c), y, w) for a, c, _, y in both]
        caught[1:] = [heard(run.course.progress()) * loss for loss in caught[1:]]
        yield "generator", sum(caught)
        if play.aim.told is not None:
            rows, cluster = play.aim.told.some(run.task.train.rows, len(x), generator)
            x, weight, *_ = run.task.corrupted(rows, generator)
            logits = self.style_and_logits(ae, x)[1]
            row = cross_entropy(logits, cluster, reduction="none")
            yield "labelled", (weight * row).mean()

    def judge(self, ae, play, task, phases):
        """Return how far held-out codes are from the prior, and what the told cost."""
        distances = self._distances(ae, play.aim, task.valid, play.fresh, unbiased=False)
        more = sum(value**0.5 for value in distances)
        if "labelled" in phases:
            more += float(phases["labelled"].total) / len(task.train)
        return more, {"prior_distance": distances[0] ** 0.5}

    def _distances(self, ae, aim, batches, fresh, *, unbiased=True):
        """Return the energy coefficients of codes and draws: of styles, of clusters."""
        n, device = len(batches.index), ae.device
        chosen = torch.linspace(0, n - 1, min(n, JUDGED_ROWS)).long()
        index = batches.index[chosen].to(device)
        ae.eval()
        with torch.no_grad():
            codes = self.judged(ae, batches.rows.take(index))
            draws, shares = [fresh], [None]
            if aim.cluster_shares is not None:
                draws.append(torch.eye(len(aim.cluster_shares)).to(codes[0]))
                shares.append(aim.cluster_shares)
            weight = batches.rows.weight
            if weight is not None:
                weight = weight[index] / weight[index].sum()
            return [
                max(0.0, energy_coefficient(a, b, weight, w, unbiased=unbiased))
                for a, b, w in zip(codes, draws, shares, strict=True)
            ]

    # After training

    def describe(self, ae, task):
        """Return the prior, how far codes are from it, and the clusters."""
        aim = task.aim
        fresh = judging_draws(ae, aim.prior)
        distances = self._distances(ae, aim, task.judges(), fresh)
        more = {"prior_": aim.prior, "prior_distance_": distances[0] ** 0.5}
        if ae.n_clusters:
            logits = task.by_blocks(
                lambda x: self.style_and_logits(ae, x)[1], ae.n_clusters
            )
            labels = logits.argmax(1)
            known = task.told.classes
            more["labels_"] = labels if known is None else known[labels]
            places = ae.heads.weight * ae.scale
            more["cluster_centers_"] = places.detach().cpu().numpy()
        return more

    def shortfalls(self, described, task):
        """Yield what a trained net does not reach."""
        net, ae = task.net, task.net.module_
        yield from signs.explains_nothing(
            task.explained[0], "Lower adversarial_learning_rate, or raise max_iter"
        )
        loss = net.history[-1]["discriminator_loss"] / len(self.rivals(ae))
        n_judged = min(JUDGED_ROWS, len(task.judges().index))
        missed, remedy = described["prior_distance_"] ** 2, remedies.longer_game(task)
        yield from signs.prior_missed(missed, n_judged, loss, remedy)
        if ae.n_clusters:
            remedy = "Use fewer n_clusters or another cluster_init"
            if self.n_clusters == OF_LABELS:
                remedy = "Label more rows of each class"
            n_used = len(np.unique(described["labels_"]))
            yield from signs.empty_clusters(n_used, ae.n_clusters, remedy)


def heard(progress):
    """Return how much clusters heed all but what they are told, in [0, 1]; ().

    They learn that first: otherwise they soon are whatever helps to reconstruct, and
    the adversary makes them sure of it.
    """
    return torch.as_tensor(progress / TOLD_FIRST).clamp(max=1.0)


def shares_of(ae):
    """Return how frequent clusters are; (K,) float64, of sum 1."""
    shares = ae.cluster_shares.cpu().double().numpy()
    return shares / shares.sum()


def _draws(ae, prior, n, generator):
    """Return draws from the prior (n, k), in its units, on the device."""
    seed = torch.randint(2**31 - 1, (1,), generator=generator)
    draws = torch.from_numpy(drawn(prior, n, ae.n_components, int(seed)))
    return (draws.to(ae.device) - ae.center) / ae.scale


def judging_draws(ae, prior):
    """Return the draws that codes are compared with, the same each time."""
    return _draws(ae, prior, JUDGED_ROWS, torch.Generator().manual_seed(JUDGING_SEED))


def _real(play, n, generator):
    """Return what codes should look like: styles (n, k), and clusters (n, K)."""
    pool, shares = play.pool, play.aim.cluster_shares
    pick = torch.randint(len(pool), (n,), generator=generator, device=pool.device)
    real = [pool[pick]]
    if shares is not None:
        chosen = torch.multinomial(shares, n, replacement=True, generator=generator)
        real.append(one_hot(chosen, len(shares)).float())
    return real
