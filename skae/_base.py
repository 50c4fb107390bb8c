"""The scikit-learn contract, written once for every autoencoder."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skae._engine import CallbackBridge, apply
from skae._fitting import Fitting
from skae.likelihoods import NAMED
from skae.networks import ACTIVATIONS


@dataclass(kw_only=True, eq=False, repr=False)
class BaseAutoencoder(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Base of the autoencoders: a subclass says what module it trains.

    Parameters and attributes are those of `skae.Autoencoder`.
    """

    n_components: int | str | None = field(default="auto", kw_only=False)
    network: object = "auto"
    likelihood: object = "gaussian"
    code_activation: str = "linear"
    learning_rate: float = 5e-3
    batch_size: int | str = "auto"
    max_iter: int = 100
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int = 20
    tol: float = 1e-4
    alpha: float = 1e-4
    l1_ratio: float = 0.0
    warm_start: bool = False
    device: str = "auto"
    net_params: dict | None = None
    random_state: object = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "network": [StrOptions({"auto"}), tuple, list, HasMethods(["build"])],
        "likelihood": [StrOptions(set(NAMED)), HasMethods(["build"])],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "warm_start": ["boolean"],
        "device": [str],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _doc_link_module = "skae"
    _doc_link_template = (
        "https://skae.readthedocs.io/en/stable/generated/skae.{estimator_name}.html"
    )

    # What a subclass fills in

    def _build_module(self, encoder, decoder, likelihood):
        """Return the torch module to train, which has `encode`, `decode`, `forward`."""
        raise NotImplementedError

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as they are: they are standardised on the way in. A
            DataFrame, a memory-mapped array (read by batches), a CSR matrix
            (densified by batches), or pictures of shape (n_samples, H, W) or
            (n_samples, C, H, W).
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts; a row of weight 0 is not learnt from. None
            counts all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or X cannot be, before any training, or if training
            diverges. The estimator is then what it was before the call.
        """
        with self._all_or_nothing():
            warm = self.warm_start and self.__sklearn_is_fitted__()
            X_checked, sample_weight = self._check_fit(X, sample_weight, reset=not warm)
            arguments = {
                "estimator": self,
                "X": X,
                "y": X if y is None else y,  # monitors score nothing without a y
                "metadata": (
                    {} if sample_weight is None else {"sample_weight": sample_weight}
                ),
            }
            context = self._init_callback_context(max_subtasks=self.max_iter)
            context.call_on_fit_task_begin(**arguments)
            fitting = Fitting(self, X_checked, sample_weight, warm=warm)
            bridge = None
            if getattr(self, "_skl_callbacks", None):
                bridge = CallbackBridge(context, fitting.attributes, **arguments)
            fitting.run(bridge)
            vars(self).update(fitting.attributes(fitting.net))
            fitting.report()
            context.call_on_fit_task_end(
                reconstruction_attributes=lambda: fitting.attributes(fitting.net),
                **arguments,
            )
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train on one more batch of rows, passing over them once.

        The first call decides, from its rows, how columns are scaled (and
        `n_components`, if "auto"). The learning rate is constant, and
        `early_stopping` and `max_iter` play no part.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to learn from; at least two in the first call.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        with self._all_or_nothing():
            warm = self.__sklearn_is_fitted__()
            X, sample_weight = self._check_fit(
                X, sample_weight, reset=not warm, ensure_min_samples=1 if warm else 2
            )
            fitting = Fitting(self, X, sample_weight, warm=warm, one_pass=True)
            fitting.run(None)
            vars(self).update(fitting.attributes(fitting.net))
        return self

    @contextmanager
    def _all_or_nothing(self):
        """Put back what was fitted before, whatever happens in between."""

        def fitted():
            return {name: value for name, value in vars(self).items() if name[-1] == "_"}

        before = fitted()
        net = before.get("net_")
        state = None if net is None else net.save_state()
        try:
            yield
        except BaseException:
            for name in fitted():
                delattr(self, name)
            vars(self).update(before)
            if net is not None:
                net.load_state(state)
            raise

    def _check_fit(self, X, sample_weight, *, reset, ensure_min_samples=2):
        X, sample_shape = _flatten(X)
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype="numeric",
            ensure_min_samples=ensure_min_samples,
        )
        if reset:
            self._sample_shape_ = sample_shape or (X.shape[1],)
            single = X.dtype in (np.float32, np.float16)
            self._dtype_ = np.dtype(np.float32 if single else np.float64)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        return X, sample_weight

    # Using what was fitted

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
        X = self._check_rows(X)
        return self._collect(X, self.net_.module_.encode, self.n_components_, np.float32)

    def inverse_transform(self, X):
        """Return the reconstructions of codes, in the units of the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Reconstructions: float32 if `fit` saw float32, else float64. Pictures
            have the shape that `fit` saw.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=np.float32, input_name="X")
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the codes of this "
                f"{type(self).__name__} have n_components_={self.n_components_}."
            )
        module = self.net_.module_
        return self._reconstructions(X, lambda z: module.likelihood.mean(module.decode(z)))

    def reconstruct(self, X):
        """Return X encoded and decoded, in the units of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            The same as ``inverse_transform(transform(X))``.
        """
        X = self._check_rows(X)
        module = self.net_.module_

        def reconstruct(x):
            return module.likelihood.mean(module.decode(module.encode(x)))

        return self._reconstructions(X, reconstruct, module.likelihood.standardize)

    def interpolate(self, A, B, n_steps=10):
        """Return the decoded straight line between the codes of A and of B.

        Parameters
        ----------
        A, B : array-like of shape (n_samples, n_features)
            The rows to start from and to arrive at, pair by pair.
        n_steps : int, default=10
            Number of points on the way, both ends included.

        Returns
        -------
        X : ndarray of shape (n_samples, n_steps, n_features)
            Reconstructions, in the units of the training data.
        """
        if not isinstance(n_steps, Integral) or n_steps < 2:
            raise ValueError(f"n_steps must be an integer of at least 2. Got {n_steps!r}.")
        collect = BaseAutoencoder.transform.__wrapped__  # arrays, whatever set_output
        a, b = collect(self, A), collect(self, B)
        if a.shape != b.shape:
            raise ValueError(
                "A and B must have the same number of rows: they are joined pair by "
                f"pair. Got {len(a)} and {len(b)}."
            )
        t = np.linspace(0, 1, n_steps, dtype=np.float32)[:, None]
        codes = a[:, None] * (1 - t) + b[:, None] * t
        X = self.inverse_transform(codes.reshape(-1, self.n_components_))
        return X.reshape(len(a), n_steps, *X.shape[1:])

    def score_samples(self, X):
        """Return the log-likelihood of each row given its own code.

        It is the conditional log p(x | z(x)) in the units of the training data, not
        the marginal log p(x): it says how well a row is reconstructed, and nothing of
        how likely its code is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            Log-densities in nats; higher is more normal.
        """
        X = self._check_rows(X)
        module = self.net_.module_
        scores = np.empty(X.shape[0])
        for rows, x, params in self._apply(
            X, lambda x: module.decode(module.encode(x)), module.likelihood.standardize
        ):
            log_prob = module.likelihood.log_prob(params, x).numpy()
            scores[rows] = log_prob[: rows.stop - rows.start]
        return _finite(scores)

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
        return float(np.average(self.score_samples(X), weights=sample_weight))

    def _check_rows(self, X):
        check_is_fitted(self)
        X, shape = _flatten(X)
        if shape is not None and shape != self._sample_shape_:
            raise ValueError(
                f"X holds samples of shape {shape}, but {type(self).__name__} was "
                f"fitted on samples of shape {self._sample_shape_}."
            )
        return validate_data(self, X, reset=False, accept_sparse="csr", dtype="numeric")

    def _apply(self, X, fn, standardize):
        return apply(fn, X, self._block_rows_, self.net_.device, standardize)

    def _collect(self, X, fn, n_columns, dtype, standardize="module", finish=None):
        if standardize == "module":
            standardize = self.net_.module_.likelihood.standardize
        result = np.empty((X.shape[0], n_columns), dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, _, out in self._apply(X, fn, standardize):
                values = out[: rows.stop - rows.start].numpy()
                result[rows] = values if finish is None else finish(values)
        return _finite(result)

    def _reconstructions(self, X, fn, standardize=None):
        restore = self.net_.module_.likelihood.restore
        result = self._collect(
            X, fn, self.n_features_in_, self._dtype_, standardize, restore
        )
        return result.reshape(-1, *self._sample_shape_)

    # What scikit-learn asks of an estimator

    def set_params(self, **params):
        """Set the parameters of this estimator, also nested ones.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``network__activation`` is the `activation` of the
            object passed as `network`.

        Returns
        -------
        self : object
            This estimator.
        """
        for key in params:
            name, _, nested = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            if nested and name in self.get_params(deep=False):
                if not hasattr(value, "set_params"):
                    raise ValueError(
                        f"{key} cannot be set: {name}={value!r} has no parameters. Pass "
                        f"an object as {name}, for instance "
                        "network=skae.networks.DenseNetwork((128,)), "
                        "likelihood=skae.likelihoods.Gaussian()."
                    )
        return super().set_params(**params)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return hasattr(self, "net_")

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: sparse input, float32 codes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _draw_seed(self, keep):
        """Return a seed from `random_state`; `keep` goes on where it was left."""
        random_state = check_random_state(self.random_state)
        if keep:
            random_state = getattr(self, "random_state_", random_state)
        self.random_state_ = random_state
        return int(random_state.randint(np.iinfo(np.int32).max))


def _flatten(X):
    """Return X as (n_samples, n_features), and a sample's shape if it had more axes."""
    if isinstance(X, list | tuple) and np.ndim(X[:1]) > 2:
        X = np.asarray(X)
    shape = getattr(X, "shape", ())
    if len(shape) < 3:
        return X, None
    if len(shape) > 4:
        raise ValueError(
            f"X has shape {tuple(shape)}: expected (n_samples, n_features), "
            "(n_samples, height, width) or (n_samples, channels, height, width)."
        )
    return X.reshape(shape[0], -1), tuple(shape[1:])


def _finite(result):
    if not np.isfinite(result).all():
        raise ValueError(
            "X: a result is beyond the range of its floating-point type, as X holds "
            "values too far from the training data. Remove or clip them."
        )
    return result
