"""bridle: find out whether a neural network overfits, restrain it, and prove that it helped.

The public names are listed in ``__init__.pyi``. Each loads what it needs when it is first used
(SPEC 1 of Scientific Python), so that ``import bridle`` is fast and free of torch.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

_MOVED = {
    "ablation": "models",
    "auditing": "audit",
    "batchwise": "networks.shared_masks",
    "compaction": "sparsity.compaction",
    "diagnosis.rule": "statistics.claims",
    "diagnosis.verdict": "statistics.claims",
    "judging": "statistics.scores",
    "objectives": "networks",
    "ops.philox": "ops.masks",
    "result": "models",
    "searching": "search",
    "searching.halving": "search",
    "select": "modules.select",
    "table": "tables",
}
"""The modules that the reference named before version 0.1, and where their names are now."""


class _MovedModules(MetaPathFinder, Loader):
    """Imports a module by the name that it had before it moved, with a warning."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        new = _new_name(name)
        if not new or find_spec(new) is None:
            return None
        return spec_from_loader(name, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        new = _new_name(module.__name__)
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        found = import_module(new)
        module.__doc__, module.__all__ = found.__doc__, found.__all__  # type: ignore[attr-defined]
        module.__getattr__ = lambda name: getattr(found, name)  # type: ignore[method-assign]
        module.__dir__ = lambda: dir(found)  # type: ignore[method-assign]


def _new_name(name: str) -> str:
    """Return the full name of a module that moved, or an empty string."""
    root, _, path = name.partition(".")
    for old in sorted(_MOVED, key=len, reverse=True) if root == __name__ else ():
        if path == old or path.startswith(f"{old}."):
            return f"{root}.{_MOVED[old]}{path.removeprefix(old)}"
    return ""


sys.meta_path.append(_MovedModules())
