"""Docstrings of the estimators: what they share is written once, in the base class."""

import inspect
import re
from dataclasses import fields, is_dataclass


def _sections(doc):
    """Return a numpydoc docstring as {title: text}, the text before them under ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(doc) + "\n", flags=re.M)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def _entries(text):
    """Return a section of names as {name: text}."""
    parts = re.split(r"^(\w+) : ", text, flags=re.M)
    entries = zip(parts[1::2], parts[2::2], strict=True)
    return {name: f"{name} : {rest.strip()}\n" for name, rest in entries}


def documented(cls):
    """Fill up a class's parameters and attributes with those that its base describes."""
    parent = next(c for c in cls.__mro__[1:] if is_dataclass(c))
    base, own = (_sections(c.__doc__) for c in (parent, cls))
    known = _entries(base["Parameters"]) | _entries(own.get("Parameters", ""))
    order = [field.name for field in fields(cls) if field.init]
    own["Parameters"] = "".join(known[name] for name in order)
    attributes = _entries(own.get("Attributes", "")) | _entries(base["Attributes"])
    if "float" not in known.get(
        "n_components", "float"
    ):  # no size is found by the share it explains
        attributes.pop("size_curve_", None)
    own["Attributes"] = "".join(attributes.values())
    titles = ("", "Parameters", "Attributes", "See Also", "Notes", "References", "Examples")
    cls.__doc__ = "\n".join(
        f"{title}\n{'-' * len(title)}\n{own[title]}" if title else own[title]
        for title in titles
        if title in own
    )
    return cls
