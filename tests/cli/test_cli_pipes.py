"""A reader that leaves, as ``head`` does, loses the rest of the text and nothing else."""

import os
import subprocess
import sys

import pytest

import bridle


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is another error there")
def test_the_model_is_saved_if_nobody_reads_the_result(tmp_path):
    table, out = tmp_path / "rows.csv", tmp_path / "m.bridle"
    rows = [f"{i % 7},{i * 37 % 101},{'yes' if i * 37 % 101 > 50 else 'no'}" for i in range(80)]
    table.write_text("\n".join(["a,b,y", *rows]))
    code = "from bridle.cli import main; main()"
    options = ("--target", "y", "--hidden", "4", "--epochs", "2", "--out", str(out))
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-c", code, "fit", str(table), *options],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (ran.returncode, "model written" in ran.stderr) == (0, True), ran.stderr
    assert bridle.load(out).target_name == "y"
