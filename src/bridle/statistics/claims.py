"""The claims that a verdict depends on: hypotheses, their tests, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scipy.special import ndtri

from bridle.statistics.intervals import p_value_above, p_value_below, p_values_of_lead
from bridle.statistics.scores import Comparison, Estimate, Judged
from bridle.statistics.shares import exact
from bridle.statistics.wording import TOLERANCE, tolerance_text

__all__ = [
    "LEVEL",
    "Claim",
    "Compared",
    "Rival",
    "Verdict",
    "claims_of",
    "gap_of",
    "lead_of",
    "verdict_of",
]

Verdict = Literal["overfits", "underfits", "fine", "cannot tell"]
"""The possible verdicts of a diagnosis."""

LEVEL = 0.025
"""One-sided significance level; equivalent to a 95 % interval on one side of the tolerance."""


class Compared(Protocol):
    """Another learner, compared with the model on the same new rows."""

    @property
    def name(self) -> str:
        """Its name, such as "gradient boosting"."""

    @property
    def comparison(self) -> Comparison:
        """Its score minus that of the model, in a paired comparison."""


@dataclass(frozen=True)
class Rival:
    """Another learner, compared with the model on the same new rows.

    Attributes
    ----------
    name : str
        For example "gradient boosting".
    comparison : Comparison
        Paired by row: above 0, the other learner is better.
    """

    name: str
    comparison: Comparison

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> Rival:
        """Return the rival that :func:`dataclasses.asdict` made a mapping of."""
        found = _numbers(recorded["comparison"])
        estimate = Estimate(**_numbers(found.pop("difference")))
        discordant = recorded["comparison"].get("discordant")
        found.pop("discordant", None)
        pair = None if discordant is None else (discordant[0], discordant[1])
        return cls(recorded["name"], Comparison(estimate, **found, discordant=pair))


def _numbers(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in which an undefined number, None in JSON, is NaN."""
    return {name: math.nan if value is None else value for name, value in recorded.items()}


@dataclass(frozen=True)
class Claim:
    """A claim that the verdict depends on, with the test of its null hypothesis.

    Attributes
    ----------
    claim : {"overfits", "does not overfit", "underfits", "does not underfit"}
    null : str
        The null hypothesis, in words; it is rejected if the claim holds.
    p_value : float
        One-sided p-value.
    level : float
        Significance level: the claim holds if the p-value is at most the level.
    """

    claim: str
    null: str
    p_value: float
    level: float

    @property
    def holds(self) -> bool:
        """Whether the null hypothesis is rejected."""
        return self.p_value <= self.level


def claims_of(
    training_score: float | None, new: Judged | None, references: Sequence[Compared]
) -> tuple[Claim, ...]:
    """Test the claims that the verdict depends on.

    Two quantities are compared with a tolerance of 2 points (0.02 of R²). The *gap* is the training
    score minus the true score on new rows. The *lead* of a reference is its true score on new rows
    minus that of the model. Each quantity has two null hypotheses: that it is at most the
    tolerance, and that it is at least the tolerance. Each is tested one-sided at 2.5 %. If there
    are several references, the level for showing a lead is 2.5 % divided by their number
    (Bonferroni). The claim that *no* reference leads holds if it holds for each reference; this
    needs no correction (intersection-union test, Berger 1982).

    Parameters
    ----------
    training_score : float, optional
        Accuracy or R² on the training rows.
    new : Judged, optional
        The model's scores on rows that were not used for its training or selection.
    references : sequence of Rival or Reference
        Scored on the same rows.

    Returns
    -------
    tuple of Claim
        The claims that could be tested.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth = np.array([0, 1] * 50)
    >>> for claim in claims_of(1.0, judge_classes(truth * 0, truth), []):
    ...     print(claim.claim, f"{claim.p_value:.3f}")
    overfits 0.000
    does not overfit 1.000
    """
    claims: list[Claim] = []
    if new is None or not new.has_interval:
        return ()
    if training_score is not None:
        bound = training_score - TOLERANCE
        at_most, at_least = _null_hypotheses(new, "the gap is {} {}")
        claims.append(Claim("overfits", at_most, p_value_below(new, bound), LEVEL))
        claims.append(Claim("does not overfit", at_least, p_value_above(new, bound), LEVEL))
    if references:
        tested = [p_values_of_lead(each.comparison, TOLERANCE) for each in references]
        least = min(range(len(tested)), key=lambda at: tested[at][0])
        most = max(range(len(tested)), key=lambda at: tested[at][1])
        at_most, _ = _null_hypotheses(new, f"{references[least].name} leads by {{}} {{}}")
        _, at_least = _null_hypotheses(new, f"{references[most].name} leads by {{}} {{}}")
        claims.append(Claim("underfits", at_most, tested[least][0], LEVEL / len(references)))
        claims.append(Claim("does not underfit", at_least, tested[most][1], LEVEL))
    return tuple(claims)


