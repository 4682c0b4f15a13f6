"""scikit-learn's estimators, with everything that its networks lack."""

from bridle.estimators.convert import from_sklearn, to_sklearn
from bridle.estimators.cv import MLPClassifierCV, MLPRegressorCV
from bridle.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPClassifierCV",
    "MLPRegressor",
    "MLPRegressorCV",
    "from_sklearn",
    "to_sklearn",
]
