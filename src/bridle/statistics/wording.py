"""Scores and differences with their intervals, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridle.statistics.scores import SAME, Estimate

__all__ = [
    "TOLERANCE",
    "estimate_text",
    "gap_evidence",
    "interval_text",
    "joined",
    "margin_text",
    "same_text",
    "score_text",
    "tolerance_text",
]

TOLERANCE = 0.02
"""A smaller gap, or a smaller lead of another learner, has no practical meaning."""

_SYMMETRIC = 0.05
_LONGEST = 1e4


def _number(value: float, digits: int, *, share: bool, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if not share and abs(value) >= _LONGEST:
        return f"{value:{sign}.2g}"
    shown = round(100 * value if share else value, digits) + 0.0  # no "-0.0"
    return f"{shown:{sign}.{digits}f}"


def score_text(value: float, *, share: bool, signed: bool = False) -> str:
    """Return a score without its unit: in per cent for a share, else with three decimals.

    Examples
    --------
    >>> score_text(0.745, share=True), score_text(-0.5, share=False, signed=True)
    ('74.5', '-0.500')
    """
    if math.isnan(value):
        return "undefined"
    return _number(value, 1 if share else 3, share=share, signed=signed)


def estimate_text(
    estimate: Estimate, *, share: bool, signed: bool = False, unit: str | None = None
) -> str:
    """Return a score or a difference with its 95 % interval.

    The interval is written with ± if it is symmetric, else from its low to its high end. Its ends
    have as many decimals as are needed to show on which side of 0 and of 2 points they are.

    Parameters
    ----------
    estimate : Estimate
    share : bool
        Whether the score is a share of rows, which is shown in per cent.
    signed : bool
        Write the sign also of a positive number.
    unit : str, optional
        The unit of a share, such as " %". Default: " points".

    Examples
    --------
    >>> estimate_text(Estimate(0.05, 0.03, 0.07), share=False)
    '0.050 ± 0.020'
    >>> estimate_text(Estimate(0.255, 0.195, 0.325), share=True)
    '25.5 points (19.5 to 32.5)'
    >>> estimate_text(Estimate(float("nan"), float("nan"), float("nan")), share=True)
    'undefined'
    """
    unit = "" if not share else " points" if unit is None else unit
    text = score_text(estimate.value, share=share, signed=signed)
    if math.isnan(estimate.value):
        return text
    margin = margin_text(estimate, share=share, signed=signed)
    if not margin or margin.startswith("±"):
        return f"{text} {margin}".strip() + unit
    return f"{text}{unit} ({margin})"


def gap_evidence(
    score_name: str, training: float, new: float, where: str, gap: Estimate, *, share: bool
) -> str:
    """Return the scores of the training rows and of new ones, and their gap.

    Examples
    --------
    >>> gap = Estimate(0.255, 0.195, 0.325)
    >>> gap_evidence("accuracy", 1.0, 0.745, "on the test set", gap, share=True)
    'accuracy 100.0 % in training, 74.5 % on the test set: a gap of 25.5 points (19.5 to 32.5)'
    >>> gap = Estimate(math.nan, math.nan, math.nan)
    >>> gap_evidence("R²", 0.9, math.nan, "held out", gap, share=False)
    'R² 0.900 in training, undefined held out: the gap is undefined'
    """
    unit = " %" if share else ""
    known, seen = (
        score_text(each, share=share) + unit * (not math.isnan(each)) for each in (training, new)
    )
    told = "the gap is undefined"
    if not math.isnan(gap.value):
        told = f"a gap of {estimate_text(gap, share=share)}"
    return f"{score_name} {known} in training, {seen} {where}: {told}"


def margin_text(estimate: Estimate, *, share: bool, signed: bool = False) -> str:
    """Return ± and a margin if an interval is symmetric, else its two ends; empty without one.

    Examples
    --------
    >>> margin_text(Estimate(0.5, 0.4, 0.6), share=True)
    '± 10.0'
    >>> margin_text(Estimate(0.255, 0.195, 0.325), share=True)
    '19.5 to 32.5'
    """
    if math.isnan(estimate.margin) or estimate.low == estimate.high:
        return ""
    if _is_symmetric(estimate):
        return f"± {score_text(estimate.margin, share=share)}"
    return interval_text(estimate, share=share, signed=signed)


def interval_text(estimate: Estimate, *, share: bool, signed: bool = False) -> str:
    """Return the two ends of an interval, without a unit.

    Examples
    --------
    >>> interval_text(Estimate(0.255, 0.195, 0.325), share=True)
    '19.5 to 32.5'
    """
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "undefined"
    ends = (estimate.low, estimate.high)
    low, high = (_end_text(end, share=share, signed=signed) for end in ends)
    return f"{low} to {high}"


def _is_symmetric(estimate: Estimate) -> bool:
    """Return whether value ± margin, as written, says where the interval ends."""
    value, margin = round(estimate.value, 3), round(estimate.margin, 3)
    written = (value - margin, value + margin)
    ends = (estimate.low, estimate.high)
    if any(_side(a) != _side(b) for a, b in zip(written, ends, strict=True)):
        return False
    middle = (estimate.low + estimate.high) / 2
    return abs(middle - estimate.value) <= _SYMMETRIC * estimate.margin


def _side(value: float) -> tuple[int, ...]:
    """Return on which side of 0 and of the tolerance a value is."""
    return tuple(int(value > at) - int(value < at) for at in (0.0, TOLERANCE))


def _end_text(end: float, *, share: bool, signed: bool) -> str:
    for more in range(4):
        digits = (1 if share else 3) + more
        if _side(round(end, digits + 2 * share)) == _side(end):
            break
    return _number(end, digits, share=share, signed=signed)


def tolerance_text(*, share: bool) -> str:
    """Return the tolerance with its unit.

    Examples
    --------
    >>> tolerance_text(share=True), tolerance_text(share=False)
    ('2 points', '0.02')
    """
    return f"{100 * TOLERANCE:g} points" if share else f"{TOLERANCE:g}"


def same_text(*, share: bool) -> str:
    """Return the difference below which two scores count as the same, with its unit.

    Examples
    --------
    >>> same_text(share=True), same_text(share=False)
    ('1 point', '0.01')
    """
    return f"{100 * SAME:g} point" if share else f"{SAME:g}"


def joined(names: Sequence[str]) -> str:
    """Return names as an enumeration.

    Examples
    --------
    >>> joined(["L1"]), joined(["L1", "L2", "dropout"])
    ('L1', 'L1, L2 and dropout')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
