"""Several imputations, quantiles and probabilities."""

import numpy as np
import pytest

from skae import AutoencoderImputer
from tests.impute.tables import assert_completed, imputer, mixed_table


@pytest.mark.slow
def test_draws_spread_as_the_missing_cells_do():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 1))
    X = z @ np.ones((1, 3)) + rng.normal(size=(3000, 3)) * [0.3, 1, 1]
    holed = X.copy()
    holed[:1000, 1:] = np.nan
    model = AutoencoderImputer(max_iter=20, random_state=0).fit(holed[500:])
    tables = model.sample_imputations(holed[:500], 4, random_state=0)
    assert len(tables) == 4
    left = [table[:, 1:] - X[:500, [0]] / 1.09 for table in tables]
    for table, rest in zip(tables, left, strict=True):
        np.testing.assert_array_equal(table[:, 0], X[:500, 0])
        np.testing.assert_allclose(rest.std(0), (1 + 0.09 / 1.09) ** 0.5, rtol=0.15)
    # what both share goes together: 0.083 / 1.083 of the variance
    assert abs(np.corrcoef(np.concatenate(left).T)[0, 1] - 0.076) < 0.07
    again = model.sample_imputations(holed[:500], 4, random_state=0)
    np.testing.assert_array_equal(tables[3], again[3])
    assert not (tables[0] == tables[1]).all()

    quantiles = model.predict_quantiles(holed[:500], (0.05, 0.95))
    assert quantiles.index.names == ["row", "column"]
    assert len(quantiles) == 1000
    for j, name in ((1, "x1"), (2, "x2")):
        part = quantiles.xs(name, level="column")
        inside = (part[0.05] <= X[:500, j]) & (X[:500, j] <= part[0.95])
        assert 0.84 < inside.mean() < 0.96


def test_draws_of_columns_that_hang_together_do_so():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 1))
    X = np.hstack([rng.normal(size=(2000, 1)), z, z + 0.3 * rng.normal(size=(2000, 1))])
    holed = X.copy()
    holed[:400, 1:] = np.nan
    model = AutoencoderImputer(max_iter=10, random_state=0).fit(holed)
    (table,) = model.sample_imputations(holed[:400], 1, random_state=0)
    assert np.corrcoef(table[:, 1:].T)[0, 1] > 0.9


def test_draws_of_mixed_tables():
    table = mixed_table(200)
    model = imputer(max_iter=20).fit(table)
    for drawn in model.sample_imputations(table, 3, random_state=0):
        assert_completed(table, drawn)
    long = model.predict_probabilities(table)
    assert long.index.names == ["row", "column", "value"]
    total = long["probability"].groupby(level=["row", "column"]).sum()
    np.testing.assert_allclose(total, 1)
    categories = ["boolean", "category", "ordered", "str", "object"]
    assert len(total) == table[categories].isna().sum().sum()
    quantiles = model.predict_quantiles(table)
    assert (quantiles[0.05] <= quantiles[0.5]).all()
    assert (quantiles[0.5] <= quantiles[0.95]).all()
    complete = table.dropna()
    assert len(model.predict_quantiles(complete)) == 0
    assert len(model.predict_probabilities(complete)) == 0
    with pytest.raises(ValueError, match="quantiles must be numbers in"):
        model.predict_quantiles(table, (0.5, 1.5))
