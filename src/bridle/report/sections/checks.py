"""The section on the checks: those that failed by severity, and what became of the others."""

from __future__ import annotations

from collections.abc import Sequence

from bridle.checks import CheckResult, Checks
from bridle.report.formatting import clean, sentence
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section
from bridle.statistics.wording import joined

__all__ = ["checked"]

_MESSAGE = 400


def checked(inputs: ReportInputs) -> Section | None:
    """List the checks that failed, the most severe first, each with what to do."""
    found = inputs.checks
    if found is None:
        return None
    failed = tuple(
        (
            f"{each.code} {each.name}",
            each.severity,
            sentence(clean(each.message, _MESSAGE)),
            sentence(clean(each.advice, _MESSAGE)),
        )
        for each in found
    )
    head = ("check", "severity", "what was found", "what to do")
    grids = [Grid("Checks that failed, the most severe first", head, failed, stacked=True)]
    others = tuple(_others(found))
    text = (f"{_counted(found)} {_how(found)}",)
    return Section(
        "checks",
        "Checks",
        text,
        (),
        (
            *(grids if failed else ()),
            Grid("The other checks", ("check", "outcome", "why"), others, folded=True),
        ),
    )


def _counted(found: Checks) -> str:
    parts = [
        f"{len(of) or 'no'} {'check' if len(of) < 2 else 'checks'} {how}"
        for of, how in (
            (_codes(found.failed), "failed"),
            (_codes(found.silenced), "failed but silenced"),
            (_codes(found.passed), "passed"),
            (_codes(found.not_run), "could not be run"),
        )
        if of or how == "failed"
    ]
    return sentence(joined(parts))


def _how(found: Checks) -> str:
    code = found[0].code if len(found) else "BR001"
    return (
        f"Each has a page in the documentation, and “bridle explain {code}” prints its rule. An "
        "error means that the scores cannot be trusted, or that a regularizer does not act. "
        f"“--ignore {code}” silences a check."
    )


def _codes(results: Sequence[CheckResult]) -> dict[str, str]:
    return {each.code: each.name for each in results}


def _others(found: Checks) -> list[tuple[str, str, str]]:
    """Return a row for each check that did not fail, in the order of the codes."""
    rows: dict[str, tuple[str, str, str]] = {}
    for each in found.results:
        if each.outcome == "failed":
            continue
        why = sentence(clean(each.message, _MESSAGE)) if each.message else "–"
        rows.setdefault(each.code, (f"{each.code} {each.name}", each.outcome, why))
    return list(rows.values())
