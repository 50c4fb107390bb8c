"""The variational autoencoder."""

from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skae._autoencoders.base import BaseAutoencoder
from skae._autoencoders.docs import documented
from skae._autoencoders.generating import Ask, GeneratingMixin
from skae._autoencoders.inference import by_steps, on_the_way
from skae._codes.labels import marks_unknown
from skae._codes.normal import (
    Normal,
    log_mean_at_once,
    log_mean_of_weights,
    mean_of_log_prob,
    one_hot,
    places,
    spread_noise,
)
from skae._codes.semisupervised import SemiSupervised, some_hot
from skae._data.checks import check_count
from skae._losses import normal_kl
from skae._params import ONE_OR_MORE, Amount, check_option
from skae._training.blocks import Stream, apply

N_SAMPLES = 128  # codes of a row, by which it is scored


def _guesses(self):
    """Tell whether classes are guessed, or raise what has to be so for that."""
    if not vars(self).get("_guesses_", False):
        raise AttributeError(
            "Classes are predicted with conditional=True, if fit has seen rows of unknown "
            "class, -1 in y. For classes of fully labelled rows there is "
            "skae.AutoencoderClassifier."
        )
    return True


with_guesses = available_if(_guesses)


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class VariationalAutoencoder(GeneratingMixin, BaseAutoencoder):
    r"""Autoencoder with a prior on its codes: it scores and generates rows.

    An encoder gives each row a normal distribution of codes, q(z | x) = N(m(x), s(x)²),
    a decoder gives each code a distribution of rows, and both are trained to raise the
    evidence lower bound on log p(x) [1]_, [2]_:

    .. math:: \log p(x) \ge \mathbb{E}_{q(z \mid x)} \left[ \log p(x \mid z) \right]
        - \beta \, \mathrm{KL}\left( q(z \mid x) \,\|\, N(0, I) \right), \quad \beta = 1

    It is to `sklearn.decomposition.FactorAnalysis` what an autoencoder is to PCA, and
    with ``network=()`` it is factor analysis. The Gaussian likelihood's noise is learnt
    along with the weights: for each column of a table, for each channel of pictures.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of the KL term [3]_. Larger values make the codes' components more
        independent and reconstructions worse.
    objective : {"kl", "tc", "factor"}, default="kl"
        What `beta` weighs: "kl" the KL term as a whole, "tc" and "factor" only the part of
        it that is the total correlation, the dependence of the code's components: the cost
        is ``KL + (beta - 1) * TC``. "tc" estimates it from the batch (beta-TCVAE [8]_),
        "factor" by a discriminator that is trained alongside (FactorVAE [9]_, whose gamma
        is ``beta - 1``). With four or more components that carry much, the estimate of
        "tc" hardly sees whether they depend on one another, in batches of any usual size:
        the published estimator's limit. Use "factor" there.
    kl_warm_up : float, default=0.25
        Share of the epochs in which `beta` (or `capacity`) rises from 0 to its value, in
        [0, 1). Held-out rows are judged by the final objective all the time.
    free_bits : float, default=0.0
        KL in nats that each component may spend for nothing [4]_, as the mean over a
        batch: a remedy for components that carry nothing.
    capacity : float or None, default=None
        KL in nats that the code is to carry [5]_: the cost is then
        ``beta * |KL - capacity|``, and needs a larger `beta`. None does not aim at any.
    n_importance_samples : int, default=1
        Codes that are drawn for each row in training. With more than one the
        importance-weighted bound is trained [6]_, which is closer to log p(x) and costs
        as many times more; it knows no other `beta` than 1.
    alpha : float, default=0.0
        Strength of a penalty on the weights, as in `Autoencoder`. It is 0 here, as the
        prior is what holds the code: small weights ask for codes that are larger than
        the prior's, and samples then fall between them.
    conditional : bool, default=False
        Whether encoder and decoder are told the class y of each row [7]_, so that rows of
        a class can be generated and the code need not carry it. `fit` then needs y, and
        so does whatever encodes or decodes. -1 in y marks rows of unknown class, as in
        `sklearn.semi_supervised` (strings and -1 together are an array of dtype object);
        it is a class where it can be nothing else: beside nothing but 1, with which it
        is a pair, or beside other negative numbers. With rows of unknown class the
        semi-supervised model [7]_ is trained: their classes are summed over, a classifier
        q(y | x) is learnt along (`predict`, `predict_proba`), and stands in where
        encoding is not told the class. The first call of `partial_fit` has to hold all
        classes, and a row of unknown class if later ones do.

    Attributes
    ----------
    active_units_ : ndarray of shape (`n_components_`,), dtype bool
        Which components carry something: those whose posterior mean has a variance
        above 0.01 over the rows [6]_.
    classes_ : ndarray of shape (n_classes,)
        The classes of y; only if ``conditional=True``.
    class_count_ : ndarray of shape (n_classes,)
        Training rows of each class, by their weight relative to the mean; of those of
        unknown class as many as are likely to be of each. Only if ``conditional=True``.

    See Also
    --------
    sklearn.decomposition.FactorAnalysis : The linear case.
    Autoencoder : Without a prior: reconstructs better, cannot generate.

    Notes
    -----
    `transform` returns the posterior mean: the same code in each call. With
    ``network="auto"`` and with ``network=()`` training starts at probabilistic PCA, the
    others start at random.

    `fit` warns (`sklearn.exceptions.ConvergenceWarning`) of collapse: of fewer than a
    quarter of the components being active, or of a reconstruction that is hardly better
    than the mean.

    References
    ----------
    .. [1] Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.
    .. [2] Rezende, Mohamed and Wierstra (2014). Stochastic backpropagation and
       approximate inference in deep generative models. ICML.
    .. [3] Higgins et al. (2017). beta-VAE: learning basic visual concepts with a
       constrained variational framework. ICLR.
    .. [4] Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016). Improved
       variational inference with inverse autoregressive flow. NeurIPS.
    .. [5] Burgess et al. (2018). Understanding disentangling in beta-VAE.
       arXiv:1804.03599.
    .. [6] Burda, Grosse and Salakhutdinov (2016). Importance weighted autoencoders. ICLR.
    .. [7] Kingma, Rezende, Mohamed and Welling (2014). Semi-supervised learning with deep
       generative models. NeurIPS.
    .. [8] Chen, Li, Grosse and Duvenaud (2018). Isolating sources of disentanglement in
       variational autoencoders. NeurIPS.
    .. [9] Kim and Mnih (2018). Disentangling by factorising. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> X = load_digits().images  # (1797, 8, 8)
    >>> vae = VariationalAutoencoder(8, max_iter=20, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 8)
    >>> vae.sample(5, random_state=0).shape
    (5, 8, 8)
    >>> bool(vae.score(X) > vae.elbo(X).mean())
    True
    """

    beta: float = 1.0
    objective: str = "kl"
    kl_warm_up: float = 0.25
    free_bits: float = 0.0
    capacity: float | None = None
    n_importance_samples: int = 1
    alpha: float = 0.0
    conditional: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "code_activation": [StrOptions({"linear"})],
        "beta": [Amount(closed="both")],
        "objective": [StrOptions({"kl", "tc", "factor"})],
        "kl_warm_up": [Interval(Real, 0, 1, closed="left")],
        "free_bits": [Amount(closed="both")],
        "capacity": [Amount(closed="both"), None],
        "n_importance_samples": [ONE_OR_MORE],
        "conditional": ["boolean"],
    }

    __metadata_request__transform: ClassVar[dict] = {"return_std": UNUSED}

    @property
    def _code_class(self):
        """The code: classes are told, or told of some rows and guessed of the others."""
        return SemiSupervised if self._guesses else Normal

    @property
    def _guesses(self):
        """Whether classes are guessed of rows, as training had some of unknown class."""
        return vars(self).get("_guesses_", False)

    # Fitting

    def __skae_begin__(self, X, y=None, sample_weight=None, **kwargs):
        """Return the recipe and the sample, and count the classes."""
        if not kwargs.get("warm"):
            self._guesses_ = self.conditional and y is not None and marks_unknown(y)
        recipe, sample = super().__skae_begin__(X, y, sample_weight, **kwargs)
        if self.conditional and not self._guesses:
            told, index = sample.told.known[0].double().numpy(), sample.index.numpy()
            weight = np.ones(len(told)) if sample.weight is None else sample.weight
            count = weight[index] @ told[index] / weight[index].mean()
            if kwargs.get("warm") and kwargs.get("one_pass"):
                count = count + self.class_count_
            self.class_count_ = count
        return recipe, sample

    def _partial_fit(self, X, y, sample_weight, X_clean=None):
        before = vars(self).get("class_count_")
        super()._partial_fit(X, y, sample_weight, X_clean)
        if self._guesses and before is not None:
            self.class_count_ = before + self.class_count_
        return self

    # What a trained one knows of rows

    @with_guesses
    def predict_proba(self, X):
        """Return how probable each class is for each row, by q(y | x).

        Only if training had rows of unknown class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), dtype float64
            In the order of `classes_`; rows sum to 1.
        """
        X, ae = self._check_rows(X), self.net_.module_
        logits = self._encode(X, partial(ae.code.class_logits, ae), ae.n_classes)
        return torch.from_numpy(logits.astype(np.float64)).softmax(1).numpy()

    @with_guesses
    def predict(self, X):
        """Return the likeliest class of each row, by q(y | x).

        Only if training had rows of unknown class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Some of `classes_`.
        """
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _codes(self, X, y=None):
        return self._posterior(X, y)[0]

    def _posterior(self, X, y):
        """Return the posterior means and log-variances of X."""
        X, k, ae = self._check_rows(X), self.n_components_, self.net_.module_

        def posterior(*told):
            return torch.cat(ae.code.posterior(ae, *told), 1)

        out = self._encode(X, posterior, 2 * k, self._some_told(y, X.shape[0]))
        return out[:, :k], out[:, k:]

    def __skae_classes__(self, y, n, random_state):
        """Return the classes of n rows: y, or drawn as often as they were; or None."""
        if "classes_" not in vars(self):
            return super().__skae_classes__(y, n, random_state)
        if y is None:
            share = self.class_count_ / self.class_count_.sum()
            return random_state.choice(self.classes_, n, p=share)
        y = np.full(n, y) if np.ndim(y) == 0 else column_or_1d(y)
        if len(y) != n:
            raise ValueError(
                f"y must be a class, or one for each of n_samples={n}. Got {len(y)}."
            )
        places(self.classes_, y, "y")
        return y

    @property
    def _n_told(self):
        return len(vars(self).get("classes_", ()))

    def _told(self, y, n):
        if "classes_" not in vars(self):
            return super()._told(y, n)
        return (Stream(one_hot(self.classes_, y, n)),)

    def _some_told(self, y, n):
        """Return what goes beside n rows that are encoded, whose class may be guessed."""
        if not self._guesses:
            return self._told(y, n)
        return (Stream(some_hot(self.classes_, y, n)),)

    def transform(self, X, return_std=False, y=None):
        """Return the codes of X: the posterior means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        return_std : bool, default=False
            Whether to return the posterior standard deviations too.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed, unless training had
            rows of unknown class: None, or -1 for some, takes q(y | x) in place of it.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components), dtype float32
            The codes. A row's code depends on that row alone.
        std : ndarray of shape (n_samples, n_components), dtype float32
            Only if ``return_std=True``.
        """
        check_option("transform", "return_std", return_std, (True, False))
        mean, log_variance = self._posterior(X, y)
        mean = np.ascontiguousarray(mean)
        return (mean, np.exp(0.5 * log_variance)) if return_std else mean

    def fit_transform(self, X, y=None, **fit_params):
        """Train the autoencoder and return the codes of the same rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,), default=None
            The classes, if ``conditional=True``; else not used.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components), dtype float32
            The codes.
        """
        if not self.conditional:
            return super().fit_transform(X, y, **fit_params)
        return self.fit(X, y, **fit_params).transform(X, y=y)

    def encode_samples(self, X, n_samples=1, random_state=None, y=None):
        """Draw codes of X from their posteriors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        n_samples : int, default=1
            Codes for each row.
        random_state : int, RandomState instance or None, default=None
            Source of the codes.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed, unless training had
            rows of unknown class: None, or -1 for some, takes q(y | x) in place of it.

        Returns
        -------
        Z : ndarray of shape (len(X), n_samples, n_components), dtype float32
            The codes.
        """
        check_count("n_samples", n_samples)
        mean, log_variance = self._posterior(X, y)
        shape = len(mean), n_samples, self.n_components_
        noise = check_random_state(random_state).standard_normal(shape)
        std = np.exp(0.5 * log_variance)
        return (mean[:, None] + std[:, None] * noise).astype(np.float32)

    def kl_divergence(self, X, y=None):
        """Return the KL divergence of each row's posterior from the prior.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed, unless training had
            rows of unknown class: None, or -1 for some, takes q(y | x) in place of it.

        Returns
        -------
        kl : ndarray of shape (n_samples, n_components), dtype float64
            In nats, component by component: their sum over a row is the row's.
        """
        mean, log_variance = self._posterior(X, y)
        pair = (torch.from_numpy(a.astype(np.float64)) for a in (mean, log_variance))
        return normal_kl(*pair).numpy()

    def inverse_transform(self, X, y=None):
        """Return the reconstructions of codes, in the units of the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features) or DataFrame
            Reconstructions: float32 if `fit` saw float32, else float64. Pictures
            have the shape that `fit` saw. Where the likelihood is mixed, a DataFrame if
            `fit` saw one, of the same names and dtypes.
        """
        Z = self._check_codes(X)
        return self._decode(Z, self._told(y, len(Z)))

    def reconstruct(self, X, mask=None, y=None):
        """Return X encoded and decoded, in the units of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.
        mask : array-like of bool, of X's shape or of one sample's, default=None
            Cells to fill in, as in `Autoencoder.reconstruct`. None reconstructs all.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed, unless training had
            rows of unknown class: None, or -1 for some, takes q(y | x) in place of it.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            The same as ``inverse_transform(transform(X), y)``, without a mask.
        """
        rows = self._check_rows(X, ensure_all_finite=mask is None)
        fn, told = self.net_.module_.reconstruct, self._some_told(y, rows.shape[0])
        return self._rebuild(rows, mask, fn, X, told)

    def interpolate(self, A, B, n_steps=10, kind="straight", y=None):
        """Return the decoded way between the codes of A and of B.

        Parameters
        ----------
        A, B : array-like of shape (n_samples, n_features)
            The rows to start from and to arrive at, pair by pair.
        n_steps : int, default=10
            Number of points on the way, both ends included.
        kind : {"straight", "spherical"}, default="straight"
            Whether the codes lie on a line or on an arc around the origin, which keeps
            them at a distance from it that is usual under the prior.
        y : array-like of shape (n_samples,) or a class, default=None
            The class of each pair; only if ``conditional=True``, and then needed.

        Returns
        -------
        X : ndarray of shape (n_samples, n_steps, n_features) or DataFrame
            Reconstructions, in the units of the training data. A DataFrame holds the
            `n_steps` rows of the first pair, then those of the next.
        """
        codes = on_the_way(lambda X: self._posterior(X, y)[0], A, B, n_steps, kind)
        if y is not None and np.ndim(y):
            y = np.repeat(np.asarray(y), n_steps)
        X = self.inverse_transform(codes.reshape(-1, self.n_components_), y)
        return by_steps(X, codes.shape[:2])

    def elbo(self, X, n_samples=N_SAMPLES, y=None):
        """Return the evidence lower bound on log p(x) of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=128
            Codes over which the mean of log p(x | z) is taken; the same noise serves
            each row and each call.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed: the bound is on
            log p(x | y). If training had rows of unknown class, None, or -1 for some, asks
            for log p(x), all classes being as probable.

        Returns
        -------
        elbo : ndarray of shape (n_samples,), dtype float64
            In nats and the units of the data.
        """
        check_count("n_samples", n_samples)

        def bound(y):
            expected = self._over_codes(X, n_samples, y, mean_of_log_prob)
            return expected - self.kl_divergence(X, y).sum(1)

        return self._over_classes(bound, y)

    def score_samples(self, X, n_samples=N_SAMPLES, y=None):
        """Return the importance-weighted bound on log p(x) of each row.

        It is a lower bound in the mean, never below `elbo`'s, and tends to log p(x) as
        `n_samples` grows (Burda et al., 2016).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        n_samples : int, default=128
            Importance samples; the same noise serves each row and each call, so that a
            row's score depends on that row alone.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``, and then needed: the bound is on
            log p(x | y). If training had rows of unknown class, None, or -1 for some, asks
            for log p(x), all classes being as probable.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            In nats and the units of the data; higher is more normal. With the Bernoulli
            likelihood and values between 0 and 1 it is no log-density.
        """
        check_count("n_samples", n_samples)

        def bound(y):
            return self._over_codes(X, n_samples, y, log_mean_of_weights)

        return self._over_classes(bound, y)

    def score(self, X, y=None, sample_weight=None):
        """Return the mean of `score_samples`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,), default=None
            The classes, if ``conditional=True``; else not used.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            Mean bound on a row's log-likelihood, in nats.
        """
        scores = self.score_samples(X, y=y if "classes_" in vars(self) else None)
        return self._mean_score(scores, sample_weight)

    def _over_classes(self, bound, y):
        """Return ``bound(y)`` (n,), on log p(x) where y is not known: over all classes."""
        if not self._guesses:
            return bound(y)
        each = np.stack([bound(name) for name in self.classes_], 1)
        told = some_hot(self.classes_, y, len(each)) > 0
        any_class = logsumexp(each, axis=1) - np.log(each.shape[1])
        return np.where(told.any(1), np.where(told, each, 0).sum(1), any_class)

    def _over_codes(self, X, n_samples, y, combine):
        """Return `combine` of n_samples codes of each row; (n,) float64."""
        X, net = self._check_rows(X), self.net_
        noise = spread_noise(n_samples, self.n_components_).to(net.device)
        fn, rows = partial(combine, net.module_, noise), Stream(X, self._standardize())
        return apply(net, fn, np.empty(X.shape[0]), rows, *self._told(y, X.shape[0]))

    def _torch_score(self):
        return partial(log_mean_at_once, spread_noise(N_SAMPLES, self.n_components_))

    # Generation

    def __skae_vary__(self, *args, **kwargs):
        """Return variants of rows, whose classes are not told."""
        if self.conditional:
            raise ValueError(
                "augment is not for conditional=True. Draw rows of a class by "
                "sample(n_samples, y=...), or use conditional=False."
            )
        return super().__skae_vary__(*args, **kwargs)

    def sample(
        self,
        n_samples=1,
        random_state=None,
        noise="auto",
        y=None,
        *,
        missing=False,
        return_y=False,
    ):
        """Generate rows: decode codes drawn from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Source of all that is drawn. With one integer the first rows are the same
            however many there are.
        noise : bool or "auto", default="auto"
            Whether to draw rows from p(x | z), noise included, as the model says that
            rows come about (True), or to return their means, and the likeliest level of
            a category (False). "auto" draws where a mean could not be a row: in tables
            of ``likelihood="mixed"``, of counts, and of nothing but zeros and ones. It
            returns means of pictures and with the Gaussian likelihood.

            Numbers that are drawn could have been in their column. A draw's rank, among
            thousands of the model's own, says which value it is of those between the
            column's least and greatest in training: whole where they were whole, as
            often zero as they were, none where none were near. Levels are as frequent as
            they were. That is so with ``likelihood="mixed"``, and with the Gaussian one
            for tables without a bounded link.
        y : array-like of shape (n_samples,) or a class, default=None
            The classes; only if ``conditional=True``. None draws them as often as they
            were in training.
        missing : bool, default=False
            Whether cells are missing as they were in training: which ones of a row is
            drawn from the training rows, and has nothing to do with the row's values.
        return_y : bool, default=False
            Whether to return the classes, too; only if ``conditional=True``.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or DataFrame
            In the units of the training data. A DataFrame if `fit` saw one, of the same
            names; of the same dtypes, too, with ``likelihood="mixed"`` and where rows are
            drawn.
        y : ndarray of shape (n_samples,)
            The classes, only if ``return_y=True``.
        """
        check_is_fitted(self)
        check_option("sample", "return_y", return_y, (True, False))
        random_state = check_random_state(random_state)
        margins, own = vars(self).get("_margins_"), self._own
        ask = Ask.of(n_samples, noise, missing, margins, own, random_state)
        y = self.__skae_classes__(y, n_samples, np.random.RandomState(ask.seeds[1]))
        if return_y and y is None:
            raise ValueError(
                "return_y=True is for conditional=True: this estimator was fitted "
                "without classes."
            )
        codes = random_state.standard_normal((n_samples, self.n_components_))
        X = self._generated(codes, ask, y)
        return (X, np.asarray(y)) if return_y else X

    def _own(self, n, random_state):
        """Return n codes as the prior has them, and their classes."""
        codes = random_state.standard_normal((n, self.n_components_))
        return codes, self.__skae_classes__(None, n, random_state)
