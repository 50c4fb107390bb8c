"""What a likelihood's numbers become where its columns are scaled anew.

d is the number of columns, P of the numbers that a decoder puts out for a row.
"""

import numpy as np
import torch

from skae._data.change import Change, between, heeded
from skae.likelihoods._base import LEARNT_FLOOR, LINKS, RANGES

SECANT = 0.2  # share of a bounded link's range that is left out at either end


def change_of_numbers(old, new, scale):
    """Return the `Change` of a Gaussian's columns, whose scale was `scale` (d,)."""
    gain, shift = between(old.location, scale, new.location, new.scale)
    out_gain = scale * new.inverse_scale
    out_shift = (old.location - new.location) * new.inverse_scale
    out_gain, out_shift = heeded(out_gain, out_shift)
    if old.link_name in RANGES:
        out_gain, out_shift = _by_secant(old.link_name, out_gain, out_shift)
    return Change(gain, shift, out_gain, out_shift)


def _by_secant(link, gain, shift):
    """Return (gain, shift) of outputs, for means m that become gain m + shift; (d,) each.

    The link bends what is a line: they are right for two means of the old range.
    """
    low, high = RANGES[link]
    margin, inverse_link = SECANT * (high - low), LINKS[link].inverse

    def new_output(mean):
        mean = gain * mean + shift
        return inverse_link(np.clip(mean, low + margin / 2, high - margin / 2))

    ends = low + margin, high - margin
    before = [inverse_link(end) for end in ends]
    after = [new_output(end) for end in ends]
    slope = (after[1] - after[0]) / (before[1] - before[0])
    return slope, after[0] - slope * before[0]


def restate_noise(log_variance, factor):
    """Let a learnt noise be in units in which it is so many times as large; (groups,)."""
    with torch.no_grad():
        factor = torch.as_tensor(factor).to(log_variance)
        variance = (LEARNT_FLOOR + log_variance.exp()) * factor - LEARNT_FLOOR
        log_variance.copy_(variance.clamp(min=1e-3 * LEARNT_FLOOR).log())


def moved(center, new_center):
    """Return the `Change` of inputs that are told from a new centre (d,)."""
    shift = (new_center.cpu().double() - center.cpu().double()).numpy()
    one = np.ones(len(shift))
    return Change(one, shift, one, np.zeros(len(shift)))
