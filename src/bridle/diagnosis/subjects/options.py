"""The options of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridle.audit import Audit
from bridle.errors import UsageError, flag_of
from bridle.models.arguments import whole_of

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """The options of :func:`bridle.diagnose`, which documents them."""

    member: int | None = None
    reference: bool = True
    shuffled_labels: bool = True
    folds: int | None = None
    masks: int = 64
    worst: int = 10
    seed: int = 0
    groups: Any = None
    time: Any = None
    audit: Audit | bool = True
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("reference", "shuffled_labels"):
            object.__setattr__(self, name, flag_of(name, getattr(self, name)))
        if not isinstance(self.audit, Audit):
            object.__setattr__(self, "audit", flag_of("audit", self.audit))
        for name, least in (("masks", 0), ("worst", 0), ("seed", 0)):
            object.__setattr__(self, name, whole_of(name, getattr(self, name)))
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if self.folds is not None and whole_of("folds", self.folds) < 2:
            raise UsageError(f"folds is {self.folds}; it must be 2 or more")
