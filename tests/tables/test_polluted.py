"""The corpus of polluted tables: each is read right, or refused with a sentence."""

import pytest
from polluted import CASES, same

from bridle.errors import DataError
from bridle.tables import read_table
from bridle.tables.read import read_with_notes


def _columns(frame):
    plain = frame.astype(object).where(frame.notna(), None)
    return {name: plain[name].tolist() for name in plain}


@pytest.mark.parametrize("case", CASES)
def test_right_or_refused(tmp_path, case):
    content, right, name = CASES[case].content, CASES[case].right, CASES[case].name
    path = tmp_path / name
    path.write_bytes(content)
    if right is None:
        with pytest.raises(DataError) as caught:
            read_table(path)
        assert "\n" not in str(caught.value)
        assert ";" in str(caught.value), "what is wrong; what to do"
        return
    found = _columns(read_table(path))
    assert same(right, found), found


UNDERSTOOD = {
    "separator: semicolon": "read 8 rows × 3 columns: separator semicolon, UTF-8",
    "encoding: UTF-8 with BOM": "separator semicolon, decimal comma, UTF-8 with BOM",
    "encoding: Latin-1": "separator semicolon, decimal comma, Windows-1252",
    "numbers: thousands points, decimal comma": "decimal comma, thousands '.'",
    "header: none, decimals": "no header line: the columns are column1, column2 …",
}


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_what_was_understood_is_one_line(tmp_path, case):
    path = tmp_path / CASES[case].name
    path.write_bytes(CASES[case].content)
    assert UNDERSTOOD[case] in read_with_notes(path).line


NOTED = {
    "header: unnamed row numbers": "left out: the unnamed first column, which counts the rows",
    "header: unnamed column of values": "a column without a name is called 'column1'",
    "header: one name less, row names": "left out, because the header has no name for it",
    "lines: comments at the top": "skipped: 2 comment lines that begin with '#'",
    "lines: preamble": "skipped before the header: 'Towns and sizes', 'exported 2024-01-05'",
    "lines: a source at the end": "skipped behind the rows: 'Source: the office'",
    "lines: a Markdown table": "skipped: the line of dashes below the header",
    "cells: kilograms": "the cells of 'x' look like numbers with a unit, such as '0 kg'",
    "cells: mostly -, few numbers": "3 of 8 cells of 'x' are numbers, and '-' is in 5",
    "cells: months of years": "the cells of 'x' look like months or days, such as '05.2023'",
    "cells: - among numbers": "7 of 8 cells of 'x' are numbers; '-' in 1 is taken as missing",
}


@pytest.mark.parametrize("case", NOTED)
def test_what_was_skipped_is_said(tmp_path, case):
    path = tmp_path / CASES[case].name
    path.write_bytes(CASES[case].content)
    assert any(NOTED[case] in note for note in read_with_notes(path).notes)


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case].right is not None])
def test_clean_tables_have_no_notes(tmp_path, case):
    """A note is for what was left out or could be meant otherwise."""
    path = tmp_path / CASES[case].name
    path.write_bytes(CASES[case].content)
    kinds = ("separator", "ends", "encoding", "quotes", "numbers")
    if case.startswith(kinds):
        notes = read_with_notes(path).notes
        assert all(note.startswith("the file is not UTF-8") for note in notes)
