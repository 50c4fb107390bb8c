"""Tables with holes, and imputers that are quick."""

from datetime import datetime, timedelta

import hypothesis.strategies as st
import numpy as np
import pandas as pd

from skae import AutoencoderImputer

SMALL = {"n_estimators": 2, "network": (16, 16), "max_iter": 2, "random_state": 0}


def imputer(**params):
    return AutoencoderImputer(**{**SMALL, **params})


def mixed_table(n=60, rate=0.25, seed=0):
    """A table with a column of each dtype that is imputed."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)

    def gaps():
        return rng.random(n) < rate

    words = np.where(z > 0, "high", "low")
    table = pd.DataFrame(
        {
            "float": z,
            "float32": z.astype(np.float32) * 3,
            "int": (5 * z).astype(int),
            "Int": pd.array((7 * z).astype(int), dtype="Int16"),
            "Float": pd.array(z - 1, dtype="Float32"),
            "boolean": pd.array(z > 0.3, dtype="boolean"),
            "bool": z > 0,
            "category": pd.Categorical(words, categories=["low", "high", "never"]),
            "ordered": pd.Categorical(
                np.where(z > 1, 3, np.where(z > -1, 2, 1)), ordered=True
            ),
            "str": pd.array(words, dtype="str"),
            "object": words.astype(object),
            "objects": np.where(z > 0, 1.5, 2.5).astype(object),
        },
        index=[f"r{i}" for i in rng.permutation(n)],
    )
    for name in table:
        if name not in ("int", "bool"):
            table.loc[gaps(), name] = None
    return table


def assert_completed(table, completed, may_keep=()):
    assert list(completed.columns) == list(table.columns)
    assert (completed.index == table.index).all()
    assert completed.dtypes.tolist() == table.dtypes.tolist()
    assert not completed.drop(columns=list(may_keep)).isna().any().any()
    for name in table:
        seen = table[name].notna().to_numpy()
        before, after = table[name][seen], completed[name][seen]
        assert before.tolist() == after.tolist()


CELLS = {
    "float64": st.floats(-1e6, 1e6),
    "float32": st.floats(-1e6, 1e6, width=32),
    "Int64": st.integers(-(2**40), 2**40),
    "boolean": st.booleans(),
    "datetime64[us]": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    "timedelta64[us]": st.timedeltas(timedelta(-9999), timedelta(9999)),
    "str": st.sampled_from(["", "a", "b", "ä"]),
    "object": st.one_of(st.sampled_from(["x", 3, (1, 2)])),
    "category": st.sampled_from(["u", "v", 7]),
}


@st.composite
def tables(draw):
    n = draw(st.integers(2, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = {}
    for i, kind in enumerate(kinds):
        cell = st.one_of(st.none(), CELLS[kind])
        cells = draw(st.lists(cell, min_size=n, max_size=n))
        columns[f"{kind}{i}"] = pd.Series(cells, dtype=kind)
    return pd.DataFrame(columns, index=draw(st.permutations(range(n))))
