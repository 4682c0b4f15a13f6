"""Encodings and layers that several figures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from bridle.report.formatting import clean

__all__ = ["by_color", "hover_rule", "labels_of", "thinned"]

LABEL = 26


def by_color(
    field: str, colors: Mapping[str, str], *, legend: bool = True, columns: int = 0
) -> alt.Color:
    """Return a color encoding of a nominal field, with colors of the theme.

    The legend has as many columns as there are colors, unless ``columns`` says otherwise.
    """
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return alt.Color(
        f"{field}:N", scale=scale, legend=alt.Legend(columns=columns) if legend else None
    )


def thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most ``most`` evenly spaced rows, including the first and the last."""
    if len(frame) <= most:
        return frame
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, most).round().astype(int))]


def hover_rule(base: alt.Chart, field: str, tips: Sequence[alt.Tooltip], *, name: str) -> alt.Chart:
    """Return a vertical rule with a tooltip at the value nearest to the pointer.

    The name must be unique among the panels of a figure.
    """
    near = alt.selection_point(
        name=name, nearest=True, on="pointerover", clear="pointerout", fields=[field], empty=False
    )
    return (
        base.mark_rule(color="var(--ink)", strokeWidth=1)
        .encode(opacity=alt.condition(near, alt.value(0.6), alt.value(0)), tooltip=list(tips))
        .add_params(near)
    )


def labels_of(names: Sequence[object]) -> list[str]:
    """Return short labels of names, each of them another.

    Examples
    --------
    >>> labels_of(["a", "x" * 40, "x" * 50])
    ['a', 'xxxxxxxxxxxxxxxxxxxxxxxxx…', 'xxxxxxxxxxxxxxxxxxxxxxxxx… (2)']
    """
    seen: dict[str, int] = {}
    found = []
    for name in names:
        label = clean(name, LABEL)
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found
