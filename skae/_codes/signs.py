"""Signs of trouble, by stated thresholds: numbers in, sentences out."""

import numpy as np
import torch

from skae.networks._layers import Activation, watched

UNDERFITTED = 0.9  # of the variance that as many principal components explain
OVERFITTED = 0.4  # of the variance: explained in training, less on held-out rows
DIVERGED = 2.0  # times the lowest training loss, or the variance
RISEN = 1.0  # nats per cell, where losses are log-densities and may be negative
NEGLIGIBLE = 0.005  # loss per cell: 1 % of a standardised column's variance
CARRIES_NOTHING = 0.02  # of the variance
ACTIVE = 0.25  # of a code's components
DEAD = 0.5  # of a layer's units
PRIOR_MISSED = 0.15  # energy distance of codes and draws
TOLD_APART = 0.1  # loss of an adversary
FILLED = 0.5  # of the clusters


MORE_TRAINING = (
    "Increase max_iter or learning_rate, widen the network or lower its penalties and "
    "dropout, or use network='auto', which starts from the principal components"
)


def underfitting(explained, explained_by_pca, n_components, remedy=MORE_TRAINING):
    """Too little of the training variance is reconstructed: yield what to do."""
    if explained < UNDERFITTED * explained_by_pca:
        yield (
            f"Underfitted: the reconstruction explains {explained:.0%} of the training "
            f"data's variance, where {n_components} principal components explain "
            f"{explained_by_pca:.0%}. {remedy}."
        )


def overfitting(explained, explained_held_out):
    """Held-out rows are reconstructed much worse: yield what to do."""
    if explained - explained_held_out > OVERFITTED:
        yield (
            f"Overfitted: the reconstruction explains {explained:.0%} of the training "
            f"data's variance and {explained_held_out:.0%} of the held-out rows'. Use "
            "more rows, a smaller n_components or network, or regularise with alpha or "
            "skae.networks.DenseNetwork(dropout=...)."
        )


def explains_nothing(explained, remedy):
    """The reconstruction is hardly better than the mean: yield what to do."""
    if explained < CARRIES_NOTHING:
        yield (
            f"Collapsed: the reconstruction explains {explained:.0%} of the training "
            f"data's variance, hardly more than the mean. {remedy}."
        )


def prior_missed(coefficient, n, discriminator_loss):
    """Codes of n rows are not distributed as the prior: yield what to do.

    `discriminator_loss` is the mean over the adversaries, 0.69 where they guess.
    """
    remedy = (
        "Train for longer (max_iter), change adversarial_learning_rate, raise "
        "instance_noise, or use fewer n_components or a prior that is more like the data"
    )
    if coefficient > PRIOR_MISSED**2 + 1 / n:  # so few rows are apart by chance
        yield (
            f"Prior missed: codes are {coefficient**0.5:.2g} from draws of the prior "
            f"(prior_distance_, from 0 to 1). {remedy}."
        )
    elif discriminator_loss < TOLD_APART:
        yield (
            "Adversary ahead: it tells codes from draws of the prior with ease (its loss "
            f"ended at {discriminator_loss:.2g}, where guessing is 0.69), and the encoder "
            f"learns little from it. {remedy}."
        )


def empty_clusters(n_used, n_clusters, remedy):
    """More than half of the clusters have no rows: yield what to do."""
    if n_used < FILLED * n_clusters:
        yield f"Collapsed: {n_used} of {n_clusters} clusters have rows. {remedy}."


def collapse(active, explained):
    """Codes carry (next to) nothing: yield what to do."""
    remedy = (
        "Lower beta, use free_bits=0.1 or a longer kl_warm_up, or network='auto', which "
        "starts from the principal components"
    )
    if explained < CARRIES_NOTHING:
        yield from explains_nothing(explained, remedy)
    elif active.mean() < ACTIVE:
        yield (
            f"Collapsed: {active.sum()} of {len(active)} components carry anything of "
            f"the rows. {remedy}; or take n_components={max(1, active.sum())}, if the "
            "data have no more to say."
        )


def divergence(losses, explained):
    """The training loss ended well above its lowest, or the mean's: yield what to do."""
    lowest = min(losses)
    too_high = DIVERGED * lowest + NEGLIGIBLE if lowest > 0 else lowest + RISEN
    if losses[-1] > too_high or explained < 1 - DIVERGED:
        yield (
            f"Diverged: the training loss ended at {losses[-1]:.3g}, where its lowest "
            f"was {lowest:.3g}, and the reconstruction explains {explained:.0%} of the "
            "variance. Lower learning_rate or raise batch_size."
        )


def unbeaten(start, best, n_epochs):
    """The start costs held-out rows less than the best of the epochs: yield what to do."""
    if best > start + RISEN:
        yield (
            f"Diverged: held-out rows cost {start:.3g} before the first epoch, and "
            f"{best:.3g} or more after it, so the start is what is kept. Lower "
            "learning_rate or raise batch_size."
        )
    elif best >= start:
        yield (
            f"No epoch was better than the start: after the best of {n_epochs} epochs "
            f"held-out rows cost {best:.4g}, and {start:.4g} before the first, so the "
            "start is what is kept. With network='auto' or a linear one it is linear: PCA, "
            "or factor analysis. Lower learning_rate, raise max_iter or batch_size, or "
            "regularise with alpha; if that does not help, PCA does as well on these rows."
        )


def dead_units(activations):
    """More than half of a layer's units are constant: yield what to do.

    `activations` are arrays (n_rows, n_units) by the layer's name.
    """
    for name, values in activations.items():
        spread = np.ptp(values, axis=0)
        dead = int((spread <= 1e-6 * max(1.0, spread.max())).sum())
        if dead > DEAD * len(spread):
            yield (
                f"Dead units: {dead} of {len(spread)} units of {name} give the same "
                "output for every row. Use activation='silu' or 'leaky_relu', lower "
                "learning_rate, or use fewer units."
            )


def never_on(dead, remedy):
    """More than half of a sparse code's units are never on: yield what to do."""
    if dead.mean() > DEAD:
        yield (
            f"Dead units: {dead.sum()} of {len(dead)} units of the code are on in no "
            f"training row. Use a smaller n_components, {remedy}."
        )


def activations(module, x, n_units):
    """Return the encoder's hidden units, and the code's, at rows x, by layer.

    A map's units are its channels, each at many places; so are the code's if it has
    more than `n_units` numbers.
    """
    layers = module.encoder.named_modules()
    names = {layer: name for name, layer in layers if isinstance(layer, Activation)}
    seen = {}

    def keep(layer, args, out):
        seen[names[layer]] = out

    with torch.inference_mode(), watched(names, keep):
        seen["the code"] = module.encode(x).unflatten(1, (n_units, -1))
    return {
        name: out.movedim(1, -1).flatten(0, -2).cpu().numpy() for name, out in seen.items()
    }
