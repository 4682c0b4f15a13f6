"""The versions in ``constraints.txt``: ``write`` them anew, or ``check`` where they resolve.

``write`` takes the newest version of everything that ``pyproject.toml`` asks for, and the oldest
torch that it allows. ``check`` resolves every extra on every platform and Python with these
versions, wheels only: what resolves, installs without a compiler. Both ask uv, which reads the
metadata of the package index and installs nothing. uv is told nothing of the machine: neither its
settings nor wheels that lie there, such as a CPU build of torch, which needs fewer packages.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux ARM64": "aarch64-manylinux_2_28",
    "macOS 14, Apple silicon": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
# uv takes wheels for macOS 13 unless told otherwise; torch's need 14
TARGETS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
KEPT = ("UV_CACHE_DIR", "UV_DEFAULT_INDEX")

HEADER = """\
# Made by `python .ci/constraints.py write`: the newest versions of all packages, and the oldest
# torch that bridle supports. `python .ci/constraints.py check` says where they resolve.
"""


def compiled(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``uv pip compile`` on ``pyproject.toml``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UV_") or k in KEPT}
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *arguments]
    command += ["--no-config", "--python", sys.executable, "--only-binary", ":all:"]
    command += ["--no-annotate", "--no-header", "--quiet"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment | TARGETS,
        input=given,
        capture_output=True,
        text=True,
    )


def write() -> int:
    """Write ``constraints.txt``, one file for all platforms and Pythons."""
    torch = next(each for each in PROJECT["dependencies"] if each.startswith("torch>="))
    scope = ("-", "--universal", "--all-extras", "--python-version", PYTHONS[0])
    ran = compiled(*scope, given=torch.replace(">=", "=="))
    if ran.returncode:
        print(ran.stderr, file=sys.stderr)
        return 1
    CONSTRAINTS.write_text(HEADER + ran.stdout, encoding="utf-8")
    return 0


def versions(text: str) -> set[str]:
    """Return the ``name==version`` of each line, without its marker."""
    return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))


def failure(platform: str, python: str) -> str | None:
    """Say why some extra does not install there with these versions; None where all do."""
    scope = ("--python-platform", platform, "--python-version", python, "-c", CONSTRAINTS.name)
    # With one version of each package, extras that resolve together resolve alone too. What is in
    # uv's cache is asked first: what a version needs does not change, and it takes a tenth of the
    # time.
    ran = compiled(*scope, "--all-extras", "--offline")
    if ran.returncode:
        ran = compiled(*scope, "--all-extras")
    if not ran.returncode:
        loose = versions(ran.stdout) - versions(CONSTRAINTS.read_text(encoding="utf-8"))
        return f"not in {CONSTRAINTS.name}: {', '.join(sorted(loose))}" if loose else None
    bare = compiled(*scope)
    if bare.returncode:
        return bare.stderr.strip()
    alone = {
        extra: compiled(*scope, "--extra", extra) for extra in PROJECT["optional-dependencies"]
    }
    failed = [
        f"[{extra}] {tried.stderr.strip()}" for extra, tried in alone.items() if tried.returncode
    ]
    return "\n".join(failed or [f"all extras together: {ran.stderr.strip()}"])


def check() -> int:
    """Print a table of platforms and Pythons, and below it why some fail."""
    cells = [(name, python) for name in PLATFORMS for python in PYTHONS]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda cell: failure(PLATFORMS[cell[0]], cell[1]), cells)
        failures = dict(zip(cells, found, strict=True))
    print("| | " + " | ".join(f"Python {python}" for python in PYTHONS) + " |")
    print("|---" * (len(PYTHONS) + 1) + "|")
    for name in PLATFORMS:
        row = ("fails" if failures[name, python] else "resolves" for python in PYTHONS)
        print(f"| {name} | " + " | ".join(row) + " |")
    for (name, python), reason in failures.items():
        if reason:
            print(f"\n{name}, Python {python}\n{reason}")
    return int(any(failures.values()))


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", choices=("write", "check"))
    return write() if parser.parse_args().task == "write" else check()


if __name__ == "__main__":
    sys.exit(main())
