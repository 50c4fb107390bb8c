"""The plain autoencoder."""

from dataclasses import dataclass

from skae._base import BaseAutoencoder
from skae._modules import AutoencoderModule


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(BaseAutoencoder):
    """Autoencoder."""

    def _build_module(self, encoder, decoder, likelihood):
        return AutoencoderModule(encoder, decoder, likelihood, self.code_activation)
