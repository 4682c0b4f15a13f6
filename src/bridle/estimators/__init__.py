"""Estimators for scikit-learn, with everything that its own networks lack."""

from bridle.estimators.convert import from_sklearn, to_sklearn
from bridle.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn", "to_sklearn"]
