"""The scikit-learn contract, written once for every autoencoder."""

from dataclasses import dataclass, field, fields
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skae._autoencoders.ahead import trained_ahead
from skae._autoencoders.generating import DecodingMixin
from skae._autoencoders.net_params import INTERRUPTED, check_net_params
from skae._autoencoders.sizes import Share, train_of_share
from skae._autoencoders.watched import Watched
from skae._codes.base import Plain
from skae._data.containers import taken
from skae._data.refusals import check_columns, check_same_names, of_numbers, remedied
from skae._data.rows import flatten
from skae._data.split import Sample
from skae._data.told import tell
from skae._params import (
    ONE_OR_MORE,
    Amount,
    Explaining,
    Versioned,
    as_number,
    check_parts,
    equal,
)
from skae._training.runtime import all_or_nothing
from skae._training.task import Recipe, Schedule
from skae._training.train import train
from skae.corruption._named import NAMED as CORRUPTIONS
from skae.corruption._named import as_corruption
from skae.likelihoods._mixed import as_mixed
from skae.likelihoods._named import AUTO, NAMED, as_likelihood, reads_tables
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import as_network
from skae.networks._layers import ACTIVATIONS

MIXED = "likelihood='mixed'"
EXAMPLES = {
    "network": "skae.networks.DenseNetwork((128,), linear_path=True), which is 'auto'",
    "likelihood": "skae.likelihoods.Gaussian()",
    "corruption": "skae.corruption.Masking()",
}


