"""Every public name has a page, and only public names have one."""

import importlib
import re
from pathlib import Path

import skae

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "api").glob("*.rst"))
#: whose names are those of `skae` itself, too
AT_THE_TOP = {"feature_selection", "outliers", "over_sampling", "semi_supervised"}


def listed():
    for page in PAGES:
        home = ""
        for line in page.read_text("utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                home = line.split()[-1]
            elif re.fullmatch(r"   [A-Za-z_]\w*", line):
                yield f"{home}.{line.strip()}"


def public():
    modules = {name for name in skae.__all__ if name.islower()} | {"io"}
    for name in skae.__all__:
        if name not in modules:
            yield f"skae.{name}"
    for name in modules - AT_THE_TOP:
        module = importlib.import_module(f"skae.{name}")
        for inner in module.__all__:
            if not hasattr(skae, inner):
                yield f"skae.{name}.{inner}"


def test_every_public_name_has_one_page():
    assert sorted(listed()) == sorted(public())


def test_rooms_without_a_page_hold_what_is_at_the_top():
    for room in AT_THE_TOP:
        assert set(getattr(skae, room).__all__) <= set(skae.__all__)
