"""Numbers as people write them: decimal marks, thousands, currencies, percent and signs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridle.errors import DataError

__all__ = [
    "PLAIN",
    "Marks",
    "find_marks",
    "float_of",
    "is_amount",
    "is_numberish",
    "is_unending",
    "parse",
]

_INFINITE = r"[+\-\u2212\u2013]?(?:(?i:inf|infinity)|∞)"
PLAIN = rf"^\s*(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|{_INFINITE})\s*$"
"""A number that needs no interpretation; also an infinite one."""

_BLANKS = " \u00a0\u202f\u2009"
_CODES = "EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|INR|CAD|AUD"
_SIGNS = "$€£¥₹₽₩₺₫₴₦฿"
_SAME = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}
_UNIT = rf"(?:[{_SIGNS}]|(?:{_CODES})(?![A-Za-z])|%)"
_DRESS = re.compile(
    rf"^(?P<open>\()?(?P<a>[+\-\u2212\u2013])?[{_BLANKS}]*(?P<before>{_UNIT})?[{_BLANKS}]*"
    rf"(?P<b>[+\-\u2212\u2013])?(?P<core>[\d.,][\d.,'’{_BLANKS}]*?(?:[eE][+-]?\d+)?)"
    rf"[{_BLANKS}]*(?P<after>{_UNIT})?(?P<close>\))?$"
)
_PLAIN = re.compile(PLAIN)
_UNENDING = re.compile(rf"\s*{_INFINITE}\s*")
_GROUPS = r"[1-9]\d{0,2}(?:%s\d{3})+"


def _dress(cell: str) -> tuple[str, str, bool] | None:
    """Return the digits with their marks, the unit, and whether the number is negative."""
    found = _DRESS.match(cell.strip())
    if not found or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [sign for sign in (found["a"], found["b"]) if sign]
    units = [unit for unit in (found["before"], found["after"]) if unit]
    if len(signs) > 1 or len(units) > 1 or (found["open"] and signs):
        return None
    negative = bool(found["open"]) or (bool(signs) and signs[0] != "+")
    unit = (units or [""])[0]
    return found["core"].strip(_BLANKS), _SAME.get(unit, unit), negative


def float_of(cell: str) -> float:
    """Return a plain number.

    Examples
    --------
    >>> float_of("1e3"), float_of("-∞")
    (1000.0, -inf)
    """
    if "∞" in cell or "\u2212" in cell or "\u2013" in cell:
        cell = re.sub("[\u2212\u2013]", "-", cell.replace("∞", "inf"))
    return float(cell)


def is_unending(cell: str) -> bool:
    """Return whether a cell is an infinite number, however it is written.

    Examples
    --------
    >>> [is_unending(cell) for cell in ("-∞", "INF", "Infinity", "info")]
    [True, True, True, False]
    """
    return _UNENDING.fullmatch(cell) is not None


def is_numberish(cell: str) -> bool:
    """Return whether a cell may be a number, in whatever way it is written.

    Examples
    --------
    >>> [is_numberish(cell) for cell in ("1.234,5 €", "(2.5)", "1.2.3", "A3")]
    [True, True, False, False]
    """
    if _PLAIN.match(cell):
        return True
    found = _dress(cell)
    return found is not None and bool(_votes(found[0]))


_AMOUNT = re.compile(
    r"[<>≤≥~≈±]{0,2}\s*[+\-\u2212\u2013]?(?!0\d)(?:\d{1,3}(?:[.,'’]\d{3})+|\d+)(?:[.,]\d+)?\s*(?:[^\d\s.,:;/\-+][^\d:;]{0,14})?"
)


def is_amount(cell: str) -> bool:
    """Return whether a cell is a number, a bound on one, or a number with words behind it.

    Examples
    --------
    >>> [is_amount(cell) for cell in ("5 kg", "<5", "3.5 m/s", "2024-01-05", "A3", "05")]
    [True, True, True, False, False, False]
    """
    return _AMOUNT.fullmatch(cell.strip()) is not None


def _votes(core: str) -> set[str]:
    """Return what the marks of a number can mean: the decimal marks that it allows."""
    digits = core.split("e")[0].split("E")[0]
    for blank in _BLANKS + "'’":
        if blank in digits:
            if not re.fullmatch(_GROUPS % re.escape(blank) + r"(?:[.,]\d*)?", digits):
                return set()
            mark = digits[-1] if digits[-1] in ".," else next((m for m in ".," if m in digits), "")
            return {mark} if mark else {".", ","}
    found = set()
    if digits != core and sum(map(digits.count, ".,")) == 1:
        return {"." if "." in digits else ","}  # no one writes thousands before an exponent
    for decimal, group in ((".", ","), (",", ".")):
        whole, _, rest = digits.partition(decimal)
        fits = rest.isdigit() or not rest
        grouped = re.fullmatch(_GROUPS % re.escape(group), whole) and not whole.startswith("0")
        plain = whole.isdigit() or (not whole and rest)
        if fits and (plain or grouped):
            found.add(decimal)
    return found


@dataclass(frozen=True)
class Marks:
    """The marks of a file's numbers.

    Attributes
    ----------
    decimal : {".", ","}
    thousands : str
        The mark between groups of three digits, or "".
    sep : str or None
        The separator of the file; "" for a table of another format; None if no number of the file
        has a mark, so that the file says nothing of its marks.
    """

    decimal: str = "."
    thousands: str = ""
    sep: str | None = None


def find_marks(
    columns: dict[str, Sequence[str]],
    sep: str,
    decimal: str | None,
    thousands: str | None,
    prior: Marks | None,
) -> Marks:
    """Find out which mark is the decimal one, from all numbers of a file.

    Parameters
    ----------
    columns : dict of str to sequence of str
        The distinct cells of each column that may have numbers.
    sep : str
        The file's separator.
    decimal, thousands : str or None
        What was given.
    prior : Marks or None
        The marks of the table that a model was fitted to. They decide where the file does not, if
        the file has the same separator and no other marks.

    Raises
    ------
    DataError
        If both marks are used as decimal marks, or a number such as 1,234 can mean two things.
    """
    votes: Counter[str] = Counter()
    example: dict[str, tuple[str, str]] = {}
    doubtful: list[tuple[str, str]] = []
    grouping: Counter[str] = Counter()
    whole: set[str] = set()
    long: set[str] = set()
    for name, cells in columns.items():
        for cell in cells:
            found = _dress(cell)
            if found is None:
                continue
            core = found[0]
            allowed = _votes(core)
            grouping.update(mark for mark in _BLANKS + "'’" if mark in core)
            if not ("." in core or "," in core):
                if core.isdigit():
                    (whole if len(core) < 4 else long).add(name)
                continue
            if len(allowed) == 1:
                (one,) = allowed
                votes[one] += 1
                example.setdefault(one, (name, cell))
            elif allowed:
                doubtful.append((name, cell))
    if decimal is None:
        decimal = _of_thousands(thousands) or _of_votes(votes, example)
    if decimal is None:
        # beside 100 and 900, 1.100 may be eleven hundred; beside 1100, it is not
        grouped = [(name, cell) for name, cell in doubtful if name in whole - long]
        decimal = _of_form(doubtful, sep, prior, grouped)
    if thousands is None:
        other = "," if decimal == "." else "."
        groups = any(other in cell for _, cell in doubtful)
        groups |= any(
            other in cell and other in (_dress(cell) or ("",))[0]
            for cells in columns.values()
            for cell in cells
        )
        thousands = other if groups else next(iter(grouping), "")
    return Marks(decimal, thousands, sep if votes or doubtful else None)


def _of_thousands(thousands: str | None) -> str | None:
    if thousands in (".", ","):
        return "," if thousands == "." else "."
    return None


def _of_votes(votes: Counter[str], example: dict[str, tuple[str, str]]) -> str | None:
    """Return the decimal mark by the numbers that can mean one thing only."""
    if votes["."] and votes[","]:
        (a, one), (b, other) = example["."], example[","]
        raise DataError(
            f"column {a!r} has {one!r} and column {b!r} has {other!r}: it is not clear which mark "
            "is the decimal one; give --decimal . or --decimal ,"
        )
    return next((mark for mark in ".," if votes[mark]), None)


def _of_form(
    doubtful: list[tuple[str, str]],
    sep: str,
    prior: Marks | None,
    grouped: list[tuple[str, str]],
) -> str:
    """Return the decimal mark of numbers that can all mean two things, such as 1.234."""
    if not doubtful:
        return "."
    used = {mark for _, cell in doubtful for mark in ".," if mark in cell}
    if prior is not None and prior.sep == sep and used <= {prior.decimal, prior.thousands}:
        return prior.decimal
    # a cell with a comma would be quoted in a file of commas; elsewhere a model may object
    agrees = sep == "," or prior is None or prior.decimal == "."
    if used == {"."} and sep != ";" and agrees and not grouped:
        return "."
    name, cell = (grouped or doubtful)[0]
    core = (_dress(cell) or (cell,))[0]
    raise DataError(
        f"column {name!r}: {cell!r} can mean {core.replace(',', '.')} or "
        f"{re.sub('[.,]', '', core)}; give --decimal . or --decimal ,"
    )


def parse(cells: Iterable[str], marks: Marks) -> list[tuple[str, str] | None]:
    """Return each cell as a plain number with its unit, or None if it is no number.

    Examples
    --------
    >>> parse(["1.234,5 €", "-3", "soon"], Marks(",", "."))
    [('1234.5', '€'), ('-3', ''), None]
    """
    return [_plain(cell, marks) for cell in cells]


def _plain(cell: str, marks: Marks) -> tuple[str, str] | None:
    found = _dress(cell)
    if found is None:
        return (str(float_of(cell)), "") if is_unending(cell) else None
    core, unit, negative = found
    number, exponent = [*re.split("(?=[eE])", core, maxsplit=1), ""][:2]
    whole, mark, rest = number.partition(marks.decimal)
    for group in dict.fromkeys(marks.thousands + _BLANKS + "'’"):
        if group in whole:
            if not re.fullmatch(_GROUPS % re.escape(group), whole):
                return None
            whole = whole.replace(group, "")
            break
    if not re.fullmatch(r"\d*", whole) or not re.fullmatch(r"\d*", rest) or not (whole or rest):
        return None
    return ("-" if negative else "") + (whole or "0") + (
        "." + rest if mark else ""
    ) + exponent, unit
