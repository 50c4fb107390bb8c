"""The autoencoder of binary codes: semantic hashing."""

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._autoencoders.inference import by_steps, on_the_way
from skae._codes.bits import Bits
from skae._data.containers import taken
from skae._params import ONE_OR_MORE, Number


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class BinaryAutoencoder(BaseAutoencoder):
    r"""Autoencoder whose codes are bits: semantic hashing.

    Rows that are alike get codes that differ in few bits, so that similar rows are found
    by counting differing bits, in codes of a few bytes a row [1]_, [2]_. In training each
    bit b is drawn, and a share f of the bits is flipped, as by a noisy channel [3]_; what
    is reconstructed is not the row alone but the mean :math:`\bar x` of the row and its
    nearest neighbours:

    .. math:: \min_{e, d} \; \sum_i \mathbb{E}_{b}
        \left[ - \log p(\bar x_i \mid d(b)) \right], \quad
        P(b_j = 1) = f + (1 - 2 f) \, \sigma(e_j(x_i))

    Both make it costly to give similar rows codes that are far apart. The gradient
    passes a drawn bit as if it were its mean. `transform` draws nothing: a bit is 1
    where :math:`e_j(x) > 0`.

    Parameters
    ----------
    n_components : int, "auto" or None, default=32
        Number of bits. "auto" takes the fewest standardised principal components that
        explain 90 % of the variance, at most 32; None takes the network's natural size.
    packed_output : bool, default=False
        Whether `transform` returns the bits packed into bytes, eight in each, as
        `numpy.packbits` does.
    bit_noise : float, default=0.1
        Share f of the bits that training flips, in [0, 0.5). More makes near codes mean
        more similar rows and keeps less of each: lower it for fewer rows or bits.
    n_neighbors : int, default=5
        Nearest other rows, by the Euclidean distance of standardised rows, that are
        learnt together with each. With 0 each row is reconstructed for itself, and so it
        is with ``likelihood="mixed"``. About 10,000 rows are searched at a time;
        `partial_fit` looks among the rows that it is given.
    code_activation : str, default="linear"
        Only "linear", as the sign is what becomes of the code.

    See Also
    --------
    sklearn.neighbors.NearestNeighbors : Finds rows by ``metric="hamming"``.
    skae.metrics.hamming_distances : Distances of packed codes, for
        ``metric="precomputed"``.
    Autoencoder : Codes of numbers: larger, and better reconstructed.

    Notes
    -----
    Reconstructions are blurred: bits are few, and are spent on what neighbours have in
    common. ``bit_noise=0, n_neighbors=0`` reconstructs better and retrieves worse.
    ``compression_ratio_`` is that of numbers to bits.

    Of the ways to search, ``NearestNeighbors(metric="hamming")`` on bits is the plainest.
    The Euclidean distance of ``bits.astype(numpy.float32)`` finds the same rows and is
    several times faster, as its square is the number of differing bits. Packed codes take
    an eighth of the memory of bits, and are what indexes outside of scikit-learn take, such
    as faiss's ``IndexBinaryFlat``.

    With ``network="auto"`` and with ``network=()`` training starts at PCA's signs.

    References
    ----------
    .. [1] Salakhutdinov and Hinton (2009). Semantic hashing. International Journal of
       Approximate Reasoning 50(7), 969-978.
    .. [2] Carreira-Perpinan and Raziperchikolaei (2015). Hashing with binary
       autoencoders. CVPR.
    .. [3] Choi, Tatwawadi, Grover, Weissman and Ermon (2019). Neural joint source-channel
       coding. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import NearestNeighbors
    >>> from skae import BinaryAutoencoder
    >>> X = load_digits().images  # (1797, 8, 8)
    >>> hashing = BinaryAutoencoder(32, max_iter=20, random_state=0).fit(X[:1500])
    >>> bits = hashing.transform(X)
    >>> bits.shape, bits.dtype
    ((1797, 32), dtype('uint8'))
    >>> neighbors = NearestNeighbors(n_neighbors=3, metric="hamming").fit(bits[:1500])
    >>> neighbors.kneighbors(bits[1500:], return_distance=False).shape
    (297, 3)
    >>> hashing.set_params(packed_output=True).transform(X).shape
    (1797, 4)
    """

    n_components: int | str | None = field(default=32, kw_only=False)
    packed_output: bool = False
    bit_noise: float = 0.1
    n_neighbors: int = 5

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "n_components": [ONE_OR_MORE, StrOptions({"auto"}), None],
        "code_activation": [StrOptions({"linear"})],
        "packed_output": ["boolean"],
        "bit_noise": [Interval(Real, 0, 0.5, closed="left")],
        "n_neighbors": [Number(Integral, 0, None, closed="left")],
    }

    _code_class: ClassVar[type] = Bits

    # What a trained one does

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect of X; codes are uint8."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_bytes(self):
        return -(-self.n_components_ // 8)

    @property
    def _n_features_out(self):
        return self._n_bytes if self.packed_output else self.n_components_

    def transform(self, X):
        """Return the codes of X: bits, or bytes of eight with ``packed_output=True``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components), dtype uint8
            Zeros and ones; packed, of shape (n_samples, ceil(n_components / 8)), the
            last byte filled up with zeros. A row's code depends on that row alone.
        """
        bits = self._codes(X).astype(np.uint8)
        return np.packbits(bits, axis=1) if self.packed_output else bits

    def inverse_transform(self, X):
        """Return the reconstructions of codes, in the units of the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Bits, or the bytes of packed ones, whichever `transform` returned. (A single
            bit is taken as `packed_output` says.)

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features) or DataFrame
            Reconstructions, as those of any autoencoder.

        Raises
        ------
        ValueError
            If X holds anything but codes: other values than 0 and 1, or bytes whose
            last bits are not zero.
        """
        return super().inverse_transform(X)

    def _check_codes(self, X):
        """Return bits, packed or not, as float32; (n, k)."""
        check_is_fitted(self)
        X, k = check_array(taken(X), dtype="numeric", input_name="X"), self.n_components_
        if X.shape[1] not in (k, self._n_bytes):
            raise ValueError(
                f"X has {X.shape[1]} columns, but the codes of this "
                f"{type(self).__name__} are n_components_={k} bits, or "
                f"{self._n_bytes} bytes if packed."
            )
        is_packed = self.packed_output if k == 1 else X.shape[1] != k
        with np.errstate(invalid="ignore"):
            codes = X.astype(np.uint8)
        bits = np.unpackbits(codes, axis=1, count=k) if is_packed else codes
        if (codes != X).any() or (bits > 1).any():
            whole = "bytes, integers from 0 to 255" if is_packed else "bits, 0 or 1"
            raise ValueError(
                f"X has {X.shape[1]} columns and so should hold {whole}, as transform "
                "returns them. Got other values."
            )
        if is_packed and (np.packbits(bits, axis=1) != codes).any():
            raise ValueError(
                f"X holds bytes with ones behind the last of n_components_={k} bits: "
                "these are not codes of this estimator."
            )
        return bits.astype(np.float32)

    def __skae_vary__(self, *args, **kwargs):
        """Raise a ``ValueError``: bits take no small steps."""
        raise ValueError(
            "augment moves codes by small steps, and the codes of a BinaryAutoencoder are "
            "bits. Use another autoencoder."
        )

    def interpolate(self, A, B, n_steps=10, kind="straight"):
        """Return the decoded way between the codes of A and of B.

        Bits that A and B share stay as they are. One that differs is decoded at numbers
        between 0 and 1, its mean if it were drawn: the way starts and ends at codes, and
        leads between them through what has none.

        Parameters
        ----------
        A, B : array-like of shape (n_samples, n_features)
            The rows to start from and to arrive at, pair by pair.
        n_steps : int, default=10
            Number of points on the way, both ends included.
        kind : {"straight", "spherical"}, default="straight"
            Whether a mean moves evenly, or the codes, as signs -1 and 1, lie on an arc
            around the origin.

        Returns
        -------
        X : ndarray of shape (n_samples, n_steps, n_features) or DataFrame
            Reconstructions, in the units of the training data. A DataFrame holds the
            `n_steps` rows of the first pair, then those of the next.
        """
        signs = on_the_way(lambda X: 2 * self._codes(X) - 1, A, B, n_steps, kind)
        means = (signs.reshape(-1, self.n_components_) + 1) / 2
        X = self._decode(means)
        return by_steps(X, signs.shape[:2])
