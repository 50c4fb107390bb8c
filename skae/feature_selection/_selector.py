"""Feature selection: the columns from which all others can be rebuilt."""

from functools import partial
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.base import EXAMPLES, BaseAutoencoder
from skae._autoencoders.net_params import INTERRUPTED, check_net_params
from skae._autoencoders.watched import Watched
from skae._codes import remedies, signs
from skae._codes.base import EXPLAINED_BY_AUTO, MAX_AUTO_COMPONENTS
from skae._codes.columns import Columns, Concrete
from skae._data.checks import CheckedRowsMixin, check_weight
from skae._data.containers import taken
from skae._data.rows import blocks, densify
from skae._data.split import Sample
from skae._data.told import tell
from skae._params import ONE_OR_MORE, Explaining, Versioned, as_number, check_parts
from skae._training.blocks import Stream, apply
from skae._training.runtime import all_or_nothing
from skae._training.task import Recipe, Schedule, Task
from skae._training.train import run, trained
from skae._training.usual import Apart
from skae.feature_selection._checks import check_number, check_temperatures
from skae.feature_selection._greedy import LARGEST, best_ridge, greedy_columns
from skae.likelihoods._gaussian import Gaussian
from skae.likelihoods._named import NAMED, as_likelihood, reads_tables
from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import as_network

SHARED = (  # parameters that are those of an autoencoder
    "network", "likelihood", "learning_rate", "batch_size", "early_stopping",
    "validation_fraction", "n_iter_no_change", "tol", "alpha", "l1_ratio", "device",
    "net_params", "random_state", "verbose",
)  # fmt: skip
STEPS, EPOCHS = 2000, 100  # "auto": of the search, and of the decoder at most


