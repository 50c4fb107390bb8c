"""Whatever is passed: a result, or an error of ours that changed nothing.

Calls are drawn with fixed seeds from all that tables below allow: any kind of rows, of
labels, of weights, of parameters, for any public method of any estimator, and for the
functions and parameter objects. Allowed are a ``ValueError``, a ``TypeError``, a
``NotFittedError`` and what the caller's own object raised. `-m slow` makes some 3,600 calls
of estimators, and SKAE_HOSTILE=20 twenty times as many as usual with seeds of its own.
"""

import datetime
import decimal
import fractions
import functools
import inspect
import io
import os
import pickle
import random
import traceback
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

import skae
from skae import corruption, impute, likelihoods, metrics, networks, priors

pl = pytest.importorskip("polars")

N, D = 30, 4
pytestmark = pytest.mark.usefixtures("quick")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)) * [1, 2, 3, 4] + [0, 5, 0, -5]
Y = np.arange(N) % 2
DAYS = pd.date_range("2026-01-01", periods=N)


class OwnError(Exception):
    """What an object of the caller's own raises."""


def fails(*args, **kwargs):
    raise OwnError("of the caller's own")


def evil(*names):
    """Return an object whose methods of these names raise."""
    return type("Evil", (), {name: fails for name in names})()


class Lying:
    """An array by its word, of another shape than it says."""

    shape, dtype, ndim = (N, D), np.dtype(float), 2

    def __len__(self):
        return N

    def __array__(self, dtype=None, copy=None):
        return np.zeros((3, 2))


class Sub(np.ndarray):
    """A subclass of arrays."""


def put(value, where=(3, 2), data=X):
    data = np.array(data, dtype=object if isinstance(value, str | None) else None)
    data[where] = value
    return data


def frame(columns=None, **more):
    data = pd.DataFrame(X, columns=list("abcd") if columns is None else columns)
    return data.assign(**more)


