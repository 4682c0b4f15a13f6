"""scikit-learn's estimators, with everything that its networks lack."""

from bridle.estimators.classifier import MLPClassifier
from bridle.estimators.convert import from_sklearn, to_sklearn
from bridle.estimators.cv import MLPClassifierCV, MLPRegressorCV
from bridle.estimators.regressor import MLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPClassifierCV",
    "MLPRegressor",
    "MLPRegressorCV",
    "from_sklearn",
    "to_sklearn",
]
