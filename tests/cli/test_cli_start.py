"""What a command imports, and where: imports are most of the wait for a small table."""

import json
import os
import subprocess
import sys

import pytest

TWO_CORES = sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1

CALL = """
import sys
from bridle.cli import main
try:
    main()
finally:
    print([name for name in {names} if name in sys.modules], file=sys.stderr)
"""

NEVER = ("altair", "jinja2", "matplotlib", "optuna", "sympy", "torch._dynamo", "torch._inductor")
LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "torch")
BESIDE = ("sklearn", "scipy.stats", "scipy.optimize")


def _bridle(names, *arguments):
    """Return what a command printed, and which of the modules it had imported at its end."""
    command = [sys.executable, "-c", CALL.format(names=names), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return ran.stdout, ran.stderr.strip()


@pytest.mark.parametrize("command", ["fit", "predict", "diagnose"])
def test_help_imports_no_library(command):
    assert _bridle(LIBRARIES, command, "--help")[1] == "[]"


def test_fit_leaves_scikit_learn_to_a_second_process(tmp_path):
    import bridle

    rows = [f"{i % 7},{i * 37 % 101},{'yes' if i * 37 % 101 > 50 else 'no'}" for i in range(200)]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(["a,b,y", *rows]))
    names = (*NEVER, *(BESIDE if TWO_CORES else ()))
    options = ("--hidden", 4, "--epochs", 2, "--json")
    printed, imported = _bridle(names, "fit", table, "--target", "y", *options)
    assert imported == "[]"
    result = bridle.fit(table, "y", hidden=(4,), epochs=2)
    assert json.loads(printed) == json.loads(json.dumps(result.to_dict()))


def test_a_search_leaves_boosting_and_the_forest_to_a_second_process(tmp_path):
    import bridle

    rows = [f"{i % 7},{i * 37 % 101},{'yes' if i * 37 % 101 > 50 else 'no'}" for i in range(120)]
    table = tmp_path / "rows.csv"
    table.write_text("\n".join(["a,b,y", *rows]))
    names = (*NEVER, *(("sklearn",) if TWO_CORES else ()))
    options = ("--configurations", 21, "--hidden", 4, "--epochs", 1, "--folds", 2)
    printed, imported = _bridle(names, "fit", table, "--target", "y", *options, "--json")
    assert imported == "[]"
    result = bridle.search(table, "y", configurations=21, hidden=[(4,)], epochs=1, folds=2)
    assert result.importance
    mine, its = json.loads(printed), json.loads(json.dumps(result.to_dict()))
    assert mine["scores"] == its["scores"]
    assert mine["importance"] == its["importance"]
