"""Warnings that point at the line that called skae."""

import inspect
import warnings

PACKAGE = __name__.split(".")[0]


def tell(text, kind=UserWarning):
    """Warn of a text, from the nearest line outside of the package and scikit-learn."""
    frame, level = inspect.currentframe(), 0
    while frame is not None:
        level += 1
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] not in (PACKAGE, "sklearn", "contextlib"):
            break
        frame = frame.f_back
    warnings.warn(text, kind, stacklevel=level)


def tell_of_texts(looks, marks, twins, can_pass):
    """Warn of columns {name: Look} that may be no categories, of {name: mark}, and twins.

    Twins, {name: texts}, are written in two ways.
    """
    left = {name: look for name, look in looks.items() if not look.is_category}
    kept = {name: look for name, look in looks.items() if look.is_category}
    if left:
        tell(
            "X: these columns hold texts that are no categories. They are left alone, "
            f"neither learnt from nor filled: {_said(left, can_pass)}. What is a category "
            f"all the same is told by {_way_of_categories(left, can_pass)}."
        )
    if kept:
        tell(
            f"X: these columns are taken for categories: {_said(kept, can_pass)}; if they "
            f"are codes, say so by {_way_of_categories(kept, can_pass)}."
        )
    if marks:
        tell(
            "X: texts that look like marks of missing cells are taken for values: "
            + ", ".join(f"{mark!r} in column {name!r}" for name, mark in marks.items())
            + ". Replace them by None if nothing is known there."
        )
    if twins:
        tell(
            "X: texts that differ only in capitals or in spaces around them are taken for "
            "different values: "
            + "; ".join(f"{texts} in column {name!r}" for name, texts in twins.items())
            + ". If they mean the same, write them alike, in pandas with "
            "column.str.strip().str.lower()."
        )


def _said(looks, can_pass):
    """Return what columns {name: Look} look like, and what to do about each."""
    return "; ".join(
        f"{name!r} ({look.what}): {look.remedy or _way_of_names(name, can_pass)}"
        for name, look in looks.items()
    )


def _way_of_categories(looks, can_pass):
    if not can_pass:
        return "a categorical dtype, as .astype('category')"
    return f"columns={{{next(iter(looks))!r}: 'category'}} or by a categorical dtype"


def _way_of_names(name, can_pass):
    if not can_pass:
        return "drop it"
    return f"drop it, or say columns={{{name!r}: 'passthrough'}} to have it passed through"
