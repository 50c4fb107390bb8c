"""What cannot be is an error that says what and what to do, before anything changes."""

import copy
import functools
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from skae import Autoencoder, AutoencoderFeatureSelector, VariationalAutoencoder
from skae._training.net import Net
from skae._training.run import Run
from skae.likelihoods import Gaussian
from skae.networks import DenseNetwork

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
    pytest.mark.usefixtures("quick"),
]
RNG = np.random.default_rng(0)
N, D = 40, 4
X = RNG.normal(size=(N, D)) * [1, 2, 3, 4] + [0, 5, 0, -5]
FRAME = pd.DataFrame(X, columns=list("abcd"))
SIMPLEX = RNG.dirichlet(np.ones(D), size=N)


def replaced(value, where=(3, 2), data=X):
    data = data.copy()
    data[where] = value
    return data


def weights(**values):
    w = np.ones(N)
    for key, value in values.items():
        w[int(key[1:])] = value
    return {"sample_weight": w}


def parameters(*cases):
    """Cases whose parameters are at fault: fit sees good data."""
    return [(name, params, X, {}, error, message) for name, params, error, message in cases]


def data(*cases, **params):
    """Cases whose X is at fault, where parameters are the defaults or these."""
    return [(name, params, bad, {}, error, message) for name, bad, error, message in cases]


NET = DenseNetwork