class AutoencoderFeatureSelector(
    Apart, Explaining, Versioned, Watched, SelectorMixin, CheckedRowsMixin, BaseEstimator
):
    r"""Unsupervised choice of the columns from which all others can be rebuilt.

    k selectors each take a mixture of the d columns, and a decoder rebuilds whole rows
    from those k numbers. In training a selector's mixture is a draw from a concrete
    distribution, whose temperature T falls until it holds a single column [1]_:

    .. math:: m_i = \mathrm{softmax}\left( \frac{\log \alpha_i + g_i}{T} \right), \quad
        g_{ij} \sim \mathrm{Gumbel}(0, 1), \quad
        \min_{\alpha, d} \; - \log p(x \mid d(m x))

    The selectors start near the columns that a linear model chooses greedily [2]_, by a
    cross-validated ridge, and search several times with other noise. A decoder is then
    trained on each set of columns that came out, and on the greedy one: what rebuilds
    held-out rows best is kept. Unlike the codes of an autoencoder, what is kept are
    columns as they were, that can be named and measured again; unlike
    `sklearn.feature_selection.SelectKBest` it needs no labels, and does not take two
    columns that say the same. Raw data may be passed: columns are standardised on the way
    in.

    Parameters
    ----------
    n_features_to_select : int, float or "auto", default="auto"
        How many columns to choose: a number, or a share in (0, 1) of all. "auto" takes as
        many as a linear model needs to explain 90 % of the variance, at most 32.
    method : {"auto", "concrete", "greedy"}, default="auto"
        How to choose: by the selectors ("concrete"), by the linear model ("greedy"), or by
        both, of which held-out rows choose one ("auto"). Where there are more columns than
        rows to train on, "auto" is "greedy": it is quick, and the selectors then find
        columns that suit these rows only.
    n_init : int, default=3
        Number of searches by the selectors, each with noise of its own.
    temperatures : tuple of (float, float), default=(10.0, 0.1)
        T at the start of the search and at its end; it falls geometrically.
    network : "auto", tuple of int or network object, default="auto"
        How rows are rebuilt: the decoder's half of what an `Autoencoder` takes. "auto" is
        one hidden layer of 128 beside a linear path that starts as ridge regression; a
        tuple gives the widths of an encoder's hidden layers, which the decoder mirrors.
    likelihood : str or likelihood object, default="gaussian"
        What a close reconstruction is, as in `Autoencoder`: "gaussian" (squared error),
        "bernoulli" (cross-entropy of values in [0, 1]) or "categorical" (of rows that sum
        to 1).
    learning_rate : float, default=0.005
        Largest step size. It rises over the first epochs and falls to zero over the last
        30 %, or once the held-out loss has stopped falling.
    batch_size : int or "auto", default="auto"
        Rows in a training step. "auto" takes a 20th of the rows, rounded to a power of two
        between 32 and 512.
    max_iter : int or "auto", default="auto"
        Number of epochs of the search, and the largest number of epochs of a decoder.
        "auto" is what makes 2,000 steps of the search, and 100 for a decoder.
    early_stopping : bool, default=True
        Whether to hold out rows, which choose between the sets of columns and at which
        epoch a decoder is best. Otherwise all rows are trained on, and the set that
        rebuilds them best is kept.
    validation_fraction : float, default=0.1
        Share of the rows that is held out, in (0, 1).
    n_iter_no_change : int, default=20
        Epochs without a better held-out loss after which a decoder's training winds down.
    tol : float, default=1e-4
        Relative gain in held-out loss that counts as better.
    alpha : float, default=1e-4
        Strength of the penalty on the decoder's weights, as in `Autoencoder`.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, in [0, 1].
    device : str, default="auto"
        Where to train: "auto" takes a CUDA device if there is one, else the CPU.
    net_params : dict or None, default=None
        Further parameters of the skorch nets, as in `Autoencoder`.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, held-out rows, shuffles and the selectors' noise. An int
        gives the same result in each call. No global generator is read or changed.
    verbose : int, default=0
        Whether to print losses as training goes: 1 prints a line a second at most, and for
        the first and the last epoch; more prints one for each epoch.

    Attributes
    ----------
    support_ : ndarray of shape (`n_features_in_`,), dtype bool
        Which columns are chosen.
    n_features_to_select_ : int
        Number of chosen columns.
    chosen_by_ : {"concrete", "greedy"}
        Where the chosen columns come from ("greedy", if both chose the same).
    net_ : skorch.NeuralNet
        The trained net, whose encoder passes on the chosen columns; ``net_.module_`` is the
        torch module.
    history_ : skorch.history.History
        What was recorded in each epoch of the decoder.
    loss_curve_ : list of float
        The decoder's training loss per cell in each epoch.
    validation_loss_curve_ : list of float
        Its held-out loss per cell; only if ``early_stopping=True``.
    n_iter_ : int
        Number of the decoder's epochs.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.

    See Also
    --------
    sklearn.feature_selection.SelectKBest : Columns that go with labels, one by one.
    sklearn.feature_selection.SequentialFeatureSelector : Columns that help a predictor.
    Autoencoder : k numbers made from all columns: they say more than k columns can.

    Notes
    -----
    - `inverse_transform` rebuilds all columns: it does not put in zeros, as the selectors
      of scikit-learn do. Chosen columns come back as they are.
    - Where `n_features_to_select` times the number of columns is above 4,194,304, "auto"
      leaves out the search, and "concrete" is an error.
    - Constant columns are chosen last, and the others' units do not count.

    References
    ----------
    .. [1] Balin, Abid and Zou (2019). Concrete autoencoders: differentiable feature
       selection and reconstruction. ICML.
    .. [2] Farahat, Ghodsi and Kamel (2011). An efficient greedy method for unsupervised
       feature selection. ICDM.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderFeatureSelector
    >>> X = load_wine(as_frame=True).data  # 13 columns
    >>> selector = AutoencoderFeatureSelector(4, max_iter=20, random_state=0).fit(X)
    >>> selector.get_feature_names_out().shape
    (4,)
    >>> rows = selector.inverse_transform(selector.transform(X))
    >>> rows.shape
    (178, 13)
    >>> bool((rows[:, selector.support_] == X.loc[:, selector.support_]).all(axis=None))
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        "n_features_to_select": [
            StrOptions({"auto"}),
            Interval(RealNotInt, 0, 1, closed="neither"),
            ONE_OR_MORE,
        ],
        "method": [StrOptions({"auto", "concrete", "greedy"})],
        "n_init": [ONE_OR_MORE],
        "temperatures": [tuple, list],
        "max_iter": [ONE_OR_MORE, StrOptions({"auto"})],
        **{name: BaseAutoencoder._parameter_constraints[name] for name in SHARED},
        "likelihood": [StrOptions(set(NAMED)), HasMethods(["build"])],
    }

    _examples = EXAMPLES

    def __init__(
        self,
        n_features_to_select="auto",
        *,
        method="auto",
        n_init=3,
        temperatures=(10.0, 0.1),
        network="auto",
        likelihood="gaussian",
        learning_rate=5e-3,
        batch_size="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        alpha=1e-4,
        l1_ratio=0.0,
        device="auto",
        net_params=None,
        random_state=None,
        verbose=0,
    ):
        self.n_features_to_select = n_features_to_select
        self.method = method
        self.n_init = n_init
        self.temperatures = temperatures
        self.network = network
        self.likelihood = likelihood
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.device = device
        self.net_params = net_params
        self.random_state = random_state
        self.verbose = verbose

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Choose columns.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, as they are: they are standardised on the way in. A
            DataFrame, a memory-mapped array, a CSR matrix (densified by batches), or
            pictures of shape (n_samples, H, W) or (n_samples, C, H, W), whose pixels
            are then the columns.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts; a row of weight 0 is not learnt from. None
            counts all alike.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If a parameter or X cannot be, before any training, or if training
            diverges. The selector is then what it was before the call.
        """
        self._check_parameters()
        with all_or_nothing(self):
            X, sample_weight = self._check_fit(X, sample_weight, reset=True)
            check_number(self.n_features_to_select, X.shape[1])
            random_state = check_random_state(self.random_state)
            seed = random_state.randint(np.iinfo(np.int32).max)
            seed = np.random.RandomState(seed).randint(np.iinfo(np.int32).max)
            recipe = self._recipe(int(seed))
            sample = self._sample(recipe, X, sample_weight)
            first = Task(recipe, sample)
            greedy = self._greedy(first)
            choices = [("greedy", greedy)] if self.method != "concrete" else []
            watch, seeds = self._watch(X, y, sample_weight), []
            if self._has_search(len(sample.train), len(greedy), X.shape[1]):
                seeds = random_state.randint(np.iinfo(np.int32).max, size=self.n_init)
            watch.expect(len(choices) + 2 * len(seeds))  # each choice has a decoder
            for s in seeds:
                choices.append(("concrete", self._search(first, greedy, int(s), watch)))
                if watch.is_over:
                    break
            self._finish(self._decoders(choices, X, sample_weight, first, watch))
            watch.finish()
        return self

    def _recipe(self, seed):
        """Return what to train but for the columns that are seen, checked."""
        likelihood, network = as_likelihood(self.likelihood), as_network(self.network)
        check_parts(network=network, likelihood=likelihood)
        check_net_params(self.net_params, self.early_stopping)
        if self.likelihood == "gaussian" and len(self._sample_shape_) == 1:
            likelihood = Gaussian(scale="column")  # each counts alike in the score
        if isinstance(network, ConvolutionalNetwork):
            network = network.resolve(self._sample_shape_)
        schedule = Schedule(
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            alpha=self.alpha,
            l1_ratio=self.l1_ratio,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            verbose=self.verbose,
        )
        code, net_params = Columns(), dict(self.net_params or {})
        parts = network, likelihood, None, code, None, net_params
        schedule = Schedule(*map(as_number, schedule))
        return Recipe(*parts, schedule, self.device, seed)

    def _sample(self, recipe, X, sample_weight, statistics=None):
        return Sample.of(
            X,
            weight=sample_weight,
            shape=recipe.shape_of(self._sample_shape_),
            check=recipe.likelihood.check,
            statistics=statistics,
            held_out=self.validation_fraction if self.early_stopping else None,
            seed=recipe.seed,
        )

    def _check_parameters(self):
        if reads_tables(self.likelihood):
            raise ValueError(
                "likelihood='mixed' is not for an AutoencoderFeatureSelector. Encode "
                "categories first, for instance with "
                "sklearn.preprocessing.OneHotEncoder, and use likelihood='gaussian'."
            )
        check_temperatures(self.temperatures)

    def _greedy(self, task):
        """Return the greedy choice, as many columns as are wanted."""
        x = task.drawn_target()
        x, n_features = x - x.mean(0), task.own.X.shape[1]
        wanted = as_number(self.n_features_to_select)
        if wanted == "auto":
            gains = greedy_columns(x, min(MAX_AUTO_COMPONENTS, n_features))[1]
            least = EXPLAINED_BY_AUTO * np.square(x).sum()
            wanted = min(np.searchsorted(gains.cumsum(), least) + 1, len(gains))
        elif not isinstance(wanted, Integral):
            wanted = max(1, int(wanted * n_features))
        return greedy_columns(x, wanted, best_ridge(x, wanted))[0]

    def _search(self, first, columns, seed, watch):
        """Train selectors that start at some columns, and return what they choose."""
        max_iter = as_number(self.max_iter)
        if max_iter == "auto":
            max_iter = max(1, round(STEPS / len(first.train)))
        code = Concrete(tuple(columns.tolist()), tuple(self.temperatures))
        params = {**first.recipe.net_params, "keep_on_interrupt": False}  # none are chosen
        recipe = _of_columns(first.recipe, code, max_iter)._replace(net_params=params)
        generator = torch.Generator().manual_seed(seed)
        sample = first.sample._replace(valid=None, generator=generator)
        with watch.part("search", max_iter) as part:
            task = trained(Task(recipe, sample, like=first), part)
        return task.net.module_.encoder.choice()

    def _decoders(self, choices, X, sample_weight, first, watch):
        """Train a decoder of each choice that differs; return names, Trained by columns."""
        trained, statistics = {}, first.sample.statistics
        max_iter = EPOCHS if self.max_iter == "auto" else as_number(self.max_iter)
        for name, columns in choices:
            columns = tuple(np.sort(columns).tolist())
            is_new = columns not in trained
            what = "decoder" if is_new else "the same columns"
            with watch.part(what, max_iter * is_new) as part:
                if not is_new:
                    continue
                recipe = _of_columns(first.recipe, Columns(columns), max_iter)
                sample = self._sample(recipe, X, sample_weight, statistics)
                task = Task(recipe, sample, like=first)
                trained[columns] = name, run(task, part)
            if task.net.interrupted_:
                tell(INTERRUPTED)
            if task.net.interrupted_ or watch.is_over:
                break
        return trained

    def _has_search(self, n, k, n_features):
        """Tell whether selectors are to look for better columns than the greedy ones."""
        if self.method == "auto":
            return k < n_features <= n and k * n_features <= LARGEST
        if self.method == "concrete" and k * n_features > LARGEST:
            raise ValueError(
                f"method='concrete' takes up to {LARGEST} logits, and "
                f"n_features_to_select={k} of {n_features} columns asks for "
                f"{k * n_features}. Use method='greedy' or fewer columns."
            )
        return self.method == "concrete"

    def _finish(self, trained):
        """Set what is fitted, from the choice that rebuilds held-out rows best."""
        columns = max(trained, key=lambda columns: trained[columns][1].explained[-1])
        self.chosen_by_, best = trained[columns]
        self.support_ = np.zeros(self.n_features_in_, dtype=bool)
        self.support_[list(columns)] = True
        self.n_features_to_select_ = len(columns)
        vars(self).update(best.curves())
        self._statistics_ = best.statistics
        explained = best.explained[0], best.explained[-1]
        remedy = remedies.less_freedom(best.recipe)
        for sign in (
            *signs.divergence(self.loss_curve_[-1:], explained[0]),
            *signs.overfitting(*explained, best.worse, remedy),
        ):
            sign = sign.replace("n_components", "n_features_to_select")
            tell(sign, ConvergenceWarning)

    # What a fitted selector does

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def transform(self, X):
        """Return the chosen columns of X, as they are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_new : {ndarray, sparse matrix} of shape (n_samples, n_features_to_select)
            The chosen columns in their order in X, of X's dtype.
        """
        check_is_fitted(self)
        return super().transform(self._check_shape(taken(X)))

    def inverse_transform(self, X):
        """Return all columns, rebuilt from the chosen ones by the trained decoder.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features_to_select)
            Chosen columns, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data: the chosen columns as they are in
            X, the others rebuilt; float32 if `fit` saw float32, else float64. Pictures
            have the shape that `fit` saw.
        """
        check_is_fitted(self)
        X = check_array(taken(X), accept_sparse="csr", dtype="numeric", input_name="X")
        if X.shape[1] != self.n_features_to_select_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but this {type(self).__name__} has chosen "
                f"n_features_to_select_={self.n_features_to_select_}."
            )
        return self._rebuilt(densify(X)).reshape(-1, *self._sample_shape_)

    def reconstruct(self, X):
        """Return X with all columns but the chosen ones rebuilt from those.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            The same as ``inverse_transform(transform(X))``.
        """
        X = densify(self._check_rows(X)[:, self.support_])
        return self._rebuilt(X).reshape(-1, *self._sample_shape_)

    def _rebuilt(self, chosen):
        """Return whole rows (n, d) from chosen columns (n, k), in data units."""
        module = self.net_.module_
        likelihood = module.likelihood
        rows = np.tile(self._statistics_.mean, (len(chosen), 1))
        rows[:, self.support_] = chosen
        standardize = partial(likelihood.standardize, check=False)
        apply(
            self.net_,
            module.reconstruct,
            rows,
            Stream(rows, standardize),
            finish=lambda mean, x: likelihood.restore(mean.numpy()),
        )
        rows[:, self.support_] = chosen
        return rows.astype(self._dtype_, copy=False)

    def score(self, X, y=None, sample_weight=None):
        """Return the share of the variance of all columns that the chosen ones explain.

        It is 1 - (sum of squared residuals) / (sum of squared distances to the training
        rows' means), both in units of the columns' standard deviations in training. The
        chosen columns are among them, and have no residual.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, best ones that `fit` has not seen.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            1 is perfect, 0 is no better than the mean, and there is no lower end.
        """
        X = self._check_rows(X)
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, X)
        statistics, sums = self._statistics_, np.zeros(2)
        varying = ~statistics.constant
        weight = np.divide(
            1, np.square(statistics.spread), out=np.zeros(len(varying)), where=varying
        )
        for rows, block in blocks(X):
            rebuilt = self._rebuilt(block[:, self.support_])
            for i, other in enumerate((rebuilt, statistics.centre)):
                square = np.square(block - other) @ weight
                sums[i] += (
                    square.sum() if sample_weight is None else sample_weight[rows] @ square
                )
        return float(1 - sums[0] / sums[1]) if sums[1] else 1.0

    def __sklearn_is_fitted__(self):
        """Tell whether `fit` has succeeded."""
        return "support_" in vars(self)

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: sparse input, and dtypes that are kept."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _of_columns(recipe, code, max_iter):
    """Return a recipe for a code of columns."""
    schedule = recipe.schedule._replace(max_iter=max_iter)
    return recipe._replace(code=code, n_components=len(code.columns), schedule=schedule)
