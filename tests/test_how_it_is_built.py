"""The page for newcomers: its picture is drawn from the contract, and its files exist."""

import re
import runpy

from conftest import ROOT

PAGE = ROOT / "docs" / "how-it-is-built.md"


def test_picture_is_drawn_from_the_contract():
    drawn = runpy.run_path(str(ROOT / "docs" / "layers.py"))["drawing"]()
    picture = (ROOT / "docs" / "images" / "layers.svg").read_text(encoding="utf-8")
    assert picture == drawn, "run: python docs/layers.py"


def test_picture_has_every_package_and_loose_module():
    layers = runpy.run_path(str(ROOT / "docs" / "layers.py"))["layers"]()
    package = ROOT / "src" / "bridle"
    there = {path.parent.name for path in package.glob("*/__init__.py")}
    there |= {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert sorted(name for layer in layers for name in layer) == sorted(there)


def test_files_that_the_page_names_exist():
    named = re.findall(r"`([\w./-]+(?:\.pyi?|\.md|/))`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    for name in named:
        inside = not name.startswith(("docs/", "tests/", "pyproject"))
        path = (ROOT / "src" / "bridle" if inside else ROOT) / name
        assert path.exists(), name
