"""When this process began, for a budget that includes the imports."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["process_began"]

_STAT = Path("/proc/self/stat")


def process_began() -> float:
    """Return when this process started, by ``time.monotonic()``.

    On Linux the kernel says it. Elsewhere it is at least the processor time of the process ago.
    """
    age = time.process_time()
    try:
        started = int(_STAT.read_text().rpartition(")")[2].split()[19])
        age = max(
            age,
            time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"),
        )
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    return time.monotonic() - age
