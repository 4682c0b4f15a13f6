"""bridle: find out whether a neural network overfits, restrain it, and prove that it helped.

The names below load what they need when they are first used, so that ``import bridle`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bridle.version import __version__

if TYPE_CHECKING:
    from bridle.attaching import Attachment, attach
    from bridle.auditing import Audit, audit
    from bridle.coadaptation import CoAdaptation, co_adaptation
    from bridle.compaction import Compacted, compact
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
    from bridle.noise import DropConnect, Dropout
    from bridle.ops import address_of
    from bridle.paths import LambdaPath, lambda_max, lambda_path
    from bridle.penalties import L1, L2, ElasticNet, GroupLasso, MaxNorm
    from bridle.recipe import Recipe, Strengths
    from bridle.records import Dataset, History
    from bridle.result import FitResult
    from bridle.rosetta import DIALECTS, convert_strength
    from bridle.searching import SearchResult, search
    from bridle.surgery import Before, Receipt, regularize
    from bridle.training import train, train_step

_HOME = {
    "Attachment": "attaching",
    "DIALECTS": "rosetta",
    "Audit": "auditing",
    "Before": "surgery",
    "BridleError": "errors",
    "CoAdaptation": "coadaptation",
    "Compacted": "compaction",
    "DataError": "errors",
    "Dataset": "records",
    "DropConnect": "noise",
    "Dropout": "noise",
    "ElasticNet": "penalties",
    "FitResult": "result",
    "GroupLasso": "penalties",
    "History": "records",
    "L1": "penalties",
    "L2": "penalties",
    "LambdaPath": "paths",
    "MLPClassifier": "estimators",
    "MLPClassifierCV": "estimators",
    "MLPRegressor": "estimators",
    "MLPRegressorCV": "estimators",
    "MaxNorm": "penalties",
    "ModelFileError": "errors",
    "Network": "network",
    "Recipe": "recipe",
    "Receipt": "surgery",
    "RegularizationWarning": "errors",
    "SearchResult": "searching",
    "Strengths": "recipe",
    "TableModel": "model",
    "TrainingError": "errors",
    "UsageError": "errors",
    "address_of": "ops",
    "attach": "attaching",
    "audit": "auditing",
    "audit_model": "modelaudit",
    "co_adaptation": "coadaptation",
    "compact": "compaction",
    "convert_strength": "rosetta",
    "feature_tiles": "features",
    "fit": "fitting",
    "from_sklearn": "estimators",
    "lambda_max": "paths",
    "lambda_path": "paths",
    "load": "modelfile",
    "predict": "network",
    "regularize": "surgery",
    "save_model": "modelfile",
    "search": "searching",
    "tile_sheet": "features",
    "to_sklearn": "estimators",
    "train": "training",
    "train_step": "training",
}

__all__ = [
    "DIALECTS",
    "L1",
    "L2",
    "Attachment",
    "Audit",
    "Before",
    "BridleError",
    "CoAdaptation",
    "Compacted",
    "DataError",
    "Dataset",
    "DropConnect",
    "Dropout",
    "ElasticNet",
    "FitResult",
    "GroupLasso",
    "History",
    "LambdaPath",
    "MLPClassifier",
    "MLPClassifierCV",
    "MLPRegressor",
    "MLPRegressorCV",
    "MaxNorm",
    "ModelFileError",
    "Network",
    "Receipt",
    "Recipe",
    "RegularizationWarning",
    "SearchResult",
    "Strengths",
    "TableModel",
    "TrainingError",
    "UsageError",
    "__version__",
    "address_of",
    "attach",
    "audit",
    "audit_model",
    "co_adaptation",
    "compact",
    "convert_strength",
    "feature_tiles",
    "fit",
    "from_sklearn",
    "lambda_max",
    "lambda_path",
    "load",
    "predict",
    "regularize",
    "save_model",
    "search",
    "tile_sheet",
    "to_sklearn",
    "train",
    "train_step",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bridle' has no attribute {name!r}")
    value = getattr(import_module(f"bridle.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
