"""Installs each framework into an environment of its own, measures it, and compares the records.

``python dialects/measure/run.py [NAME ...] [--record]``: without names, all that
have a script. ``--record`` writes the day and the version into the record if nothing differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from formula import one_step

from bridle.dialects import find
from bridle.dialects.records import Framework
from bridle.errors import UsageError

FOLDER = Path(__file__).parent
DATA = FOLDER.parents[1] / "src/bridle/dialects/data"
SHARED = ("run", "formula", "probes", "torch_probes")
INSTALL, MEASURE = 1800, 600  # seconds


class NotHereError(Exception):
    """The framework cannot be installed or run on this machine."""


@dataclass
class Comparison:
    """What a script measured beside what the record says."""

    agree: int = 0
    steps: int = 0
    changed: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    unstated: list[str] = field(default_factory=list)


def header(script: Path) -> dict[str, Any]:
    """Return the metadata in a script's first comment."""
    mark = r"(?m)^(?:#|//) /// script$\s(?P<text>(?:^(?:#|//)(?:| .*)$\s)+)^(?:#|//) ///$"
    found = re.search(mark, script.read_text(encoding="utf-8"))
    if found is None:
        return {}
    return tomllib.loads("\n".join(line[2:].lstrip() for line in found["text"].splitlines()))


def interpreter(wanted: str) -> str:
    """Return the newest Python here that a script can use, the running one first."""
    bounds = [part.strip() for part in wanted.split(",")]

    def fits(version: tuple[int, int]) -> bool:
        for bound in bounds:
            sign, given = re.match(r"(>=|<|==)\s*(.*)", bound).groups()  # type: ignore[union-attr]
            major, minor = map(int, given.removesuffix(".*").split("."))
            known = {">=": version >= (major, minor), "<": version < (major, minor)}
            if not known.get(sign, version == (major, minor)):
                return False
        return True

    if fits(sys.version_info[:2]):
        return sys.executable
    for minor in range(14, 7, -1):
        if not fits((3, minor)):
            continue
        name = f"python3.{minor}"
        candidates = [
            shutil.which(name),
            *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"),
        ]
        for path in filter(None, candidates):
            if call([str(path), "--version"]).returncode == 0:
                return str(path)
    raise NotHereError(f"there is no Python {wanted}")


def call(command: list[str], limit: float = MEASURE, **options: Any) -> Any:
    """Run a command and keep what it prints."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=limit, **options)
    except FileNotFoundError as error:
        raise NotHereError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise NotHereError(f"{Path(command[0]).name} took more than {limit:.0f} s") from error


def checked(command: list[str], limit: float, **options: Any) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = call(command, limit, **options)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NotHereError(f"{Path(command[0]).name}: {last[-1]}")
    return str(done.stdout)


def install(data: dict[str, Any], folder: Path) -> str:
    """Make an environment with a script's dependencies, and return its interpreter."""
    base = interpreter(data["requires-python"])
    own = folder / "environment"
    python = str(own / ("Scripts" if os.name == "nt" else "bin") / "python")
    needed = data["dependencies"]
    alone = data.get("tool", {}).get("measure", {}).get("without-dependencies", [])
    uv = shutil.which("uv")
    links = os.environ.get("PIP_FIND_LINKS")
    if uv:
        checked([uv, "venv", "--quiet", "--python", base, str(own)], INSTALL)
        pip = [uv, "pip", "install", "--quiet", "--python", python]
        pip += ["--find-links", links] if links else []
    else:
        checked([base, "-m", "venv", str(own)], INSTALL)
        pip = [python, "-m", "pip", "install", "--quiet"]
    checked([*pip, *needed], INSTALL)
    if alone:
        checked([*pip, "--no-deps", *alone], INSTALL)
    return python


