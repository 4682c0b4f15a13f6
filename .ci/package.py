"""Build the sdist, the wheel from it, and run the wheel's demo where there is no source tree.

The environment that runs this has what bridle depends on; the wheel goes into one of its own, which
sees those packages and not the bridle that is installed beside them.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
# where the wheel has what the source tree has elsewhere
PACKAGES = {
    "src/bridle/": "bridle/",
    "examples/": "bridle/examples/",
    "docs/live/": "bridle/examples/live/",
}
COMPILED = (".cpp", ".h")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command that has to succeed, and return what it prints."""
    ran = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{ran.stdout}")
    return ran.stdout


def missing(sdist: Path, wheel: Path) -> list[str]:
    """Name the files under version control that are not in them, and the kernels."""
    sources = run("git", "ls-files").splitlines()
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    absent = [f"{sdist.name} lacks {name}" for name in sources if name not in packed]
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    for folder, package in PACKAGES.items():
        for name in sources:
            there = name.replace(folder, package, 1)
            if name.startswith(folder) and not name.endswith(COMPILED) and there not in installed:
                absent.append(f"{wheel.name} lacks {there}")
    if not any(Path(name).match("_native.*") and not name.endswith(".pyi") for name in installed):
        absent.append(f"{wheel.name} lacks the compiled kernels")
    return absent


def main() -> None:
    """Build, look inside, install, run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder)
        (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
        if absent := missing(sdist, wheel):
            sys.exit("\n".join(absent))
        venv.create(folder / "environment", symlinks=sys.platform != "win32")
        scripts = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
        python = scripts / "python"
        run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel)
        where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        # a .pth file in the folder that this adds is not read: an editable install stays out
        (Path(where) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        used = run(python, "-c", "import bridle; print(bridle.__file__)", cwd=folder)
        if not used.startswith(where):
            sys.exit(f"the wheel is installed in {where}, and Python imports {used}")
        print(run(scripts / "bridle", "demo", cwd=folder))


if __name__ == "__main__":
    main()
