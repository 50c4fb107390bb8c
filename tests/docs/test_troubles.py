"""When something goes wrong: each warning of the code is on the page, and no other."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubles.rst"
FEW, MOST = 3, 4  # words of a message that are looked for
OF_SKLEARN = (
    "Input X contains NaN.",
    "Input X contains infinity or a value too large for dtype('float64').",
    "could not convert string to float: ",
    "X has … features, but … is expecting … features as input.",
)
PASSED_ON = {"text", "sign"}  # names of messages that were made elsewhere


def segments(node):
    """Return the constant parts of a message, in order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return segments(node.left) + segments(node.right)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    constants = (part.value for part in parts if isinstance(part, ast.Constant))
    return [part for part in constants if isinstance(part, str)]


def first_words(parts):
    """Return the first words of the first part that has a few."""
    long = (part.split() for part in parts if len(part.split()) >= FEW)
    return " ".join(next(long)[:MOST])


@pytest.fixture(scope="module")
def code():
    """Return the nodes of all modules of skae."""
    paths = sorted((ROOT / "skae").rglob("*.py"))
    kinds = ast.Assign | ast.Call | ast.Yield | ast.JoinedStr | ast.Constant | ast.BinOp
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_bytes())))
    return [node for node in nodes if isinstance(node, kinds)]


@pytest.fixture(scope="module")
def page():
    return re.sub(r"\s+", " ", PAGE.read_text("utf-8"))


def warned(code):
    """Return what is warned of: arguments of `warn` and `tell`, and sentences yielded."""
    constants = {
        node.targets[0].id: node.value
        for node in code
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in code:
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) not in ("warnings.warn", "warn", "tell"):
                continue
            message = node.args[0]
            if isinstance(message, ast.Name):
                if message.id in PASSED_ON:
                    continue
                message = constants[message.id]
            assert segments(message), ast.unparse(node)
            yield message
        elif isinstance(node, ast.Yield) and node.value is not None:
            parts = segments(node.value)
            if parts and parts[0][:1].isupper():  # a sign of trouble
                yield node.value


def test_each_warning_is_told_of(code, page):
    wanted = [first_words(segments(message)) for message in warned(code)]
    assert len(wanted) > 25
    assert [words for words in wanted if words not in page] == []


def test_each_message_is_one_of_the_code_s(code):
    texts = [
        re.sub(r"\s+", " ", "\n".join(segments(node)))
        for node in code
        if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp)
    ]
    texts += OF_SKLEARN
    said = re.findall(r"^``(.+)``$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(said) > 40
    for message in said:
        for part in filter(None, map(str.strip, message.split("…"))):
            assert any(part in text for text in texts), part
