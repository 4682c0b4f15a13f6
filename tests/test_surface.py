"""The public surface: every name is there, is documented, and shows an example that runs."""

import inspect
import subprocess
import sys

import pytest

import bridle
import bridle.ops
import bridle.penalties
import bridle.table

MODULES = [bridle, bridle.ops, bridle.penalties, bridle.table]
PUBLIC = [(module, name) for module in MODULES for name in module.__all__]


def test_root_names_are_sorted_and_complete():
    assert set(bridle.__all__) == set(bridle._HOME) | {"__version__"}
    assert dir(bridle) == sorted(bridle.__all__)


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_every_public_name_is_documented_with_an_example(module, name):
    value = getattr(module, name)
    if not callable(value):
        return
    text = inspect.getdoc(value) or ""
    assert text.split("\n")[0].endswith((".", ".")), f"{name}: {text[:60]!r}"
    plain = isinstance(value, type) and (
        issubclass(value, Exception)
        or hasattr(value, "__dataclass_fields__")
        or getattr(value, "_is_protocol", False)
    )
    if not plain and not name.startswith("check_"):
        assert ">>> " in text, f"{name} has no example"


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_every_argument_is_documented(module, name):
    value = getattr(module, name)
    if not inspect.isfunction(value):
        return
    text = inspect.getdoc(value) or ""
    for argument in inspect.signature(value).parameters:
        assert argument in text, f"{name} says nothing of {argument}"


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'L3'"):
        bridle.L3  # noqa: B018


def test_importing_the_root_loads_nothing_heavy():
    code = "import bridle, bridle.cli, sys; print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
