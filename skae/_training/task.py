"""A training before it begins: what to train, on which rows, from where.

n is the number of rows, d the columns.
"""

import copy
import math
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch

from skae._data.rows import CHUNK_BYTES, Batches, Rows, blocks
from skae._data.told import tell
from skae._params import equal
from skae._training.blocks import encode
from skae._training.stream import follow
from skae.corruption._base import Space, applied
from skae.corruption._named import blanks
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import DenseNetwork
from skae.networks._start import Principal, total_variance

SAMPLE_ROWS, SAMPLE_CELLS = 10_000, 2**22  # from which principal components are found
BATCH_SHARE, MIN_BATCH, MAX_BATCH = 20, 32, 512  # "auto": rows / 20, a power of two
LARGE = 4096  # rows that are taken at once
LARGEST = 1e12  # scaled value whose square float32 still sums


class Schedule(NamedTuple):
    """How long to train, in which steps, and when to stop."""

    max_iter: int = 100
    batch_size: int | str = "auto"
    learning_rate: float = 5e-3
    further_rate: float | None = None  # of the further phases, where there are any
    alpha: float = 0.0
    l1_ratio: float = 0.0
    n_iter_no_change: int | None = None
    tol: float = 0.0
    verbose: int = 0
    one_pass: bool = False  # one pass at a constant rate, over all rows


class Recipe(NamedTuple):
    """What to train. Recipes that are equal but for their seeds can be trained as one."""

    network: object
    likelihood: object
    corruption: object
    code: object
    n_components: int | float | str | None
    net_params: dict
    schedule: Schedule
    device: str = "auto"
    seed: int = 0

    @property
    def is_ours(self):
        """Whether the network draws from no generator but the one it is given."""
        return isinstance(self.network, DenseNetwork | ConvolutionalNetwork)

    @property
    def asks_for_share(self):
        """Whether the size is to be found by the share of the variance it explains."""
        return isinstance(self.n_components, Real) and self.n_components < 1

    def shape_of(self, sample_shape):
        """Return the shape of one row, as the network sees it."""
        if isinstance(self.network, ConvolutionalNetwork):
            return self.network.image_shape
        return sample_shape

    def lasting(self):
        """Return a copy of what training that goes on cannot change."""
        return self._replace(
            network=copy.deepcopy(self.network),
            likelihood=copy.deepcopy(self.likelihood),
            corruption=None,
            net_params=self._lasting_params(),
        )

    def _lasting_params(self):
        """Return the parameters that a net keeps: all but the callbacks."""
        return {k: v for k, v in self.net_params.items() if k != "callbacks"}

    def going_on(self, before, n_components):
        """Return the recipe of training that goes on; the size is what there is.

        A ``ValueError`` is raised if it would need another net than before.
        """
        wanted = self.n_components
        if wanted in ("auto", None, n_components) or self.asks_for_share:
            wanted = n_components
        changes = {
            "network": (self.network, before.network),
            "likelihood": (self.likelihood, before.likelihood),
            "n_components": (wanted, n_components),
            "net_params": (self._lasting_params(), before.net_params),
        }
        was = before.code.lasting()
        changes |= {k: (v, was.get(k)) for k, v in self.code.lasting().items()}
        for name, (value, old) in changes.items():
            if hasattr(value, "build") and not hasattr(value, "get_params"):
                same = type(value) is type(old)  # a user's own: no equality
            else:
                same = equal(value, old)
            if not same:
                raise ValueError(
                    f"Training that goes on (warm_start=True or partial_fit) cannot "
                    f"change {name}: it is {value!r}, and was {old!r} when fitted. Use "
                    "warm_start=False and fit."
                )
        return self._replace(n_components=wanted) if self.asks_for_share else self


class Lesson:
    """What a net is to learn: from which batches, how long, at which rate."""

    def __init__(self, train, epochs, valid=None, schedule="trapezoid", corruption=None):
        self.train, self.valid = train, valid
        self.epochs, self.schedule, self.corruption = epochs, schedule, corruption
        self.space = self.aim = self.listener = None
        self.unit = "epoch"  # that is counted in what is printed

    def corrupted(self, batch, generator):
        """Return a batch as the encoder is to see it; what it should become stays clean."""
        if self.corruption is None:
            return batch
        x = self.corruption.apply(batch.x, self.space, generator)
        return batch._replace(x=x, clean=batch.target)


