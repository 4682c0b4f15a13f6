"""The examples run, and say what they promise."""

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from conftest import ROOT
from processes import LEAVE


def run(name):
    """Run an example as a user does; return the figures that it prints."""
    command = [sys.executable, str(ROOT / "examples" / name)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = re.findall(r"^(.*): ([\d.]+|True|False)%?$", ran.stdout, re.M)
    return dict(figures)


def test_plain_loop():
    said = run("plain_loop.py")
    assert said["the audit passes"] == "True"
    assert float(said["held-out accuracy"]) > 0.9
    assert float(said["exact zeros"]) > 5


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("lightning", "lightning_callback.py"),
        ("accelerate", "transformers_trainer.py"),
        ("skorch", "skorch_callback.py"),
    ],
)
def test_callbacks(package, name):
    if not find_spec(package):
        pytest.skip(f"{package} is not installed")
    said = run(name)
    assert float(said["held-out accuracy"]) > 0.9
    assert float(said["exact zeros"]) > 0


def test_data_parallel(tmp_path):
    """With torchrun, as a user starts it."""
    script = tmp_path / "script.py"
    code = (ROOT / "examples" / "data_parallel.py").read_text(encoding="utf-8")
    script.write_text(code + LEAVE, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", script]
    command += ["--checkpoint", tmp_path / "checkpoint.pt"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    out = ran.stdout
    lines = [line for line in out.splitlines() if ": " in line]
    assert [line.rpartition(": ")[0] for line in lines] == [
        "exact zeros",
        "equal weights",
        "distinct masks",
        "resumed bit for bit",
    ]
    assert all(line.endswith(": True") for line in lines), out
