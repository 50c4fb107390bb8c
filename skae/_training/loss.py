"""The one reduction of what rows cost, and what rows are judged by.

B is the number of rows of a batch.
"""

import math

import torch

from skae._codes.base import Terms

MOST_KEPT = 2**24  # numbers of held-out rows
JUDGING_SEED = 0  # of the noise under which held-out rows are judged


def judging_generator(device):
    """Return the source of the noise to judge by, the same each time."""
    return torch.Generator(device).manual_seed(JUDGING_SEED)


def may_stay(batches, times=1):
    """Tell whether so many times the rows of batches may be kept beside the data."""
    rows = batches.rows
    size = times * len(batches.index) * rows.n_columns
    return rows.resident is not None and size <= MOST_KEPT


def row_loss(forward, batch, noise, progress):
    """Return what each row of a batch costs, weighted (B,), and the terms."""
    terms = forward(batch.x, batch.target, noise, progress, *batch.known)
    _check_terms(terms, len(batch.x))
    row = terms.nll if terms.reg is None else terms.nll + terms.reg
    return row if batch.weight is None else row * batch.weight, terms


def judged_row(row, terms):
    """Return what each row is judged by: its cost, and that of the batch for it; (B,)."""
    return row if terms.batch is None else row + terms.batch


def mean_loss(row, terms, n_cells):
    """The one reduction: a mean over the rows of a batch, per column; ()."""
    loss = row.sum() * (1 / n_cells)  # a product is cheaper than a quotient to map
    if terms.batch is not None:
        loss = loss + terms.batch * (len(row) / n_cells)
    return loss if terms.aside is None else loss + terms.aside


def _check_terms(terms, n_rows):
    """Raise a ``ValueError`` for terms that have not the shapes that they should have."""
    if not isinstance(terms, Terms):
        raise ValueError(f"code: loss() must return Terms. Got {type(terms).__name__}.")
    wanted = (n_rows,), (n_rows,), (), ()
    for name, term, shape in zip(Terms._fields, terms, wanted, strict=True):
        if term is not None and term.shape != shape:
            raise ValueError(
                f"code: loss() must return Terms whose {name} has the shape {shape} for "
                f"{n_rows} rows. Got {tuple(term.shape)}."
            )


def check_loss(loss, course, remedy="", of="the loss"):
    """Return an epoch's loss, or raise a ``ValueError`` if it is not finite."""
    loss = float(loss)
    if not math.isfinite(loss):
        raise ValueError(
            f"Training diverged: {of} is {loss} after epoch {course.epoch + 1}. "
            f"Lower learning_rate, or look for extreme values in X.{remedy}"
        )
    return loss