def measure(script: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Run a framework's script where its framework is, and return its claims and versions."""
    data = header(script)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in (*(FOLDER / f"{shared}.py" for shared in SHARED), script):
            target = f"measure_{each.name}" if each == script else each.name  # hides no package
            shutil.copy(each, folder / target)
        target = f"measure_{script.name}"
        if script.suffix == ".py":
            command = [install(data, folder), "-W", "ignore", target]
        elif script.suffix == ".js":
            checked(["npm", "install", "--silent", *data["dependencies"]], INSTALL, cwd=folder)
            command = ["node", target]
        else:
            command = ["Rscript", target]
        printed = checked(command, MEASURE, cwd=folder)
    claims = json.loads(printed[re.search(r"(?m)^\{", printed).start() :])  # type: ignore[union-attr]
    pins = [
        *data.get("dependencies", []),
        *data.get("tool", {}).get("measure", {}).get("without-dependencies", []),
    ]
    pairs = (re.split("==|@(?=[0-9])", pin.partition(";")[0]) for pin in pins)
    versions = {pair[0].lower(): pair[1].strip() for pair in pairs if len(pair) == 2}
    return claims, versions | {"": claims.pop("version", "")}


def compare(framework: Framework, claims: dict[str, Any]) -> Comparison:
    """Compare what was measured with a record."""
    found = Comparison()
    said = {claim.id: claim for claim in framework.claims}
    settings = {each.name: each for each in framework.settings}
    for key, value in claims.items():
        _, setting, name = key.split(".")
        if name == "step" and setting in settings:
            wanted = one_step(settings[setting])
            if wanted is not None and abs(wanted - value) > 2e-3:
                found.changed.append(f"{key}: one step gives {value}, the record says {wanted:.4f}")
            elif wanted is not None:
                found.steps += 1
        elif key not in said:
            found.unstated.append(f"{key}: {value}")
        elif same(said[key].value, value):
            found.agree += 1
        else:
            found.changed.append(f"{key}: measured {value!r}, the record says {said[key].value!r}")
    found.unmeasured = [
        key for key, claim in said.items() if claim.evidence == "measured" and key not in claims
    ]
    return found


def same(said: object, measured: object) -> bool:
    """Return whether two values are the same, numbers to three digits."""
    if isinstance(said, int | float) and isinstance(measured, int | float):
        return type(said) is type(measured) is bool or abs(said - measured) <= 2e-3 * abs(said)
    return said == measured


def record(framework: Framework, version: str) -> None:
    """Write the day and the version into a record."""
    path = DATA / f"{framework.name}.toml"
    text = path.read_text(encoding="utf-8")
    day = datetime.now(UTC).date().isoformat()
    text = re.sub(r"(?m)^measured = .*$", f"measured = {day}", text, count=1)
    text = re.sub(r"(?m)^version = .*$", f'version = "{version}"', text, count=1)
    path.write_text(text, encoding="utf-8")


def scripts() -> dict[str, Path]:
    """Return the script of each framework."""
    paths = sorted(path for end in ("py", "R", "js") for path in FOLDER.glob(f"*.{end}"))
    return {path.stem: path for path in paths if path.stem not in SHARED}


def one(name: str, script: Path, options: argparse.Namespace) -> int:
    """Measure a framework, print what was found, and return the number of changed claims."""
    framework = find(name)
    try:
        claims, versions = measure(script)
    except NotHereError as reason:
        print(f"{name}: not measured: {reason}", flush=True)
        return 0
    found = compare(framework, claims)
    version = versions.get(framework.package.lower(), "") or versions[""] or framework.version
    print(
        f"{name} {version}: {found.agree} claims and {found.steps} steps of training agree, "
        f"{len(found.changed)} changed, {len(found.unmeasured)} were not measured",
        flush=True,
    )
    for line in found.changed:
        print(f"  {line}")
    if options.verbose:
        for key in found.unmeasured:
            print(f"  not measured: {key}")
        for line in found.unstated:
            print(f"  not in the record: {line}")
    if options.record and not found.changed:
        record(framework, version)
    return len(found.changed)


def main() -> int:
    """Measure the named frameworks, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--record", action="store_true", help="write the day and the version")
    parser.add_argument("--verbose", action="store_true", help="also name what is on one side only")
    options = parser.parse_args()
    known = scripts()
    if unknown := [name for name in options.names if name not in known]:
        raise UsageError(f"there is no script for {unknown[0]!r}; there are {', '.join(known)}")
    return 1 if sum(one(name, known[name], options) for name in options.names or known) else 0


if __name__ == "__main__":
    sys.exit(main())
