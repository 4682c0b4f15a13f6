"""The public surface: every name is there, is documented, and shows an example that runs."""

import ast
import inspect
import os
import subprocess
import sys
from importlib import import_module

import pytest

import bridle
from conftest import ROOT

STUBS = sorted((ROOT / "src" / "bridle").rglob("__init__.pyi"))
MODULES = [
    import_module(".".join(["bridle", *stub.parent.relative_to(ROOT / "src" / "bridle").parts]))
    for stub in STUBS
]
PUBLIC = [(module, name) for module in MODULES for name in module.__all__]


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_names_of_a_stub_are_sorted_and_each_stands_once(stub):
    imports = ast.parse(stub.read_text(encoding="utf-8")).body
    assert all(isinstance(node, ast.ImportFrom) and node.level == 1 for node in imports)
    modules = [node.module for node in imports]
    names = [alias.name for node in imports for alias in node.names]
    assert modules == sorted(set(modules))
    assert len(set(names)) == len(names)
    # without "as", a type checker does not hand a stub's imports on
    assert all(alias.asname == alias.name for node in imports for alias in node.names)


def test_root_hands_on_the_version_and_the_names_of_its_packages():
    assert dir(bridle) == sorted(bridle.__all__)
    assert bridle.__version__.count(".") == 2


def test_everything_loads_at_once_where_the_environment_says_so():
    """The variable is of SPEC 1; other packages' users set it."""
    code = "import bridle, bridle.estimators; print(len(vars(bridle)) > len(bridle.__all__))"
    environment = os.environ | {"EAGER_IMPORT": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert ran.stdout.strip() == "True", ran.stderr


def test_functions_with_the_name_of_their_package_stay_functions():
    code = (
        "import bridle, bridle.search.search, bridle.audit.records, bridle.sparsity.lambda_path;"
        "from bridle.search import Space; from bridle.audit import Finding;"
        "print(all(map(callable, (bridle.search, bridle.audit, bridle.lambda_path))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bridle.table.read_table", "bridle.tables.read_table"),
        ("bridle.searching.halving.Progress", "bridle.search.Progress"),
        ("bridle.judging.compare", "bridle.statistics.scores.compare"),
        ("bridle.compaction.result.CompactedLayer", "bridle.sparsity.CompactedLayer"),
        ("bridle.diagnosis.rule.claims_of", "bridle.statistics.claims.claims_of"),
        ("bridle.auditing.records.Effect", "bridle.audit.Effect"),
        ("bridle.diagnosis.judge_gap", "bridle.statistics.judge_gap"),
        ("bridle.ops.philox.philox4x32", "bridle.ops.masks.philox4x32"),
        ("bridle.result.Fitted", "bridle.models.Fitted"),
    ],
)
def test_modules_that_moved_still_import_and_warn(old, new):
    def named(path):
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)

    if old.rpartition(".")[0] != "bridle.diagnosis":
        sys.modules.pop(old.rpartition(".")[0], None)
    with pytest.warns(DeprecationWarning, match=f"is now {new.rpartition('.')[0]}"):
        found = named(old)
    assert found is named(new)


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_every_public_name_is_documented_with_an_example(module, name):
    value = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return  # a constant, or an alias of a type
    text = inspect.getdoc(value) or ""
    assert text.split("\n")[0].endswith((".", ".")), f"{name}: {text[:60]!r}"
    plain = isinstance(value, type) and (
        issubclass(value, Exception)
        or inspect.isabstract(value)
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
    with pytest.raises(AttributeError, match="bridle attribute L3"):
        bridle.L3  # noqa: B018


def test_importing_the_root_loads_nothing_heavy():
    code = "import bridle, bridle.cli, sys; print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
