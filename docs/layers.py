"""Draw the packages in the layers of the import contract: ``python docs/layers.py``.

Reads the layers from pyproject.toml, and the purpose of each package from the first sentence of its
docstring. A test checks that docs/images/layers.svg is what this draws.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "layers.svg"

WIDTH, GAP, LINE, MARGIN = 1000, 12, 16, 10
CHARACTER = 6.1  # the width of one, on average, at 12 px
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.name { font: 600 14px ui-monospace, monospace; fill: #111 }
.page { fill: #fff }
.box { fill: #eef4fa; stroke: #0072b2 }
.arrow { stroke: #888; fill: none }
"""


def layers() -> list[list[str]]:
    """Return the names in each layer of the contract, the highest layer first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    return [[name.strip() for name in layer.split(":")] for layer in contract["layers"]]


def purpose(name: str) -> str:
    """Return the first sentence of a package's or a module's docstring, as plain text."""
    package = ROOT / "src" / "bridle" / name / "__init__.py"
    path = package if package.is_file() else package.parent.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].replace("`", "").split())


def _box(name: str, left: float, width: float, top: float, height: float) -> list[str]:
    shapes = [
        f'<rect class="box" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" rx="5"/>',
        f'<text class="name" x="{left + 10:.0f}" y="{top + 20:.0f}">{escape(name)}</text>',
    ]
    for at, line in enumerate(_lines(name, width)):
        y = top + 38 + at * LINE
        shapes.append(f'<text x="{left + 10:.0f}" y="{y:.0f}">{escape(line)}</text>')
    return shapes


def _lines(name: str, width: float) -> list[str]:
    return textwrap.wrap(purpose(name), int((width - 20) / CHARACTER))


def drawing() -> str:
    """Return the picture as SVG."""
    shapes: list[str] = []
    top = MARGIN
    left = 3 * MARGIN
    for names in layers():
        width = (WIDTH - left - MARGIN - GAP * (len(names) - 1)) / len(names)
        height = 32 + LINE * max(len(_lines(name, width)) for name in names)
        for at, name in enumerate(names):
            shapes += _box(name, left + at * (width + GAP), width, top, height)
        top += height + GAP
    bottom = top - GAP + MARGIN
    arrow = f"M {MARGIN + 4} {MARGIN} V {bottom - 12} m -4 -7 l 4 7 l 4 -7"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:.0f}">',
            "<title>The packages of bridle, in layers: imports go down only</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{bottom:.0f}"/>',
            f'<path class="arrow" d="{arrow}"/>',
            *shapes,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
