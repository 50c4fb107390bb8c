"""The lines that a training prints of itself."""

from numbers import Real
from time import monotonic

import numpy as np

SECONDS = 1.0  # between two lines, with verbose=1
UNTOLD = {"epoch", "lr", "dur"}  # of what is recorded of an epoch


class Lines:
    """Prints how far a training is: each epoch, or a line a second at most.

    The first epoch and the last one have a line in any case.

    Parameters
    ----------
    verbose : int
        1 is a line a second at most; with more each epoch has one.
    unit : {"epoch", "step"}
        What is counted.
    """

    def __init__(self, verbose, unit):
        self.pause, self.unit = SECONDS if verbose == 1 else 0.0, unit
        self.start, self.said, self.untold = monotonic(), None, None

    def tell(self, courses, rows):
        """Take note of an epoch: courses of nets, and what was recorded of each, a dict."""
        course, now = courses[0], monotonic()
        size = course.n_steps if self.unit == "step" else 1
        total = max(c.cool_to for c in courses) * size
        done = f"{course.epoch * size:{len(f'{total:,}')},}"
        parts = [f"{self.unit} {done} of {total:,}"]
        if len(rows) > 1:
            parts.append(f"{len(rows)} networks")
        parts += [f"{k} {np.mean([r[k] for r in rows]):.4f}" for k in _told(rows[0])]
        self.untold = ", ".join([*parts, f"{now - self.start:.1f} s"])
        if self.said is None or now - self.said >= self.pause:
            self.said = now
            self.end()

    def end(self):
        """Print the line of the last epoch, if it is not yet."""
        if self.untold is not None:
            print(self.untold, flush=True)
        self.untold = None


def _told(row):
    """Return the names of the losses and scores that were recorded of an epoch."""
    hidden = ("_best", "_count")
    return [
        name
        for name, value in row.items()
        if isinstance(value, Real) and not isinstance(value, bool)
        if name not in UNTOLD and not name.endswith(hidden) and name[:6] != "event_"
    ]
