"""Pictures in scikit-learn's manner, on matplotlib."""

from bridle.displays.gap import GapDisplay
from bridle.displays.path import PathDisplay
from bridle.displays.weight import WeightDisplay

__all__ = ["GapDisplay", "PathDisplay", "WeightDisplay"]
