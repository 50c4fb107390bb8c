"""The plain autoencoder."""

from dataclasses import dataclass

from skae._base import BaseAutoencoder
from skae._modules import AutoencoderModule


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(BaseAutoencoder):
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

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Width of the code. "auto" takes the fewest standardised principal components
        that explain 90 % of the variance, at most 32; None takes the network's
        natural size (the last of a dense network's `hidden_layer_sizes`).
    network : "auto", tuple of int or network object, default="auto"
        How rows become codes and back. A tuple gives the widths of the encoder's
        hidden layers, mirrored in the decoder; "auto" is one hidden layer of 128
        beside a linear path that starts as PCA. A `skae.networks.DenseNetwork` sets
        activations, dropout, normalisation, tied weights and more.
    likelihood : str or likelihood object, default="gaussian"
        What a close reconstruction is: "gaussian" (squared error), "bernoulli"
        (binary cross-entropy of values in [0, 1]) or "categorical" (cross-entropy of
        rows that sum to 1). The objects in `skae.likelihoods` set scales and output
        activations.
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
        Whether `fit` goes on from the previous weights and column scales.
    device : str, default="auto"
        Where to train: "auto" takes a CUDA device if there is one, else the CPU.
    net_params : dict or None, default=None
        Further parameters of the skorch net: ``optimizer`` (any of torch's),
        ``optimizer__<param>``, ``callbacks``, ``compile``, ``gradient_clip_value``
        (1.0; None does not clip) and ``schedule`` ("trapezoid" or "constant").
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, held-out rows, shuffles and dropout. An int gives
        the same result in each call. No global generator is read or changed.
    verbose : int, default=0
        Whether to print a line for each epoch.

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
    n_components_ : int
        Width of the code.
    compression_ratio_ : float
        ``n_features_in_ / n_components_``.
    n_features_in_ : int
        Number of features seen during `fit`; for pictures, of all their values.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string column names.
    random_state_ : RandomState instance
        The generator that `partial_fit` goes on drawing from.

    See Also
    --------
    sklearn.decomposition.PCA : The best linear autoencoder.
    skae.networks.DenseNetwork : Layers, activations and regularisation.
    skae.likelihoods.Gaussian : Scaling and output activation.

    Notes
    -----
    `fit` warns (`sklearn.exceptions.ConvergenceWarning`) of four signs of trouble:
    underfitting (less than 0.9 of the training variance that as many principal
    components explain), overfitting (0.4 less of the variance explained on held-out
    rows than in training), divergence (a residual above twice the variance, or,
    with ``early_stopping=False``, a last training loss clearly above twice the
    lowest) and dead units (over half of a
    layer's units constant).

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

    def _build_module(self, encoder, decoder, likelihood):
        return AutoencoderModule(encoder, decoder, likelihood, self.code_activation)
