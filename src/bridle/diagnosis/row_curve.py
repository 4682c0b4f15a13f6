"""``LearningCurve``: the score against the number of training rows, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from bridle.checks.verdicts import needed_rows, needed_text
from bridle.statistics.claims import LEVEL
from bridle.statistics.intervals import lead_p_values
from bridle.statistics.json_values import json_values
from bridle.statistics.resampling import difference_of_ratios
from bridle.statistics.scores import FEWEST, Estimate, Judged
from bridle.statistics.wording import (
    TOLERANCE,
    interval_text,
    score_text,
    tolerance_text,
)

__all__ = [
    "LearningCurve",
    "LearningCurvePoint",
    "change_text",
    "curve_of",
]

Array = np.ndarray[Any, np.dtype[np.float64]]

_FEWEST_PAIRED = 6
"""With fewer repeats, two pairs would not tell how much pairs differ."""


@dataclass(frozen=True)
class LearningCurvePoint:
    """The scores of the networks that were trained on one number of rows.

    Attributes
    ----------
    rows : int
        Number of training rows.
    training : float
        Mean score on the training rows.
    test : Estimate
        Mean score on the test rows, with its 95 % interval.
    scores : tuple of float
        The score of each repeat on the test rows.
    """

    rows: int
    training: float
    test: Estimate
    scores: tuple[float, ...]


@dataclass(frozen=True)
class LearningCurve:
    """Scores against the number of training rows, and whether more rows would help.

    Attributes
    ----------
    subject, task, score_name : str
        As in :class:`bridle.Diagnosis`.
    points : tuple of LearningCurvePoint
        In ascending order of rows; the last one has all training rows.
    change : Estimate
        The test score with all training rows minus that with half of them, paired, with its 95 %
        interval.
    answer : {"would help", "would hardly help", "cannot tell"}
        "Would hardly help" if the change is shown to be below 2 points (0.02 of R²). "Would help"
        if it is not, and is shown to be above 0, and with all rows the score is shown to be above
        that of a constant prediction. Each is tested one-sided at 2.5 %.
    sentence : str
        The answer in words.
    test_rows : int
        Number of test rows, the same for all networks.
    repeats : int
        Number of networks for each number of rows.
    notes : tuple of str
        Remarks.
    """

    subject: str
    task: str
    score_name: str
    points: tuple[LearningCurvePoint, ...]
    change: Estimate
    answer: str
    sentence: str
    test_rows: int
    repeats: int
    notes: tuple[str, ...] = ()

    @property
    def is_share(self) -> bool:
        """Whether the score is a share of rows, which is shown in per cent."""
        return self.score_name == "accuracy"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an undefined number is None."""
        return dict(json_values(asdict(self)))


def curve_of(
    subject: str,
    scores: Sequence[tuple[int, Sequence[float], Sequence[Judged]]],
    notes: Sequence[str] = (),
) -> LearningCurve:
    """Return the learning curve of networks that were trained and scored.

    A repeat orders the training rows at random; its networks are trained on the first rows of that
    order. So the rows of its networks are nested. The effect of the training rows that the sample
    happens to have is in all of them, and cancels in the change. The interval of the change has
    two parts: the test rows, of which the mean over the repeats is paired by row, and the repeats,
    by Student's t.

    Parameters
    ----------
    subject : str
    scores : sequence of tuple
        For each number of rows, in ascending order: that number, and the training score and the
        test set of each repeat. The last but one has half of the last one's rows.
    notes : sequence of str

    Examples
    --------
    >>> import numpy as np
    >>> from bridle.statistics import judge_classes
    >>> truth, wrong = np.arange(1000) % 2, 1 - np.arange(1000) % 2
    >>> half = judge_classes(np.where(truth.cumsum() < 150, wrong, truth), truth)
    >>> full = judge_classes(np.where(truth.cumsum() < 100, wrong, truth), truth)
    >>> found = curve_of("network", [(50, [1.0] * 4, [half] * 4), (100, [1.0] * 4, [full] * 4)])
    >>> print(found.sentence)
    More rows would help: from 50 to 100 training rows the test accuracy rose by 10.0 points \
(8.1 to 11.9)
    """
    points = [_point(rows, training, test) for rows, training, test in scores]
    (_, _, half), (_, _, full) = scores[-2:]
    by_test, by_repeat = _change(half, full)
    change = _widened(by_test, by_repeat)
    first, last = full[0], points[-1].test
    constant = not last.low > first.baseline
    answer = _answer(change, constant=constant)
    return LearningCurve(
        subject=subject,
        task="classification" if first.is_share else "regression",
        score_name=first.score_name,
        points=tuple(points),
        change=change,
        answer=answer,
        sentence=_sentence(answer, points, first, change, by_test, by_repeat),
        test_rows=len(first.rows),
        repeats=len(full),
        notes=tuple(notes),
    )


