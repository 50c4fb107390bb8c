"""The adversarial autoencoder."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils import ClassifierTags, check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._autoencoders.generating import Ask, GeneratingMixin
from skae._codes.adversarial import OF_LABELS, Adversarial
from skae._codes.normal import places
from skae._params import ONE_OR_MORE, Amount, check_option
from skae.priors import NAMED, drawn


def _has_clusters(self):
    """Tell whether the code has a part for clusters, or say how it gets one."""
    fitted = vars(self).get("net_")
    if not (fitted.module_.n_clusters if fitted else self.n_clusters is not None):
        raise AttributeError(
            f"This {type(self).__name__} has no clusters: n_clusters is or was None. "
            "Set n_clusters to their number, and fit."
        )
    return True


with_clusters = available_if(_has_clusters)


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class AdversarialAutoencoder(GeneratingMixin, BaseAutoencoder):
    r"""Autoencoder whose codes are distributed as a prior of one's choice.

    Beside the autoencoder an adversary learns to tell codes from draws of the prior p(z),
    and the encoder learns to be mistaken for it [1]_:

    .. math:: \min_{e, d} - \log p(x \mid d(e(x))), \quad
        \min_D \; - \log D(z) - \log(1 - D(e(x))), \quad
        \min_e \; - \log D(e(x)), \quad z \sim p(z)

    Each batch is trained on in these phases, each with an optimiser of its own. Codes then
    fill the prior without gaps, so that `sample` decodes draws of it. A prior can be
    anything that can be drawn from: no density is needed.

    With `n_clusters` the encoder also gives each row a cluster y, under an adversary of
    its own, and the code is :math:`z + W y`: style, and the place of the cluster.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Width of the code. "auto" takes what the prior draws, where that is of one width
        only, else the fewest standardised principal components that explain 90 % of the
        variance, at most 32 and as many at least as the prior's shape needs; None takes
        the network's natural size (the last of a dense network's `hidden_layer_sizes`).
    prior : str, prior object, density or callable, default="gaussian"
        What codes should be distributed as: "gaussian", "uniform", "mixture" (of normal
        distributions on a circle), "swiss_roll", one of `skae.priors`, a fitted density of
        scikit-learn with `sample` in a `sklearn.frozen.FrozenEstimator`, or a function
        ``prior(n_samples, random_state)`` that returns draws of shape
        (n_samples, n_components).
    n_clusters : int, "labels" or None, default=None
        Number of clusters; with them the estimator has `predict`, `predict_proba` and
        `labels_`. With "labels" the clusters are the classes of y, which `fit` then needs:
        rows of unknown class are marked -1, as in `sklearn.semi_supervised`; beside
        nothing but 1, or beside other negative numbers, that is a class, and `fit` warns.
    class_prior : array-like of shape (n_classes,), dict or None, default=None
        How frequent classes are among all rows, with ``n_clusters="labels"``: shares of sum
        1 in the sorted order of the classes, or by class. None finds them in the rows, as
        labels themselves hardly say: people often label as many rows of each class.
    cluster_init : {"graph", "kmeans", "random"} or clusterer, default="graph"
        The first guess at the clusters, of 10,000 rows at most and by their principal
        components, which the encoder is told in a phase of its own: by cutting the graph
        of nearest neighbours [2]_, by k-means, by any clusterer with `fit_predict`, or
        none ("random", as in [1]_: then many clusters may end up empty). Of the graph's
        cuts, by ties of several strengths, the cheapest for what it tells is taken. Where
        rows are pictures (X has more than two dimensions, or the network is
        convolutional), "graph" joins those that are alike up to small local deformations
        instead of principal components, and its clusters are joined from twice as many.
        With ``n_clusters="labels"`` and "graph" the labels are spread along the graph
        [5]_ and, but for pictures, by a logistic regression; with "random" the labels
        alone are told.
    learning_rate : float, default=0.002
        Largest step size of the reconstruction; as in `Autoencoder`.
    adversarial_learning_rate : float, default=0.002
        Largest step size of the adversaries, of the encoder against them, and of the
        clusters that are known; it rises and falls with `learning_rate`. The larger it is
        of the two, the closer codes come to the prior's shape, and the worse rows are
        rebuilt: 0.003, with ``learning_rate=5e-4`` and ``early_stopping=False``, is for
        priors of fine shapes.
    instance_noise : float, default=0.3
        Noise under which adversaries see codes and draws, in standard deviations of the
        prior's components (clusters' probabilities as they are). It falls to zero over the
        training [3]_. Without any, adversaries may tell codes from draws with such ease
        that the encoder learns nothing from them.
    code_activation : str, default="linear"
        Only "linear", as the prior says where codes may lie.

    Attributes
    ----------
    prior_ : object
        The prior that codes were trained to match, and that `sample` draws from.
    prior_distance_ : float
        How far codes of held-out rows (without any, of training rows; 1,024 at most) are
        from draws of the prior: the root of their energy coefficient [4]_, from 0, if they
        are alike, to 1. The coefficient is unbiased, and 0 where it is below. It sees
        location, scale and rough shape; fine shapes hardly change it.
    labels_ : ndarray of shape (n_samples,)
        Clusters of the training rows, those of labelled rows as they were given; only with
        `n_clusters`.
    cluster_count_ : ndarray of shape (n_clusters,)
        Training rows of each cluster in `labels_`, by their weight relative to the mean:
        `sample` draws clusters in these proportions. `partial_fit` adds to it. Only with
        `n_clusters`.
    cluster_centers_ : ndarray of shape (n_clusters, `n_components_`)
        What clusters add to the style, W: the code of a row is its style plus the centers
        weighted by `predict_proba`; only with `n_clusters`.
    classes_ : ndarray of shape (n_classes,)
        The classes of y; only if ``n_clusters="labels"``.

    See Also
    --------
    VariationalAutoencoder : A normal prior, a bound on log p(x), no adversary.
    LatentSampler : Learns what codes are distributed as, instead of saying so.
    sklearn.semi_supervised.LabelSpreading : Few labels and a graph, without a network.

    Notes
    -----
    `score_samples` is the conditional log p(x | z(x)), as that of `Autoencoder`: it does
    not judge how likely a code is under the prior.

    Held-out rows are judged by their reconstruction's loss per cell, plus the distance of
    their codes from the prior (and of their clusters from the shares that these had at
    first), plus what rows of known clusters cost in training. ``history_`` has the loss of
    each phase and epoch: "discriminator_loss" is 0.69, and 1.39 with clusters, where
    adversaries can only guess.

    With ``n_clusters="labels"`` all labelled rows are learnt from, the held-out ones among
    them. Labels are spread so that each class starts with the same mass. Clusters are
    expected to be as frequent as `class_prior` says, or as makes the rows without a label
    likeliest, given what neighbours and a logistic regression say of them [6]_, at least
    a tenth of an equal share: adversaries drive out what is rarer. A class
    that no label names is none: its rows are put into the others, and `fit` warns only if
    a twentieth of the rows or more hang together in the graph with no labelled one. A
    search may be scored by accuracy, in which rows marked -1 count as wrong; `score` stays
    the likelihood. The estimator is no classifier to scikit-learn, to which -1 would be a
    class: give a search a `sklearn.model_selection.StratifiedKFold` where folds should
    be alike.

    `fit` warns (`sklearn.exceptions.ConvergenceWarning`) of codes that do not match the
    prior, of adversaries that tell them apart with ease, of empty clusters, and of a
    reconstruction that is hardly better than the mean.

    References
    ----------
    .. [1] Makhzani, Shlens, Jaitly, Goodfellow and Frey (2016). Adversarial autoencoders.
       ICLR workshop. arXiv:1511.05644.
    .. [2] Zhang and Rohe (2018). Understanding regularized spectral clustering via graph
       conductance. NeurIPS.
    .. [3] Sønderby, Caballero, Theis, Shi and Huszár (2017). Amortised MAP inference for
       image super-resolution. ICLR.
    .. [4] Székely and Rizzo (2013). Energy statistics: a class of statistics based on
       distances. Journal of Statistical Planning and Inference 143(8), 1249-1272.
    .. [5] Zhou, Bousquet, Lal, Weston and Schölkopf (2004). Learning with local and global
       consistency. NeurIPS.
    .. [6] Saerens, Latinne and Decaestecker (2002). Adjusting the outputs of a classifier
       to new a priori probabilities. Neural Computation 14(1), 21-41.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AdversarialAutoencoder
    >>> X = load_digits().images[:500]  # (500, 8, 8)
    >>> aae = AdversarialAutoencoder(2, prior="swiss_roll", max_iter=20, random_state=0)
    >>> aae.fit(X).sample(5, random_state=0).shape
    (5, 8, 8)

    Clusters, and pictures of one cluster in five styles:

    >>> aae = AdversarialAutoencoder(4, n_clusters=10, max_iter=20, random_state=0)
    >>> labels = aae.fit_predict(X)
    >>> aae.sample(5, random_state=0, cluster=labels[0]).shape
    (5, 8, 8)
    """

    prior: object = "gaussian"
    n_clusters: int | str | None = None
    class_prior: object = None
    cluster_init: object = "graph"
    learning_rate: float = 2e-3
    adversarial_learning_rate: float = 2e-3
    instance_noise: float = 0.3

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "n_components": [ONE_OR_MORE, StrOptions({"auto"}), None],
        "code_activation": [StrOptions({"linear"})],
        "prior": [StrOptions(set(NAMED)), HasMethods(["sample"]), callable],
        "n_clusters": [
            ONE_OR_MORE,
            StrOptions({OF_LABELS}),
            None,
        ],
        "class_prior": ["array-like", dict, None],
        "cluster_init": [
            StrOptions({"graph", "kmeans", "random"}),
            HasMethods(["fit_predict"]),
        ],
        "adversarial_learning_rate": [Amount(closed="right")],
        "instance_noise": [Amount(closed="both")],
    }

    _code_class: ClassVar[type] = Adversarial

    def _further_rate(self):
        return self.adversarial_learning_rate

    def _partial_fit(self, X, y, sample_weight, X_clean=None):
        before = vars(self).get("cluster_count_")
        super()._partial_fit(X, y, sample_weight, X_clean)
        if before is not None:
            self.cluster_count_ = before + self.cluster_count_
        return self

    # Clusters

    def _named(self, place):
        return self.classes_[place] if "classes_" in vars(self) else place

    def _cluster_logits(self, X):
        X, ae = self._check_rows(X), self.net_.module_
        fn = partial(ae.code.style_and_logits, ae)
        return self._encode(X, lambda x: fn(x)[1], ae.n_clusters)

    @with_clusters
    def predict(self, X):
        """Return the cluster of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to put into clusters.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Integers from 0 to ``n_clusters - 1``, or classes with ``n_clusters="labels"``.
        """
        return self._named(self._cluster_logits(X).argmax(1))

    @with_clusters
    def predict_proba(self, X):
        """Return how probable each cluster is for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to put into clusters.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters), dtype float64
            Rows sum to 1. Adversaries drive them towards 0 and 1: they are not calibrated.
        """
        logits = self._cluster_logits(X).astype(np.float64)
        return torch.from_numpy(logits).softmax(1).numpy()

    @with_clusters
    def fit_predict(self, X, y=None, sample_weight=None):
        """Train the autoencoder and return the clusters of the same rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,), default=None
            The classes, if ``n_clusters="labels"``; else not used.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            `labels_`.
        """
        return self.fit(X, y, sample_weight).labels_

    @with_clusters
    def transform_style(self, X):
        """Return the styles of X: the codes without the places of the clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components), dtype float32
            Styles. ``inverse_transform(Z + cluster_centers_[c])`` shows them in cluster c.
        """
        X, ae = self._check_rows(X), self.net_.module_
        return self._encode(X, partial(ae.code.style, ae))

    # Generation

    def sample(
        self,
        n_samples=1,
        random_state=None,
        cluster=None,
        *,
        noise="auto",
        missing=False,
        return_cluster=False,
    ):
        """Generate rows: decode codes drawn from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of all that is drawn. The same integer gives the same styles in any
            cluster.
        cluster : int, class, array-like of shape (n_samples,) or None, default=None
            The cluster that rows are of, or each of them. None draws them as often as they
            were in training (`cluster_count_`). Only with `n_clusters`.
        noise : bool or "auto", default="auto"
            Whether to draw rows from p(x | z), or to return their means, as in
            `VariationalAutoencoder.sample`: "auto" draws in tables of
            ``likelihood="mixed"``, of counts, and of nothing but zeros and ones. Numbers
            that are drawn could have been in their column.
        missing : bool, default=False
            Whether cells are missing as they were in training, whatever a row holds.
        return_cluster : bool, default=False
            Whether to return the clusters, too; only with `n_clusters`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or DataFrame
            In the units of the training data. A DataFrame if `fit` saw one, of the same
            names; of the same dtypes, too, with ``likelihood="mixed"`` and where rows are
            drawn.
        cluster : ndarray of shape (n_samples,)
            The clusters, only if ``return_cluster=True``.
        """
        check_is_fitted(self)
        check_option("sample", "return_cluster", return_cluster, (True, False))
        random_state = check_random_state(random_state)
        margins, own = vars(self).get("_margins_"), self._own
        ask = Ask.of(n_samples, noise, missing, margins, own, random_state)
        n_clusters = self.net_.module_.n_clusters
        if n_clusters:
            cluster_state = np.random.RandomState(ask.seeds[1])
            place = self._places(cluster, n_samples, n_clusters, cluster_state)
        elif cluster is not None or return_cluster:
            name = "cluster" if cluster is not None else "return_cluster=True"
            raise ValueError(
                f"{name} is for n_clusters: this estimator was fitted without clusters."
            )
        codes = drawn(self.prior_, n_samples, self.n_components_, random_state)
        if n_clusters:
            codes = codes + self.cluster_centers_[place]
        X = self._generated(codes, ask)
        return (X, self._named(place)) if return_cluster else X

    def _own(self, n, random_state):
        """Return n codes as training had them; of no classes."""
        codes = drawn(self.prior_, n, self.n_components_, random_state)
        if n_clusters := self.net_.module_.n_clusters:
            place = self._places(None, n, n_clusters, random_state)
            codes = codes + self.cluster_centers_[place]
        return codes, None

    def _places(self, cluster, n_samples, n_clusters, random_state):
        """Return the places of clusters among all; (n_samples,)."""
        if cluster is None:
            share = self.cluster_count_ / self.cluster_count_.sum()
            return random_state.choice(n_clusters, n_samples, p=share)
        known = self._named(np.arange(n_clusters))
        cluster = np.asarray(cluster)
        if cluster.shape not in ((), (n_samples,)):
            raise ValueError(
                f"cluster must be one, or one for each of n_samples={n_samples}. Got shape "
                f"{cluster.shape}."
            )
        cluster = np.broadcast_to(cluster, (n_samples,))
        return places(known, cluster, "cluster", "cluster that is none")

    def __sklearn_tags__(self):
        """Say what scikit-learn may expect: a clusterer, if there are clusters."""
        tags = super().__sklearn_tags__()
        if self.n_clusters == OF_LABELS:
            tags.target_tags.required = True
        elif self.n_clusters is not None:
            tags.estimator_type = "clusterer"
        if self.n_clusters is not None:  # of `predict_proba`, as scikit-learn reads them
            tags.classifier_tags = ClassifierTags()
        return tags
