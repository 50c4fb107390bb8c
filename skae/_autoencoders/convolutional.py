"""The convolutional autoencoder."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from sklearn.utils._param_validation import HasMethods, StrOptions

from skae._autoencoders.base import EXAMPLES, BaseAutoencoder
from skae._autoencoders.docs import documented
from skae.networks._convolutional import ConvolutionalNetwork


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalAutoencoder(BaseAutoencoder):
    """Autoencoder of pictures and signals: the plain one with convolutions.

    A convolutional network shares its weights over all places of a picture, so that it
    needs fewer of them than a dense one [1]_. The code is the network's last map,
    flattened (a picture at a quarter of the height and width, with more channels), or,
    if `n_components` is a number, a dense layer behind it.

    It is `Autoencoder` with ``network=ConvolutionalNetwork(...)``, which any other
    autoencoder takes too.

    Parameters
    ----------
    n_components : int, float, "auto" or None, default=None
        Width of the code. None takes the flattened map: 1,568 numbers for pictures of
        28 x 28 pixels. A float in (0, 1) takes the fewest components that explain that
        share of the variance of held-out rows, as `Autoencoder` has it; "auto" takes the
        fewest standardised principal components that explain 90 % of the variance, at
        most 32.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of a row of X. None takes the
        shape of pictures passed as (n_samples, H, W) or (n_samples, C, H, W); flat
        rows are taken as a square picture where their length is a square number, and
        otherwise as a signal, (1, n_features).
    network : "auto" or ConvolutionalNetwork, default="auto"
        Filters, kernel size, pooling or strides, activation and more; "auto" is
        ``ConvolutionalNetwork()``.

    See Also
    --------
    skae.networks.ConvolutionalNetwork : Levels, filters, pooling.
    DenoisingAutoencoder : Takes the same network.

    Notes
    -----
    All pixels of a channel are scaled alike. On a table, whose columns have units of
    their own and no neighbourhood, use `Autoencoder`.

    References
    ----------
    .. [1] Masci, Meier, Ciresan and Schmidhuber (2011). Stacked convolutional
       auto-encoders for hierarchical feature extraction. ICANN.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvolutionalAutoencoder
    >>> X = load_digits().images  # (1797, 8, 8)
    >>> autoencoder = ConvolutionalAutoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 8)
    >>> autoencoder.reconstruct(X).shape
    (1797, 8, 8)
    """

    n_components: int | float | str | None = field(default=None, kw_only=False)
    image_shape: tuple | None = None

    _examples: ClassVar[dict] = {
        **EXAMPLES,
        "network": "skae.networks.ConvolutionalNetwork(), which is 'auto'",
    }

    _parameter_constraints: ClassVar[dict] = {
        **BaseAutoencoder._parameter_constraints,
        "network": [StrOptions({"auto"}), tuple, list, HasMethods(["build"])],
        "image_shape": [tuple, list, None],
    }

    _mixed_way = None

    def _network(self):
        network = ConvolutionalNetwork() if isinstance(self.network, str) else self.network
        if isinstance(network, type):
            return network  # told by its own error
        if not isinstance(network, ConvolutionalNetwork):
            raise ValueError(
                "'network' of ConvolutionalAutoencoder must be a ConvolutionalNetwork. Use "
                f"Autoencoder with network={network!r}."
            )
        if self.image_shape is None:
            return network
        shapes = {(1, *s)[-3:] for s in (network.image_shape, self.image_shape) if s}
        if len(shapes) > 1:
            raise ValueError(
                f"image_shape={self.image_shape} and network's image_shape="
                f"{network.image_shape} differ. Give one of them."
            )
        return replace(network, image_shape=self.image_shape)
