"""How many components explain a share of the variance of held-out rows.

n is the number of rows, D of an encoder's inputs, P of a decoder's outputs, m of the
principal components that were found.
"""

import copy

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, RealNotInt

from skae._autoencoders.ahead import copied
from skae._params import as_number
from skae._training.task import Task
from skae._training.together import joins_sizes, train_together
from skae._training.train import train
from skae.networks._start import as_double

EPOCHS, SHARE_OF_EPOCHS = 20, 5  # of a short fit; a fifth of `max_iter` if that is less
MARGIN = 1e-4  # below the share that still reaches it: no rounding decides
FIRST = 0.75  # of the principal components that would do: the first size to be tried
MOST_FITS = 6  # short ones
NEAR = 20  # a size is known to this part of it
HOPE = 0.1  # of what is missing that twice the size must give, or no size will do


class Share(Interval):
    """A share between nothing and all, of Python's or of numpy's floats."""

    def __init__(self):
        super().__init__(RealNotInt, 0, 1, closed="neither")

    def is_satisfied_by(self, val):
        """Tell whether a value is such a share."""
        return super().is_satisfied_by(as_number(val))


def train_of_share(recipe, sample, held_out, listener=None):
    """Train with the fewest components that explain a share, as the recipe asks.

    Parameters
    ----------
    recipe : Recipe
        Whose `n_components` is the share.
    sample : Sample
    held_out : float
        Share of the rows that judge sizes, where the sample holds out none.
    listener : object, default=None
        Of the whole fit.

    Returns
    -------
    trained : Trained
        Which describes what was tried, too.
    """
    sizes = Sizes(recipe, sample, held_out)
    trained = train(recipe._replace(n_components=sizes.found), sample, listener=listener)
    described = {**trained.described, "size_curve_": sizes.curve()}
    signs = *trained.signs, *sizes.misses(trained)
    return trained._replace(described=described, signs=signs)


