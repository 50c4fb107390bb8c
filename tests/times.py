"""Tables whose columns are times that step by one from row to row."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

N = 120
STEPS = np.arange(N)
SECONDS = [dt.timedelta(seconds=i) for i in range(N)]
MINUTES = [dt.time(i // 60, i % 60) for i in range(N)]
HOURS = pd.date_range("2024-03-29", periods=N, freq="h")  # a summer time begins within
DAYS = pd.date_range("2023-03-01", periods=N, freq="D")
MONTHS = pd.period_range("2001-01", periods=N, freq="M")

PANDAS = pd.DataFrame(
    {
        "row": STEPS + 0.5,
        "ns": HOURS.as_unit("ns"),
        "us": HOURS.as_unit("us") + pd.Timedelta("5us"),
        "s": HOURS.as_unit("s"),
        "berlin": DAYS.tz_localize("Europe/Berlin"),
        "offset": DAYS.tz_localize("+01:00"),
        "summer": HOURS.tz_localize("UTC").tz_convert("Europe/Berlin"),
        "day": DAYS,
        "week": pd.date_range("2020-01-06", periods=N, freq="7D"),
        "month": MONTHS.to_timestamp(),
        "month_end": pd.date_range("2001-01", periods=N, freq="ME"),
        "period": MONTHS,
        "quarter": pd.period_range("1960Q1", periods=N, freq="Q"),
        "timedelta": pd.to_timedelta(STEPS * 15, "min"),
        "arrow": pd.Series(HOURS).astype(
            pd.ArrowDtype(pa.timestamp("ms", tz="Asia/Tokyo"))
        ),
        "arrow_date": pd.Series(DAYS.date).astype(pd.ArrowDtype(pa.date32())),
        "arrow_date64": pd.Series(DAYS.date).astype(pd.ArrowDtype(pa.date64())),
        "arrow_time": pd.Series(MINUTES).astype(pd.ArrowDtype(pa.time64("us"))),
        "arrow_duration": pd.Series(pd.to_timedelta(STEPS, "s")).astype(
            pd.ArrowDtype(pa.duration("ms"))
        ),
        "date": np.array(list(DAYS.date), dtype=object),
        "datetime": np.array(HOURS.to_pydatetime().tolist(), dtype=object),
        "aware": np.array(HOURS.tz_localize("UTC").to_pydatetime().tolist(), dtype=object),
        "stamp": pd.Series(list(HOURS), dtype=object),
        "python_timedelta": np.array(
            [dt.timedelta(minutes=i) for i in range(N)], dtype=object
        ),
        "time": np.array(MINUTES, dtype=object),
    }
)
BERLIN = pl.Datetime("us", "Europe/Berlin")
POLARS = pl.DataFrame(
    {
        "row": STEPS + 0.5,
        "ns": pl.Series(HOURS.to_numpy()).cast(pl.Datetime("ns")),
        "ms": pl.Series(HOURS.to_numpy()).cast(pl.Datetime("ms")),
        "berlin": pl.Series(HOURS.to_numpy()).cast(pl.Datetime("us")).cast(BERLIN),
        "date": pl.Series(list(DAYS.date)),
        "duration": pl.Series(SECONDS),
        "time": pl.Series(MINUTES),
    }
)
ARROW = pa.table(
    {
        "row": STEPS + 0.5,
        "ns": pa.array(HOURS.to_numpy(), pa.timestamp("ns")),
        "s": pa.array(HOURS.to_numpy(), pa.timestamp("s")),
        "offset": pa.array(HOURS.to_pydatetime(), pa.timestamp("us", tz="+02:00")),
        "date32": pa.array(DAYS.date, pa.date32()),
        "date64": pa.array(DAYS.date, pa.date64()),
        "duration": pa.array(SECONDS, pa.duration("ms")),
        "time32": pa.array(MINUTES, pa.time32("s")),
        "time64": pa.array(MINUTES, pa.time64("ns")),
    }
)


def names_of(table):
    return list(table.column_names if isinstance(table, pa.Table) else table.columns)


def lists_of(table):
    """Return the values of a table's columns, by name."""
    columns = ((name, table[name]) for name in names_of(table))
    return {
        n: c.to_pylist() if isinstance(table, pa.Table) else c.to_list() for n, c in columns
    }


def holed(table, rate=0.1, seed=0):
    """Return a table without some of its cells, but of the first column, and which."""
    names = names_of(table)
    gone = np.random.default_rng(seed).random((N, len(names))) < rate
    gone[:, 0] = False
    if isinstance(table, pd.DataFrame):
        return table.mask(gone), gone
    if isinstance(table, pl.DataFrame):
        nothing = [pl.lit(None)] * len(names)
        parts = [
            table[name]
            .to_frame()
            .select(
                pl.when(pl.Series(~gone[:, j])).then(pl.col(name)).otherwise(nothing[j])
            )
            for j, name in enumerate(names)
        ]
        return pl.concat(parts, how="horizontal").cast(dict(table.schema)), gone
    columns = []
    for j in range(len(names)):
        column = table.column(j).combine_chunks()
        indices = pa.array(np.arange(N), pa.int64(), mask=gone[:, j])
        columns.append(column.take(indices))
    return pa.table(columns, schema=table.schema), gone
