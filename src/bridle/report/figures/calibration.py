"""Figures on predictions: the reliability diagram, and predicted against true values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from bridle.diagnosis import Bin, Residuals
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["reliability", "truth_and_prediction"]


def reliability(bins: Sequence[Bin], caption: str = "") -> Figure:
    """Draw the reliability diagram: accuracy against predicted probability.

    Parameters
    ----------
    bins : sequence of Bin
        Non-empty bins.
    caption : str
    """
    frame = pd.DataFrame(
        {
            "confidence": each.confidence,
            "accuracy": each.accuracy.value,
            "low": each.accuracy.low,
            "high": each.accuracy.high,
            "rows": each.rows,
        }
        for each in bins
    )
    grid = Grid(
        "Predicted probability and accuracy by bin",
        ("predicted probability", "accuracy", "95 % interval", "rows"),
        tuple(map(_bin_row, bins)),
        frozenset({0, 1, 2, 3}),
    )
    panels = (Panel("", _reliability_chart(frame)),)
    return Figure("calibration", "Reliability diagram", caption, panels, grid)


def _bin_row(each: Bin) -> tuple[str, ...]:
    accuracy = each.accuracy
    return (
        f"{100 * each.confidence:.1f} %",
        f"{100 * accuracy.value:.1f} %",
        f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %",
        str(each.rows),
    )


def _reliability_chart(frame: pd.DataFrame) -> Chart:
    """Return the bins with their intervals, beside the diagonal of perfect calibration."""
    least = max(0.0, float(frame[["confidence", "low"]].min().min()) - 0.03)
    scale = alt.Scale(domain=[least, 1], nice=False)
    percent = alt.Axis(format="%", tickCount=5)
    exact = alt.Chart(pd.DataFrame({"at": [least, 1.0]}))
    base = alt.Chart(frame).encode(
        x=alt.X("confidence:Q", title="predicted probability", scale=scale, axis=percent),
        tooltip=[
            alt.Tooltip("confidence:Q", title="predicted", format=".1%"),
            alt.Tooltip("accuracy:Q", title="accuracy", format=".1%"),
            alt.Tooltip("low:Q", title="interval from", format=".1%"),
            alt.Tooltip("high:Q", title="interval to", format=".1%"),
            alt.Tooltip("rows:Q", title="rows"),
        ],
    )
    y = alt.Y("accuracy:Q", title="accuracy", scale=scale, axis=percent)
    return alt.layer(
        exact.mark_line(color="var(--muted)", strokeDash=[4, 4], strokeWidth=1).encode(
            x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale)
        ),
        base.mark_rule(color="var(--chosen)", strokeWidth=2.5, opacity=0.45).encode(
            y=alt.Y("low:Q", scale=scale), y2="high:Q"
        ),
        base.mark_point(color="var(--chosen)", filled=True, opacity=1).encode(
            y=y,
            size=alt.Size(
                "rows:Q",
                scale=alt.Scale(range=[30, 260], zero=True),
                legend=alt.Legend(
                    title="rows",
                    titleOrient="left",
                    symbolFillColor="var(--chosen)",
                    symbolStrokeWidth=0,
                    tickCount=3,
                ),
            ),
        ),
    ).properties(height=280)


def truth_and_prediction(found: Residuals, caption: str = "") -> Figure:
    """Draw predicted against true values, and the errors against the predicted values.

    Parameters
    ----------
    found : Residuals
    caption : str
    """
    frame = pd.DataFrame({"truth": found.truth, "predicted": found.predicted})
    frame["error"] = frame["predicted"] - frame["truth"]
    both = frame[["truth", "predicted"]]
    low, high = float(both.min().min()), float(both.max().max())
    scale = alt.Scale(domain=[low, high], nice=True, zero=False)
    exact = pd.DataFrame({"truth": [low, high], "predicted": [low, high]})
    panels = (
        Panel(
            "Predicted against true values",
            _dots(
                frame,
                exact,
                alt.X("truth:Q", title="true value", scale=scale),
                alt.Y("predicted:Q", title="predicted value", scale=scale),
            ),
        ),
        Panel(
            "Errors against predicted values",
            _dots(
                frame,
                pd.DataFrame({"predicted": frame["predicted"].agg(["min", "max"]), "error": 0.0}),
                alt.X("predicted:Q", title="predicted value", scale=alt.Scale(zero=False)),
                alt.Y("error:Q", title="predicted minus true"),
            ),
        ),
    )
    rows = tuple(
        (label, f"{value:.4g}")
        for label, value in (
            ("mean error", found.mean_error),
            ("root mean squared error", found.root_mean_square),
            ("median absolute error", found.median_absolute),
            ("90th percentile of the absolute error", found.absolute_90),
        )
    )
    grid = Grid("Errors, in the target's units", ("measure", "value"), rows, frozenset({1}))
    return Figure("errors", "Predictions and their errors", caption, panels, grid)


def _dots(frame: pd.DataFrame, line: pd.DataFrame, x: alt.X, y: alt.Y) -> Chart:
    """Return a dot for each row, and a dashed line where predictions are exact."""
    tips = [
        alt.Tooltip(f"{field}:Q", title=title, format=".4~g")
        for field, title in (("truth", "true"), ("predicted", "predicted"), ("error", "error"))
    ]
    return alt.layer(
        alt.Chart(line)
        .mark_line(color="var(--muted)", strokeDash=[4, 4], strokeWidth=1)
        .encode(x=x, y=y),
        alt.Chart(frame)
        .mark_point(color="var(--chosen)", filled=True, size=26, opacity=0.55)
        .encode(x=x, y=y, tooltip=tips),
    ).properties(height=280)
