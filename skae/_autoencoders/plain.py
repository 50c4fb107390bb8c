"""The plain autoencoder."""

from dataclasses import dataclass

from skae._autoencoders.docs import documented
from skae._autoencoders.targeted import TargetedAutoencoder


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(TargetedAutoencoder):
    r"""Nonlinear dimensionality reduction by a network that reconstructs its input.

    An encoder maps each row x to a code z of `n_components` numbers, a decoder maps
    z back, and both are trained to lose as little as possible [1]_, [2]_:

    .. math:: \min_{e, d} \; \sum_i - \log p(x_i \mid d(z_i)), \quad z_i = e(x_i)

    With the default Gaussian likelihood this is the squared error in units of the
    columns' standard deviations, and a linear network (``network=()``) finds the
    subspace of PCA. Use it where PCA would be used and the data are curved: it
    transforms, inverts, scores, and goes into pipelines and grid searches alike. Raw
    data may be passed: columns are standardised on the way in, and reconstructions
    and scores are in the units of the data.

    See Also
    --------
    sklearn.decomposition.PCA : The best linear autoencoder.
    skae.networks.DenseNetwork : Layers, activations and regularisation.
    skae.likelihoods.Gaussian : Scaling and output activation.

    Notes
    -----
    `fit` warns (`sklearn.exceptions.ConvergenceWarning`) of six signs of trouble:
    underfitting (less than 0.9 of the training variance that as many principal
    components explain), overfitting (on held-out rows 0.4 less of the variance explained
    than in training, or ten times as much unexplained), divergence (a residual above
    twice the variance, a last training loss clearly above twice the lowest, or a best
    held-out loss far above that of the start), no epoch that is better than the start,
    dead units (over half of a layer's units constant) and a code wider than the data.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). Reducing the dimensionality of data with
       neural networks. Science 313(5786), 504-507.
    .. [2] Goodfellow, Bengio and Courville (2016). Deep Learning, chapter 14. MIT
       Press.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_iter=20, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 8)
    >>> autoencoder.reconstruct(X).shape
    (1797, 64)
    >>> autoencoder.compression_ratio_
    8.0
    """
