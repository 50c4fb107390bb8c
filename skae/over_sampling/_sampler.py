"""Over-sampling of small classes by an autoencoder, where it helps."""

from dataclasses import asdict, dataclass, field
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, _fit_context, clone
from sklearn.utils import InputTags, Tags, _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, validate_data

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.plain import Autoencoder
from skae._autoencoders.variational import VariationalAutoencoder
from skae._autoencoders.watched import Watched
from skae._codes.labels import UNLABELLED
from skae._data.containers import taken
from skae._data.rows import flatten
from skae._data.told import tell
from skae._params import Amount, Explaining, Versioned
from skae._training.runtime import all_or_nothing
from skae._training.usual import Apart
from skae.over_sampling._judge import judged
from skae.over_sampling._strategy import NAMES, asked, joined, labels_of, taken_of


class AutoencoderOverSampler(
    Apart, Explaining, Versioned, Watched, OneToOneFeatureMixin, BaseEstimator
):
    r"""Over-sampling of small classes, which leaves a class alone where it does harm.

    A new row is a row of its class, moved as its reconstruction moves when its code takes a
    random step:

    .. math:: \tilde x = x + d(z + h \, \epsilon) - d(z), \quad
        \epsilon \sim N(0, \Sigma_c), \quad
        h = \left( \frac{4}{(k + 2) \, n_c} \right)^{1 / (k + 4)}

    with the code z of x, k numbers wide, and the covariance :math:`\Sigma_c` of the codes
    of the class's :math:`n_c` rows: a smoothed bootstrap [1]_ along the surface that the
    autoencoder has learnt from all rows, where SMOTE [2]_ moves rows straight towards
    others. Values are such as could have been in their column of `X`: see
    `Autoencoder.augment`.

    More rows of a class do not tell more of it, and often classifiers learn less from them.
    So each class is judged first: on rows that neither the autoencoder nor a classifier has
    seen, a class gets new rows only if it is told from the others better with them, by more
    than the standard error, and by no classifier worse. It has the interface of
    imbalanced-learn's samplers, and stands in its pipelines, without needing it.

    Parameters
    ----------
    autoencoder : autoencoder of skae, default=None
        Cloned and fitted, on rows of all classes. With a `VariationalAutoencoder` of
        ``conditional=True`` rows are drawn from the class's own distribution instead [3]_.
        None takes `skae.Autoencoder`.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many rows classes have afterwards, as in imbalanced-learn: as many as the
        largest, for all classes but that ("auto", "not majority"), for all but the
        smallest ("not minority"), for the smallest ("minority") or for "all"; a share of
        the largest, for two classes; or a dict, or a function of y that returns one, of
        the number of rows by class.
    judge : bool, default=True
        Whether to judge, which takes `cv` more fits, or to give each class what
        `sampling_strategy` says.
    classifier : classifier, default=None
        What is to learn from the rows: the samples are judged by it. It is cloned, and gets
        rows as they are in `X`, and whether they are of the class. None takes three, a
        logistic regression, nearest neighbours and a random forest, which read rows as the
        autoencoder does: none of them may lose.
    scoring : str or callable, default="average_precision"
        What counts as better: a scorer of two classes, of which 1 is the one judged.
    cv : int, default=5
        Folds that judge. A class of fewer rows is left alone, with a warning.
    strength : float, default=1.0
        Factor of h. 0 repeats rows as they are.
    random_state : int, RandomState instance or None, default=None
        Source of folds, of steps, and of the autoencoder where it has none of its own.
    verbose : int, default=0
        Whether to print which fold judges, and the losses of autoencoders: 1 prints a line
        a second at most, and for the first and the last epoch; more prints one for each
        epoch.

    Attributes
    ----------
    sampling_strategy_ : dict
        How many new rows each class was to get.
    kept_classes_ : list
        The classes that got them.
    judged_ : dict
        For each class that was judged: the score `without` new rows and `with_samples`,
        the `gain` and its standard `error`, the gain of the classifier that gains least,
        `worst`, and the verdict, `is_kept`; a named tuple.
    autoencoder_ : estimator
        The fitted autoencoder; only if rows were made.
    n_features_in_ : int
        Number of features seen.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.

    See Also
    --------
    Autoencoder.augment : Varies rows in the same way.
    LatentSampler : Draws rows from the distribution of all.

    References
    ----------
    .. [1] Silverman (1986). Density estimation for statistics and data analysis. Chapman
       and Hall.
    .. [2] Chawla, Bowyer, Hall and Kegelmeyer (2002). SMOTE: synthetic minority
       over-sampling technique. Journal of Artificial Intelligence Research 16.
    .. [3] Kingma, Rezende, Mohamed and Welling (2014). Semi-supervised learning with deep
       generative models. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderOverSampler
    >>> X, y = load_wine(return_X_y=True)
    >>> X, y = X[:150], y[:150]  # 59, 71 and 20 rows of three classes
    >>> sampler = AutoencoderOverSampler(judge=False, random_state=0)
    >>> X_more, y_more = sampler.fit_resample(X, y)
    >>> np.bincount(y_more)
    array([71, 71, 71])
    """

    _parameter_constraints = {  # noqa: RUF012
        "autoencoder": [HasMethods(["fit", "augment"]), None],
        "sampling_strategy": [
            StrOptions({*NAMES}), Interval(Real, 0, 1, closed="right"), dict, callable
        ],
        "judge": ["boolean"],
        "classifier": [HasMethods(["fit", "predict"]), None],
        "scoring": [str, callable],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "strength": [Amount(closed="both")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }  # fmt: skip

    _examples = {"autoencoder": "skae.Autoencoder()"}  # noqa: RUF012

    def __init__(
        self,
        autoencoder=None,
        *,
        sampling_strategy="auto",
        judge=True,
        classifier=None,
        scoring="average_precision",
        cv=5,
        strength=1.0,
        random_state=None,
        verbose=0,
    ):
        self.autoencoder = autoencoder
        self.sampling_strategy = sampling_strategy
        self.judge = judge
        self.classifier = classifier
        self.scoring = scoring
        self.cv = cv
        self.strength = strength
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Judge the classes, as `fit_resample` does, whose rows are then left out.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as the autoencoder takes them.
        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self.fit_resample(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X, y):
        """Judge the classes, and return all rows and the new ones behind them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as the autoencoder takes them: an array, a DataFrame, a sparse matrix or
            pictures.
        y : array-like of shape (n_samples,)
            Their classes, of any type; or one column of zeros and ones for each class.

        Returns
        -------
        X_resampled : {array-like, sparse matrix} of shape (n_samples_new, n_features)
            In the container and the dtypes of `X`; a pandas index counts anew.
        y_resampled : array-like of shape (n_samples_new,)
            In the container and the dtype of `y`.

        Raises
        ------
        ValueError
            If a parameter, X or y cannot be: if y holds numbers, several columns or one
            class; with ``judge=False`` also if a class has one row.
        """
        with all_or_nothing(self):
            return self._fit_resample(X, y)

    def _fit_resample(self, X, y):
        labels, given, X = labels_of(y), X, taken(X)
        check_consistent_length(X, labels)
        if flatten(X)[1] is None:
            validate_data(self, X, skip_check_array=True)
        vars(self).pop("_skae_version_", None)  # of an earlier fit
        self.sampling_strategy_ = asked(self.sampling_strategy, labels)
        wanted = {c: n for c, n in self.sampling_strategy_.items() if n > 0}
        random_state = check_random_state(self.random_state)
        seed = int(random_state.randint(2**31 - 1))
        self._check_classes(wanted, labels)
        self.judged_, self.kept_classes_ = {}, [*wanted]
        watch = self._watch(given, y)
        make = _Maker(self._unfitted(seed), self.strength, seed, watch)
        watch.expect(self.cv * self.judge + 1)
        if self.judge:
            how = self.classifier, self.scoring, seed
            self.judged_ = judged(make, X, labels, wanted, self.cv, *how)
            self.kept_classes_ = [c for c, v in self.judged_.items() if v.is_kept]
        if not self.kept_classes_:
            watch.finish()
            return given, y
        self.autoencoder_, draw = make(X, labels, "all rows")
        if "n_features_in_" not in vars(self):
            self.n_features_in_ = self.autoencoder_.n_features_in_
        index = [np.arange(len(labels))]
        for c in self.kept_classes_:
            X = joined(X, draw(c, wanted[c]))
            index.append(np.full(wanted[c], np.flatnonzero(labels == c)[0]))
        watch.finish()
        return X, taken_of(y, np.concatenate(index))

    def _check_classes(self, wanted, labels):
        """Warn of classes of too few rows to be judged, or to vary."""
        counts = {c: int(np.count_nonzero(labels == c)) for c in wanted}
        few = {c: n for c, n in counts.items() if n < (self.cv if self.judge else 2)}
        if few and self.judge:
            tell(
                f"Classes of fewer rows than cv={self.cv}, {few}, cannot be judged and are "
                "left as they are. Lower cv, or pass judge=False."
            )
        elif few and not isinstance(self.autoencoder, VariationalAutoencoder):
            raise ValueError(
                f"y has one row of the classes {[*few]}: how rows vary is learnt from at "
                "least two. Leave them out of sampling_strategy, by a dict."
            )

    def _unfitted(self, seed):
        """Return a clone of the autoencoder, with a seed if it has none."""
        autoencoder = Autoencoder() if self.autoencoder is None else clone(self.autoencoder)
        if not isinstance(autoencoder, BaseAutoencoder):
            raise ValueError(
                "autoencoder must be one of skae's, such as skae.Autoencoder(). Got "
                f"{autoencoder!r}."
            )
        if autoencoder.random_state is None:
            autoencoder.set_params(random_state=seed)
        return autoencoder.set_params(verbose=max(autoencoder.verbose, self.verbose))

    def __sklearn_tags__(self):
        """Say what scikit-learn and imbalanced-learn may expect of X and y."""
        tags = super().__sklearn_tags__()
        inner = Autoencoder() if self.autoencoder is None else self.autoencoder
        tags.target_tags.required = True
        rows = _InputTags(**asdict(inner.__sklearn_tags__().input_tags))
        return _Tags("sampler", tags.target_tags, input_tags=rows)


class _Maker:
    """Fits an autoencoder to rows, and makes rows of their classes."""

    def __init__(self, autoencoder, strength, seed, watch):
        self.autoencoder, self.strength, self.seed = autoencoder, strength, seed
        self.watch = watch

    def __call__(self, X, labels, name="fold"):
        """Return a fitted autoencoder, and what draws n rows of a class."""
        ae, random_state = clone(self.autoencoder), np.random.RandomState(self.seed)
        is_told = isinstance(ae, VariationalAutoencoder) and ae.conditional
        names, places = np.unique(labels, return_inverse=True)
        # -1 is a class as any other here, and all classes are known
        has_names = not {UNLABELLED, str(UNLABELLED)} & {*names.tolist()}
        with self.watch.fitting(name, ae):
            ae.fit(X, labels if has_names else places)

        def draw(c, n):
            if is_told:
                y = c if has_names else names.tolist().index(c)
                return ae.sample(n, random_state, noise=True, y=y)
            own = _safe_indexing(X, np.flatnonzero(labels == c))
            index = random_state.randint(np.count_nonzero(labels == c), size=n)
            return ae.__skae_vary__(own, index, self.strength, random_state, among=X)

        return ae, draw


# What imbalanced-learn looks for in the tags of a sampler, which scikit-learn's have not


@dataclass(slots=True)
class _SamplerTags:
    sample_indices: bool = False


@dataclass(slots=True)
class _InputTags(InputTags):
    dataframe: bool = True


@dataclass(slots=True)
class _Tags(Tags):
    sampler_tags: _SamplerTags = field(default_factory=_SamplerTags)