def gap_of(training_score: float, new: Judged) -> Estimate:
    """Return the gap, training score minus score on new rows, with its 95 % interval.

    The claims about the gap are the inversion of this interval: the gap is shown to be above the
    tolerance if and only if the interval is above it, and likewise below. The ends are those of the
    score's interval, mirrored. For accuracy the exact test must reject too. If an end of Wilson's
    interval is beyond the tolerance but the exact test does not reject, the end of the exact
    interval (Clopper & Pearson 1934) is used.

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth = np.arange(200) % 2
    >>> gap = gap_of(1.0, judge_classes(np.where(np.arange(200) < 8, 1 - truth, truth), truth))
    >>> f"{gap.value:.3f} from {gap.low:.3f} to {gap.high:.3f}"
    '0.040 from 0.017 to 0.077'
    """
    held = new.interval()
    low, high = training_score - held.high, training_score - held.low
    bound = training_score - TOLERANCE
    above = low > TOLERANCE and p_value_below(new, bound) > LEVEL
    below = high < TOLERANCE and p_value_above(new, bound) > LEVEL
    if new.is_share and (above or below):
        lowest, highest = exact(*new.counts)
        if above:
            low = min(training_score - highest, TOLERANCE)
        else:
            high = max(training_score - lowest, TOLERANCE)
    return Estimate(training_score - held.value, low, high)


def lead_of(reference: Compared, count: int) -> Estimate:
    """Return the lead of one of ``count`` references, with the interval that its claims invert.

    It is the 95 % interval of the comparison. If that is above the tolerance, but the claim does
    not hold, the lower end is that of the claim's own level, 2.5 % / ``count``; or 0 if McNemar's
    exact test does not show that there is a lead at all.
    """
    found, level = reference.comparison.difference, LEVEL / count
    low = found.low
    if low > TOLERANCE and p_values_of_lead(reference.comparison, TOLERANCE)[0] > level:
        low = found.value - (found.value - low) * float(ndtri(level) / ndtri(LEVEL))
        if low > TOLERANCE:
            low = 0.0
    return Estimate(found.value, low, found.high)


def _null_hypotheses(judged: Judged, text: str) -> tuple[str, str]:
    size = tolerance_text(share=judged.is_share)
    return text.format(size, "or less"), text.format(size, "or more")


def verdict_of(claims: Sequence[Claim]) -> Verdict:
    """Return the verdict that follows from the claims.

    *Overfits*: the gap is shown to be above the tolerance. *Underfits*: it is not, and the lead of
    a reference is shown to be above the tolerance. *Fine*: both are shown to be below. Otherwise
    the verdict is *cannot tell*. Each error has a probability of at most 2.5 %: saying "overfits"
    if the gap is within the tolerance, "underfits" if no reference leads, or "fine" if either is
    above the tolerance.

    Examples
    --------
    >>> verdict_of([Claim("overfits", "the gap is 2 points or less", 0.001, 0.025)])
    'overfits'
    >>> verdict_of([])
    'cannot tell'
    """
    holding = {each.claim for each in claims if each.holds}
    if "overfits" in holding:
        return "overfits"
    if "underfits" in holding:
        return "underfits"
    if {"does not overfit", "does not underfit"} <= holding:
        return "fine"
    return "cannot tell"
