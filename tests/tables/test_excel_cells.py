"""Cells of Excel files that have no value, or values of several kinds."""

import datetime as dt

import pytest

from bridle.errors import DataError
from bridle.tables import read_table

openpyxl = pytest.importorskip("openpyxl")


def _book(tmp_path, header, rows):
    book = openpyxl.Workbook()
    for row in (header, *rows):
        book.active.append(row)
    path = tmp_path / "t.xlsx"
    book.save(path)
    return path


def test_formulas_that_were_never_computed_are_refused(tmp_path):
    rows = [[at, f"=A{at + 2}*2", "x"] for at in range(6)]
    with pytest.raises(DataError, match="formula in B2 has no value"):
        read_table(_book(tmp_path, ["a", "b", "y"], rows))


def test_empty_cells_are_no_formulas(tmp_path):
    frame = read_table(
        _book(tmp_path, ["a", "y"], [[None if at == 2 else at, 1] for at in range(6)])
    )
    assert frame["a"].isna().tolist() == [False, False, True, False, False, False]


def test_dates_beside_numbers_are_refused(tmp_path):
    rows = [[dt.datetime(2024, 1, at + 1) if at % 2 else 45000 + at, at] for at in range(6)]
    with pytest.raises(DataError, match="'day' has dates and numbers, such as 45000"):
        read_table(_book(tmp_path, ["day", "y"], rows))


def test_durations_are_seconds(tmp_path):
    rows = [[dt.timedelta(hours=30 + at), at] for at in range(6)]
    frame = read_table(_book(tmp_path, ["took", "y"], rows))
    assert frame["took"].tolist() == [3600.0 * (30 + at) for at in range(6)]
