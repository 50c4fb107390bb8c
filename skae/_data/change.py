"""How numbers that stand for rows change, where columns are scaled anew.

D is the number of an encoder's inputs, P of a decoder's outputs.
"""

from typing import NamedTuple

import numpy as np

FARTHEST = 10.0  # distance of rows, in old deviations, up to which all is told exactly


class Change(NamedTuple):
    """How the numbers of rows are told in new units, by those in the old ones."""

    gain: np.ndarray  # (D,) an old input is gain x + shift of the new input x
    shift: np.ndarray  # (D,)
    out_gain: np.ndarray  # (P,) a new output is out_gain u + out_shift of the old one u
    out_shift: np.ndarray  # (P,)
    # places of inputs that are 1 where another one is missing, and so 0: (m,) each
    flags: tuple = ((), ())


def inverse(scale):
    """Return 1 / scale, and 0 where that is none."""
    return np.divide(1, scale, out=np.zeros(len(scale)), where=scale > 0)


def between(location, scale, new_location, new_scale):
    """Return (gain, shift): what was standardised is gain x + shift of what is so anew.

    Where nothing could be learnt of a column before (a scale of 0), it was 0, and is so.
    It is nearly so where all rows together would be farther than `FARTHEST`: what was
    learnt of the first, which all look alike now, says nothing of others so far away.
    """
    gain = new_scale * inverse(scale)
    shift = (new_location - location) * inverse(scale)
    return heeded(gain, shift)


def heeded(gain, shift):
    """Return both, the less the farther they carry, beyond `FARTHEST` in root mean square.

    Of outputs: what was learnt in units so much wider, of a wild cell among the first
    rows, is only noise in the new ones.
    """
    heed = np.square(FARTHEST / np.maximum(np.hypot(gain, shift), FARTHEST))
    return heed * gain, heed * shift