class Task(Lesson):
    """What is known of a training before it begins, and what is measured after.

    Parameters
    ----------
    recipe : Recipe
    sample : Sample
    earlier : Trained, default=None
        What training goes on from.
    like : Task, default=None
        Another one on the same rows, of the same likelihood and device, to share them.

    Attributes
    ----------
    likelihood : LikelihoodModule
    own, clean, rows : Rows
        What the encoder sees, what it is to become, what is trained on.
    train, valid : Batches
    some : Tensor of shape (at most 1000, d)
        A sample of the clean rows.
    principal : Principal
        None where a pass goes on from an earlier one.
    n_components : int or None
    aim : object
        What codes should look like, where the code asks for anything.
    net : Net
    """

    def __init__(self, recipe, sample, earlier=None, like=None):
        self.recipe, self.sample, self.earlier = recipe, sample, earlier
        self.generator, self.told = sample.generator, sample.told
        self.one_pass = recipe.schedule.one_pass
        self.device = earlier.net.device if earlier else find_device(recipe.device)
        target = sample.X if sample.target is None else sample.target
        self.statistics = sample.statistics
        if earlier is not None:
            self.likelihood = earlier.net.module_.likelihood
            if self.one_pass:
                known = earlier.statistics, sample.statistics
                self.statistics = follow(earlier.net, recipe.likelihood, *known)
                _check_magnitude(self.statistics, self.likelihood)
            _warn_of_frozen_columns(self.likelihood, target)
        else:
            if blanks(recipe.corruption):  # then any cell may be missing in training
                self.statistics = self.statistics._replace(has_missing=True)
            self.likelihood = recipe.likelihood.build(self.statistics)
            _check_magnitude(self.statistics, self.likelihood)
        common = sample.weight, self.likelihood, self.device
        if like is None:
            self.clean = Rows(target, *common, known=sample.told.known)
            self.own = self.clean
            if sample.target is not None:
                self.own = Rows(sample.X, *common, self.clean, sample.told.known)
        else:
            self.own, self.clean = like.own, like.clean
        self.rows = self.own
        self.rows = recipe.code.rows(self)
        size = recipe.schedule.batch_size
        if size == "auto":
            size = 2 ** round(math.log2(max(1, len(sample.train) / BATCH_SHARE)))
            size = min(MAX_BATCH, max(MIN_BATCH, size))
        batches = Batches(self.rows, sample.train, size, self.generator)
        judges = sample.valid
        if judges is not None:
            judges = Batches(self.rows, judges, _large(self.rows, size))
        super().__init__(batches, 1 if self.one_pass else recipe.schedule.max_iter, judges)
        self.corruption = recipe.corruption
        self.started_from = sample.train  # the index of the rows to find a start in
        self.principal = self.explained = None

    # Before training

    def prepare(self):
        """Find what the net starts from, what corruption needs, and what codes aim at."""
        recipe, code = self.recipe, self.recipe.code
        if recipe.asks_for_share:
            raise ValueError(
                f"n_components={recipe.n_components:g} is found by rows that are held out, "
                "and the first call of partial_fit holds out none. Call fit first, or pass "
                "a number of components."
            )
        some = self._drawn()
        target = self.likelihood.to(self.device).target(some)
        self.variance = total_variance(target)
        self.some = some[:: max(1, len(some) // 1000)].clone()
        self.n_components = recipe.n_components
        if self.earlier is not None:
            self.n_components = self.earlier.n_components
        if not (self.one_pass and self.earlier):
            self._find_principal(some, target)
            if self.n_components == "auto":
                self.n_components = code.size(self)
        self.aim = code.aim(self)
        if recipe.corruption is not None:
            likelihood = self.likelihood
            self.space = Space.of(
                self.statistics,
                likelihood.location,
                likelihood.inverse_scale,
                device=self.device,
                categories=likelihood.categories,
                is_wild=likelihood.is_wild,
            )
            self._see(applied(recipe.corruption, self.space, self.some))
        if self.own is not self.clean:
            for part in self.sample.train.split(LARGE):
                self._see(self.own.take(part.to(self.device)))
        return self

    def start_from_all(self):
        """Find the start in all rows, as none are to judge any more."""
        self.started_from = self.sample.index
        some = self._drawn()
        self._find_principal(some, self.likelihood.target(some))

    def _find_principal(self, some, target):
        """Find the principal components of rows (m, d) with targets (m, P)."""
        recipe, likelihood = self.recipe, self.likelihood
        most = recipe.code.n_principal(recipe.n_components, likelihood)
        self.principal = Principal(
            target, likelihood.embed(some), most, recipe.seed, likelihood.n_beside
        )

    def _drawn(self):
        """Return rows to find components in.

        None that judges is among them: a start that had seen those would be taken for
        better than what is learnt. A single one is doubled, as it has no variance.
        """
        index = self.started_from
        n = min(SAMPLE_ROWS, max(100, SAMPLE_CELLS // self.likelihood.n_inputs))
        if self.one_pass and self.earlier:  # nothing is to be found
            index = index[:1]
        elif self.own.weight is not None:  # a row stands for as many as it weighs
            share = self.own.weight.cpu()[index].double().cumsum(0)
            point = torch.rand(n, generator=self.generator, dtype=torch.float64)
            drawn = torch.searchsorted(share, point * share[-1])
            index = index[drawn.sort().values]
        elif len(index) > n:
            drawn = torch.randperm(len(index), generator=self.generator)[:n]
            index = index[drawn.sort().values]
        if len(index) == 1:
            index = index.repeat(2)
        with torch.inference_mode():
            return self.clean.take(index.to(self.device))

    def _see(self, x):
        """Let the encoder see rows (B, d) as training does, not clean ones alone."""
        low, high = (x.nan_to_num(nan=end) for end in (torch.inf, -torch.inf))
        self.likelihood.see(low.amin(0), high.amax(0))

    def drawn_target(self):
        """Return what a linear model is to predict of a sample of rows; (m, P)."""
        likelihood = self.likelihood.to(self.device)
        return likelihood.target(self._drawn()).cpu().double().numpy()

    # After training

    def in_order(self):
        """Return the rows trained on, and those held out, in order and large batches."""
        return [
            Batches(self.own, part.index, _large(self.own, part.batch_size))
            for part in (self.train, self.valid)
            if part is not None
        ]

    def judges(self):
        """Return the rows that judge a net: those held out, or all."""
        return self.train if self.valid is None else self.valid

    def by_blocks(self, fn, width):
        """Return what fn gives (B, width) of all rows of X, by blocks; (n, width)."""
        return encode(self.net, self.own.X, fn, width)


def _large(rows, batch_size):
    """Return a batch size for passes without gradients, bounded in bytes."""
    return max(batch_size, min(1024, CHUNK_BYTES // rows.bytes_per_row))


def _warn_of_frozen_columns(likelihood, X):
    """Warn of rows that differ where all rows of the first call were the same."""
    frozen = np.flatnonzero(likelihood.scale == 0)
    constant = likelihood.location[frozen]
    moved = np.zeros(len(frozen), dtype=bool)
    for _, rows in blocks(X) if len(frozen) else ():
        rows = rows[:, frozen]
        moved |= ~(np.isclose(rows, constant) | np.isnan(rows)).all(axis=0)
    if moved.any():
        tell(
            f"X: columns {frozen[moved].tolist()} were constant in the first call "
            "of fit or partial_fit, and are ignored. Fit anew on rows in which they "
            "vary."
        )


def _check_magnitude(stats, likelihood):
    """Raise a ``ValueError`` if scaled values are too large to be squared in float32."""
    ends = np.stack([stats.minimum, stats.maximum])
    scaled = np.abs(likelihood.standardize(ends, check=False)).max(0)
    if not (scaled < LARGEST).all():
        column = np.flatnonzero(~(scaled < LARGEST))[0]
        raise ValueError(
            f"X: the values of column {column} are too large for float32 even after "
            f"scaling ({scaled[column]:.3g}). Rescale that column, or let "
            "likelihood=Gaussian(scale='column') do so."
        )


def find_device(device):
    """Return the device that `device` means, or raise a ``ValueError``."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=device).item()  # "meta" holds no numbers
    except Exception as error:  # each kind of device has its own
        why = (str(error).splitlines() or [""])[0].rstrip(".")
        raise ValueError(
            f"device={device!r} cannot be used here: {why}. Use device='auto' or 'cpu'."
        ) from error
    return device
