"""A compiler's launcher: what the three builds of CI compile alike is compiled once.

CMake starts it with the compiler and its arguments. It keeps an object file under the hash of the
compiler, the flags and the preprocessed source, in the folder that the variable ``OBJECTS`` names.
A compiler cache would not do: each isolated build has its headers in another folder, and their
names are in what it hashes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PLACES = ("-I", "-isystem", "-MF", "-MT", "-o")  # a name of a file or of a folder follows


def flags_of(arguments: list[str]) -> list[str]:
    """Return the arguments without the names of files and folders."""
    rest = iter(arguments)
    found = []
    for each in rest:
        if each in PLACES:
            next(rest)
        elif not each.startswith(PLACES[0]) and not Path(each).is_file():
            found.append(each)
    return found


def main() -> int:
    """Copy the object file of the same source, or compile and keep it."""
    compiler, *arguments = sys.argv[1:]
    if "-c" not in arguments:
        return subprocess.call([compiler, *arguments])
    at = arguments.index("-o") + 1
    # without line markers, which have the folders' names; writes the list of headers too
    preprocess = [*arguments[: at - 1], *arguments[at + 1 :], "-E", "-P"]
    source = subprocess.run([compiler, *preprocess], stdout=subprocess.PIPE, check=True).stdout
    version = subprocess.check_output([compiler, "--version"])
    key = hashlib.sha256("\0".join(flags_of(arguments)).encode() + version + source).hexdigest()
    kept = Path(os.environ["OBJECTS"]) / f"{key}.o"
    if not kept.exists():
        if code := subprocess.call([compiler, *arguments]):
            return code
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(arguments[at], kept)
    shutil.copy(kept, arguments[at])
    return 0


if __name__ == "__main__":
    sys.exit(main())
