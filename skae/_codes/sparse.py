"""Codes of many units, of which each row turns on a few.

B is the number of rows, d the columns, n the units of the code, k those that are on.
"""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import ClassVar

import numpy as np
import torch

from skae._codes import signs
from skae._codes.base import AutoencoderModule, Code, Terms, code_size, pair, underfitted
from skae._codes.units import (
    added_by_units,
    can_stretch,
    geometric_median,
    has_mirror,
    normalise,
    read_by_units,
    some_rows,
    stretch,
    top_k,
    usage,
)
from skae.networks._dense import DenseNetwork
from skae.networks._layers import Linear, Stack, put

OWN = {  # parameters that some penalties alone have
    "n_nonzero_coefs": ("topk", "batch_topk"),
    "beta": ("l1", "kl"),
    "target_activation": ("kl",),
}
MAX_UNITS, UNITS_PER_COLUMN, ROWS_PER_UNIT = 1024, 2, 4  # "auto"
SHARE_ON, RATE = 0.05, 0.005
CENTER_ROWS = 2000  # from which the median and the signs are found
LEAST_PATIENCE = 1000  # rows
RESAMPLED = 1024  # rows, at least, of which the worst rebuilt restart units


@dataclass
class Sparse(Code):
    """z = s(e(x)), u = d(z), ||d_j|| = 1: the code is `sparsify` of what is encoded.

    In a module the parameters are numbers: how many units are on, and so on.
    """

    penalty: str = "topk"
    n_nonzero_coefs: int | float | None = None
    beta: float | None = None
    target_activation: float | None = None
    positive_code: bool | str = "auto"
    revive: bool = True
    sparse_output: bool = False
    learning_rate: float | str = "auto"

    is_pure: ClassVar[bool] = False
    start_competes: ClassVar[bool] = False  # it is random, and its code not yet sparse
    has_unit_directions: ClassVar[bool] = True
    rate_of_auto: ClassVar[float] = RATE

    # What a penalty fills in

    def sparsify(self, ae, u):
        """Return the code that the encoder's outputs u (B, n) stand for; (B, n)."""
        raise NotImplementedError

    def cost(self, z):
        """Return what codes cost; (B,) or None."""

    def is_on(self, z):
        """Tell which units are on; (B, n)."""
        return z != 0

    def is_dead(self, frequency, spread):
        """Tell which units never are, by how often they are, or how they vary; (n,)."""
        return frequency == 0

    def shift(self, u):
        """Return what to add to u (B, n), to start sparse; (n,) or 0."""
        return 0.0

    def beta_of_auto(self, n_units, n_columns):
        """Return the strength of the penalty where it is not told."""
        return 0.0

    # Before training

    def rate(self, likelihood):
        """Return the largest learning rate."""
        return self.rate_of_auto if self.learning_rate == "auto" else self.learning_rate

    def size(self, task):
        """Return what ``n_components="auto"`` is."""
        n_rows = len(task.sample.index)
        return max(1, min(_most_units(task.likelihood), n_rows // ROWS_PER_UNIT))

    def n_principal(self, wanted, likelihood):
        """Return as many principal components as units are on."""
        if wanted in ("auto", None):
            wanted = _most_units(likelihood)
        return self.n_on(wanted) if "topk" in self.penalty else 1

    def n_on(self, n_units):
        """Return how many of so many units are to be on."""
        k = self.n_nonzero_coefs
        if isinstance(k, Integral):
            return int(k)
        return max(1, round((SHARE_ON if k is None else k) * n_units))

    def _check(self, n_units):
        """Raise a ``ValueError`` for parameters that do not go together."""
        for name, penalties in OWN.items():
            value = self.get_params()[name]
            if value is not None and self.penalty not in penalties:
                raise ValueError(
                    f"{name}={value!r} is for penalty={' or '.join(map(repr, penalties))}. "
                    f"Use {name}=None with penalty={self.penalty!r}."
                )
        if self.positive_code is False and "topk" not in self.penalty:
            raise ValueError(
                f"positive_code=False is not for penalty={self.penalty!r}, whose codes "
                "have no signs. Use positive_code=True, or penalty='topk'."
            )
        if self.sparse_output and self.penalty == "kl":
            raise ValueError(
                "sparse_output=True is not for penalty='kl', whose codes have no zeros. "
                "Use sparse_output=False, or another penalty."
            )
        if self.n_on(n_units) > n_units:
            raise ValueError(
                f"n_nonzero_coefs={self.n_nonzero_coefs} must be at most the number of "
                f"units, which is {n_units}. Lower it, or raise n_components."
            )

    def build(self, task):
        """Return the module, whose output starts at the rows' geometric median."""
        likelihood, principal = task.likelihood, task.principal
        encoder, decoder = pair(task, None)
        n_units = task.n_components
        if n_units is None:
            n_units = code_size(encoder, likelihood.n_inputs)
        self._check(n_units)
        rows = principal.target[:: -(-len(principal.target) // CENTER_ROWS)]
        rows = torch.from_numpy(np.where(np.isnan(rows), principal.mean, rows))
        center = geometric_median(rows)
        positive = self.positive_code
        if positive == "auto":
            positive = "topk" not in self.penalty or not has_mirror(rows - center)
        encoder = self.encoder(encoder, decoder)
        code = replace(self, positive_code=positive)
        ae = AutoencoderModule(encoder, decoder, likelihood, code, n_units)
        ae.patience = LEAST_PATIENCE
        # rows since a unit was last on
        ae.register_buffer("idle", torch.zeros(n_units, dtype=torch.float32))
        self.remember(ae)
        self.take(ae)
        self.after_step(ae)
        if isinstance(task.recipe.network, DenseNetwork):
            bias, _ = likelihood.linearize(center.numpy(), np.zeros((0, len(center))))
            put(decoder.layers[-1].bias, bias)
            is_table = likelihood.categories is not None  # then of levels, none missing
            seen = center.float() if is_table else likelihood.embed(center.float()[None])[0]
            seen = torch.cat([seen, torch.zeros(likelihood.n_inputs - len(seen))])
            ae.code.start_sparse(ae, torch.from_numpy(principal.inputs), seen)
        return ae

    def encoder(self, encoder, decoder):
        """Return the encoder that is used with a decoder."""
        return encoder

    def remember(self, ae):
        """Give a new module what else it keeps count of."""

    @torch.no_grad()
    def start_sparse(self, ae, rows, center):
        """Let a dense encoder start sparse, and as the transposed decoder if it is linear.

        `rows` (n, D) are what it sees, `center` (D,) is what they are around.
        """
        down, up = ae.encoder.layers[-1], ae.decoder.layers[-1]
        if len(ae.encoder.layers) == 1:
            if isinstance(up, Linear) and up.weight.shape == down.weight.t().shape:
                down.weight.copy_(up.weight.t())
            down.bias.copy_(-down.weight @ center)
        down.bias += self.shift(ae.encoder.eval()(rows))

    def take(self, ae):
        """Let a module go by these parameters, as numbers."""
        n_units, n_columns = len(ae.idle), ae.likelihood.n_params
        self._check(n_units)
        if type(ae.code) is not type(self):
            raise ValueError(
                "Training that goes on (warm_start=True or partial_fit) cannot change "
                f"penalty or network: they are {self.penalty!r} and one of another kind "
                "than before. Use warm_start=False and fit."
            )
        beta, rho = self.beta, self.target_activation
        auto = self.positive_code == "auto"
        ae.code = replace(
            self,
            n_nonzero_coefs=self.n_on(n_units),
            beta=self.beta_of_auto(n_units, n_columns) if beta is None else beta,
            target_activation=SHARE_ON if rho is None else rho,
            positive_code=ae.code.positive_code if auto else self.positive_code,
        )

    # In training

    def sensitivity(self, ae, x):
        """Return what sparsity acts upon, at rows x (B, d); (B, n)."""
        return ae.encoder(ae.likelihood.embed(x))

    def encode(self, ae, x):
        """Return the codes of standardised rows; (B, d) to (B, n)."""
        return self.sparsify(ae, self.sensitivity(ae, x))

    def loss(self, ae, x, target, noise, progress):
        """Return what rows cost: -log p(x | z), what z costs, and the revival's loss."""
        u = self.sensitivity(ae, x)
        z = self.sparsify(ae, u)
        nll = ae.nll(z, target)
        if ae.training:
            nll = nll + self._revival(ae, u, z, target)
            self.count(ae, z)
        return Terms(nll=nll, reg=self.cost(z))

    def after_step(self, ae):
        """Give the decoder's directions length 1 again."""
        if self.has_unit_directions:
            normalise(ae.decoder)

    def edges(self, ae):
        """Return the layers that rows enter and leave by, or None where that is unknown."""
        found = super().edges(ae)
        return found if can_stretch(ae, found) else None

    def restated(self, ae):
        """Give directions in new units length 1; return what is the codes' now, (n,)."""
        if self.has_unit_directions:
            length = normalise(ae.decoder)
            self.after_step(ae)
            stretch(ae.encoder, length)
            return length

    @torch.no_grad()
    def count(self, ae, z):
        """Take note of which units were on in the rows of a step."""
        ae.idle += len(z)
        ae.idle[self.is_on(z).any(0)] = 0

    # Units that are no use

    def useless(self, ae):
        """Tell which units no row of an epoch has turned on; (n,)."""
        return ae.idle >= ae.patience

    def linear_pair(self, ae):
        """Return the encoder's and the decoder's layer if each has one, else None."""
        stacks = ae.encoder, ae.decoder
        if all(isinstance(s, Stack) and len(s.layers) == 1 for s in stacks):
            down, up = (s.layers[0] for s in stacks)
            if all(isinstance(m, Linear) for m in (down, up)):
                likelihood = ae.likelihood  # which sees, and puts out, d numbers
                if likelihood.n_inputs == likelihood.n_params == len(likelihood.location):
                    return down, up
        return None

    @torch.no_grad()
    def before_epoch(self, ae, batches, generator):
        """Let useless units start anew, each as what is left of a row rebuilt badly."""
        ae.patience = max(LEAST_PATIENCE, len(batches.index))
        units = self.useless(ae).nonzero()[:, 0]
        if not (self.revive and len(units) and self.linear_pair(ae)):
            return
        x = some_rows(batches, max(RESAMPLED, len(units)), generator)
        left = x - torch.cat([ae.reconstruct(part) for part in x.split(RESAMPLED)])
        size = left.norm(dim=1)
        n = min(len(units), int((size > 0).sum()))
        if n:
            rows = torch.multinomial(size.square(), n, generator=generator)
            self._restart(ae, units[:n], left[rows] / size[rows, None], x)

    def _restart(self, ae, units, new, x):
        """Let units stand for new directions (len(units), d), as sparse as at the start."""
        down, up = self.linear_pair(ae)
        up.weight[:, units] = new.t()
        if down is not None:
            down.weight[units] = new
            center = ae.likelihood.embed(ae.likelihood.mean(up.bias[None]))[0]
            down.bias[units] = -new @ center
            down.bias[units] += self.shift(self.sensitivity(ae, x)[:, units])
        ae.idle[units] = 0
        self.after_step(ae)

    def _revival(self, ae, u, z, target):
        """Return how badly the units that died would add what is missing; (B,) or 0.

        That is AuxK: the k of them with the largest outputs of the encoder. Its value is
        0, for the loss to stay what it is, and its gradient is not. It is for encoders
        with hidden layers; the units of linear ones start anew.
        """
        if not self.revive or self.linear_pair(ae):
            return 0.0
        dead = self.useless(ae)
        n_dead = int(dead.sum())
        if not n_dead:
            return 0.0
        z_dead = top_k(u[:, dead], min(n_dead, self.n_nonzero_coefs), self.positive_code)
        added = torch.zeros_like(z).index_copy(1, dead.nonzero()[:, 0], z_dead)
        nll = ae.nll(z.detach() + added, target)
        return nll - nll.detach()

    # After training

    def describe(self, ae, task):
        """Return how often, and how much, units are on, and what they add."""
        more, amount = usage(ae, task)
        more["positive_code_"] = self.positive_code
        likelihood = task.likelihood
        if likelihood.categories is not None:
            return more
        mean = more["mean_activation_"]
        base = mean if self.penalty == "kl" else np.zeros_like(mean)
        added = added_by_units(ae, amount, base)
        scale = likelihood.scale.astype(added.dtype)
        weight = mean @ np.abs(added * read_by_units(ae, task.some)) * (scale > 0)
        return more | {
            "components_": added * scale,
            "feature_importances_": weight / (weight.sum() or 1.0),
        }

    def shortfalls(self, described, task):
        """Yield what a trained net does not reach."""
        explained, is_topk = task.explained[0], "topk" in self.penalty
        remedy = "Raise max_iter or learning_rate" if is_topk else "Lower beta"
        yield from signs.explains_nothing(explained, remedy)
        if is_topk:
            remedy = "Raise max_iter, learning_rate, n_components or n_nonzero_coefs"
            yield from underfitted(task, self.n_nonzero_coefs, remedy)

    def dead_units(self, described, task):
        """Yield which units are never on."""
        remedy = "a lower beta" if self.penalty == "l1" else "a larger n_nonzero_coefs"
        if not self.revive:
            remedy += " or revive=True"
        yield from signs.never_on(described["dead_units_"], remedy)


def _most_units(likelihood):
    return min(MAX_UNITS, UNITS_PER_COLUMN * likelihood.n_inputs)
