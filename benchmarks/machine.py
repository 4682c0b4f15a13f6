"""The line in which a benchmark describes its machine."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if models:
            return models[0].split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine(device: str = "cpu") -> str:
    """Return processor or GPU, threads, torch and Python, in one line."""
    name = processor()
    if device == "cuda":
        name = f"{torch.cuda.get_device_name()}, {name}"
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{name} ({capability}), {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
