"""What is refused of rows is told with the remedy that skae has for it."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderFeatureSelector,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    BinaryAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    LatentSampler,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.likelihoods import Gaussian
from skae.networks import ConvolutionalNetwork, DenseNetwork

X = np.random.default_rng(0).normal(size=(40, 4))
FRAME = pd.DataFrame(X, columns=list("abcd"))
MIXED = "likelihood='mixed'"
DETECTOR = f"AutoencoderOutlierDetector(Autoencoder({MIXED}))"
DAYS = "(t - t.min()).dt.days"

#: estimators, and how each is made to read tables
READERS = [
    (Autoencoder(2, max_iter=1), MIXED),
    (DenoisingAutoencoder(2, max_iter=1), MIXED),
    (VariationalAutoencoder(2, max_iter=1), MIXED),
    (SparseAutoencoder(max_iter=1), MIXED),
    (LatentSampler(Autoencoder(2, max_iter=1)), MIXED),
    (AutoencoderOutlierDetector(n_estimators=1, max_iter=1), DETECTOR),
    (
        AutoencoderOutlierDetector(VariationalAutoencoder(2), n_estimators=1, max_iter=1),
        DETECTOR.replace("(Auto", "(VariationalAuto"),
    ),
]
NO_READERS = [
    ConvolutionalAutoencoder(2, max_iter=1),
    Autoencoder(2, network=ConvolutionalNetwork(), max_iter=1),
    AutoencoderFeatureSelector(max_iter=1),
    AutoencoderOutlierDetector(ConvolutionalAutoencoder(2), n_estimators=1),
]


def replaced(value, data=X):
    data = data.copy()
    data[3, 2] = value
    return data


def of_numbers(estimator):
    """The same for numbers only, whatever a DataFrame holds."""
    estimator = clone(estimator)
    if isinstance(estimator, AutoencoderOutlierDetector | LatentSampler):
        inner = clone(estimator.autoencoder or Autoencoder())
        return estimator.set_params(autoencoder=inner.set_params(likelihood="gaussian"))
    return estimator.set_params(likelihood="gaussian")


def refusal(call, X, **kwargs):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(X, **kwargs)
    message = str(caught.value)
    assert "HistGradient" not in message
    assert caught.value.__cause__ is None
    return message


@pytest.mark.parametrize(("estimator", "way"), READERS)
def test_missing_cells_strings_and_infinity_name_what_reads_them(estimator, way):
    for bad in (
        replaced(np.nan),
        replaced(pd.NA, X.astype(object)),
        FRAME.mask(FRAME > 1),
    ):
        message = refusal(estimator.fit, bad)
        assert message.startswith("Input X contains NaN")
        assert "skae.AutoencoderImputer" in message
        assert way in message
    message = refusal(of_numbers(estimator).fit, FRAME.assign(e="x"))
    assert "not numbers in column 'e'" in message
    assert "OneHotEncoder" in message
    assert way in message
    message = refusal(estimator.fit, replaced(np.inf))
    assert re.search("contains infinity.*numpy.clip.*AutoencoderImputer", message)


@pytest.mark.parametrize("estimator", NO_READERS)
def test_what_reads_no_tables_does_not_advise_it(estimator):
    message = refusal(estimator.fit, replaced(np.nan))
    assert "skae.AutoencoderImputer" in message
    assert "mixed" not in message
    assert "mixed" not in refusal(estimator.fit, FRAME.assign(e="x"))


@pytest.mark.parametrize(
    ("fitted", "methods"),
    [
        (Autoencoder(2, max_iter=1), ("transform", "reconstruct", "score", "partial_fit")),
        (
            AutoencoderOutlierDetector(n_estimators=1, max_iter=1),
            ("score_samples", "predict", "feature_contributions", "partial_fit"),
        ),
        (AutoencoderFeatureSelector(max_iter=1), ("reconstruct", "score")),
    ],
)
def test_fitted_ones_name_the_remedy_too(fitted, methods):
    fitted.fit(FRAME)
    way = fitted._mixed_way
    for method in methods:
        message = refusal(getattr(fitted, method), FRAME.mask(FRAME > 1))
        assert "contains NaN" in message
        assert "skae.AutoencoderImputer" in message
        assert way is None or way in message
        for column, remedy in (("x", "OneHotEncoder"), (pd.Timestamp(0), DAYS)):
            message = refusal(getattr(fitted, method), FRAME.assign(b=column))
            assert "not numbers in column 'b'" in message
            assert remedy in message
        message = refusal(getattr(fitted, method), X[:, :2])
        assert "expecting 4 features" in message
        assert "columns that fit saw" in message


@pytest.mark.parametrize(
    "values",
    [
        pd.date_range("2026-01-01", periods=40),
        pd.timedelta_range("1h", periods=40),
        pd.period_range("2026-01", periods=40),
        [datetime.date(2026, 1, 1)] * 40,
    ],
    ids=["dates", "durations", "periods", "objects"],
)
def test_times_are_told_what_to_become(values):
    table = FRAME.assign(when=values)
    for estimator in (Autoencoder(2), AutoencoderOutlierDetector()):
        message = refusal(of_numbers(estimator).fit, table)
        assert "'when'" in message
        assert DAYS in message
        assert "OneHotEncoder" not in message  # of no use to a date
    message = refusal(of_numbers(Autoencoder(2)).fit, table.assign(kind="x"))
    assert DAYS in message
    assert "OneHotEncoder" in message
    assert "learn from them as they are: likelihood='mixed'" in message
    for likelihood in ("auto", "mixed"):
        mixed = Autoencoder(2, likelihood=likelihood, max_iter=1)
        assert mixed.fit(table).n_features_in_ == 5
    converted = table.assign(when=np.arange(40.0))
    assert Autoencoder(2, max_iter=1).fit(converted).n_features_in_ == 5


def test_arrays_of_times_are_told_what_to_become():
    days = np.full((40, 2), "2026-11-23", dtype="datetime64[D]")
    for estimator in (Autoencoder(2), AutoencoderImputer(), AutoencoderOutlierDetector()):
        for bad in (days, days - days[0, 0]):
            assert DAYS in refusal(estimator.fit, bad)
        objects = replaced(datetime.date(2026, 1, 1), X.astype(object))
        reads_tables = isinstance(estimator, AutoencoderImputer)
        remedy = "Pass a DataFrame" if reads_tables else DAYS
        for bad in (days, objects) if reads_tables else (objects,):
            assert remedy in refusal(estimator.fit, bad)


def test_pictures_and_sparse_rows_have_remedies_of_their_own():
    pictures = replaced(np.nan).reshape(40, 2, 2)
    message = refusal(ConvolutionalAutoencoder().fit, pictures)
    assert "region_masking" in message
    assert "Imputer" not in message
    assert "region_masking" not in refusal(AutoencoderFeatureSelector().fit, pictures)
    assert "X.toarray()" in refusal(Autoencoder().fit, sp.csr_array(replaced(np.nan)))


def test_the_imputer_says_what_it_asks_of_arrays():
    imputer = AutoencoderImputer(n_estimators=2, network=(8, 8), max_iter=1)
    assert "numpy.nan, to have them filled" in refusal(imputer.fit, replaced(np.inf))
    assert "Pass a DataFrame" in refusal(imputer.fit, replaced("x", X.astype(object)))
    filled = imputer.fit_transform(replaced(pd.NA, X.astype(object)))
    assert np.isfinite(filled).all()


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"n_components": 1.5}, "a float in the range (0.0, 1.0)"),
        ({"corruption": "dropout"}, "'masking' for cells of X, 'hidden_dropout'"),
        ({"corruption": ["gaussian", "dropout"]}, "'hidden_dropout' for hidden units"),
        ({"likelihood": "mse"}, "'mse' elsewhere is 'gaussian' here"),
        ({"likelihood": "softmax"}, "is 'categorical' here"),
        ({"likelihood": Gaussian(link="softmax")}, "is likelihood='categorical' here"),
        ({"network": DenseNetwork(activation="swish")}, "is 'silu' here"),
        ({"network": DenseNetwork(normalization="batchnorm")}, "is 'batch' here"),
        ({"network": 256}, "network=(256,)"),
        (
            {"net_params": {"callbacks": [EarlyStopping()]}, "early_stopping": False},
            "EarlyStopping looks at 'valid_loss'.*early_stopping=True",
        ),
        (
            {"net_params": {"callbacks": [("a", EpochScoring("accuracy"))]}},
            "EpochScoring has scoring='accuracy'.*such as 'neg_mean_squared_error'",
        ),
    ],
)
def test_words_of_textbooks_and_callbacks_without_use_are_told(params, hint):
    assert re.search(hint.replace("(", r"\(").replace(")", r"\)"), refusal(
        Autoencoder(**params).fit, X
    ))  # fmt: skip


def test_a_share_and_a_bool_are_no_number_of_components():
    of_units = refusal(SparseAutoencoder(0.95).fit, X)
    assert "n_nonzero_coefs" in of_units
    assert "0.9 of it" not in of_units  # its "auto" goes by rows and columns
    for cls in (BinaryAutoencoder, AdversarialAutoencoder):
        assert "nearest to it is" in refusal(cls(n_components=0.95).fit, X)
    for share in (0.0, 1.0, -0.5, np.nan):
        assert f"Got {share} instead" in refusal(Autoencoder(share).fit, X)
    assert "Call fit first" in refusal(Autoencoder(0.95).partial_fit, X)
    for autoencoder in (Autoencoder(True), SparseAutoencoder(True)):
        assert "Got True instead" in refusal(autoencoder.fit, X)


def test_callbacks_that_can_look_at_something_work():
    params = {"max_iter": 2, "random_state": 0}
    for early_stopping, callback in (
        (True, EarlyStopping()),
        (False, EarlyStopping(monitor="train_loss")),
        (False, LRScheduler("ReduceLROnPlateau")),
    ):
        autoencoder = Autoencoder(2, early_stopping=early_stopping, **params)
        autoencoder.set_params(net_params={"callbacks": [callback]})
        assert autoencoder.fit(X).n_iter_ == 2


@pytest.mark.parametrize(
    ("estimator", "key", "way"),
    [
        (Autoencoder(), "network__activation", "network=skae.networks.DenseNetwork((128,)"),
        (Autoencoder(), "likelihood__scale", "likelihood=skae.likelihoods.Gaussian()"),
        (Autoencoder(), "corruption__rate", "corruption=skae.corruption.Masking()"),
        (Autoencoder(), "net_params__optimizer", "net_params={'optimizer': ...}"),
        (ConvolutionalAutoencoder(), "network__filters", "ConvolutionalNetwork()"),
        (AutoencoderFeatureSelector(), "network__activation", "skae.networks.DenseNetwork"),
        (AutoencoderOutlierDetector(), "autoencoder__alpha", "skae.Autoencoder()"),
        (LatentSampler(), "density__n_components", "GaussianMixture(10)"),
        (AutoencoderImputer(), "network__dropout", "Set network as a whole"),
    ],
)
def test_a_grid_over_what_has_no_parameters_names_what_to_pass(estimator, key, way):
    message = refusal(lambda value: estimator.set_params(**{key: value}), 1)
    assert f"{key} cannot be set" in message
    assert way in message
    others = {"likelihood", "network", "corruption"} - {key.split("__")[0]}
    assert not any(f"{other}=" in message for other in others)


def test_other_refusals_say_what_to_do():
    fit = Autoencoder(2).fit
    assert "X.imag" in refusal(fit, X + 1j)
    assert re.search(r"minimum of 2.*Pass more", refusal(fit, X[:1]))
    assert "AutoencoderImputer" in refusal(fit, [[1, pd.NA], [2, 3]])
    way = "drop them, or pass a DataFrame, which likelihood='auto' (the default) reads"
    for make in (Autoencoder, AutoencoderOutlierDetector):
        assert way in refusal(make().fit, X.astype(str))
    assert re.search(
        r"X_clean: .*contains NaN.*AutoencoderImputer",
        refusal(DenoisingAutoencoder().fit, X, X_clean=replaced(np.nan)),
    )
    twice = FRAME.set_axis(list("aacd"), axis=1)
    for estimator in (AutoencoderImputer(), Autoencoder(), Autoencoder(likelihood="mixed")):
        assert "columns ['a'] are there more than once" in refusal(estimator.fit, twice)
