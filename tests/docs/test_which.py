"""Which autoencoder?: chart, list and table name all there are, and their figures."""

import re
import sys
from pathlib import Path

import skae

ROOT = Path(__file__).resolve().parents[2]
DOCS, BENCHMARKS = ROOT / "docs", ROOT / "examples" / "benchmarks"
ESTIMATORS = {name for name in skae.__all__ if isinstance(getattr(skae, name), type)}


def test_the_chart_and_the_list_say_the_same():
    chart = (DOCS / "_static" / "which.svg").read_text(encoding="utf-8")
    page = (DOCS / "which_autoencoder.rst").read_text(encoding="utf-8")
    words = page[: page.index("What they are")]
    by_chart = re.findall(r'href="generated/skae\.(\w+)\.html"', chart)
    by_list = re.findall(r"`~skae\.(\w+)`", words)
    assert by_chart == by_list
    assert set(by_chart) == ESTIMATORS
    table = page[page.index("What they are") : page.index("How well they do it")]
    assert set(re.findall(r"\* - `~skae\.(\w+)`", table)) == ESTIMATORS


def test_the_measured_lines_are_those_of_the_tables(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    try:
        import _common
        import which

        (table,) = which.which(_common.Options())
        _common.save(table, "which", _common.Options(), tmp_path)
    finally:
        for name in set(sys.modules) - before:  # `_common` is a common name
            if name in ("_common", "which"):
                del sys.modules[name]
    there = BENCHMARKS / "results" / "which.csv"
    assert (tmp_path / "which.csv").read_text("utf-8") == there.read_text("utf-8")
    assert {row[0].split(",")[0] for row in table.rows} == ESTIMATORS
