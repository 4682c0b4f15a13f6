"""The same table in every format, and what no format can have."""

import io
import json
import sqlite3
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from bridle.errors import DataError, UsageError
from bridle.tables import ReadOptions, read_table

FRAME = pd.DataFrame(
    {
        "town": ["Ulm", "Bonn", None, "Kiel"],
        "code": ["01", "02", "03", "01"],
        "count": [3, 14, 15, 92],
        "size": [0.5, None, 3.25, -7.5],
        "open": [True, False, True, True],
        "day": pd.to_datetime(["2024-01-05", "2024-01-13", "2024-02-01", "2024-03-09"]),
    }
)


def _jsonl(path):
    FRAME.assign(day=FRAME["day"].dt.strftime("%Y-%m-%d")).to_json(
        path, orient="records", lines=True
    )


def _sqlite(path):
    base = sqlite3.connect(path)
    FRAME.assign(day=FRAME["day"].dt.strftime("%Y-%m-%d"), open=FRAME["open"].astype(str)).to_sql(
        "t", base, index=False
    )
    base.close()


def _duckdb(path):
    duckdb = pytest.importorskip("duckdb")
    base = duckdb.connect(str(path))
    frame = FRAME  # DuckDB finds it by its name
    base.execute("CREATE TABLE t AS SELECT * FROM frame")
    assert frame is FRAME
    base.close()


def _excel(path):
    pytest.importorskip("openpyxl")
    FRAME.to_excel(path, index=False)


WRITERS = {
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "t.csv.gz": lambda path: FRAME.to_csv(path, index=False, sep=";", decimal=","),
    "t.parquet": lambda path: FRAME.to_parquet(path),
    "t.arrow": lambda path: pyarrow.feather.write_feather(FRAME, str(path)),
    "t.jsonl": _jsonl,
    "t.xlsx": _excel,
    "t.sqlite": _sqlite,
    "t.duckdb": _duckdb,
}


def _plain(frame):
    plain = frame.astype(object).where(frame.notna(), None)
    return {name: [str(v) if name == "day" else v for v in plain[name]] for name in plain}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_table_in_every_format(tmp_path, name):
    WRITERS[name](tmp_path / name)
    read = read_table(tmp_path / name)
    assert _plain(read) == _plain(read_table(FRAME))
    assert pd.api.types.is_datetime64_any_dtype(read["day"].dtype)
    assert read["size"].dtype == np.float64


def test_tables_in_memory():
    assert _plain(read_table(pa.Table.from_pandas(FRAME))) == _plain(FRAME)
    polars = pytest.importorskip("polars")
    assert _plain(read_table(polars.from_pandas(FRAME))) == _plain(FRAME)


