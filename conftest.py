"""What holds for the docstrings and the guide as for the tests: no figure stays open."""

import sys

import pytest


@pytest.fixture(autouse=True)
def figures_closed():
    """Close what a test has drawn."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
