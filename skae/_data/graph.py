"""Which rows are alike, as a graph of neighbours, and what they pass on along it.

n is the number of rows, d their columns, m of some of them, k neighbours of each; pictures
are of C channels and h x w pixels.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.decomposition import PCA
from torch.nn import functional

SPACES = {"columns": 7, "pixels": 7, "deformation": 5}  # and neighbours of a row in each
MANY_COLUMNS, N_COMPONENTS = 100, 20  # beyond so many, principal components take over
MANY_ROWS, N_OF_MANY = 20_000, 50  # of which pixels are too many to compare each pair by
SIDE = 14  # pixels, about, that pictures are compared at
N_CANDIDATES = 30  # nearest by blurred pixels, among which deformation chooses
N_STEPS = 60  # in which labels are passed on
ROUNDS, N_SHORT, PASSED_ON = 8, 20, 0.99  # in which shares settle, and of what steps
FEWER = 0.999  # of the cost of a cut that another must stay below
BLOCK_BYTES, BLOCK_ROWS = 2**26, 1024
COARSE = 7  # bits of a float32 that do not decide which of two rows is nearer


class Graph:
    """Nearest neighbours of rows, both ways, weighted by how near they are.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Without missing cells, in units in which columns can be compared.
    space : {"columns", "pixels", "deformation"}, default="columns"
        What the distance is of: all columns, or principal components where there are more
        than 100; pictures, slightly blurred; or pictures of which one may be a little
        deformed, see `deformed`.
    shape : tuple of int, default=None
        Of a row as a picture, (C, h, w) or (h, w); not for "columns".
    n_neighbors : int, default=None
        The space's own by default. Fewer, where there are fewer rows.
    seed : int, default=0
        Of the principal components.
    nearness : float, default=4.0
        0 lets all neighbours weigh as much.

    Attributes
    ----------
    edges : csr_array of shape (n, n)
        (W + W.T) / 2, where W holds exp(-nearness d^2 / d_k^2) for the k neighbours of
        each row, whose farthest is d_k away.
    degree : ndarray of shape (n,)
    """

    def __init__(
        self, rows, space="columns", shape=None, n_neighbors=None, seed=0, nearness=4.0
    ):
        self.n, self.nearness = len(rows), nearness
        self.n_neighbors = min(n_neighbors or SPACES[space], self.n - 1)
        kind = Columns if space == "columns" else Pictures
        self.space = kind(rows, shape, space == "deformation", seed)
        index, weight = self._weighted(*self.space.nearest(None, self.n_neighbors))
        start = np.arange(0, index.size + 1, max(1, self.n_neighbors))
        if self.n_neighbors == 0:  # a single row
            start = np.zeros(self.n + 1, dtype=int)
        W = csr_array((weight.ravel(), index.ravel(), start), (self.n, self.n))
        self.edges = (0.5 * (W + W.T)).tocsr()
        self.degree = np.asarray(self.edges.sum(1)).ravel()
        root = np.sqrt(self.degree)
        self._root = np.divide(1, root, out=np.zeros(self.n), where=root > 0)
        self._passed = self.edges.multiply(self._root[:, None]).multiply(self._root).tocsr()

    def spread(self, given, alpha, n_steps=N_STEPS):
        """Return what rows have of what is given, where each passes on a share alpha.

        (n, K) to (n, K): some steps of F = alpha S F + (1 - alpha) Y (Zhou et al., 2004),
        by the root of the degree, so that rows in dense places do not have more.
        """
        return self._root[:, None] * self._spread(given, alpha, n_steps)

    def _spread(self, given, alpha, n_steps=N_STEPS):
        found = given = np.asarray(given, dtype=np.float64)
        for _ in range(n_steps):
            found = alpha * (self._passed @ found) + (1 - alpha) * given
        return found

    def influence(self, rows, alphas, weight):
        """Return what one unit at each of m rows gives to each of them and to all.

        {alpha: ((m, m), (m,))}, to all by their weights (n,). Powers of S serve all alphas.
        """
        m, size = len(rows), max(1, BLOCK_BYTES // (16 * self.n))
        among = {alpha: np.zeros((m, m)) for alpha in alphas}
        for start in range(0, m, size):
            part = slice(start, start + size)
            power = np.zeros((self.n, len(rows[part])))
            power[rows[part], np.arange(power.shape[1])] = 1
            for step in range(N_STEPS + 1):
                last, there = step == N_STEPS, power[rows]
                for alpha in alphas:
                    share = alpha**step * (1 if last else 1 - alpha)
                    among[alpha][:, part] += share * self._root[rows, None] * there
                power = power if last else self._passed @ power
        given = (self._root * weight)[:, None]  # what is passed on is passed alike
        masses = {alpha: self._spread(given, alpha)[rows, 0] for alpha in alphas}
        return {alpha: (among[alpha], masses[alpha]) for alpha in alphas}

    def reached(self, rows):
        """Return which rows hang together with any of some; (n,) bool."""
        _, part = connected_components(self.edges, directed=False)
        return np.isin(part, part[rows])

    def settled(self, found):
        """Return the shares of classes, from what is found (n, K), as they settle.

        In each round rows have more of what they have most of ("inflation" of van Dongen,
        2000) and pass it on; classes count less the more they have, by the root. Of all
        rounds that one stays whose classes cut fewest edges: where classes do not hang
        together, or are of a few rows, it may well be the first. Rows that nothing has
        reached keep even shares.
        """
        shares, reached = even_shares(found), found.sum(1, keepdims=True) > 0
        best, least = shares, self.cost(shares.argmax(1), shares.shape[1])
        for _ in range(ROUNDS):
            sharp = shares**2 * reached
            sharp = np.divide(sharp, sharp.sum(1, keepdims=True), out=sharp, where=reached)
            sharp /= np.sqrt(np.maximum(sharp.sum(0), 1e-12))
            shares = even_shares(self.spread(sharp, PASSED_ON, N_SHORT))
            cost = self.cost(shares.argmax(1), shares.shape[1])
            if cost < FEWER * least:
                best, least = shares, cost
        return best

    def cost(self, labels, n_clusters):
        """Return the `cost_of_cut` of clusters, labels (n,) being 0 to n_clusters - 1."""
        one_hot = (labels[:, None] == np.arange(n_clusters)).astype(np.float64)
        return cost_of_cut(one_hot.T @ (self.edges @ one_hot))

    def voters(self, new_rows):
        """Return the nearest rows to new ones, and their weights of sum 1; (m, k) each."""
        index, weight = self._weighted(
            *self.space.nearest(new_rows, min(max(1, self.n_neighbors), self.n))
        )
        return index, weight / weight.sum(1, keepdims=True)

    def _weighted(self, index, distance):
        """Return neighbours and their weights; all alike where all are at distance 0."""
        farthest = distance[:, -1:]
        ratio = np.divide(
            distance, farthest, out=np.zeros_like(distance), where=farthest > 0
        )
        return index, np.exp(-self.nearness * ratio**2)


class Columns:
    """Rows as points of all their columns, or of principal components."""

    def __init__(self, rows, shape, deform, seed):
        self.pca = None
        points = np.asarray(rows, dtype=np.float64)
        if points.shape[1] > MANY_COLUMNS:
            n = min(N_COMPONENTS, *points.shape)
            self.pca = PCA(n, random_state=seed).fit(points)
        self.points = self._points(points)

    def _points(self, rows):
        rows = np.asarray(rows, dtype=np.float64)
        return rows if self.pca is None else self.pca.transform(rows)

    def nearest(self, new_rows, k):
        """Return the k nearest of the rows and how far they are; of each row by default.

        A row is none of its own neighbours.
        """
        new = self.points if new_rows is None else self._points(new_rows)
        return nearest_points(new, self.points, k, own=new_rows is None)


class Pictures:
    """Rows as pictures, blurred, and as maps of slopes if they may be deformed."""

    def __init__(self, rows, shape, deform, seed):
        self.shape = (1,) * (3 - len(shape)) + tuple(shape)
        self.size = tuple(compared_size(*self.shape[1:]))
        self.pca = self.maps = None
        points = self._blurred(rows)
        if len(rows) > MANY_ROWS and points.shape[1] > N_OF_MANY:
            self.pca = PCA(N_OF_MANY, random_state=seed).fit(points)
            points = self.pca.transform(points)
        self.points = points
        if deform:
            self.maps = slopes(self._pooled(rows))

    def _pooled(self, rows):
        """Return rows as small pictures; (m, C, h, w)."""
        x = torch.as_tensor(np.asarray(rows, dtype=np.float32)).reshape(-1, *self.shape)
        return functional.adaptive_avg_pool2d(x, self.size)

    def _blurred(self, rows):
        """Return rows as points of small, blurred pictures; (m, C h w)."""
        x = np.asarray(rows, dtype=np.float32).reshape(-1, *self.shape)
        width = max(1.0, self.shape[2] / self.size[1] / 2)
        found = np.empty((len(x), self.shape[0] * self.size[0] * self.size[1]))
        for start in range(0, len(x), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            small = self._pooled(gaussian_filter(x[part], (0, 0, width, width)))
            found[part] = small.flatten(1).numpy()
        return found

    def nearest(self, new_rows, k):
        """Return the k nearest of the rows and how far they are; of each row by default.

        A row is none of its own neighbours.
        """
        own = new_rows is None
        new, maps = self.points, self.maps
        if not own:
            new = self._blurred(new_rows)
            new = new if self.pca is None else self.pca.transform(new)
        if self.maps is None:
            return nearest_points(new, self.points, k, own=own)
        if not own:
            maps = slopes(self._pooled(new_rows))
        wanted = min(max(N_CANDIDATES, k), len(self.points) - own)
        near, _ = nearest_points(new, self.points, wanted, own=own)
        return first(near, deformed(maps, self.maps, near), k)


def compared_size(height, width):
    """Return the height and width that pictures are compared at.

    The shorter side has about 14 pixels; a signal as many in all as a square would have.
    """
    shorter, most = min(height, width), SIDE
    if shorter == 1:
        shorter, most = max(height, width), SIDE**2
    factor = max(1, round(shorter / most))
    return [max(1, round(side / factor)) for side in (height, width)]


def slopes(pictures):
    """Return how pictures (n, C, h, w) rise to the right and down; (n, 2 C, h, w).

    By Sobel's weights; what is beyond an edge is as at the edge.
    """
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float32) / 4
    weight = torch.stack([across, across.T])[:, None]
    n, channels, *size = pictures.shape
    x = functional.pad(pictures.reshape(-1, 1, *size), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(x, weight).reshape(n, 2 * channels, *size)


def deformed(maps, others, near):
    """Return how far maps (m, c, h, w) are from candidates `near` (m, k) of others; (m, k).

    Each 3 x 3 window of one may be moved by one pixel to where it matches the other best:
    the sum over pixels of the least mean square difference (the image distortion model;
    Keysers et al., 2007, "Deformation models for image recognition").
    """
    height, width = maps.shape[-2:]
    down, right = int(height > 1), int(width > 1)  # pixels that windows may move
    edged = functional.pad(others, (right, right, down, down))
    found = np.empty(near.shape)
    size = max(1, BLOCK_BYTES // (8 * max(1, near.shape[1]) * edged[0].numel()))
    for start in range(0, len(maps) if near.size else 0, size):
        part = slice(start, start + size)
        a, b, least = maps[part, None], edged[torch.as_tensor(near[part])], None
        for y in range(2 * down + 1):
            for x in range(2 * right + 1):
                away = (a - b[..., y : y + height, x : x + width]).square_().sum(2)
                away = functional.avg_pool2d(away, 3, 1, 1)
                least = away if least is None else torch.minimum(least, away)
        found[part] = least.sum((2, 3), dtype=torch.float64).sqrt_().numpy()
    return found


def nearest_points(new, points, k, *, own=False):
    """Return the k points nearest to each of `new`, and how far they are; (m, k) each.

    Of those as near as each other the first come first. `own`: `new` are the points
    themselves, and none is its own neighbour.
    """
    center = points.mean(0)
    new, points = new - center, points - center
    norm, among = np.square(points).sum(1), np.arange(len(points))
    index = np.empty((len(new), k), dtype=np.int64)
    distance = np.empty((len(new), k))
    size = max(1, BLOCK_BYTES // (8 * max(1, len(points), k * points.shape[1])))
    for start in range(0, len(new) if k else 0, size):
        part = slice(start, start + size)
        a = new[part]
        both = np.square(a).sum(1)[:, None] + norm
        square = both - 2 * (a @ points.T)
        square[square < 1e-12 * both] = 0  # where rounding is all there is
        if own:
            square[np.arange(len(a)), np.arange(start, start + len(a))] = np.inf
        near = np.sort(np.argpartition(_key(square, among), k - 1)[:, :k])
        exact = np.sqrt(np.square(a[:, None] - points[near]).sum(2))
        index[part], distance[part] = first(near, exact, k)
    return index, distance


def first(near, distance, k):
    """Return the k nearest of candidates (m, c), in order, and how far they are."""
    order = np.argsort(_key(distance, near))[:, :k]
    return np.take_along_axis(near, order, 1), np.take_along_axis(distance, order, 1)


def _key(distance, index):
    """Return whole numbers in the order of distances, then of the index.

    Distances that differ by rounding only are the same: floats that are not negative are
    in the order of their bits, the last of which are dropped.
    """
    bits = distance.astype(np.float32).view(np.int32).astype(np.int64)
    bits = (bits + (1 << COARSE - 1)) >> COARSE
    return (bits << 32) | index


def cost_of_cut(between):
    """Return the summed conductance of clusters, for what they tell of rows; ().

    That is the share of its edges that leave each cluster, summed, over the entropy of
    their sizes: to part a few rows costs little, and tells little. `between` (K, K) are
    the edges between clusters and, on the diagonal, in them.
    """
    size = np.maximum(between.sum(1), 1e-12)
    share = size / size.sum()
    entropy = -(share * np.log(share)).sum()
    return (1 - between.diagonal() / size).sum() / max(entropy, 1e-12)


def even_shares(found):
    """Return what rows have of each class (..., K), as shares; even ones where of none."""
    total = found.sum(-1, keepdims=True)
    even = np.full_like(found, 1 / found.shape[-1])
    return np.divide(found, total, out=even, where=total > 0)
