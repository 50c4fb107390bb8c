"""Networks: how a row becomes a code and back.

A network is a small parameter object, as ``kernel=`` is to a Gaussian process. Any
object whose ``build(n_inputs, n_components, n_outputs, *, generator, start)`` returns
an encoder and a decoder (two ``torch.nn.Module``) can be passed as ``network=``.

B is the number of rows.
"""

from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import DenseNetwork
from skae.networks._start import LinearStart

__all__ = [
    "ConvolutionalNetwork",
    "DenseNetwork",
    "LinearStart",
]
