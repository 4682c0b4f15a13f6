"""Draw the README's picture of a report: ``python docs/report_picture.py``.

Fits the example table, writes its report, and takes docs/images/report.png of it in Chromium.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import bridle
from bridle.report.write import full_report

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "report" / "browser"))
import driver  # noqa: E402

COLOURS = 128  # a page of text and thin lines needs no more


def main() -> None:
    """Fit, report, and take the picture."""
    table = HERE.parent / "examples" / "credit-g.csv"
    report = full_report(bridle.fit(table, "class"), table)
    with tempfile.TemporaryDirectory() as folder, driver.browser() as started:
        page = Path(folder) / "report.html"
        report.save(page)
        tab = started.new_page(viewport={"width": 1160, "height": 1440}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.wait_for_function("document.documentElement.dataset.drawn === 'yes'")
        picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    out = HERE / "images" / "report.png"
    few = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(out, optimize=True)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
