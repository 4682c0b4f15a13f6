"""Numbers and texts, formatted for readers."""

from __future__ import annotations

import math
import re

from bridle.statistics import wording
from bridle.statistics.scores import Estimate

__all__ = [
    "LABELS",
    "clean",
    "gap_text",
    "label_of",
    "margin_text",
    "number",
    "score_text",
    "sentence",
    "short",
    "signed_points",
]

LABELS = {
    "learning_rate": "learning rate",
    "l1": "L1",
    "l2": "L2",
    "keep_prob": "dropout (keep)",
    "input_keep_prob": "input dropout (keep)",
    "drop_connect_keep_prob": "DropConnect (keep)",
    "max_norm": "max-norm",
    "label_smoothing": "label smoothing",
    "mixup": "mixup",
    "averaging": "weight averaging",
    "class_weight": "class weights",
    "bins": "numerical bins",
    "embedding": "embedding of numbers",
}
"""Display names of the hyperparameters."""


def label_of(name: str) -> str:
    """Return the display name of a hyperparameter."""
    return LABELS.get(name, name.replace("_", " "))


def number(value: float | None) -> str:
    """Return a number with three significant digits; a dash for None.

    Examples
    --------
    >>> number(0.12345), number(12345.6), number(None)
    ('0.123', '12,346', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def score_text(value: float, *, share: bool) -> str:
    """Return a score: in per cent for a share, else with three decimals.

    Examples
    --------
    >>> score_text(0.745, share=True), score_text(-0.5, share=False)
    ('74.5 %', '−0.500')
    """
    text = wording.score_text(value, share=share) + " %" * (share and not math.isnan(value))
    return text.replace("-", "−")


def gap_text(estimate: Estimate, *, share: bool, signed: bool = False) -> str:
    """Return a difference of scores with its interval.

    Examples
    --------
    >>> gap_text(Estimate(0.255, 0.195, 0.315), share=True)
    '25.5 ± 6.0 points'
    """
    return wording.estimate_text(estimate, share=share, signed=signed).replace("-", "−")


def margin_text(estimate: Estimate, *, share: bool) -> str:
    """Return half the width of an interval, or its ends; an empty text if it has none.

    Examples
    --------
    >>> margin_text(Estimate(0.5, 0.4, 0.6), share=True)
    '± 10.0'
    """
    return wording.margin_text(estimate, share=share).replace("-", "−")


def sentence(text: str) -> str:
    """Return a text as a sentence, with a capital letter and a full stop.

    Examples
    --------
    >>> sentence("more new rows")
    'More new rows.'
    """
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def short(text: object, most: int = 80) -> str:
    """Return a text of at most ``most`` characters; a shortened text ends in an ellipsis."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]")


def clean(value: object, most: int) -> str:
    """Return a text from a table, shortened and without bidirectional control characters."""
    return short(CONTROLS.sub("", str(value)), most)


def signed_points(value: float, *, share: bool) -> str:
    """Return a difference of scores with its sign and unit.

    Examples
    --------
    >>> signed_points(0.0251, share=True), signed_points(-0.0251, share=False)
    ('+2.5 points', '−0.025')
    """
    text = wording.score_text(value, share=share, signed=True).replace("-", "−")
    return text + " points" * share
