"""Losses: pure functions of tensors, one row's columns at a time.

B is the number of rows, d the number of columns. Nothing is reduced here: the one
reduction is the engine's.
"""

import math

import torch
from torch.nn import functional as F

LOG_2PI = math.log(2 * math.pi)


def half_squared_error(mean, x):
    """0.5 (x - mean)^2: a Gaussian of unit variance, less its constant; (B, d)."""
    return 0.5 * F.mse_loss(mean, x, reduction="none")


def gaussian_nll(mean, x, variance):
    """-log N(x; mean, variance), column by column; (B, d)."""
    return half_squared_error(mean, x) / variance + 0.5 * (torch.log(variance) + LOG_2PI)


def bernoulli_nll(logits, x):
    """-x log p - (1 - x) log(1 - p) with p = sigmoid(logits); (B, d)."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def categorical_nll(logits, x):
    """-x log p with p = softmax(logits) over the columns; (B, d)."""
    return -x * F.log_softmax(logits, dim=1)


def poisson_nll(log_rate, x, largest=30.0):
    """-log Poisson(x; rate), cell by cell; (B, d). Log-rates are cut off at `largest`."""
    u = log_rate.clamp(max=largest)
    return torch.exp(u) - x * log_rate + torch.lgamma(x + 1)


def normal_kl(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)), component by component; (B, k)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def bernoulli_kl(rho, mean):
    """KL(Bernoulli(rho) || Bernoulli(mean)) and its slope in the mean; (n,), (n,)."""
    value = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
    return value, (1 - rho) / (1 - mean) - rho / mean


def total_correlation(z, mean, log_variance):
    """Log q(z) - sum_k log q(z_k), q being the mean of the batch's posteriors; (B,).

    To first order in 1 / B, and up to a constant: minibatch weighted sampling.
    """
    deviation = z[:, None] - mean  # (B, B, k)
    log_q = -0.5 * (deviation.square() / log_variance.exp() + log_variance + LOG_2PI)
    return log_q.sum(2).logsumexp(1) - log_q.logsumexp(1).sum(1)


def energy_coefficient(a, b, a_shares=None, b_shares=None, *, unbiased=True):
    """Return how far two samples (n, k) and (m, k) are apart: 0, if the same, to 1.

    Szekely and Rizzo's (2 E|a - b| - E|a - a'| - E|b - b'|) / (2 E|a - b|). Shares (n,) and
    (m,) are the rows' weights, of sum 1. If `unbiased`, a row is no pair with itself: the
    result may then be below 0.
    """
    v, w = (
        x.new_full((len(x),), 1 / len(x)) if shares is None else shares
        for x, shares in ((a, a_shares), (b, b_shares))
    )
    between = v @ torch.cdist(a, b) @ w
    if not between > 0:
        return 0.0
    within = 0.0
    for x, shares, given in ((a, v, False), (b, w, b_shares is not None)):
        mean = shares @ torch.cdist(x, x) @ shares
        if unbiased and not given:  # what is given are all values, not a sample
            mean = mean / (1 - shares.square().sum()).clamp(min=1e-6)
        within = within + mean
    return float(1 - 0.5 * within / between)


def elastic_net(w, alpha, l1_ratio):
    """ElasticNet's penalty on w (n,) and its gradient; (), (n,).

    alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2)
    """
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    value = 0.5 * l2 * torch.dot(w, w)
    if not l1:
        return value, l2 * w
    return value + l1 * w.abs().sum(), l2 * w + l1 * torch.sign(w)


def is_graph():
    """Tell whether operations are being written down, by `torch.jit` or `torch.export`."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling()
