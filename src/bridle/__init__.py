"""bridle: find out whether a neural network overfits, restrain it, and prove that it helped.

The names below load what they need when they are first used, so that ``import bridle`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridle.errors import BridleError, DataError, ModelFileError, TrainingError, UsageError
    from bridle.network import Network, predict
    from bridle.noise import DropConnect, Dropout
    from bridle.ops import address_of
    from bridle.penalties import L1, L2, ElasticNet, GroupLasso, MaxNorm
    from bridle.training import Dataset, History, train, train_step

_HOME = {
    "BridleError": "errors",
    "DataError": "errors",
    "Dataset": "training",
    "DropConnect": "noise",
    "Dropout": "noise",
    "ElasticNet": "penalties",
    "GroupLasso": "penalties",
    "History": "training",
    "L1": "penalties",
    "L2": "penalties",
    "MaxNorm": "penalties",
    "ModelFileError": "errors",
    "Network": "network",
    "TrainingError": "errors",
    "UsageError": "errors",
    "address_of": "ops",
    "predict": "network",
    "train": "training",
    "train_step": "training",
}

__all__ = [
    "L1",
    "L2",
    "BridleError",
    "DataError",
    "Dataset",
    "DropConnect",
    "Dropout",
    "ElasticNet",
    "GroupLasso",
    "History",
    "MaxNorm",
    "ModelFileError",
    "Network",
    "TrainingError",
    "UsageError",
    "address_of",
    "predict",
    "train",
    "train_step",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bridle' has no attribute {name!r}")
    value = getattr(import_module(f"bridle.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
