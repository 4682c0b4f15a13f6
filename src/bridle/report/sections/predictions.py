"""The sections on predictions: calibration, and the worst-predicted rows."""

from __future__ import annotations

from typing import Any

from bridle.diagnosis import WorstRow
from bridle.networks.embedding import squares_of_inputs
from bridle.report.figures import reliability
from bridle.report.formatting import clean, number
from bridle.report.inputs import ReportInputs
from bridle.report.records import Grid, Section

__all__ = ["calibration", "worst"]

MOST_ROWS = 15
MOST_COLUMNS = 5
CELL, HEAD = 60, 40


def calibration(inputs: ReportInputs) -> Section | None:
    """Show the calibration of predicted probabilities."""
    found = None if inputs.diagnosis is None else inputs.diagnosis.calibration
    if found is None or not found.bins:
        return None
    over = found.overconfidence
    verdict = (
        "overconfident"
        if over.low > 0
        else "underconfident"
        if over.high < 0
        else "neither clearly overconfident nor clearly underconfident"
    )
    caption = (
        "Each dot is a bin of rows; larger dots have more rows. Below the dashed line the "
        "accuracy is lower than the predicted probability. Lines are 95 % intervals."
    )
    text = (
        f"The model is {verdict}: on {_on(found.part)} rows the mean predicted probability is "
        f"{100 * abs(over.value):.1f} points {'above' if over.value > 0 else 'below'} the "
        "accuracy.",
        f"The expected calibration error is {100 * found.ece:.1f} %. A perfectly calibrated model "
        f"would have {100 * found.ece_if_calibrated:.1f} % on this number of rows "
        f"(p = {number(found.p_value)}). The negative log-likelihood is "
        f"{number(found.nll.value)} nats per row and the Brier score {number(found.brier.value)}.",
    )
    return Section("calibration", "Calibration", text, (reliability(found.bins, caption),))


def _on(part: str) -> str:
    """Return a part's name with hyphens, to precede "rows"."""
    return part.replace(" ", "-")


def worst(inputs: ReportInputs) -> Section | None:
    """List the worst-predicted rows."""
    rows = () if inputs.diagnosis is None else inputs.diagnosis.worst
    if not rows:
        return None
    columns = [name for name in rows[0].values if name != _target(inputs)]
    shown = _first(inputs, columns)
    text = _worst_text(rows, inputs, columns, shown)
    return Section("worst", "The worst-predicted rows", (text,), (), (_worst_grid(rows, shown),))


def _target(inputs: ReportInputs) -> str | None:
    return None if inputs.model is None else inputs.model.target_name


def _first(inputs: ReportInputs, columns: list[str]) -> list[str]:
    """Return the columns to show: the most important, else those with the largest weights."""
    model = inputs.model
    if model is None or len(columns) <= MOST_COLUMNS:
        return columns[:MOST_COLUMNS]
    order = {name: at for at, name in enumerate(inputs.important)}
    sums = dict.fromkeys(columns, 0.0)
    sizes = squares_of_inputs(model.network.embedding, model.network.weights[0]).tolist()
    for name, size in zip(model.encoder.feature_columns, sizes, strict=True):
        if name in sums:
            sums[name] += size
    ranked = sorted(columns, key=lambda name: (order.get(name, len(order)), -sums[name]))
    return ranked[:MOST_COLUMNS]


def _worst_text(
    rows: tuple[WorstRow, ...], inputs: ReportInputs, columns: list[str], shown: list[str]
) -> str:
    model = inputs.model
    parts = " and ".join(dict.fromkeys(_on(row.part) for row in rows))
    text = (
        f"These are the {parts} rows with the highest loss, the highest first. Row numbers start "
        "at 0. Look for wrong labels, for unusual rows, and for information that the columns lack."
    )
    if len(columns) > len(shown):
        known = "that matter most" if inputs.important else "with the largest first-layer weights"
        whole = len(columns) if model is None else max(len(columns), len(model.encoder.columns))
        among = "" if whole == len(columns) else f"the first {len(columns)} of "
        chosen = f"the first {len(shown)}" if model is None else f"the {len(shown)} {known}"
        text += f" Of {among}{whole:,} columns, {chosen} are shown."
    return text


def _worst_grid(rows: tuple[WorstRow, ...], names: list[str]) -> Grid:
    classes = any(row.probability is not None for row in rows)
    figure = "probability of the true class" if classes else "squared error"
    head = ("row", "true", "predicted", figure, *(clean(name, HEAD) for name in names))
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
    return Grid("The worst-predicted rows", head, cells, frozenset(numeric), stacked=True)


def _value(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else clean(value, CELL)
