"""Every Python block of the documents runs, and prints what stands under it."""

import io
import re
from contextlib import redirect_stdout

import pytest

from conftest import ROOT

DOCUMENTS = ["README.md", "docs/strengths.md", "docs/from-sklearn.md", "docs/noises.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n*^```text\n(.*?)^```\n)?", re.M | re.S)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def _blocks(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [match.groups() for match in BLOCK.finditer(text)]


def _shape(text):
    """Forget the figures, which may differ in the last places on another processor."""
    return " ".join(NUMBER.sub("#", text).split())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_blocks_run_and_print(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = _blocks(name)
    assert len(blocks) >= 2
    namespace = {}
    for code, printed in blocks:
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(code, name, "exec"), namespace)
        assert _shape(out.getvalue()) == _shape(printed or "")


def test_set_up_takes_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh setup\n(.*?)^```\n", text, re.M | re.S)
    lines = [line for block in commands for line in block.splitlines()]
    assert len(lines) == 2
    assert "bridle demo" in lines[0]
    assert "pytest" in lines[1]


def test_pictures_and_links_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    local = [target for target in targets if "://" not in target]
    assert local
    for target in local:
        assert (ROOT / target).exists(), target
