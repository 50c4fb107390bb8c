"""What is found about rows, as a table that goes into a ticket.

n is the number of rows.
"""

import numpy as np
import pandas as pd

from skae._data.objects import brief
from skae.outliers._thresholds import conformal_p_values

OF_A_REASON = {"reason": "feature", "observed": "observed", "expected": "expected"}


def judged(scores, offset, calibration):
    """Return scores (n,), whether they are flagged and, if calibrated, their p-values."""
    table = pd.DataFrame({"score": scores, "flagged": scores < offset})
    if calibration is not None:
        table["p_value"] = conformal_p_values(scores, calibration)
    return table


def with_reasons(table, reasons, n_reasons):
    """Return a table of n rows with their first reasons, in words and one by one.

    `reasons` are those of some rows by "row" (its position) and "rank"; None of no row.
    """
    words, more = np.full(len(table), "", dtype=object), {}
    for rank in range(1, n_reasons + 1):
        for name in OF_A_REASON:
            more[f"{name}_{rank}"] = np.full(len(table), None, dtype=object)
    if reasons is not None:
        for (row, rank), reason in zip(
            reasons.index, reasons.to_dict("records"), strict=True
        ):
            for name, told in OF_A_REASON.items():
                more[f"{name}_{rank}"][row] = reason[told]
            text = _in_words(reason)
            words[row] = text if rank == 1 else f"{words[row]}; {text}"
    more = pd.DataFrame({"why": words, **more}).infer_objects()
    return pd.concat([table, more], axis=1)


def _in_words(reason):
    observed, expected = brief(reason["observed"]), brief(reason["expected"])
    return f"{reason['feature']} {observed} (expected {expected})"