# (id, parameters, X, arguments of fit, exception, what the message must say: which
# argument or column, and then what to do about it)
FIT_CASES = [
    *data(
        ("nan", replaced(np.nan), ValueError, r"X contains NaN.*AutoencoderImputer.*mixed"),
        ("inf", replaced(np.inf), ValueError, r"X contains infinity"),
        ("minus_inf", replaced(-np.inf), ValueError, r"X contains infinity"),
        ("csr_nan", sp.csr_matrix(replaced(np.nan)), ValueError, r"X contains NaN"),
        ("strings", X.astype(str), ValueError, r"numeric.*Convert your data"),
        (
            "object_with_string",
            replaced("deep", data=X.astype(object)),
            ValueError,
            r"could not convert string to float: 'deep'",
        ),
        (
            "interval_column",
            FRAME.assign(span=pd.interval_range(0, N)),
            ValueError,
            r"neither numbers nor categories.*'span'",
        ),
        (
            "inf_beside_categories",
            FRAME.assign(e="x", far=np.inf),
            ValueError,
            r"'far' holds infinity",
        ),
        (
            "datetime_array",
            np.full((N, 2), "2026-11-23", dtype="datetime64[D]"),
            (ValueError, TypeError),
            r"X.*datetime64",
        ),
        ("complex", X + 1j, ValueError, r"Complex data not supported"),
        ("missing_Int64", FRAME.astype("Float64").mask(FRAME > 4), ValueError, r"NaN"),
        ("no_rows", X[:0], ValueError, r"0 sample\(s\).*minimum of 2 is required"),
        ("one_row", X[:1], ValueError, r"1 sample.*minimum of 2 is required"),
        ("no_columns", X[:, :0], ValueError, r"0 feature\(s\)"),
        ("scalar", np.float64(3.0), ValueError, r"2D array.*scalar(.|\n)*[Rr]eshape"),
        ("none", None, (ValueError, TypeError), r"2D array|NoneType"),
        ("meta_tensor", torch.empty(N, D, device="meta"), ValueError, "X is a tensor that"),
        ("one_dimension", X[:, 0], ValueError, r"2D array.*1D array(.|\n)*[Rr]eshape"),
        (
            "five_dimensions",
            np.ones((4, 1, 2, 2, 2)),
            ValueError,
            r"X has shape \(4, 1, 2, 2, 2\): expected .*height, width",
        ),
        ("nested_five", np.ones((4, 1, 2, 2, 2)).tolist(), ValueError, r"X has shape"),
        ("ragged", [[1.0, 2.0], [3.0]], ValueError, r"inhomogeneous|same length"),
        ("ragged_deep", [[1.0, [2.0, 3]], [3.0, 4]], ValueError, r"inhomogeneous|length"),
        (
            "overflow_of_squares",
            replaced(1e200),
            ValueError,
            r"X: .*column 2 .*Rescale that column",
        ),
        (
            "mixed_names",
            pd.DataFrame(X, columns=["a", "b", "c", 3]),
            TypeError,
            r"[Ff]eature names.*str",
        ),
    ),
    *data(
        ("string_column", FRAME.assign(e="x"), (ValueError, TypeError), r"\be\b"),
        (
            "category_column",
            FRAME.assign(e=pd.Categorical(["x", "y"] * 20)),
            (ValueError, TypeError),
            r"\be\b",
        ),
        (
            "datetime_column",
            FRAME.assign(when=pd.Timestamp("2026-11-23")),
            (ValueError, TypeError),
            r"\bwhen\b",
        ),
        (
            "only_datetimes",
            pd.DataFrame({"when": pd.date_range("2026-01-01", periods=N)}),
            (ValueError, TypeError),
            r"\bwhen\b",
        ),
        likelihood="gaussian",
    ),
    (
        "beyond_float32_unscaled",
        {"likelihood": Gaussian(scale=None)},
        X * 1e39,
        {},
        ValueError,
        r"X.*(too large|infinity)",
    ),
    (
        "squares_beyond_float32_unscaled",
        {"likelihood": Gaussian(scale=None)},
        X * 1e25,
        {},
        ValueError,
        r"X.*(too large|[Rr]escale|scale=)",
    ),
    (
        "bernoulli_above_1",
        {"likelihood": "bernoulli"},
        replaced(1.5, data=SIMPLEX),
        {},
        ValueError,
        r"bernoulli.*\[0, 1\]; column 2 holds 1.5.*MinMaxScaler",
    ),
    (
        "bernoulli_below_0",
        {"likelihood": "bernoulli"},
        replaced(-0.1, data=SIMPLEX),
        {},
        ValueError,
        r"bernoulli.*\[0, 1\]; column 2 holds -0.1.*MinMaxScaler",
    ),
    (
        "categorical_sum",
        {"likelihood": "categorical"},
        SIMPLEX * 0.9,
        {},
        ValueError,
        r"categorical.*sum to 1.*off by 0.1.*normalize",
    ),
    (
        "categorical_negative",
        {"likelihood": "categorical"},
        np.tile([1.2, -0.2, 0.0, 0.0], (N, 1)),
        {},
        ValueError,
        r"categorical.*column 1 holds -0.2",
    ),
    (
        "sigmoid_unscaled_range",
        {"likelihood": Gaussian(scale=None, link="sigmoid")},
        X,
        {},
        ValueError,
        r"link='sigmoid'.*\[0, 1\]; column \d.*Rescale X",
    ),
    ("weight_length", {}, X, {"sample_weight": np.ones(5)}, ValueError, r"sample_weight"),
    ("weight_negative", {}, X, weights(w3=-1.0), ValueError, r"Negative.*sample_weight"),
    (
        "weight_zero",
        {},
        X,
        {"sample_weight": np.zeros(N)},
        ValueError,
        r"[Ss]ample weights.*at least one non-zero",
    ),
    ("weight_nan", {}, X, weights(w3=np.nan), ValueError, r"sample_weight contains NaN"),
    (
        "weight_2d",
        {},
        X,
        {"sample_weight": np.ones((N, 1))},
        ValueError,
        r"[Ss]ample.weight.*1D",
    ),
    *(
        (f"weight_all_{weight!r}", {}, X, {"sample_weight": weight}, ValueError, message)
        for weight, message in [
            (np.nan, "sample_weight contains NaN"),
            (np.float16("nan"), "sample_weight contains NaN"),
            (np.inf, "sample_weight contains infinity"),
            (0, r"[Ss]ample weights.*at least one non-zero"),
            (-1.0, r"Negative.*sample_weight"),
            (1j, "sample_weight holds complex numbers"),
        ]
    ),
    *parameters(
        *(
            (f"{name}_{value}", {name: value}, ValueError, message)
            for name, value, message in [
                (
                    "alpha",
                    1e39,
                    r"'alpha' parameter of Autoencoder must be",
                ),
                (
                    "learning_rate",
                    2**200,
                    r"'learning_rate' parameter of Autoencoder must be",
                ),
                ("likelihood", NET(), r"'likelihood' parameter of Autoencoder must be"),
                (
                    "likelihood",
                    Gaussian(clip=1e300),
                    r"likelihood: The 'clip' parameter of Gaussian must be",
                ),
            ]
        ),
        *(
            (f"n_components_is_{value}", {"n_components": value}, ValueError, message)
            for value, message in [
                (0, r"'n_components'.*range \[1"),
                (-1, r"'n_components'.*range \[1"),
                (2.5, r"'n_components'.*int"),
                ("x", r"'n_components'.*'auto'"),
            ]
        ),
        *(
            (f"{name}_{value}", {name: value}, ValueError, rf"'{name}' parameter.*must be")
            for name, values in {
                "learning_rate": (0, -1e-3, "fast", np.nan),
                "batch_size": (0, 1.5, "big", True, 2**63),
                "max_iter": (0, -3, 2.0, True, 2**63),
                "validation_fraction": (0, 1, 2, -0.1),
                "n_iter_no_change": (0, True),
                "tol": (-1e-4,),
                "alpha": (-1e-4,),
                "l1_ratio": (2, -0.5),
                "early_stopping": ("yes",),
                "warm_start": (2.5,),
                "random_state": ("seed",),
                "verbose": (-1,),
                "network": ("deep", 3),
                "likelihood": ("laplace", None),
                "code_activation": ("softplus", None),
                "device": (0, None),
                "net_params": ([("optimizer", "SGD")],),
            }.items()
            for value in values
        ),
        (
            "device_nonsense",
            {"device": "nonsense"},
            ValueError,
            r"device='nonsense' cannot be used.*'auto' or 'cpu'",
        ),
        (
            "activation",
            {"network": NET(activation="swoosh")},
            ValueError,
            r"network: The 'activation' .* DenseNetwork must be .*'silu'.*Got 'swoosh'",
        ),
        (
            "activation_list",
            {"network": NET(activation=["relu", "relu"])},
            ValueError,
            r"network: The 'activation' parameter of DenseNetwork must be a str among",
        ),
        (
            "normalization",
            {"network": NET(normalization="group")},
            ValueError,
            r"'normalization' .* DenseNetwork must be .*'layer'.*None. Got 'group'",
        ),
        *(
            (
                f"dropout_{value}",
                {"network": NET(dropout=value)},
                ValueError,
                r"'dropout' parameter of DenseNetwork must be a float .*\[0.0, 1.0\)",
            )
            for value in (1, 1.0, -0.1, "half", None, np.nan)
        ),
        *(
            (
                f"sizes_{value!r}",
                {"network": NET(value)},
                ValueError,
                r"'hidden_layer_sizes' .* DenseNetwork must be a tuple of positive int",
            )
            for value in ((8, 0), (8, -1), (8.0,), ("8",), 8, "8", (True,), None)
        ),
        ("tuple_with_0", {"network": (8, 0)}, ValueError, r"network.*positive integers"),
        ("list_of_str", {"network": ["8"]}, ValueError, r"network.*positive integers"),
        (
            "decoder_sizes",
            {"network": NET(decoder_layer_sizes=(0,))},
            ValueError,
            r"'decoder_layer_sizes' .* must be a tuple of positive integers",
        ),
        (
            "tied_and_decoder_sizes",
            {"network": NET((8,), tied_weights=True, decoder_layer_sizes=(8,))},
            ValueError,
            r"tied_weights=True needs decoder_layer_sizes=None",
        ),
        (
            "network_class",
            {"network": DenseNetwork},
            (ValueError, TypeError),
            r"network.*(instance|object)",
        ),
        (
            "likelihood_class",
            {"likelihood": Gaussian},
            (ValueError, TypeError),
            r"likelihood.*(instance|object)",
        ),
        (
            "scale",
            {"likelihood": Gaussian(scale="robust")},
            ValueError,
            r"likelihood: The 'scale' .* Gaussian must be .*'column'.*Got 'robust'",
        ),
        (
            "link",
            {"likelihood": Gaussian(link="softplus")},
            ValueError,
            r"likelihood: The 'link' .* Gaussian must be .*'sigmoid'.*Got 'softplus'",
        ),
        *(
            (
                f"net_params_{name}",
                {"net_params": {name: 1}},
                ValueError,
                rf"net_params: '{name}'.*parameter {owner}\b",
            )
            for name, owner in {
                "lr": "learning_rate",
                "optimizer__lr": "learning_rate",
                "module": "network",
                "module__width": "network",
                "criterion": "likelihood",
                "max_epochs": "max_iter",
                "batch_size": "batch_size",
                "iterator_train": "batch_size",
                "train_split": "validation_fraction",
                "device": "device",
                "warm_start": "warm_start",
                "verbose": "verbose",
                "tol": "tol",
                "alpha": "alpha",
            }.items()
        ),
        (
            "net_params_unknown",
            {"net_params": {"momentous": 1}},
            (ValueError, TypeError),
            r"net_params.*momentous",
        ),
        (
            "net_params_unknown_optimizer_argument",
            {"net_params": {"optimizer__momentous": 1}},
            (ValueError, TypeError),
            r"momentous",
        ),
        (
            "net_params_optimizer_name",
            {"net_params": {"optimizer": "nonsense"}},
            (ValueError, TypeError),
            r"optimizer.*nonsense",
        ),
        (
            "net_params_schedule",
            {"net_params": {"schedule": "cosine"}},
            ValueError,
            r"schedule.*'trapezoid'.*'constant'",
        ),
        (
            "net_params_clip",
            {"net_params": {"gradient_clip_value": -1.0}},
            ValueError,
            r"gradient_clip_value",
        ),
        (
            "net_params_owned_through_iterator",
            {"net_params": {"iterator_train__shuffle": True}},
            ValueError,
            r"net_params.*iterator_train__shuffle",
        ),
    ),
]
if not torch.cuda.is_available():
    FIT_CASES += parameters(
        (
            "device_cuda_absent",
            {"device": "cuda"},
            ValueError,
            r"device='cuda' cannot be used here.*'auto' or 'cpu'",
        )
    )

