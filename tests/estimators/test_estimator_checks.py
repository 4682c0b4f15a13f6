"""scikit-learn's estimator checks on the MLP estimators."""

from functools import partial
from unittest import SkipTest

import pytest
from sklearn import neural_network
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import bridle
from bridle import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [
        MLPClassifier(),
        MLPRegressor(),
        MLPClassifier(solver="sgd", l1=1e-4, max_norm=3.0),
        MLPRegressor(solver="lbfgs", activation="tanh"),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    try:
        check(estimator)
    except SkipTest as skipped:
        pytest.fail(f"a check does not run here: {skipped}")


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_no_check_of_scikit_learns_own_network_is_missing(kind):
    def names(estimator):
        found = [check for _, check in estimator_checks_generator(estimator)]
        return {(c.func if isinstance(c, partial) else c).__name__ for c in found}

    ours = names(getattr(bridle, kind)())
    # ours take NaN; test_missing_values checks that they refuse infinity
    assert names(getattr(neural_network, kind)()) - ours == {"check_estimators_nan_inf"}
    assert len(ours) > 45
