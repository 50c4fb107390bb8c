"""Which weights stay, by hand."""

import pytest

from skae._training.course import Course


def course(start=None):
    found = Course(10, 1, "trapezoid", 0.0)
    found.start_loss = start
    return found


@pytest.mark.parametrize(("best", "stays"), [(0.9, False), (1.0, False), (1.1, True)])
def test_the_start_stays_if_it_is_better_than_every_epoch(best, stays):
    found = course(1.0)
    assert found.prefers_start()  # where no epoch was judged
    assert found.judge(best, 5, 0.0)
    assert not found.judge(best + 1, 5, 0.0)
    assert found.prefers_start() is stays


def test_a_start_that_does_not_compete_never_stays():
    found = course()
    assert not found.prefers_start()
    found.judge(1.1, 5, 0.0)
    assert not found.prefers_start()
