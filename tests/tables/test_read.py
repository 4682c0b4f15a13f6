"""Reading tables: every kind of file that is read, and a clear error for each that is not."""

import datetime
import gzip
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from bridle.errors import DataError
from bridle.tables import read_table

ROWS = "a,b\n1,x\n2,y\n"


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", ROWS),
        ("t.CSV", ROWS),
        ("t.txt", ROWS.replace(",", ";")),
        ("t.tsv", ROWS.replace(",", "\t")),
        ("t.csv", b"\xef\xbb\xbf" + ROWS.encode()),
        ("t.csv", ROWS.replace("\n", "\r\n")),
        ("t.csv", ROWS.rstrip("\n")),
        ("t.csv.gz", gzip.compress(ROWS.encode(), mtime=0)),
    ],
)
def test_kinds_of_csv(tmp_path, name, content):
    frame = read_table(_file(tmp_path, name, content))
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_quotes_commas_and_line_breaks_within_cells(tmp_path):
    path = _file(tmp_path, "t.csv", 'a,"b,c"\n1,"two\nlines, one cell"\n2,"say ""hi"""\n')
    assert read_table(path)["b,c"].tolist() == ["two\nlines, one cell", 'say "hi"']


def test_missing_values(tmp_path):
    path = _file(tmp_path, "t.csv", "a,b,c\n1,?,true\nNA,x,\n,y,false\n3,None,true\n")
    frame = read_table(path)
    assert frame.isna().to_numpy().sum(0).tolist() == [2, 2, 1]
    assert frame["a"].dtype == np.float64


def test_parquet(tmp_path):
    frame = pd.DataFrame({"a": [1.5, None], "d": pd.to_datetime(["2020-01-01", "2021-01-01"])})
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_table(str(tmp_path / "t.parquet"))
    assert read["d"].dt.year.tolist() == [2020, 2021]
    assert read["a"].isna().tolist() == [False, True]


def test_frames_are_copied_and_plain():
    frame = pd.DataFrame(
        {
            0: [1, 2],
            "day": [datetime.date(2020, 1, 1), None],
            "zoned": pd.to_datetime(["2020-01-01 01:00+01:00"] * 2),
            "long": pd.to_timedelta([1, 2], unit="h"),
            "money": [Decimal("1.5"), Decimal("2")],
        },
        index=[7, 7],
    )
    before = frame.copy(deep=True)
    read = read_table(frame)
    assert list(read.columns) == ["0", "day", "zoned", "long", "money"]
    assert read.index.tolist() == [0, 1]
    assert read["day"].dt.year.iloc[0] == 2020
    assert read["zoned"].dt.hour.tolist() == [0, 0]
    assert read["long"].tolist() == [3600.0, 7200.0]
    assert read["money"].tolist() == [1.5, 2.0]
    pd.testing.assert_frame_equal(frame, before)


def test_anything_with_to_pandas():
    class Other:
        def to_pandas(self):
            return pd.DataFrame({"a": [1]})

    assert read_table(Other()).to_dict("list") == {"a": [1]}


BAD = {
    "empty": ("t.csv", "", "empty"),
    "blank": ("t.csv", "\n \n", "empty"),
    "too many cells": ("t.csv", "a,b\n1,2\n3,4,5\n", "Expected 2 columns, got 3"),
    "too few cells": ("t.csv", "a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
    "twice the same name": ("t.csv", "a,a\n1,2\n", "'a'"),
    "no known encoding": ("t.csv", b"a,b\n1,\x81\n", "line 2, byte 0x81"),
    "no gzip": ("t.csv.gz", ROWS, "damaged"),
    "half a gzip": ("t.csv.gz", gzip.compress(ROWS.encode() * 99, mtime=0)[:30], "damaged"),
    "no Parquet": ("t.parquet", ROWS, "complete Parquet"),
    "unknown kind": ("t.xlsx", ROWS, "'.xlsx'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    name, content, part = BAD[case]
    with pytest.raises(DataError) as caught:
        read_table(_file(tmp_path, name, content))
    text = str(caught.value)
    assert part in text
    assert name in text
    assert "\n" not in text


def test_absent_files_and_folders(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="folder"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="ndarray"):
        read_table(np.zeros((2, 2)))


def test_bad_frames():
    with pytest.raises(DataError, match="several columns named 'a'"):
        read_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="'a' has nested values"):
        read_table(pd.DataFrame({"a": [[1, 2], [3]]}))
    with pytest.raises(DataError, match="no columns"):
        read_table(pd.DataFrame(index=[0, 1]))
