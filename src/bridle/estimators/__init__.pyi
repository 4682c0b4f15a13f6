from .classifier import MLPClassifier as MLPClassifier
from .classifier_cv import MLPClassifierCV as MLPClassifierCV
from .convert import from_sklearn as from_sklearn
from .convert import to_sklearn as to_sklearn
from .displays import (
    GapDisplay as GapDisplay,
)
from .displays import (
    PathDisplay as PathDisplay,
)
from .displays import (
    WeightDisplay as WeightDisplay,
)
from .regressor import MLPRegressor as MLPRegressor
from .regressor_cv import MLPRegressorCV as MLPRegressorCV
