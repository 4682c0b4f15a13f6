"""Lines of a text that are no rows: comments, and the line of dashes in a Markdown table."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator

from bridle.errors import DataError
from bridle.tables.dialect import Dialect
from bridle.tables.numbers import is_numberish

__all__ = ["without_comments", "without_dashes"]

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_REMARK = re.compile(r"#(?:\s|#|!|$)")  # "#1" is a value, "# note" is not
_DASHES = re.compile(
    r"\A(?P<header>\s*[^\r\n]*\|[^\r\n]*(?:\r\n|\r|\n))"
    r"[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|)+(?:[ \t]*:?-{2,}:?)?[ \t]*(?:\r\n|\r|\n)"
)
_SAMPLE = 300
_MAX_LINES = 1000  # of a quoted cell; one that is never closed is an error elsewhere
Record = tuple[str, list[str]]  # its text, and its cells


def without_dashes(text: str) -> tuple[str, list[str]]:
    """Return a text without the line of dashes below a Markdown table's header, and notes."""
    found = _DASHES.match(text)
    if found is None:
        return text, []
    return found["header"] + text[found.end() :], ["skipped: the line of dashes below the header"]


def without_comments(
    text: str, dialect: Dialect, name: str, comment: str | None, known: frozenset[str]
) -> tuple[str, list[str]]:
    """Return a text without its comment lines, and notes.

    A line within a quoted cell is none. Without ``comment``, a line that begins with # is a comment
    before the header, and elsewhere if it does not fit the columns.

    Parameters
    ----------
    text : str
    dialect : Dialect
    name : str
        What the file is called in messages.
    comment : str or None
        How a comment line begins; None is to be found out.
    known : frozenset of str
        The columns that a model asks for; empty if there is no model.

    Raises
    ------
    DataError
        If a line can be a comment or a row.
    """
    start = comment or "#"
    if not re.search(rf"(?m)(?:^|\r){re.escape(start)}", text):
        return text, []
    records = list(_records(text, dialect, start))
    others = [cells for raw, cells in records if raw.strip() and not raw.startswith(start)]
    dropped = set()
    if comment is None:
        opening = next((at for at, (raw, _) in enumerate(records) if _is_plain(raw)), len(records))
        leading = [at for at in range(opening) if records[at][0].strip()]
        dropped |= set(leading)
        if leading and _is_header(records[leading[-1]], others, name, known):
            at = leading[-1]
            dropped.remove(at)
            records[at] = (records[at][0].lstrip("# "), records[at][1])
        rows = others[: _SAMPLE + 1]  # with the header, unless that begins with #
        heads = 0 if set(leading) - dropped else 1
        dropped |= {
            at
            for at in range(opening, len(records))
            if _REMARK.match(records[at][0])
            and not _fits(records[at], rows[:heads], rows[heads:], name)
        }
    else:
        dropped |= {at for at, (raw, _) in enumerate(records) if raw.startswith(start)}
    kept = "".join(raw for at, (raw, _) in enumerate(records) if at not in dropped)
    if not dropped:
        return kept, []
    return kept, [f"skipped: {len(dropped)} comment lines that begin with {start!r}"]


def _is_plain(raw: str) -> bool:
    return bool(raw.strip()) and not raw.startswith("#")


def _records(text: str, dialect: Dialect, start: str) -> Iterator[Record]:
    """Yield the records of a text; a line that begins like a comment is one of its own."""
    lines = deque(_LINE.findall(text))
    while lines:
        if lines[0].startswith(start):
            raw = lines.popleft()
            yield raw, next(iter(dialect.records(raw)), [])
            continue
        raw = lines.popleft()
        if dialect.quote in raw:
            for _ in range(_MAX_LINES):
                if not lines or not _is_open(raw, dialect):
                    break
                raw += lines.popleft()
        yield raw, next(iter(dialect.records(raw)), [])


def _is_open(raw: str, dialect: Dialect) -> bool:
    """Return whether a record ends within a quoted cell, so that the next line belongs to it."""
    cells: list[str] = next(iter(dialect.records(raw + "\0")), [])
    return bool(cells) and "\n\0" in cells[-1].replace("\r\n", "\n").replace("\r", "\n")


def _columns_of_numbers(rows: list[list[str]]) -> list[int]:
    """Return which columns have numbers in all rows of the usual length."""
    width = _width(rows)
    full = [row for row in rows if len(row) == width]
    return [at for at in range(width) if full and all(is_numberish(row[at]) for row in full)]


def _width(rows: list[list[str]]) -> int:
    counts = Counter(map(len, rows))
    return counts.most_common(1)[0][0] if counts else 0


def _is_header(record: Record, others: list[list[str]], name: str, known: frozenset[str]) -> bool:
    """Return whether the last line before the others is the header, though it begins with #."""
    raw, cells = record
    if not others or len(cells) != len(others[0]) or len(cells) < 2:
        return False
    names = {cell.strip().lstrip("# ") for cell in cells}
    if len(names & known) > 1:
        return True
    rows = others[1 : _SAMPLE + 1]
    numbers = _columns_of_numbers(rows or others)
    if numbers:
        return len(others[0]) == _width(rows or others) and all(
            is_numberish(others[0][at]) for at in numbers
        )
    if not _REMARK.match(raw):
        return True
    raise _refused(raw, name, "the header")


def _fits(record: Record, header: list[list[str]], rows: list[list[str]], name: str) -> bool:
    """Return whether a line that begins with # is a row."""
    raw, cells = record
    if len(cells) != _width(rows or header):
        return False
    numbers = _columns_of_numbers(rows)
    if not numbers:
        raise _refused(raw, name, "a row")
    return all(is_numberish(cells[at]) for at in numbers)


def _refused(raw: str, name: str, what: str) -> DataError:
    shown = raw.strip()[:60]
    return DataError(
        f"{name}: the line {shown!r} can be a comment or {what}; give --comment # if it is a "
        "comment, or put its first cell in quotes"
    )
