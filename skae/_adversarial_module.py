"""The torch modules of the adversarial autoencoder.

B is the number of rows, k the components of the code, K the clusters.
"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from skae._layers import linear
from skae._modules import AutoencoderModule
from skae._variational_module import Discriminator


class Adversary(nn.Module):
    """Tells codes (B, m) from draws of their prior, both under a little noise."""

    def __init__(self, center, scale, generator):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", torch.where(scale > 0, scale, 1.0))
        self.judge = Discriminator(len(center), generator)

    def logits(self, codes, noise):
        """Return how much codes look like draws, in units of log-odds; (B,)."""
        return self.judge((codes - self.center) / self.scale + noise)

    def mistaken(self, codes, draws, noise, weight=None):
        """Return the cross-entropy of telling codes from draws; ()."""
        real = torch.arange(2 * len(codes), device=codes.device) < len(draws)
        logits = self.logits(torch.cat([draws, codes]), noise)
        if weight is not None:
            weight = torch.cat([torch.ones_like(weight), weight])
        return binary_cross_entropy_with_logits(logits, real.to(logits), weight)

    def caught(self, codes, noise, weight=None):
        """Return the cross-entropy of taking codes for draws; ()."""
        logits = self.logits(codes, noise)
        return binary_cross_entropy_with_logits(logits, torch.ones_like(logits), weight)


class AdversarialModule(AutoencoderModule):
    """(z, l) = e(x), y = softmax(l), loss = -log p(x | d(z + y W)); z ~ p(z), y ~ p(y)."""

    start_competes = False  # PCA's codes are no candidates, however well they rebuild

    def __init__(self, encoder, decoder, likelihood, center, scale, n_clusters, generator):
        super().__init__(encoder, decoder, likelihood)
        self.n_components, self.n_clusters = len(center), n_clusters
        self.heads = self.cluster_adversary = None
        if n_clusters:
            self.heads = linear(n_clusters, self.n_components, generator)
            self.heads.bias = None
            nn.init.zeros_(self.heads.weight)
        self.style_adversary = Adversary(center, scale, generator)
        if n_clusters:
            one = torch.ones(n_clusters, dtype=torch.float32)
            self.cluster_adversary = Adversary(one / n_clusters, one, generator)

    def adversaries(self):
        """Return who judges the styles, and the clusters if there are any."""
        both = self.style_adversary, self.cluster_adversary
        return [adversary for adversary in both if adversary is not None]

    def parts(self, x):
        """Return the styles and the clusters' logits of rows; (B, k), (B, K)."""
        u = self.encoder(self.likelihood.embed(x))
        return u[:, : self.n_components], u[:, self.n_components :]

    def encode(self, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        style, logits = self.parts(x)
        return style if self.heads is None else style + self.heads(logits.softmax(1))

    def judged(self, x):
        """Return what the adversaries see of rows: styles, clusters' probabilities."""
        style, logits = self.parts(x)
        return [style] if self.heads is None else [style, logits.softmax(1)]

    def told(self, x, clusters, weight=None):
        """Return the cross-entropy of rows of known clusters (B,); ()."""
        row = cross_entropy(self.parts(x)[1], clusters, reduction="none")
        return row.mean() if weight is None else (weight * row).mean()
