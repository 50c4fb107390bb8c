"""Signs of trouble, by stated thresholds: numbers in, sentences out."""

import numpy as np
import torch

from skae.networks._layers import Activation, watched

UNDERFITTED = 0.9  # of the variance that as many principal components explain
SHARE_OF_ROWS = 0.25  # components for a row, up to which PCA is a yardstick
OVERFITTED = 0.4  # of the variance: explained in training, less on held-out rows
BY_HEART = 10.0  # times the unexplained variance, on held-out rows
NOTICED = 0.1  # of the variance: by so much more, at least
MOST = 0.5  # of the held-out rows, each worse than USUAL_ROWS of those trained on
SOME = 0.2  # of them: up to as many may be odd rows, which make a gap of any width
USUAL_ROWS, FEWEST_ROWS = 0.95, 5  # the fewest that are told from odd ones
DIVERGED = 2.0  # times the lowest training loss, or the variance
RISEN = 1.0  # nats per cell, where losses are log-densities and may be negative
LEFT = 0.01  # of the variance: no more is to be learnt
NEGLIGIBLE = 0.05  # loss per cell: 10 % of a standardised column's variance
CARRIES_NOTHING = 0.02  # of the variance
ACTIVE = 0.25  # of a code's components
DEAD = 0.5  # of a layer's units
PRIOR_MISSED = 0.15  # energy distance of codes and draws
TOLD_APART = 0.1  # loss of an adversary
FILLED = 0.5  # of the clusters
LONELY = 0.05  # of the rows without a label
CALMER = "Lower learning_rate or raise batch_size"
THE_CODE = "the code"  # as a layer


def underfitting(explained, explained_by_pca, n_components, remedy):
    """Too little of the training variance is reconstructed: yield what to do."""
    if explained < UNDERFITTED * explained_by_pca:
        yield (
            f"Underfitted: the reconstruction explains {explained:.0%} of the training "
            f"data's variance, where {n_components} principal components explain "
            f"{explained_by_pca:.0%}. {remedy}."
        )


def is_overfitted(explained, explained_held_out, worse):
    """Tell whether held-out rows are reconstructed much worse than those trained on.

    `worse` is the share of them that are worse than 95 % of the rows trained on, NaN if
    they are too few to tell; few rows may be odd ones, more than half of them are not.
    """
    gap = explained - explained_held_out
    times = (1 - explained_held_out) > BY_HEART * (1 - explained)
    wide = gap > OVERFITTED and not worse <= SOME
    far = wide or (times and gap > NOTICED and worse > MOST)
    return far and explained > NOTICED  # else nothing is learnt, by heart or not


def overfitting(explained, explained_held_out, worse, remedy):
    """Held-out rows are reconstructed much worse: yield what to do."""
    if is_overfitted(explained, explained_held_out, worse):
        yield (
            f"Overfitted: the reconstruction explains {explained:.1%} of the training "
            f"data's variance and {explained_held_out:.1%} of the held-out rows'. "
            f"{remedy}."
        )


def wider_than_the_data(n_components, n_columns):
    """A code could hold its rows as they are: yield what to do."""
    if n_components > n_columns:
        yield (
            f"Wider than the data: a code of {n_components} numbers holds rows of "
            f"{n_columns} as they are, and need say nothing of them. Use n_components "
            f"below {n_columns}, or 'auto'; or, for a wide code that has to say "
            "something, SparseAutoencoder or a corruption (DenoisingAutoencoder)."
        )


def explains_nothing(explained, remedy):
    """The reconstruction is hardly better than the mean: yield what to do."""
    if explained < CARRIES_NOTHING:
        yield (
            f"Collapsed: the reconstruction explains {explained:.0%} of the training "
            f"data's variance, hardly more than the mean. {remedy}."
        )


def prior_missed(coefficient, n, discriminator_loss, remedy):
    """Codes of n rows are not distributed as the prior: yield what to do.

    `discriminator_loss` is the mean over the adversaries, 0.69 where they guess.
    """
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


def lonely_rows(share, classes):
    """Many rows hang together with no labelled one: yield what to do."""
    if share >= LONELY:
        yield (
            f"Unlabelled: {share:.0%} of the rows without a label hang together with no "
            "labelled row. They may be of a class that y does not name, and are put into "
            f"those that it does, {classes.tolist()}. Label some of them."
        )


def collapse(active, explained, remedy):
    """Codes carry (next to) nothing: yield what to do."""
    if explained < CARRIES_NOTHING:
        yield from explains_nothing(explained, remedy)
    elif active.mean() < ACTIVE:
        fewer = max(1, active.sum())
        if fewer < len(active):
            remedy += f"; or take n_components={fewer}, if the data have no more to say"
        yield (
            f"Collapsed: {active.sum()} of {len(active)} components carry anything of "
            f"the rows. {remedy}."
        )


def divergence(losses, explained, remedy=CALMER, more=""):
    """The training loss ended well above its lowest, or the mean's: yield what to do.

    `more` is another sentence. What a prior costs a start at PCA is no divergence: it is
    less than `NEGLIGIBLE`.
    """
    lowest = min(losses)
    too_high = DIVERGED * lowest + NEGLIGIBLE if lowest > 0 else lowest + RISEN
    if losses[-1] > too_high or explained < 1 - DIVERGED:
        yield (
            f"Diverged: the training loss ended at {losses[-1]:.3g}, where its lowest "
            f"was {lowest:.3g}, and the reconstruction explains {explained:.0%} of the "
            f"variance. {remedy}.{more}"
        )


def unbeaten(start, best, n_epochs, explained, calmer, longer):
    """The start costs held-out rows less than the best of the epochs: yield what to do.

    Nothing, where it leaves next to nothing to explain. `calmer` is the remedy where the
    epochs have diverged, `longer` where they have not.
    """
    if best > start + RISEN:
        yield (
            f"Diverged: held-out rows cost {start:.3g} before the first epoch, and "
            f"{best:.3g} or more after it, so the start is what is kept. {calmer}."
        )
    elif 1 - explained > LEFT:
        yield (
            f"No epoch was better than the start: after the best of {n_epochs} epochs "
            f"held-out rows cost {best:.4g}, and {start:.4g} before the first, so the "
            "start is what is kept. With network='auto' or a linear one it is linear: PCA, "
            "factor analysis, or partial least squares with a target_weight. "
            f"{longer}; if that does not help, PCA or PLSRegression does as well on these "
            "rows."
        )


def dead_units(activations, remedy, of_code):
    """More than half of a layer's units are constant: yield what to do.

    `activations` are arrays (n_rows, n_units) by the layer's name, `of_code` is the
    remedy where the layer is the code.
    """
    for name, values in activations.items():
        spread = np.ptp(values, axis=0)
        dead = int((spread <= 1e-6 * max(1.0, spread.max())).sum())
        if dead > DEAD * len(spread):
            yield (
                f"Dead units: {dead} of {len(spread)} units of {name} give the same "
                f"output for every row. {of_code if name == THE_CODE else remedy}."
            )


def worse_rows(errors, errors_held_out):
    """Return the share of held-out rows that are worse than most of those trained on.

    It is NaN where there are too few of them to tell.
    """
    if len(errors_held_out) < FEWEST_ROWS:
        return np.nan
    return float(np.mean(errors_held_out > np.quantile(errors, USUAL_ROWS)))


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
        seen[THE_CODE] = module.encode(x).unflatten(1, (n_units, -1))
    return {
        name: out.movedim(1, -1).flatten(0, -2).cpu().numpy() for name, out in seen.items()
    }
