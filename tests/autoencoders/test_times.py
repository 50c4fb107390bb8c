"""Tables with dates, durations and times of day, in every autoencoder."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skae import (
    AdversarialAutoencoder,
    Autoencoder,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    LatentSampler,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae.networks import DenseNetwork
from tests.times import ARROW, PANDAS, POLARS, holed, lists_of, names_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"likelihood": "mixed", "max_iter": 2, "random_state": 0}
KINDS = [
    Autoencoder,
    DenoisingAutoencoder,
    VariationalAutoencoder,
    SparseAutoencoder,
    AdversarialAutoencoder,
]
START = pd.Timestamp("2024-01-01")


def dated(n=400, days=200, seed=0):
    rng = np.random.default_rng(seed)
    when = START + pd.to_timedelta(rng.integers(0, days * 24, n), "h")
    y = 3 * np.sin(2 * np.pi * when.hour / 24) + 0.1 * rng.normal(size=n)
    X = pd.DataFrame({"when": when, "y": y, "z": rng.normal(size=n)})
    X["long"] = pd.to_timedelta(np.rint(60 * np.abs(X["z"])), "s")
    return X


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_gives_back_times(kind):
    X = dated()
    holed = X.mask(np.random.default_rng(1).random(X.shape) < 0.1)
    model = kind(2, **QUICK).fit(holed)
    rebuilt = model.reconstruct(holed)
    assert rebuilt.dtypes.equals(X.dtypes)
    assert not rebuilt.isna().any().any()
    assert rebuilt["when"].between(X["when"].min(), X["when"].max()).all()
    assert (rebuilt["when"].dt.minute == 0).all()  # whole hours, as all that were seen
    assert (rebuilt["long"].dt.microseconds == 0).all()
    assert np.isfinite(model.score_samples(holed)).all()
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(again.reconstruct(holed), rebuilt)
    codes = model.transform(holed)
    pd.testing.assert_frame_equal(model.inverse_transform(codes), rebuilt)


@pytest.mark.parametrize(
    "table", [PANDAS, POLARS, ARROW], ids=["pandas", "polars", "arrow"]
)
def test_every_type_comes_back(table):
    X, gone = holed(table)
    model = Autoencoder(1, likelihood="mixed", max_iter=20, random_state=0).fit(X)
    rebuilt, filled = model.reconstruct(X), model.reconstruct(X, mask=gone)
    if isinstance(table, pd.DataFrame):
        assert rebuilt.dtypes.equals(X.dtypes)
    else:
        assert rebuilt.schema == X.schema
    truth, filled, rebuilt = lists_of(table), lists_of(filled), lists_of(rebuilt)
    for j, name in enumerate(names_of(table)[1:], start=1):
        at = {value: i for i, value in enumerate(truth[name])}
        away = [abs(at[value] - i) for i, value in enumerate(rebuilt[name])]
        assert np.mean(away) < 3
        for i in np.flatnonzero(~gone[:, j]):
            assert filled[name][i] == truth[name][i]


def test_an_encoder_sees_the_hour():
    """A code that must hold something else has no room for it."""
    X = dated(600)
    params = {"max_iter": 60, "likelihood": "mixed", "random_state": 0}
    model = Autoencoder(3, network=(64,), **params).fit(X[:450])
    elapsed = X.assign(when=(X["when"] - START) / pd.Timedelta("1D"))
    without = Autoencoder(3, network=(64,), **params).fit(elapsed[:450])
    mask = np.tile(np.arange(4) == 1, (150, 1))
    error, blind = (
        np.square(m.reconstruct(t[450:], mask=mask)["y"] - X["y"][450:]).mean()
        for m, t in ((model, X), (without, elapsed))
    )
    assert model.net_.module_.likelihood.n_beside > 0
    assert error < 0.7 * blind


def test_later_rows_may_be_given_back_once_they_are_learnt_from():
    X = dated()
    later = X.assign(when=X["when"] + pd.Timedelta("300D"))
    model = Autoencoder(2, **QUICK).fit(X)
    last = X["when"].max()
    assert model.reconstruct(later)["when"].max() <= last
    for _ in range(3):
        model.partial_fit(later)
    rebuilt = model.reconstruct(later)["when"]
    assert rebuilt.max() > last + pd.Timedelta("100D")
    assert rebuilt.max() <= later["when"].max()


def test_a_step_of_another_zone_is_the_same_row():
    X = dated()
    zoned = X.assign(when=X["when"].dt.tz_localize("Asia/Tokyo"))
    model = Autoencoder(2, **QUICK).fit(zoned)
    elsewhere = zoned.assign(when=zoned["when"].dt.tz_convert("UTC").dt.as_unit("ns"))
    np.testing.assert_array_equal(model.transform(zoned), model.transform(elsewhere))
    with pytest.raises(ValueError, match=r"'when' held dates with a time zone"):
        model.transform(X)


def test_draws_are_times():
    X = dated()
    for model in (
        VariationalAutoencoder(2, **QUICK).fit(X),
        LatentSampler(Autoencoder(2, **QUICK), random_state=0).fit(X),
    ):
        drawn = model.sample(50)
        assert drawn.dtypes.equals(X.dtypes)
        assert drawn["when"].between(X["when"].min(), X["when"].max()).all()
        assert (drawn["when"].dt.minute == 0).all()
        assert (drawn["long"] >= X["long"].min()).all()


@pytest.mark.parametrize(
    "table", [PANDAS, POLARS, ARROW], ids=["pandas", "polars", "arrow"]
)
def test_draws_are_missing_as_times_were(table):
    X, gone = holed(table, 0.3)
    drawn = VariationalAutoencoder(1, **QUICK).fit(X).sample(300, 0, missing=True)
    if isinstance(table, pd.DataFrame):
        assert drawn.dtypes.equals(X.dtypes)
    else:
        assert drawn.schema == X.schema
    truth, drawn = lists_of(table), lists_of(drawn)
    for j, name in enumerate(names_of(table)):
        seen = [value for value in drawn[name] if not pd.isna(value)]
        assert 1 - len(seen) / 300 == pytest.approx(gone[:, j].mean(), abs=0.09)
        if j:
            assert set(seen) <= set(truth[name])


def test_a_date_is_found_and_explained_as_one():
    X = dated()
    X.loc[5, "when"] = pd.Timestamp("2031-05-05 05:00")
    params = {"n_estimators": 2, "max_iter": 5, "random_state": 0}
    detector = AutoencoderOutlierDetector(Autoencoder(likelihood="mixed"), **params).fit(X)
    assert detector.score_samples(X).argmin() == 5
    reasons = detector.explain(X[5:6], top=1)
    assert reasons["feature"].tolist() == ["when"]
    assert reasons["observed"].tolist() == [X["when"][5]]
    assert reasons["expected"].iloc[0].year == 2024
    later = X.assign(when=X["when"] + pd.Timedelta("6000D")).drop(index=5)
    for _ in range(3):
        detector.partial_fit(later)
    reasons = detector.explain(later[:50], top=4)
    expected = reasons["expected"][reasons["feature"] == "when"]
    assert max(expected) > pd.Timestamp("2032-01-01")  # which was beyond what it had seen
    frame = pl.from_pandas(X)
    assert detector.explain(frame[5:6], top=1)["observed"].iloc[0] == X["when"][5]


def test_weights_that_are_tied_are_told_why_not():
    model = Autoencoder(2, network=DenseNetwork(tied_weights=True), **QUICK)
    with pytest.raises(ValueError, match=r"tied_weights.*a date is in its day"):
        model.fit(dated())
