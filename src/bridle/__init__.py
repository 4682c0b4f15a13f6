"""bridle: find out whether a neural network overfits, restrain it, and prove that it helped.

The names below load what they need when they are first used, so that ``import bridle`` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridle.lazy import loader
from bridle.version import __version__

if TYPE_CHECKING:
    from bridle.ablation import Ablation, ablate
    from bridle.attaching import Attachment, attach
    from bridle.auditing import Audit, audit
    from bridle.coadaptation import CoAdaptation, co_adaptation
    from bridle.compaction import Compacted, compact
    from bridle.diagnosing import diagnose
    from bridle.diagnosis import Diagnosis
    from bridle.displays import GapDisplay, PathDisplay, WeightDisplay
    from bridle.ensemble import (
        EnsemblePrediction,
        GaussianPrediction,
        all_subnetworks,
        mean_over_all,
        predict_ensemble,
        predict_gaussian,
    )
    from bridle.errors import (
        BridleError,
        DataError,
        ModelFileError,
        RegularizationWarning,
        TrainingError,
        UsageError,
    )
    from bridle.estimators import (
        MLPClassifier,
        MLPClassifierCV,
        MLPRegressor,
        MLPRegressorCV,
        from_sklearn,
        to_sklearn,
    )
    from bridle.features import feature_tiles, tile_sheet
    from bridle.fitting import fit
    from bridle.model import TableModel
    from bridle.modelaudit import audit_model
    from bridle.modelfile import load, save_model
    from bridle.network import Network, predict
    from bridle.noise import (
        AlphaDropout,
        ConcreteDropout,
        DropConnect,
        Dropout,
        DropPath,
        FeatureAlphaDropout,
        GaussianDropout,
        LockedDropout,
        Scheduled,
        SpatialDropout,
        WeightDrop,
        early_dropout,
        late_dropout,
    )
    from bridle.ops import address_of
    from bridle.paths import LambdaPath, lambda_max, lambda_path
    from bridle.penalties import L1, L2, Annealed, ElasticNet, GroupLasso, MaxNorm
    from bridle.planning import Before
    from bridle.recipe import Recipe, Strengths
    from bridle.records import Dataset, History
    from bridle.report import Report, report_of
    from bridle.reporting import write_report
    from bridle.result import FitResult
    from bridle.rosetta import DIALECTS, convert_strength
    from bridle.schedules import CosineSchedule, LinearSchedule, StepSchedule
    from bridle.searching import SearchResult, search
    from bridle.subnetworks import subnetwork
    from bridle.surgery import Receipt, regularize
    from bridle.training import train, train_step

_HOME = {
    "Ablation": "ablation",
    "AlphaDropout": "noise",
    "Annealed": "penalties",
    "Attachment": "attaching",
    "Audit": "auditing",
    "Before": "planning",
    "BridleError": "errors",
    "CoAdaptation": "coadaptation",
    "Compacted": "compaction",
    "ConcreteDropout": "noise",
    "CosineSchedule": "schedules",
    "DIALECTS": "rosetta",
    "DataError": "errors",
    "Dataset": "records",
    "Diagnosis": "diagnosis",
    "DropConnect": "noise",
    "DropPath": "noise",
    "Dropout": "noise",
    "ElasticNet": "penalties",
    "EnsemblePrediction": "ensemble",
    "FeatureAlphaDropout": "noise",
    "FitResult": "result",
    "GapDisplay": "displays",
    "GaussianDropout": "noise",
    "GaussianPrediction": "ensemble",
    "GroupLasso": "penalties",
    "History": "records",
    "L1": "penalties",
    "L2": "penalties",
    "LambdaPath": "paths",
    "LinearSchedule": "schedules",
    "LockedDropout": "noise",
    "MLPClassifier": "estimators",
    "MLPClassifierCV": "estimators",
    "MLPRegressor": "estimators",
    "MLPRegressorCV": "estimators",
    "MaxNorm": "penalties",
    "ModelFileError": "errors",
    "Network": "network",
    "PathDisplay": "displays",
    "Receipt": "surgery",
    "Recipe": "recipe",
    "RegularizationWarning": "errors",
    "Report": "report",
    "Scheduled": "noise",
    "SearchResult": "searching",
    "SpatialDropout": "noise",
    "StepSchedule": "schedules",
    "Strengths": "recipe",
    "TableModel": "model",
    "TrainingError": "errors",
    "UsageError": "errors",
    "WeightDisplay": "displays",
    "WeightDrop": "noise",
    "ablate": "ablation",
    "address_of": "ops",
    "all_subnetworks": "ensemble",
    "attach": "attaching",
    "audit": "auditing",
    "audit_model": "modelaudit",
    "co_adaptation": "coadaptation",
    "compact": "compaction",
    "convert_strength": "rosetta",
    "diagnose": "diagnosing",
    "early_dropout": "noise",
    "feature_tiles": "features",
    "fit": "fitting",
    "from_sklearn": "estimators",
    "lambda_max": "paths",
    "lambda_path": "paths",
    "late_dropout": "noise",
    "load": "modelfile",
    "mean_over_all": "ensemble",
    "predict": "network",
    "predict_ensemble": "ensemble",
    "predict_gaussian": "ensemble",
    "regularize": "surgery",
    "report_of": "report",
    "save_model": "modelfile",
    "search": "searching",
    "subnetwork": "subnetworks",
    "tile_sheet": "features",
    "to_sklearn": "estimators",
    "train": "training",
    "train_step": "training",
    "write_report": "reporting",
}

__all__ = [
    "DIALECTS",
    "L1",
    "L2",
    "Ablation",
    "AlphaDropout",
    "Annealed",
    "Attachment",
    "Audit",
    "Before",
    "BridleError",
    "CoAdaptation",
    "Compacted",
    "ConcreteDropout",
    "CosineSchedule",
    "DataError",
    "Dataset",
    "Diagnosis",
    "DropConnect",
    "DropPath",
    "Dropout",
    "ElasticNet",
    "EnsemblePrediction",
    "FeatureAlphaDropout",
    "FitResult",
    "GapDisplay",
    "GaussianDropout",
    "GaussianPrediction",
    "GroupLasso",
    "History",
    "LambdaPath",
    "LinearSchedule",
    "LockedDropout",
    "MLPClassifier",
    "MLPClassifierCV",
    "MLPRegressor",
    "MLPRegressorCV",
    "MaxNorm",
    "ModelFileError",
    "Network",
    "PathDisplay",
    "Receipt",
    "Recipe",
    "RegularizationWarning",
    "Report",
    "Scheduled",
    "SearchResult",
    "SpatialDropout",
    "StepSchedule",
    "Strengths",
    "TableModel",
    "TrainingError",
    "UsageError",
    "WeightDisplay",
    "WeightDrop",
    "__version__",
    "ablate",
    "address_of",
    "all_subnetworks",
    "attach",
    "audit",
    "audit_model",
    "co_adaptation",
    "compact",
    "convert_strength",
    "diagnose",
    "early_dropout",
    "feature_tiles",
    "fit",
    "from_sklearn",
    "lambda_max",
    "lambda_path",
    "late_dropout",
    "load",
    "mean_over_all",
    "predict",
    "predict_ensemble",
    "predict_gaussian",
    "regularize",
    "report_of",
    "save_model",
    "search",
    "subnetwork",
    "tile_sheet",
    "to_sklearn",
    "train",
    "train_step",
    "write_report",
]

__getattr__ = loader(__name__, _HOME, globals())


def __dir__() -> list[str]:
    return list(__all__)
