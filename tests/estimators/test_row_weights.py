"""Weights of rows and classes: zero, negative, too small, and for several labels."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.utils import compute_sample_weight

from bridle import MLPClassifier, MLPClassifierCV, MLPRegressor, MLPRegressorCV
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(90, 2))
VALUES = X[:, 0]
CLASSES = np.where(X[:, 0] > 0, "p", "q")
LABELS = np.column_stack([X[:, 0] > 0, X[:, 1] > 1, X.sum(1) > 0]).astype(int)
HALF = np.r_[np.zeros(45), np.ones(45)]


def _classifier(**options):
    return MLPClassifier(4, **({"max_iter": 4, "random_state": 0} | options))


def _regressor(**options):
    return MLPRegressor(hidden_layer_sizes=4, **({"max_iter": 4, "random_state": 0} | options))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("alpha", [0, 0.01])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_batch_of_zero_weight_changes_nothing(solver, alpha, batch_size):
    options = {"solver": solver, "alpha": alpha, "batch_size": batch_size, "shuffle": False}
    for make, y in ((_classifier, CLASSES), (_regressor, VALUES)):
        # with 44 rows of zero weight, no batch of 4 mixes both kinds
        weight = np.r_[np.zeros(44), np.ones(46)]
        found = make(**options).fit(X, y, sample_weight=weight)
        expected = make(**options).fit(X[44:], y[44:], sample_weight=weight[44:])
        np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-4, atol=1e-7)
        assert found.loss_ == pytest.approx(expected.loss_, rel=1e-4)


def test_partial_fit_on_rows_of_zero_weight_among_others():
    model = _classifier(batch_size=5)
    for _ in range(2):
        model.partial_fit(X, CLASSES, sample_weight=HALF, classes=["p", "q"])
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (MLPRegressor, {"early_stopping": True}),
        (MLPClassifier, {"early_stopping": True}),
        (MLPRegressor, {"early_stopping": True, "validation_fraction": 0.05}),
        (MLPClassifier, {"early_stopping": True, "batch_size": 2}),
    ],
)
def test_bagging_with_early_stopping(kind, options):
    base = kind(hidden_layer_sizes=4, max_iter=3, random_state=0, **options)
    bag = BaggingRegressor if kind is MLPRegressor else BaggingClassifier
    y = VALUES if kind is MLPRegressor else CLASSES
    bagged = bag(base, n_estimators=30, random_state=0).fit(X[:40], y[:40])
    assert np.isfinite(bagged.score(X, y))
    for each in bagged.estimators_:
        assert np.isfinite(each.validation_scores_).all()
        assert np.isfinite(each.history_["training_score"]).all()


@pytest.mark.parametrize("kind", [MLPClassifierCV, MLPRegressorCV])
def test_bagging_of_the_cv_estimators(kind):
    base = kind((4,), n_candidates=2, max_iter=5, cv=2, random_state=0)
    bag = BaggingRegressor if kind is MLPRegressorCV else BaggingClassifier
    y = VALUES if kind is MLPRegressorCV else CLASSES
    assert np.isfinite(bag(base, n_estimators=2, random_state=0).fit(X, y).score(X, y))
    with pytest.raises(UsageError, match="sample_weight can be passed only to a splitter"):
        base.fit(X, y, sample_weight=HALF)


def test_early_stopping_with_few_weighted_rows():
    """Both parts come from the rows with weight if a random split gives one part none."""
    weight = np.zeros(90)
    weight[:25] = 1
    for make, y in ((_classifier, CLASSES), (_regressor, VALUES)):
        for seed in range(12):
            model = make(early_stopping=True, max_iter=2, random_state=seed)
            model.fit(X, y, sample_weight=weight)
            assert np.isfinite(model.validation_scores_).all()
            assert np.isfinite(model.validation_loss_curve_).all()
    for rows in (1, 2):
        weight = np.r_[np.ones(rows), np.zeros(90 - rows)]
        for make, y in ((_classifier, CLASSES), (_regressor, VALUES)):
            with pytest.raises(UsageError, match=r"validation_fraction.*set early_stopping=False"):
                make(early_stopping=True).fit(X, y, sample_weight=weight)


def test_early_stopping_that_cannot_split_says_what_to_do():
    rare = np.where(np.arange(90) == 0, "p", "q")
    with pytest.raises(UsageError, match=r"cannot hold out 0.1 of 90.*set early_stopping=False"):
        _classifier(early_stopping=True).fit(X, rare)
    for fraction in (0, 0.005, 0.999):
        with pytest.raises(UsageError, match="validation_fraction"):
            _classifier(early_stopping=True, validation_fraction=fraction).fit(X, CLASSES)


def test_held_out_targets_that_are_all_equal_are_scored_by_the_error():
    """R² is not defined there; as a constant it would keep the weights of the first epoch."""
    y = np.full(90, 3.0)
    model = _regressor(early_stopping=True, max_iter=30, learning_rate_init=0.05).fit(X, y)
    assert model.best_validation_score_ > model.validation_scores_[0]
    assert max(model.validation_scores_) < 0
    assert abs(np.median(model.predict(X)) - 3) < 1


@pytest.mark.parametrize("make", [_classifier, _regressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_that_mean_nothing_are_refused(make, solver):
    y = CLASSES if make is _classifier else VALUES
    model, one = make(solver=solver), np.ones(90)
    for weight, message in (
        (np.zeros(90), "zero"),
        (np.where(np.arange(90) == 3, -1, one), r"has the value -1; weights must be 0 or more"),
        (np.where(np.arange(90) == 3, np.nan, one), "NaN"),
        (np.where(np.arange(90) == 3, np.inf, one), "infinity"),
        (one * 1e308, "too small or too large for float64"),
        (one[:5], "sample_weight.shape"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sample_weight=weight)
    for small in (1e-60, 1e-39):  # zero, and a subnormal number
        with pytest.raises(UsageError, match="too small or too large for float32"):
            model.fit(X.astype(np.float32), y, sample_weight=one * small)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, MLPClassifierCV, MLPRegressorCV])
def test_masked_targets_and_weights_are_refused(kind):
    y = CLASSES if kind in (MLPClassifier, MLPClassifierCV) else VALUES
    masked = np.arange(90) < 2
    model = kind(hidden_layer_sizes=(4,), max_iter=2)
    with pytest.raises(UsageError, match=r"y is a masked array with 2 .* fill them by y\.filled"):
        model.fit(X, np.ma.masked_array(y, masked))
    if kind in (MLPClassifier, MLPRegressor):
        weight = np.ma.masked_array(np.ones(90), masked)
        with pytest.raises(UsageError, match="sample_weight is a masked array with 2 masked"):
            model.fit(X, y, sample_weight=weight)
        model.fit(X, np.ma.masked_array(y, ~masked & masked), sample_weight=weight.filled(0))


def test_class_weights_for_several_labels():
    """A row's weight is the product over its labels."""
    weights = [{0: 1, 1: 2}, {1: 5}, {0: 0.5}]
    rows = np.where(LABELS, [2, 5, 1], [1, 1, 0.5]).prod(1)
    for class_weight, weight in (
        (weights, rows),
        ("balanced", compute_sample_weight("balanced", LABELS)),
    ):
        found = _classifier(class_weight=class_weight).fit(X, LABELS)
        expected = _classifier().fit(X, LABELS, sample_weight=weight)
        np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])
        both = _classifier(class_weight=class_weight).fit(X, LABELS, sample_weight=HALF)
        expected = _classifier().fit(X, LABELS, sample_weight=weight * HALF)
        np.testing.assert_array_equal(both.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize(
    ("class_weight", "y", "message"),
    [
        ({0: 1, 1: 2}, LABELS, "is a dict, and y has 3 labels; pass a list of 3 dicts"),
        ([{0: 1, 1: 2}] * 2, LABELS, "is a list of 2, and y has 3 labels"),
        ([{"p": 1}], CLASSES, "is a list, which is for multilabel targets"),
        ({"P": 2}, CLASSES, "the class 'P', which y does not have; did you mean 'p'"),
        ([{2: 2}, {}, {}], LABELS, "the class 2, which y does not have"),
        ({"p": -1}, CLASSES, "class 'p' is -1; weights must be finite numbers, 0 or more"),
        ({"p": 0, "q": 0}, CLASSES, "all rows have a weight of zero"),
    ],
)
def test_class_weights_that_do_not_fit_are_refused(class_weight, y, message):
    with pytest.raises(UsageError, match=message):
        _classifier(class_weight=class_weight).fit(X, y)


def test_partial_fit_takes_weights_of_all_classes_and_refuses_balanced():
    ones = CLASSES == "p"
    model = _classifier(class_weight={"p": 1, "q": 2})
    model.partial_fit(X[ones], CLASSES[ones], classes=["p", "q"]).partial_fit(X, CLASSES)
    with pytest.raises(UsageError, match="'balanced', which needs all rows"):
        _classifier(class_weight="balanced").partial_fit(X, CLASSES, classes=["p", "q"])
