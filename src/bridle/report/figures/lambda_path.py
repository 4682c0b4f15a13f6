"""The figure of a λ path: loss or score, and exact zeros, by strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from bridle.report.figures.shared import by_color, hover_rule
from bridle.report.formatting import number
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["PathRow", "strength_path"]

PathRow = tuple[float, float, float, float]
"""λ, training value, held-out value, share of exact zeros."""

HEIGHT = 200
Marks = tuple[list[alt.Chart], list[alt.Chart]]
"""The layers under the lines, and those over them."""


def strength_path(
    paths: Sequence[tuple[str, Sequence[PathRow]]],
    *,
    value_name: str,
    percent: bool = False,
    chosen: dict[str, float] | None = None,
    own: tuple[float, float, float] | None = None,
    mark: str = "this model",
    caption: str = "",
) -> Figure:
    """Draw training value, held-out value and exact zeros by strength, for each penalty.

    Parameters
    ----------
    paths : sequence of (title, rows)
    value_name : str
        For example "accuracy" or "cross-entropy".
    percent : bool
        Whether the value is a share.
    chosen : dict of str to float, optional
        The strength to mark, by title.
    own : tuple of float, optional
        The model's training value, held-out value and share of zeros, drawn at the marked strength.
    mark : str
        The label of the mark.
    caption : str
    """
    values = np.array([row[1:3] for _, rows in paths for row in rows], dtype=float)
    if own is not None:
        values = np.concatenate([values, [own[:2]]])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale = alt.Scale(domain=[low, high], nice=True, zero=False)
    panels, maps, cells = [], [], []
    for at, (title, rows) in enumerate(paths):
        frame = pd.DataFrame(rows, columns=["strength", "training", "held_out", "zeros"])
        strength = (chosen or {}).get(title)
        rule, label = _marked(strength, mark)
        over = [*label, *_own(strength, own and own[:2], scale)]
        chart = _values(frame, value_name, scale, (rule, over), f"near_{at}", percent=percent)
        panels.append(Panel(f"{title}: {value_name}", chart))
        if frame["zeros"].max() > 0:
            over = [*label, *_own(strength, own and own[2:], alt.Scale(domain=[0, 1]))]
            chart = _zeros(frame, (rule, over), f"near_zeros_{at}")
            maps.append(Panel(f"{title}: exact zeros", chart))
        cells += [
            (title, number(r[0]), f"{r[1]:.3f}", f"{r[2]:.3f}", f"{100 * r[3]:.1f} %") for r in rows
        ]
    grid = Grid(
        f"{value_name.capitalize()} and exact zeros by strength",
        ("penalty", "λ", "training", "held out", "exactly 0"),
        tuple(cells),
        frozenset({1, 2, 3, 4}),
    )
    return Figure("lambda-path", "Score and zeros by strength", caption, (*panels, *maps), grid)


def _x(title: str = "λ (stronger to the right)") -> alt.X:
    return alt.X(
        "strength:Q",
        title=title,
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format="~e", tickCount=5),
    )


def _marked(strength: float | None, label: str) -> tuple[list[alt.Chart], list[alt.Chart]]:
    """Return the rule at a strength, and its label, which is readable on lines too."""
    if not strength:
        return [], []
    base = alt.Chart(pd.DataFrame({"strength": [strength], "label": [label]})).encode(x=_x())
    text = base.encode(text="label:N", y=alt.value(HEIGHT / 2))
    halo = text.mark_text(
        align="left", dx=5, baseline="middle", stroke="var(--paper)", strokeWidth=5
    )
    return [base.mark_rule(strokeDash=[2, 3], color="var(--muted)")], [
        halo,
        text.mark_text(align="left", dx=5, baseline="middle"),
    ]


def _own(
    strength: float | None, values: tuple[float, ...] | None, scale: alt.Scale
) -> list[alt.Chart]:
    """Return the model's own values: training and held out, or the share of zeros."""
    if not strength or values is None:
        return []
    colors = ["var(--training)", "var(--held-out)"] if len(values) > 1 else ["var(--chosen)"]
    return [
        alt.Chart(pd.DataFrame({"strength": [strength], "own": [value]}))
        .mark_point(shape="diamond", size=110, filled=True, color=color, opacity=1)
        .encode(x=_x(), y=alt.Y("own:Q", title=None, scale=scale))
        for value, color in zip(values, colors, strict=True)
    ]


def _values(
    frame: pd.DataFrame,
    value_name: str,
    scale: alt.Scale,
    marked: Marks,
    name: str,
    *,
    percent: bool,
) -> Chart:
    colors = {"training": "var(--training)", "held out": "var(--held-out)"}
    long = pd.concat(
        [
            pd.DataFrame({"strength": frame["strength"], "value": frame[field], "part": label})
            for field, label in (("training", "training"), ("held_out", "held out"))
        ]
    )
    base = alt.Chart(frame).encode(x=_x())
    axis = alt.Axis(format="%") if percent else alt.Axis()
    y = alt.Y("value:Q", title=None, scale=scale, axis=axis)
    tips = [
        alt.Tooltip("strength:Q", title="λ", format=".2e"),
        alt.Tooltip(
            "training:Q", title=f"training {value_name}", format=".1%" if percent else ".3f"
        ),
        alt.Tooltip(
            "held_out:Q", title=f"held-out {value_name}", format=".1%" if percent else ".3f"
        ),
    ]
    return alt.layer(
        base.mark_area(color="var(--held-out)", opacity=0.12).encode(
            y=alt.Y("training:Q", scale=scale), y2="held_out:Q"
        ),
        *marked[0],
        alt.Chart(long)
        .mark_line(point={"size": 28, "filled": True})
        .encode(x=_x(), y=y, color=by_color("part", colors)),
        *marked[1],
        hover_rule(base, "strength", tips, name=name),
    ).properties(height=HEIGHT)


def _zeros(frame: pd.DataFrame, marked: Marks, name: str) -> Chart:
    base = alt.Chart(frame).encode(x=_x())
    tips = [
        alt.Tooltip("strength:Q", title="λ", format=".2e"),
        alt.Tooltip("zeros:Q", title="exactly 0", format=".1%"),
    ]
    y = alt.Y("zeros:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    return alt.layer(
        *marked[0],
        base.mark_line(color="var(--chosen)", point={"size": 28, "color": "var(--chosen)"}).encode(
            y=y
        ),
        *marked[1],
        hover_rule(base, "strength", tips, name=name),
    ).properties(height=HEIGHT)
