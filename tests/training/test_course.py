"""Which weights stay, by hand."""

import pytest
import torch

from skae._training.course import Course


def course(start=None):
    found = Course(10, 1, "trapezoid", 0.0)
    found.start_rows = None if start is None else torch.tensor(start)
    return found


@pytest.mark.parametrize(
    ("best", "stays"),
    [
        ([1.0, 2.0, 3.0, 4.0], False),  # as good
        ([1.2, 2.1, 3.2, 4.1], True),  # worse by .15 +- .03
        ([1.9, 1.5, 3.0, 4.0], False),  # by .1 +- .29
        ([0.9, 1.9, 2.9, 3.9], False),
    ],
)
def test_the_start_stays_if_it_is_better_by_more_than_chance(best, stays):
    found = course([1.0, 2.0, 3.0, 4.0])
    assert found.judge(torch.tensor(best), 5, 0.0)
    assert found.prefers_start() is stays


def test_one_row_judges_by_itself_and_a_start_that_is_none_never_stays():
    found = course([1.0])
    assert found.prefers_start()  # where no epoch was judged
    found.judge(torch.tensor([1.1]), 5, 0.0)
    assert found.prefers_start()
    found.judge(torch.tensor([0.9]), 5, 0.0)
    assert not found.prefers_start()
    found = course()
    assert not found.prefers_start()
    found.judge(torch.tensor([1.1]), 5, 0.0)
    assert not found.prefers_start()


def test_rows_of_the_best_epoch_are_those_that_are_compared():
    found = course([1.0, 1.0])
    assert found.judge(torch.tensor([0.5, 0.6]), 5, 0.0)
    assert not found.judge(torch.tensor([0.7, 9.0]), 5, 0.0)
    assert found.best_rows.tolist() == pytest.approx([0.5, 0.6])
    assert found.best_loss == pytest.approx(0.55)
