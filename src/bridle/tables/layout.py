"""The layout of a text table: comments, preamble, header, rows, and what follows them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from bridle.errors import DataError
from bridle.tables.dialect import Dialect
from bridle.tables.numbers import is_numberish

__all__ = ["Layout", "find_layout"]

_SAMPLE_ROWS = 300
_MAX_PREAMBLE = 50
_COUNTED = re.compile(r"column\d+")
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
Row = tuple[int, list[str]]  # its last line, and its cells


@dataclass(frozen=True)
class Layout:
    """Where the rows of a text are, and what their columns are called.

    Attributes
    ----------
    names : tuple of str
        A name for each cell of a row. An empty name is a column that is left out.
    first_line : int
        The number of lines before the first row.
    has_header : bool
    notes : tuple of str
        What was skipped or left out.
    """

    names: tuple[str, ...]
    first_line: int
    has_header: bool
    notes: tuple[str, ...] = field(default=())


def find_layout(
    text: str, dialect: Dialect, name: str, header: bool | None, known: frozenset[str]
) -> Layout:
    """Find the header and the rows of a text without comment lines.

    Parameters
    ----------
    text : str
    dialect : Dialect
    name : str
        What the file is called in messages.
    header : bool or None
        Whether there is a header; None is to be found out.
    known : frozenset of str
        The columns that a model asks for; empty if there is no model.

    Raises
    ------
    DataError
        If it is not clear which line is the header.
    """
    rows = _sample(text, dialect)
    # rows of one cell are titles and sources, unless there is nothing else
    lengths = Counter(len(cells) for _, cells in rows if len(cells) > 1)
    if not lengths and rows and dialect.sep not in text:
        return Layout((rows[0][1][0].strip(),), rows[0][0], True)
    if not lengths:
        raise DataError(
            f"{name} has one column only, separated by {dialect.sep!r}; give --sep, or a table "
            "with two columns or more"
        )
    most = max(lengths.values())
    first_long = next(len(cells) for _, cells in rows if len(cells) > 1)
    width = first_long if lengths[first_long] == most else lengths.most_common(1)[0][0]
    at = _header_at(rows, width, name)
    skipped = [_shown(cells) for _, cells in rows[:at]]
    notes = [f"skipped before the header: {', '.join(skipped[:3])}"] if skipped else []
    line, cells = rows[at]
    before = rows[at - 1][0] if at else 0
    body = [row for _, row in rows[at + 1 :] if len(row) == width]
    if header is None and known:
        named = bool(known & {cell.strip() for cell in cells})
        header = named or not all(_COUNTED.fullmatch(each) for each in known)
    if header is False or (header is None and _is_data(cells, body, name, line)):
        names = tuple(f"column{place + 1}" for place in range(width))
        return Layout(names, before, False, tuple(notes))
    if header is None:
        _check_second_line(body, name, line)
    names, more = _names(cells, body, width)
    return Layout(names, line, True, (*notes, *more))


def _sample(text: str, dialect: Dialect) -> list[Row]:
    rows: list[Row] = []
    records = dialect.records(text)
    for cells in records:
        if any(cell.strip() for cell in cells):
            rows.append((records.line_num, cells))
        if len(rows) >= _SAMPLE_ROWS:
            break
    return rows


def _header_at(rows: list[Row], width: int, name: str) -> int:
    """Return the place of the header, or of the first row if there is none."""
    for at, (line, cells) in enumerate(rows[:_MAX_PREAMBLE]):
        filled = sum(bool(cell.strip()) for cell in cells)
        if len(cells) == width and (filled > 1 or width < 3):
            if at and any(len(row) > 1 and sum(map(bool, row)) > 1 for _, row in rows[:at]):
                _refuse_short_header(rows[0], width, name)
            return at
        if len(cells) == width - 1 > 1 and all(len(row) == width for _, row in rows[at + 1 :]):
            return at
        if len(cells) > width:
            raise DataError(
                f"{name}, line {line} has {len(cells)} cells, but most lines have {width}; give "
                "each row as many cells as the header"
            )
    raise DataError(f"{name}: no line of {width} cells can be the header; give --no-header")


def _refuse_short_header(first: Row, width: int, name: str) -> None:
    line, cells = first
    raise DataError(
        f"{name}, line {line}: Expected {width} columns, got {len(cells)}: {_shown(cells)}; "
        "give each row as many cells as the header, or delete the lines before the header"
    )


def _is_data(cells: list[str], body: list[list[str]], name: str, line: int) -> bool:
    """Return whether the first line is a row, since it has numbers where the rows have them."""
    alike = [
        cell
        for place, cell in enumerate(cells)
        if _is_value(cell) and any(_is_value(row[place]) for row in body if place < len(row))
    ]
    if not alike or not body:
        return False
    if any(not cell.strip().isdigit() for cell in alike):
        return True
    numbers = [int(cell) for cell in cells if cell.strip().isdigit()]
    rising = all(b - a == 1 for a, b in pairwise(numbers))
    years = len(numbers) > 1 and all(1500 <= each <= 2200 for each in numbers)
    counted = len(numbers) == len(cells) > 2 and numbers[0] == 0
    if rising and (counted or (years and not _all_years(body, cells))):
        return False
    raise DataError(
        f"{name}, line {line} may be the header or a row: {_shown(cells)}; give --header or "
        "--no-header"
    )


def _all_years(body: list[list[str]], header: list[str]) -> bool:
    """Return whether the rows have years too, where the header has them."""
    places = [place for place, cell in enumerate(header) if cell.strip().isdigit()]
    cells = [row[place].strip() for row in body for place in places]
    return all(cell.isdigit() and 1500 <= int(cell) <= 2200 for cell in cells)


def _is_value(cell: str) -> bool:
    return is_numberish(cell) or bool(_ISO.match(cell.strip()))


def _check_second_line(body: list[list[str]], name: str, line: int) -> None:
    """Raise an error if the first row is text where all others are numbers: a line of units."""
    if len(body) < 5:
        return
    first, rest = body[0], body[1:]
    units = [
        cell
        for place, cell in enumerate(first)
        if any(map(str.isalpha, cell))
        and not is_numberish(cell)
        and all(is_numberish(row[place]) for row in rest)
    ]
    numbers = any(map(is_numberish, first))
    if units and not numbers:
        raise DataError(
            f"{name}, line {line + 1} looks like a second line of the header ({units[0]!r} among "
            "numbers); delete it"
        )


def _names(
    cells: list[str], body: list[list[str]], width: int
) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns' names, and notes on those without one."""
    names, notes = [cell.strip() for cell in cells], []
    if len(names) < width:
        if all(not row[-1].strip() for row in body):
            return (*names, ""), []
        notes.append("left out, because the header has no name for it: the first column")
        return ("", *names), notes
    for place, given in enumerate(names):
        if given:
            continue
        column = [row[place].strip() for row in body]
        if not any(column):
            continue
        counted = [str(at) for at in range(len(column))]
        from_one = [str(at + 1) for at in range(len(column))]
        if place == 0 and len(column) > 1 and column in (counted, from_one):
            notes.append("left out: the unnamed first column, which counts the rows")
            continue
        names[place] = f"column{place + 1}"
        notes.append(f"a column without a name is called {names[place]!r}")
    return tuple(names), notes


def _shown(cells: list[str]) -> str:
    text = ", ".join(cell.strip() for cell in cells if cell.strip())
    return repr(text if len(text) <= 60 else text[:60] + "…")
