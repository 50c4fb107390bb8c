"""How a column of numbers is seen: its body and its tails.

n is the number of rows, d the columns. The body has a centre and a spread: exactly the
mean and the standard deviation, unless a few wild cells make the most of these. Cells of
such a column are then bent beyond `KNEE` spreads, one by one and invertibly, so that they
harm neither their column nor the rest of their row.
"""

import numpy as np

KNEE = 8.0  # spreads from the centre, beyond which a wild column is bent
BEYOND = 15.0  # robust deviations from the middle, of a wild cell
ROBUST = 1.4826  # a normal column's standard deviation, in median distances
FEW, LEAST, MOST = 0.01, 3, 0.2  # share of a column's cells that may be wild: 3 or more
APART = 2.0  # times the standard deviation without them is the one with them
WITHIN = 6.0  # robust deviations, or
TWICE = 2.0  # times the distance of the farthest cell that is not one of the few
RARE = 0.1  # of the typical step away from the commonest value: the least spread
SAMPLE_ROWS, SAMPLE_CELLS = 10_000, 2**22
FAR = 10.0  # standard deviations, up to which a column of many rows is not looked at


def bend(u, knee=KNEE):
    """Return u as it is within the body, and a logarithm of it beyond."""
    beyond = np.abs(u) - knee
    return np.where(beyond > 0, np.copysign(knee + np.log1p(beyond.clip(0)), u), u)


def straighten(u):
    """Return what `bend` made u of."""
    beyond = np.abs(u) - KNEE
    return np.where(beyond > 0, np.copysign(KNEE + np.expm1(beyond.clip(0)), u), u)


def bodies(X, weight, mean, deviation, low, high):
    """Return the columns' centres and spreads (d,), and which are to be bent; bool.

    Columns are looked at in a sample of the rows, and only where a value is far away.

    Parameters
    ----------
    X : {ndarray, memmap, CSR matrix} of shape (n, d)
        NaN where a cell is missing.
    weight : ndarray of shape (n,) or None
    mean, deviation, low, high : ndarray of shape (d,)
    """
    centre, spread, is_wild = mean.copy(), deviation.copy(), np.zeros(len(mean), bool)
    index = np.arange(X.shape[0]) if weight is None else np.flatnonzero(weight > 0)
    reach = np.maximum(high - mean, mean - low)
    # a share s of a normal column's cells, of three quarters of the variance, is as far
    n, most = len(index), few(len(index))
    far = min(FAR, np.sqrt(0.75 * max(n - most, 0) / most))
    columns = np.flatnonzero((deviation > 0) & (reach > far * deviation))
    if not len(columns):
        return centre, spread, is_wild
    most = min(SAMPLE_ROWS, max(1000, SAMPLE_CELLS // len(columns)))
    index = index[:: max(1, -(-len(index) // most))]
    rows = np.asarray(X[np.ix_(index, columns)], dtype=np.float64)
    for j, values in zip(columns, rows.T, strict=True):
        there = ~np.isnan(values)
        w = None if weight is None else weight[index][there]
        ends = low[j], high[j]
        found = _body(values[there], w, ends, mean[j], deviation[j])
        centre[j], spread[j], is_wild[j] = found
    return centre, spread, is_wild


def few(n):
    """Return how many of n cells may be wild."""
    return max(1, min(max(LEAST, int(FEW * n)), int(MOST * n)))


def _body(values, weight, ends, mean, deviation):
    """Return a column's centre and spread, and whether a few of its cells are wild."""
    n = len(values)
    middle = np.median(values)
    middle = values[np.abs(values - middle).argmin()]  # a value that is there
    step = np.sort(np.abs(values - middle))
    away = step[step > 0]
    if not len(away):
        return mean, deviation, False
    typical = np.median(away)
    spread, least = ROBUST * typical, RARE * typical
    if max(ends[1] - middle, middle - ends[0]) > BEYOND * spread and n > few(n):
        within = max(WITHIN * spread, TWICE * step[-few(n) - 1])
        kept = values.clip(middle - within, middle + within)
        centre = np.average(kept, weights=weight)
        inner = np.sqrt(np.average(np.square(kept - centre), weights=weight))
        if APART * inner < deviation:
            return centre, max(inner, least), True
    return mean, max(deviation, least), False