fit_cases = pytest.mark.parametrize(
    ("params", "bad", "arguments", "error", "message"),
    [pytest.param(*case[1:], id=case[0]) for case in FIT_CASES],
)


def make(**params):
    return Autoencoder(**{"n_components": 2, "max_iter": 2, "random_state": 0, **params})


@functools.cache
def fitted_once(of, warm_start):
    return make(warm_start=warm_start).fit(FRAME if of == "frame" else X)


def fitted(of="array", warm_start=False):
    """An estimator with a fit of its own, copied from one."""
    return copy.deepcopy(fitted_once(of, warm_start))


@pytest.fixture
def trainings(monkeypatch):
    """The trainings that were started."""
    started, train = [], Net.train

    def record(self, *args, **kwargs):
        started.append(self)
        return train(self, *args, **kwargs)

    monkeypatch.setattr(Net, "train", record)
    return started


def snapshot(estimator):
    """All that a failure could change: attributes, weights, optimiser, history, noise."""
    net = estimator.net_
    state = net.module_.state_dict(), net.optimizer_.state_dict(), list(net.history)
    return {
        "attributes": {
            k: v for k, v in vars(estimator).items() if k not in estimator.get_params()
        },
        "state": copy.deepcopy(state),
        "loss_curve": list(estimator.loss_curve_),
        "noise": net.module_.likelihood.noise_variance.copy(),
        "codes": estimator.transform(X),
        "scores": estimator.score_samples(X),
    }


