"""Quick imports: a program imports thousands of modules before it does anything."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quick_imports"]


@contextmanager
def quick_imports() -> Iterator[None]:
    """Collect no garbage in the block, and never search its objects for garbage: modules stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
