"""A plain array of floats is taken at once: it is refused, or not, as any other is."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest

from skae import Autoencoder, AutoencoderOutlierDetector, ConvolutionalAutoencoder
from skae._data.checks import is_plain

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 12))
QUICK = {"max_iter": 1, "random_state": 0}


class Other(np.ndarray):
    """An array that goes the long way."""


def replaced(value, where=(3, 2)):
    rows = X.copy()
    rows[where] = value
    return rows


ROWS = {
    "as it is": X,
    "one row": X[:1],
    "float32": X.astype(np.float32),
    "float16": X.astype(np.float16),
    "other bytes": X.astype(X.dtype.newbyteorder()),
    "by column": np.asfortranarray(X),
    "every other": X[::2],
    "read only": np.frombuffer(X.tobytes()).reshape(X.shape),
    "integers": np.rint(X).astype(int),
    "booleans": X > 0,
    "objects": X.astype(object),
    "texts": X.astype(str),
    "complex": X + 1j,
    "NaN": replaced(np.nan),
    "infinity": replaced(np.inf),
    "infinities": np.where(X > 2, np.inf, np.where(X < -2, -np.inf, X)),
    "a sum beyond float32": np.full((2, 12), 1e38, np.float32),
    "far away": replaced(1e300),
    "no rows": X[:0],
    "no columns": X[:, :0],
    "a column less": X[:, :11],
    "a column more": np.hstack([X, X[:, :1]]),
    "flat": X[0],
    "a number": np.array(1.0),
    "pictures": X.reshape(24, 3, 4),
    "other pictures": X.reshape(24, 4, 3),
    "channels": X.reshape(24, 1, 3, 4),
    "five axes": X.reshape(24, 1, 3, 2, 2),
}
FRAME = pd.DataFrame(X, columns=list("abcdefghijkl"))
HOLED = replaced(np.nan, (5, 4))
KINDS = {
    "rows": (Autoencoder(2, **QUICK), X),
    "frame": (Autoencoder(2, **QUICK), FRAME),
    "numbered": (Autoencoder(2, **QUICK), pd.DataFrame(X)),
    "table": (Autoencoder(2, likelihood="mixed", **QUICK), HOLED),
    "mixed": (Autoencoder(2, **QUICK), FRAME.assign(c=list("uv") * 12)),
    "pictures": (ConvolutionalAutoencoder(2, **QUICK), X.reshape(24, 3, 4)),
    "detector": (AutoencoderOutlierDetector(n_estimators=1, **QUICK), X),
}


@functools.cache
def fitted(kind):
    estimator, rows = KINDS[kind]
    return estimator.fit(rows)


def outcome(call, rows):
    """What comes back or is raised, and what is warned of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = np.asarray(call(rows)).tolist()
        except (TypeError, ValueError) as error:
            result = type(error), str(error)
    return result, [(w.category, str(w.message)) for w in told]


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_short_way_tells_what_the_long_one_does(kind, rows):
    for method in ("transform", "score_samples", "reconstruct"):
        if (call := getattr(fitted(kind), method, None)) is not None:
            assert outcome(call, rows) == outcome(call, rows.view(Other)), method


@pytest.mark.parametrize("codes", [r[:, :2] for r in ROWS.values() if r.ndim == 2])
def test_codes_go_the_short_way_to_the_same_end(codes):
    for kind in ("rows", "pictures"):
        for some in (codes, codes[:, :1]):
            call = fitted(kind).inverse_transform
            assert outcome(call, some) == outcome(call, some.view(Other))


def test_names_that_are_missing_are_told_of():
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted("frame").transform(X)


def test_what_is_plain():
    plain = {name for name, rows in ROWS.items() if is_plain(rows, (12,), (3, 4))}
    assert plain == {
        "as it is", "one row", "float32", "by column", "every other", "read only",
        "pictures", "far away",
    }  # fmt: skip
