"""The examples run, and say what they promise."""

from conftest import ROOT


def test_data_parallel(torchrun, tmp_path):
    code = (ROOT / "examples" / "data_parallel.py").read_text(encoding="utf-8")
    out = torchrun(code, "--checkpoint", tmp_path / "checkpoint.pt")
    lines = [line for line in out.splitlines() if ": " in line]
    assert [line.rpartition(": ")[0] for line in lines] == [
        "exact zeros",
        "equal weights",
        "distinct masks",
        "resumed bit for bit",
    ]
    assert all(line.endswith(": True") for line in lines), out
