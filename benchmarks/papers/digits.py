"""MNIST from the user's own copy: an npz file, or a folder of idx files, gzipped or not."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.errors import DataError, UsageError

__all__ = ["Digits", "read_digits"]

Array = np.ndarray[Any, np.dtype[Any]]

_NPZ = ("x_train", "y_train", "x_test", "y_test")
_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_UNSIGNED_BYTES = 8


@dataclass(frozen=True, eq=False)
class Digits:
    """Images as float32 ``[rows, pixels]`` from 0 to 1, and int64 classes ``[rows]``."""

    X: Tensor
    y: Tensor
    X_test: Tensor
    y_test: Tensor

    def first(self, rows: int | None) -> Digits:
        """Return the same test part with some of the training rows, drawn once and for all."""
        if rows is None or rows == len(self.y):
            return self
        if not 0 < rows <= len(self.y):
            raise UsageError(f"rows is {rows}; the training part has {len(self.y)}")
        drawn = torch.from_numpy(np.random.default_rng(0).permutation(len(self.y))[:rows])
        return Digits(self.X[drawn], self.y[drawn], self.X_test, self.y_test)

    def held_out(self, rows: int) -> Digits:
        """Return the training part less its last rows, which stand in for the test part."""
        if not 0 < rows < len(self.y):
            raise UsageError(f"{rows} rows cannot be held out of {len(self.y)}")
        return Digits(self.X[:-rows], self.y[:-rows], self.X[-rows:], self.y[-rows:])

    def fingerprint(self) -> str:
        """Return a hash of the training rows."""
        found = hashlib.sha256(self.X.contiguous().numpy().tobytes())
        found.update(self.y.numpy().tobytes())
        return found.hexdigest()[:16]


def read_digits(path: str | Path) -> Digits:
    """Read MNIST.

    Parameters
    ----------
    path : path
        An npz file with ``x_train``, ``y_train``, ``x_test``, ``y_test`` (Keras's), or a folder
        with the four idx files of the original, each with or without ``.gz``.

    Raises
    ------
    DataError
        If a file is missing, truncated, or holds something else.
    """
    path = Path(path)
    if path.is_dir():
        parts = [_read_idx(_find(path, name)) for name in _IDX]
    elif path.exists():
        parts = _read_npz(path)
    else:
        raise DataError(f"{path} does not exist; give mnist.npz, or a folder of idx files")
    train, y, test, y_test = parts
    for images, labels, part in ((train, y, "training"), (test, y_test, "test")):
        if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels) or not len(labels):
            raise DataError(
                f"the {part} part of {path} has images {list(images.shape)} and labels "
                f"{list(labels.shape)}; give one label for each image"
            )
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{path} trains on images {list(train.shape[1:])} and tests on {list(test.shape[1:])}"
        )
    return Digits(_pixels(train), _classes(y), _pixels(test), _classes(y_test))


def _pixels(images: Array) -> Tensor:
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32) / 255)


def _classes(labels: Array) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def _read_npz(path: Path) -> list[Array]:
    try:
        with np.load(path) as arrays:
            missing = [name for name in _NPZ if name not in arrays.files]
            if missing:
                raise DataError(f"{path} has no {missing[0]}; it has {', '.join(arrays.files)}")
            return [arrays[name] for name in _NPZ]
    except (OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no npz file: give mnist.npz, or a folder of idx files"
        ) from error


def _find(folder: Path, name: str) -> Path:
    # some copies write train-images.idx3-ubyte
    for stem in (name, name.replace("-idx", ".idx")):
        for found in (folder / stem, folder / f"{stem}.gz"):
            if found.exists():
                return found
    raise DataError(f"{folder} has no {name} and no {name}.gz")


def _read_idx(path: Path) -> Array:
    """Read an idx file: two zeros, the type, the number of axes, their lengths, the bytes."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise DataError(f"{path} is not gzipped, or truncated: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTES:
        raise DataError(f"{path} is no idx file of bytes: it begins with {content[:4].hex()}")
    axes = content[3]
    begin = 4 + 4 * axes
    shape = [int(size) for size in np.frombuffer(content[4:begin], dtype=">u4")]
    expected = int(np.prod(shape, dtype=np.int64))
    if len(shape) != axes or len(content) - begin != expected:
        raise DataError(
            f"{path} should hold {expected} bytes for {shape}, and holds {len(content) - begin}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=begin).reshape(shape)
