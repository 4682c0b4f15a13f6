"""From a file's bytes to text: compression, byte order marks and encodings."""

from __future__ import annotations

import codecs
import gzip
import zlib

from bridle.errors import DataError
from bridle.tables.encodings import single_bytes
from bridle.tables.strings import composed

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "an Excel or zip file", "name it .xlsx, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "save it as .xlsx or .csv"),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\x1f\x8b", "a gzip file", "name it .csv.gz"),
    (b"SQLite format 3\x00", "an SQLite file", "name it .sqlite, and give --sql"),
    (b"%PDF", "a PDF file", "give a table"),
)


def decode(raw: bytes, name: str, *, packed: bool, encoding: str | None) -> tuple[str, str]:
    """Return the text, without a byte order mark, and what its encoding is called.

    Text that is not UTF-8 is taken for Windows-1252, unless its letters tell of another encoding.

    Raises
    ------
    DataError
        If the bytes are damaged, are of another kind of file, or have no known encoding.
    """
    if packed:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} is damaged ({error}); check the file") from error
    for mark, kind, advice in _OTHER_FILES:
        if raw.startswith(mark):
            raise DataError(f"{name} is {kind}, not a text; {advice}")
    text, called = _text(raw, name, encoding)
    text = composed(text).lstrip("\ufeff")  # a file that was put together from two has two marks
    if not text.strip():
        raise DataError(f"{name} is empty; give a file with a header line and rows")
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(
            f"{name} has a NUL character in line {line}, so it is damaged or in another encoding; "
            "save it as UTF-8, or give --encoding"
        )
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise DataError(f"{name} is a web page or XML, not a table; export it as CSV")
    if start.startswith(("[", "{")) and '"' in start and ":" in start:
        raise DataError(f"{name} looks like JSON; name it .jsonl, with one object a line")
    return text, called


def _text(raw: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    for mark, codec, called in _MARKS:
        if raw.startswith(mark) and encoding is None:
            return _with(raw.removeprefix(mark), codec, name), called
    if encoding is not None:
        return _with(raw, encoding, name).removeprefix("\ufeff"), encoding
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError as error:
        start = raw[:4000]
        if b"\x00" in raw or sum(byte < 32 and byte not in b"\t\r\n\f" for byte in start) > 8:
            line = raw.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{name} is not a text (line {line}, byte {raw[error.start]:#04x}); give a table"
            ) from error
    return single_bytes(raw, name)


def _with(raw: bytes, codec: str, name: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not in {codec} (line {line}, byte {raw[error.start]:#04x}); "
            "save it as UTF-8, or give its --encoding"
        ) from error
