"""Converts option values to arguments of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridle.errors import UsageError

if TYPE_CHECKING:
    from bridle.models.recipe import Strengths

__all__ = ["hidden_of", "strengths_of"]


def hidden_of(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(
            f"--hidden is {text!r}; give whole numbers separated by commas, such as 256,256"
        ) from None


def strengths_of(**given: float) -> Strengths | None:
    """Return the given strengths, or None if none was given."""
    from bridle.models.recipe import Strengths
    from bridle.noise import Dropout

    keep_prob, drop_prob = given.pop("keep_prob", None), given.pop("drop_prob", None)
    if keep_prob is not None or drop_prob is not None:
        given["keep_prob"] = float(Dropout(keep_prob=keep_prob, drop_prob=drop_prob).keep_prob)
    return Strengths(**given) if given else None
