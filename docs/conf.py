"""How the documentation is built: ``python -m sphinx -W -b html docs docs/_build/html``.

The gallery's scripts run with it, some minutes; ``-D plot_gallery=0`` leaves them out.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two scripts at a time: below

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import inventories

import skae
from skae._params import SITE

project = "skae"
author = "The skae developers"
copyright = f"2026, {author}"
release = version = skae.__version__

extensions = [
    "measured",
    "names",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "myst_parser",
    "numpydoc",
    "sphinx-mathjax-offline",  # formulas without a connection
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "auto_examples/**/*.py"]

default_role = "py:obj"  # `Autoencoder` is a link wherever it stands
toc_object_entries_show_parents = "hide"
nitpicky = True  # a name with its package has to be there; others may be parameters
nitpick_ignore_regex = [("py:.*", r"(?!(skae|sklearn|numpy|pandas|torch|skorch)\.).*")]
autosummary_generate = True
autodoc_typehints = "none"  # the numpydoc sections say it in words
numpydoc_show_class_members = False  # the templates list the methods
intersphinx_mapping = inventories.mapping(Path(__file__).parent / "_build" / "inventories")
copybutton_prompt_text = ">>> |\\.\\.\\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skae",),
    "reference_url": {"skae": None},
    "download_all_examples": False,
    "min_reported_time": 1,
    "parallel": 2,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_baseurl = SITE
html_theme_options = {
    "logo": {"text": "skae"},
    "github_url": "https://github.com/skae-dev/skae",
    "navbar_persistent": ["search-button"],
    "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
    "switcher": {
        "json_url": SITE.replace("stable", "latest") + "_static/switcher.json",
        "version_match": "dev" if "dev" in release else release,
    },
    "check_switcher": False,  # it is where the site will be
    "header_links_before_dropdown": 6,
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "changelog": []}
html_show_sourcelink = False
