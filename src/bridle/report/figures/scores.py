"""Figures that compare networks: scores and gaps with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from bridle.report.figures.shared import by_color
from bridle.report.formatting import gap_text, label_of, score_text
from bridle.report.records import Figure, Grid, Panel
from bridle.statistics.scores import Estimate

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["Measured", "before_and_after", "effects", "winners_shares"]

PLAIN, CHOSEN, BETWEEN = "var(--plain)", "var(--chosen)", "var(--second)"
SHAPES = ["circle", "square", "diamond", "cross"]


@dataclass(frozen=True)
class Measured:
    """A score of one network on one part, or its gap."""

    part: str
    who: str
    value: Estimate


def _frame(measured: Sequence[Measured], *, share: bool, gap: bool) -> pd.DataFrame:
    times = 100 if share else 1
    return pd.DataFrame(
        {
            "part": each.part,
            "who": each.who,
            "value": times * each.value.value,
            "low": times * each.value.low,
            "high": times * each.value.high,
            "text": gap_text(each.value, share=share)
            if gap
            else score_text(each.value.value, share=share),
            "range": _range(each.value, share=share),
        }
        for each in measured
    )


def _range(value: Estimate, *, share: bool) -> str:
    if not value.margin > 0:
        return "–"
    low, high = (f"{100 * end:.1f}" if share else f"{end:.3f}" for end in (value.low, value.high))
    return f"{low} to {high}".replace("-", "−")


def _dots(
    frame: pd.DataFrame,
    title: str,
    colors: dict[str, str],
    *,
    zero: bool,
    step: int,
    before: str = "",
) -> Chart:
    # each interval is a line under its dot; there is a rule at 0 if 0 means "no difference", and a
    # dotted rule at the first value of "before" if all others are compared with it
    parts, who = list(dict.fromkeys(frame["part"])), list(colors)
    y = alt.Y(
        "part:N", sort=parts, title=None, axis=alt.Axis(labelFontSize=13, labelColor="var(--ink)")
    )
    wide = 2 if len(who) > 2 else 0  # columns of the legend; 0 is all
    base = alt.Chart(frame).encode(
        y=y, color=by_color("who", colors, legend=len(who) > 1, columns=wide)
    )
    if len(who) > 1:
        base = base.encode(yOffset=alt.YOffset("who:N", sort=who))
    scale = alt.Scale(zero=False, nice=True)
    tips = [
        alt.Tooltip("part:N", title="part"),
        alt.Tooltip("who:N", title="network"),
        alt.Tooltip("text:N", title="value"),
        alt.Tooltip("range:N", title="95 % interval"),
    ]
    layers: list[alt.Chart] = [
        base.mark_rule(strokeWidth=3, opacity=0.45, strokeCap="round").encode(
            x=alt.X("low:Q", title=title, scale=scale), x2="high:Q", tooltip=tips
        ),
        base.mark_point(size=75, filled=True, opacity=1).encode(
            x="value:Q",
            tooltip=tips,
            shape=alt.Shape(
                "who:N",
                scale=alt.Scale(domain=who, range=SHAPES[: len(who)]),
                legend=alt.Legend(columns=wide) if len(who) > 1 else None,
            ),
        ),
    ]
    if zero:
        none = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="var(--muted)", opacity=0.8)
        layers.insert(0, none.encode(x="zero:Q"))
    if before:
        first = frame[frame["who"] == before].head(1)
        rule = alt.Chart(first).mark_rule(color="var(--muted)", strokeDash=[2, 3])
        layers.insert(0, rule.encode(x="value:Q"))
    return alt.layer(*layers).properties(height=len(parts) * len(who) * step)


def _grid(caption: str, measured: Sequence[Measured], texts: pd.DataFrame) -> Grid:
    rows = tuple(
        (each.part, each.who, *map(str, cells))
        for each, cells in zip(measured, texts[["text", "range"]].to_numpy(), strict=True)
    )
    return Grid(caption, ("part", "network", "value", "95 % interval"), rows, frozenset({2, 3}))


def before_and_after(
    scores: Sequence[Measured],
    gaps: Sequence[Measured],
    *,
    score_name: str,
    share: bool,
    caption: str = "",
    against: str = "test",
) -> Figure:
    """Draw the scores of networks, and their gaps, with intervals.

    Parameters
    ----------
    scores, gaps : sequence of Measured
    score_name : str
    share : bool
        Whether the score is a share, shown in per cent.
    caption : str
    against : str
        The part of the gap's new rows.
    """
    who = list(dict.fromkeys(each.who for each in gaps))
    # the first is plain and the last one is the model, as in all other figures
    networks = dict.fromkeys(who, BETWEEN) | {who[-1]: CHOSEN, who[0]: PLAIN}
    colors = networks | {each.who: networks.get(each.who, "var(--ink)") for each in scores}
    unit, points = (f"{score_name}, %", "points") if share else (score_name, score_name)
    score_frame = _frame(scores, share=share, gap=False)
    gap_frame = _frame(gaps, share=share, gap=True)
    panels = (
        Panel("Scores", _dots(score_frame, unit, colors, zero=False, step=24)),
        Panel(
            f"Gap: training minus {against}", _dots(gap_frame, points, networks, zero=True, step=24)
        ),
    )
    grid = _grid(
        "Scores and gaps with their 95 % intervals",
        [*scores, *gaps],
        pd.concat([score_frame, gap_frame]),
    )
    return Figure("before-and-after", "Scores and gaps, with 95 % intervals", caption, panels, grid)


def effects(
    scores: Sequence[Measured],
    *,
    score_name: str,
    share: bool,
    caption: str = "",
) -> Figure:
    """Draw the training and held-out score of each network trained with one regularizer.

    Parameters
    ----------
    scores : sequence of Measured
        ``part`` is the name of the network, and ``who`` is "training" or "held out".
    score_name : str
    share : bool
    caption : str
    """
    unit = f"{score_name}, %" if share else score_name
    frame = _frame(scores, share=share, gap=False)
    colors = {"training": "var(--training)", "held out": "var(--held-out)"}
    chart = _dots(frame, unit, colors, zero=False, step=15, before="held out")
    grid = Grid(
        "Each regularizer alone, with 95 % intervals",
        ("network", "score", "value", "95 % interval"),
        _grid("", scores, frame).rows,
        frozenset({2, 3}),
    )
    return Figure(
        "by-regularizer",
        f"Training and held-out {score_name}, by regularizer",
        caption,
        (Panel("", chart),),
        grid,
    )


def winners_shares(shares: dict[str, float], caption: str = "") -> Figure:
    """Draw the share of last-rung configurations that use each regularizer.

    Parameters
    ----------
    shares : dict of str to float
    caption : str
    """
    pairs = sorted(shares.items(), key=lambda pair: -pair[1])
    frame = pd.DataFrame({"name": label_of(name), "share": value} for name, value in pairs)
    base = alt.Chart(frame).encode(
        y=alt.Y(
            "name:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelFontSize=13, labelColor="var(--ink)"),
        ),
        tooltip=[
            alt.Tooltip("name:N", title="regularizer"),
            alt.Tooltip("share:Q", title="used by", format=".0%"),
        ],
    )
    x = alt.X(
        "share:Q",
        title="share of configurations",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%"),
    )
    chart = base.mark_bar(color="var(--chosen)", height=10, cornerRadius=2).encode(x=x)
    grid = Grid(
        "Share of last-rung configurations that use each regularizer",
        ("regularizer", "share"),
        tuple((label_of(name), f"{100 * value:.0f} %") for name, value in pairs),
        frozenset({1}),
    )
    chart = chart.properties(height=24 * len(frame))
    return Figure(
        "winners", "Regularizers used in the last rung", caption, (Panel("", chart),), grid
    )