def assert_unchanged(estimator, before):
    after = snapshot(estimator)
    assert after["attributes"].keys() == before["attributes"].keys()
    for name, value in before["attributes"].items():
        assert after["attributes"][name] is value, name
    torch.testing.assert_close(after["state"], before["state"], rtol=0, atol=0)
    assert after["loss_curve"] == before["loss_curve"]
    for name in ("noise", "codes", "scores"):
        np.testing.assert_array_equal(after[name], before[name])


def test_there_are_at_least_40_cases():
    assert len(FIT_CASES) >= 40
    names = [case[0] for case in FIT_CASES]
    assert not {name for name in names if names.count(name) > 1}


@fit_cases
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_first_fit_refuses_before_training_and_stays_unfitted(
    trainings, method, params, bad, arguments, error, message
):
    estimator = make(**params)
    constructed = set(vars(estimator))
    with pytest.raises(error, match=message):
        getattr(estimator, method)(bad, **arguments)
    assert not trainings
    assert set(vars(estimator)) == constructed
    with pytest.raises(NotFittedError):
        estimator.transform(X)


@fit_cases
def test_a_fitted_estimator_survives_a_refused_fit(
    trainings, params, bad, arguments, error, message
):
    estimator = fitted()
    before = snapshot(estimator)
    trainings.clear()
    estimator.set_params(**params)
    with pytest.raises(error, match=message):
        estimator.fit(bad, **arguments)
    assert not trainings
    assert_unchanged(estimator, before)