def test_a_duckdb_relation():
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.connect().sql("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'")
    assert read_table(found).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(b"a;b\n1,5;x\n2,5;y\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert read_table("-")["a"].tolist() == [1.5, 2.5]


def test_queries_are_read_only(tmp_path):
    path = tmp_path / "t.sqlite"
    _sqlite(path)
    found = read_table(path, ReadOptions(sql="SELECT town, count FROM t WHERE count > 14"))
    assert found["count"].tolist() == [15, 92]
    before = path.read_bytes()
    for query in ("DELETE FROM t", "DROP TABLE t", "CREATE TABLE u (a)"):
        with pytest.raises(DataError, match=r"read-only|no rows"):
            read_table(path, ReadOptions(sql=query))
    assert path.read_bytes() == before
    with pytest.raises(DataError, match="no such table"):
        read_table(path, ReadOptions(sql="SELECT * FROM absent"))


def test_several_tables_need_a_name(tmp_path):
    path = tmp_path / "t.sqlite"
    _sqlite(path)
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE other (a)")
    base.commit()
    base.close()
    with pytest.raises(UsageError, match="'other', 't'; name one with --sql"):
        read_table(path)
    assert len(read_table(path, ReadOptions(sql="t"))) == 4


def test_duckdb_files_are_read_only(tmp_path):
    path = tmp_path / "t.duckdb"
    _duckdb(path)
    found = read_table(path, ReadOptions(sql="SELECT count FROM t ORDER BY count DESC"))
    assert found["count"].tolist() == [92, 15, 14, 3]
    with pytest.raises(DataError, match="read-only"):
        read_table(path, ReadOptions(sql="DROP TABLE t"))
    with pytest.raises(DataError):
        read_table(path, ReadOptions(sql="SELECT * FROM read_csv('/etc/passwd')"))


NESTED = {"lists": [[1], [2, 3], [], None], "structs": [{"a": 1}] * 4}


@pytest.mark.parametrize("name", NESTED)
def test_lists_and_structs_are_refused_by_name(tmp_path, name):
    frame = FRAME.assign(nested=NESTED[name])
    frame.to_parquet(tmp_path / "t.parquet")
    rows = [{"a": 1, "nested": value} for value in NESTED[name]]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for source in (frame, tmp_path / "t.parquet", tmp_path / "t.jsonl"):
        with pytest.raises(DataError, match="'nested' has nested values"):
            read_table(source)


BAD = {
    "no JSON": ("t.jsonl", '{"a": 1}\nx\n', "line 2 is not a JSON object"),
    "an array a line": ("t.jsonl", "[1, 2]\n", "line 1 is not an object"),
    "no lines": ("t.jsonl", "\n", "empty"),
    "no Excel file": ("t.xlsx", "a,b\n", "not a complete Excel file"),
    "no Arrow file": ("t.arrow", "a,b\n", "not a complete Arrow file"),
    "no database": ("t.sqlite", "a,b\n" * 99, "not a database"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_files(tmp_path, case):
    name, content, part = BAD[case]
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=part):
        read_table(tmp_path / name)


def test_sheets(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        FRAME[["town"]].assign(a=1).to_excel(book, sheet_name="one", index=False)
        FRAME[["count", "size"]].to_excel(book, sheet_name="two", index=False)
    with pytest.raises(DataError, match="several sheets with cells: 'one', 'two'; give --sheet"):
        read_table(path)
    assert list(read_table(path, ReadOptions(sheet="two"))) == ["count", "size"]
    with pytest.raises(DataError, match="no sheet 'three'"):
        read_table(path, ReadOptions(sheet="three"))


def test_a_package_that_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UsageError, match=r"pip install 'bridle\[excel\]'"):
        read_table(tmp_path / "t.xlsx")


LARGE = [2**60 + 1, None, 2**60, 5, -(2**53) - 1]


def _in_sqlite(path):
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (id INTEGER)")
    base.executemany("INSERT INTO t VALUES (?)", [(each,) for each in LARGE])
    base.commit()
    base.close()


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.jsonl", "t.sqlite", "memory"])
def test_large_whole_numbers_are_exact_beside_missing_ones(tmp_path, name):
    table, path = pa.table({"id": LARGE}), tmp_path / name
    writers = {
        "t.parquet": lambda: pyarrow.parquet.write_table(table, path),
        "t.arrow": lambda: pyarrow.feather.write_feather(table, path),
        "t.jsonl": lambda: path.write_text("\n".join(json.dumps({"id": each}) for each in LARGE)),
        "t.sqlite": lambda: _in_sqlite(path),
        "memory": lambda: None,
    }
    writers[name]()
    found = read_table(table if name == "memory" else path)["id"]
    assert [None if pd.isna(each) else int(each) for each in found] == LARGE


UNSIGNED = [2**63 + 5, None, 2**63 + 6, 1]


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "memory"])
def test_unsigned_whole_numbers_are_exact_beside_missing_ones(tmp_path, name):
    table, path = pa.table({"id": pa.array(UNSIGNED, pa.uint64()), "n": range(4)}), tmp_path / name
    if name == "t.parquet":
        pyarrow.parquet.write_table(table, path)
    elif name == "t.arrow":
        pyarrow.feather.write_feather(table, path)
    found = read_table(table if name == "memory" else path)["id"]
    assert [None if pd.isna(each) else int(each) for each in found] == UNSIGNED


class _Wide:
    """A table in memory of 128-bit integers, such as one of polars."""

    cells = (2**90, None, -1)

    def to_pandas(self):
        return pd.DataFrame({"id": pd.Series(self.cells, dtype="float64")})

    def get_column(self, name):
        return self

    def to_list(self):
        return list(self.cells)


def test_whole_numbers_that_no_type_holds_stay_as_they_are():
    found = read_table(_Wide())["id"]
    assert found.dropna().tolist() == [2.0**90, -1.0]
