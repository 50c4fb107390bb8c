"""How much each number of a code is used."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import BinaryAutoencoder, SparseAutoencoder, VariationalAutoencoder
from skae.plotting import CodeUsageDisplay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 5))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def heights(display):
    return np.array([bar.get_height() for bar in display.bars_])


@pytest.fixture(scope="module")
def sparse():
    return SparseAutoencoder(8, n_nonzero_coefs=2, max_iter=2, random_state=0).fit(X)


def test_units_as_training_has_counted_them(sparse):
    display = CodeUsageDisplay.from_estimator(sparse)
    order = np.argsort(-sparse.activation_frequency_, kind="stable")
    np.testing.assert_array_equal(display.order_, order)
    np.testing.assert_array_equal(heights(display), sparse.activation_frequency_[order])
    on = sparse.activation_frequency_ > 0
    np.testing.assert_allclose(
        display.mean_activation[on],
        (sparse.mean_activation_ / sparse.activation_frequency_)[on],
    )
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == [*map(str, order)]


def test_units_in_other_rows_by_their_codes(sparse):
    codes = sparse.transform(X[:9])
    codes[:, 0] = 0
    expected = (codes != 0).mean(0)

    class Same(SparseAutoencoder):
        def transform(self, X):
            return codes

    model = Same(8)
    vars(model).update(vars(sparse))
    display = CodeUsageDisplay.from_estimator(model, X[:9])
    np.testing.assert_array_equal(display.usage, expected)
    sizes = [abs(c[c != 0]).mean() if (c != 0).any() else np.nan for c in codes.T]
    np.testing.assert_allclose(display.mean_activation, sizes, rtol=1e-6)
    dead = int((expected == 0).sum())
    assert dead >= 1
    assert display.ax_.get_title().endswith(f"; {dead} dead")
    (crosses,) = display.ax_.get_lines()
    assert crosses.get_label() == f"dead ({dead} of 8)"
    at = crosses.get_xdata()
    np.testing.assert_array_equal(expected[display.order_[at]], 0)


def test_sparse_output_and_units_that_are_never_0():
    model = SparseAutoencoder(4, penalty="l1", max_iter=2, random_state=0).fit(X)
    display = CodeUsageDisplay.from_estimator(model, X)
    model.set_params(sparse_output=True)
    again = CodeUsageDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(again.usage, display.usage)
    model = SparseAutoencoder(4, penalty="kl", max_iter=2, random_state=0).fit(X)
    display = CodeUsageDisplay.from_estimator(model, X)
    np.testing.assert_allclose(display.usage, model.activation_frequency_)
    assert CodeUsageDisplay.from_estimator(model).mean_activation is None


def test_components_by_their_kl_and_which_collapsed():
    model = VariationalAutoencoder(4, max_iter=1, random_state=0).fit(X)
    model.active_units_ = np.array([True, False, True, True])
    display = CodeUsageDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(display.usage, model.kl_divergence(X).mean(0))
    assert display.ax_.get_legend().get_texts()[0].get_text() == "collapsed (1 of 4)"
    (crosses,) = display.ax_.get_lines()
    assert display.order_[crosses.get_xdata()].tolist() == [1]


@pytest.mark.parametrize("packed", [False, True])
def test_bits_by_how_often_they_are_1(packed):
    model = BinaryAutoencoder(6, max_iter=1, random_state=0, packed_output=packed).fit(X)
    display = CodeUsageDisplay.from_estimator(model, X)
    bits = model.set_params(packed_output=False).transform(X)
    np.testing.assert_array_equal(display.usage, bits.mean(0))
    assert display.ax_.get_ylabel() == "Share of rows with a 1"


def test_bits_that_never_change_are_told():
    display = CodeUsageDisplay([1.0, 0.5, 0.0], kind="one").plot()
    assert display.ax_.get_title() == "How often each of 3 bits is 1; 2 never change"


def test_other_codes_by_their_variance_in_pipelines_too():
    pca = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    display = CodeUsageDisplay.from_estimator(pca, X)
    ratio = pca[-1].explained_variance_ratio_
    np.testing.assert_allclose(display.usage, ratio / ratio.sum())
    pca[-1].set_output(transform="pandas")
    again = CodeUsageDisplay.from_estimator(pca, X)
    np.testing.assert_allclose(again.usage, display.usage)


def test_many_units_have_no_names_and_it_draws_where_it_is_told():
    _, ax = plt.subplots()
    display = CodeUsageDisplay(RNG.random(200), kind="on").plot(ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(display.bars_) == 200
    assert ax.get_xlabel() == "200 units, the most used first"


def test_arguments_are_checked(sparse):
    with pytest.raises(ValueError, match="X is needed"):
        CodeUsageDisplay.from_estimator(PCA(2).fit(X))
    with pytest.raises(ValueError, match="CodeUsageDisplay: kind must be one of"):
        CodeUsageDisplay([1.0], kind="bits").plot()


def test_pipelines_in_pipelines_and_classes_that_are_told():
    inner = make_pipeline(StandardScaler(), PCA(3))
    outer = make_pipeline("passthrough", inner).fit(X)
    expected = (
        inner[-1].explained_variance_ratio_ / inner[-1].explained_variance_ratio_.sum()
    )
    np.testing.assert_allclose(CodeUsageDisplay.from_estimator(outer, X).usage, expected)

    class Told(PCA):
        def transform(self, X, y):
            return np.stack([y, 0 * y], axis=1)

    told = CodeUsageDisplay.from_estimator(Told(2).fit(X), X, np.arange(80) % 2)
    assert told.usage.tolist() == [1, 0]
