"""The fourth axis: what a code is, what it costs, and where training starts.

B is the number of rows, d the columns, k the components of the code.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import nn

from skae._codes import remedies, signs
from skae._codes.isometry import distortion
from skae._data.split import Told
from skae._params import Parameters
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import DenseNetwork
from skae.networks._edges import edges
from skae.networks._layers import ACTIVATIONS

MAX_AUTO_COMPONENTS = 32
EXPLAINED_BY_AUTO = 0.9  # of the variance


class Terms(NamedTuple):
    """What rows cost: the engine weighs, sums and adds them up, and nobody else."""

    nll: torch.Tensor  # (B,) how far the reconstruction is
    reg: torch.Tensor | None = None  # (B,) what the code costs
    batch: torch.Tensor | None = None  # () what the batch costs as a whole, for each row
    aside: torch.Tensor | None = None  # () what is trained along, and judges nothing


class AutoencoderModule(nn.Module):
    """An encoder, a decoder and a likelihood; their `code` says what is made of them."""

    def __init__(self, encoder, decoder, likelihood, code, n_components=None):
        super().__init__()
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.code, self.n_components = code, n_components

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    def encode(self, x, *known):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        return self.code.encode(self, x, *known)

    def decode(self, z, *known):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return self.code.decode(self, z, *known)

    def params(self, x, *known):
        """Return the likelihood's parameters at the rows' codes; (B, n_params)."""
        known = self.code.informed(self, x, *known)
        return self.decode(self.encode(x, *known), *known)

    def reconstruct(self, x, *known):
        """Return the means at the rows' codes, standardised; (B, d)."""
        return self.likelihood.mean(self.params(x, *known))

    def nll(self, z, target, *known):
        """Return -log p(x | z) of rows that are the target; (B,)."""
        return self.likelihood.nll(self.decode(z, *known), target).sum(1)

    def forward(self, x, target, noise=None, progress=1.0, *known):
        """Return the `Terms` of rows x (B, d), which should become the target (B, d).

        `noise` is what the code drew for them, `progress` the share of the training that
        is done: nothing else may change from call to call.
        """
        return self.code.loss(self, x, target, noise, progress, *known)


