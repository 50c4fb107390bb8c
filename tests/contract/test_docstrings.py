"""What the docstrings say of parameters, defaults and attributes is what the code does."""

import ast
import inspect
import re

import numpy as np
import pandas as pd
import pytest

import skae
from skae import (
    corruption,
    feature_selection,
    impute,
    io,
    likelihoods,
    metrics,
    model_selection,
    networks,
    outliers,
    over_sampling,
    plotting,
    priors,
    semi_supervised,
)
from tests.common import ESTIMATORS, IMPUTERS, ONE_FIT

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CONDITIONAL = {
    "classes_",
    "class_count_",
    "feature_names_in_",
    "validation_loss_curve_",
    "calibration_scores_",
    "cluster_count_",
    "labels_",
    "cluster_centers_",
    "size_curve_",
    "target_weight_",
    "alpha_",
}
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (
        skae,
        networks,
        likelihoods,
        corruption,
        metrics,
        model_selection,
        outliers,
        over_sampling,
        feature_selection,
        impute,
        io,
        plotting,
        priors,
        semi_supervised,
    )
    for name in module.__all__
    if callable(getattr(module, name))
}
CONSTRUCTED = {
    name: thing
    for name, thing in PUBLIC.items()
    if hasattr(thing, "get_params") or inspect.isfunction(thing)
}


