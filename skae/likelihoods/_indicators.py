"""What the zeros and ones of a category weigh beside columns of numbers.

d is the number of columns.
"""

import numpy as np

LEAST_SHARE = 0.5  # of rows with a one in a block; rare bits never meet by chance


def blocks_of_levels(stats):
    """Yield the places of columns that are the levels of one category.

    That is a run of columns of zeros and ones in which no row has a second one and most
    have a first: all levels are there, or all but one.
    """
    if stats.clash is None:  # not known
        return
    start, d = 0, len(stats.mean)
    for j in range(d + 1):
        if j < d and stats.clash[j] < start:
            continue
        if j - start > 1 and stats.mean[start:j].sum() > LEAST_SHARE - 1e-6:
            yield slice(start, j)
        start = j if j < d and stats.clash[j] < j else j + 1


def weighed(scale, stats):
    """Return the scales (d,) of a table's columns, those of a category's levels made one.

    Its levels then have a variance of 1 together. Each by itself, a rare level would weigh
    as much as a number, and a code, into which bits are cheap to fold, holds little else.
    """
    scale = scale.copy()
    for block in blocks_of_levels(stats):
        together = np.sqrt(stats.variance[block].sum())
        scale[block] = np.where(stats.constant[block], 0.0, together)
    return scale
