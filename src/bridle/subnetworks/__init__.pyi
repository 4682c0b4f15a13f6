from .average import predict_ensemble as predict_ensemble, subnetwork_scores as subnetwork_scores
from .exhaustive import all_subnetworks as all_subnetworks, mean_over_all as mean_over_all
from .extract import subnetwork as subnetwork
from .gaussian import GaussianPrediction as GaussianPrediction, predict_gaussian as predict_gaussian
from .moments import EnsemblePrediction as EnsemblePrediction
