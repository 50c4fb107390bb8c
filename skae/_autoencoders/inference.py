"""What a fitted autoencoder does: the same for all, and a row at a time in effect."""

from functools import partial

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import assert_all_finite, check_array

from skae._autoencoders.exporting import (
    RawDecoder,
    RawEncoder,
    RawReconstruction,
    RawScore,
    conditional_log_prob,
)
from skae._data.checks import (
    CheckedRowsMixin,
    check_count,
    check_fitted,
    check_weight,
    is_plain,
)
from skae._data.containers import taken
from skae._data.frames import is_frame
from skae._data.rows import densify
from skae._params import check_option
from skae._training.blocks import Stream, apply, encode
from skae._training.usual import Apart


def by_steps(X, shape):
    """Return rows (n * n_steps, ...) by pairs and steps, but those of a DataFrame flat."""
    return X if is_frame(X) else X.reshape(*shape, *X.shape[1:])


def on_the_way(encode, A, B, n_steps, kind):
    """Return codes (n, n_steps, k) on the way between those of rows A and B."""
    check_count("n_steps", n_steps, 2)
    check_option("interpolate", "kind", kind, ("straight", "spherical"))
    a, b = encode(A), encode(B)
    if a.shape != b.shape:
        raise ValueError(
            "A and B must have the same number of rows: they are joined pair by "
            f"pair. Got {len(a)} and {len(b)}."
        )
    t = np.linspace(0, 1, n_steps, dtype=np.float32)[:, None]
    start, end = _on_an_arc(a, b, t) if kind == "spherical" else (1 - t, t)
    return a[:, None] * start + b[:, None] * end


def _on_an_arc(a, b, t):
    """Return the weights (n, T, 1) of a and b (n, k) on the way t (T, 1) around zero."""
    # near a half turn float32 cosines leave the angle open
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.divide((a * b).sum(1), norms, out=np.ones_like(norms), where=norms > 0)
    angle = np.arccos(cosine.clip(-1, 1))[:, None, None]
    sine = np.sin(angle)
    straight = sine < 1e-6  # the same direction, or none that is shorter than another
    sine = np.where(straight, 1, sine)
    start = np.where(straight, 1 - t, np.sin((1 - t) * angle) / sine)
    end = np.where(straight, t, np.sin(t * angle) / sine)
    return start, end