# Fitted, and then used on what cannot be

USES = ["transform", "reconstruct", "score_samples", "score", "partial_fit"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(X[:, :3], r"X has 3 features.*expecting 4 features", id="too_few"),
        pytest.param(np.c_[X, X], r"X has 8 features.*expecting 4", id="too_many"),
        pytest.param(replaced(np.nan), r"X contains NaN", id="nan"),
        pytest.param(replaced(np.inf), r"X contains infinity", id="inf"),
        pytest.param(X.astype(str), r"numeric.*Convert", id="strings"),
        pytest.param(X + 1j, r"Complex data", id="complex"),
        pytest.param(X[0], r"2D array.*1D(.|\n)*[Rr]eshape", id="one_dimension"),
        pytest.param(X[:0], r"0 sample\(s\)", id="no_rows"),
        pytest.param(np.float64(1), r"2D array", id="scalar"),
        pytest.param(np.ones((3, 1, 2, 2, 1)), r"X has shape", id="five_dimensions"),
        pytest.param(X.reshape(N, 2, 2), r"X.*\(2, 2\).*\(4,\)", id="pictures"),
    ],
)
@pytest.mark.parametrize("method", USES)
def test_rows_unlike_those_of_fit_are_refused(method, bad, message):
    estimator = fitted()
    before = snapshot(estimator)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(bad)
    assert_unchanged(estimator, before)


@pytest.mark.parametrize("method", USES)
@pytest.mark.parametrize(
    "columns", [list("abcx"), list("bacd"), list("abcde")], ids=["renamed", "order", "more"]
)
def test_columns_named_otherwise_than_in_fit_are_refused(method, columns):
    estimator = fitted("frame")
    other = pd.DataFrame(np.zeros((5, len(columns))), columns=columns)
    with pytest.raises(
        ValueError, match=r"feature names should match(.|\n)*(unseen|order)"
    ):
        getattr(estimator, method)(other)


@pytest.mark.parametrize("method", USES[:4])
def test_pictures_of_another_shape_are_refused(method):
    estimator = make().fit(X.reshape(N, 2, 2))
    with pytest.raises(ValueError, match=r"shape \(1, 4\).*fitted on.*shape \(2, 2\)"):
        getattr(estimator, method)(X.reshape(N, 1, 4))


@pytest.mark.parametrize("method", USES[:4])
@pytest.mark.parametrize(
    ("likelihood", "bad", "message"),
    [
        ("bernoulli", replaced(1.5, data=SIMPLEX), r"column 2 holds 1.5.*MinMaxScaler"),
        ("bernoulli", replaced(-0.5, data=SIMPLEX), r"column 2 holds -0.5.*MinMaxScaler"),
        ("categorical", SIMPLEX * 2, r"rows that sum to 1.*normalize"),
        ("categorical", np.tile([2.0, -1, 0, 0], (3, 1)), r"column 1 holds -1"),
    ],
)
def test_rows_outside_of_the_support_are_refused_after_fit_as_well(
    method, likelihood, bad, message
):
    estimator = make(likelihood=likelihood).fit(SIMPLEX)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(bad)


