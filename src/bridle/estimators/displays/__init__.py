"""scikit-learn display classes, drawn with matplotlib."""

from bridle.estimators.displays.gap import GapDisplay
from bridle.estimators.displays.path import PathDisplay
from bridle.estimators.displays.weight import WeightDisplay

__all__ = ["GapDisplay", "PathDisplay", "WeightDisplay"]
