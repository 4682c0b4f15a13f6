"""``Outputs``: what a command has printed and written when it is interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn, Self

from bridle.errors import BridleError

__all__ = ["NOTHING_DONE", "Outputs"]

NOTHING_DONE = "interrupted before there was a result, so nothing was written; run it again"


class Outputs:
    """The outputs of a command. As a context, it ends an interrupt with a sentence about them.

    A KeyboardInterrupt in the context is raised as a BridleError that says which outputs are there
    and which are not.

    Parameters
    ----------
    *names : str
        The outputs that the command was asked for, such as "model", in the order of writing.
    run : path, optional
        The directory that a search is recorded in.
    """

    def __init__(self, *names: str, run: Path | None = None) -> None:
        self._states = {
            name: f"no {name} {'were' if name.endswith('s') else 'was'} written" for name in names
        }
        self._begun = False
        self._run = run

    def tell(self, name: str, state: str) -> None:
        """Record a sentence on an output that was begun or is there."""
        self._states[name] = state
        self._begun = True

    def interrupt(self, cause: BaseException) -> NoReturn:
        """Raise the error that says which outputs are there."""
        if self._begun:
            raise BridleError(f"interrupted: {'; '.join(self._states.values())}") from cause
        if self._is_recorded():
            raise BridleError(
                f"interrupted before there was a result; the search is recorded in {self._run}: "
                "continue it with --resume"
            ) from cause
        raise BridleError(NOTHING_DONE) from cause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.interrupt(error)
        cause = None if error is None else error.__cause__  # a search says that it has no model
        if isinstance(cause, KeyboardInterrupt) and not self._begun and self._is_recorded():
            self.interrupt(cause)

    def _is_recorded(self) -> bool:
        """Return whether a search can be resumed."""
        return self._run is not None and (self._run / "plan.json").exists()
