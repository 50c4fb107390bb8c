"""What is said of a release in several places is said alike, and an sdist has its tests."""

import re
import tomllib
from pathlib import Path

import skae
from skae import Autoencoder

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CITATION = dict(
    re.findall(
        r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE
    )
)


def test_a_citation_is_of_the_version_that_is_to_be_released():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["version"] == re.sub(r"\.?dev\d+$", "", skae.__version__)
    assert CITATION["license"] == PROJECT["license"]


def test_addresses_agree():
    site, home = CITATION["url"], CITATION["repository-code"]
    urls = PROJECT["urls"]
    assert urls["Documentation"] == site
    assert urls["Repository"] == home
    assert all(url.startswith((site, home)) for url in urls.values())
    assert Autoencoder()._get_doc_link().startswith(site)


def test_an_sdist_has_what_its_tests_need():
    sdist = PYPROJECT["tool"]["flit"]["sdist"]
    assert {"tests", "docs", "examples", "CHANGELOG.md", "CITATION.cff"} <= {
        *sdist["include"]
    }
    ignored = (
        (ROOT / ".gitignore").read_text().splitlines() if (ROOT / ".git").exists() else []
    )
    junk = {line.rstrip("/") for line in ignored if line.startswith("docs/")}
    assert junk <= {*sdist["exclude"]}