@pytest.mark.parametrize("method", USES[:3])
@pytest.mark.parametrize("value", [1e6, 1e12, 1e30, -1e30])
def test_a_far_outlier_has_finite_results_and_leaves_other_rows_alone(method, value):
    estimator = fitted()
    result = getattr(estimator, method)(replaced(value))
    expected = getattr(estimator, method)(X)
    assert np.isfinite(result).all()
    others = np.arange(N) != 3
    np.testing.assert_array_equal(result[others], expected[others])
    assert not np.array_equal(result[3], expected[3])


def test_the_further_out_a_row_is_the_lower_its_score():
    estimator = fitted()
    rows = np.concatenate([replaced(v)[3:4] for v in (1e2, 1e4, 1e8, 1e16, 1e30)])
    assert (np.diff(estimator.score_samples(rows)) < 0).all()


@pytest.mark.parametrize("method", USES[:4])
@pytest.mark.parametrize("value", [1e60, 1e200, -1e300])
@pytest.mark.parametrize("code_activation", ["linear", "tanh", "sigmoid"])
def test_a_row_beyond_float32_is_an_error_and_never_nan(method, value, code_activation):
    estimator = make(code_activation=code_activation, network=()).fit(X)
    message = "finite"
    try:  # the encoder sees it at the end of its range
        result = getattr(estimator, method)(replaced(value))
    except ValueError as error:
        result, message = 0.0, str(error)
    assert np.isfinite(result).all()
    assert re.search(r"finite|X.*(too far|range).*(Remove|clip)", message)


@pytest.mark.parametrize("width", [1, 3])
def test_codes_of_another_width_are_refused(width):
    estimator = fitted()
    with pytest.raises(ValueError, match=rf"X has {width} columns.*n_components_=2"):
        estimator.inverse_transform(np.zeros((3, width)))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[np.nan, 0.0]], r"X contains NaN"),
        ([[1e300, 0.0]], r"X contains infinity or a value too large"),
        ([0.0, 0.0], r"2D array"),
        ([["a", "b"]], r"could not convert|numeric"),
    ],
)
def test_codes_that_are_no_codes_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        fitted().inverse_transform(codes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.interpolate(X[:3], X[:2]), r"A and B.*same number of rows.*3 and 2"),
        (lambda e: e.interpolate(X[:3], X[:3, :2]), r"2 features.*expecting 4"),
        (lambda e: e.interpolate(X[:3], X[:3], n_steps=1), r"n_steps.*at least 2.*1"),
        (lambda e: e.interpolate(X[:3], X[:3], n_steps=2.5), r"n_steps.*integer.*2.5"),
    ],
)
def test_an_impossible_interpolation_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted())


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        (np.ones(3), r"sample_weight"),
        (-np.ones(N), r"sample_weight|weights"),
        (np.zeros(N), r"(?i)sample.weight|weights"),
    ],
)
def test_score_refuses_impossible_weights(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        fitted().score(X, sample_weight=sample_weight)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("transform", (X,)),
        ("inverse_transform", (X[:, :2],)),
        ("reconstruct", (X,)),
        ("score_samples", (X,)),
        ("score", (X,)),
        ("interpolate", (X, X)),
        ("get_feature_names_out", ()),
    ],
)
def test_every_method_says_that_the_estimator_is_unfitted(method, arguments):
    with pytest.raises(NotFittedError, match=r"not fitted yet.*'fit'"):
        getattr(make(), method)(*arguments)


# Parameters of parameters


@pytest.mark.parametrize("network", ["auto", (8,), [8, 4]])
def test_a_nested_parameter_of_what_has_none_says_what_to_pass(network):
    estimator = make(network=network)
    with pytest.raises(ValueError, match=r"network__activation.*DenseNetwork\("):
        estimator.set_params(network__activation="relu")
    with pytest.raises(ValueError, match=r"likelihood__link.*Gaussian\("):
        estimator.set_params(likelihood__link="tanh")
    assert estimator.network is network


