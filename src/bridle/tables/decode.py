"""From a file's bytes to text: compression, byte order marks and encodings."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib

from bridle.errors import DataError

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_FOREIGN = re.compile(r"[\x80-\uffff]{3,}")
_LETTERS = re.compile("[ŠŒŽšœžŸƒÀ-ÖØ-öø-ÿ]")  # of Windows-1252, beyond ASCII
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

    Text that is not UTF-8 is taken for Windows-1252, which contains Latin-1.

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
    text = text.lstrip("\ufeff")  # a file that was put together from two has two marks
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
        line = raw.count(b"\n", 0, error.start) + 1
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError as other:
            line = raw.count(b"\n", 0, other.start) + 1
            raise DataError(
                f"{name} is neither in UTF-8 nor in Windows-1252 (line {line}, byte "
                f"{raw[other.start]:#04x}); save it as UTF-8, or give --encoding"
            ) from error
        if "\x00" in text or sum(ch < " " and ch not in "\t\r\n\f" for ch in text[:4000]) > 8:
            raise DataError(
                f"{name} is not a text (line {line}, byte {raw[error.start]:#04x}); give a table"
            ) from error
        _check_western(text, name)
        return text, "Windows-1252"


def _check_western(text: str, name: str) -> None:
    """Refuse a text whose letters beyond ASCII are whole words, as no Western language has.

    Signs alone, such as £££, are no words.
    """
    runs = [run for run in _FOREIGN.findall(text) if _LETTERS.search(run)]
    letters = len(_LETTERS.findall("".join(runs)))
    if len(set(runs)) < 2 or 2 * letters <= len(_LETTERS.findall(text)):
        return
    raise DataError(
        f"{name} is not in UTF-8, and as Windows-1252 it has words such as {runs[0]!r}; give its "
        "--encoding, such as cp1251, gbk or shift_jis (or cp1252, if that is right), or save it as "
        "UTF-8"
    )


def _with(raw: bytes, codec: str, name: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not in {codec} (line {line}, byte {raw[error.start]:#04x}); "
            "save it as UTF-8, or give its --encoding"
        ) from error
