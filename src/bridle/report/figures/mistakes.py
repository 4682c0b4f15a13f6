"""Figures on mistakes: confused classes, ROC curves, and the importance of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from bridle.diagnosis import Confusion, RocCurve
from bridle.report.figures.shared import labels_of
from bridle.report.formatting import number, signed_points
from bridle.report.records import Figure, Grid, Panel

if TYPE_CHECKING:
    from bridle.diagnosis.importance import ImportanceOfColumns
    from bridle.report.records import Chart

__all__ = ["column_importance", "confusion_matrix", "roc_figure"]

MOST_CLASSES, MOST_CURVES, MOST_COLUMNS, MOST_ROWS = 12, 5, 15, 60
COLORS = ("var(--chosen)", "var(--second)", "var(--held-out)", "var(--training)", "var(--plain)")
LABELLED: dict[str, Any] = {"labelColor": "var(--ink)", "labelFontSize": 13}
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3])


def confusion_matrix(found: Confusion, caption: str = "") -> Figure:
    """Draw how often each class is predicted as each other.

    Parameters
    ----------
    found : Confusion
        Of more than 12 classes, the rarest are drawn as one.
    caption : str
    """
    counts = np.array(found.counts)
    labels, drawn = _fewer(found.classes, counts)
    shares = drawn / np.maximum(drawn.sum(1, keepdims=True), 1)
    frame = pd.DataFrame(
        {
            "true": truth,
            "predicted": said,
            "rows": int(drawn[i, j]),
            "share": float(shares[i, j]),
        }
        for i, truth in enumerate(labels)
        for j, said in enumerate(labels)
    )
    across = alt.Axis(orient="top", labelAngle=0 if len(labels) < 5 else -40, **LABELLED)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "predicted:N",
            sort=labels,
            title="predicted",
            axis=across,
        ),
        y=alt.Y("true:N", sort=labels, title="true", axis=alt.Axis(**LABELLED)),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("rows:Q"),
            alt.Tooltip("share:Q", title="share of the true class", format=".1%"),
        ],
    )
    # the numbers are read on the squares, so no square is darker than that
    opacity = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.5]), legend=None)
    few = len(labels) <= MOST_CURVES
    layers = [
        base.mark_rect(color="var(--chosen)", stroke="var(--line)").encode(opacity=opacity),
        base.mark_text(
            color="var(--ink)", fontSize=16 if few else 12, dy=-8 if few else 0, fontWeight=600
        ).encode(text="rows:Q"),
    ]
    if few:
        layers.append(
            base.mark_text(color="var(--ink)", fontSize=12, dy=11).encode(
                text=alt.Text("share:Q", format=".0%")
            )
        )
    chart = alt.layer(*layers).properties(height=(64 if few else 30) * len(labels))
    return Figure(
        "confusion",
        "True and predicted classes",
        caption,
        (Panel("", chart),),
        _by_class(found, counts),
    )


def _fewer(classes: Sequence[str], counts: np.ndarray[Any, Any]) -> tuple[list[str], Any]:
    """Return labels and counts of at most 12 classes, the rarest as one."""
    if len(classes) <= MOST_CLASSES:
        return labels_of(classes), counts
    often = np.sort(np.argsort(-counts.sum(1), kind="stable")[: MOST_CLASSES - 1])
    place = np.full(len(classes), len(often))
    place[often] = np.arange(len(often))
    sums = np.zeros((MOST_CLASSES, MOST_CLASSES), dtype=np.int64)
    np.add.at(sums, (place[:, None], place[None, :]), counts)
    rest = len(classes) - len(often)
    return labels_of([*(classes[at] for at in often), f"{rest} other classes"]), sums


def _by_class(found: Confusion, counts: np.ndarray[Any, Any]) -> Grid:
    rows = []
    for at, name in enumerate(labels_of(found.classes)):
        own, said, right = int(counts[at].sum()), int(counts[:, at].sum()), int(counts[at, at])
        wrong = counts[at].copy()
        wrong[at] = 0
        other = labels_of(found.classes)[int(wrong.argmax())] if wrong.any() else "–"
        cells = (own, said, right)
        recall, precision = _percent(right, own), _percent(right, said)
        rows.append((name, *map(str, cells), recall, precision, other))
    head = ("class", "rows", "predicted", "both", "recall", "precision", "most often taken for")
    return Grid("Classes", head, tuple(rows), frozenset(range(1, 6)))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def roc_figure(curves: Sequence[RocCurve], caption: str = "") -> Figure:
    """Draw the ROC curves of at most five classes, those with the most rows.

    Parameters
    ----------
    curves : sequence of RocCurve
    caption : str
    """
    drawn = sorted(curves, key=lambda each: -each.positives)[:MOST_CURVES]
    names = labels_of([each.label for each in drawn])
    frame = pd.concat(
        pd.DataFrame(
            {
                "class": name,
                "fall": each.false_positive_rate,
                "rise": each.true_positive_rate,
                "order": range(len(each.true_positive_rate)),
            }
        )
        for name, each in zip(names, drawn, strict=True)
    )
    legend = alt.Legend(symbolType="stroke") if len(drawn) > 1 else None
    axis, scale = alt.Axis(format="%", tickCount=5), alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("fall:Q", title="false positive rate", scale=scale, axis=axis)
    y = alt.Y("rise:Q", title="true positive rate", scale=scale, axis=axis)
    diagonal = alt.Chart(pd.DataFrame({"fall": [0, 1], "rise": [0, 1]}))
    lines = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, interpolate="linear")
        .encode(
            x=x,
            y=y,
            order="order:Q",
            color=alt.Color(
                "class:N",
                sort=names,
                scale=alt.Scale(domain=names, range=list(COLORS[: len(names)])),
                legend=legend,
            ),
            strokeDash=alt.StrokeDash(
                "class:N",
                scale=alt.Scale(domain=names, range=list(DASHES[: len(names)])),
                legend=legend,
            ),
        )
    )
    points = (
        alt.Chart(frame)
        .mark_point(size=90, opacity=0)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("fall:Q", title="false positive rate", format=".1%"),
                alt.Tooltip("rise:Q", title="true positive rate", format=".1%"),
            ],
        )
    )
    chart = alt.layer(
        diagonal.mark_line(color="var(--muted)", strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y),
        lines,
        points,
    ).properties(height=280)
    rows = tuple(
        (
            name,
            f"{each.positives:,}",
            f"{each.negatives:,}",
            f"{each.area.value:.3f}",
            f"{each.area.low:.3f} to {each.area.high:.3f}",
        )
        for name, each in zip(labels_of([c.label for c in curves]), curves, strict=True)
    )
    head = ("class", "rows", "other rows", "area under the curve", "95 % interval")
    grid = Grid("Area under each ROC curve", head, rows, frozenset({1, 2, 3, 4}))
    return Figure("roc", "ROC curve" + "s" * (len(drawn) > 1), caption, (Panel("", chart),), grid)


def column_importance(
    found: ImportanceOfColumns,
    *,
    score_name: str,
    loss_name: str,
    share: bool,
    caption: str = "",
) -> Figure:
    """Draw what the score loses if each column is shuffled, for at most 15 columns.

    Parameters
    ----------
    found : ImportanceOfColumns
    score_name, loss_name : str
    share : bool
        Whether the score is a share, shown in per cent.
    caption : str
    """
    times = 100 if share else 1
    names = labels_of([each.name for each in found.columns])
    top = found.columns[:MOST_COLUMNS]
    frame = pd.DataFrame(
        {
            "column": name,
            "drop": times * each.score.value,
            "low": times * each.score.low,
            "high": times * each.score.high,
            "text": signed_points(each.score.value, share=share),
            "range": _range(each.score.low, each.score.high, times),
        }
        for name, each in zip(names, top, strict=False)
    )
    tips = [
        alt.Tooltip("column:N"),
        alt.Tooltip("text:N", title=f"{score_name} lost"),
        alt.Tooltip("range:N", title="95 % interval"),
    ]
    base = alt.Chart(frame).encode(
        y=alt.Y(
            "column:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelFontSize=13, labelColor="var(--ink)", labelLimit=210),
        ),
        tooltip=tips,
    )
    unit = f"{score_name} lost" + ", points" * share
    none: Chart = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="var(--muted)")
    chart = alt.layer(
        none.encode(x="zero:Q"),
        base.mark_bar(color="var(--chosen)", height=9, opacity=0.35, cornerRadius=2).encode(
            x=alt.X("drop:Q", title=unit)
        ),
        base.mark_rule(color="var(--chosen)", strokeWidth=2.5, strokeCap="round").encode(
            x="low:Q", x2="high:Q"
        ),
        base.mark_point(color="var(--chosen)", filled=True, size=55, opacity=1).encode(x="drop:Q"),
    ).properties(height=24 * len(frame))
    rows = tuple(
        (
            name,
            signed_points(each.score.value, share=share),
            _range(each.score.low, each.score.high, times),
            number(each.loss.value),
        )
        for name, each in zip(names, found.columns[:MOST_ROWS], strict=False)
    )
    head = ("column", f"{score_name} lost", "95 % interval", f"{loss_name} gained")
    grid = Grid("Importance of each column", head, rows, frozenset({1, 2, 3}))
    return Figure("columns", "Importance of each column", caption, (Panel("", chart),), grid)


def _range(low: float, high: float, times: int) -> str:
    digits = 1 if times == 100 else 3
    return f"{times * low:.{digits}f} to {times * high:.{digits}f}".replace("-", "−")
