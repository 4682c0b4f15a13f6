"""Parse the budget of a search: an amount of time, and an amount of memory."""

from __future__ import annotations

import re

import torch

from bridle.errors import UsageError

__all__ = ["memory_for", "memory_in_bytes", "seconds_of"]

DEFAULT_MEMORY = {"cpu": 2e9, "cuda": 8e9}  # bytes
_UNITS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9}


def seconds_of(budget: float | str) -> float:
    """Return a budget such as 90, "90s", "2m" or "1.5h" in seconds.

    Raises
    ------
    UsageError
        If it cannot be parsed, or is not above 0.

    Examples
    --------
    >>> seconds_of("2m")
    120.0
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*([smh]?)\s*", str(budget))
    try:
        seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"budget is {budget!r}; give a time such as 90s, 2m or 1h")
    return seconds


def memory_in_bytes(memory: str) -> float:
    """Return an amount of memory such as "2GB" in bytes.

    Raises
    ------
    UsageError
        If it cannot be parsed.

    Examples
    --------
    >>> memory_in_bytes("1.5GB")
    1500000000.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)\s*", memory, re.IGNORECASE)
    if not found or not float(found[1]):
        raise UsageError(f"memory is {memory!r}; give an amount such as 500MB or 2GB")
    return float(found[1]) * _BYTES[found[2].upper()]


def memory_for(memory: str | None, device: str) -> float:
    """Return an amount of memory in bytes, or a device's default.

    The default is 2 GB. On a GPU it is 8 GB, but at most half of the free memory.

    Raises
    ------
    UsageError
        If :func:`memory_in_bytes` cannot parse it.

    Examples
    --------
    >>> memory_for(None, "cpu")
    2000000000.0
    """
    if memory is not None:
        return memory_in_bytes(memory)
    if device == "cpu":
        return DEFAULT_MEMORY["cpu"]
    return min(DEFAULT_MEMORY[device], torch.cuda.mem_get_info()[0] / 2)
