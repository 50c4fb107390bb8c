import numpy as np
import pytest
from sklearn.decomposition import PCA

from skae.plotting import TraversalDisplay
from tests.plotting.fits import (
    DIGITS,
    FLAT,
    MIXED,
    WINE,
    of_flat,
    of_mixed,
    of_pictures,
    of_wine,
    variational,
)

MEAN, STD = WINE.mean().to_numpy(), WINE.std(ddof=0).to_numpy()


def pictures(display):
    return np.array([[i.get_array() for i in line] for line in display.images_])


def names(display):
    return [text.get_text() for text in display.ax_.get_yticklabels()]


def test_a_component_goes_through_its_quantiles():
    display = TraversalDisplay.from_estimator(
        of_pictures(), DIGITS, components=[2, -4], n_steps=3
    )
    codes = of_pictures().transform(DIGITS).astype(float)
    for line, k in zip(pictures(display), (2, 0), strict=True):
        moved = np.tile(codes.mean(0), (3, 1))
        moved[:, k] = np.quantile(codes[:, k], [0.05, 0.5, 0.95])
        np.testing.assert_allclose(line, of_pictures().inverse_transform(moved), atol=1e-4)
    assert names(display) == ["component 2", "component 0"]
    steps = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert steps == ["5 %", "50 %", "95 %"]
    assert display.images_[0, 0].get_clim() == (0, 16)
    assert "the mean code" in display.ax_.get_title()


def test_or_through_deviations_around_a_row():
    display = TraversalDisplay.from_estimator(
        of_flat(), FLAT, components=[1], n_steps=5, row=-1, by="deviations",
        image_shape=(8, 8),
    )  # fmt: skip
    codes = of_flat().transform(FLAT).astype(float)
    moved = np.tile(codes[-1], (5, 1))
    moved[:, 1] = codes[:, 1].mean() + codes[:, 1].std() * np.array([-2, -1, 0, 1, 2])
    expected = of_flat().inverse_transform(moved).reshape(5, 8, 8)
    np.testing.assert_allclose(pictures(display)[0], expected, atol=1e-4)
    steps = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert steps == ["\N{MINUS SIGN}2", "\N{MINUS SIGN}1", "0", "+1", "+2"]
    assert display.ax_.get_title().replace("\n", " ").endswith("the code of row -1")


def test_components_of_a_variational_one_are_ordered_by_kl():
    display = TraversalDisplay.from_estimator(variational(), FLAT, image_shape=(8, 8))
    kl = variational().kl_divergence(FLAT).mean(0)
    order = np.argsort(-kl)
    assert names(display) == [f"component {k}\nKL {kl[k]:.2f}" for k in order]
    few = TraversalDisplay.from_estimator(
        variational(), FLAT, components=2, image_shape=(8, 8)
    )
    assert names(few) == names(display)[:2]


def test_others_by_how_far_they_go():
    X = FLAT.copy()
    scrambled = PCA(10, random_state=0).fit(X)
    order = [3, 0, 9, 1, 8, 2, 5, 4, 7, 6]
    scrambled.components_ = scrambled.components_[order]
    display = TraversalDisplay.from_estimator(scrambled, X, image_shape=(8, 8))
    codes = scrambled.transform(X)
    spread = np.quantile(codes, np.linspace(0.05, 0.95, 7), axis=0).var(0)
    expected = np.argsort(-spread)[:8]  # of orthonormal components, and at most eight
    assert names(display) == [f"component {k}" for k in expected]


def test_a_table_has_a_panel_of_lines_for_each_component():
    display = TraversalDisplay.from_estimator(of_wine(), WINE, components=[1, 0], n_steps=3)
    codes = of_wine().transform(WINE).astype(float)
    for panel, k in zip(display.axes_, (1, 0), strict=True):
        moved = np.tile(codes.mean(0), (3, 1))
        moved[:, k] = np.quantile(codes[:, k], [0.05, 0.5, 0.95])
        expected = (of_wine().inverse_transform(moved) - MEAN) / STD
        lines = [line for line in panel.get_lines() if len(line.get_xdata()) == 13]
        np.testing.assert_allclose(
            [line.get_ydata() for line in lines], expected, atol=1e-4
        )
        assert [line.get_label() for line in lines] == ["5 %", "50 %", "95 %"]
        assert panel.get_ylabel() == f"component {k}"
    ticks = [text.get_text() for text in display.axes_[-1].get_xticklabels()]
    assert ticks == list(WINE.columns)
    assert "standard deviations" in display.ax_.get_title()


def test_categories_are_left_out():
    display = TraversalDisplay.from_estimator(of_mixed(), MIXED)
    assert display.columns == ["size", "day"]
    assert np.isfinite(display.rows).all()
    rebuilt = of_mixed().inverse_transform(of_mixed().transform(MIXED))
    day = (rebuilt["day"] - MIXED["day"].mean()) / MIXED["day"].std(ddof=0)
    drawn = display.rows[..., 1]  # in deviations, as those of all rows are
    assert day.min() - 0.5 < drawn.min() < drawn.max() < day.max() + 0.5


def test_of_many_columns_those_that_move_most():
    display = TraversalDisplay.from_estimator(of_flat(), FLAT)
    assert len(display.columns) == 30
    places = [int(name[1:]) for name in display.columns]
    assert places == sorted(places)
    assert 0 not in places  # a corner that is never inked


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"components": [0, 3]}, r"components=\[0, 3\] must be how many of the code's 3"),
        ({"components": 4}, r"components=4 must be how many .*some of them, 0 to 2"),
        ({"components": True}, r"components=True must be how many"),
        ({"row": 178}, r"row: X has 178 rows, 0 to 177, and no row 178"),
        ({"row": "a"}, r"row must be the number of a row of X, or None. Got 'a'"),
        ({"by": "steps"}, r"by"),
        ({"n_steps": 1}, r"n_steps must be an integer of at least 2. Got 1"),
        ({"image_shape": (8, 8)}, r"image_shape=\(8, 8\) does not fit rows of 13 values"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TraversalDisplay.from_estimator(of_wine(), WINE, **kwargs)


def test_categories_alone_have_no_way_to_go():
    class Labels:
        def transform(self, X):
            return np.zeros((len(X), 2))

        def inverse_transform(self, X):
            return MIXED[["kind"]].iloc[np.zeros(len(X), dtype=int)]

    with pytest.raises(ValueError, match=r"categories have no way to go. See Reconstr"):
        TraversalDisplay.from_estimator(Labels(), MIXED[["kind"]])