def _point(rows: int, training: Sequence[float], test: Sequence[Judged]) -> LearningCurvePoint:
    scores = [each.value for each in test]
    rows_of = np.stack([each.rows for each in test])
    mean = replace(test[0], value=float(np.mean(scores)), rows=rows_of.mean(0))
    score = _widened(mean.interval(), _margin(rows_of))
    if score.high > 1:
        score = replace(score, high=1.0)
    return LearningCurvePoint(rows, float(np.mean(training)), score, tuple(scores))


def _change(half: Sequence[Judged], full: Sequence[Judged]) -> tuple[Estimate, float]:
    """Return the change with the interval of the test rows, and the margin of the repeats."""
    first, rows = full[0], len(full[0].rows)
    value = float(np.mean([b.value - a.value for a, b in zip(half, full, strict=True)]))
    if not first.defined or (rows < FEWEST and not first.is_share):
        return Estimate(value, math.nan, math.nan), math.nan
    each = np.stack([b.rows - a.rows for a, b in zip(half, full, strict=True)])
    difference = each.mean(0)
    if first.is_share:
        # half a row is added to both sides, as in bridle.statistics.compare
        squares = float(np.square(difference).sum()) + 1 - (rows * value) ** 2 / (rows + 2)
        wide = float(-ndtri(LEVEL)) * math.sqrt(squares) / (rows + 2)
        return Estimate(value, value - wide, value + wide), _margin(each)
    found = difference_of_ratios(-difference, first.spread)
    return Estimate(value, *found.interval), _margin(each)


def _margin(values: Array) -> float:
    """Return the margin that the repeats add to a mean over ``[repeats, rows]``.

    Every second order of the rows is the reverse of the one before, so the errors of two networks
    that were trained on complementary halves are opposite in part. Their mean counts as one value.
    What differs by repeat and by row alike is in the interval of the rows already. It is taken off
    by the usual two-way analysis of variance.
    """
    if len(values) >= _FEWEST_PAIRED and len(values) % 2 == 0:
        values = (values[::2] + values[1::2]) / 2
    repeats, rows = values.shape
    means = values.mean(1)
    rest = values - values.mean(0) - means[:, None] + means.mean()
    both = float(np.square(rest).sum()) / ((repeats - 1) * (rows - 1)) if rows > 1 else 0.0
    variance = max(0.0, float(means.var(ddof=1)) - both / rows)
    return float(-stdtrit(repeats - 1, LEVEL)) * math.sqrt(variance / repeats)


def _widened(estimate: Estimate, margin: float) -> Estimate:
    """Return an interval with an independent error added."""
    value = estimate.value
    below, above = value - estimate.low, estimate.high - value
    return Estimate(value, value - math.hypot(below, margin), value + math.hypot(above, margin))


def _answer(change: Estimate, *, constant: bool) -> str:
    if change.high < TOLERANCE:
        return "would hardly help"
    # more rows bring a network that predicts noise closer to a constant, which is no help
    return "would help" if change.low > 0 and not constant else "cannot tell"


def change_text(
    points: Sequence[LearningCurvePoint], change: Estimate, score_name: str, answer: str
) -> str:
    """Return in words how the test score changed when the training rows doubled."""
    share = score_name == "accuracy"
    span = f"from {points[-2].rows:,} to {points[-1].rows:,} training rows the test {score_name}"
    if answer == "would help":
        moved = f"rose by {score_text(change.value, share=share)}"
        ends = interval_text(change, share=share)
    else:
        moved = f"changed by {score_text(change.value, share=share, signed=True)}"
        ends = interval_text(change, share=share, signed=True)
    return f"{span} {moved}{' points' if share else ''} ({ends})"


def _sentence(
    answer: str,
    points: Sequence[LearningCurvePoint],
    test: Judged,
    change: Estimate,
    by_test: Estimate,
    by_repeat: float,
) -> str:
    if math.isnan(change.low):
        why = "there are too few test rows" if test.defined else "the test targets are all equal"
        return f"Cannot tell whether more rows would help: {why}, so that R² has no interval"
    text = change_text(points, change, test.score_name, answer)
    if answer == "would help":
        return f"More rows would help: {text}"
    if answer == "would hardly help":
        most = tolerance_text(share=test.is_share)
        return f"More rows would hardly help: {text}, which is less than {most}"
    opening = f"Cannot tell whether more rows would help: {text}; "
    if change.low > 0:
        return opening + "but with all of them it is not shown to predict better than a constant"
    if by_repeat > by_test.margin:
        return opening + "the networks differ much by the rows they get: use more repeats"
    p_value = min(lead_p_values(change, 0.0)[0], lead_p_values(change, TOLERANCE)[1])
    rows = len(test.rows)
    need, there = needed_rows(rows, p_value, LEVEL), f"there are {rows:,} test rows"
    if math.isnan(need):
        return opening + there
    return opening + f"{there}, and a change of this size needs {needed_text(need)}"
