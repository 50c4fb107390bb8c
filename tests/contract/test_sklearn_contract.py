"""scikit-learn's own checks, whole, and those it defines but never runs for others."""

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import AutoencoderFeatureSelector, AutoencoderImputer
from tests.common import ESTIMATORS, MIXED, NEEDS_Y, TRANSFORMERS

# scikit-learn excuses its own mini-batch learners so, in these words; the second is the
# first on sparse input
EXPECTED = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "sample_weight is not equivalent to removing/repeating samples.",
)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("quick"),
]


@parametrize_with_checks(
    [*ESTIMATORS, *MIXED, *NEEDS_Y],
    expected_failed_checks=lambda estimator: EXPECTED,
    xfail_strict=True,
)
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "name",
    [
        "check_param_validation",
        "check_inplace_ensure_writeable",
        "check_dataframe_column_names_consistency",
    ],
)
def test_checks_never_yielded(estimator, name):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, clone(estimator))


def marked(estimator):
    """Return an estimator as a parameter: one that takes half a second a fit is slow."""
    is_slow = isinstance(estimator, AutoencoderImputer | AutoencoderFeatureSelector)
    marks = pytest.mark.slow if is_slow else ()
    return pytest.param(estimator, id=type(estimator).__name__, marks=marks)


@pytest.mark.parametrize("estimator", [marked(e) for e in TRANSFORMERS])
@pytest.mark.parametrize(
    "name",
    [
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_output_transform_pandas",
        "check_global_set_output_transform_polars",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_get_feature_names_out_error",
    ],
)
def test_checks_of_transformers_never_yielded(estimator, name):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, clone(estimator))
