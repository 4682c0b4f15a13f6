"""Estimators for scikit-learn, with everything that its own networks lack."""

from bridle.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
