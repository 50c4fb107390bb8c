"""Rows from codes that were drawn: what all generators have in common.

n is the number of rows, d the columns, k the components of the code.
"""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import issparse

from skae._autoencoders.inference import InferenceMixin
from skae._data.checks import check_count
from skae._data.containers import taken
from skae._data.frames import is_frame, named, without_rows
from skae._data.margins import Margins
from skae._data.ranks import ColumnMap
from skae._data.statistics import merged
from skae._params import check_option
from skae._training.blocks import Stream, apply
from skae._training.usual import Apart
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._mixed import Mixed

OWN_DRAWS, OWN_CELLS, OWN_SEED = 8000, 2**20, 0  # among which a draw has its rank


class Ask(NamedTuple):
    """How rows are to come of codes."""

    noise: object  # True, False or "auto"
    missing: bool
    margins: Margins | None
    own: object  # gives so many codes of one's own, and their classes, by a generator
    seeds: np.ndarray  # of the noise, of the classes, of what is missing

    @classmethod
    def of(cls, n_samples, noise, missing, margins, own, random_state):
        """Return the ask, checked. `random_state` is left where it is."""
        check_count("n_samples", n_samples)
        check_option("sample", "noise", noise, ("auto", True, False))
        check_option("sample", "missing", missing, (True, False))
        seeds = deepcopy(random_state).randint(2**31 - 1, size=3)
        return cls(noise, missing, margins, own, seeds)


class DecodingMixin(InferenceMixin):
    """How rows come of codes; of every autoencoder."""

    def _told(self, y, n):
        """Return what goes into the net beside n rows: their classes y, if any."""
        self.__skae_classes__(y, n, None)
        return ()

    def __skae_classes__(self, y, n, random_state):
        """Return the classes of n rows that are to be drawn, or None."""
        if y is not None:
            raise ValueError(
                "y is for conditional=True: this estimator was fitted without classes."
            )

    def __skae_draws__(self, noise):
        """Tell whether `noise` means that rows are drawn."""
        if noise != "auto":
            return bool(noise)
        likelihood = self.net_.module_.likelihood
        is_table = len(self._sample_shape_) == 1
        return is_table and likelihood.asks_for_draws(self._trained_.statistics)

    def __skae_margins__(self, X):
        """Return the `Margins` of rows, if draws heed them."""
        likelihood = self.net_.module_.likelihood.likelihood
        statistics = self._trained_.statistics
        if issparse(X) or not _heeds_margins(likelihood, statistics):
            return None
        return _margins(likelihood, statistics, self._check_rows(X))

    def __skae_generate__(self, codes, ask, y=None):
        """Return rows of codes (n, k), of classes y if any, as `ask` wants them."""
        codes = self._check_codes(codes)
        told, draws = self._told(y, len(codes)), self.__skae_draws__(ask.noise)
        if draws:
            X = self._drawn(codes, told, ask).astype(self._dtype_)
        else:
            X = self._means(codes, told)
        if ask.missing and ask.margins is not None:
            gone = ask.margins.draw_gaps(len(X), np.random.RandomState(ask.seeds[2]))
            X[gone] = np.nan
        return self._contained(X)

    def _drawn(self, codes, told, ask):
        """Return rows drawn from p(x | z), their numbers those that columns hold."""
        likelihood, margins = self.net_.module_.likelihood, ask.margins
        params, noise = self._params_at(codes, told), np.random.RandomState(ask.seeds[0])
        if margins is None:
            return likelihood.sample(params, noise)
        n_own = OWN_CELLS // likelihood.n_params
        n_own = int(np.clip(n_own, OWN_DRAWS // 8, OWN_DRAWS))
        own = np.random.RandomState(OWN_SEED)
        own_codes, own_y = ask.own(n_own, own)
        own_told = self._told(own_y, n_own)
        own_params = self._params_at(self._check_codes(own_codes), own_told)
        if likelihood.categories:
            params = params + likelihood.balance(own_params, margins.columns)
        drawn, known = likelihood.draw(params, noise), likelihood.draw(own_params, own)
        X = likelihood.restore(drawn)
        numbers = [j for j, c in enumerate(margins.columns) if isinstance(c, ColumnMap)]
        if numbers:
            X[:, numbers] = margins.values(drawn[:, numbers], known[:, numbers])
        return X

    def _params_at(self, codes, told):
        """Return what the decoder says of checked codes (n, k); a tensor (n, P)."""
        module = self.net_.module_
        params = np.empty((len(codes), module.likelihood.n_params), dtype=np.float32)
        apply(self.net_, module.decode, params, Stream(codes), *told)
        return torch.from_numpy(params)


class GeneratingMixin(Apart):
    """What `fit` of a generator learns of the columns, beside its training."""

    def __skae_begin__(self, X, y=None, sample_weight=None, **kwargs):
        """Return the recipe and the sample, and learn what columns hold."""
        recipe, sample = super().__skae_begin__(X, y, sample_weight, **kwargs)
        warm, one_pass = (kwargs.get(name, False) for name in ("warm", "one_pass"))
        likelihood, statistics = recipe.likelihood, sample.statistics
        if not warm:
            self._frame_ = frame_of(X)
        now = None
        if _heeds_margins(likelihood, statistics):
            rows = sample.X, sample.weight, sample.index.numpy()
            now = _margins(likelihood, statistics, *rows)
        before = vars(self).get("_margins_")
        if warm and one_pass and before is not None and now is not None:
            now = before.merged(now, merged(self._trained_.statistics, statistics).spread)
        self._margins_ = now
        return recipe, sample

    def _generated(self, codes, ask, y=None):
        """Return rows of codes (n, k), as a frame if `fit` saw one."""
        X = self.__skae_generate__(codes, ask, y)
        return framed(X, vars(self).get("_frame_"), self.__skae_draws__(ask.noise))


def frame_of(X):
    """Return X without its rows, if it is read as a table; else None."""
    X = taken(X)
    return without_rows(X) if is_frame(X) else None


def framed(X, empty, is_drawn):
    """Return rows (n, d) as a frame like one without rows, if there is one.

    What was drawn could have been in it, and has its dtypes; means are floats.
    """
    return X if empty is None or is_frame(X) else named(empty, X, is_drawn)


def _heeds_margins(likelihood, statistics):
    """Tell whether rows that are drawn are to hold what columns held: those of tables."""
    if statistics.is_sparse or len(statistics.sample_shape) > 1:
        return False
    if type(likelihood) is Gaussian:  # one of a user's own draws as it says
        return likelihood.link == "identity"
    return type(likelihood) is Mixed


def _margins(likelihood, statistics, X, weight=None, index=None):
    """Return the `Margins` of rows (n, d) that are told of by an index, or of all."""
    index = np.arange(X.shape[0]) if index is None else index
    levels = (likelihood.categories or {}) if type(likelihood) is Mixed else {}
    return Margins.of(X, weight, index, statistics.spread, levels)
