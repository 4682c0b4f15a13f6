"""The figures of a report: pure functions of small records, arrays or DataFrames."""

from bridle.report.figures.calibration import reliability, truth_and_prediction
from bridle.report.figures.lambda_path import strength_path
from bridle.report.figures.mistakes import column_importance, confusion_matrix, roc_figure
from bridle.report.figures.scores import Measured, before_and_after, effects, winners_shares
from bridle.report.figures.search import importance_bars, tried
from bridle.report.figures.training import Curve, learning_curves, search_curves
from bridle.report.figures.weights import weight_histograms, zero_map

__all__ = [
    "Curve",
    "Measured",
    "before_and_after",
    "column_importance",
    "confusion_matrix",
    "effects",
    "importance_bars",
    "learning_curves",
    "reliability",
    "roc_figure",
    "search_curves",
    "strength_path",
    "tried",
    "truth_and_prediction",
    "weight_histograms",
    "winners_shares",
    "zero_map",
]
