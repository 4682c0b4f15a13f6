"""Rows and probabilities: calibration, and the rows that were predicted worst."""

from __future__ import annotations

import re
from typing import Any

from bridle.diagnosis import WorstRow
from bridle.models.table_model import TableModel
from bridle.report.figures import reliability, truth_and_prediction
from bridle.report.material import Material
from bridle.report.records import Grid, Section
from bridle.report.words import number, short

__all__ = ["calibration", "worst"]

MOST_ROWS = 15
MOST_COLUMNS = 5
CELL, HEAD = 60, 40
CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]")


def calibration(material: Material) -> Section | None:
    """Say whether probabilities are what they say, or how far off values are."""
    values = material.test_values
    if values is not None:
        caption = (
            "A dot is a row of the test part. On the dashed line predictions are exact; above it "
            "they are too high."
        )
        figure = truth_and_prediction(*values, caption)
        return Section("calibration", "How far off is it?", (), (figure,))
    found = None if material.diagnosis is None else material.diagnosis.calibration
    if found is None or not found.bins:
        return None
    sure = found.overconfidence
    manner = (
        "too sure of itself"
        if sure.low > 0
        else "too modest"
        if sure.high < 0
        else "neither too sure nor too modest, as far as these rows tell"
    )
    caption = (
        "A dot is a bin of rows: where it lies below the dashed line, fewer were right than "
        "was stated. Lines are 95 % intervals, dots are larger where there are more rows."
    )
    text = (
        f"The model is {manner}: its stated probability is on average "
        f"{100 * abs(sure.value):.1f} points {'above' if sure.value > 0 else 'below'} the share "
        f"that is right on {_on(found.part)} rows.",
        f"The expected calibration error is {100 * found.ece:.1f} %; probabilities that are "
        f"exactly right would have {100 * found.ece_if_calibrated:.1f} % with so many rows "
        f"(p = {number(found.p_value)}). The negative log-likelihood is "
        f"{number(found.nll.value)} nats a row, the Brier score {number(found.brier.value)}.",
    )
    return Section(
        "calibration", "Are its probabilities true?", text, (reliability(found.bins, caption),)
    )


def _on(part: str) -> str:
    """Return a part's name as it stands before "rows"."""
    return part.replace(" ", "-")


def worst(material: Material) -> Section | None:
    """List the rows that were predicted worst."""
    rows = () if material.diagnosis is None else material.diagnosis.worst
    if not rows:
        return None
    columns = [name for name in rows[0].values if name != _target(material)]
    shown = _weightiest(material.model, columns)
    text = _worst_text(rows, material.model, columns, shown)
    return Section("worst", "The rows it gets most wrong", (text,), (), (_worst_grid(rows, shown),))


def _target(material: Material) -> str | None:
    return None if material.model is None else material.model.target_name


def _weightiest(model: TableModel | None, columns: list[str]) -> list[str]:
    """Return the few columns that the first layer weighs most, the most weighty first."""
    if model is None or len(columns) <= MOST_COLUMNS:
        return columns[:MOST_COLUMNS]
    known = set(columns)
    sizes = model.network.weights[0].detach().square().sum((0, 2)).tolist()
    sums = dict.fromkeys(columns, 0.0)
    for feature, size in zip(model.encoder.feature_names, sizes, strict=True):
        # "town=Ulm" is of the column "town", whose name may have an equals sign too
        ends = [len(feature), *(at for at, sign in enumerate(feature) if sign in "= ")]
        own = next((feature[:at] for at in sorted(ends)[::-1] if feature[:at] in known), None)
        if own is not None:
            sums[own] += size
    return sorted(columns, key=lambda name: -sums[name])[:MOST_COLUMNS]


def _worst_text(
    rows: tuple[WorstRow, ...], model: TableModel | None, columns: list[str], shown: list[str]
) -> str:
    parts = " and ".join(dict.fromkeys(_on(row.part) for row in rows))
    text = (
        f"Of the {parts} rows, the worst first; they are counted from 0. Look here for wrong "
        "labels, for rows of another kind, and for what the columns do not tell."
    )
    if len(columns) > len(shown):
        which = "that come first" if model is None else "that the first layer weighs most"
        whole = len(columns) if model is None else max(len(columns), len(model.encoder.columns))
        among = "" if whole == len(columns) else f"the first {len(columns)} of "
        text += f" Of {among}{whole:,} columns the {len(shown)} {which} are shown."
    return text


def _worst_grid(rows: tuple[WorstRow, ...], names: list[str]) -> Grid:
    classes = any(row.probability is not None for row in rows)
    figure = "probability of the truth" if classes else "squared error"
    head = ("row", "truth", "predicted", figure, *(clean(name, HEAD) for name in names))
    cells = tuple(
        (
            str(row.row),
            _value(row.truth),
            _value(row.prediction),
            number(row.probability if classes else row.loss),
            *(_value(row.values.get(name, "")) for name in names),
        )
        for row in rows[:MOST_ROWS]
    )
    numeric = {
        4 + at
        for at, name in enumerate(names)
        if all(isinstance(row.values.get(name), int | float) for row in rows)
    }
    values = not classes and all(isinstance(row.truth, int | float) for row in rows)
    numeric |= {0, 3} | ({1, 2} if values else set())
    return Grid("The worst-predicted rows", head, cells, frozenset(numeric))


def _value(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else clean(value, CELL)


def clean(value: Any, most: int) -> str:
    """Return a text of a table for the page: short, without marks that turn the text around it."""
    return short(CONTROLS.sub("", str(value)), most)
