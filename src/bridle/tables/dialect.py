"""The dialect of a text table: its separator, quote and escape character."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

from bridle.errors import DataError

__all__ = ["SEPARATORS", "Dialect", "check_quotes", "find_dialect"]

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blank"}
_RARE = "~^\x01\x1f¦:"
_SAMPLE = 20_000  # characters that the dialect is found from
_SEP_LINE = re.compile(r'\A"?sep=(.)"?\r?\n?', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How the cells of a text are separated and quoted.

    Attributes
    ----------
    sep, quote : str
    escape : str
        The character before a quote within a cell; empty if quotes are doubled.
    """

    sep: str
    quote: str = '"'
    escape: str = ""

    def records(self, text: str, *, strict: bool = False) -> Any:
        """Return Python's reader of the records in a text."""
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.sep,
            quotechar=self.quote,
            escapechar=self.escape or None,
            doublequote=not self.escape,
            skipinitialspace=self.sep != "\t",
            strict=strict,
        )


def find_dialect(
    text: str, name: str, sep: str | None, comment: str, known: frozenset[str] = frozenset()
) -> tuple[Dialect, str]:
    """Return a text's dialect, and the text without a ``sep=`` line.

    Lines that may be comments say nothing of the dialect.

    The separator is the one that splits the header into the columns that a model asks for. Without
    a model, clevercsv finds it: the dialect in which rows have the same length and cells are of a
    known type (van den Burg et al. 2019).

    Raises
    ------
    DataError
        If there is no separator.
    """
    stated = _SEP_LINE.match(text)
    if stated:
        text = text[stated.end() :]
        sep = sep or stated[1]
    sample = text if len(text) <= _SAMPLE else text[: text.rfind("\n", 0, _SAMPLE) + 1]
    sample = sample or text[:_SAMPLE]
    bare = re.sub(rf"(?m)^{re.escape(comment)}[^\r\n]*(?:\r\n?|\n|\Z)", "", sample)
    sample = bare if bare.strip() else sample
    found = None if sep else _of_header(sample, known) or _of_commas(sample)
    if found is None:
        found = _detected("".join(line for line in sample.splitlines(True) if line.strip()), sep)
    if found is None and not any(each in sample for each in SEPARATORS):
        found = _unusual(sample) or Dialect(",")  # one column
    if found is None:
        raise DataError(
            f"{name} has no separator that splits its lines into columns; give --sep, or a table "
            "with two columns or more"
        )
    return found, text


def _of_header(sample: str, known: frozenset[str]) -> Dialect | None:
    """Return the dialect whose header has the known columns, if quotes are plain."""
    if len(known) < 2 or "\\" in sample or "'" in sample:
        return None
    header = next((line for line in sample.splitlines() if line.strip()), "")
    for sep in SEPARATORS:
        cells: list[str] = next(iter(Dialect(sep).records(header)), [])
        if len(known & {cell.strip() for cell in cells}) >= max(2, len(known) - 1):
            return Dialect(sep)
    return None


def _of_commas(sample: str) -> Dialect | None:
    """Return the plainest dialect, if nothing in a text with a header speaks for another.

    Every line has as many commas as the first, whose cells are words, and there is no quote and no
    other separator; blanks, which are within cells, are not equally often in every line.
    """
    if any(mark in sample for mark in "\"'\\" + _RARE + ";\t|"):
        return None
    lines = [line for line in sample.splitlines() if line.strip()]
    commas, blanks = ({line.count(mark) for line in lines} for mark in ", ")
    if len(lines) < 2 or len(commas) > 1 or 0 in commas or (len(blanks) == 1 and 0 not in blanks):
        return None
    words = all(cell.strip()[:1].isalpha() for cell in lines[0].split(","))
    return Dialect(",") if words else None


def _detected(sample: str, sep: str | None) -> Dialect | None:
    from clevercsv import Detector  # takes a moment to import
    from clevercsv.exceptions import Error

    try:
        found = Detector().detect(sample, delimiters=[sep] if sep else list(SEPARATORS))
    except Error:
        found = None
    if found is None or not found.delimiter:
        return Dialect(sep) if sep else None
    # a sample without quotes says nothing of the rest
    return Dialect(found.delimiter, found.quotechar or '"', found.escapechar or "")


def _unusual(sample: str) -> Dialect | None:
    """Return the dialect of a rarer separator that is equally often in every line."""
    lines = [line for line in sample.splitlines() if line.strip()]
    for sep in _RARE:
        counts = {line.count(sep) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            return Dialect(sep)
    return None


def check_quotes(text: str, name: str, dialect: Dialect) -> None:
    """Raise an error if a quoted cell goes on behind its closing quote, or is never closed."""
    records = dialect.records(text, strict=True)
    began = 1
    try:
        for _ in records:
            began = records.line_num + 1
    except csv.Error as error:
        unclosed = "unexpected end" in str(error)
        what = "is never closed" if unclosed else "is neither doubled nor escaped within its cell"
        raise DataError(
            f"{name}, line {began}: a quote {dialect.quote} {what}; correct the line"
        ) from error
