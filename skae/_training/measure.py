"""What is measured of a trained net: residuals, the noise, how much is explained.

d is the number of columns.
"""

from typing import NamedTuple

import numpy as np
import torch

from skae._codes import remedies, signs
from skae._training.blocks import size_blocks
from skae._training.loss import judging_generator
from skae.corruption._named import filling
from skae.networks._layers import Activation

NOISE_ROWS = 10_000  # residuals under the noise of a code, to be averaged, at least
FEW = 3  # epochs, whose losses differ by the noise of a corruption where rows are few
PASS_ROWS = 1024  # of them that are drawn in one pass, where rows are few
PARTIAL_FIT_MEMORY = 9  # batches of this size that the noise's running mean recalls


class Trained(NamedTuple):
    """What came of a training."""

    net: object
    recipe: object  # what training that goes on cannot change
    statistics: object  # of the columns
    n_components: int
    n_iter: int
    n_seen: int  # rows, in all trainings
    fill: object  # (d,) what stands for a lost cell in data units
    explained: list  # share of the variance: of the rows trained on, of those held out
    described: dict  # fitted attributes of the code
    signs: tuple = ()  # of trouble, as sentences
    worse: float = 0.0  # share of the rows held out that few of those trained on are

    def curves(self):
        """Return the fitted attributes that say how training went."""
        history = self.net.history
        held_out = [row["valid_loss"] for row in history if "valid_loss" in row]
        return {
            "net_": self.net,
            "history_": history,
            "loss_curve_": [row["train_loss"] for row in history],
            "n_iter_": self.n_iter,
            **({"validation_loss_curve_": held_out} if held_out else {}),
        }


def measured(task):
    """Measure a task's net as it is now; tell its likelihood the noise."""
    net, likelihood, earlier = task.net, task.likelihood, task.earlier
    goes_on = earlier is not None and task.one_pass
    parts = task.in_order()
    sums, errors = zip(*(squared_residuals(net, part) for part in parts), strict=True)
    task.worse = signs.worse_rows(errors[0], errors[-1])
    counts = [len(part.index) for part in parts]
    # each part's weights have mean 1 in it
    shares = np.array([part.total_weight for part in parts])
    shares = shares / shares.sum() if shares.any() else shares + 1 / len(shares)
    residual, seen = (
        sum(share * s[i] / n for share, s, n in zip(shares, sums, counts, strict=True))
        for i in (1, 2)
    )
    # a column without a cell that is seen keeps the noise that it had
    residual = np.divide(
        residual, seen, out=likelihood.noise_variance.copy(), where=seen > 0
    )
    n_seen = sum(counts)
    if goes_on:
        recalled = min(earlier.n_seen, PARTIAL_FIT_MEMORY * n_seen)
        share = n_seen / (recalled + n_seen)
        residual = (1 - share) * likelihood.noise_variance + share * residual
        n_seen += earlier.n_seen
    likelihood.set_noise(residual)
    task.explained = [
        1 - s[0].sum() / n / task.variance if task.variance > 0 else 1.0
        for s, n in zip(sums, counts, strict=True)
    ]
    with torch.inference_mode():
        task.n_components = net.module_.encode(task.some[:1]).shape[1]
    size_blocks(net, task.own.X.shape[1])
    fill = np.nan
    if likelihood.categories is None:
        fill = filling(task.recipe.corruption, task.statistics)
    return Trained(
        net,
        task.recipe.lasting(),
        task.statistics,
        task.n_components,
        len(net.history) - task.n_before,
        n_seen,
        fill,
        task.explained,
        net.module_.code.describe(net.module_, task),
        worse=task.worse,
    )


def squared_residuals(net, batches):
    """Return the columns' weighted sums of squared residuals, standardised; (3, d), (n,).

    Of the rows' reconstructions, and of those that the likelihood's noise explains;
    then the weights' sums over the cells that are not missing. Then each row's squared
    residual.
    """
    module, total, errors = net.module_, 0.0, []
    error, generator = module.likelihood.squared_error, judging_generator(net.device)
    with torch.inference_mode():
        for batch in batches:
            x, w, known, target = batch.x, batch.weight, batch.known, batch.target
            square = error(module.params(x, *known), target)
            errors.append(square.sum(1).cpu().numpy())
            unexplained = square
            if module.code.draws_codes:  # they are drawn when scoring, too
                draws = max(1, NOISE_ROWS // len(batches.index))
                unexplained = _under_noise(module, batch, draws, generator)
            seen = (~torch.isnan(target)).to(square)
            square = torch.stack([square, unexplained, seen])
            square = square.sum(1) if w is None else w @ square
            total = total + square.cpu().double()
    return total.numpy(), np.concatenate(errors)


def _under_noise(module, batch, draws, generator):
    """Return each cell's mean squared error over pairs of drawn codes; (B, d).

    Few rows are repeated, so that many draws are one pass.
    """
    code, n, total = module.code, len(batch.x), 0.0
    at_once = max(1, min(draws, PASS_ROWS // n)) if code.noise_is_of_rows else 1
    for first in range(0, draws, at_once):
        times = min(at_once, draws - first)
        x, target, *known = (
            part.repeat(times, *[1] * (part.ndim - 1))
            for part in (batch.x, batch.target, *batch.known)
        )
        e = code.draw(module, len(x), generator)
        for noise in (e, -e):
            params = code.drawn_params(module, x, noise, *known)
            error = module.likelihood.squared_error(params, target)
            total = total + error.view(times, n, -1).sum(0)
    return total / (2 * draws)


def trouble(task, trained):
    """Return the signs of trouble of a training, as sentences."""
    net, code = task.net, task.net.module_.code
    losses = [row["train_loss"] for row in net.history[task.n_before :]]
    if net.interrupted_ or task.one_pass or not losses:
        return ()
    explained, held_out = trained.explained[0], trained.explained[-1]
    rising = int(code.warm_up(task.aim) * len(losses))  # epochs of a lighter loss
    rising = min(rising, len(losses) - 1)
    losses, start, unbeaten = losses[rising:], net.start_loss_, []
    if task.valid is not None and min(losses[-FEW:]) <= max(losses[:FEW]):
        losses = losses[-1:]  # the best weights stay, not the last
    calmer = remedies.calmer(task), code.remedies[0]
    diverged = list(signs.divergence(losses, explained, *calmer))
    if start is not None and task.earlier is None and _bends(net.module_):
        best = min(row["valid_loss"] for row in net.history[task.n_before :])
        n_epochs = len(net.history) - task.n_before
        if net.kept_start_:
            ways = calmer[0], remedies.past_the_start(task)
            unbeaten = signs.unbeaten(start, best, n_epochs, explained, *ways)
    remedy = remedies.less_freedom(task.recipe)
    overfitted = signs.overfitting(explained, held_out, task.worse, remedy)
    found = [*(diverged or unbeaten), *overfitted]
    if not task.variance:  # nothing that varies can be missed
        return tuple(found)
    if not diverged:
        found += code.shortfalls(trained.described, task)
    found += code.dead_units(trained.described, task)
    return tuple(found)


def _bends(module):
    """Tell whether a network can be anything but linear, so that its start is not all."""
    layers = [m for m in module.modules() if isinstance(m, Activation)]
    return any(layer.name != "linear" for layer in layers)
