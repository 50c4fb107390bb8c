"""The nearest rows of each row, as what training should make of it."""

import torch

SEARCH_ROWS = 10_000  # among which a row's nearest are looked for, at most
SEARCH_BYTES = 2**26  # of their points as float32
DISTANCES_AT_ONCE = 2**22
MEANS_AT_ONCE = 1024


def nearest(rows, index, among, n_neighbors, spread):
    """Return the rows of `among` nearest to each of `index`; (n_rows, n_neighbors + 1).

    The first is the row itself. Many rows are dealt out into groups, each of which is
    searched by itself, so that the time grows with their number and not its square.

    Parameters
    ----------
    rows : Rows
    index : Tensor of shape (n,)
        Those that count; others have only themselves.
    among : Tensor of shape (m,)
        Those of them that may be neighbours: none that judges.
    n_neighbors : int
        Fewer, where a group is smaller.
    spread : callable
        Turns standardised rows into points.
    """
    most = max(n_neighbors + 1, min(SEARCH_ROWS, SEARCH_BYTES // rows.bytes_per_row))
    n_groups = max(1, -(-len(among) // most))
    n_neighbors = max(0, min(n_neighbors, len(among) // n_groups - 1))
    table = torch.arange(rows.X.shape[0])[:, None].repeat(1, n_neighbors + 1)
    may = torch.isin(index, among)
    others = index[~may]
    with torch.inference_mode():
        for first in range(n_groups):
            group = among[first::n_groups]
            mine = torch.cat([group, others[first::n_groups]])
            points = spread(rows.take(mine.to(rows.device)))
            found = _nearest(points, len(group), n_neighbors)
            table[mine, 1:] = group[found.cpu()]
    return table


def _nearest(points, m, n):
    """Return the positions, among the first m, of the n nearest to each point; (N, n).

    None is its own neighbour.
    """
    among, found = points[:m], []
    half_square = among.square().sum(1) / 2
    own = torch.arange(len(points), device=points.device)
    for part in own.split(max(1, DISTANCES_AT_ONCE // m)):
        closeness = points[part] @ among.T - half_square
        mine = part[part < m]
        closeness[mine - part[0], mine] = -torch.inf
        found.append(closeness.topk(n, dim=1).indices)
    return torch.cat(found)


class Means:
    """Rows as the means of some others, by index: what `Rows` take in their place.

    They are on the device once where the rows themselves are.
    """

    def __init__(self, rows, table):
        self.rows, self.table, self.resident = rows, table.to(rows.device), None
        if rows.resident is not None:
            means = torch.empty_like(rows.resident)
            parts = torch.arange(len(means), device=means.device).split(MEANS_AT_ONCE)
            for part in parts:
                means[part] = self._mean(part)
            self.resident = means

    def take(self, index):
        """Return the means for a tensor of indices, standardised; (n, d)."""
        if self.resident is not None:
            return self.resident.index_select(0, index)
        return self._mean(index)

    def _mean(self, index):
        first, *others = self.table.index_select(0, index).T
        total = self.rows.take(first)
        for other in others:
            total += self.rows.take(other)
        return total.div_(self.table.shape[1])
