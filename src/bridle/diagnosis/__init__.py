"""Does a model overfit? ``diagnose``, and the record of its result."""

import warnings
from typing import Any

from lazy_loader import attach_stub

_load, __dir__, __all__ = attach_stub(__name__, __file__)

_MOVED = ("Claim", "GapJudgement", "claims_of", "judge_gap")


def __getattr__(name: str) -> Any:
    """Load a public name, or one that moved to :mod:`bridle.statistics`, with a warning."""
    if name in _MOVED:
        import bridle.statistics as statistics

        message = f"bridle.diagnosis.{name} is now bridle.statistics.{name}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(statistics, name)
    return _load(name)
