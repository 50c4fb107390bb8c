"""Where in the day, week, month and year dates are, from standardised days.

B is the number of rows, d the columns, c of which have cycles.
"""

import numpy as np
import torch
from torch import nn

from skae._data.body import KNEE

MONDAY = 3  # what is added to days since 1970-01-01, a Thursday, for weeks to begin at 0
#: sines and cosines of a cycle: as many tell the days of a week from one another
HARMONICS = {"day": 2, "week": 3, "month": 1, "year": 1}
MARCH = 719468  # days from 0000-03-01 to 1970-01-01


def cycles_of(cycles, location, scale):
    """Return the module for a dict of columns and names of cycles, None without any."""
    return Cycles(cycles, location, scale) if cycles else None


class Cycles(nn.Module):
    """The sine and cosine of each column's cycles; 0 where a cell is missing.

    A date beyond the knee, where a wild column is bent, is taken to have none.

    Parameters
    ----------
    cycles : dict
        By column, which of "day", "week", "month" and "year".
    location, scale : ndarray of shape (d,)
        Of days since 1970-01-01.
    """

    def __init__(self, cycles, location, scale):
        super().__init__()
        columns = sorted(cycles)
        shown = [
            (i, name, times)
            for i, j in enumerate(columns)
            for name in cycles[j]
            for times in range(1, HARMONICS[name] + 1)
        ]
        self.n, self.shown = 2 * len(shown), shown
        self.register_buffer("columns", torch.tensor(columns))
        self.register_buffer("owner", torch.tensor([i for i, *_ in shown]).long())
        # float32 holds a time of day only in days that are few: whole ones are apart
        whole = np.floor(location[columns])
        units = np.stack([scale[columns], location[columns] - whole, whole])
        self.register_buffer("units", torch.from_numpy(units).float())  # (3, c)

    def forward(self, x):
        """Return the cycles of standardised rows (..., d); (..., n)."""
        x = x.index_select(-1, self.columns)
        there = x.abs() <= KNEE  # which NaN is not
        scale, rest, whole = self.units
        days = torch.where(there, x, 0.0) * scale + rest
        day = days.floor()
        phases = phases_of(days - day, day + whole)
        parts = [times * phases[name][..., i] for i, name, times in self.shown]
        turn = 2 * torch.pi * torch.stack(parts, -1)
        there = there.index_select(-1, self.owner)
        return torch.cat([turn.sin() * there, turn.cos() * there], -1)


def phases_of(time, day):
    """Return where times in days since 1970-01-01 are in each cycle, in [0, 1).

    By the civil calendar, counted from the first of March in years of 400 to an era.
    """
    since = day + MARCH
    of_era = since - 146097 * (since / 146097).floor()
    gone = (of_era / 1460).floor() - (of_era / 36524).floor() + (of_era / 146096).floor()
    year = ((of_era - gone) / 365).floor()
    of_year = of_era - (365 * year + (year / 4).floor() - (year / 100).floor())
    month = ((5 * of_year + 2) / 153).floor()
    first, after = (((153 * m + 2) / 5).floor() for m in (month, month + 1))
    length = torch.where(month == 11, 28.25, after - first)  # of February
    return {
        "day": time,
        "week": ((day + MONDAY + time) / 7) % 1,
        "month": ((of_year - first + time) / length) % 1,
        "year": (of_year + time) / 365.25,
    }
