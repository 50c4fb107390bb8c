"""What these pages take from elsewhere: tables of the benchmarks, constants of the code.

``.. measured:: NAME`` is ``examples/benchmarks/results/NAME.csv`` as a table, under a
line from the JSON file beside it: what, on which machine, when; ``**this**`` in a cell is
in bold. ``:value:`module.NAME``` is a constant, ``:value:`module.NAME:.0%``` the same,
formatted.
"""

import csv
import importlib
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks" / "results"


def read(name):
    """Return a table's rows, the header first, and what is known of it."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows, json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def caption(about):
    """Return the line above a table."""
    seeds = about["seeds"] and f"{about['seeds']} seed{'s' * (about['seeds'] > 1)}"
    parts = about["script"], about["machine"], about["date"], seeds
    line = ", ".join(part for part in parts if part)
    return ". ".join(part for part in (about["title"], line) if part)


def marked(cell):
    """Return the text of a cell, what is between double asterisks in bold."""
    cell = cell.replace(" ± ", "\u00a0±\u00a0")  # one number: on one line
    parts = re.split(r"\*\*(.+?)\*\*", cell)  # each second one was between them
    return [nodes.strong("", p) if i % 2 else nodes.Text(p) for i, p in enumerate(parts)]


class Measured(SphinxDirective):
    """A table of the benchmarks."""

    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        try:
            (head, *body), about = read(name)
        except OSError as error:
            raise self.error(f"There is no measured table {name!r}: {error}") from error
        for suffix in (".csv", ".json"):
            self.env.note_dependency(str(RESULTS / f"{name}{suffix}"))
        group = nodes.tgroup(cols=len(head))
        group += [nodes.colspec(colwidth=1) for _ in head]
        group += self._rows(nodes.thead(), [head])
        group += self._rows(nodes.tbody(), body)
        title = nodes.title("", caption(about))
        return [nodes.table("", title, group, classes=["colwidths-auto"])]

    @staticmethod
    def _rows(part, rows):
        for row in rows:
            cells = [nodes.entry("", nodes.paragraph("", "", *marked(c))) for c in row]
            part += nodes.row("", *cells)
        return part


def value(name, rawtext, text, lineno, inliner, options=None, content=()):
    """Return a constant of the code, as text."""
    path, _, form = text.partition(":")
    module, _, constant = path.rpartition(".")
    try:
        form = f"{{0.{constant}{f':{form}' if form else ''}}}"
        found = form.format(importlib.import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        message = inliner.reporter.error(f"No value {text!r}: {error}", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    return [nodes.Text(found)], []


def setup(app):
    """Tell Sphinx of both."""
    app.add_directive("measured", Measured)
    app.add_role("value", value)
    return {"parallel_read_safe": True}
