"""Further losses of a batch, each stepped down by an optimiser of its own."""

import torch

from skae._training.flat import hand


class Phase:
    """An optimiser, the weights that it trains, and how it fares in an epoch.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Of one parameter.
    parts : list of Module
        Whose weights lie side by side.
    flat, grad : Tensor of shape (n,)
        All weights and gradients.
    """

    def __init__(self, optimizer, parts, flat, grad):
        self.optimizer = optimizer
        self.params = [p for part in parts for p in part.parameters() if p.requires_grad]
        first = self.params[0].storage_offset() if self.params else 0
        where = slice(first, first + sum(p.numel() for p in self.params))
        self.grad = grad[where]
        self.total = torch.zeros((), device=grad.device)
        hand(optimizer, flat[where], self.grad)

    def step(self, loss, clip):
        """Take one step down a loss ()."""
        self.grad.zero_()
        params = [p for p in self.params if p.requires_grad]  # callbacks may freeze some
        if params:
            loss.backward(inputs=params)
        if clip is not None and len(self.grad):
            self.grad[None].renorm_(2, 0, clip)
        self.optimizer.step()
        self.total.add_(loss.detach())
