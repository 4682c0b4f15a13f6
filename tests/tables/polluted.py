"""A corpus of polluted tables: the bytes of each file, and the right answer for it.

The kinds are those of the Pollock benchmark (Vitagliano et al. 2023): separators, quotes, escapes,
record ends, headers, preambles, ragged rows, several tables. Beside them are the marks of numbers,
encodings and cells that analysts meet. ``CASES`` maps a name to a :class:`Case`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Columns = dict[str, list[Any]]

TOWN = ["Ulm", "Bonn", "Köln", "Ulm", "Bonn", "Kiel", "Ulm", "Jena"]
COUNT = [3, 14, 15, 92, 65, 35, 89, 79]
SIZE = [0.5, 12.25, 3.125, -7.5, 1000.75, 2.5, 0.125, 88.25]
TABLE: Columns = {"town": TOWN, "count": COUNT, "size": SIZE}


@dataclass(frozen=True)
class Case:
    """A file, and the columns that are right for it; None if it must be refused."""

    content: bytes
    right: Columns | None
    name: str = "t.csv"


def text(
    columns: Mapping[str, Sequence[Any]],
    sep: str = ",",
    *,
    decimal: str = ".",
    end: str = "\n",
    header: bool = True,
    quote: str = "",
) -> str:
    """Write columns as text."""

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return quote + f"{value:g}".replace(".", decimal) + quote
        return quote + ("" if value is None else str(value)) + quote

    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    lines = [list(columns)] if header else []
    return "".join(sep.join(map(cell, row)) + end for row in [*lines, *rows])


CASES: dict[str, Case] = {}


def add(
    name: str, content: str | bytes, right: Columns | None = TABLE, file: str = "t.csv"
) -> None:
    raw = content.encode() if isinstance(content, str) else content
    assert name not in CASES, name
    CASES[name] = Case(raw, right, file)


def numbers(name: str, cells: list[str], right: list[Any] | None, sep: str = ",") -> None:
    """A column of cells beside a column of names."""
    columns = None if right is None else {"town": TOWN, "x": right}
    add(name, text({"town": TOWN, "x": cells}, sep), columns)


# separators
for _name, _sep in {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}.items():
    add(f"separator: {_name}", text(TABLE, _sep))
    add(f"separator: {_name}, all cells quoted", text(TABLE, _sep, quote='"'))
add("separator: comma and a blank", text(TABLE, ", "))
add("separator: blank", text(TABLE, " "))
add("separator: tab in a .txt", text(TABLE, "\t"), file="t.txt")
add("separator: sep= line, semicolon", "sep=;\n" + text(TABLE, ";", decimal=","))
add("separator: sep= line, tab", "sep=\t\r\n" + text(TABLE, "\t", end="\r\n"))
add(
    "separator: aligned by blanks",
    "".join(
        f"{a:<8}{b:>6}{c:>10}\n"
        for a, b, c in [("town", "count", "size"), *zip(TOWN, COUNT, map(str, SIZE), strict=True)]
    ),
)
add(
    "separator: semicolon, texts with commas",
    text({"note": ["a, b", "c, d, e", "f", "g, h"] * 2, "n": COUNT}, ";"),
    {"note": ["a, b", "c, d, e", "f", "g, h"] * 2, "n": COUNT},
)

# record ends
add("ends: CRLF", text(TABLE, end="\r\n"))
add("ends: CR", text(TABLE, end="\r"))
add("ends: mixed", text(TABLE).replace("\n", "\r\n", 4))
add("ends: none at the end", text(TABLE).rstrip("\n"))
add("ends: two at the end", text(TABLE) + "\n\n")
add("ends: blank lines between", text(TABLE).replace("\n", "\n\n"))

# encodings
add("encoding: UTF-8 with BOM", text(TABLE, ";", decimal=",").encode("utf-8-sig"))
add("encoding: UTF-16", text(TABLE, "\t").encode("utf-16"))
add("encoding: UTF-16 big endian", b"\xfe\xff" + text(TABLE).encode("utf-16-be"))
add("encoding: Latin-1", text(TABLE, ";", decimal=",").encode("latin-1"))
_euro = {"Größe": COUNT, "Währung": ["€", "£", "€", "$", "£", "€", "$", "€"]}
add("encoding: Windows-1252", text(_euro, ";").encode("cp1252"), _euro)
add("encoding: UTF-16 without BOM", text(TABLE).encode("utf-16-le"), None)
add("encoding: NUL bytes", text(TABLE).encode().replace(b"Kiel", b"K\x00el"), None)

# quotes
_notes = ['a "b" c', "d, e", "two\nlines", "f", "g; h", '"all"', "i", "j, k"]
_quoted = "".join(
    '"' + note.replace('"', '""') + f'",{count}\n'
    for note, count in zip(_notes, COUNT, strict=True)
)
add("quotes: separators, breaks, quotes inside", "note,n\n" + _quoted, {"note": _notes, "n": COUNT})
_escaped = "".join(
    '"' + note.replace('"', '\\"') + f'",{count}\n'
    for note, count in zip(_notes, COUNT, strict=True)
)
add("quotes: escaped by backslash", "note,n\n" + _escaped, {"note": _notes, "n": COUNT})
_single = ["a, b", "c", "d, e", "f", "g", "h, i", "j", "k"]
add(
    "quotes: single",
    "note,n\n" + "".join(f"'{a}',{b}\n" for a, b in zip(_single, COUNT, strict=True)),
    {"note": _single, "n": COUNT},
)
_pipes = ['5" pipe', '3" pipe', "valve", '1/2" nut', "bolt", '6" pipe', "nut", "screw"]
add(
    "quotes: inch marks, no quoted cells",
    text({"part": _pipes, "n": COUNT}),
    {"part": _pipes, "n": COUNT},
)
add("quotes: not doubled inside", text(TABLE).replace("Kiel", '"Ki"el, old" town"'), None)
add("quotes: never closed", text(TABLE).replace("Kiel", '"Kiel'), None)
add(
    "quotes: commas in a quoted header",
    'item\tprice\t"net, gross, tax, or none"\n' + "x\t1\t2\ny\t3\t4\nz\t5\t6\n",
    {"item": ["x", "y", "z"], "price": [1, 3, 5], "net, gross, tax, or none": [2, 4, 6]},
    "t.tsv",
)
add(
    "quotes: apostrophes in texts",
    text({"town": ["O'Hara", "D'or", "Ulm", "Rock'n"] * 2, "n": COUNT}),
    {"town": ["O'Hara", "D'or", "Ulm", "Rock'n"] * 2, "n": COUNT},
)

# numbers
add("numbers: decimal comma, semicolon", text(TABLE, ";", decimal=","))
add("numbers: decimal comma, tab", text(TABLE, "\t", decimal=","))
add("numbers: decimal comma, quoted", text(TABLE, ",", decimal=",", quote='"'))
add(
    "numbers: decimal comma, two columns",
    text({"x": SIZE, "y": SIZE[::-1]}, ";", decimal=","),
    {"x": SIZE, "y": SIZE[::-1]},
)
_big = [1234.5, 98765.25, 1000000.0, 12.5, 999.75, 45678.0, 2500.5, 1.25]
numbers("numbers: thousands commas", [f'"{v:,.2f}"' for v in _big], _big)
numbers(
    "numbers: thousands points, decimal comma",
    [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in _big],
    _big,
    ";",
)
numbers(
    "numbers: thousands blanks",
    [f"{v:,.2f}".replace(",", " ").replace(".", ",") for v in _big],
    _big,
    ";",
)
numbers(
    "numbers: thousands narrow no-break blanks",
    [f"{v:,.2f}".replace(",", "\u202f").replace(".", ",") for v in _big],
    _big,
    ";",
)
numbers("numbers: thousands apostrophes", [f"{v:,.2f}".replace(",", "'") for v in _big], _big, ";")
numbers(
    "numbers: whole, thousands commas",
    ['"1,200"', '"1,200,000"', "950", '"3,400"', '"88,000"', "12", '"2,345"', '"9,999"'],
    [1200, 1200000, 950, 3400, 88000, 12, 2345, 9999],
)
numbers("numbers: euros", [f"€{v:.2f}" for v in _big], _big)
numbers(
    "numbers: euros behind, decimal comma",
    [f"{v:.2f} €".replace(".", ",") for v in _big],
    _big,
    ";",
)
numbers("numbers: dollars, thousands", [f'"${v:,.2f}"' for v in _big], _big)
numbers("numbers: percent", [f"{v:.1f}%" for v in range(8)], [float(v) for v in range(8)])
numbers(
    "numbers: percent and blank, decimal comma",
    [f"{v},5 %" for v in range(8)],
    [v + 0.5 for v in range(8)],
    ";",
)
numbers("numbers: exponents", [f"{v:e}" for v in _big], _big)
numbers(
    "numbers: signs",
    ["+1.5", "-2.5", "\u22123.5", "+0.5", "4", "-5", "6", "7"],
    [1.5, -2.5, -3.5, 0.5, 4, -5, 6, 7],
)
numbers(
    "numbers: in brackets if negative",
    ["1.5", "(2.5)", "3.5", "(0.5)", "4", "5", "6", "7"],
    [1.5, -2.5, 3.5, -0.5, 4, 5, 6, 7],
)
numbers(
    "numbers: 1,234 in a semicolon file",
    [f"{v},{w}" for v, w in zip(range(1, 9), range(123, 923, 100), strict=True)],
    None,
    ";",
)
numbers(
    "numbers: 1.234 in a semicolon file",
    [f"{v}.{w}" for v, w in zip(range(1, 9), range(123, 923, 100), strict=True)],
    None,
    ";",
)
numbers(
    "numbers: 1.234 in a comma file",
    [f"{v}.{w}" for v, w in zip(range(1, 9), range(123, 923, 100), strict=True)],
    [v + w / 1000 for v, w in zip(range(1, 9), range(123, 923, 100), strict=True)],
)
numbers(
    "numbers: two decimal marks",
    ["1,5", "2,25", "3.5", "4.75", "5,5", "6.5", "7,5", "8,5"],
    None,
    ";",
)
numbers(
    "numbers: 17 digits",
    [str(90071992547409931 + v) for v in range(8)],
    [90071992547409931 + v for v in range(8)],
)
numbers(
    "numbers: whole and with .0",
    ["1", "2.0", "3", "4.0", "5", "6", "7", "8"],
    [1, 2, 3, 4, 5, 6, 7, 8],
)

# headers
add(
    "header: none, decimals",
    text(TABLE, header=False),
    {f"column{i}": v for i, v in enumerate(TABLE.values(), 1)},
)
add("header: none, whole numbers", text({"a": TOWN, "b": COUNT}, header=False), None)
add(
    "header: none, only texts",
    "Ulm,Bonn\n" + "Kiel,Jena\n" * 7,
    {"Ulm": ["Kiel"] * 7, "Bonn": ["Jena"] * 7},
)
add(
    "header: numbers from 0",
    text({"0": TOWN, "1": COUNT, "2": SIZE}),
    {"0": TOWN, "1": COUNT, "2": SIZE},
)
add(
    "header: years",
    text({"town": TOWN, "2019": COUNT, "2020": SIZE}),
    {"town": TOWN, "2019": COUNT, "2020": SIZE},
)
add("header: unnamed row numbers", text({"": list(range(8)), **TABLE}))
add(
    "header: unnamed column of values",
    text({"": SIZE[::-1], **TABLE}),
    {"column1": SIZE[::-1], **TABLE},
)
add(
    "header: unnamed column in the middle",
    text({"town": TOWN, "": COUNT, "size": SIZE}),
    {"town": TOWN, "column2": COUNT, "size": SIZE},
)
add(
    "header: one name less, row names",
    "town,count\n"
    + "".join(f"r{i},{a},{b}\n" for i, (a, b) in enumerate(zip(TOWN, COUNT, strict=True))),
    {"town": TOWN, "count": COUNT},
)
add("header: blanks around names", text({" town": TOWN, "count ": COUNT, " size ": SIZE}))
add("header: the same name twice", text(TABLE).replace("count", "town", 1), None)
add("header: two lines", text(TABLE).replace("\n", "\nname,pieces,kg\n", 1), None)
add("header: only", "town,count,size\n", {"town": [], "count": [], "size": []})
add("header: longer than the rows", text(TABLE).replace("size\n", "size,extra,more\n"), None)

# before, between and after
add("lines: comments at the top", "# exported 2024\n# by me\n" + text(TABLE))
add("lines: comments between", text(TABLE).replace("Kiel", "# checked, twice, again\nKiel"))
add("lines: preamble", "Towns and sizes\nexported 2024-01-05\n\n" + text(TABLE))
add("lines: preamble padded with separators", "Towns and sizes,,\n,,\n" + text(TABLE))
add("lines: a source at the end", text(TABLE) + "\nSource: the office\n")
add("lines: two tables", text(TABLE) + "\nname,age\n" + "Ann,30\nBob,40\nCid,50\n", None)
add("lines: nothing", "", None)
add("lines: blank", "\n \n\n", None)

# ragged rows
add("ragged: one row is longer", text(TABLE).replace("Kiel,35", "Kiel,35,9"), None)
add("ragged: one row is shorter", text(TABLE).replace("Kiel,35,2.5", "Kiel,35"), None)
add("ragged: the first row is shorter", text(TABLE).replace("Ulm,3,0.5", "Ulm,3"), None)
add("ragged: separator at the end of all lines", text(TABLE).replace("\n", ",\n"))
add(
    "ragged: separator at the end of rows",
    "town,count,size\n" + text(TABLE, header=False).replace("\n", ",\n"),
)
add("ragged: another separator in one row", text(TABLE).replace("Kiel,35,2.5", "Kiel;35;2.5"), None)

# cells
numbers(
    "cells: leading zeros",
    ["01067", "80331", "04109", "50667", "01099", "10115", "20095", "60311"],
    ["01067", "80331", "04109", "50667", "01099", "10115", "20095", "60311"],
)
numbers("cells: 01 and 02", ["01", "02"] * 4, ["01", "02"] * 4)
numbers("cells: true and false", ["true", "false"] * 4, [True, False] * 4)
numbers(
    "cells: true, false, maybe",
    ["true", "false", "maybe", "true"] * 2,
    ["true", "false", "maybe", "true"] * 2,
)
numbers(
    "cells: times",
    ["08:15", "09:30", "10:00", "23:59"] * 2,
    ["08:15", "09:30", "10:00", "23:59"] * 2,
)
_days = [dt.datetime(2024, 1, day) for day in (5, 13, 21, 30, 2, 8, 17, 25)]
numbers("cells: ISO dates", [f"{d:%Y-%m-%d}" for d in _days], _days)
numbers(
    "cells: dates with points", [f"{d:%d.%m.%Y}" for d in _days], [f"{d:%d.%m.%Y}" for d in _days]
)
numbers(
    "cells: NA among numbers",
    ["1.5", "NA", "2.5", "3.5", "NA", "4.5", "5.5", "6.5"],
    [1.5, None, 2.5, 3.5, None, 4.5, 5.5, 6.5],
)
numbers(
    "cells: - among numbers",
    ["1.5", "-", "2.5", "3.5", "4.5", "4.5", "5.5", "6.5"],
    [1.5, None, 2.5, 3.5, 4.5, 4.5, 5.5, 6.5],
)
numbers(
    "cells: ? among numbers",
    ["1", "?", "2", "3", "?", "4", "5", "6"],
    [1, None, 2, 3, None, 4, 5, 6],
)
numbers(
    "cells: none as a category",
    ["none", "some", "none", "many", "none", "some", "none", "many"],
    ["none", "some", "none", "many", "none", "some", "none", "many"],
)
numbers(
    "cells: NA as a category (continents)",
    ["NA", "EU", "NA", "SA", "AS", "EU", "NA", "AF"],
    ["NA", "EU", "NA", "SA", "AS", "EU", "NA", "AF"],
)
numbers(
    "cells: empty",
    ["1.5", "", "2.5", "3.5", "", "4.5", "5.5", "6.5"],
    [1.5, None, 2.5, 3.5, None, 4.5, 5.5, 6.5],
)
numbers(
    "cells: blanks around",
    [" 1.5", "2.5 ", " 3 ", "4", "5", "6", "7", "8"],
    [1.5, 2.5, 3, 4, 5, 6, 7, 8],
)
numbers(
    "cells: letters and digits",
    ["1E5", "2F7", "3A1", "4E2", "5B9", "6E6", "7C3", "8D4"],
    ["1E5", "2F7", "3A1", "4E2", "5B9", "6E6", "7C3", "8D4"],
)
numbers(
    "cells: telephone numbers",
    [f"+49 30 {v}" for v in range(901820, 901828)],
    [f"+49 30 {v}" for v in range(901820, 901828)],
)
numbers(
    "cells: versions",
    ["1.2.3", "1.10.0", "2.0.1", "1.2.3", "3.1.4", "1.2.9", "2.0.0", "4.0.0"],
    ["1.2.3", "1.10.0", "2.0.1", "1.2.3", "3.1.4", "1.2.9", "2.0.0", "4.0.0"],
)
numbers(
    "cells: ranges",
    ["10-20", "20-30", "10-20", "30-40", "20-30", "10-20", "30-40", "20-30"],
    ["10-20", "20-30", "10-20", "30-40", "20-30", "10-20", "30-40", "20-30"],
)

# no text table at all
add("other: an Excel file", b"PK\x03\x04" + bytes(range(256)) * 4, None)
add(
    "other: a web page",
    "<!DOCTYPE html><html><body><table><tr><td>1,2</td></tr></table></body></html>\n",
    None,
)
add("other: JSON", '[{"town": "Ulm", "count": 3},\n {"town": "Bonn", "count": 14}]\n', None)


def same(right: Columns, found: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether a reader's columns are the right ones, whatever types it stores them in."""
    return list(right) == [str(name) for name in found] and all(
        len(right[name]) == len(cells) and all(map(_same_cell, right[name], cells))
        for name, cells in zip(right, found.values(), strict=True)
    )


def _same_cell(right: Any, found: Any) -> bool:
    if right is None:
        return (
            found is None or (isinstance(found, float) and math.isnan(found)) or str(found) == "NaT"
        )
    if isinstance(right, bool):
        return str(found).lower() == str(right).lower()
    if isinstance(right, dt.datetime):
        return str(found)[:10] == f"{right:%Y-%m-%d}"
    if isinstance(right, int | float):
        if isinstance(found, bool | str) or found is None:
            return False
        return (
            int(found) == right
            if isinstance(right, int) and abs(right) > 2**53
            else math.isclose(float(found), right, rel_tol=1e-9)
        )
    if isinstance(found, dt.date) and right[2:3] == ".":  # a date with points, read as one
        return f"{found:%d.%m.%Y}" == right
    if isinstance(found, dt.time):
        return f"{found:%H:%M}" == right
    return isinstance(found, str) and found == right