@dataclass(kw_only=True, eq=False, repr=False)
class BaseAutoencoder(Explaining, Versioned, DecodingMixin, Watched, BaseEstimator):
    """Base of the autoencoders: the plain one, unless a subclass says otherwise.

    Parameters
    ----------
    n_components : int, float, "auto" or None, default="auto"
        Width of the code. A float in (0, 1) takes, as in PCA, the fewest components that
        explain that share of the variance: here of held-out rows, after 20 epochs, which
        under-reach the whole fit that follows (digits, 8 components: .78, then .82).
        :doc:`Searching </searching>` says how sizes are tried. "auto" takes the fewest
        standardised principal components that explain 90 % of the variance, at most 32;
        None takes the network's natural size (the last of a dense network's
        `hidden_layer_sizes`).
    network : "auto", tuple of int or network object, default="auto"
        How rows become codes and back. A tuple gives the widths of the encoder's
        hidden layers, mirrored in the decoder; "auto" is one hidden layer of 128
        beside a linear path that starts as PCA. A `skae.networks.DenseNetwork` sets
        activations, dropout, normalisation, tied weights and more; a
        `skae.networks.ConvolutionalNetwork` is for pictures and signals.
    likelihood : str or likelihood object, default="auto"
        What a close reconstruction is: "gaussian" (squared error), "bernoulli"
        (binary cross-entropy of values in [0, 1]), "categorical" (cross-entropy of
        rows that sum to 1), "poisson" (counts) or "mixed" (tables of numbers,
        categories and dates with missing cells, also as DataFrames). "auto" is "mixed"
        for a DataFrame with a column of categories, texts, dates, durations or times
        of day by its dtype, and "gaussian" for all else (numbers and booleans; arrays;
        wherever the network is convolutional). The objects in `skae.likelihoods` set
        scales and output activations.
    corruption : str, corruption object, list of such or None, default=None
        What training does to the input of each batch, while the target stays clean:
        the name of one of `skae.corruption` ("gaussian", "masking", ...), an object
        that says how strong, or several, to be applied in turn.
    code_activation : str, default="linear"
        Activation of the code: "linear", "relu", "leaky_relu", "elu", "sigmoid",
        "tanh", "silu" or "gelu".
    learning_rate : float, default=0.005
        Largest step size. It rises over the first epochs and falls to zero over the
        last 30 %, or once the held-out loss has stopped falling.
    batch_size : int or "auto", default="auto"
        Rows in a training step. "auto" takes a 20th of the rows, rounded to a power
        of two between 32 and 512.
    max_iter : int, default=100
        Largest number of epochs (passes over the rows).
    early_stopping : bool, default=True
        Whether to hold out rows, wind training down once they are no longer
        reconstructed better, and keep the weights that did best on them. Otherwise
        all rows are trained on for `max_iter` epochs and the last weights are kept.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, in (0, 1).
    n_iter_no_change : int, default=20
        Epochs without a better held-out loss after which training winds down: the
        learning rate falls to zero over 30 % of the epochs run so far.
    tol : float, default=1e-4
        Relative gain in held-out loss that counts as better.
    alpha : float, default=1e-4
        Strength of the penalty on the weights (not on biases), as in ElasticNet:
        ``alpha * (l1_ratio * |w|_1 + (1 - l1_ratio) / 2 * |w|_2^2)`` is added to the
        mean loss per cell.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, in [0, 1].
    warm_start : bool, default=False
        Whether `fit` goes on from the previous weights, with the columns scaled as
        they are.
    device : str, default="auto"
        Where to train: "auto" takes a CUDA device if there is one, else the CPU.
    net_params : dict or None, default=None
        Further parameters of the skorch net: ``optimizer`` (any of torch's),
        ``optimizer__<param>``, ``callbacks``, ``compile``, ``gradient_clip_value``
        (1.0; None does not clip), ``schedule`` ("trapezoid" or "constant") and
        ``keep_on_interrupt`` (whether Ctrl-C keeps the best weights so far, with a
        warning; else ``KeyboardInterrupt`` leaves `fit`, and the estimator as it was).
        :doc:`Callbacks and progress </progress>` says which callbacks there are uses for.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, held-out rows, shuffles, corruption and
        dropout. An int gives
        the same result in each call. No global generator is read or changed.
    verbose : int, default=0
        Whether to print losses as training goes: 1 prints a line a second at most, and for
        the first and the last epoch; more prints one for each epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch module.
    history_ : skorch.history.History
        What was recorded in each epoch.
    loss_curve_ : list of float
        Training loss per cell in each epoch, without the weights' penalty; a warm
        start and `partial_fit` go on appending.
    validation_loss_curve_ : list of float
        Held-out loss per cell in each epoch that was judged; only if
        ``early_stopping=True`` in a call.
    n_iter_ : int
        Number of epochs in the last call of `fit` (1 after `partial_fit`).
    likelihood_ : likelihood object
        What a close reconstruction is taken to be: the object that `likelihood` names, or
        that "auto" chose in the first fit. A `skae.likelihoods.Mixed` tells which columns
        are categories.
    n_components_ : int
        Width of the code.
    size_curve_ : dict of ndarray of shape (n_sizes,)
        The sizes that were tried, where `n_components` is a share: "n_components", the
        "share" of the held-out variance that a short fit of each explains, and the
        "pca_share" that as many principal components of the rows trained on explain.
        ``pandas.DataFrame(size_curve_)`` is a table.
    compression_ratio_ : float
        ``n_features_in_ / n_components_``.
    mean_, var_ : ndarray of shape (`n_features_in_`,)
        Means and variances of the columns in training, without what a few wild cells add
        to them; 0 for a constant column. What `skae.metrics.explained_variance_scorer`
        measures with.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.
    encoder_, decoder_ : torch.nn.Module
        From raw rows to codes, and from codes to rows in data units, scaling included:
        copies, made when asked for, which can be trained and exported. See
        :doc:`A way out to torch </torch>`.
    random_state_ : RandomState instance
        The generator that `partial_fit` goes on drawing from.
    """

    n_components: int | float | str | None = field(default="auto", kw_only=False)
    network: object = "auto"
    likelihood: object = AUTO
    corruption: object = None
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
        "n_components": [ONE_OR_MORE, Share(), StrOptions({"auto"}), None],
        "network": [StrOptions({"auto"}), tuple, list, HasMethods(["build"])],
        "likelihood": [StrOptions({AUTO, *NAMED}), HasMethods(["build", "check"])],
        "corruption": [
            *(StrOptions(set(CORRUPTIONS)), HasMethods(["apply"]), tuple, list, None),
        ],
        "code_activation": [StrOptions(set(ACTIVATIONS))],
        "learning_rate": [Amount(closed="right")],
        "batch_size": [ONE_OR_MORE, StrOptions({"auto"})],
        "max_iter": [ONE_OR_MORE],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [ONE_OR_MORE],
        "tol": [Amount(closed="both")],
        "alpha": [Amount(closed="both")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "warm_start": ["boolean"],
        "device": [str],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _code_class: ClassVar[type] = Plain
    _examples: ClassVar[dict] = EXAMPLES

    # What the parameters mean

    def _code(self):
        """Return the code, whose fields are the parameters of the same names."""
        code, params = self._code_class, self.get_params(deep=False)
        own = [f.name for f in fields(code) if f.name in params]
        return code(**{name: as_number(params[name]) for name in own})

    def __skae_code__(self, X):
        """Return the code that training on X would be of; parameters are checked."""
        self._validate_params()
        self._reads_tables_ = self._reads_tables(taken(X))
        return self._code()

    def _network(self):
        """Return the network object."""
        return as_network(self.network)

    def _corruption(self, has_pairs):
        """Return the corruption object, or None."""
        return as_corruption(self.corruption)

    def _further_rate(self):
        """Return the learning rate of the code's further losses, if there are any."""

    def _likelihood(self):
        """Return the likelihood object, which "auto" leaves to the rows that came."""
        return as_likelihood(self.likelihood, self._reads_tables_)

    def _reads_tables(self, X):
        """Tell whether X is to be read as a table of numbers and categories."""
        return reads_tables(self.likelihood, X if self._mixed_way else None)

    @property
    def _mixed_way(self):
        """How an autoencoder is made to read tables; None if convolutions cannot."""
        return None if isinstance(self.network, ConvolutionalNetwork) else MIXED

    def _recipe(self, code, has_pairs, one_pass):
        """Return what to train, checked, or raise a ``ValueError``."""
        likelihood = self._likelihood()
        network, corruption = self._network(), self._corruption(has_pairs)
        check_parts(network=network, likelihood=likelihood, corruption=corruption)
        is_picture = isinstance(network, ConvolutionalNetwork)
        if reads_tables(likelihood):
            if is_picture:
                raise ValueError(
                    f"network: {type(network).__name__} is for pictures, and "
                    "likelihood='mixed' for tables. Use network='auto' or a DenseNetwork."
                )
            likelihood = as_mixed(likelihood, self._schema_)
        check_net_params(self.net_params, self.early_stopping and not one_pass)
        if is_picture:
            network = network.resolve(self._sample_shape_)
        schedule = Schedule(
            self.max_iter,
            self.batch_size,
            self.learning_rate,
            self._further_rate(),
            self.alpha,
            self.l1_ratio,
            self.n_iter_no_change,
            self.tol,
            self.verbose,
            one_pass,
        )
        parts = network, likelihood, corruption, code, as_number(self.n_components)
        more = dict(self.net_params or {}), Schedule(*map(as_number, schedule)), self.device
        return Recipe(*parts, *more, self._draw_seed(keep=one_pass))

    def _draw_seed(self, keep):
        """Return a seed from `random_state`; `keep` goes on where it was left."""
        random_state = check_random_state(self.random_state)
        if keep:
            random_state = vars(self).get("random_state_", random_state)
        self.random_state_ = random_state
        return int(random_state.randint(np.iinfo(np.int32).max))

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Train the autoencoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as they are: they are standardised on the way in. A
            DataFrame, a pyarrow table, a torch tensor, a memory-mapped array (read by
            batches), a CSR matrix
            (densified by batches), or pictures of shape (n_samples, H, W) or
            (n_samples, C, H, W). Columns of a DataFrame may hold categories, dates and
            durations, and cells are then missing where nothing is known (of numbers
            alone, and of an array, with ``likelihood="mixed"`` only).
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
        return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight, X_clean=None):
        warm = self.warm_start and self.__sklearn_is_fitted__()
        with all_or_nothing(self, self.net_ if warm else None):
            recipe, sample = self.__skae_begin__(
                X, y, sample_weight, X_clean=X_clean, warm=warm
            )
            trained, watch = None, self._watch(X, y, sample_weight, self._attributes)
            if not warm:
                vars(self).pop("size_curve_", None)
                has_seed = self.random_state is not None
                trained = trained_ahead(
                    recipe, sample, has_seed=has_seed, is_watched=watch.is_heard
                )
            self._tell_of_marks(sample.X)
            watch.expect(self.max_iter)
            if recipe.asks_for_share:
                trained = train_of_share(recipe, sample, self.validation_fraction, watch)
            elif trained is None:
                trained = train(recipe, sample, self._trained_ if warm else None, watch)
            vars(self).pop("validation_loss_curve_", None)
            self.__skae_finish__(trained)
            watch.finish()
        return self

    def __skae_begin__(
        self,
        X,
        y=None,
        sample_weight=None,
        *,
        X_clean=None,
        warm=False,
        one_pass=False,
        like=None,
    ):
        """Return the recipe and the sample; `like` is such a pair of the same rows."""
        self._validate_params()
        X, sample_weight = self._check_fit(
            X, sample_weight, reset=not warm, only_seen=not one_pass,
            ensure_min_samples=1 if warm and one_pass else 2,
        )  # fmt: skip
        clean, code = self._check_clean(X_clean, X), self._code()
        classes = vars(self).get("classes_") if warm else None
        told = code.read(y, X.shape[0], classes, reset=not warm)
        if told.classes is not None:
            self.classes_ = told.classes
        recipe = self._recipe(code, clean is not None, one_pass)
        shape, statistics = recipe.shape_of(self._sample_shape_), None
        if like is not None and equal(like[0].likelihood, recipe.likelihood):
            known = like[1].statistics
            statistics = known if known.sample_shape == shape else None
        if warm:
            recipe = recipe.going_on(self._trained_.recipe, self.n_components_)
            if not one_pass:
                statistics = self._trained_.statistics
        holds_out = self.early_stopping and not one_pass
        sample = Sample.of(
            X,
            target=clean,
            weight=sample_weight,
            told=told,
            shape=shape,
            check=recipe.likelihood.check,
            statistics=statistics,
            held_out=self.validation_fraction if holds_out else None,
            seed=recipe.seed,
        )
        return recipe, sample

    def __skae_finish__(self, trained, *, report=True):
        """Become what came of a training, and warn of signs of trouble."""
        vars(self).pop("_skae_version_", None)  # of an earlier training
        vars(self).update(self._attributes(trained))
        if trained.net.interrupted_:
            tell(INTERRUPTED)
        for sign in trained.signs if report else ():
            tell(sign, ConvergenceWarning)

    def _attributes(self, trained):
        """Return what the fitted attributes are after a training."""
        columns = trained.statistics
        return {
            **trained.curves(),
            "mean_": columns.centre,
            "var_": np.where(columns.constant, 0.0, np.square(columns.spread)),
            "likelihood_": trained.recipe.likelihood,
            "n_components_": trained.n_components,
            "compression_ratio_": self.n_features_in_ / trained.n_components,
            "_trained_": trained._replace(described={}, signs=()),
            **trained.described,
        }

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train on one more batch of rows, passing over them once.

        Columns are scaled by all rows so far (those of `fit` among them): the
        network is told in the new units what it was told in the old ones, and does
        what it did, before it learns more. A column that was constant begins to
        count once it varies. The first call decides on `n_components`, if "auto",
        and its rows say where the network starts. The learning rate is constant, and
        `early_stopping` and `max_iter` play no part. A network that sees rows of one
        kind for long forgets the others: shuffle what can be shuffled.

        With some parts columns stay scaled as in the first call, and one that was
        constant then is ignored, with a warning: those are networks of your own but
        for ``torch.nn.Sequential`` with a ``Linear`` at either end, likelihoods of
        your own, and a `SparseAutoencoder` with tied weights and no hidden layers. See
        :doc:`how it works </how_it_works>` for what is told exactly and what nearly.

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
        return self._partial_fit(X, y, sample_weight)

    def _partial_fit(self, X, y, sample_weight, X_clean=None):
        warm = self.__sklearn_is_fitted__()
        with all_or_nothing(self, self.net_ if warm else None):
            recipe, sample = self.__skae_begin__(
                X, y, sample_weight, X_clean=X_clean, warm=warm, one_pass=True
            )
            self.__skae_finish__(train(recipe, sample, self._trained_ if warm else None))
        return self

    def _check_clean(self, X_clean, X):
        """Return what the rows of X should become, checked as X is, or None."""
        if X_clean is None:
            return None
        X_clean = taken(X_clean)
        try:
            if self._reads_tables_:
                X_clean = self._read_table(X_clean, reset=False, is_learnt=True)
                shape = None
            else:
                check_columns(X_clean, self._mixed_way)
                check_same_names(self._names_, X_clean)
                X_clean, shape = flatten(X_clean)
                X_clean = check_array(X_clean, accept_sparse="csr", dtype="numeric")
        except (TypeError, ValueError) as error:
            is_picture = len(self._sample_shape_) > 1
            error = remedied(error, of_numbers(X_clean, self._mixed_way, is_picture))
            raise type(error)(f"X_clean: {str(error).removeprefix('X: ')}") from None
        wanted = self._sample_shape_
        if X_clean.shape != X.shape or shape not in (None, wanted):
            raise ValueError(
                f"X_clean holds {X_clean.shape[0]} rows of shape "
                f"{shape or X_clean.shape[1:]}; it must have the shape of X, whose rows it "
                f"holds without noise: {X.shape[0]} rows of shape {wanted}."
            )
        return X_clean

    # What scikit-learn asks of an estimator

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return "net_" in vars(self)

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect of X; codes are float32."""
        tags = super().__sklearn_tags__()
        always = reads_tables(self.likelihood)  # tags are of arrays, which "auto" does not
        tags.input_tags.sparse = not always
        tags.input_tags.allow_nan = tags.input_tags.categorical = always
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
