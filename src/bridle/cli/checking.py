"""The options ``--fail-on`` and ``--ignore``: checks that fail a command or are silenced."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import typer

if TYPE_CHECKING:
    from bridle.checks import Checks

__all__ = ["Checking"]

CHECK_FAILED = 3
"""The exit code if a check fails that --fail-on names."""


@dataclass(frozen=True)
class Checking:
    """The codes of the checks that fail a command, and of those that are silenced."""

    failing: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()

    @classmethod
    def of(cls, fail_on: Sequence[str] | None, ignore: Sequence[str] | None) -> Self:
        """Return the codes that the options name; a UsageError if one names none."""
        if not (fail_on or ignore):
            return cls()
        from bridle.checks import codes_of

        return cls(codes_of(fail_on or (), severities=True), codes_of(ignore or ()))

    def of_result(self, result: Any) -> Checks | None:
        """Return all checks of a fit or a search; None if neither option was given."""
        if not (self.failing or self.silenced):
            return None
        from bridle.diagnosis import diagnose

        return diagnose(
            result, reference=False, shuffled_labels=False, masks=0, ignore=self.silenced
        ).checks

    def heard(self, notes: Sequence[str]) -> tuple[str, ...]:
        """Return the notes that do not belong to a silenced check."""
        return tuple(each for each in notes if not (self.silenced and each[:5] in self.silenced))

    def end(self, checks: Checks | None) -> None:
        """Exit with 3 if one of the codes failed; say which of them were not run."""
        if checks is None:
            return
        left = {each.code: each.message for each in checks.not_run if each.code in self.failing}
        for code, reason in left.items():
            print(f"bridle: {code} was not run: {reason}", file=sys.stderr)  # noqa: T201
        failed = sorted({each.code for each in checks if each.code in self.failing})
        if failed:
            print(f"bridle: failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
            raise typer.Exit(CHECK_FAILED)
