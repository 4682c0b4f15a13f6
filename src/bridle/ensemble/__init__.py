"""The ensemble that a network with masks is: its subnetworks evaluated together, and averaged."""

from bridle.ensemble.average import predict_ensemble, subnetwork_scores
from bridle.ensemble.exhaustive import all_subnetworks, mean_over_all
from bridle.ensemble.gaussian import GaussianPrediction, predict_gaussian
from bridle.ensemble.moments import EnsemblePrediction

__all__ = [
    "EnsemblePrediction",
    "GaussianPrediction",
    "all_subnetworks",
    "mean_over_all",
    "predict_ensemble",
    "predict_gaussian",
    "subnetwork_scores",
]
