"""Polluted cells: numbers, dates, codes and missing values as people write them."""

import datetime as dt
from typing import Any

from polluted_helpers import SIZE, TABLE, TOWN, Case, Columns, text

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
    "numbers: 17 digits beside missing cells",
    ["", *(str(90071992547409931 + v) for v in range(7))],
    [None, *(90071992547409931 + v for v in range(7))],
)
numbers(
    "numbers: 19 digits beside missing cells",
    ["", *(str(10**18 + v) for v in range(7))],
    [None, *(str(10**18 + v) for v in range(7))],
)
numbers(
    "numbers: whole and with .0",
    ["1", "2.0", "3", "4.0", "5", "6", "7", "8"],
    [1, 2, 3, 4, 5, 6, 7, 8],
)

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

# thousands without a comma anywhere: 1.100 is 1100 or 1.1
_thousands = ["500", "600", "700", "800", "900", "1.000", "1.100", "1.200"]
for _name, _sep in {"tab": "\t", "pipe": "|", "comma": ",", "semicolon": ";"}.items():
    numbers(f"numbers: whole, thousands points, {_name}", _thousands, None, _sep)
numbers(
    "numbers: millions with points, tab",
    ["500", "1.000", "1.100", "900", "2.000.000", "800", "1.200", "5"],
    [500, 1000, 1100, 900, 2000000, 800, 1200, 5],
    "\t",
)
numbers(
    "numbers: three decimals and a leading 0, tab",
    ["0.125", "12.345", "7", "3.250", "1", "9.500", "2.125", "8"],
    [0.125, 12.345, 7, 3.25, 1, 9.5, 2.125, 8],
    "\t",
)
numbers(
    "numbers: three decimals beside long whole numbers",
    ["1500", "12.345", "7", "3.250", "1", "9.500", "2.125", "8"],
    [1500, 12.345, 7, 3.25, 1, 9.5, 2.125, 8],
)
numbers(
    "numbers: three decimals and exponents",
    ["1.234e5", "2.125E-3", "7", "3.250e0", "1", "9.500e0", "2.125e0", "8"],
    [123400.0, 0.002125, 7, 3.25, 1, 9.5, 2.125, 8],
)
numbers(
    "cells: months of years",
    [f"{v:02}.2023" for v in range(5, 13)],
    [f"{v:02}.2023" for v in range(5, 13)],
)
numbers(
    "cells: days of months",
    [f"{v:02}.{w:02}" for v, w in zip(range(5, 13), range(1, 9), strict=True)],
    [f"{v:02}.{w:02}" for v, w in zip(range(5, 13), range(1, 9), strict=True)],
)
numbers("cells: kilograms", [f"{v} kg" for v in range(8)], [f"{v} kg" for v in range(8)])
_dashes = ["-", "1.5", "-", "2.5", "-", "-", "-", "3.5"]
numbers("cells: mostly -, few numbers", _dashes, _dashes)
