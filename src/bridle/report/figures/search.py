"""Figures on a search: importance of each hyperparameter, and the score by its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from bridle.report.formatting import label_of, number
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["importance_bars", "tried"]

Array = np.ndarray[Any, np.dtype[Any]]
LOGARITHMIC = frozenset({"learning_rate", "l1", "l2", "max_norm"})
MOST_POINTS, FEW = 600, 5


def importance_bars(importance: dict[str, float], caption: str = "") -> Figure:
    """Draw the permutation importance of each hyperparameter.

    Parameters
    ----------
    importance : dict of str to float
    caption : str
    """
    frame = pd.DataFrame(
        {"name": label_of(name), "drop": max(value, 0.0)} for name, value in importance.items()
    )
    chart = (
        alt.Chart(frame)
        .mark_bar(color="var(--chosen)", height=10, cornerRadius=2)
        .encode(
            x=alt.X("drop:Q", title="R² lost when shuffled"),
            y=alt.Y(
                "name:N",
                sort=None,
                title=None,
                axis=alt.Axis(labelFontSize=13, labelColor="var(--ink)"),
            ),
            tooltip=[
                alt.Tooltip("name:N", title="hyperparameter"),
                alt.Tooltip("drop:Q", title="importance", format=".3f"),
            ],
        )
        .properties(height=24 * len(frame))
    )
    grid = Grid(
        "Importance of each hyperparameter",
        ("hyperparameter", "importance"),
        tuple((label_of(name), f"{value:.3f}") for name, value in importance.items()),
        frozenset({1}),
    )
    return Figure(
        "importance", "Which hyperparameters mattered", caption, (Panel("", chart),), grid
    )


def tried(
    configurations: pd.DataFrame,
    response: pd.DataFrame,
    *,
    score_name: str,
    percent: bool,
    most: int = 6,
    caption: str = "",
) -> Figure:
    """Draw each configuration's first-rung score by its hyperparameters, and the mean score.

    Parameters
    ----------
    configurations : DataFrame
        A column for each hyperparameter, and ``first_score``.
    response : DataFrame
        ``strength``, ``value``, ``score``: the hyperparameters to draw, the most important first.
    score_name : str
    percent : bool
    most : int
        How many hyperparameters to draw.
    caption : str
    """
    names = list(dict.fromkeys(response["strength"]))[:most]
    sample = configurations.head(MOST_POINTS)
    scores = sample["first_score"].to_numpy(dtype=float)
    fine = np.isfinite(scores)
    low, high = np.quantile(scores[fine], [0.03, 1.0])
    scale = alt.Scale(domain=[float(low), float(high)], clamp=True, nice=True)
    axis = alt.Axis(format="%" if percent else ".2f", tickCount=4)
    panels, rows = [], []
    for name in names:
        course = response[response["strength"] == name]
        panels.append(
            Panel(label_of(name), _response(name, sample[fine], course, scale, axis, score_name))
        )
        rows += [
            (label_of(name), _value(name, row.value), f"{row.score:.3f}")
            for row in course.itertuples()
        ]
    grid = Grid(
        f"Mean {score_name} of the first rung by hyperparameter",
        ("hyperparameter", "value", score_name),
        tuple(rows),
        frozenset({1, 2}),
    )
    return Figure("tried", "Score by hyperparameter", caption, tuple(panels), grid)


def _value(name: str, value: float) -> str:
    off = not np.isfinite(value) or (name in LOGARITHMIC and value == 0)
    return "off" if off else number(value)


def _placed(name: str, values: pd.Series[float]) -> tuple[Array, float]:
    """Return the axis positions of values, and that of "off"; NaN if none is off."""
    numbers = values.to_numpy(dtype=np.float64)
    off = ~np.isfinite(numbers) | ((numbers == 0) if name in LOGARITHMIC else False)
    on = numbers[~off]
    if not off.any() or not len(on):
        return numbers, float("nan")
    least, most = float(on.min()), float(on.max())
    beyond = {"max_norm": most * 3, "averaging": most * 1.4}
    at = beyond.get(name, least / 5)
    return np.where(off, at, numbers).astype(np.float64), at


def _response(
    name: str,
    sample: pd.DataFrame,
    course: pd.DataFrame,
    scale: alt.Scale,
    axis: alt.Axis,
    score_name: str,
) -> Chart:
    """Return one panel: a dot for each configuration, a line for the mean score."""
    both = pd.concat([sample[name].astype(float), course["value"].astype(float)])
    places, off = _placed(name, both)
    texts = [_value(name, each) for each in both]
    count = len(sample)
    dots = pd.DataFrame(
        {
            "at": places[:count],
            "score": sample["first_score"].to_numpy(dtype=float),
            "value": texts[:count],
            "id": sample["id"].to_numpy(),
        }
    )
    line = pd.DataFrame(
        {"at": places[count:], "score": course["score"].to_numpy(), "value": texts[count:]}
    )
    x = _x(name, places, off)
    y = alt.Y("score:Q", title=None, scale=scale, axis=axis)
    percent = axis.to_dict()["format"] == "%"
    tips = [
        alt.Tooltip("value:N", title=label_of(name)),
        alt.Tooltip("score:Q", title=score_name, format=".1%" if percent else ".3f"),
    ]
    return alt.layer(
        alt.Chart(dots)
        .mark_point(size=18, filled=True, color="var(--plain)", opacity=0.45)
        .encode(x=x, y=y, tooltip=[alt.Tooltip("id:N", title="configuration"), *tips]),
        alt.Chart(line)
        .mark_line(color="var(--chosen)", point={"color": "var(--chosen)", "size": 30})
        .encode(x=x, y=y, tooltip=tips),
    ).properties(height=150)


def _x(name: str, places: Array, off: float) -> alt.X:
    """Return the horizontal axis of a hyperparameter, with "off" beyond its other values."""
    logarithmic = name in LOGARITHMIC
    scale = (
        alt.Scale(type="log", nice=False, padding=8)
        if logarithmic
        else alt.Scale(type="linear", nice=False, zero=False, padding=8)
    )
    exponents = logarithmic and name != "max_norm"
    labels = f"format(datum.value, '{'~e' if exponents else '~g'}')"
    expression = labels if np.isnan(off) else f"datum.value == {off!r} ? 'off' : {labels}"
    ticks = alt.Undefined if np.isnan(off) else _ticks(places, off, log=logarithmic)
    overlap: bool = True
    if not logarithmic and len(distinct := np.unique(places)) <= FEW:
        ticks, overlap = distinct.tolist(), False
    axis = alt.Axis(labelExpr=expression, tickCount=3, values=ticks, labelOverlap=overlap)
    return alt.X("at:Q", title=None, scale=scale, axis=axis)


def _ticks(places: Array, off: float, *, log: bool) -> list[float]:
    on = places[places != off]
    if not log:
        return [*np.linspace(on.min(), on.max(), 3).round(2).tolist(), off]
    powers = np.arange(np.floor(np.log10(on.min())), np.ceil(np.log10(on.max())) + 1)
    inside = [10.0**p for p in powers if on.min() <= 10.0**p <= on.max()]
    return [*(inside or [float(on.min()), float(on.max())]), off]
