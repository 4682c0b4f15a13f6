"""Converts option values to arguments of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridle.errors import UsageError

if TYPE_CHECKING:
    from bridle.models.recipe import Strengths

__all__ = ["hidden_of", "keep_prob_of", "strengths_of"]


def hidden_of(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(
            f"--hidden is {text!r}; give whole numbers separated by commas, such as 256,256"
        ) from None


def keep_prob_of(keep_prob: float | None, drop_prob: float | None) -> float | None:
    """Return the keep probability from either option, or None if neither was given."""
    if keep_prob is None and drop_prob is None:
        return None
    from bridle.noise import Dropout

    return float(Dropout(keep_prob=keep_prob, drop_prob=drop_prob).keep_prob)


def strengths_of(**given: float | None) -> Strengths | None:
    """Return the given strengths, or None if none was given."""
    from bridle.models.recipe import Strengths

    chosen = {name: value for name, value in given.items() if value is not None}
    return Strengths(**chosen) if chosen else None
