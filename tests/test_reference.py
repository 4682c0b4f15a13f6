"""The reference is complete: every public name has its place, and says what it must."""

import ast
import inspect
import re
import textwrap
from dataclasses import fields, is_dataclass
from importlib import import_module

import pytest

from conftest import ROOT

PACKAGES = {path.parent.name for path in (ROOT / "src" / "bridle").glob("*/__init__.py")}
STUBBED = {path.parent.name for path in (ROOT / "src" / "bridle").glob("*/__init__.pyi")}
MODULES = ["bridle", *(f"bridle.{name}" for name in sorted(STUBBED))]
PUBLIC = {
    f"{module}.{name}": getattr(import_module(module), name)
    for module in MODULES
    for name in import_module(module).__all__
}
CALLABLES = {name: value for name, value in PUBLIC.items() if inspect.getmodule(value) is not None}
CALLABLES = {n: v for n, v in CALLABLES.items() if inspect.isclass(v) or inspect.isfunction(v)}
DIRECTIVE = re.compile(r"^\.\. auto(?:class|function|exception|data):: (\S+)", re.M)


def _listed():
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    return [name for page in pages for name in DIRECTIVE.findall(page.read_text(encoding="utf-8"))]


def _frameworks():
    """Return the public names of the modules that need another package, without importing them."""
    for path in sorted((ROOT / "src" / "bridle" / "integrations").glob("*.py")):
        source = ast.parse(path.read_text(encoding="utf-8"))
        for node in source.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                for name in ast.literal_eval(node.value):
                    yield f"bridle.integrations.{path.stem}.{name}"


def _object(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def test_packages_pages_and_tests_are_named_alike():
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.md")}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    folders -= {"conformance"}  # of several packages, each in every program of PyTorch
    loose = {path.stem for path in (ROOT / "src" / "bridle").glob("[a-z]*.py")}
    assert loose == {"errors", "schedules", "version"}
    assert folders == PACKAGES
    assert pages == PACKAGES | {"errors", "schedules", "index"}


def test_no_name_is_listed_twice():
    listed = _listed()
    assert sorted(set(listed)) == sorted(listed)


def test_every_public_name_is_in_the_reference():
    listed = [name for name in _listed() if ".integrations." not in name]
    known = {id(_object(name)) for name in listed}
    missing = [name for name, value in PUBLIC.items() if id(value) not in known]
    assert not missing, f"{missing}: give each a line on its page in docs/reference"


def test_every_integration_is_in_the_reference():
    internal = {"bridle.integrations.session.Session"}
    assert set(_frameworks()) - internal <= set(_listed())


def _is_record(value):
    """Whether others make it: its docstring has attributes in place of arguments."""
    return inspect.isclass(value) and "Parameters\n----" not in (inspect.getdoc(value) or "")


@pytest.mark.parametrize("name", CALLABLES)
def test_docstring_has_its_sections(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    value = PUBLIC[name]
    # no docstring or summary; arguments missing, unknown or out of order; no returns; no example
    wanted = {"GL08", "SS01", "PR01", "PR02", "PR03", "RT01", "EX01"}
    plain = inspect.isclass(value) and (
        issubclass(value, Exception) or is_dataclass(value) or getattr(value, "_is_protocol", False)
    )
    if _is_record(value):
        wanted -= {"PR01"}
    if plain or inspect.isabstract(value):
        wanted -= {"EX01"}
    found = validate(f"{value.__module__}.{value.__qualname__}")["errors"]
    assert not [each for each in found if each[0] in wanted]


@pytest.mark.parametrize("name", [name for name, each in CALLABLES.items() if is_dataclass(each)])
def test_every_field_of_a_record_is_documented(name):
    text, source = inspect.getdoc(PUBLIC[name]), inspect.getsource(PUBLIC[name])
    for field in fields(PUBLIC[name]):
        below = rf'^    {field.name}: .*\n    """'
        found = re.search(rf"\b{field.name}\b", text) or re.search(below, source, re.M)
        assert found or field.name.startswith("_"), field.name


@pytest.mark.parametrize("name", CALLABLES)
def test_what_raises_says_so(name):
    value = PUBLIC[name]
    made_by = "__post_init__" if is_dataclass(value) else "__init__"
    code = getattr(value, made_by, None) if inspect.isclass(value) else value
    if not inspect.isfunction(code) or not code.__module__.startswith("bridle"):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    raised = {
        ast.unparse(node.exc).split("(")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    text = inspect.getdoc(value) or ""
    section = text.partition("Raises\n------")[2]
    for error in raised & {"UsageError", "DataError", "TrainingError", "ModelFileError"}:
        assert error in section, f"{name} raises {error} and does not say so"
