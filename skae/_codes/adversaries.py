"""Who judges codes, and where clusters of them lie.

B is the number of rows, k the components of the code, K the clusters.
"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from skae._adam import Adam
from skae._codes.normal import Discriminator
from skae.networks._layers import aligned_linear

SEPARATION = 6.0  # of clusters' places, in standard deviations of the prior
MOVES = 200  # steps in which places are moved apart


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
        places = torch.empty(n_clusters, n_components, dtype=torch.float32)
        places.normal_(generator=generator)
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
    optimizer = Adam([places], 0.1)
    for _ in range(MOVES):
        optimizer.zero_grad()
        loss = crowding(places) * len(places) + 1e-4 * places.square().sum()
        loss.backward()
        optimizer.step()
    return places.detach()
