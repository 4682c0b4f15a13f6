"""Fixtures that several test modules share."""

import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path

# scikit-learn's checks of other array types skip themselves without it; scipy reads it once
os.environ["SCIPY_ARRAY_API"] = "1"
os.environ["MPLBACKEND"] = "Agg"  # pictures without a screen
# where Triton is, torch's compiler starts processes to compile for GPUs, which no test does
os.environ.setdefault("TORCH_WARM_POOL", "0")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores; torch reads it once
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from bridle.ops import cpu

ROOT = Path(__file__).parents[1]
collect_ignore = ["modules/ranks_program.py"]  # a program that several processes run
CREDIT = ROOT / "examples" / "credit-g.csv"


# small networks gain nothing from more threads, and lose much where another program runs beside
torch.set_num_threads(1)


def pytest_collection():
    """Switch the garbage collector off: everything that is imported and collected stays."""
    gc.disable()


def pytest_collection_finish():
    """Exclude what was collected from later garbage collections."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """Real tables as files: scikit-learn's own, and the example of this repository."""
    folder = tmp_path_factory.mktemp("tables")
    paths = {"credit-g": (CREDIT, "class")}
    for name in ("digits", "breast_cancer", "diabetes"):
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = bunch.frame
        if name == "breast_cancer":
            frame["target"] = pd.Categorical.from_codes(frame["target"], bunch.target_names)
        paths[name] = (folder / f"{name}.csv", "target")
        frame.to_csv(paths[name][0], index=False)
    return paths


@pytest.fixture
def two_processes(tmp_path):
    """Run a script in two processes that know each other; it fails where one of them does."""
    from processes import LEAVE, run_script

    def call(code, *arguments):
        script = tmp_path / "script.py"
        script.write_text(code + LEAVE, encoding="utf-8")
        return run_script(script, arguments, 2, tmp_path)

    return call


@dataclass
class Ran:
    """What one call of the command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def bridle(monkeypatch, capsys):
    """Call the command line in this process, by its real entry point."""
    from bridle.cli import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["bridle", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def using():
    """Choose a variant of the kernels, or "torch", until the end of the test."""
    before = cpu.variant()
    yield cpu.use_variant
    cpu.use_variant(before)
