"""Every Python block and command of the documents runs, and prints what stands under it."""

import io
import re
import shlex
from contextlib import redirect_stdout

import pytest

from conftest import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n*^```text\n(.*?)^```\n)?", re.M | re.S)
CONSOLE = re.compile(r"^```console\n(.*?)^```\n", re.M | re.S)
FENCED = re.compile(r"^```[a-z]+[^\n]*\n.*?^```\n", re.M | re.S)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.M)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
RULE = re.compile(r"[━─]+")

DOCS = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/**/*.md"))]
# the Chinese documents have the blocks of the English ones, as test_translations.py holds
PAGES = ["README.md", *(name for name in DOCS if not name.startswith("docs/zh-CN/"))]
EVERYTHING = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md", *DOCS]
EVERYTHING += ["examples/README.md"]

NEEDS = {"docs/guides/export.md": ("onnx", "onnxruntime")}  # packages besides the usual ones


def _text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def _blocks(name):
    return [match.groups() for match in BLOCK.finditer(_text(name))]


def _own_blocks(name):
    """Return a document's blocks; none where they only repeat how README.md begins."""
    blocks, begun = _blocks(name), _blocks("README.md")
    return [] if name != "README.md" and blocks == begun[: len(blocks)] else blocks


def _shape(text):
    """Forget the figures, which may differ in the last places on another processor."""
    return " ".join(RULE.sub("─", NUMBER.sub("#", text)).split())


def _need(name):
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder that has the repository's examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("name", [name for name in PAGES if _own_blocks(name)])
def test_blocks_run_and_print(name, here):
    _need(name)
    namespace = {}
    for code, printed in _blocks(name):
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(code, name, "exec"), namespace)
        assert _shape(out.getvalue()) == _shape(printed or "")


@pytest.mark.parametrize("name", [name for name in PAGES if CONSOLE.search(_text(name))])
def test_commands_run_and_print(name, here, bridle):
    _need(name)
    for block in CONSOLE.findall(_text(name)):
        for command, printed in COMMAND.findall(block):
            program, *arguments = shlex.split(command)
            if program == "python":  # the scripts have tests of their own
                assert (ROOT / arguments[0]).is_file(), command
                continue
            assert program == "bridle", f"{command}: give it another block than console"
            ran = bridle(*arguments)
            assert ran.code == 0, ran.err
            if printed:
                assert _without(ran.err, printed) == _shape(ran.out)


def _without(errors, printed):
    """Take the lines of standard error, which a terminal shows between, out of a block."""
    left = [_shape(line) for line in printed.splitlines()]
    for line in filter(str.strip, errors.splitlines()):
        assert _shape(line) in left, line
        left.remove(_shape(line))
    return _shape("\n".join(left))


def test_set_up_takes_two_commands():
    commands = re.findall(r"^```sh setup\n(.*?)^```\n", _text("README.md"), re.M | re.S)
    lines = [line for block in commands for line in block.splitlines()]
    assert len(lines) == 2
    assert "bridle demo" in lines[0]
    assert "pytest" in lines[1]


@pytest.mark.parametrize("name", EVERYTHING)
def test_pictures_and_links_exist(name):
    text = FENCED.sub("", _text(name))
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if "://" not in target:
            assert ((ROOT / name).parent / target).exists(), target


def test_readme_shows_and_links():
    assert "](docs/images/gap.png)" in _text("README.md")
    for name, other in (("README.md", "README.zh-CN.md"), ("README.zh-CN.md", "README.md")):
        assert f"]({other})" in _text(name)
