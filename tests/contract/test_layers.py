"""The house: imports go down, only estimators' rooms name estimators, files stay small.

Where these rules would have to give, the folder is wrong, not the rule.
"""

import ast
import io
import pathlib
import tokenize

import pytest

import skae

ROOT = pathlib.Path(skae.__file__).parent

#: from the ground up; a folder takes from those below it, never from beside or above
LAYERS = [
    {"_adam", "_params", "_losses"},
    {"_data"},
    {"networks", "likelihoods", "corruption", "priors", "metrics"},
    {"_codes"},
    {"_training"},
    {"_autoencoders"},
    {
        *("outliers", "impute", "feature_selection", "model_selection"),
        *("semi_supervised", "over_sampling", "plotting", "io"),
    },
    {"__init__"},
]
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}

#: rooms in which estimators are at home; `metrics` takes any, to score them
AT_HOME = {
    "_autoencoders", "outliers", "impute", "feature_selection", "model_selection",
    "metrics", "semi_supervised", "over_sampling", "plotting", "io",
}  # fmt: skip

#: with an underscore, but public all the same; the last is an operator of torch
DOCUMENTED = {"_replace", "_asdict", "_fields", "_parameter_constraints", "_unsafe_view"}
DOCUMENTED |= {"_schema", "_fused_adam_", "_fused_adamw_"}  # which have no public name

#: calls of getattr and hasattr in all
PROBES = 35

#: of code in a file: neither blank, nor comment, nor docstring
LINES = 300
FILES = {str(path.relative_to(ROOT)): path.read_text() for path in ROOT.rglob("*.py")}


def room(name):
    """The folder, or the file, of the top level that a file belongs to."""
    return name.split("/")[0].removesuffix(".py")


def taken(source):
    """Names of the top level of skae that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skae"):
            _, *inner = node.module.split(".")
            yield from inner[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top, *inner = alias.name.split(".")
                yield from inner[:1] if top == "skae" else []


def upward(files):
    return sorted(
        f"{name} -> {other}"
        for name, source in files.items()
        for other in taken(source)
        if other != room(name) and FLOOR.get(other, -1) >= FLOOR[room(name)]
    )


def of_sklearn(tree):
    """What is scikit-learn's: names imported from it, and keywords of their calls."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn")
        for alias in node.names
    }
    keywords = [
        keyword
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in names
        for keyword in node.keywords
    ]
    return names, keywords


def identifiers(source):
    """Names of variables, attributes, arguments, keywords and functions, with lines."""
    tree = ast.parse(source)
    names, keywords = of_sklearn(tree)
    for node in ast.walk(tree):
        if node in keywords or isinstance(node, ast.alias):
            continue
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name not in names:
                yield name, node.lineno


def estimators_named(files):
    return sorted(
        f"{name}:{line} {identifier}"
        for name, source in files.items()
        if room(name) not in AT_HOME
        for identifier, line in identifiers(source)
        if "estimator" in identifier.lower()
    )


def is_own(node):
    """Whether an expression is self, cls, or super()."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def private(files):
    return sorted(
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, source in files.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr[0] == "_"
        and not node.attr.startswith("__")
        and node.attr not in DOCUMENTED
        and not is_own(node.value)
    )


def probes(files):
    return sorted(
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, source in files.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
    )


def lines_of_code(source):
    """How many lines hold code: neither blank, nor comment, nor docstring."""
    nothing = (
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    )  # fmt: skip
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {
        line
        for token in tokens
        if token.type not in nothing
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                held -= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    return len(held)


def long_files(files):
    lengths = {name: lines_of_code(source) for name, source in files.items()}
    return sorted(f"{name}: {n}" for name, n in lengths.items() if n > LINES)


def test_every_room_has_a_floor():
    assert {room(name) for name in FILES} == FLOOR.keys()


@pytest.mark.parametrize("rule", [upward, estimators_named, private, long_files])
def test_nothing_breaks(rule):
    broken = rule(FILES)
    assert not broken, "\n".join([f"{len(broken)} times", *broken])


def test_few_objects_are_asked_what_they_are():
    asked = probes(FILES)
    assert len(asked) <= PROBES, "\n".join([f"{len(asked)} times", *asked])


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (upward, "_data/rows.py", "from skae.likelihoods import Gaussian"),
        (upward, "_data/rows.py", "from skae import likelihoods"),
        (upward, "_data/rows.py", "import skae._codes.base"),
        (upward, "networks/_dense.py", "from skae.corruption import Masking"),
        (upward, "outliers/_detector.py", "def f():\n    from skae.impute import x"),
        (estimators_named, "_training/net.py", "f(estimator)"),
        (estimators_named, "_training/net.py", "def f(the_estimators): pass"),
        (estimators_named, "_codes/base.py", "self.estimator.fit()"),
        (estimators_named, "_codes/base.py", "f(estimator=1)"),
        (private, "_codes/base.py", "net._step()"),
        (private, "_codes/base.py", "self.net._is_flat"),
        (private, "_codes/base.py", "f()._x"),
        (long_files, "_codes/base.py", "x = 1\n" * 301),
    ],
)
def test_the_rules_can_be_broken(rule, name, source):
    assert len(rule({name: source})) == 1


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (upward, "_training/net.py", "from skae._training.course import Course"),
        (upward, "_training/net.py", "from skae._codes.base import Terms\nimport torch"),
        (upward, "__init__.py", "from skae.outliers._detector import Detector"),
        (estimators_named, "_codes/base.py", '"""Of an estimator."""\n# estimator'),
        (
            estimators_named,
            "_codes/base.py",
            "from sklearn.base import BaseEstimator as Estimator\nclass A(Estimator): pass",
        ),
        (
            estimators_named,
            "_data/checks.py",
            "from sklearn.utils import check_array\ncheck_array(X, estimator=self)",
        ),
        (estimators_named, "outliers/_detector.py", "estimator = 1"),
        (private, "_codes/base.py", "self._x, cls._y, super()._z, a.__dict__, t._fields"),
        (long_files, "_codes/base.py", '"""Doc.\n\nMore.\n"""\n' + "x = 1\n# a\n\n" * 300),
    ],
)
def test_what_the_rules_allow(rule, name, source):
    assert rule({name: source}) == []


def test_lines_of_code_are_those_that_hold_code():
    source = '"""Doc.\n\nMore."""\n\nimport a  # b\n\n# c\n\n\ndef f(\n    x,\n):\n'
    source += '    """Doc."""\n    return """a\n\n    b"""\n'
    assert lines_of_code(source) == 1 + 3 + 3


def test_probes_are_counted():
    assert (
        len(probes({"a.py": "getattr(x, 'y'), hasattr(x, 'z'), setattr(x, 'y', 1)"})) == 2
    )