def table(**more):
    """Return what a fit of tables sees: numbers, categories, dates and missing cells."""
    data = frame(a=Y, b=pd.Categorical(["x", "y", "z"] * (N // 3)), c=DAYS)
    data.loc[4, "d"] = np.nan
    return data.assign(**more)


# What may be passed as rows. Functions, since some can be used once only.
ROWS = {
    **{
        f"{dtype}": functools.partial(np.abs(X).astype, dtype)
        for dtype in (
            *("float16", "float32", "longdouble", ">f8", "<f4", ">i4", "int8", "uint64"),
            *(
                "bool",
                "complex64",
                "object",
                "str",
                "S8",
                "datetime64[s]",
                "timedelta64[D]",
            ),
        )
    },
    "structured": lambda: np.zeros(N, dtype=[("a", float), ("b", int)]),
    "void": lambda: np.zeros((N, D), dtype="V4"),
    **{
        f"shape {shape}": functools.partial(np.ones, shape)
        for shape in (
            *((), (0,), (1,), (D,), (N,), (0, D), (N, 0), (0, 0), (1, D), (1, 1), (N, 1)),
            *(
                (2, D),
                (N, D + 1),
                (N, D - 1),
                (N, 1, D),
                (N, D, 1),
                (N, 2, 2),
                (N, 1, 2, 2),
            ),
            *((0, 2, 2), (N, 2, 2, 3), (2, 2, 2, 2, 2), (N, 2)),
        )
    },
    "good": X.copy,
    "zeros": lambda: np.zeros((N, D)),
    "constant": lambda: np.full((N, D), 1e9),
    "all NaN": lambda: np.full((N, D), np.nan),
    "all inf": lambda: np.full((N, D), np.inf),
    "a column NaN": lambda: put(np.nan, np.s_[:, 1]),
    "a row NaN": lambda: put(np.nan, np.s_[1]),
    **{
        f"cell {value}": functools.partial(put, value)
        for value in (
            *(np.nan, np.inf, -np.inf, 1e30, 1e39, 1e200, 1e308, -1e308, 5e-324, None),
            *("", "x", "1", "nan"),
        )
    },
    "tiny": lambda: X * 1e-300,
    "small": lambda: X * 1e-30,
    "huge": lambda: X * 1e300,
    "large": lambda: X * 1e25,
    "far": lambda: X + 1e15,
    "one column large": lambda: X * [1, 1e20, 1, 1],
    "repeated": lambda: np.repeat(X[:1], N, 0),
    "two rows": lambda: X[:2],
    "one row": lambda: X[:1],
    "wide": lambda: np.tile(X[:5], 8),
    "fortran": lambda: np.asfortranarray(X),
    "strided": lambda: np.repeat(X, 2, 1)[::-1, ::2],
    "read only": lambda: np.broadcast_to(X[0], (N, D)),
    "memmap": lambda: np.memmap(_file(), dtype=float, mode="r", shape=(N, D)),
    "matrix": lambda: np.matrix(X),
    "subclass": lambda: X.view(Sub),
    "masked": lambda: np.ma.masked_array(X, X > 1),
    **{
        f"{form} {kind}": functools.partial(
            getattr(sp, f"{form}_{kind}"), np.where(np.abs(X) > 2, X, 0)
        )
        for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
        for kind in ("matrix", "array")
    },
    "csr empty": lambda: sp.csr_matrix((N, D)),
    "csr no rows": lambda: sp.csr_matrix((0, D)),
    "csr NaN": lambda: sp.csr_matrix(put(np.nan)),
    "csr int": lambda: sp.csr_matrix(X.astype(int)),
    "csr complex": lambda: sp.csr_matrix(X + 1j),
    "csr bool": lambda: sp.csr_matrix(X > 0),
    "csr int64 places": lambda: _long_places(sp.csr_matrix(X)),
    "coo 1-d": lambda: sp.coo_array(X[0]),
    "list": X.tolist,
    "tuple": lambda: tuple(map(tuple, X.tolist())),
    "list of arrays": lambda: list(X),
    "ragged": lambda: [[1.0, 2], [3.0]],
    "ragged deep": lambda: [[1.0, [2.0]], [3.0, 4]],
    "nested": lambda: [[[[[1.0]]]]],
    "empty list": list,
    "list of texts": lambda: ["a", "b"],
    "list of dicts": lambda: [{"a": 1.0}] * N,
    "list of None": lambda: [None] * N,
    "generator": lambda: (row for row in X),
    "range": lambda: range(N),
    "set": lambda: {1.0, 2.0},
    "dict": lambda: {"a": [1.0, 2.0]},
    "text": lambda: "X",
    "bytes": lambda: b"X",
    "None": lambda: None,
    "number": lambda: 3.0,
    "True": lambda: True,
    "type": lambda: np.ndarray,
    "function": lambda: fails,
    "object": object,
    "estimator": PCA,
    "array raises": lambda: evil("__array__"),
    "len raises": lambda: evil("__len__", "__array__"),
    "attributes raise": lambda: evil("__getattr__"),
    "lies": Lying,
    "tensor": lambda: torch.tensor(X),
    "tensor float16": lambda: torch.tensor(X, dtype=torch.float16),
    "tensor bfloat16": lambda: torch.tensor(X, dtype=torch.bfloat16),
    "tensor int": lambda: torch.tensor(X).int(),
    "tensor complex": lambda: torch.tensor(X + 1j),
    "tensor grad": lambda: torch.tensor(X, requires_grad=True),
    "tensor meta": lambda: torch.empty((N, D), device="meta"),
    "tensor sparse": lambda: torch.tensor(X).to_sparse(),
    "tensor csr": lambda: torch.tensor(X).to_sparse_csr(),
    "tensor 0-d": lambda: torch.tensor(1.0),
    "tensor quantized": lambda: torch.quantize_per_tensor(
        torch.tensor(X).float(), 0.1, 0, torch.qint8
    ),
    "frame": frame,
    "frame of integers as names": lambda: frame(range(D)),
    "frame of mixed names": lambda: frame(["a", 1, None, (2, 3)]),
    "frame of one name": lambda: frame(["a"] * D),
    "frame of two levels": lambda: frame(
        pd.MultiIndex.from_product([["a", "b"], ["c", "d"]])
    ),
    "frame of NaN as name": lambda: frame([np.nan, "b", "c", "d"]),
    "frame of other names": lambda: frame(list("wxyz")),
    "frame of names turned": lambda: frame()[list("dcba")],
    "frame of a column more": lambda: frame(e=1.0),
    "frame of a column less": lambda: frame()[list("abc")],
    "frame of rows of one label": lambda: frame().set_index(np.zeros(N)),
    "frame empty": pd.DataFrame,
    "frame no rows": lambda: frame().iloc[:0],
    "frame no columns": lambda: frame()[[]],
    "frame one row": lambda: frame().iloc[:1],
    "frame object": lambda: frame().astype(object),
    "frame float32": lambda: frame().astype("float32"),
    "frame Float64": lambda: frame().astype("Float64").mask(frame() > 4),
    "frame Int64": lambda: frame().round().astype("Int64"),
    "frame boolean": lambda: (frame() > 0).astype("boolean").mask(frame() > 4),
    "frame complex": lambda: frame().astype(complex),
    "frame sparse": lambda: frame().astype(pd.SparseDtype(float)),
    "frame arrow": lambda: frame().astype("double[pyarrow]"),
    **{
        f"frame of {name}": functools.partial(lambda column: frame(b=column), column)
        for name, column in {
            "texts": ["x", "y"] * (N // 2),
            "ids": [f"id{i}" for i in range(N)],
            "text and numbers": [1.0, "x"] * (N // 2),
            "categories": pd.Categorical(["x", "y"] * (N // 2)),
            "no category": pd.Categorical([None] * N, categories=["x"]),
            "ordered": pd.Categorical(Y, ordered=True),
            "dates": DAYS,
            "zoned dates": DAYS.tz_localize("Europe/Berlin"),
            "durations": DAYS - DAYS[0],
            "periods": DAYS.to_period("D"),
            "intervals": pd.interval_range(0, N),
            "no dates": [pd.NaT] * N,
            "days": [datetime.date(2026, 1, 1)] * N,
            "Decimal": [decimal.Decimal("1.5")] * N,
            "Fraction": [fractions.Fraction(1, 3)] * N,
            "NA": [pd.NA] * N,
            "None": [None] * N,
            "lists": [[1]] * N,
            "sets": [{1}] * N,
            "complex": X[:, 0] + 1j,
            "large integers": [2**70] * N,
            "uint64": np.full(N, 2**64 - 1, dtype=np.uint64),
            "bytes": [b"x"] * N,
            "booleans": Y > 0,
            "objects": [object()] * N,
            "evil": [evil("__float__", "__str__")] * N,
            "inf": [np.inf] * N,
        }.items()
    },
    "table": table,
    "table of a new level": lambda: table(b="w"),
    "table of texts for numbers": lambda: table(d="x"),
    "table of numbers for levels": lambda: table(b=1.5),
    "table of numbers for dates": lambda: table(c=1.5),
    "table of texts for dates": lambda: table(c="x"),
    "table of far dates": lambda: table(c=pd.Timestamp("2200-01-01")),
    "table of zoned dates": lambda: table(c=DAYS.tz_localize("UTC")),
    "table of inf": lambda: table(d=np.inf),
    "table of missing cells": lambda: table().mask(np.ones((N, D), dtype=bool)),
    "table of objects": lambda: table().astype(object),
    "table as an array": lambda: table().to_numpy(),
    "table as a list": lambda: table().values.tolist(),
    "table of polars": lambda: pl.from_pandas(table()),
    "pictures": lambda: X.reshape(N, 2, 2),
    "series": lambda: pd.Series(X[:, 0]),
    "index": lambda: pd.Index(X[:, 0]),
    "pandas NA": lambda: pd.NA,
    "polars": lambda: pl.DataFrame(X, schema=list("abcd")),
    "polars texts": lambda: pl.DataFrame({"a": ["x", "y"] * (N // 2), "b": Y}),
    "polars null": lambda: pl.DataFrame({c: [None] * N for c in "abcd"}),
    "polars lists": lambda: pl.DataFrame({"a": [[1.0]] * N}),
    "polars dates": lambda: pl.DataFrame({c: DAYS.to_numpy() for c in "abcd"}),
    "polars lazy": lambda: pl.DataFrame(X, schema=list("abcd")).lazy(),
    "polars series": lambda: pl.Series(X[:, 0]),
}

# What may be passed as anything else
VALUES = [
    *(None, True, False, 0, 1, 2, 3, -1, 10, 0.0, 0.1, 0.5, 1.0, 1.5, -0.5),
    *(np.nan, np.inf, -np.inf, 1e-300, 1e39, 1e300, 2**31, 2**63, 2**70, -(2**70)),
    *(np.float32(0.5), np.float16("nan"), np.int8(2), np.uint64(2), np.bool_(True)),
    *(np.longdouble(0.5), np.datetime64("2026-01-01"), np.str_("auto"), np.array(2)),
    *(decimal.Decimal("0.5"), fractions.Fraction(1, 2), 1j, pd.NA, pd.NaT),
    *("", "x", "auto", "gaussian", "mixed", "nan", "0.5", b"auto"),
    *([], [1], [2, 0.5], ["x"], [None], [np.nan], (), (4,), (4, 4), (0,), (-1,), (2.5,)),
    *(("a",), (None,), (2**70,), (1, 2, 2), [[1]], {}, {"a": 1}, {1}, {1: 2}, range(3)),
    *(np.array([1, 2]), np.array([]), np.array([np.nan]), np.ones((2, 2)), Y, Y[:3]),
    *(
        Y.astype(str),
        Y.astype(object),
        Y.astype(float),
        -Y,
        np.arange(N),
        np.full(N, np.nan),
    ),
    *(np.zeros(N), np.full(N, 1e300), np.full(N, 1e-300), put(np.inf, 3, np.ones(N))),
    *(X > 0, X, X.tolist(), pd.Series(Y), pd.Series(["a", "b"] * (N // 2)), frame()),
    *(
        pd.Series(Y).astype("Int64"),
        pd.Categorical(Y),
        pl.Series(Y),
        ["a", None] * (N // 2),
    ),
    *([1, "a"] * (N // 2), torch.tensor(2), torch.tensor([1.0, 2.0]), torch.tensor(Y)),
    *(torch.device("cpu"), torch.float32, torch.nn.ReLU(), torch.nn.ReLU, torch.optim.SGD),
    *(np.random.RandomState(0), np.random.default_rng(0), np.random, slice(None), ...),
    *(object(), object, int, len, fails, skae, datetime.datetime(2026, 1, 1), Lying()),
    *(
        evil("__eq__"),
        evil("__bool__"),
        evil("__float__"),
        evil("__len__"),
        evil("__call__"),
    ),
    *(evil("build", "get_params"), evil("__getattr__"), PCA(), PCA, skae.Autoencoder()),
    *(skae.Autoencoder, networks.DenseNetwork(), networks.DenseNetwork, networks),
    *(networks.DenseNetwork((4,), activation=5), networks.ConvolutionalNetwork()),
    *(likelihoods.Gaussian(), likelihoods.Gaussian(scale=np.nan), likelihoods.Bernoulli()),
    *(likelihoods.Poisson(), likelihoods.Categorical(), likelihoods.Mixed()),
    *(corruption.Masking(2.0), corruption.Compose([1]), corruption.Gaussian(0.1)),
    *(
        corruption.RegionMasking(),
        corruption.SwapNoise(),
        priors.Gaussian(),
        priors.Uniform(),
    ),
]
WORDS = {  # words and values that only one parameter knows
    "likelihood": ["bernoulli", "categorical", "poisson", "mixed", "gaussian", "mse"],
    "corruption": ["masking", "swap", "salt_and_pepper", "region", "hidden_dropout"],
    "device": ["cpu", "meta", "cuda:99", "xla", "cpu:7", torch.device("meta")],
    "net_params": [
        *({"callbacks": ["x"]}, {"callbacks": 3}, {"callbacks": [("a", None)]}),
        *({"optimizer": torch.optim.SparseAdam}, {"optimizer": "SGD"}, {"optimizer": None}),
        *({"optimizer__lr": "x"}, {"optimizer__nonsense": 1}, {"nonsense": 1}, {1: 2}),
        {"callbacks": [fails]},
        *({"optimizer": torch.optim.LBFGS}, {"train_split": 3}, {"iterator_train": 5}),
        *({"batch_size": 0}, {"max_epochs": -1}, {"criterion": fails}, {"module": None}),
        *({"optimizer": fails}, {"optimizer__weight_decay": np.nan}, {"device": "x"}),
        *({"gradient_clip_value": "x"}, {"lr": None}),
    ],
    "columns": [{"a": "number"}, {0: "category"}, {0: "time"}, {9: "number"}, {0: (1, 0)}],
    "criteria": [("codes",), ("residuals", "x"), "residuals", ("rows", "rows")],
    "penalty": ["topk", "batch_topk", "l1", "kl", "x"],
    "objective": ["tc", "factor"],
    "kind": ["spherical", "straight"],
    "statistic": ["median", "mean", "mode"],
    "method": ["greedy", "concrete", "both"],
    "code_activation": ["sigmoid", "tanh", "relu", "linear"],
    "prior": ["uniform", "swiss_roll", priors.SwissRoll(), priors.CircleMixture()],
    "cluster_init": ["graph", "k-means", "random"],
    "n_clusters": ["labels"],
}
# Parameters of which a huge number is no mistake, but long work
WORK = {"max_iter", "n_samples", "n_steps", "n_estimators", "n_init", "n_draws", "n_trials"}
WORK |= {"n_components", "n_clusters", "n_importance_samples", "network", "n_rows"}
OF_TENSORS = "Boolean value of Tensor"  # its own error, asked for by scikit-learn
OF_ROWS = {"X", "A", "B", "X_clean", "X_reconstructed", "X_train"}


def _file():
    path = os.path.join(_folder(), "rows")
    X.tofile(path)
    return path


@functools.cache
def _folder():
    import tempfile

    return tempfile.mkdtemp()


def _long_places(rows):
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    return rows


SMALL = {"max_iter": 2, "random_state": 0}
ESTIMATORS = {
    **{
        name: functools.partial(getattr(skae, name), 2, **SMALL)
        for name in skae.__all__
        if name.endswith("Autoencoder") and name != "BinaryAutoencoder"
    },
    "BinaryAutoencoder": functools.partial(skae.BinaryAutoencoder, 8, **SMALL),
    "AutoencoderFeatureSelector": functools.partial(
        skae.AutoencoderFeatureSelector, 2, **SMALL
    ),
    "AutoencoderImputer": functools.partial(
        skae.AutoencoderImputer, n_estimators=1, **SMALL
    ),
    "AutoencoderOutlierDetector": functools.partial(
        skae.AutoencoderOutlierDetector, n_estimators=2, **SMALL
    ),
    "LatentSampler": lambda **params: skae.LatentSampler(
        **{"autoencoder": skae.Autoencoder(2, **SMALL), "random_state": 0, **params}
    ),
    "clusters": functools.partial(skae.AdversarialAutoencoder, 2, n_clusters=2, **SMALL),
    "classes": functools.partial(skae.VariationalAutoencoder, 2, conditional=True, **SMALL),
    "labels": functools.partial(
        skae.AdversarialAutoencoder, 2, n_clusters="labels", **SMALL
    ),
    "mixed": functools.partial(skae.Autoencoder, 2, likelihood="mixed", **SMALL),
    "mixed draws": lambda **params: skae.LatentSampler(
        **{"autoencoder": ESTIMATORS["mixed"](), "random_state": 0, **params}
    ),
    "mixed outliers": functools.partial(
        skae.AutoencoderOutlierDetector,
        skae.Autoencoder(likelihood="mixed"),
        n_estimators=2,
        **SMALL,
    ),
    "cells": functools.partial(skae.AutoencoderOutlierDetector, **SMALL),
    "tables": functools.partial(skae.AutoencoderImputer, n_estimators=1, **SMALL),
    "pictures": functools.partial(skae.ConvolutionalAutoencoder, 2, **SMALL),
}
MAY_BE_NAN = {("AutoencoderImputer", "score"), ("tables", "score")}  # nothing to hide
OF_TABLES = {"mixed", "mixed draws", "mixed outliers", "cells", "tables"}
GOOD = {"n_features": 2, "unit": 0}


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def good_rows(name):
    return table() if name in OF_TABLES else X.reshape(N, 2, 2) if name == "pictures" else X


@functools.cache
def fitted(name):
    """Return a fitted estimator, pickled."""
    estimator = quietly(ESTIMATORS[name]().fit, good_rows(name), Y)
    return pickle.dumps(estimator)


def content(value):
    """Return a pickle that does not tell which of its equal parts are one object."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()


@functools.cache
def values_of(argument):
    """Return what to pass as an argument: functions by name."""
    if argument in OF_ROWS:
        return list(ROWS.items())
    values = VALUES + 3 * WORDS.get(argument, [])
    if argument in WORK:
        values = [v for v in values if not (_large(v) or _short(v) == "'auto'")]
    if argument == "net_params":
        values = WORDS[argument] + values[::3]
    return [(_short(value), lambda value=value: value) for value in values]


def _large(value):
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(v, int | float) and 99 < v < np.inf for v in parts)


def _short(value):
    try:
        return " ".join(repr(value).split())[:60]
    except OwnError:
        return "evil"


@functools.cache
def possible(name):
    """Return groups of calls: (method, argument), of `fit`, parameters and the others."""
    estimator, others = pickle.loads(fitted(name)), []
    for method in dir(estimator):
        hidden = method.startswith(("_", "set_", "get_")) and method != "set_threshold"
        if hidden and method not in {"get_feature_names_out", "get_support"}:
            continue
        if not callable(getattr(estimator, method, None)):
            continue
        found = inspect.signature(getattr(estimator, method)).parameters.values()
        others += [(method, p.name) for p in found if p.kind != p.VAR_KEYWORD]
    fit = [call for call in others if call[0] in {"fit", "partial_fit"}]
    parameters = [("parameter", p) for p in estimator.get_params(deep=False)]
    return fit, parameters, [call for call in others if call not in fit]


def drawn(name, n, seed):
    """Yield n calls as (method, argument, name of the value, function that makes it)."""
    rng = random.Random(f"{name} {seed}")
    for i in range(n):
        groups = possible(name)
        method, argument = rng.choice(groups[i % len(groups)])
        if method in {"fit", "partial_fit"} and rng.random() < 0.5:
            argument = "X"
        yield method, argument, *rng.choice(values_of(argument))


def arguments(estimator, method, argument, value, rows):
    """Return good arguments for all that a method needs, but for one."""
    given, good = {argument: value}, GOOD | dict.fromkeys(OF_ROWS, rows)
    for p in inspect.signature(getattr(estimator, method)).parameters.values():
        needed = p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
        if p.name in given:
            continue
        if method == "inverse_transform" and p.name == "X":
            given["X"] = quietly(estimator.transform, rows, **_classes(estimator))
        elif p.name == "y" and (method in {"fit", "partial_fit"} or _classes(estimator)):
            few = getattr(estimator, "n_clusters", None) == "labels"
            given["y"] = np.where(np.arange(N) < 9, Y, -1) if few else Y
        elif needed:
            given[p.name] = good[p.name]
    return given


def _classes(estimator):
    return {"y": Y} if getattr(estimator, "conditional", False) else {}


def is_finite(value):
    """Whether all numbers in a value are finite."""
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    if sp.issparse(value):
        value = value.data
    if isinstance(value, pd.DataFrame):
        if "reason_1" in value:  # a report: a row has as many reasons as it has
            ranks = [name[7:] for name in value if name.startswith("reason_")]
            told = [value[value[f"reason_{i}"].notna()] for i in ranks]
            of = zip(told, ranks, strict=True)
            value = [
                value["score"].to_numpy(),
                *(
                    t[f"{k}_{i}"].to_numpy()
                    for t, i in of
                    for k in ("observed", "expected")
                ),
            ]
            return is_finite(value)
        return all(is_finite(column.to_numpy()) for _, column in value.items())
    value = np.asarray(value)
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())


def finite_rows(value):
    try:
        return bool(np.isfinite(np.asarray(value, dtype=np.float64)).all())
    except Exception:  # no array of numbers
        return False


def faults_of(function, state, value=None):
    """Return what is wrong about a call: its exception, its warnings, what it left."""
    before, faults = state(), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function()
        except (ValueError, TypeError, NotFittedError, OwnError) as error:
            if state() != before:
                faults.append(f"a failed call changed the state: {error!r}")
        except Exception as error:
            if str(error).startswith(OF_TENSORS):
                return faults
            where = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{error!r:.200} at {where.filename}:{where.lineno}")
        else:
            if finite_rows(value) and not is_finite(result):
                faults.append("finite rows, and a result that is not")
    faults += [
        f"{w.message!r} at {w.filename}:{w.lineno}"
        for w in caught
        if issubclass(w.category, RuntimeWarning)
    ]
    return faults


def call_of(name, method, argument, value):
    """Return a call without arguments, and what tells the estimator's state."""
    if method == "parameter":
        estimator = pickle.loads(fitted(name))

        def function():
            estimator.set_params(**{argument: value}).fit(good_rows(name), Y)

        def state():  # but for the parameters, which the caller set
            fit = {k: v for k, v in vars(estimator).items() if k != argument}
            return content(fit)

        return function, state
    estimator = pickle.loads(fitted(name))
    given = arguments(estimator, method, argument, value, good_rows(name))

    def function():
        result = getattr(estimator, method)(**given)
        return None if result is estimator else result

    return function, lambda: content(estimator)


def faults_in(name, n, seed):
    """Return the faults of n calls of an estimator, as text."""
    found = []
    for method, argument, label, make in drawn(name, n, seed):
        value = quietly(make)
        function, state = call_of(name, method, argument, value)
        rows = value if argument in OF_ROWS else X
        if (name, method) in MAY_BE_NAN or argument == "missing":  # which is asked for
            rows = None
        found += [
            f"{name}.{method}({argument}={label}): {fault}"
            for fault in faults_of(function, state, rows)
        ]
    return found


TIMES = int(os.environ.get("SKAE_HOSTILE", 1))
COSTLY = {"mixed outliers", "AutoencoderOutlierDetector", "AutoencoderFeatureSelector"}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_hostile_calls_are_answered_or_refused(name):
    faults = faults_in(name, (20 if name in COSTLY else 48) * TIMES, TIMES)
    assert not faults, "\n".join(faults)


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_many_hostile_calls_are_answered_or_refused(name):
    faults = faults_in(name, 190, "slow")
    assert not faults, "\n".join(faults)


# Functions, and objects that are passed as parameters

OF_FUNCTIONS = {
    "codes": X,
    "factors": np.column_stack([Y, np.arange(N) % 3]),
    "X": X,
    "X_reconstructed": X + 0.1,
    "A": np.packbits(X > 0, axis=1),
    "estimator": PCA(2).fit(X),
    "results": [(1.0, 0.1), (1.1, 0.1)],
    "tolerance": 0.1,
    "n_trials": 5,
}
FUNCTIONS = [getattr(metrics, name) for name in metrics.__all__] + [impute.pool]
PARTS = [
    part
    for module in (corruption, likelihoods, networks, priors)
    for part in (getattr(module, name) for name in module.__all__)
    if part not in {corruption.Space, networks.LinearStart}
]
OF_ROWS |= {"codes", "factors"}


def call_of_function(function, argument, value):
    names = inspect.signature(function).parameters
    given = {name: OF_FUNCTIONS[name] for name in names if name in OF_FUNCTIONS}
    return lambda: function(**given | {argument: value})


def call_of_part(part, argument, value):
    """Return a fit of what takes such a part, made with one argument."""
    host = {"skae.networks": "network", "skae.priors": "prior"}
    host |= {"skae.corruption": "corruption", "skae.likelihoods": "likelihood"}
    name = next(host[m] for m in host if part.__module__.startswith(m))
    kind = skae.AdversarialAutoencoder if name == "prior" else skae.Autoencoder
    params = {name: part(**{argument: value})}
    rows = X.reshape(N, 2, 2) if part is networks.ConvolutionalNetwork else X
    return lambda: kind(2, max_iter=1, random_state=0, **params).fit(rows)


@pytest.mark.parametrize(
    ("make_call", "functions"),
    [(call_of_function, FUNCTIONS), (call_of_part, PARTS)],
    ids=["functions", "parts"],
)
def test_functions_and_parts_answer_or_refuse(make_call, functions):
    rng, faults = random.Random(f"{make_call.__name__} {TIMES}"), []
    for _ in range(100 * TIMES):
        function = rng.choice(functions)
        if not (names := list(inspect.signature(function).parameters)):
            continue
        argument = rng.choice(names)
        label, make = rng.choice(values_of(argument))
        value = quietly(make)
        call = functools.partial(make_call, function, argument, value)
        found = faults_of(lambda call=call: call()(), lambda: None)
        faults += [f"{function.__name__}({argument}={label}): {f}" for f in found]
    assert not faults, "\n".join(faults)