class Sizes:
    """The fewest components that explain a share of the variance of held-out rows.

    Sizes are tried by short fits, of the seed, the rows and the start of the whole one.
    What principal components explain of the same rows says which sizes to try: what a
    network leaves unexplained is a fraction of what they leave, which changes little from
    size to size.

    Parameters
    ----------
    recipe, sample, held_out
        As of `train_of_share`.

    Attributes
    ----------
    tried : dict
        The share that is explained, by size.
    total, pca : float, ndarray of shape (m,)
        The held-out variance, and what principal components explain of it.
    found : int
        The size.
    """

    def __init__(self, recipe, sample, held_out):
        self.share, schedule = float(recipe.n_components), recipe.schedule
        self.verbose = schedule.verbose
        self.epochs = min(EPOCHS, -(-schedule.max_iter // SHARE_OF_EPOCHS))
        own = {"callbacks", "keep_on_interrupt"}  # of the whole fit alone
        code = copy.copy(recipe.code)
        code.judged_again = True  # a start that stays must not become that of all rows
        self.short = recipe._replace(
            code=code,
            net_params={k: v for k, v in recipe.net_params.items() if k not in own},
            schedule=schedule._replace(max_iter=self.epochs, verbose=0),
        )
        self.is_judged = sample.valid is not None  # whether the whole fit holds out rows
        if not self.is_judged:
            sample = copied(self.short, sample)[1].split(held_out)
        self.sample = sample
        task = Task(*copied(self.short, sample))
        task.recipe = task.recipe._replace(n_components=task.likelihood.n_inputs)
        self.judges = task.prepare().in_order()[-1]
        self.total, self.pca = explained_by_pca(task, self.judges)
        self.tried = {}
        self._search()
        self.found = self._found()

    def curve(self):
        """Return what was tried, by size, as arrays."""
        sizes = np.array(sorted(self.tried))
        share = np.array([self.tried[k] for k in sizes.tolist()])
        return {"n_components": sizes, "share": share, "pca_share": self.pca[sizes - 1]}

    def misses(self, trained):
        """Yield that the whole fit does not explain the share, and what to do."""
        k, explained, epochs = (
            self.found,
            self.tried[self.found],
            f" in {self.epochs} epochs",
        )
        if self.is_judged:  # else the whole fit has seen the rows that judge
            explained, epochs = self._explained(trained.net.module_), ""
            if trained.net.kept_start_:  # which was then found anew in all rows
                explained = min(explained, self.pca[k - 1])
        if self._reaches(explained):
            return
        way = f"a little more than {self.share:g}, or pass a larger n_components"
        if not self._reaches(max(self.tried.values())):
            way = "a smaller share, or have more rows: no size that was tried (size_curve_)"
            way += f" explained it in {self.epochs} epochs"
        yield (
            f"Share missed: n_components={self.share:g} was asked for, and {k} components "
            f"explain {explained:.3f} of the held-out variance{epochs}. Ask for {way}."
        )

    def _reaches(self, explained):
        return explained >= self.share - MARGIN

    def _explained(self, module):
        """Return the share of the held-out variance that a module explains."""
        return _ratio(unexplained(module, self.judges), self.total)

    def _search(self):
        """Try sizes until the fewest that reach the share are known."""
        # fewer than principal components would need
        sizes = [max(1, round(FIRST * self._by_pca()))]
        while sizes and len(self.tried) + len(sizes) <= MOST_FITS:
            recipes = [self.short._replace(n_components=k) for k in sizes]
            parts = (copied(recipe, self.sample) for recipe in recipes)
            trained = train_together(*zip(*parts, strict=True))
            for k, one in zip(sizes, trained, strict=True):
                self.tried[k] = self._explained(one.net.module_)
                if self.verbose:
                    print(
                        f"{k} components explain {self.tried[k]:.3f} of the held-out "
                        f"variance in {self.epochs} epochs",
                        flush=True,
                    )
            sizes = self._next()

    def _by_pca(self):
        """Return how many principal components would do, or all."""
        enough = np.flatnonzero(self._reaches(self.pca))
        return int(enough[0]) + 1 if len(enough) else len(self.pca)

    def _bracket(self):
        """Return the largest size known not to do, and the smallest known to do.

        Smaller codes than one that does can only be worse, and larger ones than it better:
        where the curve falls, it is the fits that differ. None does: one beyond all.
        """
        enough = [k for k, explained in self.tried.items() if self._reaches(explained)]
        high = min(enough, default=len(self.pca) + 1)
        return max((k for k in self.tried if k < high), default=0), high

    def _next(self):
        """Return which sizes to try now: the likeliest, and with it the one below."""
        low, high = self._bracket()
        if high - low <= step(high):
            return []
        between = np.arange(low + 1, high)
        enough = between[self._reaches(self._guess()[between - 1])]
        if len(enough):
            likely = int(enough[0])
            below = likely - step(likely)
            both = below > low and joins_sizes(self.short)
            return [below, likely] if both else [likely]
        if high <= len(self.pca):
            return [high - step(high)]
        if self._is_hopeless(low):
            return []
        return [min(max(2 * low, self._by_pca()), len(self.pca))]

    def _guess(self):
        """Return what each size is likely to explain, by what was tried; (m,)."""
        sizes, by_pca = sorted(self.tried), np.maximum(1 - self.pca, MARGIN)
        left = np.maximum([1 - self.tried[k] for k in sizes], MARGIN)
        gains = np.log(left / by_pca[np.array(sizes) - 1])
        # without any component both are the mean, and the first ones gain most
        at, known = np.log1p(np.arange(len(by_pca)) + 1), np.log1p([0, *sizes])
        return 1 - by_pca * np.exp(np.interp(at, known, [0.0, *gains]))

    def _is_hopeless(self, low):
        """Tell whether twice the size has hardly brought the share any nearer."""
        half = max((k for k in self.tried if 2 * k <= low), default=None)
        if half is None:
            return False
        gained = self.tried[low] - self.tried[half]
        return gained < HOPE * (self.share - self.tried[half])

    def _found(self):
        """Return the size: the fewest that do, or of those that do most."""
        _, high = self._bracket()
        if high in self.tried:
            return high
        most = max(self.tried.values())
        return min(k for k, explained in self.tried.items() if explained >= most - MARGIN)


def step(size):
    """Return by how much two sizes differ that are next to each other."""
    return max(1, size // NEAR)


def _ratio(left, total):
    """Return the share that is explained; all of nothing."""
    return 1 - left / total if total > 0 else 1.0 + 0.0 * left


def unexplained(module, batches):
    """Return the weighted sum of the squared residuals of rows, standardised."""
    total = 0.0
    with torch.inference_mode():
        for batch in batches:
            params = module.params(batch.x, *batch.known)
            error = module.likelihood.squared_error(params, batch.target).double().sum(1)
            total += float((error if batch.weight is None else batch.weight * error).sum())
    return total


def explained_by_pca(task, batches):
    """Return rows' weighted squared distance from the mean, and what PCA explains of it.

    Of rows in batches; with 1 to m of a task's principal components, as an array (m,).
    """
    principal, likelihood, total = task.principal, task.likelihood, 0.0
    components, outputs = principal.components, principal.outputs  # (m, D), (m, P)
    left = np.zeros(len(components))
    for batch in batches:
        codes = (as_double(likelihood.embed(batch.x)) - principal.center) @ components.T
        away = as_double(likelihood.target(batch.target)) - principal.mean
        weight = np.ones(len(away)) if batch.weight is None else as_double(batch.weight)
        missing = np.isnan(away)
        away[missing] = 0.0
        distance = weight @ np.square(away).sum(1)
        total += distance
        if missing.any():
            for k, (code, output) in enumerate(zip(codes.T, outputs, strict=True)):
                away -= np.where(missing, 0.0, np.outer(code, output))
                left[k] += weight @ np.square(away).sum(1)
        else:  # |t - sum of codes times outputs|^2, multiplied out
            square = (weight[:, None] * codes).T @ codes * (outputs @ outputs.T)
            added = np.diag(square) + 2 * np.tril(square, -1).sum(1)
            added -= 2 * weight @ (codes * (away @ outputs.T))
            left += distance + added.cumsum()
    return total, _ratio(left, total)
