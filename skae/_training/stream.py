"""What a net knows of the columns, brought up to date as more rows come."""

import numpy as np
import torch

from skae._data.statistics import merged


def follow(net, likelihood, before, now):
    """Let a net scale the columns by the rows before and these, and do what it did.

    The layers that rows enter and leave by are told in the new units. Where they, or the
    likelihood, are not known to us, the scales stay.

    Parameters
    ----------
    net : Net
    likelihood : object
        The parameter, with `build`.
    before, now : ColumnStatistics

    Returns
    -------
    statistics : ColumnStatistics
        Of all rows.
    """
    # an encoder is told which cells are missing where some were at first
    statistics = merged(before, now)._replace(has_missing=before.has_missing)
    ae = net.module_
    old, layers = ae.likelihood, ae.code.edges(ae)
    if layers is None or not old.goes_along:
        return statistics
    new = likelihood.build(statistics).to(net.device)
    if layers.n_pixels is not None:
        new.stay(old)
    # columns without a value begin as new ones do, at their mean
    old.location = np.where(np.asarray(before.total) > 0, old.location, new.location)
    change = old.change(new)
    if not layers.fit(change):
        return statistics
    if old.active.any():  # otherwise the net has learnt nothing that could be kept
        layers.take(change)
    with torch.no_grad():
        old.become(new)
        ae.code.restated(ae)
    return statistics
