"""The section with the audit: each regularizer's effect compared with its formula."""

from __future__ import annotations

import re

from bridle.audit import Audit
from bridle.report.formatting import clean, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section

__all__ = ["audited"]

_TENSOR = re.compile(r"tensor\(\[([^\]]*)\][^)]*\)")
_MOST_VALUES = 3
_LABEL, _PENALTY, _MESSAGE = 60, 90, 300


def audited(inputs: ReportInputs) -> Section | None:
    """Show the audit: each regularizer's effect compared with its formula."""
    found = inputs.audit
    if found is None:
        return None
    grids = [*_effects(found), *_targets(found), *_noises(found), *_findings(found)]
    text = (
        "The audit takes real training steps on a copy of the network and compares the effect of "
        f"each regularizer with its formula. {_result(found, bool(grids))}",
    )
    return Section("audit", "Audit of the regularizers", text, (), tuple(grids))


def _result(found: Audit, any_grid: bool) -> str:
    if not found.passed:
        return "Something does not act as it should: see the findings."
    if found.findings:
        return "Nothing failed. The findings below deserve a look."
    if not any_grid:
        return "The network has no regularizer to audit."
    return "Every regularizer does what its formula says."


def _effects(found: Audit) -> list[Grid]:
    rows = tuple(
        (
            clean(effect.parameter, _LABEL),
            effect.route,
            _named(effect.penalty),
            number(effect.measured),
            number(effect.expected),
            number(effect.error),
        )
        for effect in found.effects
    )
    head = ("parameter", "applied as", "penalty", "measured", "expected", "error")
    caption = "Effect of each penalty: measured, and expected from its formula"
    return [Grid(caption, head, rows, frozenset({3, 4, 5}), stacked=True)] if rows else []


def _targets(found: Audit) -> list[Grid]:
    rows = tuple(
        (clean(check.check, _PENALTY), clean(check.detail, _MESSAGE))
        for check in found.checks
        if check.outcome == "passed" and check.check.startswith("Sparsity(")
    )
    caption = "Target sparsity: the share of zeros that is reached after a step, and what is due"
    return [Grid(caption, ("target", "reached"), rows, stacked=True)] if rows else []


def _noises(found: Audit) -> list[Grid]:
    rows = tuple(
        (
            clean(noise.name, _LABEL),
            clean(noise.noise, _LABEL),
            number(noise.keep_prob),
            number(noise.kept),
        )
        for noise in found.noises
    )
    head = ("where", "noise", "keep probability", "share kept")
    caption = "Each noise: its keep probability, and the share that it kept"
    return [Grid(caption, head, rows, frozenset({2, 3}))] if rows else []


def _findings(found: Audit) -> list[Grid]:
    rows = tuple(
        (clean(each.subject, _LABEL), each.severity, clean(each.message, _MESSAGE))
        for each in found.findings
    )
    head = ("where", "severity", "finding")
    return [Grid("Findings", head, rows, stacked=True)] if rows else []


def _named(penalty: str) -> str:
    """Return a penalty's text with each tensor replaced by its distinct values."""
    return clean(_TENSOR.sub(_values, penalty), _PENALTY)


def _values(found: re.Match[str]) -> str:
    """Return a few of the distinct values in a tensor's text."""
    numbers = list(dict.fromkeys(number(float(each)) for each in found[1].split(",")))
    return ", ".join(numbers[:_MOST_VALUES]) + (", …" if len(numbers) > _MOST_VALUES else "")
