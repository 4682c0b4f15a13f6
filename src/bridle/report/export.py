"""Figures as PNG and SVG files, rendered without a browser."""

from __future__ import annotations

import json
from typing import Any, Final

import altair as alt

from bridle.report.records import Figure
from bridle.report.theme import PALETTES, chart_config, painted

__all__ = ["files_of"]

WIDTH = 640
GAP = 36
OWN: Final = "independent"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def files_of(figure: Figure) -> dict[str, bytes]:
    """Return the contents of a PNG and an SVG file, by file name extension."""
    import vl_convert

    spec = json.dumps(_drawing(figure))
    svg = vl_convert.vegalite_to_svg(spec)
    return {"png": vl_convert.svg_to_png(svg, scale=2), "svg": svg.encode()}


def _drawing(figure: Figure) -> dict[str, Any]:
    """Return the specification of a figure in light colors, with its panels side by side."""
    count = len(figure.panels)
    columns = {1: 1, 2: 2, 4: 2}.get(count, 3)
    width = (WIDTH if columns == 1 else 840 - GAP * (columns - 1)) // columns
    charts = []
    for panel in figure.panels:
        chart = panel.chart.properties(width=width)
        charts.append(chart.properties(title=panel.title) if panel.title else chart)
    whole = charts[0] if count == 1 else alt.concat(*charts, columns=columns, spacing=GAP)
    if count > 1:
        whole = whole.resolve_scale(color=OWN, opacity=OWN, shape=OWN, size=OWN, strokeDash=OWN)
    spec = whole.to_dict(validate=False)  # the charts are our own, and tests validate them
    config = chart_config() | {"background": PALETTES["light"]["paper"], "font": FONT}
    config["padding"] = 18
    for part in ("axis", "legend", "title", "text"):
        named = {key: FONT for key in config[part] if key.lower().endswith("font")}
        config[part] = config[part] | named
    spec["config"] = config
    painted_spec: dict[str, Any] = painted(spec)
    return painted_spec
