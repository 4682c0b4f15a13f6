"""Results as CSV files, each row with what it takes to reproduce it."""

from __future__ import annotations

import csv
import io
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import bridle
from bridle.errors import DataError
from bridle.models.file import write_atomically

sys.path.append(str(Path(__file__).resolve().parents[1]))
from machine import machine

__all__ = ["Row", "provenance", "read_rows", "write_rows"]

Row = dict[str, str]


def _commit() -> str:
    """Return the git commit that runs, marked when files differ from it."""
    folder = Path(__file__).parent
    try:
        run = [
            subprocess.run(  # noqa: S603
                ["git", *words],  # noqa: S607
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for words in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no"),
            )
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run[0] + ("-changed" if run[1] else "")


def provenance(device: str = "cpu") -> Row:
    """Return versions, machine and commit."""
    where = machine() if device == "cpu" else f"{torch.cuda.get_device_name()}; {machine()}"
    return {
        "bridle": bridle.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": where,
        "commit": _commit(),
    }


def write_rows(path: Path, rows: Sequence[Mapping[str, object]], shared: Mapping[str, str]) -> None:
    """Write rows, each with what all share, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row)) + list(shared)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        shown = {name: _shown(value) for name, value in row.items()}
        writer.writerow(shown | dict(shared))
    write_atomically(path, text.getvalue().encode())


def read_rows(path: Path) -> list[Row]:
    """Read what :func:`write_rows` wrote."""
    if not path.exists():
        raise DataError(f"{path} does not exist; run the benchmark first")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