class InferenceMixin(
    Apart, CheckedRowsMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """The verbs of a fitted autoencoder."""

    _fills_pictures = True
    _inputs_are_checked = True  # whether rows must lie in the likelihood's support

    def transform(self, X):
        """Return the codes of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components), dtype float32
            The codes. A row's code depends on that row alone.
        """
        return self._codes(X)

    def _codes(self, X):
        return self._encode(self._check_rows(X))

    def _encode(self, X, fn=None, width=None, beside=()):
        """Return checked rows through the module's `encode`, or another function."""
        check = self._inputs_are_checked
        return encode(self.net_, X, fn, width, beside, check=check)

    def inverse_transform(self, X):
        """Return the reconstructions of codes, in the units of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features) or DataFrame
            Reconstructions: float32 if `fit` saw float32, else float64. Pictures
            have the shape that `fit` saw. Where the likelihood is mixed, a DataFrame if
            `fit` saw one, of the same names and dtypes.
        """
        return self._decode(self._check_codes(X))

    def _check_codes(self, X):
        check_fitted(self)
        if is_plain(X, (self.n_components_,)) and X.dtype == np.float32:
            return X
        X, kwargs = taken(X), {"accept_sparse": "csr", "input_name": "X"}
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is an error anyhow
            X = check_array(X, dtype=np.float32, **kwargs)
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the codes of this "
                f"{type(self).__name__} have n_components_={self.n_components_}."
            )
        return X

    def _decode(self, Z, beside=()):
        return self._contained(self._means(Z, beside))

    def _means(self, Z, beside=()):
        """Return the means of checked codes (n, k), in data units; (n, d)."""
        module = self.net_.module_

        def means(z, *known):
            return module.likelihood.mean(module.decode(z, *known))

        return self._reconstruct(means, Z, None, beside)

    def reconstruct(self, X, mask=None):
        """Return X encoded and decoded, in the units of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.
        mask : array-like of bool, of X's shape or of one sample's, default=None
            Cells to fill in, as in inpainting: where it is True, X is not looked at
            (it may be NaN) and the reconstruction is returned; elsewhere X comes back
            as it is, in the result's floating-point type. The encoder sees the lost
            cells as training did with ``corruption`` `Masking` or `RegionMasking`,
            otherwise as the column's mean; with ``likelihood="mixed"`` they are missing
            to it. None reconstructs all.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features) or DataFrame
            The same as ``inverse_transform(transform(X))``, where no mask is given.
        """
        rows = self._check_rows(X, ensure_all_finite=mask is None)
        return self._rebuild(rows, mask, self.net_.module_.reconstruct, X)

    def _rebuild(self, X, mask, fn, table, beside=()):
        """Return checked rows X, which came in `table`, through fn."""
        if mask is None:
            rebuilt = self._reconstruct(fn, X, self._standardize(), beside)
            return self._contained(rebuilt, table)
        X, mask = densify(X), self._check_mask(mask, X.shape)
        blank = np.where(mask, self._trained_.fill, X)
        assert_all_finite(
            blank, allow_nan=self._reads_tables_, input_name="X outside of mask"
        )
        likelihood = self.net_.module_.likelihood.likelihood
        if self._inputs_are_checked and not self.net_.module_.likelihood.is_of_rows:
            inside = np.nan if self._reads_tables_ else self._trained_.statistics.minimum
            likelihood.check(np.where(mask, inside, X))
        filled = self._reconstruct(
            fn,
            blank,
            partial(self.net_.module_.likelihood.standardize, check=False),
            beside,
        )
        filled = filled.reshape(X.shape)
        if self._schema_ is not None and is_frame(table):
            return self._schema_.filled(table, filled, mask)
        np.copyto(filled, X, where=~mask)
        return self._contained(filled)

    def _contained(self, X, like=None):
        """Return rows (n, d) as `fit` saw such, under the index of `like` if it has one."""
        if self._schema_ is None:
            return X.reshape(-1, *self._sample_shape_)
        return self._schema_.frame(X, like)

    def _check_mask(self, mask, shape):
        """Return which cells are lost as a flat bool array."""
        mask = np.asarray(mask)
        whole = (shape[0], *self._sample_shape_)
        if mask.dtype != bool:
            raise ValueError(
                "mask must hold booleans, True for the cells to reconstruct. Got "
                f"{mask.dtype}."
            )
        if mask.shape == shape[1:]:
            mask = mask.reshape(self._sample_shape_)
        if mask.shape not in (shape, whole, self._sample_shape_):
            raise ValueError(
                f"mask has shape {mask.shape}; it must be that of X, {whole}, or of one "
                f"sample, {self._sample_shape_}."
            )
        if mask.shape == self._sample_shape_ and mask.shape != shape:
            mask = np.broadcast_to(mask, whole)
        return mask.reshape(shape)

    def interpolate(self, A, B, n_steps=10, kind="straight"):
        """Return the decoded way between the codes of A and of B.

        Parameters
        ----------
        A, B : array-like of shape (n_samples, n_features)
            The rows to start from and to arrive at, pair by pair.
        n_steps : int, default=10
            Number of points on the way, both ends included.
        kind : {"straight", "spherical"}, default="straight"
            Whether the codes lie on a line or on an arc around the origin, which keeps
            them at a distance from it that is usual under a normal prior.

        Returns
        -------
        X : ndarray of shape (n_samples, n_steps, n_features) or DataFrame
            Reconstructions, in the units of the training data. A DataFrame holds the
            `n_steps` rows of the first pair, then those of the next.
        """
        codes = on_the_way(self._codes, A, B, n_steps, kind)
        X = self.inverse_transform(codes.reshape(-1, self.n_components_))
        return by_steps(X, codes.shape[:2])

    def score_samples(self, X):
        """Return the log-likelihood of each row given its own code.

        It is the conditional log p(x | z(x)) in the units of the training data, not
        the marginal log p(x): it says how well a row is reconstructed, and nothing of
        how likely its code is. With ``likelihood="mixed"`` a missing cell adds nothing:
        it is the log-probability of those cells that are there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Log-densities in nats; higher is more normal.
        """
        return self._score_samples(self._check_rows(X))

    def _score_samples(self, X, X_clean=None):
        module, out = self.net_.module_, np.empty(X.shape[0])
        standardize = module.likelihood.standardize
        streams = [Stream(X, standardize)]
        if X_clean is not None:
            noisy = Stream(X, partial(standardize, check=False))
            streams = [noisy, Stream(X_clean, standardize)]

        def log_prob(params, *x):
            return module.likelihood.log_prob(params, x[-1]).numpy()

        def params(x, *_):
            return module.params(x)

        return apply(self.net_, params, out, *streams, finish=log_prob)

    def score(self, X, y=None, sample_weight=None):
        """Return the mean of `score_samples`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            Mean log-likelihood of a row, in nats.
        """
        return self._mean_score(self.score_samples(X), sample_weight)

    @staticmethod
    def _mean_score(scores, sample_weight):
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, scores)
        return float(np.average(scores, weights=sample_weight))

    def _standardize(self):
        """Return what standardises rows for the encoder."""
        standardize = self.net_.module_.likelihood.standardize
        return partial(standardize, check=self._inputs_are_checked)

    def _reconstruct(self, fn, X, standardize, beside=()):
        out = np.empty((X.shape[0], self.n_features_in_), dtype=self._dtype_)
        restore, streams = self.net_.module_.likelihood.restore, (Stream(X, standardize),)

        def restored(mean, *_):
            return restore(mean.numpy())

        return apply(self.net_, fn, out, *streams, *beside, finish=restored)

    @property
    def _n_features_out(self):
        return self.n_components_

    # A way out to torch: made when asked for, so that nothing is saved twice

    _n_told = 0  # classes that encoder and decoder are told the one of each row of

    @property
    def encoder_(self):
        """The encoder as a torch module, from raw rows to codes: a copy."""
        check_fitted(self)
        columns = None if self._schema_ is None else self._schema_.columns
        return RawEncoder(self.net_, self._sample_shape_, self._n_told, columns)

    @property
    def decoder_(self):
        """The decoder as a torch module, from codes to rows in data units: a copy."""
        check_fitted(self)
        return RawDecoder(self.net_, self._sample_shape_, self._n_told, self._dtype_)

    def __skae_torch__(self, what):
        """Return a torch module of raw rows, or codes, and an example of what it takes."""
        check_fitted(self)
        shape, dtype, n_told = self._sample_shape_, self._dtype_, self._n_told
        told = (np.zeros(2, dtype=np.int64),) if n_told else ()
        if what == "decoder":
            codes = np.zeros((2, self.n_components_), dtype=np.float32)
            return self.decoder_, (codes, *told)
        if what == "encoder":
            module = self.encoder_
            told = () if module.can_guess else told
        elif what == "reconstruction":
            module = RawReconstruction(self.encoder_, self.decoder_)
        else:
            module = RawScore(self.net_, shape, n_told, self._torch_score())
        rows = np.broadcast_to(self.mean_.reshape(shape), (2, *shape))
        return module.eval(), (rows.astype(dtype), *told)

    def _torch_score(self):
        """Return what `score_samples` gives, of a module and standardised rows."""
        return conditional_log_prob