def test_an_unknown_parameter_names_those_that_exist():
    with pytest.raises(ValueError, match=r"'latent_dim'.*'n_components'"):
        make().set_params(latent_dim=3)
    with pytest.raises(ValueError, match=r"'width'.*DenseNetwork.*'hidden_layer_sizes'"):
        make(network=DenseNetwork()).set_params(network__width=3)


def test_a_refused_nested_parameter_leaves_the_constructor_default_alone():
    network = DenseNetwork()
    copied = clone(make(network=network)).set_params(network__activation="relu")
    assert copied.network.activation == "relu"
    assert network.activation == "silu"


@pytest.mark.parametrize(
    ("change", "bad", "message"),
    [
        ({"n_components": 3}, X, r"warm_start.*n_components.*3.*2.*warm_start=False"),
        ({}, X[:, :3], r"X has 3 features.*expecting 4"),
        ({"network": (7,)}, X, r"warm_start.*network.*warm_start=False"),
        ({"likelihood": "bernoulli"}, SIMPLEX, r"warm_start.*likelihood.*warm_start=False"),
    ],
    ids=["n_components", "n_features", "network", "likelihood"],
)
def test_a_warm_start_into_another_shape_is_refused(trainings, change, bad, message):
    estimator = fitted(warm_start=True)
    before = snapshot(estimator)
    trainings.clear()
    with pytest.raises(ValueError, match=message):
        estimator.set_params(**change).fit(bad)
    assert not trainings
    assert_unchanged(estimator, before)


# Failures in the middle of training


class Boom(RuntimeError):
    pass


class FailsAt(Callback):
    """A skorch callback that raises at the n-th call of a hook."""

    def __init__(self, hook, n=2):
        self.hook, self.n, self.calls = hook, n, 0
        setattr(self, hook, self._count)

    def _count(self, net, **kwargs):
        self.calls += 1
        if self.calls >= self.n:
            raise Boom("stopped by a test")


class FailingFitCallback:
    """A scikit-learn callback that raises at the end of an epoch."""

    def __init__(self, hook="on_fit_task_end"):
        self.hook = hook

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if self.hook == "on_fit_task_begin" and context.task_name == "epoch":
            raise Boom("stopped by a test")

    def on_fit_task_end(self, estimator, context):
        if self.hook == "on_fit_task_end" and context.task_name == "epoch":
            raise Boom("stopped by a test")


def poisoned_loss(monkeypatch, n=2):
    """From the n-th step on the loss is not a number."""
    calls, step = [], Run.train_step

    def poisoned(self, batch, **kwargs):
        calls.append(1)
        if len(calls) >= n:
            batch = batch._replace(x=batch.x * torch.nan)
        return step(self, batch, **kwargs)

    monkeypatch.setattr(Run, "train_step", poisoned)


def failing(kind, monkeypatch, estimator):
    """Arrange a failure in the middle of the next training; return what it raises."""
    if kind.startswith("skorch"):
        _, hook = kind.split(":")
        estimator.set_params(net_params={"callbacks": [FailsAt(hook)]}, max_iter=5)
        if hasattr(estimator, "net_"):  # a warm start keeps the net's own callbacks
            callback = FailsAt(hook)
            estimator.net_.callbacks_.append((kind, callback))
            estimator.net_.callbacks = [callback]
        return Boom, "stopped by a test"
    if kind.startswith("sklearn"):
        _, hook = kind.split(":")
        estimator.set_callbacks(FailingFitCallback(hook))
        return Boom, "stopped by a test"
    if kind == "divergence":
        estimator.set_params(learning_rate=1e30, batch_size=4)
    else:
        poisoned_loss(monkeypatch)
    return ValueError, r"diverged.*learning_rate"


