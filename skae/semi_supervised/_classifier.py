"""Classes from few labels: an autoencoder of all rows, a graph that teaches, and a head."""

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils._param_validation import StrOptions

from skae._autoencoders.adversarial import AdversarialAutoencoder
from skae._autoencoders.variational import VariationalAutoencoder
from skae._codes.adversarial import OF_LABELS
from skae._codes.labels import UNLABELLED, labelled
from skae._data.checks import check_fitted, check_weight
from skae._data.graph import SPACES
from skae._data.split import Told
from skae._data.told import tell
from skae._training.runtime import all_or_nothing
from skae.semi_supervised._base import LARGEST_SEED, BaseLabeller, check_lengths
from skae.semi_supervised._lessons import ClassLessons
from skae.semi_supervised._teacher import Teacher

TINY = 1e-300


class AutoencoderClassifier(ClassifierMixin, BaseLabeller):
    """Classes from few labels: an encoder learnt from all rows, and a head on its codes.

    An autoencoder is trained on all rows, labelled or not. Then labels are spread to the
    rows without one, by a graph of neighbours [1]_ and a logistic regression, each as far
    as labels that are left out speak for it. What comes of it teaches the encoder and a
    linear head on its codes [2]_, so that neither the graph nor the training rows are
    needed to predict. Neighbours among pictures are found by a distance that forgives small
    local deformations [3]_, and pictures are taught under slight shifts, turns and
    shears; tables with some cells swapped between rows.

    Parameters
    ----------
    autoencoder : autoencoder of this package, default=None
        What is trained on all rows: a clone, or itself if it is fitted. Inside of what
        clones (`cross_validate`, `GridSearchCV`) a fitted one has to be in a
        `sklearn.frozen.FrozenEstimator` to stay so. None takes `skae.Autoencoder()` for
        tables, and for pictures (n-d X) a `skae.ConvolutionalAutoencoder` of three levels
        of 16, 32 and 64 filters with windows of 5 pixels, for 10 epochs.
    training : {"auto", "frozen", "fine-tune", "joint"}, default="auto"
        What is trained when classes are taught: the head alone ("frozen"), the encoder as
        well ("fine-tune"), or encoder and decoder, which goes on being taught to
        reconstruct ("joint"). "auto" fine-tunes, unless a third of the labels, held out
        for once, is predicted better by more than its standard error with the encoder
        frozen; with fewer than 10 of them it fine-tunes. With "joint" a
        `skae.AdversarialAutoencoder` or a `skae.VariationalAutoencoder` is taught classes
        by its own semi-supervised form instead, ``n_clusters="labels"`` or
        ``conditional=True``; so it is with "auto" if that is set.
    graph : {"auto", "columns", "pixels", "deformation"} or None, default="auto"
        What rows are neighbours by: the columns (20 principal components of more than
        100), slightly blurred pixels, or slopes of the pixels that may be deformed a
        little. "auto" is "deformation" for pictures (n-d X, or an autoencoder of
        convolutions), else "columns", and nothing where at least a third of the rows are
        labelled. None teaches the labelled rows alone.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes, {class: weight}; "balanced" weighs them by the inverse of their
        numbers of labels.
    learning_rate : float, default=0.002
        Largest step size while classes are taught. It rises, stays and falls to zero.
    layer_decay : float, default=1.0
        In (0, 1]: by which each layer of the encoder learns slower than the one behind it,
        the last than the head.
    batch_size : int, default=128
        Rows in a step.
    max_iter : int or "auto", default="auto"
        Passes over the rows that are taught. "auto" makes 6, but at least 600 and at most
        3,000 steps.
    alpha : float, default=1e-4
        Strength of the penalty on the squares of the weights.
    device : str, default="auto"
        Where to teach: "auto" takes a CUDA device if there is one. The autoencoder has a
        parameter of its own.
    random_state : int, RandomState instance or None, default=None
        Source of the autoencoder's seed, where it has none, of shuffles and of noise.
    verbose : int, default=0
        Whether to print a line for each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    autoencoder_ : autoencoder
        The autoencoder of all rows, as it was before classes were taught.
    net_ : skorch.NeuralNet
        The net of encoder and head.
    training_ : str
        How it was trained.
    training_scores_ : dict
        Mean log-likelihoods of labels that were held out, by way of training; empty
        where it was not chosen by them.
    graph_ : str or None
        What rows are neighbours by, None if no graph has taught.
    graph_share_ : float
        Weight of the teachers, in [0, 1], in which the graph has a say.
    transduction_ : ndarray of shape (n_samples,)
        The classes of the training rows: as given, and else as the teacher has them.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        How probable these are.
    n_components_ : int
        Width of the code.
    n_iter_ : int
        Epochs in which classes were taught; an epoch goes over few rows several times.
    loss_curve_ : list of float
        Training loss in each of them, in nats.
    history_ : skorch.history.History
        What was recorded in each of them.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.

    See Also
    --------
    AutoencoderRegressor : Numbers instead of classes.
    skae.model_selection.LabelledKFold : Splits that test on labelled rows.
    sklearn.semi_supervised.LabelSpreading : A graph alone.

    Notes
    -----
    - In y, -1 marks rows of unknown class, as in `sklearn.semi_supervised`. Where y holds
      nothing but -1 and 1 they are a pair of classes, and `fit` warns of it.
    - Labels of a class count as much as those of another that has more of them, and
      classes are taken to be equally frequent only if about equally many rows of each are
      labelled. The shares of the labels themselves say little of the shares of classes.
    - The graph's time grows with the square of the rows: 10 CPU seconds of 20,000 rows, 4
      minutes of 100,000. ``graph=None`` needs none.
    - With one label a class nothing can be left out to judge by: pictures are taught by
      the graph alone, tables by graph and logistic regression alike. Which rows were
      labelled then matters much.

    References
    ----------
    .. [1] Zhou, Bousquet, Lal, Weston and Schölkopf (2004). Learning with local and
       global consistency. NeurIPS.
    .. [2] Hinton, Osindero and Teh (2006). A fast learning algorithm for deep belief nets.
       Neural Computation 18(7), 1527-1554.
    .. [3] Keysers, Deselaers, Gollan and Ney (2007). Deformation models for image
       recognition. IEEE Transactions on Pattern Analysis and Machine Intelligence 29(8).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderClassifier
    >>> X, y = load_digits().images[:600], load_digits().target[:600]
    >>> told = np.where(np.arange(600) < 50, y, -1)  # 550 of them are not labelled
    >>> classifier = AutoencoderClassifier(random_state=0).fit(X, told)
    >>> bool(classifier.score(X[50:], y[50:]) > 0.9)
    True
    >>> classifier.graph_, classifier.training_
    ('deformation', 'fine-tune')
    """

    def __init__(
        self,
        autoencoder=None,
        *,
        training="auto",
        graph="auto",
        class_weight=None,
        learning_rate=2e-3,
        layer_decay=1.0,
        batch_size=128,
        max_iter="auto",
        alpha=1e-4,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.autoencoder = autoencoder
        self.training = training
        self.graph = graph
        self.class_weight = class_weight
        self.learning_rate = learning_rate
        self.layer_decay = layer_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.alpha = alpha
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints = {  # noqa: RUF012
        **BaseLabeller._parameter_constraints,
        "graph": [StrOptions({"auto", *SPACES}), None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn the encoder from all rows, and the classes from those that have one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, labelled or not: whatever `autoencoder` takes, as it comes.
        y : array-like of shape (n_samples,)
            Their classes (numbers or texts), -1 where unknown. Texts with unknown ones
            among them come as an array of dtype object.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, labelled or not; of weight 0 not at all.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or y cannot be, before any training. The estimator is then
            what it was before the call.
        """
        with all_or_nothing(self):
            self._fit(X, y, sample_weight)
        return self

    def _fit(self, X, y, sample_weight):
        labels, weight = self._read(X, y, sample_weight)
        rows, random_state = self._begin(X, y, sample_weight)
        self.graph_, self.graph_share_ = None, 0.0
        if self._is_own_form(labels):
            self.training_, self.training_scores_ = "joint", {}
            self._finish(self.autoencoder_.net_)
            proba = self.autoencoder_.predict_proba(X)
        else:
            used, seeds = weight > 0, random_state.randint(LARGEST_SEED, size=2)
            part = rows[used], labels[used], weight[used]
            lessons, shape = self._lessons(*part, int(seeds[0]))
            taught = self._learn(part[0], lessons, shape, int(seeds[1]))
            proba = self.predict_proba(X)
            if taught.found is not None:
                proba[used] = taught.found
                self.graph_, self.graph_share_ = lessons.teacher.space, taught.share
        told = labels >= 0
        proba[told] = np.eye(len(self.classes_))[labels[told]]
        self.label_distributions_ = proba
        self.transduction_ = self.classes_[proba.argmax(1)]

    def _read(self, X, y, sample_weight):
        """Return the places of classes (n,), -1 where unknown, and weights (n,)."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Pass the class of each row, -1 where it is not known."
            )
        y = column_or_1d(y, warn=True)
        check_lengths(X, y)
        told = self._told(y)
        weight = np.ones(len(y))
        if sample_weight is not None:
            weight = check_weight(sample_weight, np.empty((len(y), 1)))
        labels, self.classes_ = told.labels, told.classes
        left = np.unique(labels[(labels >= 0) & (weight > 0)])
        if len(left) < 2:
            names = self.classes_[left].tolist()
            raise ValueError(
                f"y: two classes or more are needed. Got {names}. Label rows of another "
                "class, too, with a positive sample_weight."
            )
        return labels, weight

    @staticmethod
    def _told(y):
        """Return the `Told` of classes y (n,); -1 and 1 alone are a pair of them."""
        if y.dtype.kind in "iuf" and set(np.unique(y)) == {UNLABELLED, 1}:
            tell(
                "y: -1 and 1 alone are taken for two classes. If -1 marks rows of unknown "
                "class, label rows of another class than 1, too."
            )
            return Told(np.unique(y), labels=(y == 1).astype(int))
        classes, labels = labelled(y, len(y), None, "fit an autoencoder alone")
        return Told(classes, labels=labels)

    def _is_own_form(self, labels):
        """Tell whether the autoencoder has learnt the classes itself."""
        autoencoder = self.autoencoder_
        learns = isinstance(autoencoder, AdversarialAutoencoder) and (
            autoencoder.n_clusters == OF_LABELS
        )
        learns |= isinstance(autoencoder, VariationalAutoencoder) and (
            autoencoder.conditional and (labels < 0).any()
        )
        return learns and self.training in ("auto", "joint")

    def _pretrained(self, autoencoder, X, y, sample_weight):
        """Return an autoencoder fitted on all rows; on their classes, if it takes those."""
        takes = {AdversarialAutoencoder: ("n_clusters", OF_LABELS)}
        takes[VariationalAutoencoder] = "conditional", True
        for kind, (name, value) in takes.items():
            if isinstance(autoencoder, kind):
                if self.training == "joint":
                    autoencoder.set_params(**{name: value})
                if autoencoder.get_params()[name] == value:
                    return autoencoder.fit(X, y, sample_weight=sample_weight)
        return super()._pretrained(autoencoder, X, y, sample_weight)

    def _lessons(self, rows, labels, weight, seed):
        """Return what rows (n, d) are taught by labels (n,), and what a graph is of."""
        graph, n_told = self.graph, (labels >= 0).sum()
        shape = self._picture_shape(ask=graph in ("pixels", "deformation"))
        if graph == "auto":  # which few other rows say little to
            graph = "columns" if shape is None else "deformation"
            graph = graph if len(labels) > 3 * n_told else None
        teacher = None
        if graph is not None and n_told < len(labels):
            teacher = Teacher(graph, shape, seed)
        classes = self.classes_
        class_weight = compute_class_weight(
            self.class_weight, classes=classes, y=classes[labels[labels >= 0]]
        )
        more = weight, class_weight, teacher, shape is not None
        return ClassLessons(labels, self._points(rows), *more), shape

    # What a fitted one says of rows

    def _logits(self, X):
        """Return logits of the classes; (n, K) float64."""
        check_fitted(self)
        if self.net_ is self.autoencoder_.net_:
            return np.log(self.autoencoder_.predict_proba(X).clip(TINY))
        return self._outputs(self.net_, self._check_rows(X), len(self.classes_))

    def predict(self, X):
        """Return the class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        logits = self._logits(X)
        return self.classes_[logits.argmax(1)]

    def predict_proba(self, X):
        """Return how probable each class is for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), dtype float64
            In the order of `classes_`; rows sum to 1.
        """
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X):
        """Return the logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes), dtype float64
        """
        return log_softmax(self._logits(X), axis=1)

    def decision_function(self, X):
        """Return the head's outputs: how much speaks for each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples, n_classes) or (n_samples,)
            Logarithms of probabilities, up to a constant for each row; of two classes the
            second's less the first's.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on the rows whose class is known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their classes; rows of -1 are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
        """
        y = column_or_1d(y)
        known = np.asarray(y != UNLABELLED)
        if not known.any():
            raise ValueError("y holds no class, only -1 for rows of unknown class.")
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, np.empty((len(y), 1)))[known]
        pairs = zip(self.predict(X)[known].tolist(), y[known].tolist(), strict=True)
        right = [guess == label for guess, label in pairs]  # of any type
        return float(np.average(right, weights=sample_weight))
