"""What the worker processes of one machine share in files: the data, and the trials' states.

A job and its result then carry paths in place of many megabytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch.serialization import get_crc32_options, set_crc32_options

from bridle.search.data import SearchData
from bridle.search.job import Arrays, Job, TrialResult, run_on_one_thread

__all__ = ["StoredData", "StoredState", "imported", "run_stored"]


class StoredData:
    """Data in a temporary folder, as long as this object exists.

    Attributes
    ----------
    folder : Path
    path : str
        The file of the data. All workers share one copy of the rows.
    """

    def __init__(self, data: SearchData) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bridle-"))
        # a file that a worker has mapped cannot be deleted on Windows
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.path = str(self.folder / "data")
        checked = get_crc32_options()
        set_crc32_options(False)  # a checksum takes longer than the writing
        try:
            torch.save(data, self.path)
        finally:
            set_crc32_options(checked)


class StoredState(Mapping[str, np.ndarray[Any, Any]]):
    """The state of a trial in a file, read when it is needed.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _arrays(self) -> Arrays:
        arrays: Arrays = load_file(self.path)
        return arrays

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __reduce__(self) -> tuple[type[StoredState], tuple[Path]]:
        return StoredState, (self.path,)

    def delete_with_this(self) -> StoredState:
        """Let the file be deleted when this object is; the copies in workers do not delete it."""
        weakref.finalize(self, _delete, self.path)
        return self


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def imported() -> None:
    """Do nothing: a worker process that calls this has imported what a job needs."""


def run_stored(path: str, job: Job) -> tuple[list[TrialResult], float]:
    """Run a job in a worker process, which imports this module and no more."""
    results, seconds = run_on_one_thread(_data_of(path), job)
    return [_stored(each, Path(path).parent, job.rung) for each in results], seconds


def _stored(result: TrialResult, folder: Path, rung: int) -> TrialResult:
    if result.state is None:
        return result
    path = folder / f"state-{rung}-{result.id}"
    save_file(dict(result.state), path)
    return replace(result, state=StoredState(path))


@lru_cache(maxsize=1)  # a worker keeps the data of one search
def _data_of(path: str) -> SearchData:
    data: SearchData = torch.load(path, weights_only=False, mmap=os.name == "posix")
    return data
