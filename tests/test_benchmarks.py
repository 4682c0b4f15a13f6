"""The benchmark pages name scripts and options that exist, and the index names all pages."""

import ast
import re
import shlex

import pytest

from conftest import ROOT

SCRIPTS = ROOT / "benchmarks"
PAGES = ROOT / "docs" / "benchmarks"
if not SCRIPTS.exists() or not PAGES.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)

INDEX = PAGES / "index.md"
ROW = re.compile(r"^\| \[[^\]]+\]\(([a-z-]+\.md)\) \|.*\| `([^`]+)` \|$", re.M)
SHELL = re.compile(r"^```sh\n(.*?)^```\n", re.M | re.S)
ENVIRONMENT = re.compile(r"^([A-Z_]+=\S+ )+")
SUBJECTS = sorted(path.name for path in PAGES.glob("*.md") if path != INDEX)


def _commands(page):
    """Return what a page tells to run: its blocks, and commands within its text."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(SHELL.findall(text)).replace("\\\n", " ").splitlines()
    return [*blocks, *re.findall(r"`(python [^`]+)`", SHELL.sub("", text))]


def _checked(command):
    """Return the script of a command, after a look for its options."""
    words = shlex.split(ENVIRONMENT.sub("", command), comments=True)
    assert words[0] == "python", command
    script = ROOT / words[1]
    assert script.is_file(), command
    # the scripts on MNIST take their shared options from tables.py
    sources = [script, *script.parent.glob("tables.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    # others from the functions of commands.py that they call
    shared = (SCRIPTS / "commands.py").read_text(encoding="utf-8")
    for part in ast.parse(shared).body:
        if isinstance(part, ast.FunctionDef) and f"{part.name}(" in text:
            text += ast.get_source_segment(shared, part)
    for word in words[2:]:
        assert not word.startswith("--") or f'"{word}"' in text, f"{command}: {word}"
    return script


def test_each_row_of_the_index_has_a_page_and_a_script():
    text = INDEX.read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| [")]
    rows = ROW.findall(text)
    assert len(rows) == len(table) > 30
    for page, command in rows:
        assert page in SUBJECTS, command
        assert _checked(command).name in (PAGES / page).read_text(encoding="utf-8"), (page, command)


def test_each_subject_is_in_the_table_and_in_the_contents():
    text = INDEX.read_text(encoding="utf-8")
    assert sorted({page for page, _ in ROW.findall(text)}) == SUBJECTS
    contents = text.partition("```{toctree}")[2]
    assert sorted(f"{name}.md" for name in re.findall(r"^[a-z-]+$", contents, re.M)) == SUBJECTS


@pytest.mark.parametrize("name", ["index.md", *SUBJECTS])
def test_commands_name_scripts_and_options_that_exist(name):
    commands = _commands(PAGES / name)
    for command in commands:
        if not command.startswith("pip "):
            _checked(command)
    assert commands


def test_the_readme_lists_every_script():
    listed = re.findall(r"^\| \[`([^`]+)`\]", (SCRIPTS / "README.md").read_text("utf-8"), re.M)
    runnable = [
        str(path.relative_to(SCRIPTS))
        for path in SCRIPTS.rglob("*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    ]
    assert sorted(listed) == sorted(runnable)
