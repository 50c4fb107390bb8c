"""Which columns are chosen, in numbers that are worked out by hand."""

import numpy as np
import pytest
from scipy.linalg import hadamard

from skae import AutoencoderFeatureSelector
from skae.feature_selection._greedy import greedy_columns

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROWS = hadamard(8)[:, 1:6].astype(float)  # five columns that do not go together


def test_columns_that_do_not_go_together_are_chosen_by_their_size():
    x = ROWS * [1, 3, 2, 5, 4]
    columns, gains = greedy_columns(x, 3)
    assert columns.tolist() == [3, 4, 1]
    np.testing.assert_allclose(gains, [8 * 25, 8 * 16, 8 * 9])


def test_a_column_that_says_what_another_does_adds_what_is_left():
    a, b, c = ROWS.T[:3]  # of the square 8
    x = np.stack([2 * a, b, 2 * a + b, 0.5 * c], 1)  # of the squares 32, 8, 40 and 2
    columns, gains = greedy_columns(x, 4)
    # 2 a explains (32^2 + 32^2) / 32 = 64, b (8^2 + 8^2) / 8 = 16, 2 a + b explains
    # (32^2 + 8^2 + 40^2) / 40 = 67.2; 80 - 67.2 is left to a or b, then 2 to c
    assert columns[0] == 2
    assert columns[2] == 3
    np.testing.assert_allclose(gains, [67.2, 12.8, 2, 0], atol=1e-9)


class Told(AutoencoderFeatureSelector):
    """A selector whose search and whose judges are told what to say."""

    def _greedy(self, task):
        self.sample = task.sample
        return np.array([0, 1])

    def _search(self, first, columns, seed, watch):
        return np.array([4, 2])

    def _decoders(self, choices, X, sample_weight, first, watch):
        trained = super()._decoders(choices, X, sample_weight, first, watch)
        explained = {"greedy": [0.9, 0.1], "concrete": [0.2, 0.8]}
        return {
            columns: (name, one._replace(explained=explained[name]))
            for columns, (name, one) in trained.items()
        }


def test_held_out_rows_judge_choices_that_they_had_no_part_in():
    selector = Told(2, method="auto", max_iter=1, early_stopping=True, random_state=0).fit(
        np.tile(ROWS, (5, 1))
    )
    assert selector.chosen_by_ == "concrete"
    assert selector.get_support(indices=True).tolist() == [2, 4]
    index, valid = (set(part.tolist()) for part in (selector.sample.train,
                                                    selector.sample.valid))  # fmt: skip
    assert len(valid) == 4
    assert len(index) == 36
    assert not index & valid
