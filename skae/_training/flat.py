"""A module's weights in one vector, so that a step is a few operations whatever it holds.

n is the number of the weights' numbers.
"""

import torch
from torch import nn


def in_one_vector(module, keep_layout=True):
    """Move the trained weights into one vector, and give them one of gradients.

    If not `keep_layout`, pictures' channels do not lie side by side in memory.

    Returns
    -------
    params : list of Parameter
    flat, grad : Tensor of shape (n,)
    is_weight : Tensor of shape (n,)
        1 for what is penalised: no biases, and no factors of normalisation.
    """
    params = [p for p in module.parameters() if p.requires_grad]
    if not params:
        raise ValueError("network: there is nothing to train, no weight requires_grad.")
    sizes = [p.numel() for p in params]
    if not keep_layout:
        for p in params:
            p.data = p.data.contiguous()
    flat = torch.cat([in_memory_order(p.detach()) for p in params])
    grad = torch.zeros_like(flat)
    is_weight = [torch.full((p.numel(),), float(p.ndim > 1)) for p in params]
    for p, part, g in zip(params, flat.split(sizes), grad.split(sizes), strict=True):
        stride = p.stride() if _is_channels_last(p) else p.contiguous().stride()
        p.data = flat.as_strided(p.shape, stride, part.storage_offset())
        p.grad = grad.as_strided(p.shape, stride, g.storage_offset())
    return params, flat, grad, torch.cat(is_weight).to(flat)


def in_memory_order(p):
    """Return a weight's numbers as a vector, in the order in which they are moved."""
    return (p.permute(0, 2, 3, 1) if _is_channels_last(p) else p).reshape(-1)


def _is_channels_last(p):
    """Tell whether a weight's channels lie side by side in memory."""
    return p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last)


def one_flat():
    """Return the one parameter of an optimiser that trains a flat vector."""
    return [("flat", nn.Parameter(torch.empty(0, dtype=torch.float32, device="cpu")))]


def hand(optimizer, flat, grad):
    """Let an optimiser of one parameter train these numbers (n,) by these gradients."""
    (whole,) = optimizer.param_groups[0]["params"]
    whole.data, whole.grad = flat, grad
