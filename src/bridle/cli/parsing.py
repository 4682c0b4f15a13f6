"""Converts option values to arguments of the library."""

from __future__ import annotations

from bridle.errors import UsageError

__all__ = ["hidden_of"]


def hidden_of(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(
            f"--hidden is {text!r}; give whole numbers separated by commas, such as 256,256"
        ) from None