def sections(thing):
    """A numpydoc docstring as {title: text}, the text before them under ""."""
    parts = re.split(r"^(\w[\w ]*)\n---+\n", inspect.getdoc(thing) + "\n", flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(text):
    """A section of names as [(names, type, text)], in its order."""
    found = re.findall(r"^(\w[\w, ]*?)(?: : (.*))?\n((?:(?: .*)?\n)*)", text, flags=re.M)
    return [(names.split(", "), kind, body.strip()) for names, kind, body in found]


def public(mapping):
    return pytest.mark.parametrize("thing", mapping.values(), ids=mapping)


def test_the_public_names_are_there():
    assert {"skae.Autoencoder", "skae.corruption.Masking", "skae.networks.DenseNetwork"} < {
        *CONSTRUCTED
    }
    assert {f"skae.{type(e).__name__}" for e in ESTIMATORS} < {*CONSTRUCTED}
    assert sum(inspect.isfunction(thing) for thing in CONSTRUCTED.values()) > 3


def test_the_parser_sees_what_is_there():
    text = "a : int, default=1\n    One.\n\n    More.\nb, c : {1, 2}\n    Two.\nd\n    3.\n"
    assert entries(text) == [
        (["a"], "int, default=1", "One.\n\n    More."),
        (["b", "c"], "{1, 2}", "Two."),
        (["d"], "", "3."),
    ]


@public(CONSTRUCTED)
def test_parameters_are_those_of_the_signature_in_its_order(thing):
    documented = entries(sections(thing).get("Parameters", ""))
    names = [name for names, _, _ in documented for name in names]
    signature = [
        name for name, p in inspect.signature(thing).parameters.items()
        if p.kind is not p.VAR_KEYWORD
    ]  # fmt: skip
    assert names == signature
    for names, kind, text in documented:
        assert kind, names
        assert text.endswith("."), names


def value_of(default):
    """What a stated default stands for: a literal, or the one number that has none."""
    return np.nan if default == "numpy.nan" else ast.literal_eval(default)


@public(CONSTRUCTED)
def test_stated_defaults_are_the_real_ones(thing):
    signature = inspect.signature(thing).parameters
    for names, kind, _ in entries(sections(thing).get("Parameters", "")):
        for name in names:
            real = signature[name].default
            stated = re.search(r"default=(.*)$", kind)
            if real is inspect.Parameter.empty:
                assert stated is None, name
                continue
            if kind == "Ignored":
                continue
            assert stated, name
            assert repr(value_of(stated.group(1))) == repr(real), name


HERE = skae.__path__[0]


def own_methods(estimator):
    return [
        name
        for name, member in inspect.getmembers(type(estimator), inspect.isfunction)
        if name[0] != "_" and inspect.getfile(inspect.unwrap(member)).startswith(HERE)
    ]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_methods_document_their_parameters(estimator):
    methods = own_methods(estimator)
    expected = {"fit", "transform", "score"}
    if estimator not in ONE_FIT:
        expected = {"fit", "partial_fit", "score_samples"}
    assert expected < set(methods)
    for method in methods:
        function = getattr(type(estimator), method)
        signature = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        documented = entries(sections(function).get("Parameters", ""))
        assert [name for names, _, _ in documented for name in names] == signature, method


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_methods_document_what_they_return(estimator):
    for method in own_methods(estimator):
        returned = entries(sections(getattr(type(estimator), method)).get("Returns", ""))
        assert returned, method
        assert all(kind and text.endswith(".") for _, kind, text in returned), method


TABLE = np.random.default_rng(0).normal(size=(40, 4))
PICTURES = np.random.default_rng(0).normal(size=(40, 4, 4))


def attributes(estimator):
    names = (n for n in dir(estimator) if n.endswith("_") and not n.startswith("_"))
    return {name for name in names if hasattr(estimator, name)}  # `encoder_` if fitted


FITS = [
    pytest.param(e, X, method, id=f"{type(e).__name__}-{kind}-{method}")
    for e in ESTIMATORS
    for kind, X in {"table": TABLE, "pictures": PICTURES}.items()
    for method in ("fit", "partial_fit")
    if (e not in ONE_FIT or method == "fit") and (e not in IMPUTERS or kind == "table")
]


@pytest.mark.parametrize(("estimator", "X", "method"), FITS)
def test_attributes_are_those_that_a_fit_sets(estimator, X, method):
    estimator = type(estimator)(**estimator.get_params(deep=False))
    assert not attributes(estimator)
    getattr(estimator, method)(X)
    listed = entries(sections(estimator)["Attributes"])
    documented = [name for names, _, _ in listed for name in names]
    assert len(documented) == len(set(documented))
    assert all(kind and text for _, kind, text in listed)
    assert attributes(estimator) <= set(documented)
    assert set(documented) - attributes(estimator) <= CONDITIONAL


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_conditional_attributes_are_set_where_their_condition_holds(estimator):
    params = estimator.get_params(deep=False)
    if "conditional" in params:
        params["conditional"] = True
    if "n_clusters" in params:
        params["n_clusters"] = "labels"
    if "size_curve_" in sections(estimator)["Attributes"]:
        params["n_components"] = 0.5
    if "target_weight" in params:
        params["target_weight"] = 0.5
    estimator = type(estimator)(**params)
    frame = pd.DataFrame(TABLE, columns=list("abcd"))
    estimator.fit(frame, np.arange(len(TABLE)) % 2)
    if hasattr(estimator, "calibrate"):
        estimator.calibrate(frame)
    listed = entries(sections(estimator)["Attributes"])
    assert attributes(estimator) == {name for names, _, _ in listed for name in names}


@public(PUBLIC)
def test_examples_show_the_use(thing):
    examples = sections(thing).get("Examples", "")
    assert ">>> " in examples
    if not hasattr(thing, "_fields"):  # what build() and apply() are handed
        assert getattr(thing, "__name__", "") in examples


@public(PUBLIC)
def test_citations_have_references(thing):
    parts = sections(thing)
    text = "\n".join(body for title, body in parts.items() if title != "References")
    entries = re.findall(r"^\.\. \[(\d+)\] \S", parts.get("References", ""), flags=re.M)
    assert set(re.findall(r"\[(\d+)\]_", text)) <= set(entries)
    assert entries == [str(i + 1) for i in range(len(entries))]


def test_some_citation_is_checked():
    cited = [thing for thing in PUBLIC.values() if "[1]_" in (thing.__doc__ or "")]
    assert len(cited) > 4


@public(PUBLIC)
def test_sections_are_in_numpydocs_order(thing):
    order = [
        "", "Parameters", "Attributes", "Returns", "Raises", "Warns", "See Also", "Notes",
        "References", "Examples",
    ]  # fmt: skip
    titles = list(sections(thing))
    assert titles == [title for title in order if title in titles]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_each_public_method_says_what_it_does(estimator):
    for name in own_methods(estimator):
        doc = inspect.getdoc(getattr(type(estimator), name))
        assert doc, name
        assert doc.split("\n")[0].endswith("."), name
