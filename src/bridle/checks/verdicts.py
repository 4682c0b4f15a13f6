"""The checks of the verdict, BR001 to BR003 and BR022, and how many rows would decide it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scipy.special import ndtri

from bridle.checks.results import CheckResult, failed, not_run, passed
from bridle.statistics.claims import LEVEL, Claim, Compared
from bridle.statistics.dominant import DOMINATES, several_dominate
from bridle.statistics.gap import GapJudgement
from bridle.statistics.intervals import p_values_of_lead
from bridle.statistics.scores import FEWEST, SAME, Estimate
from bridle.statistics.verdict import NOTHING, RARE
from bridle.statistics.wording import TOLERANCE, estimate_text

__all__ = [
    "judgement_checks",
    "more_rows",
    "needed_rows",
    "needed_text",
    "rows_for_a_lead",
    "rows_needed",
    "undecided",
    "verdict_checks",
]

_MOST_ROWS = 10**6
_LARGE_P = 0.3


def verdict_checks(
    verdict: str,
    reason: str,
    claims: Sequence[Claim],
    gap: Estimate | None,
    references: Sequence[Compared],
    *,
    part: str,
    rows: int | None,
    share: bool,
    units: str = "rows",
) -> list[CheckResult]:
    """Return the checks that follow from a verdict and its claims.

    Parameters
    ----------
    verdict, reason, claims, gap
        Of a :class:`bridle.statistics.Ruling`.
    references : sequence of Rival or Reference
        The other learners on the same new rows.
    part : str
        The new rows: "held out" or "test".
    rows : int, optional
        The number of new rows, or of their groups.
    share : bool
        Whether the score is a share of rows.
    units : {"rows", "groups"}
        What is counted.
    """
    tested = {each.claim: each for each in claims}
    return [
        _overfits(verdict, reason, tested, gap, part=part, share=share),
        _underfits(verdict, reason, tested),
        *_better(tested, references, share=share),
        _too_few_rows(
            verdict, reason, tested, gap, references, part=part, rows=rows, share=share, units=units
        ),
    ]


def judgement_checks(
    found: GapJudgement, rows: Mapping[str, int], groups: Mapping[str, int]
) -> list[CheckResult]:
    """Return the checks of a network of a fit or a search.

    Parameters
    ----------
    found : GapJudgement
    rows, groups : mapping of str to int
        The number of rows of each part, and of their groups, if they have any.
    """
    return verdict_checks(
        found.verdict,
        found.reason,
        found.claims,
        found.gap,
        found.rivals,
        part=found.measured_on,
        rows=(groups or rows).get(found.measured_on),
        share=found.is_share,
        units="groups" if groups else "rows",
    )


def _overfits(
    verdict: str,
    reason: str,
    tested: dict[str, Claim],
    gap: Estimate | None,
    *,
    part: str,
    share: bool,
) -> CheckResult:
    if gap is None or "overfits" not in tested:
        return not_run("BR001", reason)
    claim = tested["overfits"]
    numbers = {"gap": gap.value, "low": gap.low, "high": gap.high, "tolerance": TOLERANCE}
    numbers |= {"p_value": claim.p_value, "level": claim.level}
    if verdict != "overfits":
        return passed("BR001", **numbers)
    size = estimate_text(gap, share=share)
    return failed("BR001", f"the gap, training minus {part}, is {size}", **numbers)


def _underfits(verdict: str, reason: str, tested: dict[str, Claim]) -> CheckResult:
    claim = tested.get("underfits")
    numbers = {} if claim is None else {"p_value": claim.p_value, "level": claim.level}
    if verdict == "underfits":
        return failed("BR002", reason, **numbers)
    if not tested or reason.startswith((NOTHING, RARE)):
        return not_run("BR002", reason)
    if claim is None and verdict == "cannot tell":
        return not_run("BR002", "it was compared with no other learner")
    return passed("BR002", **numbers)


def _better(
    tested: dict[str, Claim], references: Sequence[Compared], *, share: bool
) -> list[CheckResult]:
    if not references:
        return [not_run("BR003")]
    if not tested:
        return [not_run("BR003", "the scores cannot be compared")]
    level, found = LEVEL / len(references), []
    for each in sorted(references, key=lambda one: (-one.comparison.difference.value, one.name)):
        lead = each.comparison.difference
        p_value = p_values_of_lead(each.comparison, 0.0)[0]
        if p_value <= level and lead.value >= SAME:
            size = estimate_text(lead, share=share, signed=True)
            numbers = {"lead": lead.value, "low": lead.low, "high": lead.high}
            message = f"{each.name} scores {size} on the same rows"
            found.append(failed("BR003", message, **numbers, p_value=p_value, level=level))
    return found or [passed("BR003")]


def _too_few_rows(
    verdict: str,
    reason: str,
    tested: dict[str, Claim],
    gap: Estimate | None,
    references: Sequence[Compared],
    *,
    part: str,
    rows: int | None,
    share: bool,
    units: str,
) -> CheckResult:
    if gap is None or rows is None or math.isnan(gap.value) or reason.startswith(RARE):
        return not_run("BR022", reason)
    if not tested:
        few = units == "groups" or (not share and rows < FEWEST)
        return failed("BR022", reason, rows=rows) if few else not_run("BR022", reason)
    claim = undecided(tested) if verdict == "cannot tell" else None
    if claim is None:
        undecidable = verdict == "cannot tell"
        return not_run("BR022", reason) if undecidable else passed("BR022", rows=rows)
    nothing = reason.startswith(NOTHING)
    need = rows_for_a_lead(rows, references) if nothing else rows_needed(rows, claim, gap)
    advice = more_rows(rows, need, part, units) + ", or cross-validate"
    if DOMINATES in reason:
        what = "those values are" if several_dominate(reason) else "that value is"
        need, advice = math.nan, f"check whether {what} right; more rows alone may not help"
    return failed("BR022", reason, advice, rows=rows, needed=need if math.isfinite(need) else None)


def undecided(tested: dict[str, Claim]) -> Claim | None:
    """Return the claim that would decide the verdict, if more rows could.

    Of two opposite claims it is the one that is closer to being shown.
    """
    for shown, opposite in (("overfits", "does not overfit"), ("underfits", "does not underfit")):
        if opposite in tested and not (tested[opposite].holds or tested[shown].holds):
            pair = (tested[shown], tested[opposite])
            return min(pair, key=lambda each: each.p_value / each.level)
    return None


def rows_needed(rows: int, claim: Claim, gap: Estimate) -> float:
    """Return how many rows, or groups, would show a claim; NaN if that is not known.

    The p-value of few rows is that of an exact test, which is larger than the effect says. From 0.3
    on, the number of a claim about the gap follows from the gap and its interval.
    """
    if claim.p_value <= _LARGE_P or "overfit" not in claim.claim:
        return needed_rows(rows, claim.p_value, claim.level)
    effect = gap.value - TOLERANCE
    wide = gap.value - gap.low if effect > 0 else gap.high - gap.value
    return rows * (wide / effect) ** 2 if effect and wide > 0 else math.nan


def rows_for_a_lead(rows: int, references: Sequence[Compared]) -> float:
    """Return how many rows would show that a learner is better at all; NaN if none seems to be."""
    p_values = [p_values_of_lead(each.comparison, 0.0)[0] for each in references]
    return needed_rows(rows, min(p_values), LEVEL / len(p_values)) if p_values else math.nan


def more_rows(units: int, need: float, part: str, what: str = "rows") -> str:
    """Return the advice to use more new rows, or groups, with their number."""
    there = f"use more new {what}: there {'is' if units == 1 else 'are'} {units} ({part})"
    if math.isnan(need):
        return there
    return f"{there}, and a difference of this size needs {needed_text(need)}"


def needed_rows(rows: int, p_value: float, level: float) -> float:
    """Return how many rows would show a claim: a standing grows with the square root of rows.

    It is NaN if the p-value is 0.5 or more: the estimate is then on the other side.

    Examples
    --------
    >>> round(needed_rows(100, 0.16, 0.025))
    388
    """
    standing = float(-ndtri(p_value))
    return rows * (float(ndtri(level)) / standing) ** 2 if standing > 0 else math.nan


def needed_text(count: float) -> str:
    """Return a number of needed rows in words, rounded up to two digits.

    Examples
    --------
    >>> needed_text(388.4), needed_text(math.inf)
    ('about 390', 'far more than a million')
    """
    if count >= _MOST_ROWS:
        return "far more than a million"
    digits = max(0, int(math.log10(max(count, 1))) - 1)
    return f"about {math.ceil(count / 10**digits) * 10**digits:,}"
