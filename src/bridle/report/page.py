"""The page: one HTML file with style sheet, scripts, data and the chart library.

A Content-Security-Policy lists the hashes of the two scripts and of the style sheet. No other code
in the page can run, whatever text a table contains. Chart expressions are interpreted, never
compiled, and every text is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bridle.report.records import Content
from bridle.report.theme import chart_config, style_variables
from bridle.version import __version__

__all__ = ["page_of"]

_LOOSE = re.compile(r"(?<=\d) (?=[%±×]|points)|(?<=[±×]) (?=\d)|(?<=[λp]) (?==)|(?<=[λp] =) ")
_JOINT = re.compile(r"(?<=\w{4}[/_])(?=[^\W\d_]{2})")
_LONG = re.compile(r"[^\s\0]{18}(?=[^\s\0])")
_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)|(?<=\de)-(?=\d)")
_FOLDER = Path(__file__).parent / "template"


def page_of(report: Content) -> str:
    """Return a report as one HTML page."""
    script, library, style = _text("page.js"), _library(), _style()
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_tied,
    )
    numbers = {figure.name: at for at, figure in enumerate(report.figures, start=1)}
    environment.filters["breakable"] = _breakable
    environment.filters["parted"] = _parted
    return environment.get_template("page.html").render(
        report=report,
        numbers=numbers,
        version=__version__,
        policy=_policy([library, script], style),
        style=Markup(style),  # noqa: S704 - a file of this package, not text from a table
        script=Markup(script),  # noqa: S704
        library=Markup(library),  # noqa: S704
        charts=Markup(_charts(report)),  # noqa: S704 - every "<" in it is escaped
    )


def _tied(value: Any) -> Any:
    """Return a text with minus signs, and with no line break between a number and its unit."""
    if type(value) is str:  # Markup stays unchanged
        return _LOOSE.sub("\u00a0", _MINUS.sub("−", value))
    return value


def _breakable(value: str) -> Markup:
    """Return a cell's text, escaped, with optional line breaks in long words."""
    return Markup("<wbr>").join(_parts(value))


def _parted(value: str) -> str:
    """Return a label, with the same optional line breaks as characters of no width."""
    return "\u200b".join(_parts(value))


def _parts(value: str) -> list[str]:
    text = _JOINT.sub("\0", str(_tied(value)).replace("\0", ""))
    return _LONG.sub("\\g<0>\0", text).split("\0")


def _charts(report: Content) -> str:
    """Return the charts as JSON that is safe in a script element, whatever the data contain."""
    charts = {  # they are our own, and tests validate them
        f"chart-{figure.name}-{at}": panel.chart.properties(width="container").to_dict(
            validate=False
        )
        for figure in report.figures
        for at, panel in enumerate(figure.panels)
    }
    text = json.dumps(
        {"config": chart_config(), "charts": charts}, allow_nan=False, separators=(",", ":")
    )
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(scripts: list[str], style: str) -> str:
    named = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {named}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _style() -> str:
    light, dark = style_variables("light"), style_variables("dark")
    return "\n".join(
        [
            f":root {{ color-scheme: light; {light} }}",
            "@media (prefers-color-scheme: dark) {",
            f"  :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }}",
            "}",
            f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}",
            # print is always light
            f"@media print {{ :root:root:root {{ color-scheme: light; {light} }} }}",
            _text("page.css"),
        ]
    )


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that sets ``vegaEmbed``."""
    import vl_convert

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in script.lower():
        raise AssertionError("the library contains the end tag of its script element")
    return script
