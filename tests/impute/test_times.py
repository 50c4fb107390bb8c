"""Dates, durations and times of day: learnt from, and put in as the column holds them."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skae import AutoencoderImputer
from tests.times import ARROW, DAYS, HOURS, PANDAS, POLARS, N, holed, lists_of, names_of

pytestmark = pytest.mark.usefixtures("quick")

QUICK = {"n_estimators": 2, "network": (32,), "max_iter": 20, "random_state": 0}


def make(**params):
    return AutoencoderImputer(**{**QUICK, **params})


@pytest.mark.parametrize(
    "table", [PANDAS, POLARS, ARROW], ids=["pandas", "polars", "arrow"]
)
def test_what_other_columns_say_comes_back_in_the_very_type(table):
    X, gone = holed(table)
    done = make().fit_transform(X)
    if isinstance(table, pd.DataFrame):
        assert done.dtypes.equals(X.dtypes)
    else:
        assert done.schema == X.schema
    truth, done = lists_of(table), lists_of(done)
    for j, name in enumerate(names_of(table)):
        assert {*map(type, done[name])} == {*map(type, truth[name])}
        for i in range(N):  # nothing is put in but what a step of the column's is
            away = 3 if gone[i, j] else 0
            assert done[name][i] in truth[name][max(0, i - away) : i + away + 1]


def table_of(when, rate=0.2, seed=0):
    """A number that grows with time, and times of which some are missing."""
    rng = np.random.default_rng(seed)
    n = len(when)
    amount = np.arange(n) + 0.1 * rng.normal(size=n)
    X = pd.DataFrame({"amount": amount, "when": when.copy(deep=True)})
    X["other"] = rng.normal(size=n)
    X.loc[rng.random(n) < rate, "when"] = None
    return X


@pytest.fixture(scope="module")
def fitted():
    X = table_of(pd.Series(HOURS.tz_localize("UTC").tz_convert("Europe/Berlin")))
    return X, make().fit(X)


def test_the_same_instants_in_other_units_and_zones_mean_the_same(fitted):
    X, model = fitted
    done = model.transform(X)["when"]
    for unit, zone in (("ns", "Europe/Berlin"), ("s", "UTC"), ("ms", "Asia/Kolkata")):
        other = X.assign(when=X["when"].dt.as_unit(unit).dt.tz_convert(zone))
        same = model.transform(other)
        assert same["when"].dtype == other["when"].dtype
        assert (same["when"] == done).all()
    frame = pl.from_pandas(X)
    assert (model.transform(frame)["when"].to_pandas() == done).all()
    objects = X.assign(when=X["when"].astype(object).where(X["when"].notna(), None))
    assert (pd.to_datetime(model.transform(objects)["when"]) == done).all()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.dt.tz_localize(None), "'when' held dates with a time zone.*without a"),
        (lambda t: t - t.min(), "'when' held dates with a time zone.*durations"),
        (lambda t: t.dt.hour, "'when' held times in fit, and is now float64.*to_datetime"),
        (lambda t: t.astype(str), "'when' held times in fit, and is now (str|object)"),
    ],
)
def test_what_was_something_else_is_told(fitted, change, match):
    X, model = fitted
    with pytest.raises(ValueError, match=match):
        model.transform(X.assign(when=change(X["when"])))


def test_a_zone_that_comes_up_later_is_told():
    X = table_of(pd.Series(HOURS))
    with pytest.raises(ValueError, match=r"without a time zone in fit.*tz_localize"):
        make().fit(X).transform(X.assign(when=X["when"].dt.tz_localize("UTC")))
    both = [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * (N // 2)
    with pytest.raises(ValueError, match=r"'when' holds times with a time zone and"):
        make().fit(X.assign(when=pd.Series(both, dtype=object)))


def test_nothing_is_put_in_beyond_what_was_seen_or_asked_for():
    X = table_of(pd.Series(DAYS))
    beyond = X.assign(amount=10 * X["amount"] - 500)
    done = make().fit(X).transform(beyond)["when"]
    assert done.min() == X["when"].min()
    assert done.max() == X["when"].max()
    for bounds in (
        (pd.Timestamp("2023-03-20"), dt.date(2023, 4, 2)),
        ("time", "2023-03-19 07:00", np.datetime64("2023-04-02T13")),
    ):
        done = make(columns={"when": bounds}).fit_transform(X)["when"]
        put = done[X["when"].isna()]
        assert put.min() == pd.Timestamp("2023-03-20")  # a day, as all others
        assert put.max() == pd.Timestamp("2023-04-02")
    late = make(columns={"when": (dt.date(2030, 5, 5), None)}).fit_transform(X)["when"]
    assert (late[X["when"].isna()] == pd.Timestamp("2030-05-05")).all()
    zoned = X.assign(when=X["when"].dt.tz_localize("Asia/Tokyo"))
    asked = {"when": (None, pd.Timestamp("2023-04-01 15:00", tz="UTC"))}  # 2 April there
    put = make(columns=asked).fit_transform(zoned)["when"][X["when"].isna()]
    assert put.max() == pd.Timestamp("2023-04-02", tz="Asia/Tokyo")


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        ((3, 5), "'when' holds dates, and so must its bounds. Got 3"),
        ((pd.Timedelta(1), None), "'when' holds dates, and so must"),
        (("time", "soon", None), "'when' holds dates, and its bound 'soon'"),
        ((dt.date(2024, 1, 1), dt.date(2023, 1, 1)), "'when' has bounds the wrong way"),
        ((None, pd.Timestamp("2024", tz="UTC")), "'when' has no time zone, but its bound"),
        ("number", r"'when' \(datetime64"),
    ],
)
def test_bounds_that_cannot_be(bounds, match):
    with pytest.raises(ValueError, match=match):
        make(columns={"when": bounds}).fit(table_of(pd.Series(DAYS)))


def test_only_times_are_taken_for_times():
    X = table_of(pd.Series(DAYS))
    with pytest.raises(ValueError, match="'amount' is to be of times, and holds float64"):
        make(columns={"amount": "time"}).fit(X)
    with pytest.raises(ValueError, match="bounds of 'amount', which holds no times"):
        make(columns={"amount": (dt.date(2024, 1, 1), None)}).fit(X)
    with pytest.raises(ValueError, match=r"0 is a number in an array\. Pass a DataFrame"):
        make(columns={0: "time"}).fit(np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"datetime64.*Pass a DataFrame"):
        make().fit(X[["when"]].to_numpy())


def test_a_date_may_be_passed_through_or_be_a_category():
    X = table_of(pd.Series(DAYS[:3].repeat(N // 3)))
    done = make(columns={"when": "passthrough"}).fit_transform(X)
    pd.testing.assert_series_equal(done["when"], X["when"])
    zoned = X.assign(when=X["when"].dt.tz_localize("Europe/Berlin"))
    for table in (X, zoned):
        values = table["when"].dropna()
        model = make(columns={"when": "category"}).fit(table)
        assert model.transform(table)["when"].isin(values).all()
        likely = model.predict_probabilities(table)
        assert set(likely.index.get_level_values("value")) == set(values)


def test_a_column_without_any_time_stays_so():
    X = table_of(pd.Series(DAYS)).assign(never=pd.Series(pd.NaT, range(N), "datetime64[s]"))
    with pytest.warns(UserWarning, match="never"):
        assert list(make().fit_transform(X)) == ["amount", "when", "other"]
    done = make(keep_empty_features=True).fit(X).transform(X.assign(never=X["when"]))
    pd.testing.assert_series_equal(done["never"], X["when"], check_names=False)


def test_a_column_that_is_missing_throughout_gets_its_type_back(fitted):
    X, model = fitted
    for nothing in (None, np.nan, pd.NaT):
        done = model.transform(X.assign(when=nothing))["when"]
        assert done.dtype == X["when"].dtype
        assert np.abs(done - model.transform(X)["when"]).mean() < pd.Timedelta("12h")
    frame = pl.from_pandas(X).with_columns(when=pl.lit(None))
    elsewhere = model.transform(frame)["when"].to_pandas()
    assert (elsewhere == done).all()
    arrow = model.transform(frame.to_arrow())["when"].to_pandas()
    assert (arrow == done).all()
    other = make().fit(pl.from_pandas(X)).transform(X.assign(when=None))["when"]
    assert (other == done).all()


def test_an_hour_that_comes_twice_or_never():
    zone = "Europe/Berlin"
    hours = pd.date_range("2024-10-26 12:00", periods=N, freq="h", tz="UTC")
    X = table_of(pd.Series(hours.tz_convert(zone)))
    done = make().fit_transform(X)["when"]
    assert set(done) <= set(X["when"].dropna()) | set(hours.tz_convert(zone))
    days = pd.date_range("2022-07-01", periods=N, freq="D")  # 11 September has no midnight
    zone = "America/Santiago"
    days = days.tz_localize(zone, nonexistent="shift_forward")
    X = table_of(pd.Series(days[days.hour == 0]))
    X.loc[71:72, "when"] = None
    put = make().fit_transform(X)["when"][X["when"].isna()]
    assert set(put.dt.hour) <= {0, 1}
    assert (put[put.dt.hour == 1].dt.strftime("%d.%m.") == "11.09.").all()


def test_years_that_nanoseconds_do_not_reach():
    years = np.array([f"{1000 + 50 * i}-07-01" for i in range(N)], dtype="M8[s]")
    X = table_of(pd.Series(years))
    done = make().fit_transform(X)["when"]
    assert done.dtype == "M8[s]"
    assert (np.abs(done.to_numpy() - years) <= np.timedelta64(366 * 150, "D")).all()
    assert (done.dt.month == 7).all()
    X.loc[3, "when"] = np.datetime64("9999-12-31")  # as some write "never"
    done = make().fit_transform(X)["when"]
    away = np.abs(done.to_numpy() - years)[X["when"].isna()]
    assert np.median(away) <= np.timedelta64(366 * 300, "D")


def test_nanoseconds_stay_within_what_was_seen():
    first = pd.Timestamp("2024-01-01 00:00:00.123456789")
    when = pd.Series(first.as_unit("ns") + pd.to_timedelta(np.arange(N) * 7, "ns"))
    X = table_of(when)
    done = make().fit_transform(X)["when"]
    assert done.between(X["when"].min(), X["when"].max()).all()
    assert (done[X["when"].notna()] == when[X["when"].notna()]).all()


def hours_table(n=600, seed=0):
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 60 * 1440, n), "min"
    )
    hour = when.hour + when.minute / 60
    return rng, pd.DataFrame(
        {
            "when": when,
            "by_hour": 3 * np.sin(2 * np.pi * hour / 24 - 1) + 0.2 * rng.normal(size=n),
            "by_day": np.array([0, 1, 5, 2, -3, 4, 0])[when.day_of_week]
            + 0.2 * rng.normal(size=n),
        }
    )


@pytest.mark.slow
def test_hours_and_days_of_the_week_are_seen():
    rng, truth = hours_table()
    gone = rng.random((len(truth), 3)) < [0, 0.2, 0.2]
    X = truth.mask(gone)
    params = {"n_estimators": 2, "network": (64, 64), "max_iter": 60}
    params["random_state"] = 0
    done = AutoencoderImputer(**params).fit_transform(X)
    elapsed = X.assign(when=(X["when"] - X["when"].min()) / pd.Timedelta("1D"))
    without = AutoencoderImputer(**params).fit_transform(elapsed)

    def error(table, name, j):
        return np.sqrt(np.square(table[name] - truth[name])[gone[:, j]].mean())

    for j, name in enumerate(("by_hour", "by_day"), start=1):
        assert error(done, name, j) < 0.5 * error(without, name, j)
    zoned = X.assign(when=X["when"].dt.tz_localize("Asia/Tokyo"))  # its own clocks count
    zoned = AutoencoderImputer(**params).fit_transform(zoned)
    np.testing.assert_array_equal(zoned["by_hour"], done["by_hour"])


def test_quantiles_and_draws_are_dates_and_errors_are_in_days():
    X = table_of(pd.Series(DAYS))
    gone = X["when"].isna()
    model = make().fit(X)
    table = model.predict_quantiles(X)
    assert (table.dtypes == X["when"].dtype).all()
    assert (table[0.05] <= table[0.5]).all()
    assert (table[0.5] <= table[0.95]).all()
    assert table.stack().isin(DAYS).all()
    X.loc[::7, "other"] = np.nan
    mixed = make().fit(X).predict_quantiles(X)
    assert (mixed.xs("other", level="column").infer_objects().dtypes == "float64").all()
    assert mixed.xs("when", level="column").infer_objects()[0.5].isin(DAYS).all()
    for drawn in model.sample_imputations(X, 2, random_state=0):
        assert drawn["when"].dtype == X["when"].dtype
        assert drawn["when"][gone].isin(DAYS).all()
    scores = model.column_scores_.loc["when"]
    assert scores["baseline"] == pytest.approx(N / 12**0.5, rel=0.3)
    weeks = X.assign(when=X["when"].min() + 7 * (X["when"] - X["when"].min()))
    assert make().fit(weeks).column_scores_.loc["when", "baseline"] == pytest.approx(
        7 * make().fit(X).column_scores_.loc["when", "baseline"], rel=1e-3
    )


def test_pickle(fitted):
    X, model = fitted
    again = pickle.loads(pickle.dumps(model)).transform(X)
    pd.testing.assert_frame_equal(again, model.transform(X))
