"""The way between codes, and draws of densities, by hand."""

import numpy as np
import pytest

from skae._autoencoders.inference import on_the_way
from skae.priors import sample_density


def way(a, b, n_steps, kind):
    return on_the_way(lambda X: np.array(X, np.float32), a, b, n_steps, kind)


def test_a_straight_way():
    found = way([[0.0, 1]], [[4.0, -1]], 5, "straight")
    np.testing.assert_allclose(found, [[[0, 1], [1, 0.5], [2, 0], [3, -0.5], [4, -1]]])


def test_a_quarter_of_a_circle():
    a, b = [[2.0, 0], [1, 0]], [[0.0, 2], [0, 3]]
    found = way(a, b, 3, "spherical")
    half = 0.5**0.5  # the sine of an eighth of a turn
    np.testing.assert_allclose(found[0], [[2, 0], [2 * half, 2 * half], [0, 2]], atol=1e-6)
    np.testing.assert_allclose(found[1], [[1, 0], [half, 3 * half], [0, 3]], atol=1e-6)


@pytest.mark.parametrize("angle", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 0.0])
def test_nearly_parallel_codes_are_joined_at_an_even_pace(angle):
    found = way([[1.0, 0]], [[np.cos(angle), np.sin(angle)]], 5, "spherical")[0]
    at = angle * np.array([0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found, np.stack([np.cos(at), np.sin(at)], 1), atol=1e-6)


@pytest.mark.parametrize("angle", [1.0, 1e-1, 1e-2, 1e-3])
def test_nearly_opposite_codes_are_joined_around_the_origin(angle):
    b = np.float32([[-np.cos(angle), np.sin(angle)]])  # the codes are float32
    found = way([[1.0, 0]], b, 3, "spherical")[0, 1]
    whole = np.arctan2(*b[0, ::-1].astype(float))
    expected = np.cos(whole / 2), np.sin(whole / 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_codes_without_an_angle_are_joined_straight():
    a, b = [[1.0, 2], [0, 0], [1, -1]], [[2.0, 4], [3, 1], [-1, 1]]
    straight = way(a, b, 4, "straight")
    np.testing.assert_allclose(way(a, b, 4, "spherical"), straight, atol=1e-6)


class InOrder:
    """A density whose draws come by components, as those of a mixture."""

    def sample(self, n_samples, random_state):
        return np.repeat(np.arange(4.0), n_samples // 4)[:, None]


class OfItsOwn:
    """A density that draws by its own parameter, and returns its components, too."""

    random_state = None

    def set_params(self, random_state):
        self.random_state = random_state

    def sample(self, n_samples=1):
        draws = np.sort(self.random_state.randint(1000, size=n_samples))
        return draws[:, None], draws


def test_draws_of_a_density_are_in_no_order():
    drawn = sample_density(InOrder(), 200, np.random.RandomState(0))[:, 0]
    assert np.bincount(drawn.astype(int)).tolist() == [50] * 4  # all of them
    changes = np.count_nonzero(np.diff(drawn))
    assert 120 < changes < 180  # of 199 three in four, where in order it were 3
    other = sample_density(InOrder(), 200, np.random.RandomState(1))[:, 0]
    assert (drawn != other).any()


def test_draws_by_a_parameter_are_others_in_each_call_and_leave_the_density_alone():
    density, random_state = OfItsOwn(), np.random.RandomState(0)
    first, second = (sample_density(density, 50, random_state) for _ in range(2))
    assert first.shape == (50, 1)
    assert set(first[:, 0].tolist()) != set(second[:, 0].tolist())
    assert (np.diff(first[:, 0]) < 0).any()
    assert density.random_state is None
