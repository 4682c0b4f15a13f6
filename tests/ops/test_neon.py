"""The NEON kernels, where an ARM compiler and an emulator stand in for the processor."""

import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

NATIVE = ROOT / "src" / "bridle" / "ops" / "native"
COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")


@pytest.mark.skipif(not (COMPILER and EMULATOR), reason="needs aarch64-linux-gnu-g++ and qemu-user")
def test_neon_gives_the_bits_of_plain_code(tmp_path):
    program = tmp_path / "compare"
    sources = [Path(__file__).parent / "native" / "compare.cpp", NATIVE / "neon.cpp"]
    flags = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-static", f"-I{NATIVE}"]
    subprocess.run(
        [COMPILER, *flags, *sources, NATIVE / "plain.cpp", "-o", program], check=True, timeout=300
    )
    ran = subprocess.run([EMULATOR, program], capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stdout) == (0, "0 differences\n")
