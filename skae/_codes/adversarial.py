"""The torch modules of the adversarial autoencoder.

B is the number of rows, k the components of the code, K the clusters.
"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from skae._codes.base import AutoencoderModule, Terms
from skae._codes.normal import Discriminator
from skae.networks._layers import aligned_linear

SEPARATION = 6.0  # of clusters' places, in standard deviations of the prior


class Adversary(nn.Module):
    """Tells codes (B, m) from draws of their prior, both under a little noise.

    It may be told the rows' clusters y (B, K): codes are then to be as the prior in each
    cluster. Draws are given the clusters of the codes.
    """

    def __init__(self, n_components, n_told, generator):
        super().__init__()
        self.judge = Discriminator(n_components + n_told, generator)

    def logits(self, codes, noise, y=None):
        """Return how much codes look like draws, in units of log-odds; (B,)."""
        seen = codes + noise
        return self.judge(seen if y is None else torch.cat([seen, y], 1))

    def mistaken(self, codes, draws, noise, y=None, weight=None):
        """Return the cross-entropy of telling codes from draws; ()."""
        real = torch.arange(2 * len(codes), device=codes.device) < len(draws)
        y = None if y is None else torch.cat([y, y])
        logits = self.logits(torch.cat([draws, codes]), noise, y)
        if weight is not None:
            weight = torch.cat([torch.ones_like(weight), weight])
        return binary_cross_entropy_with_logits(logits, real.to(logits), weight)

    def caught(self, codes, noise, y=None, weight=None):
        """Return the cross-entropy of taking codes for draws; ()."""
        logits = self.logits(codes, noise, y)
        return binary_cross_entropy_with_logits(logits, torch.ones_like(logits), weight)


class Heads(nn.Module):
    """Places of clusters in the code, far enough apart for styles not to overlap."""

    def __init__(self, n_clusters, n_components, generator):
        super().__init__()
        places = torch.randn(n_clusters, n_components, generator=generator)
        self.weight = nn.Parameter(apart(places - places.mean(0)))

    def forward(self, y):
        """Return the places of the rows' clusters; (B, K) to (B, k)."""
        return aligned_linear(y, self.weight.t(), None)


def crowding(places):
    """Return what places (K, k) cost that are nearer than `SEPARATION`, by pairs; ()."""
    gap = SEPARATION - torch.pdist(places)
    return gap.clamp(min=0).square().sum() / max(1, len(gap))


def apart(places):
    """Return places (K, k) moved apart until hardly any pair is too near."""
    places = (0.5 * SEPARATION * places).requires_grad_()
    optimizer = torch.optim.Adam([places], 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = crowding(places) * len(places) + 1e-4 * places.square().sum()
        loss.backward()
        optimizer.step()
    return places.detach()


class AdversarialModule(AutoencoderModule):
    """(z, l) = e(x), y = softmax(l), loss = -log p(x | d(z + y W)); z ~ p(z), y ~ p(y).

    In units of the prior: codes are `center` + `scale` times what the networks see.
    """

    start_competes = False  # PCA's codes are no candidates, however well they rebuild

    def __init__(self, encoder, decoder, likelihood, center, scale, n_clusters, generator):
        super().__init__(encoder, decoder, likelihood)
        self.n_components, self.n_clusters = len(center), n_clusters
        self.register_buffer("center", center)
        self.register_buffer("scale", torch.where(scale > 0, scale, 1.0))
        self.heads = self.cluster_adversary = None
        if n_clusters:
            self.heads = Heads(n_clusters, self.n_components, generator)
        self.style_adversary = Adversary(self.n_components, n_clusters, generator)
        if n_clusters:
            self.cluster_adversary = Adversary(n_clusters, 0, generator)

    def adversaries(self):
        """Return who judges the styles, and the clusters if there are any."""
        both = self.style_adversary, self.cluster_adversary
        return [adversary for adversary in both if adversary is not None]

    def parts(self, x):
        """Return the styles, in the prior's units, and the clusters' logits of rows."""
        u = self.encoder(self.likelihood.embed(x))
        return u[:, : self.n_components], u[:, self.n_components :]

    def encode(self, x):
        """Return the codes of standardised rows; (B, d) to (B, k)."""
        u, logits = self.parts(x)
        u = u if self.heads is None else u + self.heads(logits.softmax(1))
        return self.center + self.scale * u

    def style(self, x):
        """Return the codes without the places of the clusters; (B, k)."""
        return self.center + self.scale * self.parts(x)[0]

    def decode(self, z):
        """Return the likelihood's parameters at codes; (B, k) to (B, n_params)."""
        return self.decoder((z - self.center) / self.scale)

    def forward(self, x, clean, noise=None, progress=1.0):
        """Return what rows x (B, d) cost, and what heads cost that are too near."""
        if self.heads is None:
            return super().forward(x, clean)
        u, logits = self.parts(x)
        y = logits.softmax(1)
        y = y.detach() + self.heard(progress) * (y - y.detach())
        params = self.decoder(u + self.heads(y))
        nll = self.likelihood.nll(params, clean).sum(1)
        return Terms(nll=nll, penalty=crowding(self.heads.weight))

    def heard(self, progress):
        """Return how much clusters heed all but what they are told, in [0, 1]; ().

        They learn that first: otherwise they soon are whatever helps to reconstruct, and
        the adversary makes them sure of it.
        """
        if not self.warm_up:
            return 1.0
        return torch.as_tensor(progress / self.warm_up).clamp(max=1.0)

    def judged(self, x):
        """Return what the adversaries see of rows: styles, clusters' probabilities."""
        style, logits = self.parts(x)
        return [style] if self.heads is None else [style, logits.softmax(1)]

    def told(self, x, clusters, weight):
        """Return the cross-entropy of rows of known clusters (B,); ()."""
        row = cross_entropy(self.parts(x)[1], clusters, reduction="none")
        return (weight * row).mean()
