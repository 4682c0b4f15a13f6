"""The checks of a network and its training, BR021, BR030, BR031 and BR040."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridle.checks.results import CheckResult, failed, not_run, passed
from bridle.statistics.scores import Estimate
from bridle.statistics.wording import estimate_text, joined

__all__ = ["audit_check", "calibration_check", "dead_units_check", "early_stopping_check"]

_DEAD = 0.1
_LEVEL = 0.025
_TOLERANCE = 0.02


def early_stopping_check(
    early: Estimate | None,
    beyond: Estimate | None,
    names: Sequence[str],
    *,
    share: bool,
    score: Estimate | None = None,
) -> CheckResult:
    """Return BR021.

    Parameters
    ----------
    early : Estimate, optional
        By how much early stopping alone lowers the gap.
    beyond : Estimate, optional
        By how much the other regularizers lower it beyond that.
    names : sequence of str
        The other regularizers.
    share : bool
        Whether the score is a share of rows.
    score : Estimate, optional
        By how much the other regularizers raise the test score beyond that. Older model files lack
        it.
    """
    if early is None or beyond is None or not names:
        return not_run("BR021")
    numbers = {
        f"{name}{end}": value
        for name, each in (("early_stopping", early), ("others", beyond))
        for end, value in (("", each.value), ("_low", each.low), ("_high", each.high))
    }
    help_too = beyond.low > 0 or (score is not None and score.low > 0)
    if help_too or not (early.low > 0 and early.low > beyond.high):
        return passed("BR021", **numbers)
    size = estimate_text(early, share=share)
    parts = [f"the gap by {estimate_text(-beyond, share=share, signed=True)}"]
    if score is not None:
        parts.append(f"the test score by {estimate_text(score, share=share, signed=True)}")
    message = (
        f"early stopping alone lowers the gap by {size}; beyond that, {joined(names)} "
        f"{'change' if len(names) > 1 else 'changes'} {' and '.join(parts)}: not shown to help"
    )
    return failed("BR021", message, **numbers)


class Finding(Protocol):
    """What an audit found."""

    @property
    def severity(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def message(self) -> str: ...


def audit_check(findings: Sequence[Finding]) -> list[CheckResult]:
    """Return BR030, once for each finding that fails the audit."""
    found = [
        failed("BR030", f"{each.subject}: {each.message}", subject=each.subject)
        for each in findings
        if each.severity == "fail"
    ]
    return found or [passed("BR030")]


class Layer(Protocol):
    """The state of a layer, summed over its networks."""

    @property
    def name(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def members(self) -> int: ...
    @property
    def dead_units(self) -> int: ...


def dead_units_check(layers: Sequence[Layer]) -> CheckResult:
    """Return BR031; the last layer has no hidden units."""
    if len(layers) < 2:
        return not_run("BR031", "the layers are not known, or there is no hidden one")
    dead = {each.name: each.dead_units / (each.units * each.members) for each in layers[:-1]}
    numbers = {"largest_share": max(dead.values())}
    many = [each for each in layers[:-1] if dead[each.name] >= _DEAD]
    if not many:
        return passed("BR031", **numbers)
    parts = [
        f"{each.dead_units / each.members:.3g} of {each.units} units of {each.name}"
        for each in many
    ]
    of = f", on average over {many[0].members} networks" if many[0].members > 1 else ""
    return failed("BR031", f"dead: {', '.join(parts)}{of}", **numbers)


class Calibrated(Protocol):
    """The calibration of a classifier."""

    @property
    def ece(self) -> float: ...
    @property
    def ece_if_calibrated(self) -> float: ...
    @property
    def p_value(self) -> float: ...
    @property
    def overconfidence(self) -> Estimate: ...


def calibration_check(found: Calibrated | None, temperature: float = 1.0) -> CheckResult:
    """Return BR040; the temperature is that of the probabilities, 1 if none was fitted."""
    if found is None:
        return not_run("BR040")
    numbers = {
        "ece": found.ece,
        "ece_if_calibrated": found.ece_if_calibrated,
        "p_value": found.p_value,
        "level": _LEVEL,
        "overconfidence": found.overconfidence.value,
    }
    if found.p_value > _LEVEL or found.ece - found.ece_if_calibrated <= _TOLERANCE:
        return passed("BR040", **numbers)
    over = found.overconfidence
    how = "overconfident" if over.low > 0 else "underconfident" if over.high < 0 else "off"
    message = (
        f"the probabilities are {how}: the expected calibration error is {found.ece:.3f}, that of "
        f"a calibrated model {found.ece_if_calibrated:.3f}"
    )
    if temperature != 1.0:
        message += f", although a temperature of {temperature:.3g} was fitted on held-out rows"
    return failed("BR040", message, **numbers)
