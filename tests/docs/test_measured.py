"""Measured tables: each says where it is from, and the README's figures are in them."""

import csv
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "examples" / "benchmarks" / "results"
KEYS = {"script", "title", "machine", "date", "versions", "seeds", "note"}


def read(name):
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def readme_rows(heading):
    """Return the cells of the README's table whose first column has this heading."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.search(rf"^\| {heading} \|.*\n(?:\|.*\n)+", text, re.MULTILINE).group()
    lines = [line.replace("*", "").strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for line in lines if "---" not in line[0]]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_a_table_is_whole_and_says_where_it_is_from(path):
    header, *rows = read(path.stem)
    assert rows
    assert len(set(header)) == len(header)
    assert all(len(row) == len(header) for row in rows)
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(about) == KEYS
    assert about["script"]
    assert about["machine"]
    assert re.match(r"\d{4}-\d\d-\d\d", about["date"])


def test_the_guides_name_tables_that_there_are():
    named = [
        name
        for guide in (ROOT / "docs").rglob("*.rst")
        for name in re.findall(r"^\.\. measured:: (\w+)$", guide.read_text(), re.MULTILINE)
    ]
    assert len(named) > 40
    assert not set(named) - {path.stem for path in RESULTS.glob("*.csv")}


def test_the_readme_s_explained_variances_are_those_measured():
    _, *rows = read("quality")
    measured = {tuple(row[:2]): [f"{float(cell):.2f}" for cell in row[2:5]] for row in rows}
    head, *shown = readme_rows("data")
    assert [name.strip("`") for name in head[2:]] == [
        "PCA",
        "MLPRegressor(X, X)",
        "Autoencoder",
    ]
    for data, sizes, *cells in shown:
        columns = [cell.split(" / ") for cell in cells]
        for k, *values in zip(sizes.split(" / "), *columns, strict=True):
            assert measured[data, k] == values
    assert [row[0] for row in shown] == list(dict.fromkeys(data for data, _ in measured))
    raw = {
        tuple(row[:2]): [f"{float(cell):.2f}" for cell in row[10:12] if cell]
        for row in rows
    }
    for data, sizes, *cells in readme_rows("the same, in those")[1:]:
        columns = [cell.split(" / ") for cell in cells]
        for k, *values in zip(sizes.split(" / "), *columns, strict=True):
            assert raw[data, k] == values


def test_the_readme_s_gains_on_noisy_pictures_are_those_measured():
    (_, *columns), *rows = read("pictures_noise")
    _, *shown = readme_rows("noise")
    assert len(shown) == len(columns)
    for place, (_, *cells) in enumerate(shown, 1):
        measured = set(re.findall(r"-?\d+\.\d", " ".join(row[place] for row in rows)))
        assert set(re.findall(r"-?\d+\.\d", " ".join(cells))) <= measured
