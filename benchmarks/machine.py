"""What a benchmark says of the machine it ran on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def machine() -> str:
    """Return processor, cores, torch and Python, in one line."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].split(":", 1)[1].strip() if models else name
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{name} ({capability}), {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
