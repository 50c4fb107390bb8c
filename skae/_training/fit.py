"""One `fit`, from checked rows to fitted attributes."""

import math
import warnings
from contextlib import nullcontext

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import LRScheduler

from skae._data.rows import CHUNK_BYTES, Batches, Rows
from skae._data.statistics import column_statistics
from skae._training import signs as _diagnostics
from skae._training.blocks import block_rows
from skae._training.net import Job
from skae._training.parts import (
    Parts,
    check_magnitude,
    find_device,
    lasting,
    warn_of_frozen_columns,
)
from skae._training.pretraining import pretrain
from skae._training.runtime import global_randomness
from skae.corruption._base import Space
from skae.corruption._named import blanks, filling
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import DenseNetwork
from skae.networks._start import Principal, total_variance

SAMPLE_ROWS, SAMPLE_CELLS = 10_000, 2**22  # from which principal components are found
BATCH_SHARE, MIN_BATCH, MAX_BATCH = 20, 32, 512  # "auto": rows / 20, a power of two
PARTIAL_FIT_MEMORY = 9  # batches of this size that the noise's running mean recalls


class Fitting:
    """The steps of `fit` in their order, so that the estimator changes only at the end.

    Parameters
    ----------
    estimator : BaseAutoencoder
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None
    warm : bool
        Go on from the estimator's ``net_``.
    one_pass : bool, default=False
        `partial_fit`: one pass at a constant rate, over all rows.
    X_clean : ndarray or CSR matrix of the shape of X, default=None
        What the rows should become, where it is not the rows themselves.
    condition : ndarray of shape (n_samples, n_classes), default=None
        What a conditional module is told of each row.
    labels : ndarray of shape (n_samples,), default=None
        Which of some classes a row is of, -1 where that is not known.
    like : Fitting, default=None
        Another one on the same rows, of the same likelihood and device, to share them.
    """

    def __init__(
        self,
        estimator,
        X,
        sample_weight,
        *,
        warm,
        one_pass=False,
        X_clean=None,
        condition=None,
        labels=None,
        like=None,
    ):
        self.estimator, self.warm, self.one_pass = estimator, warm, one_pass
        self.labels = labels
        self.device = estimator.net_.device if warm else find_device(estimator.device)
        if sample_weight is not None and np.ptp(sample_weight) == 0:
            sample_weight = None
        self.parts = Parts.of(estimator, has_pairs=X_clean is not None)

        self.seed = estimator._draw_seed(keep=one_pass)
        self.generator = torch.Generator().manual_seed(self.seed)
        target = X if X_clean is None else X_clean
        if warm:
            self.statistics = estimator._statistics_
            self.likelihood = estimator.net_.module_.likelihood
            self.parts.check_structure(estimator)
            warn_of_frozen_columns(self.likelihood, target)
        else:
            shape = getattr(self.parts.network, "image_shape", estimator._sample_shape_)
            likelihood = self.parts.likelihood
            self.statistics = (
                column_statistics(target, sample_weight, shape, likelihood.check)
                if like is None
                else like.statistics
            )
            if blanks(self.parts.corruption):  # then any cell may be missing in training
                self.statistics = self.statistics._replace(has_missing=True)
            self.likelihood = likelihood.build(self.statistics)
            check_magnitude(self.statistics, self.likelihood)
        weight = sample_weight
        if weight is not None and np.ptp(weight[weight > 0]) == 0:
            weight = None  # rows are in or out
        common = weight, self.likelihood, self.device
        if like is None:
            self.rows = Rows(target, *common, condition=condition)
            self.clean = self.rows  # what principal components are found in
            if X_clean is not None:
                self.rows = Rows(X, *common, self.clean, condition)
        else:
            self.rows, self.clean = like.own, like.clean
        self._split(X.shape[0], sample_weight)

    def _split(self, n_samples, sample_weight):
        estimator = self.estimator
        index = torch.arange(n_samples)
        if sample_weight is not None:
            index = index[torch.from_numpy(sample_weight > 0)]
        self.index, n, valid = index, len(index), None
        self.own, self.rows = self.rows, estimator._training_rows(self)
        if estimator.early_stopping and not self.one_pass and n > 1:
            n_valid = min(math.ceil(estimator.validation_fraction * n), n - 1)
            held_out = torch.zeros(n, dtype=torch.bool)
            held_out[torch.randperm(n, generator=self.generator)[:n_valid]] = True
            valid, index = index[held_out], index[~held_out]
        batch_size = estimator.batch_size
        if batch_size == "auto":
            batch_size = 2 ** round(math.log2(max(1, len(index) / BATCH_SHARE)))
            batch_size = min(MAX_BATCH, max(MIN_BATCH, batch_size))
        self.train = Batches(self.rows, index, batch_size, self.generator)
        self.valid = None
        if valid is not None:
            self.valid = Batches(self.rows, valid, _large(self.rows, batch_size))

    # The net

    @property
    def epochs(self):
        """How long to train, at most."""
        return 1 if self.one_pass else self.estimator.max_iter

    @property
    def is_ours(self):
        """Whether the network draws from no generator but the one it is given."""
        return isinstance(self.parts.network, DenseNetwork | ConvolutionalNetwork)

    def run(self, listener):
        """Build the net or take up the old one, and train it."""
        own = nullcontext() if self.is_ours else global_randomness(self.seed, self.device)
        with own:
            self.net_and_job(listener)
            self.net.train(self.job, self.epochs)
        self.measure()

    def net_and_job(self, listener=None):
        """Build the net or take up the old one, and say what it is to learn."""
        sample = self._sample()
        self._find_components(sample)
        self.target = self.estimator._target(self)
        if self.warm:
            self.net = self.estimator.net_
            self.net.retune(**self._tuning())
            self.net.set_callbacks(self.parts.net_params.get("callbacks"))
        else:
            self.net = self._build(sample)
        own_schedule = any(_is_scheduler(c) for c in self.net.callbacks or ())
        constant = self.one_pass or own_schedule
        self.job = Job(
            self.train,
            self.valid,
            "constant" if constant else self.net.schedule,
            listener,
            self.parts.corruption,
            self._space(sample),
            self.target,
        )
        if not self.warm:
            self.pretraining = self._pretrain(self.job, sample)
        self.estimator._set_objective(self.net.module_)
        self.start = len(self.net.history)

    def _pretrain(self, job, sample):
        """Train layer by layer, where the estimator asks for it; the loss curves."""
        epochs = getattr(self.estimator, "pretrain_max_iter", 0)
        if not epochs or self.one_pass:
            return []
        tuning = self._tuning() | {"device": self.device} | lasting(self.parts.net_params)
        return pretrain(
            self.parts.network,
            self.net.module_,
            job,
            sample,
            lambda module: self.estimator._net_class(lambda: module, **tuning).initialize(),
            epochs,
        )

    def _space(self, sample):
        """Return where corruption takes place, having tried it on a few rows."""
        if self.parts.corruption is None:
            return None
        likelihood = self.likelihood
        space = Space.of(
            self.statistics,
            likelihood.location,
            likelihood.inverse_scale,
            device=self.device,
            categories=likelihood.categories,
        )
        x = sample[:3].clone()
        generator = torch.Generator(self.device).manual_seed(0)
        out = self.parts.corruption.apply(x, space, generator)
        if not torch.is_tensor(out) or out.shape != x.shape or out.dtype != x.dtype:
            raise ValueError(
                "corruption: apply() must return a tensor of the shape and type of the "
                f"rows. Got {getattr(out, 'shape', type(out).__name__)}."
            )
        if not torch.allclose(x, sample[:3], rtol=0, atol=0, equal_nan=True):
            raise ValueError(
                "corruption: apply() must return a copy, and has changed the rows that "
                "it was given."
            )
        return space

    def _tuning(self):
        estimator = self.estimator
        return {
            "lr": estimator._learning_rate(self.likelihood),
            "alpha": estimator.alpha,
            "l1_ratio": estimator.l1_ratio,
            "patience": estimator.n_iter_no_change,
            "tol": estimator.tol,
            "verbose": estimator.verbose,
            **estimator._more_tuning(),
        }

    def _sample(self):
        """Return rows to find components in.

        The held-out ones are among them: a start that has seen all rows is better on
        small tables, and a judge that knows the start can only stop too early.
        """
        index = self.index
        n = min(SAMPLE_ROWS, max(100, SAMPLE_CELLS // self.likelihood.n_inputs))
        if self.one_pass and self.warm:  # nothing is to be found
            index = index[:1]
        elif self.rows.weight is not None:  # a row stands for as many as it weighs
            share = self.rows.weight.cpu()[index].double().cumsum(0)
            point = torch.rand(n, generator=self.generator, dtype=torch.float64)
            drawn = torch.searchsorted(share, point * share[-1])
            index = index[drawn.sort().values]
        elif len(index) > n:
            drawn = torch.randperm(len(index), generator=self.generator)[:n]
            index = index[drawn.sort().values]
        with torch.inference_mode():
            return self.clean.take(index.to(self.device))

    def _find_components(self, sample):
        """Find the principal components: a start, a yardstick, the "auto" number."""
        wanted = self.estimator.n_components
        most = self.estimator._n_principal(self.likelihood)
        target = self.likelihood.to(self.device).target(sample)
        self.variance = total_variance(target)
        self.sample = sample[:: max(1, len(sample) // 1000)].clone()
        if self.one_pass and self.warm:
            return
        inputs = self.likelihood.embed(sample)
        self.principal = Principal(target, inputs, most, self.seed, self.generator)
        self.n_components = wanted
        if self.warm:
            self.n_components = self.estimator.n_components_
        elif wanted == "auto":
            self.n_components = self.estimator._auto_components(self)

    def _build(self, sample):
        module = self.estimator._build_module(
            self.parts.network, self.likelihood, self.n_components, self.principal
        )
        self._check_shapes(module.to(self.device), sample[:2])
        tuning = self._tuning()
        try:
            net = self.estimator._net_class(
                lambda: module, device=self.device, **tuning, **self.parts.net_params
            )
            net.initialize()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"net_params: {error}") from error
        net.module = type(module)  # not the function, which holds the module
        return net

    def _check_shapes(self, module, rows):
        """Raise a ``ValueError`` if a network's output has not the width it was told."""
        module.eval()
        with torch.no_grad():
            codes = module.encode(rows)
            wanted = (len(rows), self.n_components or codes.shape[-1])
            if tuple(codes.shape) != wanted:
                raise ValueError(
                    f"network: the encoder returns codes of shape {tuple(codes.shape)} "
                    f"for {len(rows)} rows, not {wanted}."
                )
            params, wanted = module.decode(codes), (len(rows), self.likelihood.n_params)
        if tuple(params.shape) != wanted:
            raise ValueError(
                f"network: the decoder returns shape {tuple(params.shape)} for "
                f"{len(rows)} codes, not {wanted}."
            )

    # After training

    def in_order(self):
        """Return the rows trained on, and those held out, in order and large batches."""
        return [
            Batches(self.own, part.index, _large(self.own, part.batch_size))
            for part in (self.train, self.valid)
            if part is not None
        ]

    def measure(self):
        """Measure residuals: the likelihood's noise, and how much is explained."""
        net, likelihood = self.net, self.likelihood
        parts = self.in_order()
        sums = [net.squared_residuals(part) for part in parts]
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
        if self.one_pass and self.warm:
            seen = min(self.estimator._n_seen_, PARTIAL_FIT_MEMORY * sum(counts))
            share = sum(counts) / (seen + sum(counts))
            residual = (1 - share) * likelihood.noise_variance + share * residual
        likelihood.set_noise(residual)
        self.n_seen = sum(counts) + (
            self.estimator._n_seen_ if self.one_pass and self.warm else 0
        )
        self.explained = [
            1 - s[0].sum() / n / self.variance if self.variance > 0 else 1.0
            for s, n in zip(sums, counts, strict=True)
        ]

    def attributes_now(self, net):
        """Return what the estimator's attributes would be if training stopped now."""
        self.measure()
        return self.attributes(net)

    def attributes(self, net):
        """Return what the estimator's attributes are when `net` is its net."""
        history = net.history
        if not hasattr(self, "block"):
            with torch.inference_mode():
                self.n_components = net.module_.encode(self.sample[:1]).shape[1]
            self.block = block_rows(net, self.rows.X.shape[1])
        attributes = {
            "net_": net,
            "history_": history,
            "loss_curve_": [row["train_loss"] for row in history],
            "n_iter_": len(history) - self.start,
            "n_components_": self.n_components,
            "compression_ratio_": self.rows.X.shape[1] / self.n_components,
            "_block_rows_": self.block,
            "_statistics_": self.statistics,
            "_fill_": (
                np.nan
                if self.likelihood.categories is not None
                else filling(self.parts.corruption, self.statistics)
            ),
            "_structure_": self.parts.structure(self.estimator, self.n_components),
            "_n_seen_": getattr(self, "n_seen", 0),
            **self.estimator._more_attributes(net.module_, self),
        }
        if getattr(self, "pretraining", None):
            attributes["pretraining_loss_curves_"] = self.pretraining
        held_out = [row["valid_loss"] for row in history if "valid_loss" in row]
        if held_out:
            attributes["validation_loss_curve_"] = held_out
        return attributes

    def report(self):
        """Warn once of each sign of trouble."""
        if self.net.interrupted_:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        losses = [row["train_loss"] for row in self.net.history[self.start :]]
        if self.net.interrupted_ or self.one_pass or not losses:
            return
        judged = self.valid is not None  # then the best weights stay, not the last
        rising = int(self.net.module_.warm_up * len(losses))  # epochs of a lighter loss
        diverged = list(
            _diagnostics.divergence(
                losses[-1:] if judged else losses[rising:], self.explained[0]
            )
        )
        signs = [
            *diverged,
            *_diagnostics.overfitting(self.explained[0], self.explained[-1]),
        ]
        if not diverged:
            signs += self.estimator._shortfalls(self)
        if self.variance:
            signs += self.estimator._dead_units(self)
        for sign in signs:
            warnings.warn(sign, ConvergenceWarning, stacklevel=4)


def _is_scheduler(callback):
    """Tell whether a callback, as skorch takes them, sets the learning rate itself."""
    callback = callback[1] if isinstance(callback, tuple | list) else callback
    kind = callback if isinstance(callback, type) else type(callback)
    return issubclass(kind, LRScheduler)


def _large(rows, batch_size):
    """Return a batch size for passes without gradients, bounded in bytes."""
    return max(batch_size, min(1024, CHUNK_BYTES // rows.bytes_per_row))
