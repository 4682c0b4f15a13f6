"""Looks at a report in headless Chromium and Firefox: ``driver.py report.html --out FOLDER``.

Checks what no parser of HTML can: that no error is logged, that nothing is asked of a network,
that every figure is drawn, that the pointer and the keyboard reach its points, that no text runs
out of the page, and that axe-core finds no fault, in light and dark. Writes screenshots at three
widths, and a PDF as Chromium would print it. A browser that is not installed is left out; AXE names
axe-core's axe.min.js.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desktop": 1280, "tablet": 820, "phone": 390}
CHARTS_DRAWN = (
    "all => all.filter(svg => svg.querySelectorAll('path, rect, line').length > 3).length"
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TAB_STOP = (
    "(() => { const e = document.activeElement; return e === document.body ? '' "
    ": e.classList[0] || e.id || e.tagName.toLowerCase() })()"
)


@dataclass
class Seen:
    """What a look at a page found."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    drawn: int = 0
    charts: int = 0
    tooltip: str = ""
    spoken: str = ""
    reached: set[str] = field(default_factory=set)
    overflow: dict[str, int] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)


def chromium() -> str | None:
    """Return the path of Chromium, where there is one."""
    return shutil.which("chromium")


def axe() -> Path | None:
    """Return the path of axe-core, where there is one."""
    places = [os.environ.get("AXE", ""), "node_modules/axe-core/axe.min.js"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


@contextmanager
def browser():
    """Start Chromium with a fresh profile, and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=FLAGS, chromium_sandbox=False
        )
        try:
            yield started
        finally:
            started.close()


def look(started, page_path: Path, out: Path | None = None) -> Seen:
    """Open a page, and find out what is wrong with it."""
    seen = Seen()
    tab = started.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    tab.on("console", lambda said: seen.console.append(f"{said.type}: {said.text}"))
    tab.on("pageerror", lambda error: seen.console.append(f"error: {error}"))
    tab.on("request", lambda request: seen.requests.append(request.url))
    tab.on("dialog", lambda dialog: (seen.console.append("dialog"), dialog.dismiss()))
    tab.goto(page_path.resolve().as_uri())
    tab.wait_for_function("document.documentElement.dataset.drawn === 'yes'", timeout=30_000)
    seen.charts = tab.locator(".chart").count()
    seen.drawn = tab.locator(".chart svg").evaluate_all(CHARTS_DRAWN)
    seen.reached = _tab_order(tab)
    if seen.charts:
        seen.tooltip, seen.spoken = _pointer(tab), _arrows(tab)
    tab.evaluate("document.activeElement.blur()")
    for name, width in WIDTHS.items():
        _resize(tab, width)
        seen.overflow[name] = tab.evaluate(OVERFLOW)
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            if out is not None:
                tab.screenshot(path=out / f"{page_path.stem}-{name}-{scheme}.png", full_page=True)
            if axe() is not None and name != "tablet":
                seen.violations[f"{name}, {scheme}"] = _violations(tab)
        tab.emulate_media(color_scheme="light")
    if out is not None:
        _resize(tab, 1280)
        tab.pdf(path=out / f"{page_path.stem}.pdf", format="A4")
    tab.close()
    return seen


def _resize(tab, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(250)


def _pointer(tab) -> str:
    """Move the pointer over the first chart until it says something; return what."""
    chart = tab.locator(".chart").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    for down in range(4, int(box["height"]), 8):
        for across in range(10, 100, 4):
            tab.mouse.move(box["x"] + box["width"] * across / 100, box["y"] + down)
            if tab.locator("#tip").is_visible():
                return tab.locator("#tip").inner_text()
    return ""


def _arrows(tab) -> str:
    """Walk two points on with the arrow keys, in the first chart; return what is said."""
    tab.mouse.move(0, 0)
    tab.locator(".chart").first.focus()
    tab.keyboard.press("ArrowRight")
    first = tab.locator("#tip").inner_text()
    tab.keyboard.press("ArrowRight")
    second = tab.locator("#tip").inner_text()
    tab.keyboard.press("Escape")
    return second if second != first and not tab.locator("#tip").is_visible() else ""


def _tab_order(tab) -> set[str]:
    """Press Tab from the top to the end; return the kinds of things that had the focus."""
    found: set[str] = set()
    for _ in range(400):
        tab.keyboard.press("Tab")
        at = tab.evaluate(TAB_STOP)
        if not at:
            break
        found.add(at)
    return found


def _violations(tab) -> list[str]:
    tab.evaluate(axe().read_text(encoding="utf-8"))
    return found_by_axe(tab.evaluate("axe.run(document, {resultTypes: ['violations']})"))


def found_by_axe(found: dict) -> list[str]:
    """Return what axe-core found, a line for each element."""
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def faults(seen: Seen) -> list[str]:
    """Return what is wrong, a line each."""
    wrong = [f"console: {line}" for line in seen.console]
    wrong += [f"asked for {url}" for url in seen.requests if not url.startswith(("file:", "data:"))]
    if seen.drawn != seen.charts:
        wrong.append(f"{seen.drawn} of {seen.charts} charts are drawn")
    if seen.charts and not seen.tooltip:
        wrong.append("the pointer finds no point in the first chart")
    if seen.charts and not seen.spoken:
        wrong.append("the arrow keys find no points in the first chart")
    wanted = {"skip", "theme"} | ({"chart"} if seen.charts else set())
    wrong += [f"the tab key does not reach {name}" for name in wanted - seen.reached]
    wrong += [
        f"{pixels} pixels run out of the page on {name}"
        for name, pixels in seen.overflow.items()
        if pixels > 0
    ]
    wrong += [f"axe, {where}: {line}" for where, lines in seen.violations.items() for line in lines]
    return wrong


def main() -> int:
    """Look at pages, print what is wrong, and write screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="a folder for screenshots and PDFs")
    asked = parser.parse_args()
    if asked.out is not None:
        asked.out.mkdir(exist_ok=True)
    sys.modules["driver"] = sys.modules["__main__"]  # which firefox.py imports
    import firefox

    count = 0
    kinds = {"Chromium": (chromium(), browser, look)}
    kinds["Firefox"] = (firefox.firefox(), firefox.running_firefox, firefox.look)
    for kind, (there, start, look_at) in kinds.items():
        if there is not None:
            with start() as started:
                print(f"{kind} {started.version}, axe-core: {axe() or 'none'}")
                count += _told(asked.pages, partial(look_at, started, out=asked.out))
    return 1 if count else 0


def _told(pages: list[Path], look_at: Callable[[Path], Seen]) -> int:
    """Print what is wrong with pages; return the number of faults."""
    count = 0
    for page in pages:
        seen = look_at(page)
        found = faults(seen)
        count += len(found)
        print(
            f"{page.name}: {seen.drawn} of {seen.charts} charts drawn, "
            f"{len(seen.violations)} looks by axe-core, {len(found)} faults"
        )
        for line in found:
            print(f"  {line}")
    return count


if __name__ == "__main__":
    sys.exit(main())
