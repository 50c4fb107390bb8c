"""Warnings that point at the line that called skae."""

import inspect
import warnings

PACKAGE = __name__.split(".")[0]


def tell(text):
    """Warn of a text, from the nearest line outside of the package and scikit-learn."""
    frame, level = inspect.currentframe(), 0
    while frame is not None:
        level += 1
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] not in (PACKAGE, "sklearn", "contextlib"):
            break
        frame = frame.f_back
    warnings.warn(text, stacklevel=level)