SKORCH = ["skorch:on_batch_end", "skorch:on_grad_computed"]
LOSSES = ["divergence", "nan_loss"]
IN_FIT = [
    *SKORCH, *LOSSES, "skorch:on_epoch_end", "skorch:on_epoch_begin",
    "sklearn:on_fit_task_begin", "sklearn:on_fit_task_end",
]  # fmt: skip


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("kind", IN_FIT)
def test_a_first_fit_that_fails_midway_leaves_the_estimator_unfitted(
    monkeypatch, kind, early_stopping
):
    estimator = make(batch_size=8, early_stopping=early_stopping)
    error, message = failing(kind, monkeypatch, estimator)
    with pytest.raises(error, match=message):
        estimator.fit(X)
    assert not [name for name in vars(estimator) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        estimator.transform(X)


@pytest.mark.parametrize("kind", SKORCH + LOSSES)
def test_a_first_partial_fit_that_fails_leaves_the_estimator_unfitted(monkeypatch, kind):
    estimator = make(batch_size=8)
    error, message = failing(kind, monkeypatch, estimator)
    with pytest.raises(error, match=message):
        estimator.partial_fit(X)
    assert not [name for name in vars(estimator) if name.endswith("_")]


@pytest.mark.parametrize("kind", ["divergence", "nan_loss", "sklearn:on_fit_task_end"])
def test_a_second_fit_that_fails_midway_keeps_the_first(monkeypatch, kind):
    estimator = make(batch_size=8).fit(X)
    error, message = failing(kind, monkeypatch, estimator)
    before = snapshot(estimator)
    with pytest.raises(error, match=message):
        estimator.fit(X)
    assert_unchanged(estimator, before)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("fit", kind) for kind in IN_FIT]
    + [("partial_fit", kind) for kind in SKORCH + LOSSES],
)
def test_going_on_that_fails_midway_puts_back_weights_and_optimiser(
    monkeypatch, method, kind
):
    estimator = make(batch_size=8, warm_start=True).fit(X)
    if method == "partial_fit":
        estimator.partial_fit(X)
    error, message = failing(kind, monkeypatch, estimator)
    before = snapshot(estimator)
    with pytest.raises(error, match=message):
        getattr(estimator, method)(X)
    assert_unchanged(estimator, before)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_after_a_failure_training_goes_on_as_if_it_had_not_happened(method):
    estimator = make(batch_size=8, warm_start=True, random_state=3).fit(X)
    other = copy.deepcopy(estimator)
    with pytest.raises(ValueError, match="diverged"):
        estimator.set_params(learning_rate=1e30).fit(X)
    estimator.set_params(learning_rate=other.learning_rate)
    for e in (estimator, other):
        getattr(e, method)(X)
    assert estimator.history_[-1, "lr"] == other.history_[-1, "lr"]
    np.testing.assert_array_equal(estimator.transform(X), other.transform(X))


def test_a_failure_during_the_first_judgement_leaves_the_net_whole(monkeypatch):
    estimator = fitted(warm_start=True)
    before, kept = snapshot(estimator), set(vars(estimator.net_))

    def fails(*args, **kwargs):
        raise Boom("stopped by a test")

    with monkeypatch.context() as patch:
        patch.setattr(type(estimator.net_.module_), "forward", fails)
        with pytest.raises(Boom):
            estimator.fit(X)
    assert_unchanged(estimator, before)
    assert set(vars(estimator.net_)) == kept  # nothing of the training data stays


def test_the_cause_of_divergence_is_named_with_the_epoch():
    with pytest.raises(ValueError, match=r"loss is (nan|inf) after epoch \d+") as caught:
        make(learning_rate=1e30, batch_size=4, max_iter=5).fit(X)
    assert re.search(r"Lower learning_rate", str(caught.value))


def test_numbers_of_few_bits_are_numbers():
    """What is computed of them does not overflow: 2 * 100 is no int8."""
    rows = np.random.default_rng(0).normal(size=(150, 130))
    k, few = np.int8(100), {"max_iter": 1, "random_state": 0}
    codes = VariationalAutoencoder(k, **few).fit_transform(rows)
    same = VariationalAutoencoder(100, **few).fit_transform(rows)
    np.testing.assert_array_equal(codes, same)
    chosen = AutoencoderFeatureSelector(k, method="greedy", max_iter=1).fit(rows)
    assert chosen.n_features_to_select_ == 100
