"""An encoder with a head: what rows are told to be, from their codes.

B is the number of rows, k the components of the code, m the classes or numbers told.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from skae._codes.base import Code, Terms
from skae.networks._layers import Linear, unstarted

LEAST_SCALE = 0.1  # of a component's deviation, in units of the mean one


@dataclass
class Labelling(Code):
    """u = h(e(x)), loss = H(y, softmax u), or |u - y|^2 of numbers, each in its deviation.

    Where `reconstructs`, rows also cost what the autoencoder's own code says.
    """

    of_classes: bool = True
    reconstructs: bool = False

    def draw(self, labeller, n_rows, generator):
        """Return the noise that the autoencoder's own code takes, or None."""
        if self.reconstructs:
            return labeller.ae.code.draw(labeller.ae, n_rows, generator)

    def loss(self, labeller, x, target, noise, progress, y):
        """Return the `Terms` of rows told y (B, m); of nothing, if NaN or all zeros."""
        outputs, d = labeller.outputs(x), target.shape[1]
        if self.of_classes:
            row = -(y * outputs.log_softmax(1)).sum(1)
        else:
            told = ~torch.isnan(y)
            gap = torch.where(told, outputs - y.nan_to_num(), 0.0)
            row = gap.square().sum(1) / y.shape[1]
        if not self.reconstructs:
            return Terms(nll=d * row)  # in all, as the reduction is per column
        ae = labeller.ae
        own = ae.code.loss(ae, x, target, noise, progress)
        return own._replace(nll=own.nll + d * row)

    def after_step(self, labeller):
        """Do to the autoencoder's weights what its own code does."""
        if self.reconstructs:
            labeller.ae.code.after_step(labeller.ae)


class Head(nn.Module):
    """A linear map of standardised codes, and of what SiLU makes of them; (B, k) to (B, m).

    Parameters
    ----------
    codes : Tensor of shape (n, k)
        By which components are standardised.
    n_outputs : int
    """

    def __init__(self, codes, n_outputs):
        super().__init__()
        deviation = codes.std(0, correction=0)
        least = LEAST_SCALE * deviation.mean() + 1e-6
        self.register_buffer("center", codes.mean(0))
        self.register_buffer("scale", deviation.clamp(min=least))
        self.linear = unstarted(Linear, 2 * codes.shape[1], n_outputs)
        with torch.no_grad():  # all outputs are alike to begin with
            self.linear.weight.zero_()
            self.linear.bias.zero_()

    def forward(self, z):
        u = (z - self.center) / self.scale
        return self.linear(torch.cat([u, F.silu(u)], 1))


class Labeller(nn.Module):
    """An autoencoder's module, and a head on its codes.

    Parameters
    ----------
    ae : AutoencoderModule
    head : Head
    code : Labelling
    """

    def __init__(self, ae, head, code):
        super().__init__()
        self.ae, self.head, self.code = ae, head, code

    @property
    def likelihood(self):
        """What standardises rows."""
        return self.ae.likelihood

    @property
    def n_components(self):
        """Width of the code."""
        return self.ae.n_components

    def encode(self, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        return self.ae.encode(x)

    def outputs(self, x):
        """Return the logits of classes, or numbers in deviations; (B, d) to (B, m)."""
        return self.head(self.ae.encode(x))

    params = outputs  # by which the engine reckons what a row costs

    def forward(self, x, target, noise=None, progress=1.0, *known):
        """Return the `Terms` of rows x (B, d), and of what they are told to be."""
        return self.code.loss(self, x, target, noise, progress, *known)
