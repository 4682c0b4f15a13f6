"""The container of a model file: a JSON document and arrays; neither needs torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from bridle.errors import ModelFileError

__all__ = ["FORMAT", "FORMAT_VERSION", "metadata_of", "read_container", "with_checksum"]

FORMAT = "bridle model"
FORMAT_VERSION = 4
KEY = "bridle"
"""The document's name in the header."""

_FIRST_VERSION = 1  # its files have no checksum
_KNOWN_VERSIONS = (_FIRST_VERSION, 2, 3, FORMAT_VERSION)  # the third has no embedding
_CHECKSUM = "sha256"
_NO_CHECKSUM = "0" * 64  # in its place while the checksum is computed


def metadata_of(document: dict[str, Any]) -> dict[str, str]:
    """Return the texts of a file's header: a document, and zeros in the place of the checksum.

    The checksum comes first, so that what is replaced cannot be part of another value. It is part
    of the document, because safetensors writes several metadata in random order.
    """
    return {KEY: json.dumps({_CHECKSUM: _NO_CHECKSUM, **document}, allow_nan=False)}


def with_checksum(content: bytes) -> bytes:
    """Return a file with the checksum in its place."""
    return _replaced(content, _NO_CHECKSUM, hashlib.sha256(content).hexdigest())


def _replaced(content: bytes, old: str, new: str) -> bytes:
    """Return a file with another checksum in the place of the old one."""
    before, after = (rf"\"{_CHECKSUM}\": \"{each}\"".encode() for each in (old, new))
    return content.replace(before, after, 1)


def _document(content: bytes) -> Any:
    """Return the document in the header of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    return json.loads(metadata.get(KEY, "null"))


def read_container(source: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return the document and the arrays of a model file.

    Raises
    ------
    ModelFileError
        If the file does not exist, is truncated or damaged, is no bridle model, or has another
        format version.
    """
    if not source.is_file():
        raise ModelFileError(
            f"{source} is not a file; give the path of a model that `bridle fit --out` wrote"
        )
    try:
        content = source.read_bytes()
        arrays = load(content)
        document = _document(content)
    except (SafetensorError, OSError, ValueError, LookupError, AssertionError) as error:
        raise ModelFileError(
            f"{source} is not a complete bridle model ({error}); "
            "give a file that `bridle fit --out` wrote"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelFileError(
            f"{source} is a safetensors file, but not a bridle model; "
            "give a file that `bridle fit --out` wrote"
        )
    version = document.get("version")
    if version not in _KNOWN_VERSIONS:
        raise ModelFileError(
            f"{source} has format version {version}, but this version of bridle reads format "
            f"{FORMAT_VERSION}; install the version that wrote it"
        )
    if version == _FIRST_VERSION:
        _without_hours(document)
        return document, arrays
    stated = document.get(_CHECKSUM, "")
    blank = _replaced(content, stated, _NO_CHECKSUM)
    if hashlib.sha256(blank).hexdigest() != stated:
        raise ModelFileError(
            f"{source} is damaged: its checksum is not that of its content; copy the file "
            "again, or fit the model again"
        )
    return document, arrays


def _without_hours(document: dict[str, Any]) -> None:
    """Change a document of the first version, where the hour was no feature of dates."""
    with contextlib.suppress(LookupError, TypeError):  # what is damaged is named later
        for column in document["encoder"]["columns"]:
            column["has_time"] = False
