"""Where dates are in their day, week, month and year, as an encoder sees it."""

import numpy as np
import pandas as pd
import pytest
import torch

from skae import Autoencoder
from skae.likelihoods import Mixed
from skae.likelihoods._cycles import HARMONICS, cycles_of, phases_of

DATES = pd.date_range("1890-01-01", "2120-01-01", freq="377h")
DAYS = ((DATES - pd.Timestamp(0)) / pd.Timedelta("1D")).to_numpy()
TIME = DAYS - np.floor(DAYS)


def around(phase):
    return np.exp(2j * np.pi * phase)


def test_phases_are_those_of_the_calendar():
    day = torch.from_numpy(np.floor(DAYS)).float()
    found = phases_of(torch.from_numpy(TIME).float(), day)
    true = {
        "day": TIME,
        "week": (DATES.day_of_week + TIME) / 7,
        "month": (DATES.day - 1 + TIME) / DATES.days_in_month,
    }
    for name, phase in true.items():
        away = np.abs(around(found[name].numpy()) - around(phase)) / (2 * np.pi)
        february = DATES.month == 2  # whose length is the mean one
        assert away[~february].max() < 1e-3
        assert away.max() < 0.03
    march = found["year"].numpy() - (DATES.day_of_year - 60 + TIME) / 365.25
    assert np.abs(around(march) - 1).max() < 0.02


def test_they_are_told_from_what_is_standardised_and_nothing_of_what_is_missing():
    location, scale = np.array([5.0, DAYS.mean()]), np.array([2.0, DAYS.std()])
    names = ("day", "week")
    cycles = cycles_of({1: names}, location, scale)
    x = torch.from_numpy((DAYS - location[1]) / scale[1]).float()
    x = torch.stack([torch.zeros_like(x), x], 1)
    x[3] = torch.nan
    out = cycles(x)
    assert out.shape == (len(x), 2 * sum(HARMONICS[name] for name in names))
    assert cycles.n == out.shape[1]
    assert (out[3] == 0).all()
    sines, cosines = out.numpy().T.reshape(2, -1, len(x))
    place = HARMONICS["day"]
    turned = sines[place] * 1j + cosines[place]
    week = around((DATES.day_of_week + TIME) / 7)
    assert np.abs(turned - week)[np.arange(len(x)) != 3].max() < 5e-3  # of 230 years
    assert cycles_of({}, location, scale) is None
    assert cycles_of(None, location, scale) is None


@pytest.mark.parametrize(
    "cycles",
    [{0: "day"}, {0: ("hour",)}, {-1: ("day",)}, [("day",)], {2: ("day",)}, {5: ("day",)}],
)
def test_cycles_that_cannot_be(cycles):
    X = np.random.default_rng(0).normal(size=(20, 3)).round().clip(0)
    X[:, 2] = 0
    with pytest.raises(ValueError, match=r"Mixed\.cycles"):
        Autoencoder(1, likelihood=Mixed({2: 3}, cycles), max_iter=1).fit(X)


def test_an_array_of_days_may_have_cycles_as_a_frame_has():
    rng = np.random.default_rng(0)
    days = rng.integers(20000, 20100, 80) + rng.integers(0, 24, 80) / 24
    X = np.stack([days, rng.normal(size=80)], 1)
    frame = pd.DataFrame(X, columns=["when", "y"])
    frame["when"] = pd.to_datetime(np.rint(days * 24).astype("M8[h]").astype("M8[s]"))
    params = {"max_iter": 2, "random_state": 0}
    cycles = {0: ("day", "week", "month")}
    told = Autoencoder(1, likelihood=Mixed(cycles=cycles), **params).fit(X)
    read = Autoencoder(1, likelihood="mixed", **params).fit(frame)
    assert read.net_.module_.likelihood.likelihood.cycles == cycles
    np.testing.assert_allclose(told.transform(X), read.transform(frame), atol=1e-5)
