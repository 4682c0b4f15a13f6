from .classifier import MLPClassifier as MLPClassifier
from .classifier_cv import MLPClassifierCV as MLPClassifierCV
from .convert import from_sklearn as from_sklearn, to_sklearn as to_sklearn
from .displays import (
    GapDisplay as GapDisplay,
    PathDisplay as PathDisplay,
    WeightDisplay as WeightDisplay,
)
from .regressor import MLPRegressor as MLPRegressor
from .regressor_cv import MLPRegressorCV as MLPRegressorCV
