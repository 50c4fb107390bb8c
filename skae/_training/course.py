"""The course of one training: its learning rate, its best epoch and its end."""

import math

import torch

WARM_UP = 0.05  # share of the epochs in which the learning rate rises
COOL_DOWN = 0.3  # share of the epochs in which it falls to zero


class Course:
    """Where a training stands.

    Parameters
    ----------
    epochs : int
        That it may last.
    n_steps : int
        In an epoch.
    schedule : {"trapezoid", "constant"}
        Of the learning rate.
    warm_up : float
        Share of the training in which the objective is not yet the final one.
    """

    def __init__(self, epochs, n_steps, schedule, warm_up):
        self.epochs, self.n_steps, self.warm_up = epochs, n_steps, warm_up
        self.is_constant = schedule == "constant"
        self.epoch = self.step = self.waited = 0
        self.cool_from, self.cool_to = (1 - COOL_DOWN) * epochs, epochs
        self.best_loss, self.start_loss = math.inf, None
        self.whole = torch.tensor(1.0)

    @property
    def is_over(self):
        """Whether the last epoch is done."""
        return self.epoch >= self.cool_to

    def rate(self):
        """Return the next step's share of the learning rate."""
        if self.is_constant:
            return 1.0
        epoch = self.step / self.n_steps
        rise = (self.step + 1) / max(1.0, WARM_UP * self.epochs * self.n_steps)
        fall = (self.cool_to - epoch) / (self.cool_to - self.cool_from)
        return min(1.0, rise, max(fall, 0.0))

    def progress(self):
        """Return the share of the training that is done, or 1 where it plays no part; ().

        A tensor, so that a module that is compiled need not be compiled anew.
        """
        done = self.step / (self.epochs * self.n_steps)
        if done < self.warm_up and self.epochs > 1:
            return torch.tensor(done)
        return self.whole

    def left(self):
        """Return the share of the training that is to come; 1 at a constant rate."""
        if self.is_constant:
            return 1.0
        return max(0.0, 1 - self.step / (self.n_steps * self.cool_to))

    def prefers_start(self):
        """Tell whether held-out rows cost less before the first epoch than after any."""
        return self.start_loss is not None and self.start_loss < self.best_loss

    def judge(self, loss, patience, tol):
        """Tell whether a held-out loss is the best; wind down once it no longer falls."""
        better = loss < self.best_loss
        margin = tol * abs(self.best_loss) if math.isfinite(self.best_loss) else 0.0
        significant = loss < self.best_loss - margin
        if better:
            self.best_loss = loss
        warming = self.epoch < self.warm_up * self.epochs
        self.waited = 0 if significant or warming else self.waited + 1
        if self.waited >= patience and self.epoch < self.cool_from:
            length = 0 if self.is_constant else math.ceil(COOL_DOWN * self.epoch)
            self.cool_from = self.epoch
            self.cool_to = min(self.epochs, self.epoch + length)
        return better