@dataclass
class Code(Parameters):
    """What a code is. A variant's `loss` reads like its equation; all else has a default.

    Its fields are the parameters of the same names. `ae` is the `AutoencoderModule`, and
    `task` what is known before training: see `skae._training.task.Task`.
    """

    against_tying: ClassVar[str | None] = None  # why tied weights cannot be, if so
    start_competes: ClassVar[bool] = True  # whether the start may be what is kept
    judged_again: ClassVar[bool] = False  # whether held-out rows judge after training, too
    draws_codes: ClassVar[bool] = False  # whether `drawn_params` are what scores see
    noise_is_of_rows: ClassVar[bool] = True  # whether each row has a draw of its own
    code_activation: ClassVar[str] = "linear"  # of those that have no parameter for it
    is_pure: ClassVar[bool] = True  # whether `loss` changes nothing, and never branches
    guesses_classes: ClassVar[bool] = False  # whether those of rows need not be told
    needs_classes: ClassVar[bool] = False  # whether each row's has to be told to encode it
    trains_encoder: ClassVar[bool] = True  # whether it has weights of its own
    is_smooth: ClassVar[bool] = True  # whether codes change smoothly with its weights
    averaged: ClassVar[float | None] = None  # decay of averaged weights, if these are kept
    phase_names: ClassVar[tuple] = ()  # of further losses, each with its optimiser
    remedies: ClassVar[tuple] = ("", "")  # where the loss diverges, or a further one's

    # Before training

    def read(self, y, n, classes, *, reset):
        """Return what y `Told` of n rows, given the classes known before."""
        return Told()

    def options(self, recipe):
        """Return recipes of which the best is to be found, the safest first, if any."""
        return ()

    def prefers(self, task, other):
        """Tell whether what came of another task's recipe is better."""
        raise NotImplementedError

    def rate(self, likelihood):
        """Return the largest learning rate, where it is not the parameter; or None."""

    def n_principal(self, wanted, likelihood):
        """Return how many principal components start a network and measure it."""
        return MAX_AUTO_COMPONENTS if wanted in ("auto", None) else wanted

    def size(self, task):
        """Return what ``n_components="auto"`` is."""
        ratio = task.principal.ratio
        return int(min(np.searchsorted(ratio, EXPLAINED_BY_AUTO) + 1, len(ratio)))

    def rows(self, task):
        """Return the `Rows` to train on."""
        return task.rows

    def aim(self, task):
        """Return what codes should look like, where anything is asked of them."""

    def lasting(self):
        """Return which parameters training that goes on cannot change."""
        return {}

    def start(self, task):
        """Return where encoder and decoder start; None is at random."""
        return tempered(task.principal.start(task.likelihood), task)

    def build(self, task):
        """Return the module to train."""
        encoder, decoder = pair(task, self.start(task))
        return AutoencoderModule(encoder, decoder, task.likelihood, self, task.n_components)

    def take(self, ae):
        """Let a module, new or trained before, go by these parameters from now on.

        A ``ValueError`` is raised where they do not go together.
        """
        ae.code = self

    def edges(self, ae):
        """Return the layers that rows enter and leave by, or None where that is unknown.

        Where it is, the columns' scales stay those of the first rows.
        """
        return edges(ae.encoder, ae.decoder)

    def restated(self, ae):
        """Do what has to be done where these layers' units have changed."""

    # In training

    def warm_up(self, aim):
        """Return the share of the training in which the loss is not yet the final one."""
        return 0.0

    def draw(self, ae, n_rows, generator):
        """Return the noise that `loss` takes for so many rows, or None."""

    def encode(self, ae, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        return ae.encoder(ae.likelihood.embed(x))

    def decode(self, ae, z):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return ae.decoder(z)

    def informed(self, ae, x, *known):
        """Return what encoder and decoder are told beside rows x (B, d)."""
        return known

    def steered(self, ae, x, z):
        """Return the codes z of rows x (B, d), with a gradient where they had none."""
        return z

    def drawn_params(self, ae, x, noise, *known):
        """Return the parameters at codes drawn by the noise; (B, n_params)."""
        raise NotImplementedError

    def loss(self, ae, x, target, noise, progress, *known):
        """Return the `Terms` of rows."""
        return Terms(nll=ae.nll(self.encode(ae, x, *known), target, *known))

    def after_step(self, ae):
        """Do what has to be done to the weights after each step."""

    def before_epoch(self, ae, batches, generator):
        """Do what has to be done before an epoch on `batches`, until the rate falls."""

    # Further losses, each with an optimiser of its own

    def rivals(self, ae):
        """Return the modules that the loss does not train, the last of all."""
        return []

    def parts(self, ae, aim):
        """Return the modules that each further loss trains, by its name."""
        return {}

    def begin(self, ae, task):
        """Return what further losses need throughout a training."""

    def further(self, ae, play, batch, run):
        """Yield further losses on a batch, by name; each is stepped down at once.

        `play` is what `begin` returned, `run` has the task, the generator and the course.
        """
        return ()

    def judge(self, ae, play, task, phases):
        """Return what held-out rows cost beside their terms, and what of it to note."""
        return 0.0, {}

    # After training

    def settle(self, ae, task):
        """Do what is left to do once training has ended, before anything is measured."""

    def more_numbers(self, ae):
        """Return how many numbers, for a row, come up beside the layers'."""
        return 0

    def describe(self, ae, task):
        """Return fitted attributes beyond the usual."""
        return {}

    def shortfalls(self, described, task):
        """Yield what a trained net does not reach, and what to do, as sentences."""
        yield from underfitted(task, task.n_components)

    def dead_units(self, described, task):
        """Yield which units of a trained net are no use, and what to do, as sentences."""
        network, width = task.recipe.network, task.n_components
        if task.recipe.n_components is None and isinstance(network, ConvolutionalNetwork):
            width = network.filters[-1]  # a map's units are its channels
        yield from signs.dead_units(
            signs.activations(task.net.module_, task.some, width),
            remedies.livelier(task.recipe),
            remedies.livelier_code(task.recipe, self.code_activation),
        )


@dataclass
class Plain(Code):
    """z = s(e(x)), loss = -log p(x | d(z)) + isometry d / 2 distortion of d."""

    code_activation: str = "linear"
    isometry: float = 0.0

    def lasting(self):
        """Return the activation."""
        return {"code_activation": self.code_activation}

    def shortfalls(self, described, task):
        """Yield what a trained net does not reach, and whether copying would do."""
        yield from super().shortfalls(described, task)
        if learns_to_copy(task) and isinstance(task.recipe.n_components, Integral):
            width = task.likelihood.n_params
            yield from signs.wider_than_the_data(task.n_components, width)

    def encode(self, ae, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        return ACTIVATIONS[self.code_activation](super().encode(ae, x))

    def loss(self, ae, x, target, noise, progress, *known):
        """Return the `Terms` of rows."""
        z = self.encode(ae, x, *known)
        params, batch = ae.decode(z, *known), None
        if self.isometry:
            price = self.isometry * target.shape[1] / 2
            batch = price * distortion(ae, z, params, *known)
        return Terms(ae.likelihood.nll(params, target).sum(1), batch=batch)


def learns_to_copy(task):
    """Tell whether rows are to become what the encoder sees of them."""
    return task.recipe.corruption is None and task.sample.target is None


def underfitted(task, k, remedy=None):
    """Yield whether k principal components explain more, where they are a yardstick.

    They are none where rows are corrupted, as clean ones may then be explained less
    well, nor where so many explain nearly all by construction: because there are hardly
    more rows, or no more columns.
    """
    explained, held_out = task.explained[0], task.explained[-1]
    ratio, n_rows = task.principal.ratio, len(task.train.index)
    found = min(k, len(ratio))
    if not learns_to_copy(task) or signs.is_overfitted(explained, held_out, task.worse):
        return
    if k > signs.SHARE_OF_ROWS * n_rows or k >= task.likelihood.n_params:
        if remedy is None:  # others look at it anyway
            way = "Raise max_iter or change learning_rate"
            yield from signs.explains_nothing(explained, way)
        return
    by_pca = ratio[found - 1]
    if remedy is None:
        remedy = remedies.more_training(task.recipe, remedies.n_epochs(task), by_pca)
    yield from signs.underfitting(explained, by_pca, found, remedy)


def pair(task, start, width=..., more_inputs=0):
    """Return a network's encoder and decoder, or raise a ``ValueError``.

    Parameters
    ----------
    task : Task
    start : LinearStart or None
    width : int or None
        What the encoder puts out and the decoder takes; the task's `n_components` by
        default.
    more_inputs : int, default=0
        That the encoder sees beside the rows.
    """
    network, likelihood, code = task.recipe.network, task.likelihood, task.recipe.code
    if isinstance(network, DenseNetwork) and network.tied_weights:
        if code.against_tying is not None:
            raise ValueError(
                f"network: tied_weights=True is not for {code.against_tying}. Use "
                "tied_weights=False."
            )
        if likelihood.n_inputs != likelihood.n_params:
            raise ValueError(
                "network: tied_weights=True needs an encoder that sees no more than the "
                "decoder returns, and this one is told which cells are missing, or "
                "what a date is in its day, week and year. Use "
                "tied_weights=False."
            )
    built = network.build(
        likelihood.n_inputs + more_inputs,
        task.n_components if width is ... else width,
        likelihood.n_params,
        generator=task.generator,
        start=start,
    )
    for module in built:
        if not isinstance(module, nn.Module):
            raise ValueError(
                "network: build() must return an encoder and a decoder, both "
                f"torch.nn.Module. Got {type(module).__name__}."
            )
    return [module.float() for module in built]


def tempered(start, task):
    """Return a linear start, nearer to the mean where it would be worse than that.

    It is right for a likelihood whose link is the identity, and else to first order only.
    """
    likelihood, x = task.likelihood, task.some
    with torch.no_grad():
        weight, shift, back, bias = (
            torch.as_tensor(a, dtype=torch.float32, device=x.device) for a in start
        )
        added = (likelihood.embed(x) @ weight.T + shift) @ back.T

        def cost(gain):
            return float(likelihood.nll(bias + gain * added, x).double().sum())

        worst = cost(0.0)
        for gain in (1.0, 0.5, 0.25, 0.125, 0.0625):
            if cost(gain) <= worst + 1e-6 * abs(worst):
                return start._replace(decoder_weight=gain * start.decoder_weight)
    return start._replace(decoder_weight=0.0 * start.decoder_weight)


def natural_size(task):
    """Return how wide the network makes the code if it is not told."""
    return code_size(pair(task, None, None)[0], task.likelihood.n_inputs)


def code_size(encoder, n_inputs):
    """Return how many numbers an encoder of rows (n, n_inputs) puts out for each."""
    with torch.no_grad():
        return encoder.eval()(torch.zeros(1, n_inputs, dtype=torch.float32)).shape[1]
