"""Write a file completely or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from os import PathLike
from pathlib import Path

from bridle.errors import DataError

__all__ = ["write_atomically"]


def write_atomically(path: str | PathLike[str], content: bytes) -> None:
    """Write a file completely or not at all.

    The content is written to a temporary file in the same folder and synced to disk. That file
    then replaces the path in one step. If anything fails, the old file is unchanged.

    Parameters
    ----------
    path : path
        Its folder must exist.
    content : bytes

    Raises
    ------
    DataError
        If the folder does not exist, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "x.txt"
    >>> write_atomically(path, b"whole")
    >>> path.read_bytes()
    b'whole'
    """
    target = Path(path).resolve()  # a link stays, and its target is written
    if target.is_dir():
        raise DataError(f"cannot write {target}: it is a folder; give the name of a file")
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mode = 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException as error:  # an interrupt too leaves no part of a file
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if not isinstance(error, OSError):
            raise
        raise DataError(
            f"cannot write {target}: {error.strerror or error}; nothing was changed: "
            "give another path or free some space"
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
