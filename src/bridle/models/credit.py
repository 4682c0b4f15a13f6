"""What a fit owes to early stopping, and what to its other regularizers, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bridle.checks.networks import early_stopping_check
from bridle.checks.results import CheckResult
from bridle.models.recipe import Strengths
from bridle.statistics import Comparison, Estimate, GapJudgement
from bridle.statistics.json_values import json_values
from bridle.statistics.wording import estimate_text, joined, same_text

__all__ = [
    "conclusion_of",
    "credit_of",
    "early_stopping_of",
    "lowering",
    "recorded_lowering",
    "regularizers_of",
]

NAMES = {
    "l1": "L1",
    "l2": "L2",
    "keep_prob": "dropout",
    "input_keep_prob": "input dropout",
    "drop_connect_keep_prob": "DropConnect",
    "max_norm": "max-norm",
}


def regularizers_of(strengths: Strengths) -> list[str]:
    """Return the names of the regularizers that act, early stopping apart.

    Examples
    --------
    >>> regularizers_of(Strengths(l1=1e-4, keep_prob=0.5))
    ['L1', 'dropout']
    """
    off = Strengths()
    return [name for key, name in NAMES.items() if getattr(strengths, key) != getattr(off, key)]


def lowering(before: GapJudgement, after: GapJudgement, comparison: Comparison) -> Estimate:
    """Return by how much the gap is lower after than before, with its 95 % interval.

    The training scores are exact, so the interval is that of the paired difference of the test
    scores.

    Parameters
    ----------
    before, after : GapJudgement
        Of two networks with the same training rows.
    comparison : Comparison
        Of the second with the first, on the new rows of the gap.
    """
    known = before.training.value - after.training.value
    found = comparison.difference
    return Estimate(known + found.value, known + found.low, known + found.high)


def recorded_lowering(
    plain: GapJudgement,
    stopped: GapJudgement,
    after: GapJudgement,
    early: Comparison,
    beyond: Comparison,
) -> dict[str, Any]:
    """Return what a model file keeps of it, as JSON values.

    By how much early stopping alone and the others beyond it lower the gap, and by how much the
    others raise the test score.
    """
    found = {
        "early_stopping": lowering(plain, stopped, early),
        "others": lowering(stopped, after, beyond),
        "others_score": beyond.difference,
    }
    return dict(json_values({name: asdict(each) for name, each in found.items()}))


def early_stopping_of(facts: Mapping[str, Any], *, share: bool) -> CheckResult:
    """Return the check of early stopping, BR021, from the facts of a model."""
    recorded = facts.get("lowering") or {}
    early, others, score = (
        None
        if each is None
        else Estimate(**{end: math.nan if v is None else v for end, v in each.items()})
        for each in map(recorded.get, ("early_stopping", "others", "others_score"))
    )
    names = regularizers_of(Strengths(**facts["strengths"])) if "strengths" in facts else []
    return early_stopping_check(early, others, names, share=share, score=score)


def credit_of(
    names: Sequence[str],
    before: GapJudgement,
    after: GapJudgement,
    comparison: Comparison,
    *,
    opening: str = "",
) -> str:
    """Return what some regularizers do to the gap and to the test score, in one sentence.

    A change is claimed only if its 95 % interval excludes zero.

    Parameters
    ----------
    names : sequence of str
        The regularizers.
    before, after : GapJudgement
        Without and with them.
    comparison : Comparison
        Paired, on the test set.
    opening : str
        The beginning of the sentence, such as "Beyond that, ".
    """
    share, score = before.is_share, before.score_name
    many = len(names) > 1
    who = joined(names)
    less, more = lowering(before, after, comparison), comparison.difference
    gap = estimate_text(_without_sign(less), share=share)
    points = estimate_text(more, share=share, signed=True)
    gap_said, score_said = _direction(less), _direction(more)
    if not gap_said and not score_said:
        change = estimate_text(-less, share=share, signed=True)
        sentence = (
            f"{opening}{who} {'change' if many else 'changes'} nothing that can be told: "
            f"the gap by {change}, the test {score} by {points}."
        )
        return sentence[:1].upper() + sentence[1:]
    s = "" if many else "s"
    parts = []
    if gap_said:
        parts.append(f"{'lower' if gap_said > 0 else 'raise'}{s} the gap by {gap}")
    if score_said:
        parts.append(f"{'raise' if score_said > 0 else 'lower'}{s} the test {score}: {points}")
    sentence = f"{opening}{who} {' and '.join(parts)}"
    if not score_said:
        sentence += f"; whether the test {score} changes cannot be told ({points})"
    if not gap_said:
        change = estimate_text(-less, share=share, signed=True)
        sentence += f"; whether the gap changes cannot be told ({change})"
    return sentence[:1].upper() + sentence[1:] + "."


def conclusion_of(
    comparison: Comparison,
    beyond: Comparison | None,
    *,
    share: bool,
    network: str = "the regularized network",
) -> str:
    """Return whether the regularized network predicts better than the plain one, in one sentence.

    Parameters
    ----------
    comparison : Comparison
        Of the regularized network with the plain one, on the test set.
    beyond : Comparison, optional
        Of the regularized network with early stopping alone. Weaker strengths are advised only if
        the other regularizers make it worse.
    share : bool
        Whether the score is a share of rows.
    network : str
        What the regularized network is called.
    """
    answer, who = comparison.answer, f"{network} predicts new rows"
    worse = f"{who} worse than the plain one"
    if answer == "worse" and (beyond is None or beyond.answer == "worse"):
        worse = f"try weaker strengths: {worse}"
    sentence = {
        "better": f"{who} better than the plain one",
        "same": f"{who} as well as the plain one: the difference is less than "
        f"{same_text(share=share)}, which counts as the same",
        "worse": worse,
        "cannot tell": f"it is unclear whether {who} better than the plain one",
    }[answer]
    difference = estimate_text(comparison.difference, share=share, signed=True)
    unit = "" if share or math.isnan(comparison.difference.value) else " R²"
    return f"{sentence[0].upper()}{sentence[1:]} ({difference}{unit} on the test set)."


def _direction(estimate: Estimate) -> int:
    """Return 1 or -1 if the interval is above or below zero, else 0."""
    return int(estimate.low > 0) - int(estimate.high < 0)


def _without_sign(estimate: Estimate) -> Estimate:
    return -estimate if estimate.value < 0 else estimate
