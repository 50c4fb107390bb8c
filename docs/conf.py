"""How the documentation is built: ``python -m sphinx -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

import skae

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skae"
author = "The skae developers"
copyright = f"2026, {author}"
release = version = skae.__version__

extensions = [
    "measured",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

autosummary_generate = True
autodoc_typehints = "none"  # the numpydoc sections say it in words
numpydoc_show_class_members = False  # the templates list the methods

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = []
html_theme_options = {"show_prev_next": False, "navbar_end": ["theme-switcher"]}
html_show_sourcelink = False
