"""Reads a text table as columns of strings: its dialect, its layout, its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from bridle.errors import DataError
from bridle.tables.comments import without_comments, without_dashes
from bridle.tables.decode import decode
from bridle.tables.dialect import SEPARATORS, Dialect, check_quotes, find_dialect
from bridle.tables.encodings import assumed
from bridle.tables.layout import Layout, find_layout
from bridle.tables.numbers import is_numberish
from bridle.tables.options import ReadOptions

__all__ = ["TextTable", "read_text_table"]

_MAX_FOOTER = 5


@dataclass(frozen=True)
class TextTable:
    """The cells of a text, as strings, and how they were found.

    Attributes
    ----------
    frame : DataFrame
    sep : str
    signs : str
        What was understood: the separator, the encoding, and so on.
    notes : tuple of str
    """

    frame: pd.DataFrame
    sep: str
    signs: tuple[str, ...]
    notes: tuple[str, ...]


def read_text_table(
    raw: bytes, name: str, options: ReadOptions, *, packed: bool, known: frozenset[str]
) -> TextTable:
    """Read the bytes of a text table.

    Parameters
    ----------
    raw : bytes
    name : str
        What the file is called in messages.
    options : ReadOptions
    packed : bool
        Whether the bytes are compressed by gzip.
    known : frozenset of str
        The columns that a model asks for; empty if there is no model.

    Raises
    ------
    DataError
        If the text is no table, or it is not clear how to read it.
    """
    text, encoding = decode(raw, name, packed=packed, encoding=options.encoding)
    guessed = options.encoding is None and not encoding.startswith("UTF")
    notes = [assumed(text, encoding)] if guessed else []
    dialect, text = find_dialect(text, name, options.sep, options.comment or "#", known)
    text, comments = without_comments(text, dialect, name, options.comment, known)
    if dialect.quote in text:
        check_quotes(text, name, dialect)
    text, dashes = without_dashes(text)
    if dialect.sep == " " and dialect.quote not in text:
        text = re.sub(" +", " ", re.sub(r"(?m)^ +| +$", "", text))
    layout = find_layout(text, dialect, name, options.header, known)
    frame, footer = _rows(text, dialect, layout, name)
    signs = [f"separator {SEPARATORS.get(dialect.sep, repr(dialect.sep))}", encoding]
    if not layout.has_header:
        signs.append("no header line: the columns are column1, column2 …")
    notes += [*comments, *dashes, *layout.notes, *footer]
    return TextTable(frame, dialect.sep, tuple(signs), tuple(notes))


def _rows(text: str, dialect: Dialect, layout: Layout, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows as columns of strings, and notes on what follows them."""
    lines = _after(text, layout.first_line)
    width = len(layout.names)
    wanted = [f"c{place}" for place in range(width)]
    if dialect.sep + " " + dialect.quote in text:  # Arrow does not skip blanks before a quote
        return _by_python(text, dialect, layout, name)
    bad: list[Any] = []

    def skip(row: Any) -> str:
        bad.append(row)
        return "skip"

    if not lines.strip():
        empty = {n: pd.Series([], dtype=object) for n in layout.names if n}
        return pd.DataFrame(empty), []
    table = pyarrow.csv.read_csv(
        pa.BufferReader(lines.encode()),
        read_options=pyarrow.csv.ReadOptions(
            column_names=wanted, use_threads=False, block_size=max(1 << 20, len(lines) // 4)
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.sep,
            quote_char=dialect.quote,
            escape_char=dialect.escape or False,
            double_quote=not dialect.escape,
            newlines_in_values=True,
            invalid_row_handler=skip,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )
    notes = _footer(bad, table.num_rows, text, dialect, layout, name)
    frame = table.to_pandas()
    frame.columns = pd.Index(layout.names)
    return _named(frame, layout, name), notes


def _by_python(
    text: str, dialect: Dialect, layout: Layout, name: str
) -> tuple[pd.DataFrame, list[str]]:
    records = dialect.records(_after(text, layout.first_line))
    rows = [row for row in records if any(cell.strip() for cell in row)]
    width = len(layout.names)
    if any(len(row) != width for row in rows):
        _refuse(text, dialect, layout, name)
    return _named(pd.DataFrame(rows, columns=pd.Index(layout.names), dtype=str), layout, name), []


def _named(frame: pd.DataFrame, layout: Layout, name: str) -> pd.DataFrame:
    """Leave out columns without a name, and refuse a header that is repeated as a row."""
    kept = frame.loc[:, [bool(each) for each in layout.names]]
    if layout.has_header and len(kept) and kept.columns.is_unique:
        same = kept.iloc[:, 0].str.strip() == kept.columns[0]
        again = same.to_numpy(dtype=bool).nonzero()[0].tolist()
        for at in again:
            if all(str(kept.iloc[at, j]).strip() == n for j, n in enumerate(kept.columns)):
                raise DataError(
                    f"{name} repeats its header as row {at + 1}; delete that line, or give the "
                    "tables in files of their own"
                )
    return kept


def _after(text: str, lines: int) -> str:
    """Return a text without its first lines."""
    place = 0
    for _ in range(lines):
        found = re.compile(r"\r\n|\r|\n").search(text, place)
        if found is None:
            return ""
        place = found.end()
    return text[place:]


def _footer(
    bad: list[Any], rows: int, text: str, dialect: Dialect, layout: Layout, name: str
) -> list[str]:
    """Return notes on lines of one cell behind the rows; refuse any other ragged row."""
    if not bad:
        return []
    first = min(row.number for row in bad)
    behind = first > rows and len(bad) <= _MAX_FOOTER
    sentences = all(row.actual_columns == 1 and _is_sentence(row.text) for row in bad)
    if behind and len(layout.names) > 1 and sentences:
        shown = "; ".join(row.text.strip() for row in bad)
        return [f"skipped behind the rows: {shown[:80]!r}"]
    _refuse(text, dialect, layout, name)
    return []


def _is_sentence(line: str) -> bool:
    """Return whether a line is a remark, and not a row that lost its other cells."""
    return not is_numberish(line) and bool(re.search(r"\w[:.]?\s+\w", line))


def _refuse(text: str, dialect: Dialect, layout: Layout, name: str) -> None:
    """Name the first row that has too many or too few cells."""
    records = dialect.records(text)
    width = len(layout.names)
    for row in records:
        if records.line_num <= layout.first_line or not any(cell.strip() for cell in row):
            continue
        if len(row) != width:
            shown = dialect.sep.join(row)[:60]
            raise DataError(
                f"{name} cannot be read as a table (line {records.line_num}: Expected {width} "
                f"columns, got {len(row)}: {shown!r}); give each row as many cells as the header"
            )
    raise DataError(f"{name} has rows of several lengths; give each as many cells as the header")
