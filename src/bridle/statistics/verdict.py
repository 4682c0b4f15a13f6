"""The verdict on a model: the one rule that fit, search and diagnose share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridle.statistics.claims import (
    LEVEL,
    Claim,
    Compared,
    Verdict,
    claims_of,
    gap_of,
    lead_of,
    verdict_of,
)
from bridle.statistics.dominant import dominant_rows
from bridle.statistics.grouped import FEWEST_GROUPS
from bridle.statistics.intervals import p_values_of_lead
from bridle.statistics.scores import FEWEST, Estimate, Judged
from bridle.statistics.wording import TOLERANCE, estimate_text, score_text, tolerance_text

__all__ = ["NOTHING", "RARE", "Ruling", "opening_of", "rule"]

RARE = "accuracy cannot tell"
CONSTANT = "the best constant prediction"
NOTHING = "it has learned next to nothing"
_MOST_RARE = 5 * TOLERANCE
"""Classes are rare if all but the most frequent one have less than this share of the rows."""


@dataclass(frozen=True)
class Ruling:
    """A verdict with its reason, and the numbers that it follows from.

    Attributes
    ----------
    verdict : {"overfits", "underfits", "fine", "cannot tell"}
    reason : str
        One line.
    gap : Estimate, optional
        The training score minus the score on new rows, with its 95 % interval. None if one of the
        two scores is unknown or undefined. The ends are NaN if the rows are too few.
    part : str
        The new rows: "held out", "test" or "new".
    claims : tuple of Claim
        The claims that could be tested.
    """

    verdict: Verdict
    reason: str
    gap: Estimate | None
    part: str
    claims: tuple[Claim, ...]


def rule(
    training: Judged | Estimate | None,
    new: Judged | None,
    references: Sequence[Compared] = (),
    *,
    part: str = "held out",
) -> Ruling:
    """Return the verdict on a model, by the rule that fit, search and diagnose share.

    The claims are those of :func:`bridle.statistics.claims_of`. The verdict follows from them, with
    three additions:

    - If a score is undefined, the verdict is *cannot tell*: R² if all true values are equal, and
      accuracy if the new rows have one class, but the training rows several. The same holds if R²
      has fewer than 4 new rows, or the new rows are of fewer than 5 groups: there is then no
      interval.
    - A model has *learned nothing* if it removes less than 2 % of the errors that the best constant
      prediction makes on the training rows. It underfits if no reference is given, or if a
      reference is shown to be better at all. Otherwise the verdict is *cannot tell*, since the
      columns may say nothing about the target. With rare classes, no lead reaches 2 points: if
      less than 10 % of the training rows are in other classes than the most frequent one, a model
      that ranks the rows well can have the accuracy of the constant. The verdict is then *cannot
      tell*, unless a reference is shown to be better.
    - R² may depend on one row, or on three: see ``bridle.statistics.dominant``.
      If the verdict is *cannot tell*, the reason says so.
    - Without references, a model that has learned something is compared with the constant
      prediction alone.

    Parameters
    ----------
    training : Judged or Estimate, optional
        The model on its training rows. Of a recorded score (an Estimate), the baseline is unknown.
    new : Judged, optional
        The model on rows that were not used for its training or selection.
    references : sequence of Rival or Reference
        Other learners on the same new rows.
    part : str
        The name of the new rows, for the reason.

    Returns
    -------
    Ruling

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth = (np.arange(1000) < 15).astype(int)
    >>> some = truth * (truth.cumsum() > 5)
    >>> found = rule(judge_classes(truth, truth), judge_classes(some, truth))
    >>> found.verdict
    'fine'
    >>> found.reason
    'the gap, training minus held out, is 0.5 points (0.2 to 1.2), below 2 points'
    """
    score = training.value if training is not None else None
    judged = training if isinstance(training, Judged) else None
    undefined = _undefined(judged, new, part)
    if undefined:
        return Ruling("cannot tell", undefined, None, part, ())
    if new is not None and not new.has_interval:
        gap = None if score is None else gap_of(score, new)
        return Ruling("cannot tell", _too_few(new, part), gap, part, ())
    claims = claims_of(score, new, references)
    gap = None if score is None or new is None else gap_of(score, new)
    share = new is not None and new.is_share
    verdict = verdict_of(claims)
    lead = _better(references)
    learned = _learned(judged)
    holds = {each.claim for each in claims if each.holds}
    if verdict != "overfits" and learned is False:
        rare = judged is not None and _is_rare(judged)
        shown = lead is not None or not (references or rare)
        verdict = "underfits" if shown else "cannot tell"
    elif verdict == "cannot tell" and not references and learned and "does not overfit" in holds:
        verdict = "fine"
    if new is None or gap is None:
        missing = "new rows" if new is None else "training rows"
        return Ruling(verdict, f"there is no gap without {missing}", gap, part, claims)
    numbers = f"the gap, training minus {part}, is {estimate_text(gap, share=share)}"
    size = tolerance_text(share=share)
    if verdict == "overfits":
        reason = f"{numbers}, above {size}"
    elif learned is False and judged is not None:
        reason = _learned_nothing(judged, lead, references)
    elif verdict == "underfits":
        reason = f"{_lead_text(_first(references), share=share)}, more than {size}"
    elif verdict == "fine":
        others = f"; no other learner leads by {size}" if references else ""
        reason = f"{numbers}, below {size}{others}"
    elif "does not overfit" not in holds:
        reason = f"{numbers}: it may be above or below {size}"
    elif not references:
        reason = f"{numbers}, below {size}, but it was compared with no other learner"
    else:
        text = _lead_text(_first(references), share=share, count=len(references))
        reason = f"{numbers}, below {size}, but {text}: that may be above or below {size}"
    dominant = dominant_rows(new) if verdict == "cannot tell" else None
    if dominant is not None:
        reason = f"{reason}; {dominant.text}"
    return Ruling(verdict, reason, gap, part, claims)


def opening_of(who: str, verdict: Verdict, reason: str, claims: Sequence[Claim]) -> str:
    """Return a verdict in words, or what cannot be told: the beginning of a sentence.

    Parameters
    ----------
    who : str
        For example "the plain network".
    verdict, reason, claims
        Of a :class:`Ruling`, or of what it was recorded in.

    Examples
    --------
    >>> opening_of("the model", "overfits", "", ())
    'The model overfits'
    >>> opening_of("the model", "cannot tell", "R² is undefined", ())
    'Cannot tell about the model'
    """
    holds = {each.claim for each in claims if each.holds}
    if verdict != "cannot tell":
        said = f"{who} is fine" if verdict == "fine" else f"{who} {verdict}"
    elif not claims or reason.startswith((NOTHING, RARE)):
        said = f"cannot tell about {who}"
    elif "does not overfit" in holds:
        said = f"it is unclear whether {who} underfits"
    else:
        said = f"it is unclear whether {who} overfits"
    return said[:1].upper() + said[1:]


def _too_few(new: Judged, part: str) -> str:
    if new.groups is not None:
        return (
            f"the rows of {new.units} {part} groups are too few: a score has an interval from "
            f"{FEWEST_GROUPS} groups on; give more groups"
        )
    return (
        f"{new.units} {part} rows are too few: R² has an interval from {FEWEST} rows on; give "
        "more rows"
    )


def _undefined(training: Judged | None, new: Judged | None, part: str) -> str:
    """Return why a score is undefined, or an empty string."""
    for name, each in (("training", training), (part, new)):
        if each is not None and not each.defined:
            rows = len(each.rows)
            return f"R² is undefined: all {rows} true values of the {name} rows are equal"
    several = training is not None and training.is_share and training.baseline < 1
    if several and new is not None and new.baseline == 1:
        rows = len(new.rows)
        if rows == 1:
            return f"there is only one {part} row, so of one class, and the training rows have more"
        return f"all {rows} {part} rows are of one class, the training rows are not"
    return ""


def _learned(training: Judged | None) -> bool | None:
    """Return whether the model predicts its training rows better than a constant."""
    if training is None or training.baseline >= 1:
        return None
    removed = (training.value - training.baseline) / (1 - training.baseline)
    return removed >= TOLERANCE


def _is_rare(training: Judged) -> bool:
    return training.is_share and 1 - training.baseline < _MOST_RARE


def _better(references: Sequence[Compared]) -> Compared | None:
    """Return the reference that is shown to be better at all, if there is one."""
    shown = [
        each
        for each in references
        if p_values_of_lead(each.comparison, 0.0)[0] <= LEVEL / len(references)
    ]
    return _first(shown) if shown else None


def _first(references: Sequence[Compared]) -> Compared:
    return max(references, key=lambda each: each.comparison.difference.value)


def _lead_text(lead: Compared, *, share: bool, count: int = 1) -> str:
    difference = estimate_text(lead_of(lead, count), share=share, signed=True)
    return f"{lead.name} scores {difference} on the same rows"


def _learned_nothing(
    training: Judged, lead: Compared | None, references: Sequence[Compared]
) -> str:
    share = training.is_share
    unit = " %" if share else ""
    own, constant = (
        score_text(each, share=share) + unit for each in (training.value, training.baseline)
    )
    if lead is None and _is_rare(training):
        return (
            f"{RARE} with {100 * (1 - training.baseline):.1f} % of the rows in other classes: "
            f"{own} in training, {CONSTANT} {constant}; use --scoring roc_auc or "
            "balanced_accuracy, or --class-weight balanced"
        )
    text = f"{NOTHING}: {own} in training, {CONSTANT} {constant}"
    if lead is not None:
        return f"{text}; {_lead_text(lead, share=share)}"
    if not references:
        return text
    return f"{text}; no other learner is shown to be better, so the columns may say nothing"
