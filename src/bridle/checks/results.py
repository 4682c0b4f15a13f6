"""The results of checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, overload

from bridle.checks.rules import RULES, SEVERITIES, Severity, codes_of
from bridle.statistics.json_values import json_values

__all__ = ["CheckResult", "Checks", "failed", "not_run", "passed"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    code : str
        Such as "BR001".
    name : str
        What the code stands for, in a few words.
    severity : {"error", "warning", "note"}
    outcome : {"failed", "silenced", "passed", "not run"}
        "silenced" is a failed check that was ignored.
    message : str
        What was found, or why the check was not run.
    evidence : dict of str to float, int, str or None
        The numbers that decided.
    advice : str
        What to do, if it failed.
    page : str
        The page of the documentation.
    """

    code: str
    name: str
    severity: Severity
    outcome: Literal["failed", "silenced", "passed", "not run"]
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    advice: str = ""
    page: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an undefined number is None."""
        return dict(json_values(asdict(self)))


def failed(code: str, message: str, advice: str = "", /, **evidence: Any) -> CheckResult:
    """Return the result of a check that failed; the advice is the rule's if none is given."""
    rule = RULES[code]
    advice = advice or rule.advice
    return CheckResult(
        code, rule.name, rule.severity, "failed", message, evidence, advice, rule.page
    )


def passed(code: str, /, **evidence: Any) -> CheckResult:
    """Return the result of a check that passed."""
    rule = RULES[code]
    return CheckResult(code, rule.name, rule.severity, "passed", "", evidence, "", rule.page)


def not_run(code: str, reason: str = "") -> CheckResult:
    """Return the result of a check that could not be run; the reason is what the rule needs."""
    rule = RULES[code]
    reason = reason or f"needs {rule.needs}"
    return CheckResult(code, rule.name, rule.severity, "not run", reason, page=rule.page)


@dataclass(frozen=True)
class Checks(Sequence[CheckResult]):
    """The results of all checks: a sequence of those that failed, the most severe first.

    Attributes
    ----------
    results : tuple of CheckResult
        One or more for each code, in the order of the codes.

    Examples
    --------
    >>> from bridle.checks.results import failed
    >>> found = Checks.of([failed("BR012", "'row' is the position of the row")])
    >>> [each.code for each in found], len(found.not_run)
    (['BR012'], 13)
    >>> len(found.ignoring(["BR012"]))
    0
    """

    results: tuple[CheckResult, ...] = ()

    @classmethod
    def of(cls, results: Iterable[CheckResult]) -> Checks:
        """Return the results of all codes; a code without a result was not run."""
        known: dict[str, list[CheckResult]] = {code: [] for code in RULES}
        for each in results:
            known[each.code].append(each)
        return cls(
            tuple(each for code, found in known.items() for each in found or [not_run(code)])
        )

    def ignoring(self, codes: Iterable[str]) -> Checks:
        """Return the results with some codes silenced; a beginning such as "BR01" is enough.

        Raises
        ------
        UsageError
            If a code is unknown.
        """
        chosen = codes_of(codes)
        return Checks(
            tuple(
                replace(each, outcome="silenced")
                if each.code in chosen and each.outcome == "failed"
                else each
                for each in self.results
            )
        )

    def _with(self, outcome: str) -> tuple[CheckResult, ...]:
        return tuple(each for each in self.results if each.outcome == outcome)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed, the most severe first."""
        return tuple(sorted(self._with("failed"), key=lambda e: SEVERITIES.index(e.severity)))

    @property
    def silenced(self) -> tuple[CheckResult, ...]:
        """The checks that failed and were ignored."""
        return self._with("silenced")

    @property
    def passed(self) -> tuple[CheckResult, ...]:
        """The checks that passed."""
        return self._with("passed")

    @property
    def not_run(self) -> tuple[CheckResult, ...]:
        """The checks that could not be run; the message is the reason."""
        return self._with("not run")

    def __len__(self) -> int:
        return len(self.failed)

    @overload
    def __getitem__(self, at: int) -> CheckResult: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[CheckResult, ...]: ...
    def __getitem__(self, at: int | slice) -> CheckResult | tuple[CheckResult, ...]:
        """Return one or several of those that failed."""
        return self.failed[at]

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.failed)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the results of all checks as JSON values."""
        return [each.to_dict() for each in self.results]

    def __str__(self) -> str:
        """Return what failed, and in one line each what was silenced, passed and not run."""
        lines = []
        for each in self.failed:
            lines.append(f"{each.severity} {each.code} {each.name}: {each.message}")
            lines.append(f"  {each.advice}")
        if self.silenced:
            counts = Counter(each.code for each in self.silenced)
            lines.append(f"silenced: {len(self.silenced)} ({', '.join(counts)})")
        if self.passed:
            lines.append(f"passed: {', '.join(each.code for each in self.passed)}")
        reasons: dict[str, list[str]] = {}
        for each in self.not_run:
            reasons.setdefault(each.message, []).append(each.code)
        lines += [f"not run: {', '.join(codes)}: {why}" for why, codes in reasons.items()]
        return "\n".join(lines)
