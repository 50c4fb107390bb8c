from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderOutlierDetector,
)
from skae.plotting import LossCurveDisplay
from tests.plotting.fits import CLASSES, FLAT, WINE, of_flat, of_wine, quiet

SMALL = WINE.to_numpy()[::4]


def curves(display):
    return {line.get_label(): line.get_ydata() for line in display.lines_}


def test_curves_are_the_recorded_losses():
    fitted = of_wine()
    display = LossCurveDisplay.from_estimator(fitted)
    drawn = curves(display)
    assert list(drawn) == ["training", "held out"]
    np.testing.assert_array_equal(drawn["training"], fitted.loss_curve_)
    np.testing.assert_array_equal(drawn["held out"], fitted.validation_loss_curve_)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [1, 2, 3, 4, 5, 6])
    assert display.ax_.get_title() == "Autoencoder ran all 6 epochs"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == (
        "epoch",
        "loss per cell",
    )


def test_the_kept_epoch_is_marked():
    fitted = of_flat()
    assert not fitted.net_.kept_start_
    display = LossCurveDisplay.from_estimator(fitted)
    best = int(np.argmin(fitted.validation_loss_curve_))
    ((x, y),) = display.best_.get_xydata()
    assert (x, y) == (best + 1, fitted.validation_loss_curve_[best])
    assert display.best_.get_label().startswith(f"kept: epoch {best + 1}, ")


def test_a_start_that_was_kept_is_before_the_first_epoch():
    fitted = quiet(Autoencoder(3, max_iter=2, learning_rate=1.0, random_state=0), WINE)
    assert fitted.net_.kept_start_
    display = LossCurveDisplay.from_estimator(fitted)
    ((x, y),) = display.best_.get_xydata()
    assert (x, y) == (0, fitted.net_.start_loss_)
    assert display.best_.get_label().startswith("kept: the start, ")


def test_without_held_out_rows_there_is_one_curve_and_no_mark():
    fitted = quiet(Autoencoder(2, max_iter=2, early_stopping=False, random_state=0), SMALL)
    display = LossCurveDisplay.from_estimator(fitted)
    assert list(curves(display)) == ["training"]
    assert display.best_ is None
    assert display.validation_loss is None


def test_the_last_call_of_a_warm_start_has_the_mark():
    fitted = Autoencoder(2, max_iter=2, warm_start=True, random_state=0)
    quiet(quiet(fitted, SMALL), SMALL)
    display = LossCurveDisplay.from_estimator(fitted)
    assert len(display.train_loss) == 4
    assert display.best_epoch >= 2  # 2 is where the second call began
    assert display.ending == "ran all 2 epochs"


def test_epochs_that_were_not_judged_leave_a_gap():
    fitted = quiet(Autoencoder(2, max_iter=3, random_state=0), SMALL)
    fitted.partial_fit(SMALL)
    display = LossCurveDisplay.from_estimator(fitted)
    gone = np.isnan(display.validation_loss)
    np.testing.assert_array_equal(gone, [False, False, False, True])
    assert display.ending == "ran 1 epoch"  # which did not stop early
    assert display.best_ is None


def test_an_early_end_is_told():
    fitted = quiet(
        Autoencoder(2, max_iter=40, n_iter_no_change=1, tol=0.9, random_state=0), SMALL
    )
    assert fitted.n_iter_ < 40
    display = LossCurveDisplay.from_estimator(fitted, name="Mine")
    told = f"Mine stopped after {fitted.n_iter_} of at most 40 epochs"
    assert display.ax_.get_title() == told


def test_pipelines_and_others_with_a_history():
    scaled = make_pipeline(StandardScaler(), Autoencoder(2, max_iter=2, random_state=0))
    display = LossCurveDisplay.from_estimator(quiet(scaled, SMALL))
    assert display.estimator_name == "Autoencoder"
    assert curves(display)["training"].tolist() == scaled[-1].loss_curve_

    mlp = quiet(MLPRegressor(hidden_layer_sizes=(4,), max_iter=3), FLAT, CLASSES)
    display = LossCurveDisplay.from_estimator(mlp)
    assert curves(display)["training"].tolist() == mlp.loss_curve_
    assert (display.ax_.get_ylabel(), display.ending) == ("loss", "ran all 3 epochs")

    # as an imputer keeps it
    history = [{"train_loss": 2.0}, {"train_loss": 1.0}, {"epoch": 3}]
    owner = SimpleNamespace(net_=SimpleNamespace(history=history), max_iter="auto")
    display = LossCurveDisplay.from_estimator(owner)
    assert curves(display)["training"].tolist() == [2.0, 1.0]
    assert display.ending == "ran 2 epochs"


def test_who_has_no_losses_is_told_what_has():
    with pytest.raises(ValueError, match=r"estimator: KMeans has recorded no losses.*fit"):
        LossCurveDisplay.from_estimator(KMeans())
    detector = AutoencoderOutlierDetector(n_estimators=2, max_iter=1, random_state=0)
    quiet(detector, SMALL)
    with pytest.raises(ValueError, match=r"Pass one of them: estimator.estimators_\[0\]"):
        LossCurveDisplay.from_estimator(detector)
    LossCurveDisplay.from_estimator(detector.estimators_[0])
