"""Distances between codes that mean something: the decoder keeps them, up to one factor.

B is the number of rows, k the components of the code, P the numbers that are decoded.
"""

ROWS = 4  # one row in so many takes a step
STEP = 0.1  # of the way to another row's code


def distortion(ae, z, params, *known):
    """Return how unequally a decoder stretches steps from codes z (B, k), from 0; ().

    It is the relaxed distortion of Lee, Yoon, Son and Park (2022), the squared coefficient
    of variation of the stretch, along steps towards other rows' codes. Rows of one code
    have no way between them.
    """
    n = -(-len(z) // ROWS)
    step = STEP * (z.roll(1, 0) - z)[:n]
    there = ae.decode(z[:n] + step, *(part[:n] for part in known))
    here = params[:n]
    if ae.likelihood.categories is None:  # of these the means are no points
        there, here = ae.likelihood.mean(there), ae.likelihood.mean(here)
    length = step.square().sum(1)
    goes = (length > 0).to(z)
    stretch = goes * (there - here).square().sum(1) / length.clamp(min=1e-12)
    total = stretch.sum().square().clamp(min=1e-12)
    return (goes.sum() * stretch.square().sum() / total - 1).clamp(min=0)
