"""The start of the process, from which a budget counts."""

import os
import time

from bridle.cli import process
from bridle.cli.process import process_began


def test_the_process_began_before_its_work(monkeypatch, tmp_path):
    age = time.monotonic() - process_began()
    assert age >= time.process_time()
    if not process._STAT.exists():
        return
    ticks = (time.clock_gettime(time.CLOCK_BOOTTIME) - 90.0) * os.sysconf("SC_CLK_TCK")
    stat = tmp_path / "stat"
    stat.write_text(f"7 (a b) c) S {' '.join('0' * 18)} {ticks:.0f} 0")
    monkeypatch.setattr(process, "_STAT", stat)
    worked = time.process_time()
    assert abs(time.monotonic() - process_began() - max(90.0, worked)) < 1
    monkeypatch.setattr(process, "_STAT", tmp_path / "none")
    assert time.monotonic() - process_began() >= time.process_time() - 0.1
