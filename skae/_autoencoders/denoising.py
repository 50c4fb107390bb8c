"""The denoising autoencoder."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skae._autoencoders.augmenting import check_augment
from skae._autoencoders.docs import documented
from skae._autoencoders.targeted import TargetedAutoencoder
from skae._data.rows import densify
from skae.corruption._base import Space
from skae.corruption._named import NAMED
from skae.corruption._noise import Gaussian, SwapNoise


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class DenoisingAutoencoder(TargetedAutoencoder):
    r"""Autoencoder that learns to undo a corruption of its input.

    In each batch the rows x are corrupted anew, and the network is trained to
    reconstruct them as they were [1]_:

    .. math:: \min_{e, d} \; \sum_i
        \mathbb{E}_{\tilde x_i \sim q(\tilde x \mid x_i)}
        \left[ - \log p(x_i \mid d(e(\tilde x_i))) \right]

    The codes are robust features, also with more components than columns, as the
    identity no longer solves the task; `denoise` cleans rows that are corrupted in the
    same way. Where noisy rows come with clean ones, pass those as `X_clean`, and no
    corruption has to be described.

    Parameters
    ----------
    corruption : str, corruption object, list of such or None, default="auto"
        What training does to the input of each batch: the name of one of
        `skae.corruption` ("gaussian", "masking", ...), an object that says how strong,
        or several, to be applied in turn. "auto" is "gaussian" (noise of half a
        standard deviation; "swap" with ``likelihood="mixed"``), and nothing where `fit`
        is given `X_clean`; any other is applied to X in that case too.

    See Also
    --------
    skae.corruption : What can be done to the input.
    Autoencoder : The same without corruption.
    ConvolutionalAutoencoder : For pictures; takes ``corruption`` too.

    Notes
    -----
    `score_samples`, and the noise that it uses, are those of rows as they are passed:
    nothing is corrupted outside of training. Held-out rows are judged under one fixed
    draw of the corruption. Rows to be encoded or denoised may lie outside of the
    likelihood's support, as noise takes them there.

    References
    ----------
    .. [1] Vincent, Larochelle, Bengio and Manzagol (2008). Extracting and composing
       robust features with denoising autoencoders. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> from skae.corruption import Gaussian
    >>> X = load_digits().images / 16  # (1797, 8, 8)
    >>> noise = Gaussian(0.3)
    >>> autoencoder = DenoisingAutoencoder(
    ...     16, corruption=noise, max_iter=20, random_state=0
    ... ).fit(X[:1500])
    >>> noisy = noise.corrupt(X[1500:], random_state=0)
    >>> error = np.mean((autoencoder.denoise(noisy) - X[1500:]) ** 2)
    >>> bool(error < 0.4 * np.mean((noisy - X[1500:]) ** 2))
    True
    """

    corruption: object = "auto"

    _parameter_constraints: ClassVar[dict] = {
        **TargetedAutoencoder._parameter_constraints,
        "corruption": [
            StrOptions({"auto", *NAMED}),
            *TargetedAutoencoder._parameter_constraints["corruption"][1:],
        ],
    }
    _inputs_are_checked: ClassVar[bool] = False

    def _corruption(self, has_pairs):
        if self.corruption == "auto":
            if has_pairs:
                return None
            return SwapNoise() if self._reads_tables_ else Gaussian()
        return super()._corruption(has_pairs)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, X_clean=None):
        """Train the autoencoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data: a table, or pictures of shape (n_samples, H, W) or
            (n_samples, C, H, W).
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the codes are for, as in `Autoencoder.fit`; ignored with
            ``target_weight=0``.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        X_clean : {array-like, sparse matrix} of the shape of X, default=None
            What the rows of X are without their noise, row by row. None takes X. With
            metadata routing enabled it goes through pipelines and searches, after
            ``set_fit_request(X_clean=True)``; ``Pipeline(...,
            transform_input=["X_clean"])`` also transforms it on the way.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or X_clean cannot be, before any training, or if
            training diverges. The estimator is then what it was before the call.
        """
        return self._fit(X, y, sample_weight, X_clean)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None, X_clean=None):
        """Train on one more batch of rows, passing over them once.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from; at least two in the first call. Columns are scaled by
            all (clean) rows so far.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            What the codes are for, as in `Autoencoder.fit`; ignored with
            ``target_weight=0``.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        X_clean : {array-like, sparse matrix} of the shape of X, default=None
            What the rows of X are without their noise. None takes X.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._partial_fit(X, y, sample_weight, X_clean)

    def denoise(self, X):
        """Return X without its noise: its reconstruction, in the units of the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Noisy rows.

        Returns
        -------
        X_denoised : ndarray of shape (n_samples, n_features)
            As `reconstruct` returns it.
        """
        return self.reconstruct(X)

    def augment(self, X, n_samples=1, strength=1.0, *, random_state=None):
        """Return clean versions of noisy variants of rows.

        Each variant is a row after `corruption`, as training drew it, denoised. Numbers are
        then set to the nearest ones that could have been in their column of X: whole where
        they are whole, and none beyond its ends. Such rows are nearer to the middle of
        their kind than rows are: whether a classifier is the better for them has to be
        measured.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples_X, n_features)
            Rows to vary.
        n_samples : int, default=1
            Variants of each row.
        strength : float, default=1.0
            Share of a row's cells that the corruption may touch, in [0, 1]: 1 as in
            training, 0 none, so that the reconstructions of X come back.
        random_state : int, RandomState instance or None, default=None
            Source of the corruption.

        Returns
        -------
        X_augmented : ndarray of shape (n_samples_X * n_samples, n_features) or DataFrame
            The variants of the first row, then those of the next: their classes are
            ``numpy.repeat(y, n_samples)``. A DataFrame, of the same names and dtypes, if X
            is one.
        """
        check_augment(n_samples, strength, most=1)
        rows, corruption = self._check_rows(X), self._corruption(False)
        if corruption is None:
            raise ValueError(
                "augment draws from corruption, which is None. Set it to 'gaussian', for "
                "instance."
            )
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        index = np.repeat(np.arange(rows.shape[0]), n_samples)
        noisy = self._corrupted(densify(rows[index]), corruption, strength, int(seed))
        clean = self._reconstruct(self.net_.module_.reconstruct, noisy, None)
        return self._possible(clean, rows, X)

    def _corrupted(self, rows, corruption, strength, seed):
        """Return standardised rows (m, d), a share of their cells after a corruption."""
        likelihood = self.net_.module_.likelihood
        generator = torch.Generator().manual_seed(seed)
        space = Space.of(
            self._trained_.statistics,
            likelihood.location,
            likelihood.inverse_scale,
            categories=likelihood.categories,
            is_wild=likelihood.is_wild,
        )
        x = torch.from_numpy(likelihood.standardize(rows, check=False))
        touched = torch.rand(x.shape, generator=generator) < strength
        noisy = corruption.apply(x, space, generator)
        return torch.where(touched, noisy, x).numpy()

    def score_samples(self, X, X_clean=None):
        """Return the log-likelihood of each row given its own code.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        X_clean : {array-like, sparse matrix} of the shape of X, default=None
            Rows to score, in the likelihood's support. None takes X.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            The conditional log p(x_clean | z(x)) in nats and the units of the data;
            higher is better reconstructed. It is not a marginal likelihood.
        """
        X = self._check_rows(X)
        return self._score_samples(X, self._check_clean(X_clean, X))

    def score(self, X, y=None, sample_weight=None, X_clean=None):
        """Return the mean of `score_samples`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        X_clean : {array-like, sparse matrix} of the shape of X, default=None
            Rows to score. None takes X.

        Returns
        -------
        score : float
            Mean log-likelihood of a row, in nats.
        """
        return self._mean_score(self.score_samples(X, X_clean), sample_weight)
