"""Rows from codes that were drawn: what all generators have in common.

n is the number of rows, d the columns, k the components of the code.
"""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils import check_random_state

from skae._autoencoders.augmenting import check_augment, moved, possible, varied
from skae._autoencoders.inference import InferenceMixin
from skae._data.checks import check_count
from skae._data.containers import taken
from skae._data.frames import is_frame, named, without_rows
from skae._data.margins import Margins
from skae._data.ranks import ColumnMap
from skae._data.rows import densify
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

    def augment(self, X, n_samples=1, strength=1.0, *, random_state=None):
        """Return variants of rows: each moved in the code, with what the code leaves out.

        A row moves as its reconstruction does when its code takes a random step. Steps are
        those of a smoothed bootstrap of the codes of X: normal, of the codes' covariance,
        and as long as Silverman's rule has it. So rows of one class vary as that class
        does, if X holds no others. Numbers are then set to the nearest ones that could have
        been in their column of X: whole where they are whole, none beyond its ends, none
        in a wide gap. A category changes where its reconstruction does; missing cells stay
        missing.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
            Rows to vary, at least two; best of one class.
        n_samples : int, default=1
            Variants of each row.
        strength : float, default=1.0
            Length of the steps, in that of Silverman's rule. 0 returns the rows as they
            are.
        random_state : int, RandomState instance or None, default=None
            Source of the steps.

        Returns
        -------
        X_augmented : ndarray of shape (n_samples_X * n_samples, n_features) or DataFrame
            The variants of the first row, then those of the next: their classes are
            ``numpy.repeat(y, n_samples)``. A DataFrame, of the same names and dtypes, if X
            is one.

        References
        ----------
        .. [1] Silverman (1986). Density estimation for statistics and data analysis.
           Chapman and Hall.
        """
        check_augment(n_samples, strength)
        rows = self._check_rows(X)
        if rows.shape[0] < 2:
            raise ValueError(
                "X has one row: how rows vary is learnt from at least two. Pass more."
            )
        index = np.repeat(np.arange(rows.shape[0]), n_samples)
        return self.__skae_vary__(X, index, strength, check_random_state(random_state))

    def __skae_vary__(self, X, index, strength, random_state, among=None):
        """Return variants of the rows of X at an index, of values that are `among` rows."""
        rows = self._check_rows(X)
        with config_context(transform_output="default", array_api_dispatch=False):
            codes = densify(self.transform(X))
        step = self._check_codes(moved(codes, index, strength, random_state))
        before, after = self._means(self._check_codes(codes)), self._means(step)
        categories = [*(self.net_.module_.likelihood.categories or ())]
        new = varied(densify(rows[index]), before[index], after, categories)
        return self._possible(new, rows if among is None else self._check_rows(among), X)

    def __skae_points__(self, X):
        """Return rows as the encoder sees them: numbers in one unit, levels as ones."""
        likelihood, rows = self.net_.module_.likelihood, densify(self._check_rows(X))
        x = torch.from_numpy(likelihood.standardize(rows, check=False))
        with torch.inference_mode():
            return likelihood.embed(x.to(self.net_.device)).cpu().numpy()

    def _possible(self, new, among, given):
        """Return rows (m, d) with values that could have been, as `given` ones came."""
        likelihood, statistics = self.net_.module_.likelihood, self._trained_.statistics
        categories, shape = [*(likelihood.categories or ())], self._sample_shape_
        new = np.asarray(new, dtype=np.float64)
        new = possible(new, among, statistics.spread, categories, shape)
        if likelihood.is_of_rows:  # shares, which sum to 1
            new = new / new.sum(1, keepdims=True)
        new = self._contained(new.astype(self._dtype_))
        return framed(new, frame_of(given), True)

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
