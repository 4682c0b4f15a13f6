"""Whether probabilities are what they say."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from bridle.diagnosis import Bin
from bridle.report.records import Figure, Grid, Panel

__all__ = ["reliability"]


def reliability(bins: Sequence[Bin], caption: str = "") -> Figure:
    """Draw the share that is right by the probability that was stated, beside the diagonal.

    Parameters
    ----------
    bins : sequence of Bin
        Those that have rows.
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
    least = max(0.0, float(frame[["confidence", "low"]].min().min()) - 0.03)
    scale = alt.Scale(domain=[least, 1], nice=False)
    percent = alt.Axis(format="%", tickCount=5)
    exact = alt.Chart(pd.DataFrame({"at": [least, 1.0]}))
    base = alt.Chart(frame).encode(
        x=alt.X("confidence:Q", title="probability that was stated", scale=scale, axis=percent),
        tooltip=[
            alt.Tooltip("confidence:Q", title="stated", format=".1%"),
            alt.Tooltip("accuracy:Q", title="right", format=".1%"),
            alt.Tooltip("low:Q", title="at least", format=".1%"),
            alt.Tooltip("high:Q", title="at most", format=".1%"),
            alt.Tooltip("rows:Q", title="rows"),
        ],
    )
    y = alt.Y("accuracy:Q", title="share that is right", scale=scale, axis=percent)
    chart = alt.layer(
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
                    title="rows", titleOrient="left", symbolFillColor="var(--chosen)",
                    symbolStrokeWidth=0, tickCount=3,
                ),
            ),
        ),
    ).properties(height=280)
    rows = tuple(
        (
            f"{100 * each.confidence:.1f} %",
            f"{100 * each.accuracy.value:.1f} %",
            f"{100 * each.accuracy.low:.1f} to {100 * each.accuracy.high:.1f} %",
            str(each.rows),
        )
        for each in bins
    )
    grid = Grid(
        "Stated probability and share that is right",
        ("stated", "right", "95 % interval", "rows"),
        rows,
        frozenset({0, 1, 2, 3}),
    )
    return Figure("calibration", "Stated and true", caption, (Panel("", chart),), grid)
