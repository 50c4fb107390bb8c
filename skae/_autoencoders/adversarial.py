"""The adversarial autoencoder."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.utils import (
    ClassifierTags,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.base import MAX_AUTO_COMPONENTS, BaseAutoencoder
from skae._autoencoders.conditional import places
from skae._autoencoders.docs import documented
from skae._codes.adversarial import AdversarialModule
from skae._codes.clusters import Graph, first_clusters
from skae._data.checks import check_count
from skae._training import signs as _diagnostics
from skae._training.blocks import apply, padded
from skae._training.phases import (
    JUDGED_ROWS,
    AdversarialNet,
    Labelled,
    Target,
)
from skae.networks._start import code_size
from skae.priors import NAMED, as_prior, drawn

MEASURED = 2**14  # draws by which a prior's center and scale are measured
CLUSTERED_ROWS = 10_000  # that a first guess at the clusters is made of, at most
UNLABELLED = -1
OF_LABELS = "labels"


def _has_clusters(self):
    """Tell whether the code has a part for clusters, or say how it gets one."""
    fitted = getattr(self, "net_", None)
    if not (fitted.module_.n_clusters if fitted else self.n_clusters is not None):
        raise AttributeError(
            f"This {type(self).__name__} has no clusters: n_clusters is or was None. "
            "Set n_clusters to their number, and fit."
        )
    return True


with_clusters = available_if(_has_clusters)


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class AdversarialAutoencoder(BaseAutoencoder):
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
    prior : str, prior object, density or callable, default="gaussian"
        What codes should be distributed as: "gaussian", "uniform", "mixture" (of normal
        distributions on a circle), "swiss_roll", one of `skae.priors`, a fitted density of
        scikit-learn with `sample` in a `sklearn.frozen.FrozenEstimator`, or a function
        ``prior(n_samples, random_state)`` that returns draws of shape
        (n_samples, n_components).
    n_clusters : int, "labels" or None, default=None
        Number of clusters; with them the estimator has `predict`, `predict_proba` and
        `labels_`. With "labels" the clusters are the classes of y, which `fit` then needs:
        rows of unknown class are marked -1, as in `sklearn.semi_supervised`.
    cluster_init : {"graph", "kmeans", "random"} or clusterer, default="graph"
        The first guess at the clusters, of 10,000 rows at most and by their principal
        components, which the encoder is told in a phase of its own: by cutting the graph
        of nearest neighbours [2]_, by k-means, by any clusterer with `fit_predict`, or
        none ("random", as in [1]_: then many clusters may end up empty). With
        ``n_clusters="labels"`` and "graph" the labels are spread along the graph [5]_; with
        "random" the labels alone are told.
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
        Clusters of the training rows; only with `n_clusters`.
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
    them. Labels are spread so that each class starts with the same mass; clusters are
    expected to be as frequent as the labels are.

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

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AdversarialAutoencoder
    >>> X = load_digits().images  # (1797, 8, 8)
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
    cluster_init: object = "graph"
    learning_rate: float = 2e-3
    adversarial_learning_rate: float = 2e-3
    instance_noise: float = 0.3

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "code_activation": [StrOptions({"linear"})],
        "prior": [StrOptions(set(NAMED)), HasMethods(["sample"]), callable],
        "n_clusters": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({OF_LABELS}),
            None,
        ],
        "cluster_init": [
            StrOptions({"graph", "kmeans", "random"}),
            HasMethods(["fit_predict"]),
        ],
        "adversarial_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "instance_noise": [Interval(Real, 0, None, closed="left")],
    }

    _net_class: ClassVar[type] = AdversarialNet

    # Training

    def _labels(self, y, X, *, reset):
        if self.n_clusters != OF_LABELS or not (reset or hasattr(self, "classes_")):
            return None
        if y is None:
            if not reset:
                return np.full(X.shape[0], -1)
            raise ValueError(
                "n_clusters='labels' requires y to be passed, but the target y is None. "
                "Pass the class of each row, -1 where it is not known, or set n_clusters "
                "to a number."
            )
        y = column_or_1d(y)
        check_consistent_length(X, y)
        if y.dtype.kind in "US" and (y == str(UNLABELLED)).any():
            raise ValueError(
                "y holds the string '-1'. Mark rows of unknown class by the integer -1, in "
                "an array of dtype object."
            )
        if pd.isna(y).any():
            raise ValueError(
                "y has missing values. Mark rows of unknown class by -1 instead."
            )
        known = np.asarray(y != UNLABELLED)
        if reset:
            if not known.any():
                raise ValueError(
                    "y holds no class, only -1 for rows of unknown class. Label some rows, "
                    "or set n_clusters to a number."
                )
            named = y[known]
            if named.dtype == object:
                named = np.asarray(named.tolist())
            check_classification_targets(named)
            self.classes_ = np.unique(named)
        labels = np.full(len(y), -1)
        if known.any():
            named = y[known].astype(self.classes_.dtype)
            labels[known] = places(self.classes_, named, "y")
        return labels

    @property
    def _n_clusters(self):
        return len(self.classes_) if self.n_clusters == OF_LABELS else self.n_clusters or 0

    def _n_principal(self, likelihood):
        most = super()._n_principal(likelihood)
        return max(most, MAX_AUTO_COMPONENTS) if self.n_clusters else most

    def _auto_components(self, fitting):
        prior = as_prior(self.prior)
        wanted = super()._auto_components(fitting)
        return getattr(prior, "n_components", max(prior.n_shaped, wanted))

    def _more_structure(self):
        return {"n_clusters": self.n_clusters}

    def _target(self, fitting):
        prior, k = as_prior(self.prior), self._n_clusters
        wanted = self.n_components_ if fitting.warm else fitting.n_components
        if wanted is not None:
            self._check_prior(prior, wanted)
        if not k:
            return Target(prior, None, None)
        known = self._known_clusters(fitting, k)
        shares = torch.full((k,), 1 / k)
        if fitting.warm:
            shares = torch.from_numpy(self._cluster_shares_).float()
        elif fitting.labels is not None:
            given = torch.from_numpy(fitting.labels)[fitting.index]
            shares = torch.bincount(given[given >= 0], minlength=k).float()
        elif known is not None:
            shares = torch.bincount(known.cluster.cpu(), known.weight.cpu(), k).float()
        return Target(prior, (shares / shares.sum()).to(fitting.device), known)

    def _check_prior(self, prior, n_components):
        """Return what a prior's draws have as center and scale, if it can be drawn from."""
        if n_components < prior.n_shaped:
            raise ValueError(
                f"prior={self.prior!r} needs at least {prior.n_shaped} components. Got "
                f"n_components={n_components}."
            )
        draws = torch.from_numpy(drawn(prior, MEASURED, n_components, 0))
        return draws.mean(0), draws.std(0, correction=0)

    def _known_clusters(self, fitting, k):
        """Return the rows whose clusters the encoder is told, or None."""
        rows, index = fitting.own, fitting.index
        if fitting.labels is not None:
            index, cluster = self._spread_labels(fitting, k)
        elif self.cluster_init == "random":
            return None
        else:
            index = _some(index, CLUSTERED_ROWS, fitting.generator)
            cluster = self._guess(fitting, index, k)
            told = torch.isin(index, fitting.train.index)  # not those that judge
            index, cluster = index[told], cluster[told.numpy()]
        if not len(index):
            return None
        index = index.to(rows.device)
        weight = torch.ones(len(index), device=rows.device)
        if rows.weight is not None:
            weight = rows.weight[index]
        cluster = torch.from_numpy(cluster).to(rows.device)
        return Labelled(index, cluster, weight / weight.mean())

    def _spread_labels(self, fitting, k):
        """Return rows, all labelled ones among them, and their classes."""
        if self.cluster_init not in ("graph", "random"):
            raise ValueError(
                "cluster_init must be 'graph' or 'random' with n_clusters='labels', which "
                f"says what the clusters are. Got {self.cluster_init!r}."
            )
        labels = torch.from_numpy(fitting.labels)
        free = fitting.index[labels[fitting.index] < 0]
        known = fitting.index[labels[fitting.index] >= 0]
        if not len(known) and not fitting.warm:
            raise ValueError(
                "y: all rows of known class have a sample_weight of 0. Give some of them a "
                "positive weight, or set n_clusters to a number."
            )
        given = labels[known].numpy()
        # training that goes on in passes has no components to seek neighbours in
        if self.cluster_init == "random" or not (len(known) and len(free)):
            return known, given
        if fitting.one_pass and fitting.warm:
            return known, given
        free = _some(free, CLUSTERED_ROWS, fitting.generator)
        seeds = _some(torch.arange(len(known)), CLUSTERED_ROWS, fitting.generator)
        index = torch.cat([known[seeds], free])
        start = np.concatenate([given[seeds.numpy()], np.full(len(free), -1)])
        spread = Graph(self._points(fitting, index), k).spread(start)[len(seeds) :]
        reached = spread.max(1) > 0
        index = torch.cat([known, free[torch.from_numpy(reached)]])
        return index, np.concatenate([given, spread.argmax(1)[reached]])

    def _points(self, fitting, index):
        """Return rows as principal components, to seek neighbours in; (m, 32 at most)."""
        x, principal = fitting.own.take(index.to(fitting.own.device)), fitting.principal
        inputs = fitting.likelihood.embed(x).cpu().double().numpy()
        return (inputs - principal.center) @ principal.components[:MAX_AUTO_COMPONENTS].T

    def _guess(self, fitting, index, k):
        """Return the clusters of rows before training, or before it goes on; (m,)."""
        if fitting.warm:
            module = fitting.estimator.net_.module_.eval()
            with torch.inference_mode():
                parts = fitting.own.take(index.to(fitting.own.device)).split(1024)
                return (
                    torch.cat([module.parts(x)[1].argmax(1) for x in parts]).cpu().numpy()
                )
        if len(index) < k:
            raise ValueError(
                f"n_clusters={k} is more than the {len(index)} rows to be clustered. Use "
                "fewer clusters or more rows."
            )
        points = self._points(fitting, index)
        return first_clusters(points, k, self.cluster_init, fitting.seed).astype(np.int64)

    def _build_module(self, network, likelihood, n_components, principal):
        k = self._n_clusters
        if getattr(network, "tied_weights", False) and k:
            raise ValueError(
                "network: tied_weights=True is not for n_clusters, as the encoder then "
                "returns more than the code. Use tied_weights=False."
            )
        natural = n_components is None
        if natural:
            encoder, _ = principal.build(network, likelihood, None, None)
            n_components = code_size(encoder, likelihood.n_inputs)
        center, scale = self._check_prior(as_prior(self.prior), n_components)
        down, up = principal.whitened_starts(likelihood, n_components, k)
        if k:  # clusters start nearly alike
            noise = torch.randn(k, likelihood.n_inputs, generator=principal.generator)
            if self.cluster_init != "random":  # and are soon told which they are
                noise *= 0.1
            down.encoder_weight[-k:] = noise.numpy() / likelihood.n_inputs**0.5
            encoder, _ = principal.build(network, likelihood, n_components + k, down)
            _, decoder = principal.build(network, likelihood, n_components, up)
        else:
            width = None if natural else n_components
            encoder, decoder = principal.build(network, likelihood, width, up)
        return AdversarialModule(
            encoder, decoder, likelihood, center, scale, k, principal.generator
        )

    def _more_tuning(self):
        return {
            "adversarial_lr": self.adversarial_learning_rate,
            "instance_noise": self.instance_noise,
        }

    def _shortfalls(self, fitting):
        net = fitting.net
        yield from _diagnostics.explains_nothing(
            fitting.explained[0], "Lower adversarial_learning_rate, or raise max_iter"
        )
        loss = net.history[-1]["discriminator_loss"] / len(net.module_.adversaries())
        n_judged = min(JUDGED_ROWS, len(self._judges(fitting).index))
        yield from _diagnostics.prior_missed(fitting.apart[0], n_judged, loss)
        if net.module_.n_clusters:
            remedy = "Use fewer n_clusters or another cluster_init"
            if self.n_clusters == OF_LABELS:
                remedy = "Label more rows of each class"
            yield from _diagnostics.empty_clusters(
                fitting.n_used, net.module_.n_clusters, remedy
            )

    @staticmethod
    def _judges(fitting):
        """Return the rows whose codes are compared with the prior."""
        return fitting.train if fitting.valid is None else fitting.valid

    def _more_attributes(self, module, fitting):
        fitting.apart = fitting.net.apart(fitting.job, self._judges(fitting))
        more = {
            "prior_": fitting.target.prior,
            "prior_distance_": fitting.apart[0] ** 0.5,
        }
        if module.n_clusters:
            logits = _logits(module, fitting.own.X, fitting.block, fitting.device)
            place = logits.argmax(1)
            fitting.n_used = len(np.unique(place))
            more["labels_"] = self._named(place)
            shares = fitting.target.cluster_shares.cpu().double().numpy()
            more["_cluster_shares_"] = shares / shares.sum()
            more["cluster_centers_"] = (
                (module.heads.weight * module.scale).detach().cpu().numpy()
            )
        return more

    # Clusters

    def _named(self, place):
        return self.classes_[place] if hasattr(self, "classes_") else place

    def _cluster_logits(self, X):
        X = self._check_rows(X)
        return _logits(self.net_.module_, X, self._block_rows_, self.net_.device)

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
        return self._encode(self._check_rows(X), self.net_.module_.style)

    # Generation

    def sample(self, n_samples=1, random_state=None, cluster=None):
        """Generate rows: decode codes drawn from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of the codes. The same integer gives the same styles in any cluster.
        cluster : int, class, array-like of shape (n_samples,) or None, default=None
            The cluster that rows are of, or each of them. None draws them as often as they
            were in training. Only with `n_clusters`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or DataFrame
            In the units of the training data, as `inverse_transform` returns them.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        random_state = check_random_state(random_state)
        k = self.n_components_
        codes = drawn(self.prior_, n_samples, k, random_state)
        n_clusters = self.net_.module_.n_clusters
        if n_clusters:
            place = self._places(cluster, n_samples, n_clusters, random_state)
            codes = codes + self.cluster_centers_[place]
        elif cluster is not None:
            raise ValueError(
                "cluster is for n_clusters: this estimator was fitted without clusters."
            )
        return self.inverse_transform(codes)

    def _places(self, cluster, n_samples, n_clusters, random_state):
        """Return the places of clusters among all; (n_samples,)."""
        if cluster is None:
            return random_state.choice(n_clusters, n_samples, p=self._cluster_shares_)
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


def _some(index, n, generator):
    """Return an index, or n of its entries at random, in order."""
    if len(index) <= n:
        return index
    return index[torch.randperm(len(index), generator=generator)[:n].sort().values]


def _logits(module, X, block, device):
    """Return the clusters' logits of rows X, by blocks; (n, K)."""
    out = np.empty((X.shape[0], module.n_clusters), dtype=np.float32)
    standardize = module.likelihood.standardize
    return apply(lambda x: module.parts(x)[1], padded(X, block, standardize), device, out)
