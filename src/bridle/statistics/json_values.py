"""Records as JSON values."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["json_values"]


def json_values(value: Any) -> Any:
    """Return mappings and sequences as JSON values; a non-finite number becomes None.

    Examples
    --------
    >>> json_values({"score": float("nan"), "rows": (1, 2)})
    {'score': None, 'rows': [1, 2]}
    """
    if isinstance(value, dict):
        return {str(name): json_values(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
