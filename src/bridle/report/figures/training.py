"""Figures on training: loss curves, and the curves of a search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from bridle.report.figures.shared import by_color, hover_rule, thinned
from bridle.report.formatting import number
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.report.records import Chart

__all__ = ["Curve", "learning_curves", "search_curves"]

MOST_POINTS = 200
MOST_TRIALS = 300


class Curve:
    """The losses of one network by epoch, and the epoch of the lowest held-out loss.

    Parameters
    ----------
    title : str
    epochs : sequence of int
    training : sequence of float, optional
        None if only the held-out loss was recorded.
    held_out : sequence of float
    best : int
        The epoch of the lowest held-out loss.
    """

    def __init__(
        self,
        title: str,
        epochs: Sequence[int],
        training: Sequence[float] | None,
        held_out: Sequence[float],
        best: int,
    ) -> None:
        self.title = title
        self.best = best
        frame = {"epoch": list(epochs), "held_out": list(held_out)}
        if training is not None:
            frame["training"] = list(training)
        self.frame = pd.DataFrame(frame)
        if training is not None:
            self.frame["gap"] = self.frame["held_out"] - self.frame["training"]


def learning_curves(
    curves: Sequence[Curve], *, loss_name: str, unit: str = "epoch", caption: str = ""
) -> Figure:
    """Draw training and held-out loss by epoch, with the gap between them shaded.

    Parameters
    ----------
    curves : sequence of Curve
        One panel each, on a common scale.
    loss_name : str
    unit : {"epoch", "step"}
    caption : str
    """
    values = np.concatenate(
        [
            each.frame.drop(columns=["epoch", "gap"], errors="ignore").to_numpy().ravel()
            for each in curves
        ]
    )
    top = float(np.nanmax(values[np.isfinite(values)], initial=1e-9))
    panels = [
        Panel(each.title, _losses(each, top * 1.04, loss_name, unit, f"near_{at}"))
        for at, each in enumerate(curves)
    ]
    rows = []
    for each in curves:
        chosen = sorted({0, len(each.frame) - 1, int(each.frame["held_out"].argmin())})
        for row in each.frame.iloc[chosen].to_dict("records"):
            cells = (row.get("training"), row["held_out"], row.get("gap"))
            rows.append((each.title, f"{row['epoch']:.0f}", *map(number, cells)))
    grid = Grid(
        f"{loss_name.capitalize()} at the first, the best and the last {unit}",
        ("network", unit, "training", "held out", "gap"),
        tuple(rows),
        frozenset({1, 2, 3, 4}),
    )
    return Figure(
        "learning-curves", "Training and held-out loss by epoch", caption, tuple(panels), grid
    )


def _losses(curve: Curve, top: float, loss_name: str, unit: str, name: str) -> Chart:
    frame = thinned(curve.frame, MOST_POINTS)
    scale = alt.Scale(domain=[0, top], nice=False)
    x = alt.X("epoch:Q", title=unit, axis=alt.Axis(tickMinStep=1, format="d"))
    base = alt.Chart(frame).encode(x=x)
    series = [("training", "training"), ("held_out", "held out")]
    series = [(field, label) for field, label in series if field in frame]
    long = pd.concat(
        [
            pd.DataFrame({"epoch": frame["epoch"], "loss": frame[field], "part": label})
            for field, label in series
        ]
    )
    colors = {label: f"var(--{label.replace(' ', '-')})" for _, label in series}
    lines = (
        alt.Chart(long)
        .mark_line()
        .encode(
            x=x,
            y=alt.Y("loss:Q", title=loss_name, scale=scale),
            color=by_color("part", colors),
            strokeDash=alt.StrokeDash(
                "part:N",
                scale=alt.Scale(domain=list(colors), range=[[5, 3], [1, 0]][-len(colors) :]),
            ),
        )
    )
    best = pd.DataFrame({"epoch": [curve.best], "label": ["best epoch"]})
    marked = alt.Chart(best).encode(x="epoch:Q")
    late = curve.best > 0.6 * float(frame["epoch"].max())
    layers: list[alt.Chart | alt.LayerChart] = [
        marked.mark_rule(strokeDash=[2, 3], color="var(--muted)"),
        marked.mark_text(
            align="right" if late else "left", dx=-5 if late else 5, dy=6, baseline="top"
        ).encode(text="label:N", y=alt.value(0)),
        lines,
    ]
    if "gap" in frame:
        area = base.mark_area(color="var(--held-out)", opacity=0.14).encode(
            y=alt.Y("training:Q", scale=scale), y2="held_out:Q"
        )
        layers.insert(0, area)
    tips = [alt.Tooltip("epoch:Q", title=unit)]
    fields = [*series, ("gap", "gap")] if "gap" in frame else series
    tips += [alt.Tooltip(f"{field}:Q", title=label, format=".4f") for field, label in fields]
    return alt.layer(*layers, hover_rule(base, "epoch", tips, name=name)).properties(height=250)


def search_curves(
    histories: pd.DataFrame,
    *,
    plain: int,
    together: Collection[int],
    score_name: str,
    percent: bool,
    caption: str = "",
) -> Figure:
    """Draw the held-out score of every configuration by training step.

    Parameters
    ----------
    histories : DataFrame
        ``id``, ``step``, ``score``.
    plain : int
        The configuration without regularization.
    together : collection of int
        The configurations of the final model.
    score_name : str
    percent : bool
        Whether the score is a share.
    caption : str
    """
    frame = _shown(histories, plain, together)
    last = frame.sort_values("step").groupby("id").last()
    top = last.sort_values("score", ascending=False).head(10)
    columns = (top[name] for name in ("kind", "step", "score"))
    rows = tuple(
        (str(at), str(kind), f"{step:.0f}", number(score))
        for at, kind, step, score in zip(top.index, *columns, strict=True)
    )
    grid = Grid(
        "The ten best configurations at their last evaluation",
        ("configuration", "kind", "steps", score_name),
        rows,
        frozenset({2, 3}),
    )
    panels = (Panel("", _scores(frame, score_name, percent=percent)),)
    return Figure("search-curves", "Configurations by training step", caption, panels, grid)


def _shown(histories: pd.DataFrame, plain: int, together: Collection[int]) -> pd.DataFrame:
    """Return the finite scores of the best configurations and of those to highlight."""
    last = histories.sort_values("step").groupby("id")["score"].last()
    marked = {plain, *together}
    others = [each for each in last.sort_values(ascending=False).index if each not in marked]
    shown = marked | set(others[:MOST_TRIALS])
    frame = histories.loc[histories["id"].isin(shown), ["id", "step", "score"]].copy()
    frame = frame[np.isfinite(frame["score"])]
    frame["kind"] = np.where(
        frame["id"] == plain, "plain", np.where(frame["id"].isin(together), "chosen", "tried")
    )
    return frame


def _scores(frame: pd.DataFrame, score_name: str, *, percent: bool) -> Chart:
    """Return one line for each configuration, thick for those to highlight."""
    kinds = {"tried": "var(--plain)", "plain": "var(--held-out)", "chosen": "var(--chosen)"}
    low = float(frame["score"].quantile(0.02))
    scale = alt.Scale(domain=[low, float(frame["score"].max())], nice=True, clamp=True)
    axis = alt.Axis(format="%") if percent else alt.Axis()
    encoded = alt.Chart(frame).encode(
        x=alt.X(
            "step:Q",
            title="training steps (logarithmic)",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(format="~s", tickCount=5),
        ),
        y=alt.Y("score:Q", title=f"held-out {score_name}", scale=scale, axis=axis),
        color=by_color("kind", kinds),
        detail="id:N",
    )
    return alt.layer(
        encoded.mark_line(strokeWidth=1, opacity=0.4).transform_filter("datum.kind == 'tried'"),
        encoded.mark_line(strokeWidth=2.2).transform_filter("datum.kind != 'tried'"),
        encoded.mark_point(size=60, opacity=0, filled=True).encode(
            tooltip=[
                alt.Tooltip("id:N", title="configuration"),
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("step:Q", title="steps"),
                alt.Tooltip("score:Q", title=score_name, format=".1%" if percent else ".3f"),
            ]
        ),
    ).properties(height=280)
