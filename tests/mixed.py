"""Tables of columns of every dtype."""

import numpy as np
import pandas as pd
import polars as pl
import torch

from skae import Autoencoder, AutoencoderOutlierDetector
from skae._data.statistics import column_statistics
from skae.likelihoods import Mixed


def table(n=300, seed=0):
    """Two hidden numbers behind columns of every dtype, and some missing cells."""
    rng = np.random.default_rng(seed)
    z, w = rng.normal(size=(2, n))
    noise = rng.normal(size=(4, n))
    frame = pd.DataFrame(
        {
            "float": 100 + 5 * z + 0.5 * noise[0],
            "float32": np.float32(w + 0.1 * noise[1]),
            "int": np.rint(10 * z + noise[2]).astype(np.int16),
            "Int64": pd.array(np.rint(20 + 5 * w + noise[3]), dtype="Int64"),
            "bool": z > 0,
            "boolean": pd.array(w > 0, dtype="boolean"),
            "category": pd.Categorical(
                np.select([w > 0.5, w < -0.5], ["high", "low"], "middle"),
                categories=["low", "middle", "high", "never"],
                ordered=True,
            ),
            "string": np.where(z + w > 0, "plus", "minus"),
            "object": np.where(z - w > 0, "more", "less").astype(object),
        }
    )
    for column in ("float", "Int64", "boolean", "category", "string"):
        frame.loc[rng.random(n) < 0.05, column] = None
    return frame


FRAME = table()
POLARS = pl.from_pandas(FRAME)
QUICK = {"max_iter": 3, "random_state": 0, "likelihood": "mixed"}


def module_and_rows():
    rng = np.random.default_rng(0)
    X = np.c_[
        rng.normal(3, 2, size=(40, 2)), rng.integers(3, size=40), rng.integers(2, size=40)
    ]
    X[rng.random(X.shape) < 0.3] = np.nan
    mixed = Mixed({2: 3, 3: 2})
    module = mixed.build(column_statistics(X, None, (4,), mixed.check))
    return module, X, torch.from_numpy(module.standardize(X))


def codes_array():
    X = np.c_[FRAME["float"], FRAME["category"].cat.codes, FRAME["bool"]].astype(float)
    X[X[:, 1] < 0, 1] = np.nan
    return X


def detector(**params):
    inner = Autoencoder(2, likelihood="mixed", max_iter=2)
    return AutoencoderOutlierDetector(inner, n_estimators=2, random_state=0, **params)
