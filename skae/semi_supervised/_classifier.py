"""Classes from few labels: an autoencoder of all rows, a graph that teaches, and a head."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils._param_validation import StrOptions

from skae._autoencoders.adversarial import AdversarialAutoencoder
from skae._autoencoders.docs import documented
from skae._autoencoders.variational import VariationalAutoencoder
from skae._codes.adversarial import OF_LABELS
from skae._codes.labels import UNLABELLED, labelled
from skae._data.checks import check_fitted
from skae._data.graph import SPACES
from skae._training.runtime import all_or_nothing
from skae.semi_supervised._base import (
    LARGEST_SEED,
    BaseLabeller,
    check_lengths,
    is_targeted,
    learns_from_y,
    used_of,
    weights_of,
)
from skae.semi_supervised._lessons import ClassLessons
from skae.semi_supervised._teacher import Teacher
from skae.semi_supervised._training import check_way

TINY = 1e-300
PLENTY = 20  # labels a class, of which a network learns without a graph


@documented
@dataclass(kw_only=True, eq=False, repr=False)
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
    training : {"auto", "frozen", "fine-tune", "joint"}, default="auto"
        What is trained when classes are taught: the head alone ("frozen"), the encoder as
        well ("fine-tune"), or encoder and decoder, which goes on being taught to
        reconstruct ("joint"). "auto" fine-tunes, unless a third of the labels,
        held out for once, is predicted better with the encoder frozen by more than two
        standard errors; with fewer than 10 of them it fine-tunes. With "joint" a
        `skae.AdversarialAutoencoder` or a `skae.VariationalAutoencoder` is taught classes
        by its own semi-supervised form instead, ``n_clusters="labels"`` or
        ``conditional=True``; so it is with "auto" if that is set, which is not judged, and
        the other parameters play no part. Where no class is unknown, a
        `skae.VariationalAutoencoder` learns the rows alone. One whose codes are for y
        (``target_weight``) is told y, and "auto" then fine-tunes.
    graph : {"auto", "columns", "pixels", "deformation"} or None, default="auto"
        What rows are neighbours by: the columns (20 principal components of more than
        100), slightly blurred pixels, or slopes of the pixels that may be deformed a
        little. "auto" is "deformation" for pictures (n-d X, or an autoencoder of
        convolutions), else "columns", and nothing where a third of the rows or more are
        labelled, 20 or more for each class. None teaches the labelled rows alone.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes, {class: weight}, all positive; "balanced" weighs them by the
        inverse of their numbers of labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    training_scores_ : dict
        Mean log-likelihoods of labels that were held out, weighed as in training, by way
        of training; empty where it was not chosen by them.
    graph_ : str or None
        What rows are neighbours by, None if no graph has taught.
    graph_share_ : float
        Weight of the teachers, in [0, 1], in which the graph has a say.
    transduction_ : ndarray of shape (n_samples,)
        The classes of the training rows: as given, and else as the teacher has them.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        How probable these are.
    loss_curve_ : list of float
        Training loss in each epoch, in nats.

    See Also
    --------
    AutoencoderRegressor : Numbers instead of classes.
    skae.model_selection.LabelledKFold : Splits that test on labelled rows.
    sklearn.semi_supervised.LabelSpreading : A graph alone.

    Notes
    -----
    - In y, -1 marks rows of unknown class, as in `sklearn.semi_supervised`. It is a class
      where it can be nothing else: beside nothing but 1, with which it is a pair, or
      beside other negative numbers. `fit` warns of it, and `score` counts its rows.
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
    >>> X, y = load_digits().images[:400], load_digits().target[:400]
    >>> told = np.where(np.arange(400) < 40, y, -1)  # 360 of them are not labelled
    >>> classifier = AutoencoderClassifier(
    ...     training="fine-tune", max_iter=20, random_state=0
    ... ).fit(X, told)
    >>> bool(classifier.score(X[40:], y[40:]) > 0.85)
    True
    >>> classifier.graph_
    'deformation'
    """

    graph: str | None = "auto"
    class_weight: object = None

    _parameter_constraints: ClassVar[dict] = {
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
        labels, weight, class_weight = self._read(X, y, sample_weight)
        known = column_or_1d(y), labels
        rows, random_state, watch = self._begin(X, y, known, sample_weight)
        self.graph_, self.graph_share_ = None, 0.0
        if self._is_own_form(labels):
            self.training_, self.training_scores_ = "joint", {}
            self._finish(self.autoencoder_.net_)
            proba = self.autoencoder_.predict_proba(X)
        else:
            used, seeds = weight > 0, random_state.randint(LARGEST_SEED, size=2)
            part = used_of(rows, used), labels[used], weight[used]
            lessons, shape = self._lessons(*part, class_weight, int(seeds[0]))
            taught = self._learn(part[0], lessons, shape, int(seeds[1]), watch)
            proba, left = np.empty((len(labels), len(self.classes_))), np.ones_like(used)
            if taught.found is not None:
                proba[used], left = taught.found, ~used
                self.graph_, self.graph_share_ = lessons.teacher.space, taught.share
            if left.any():  # the head says what nobody has taught
                logits = self._outputs(self.net_, used_of(rows, left), len(self.classes_))
                proba[left] = softmax(logits, axis=1)
        told = labels >= 0
        proba[told] = np.eye(len(self.classes_))[labels[told]]
        self.label_distributions_ = proba
        self.transduction_ = self.classes_[proba.argmax(1)]
        watch.finish()

    def _read(self, X, y, sample_weight):
        """Return the places of classes (n,), -1 where unknown, and weights.

        Of the rows (n,), and of the classes (K,).
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Pass the class of each row, -1 where it is not known."
            )
        y = column_or_1d(y, warn=True)
        check_lengths(X, y)
        self.classes_, labels = labelled(y, len(y), None, "fit an autoencoder alone")
        weight = weights_of(sample_weight, y)
        counting = labels[(labels >= 0) & (weight > 0)]
        left = np.unique(counting)
        if len(left) < 2:
            names = self.classes_[left].tolist()
            raise ValueError(
                f"y: two classes or more are needed. Got {names}. Label rows of another "
                "class, too, with a positive sample_weight."
            )
        return labels, weight, self._weights_of(counting)

    def _weights_of(self, labels):
        """Return the weights of classes (K,), by the labels that count; positive."""
        given, found = self.class_weight, np.ones(len(self.classes_))
        if isinstance(given, dict):
            if not all(isinstance(w, Real) and 0 < w < np.inf for w in given.values()):
                raise ValueError(f"class_weight must hold positive numbers. Got {given!r}.")
            return compute_class_weight(given, classes=self.classes_, y=self.classes_)
        there = np.unique(labels)
        names = self.classes_[there]
        found[there] = compute_class_weight(given, classes=names, y=self.classes_[labels])
        return found

    def _is_own_form(self, labels):
        """Tell whether the autoencoder has learnt the classes itself."""
        autoencoder, code = self.autoencoder_, self.autoencoder_.net_.module_.code
        learns = isinstance(autoencoder, AdversarialAutoencoder) and (
            code.n_clusters == OF_LABELS
        )
        learns |= code.guesses_classes and (labels < 0).any()
        if not learns or self.training not in ("auto", "joint"):
            return False
        names = [a.classes_.tolist() for a in (autoencoder, self)]
        if names[0] != names[1] and self.training == "joint":
            raise ValueError(
                f"y holds the classes {names[1]}, and autoencoder was fitted to "
                f"{names[0]}. Pass it unfitted, or use training='fine-tune'."
            )
        return names[0] == names[1]

    def _pretrained(self, autoencoder, X, known, sample_weight):
        """Return an autoencoder fitted on all rows; on their classes, if it takes those.

        `known` is y, and the places of its classes (n,), -1 where unknown.
        """
        (y, labels), joint = known, self.training == "joint"
        if isinstance(autoencoder, AdversarialAutoencoder):
            if joint:
                autoencoder.set_params(n_clusters=OF_LABELS)
        elif isinstance(autoencoder, VariationalAutoencoder):
            # nobody tells it the classes of new rows, which it learns to guess of some
            wanted = (autoencoder.conditional or joint) and bool((labels < 0).any())
            autoencoder.set_params(conditional=wanted)
        if not learns_from_y(autoencoder):
            check_way(self.training, autoencoder.__skae_code__(X))
            return autoencoder.fit(X, sample_weight=sample_weight)
        if is_targeted(autoencoder):
            y = np.asarray(y).astype(object)  # classes, however many
        return autoencoder.fit(X, y, sample_weight=sample_weight)

    def _lessons(self, rows, labels, weight, class_weight, seed):
        """Return what rows (n, d) are taught by labels (n,), and what a graph is of."""
        graph, n_told = self.graph, (labels >= 0).sum()
        shape = self._picture_shape(ask=graph in ("pixels", "deformation"))
        if graph == "auto":  # which few other rows say little to
            graph = "columns" if shape is None else "deformation"
            is_plenty = n_told >= max(len(labels) / 3, PLENTY * len(self.classes_))
            graph = None if is_plenty else graph
        teacher = None
        if graph is not None and n_told < len(labels):
            teacher = Teacher(graph, shape, seed)
        points = None if teacher is None else self._points(rows)
        more = weight, class_weight, teacher, shape is not None
        return ClassLessons(labels, points, *more), shape

    # What a fitted one says of rows

    def _logits(self, X):
        """Return logits of the classes; (n, K) float64."""
        check_fitted(self)
        if self.net_ is self.autoencoder_.net_:
            self._check_rows(X)  # in our own name
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
            Their classes; rows of -1 are left out, unless that is one of `classes_`.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
        """
        check_fitted(self)
        y = column_or_1d(y)
        known = np.ones(len(y), dtype=bool)
        if UNLABELLED not in self.classes_.tolist():
            known = np.asarray(y != UNLABELLED)
        if not known.any():
            raise ValueError("y holds no class, only -1 for rows of unknown class.")
        weight = weights_of(sample_weight, y)[known]
        pairs = zip(self.predict(X)[known].tolist(), y[known].tolist(), strict=True)
        right = [guess == label for guess, label in pairs]  # of any type
        return float(np.average(right, weights=weight))
