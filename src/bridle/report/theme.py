"""The colors and fonts of a report, for the page and for figure files.

Charts refer to colors by CSS variable, such as ``var(--training)``. The page's style sheet defines
the variables for light, dark and print. A figure file has no style sheet, so :func:`painted`
replaces the variables with the light colors.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["PALETTES", "SANS", "chart_config", "painted", "style_variables"]

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Blue and orange, gray and teal are distinguishable in every common color blindness. Each has a
# contrast of at least 4.5 : 1 on its background, enough for text.
PALETTES = {
    "light": {
        "paper": "#fdfcf9",
        "sheet": "#f5f2eb",
        "ink": "#1d2126",
        "muted": "#5a6169",
        "line": "#ddd8cc",
        "accent": "#0b6a61",
        "training": "#1a66a8",
        "held-out": "#ab4a0c",
        "plain": "#646b73",
        "chosen": "#0b6a61",
        "second": "#7a3e9d",
    },
    "dark": {
        "paper": "#15181b",
        "sheet": "#1e2226",
        "ink": "#e9e6df",
        "muted": "#a7aeb5",
        "line": "#363c42",
        "accent": "#5cc7b8",
        "training": "#74b6f2",
        "held-out": "#f09a62",
        "plain": "#a7aeb5",
        "chosen": "#5cc7b8",
        "second": "#cf9cec",
    },
}

_NAMED = re.compile(r"var\(--([a-z-]+)\)")


def style_variables(name: str) -> str:
    """Return a palette as CSS declarations."""
    return " ".join(f"--{key}: {value};" for key, value in PALETTES[name].items())


def chart_config() -> dict[str, Any]:
    """Return the Vega-Lite configuration that all charts share."""
    text = {"labelColor": "var(--muted)", "labelFont": SANS, "labelFontSize": 12}
    title = {"titleColor": "var(--muted)", "titleFont": SANS, "titleFontSize": 12}
    title |= {"titleFontWeight": "normal"}
    return {
        "background": "transparent",
        "font": SANS,
        "padding": {"left": 2, "right": 10, "top": 6, "bottom": 2},
        "aria": False,  # the page has its own labels and keyboard navigation
        "view": {"stroke": None},
        "axis": text
        | title
        | {
            "domainColor": "var(--line)",
            "gridColor": "var(--line)",
            "gridOpacity": 0.6,
            "tickColor": "var(--line)",
            "tickSize": 4,
            "labelPadding": 4,
            "titlePadding": 8,
            "labelSeparation": 6,
            "labelLimit": 150,
        },
        "axisX": {"grid": False, "tickCount": 6},
        "axisY": {"domain": False, "ticks": False, "tickCount": 5},
        "legend": text
        | title
        | {"orient": "top", "title": None, "symbolStrokeWidth": 2.5, "symbolOpacity": 1}
        | {"offset": 6, "padding": 0},
        "title": {
            "color": "var(--ink)",
            "font": SANS,
            "fontSize": 13,
            "fontWeight": 600,
            "anchor": "start",
            "offset": 8,
        },
        "line": {"strokeWidth": 2},
        "text": {"color": "var(--muted)", "font": SANS, "fontSize": 12},
    }


def painted(spec: Any) -> Any:
    """Return a chart's specification with CSS variables replaced by the light colors.

    Data are not changed, even if they contain the name of a variable.

    Examples
    --------
    >>> painted({"mark": {"color": "var(--paper)"}, "datasets": {"a": [{"x": "var(--paper)"}]}})
    {'mark': {'color': '#fdfcf9'}, 'datasets': {'a': [{'x': 'var(--paper)'}]}}
    """
    if isinstance(spec, dict):
        kept = ("data", "datasets")
        return {key: each if key in kept else painted(each) for key, each in spec.items()}
    if isinstance(spec, list):
        return [painted(each) for each in spec]
    if isinstance(spec, str):
        return _NAMED.sub(lambda found: PALETTES["light"].get(found[1], found[0]), spec)
    return spec
