"""Figures on weights: their distribution, and the exact zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from bridle.report.figures.shared import LABEL, by_color
from bridle.report.formatting import clean, number
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["WeightArray", "weight_histograms", "zero_map"]

WeightArray = np.ndarray[Any, np.dtype[Any]]
BINS = 48
BLOCKS = 32


def weight_histograms(
    panels: Sequence[tuple[str, Mapping[str, WeightArray]]],
    *,
    name: str,
    title: str,
    colors: Mapping[str, str],
    caption: str = "",
) -> Figure:
    """Draw histograms of nonzero weights; the share of exact zeros is given as text.

    Parameters
    ----------
    panels : sequence of (title, {series: weights})
        All panels share one scale. Bins have equal width; the first and the last also count the
        weights beyond them.
    name, title : str
        Of the figure.
    colors : dict of str to str
        The color of each series.
    caption : str
    """
    everything = [w for _, series in panels for w in series.values()]
    sizes = np.concatenate([np.abs(w[w != 0]) for w in everything] or [np.ones(1)])
    reach = max(float(np.quantile(sizes, 0.998)) if len(sizes) else 1.0, 1e-12)
    edges = np.linspace(-reach, reach, BINS + 1)
    tables: list[tuple[str, list[str], pd.DataFrame, float]] = []
    rows = []
    for label, series in panels:
        parts = []
        for who, weights in series.items():
            alive = weights[weights != 0]
            counts, _ = np.histogram(alive.clip(-reach, reach), bins=edges)
            parts.append(
                pd.DataFrame(
                    {
                        "low": edges[:-1],
                        "high": edges[1:],
                        "share": counts / max(weights.size, 1),
                        "who": who,
                    }
                )
            )
            zeros = float((weights == 0).mean()) if weights.size else 0.0
            rows.append(
                (
                    label,
                    who,
                    f"{weights.size:,}",
                    f"{100 * zeros:.1f} %",
                    number(float(np.sqrt(np.mean(np.square(weights))))),
                    number(float(np.abs(weights).max(initial=0))),
                )
            )
        alone = zeros if len(series) == 1 else 0.0
        tables.append((label, list(series), pd.concat(parts), alone))
    top = max(float(frame["share"].max()) for _, _, frame, _ in tables)
    drawn = tuple(
        Panel(label, _histogram(frame, {who: colors[who] for who in series}, top, zeros))
        for label, series, frame, zeros in tables
    )
    grid = Grid(
        f"{title}, as a table",
        ("layer", "network", "weights", "exactly 0", "root mean square", "largest"),
        tuple(rows),
        frozenset({2, 3, 4, 5}),
    )
    return Figure(name, title, caption, drawn, grid)


def _histogram(frame: pd.DataFrame, named: Mapping[str, str], top: float, zeros: float) -> Chart:
    base = alt.Chart(frame).encode(
        x=alt.X(
            "low:Q",
            title="weight",
            scale=alt.Scale(nice=False),
            axis=alt.Axis(tickCount=4, format="~g"),
        ),
        color=by_color("who", named, legend=len(named) > 1),
    )
    # on a square root scale a few large weights are visible beside many small ones
    y = alt.Y(
        "share:Q",
        title="share (square root scale)",
        stack=None,
        scale=alt.Scale(type="sqrt", domain=[0, 1.3 * top]),
        axis=alt.Axis(format="~%", tickCount=4),
    )
    tips = [
        alt.Tooltip("who:N", title="network"),
        alt.Tooltip("low:Q", title="from", format=".3g"),
        alt.Tooltip("high:Q", title="to", format=".3g"),
        alt.Tooltip("share:Q", title="share of weights", format=".2%"),
    ]
    text = alt.Chart(pd.DataFrame({"text": [f"{100 * zeros:.0f} % exactly 0"]}))
    label_layers = (
        [
            text.mark_text(align="right", baseline="top", dx=-2, dy=2).encode(
                text="text:N", x=alt.value("width"), y=alt.value(0)
            )
        ]
        if zeros > 0.005
        else []
    )
    return alt.layer(
        *label_layers,
        base.mark_area(interpolate="step-after", opacity=0.16, line=False).encode(y=y),
        base.mark_line(interpolate="step-after", strokeWidth=1.6).encode(y=y),
        base.mark_rect(opacity=0).encode(x2="high:Q", y=y, y2=alt.datum(0), tooltip=tips),
    ).properties(height=170)


def zero_map(
    layers: Sequence[WeightArray],
    names: Sequence[str],
    caption: str = "",
    *,
    inputs: Sequence[str] = (),
) -> Figure:
    """Draw a map of exact zeros for each layer: inputs across, units down.

    Parameters
    ----------
    layers : sequence of float ``[members, inputs, units]``
        The weights of each layer. Each square shows the share of zeros over all members, and over
        a block of weights if the layer has more inputs or units than the map has squares.
    names : sequence of str
    caption : str
    inputs : sequence of str
        The names of the first layer's inputs, for its tooltips.
    """
    panels, rows = [], []
    for at, (weights, name) in enumerate(zip(layers, names, strict=True)):
        zeros = (weights == 0).astype(np.float64).mean(0)
        panels.append(Panel(name, _map(zeros, inputs if at == 0 else ())))
        dead_inputs, dead_units = int((zeros == 1).all(1).sum()), int((zeros == 1).all(0).sum())
        rows.append(
            (
                name,
                f"{weights.size:,}",
                f"{100 * float(zeros.mean()):.1f} %",
                f"{dead_inputs} of {zeros.shape[0]}",
                f"{dead_units} of {zeros.shape[1]}",
            )
        )
    grid = Grid(
        "Exact zeros by layer",
        ("layer", "weights", "exactly 0", "unused inputs", "units without inputs"),
        tuple(rows),
        frozenset({1, 2, 3, 4}),
    )
    return Figure("zeros", "Where weights are exactly zero", caption, tuple(panels), grid)


def _map(zeros: WeightArray, inputs: Sequence[str] = ()) -> alt.Chart:
    across, down = (_edges(size) for size in zeros.shape)
    sums = np.add.reduceat(np.add.reduceat(zeros, across[:-1], axis=0), down[:-1], axis=1)
    shares = sums / np.outer(np.diff(across), np.diff(down))
    i, j = np.meshgrid(np.arange(len(across) - 1), np.arange(len(down) - 1), indexing="ij")
    frame = pd.DataFrame(
        {
            "left": across[i.ravel()],
            "right": across[i.ravel() + 1],
            "top": down[j.ravel()],
            "bottom": down[j.ravel() + 1],
            "share": shares.ravel().round(4),
        }
    )
    if inputs:
        frame["inputs"] = [
            _named(inputs[left:right])
            for left, right in zip(frame["left"], frame["right"], strict=True)
        ]
    else:
        frame["inputs"] = _span(frame["left"], frame["right"])
    frame["units"] = _span(frame["top"], frame["bottom"])
    tight = alt.Scale(nice=False, zero=False)
    wide, tall = (
        alt.Axis(grid=False, format="d", tickCount=min(4, size), tickMinStep=1)
        for size in zeros.shape
    )
    return (
        alt.Chart(frame)
        .mark_rect(color="var(--chosen)")
        .encode(
            x=alt.X("left:Q", title="input", scale=tight, axis=wide),
            x2="right:Q",
            y=alt.Y(
                "top:Q",
                title="unit",
                scale=alt.Scale(nice=False, zero=False, reverse=True),
                axis=tall,
            ),
            y2="bottom:Q",
            opacity=alt.Opacity(
                "share:Q",
                scale=alt.Scale(domain=[0, 1], range=[0.05, 1]),
                legend=alt.Legend(
                    format=".0%",
                    values=[0, 0.5, 1],
                    symbolType="square",
                    symbolFillColor="var(--chosen)",
                    symbolStrokeWidth=0,
                ),
            ),
            tooltip=[
                alt.Tooltip("inputs:N", title="inputs"),
                alt.Tooltip("units:N", title="units"),
                alt.Tooltip("share:Q", title="exactly 0", format=".0%"),
            ],
        )
        .properties(height=180)
    )


def _named(names: Sequence[str]) -> str:
    """Return the names of a few inputs; of more, the first and the last."""
    first, last = clean(names[0], LABEL), clean(names[-1], LABEL)
    if len(names) < 3:
        return ", ".join(dict.fromkeys((first, last)))
    return f"{first} to {last}"


def _edges(size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.unique(np.linspace(0, size, min(size, BLOCKS) + 1).round().astype(np.int64))


def _span(low: pd.Series[Any], high: pd.Series[Any]) -> list[str]:
    return [f"{a}" if b - a == 1 else f"{a} to {b - 1}" for a, b in zip(low, high, strict=True)]
