"""How an encoder and its head learn from what rows are told to be.

n is the number of rows, d the columns, m the classes or numbers told.
"""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch

from skae._data.rows import Batches, Rows
from skae._training.runtime import global_randomness
from skae._training.task import find_device
from skae._training.train import train_module
from skae.semi_supervised._module import Head, Labeller, Labelling

PASSES, STEPS = 6, (600, 3000)  # over the rows told, and steps: at least and at most
EPOCH = 20  # steps that rows are repeated for, where they are fewer
SAMPLE_ROWS = 2000  # whose codes say how components are standardised
TRAININGS = "frozen", "fine-tune", "joint"


class Lesson(NamedTuple):
    """What rows are told to be, and how much each counts."""

    targets: np.ndarray  # (n, m) shares of classes, or numbers in deviations
    weight: np.ndarray  # (n,)
    index: np.ndarray  # of the rows that are told something, some more than once
    of_classes: bool = True


class Ways(NamedTuple):
    """How to train, whatever is told."""

    learning_rate: float
    layer_decay: float
    batch_size: int
    max_iter: int | str
    alpha: float
    device: str
    verbose: int
    corruption: object = None


def train_labeller(module, X, lesson, training, ways, seed, listener=None):
    """Return a net of a copy of an autoencoder's module with a head, trained.

    Parameters
    ----------
    module : AutoencoderModule
    X : ndarray or CSR matrix of shape (n, d)
        In the units of the data.
    lesson : Lesson
    training : {"frozen", "fine-tune", "joint"}
    ways : Ways
    seed : int
    listener : object, default=None
        As that of `train_module`.
    """
    device, generator = find_device(ways.device), torch.Generator().manual_seed(seed)
    ae = copy.deepcopy(module).to(device).eval()
    _set_trained(ae, training, X.shape[1])
    told = torch.from_numpy(lesson.targets.astype(np.float32))
    weight = None if np.ptp(lesson.weight) == 0 else lesson.weight
    rows = Rows(X, weight, ae.likelihood, device, known=(told,))
    index = torch.from_numpy(lesson.index)
    some = index.unique()[:: max(1, len(index) // SAMPLE_ROWS)].to(device)
    with torch.inference_mode():
        codes = ae.encode(rows.take(some))
    codes = codes.clone()  # of no inference mode
    code = Labelling(lesson.of_classes, training == "joint")
    head = Head(codes, told.shape[1]).to(device)
    labeller, size = Labeller(ae, head, code), min(ways.batch_size, len(index))
    epochs = ways.max_iter
    if epochs == "auto":
        n_steps = np.clip(PASSES * len(index) / size, *STEPS)
        index = index.repeat(math.ceil(min(EPOCH * size, n_steps * size) / len(index)))
        epochs = max(1, round(n_steps / math.ceil(len(index) / size)))
    batches = Batches(rows, index, size, generator)
    tuning = {"lr": ways.learning_rate, "alpha": ways.alpha, "verbose": ways.verbose}
    if training != "frozen" and ways.layer_decay != 1:
        tuning["optimizer__param_groups"] = _rates(ae, ways)
    with global_randomness(seed, device):
        more = {"corruption": ways.corruption, "listener": listener, **tuning}
        net = train_module(labeller, batches, epochs, device, **more)
    net.optimizer_.state.clear()  # two thirds of a pickle, and training never goes on
    return net


def check_way(training, code):
    """Raise a ``ValueError`` if an autoencoder's code cannot be trained in a way."""
    if training == "joint" and code.phase_names:
        raise ValueError(
            "training='joint' is not for an autoencoder with further losses, each with an "
            "optimiser of its own. Use training='fine-tune'."
        )
    if training == "fine-tune" and not code.is_smooth:
        raise ValueError(
            "training='fine-tune' needs codes that change smoothly with the encoder's "
            "weights, and those of this autoencoder do not. Use training='frozen'."
        )


def _set_trained(ae, training, n_columns):
    """Let only those weights be trained that a way of training is for."""
    kept = []
    if training == "joint":
        kept = list(ae.parameters())
    elif training == "fine-tune":
        kept = reached(ae, n_columns)
    kept = {id(p) for p in kept}
    for p in ae.parameters():
        p.requires_grad_(p.requires_grad and id(p) in kept)


def reached(ae, n_columns):
    """Return the weights by which codes change smoothly."""
    params = [p for p in ae.parameters() if p.requires_grad]
    x = torch.zeros(1, n_columns, dtype=torch.float32, device=ae.device)
    z = ae.encode(x).sum()
    if not z.requires_grad:
        return []
    found = torch.autograd.grad(z, params, allow_unused=True)
    return [p for p, g in zip(params, found, strict=True) if g is not None]


def _rates(ae, ways):
    """Return groups of the encoder's weights: the farther from the head, the slower."""
    rate, decay = ways.learning_rate, ways.layer_decay
    names = [name for name, p in ae.encoder.named_parameters() if p.ndim > 1]
    layers = [name.rpartition(".")[0] for name in names if name.startswith("layers.")]
    groups = [
        (f"ae.encoder.{layer}.*", {"lr": rate * decay ** (len(layers) - i)})
        for i, layer in enumerate(layers)
    ]
    return [*groups, ("ae.*", {"lr": rate * decay})]
